// tests/support/waiting.hpp — a look at who is parked, and for what.
// Go: none.  Room: tests/support.
#pragma once

#include <chrono>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/task.hpp"
#include "gmp/time.hpp"
#include "sched/sched.hpp"
#include "sched/status.hpp"

namespace gmp::test {

/// Gs of the executor that sleep for that reason. As a dump does it, but nothing is read of gs that run.
inline int waiting_for(Executor* ex, detail::WaitReason reason) {
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

/// Parks until n gs of this executor sleep for that reason.
inline Task<> until_waiting(detail::WaitReason reason, int n) {
  while (waiting_for(Executor::current(), reason) < n) co_await gmp::sleep(std::chrono::microseconds(50));
}

}  // namespace gmp::test
