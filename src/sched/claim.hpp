// src/sched/claim.hpp — Claim: who may touch a P's contents, its M or the thread that takes the P away from it.
// Go: runtime/proc.go (entersyscall, exitsyscall, retake) for blocking calls; Go stops a hog by a signal, which a stackless g cannot survive.
// Room: sched (floor 2).
//
// A stackless g cannot be preempted, but its P can be taken from it: an M outside the runtime (in user code) uses nothing of its P.
// So sysmon may take the P of an M whose g computes, or blocks in blocking(f), and give it to another M.  The M finds out when it next
// enters the runtime, and goes on without a P.
//
//   enter   in_rt = 1 (plain store); look at claim; not 0: slow
//   exit    in_rt = 0
//   slow    CAS claim 1 -> 0: refused, the P is still mine.  Claim was 2: the P is gone; claim = 0.
//   taker   CAS claim 0 -> 1; barrier on all threads; in_rt set: CAS 1 -> 0, give up; CAS 1 -> 2: it is mine (failed: refused)
//
//   H1  a P's contents are touched only by the M that owns it, between enter and exit, or by the taker between 1 -> 2 and the hand-off.
//   H2  store in_rt, load claim / store claim, load in_rt is Dekker's handshake.  The M pays nothing for its half: the taker's membarrier
//       runs a full barrier on every thread, so that after it the M either sees the claim at its next enter, or its in_rt == 1 is seen.
//   H3  the CASes on claim arbitrate: M refuses or the taker takes, never both.
//   H4  claim == 2 implies that no P names this M; only that M leaves 2.
//   H5  exit (release) to the taker's in_rt (acquire) hands the contents over. claim itself carries nothing: its CASes are relaxed.
//   H6  an M in its loop, or parked, has in_rt == 1 and cannot be robbed.
// Where the kernel refuses membarrier, enter stores in_rt by an exchange (10 to 17 ns instead of 0.5); chosen once, at start.
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

class Claim : Immovable {
 public:
  enum State : std::uint32_t { none = 0, asked = 1, taken = 2 };
  enum class Entered { with_p, robbed };

  /// The M comes into the runtime. robbed: its P was taken, it must forget it. Not nested: see inside().
  Entered enter() noexcept {
    if (use_exchange_) [[unlikely]] {
      in_rt_.exchange(1, seq_cst);  // [CLAIM] a full barrier, in place of the taker's
    } else {
      in_rt_.store(1, relaxed);                              // [CLAIM] ordered before the next line by the taker's barrier (H2)
      std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order too
    }
    if (claim_.load(seq_cst) == none) [[likely]] return Entered::with_p;  // [CLAIM] seq_cst for the exchange; free on x86
    return enter_slow();
  }
  void exit() noexcept { in_rt_.store(0, release); }  // [CLAIM] hands the P's contents to a taker (H5)

  /// Owner only: somebody wants the P, or has it.
  bool disturbed() const noexcept { return claim_.load(relaxed) != none; }
  bool inside() const noexcept { return in_rt_.load(relaxed) != 0; }

  /// Taker: first half. False: somebody else is at it.
  bool ask() noexcept {
    std::uint32_t was = none;
    return claim_.compare_exchange_strong(was, asked, seq_cst, relaxed);  // [CLAIM]
  }
  /// Taker, after the barrier: true if the M is in user code and stays there as far as its P is concerned.
  bool outside() const noexcept { return in_rt_.load(seq_cst) == 0; }  // [CLAIM] H5; seq_cst against the exchange
  /// Taker: second half. True: the P is the taker's.
  bool take() noexcept {
    std::uint32_t was = asked;
    return claim_.compare_exchange_strong(was, taken, relaxed, relaxed);  // H3
  }
  /// Taker: gives up. The M may have refused in the meantime.
  void withdraw() noexcept {
    std::uint32_t was = asked;
    claim_.compare_exchange_strong(was, none, relaxed, relaxed);
  }

  /// Process-wide, before the first M starts.
  static void use_exchange(bool yes) noexcept { use_exchange_ = yes; }

 private:
  GMPCORO_NOINLINE Entered enter_slow() noexcept {
    std::uint32_t was = asked;
    if (claim_.compare_exchange_strong(was, none, relaxed, relaxed)) return Entered::with_p;  // refused (H3)
    if (was == none) return Entered::with_p;                                                   // the taker gave up
    claim_.store(none, relaxed);  // H4: a new claim may come once this M has a P again
    return Entered::robbed;
  }

  Atomic<std::uint32_t> in_rt_{1};
  Atomic<std::uint32_t> claim_{none};
  static inline bool use_exchange_ = false;
};

}  // namespace gmp::detail
