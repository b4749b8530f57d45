// src/time/sleep.cpp — a g parks on a timer in its own frame.
// Go: runtime/time.go (timeSleep, goroutineReady).  Room: time (floor 5).
#include "gmp/time.hpp"

namespace gmp::detail {

SleepOp::Awaiter::Awaiter(G* gp, SleepOp&& op) noexcept : OperationAwaiter(gp), ns_(op.ns_), absolute_(op.absolute_) {}

SleepOp::Awaiter::SleepWaiter::SleepWaiter() noexcept : Timer(&Awaiter::fire) {
  withdraw_ = [](Waiter* w) noexcept { return TimerHeap::remove(static_cast<SleepWaiter*>(w)); };
}

void SleepOp::Awaiter::fire(Timer* timer, std::int64_t) noexcept {
  ready(static_cast<SleepWaiter*>(timer)->g_);
}

bool SleepOp::Awaiter::suspend(FrameLink& leaf) {
  G* gp = g_;
  const std::int64_t now = now_ns();
  const std::int64_t when = absolute_ ? ns_ : deadline_after(now, ns_);
  if (when <= now) return give_way(gp, leaf);
  waiter_.g_ = gp;
  park_begin(gp, leaf, WaitReason::sleep, &waiter_);
  try {
    timer_add(gp, &waiter_, when);
  } catch (...) {
    park_abort(gp);
    throw;
  }
  return true;
}

}  // namespace gmp::detail
