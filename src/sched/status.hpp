// src/sched/status.hpp — the steps of a g's status, each in one place.
// Go: runtime/proc.go (casgstatus, castogscanstatus, ready).  Room: sched (floor 2).
//
//   who           | step                                       | how
//   its M         | running -> waiting, before it is published | store, release; under until() seq_cst, with may_hold
//   its M         | waiting -> running, not published after all| CAS: a dump, or who withdraws, may be at it
//   who woke it   | waiting -> runnable                        | CAS; scan and hold stay, and who clears the last of them queues the g
//   a dump        | waiting -> waiting|scan, and back          | CAS; fetch_and
//   who withdraws | waiting -> waiting|hold, and back          | CAS; fetch_and
//   who ends a    | waiting -> waiting|ends, then as who woke  | CAS, which fails once it is dead
//   foreign await |                                            |
//   a stop        | waiting -> dead, of one left in such       | CAS, which fails once its end has begun
//   an M          | runnable -> running                        | store: it took the g off a queue, nobody else has it
//   GS1  frames are read by a dump only under the scan bit, waiters are withdrawn only under the hold bit, and a g is queued only without
//        them: so no M runs a g whose frames are being read, and the waiter that is withdrawn is there.
//   GS2  a g is queued exactly once for each waiting -> runnable.
#pragma once

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sched/g.hpp"

namespace gmp::detail::status {

constexpr std::uint32_t word(Status s) noexcept { return static_cast<std::uint32_t>(s); }

inline constexpr std::uint32_t busy_bits = scan_bit | hold_bit;

inline void begin_wait(Atomic<std::uint32_t>& status) noexcept {
  status.store(word(Status::waiting), release);  // [G-STATUS] whoever sees it may walk the frames
}
/// The same, of a g that may be withdrawn: before it looks whether it is to be (WD1).
inline void begin_withdrawable_wait(Atomic<std::uint32_t>& status) noexcept {
  status.store(word(Status::waiting) | may_hold_bit, seq_cst);  // [WITHDRAW] waiting, then the look at what was asked
}

inline void abort_wait(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = status.load(relaxed) & ~busy_bits;
  while (!status.compare_exchange_strong(was, word(Status::running), acquire, relaxed)) {  // [G-STATUS] after the last touch of who was at it
    was &= ~busy_bits;
    cpu_pause();
  }
}

/// True: the caller queues the g. False: somebody is at it, and queues it when he is through.
inline bool make_runnable(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = status.load(relaxed);
  for (;;) {
    if (status_in(was) != Status::waiting) fatal("gmp: a goroutine that does not wait was made ready");
    const std::uint32_t now = word(Status::runnable) | (was & busy_bits);
    if (status.compare_exchange_weak(was, now, acq_rel, relaxed)) return (was & busy_bits) == 0;  // [G-STATUS] after the last touch
  }
}

/// A dump. False: the g does not wait, or another dump is at it; nothing may be read.
inline bool begin_scan(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = status.load(relaxed);
  while (status_in(was) == Status::waiting && (was & scan_bit) == 0) {
    if (status.compare_exchange_weak(was, was | scan_bit, acquire, relaxed)) return true;  // [G-STATUS]
  }
  return false;
}

/// Who withdraws, after he has asked for it (WD1). False: the g does not wait under until(), or another one withdraws it.
inline bool begin_hold(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = status.load(seq_cst);  // [WITHDRAW] after what was asked
  while (status_in(was) == Status::waiting && (was & (may_hold_bit | hold_bit)) == may_hold_bit) {
    if (status.compare_exchange_weak(was, was | hold_bit, acquire, relaxed)) return true;  // [G-STATUS] what it wrote before it waited
  }
  return false;
}

// True: the g was made ready meanwhile, and the caller queues it.
inline bool end_scan(Atomic<std::uint32_t>& status) noexcept {
  return (status.fetch_and(~scan_bit, acq_rel) & ~scan_bit) == word(Status::runnable);  // [G-STATUS]
}
inline bool end_hold(Atomic<std::uint32_t>& status) noexcept {
  return (status.fetch_and(~hold_bit, acq_rel) & ~hold_bit) == word(Status::runnable);  // [G-STATUS]
}

/// Who ends a foreign await. False: the executor has stopped without the g, and may be gone (ST5); of a G the memory stays.
inline bool begin_foreign_end(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = status.load(relaxed);
  while (status_in(was) == Status::waiting) {
    if (status.compare_exchange_weak(was, was | ends_bit, acq_rel, relaxed)) return true;  // [G-STATUS]
  }
  return false;
}
/// A stop. False: its end has begun, or come.
inline bool leave_behind(Atomic<std::uint32_t>& status) noexcept {
  std::uint32_t was = status.load(relaxed);
  while (status_in(was) == Status::waiting && (was & ends_bit) == 0) {
    if (status.compare_exchange_weak(was, word(Status::dead), acq_rel, relaxed)) return true;  // [G-STATUS]
  }
  return false;
}

/// The whole step of a g that is about to sleep. True: it has been asked to give up, and nobody may have noticed that it waits; so it must see
/// to that itself, before its waiter is published (WD2).
inline bool begin_wait(G* gp) noexcept {
  if (gp->withdrawal_ == nullptr) [[likely]] {
    begin_wait(gp->status_);
    return false;
  }
  begin_withdrawable_wait(gp->status_);
  return gp->withdrawal_->asked();
}

}  // namespace gmp::detail::status
