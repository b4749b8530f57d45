// src/sched/sysmon.hpp — Sysmon: the thread that watches the Ms of one executor.
// Go: runtime/proc.go (sysmon, retake).  Room: sched (floor 2).
#pragma once

#include <pthread.h>

#include <cstdint>
#include <vector>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/detail/timer/heap.hpp"

namespace gmp::detail {

class Sched;
struct M;
struct P;

class Sysmon : Immovable {
 public:
  /// Under the scheduler's lock, before its first M runs.
  static Sysmon* start(Sched& sched);
  /// Joins the thread.
  void stop() noexcept;

  /// A P came off the idle list. Two loads and no more, unless sysmon is in its deep sleep.
  void note_activity() noexcept {
    if (depth_.load(relaxed) == deep) [[unlikely]] wake();  // a hint: deep sleep has a limit, too
  }
  /// A g enters blocking(f) and leaves work behind on its P.
  bool napping() const noexcept { return depth_.load(relaxed) != shallow; }
  void note_blocking() noexcept {
    if (depth_.load(relaxed) != shallow) [[unlikely]] wake();
  }

 private:
  enum Depth : std::uint32_t { shallow = 0, long_nap = 1, deep = 2 };
  explicit Sysmon(Sched& sched);
  static void* thread(void* self);
  void run() noexcept;
  void wake() noexcept;
  bool round(std::int64_t now) noexcept;
  bool has_work(P* pp, std::int64_t now) const noexcept;
  std::int64_t turn_ns() const noexcept;
  bool overdue(const M* mp, std::int64_t cpu_before, std::int64_t elapsed, std::int64_t cpu_enough) const noexcept;
  void name_robbed(std::int64_t now) noexcept;
  template <class ComputesOn>
  bool name_hog(M* mp, std::int64_t elapsed, std::int64_t cpu_before, ComputesOn computes_on) noexcept;
  void nap(std::int64_t duration_ns, Depth depth) noexcept;
  void trace(std::int64_t now) noexcept;

  struct Robbed {
    M* mp;
    std::uint32_t sysc;
    bool named;
    std::int64_t since, cpu;
  };

  Sched& sched_;
  std::int64_t grant_at_ = 0;         // its own, as the next ones: when a fresh g may be begun though hogs have left no P
  const bool names_hogs_;             // GMPDEBUG=hog=1
  std::vector<Robbed> robbed_;        // hogs that have lost their Ps
  std::vector<std::uint64_t> named_;  // ids
  pthread_t thread_{};
  Atomic<std::uint32_t> depth_{shallow};  // the futex word, too
  Atomic<bool> stopping_{false};
  std::int64_t started_ns_ = 0;       // for GMPDEBUG=schedtrace, this thread's own
  std::int64_t next_trace_ns_ = never;  // when its next line is due
};

/// Written by every sysmon, and by Ms that read the clock anyway.
void coarse_clock_tick(std::int64_t now) noexcept;

/// Threads of the process that are this library's: for the deadlock report.
extern Atomic<int> library_threads;
extern Atomic<int> outside_hopes;

}  // namespace gmp::detail
