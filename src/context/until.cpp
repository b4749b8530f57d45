// src/context/until.cpp — the two that give an operation up: a context, a timer.
// Go: none.  Room: context (floor 5).
#include "gmp/detail/context/until.hpp"

#include "gmp/detail/park.hpp"

namespace gmp::detail {

bool ContextLink::begin(G* gp) noexcept {
  CancelNode* node = context_.cancel_node();
  if (node == nullptr) return true;
  Withdrawable::begin(gp);
  begun_ = true;
  if (node->follow(*this)) return true;
  end_slow();
  return false;
}

// WD5: from the unlock on in unfollow() nobody knows of us.
void ContextLink::end_slow() noexcept {
  begun_ = false;
  context_.cancel_node()->unfollow(*this);
  Withdrawable::end();
}

bool TimeoutLink::begin(G* gp) {
  const std::int64_t when = deadline_after(now_ns(), duration_ns_);
  if (when == never) return true;
  Withdrawable::begin(gp);
  try {
    timer_add(gp, this, when);
  } catch (...) {
    Withdrawable::end();
    throw;
  }
  begun_ = true;
  return true;
}

// WD5: waits for a fire that has begun.
void TimeoutLink::end_slow() noexcept {
  begun_ = false;
  TimerHeap::remove_sync(this);
  Withdrawable::end();
}

void TimeoutLink::fire(Timer* timer, std::int64_t) noexcept {
  auto& self = *static_cast<TimeoutLink*>(timer);
  if (self.hold()) self.withdraw_held();
}

}  // namespace gmp::detail
