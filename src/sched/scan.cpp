// src/sched/scan.cpp — ScanPeriod, and the Ms that it waits for.
// Go: none.  Room: sched (floor 2).
#include "sched/scan.hpp"

#include "gmp/detail/base/list.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "sched/sched.hpp"
#include "sys/os.hpp"

namespace gmp::detail {

namespace {

constinit Lock periods_lock;
constinit int periods = 0;  // under periods_lock; so the first is open before a second comes

constinit Lock ms_lock;
constinit List<M, &M::all_next_, &M::all_prev_> all_ms;  // under ms_lock: those of all executors that run

}  // namespace

void enlist(M* mp) noexcept {
  LockGuard guard(ms_lock);
  all_ms.push_back(mp);
}
void delist(M* mp) noexcept {
  LockGuard guard(ms_lock);
  all_ms.erase(mp);
}

ScanPeriod::ScanPeriod() noexcept {
  LockGuard guard(periods_lock);
  if (periods++ != 0) return;
  scans.fetch_add(1, seq_cst);  // [SCAN]
  sys::membarrier();            // SW1
  LockGuard ms(ms_lock);        // an M that comes later has seen scans by way of this lock
  for (M* mp = all_ms.front(); mp != nullptr; mp = all_ms.next(mp)) {
    while (mp->ready_window_.is_open()) cpu_pause();
  }
}

ScanPeriod::~ScanPeriod() {
  LockGuard guard(periods_lock);
  if (--periods == 0) scans.fetch_sub(1, release);  // [SCAN]
}

}  // namespace gmp::detail
