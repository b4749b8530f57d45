// include/gmp/detail/wait/withdrawal.hpp — Withdrawable: an operation under until(), between its g and whoever gives it up.
// Go: none (there a blocked goroutine cannot be called back).  Room: wait (floor 3); stands on park.hpp.
//
// The one who gives up (a context that is cancelled, a timer) does not know what the g waits on, or whether it waits at all: it may be on its
// way to its queue, have been granted what it wants a moment ago, or compete for a mutex once more.  So it asks, and then looks; and the g says
// that it waits, and then looks whether it has been asked:
//
//   who gives up   asked = true; then begin_hold: does the g wait?       yes: it is held; withdraw(waiter); let go       no: the g will see it
//   the g          status = waiting; then looks at asked; set: give_up_ of its waiter, which is not queued yet; then queues, and finds it there
//
//   WD1  both do their two steps in this order, seq_cst: one of them sees the other, or both do, which is as good: give_up_ is set twice.
//   WD2  a g under until() that is about to be queued has seen what was asked before it said that it waits. This holds for each sleep of the
//        operation, not only the first.
//   WD3  a held g does not run, so its waiter is there, and it has not been made to wait on anything else. It may be granted what it wants in
//        the meantime: then withdraw() comes too late, the grant stands, and who lets go queues the g.
//   WD4  withdraw() of a waiter that is not queued yet sets give_up_ and takes nothing: the M that queues it is still at its frame.
//   WD5  whoever calls hold() keeps the operation from ending until it returns: the end takes the same lock, or waits for the timer's fire.
//        After that only the hold does.
// Nothing waits for anybody here: a g that is held is queued by who lets go of it.
#pragma once

#include "gmp/detail/park.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

class GMPCORO_EXPORT Withdrawable : public Withdrawal {
 public:
  /// By the g, running: what it awaits from here on until end() can be given up.
  void begin(G* gp) noexcept;
  void end() noexcept;

  /// By who gives it up (WD5). True: the g waits, and is held: withdraw_held() must follow. False: it will see for itself; nothing may be touched.
  bool hold() noexcept;
  /// Takes the operation back if that can still be, and lets go of the g: nothing may be touched after.
  void withdraw_held() noexcept;

 private:
  G* g_ = nullptr;
};

}  // namespace gmp::detail
