// src/sched/status.hpp — the steps of a g's status, each in one place.
// Go: runtime/proc.go (casgstatus, castogscanstatus, ready).  Room: sched (floor 2).
//
//   who           | step                                       | how
//   its M         | running -> waiting, before it is published | store, release
//   its M         | waiting -> running, not published after all| CAS: a dump may hold the scan bit
//   who woke it   | waiting -> runnable                        | CAS; waiting|scan -> runnable|scan, and the dump queues it
//   a dump        | waiting -> waiting|scan, and back          | CAS; fetch_and
//   an M          | runnable -> running                        | store: it took the g off a queue, nobody else has it
//   GS1  frames are read by a dump only under the scan bit, and a g is queued only without it: so no M runs a g whose frames are being read.
//   GS2  a g is queued exactly once for each waiting -> runnable.
#pragma once

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sched/g.hpp"

namespace gmp::detail::status {

constexpr std::uint32_t word(Status s) noexcept { return static_cast<std::uint32_t>(s); }

inline void begin_wait(Atomic<std::uint32_t>& status) noexcept {
  status.store(word(Status::waiting), release);  // [G-STATUS] whoever sees it may walk the frames
}

inline void abort_wait(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = word(Status::waiting);
  while (!status.compare_exchange_weak(was, word(Status::running), acquire, relaxed)) {  // [G-STATUS] after the dump's last read
    was = word(Status::waiting);
    cpu_pause();
  }
}

/// True: the caller queues the g. False: a dump walks its frames, and queues it when it is through.
inline bool make_runnable(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = status.load(relaxed);
  for (;;) {
    if ((was & ~scan_bit) != word(Status::waiting)) fatal("gmp: a goroutine that does not wait was made ready");
    const std::uint32_t now = word(Status::runnable) | (was & scan_bit);
    if (status.compare_exchange_weak(was, now, acq_rel, relaxed)) return (was & scan_bit) == 0;  // [G-STATUS] after the dump's last read
  }
}

/// A dump. False: the g does not wait, or another dump is at it; nothing may be read.
inline bool begin_scan(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = word(Status::waiting);
  return status.compare_exchange_strong(was, was | scan_bit, acquire, relaxed);  // [G-STATUS]
}

/// True: the g was made ready meanwhile, and the caller queues it.
inline bool end_scan(Atomic<std::uint32_t>& status) noexcept {
  return (status.fetch_and(~scan_bit, acq_rel) & ~scan_bit) == word(Status::runnable);  // [G-STATUS]
}

}  // namespace gmp::detail::status
