// tests/support/waiting.cpp — who is parked, seen from inside the library.
// Go: none.  Room: tests/support.
#include "support/waiting.hpp"

#include "gmp/executor.hpp"
#include "sched/sched.hpp"
#include "sched/status.hpp"

namespace gmp::test {

// As a dump does it.
int waiting_for(Executor* ex, detail::WaitReason reason) {
  detail::Sched* sched = detail::sched_of(*ex);
  const detail::ScanPeriod period;
  int n = 0;
  for (detail::G* gp : detail::gs_of(sched)) {
    if (!detail::status::begin_scan(gp->status_)) continue;
    n += gp->sched_ == sched && gp->reason_ == reason;
    if (detail::status::end_scan(gp->status_)) gp->sched_->queue_held(gp);
  }
  return n;
}

}  // namespace gmp::test
