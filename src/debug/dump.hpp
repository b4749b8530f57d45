// src/debug/dump.hpp — what is known of a g, taken while it may be running.
// Go: runtime/traceback.go.  Room: debug (floor 6).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <vector>

#include "gmp/detail/sched/options.hpp"
#include "sched/sched.hpp"

namespace gmp::detail {

/// What a g waits on: objects by their addresses, or a time. Addresses only: nobody looks there.
struct WaitsOn {
  static constexpr std::size_t most = 4;
  std::array<const void*, most> objects{};
  std::size_t count = 0;       // may be more than are in `objects`
  std::int64_t due_ns = never;  // of a sleep
  int fd = -1;                 // of an I/O wait
  std::uint64_t g = 0;         // of a join
};
/// Of a g that waits, whose frame stays: under its scan bit.
WaitsOn waits_on(const G* gp) noexcept;
/// "gmp::Mutex 0x7f…, held by goroutine 3", "due in 2s"; empty: nothing is known.
std::string to_string(WaitReason reason, const WaitsOn& on);

/// One g, as it was at some instant, without texts.
struct Seen {
  std::uint64_t id = 0, parent_id = 0;
  std::source_location created_at{};
  Status status = Status::waiting;
  WaitReason reason = WaitReason::none;
  std::int64_t waiting_ns = 0;
  std::string name{};
  std::vector<std::source_location> sites{};  // innermost first
  bool cut = false;                           // there are more
  WaitsOn on{};
};
/// Each g of sched, by id; null: of all executors.
std::vector<Seen> see(const Sched* sched);
/// One g that is no more, or whose frames are read otherwise.
std::string format(const GInfo& info);
/// All of them, as Go prints them, with empty lines between. The first stands alone; of others those that are alike become one entry.
std::string format(const std::vector<Seen>& all);

GInfo to_info(const Seen& seen);
/// One of them. Id 0: it has ended.
GInfo snapshot(G* gp);
/// What is known of each g of sched, by id; null: of all executors.
std::vector<GInfo> infos_of(const Sched* sched);

/// `goroutine 7 "name"`, or without the name.
std::string title_of(std::uint64_t id, const std::string& name);

/// `file:line`.
std::string place_of(const std::source_location& site);
/// Who started a g: `goroutine 7`, or a thread that is none (0).
std::string creator_of(std::uint64_t parent);

/// 0x and its hexadecimal digits.
std::string address_of(const void* object);

/// What an exception says for itself; of a type that is none of std's: its name.
std::string what_of(const std::exception_ptr& thrown);

/// A function's name without the compiler's decoration of a coroutine's actor.
std::string pretty_function(const char* name);

/// lock_cycle.cpp: who holds the lock, as far as $GMPDEBUG=lockcycle=1 knows: ", held by goroutine 3", or empty.
std::string holder_of(const void* lock);

}  // namespace gmp::detail
