// src/wait/withdraw.cpp — a g is taken off whatever it waits on: by a stopping executor, or because its operation is given up.
// Go: none.  Room: wait (floor 3).
#include "gmp/detail/park.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/detail/wait/withdrawal.hpp"

namespace gmp::detail {

bool withdraw(Waiter* w) noexcept { return w->withdraw_ == nullptr || w->withdraw_(w); }

void give_up(Waiter* w) noexcept {
  if (w == nullptr) return;
  w->give_up_.store(true, relaxed);  // not queued: nobody else looks
}

void Withdrawable::begin(G* gp) noexcept {
  GMPCORO_ASSERT(gp->withdrawal_ == nullptr);
  g_ = gp;
  gp->withdrawal_ = this;
}

void Withdrawable::end() noexcept { g_->withdrawal_ = nullptr; }

bool Withdrawable::hold() noexcept {
  asked_.store(true, seq_cst);  // [WITHDRAW] WD1
  return hold_begin(g_);
}

void Withdrawable::withdraw_held() noexcept {
  G* gp = g_;
  hold_end(gp, withdraw(gp->waiter_));
}

}  // namespace gmp::detail
