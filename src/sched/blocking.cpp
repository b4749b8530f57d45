// src/sched/blocking.cpp — blocking(f): a call that may block, and whose M may lose its P meanwhile.
// Go: runtime/proc.go (entersyscall, exitsyscall).  Room: sched (floor 2).
//
// User code is outside the runtime anyway, so entering costs a count (sysc_, odd inside), and leaving a look at the claim.  sysmon sees the
// odd count; only when it naps for long, and this P has something to do, it is woken.
#include "sched/sched.hpp"
#include "sched/sysmon.hpp"

namespace gmp::detail {

void blocking_begin(G* gp) noexcept {
  M* mp = gp->m_;
  if (watched()) [[unlikely]] trace_blocking(mp, true);
  mp->plain_thread_ = true;
  count_call(mp->sysc_);
  mp->sched_->entering_blocking(mp);
}

bool blocking_end(G* gp) noexcept {
  M* mp = gp->m_;
  count_call(mp->sysc_);
  mp->plain_thread_ = false;
  if (watched()) [[unlikely]] trace_blocking(mp, false);
  if (mp->attend_.load(relaxed) != 0) return false;
  return !mp->claim_.disturbed();
}

void blocking_let_go(G* gp, FrameLink& leaf) noexcept {
  M* mp = gp->m_;
  gp->leaf_ = &leaf;
  mp->yielded_ = gp;
  Inside inside(mp);
  mp->yield_local_ = mp->p_ != nullptr && (mp->attend_.load(relaxed) & attend_preempt) == 0;  // the claim was withdrawn: nothing is lost
}

void Sched::entering_blocking(M* mp) noexcept {
  Sysmon* sysmon = sysmon_.load(acquire);  // [SYSMON]
  if (sysmon == nullptr || !sysmon->napping()) return;  // null: alone.cpp
  Inside inside(mp);
  P* pp = mp->p_;
  if (pp != nullptr && (pp->runq_.size_hint() != 0 || pp->poller_->in_flight() != 0 || global_size_.load(relaxed) != 0)) sysmon->note_blocking();
}

}  // namespace gmp::detail
