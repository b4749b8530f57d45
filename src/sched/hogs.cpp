// src/sched/hogs.cpp — gs that compute on without a P: what becomes of the P's queue, and who may be begun beside them.
// Go: none; it stops what computes by a signal.  Room: sched (floor 2).
//
// sysmon.cpp finds hogs, take_over.hpp takes their Ps, lanes.hpp says what may be begun meanwhile.  Here these three meet, under the scheduler's lock.
#include "sched/sched.hpp"

namespace gmp::detail {

// By who has taken pp from a hog (H1). Gs that have run before stay, in order; fresh ones go to the global queue, for each may be another hog. Others
// had been called for them when they were queued; one may have looked while they were in our hands (W).
void Sched::put_in_order(P* pp) noexcept {
  G* fresh[RunQueue::capacity + 1];
  G* seasoned[RunQueue::capacity + 1];
  std::uint32_t n_fresh = 0, n_seasoned = 0;
  bool inherit = false;
  while (G* gp = pp->runq_.pop(&inherit)) {
    if (gp->started_)
      seasoned[n_seasoned++] = gp;
    else
      fresh[n_fresh++] = gp;
  }
  if (n_fresh + n_seasoned == 0) return;
  for (std::uint32_t i = 0; i < n_seasoned; ++i) push_tail(pp, seasoned[i]);
  if (n_fresh != 0) push_global(fresh, n_fresh);
  wake_one();
}

// pp's M is back in its loop, or has lost pp: another trial may be had.
void Sched::end_trial(P* pp) noexcept {
  pp->on_trial_ = false;
  {
    LockGuard guard(lock_);
    global_.end_trial();
    global_size_.store(global_.size(), seq_cst);  // [WAKE] LN1
    if (global_.size() == 0) return;
  }
  wake_one();
}

// After the number of hogs has changed. fewer: more may be begun than before.
void Sched::limit_fresh(bool fewer) noexcept {
  {
    LockGuard guard(lock_);
    global_.limit(off_p_.hogs(), procs_.load(relaxed));
    global_size_.store(global_.size(), seq_cst);  // [WAKE] LN1
  }
  if (fewer) wake_one();
}

// sysmon: one trial more, if somebody waits for it; or none.
void Sched::grant_trial(bool yes) noexcept {
  {
    LockGuard guard(lock_);
    yes ? global_.grant() : global_.grant_none();
  }
  limit_fresh(yes);
}

}  // namespace gmp::detail
