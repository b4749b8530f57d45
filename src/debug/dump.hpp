// src/debug/dump.hpp — what is known of a g, taken while it may be running.
// Go: runtime/traceback.go.  Room: debug (floor 6).
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <vector>

#include "gmp/detail/sched/options.hpp"
#include "sched/sched.hpp"

namespace gmp::detail {

/// A snapshot of gp. Its frames are walked only while it waits, under its scan bit. Id 0: it has ended.
GInfo snapshot(G* gp);

/// As Go prints one goroutine: header, frames, creator; ends with a newline.
std::string format(const GInfo& info);

/// All of them, with empty lines between.
std::string format(const std::vector<GInfo>& infos);

/// What is known of each g of sched, by id; null: of all executors.
std::vector<GInfo> infos_of(const Sched* sched);

/// `goroutine 7 "name"`, or without the name.
std::string title_of(std::uint64_t id, const std::string& name);

/// `file:line`.
std::string place_of(const std::source_location& site);

/// What an exception says for itself; of a type that is none of std's: its name.
std::string what_of(const std::exception_ptr& thrown);

/// A function's name without the compiler's decoration of a coroutine's actor.
std::string pretty_function(const char* name);

}  // namespace gmp::detail
