// src/time/sleep.cpp — a g parks on a timer in its own frame.
// Go: runtime/time.go (timeSleep, goroutineReady).  Room: time (floor 5).
//
// The timer is in its heap before the g waits; state_ is where its fire, the g and a withdrawal meet, each by one RMW:
//   the g       armed -> parked      it sleeps. Else it has fired already, or is given up: it does not
//   the fire    -> over              it was parked: the g goes on. Else there is nobody to wake
//   withdrawal  parked -> over       the g goes on. It was armed: armed -> over; the g will find that
//   SL1  a fire touches nothing of the frame after its RMW, unless it found `parked`; then the g waits for it. Who takes a timer back waits for a fire
//        that has begun (remove_sync).
#include "gmp/time.hpp"

namespace gmp::detail {

SleepOp::Awaiter::Awaiter(G* gp, SleepOp&& op) noexcept : OperationAwaiter(gp), ns_(op.ns_), absolute_(op.absolute_) {}

SleepOp::Awaiter::SleepWaiter::SleepWaiter() noexcept : Timer(&Awaiter::fire) { withdraw_ = &Awaiter::withdraw; }

void SleepOp::Awaiter::fire(Timer* timer, std::int64_t) noexcept {
  auto& w = *static_cast<SleepWaiter*>(timer);
  G* gp = w.g_;
  if (w.state_.exchange(over, acq_rel) == parked) ready(gp);  // [SLEEP] the g waits; and if not, SL1: we have read g_
}

bool SleepOp::Awaiter::withdraw(Waiter* waiter) noexcept {
  auto& w = static_cast<SleepWaiter&>(*waiter);
  std::uint32_t was = w.state_.load(relaxed);  // a guess: the CAS decides
  do {
    if (was == over) return false;                                               // it has fired
  } while (!w.state_.compare_exchange_weak(was, over, acquire, relaxed));  // [SLEEP] all that its M did until it was parked
  if (was == armed) {                                                            // W4
    w.give_up_.store(true, relaxed);
    return false;
  }
  TimerHeap::remove_sync(&w);
  return w.withdrawn_ = true;
}

bool SleepOp::Awaiter::suspend(FrameLink& leaf) {
  G* gp = g_;
  const std::int64_t now = now_ns();
  const std::int64_t when = absolute_ ? ns_ : deadline_after(now, ns_);
  if (when <= now) return give_way(gp, leaf);
  waiter_.g_ = gp;
  timer_add(gp, &waiter_, when);
  park_begin(gp, leaf, WaitReason::sleep, &waiter_);
  std::uint32_t was = armed;
  if (!gives_up(waiter_) && waiter_.state_.compare_exchange_strong(was, parked, release, acquire)) return true;  // [SLEEP]
  park_abort(gp);
  waiter_.withdrawn_ = gives_up(waiter_);
  if (waiter_.withdrawn_) TimerHeap::remove_sync(&waiter_);
  return give_way(gp, leaf);
}

}  // namespace gmp::detail
