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
//   slow    asked: CAS to 0: refused, the P is still mine.  taken: the P is gone; claim = 0.  visited: wait.
//   taker   CAS claim 0 -> asked by me; barrier on all threads; in_rt set: CAS back to 0, give up; CAS to taken: it is mine (failed: refused)
//   visitor the same, but CAS to visited; takes one thing out, and claim = 0: the P is its M's again, which waits so long at its next enter
//
// So run_next, which only its owner and visitors touch, costs its owner no read-modify-write, though a g that computes does not keep it from
// another M that has nothing to do.
//
//   H1  a P's contents (but for its ring's head, which thieves move) are touched only by the M that owns it, between enter and exit, or by the
//       taker from `taken` to the hand-off, or by a visitor while it says `visited`.
//   H2  store in_rt, load claim / store claim, load in_rt is Dekker's handshake.  The M pays nothing for its half: the taker's membarrier
//       runs a full barrier on every thread, so that after it the M either sees the claim at its next enter, or its in_rt == 1 is seen.
//   H3  the CASes on claim arbitrate: M refuses or the taker takes, never both.  Each asks under a name of its own: had it been refused and
//       another asked since, whose barrier is still to come, its CAS fails.
//   H4  `taken` implies that no P names this M; only that M leaves it.
//   H5  exit (release) to the taker's in_rt (acquire) hands the contents over; a visitor's last store (release) gives them back to the enter that
//       reads it (acquire). A refusal acquires too: it may be of a second request,
//       after a visit. Otherwise claim carries nothing: its CASes are relaxed.
//   H7  what the taker wrote before it took (release) is the M's to read when it learns that it was robbed.
//   H6  an M in its loop, or parked, has in_rt == 1 and cannot be robbed.
// Where the kernel refuses membarrier, enter stores in_rt by an exchange (10 to 17 ns instead of 0.5); chosen once, at start.
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

class Claim : Immovable {
 public:
  enum class Entered { with_p, robbed };

  /// The M comes into the runtime. robbed: its P was taken, it must forget it. Not nested: see inside().
  Entered enter() noexcept {
    if (use_exchange_) [[unlikely]] {
      in_rt_.exchange(1, seq_cst);  // [CLAIM] a full barrier, in place of the taker's
    } else {
      in_rt_.store(1, relaxed);                              // [CLAIM] ordered before the next line by the taker's barrier (H2)
      std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order too
    }
    if (claim_.load(seq_cst) == none) [[likely]] return Entered::with_p;  // [CLAIM] seq_cst for the exchange, acquires H5; free on x86
    return enter_slow();
  }
  void exit() noexcept { in_rt_.store(0, release); }  // [CLAIM] hands the P's contents to a taker (H5)

  /// Owner only: somebody wants the P, or has it.
  bool disturbed() const noexcept { return claim_.load(relaxed) != none; }
  bool inside() const noexcept { return in_rt_.load(relaxed) != 0; }

  /// Taker: first half. who: a number of its own. False: somebody else is at it.
  bool ask(std::uint32_t who) noexcept {
    std::uint32_t was = none;
    return claim_.compare_exchange_strong(was, asked + who, seq_cst, relaxed);  // [CLAIM]
  }
  /// After the barrier: true if the M is in user code and stays there as far as its P is concerned.
  bool outside() const noexcept { return in_rt_.load(seq_cst) == 0; }  // [CLAIM] H5; seq_cst against the exchange
  /// Second half. True: the P is the taker's.
  bool take(std::uint32_t who) noexcept {
    std::uint32_t was = asked + who;
    return claim_.compare_exchange_strong(was, taken, release, relaxed);  // H3; H7 [CLAIM]
  }
  /// In its place, a visitor's: true: the P's contents are the caller's until end_visit(), and its M waits if it comes.
  bool visit(std::uint32_t who) noexcept {
    std::uint32_t was = asked + who;
    return claim_.compare_exchange_strong(was, visited, relaxed, relaxed);  // H3
  }
  void end_visit() noexcept { claim_.store(none, release); }  // [CLAIM] H5
  /// Gives up. The M may have refused in the meantime.
  void withdraw(std::uint32_t who) noexcept {
    std::uint32_t was = asked + who;
    claim_.compare_exchange_strong(was, none, relaxed, relaxed);
  }

  /// Process-wide, before the first M starts.
  static void use_exchange(bool yes) noexcept { use_exchange_ = yes; }
  static bool uses_exchange() noexcept { return use_exchange_; }

 private:
  enum State : std::uint32_t { none = 0, taken = 1, visited = 2, asked = 3 };  // and beyond: asked by whom

  GMPCORO_NOINLINE Entered enter_slow() noexcept {
    for (;;) {
      std::uint32_t was = claim_.load(acquire);  // [CLAIM] H5, H7
      if (was == none) return Entered::with_p;   // who asked has given up, or a visitor has gone
      if (was == taken) break;
      if (was != visited && claim_.compare_exchange_strong(was, none, acquire, relaxed)) return Entered::with_p;  // refused (H3); H5 [CLAIM]
      cpu_pause();  // a visitor takes one thing out
    }
    claim_.store(none, relaxed);  // H4: a new claim may come once this M has a P again
    return Entered::robbed;
  }

  Atomic<std::uint32_t> in_rt_{1};
  Atomic<std::uint32_t> claim_{none};
  static inline bool use_exchange_ = false;
};

}  // namespace gmp::detail
