// src/sched/census.cpp — the executor counted, while it runs: what debug::stats() and schedtrace say.
// Go: runtime/proc.go (schedtrace), runtime/metrics.go.  Room: sched (floor 2).
//
// Nobody is stopped, and no list of all gs is walked: everything is a counter with one writer, or the length of a queue, read as it is.  A g that
// runs is shown by its M, one that is queued is in a queue's length; those that wait are the rest.
//   CE1  an M shows a g before the g's status says that it runs, and goes on showing it after: so the gs that are shown by some M, run, and are ours are
//        all that run, each once, however many Ms show it.
#include <algorithm>
#include <vector>

#include "sched/sched.hpp"

namespace gmp::detail {

namespace {

std::uint64_t count_of(std::int64_t n) noexcept { return static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0)); }

}  // namespace

// CE1. Null: none of ours.
const G* Sched::running_on(const M& m) const noexcept {
  const G* gp = m.shown_.load(relaxed);
  return gp != nullptr && status_in(gp->status_.load(relaxed)) == Status::running && load_shared(gp->sched_) == this ? gp : nullptr;
}

void Sched::add_stats(debug::Stats& sum) const {
  std::int64_t runnable = global_size_.load(relaxed), blocking = 0;
  std::int64_t finished = off_p_finished_.load(relaxed);  // before the spawned: no g is counted as gone that was not counted as come
  std::int64_t spawned = 0;
  std::vector<const G*> running;
  sum.global_queue += count_of(runnable);
  {
    LockGuard guard(lock_);
    running.reserve(ms_.size());
    for (const auto& mp : ms_) finished += static_cast<std::int64_t>(mp->finished_.load(relaxed));
    for (const auto& mp : ms_) {
      spawned += static_cast<std::int64_t>(mp->spawned_.load(relaxed));
      if (mp->turn_ != nullptr) ++runnable;
      if (mp->sysc_.load(relaxed) % 2 != 0) ++blocking;
      if (const G* gp = running_on(*mp)) running.push_back(gp);
    }
    sum.threads += ms_.size();
  }
  spawned += off_p_spawned_.load(relaxed);
  std::sort(running.begin(), running.end());
  const std::int64_t shown = std::unique(running.begin(), running.end()) - running.begin();

  const int made = ps_made_.load(acquire);  // [P-MADE]
  const int procs = procs_.load(relaxed);
  for (int i = 0; i < made; ++i) {
    const P* pp = ps_[i].get();
    debug::ProcStats one;
    one.id = i;
    const M* mp = pp->m_.load(acquire);  // [P-OWNER]
    if (mp != nullptr) one.m = mp->id_;
    if (pp->retired_.load(relaxed))
      one.state = debug::ProcState::retired;
    else if (idle_.contains(i))
      one.state = debug::ProcState::idle;
    else
      one.state = mp != nullptr && mp->sysc_.load(relaxed) % 2 != 0 ? debug::ProcState::blocking : debug::ProcState::running;
    one.has_run_next = pp->runq_.peek_next() != nullptr;
    const std::uint32_t queued = pp->runq_.size_hint();
    one.runq = queued - (one.has_run_next && queued != 0 ? 1 : 0);
    one.timers = pp->timers_.size();
    one.io_in_flight = count_of(pp->io_waiting_.load(relaxed));
    one.ticks = pp->tick_.load(relaxed);
    one.steals = pp->steals_.load(relaxed);
    one.parks = pp->parks_.load(relaxed);
    one.polls = pp->polls_.load(relaxed);
    pp->latency_.add_to(sum.latency);
    runnable += queued;
    sum.timers += one.timers;
    sum.io_in_flight += one.io_in_flight;
    sum.steals += one.steals;
    sum.parks += one.parks;
    sum.polls += one.polls;
    sum.per_proc.push_back(one);
  }

  // They add up, though the figures are of different instants: what is least sure gives way.
  const std::int64_t all = std::max<std::int64_t>(spawned - finished, 0);
  blocking = std::min(blocking, all);
  const std::int64_t computing = std::clamp<std::int64_t>(shown - blocking, 0, all - blocking);
  runnable = std::min(runnable, all - blocking - computing);
  sum.goroutines += count_of(all);
  sum.spawned += count_of(spawned);
  sum.in_blocking += count_of(blocking);
  sum.running += count_of(computing);
  sum.runnable += count_of(runnable);
  sum.waiting += count_of(all - blocking - computing - runnable);
  sum.procs += count_of(procs);
  sum.idle_procs += count_of(std::min(idle_.count(), procs));
  sum.spinning += count_of(idle_.spinners());
  if (sum.poller == gmp::Poller::automatic) sum.poller = poller_;  // the first one's
}

std::vector<ThreadState> Sched::thread_states() const {
  std::vector<ThreadState> states;
  LockGuard guard(lock_);
  for (const auto& mp : ms_) {
    ThreadState one;
    one.id = mp->id_;
    if (const G* gp = running_on(*mp)) one.g = load_shared(gp->id_);
    states.push_back(one);
  }
  for (const M* mp = spares_; mp != nullptr; mp = mp->spare_next_) states[static_cast<std::size_t>(mp->id_)].asleep = true;
  const int made = ps_made_.load(acquire);  // [P-MADE]
  for (int i = 0; i < made; ++i) {
    const M* mp = ps_[i]->m_.load(acquire);  // [P-OWNER]
    if (mp != nullptr && idle_.watched(i)) states[static_cast<std::size_t>(mp->id_)].asleep = true;
  }
  return states;
}

}  // namespace gmp::detail
