// src/go/waker.cpp — the compiled side of suspend() and Waker.
// Go: none.  Room: go (floor 4).
#include "gmp/detail/go/waker.hpp"

#include <utility>

namespace gmp::detail {

WakerWaiter::WakerWaiter() noexcept {
  withdraw_ = [](Waiter* w) noexcept { return static_cast<WakerWaiter*>(w)->block_->withdraw(w); };
}

WakerBlock::WakerBlock(G* gp) noexcept : g_(gp) { hope_begin(gp); }

// Under lock_: while hope_ is set the executor cannot finish its stop.
void WakerBlock::end_hope() noexcept {
  if (std::exchange(hope_, false)) hope_end(g_);
}

bool WakerBlock::park(FrameLink& leaf, Waiter& w) noexcept {
  G* gp = g_;
  w.g_ = gp;
  park_begin(gp, leaf, WaitReason::suspend, &w);
  {
    LockGuard guard(lock_);
    if (state_ != woken && !gives_up(w)) {
      if (state_ == fresh) state_ = parked;
      queued_ = true;
      return true;  // or `forgotten`: it sleeps until it is given up, or its executor stops
    }
    if (state_ != woken) {
      state_ = dead;
      end_hope();
      w.withdrawn_ = true;
    }
  }
  park_abort(gp);
  return false;
}

bool WakerBlock::wake() noexcept {
  Sched* sched = nullptr;
  G* gp = nullptr;
  {
    LockGuard guard(lock_);
    if (state_ == dead) return false;
    const bool waits = state_ == parked;
    state_ = woken;
    if (!waits) {
      end_hope();
      return true;
    }
    gp = g_;
    sched = hope_keep(gp);
    hope_ = false;
  }
  ready(gp);
  hope_end_kept(sched);
  return true;
}

bool WakerBlock::withdraw(Waiter* w) noexcept {
  LockGuard guard(lock_);
  if (state_ == woken) return false;
  if (w != nullptr && !queued_) {
    w->give_up_.store(true, relaxed);
    return false;
  }
  state_ = dead;
  end_hope();
  if (w != nullptr) w->withdrawn_ = true;
  return true;
}

void WakerBlock::unref_waker() noexcept {
  // Relaxed: a wake() that came before in the order of this count comes before in the order of lock_ too, or that would turn round.
  if (wakers_.fetch_sub(1, relaxed) == 1) {
    LockGuard guard(lock_);
    if (state_ == fresh || state_ == parked) {
      state_ = forgotten;
      end_hope();
    }
  }
  unref();
}

void WakerBlock::unref() noexcept {
  if (refs_.fetch_sub(1, acq_rel) == 1) delete this;  // [WAKER-REFS]
}

}  // namespace gmp::detail
