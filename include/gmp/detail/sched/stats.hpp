// include/gmp/detail/sched/stats.hpp — what debug::stats() gives: counts of gs, Ms and Ps, and how long gs waited to run.
// Go: runtime/metrics (/sched/goroutines, /sched/latencies …), runtime/proc.go (schedtrace).  Room: sched (floor 2).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gmp/detail/sched/options.hpp"

namespace gmp::debug {

/// How long gs were runnable before they ran: a histogram in powers of two. A sample of all: what became runnable in one turn
/// of a P's loop among about 500, drawn at random; of what other threads woke, one in 61.     Go: runtime/metrics, /sched/latencies:seconds (one in 8)
struct Latencies {
  static constexpr std::size_t buckets = 40;  // how many counts there are
  /// counts[i]: under bound(i), and not under bound(i - 1). What is longer than all, 9 minutes, is in the last.
  std::array<std::uint64_t, buckets> counts{};

  /// The upper bound of one bucket.
  static constexpr std::chrono::nanoseconds bound(std::size_t i) noexcept { return std::chrono::nanoseconds(std::int64_t{1} << i); }
  /// How many were sampled.
  std::uint64_t count() const noexcept {
    std::uint64_t all = 0;
    for (const std::uint64_t n : counts) all += n;
    return all;
  }
  /// The bound under which that part of them was, 0.99 for example; 0: there are none.
  std::chrono::nanoseconds quantile(double part) const noexcept {
    const std::uint64_t all = count();
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
      below += counts[i];
      if (counts[i] != 0 && static_cast<double>(below) >= part * static_cast<double>(all)) return bound(i);
    }
    return std::chrono::nanoseconds(0);
  }
};

/// idle: nothing to do. blocking: its M is in blocking(f), and has kept it so far. retired: gomaxprocs() made it surplus.     Go: _Pidle …
enum class ProcState : std::uint8_t { idle, running, blocking, retired };

/// One P.
struct ProcStats {
  int id = 0;                       // its number, from 0
  ProcState state = ProcState::idle;  // what it does
  int m = -1;                       // the id of the M that has it, or sleeps on it; -1: none
  std::uint64_t runq = 0;           // gs in its queue, without the next one
  bool has_run_next = false;        // one was made ready last, and runs next
  std::uint64_t timers = 0;         // that are set
  std::uint64_t io_in_flight = 0;   // operations on which gs are parked
  std::uint64_t ticks = 0;          // time slices that it began
  std::uint64_t steals = 0;         // times it took gs from another P
  std::uint64_t parks = 0;          // times it went to sleep
  std::uint64_t polls = 0;          // times its poller had something
};

/// An executor at some instant, or several added up. Each figure is right by itself; as nobody is stopped for them, two of them need not be of the
/// same instant. goroutines is runnable + running + waiting + in_blocking, where that leaves no rest below 0.
struct Stats {
  std::uint64_t goroutines = 0;     // gs that have not ended
  std::uint64_t runnable = 0;       // in a queue
  std::uint64_t running = 0;        // on an M
  std::uint64_t waiting = 0;        // parked
  std::uint64_t in_blocking = 0;    // in blocking(f)
  std::uint64_t threads = 0;        // Ms; each executor has one thread more, which watches them
  std::uint64_t procs = 0;          // gomaxprocs
  std::uint64_t idle_procs = 0;     // Ps without anything to do
  std::uint64_t spinning = 0;       // Ms that look for work
  std::uint64_t global_queue = 0;   // of the runnable gs, those that no P has
  std::uint64_t spawned = 0;        // gs, since the executor was made; the next three likewise, and latency
  std::uint64_t steals = 0;         // times a P took gs from another one
  std::uint64_t parks = 0;          // times an M went to sleep
  std::uint64_t polls = 0;          // times a poller had something
  std::uint64_t io_in_flight = 0;   // operations on which gs are parked
  std::uint64_t timers = 0;         // that are set
  Poller poller = Poller::automatic;  // uring or epoll; of several executors that of the newest; automatic: there is none
  std::vector<ProcStats> per_proc;    // by id; of several executors one after the other
  Latencies latency;                  // how long gs waited to run
};

}  // namespace gmp::debug
