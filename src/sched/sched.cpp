// src/sched/sched.cpp — the scheduler: who runs next, where, and how an M that has nothing to do goes to sleep.
// Go: runtime/proc.go (schedule, findRunnable, execute, ready, wakep, stopm, startm).  Room: sched (floor 2).
//
// Each M with a P runs m_main: find_runnable() gives a g, execute() resumes its innermost frame; the frame comes back here when the g has
// parked, yielded or ended.  Work is found in this order: own timers (when due), every 61st turn the global queue, the poller if something is
// complete, run_next and the ring, the global queue, the poller, other Ps (four passes), and at last sleep.
//
// An idle P and the M that watches it stay a pair.  An M that finds nothing marks its P idle and sleeps in the P's own poller, with the P's
// own next timer as the timeout; so I/O, timers and wake-ups reach the P that they belong to, by way of one thread.
//   PA1  a P's bit is in idle_ from the moment its M has nothing to do until somebody takes it.  Only two do: the M itself, when its poll
//        ends; or a waker, which hands the P back to that very M, together with a spinner's place, and rings its bell.
//   PA2  so after its poll the M owns its P in either case; take() tells which.
//   PA3  a P is never given to an M that watches another, and an M without a P (its P was taken while it computed or blocked) sleeps on the
//        list of spares until it is handed one.
//   PA4  a P that is taken from its M goes to a spare or a new M at once, never to the idle list: its ring may have completions in flight.
//
// After frame.resume() returned, the loop knows nothing of the g: another M may have woken, run and freed it.  Only a field of its own M
// (yielded_, ended_, next_) says that the g is still its own.
#include "sched/sched.hpp"

#include <algorithm>
#include <climits>
#include <cstddef>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "sched/panic.hpp"
#include "sched/status.hpp"
#include "sched/sysmon.hpp"
#include "sys/os.hpp"
#include "sys/patience.hpp"

namespace gmp::detail {

constinit Atomic<std::uint32_t> attention{0};
constinit Atomic<bool> locks_followed{false};

namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local M* tls_m = nullptr;

constexpr std::uint32_t timers_every = 8;        // rounds between looks at the clock while there is other work
constexpr std::uint32_t forks_every = 8;         // rounds between looks at what joiners have left, while there is other work
constexpr std::uint32_t submit_at = 32;          // queued operations that are worth a system call of their own
constexpr int trial_max = 32;                    // fresh gs that are begun one after the other, in one trial
constexpr int dead_gs_max = 64;                  // on an M's own list, as Go's gFree
constexpr std::int64_t spin_before_sleep_ns = 50'000;
constexpr std::uint32_t spin_in_flight_max = 4;  // of many connections several have something to say after a sleep: that is cheaper
constexpr std::int64_t visit_after_ns = 2'000;      // Go waits 3 us before it steals a runnext
constexpr std::int64_t first_spin_ns = 500;
constexpr std::int64_t scout_first_ns = 50'000;
constexpr int scout_doublings = 4;                // to 800 us: what waits in run_next behind a g that computes waits so long at most
constexpr int scout_rounds_max = 12;              // without a sign of work; then it sleeps until it is called
constexpr int spin_credit_max = 8;
constexpr std::int64_t poller_retry_ns = 5'000'000;
constexpr std::uint32_t spin_retry_every = 32;   // parks without spinning, after it stopped paying, before it is tried again

void bump(Atomic<std::uint64_t>& counter) noexcept { counter.store(counter.load(relaxed) + 1, relaxed); }  // one writer

// gp has just become runnable, and is in no queue yet (LH1): by the owner of pp, or by a thread without a P.
GMPCORO_NOINLINE void stamp(G* gp) noexcept { put_stamp(gp, now_ns()); }
void time_some(const P* pp, G* gp) noexcept {
  if (pp->loops_ == pp->timed_loop_) [[unlikely]] stamp(gp);
}
void time_some(G* gp) noexcept {
  [[gnu::tls_model("initial-exec")]] static constinit thread_local std::uint32_t calls = 0;
  if (calls++ % latency_calls == 0) stamp(gp);
}
// The next one, when the last one is over.
GMPCORO_NOINLINE void choose_timed(M* mp, P* pp) noexcept {
  if (static_cast<std::int32_t>(pp->loops_ - pp->timed_loop_) > 0) pp->timed_loop_ = pp->loops_ + 1 + mp->random_.below(latency_gap_max);
}
GMPCORO_NOINLINE void note_latency(P* pp, G* gp) noexcept { pp->latency_.note(now_ns() - take_stamp(gp)); }

}  // namespace

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"  // they have a base; all compilers that we have can

// What each M reads in each round of its loop lies apart from what others write for each wake-up.
[[maybe_unused]] void Sched::check_layout() {
  constexpr auto line = [](std::size_t offset) { return offset / cache_line; };
  constexpr std::size_t read[] = {line(offsetof(Sched, gate_)), line(offsetof(Sched, procs_)), line(offsetof(Sched, ps_)), line(offsetof(Sched, global_size_))};
  constexpr auto is_read = [=](std::size_t offset) { return std::find(std::begin(read), std::end(read), line(offset)) != std::end(read); };
  static_assert(!is_read(offsetof(Sched, lock_)));
  static_assert(!is_read(offsetof(Sched, idle_)));                           // parkers and spinners
  static_assert(!is_read(offsetof(Sched, off_p_spawned_)));                  // foreign threads that spawn
  static_assert(!is_read(offsetof(Sched, gate_) + sizeof(Gate) - 1));        // and those that wake a g: the end of it is theirs
  // Of a P: what is touched on every switch is one line, without the ring, which thieves move, and sysmon's notes.
  static_assert(line(offsetof(P, tick_)) == line(offsetof(P, poller_)));
  static_assert(line(offsetof(P, runq_) + sizeof(RunQueue) - 1) != line(offsetof(P, tick_)));
  static_assert(line(offsetof(P, seen_)) != line(offsetof(P, tick_)) && line(offsetof(P, retired_)) != line(offsetof(P, tick_)));
}

#pragma GCC diagnostic pop

GMPCORO_NOINLINE M* this_m() noexcept { return tls_m; }
GMPCORO_NOINLINE G* current_g() noexcept { return tls_m != nullptr ? tls_m->cur_ : nullptr; }

// ---- queues

void Sched::push_tail(P* pp, G* gp) noexcept {
  while (!pp->runq_.push_tail(gp)) {
    // Full: half of it goes to the global queue, so that the next pushes are cheap again.
    G* batch[RunQueue::half + 1];
    const std::uint32_t taken = pp->runq_.take_half(batch);
    if (taken == 0) continue;  // thieves made room
    batch[taken] = gp;
    push_global(batch, taken + 1);
    return;
  }
}

void Sched::push_next(P* pp, G* gp) noexcept {
  if (G* kicked = pp->runq_.push_next(gp)) push_tail(pp, kicked);
}

inline void Sched::push_next_and_wake(P* pp, G* gp) noexcept {
  if (ps_made_.load(relaxed) != 1 || Claim::uses_exchange()) return push_next_and_wake_another(pp, gp);
  G* kicked = pp->runq_.push_next_alone(gp);  // [P-ALONE] nobody to wake
  if (kicked != nullptr && !pp->runq_.requeue_tail(kicked)) push_tail(pp, kicked);
}

GMPCORO_NOINLINE void Sched::push_next_and_wake_another(P* pp, G* gp) noexcept {
  if (G* kicked = pp->runq_.push_next(gp)) {
    push_tail(pp, kicked);
    wake_one();
  } else {
    idle_.wake_one_for_next([this](int p, bool watched) { hand_over(ps_[p].get(), watched); });
  }
}

void Sched::push_global(G* gp) noexcept { push_global(&gp, 1); }

void Sched::push_global(G* const* gs, std::uint32_t count) noexcept {
  LockGuard guard(lock_);
  for (std::uint32_t i = 0; i < count; ++i) global_.push(gs[i]);
  global_size_.store(global_.size(), seq_cst);  // [WAKE] enqueue before the look at idle_
}

// gp has just become runnable; mp is inside.
inline void Sched::queue_next(M* mp, G* gp) noexcept {
  if (mp->p_ == nullptr) return queue_globally(gp);
  time_some(mp->p_, gp);
  push_next_and_wake(mp->p_, gp);
}

void Sched::queue_globally(G* gp) noexcept {
  time_some(gp);
  push_global(gp);
  wake_one();
}

// One g to run, and this P's share of the rest into its ring. max 0: the fair share; beside hogs one that has run before, lest others wait in the ring
// of the next hog, or some that are fresh: they come back as soon as one of them is a hog (put_in_order()).
G* Sched::pop_global(P* pp, int max) noexcept {
  G* share[RunQueue::half];
  int n = 0;
  {
    LockGuard guard(lock_);
    int most = std::min(global_.size(), global_.size() / procs_.load(relaxed) + 1);
    const int together = max == 0 && global_.limited() ? std::min(global_.fresh() / procs_.load(relaxed), trial_max) : 0;
    if (global_.limited()) max = 1;
    if (max > 0) most = std::min(most, max);
    most = std::min(most, static_cast<int>(RunQueue::half));
    for (; n < most; ++n) share[n] = global_.pop(pp->on_trial_);
    if (pp->on_trial_) {
      for (; n < together; ++n) share[n] = global_.pop_fresh();
    }
    global_size_.store(global_.size(), relaxed);  // fewer than before: nobody has to be woken for that
  }
  for (int i = 1; i < n; ++i) {
    if (i < n - 1 ? !pp->runq_.requeue_tail(share[i]) : !pp->runq_.push_tail(share[i])) push_tail(pp, share[i]);  // the last one for [WAKE]
  }
  return n > 0 ? share[0] : nullptr;
}

// ---- wake-ups

void Sched::wake_one() noexcept {
  idle_.wake_one([this](int p, bool watched) { hand_over(ps_[p].get(), watched); });
}

// The P was taken off the idle list, with a spinner's place: its watcher goes on with it (PA1), or an M is found for it, if none watched.
void Sched::hand_over(P* pp, bool watched) noexcept {
  if (Sysmon* sysmon = sysmon_.load(acquire)) sysmon->note_activity();  // [SYSMON]
  if (!watched)
    start_m(pp, true);
  else if (M* watcher = pp->m_.load(acquire))  // [P-OWNER] null, or another: the watcher has found out by itself
    watcher->bell_.ring();
}

void Sched::start_m(P* pp, bool spinning) noexcept {
  with_memory([&] { try_start_m(pp, spinning); });
}

void Sched::try_start_m(P* pp, bool spinning) {
  M* mp = nullptr;
  bool fresh = false;
  {
    LockGuard guard(lock_);
    if (!gate_.is_running()) return;
    if (spares_ != nullptr) {
      mp = spares_;
      spares_ = mp->spare_next_;
    } else {
      if (static_cast<int>(ms_.size()) >= options_.max_threads) fatal("thread exhaustion");
      if (sysmon_.load(relaxed) == nullptr) sysmon_.store(Sysmon::start(*this), release);  // [SYSMON] under lock_: our own
      ms_.push_back(std::make_unique<M>(this, static_cast<int>(ms_.size())));
      mp = ms_.back().get();
      fresh = true;
      threads_.fetch_add(1, relaxed);
    }
    mp->handed_p_ = pp;
    mp->handed_spinning_ = spinning;
    if (fresh) {
      const int error = ::pthread_create(&mp->thread_, nullptr, &Sched::m_thread, mp);
      if (error != 0) fatal("failed to create a new OS thread (Resource temporarily unavailable?): raise `ulimit -u` or the cgroup's pids.max");
    }
  }
  if (!fresh) mp->bell_.ring();
}

void* Sched::m_thread(void* mp) {
  static_cast<M*>(mp)->sched_->m_main(static_cast<M*>(mp));
  return nullptr;
}

void Sched::acquire_p(M* mp, P* pp) noexcept {
  if (!pp->poller_ && !wait_for_poller(mp, pp)) return;
  mp->p_ = pp;
  pp->m_.store(mp, release);  // [P-OWNER]
}

void Sched::make_poller(P* pp) {
  if (poller_ != gmp::Poller::uring) {
    pp->poller_ = make_epoll_poller();
    return;
  }
  try {
    pp->poller_ = make_uring_poller(ring_entries_);
  } catch (const std::system_error& error) {
    pp->poller_ = make_epoll_poller();
    sys::write_stderr(std::string("gmpcoro: ") + error.what() + "; one P uses epoll instead\n");
  }
}

// A P that starts for the first time when the process is out of descriptors: the others do its work, and its M asks again now and then. The first P
// has had its poller from the start. False: the executor stops.
bool Sched::wait_for_poller(M* mp, P* pp) noexcept {
  while (gate_.is_running()) {
    try {
      make_poller(pp);
      return true;
    } catch (const std::exception&) {
      end_spinning(mp);  // W': somebody may count on our place
      sys::sleep_ns(poller_retry_ns);
    }
  }
  return false;
}

// ---- the loop

void Sched::take_thread(M* mp) noexcept {
  tls_m = mp;
  enlist(mp);
  mp->frames_.open();
}

void Sched::leave_thread(M* mp) noexcept {
  trace_leave(mp);
  gs_to_global(mp->free_gs_);
  if (mp->attend_.exchange(0, relaxed) != 0) attention.fetch_sub(1, relaxed);
  mp->frames_.close();
  delist(mp);
  tls_m = nullptr;
}

void Sched::m_main(M* mp) noexcept {
  take_thread(mp);
  library_threads.fetch_add(1, relaxed);
  with_memory([&] { sys::set_thread_name(options_.name, "/" + std::to_string(mp->id_)); });
  mp->cpu_clock_ = sys::thread_clock();
  mp->random_ = Random(static_cast<std::uint64_t>(mp->id_) * 0x9e3779b97f4a7c15u + static_cast<std::uint64_t>(now_ns()));
  if (options_.on_thread_start) options_.on_thread_start();
  bool inherit = false;
  for (G* gp = find_runnable(mp, inherit); gp != nullptr; gp = next_at_hand(mp, inherit)) execute(mp, gp, inherit);
  quiesce(mp);
  if (options_.on_thread_stop) options_.on_thread_stop();
  library_threads.fetch_sub(1, relaxed);
  leave_thread(mp);
}

// Gs that wake each other go by run_next, in one time slice: what else there may be, due timers, completions, is looked for every few rounds.
inline G* Sched::next_at_hand(M* mp, bool& inherit) noexcept {
  P* pp = mp->p_;
  if (pp == nullptr || pp->runq_.peek_next() == nullptr || (pp->loops_ + 1) % timers_every == 0 || !gate_.is_running())
    return find_runnable(mp, inherit);
  ++pp->loops_;
  inherit = true;
  return pp->runq_.take_next();
}

G* Sched::find_runnable(M* mp, bool& inherit) noexcept {
  for (;;) {
    if (!gate_.is_running()) return nullptr;
    P* pp = mp->p_;
    if (pp == nullptr) {
      park_without_p(mp);
      continue;
    }
    if (pp->on_trial_) [[unlikely]] end_trial(pp);
    if (mp->locked_g_ != nullptr) [[unlikely]] {
      if (G* mine = take_turn(mp)) return mine;
    }
    const int procs = procs_.load(relaxed);
    if (pp->id_ >= procs) [[unlikely]] {
      retire(mp, pp);
      continue;
    }
    inherit = false;
    G* gp = nullptr;
    Poller& poller = *pp->poller_;
    const std::uint32_t round = ++pp->loops_;

    if (const std::int64_t when = pp->timers_.next_when(); when != never) {
      if (round % timers_every == 0 || when <= coarse_now_ns()) pp->timers_.run_due(now_ns());
    }
    // By turns, not rounds: two that wake each other in one slice are one turn, as what comes from the global queue takes a whole one.
    if (pp->tick_.load(relaxed) % global_every == 0 && global_size_.load(relaxed) != 0) gp = pop_global(pp, global_batch);
    if (round % poll_every == 0) {
      choose_timed(mp, pp);
      if (poller.in_flight() != 0) inject(pp, poller.poll(0, nullptr));
    } else if (poller.queued() >= submit_at || (poller.in_flight() != 0 && poller.peek())) {
      inject(pp, poller.poll(0, nullptr));
    }
    if (gp == nullptr && !pp->forks_.empty() && round % forks_every == 0) gp = take_fork(pp);
    if (gp == nullptr) gp = pp->runq_.pop(&inherit);
    if (gp == nullptr && pp->timers_.next_when() != never && pp->timers_.run_due(now_ns()) > 0) continue;
    if (gp == nullptr && global_size_.load(relaxed) != 0) gp = pop_global(pp, 0);
    if (gp == nullptr && !pp->forks_.empty()) {
      gp = take_fork(pp);
      if (gp == nullptr) continue;
    }
    if (gp == nullptr && poller.in_flight() != 0 && inject(pp, poller.poll(0, nullptr)) > 0) continue;
    if (gp == nullptr && procs > 1 && (mp->spinning_ || idle_.start_spinning(procs))) {
      mp->spinning_ = true;
      gp = steal(mp, pp);
    }
    if (gp != nullptr) {
      end_spinning(mp);
      return gp;
    }
    if (spin_before_sleep(mp, pp)) continue;
    park_m(mp);
  }
}

// W': a spinner that goes to work, or out of use, wakes a successor: what was queued meanwhile was left to it.
void Sched::end_spinning(M* mp) noexcept {
  if (!std::exchange(mp->spinning_, false)) return;
  mp->called_ = false;
  mp->scout_rounds_ = 0;
  idle_.found_work([this](int p, bool watched) { hand_over(ps_[p].get(), watched); });
}

G* Sched::take_turn(M* mp) noexcept {
  G* mine = nullptr;
  {
    LockGuard guard(lock_);
    mine = std::exchange(mp->turn_, nullptr);
  }
  if (mine != nullptr) end_spinning(mp);  // the bell that told it of its turn may have come with a waker's
  return mine;
}

// Four passes over the other Ps in random order; timers and run_next only in the last: their owner is about to get to them.
G* Sched::steal(M* mp, P* pp) noexcept {
  constexpr int passes = 4;
  const auto procs = static_cast<std::uint32_t>(procs_.load(acquire));  // [PROCS] so many Ps are there
  if (pp->victims_.size() != procs) with_memory([&] { pp->victims_.reset(procs); });
  for (int pass = 0; pass < passes; ++pass) {
    const bool last = pass == passes - 1;
    for (auto walk = pp->victims_.start(static_cast<std::uint32_t>(mp->random_.next())); !walk.done(); walk.next()) {
      P* victim = ps_[walk.position()].get();
      if (victim == pp || !gate_.is_running()) continue;
      if (last && victim->timers_.next_when() <= now_ns()) {
        victim->timers_.run_due(now_ns());  // what they wake comes to this P
        bool inherit = false;
        if (G* gp = pp->runq_.pop(&inherit)) return gp;
      }
      if (idle_.contains(victim->id_)) continue;
      G* gp = victim->runq_.steal_into(pp->runq_);
      if (gp == nullptr && last) gp = visit(mp, victim);
      if (gp != nullptr) {
        bump(pp->steals_);
        if (watched()) trace_steal(mp, victim->id_);
        return gp;
      }
    }
  }
  return nullptr;
}

// What waits in run_next, or among the forks, while its maker computes on. A maker inside the runtime is about to run it, and so is one that was there
// a moment ago.
G* Sched::visit(M* mp, P* victim) noexcept {
  const G* next = victim->runq_.peek_next();
  const Fork* oldest = victim->forks_.oldest();
  M* owner = victim->m_.load(acquire);  // [P-OWNER]
  if ((next == nullptr && oldest == nullptr) || owner == nullptr || owner->claim_.inside()) return nullptr;
  const std::uint32_t tick = victim->tick_.load(relaxed);
  const auto computes_on = [&] {
    return !owner->claim_.inside() && victim->runq_.peek_next() == next && victim->forks_.oldest() == oldest && victim->tick_.load(relaxed) == tick;
  };
  const std::int64_t begin = now_ns();
  do {
    cpu_pause();
    if (!computes_on()) return nullptr;
  } while (now_ns() - begin < visit_after_ns);
  const auto asker = static_cast<std::uint32_t>(mp->id_) + 1;
  if (!owner->claim_.ask(asker)) return nullptr;
  sys::membarrier();  // H2
  if (!owner->claim_.outside()) {
    owner->claim_.withdraw(asker);
    return nullptr;
  }
  if (!owner->claim_.visit(asker)) return nullptr;
  G* gp = nullptr;
  Fork* fork = nullptr;
  if (owner->p_ == victim) {  // H1
    gp = victim->runq_.take_next();
    if (gp == nullptr) fork = victim->forks_.pop_oldest();
  }
  owner->claim_.end_visit();
  return fork != nullptr ? begin_fork(fork) : gp;
}

// About 50 us of plain loads before the sleep that costs its waker 12: with one connection in a request-response exchange this is four times
// the requests for less CPU.  Where it has not paid lately it is tried once in a while only.  At most one M in two spins (IdleSet).
bool Sched::spin_before_sleep(M* mp, P* pp) noexcept {
  Poller& poller = *pp->poller_;
  const std::uint32_t in_flight = poller.in_flight();
  if (in_flight == 0 || in_flight > spin_in_flight_max || (procs_.load(relaxed) > 1 && !mp->spinning_) || mp->scout_rounds_ > 0) return false;
  if (pp->spin_credit_ <= 0 && ++pp->spin_skipped_ % spin_retry_every != 0) return false;
  const std::int64_t begin = now_ns();
  const std::int64_t limit = std::min(begin + spin_before_sleep_ns, pp->timers_.next_when());
  do {
    for (int pause = 0; pause < 8; ++pause) cpu_pause();
    if (poller.peek() || global_size_.load(relaxed) != 0 || (mp->spinning_ && work_anywhere(pp))) {
      pp->spin_credit_ = std::min(pp->spin_credit_ + 2, spin_credit_max);
      return true;
    }
  } while (now_ns() < limit && gate_.is_running());
  if (pp->spin_credit_ > 0) --pp->spin_credit_;
  return false;
}

/// The parker's look (W): everything that a waker may have put somewhere before it looked at idle_.
bool Sched::work_anywhere(P* pp) noexcept {
  if (global_size_.load(seq_cst) != 0) return true;  // [WAKE]
  const bool scouted = idle_.scouted();              // Ws: then run_next is none of ours
  const int made = ps_made_.load(acquire);           // [P-MADE]
  const std::int64_t now = now_ns();
  for (int i = 0; i < made; ++i) {
    P* other = ps_[i].get();
    if (!(scouted ? other->runq_.ring_empty() : other->runq_.empty() && other->forks_.empty())) return true;
    if (other != pp && other->timers_.next_when() <= now && i < procs_.load(relaxed)) return true;
  }
  return false;
}

bool Sched::next_anywhere() const noexcept {
  const int procs = procs_.load(acquire);  // [PROCS] so many Ps are there
  for (int i = 0; i < procs; ++i) {
    if (ps_[i]->runq_.peek_next() != nullptr || !ps_[i]->forks_.empty()) return true;
  }
  return false;
}

// Whether mp, which has found nothing, becomes the scout, and for how long it sleeps; 0: no.
std::int64_t Sched::scout_ns(M* mp) noexcept {
  if (procs_.load(relaxed) == 1) return 0;
  const bool next = next_anywhere();
  const bool in_vain = std::exchange(mp->called_, false);
  if (in_vain || next)
    mp->scout_rounds_ = std::clamp(mp->scout_rounds_, 1, scout_rounds_max - 1);
  else if (mp->scout_rounds_ == 0 || mp->scout_rounds_ >= scout_rounds_max)
    return mp->scout_rounds_ = 0;
  if (!idle_.begin_scouting()) return 0;
  return scout_first_ns << std::min(mp->scout_rounds_++ - 1, scout_doublings);
}

void Sched::park_m(M* mp) noexcept {
  P* pp = mp->p_;
  const std::int64_t scouting = scout_ns(mp);
  const auto look = [&] { return work_anywhere(pp) || !gate_.is_running() || pp->id_ >= procs_.load(seq_cst); };  // [PROCS] after idle_.put
  if (!idle_.park(pp->id_, mp->spinning_, look)) {
    if (scouting != 0) idle_.end_scouting();
    return;
  }
  bump(pp->parks_);
  const std::int64_t when = pp->timers_.next_when();  // [TIMER-WAKE] after idle_.put: who adds an earlier one rings
  std::int64_t timeout = scouting != 0 ? scouting : -1;
  if (when != never && environment_ == nullptr) {  // alone.cpp: no timer fires while it waits for others
    const std::int64_t until = std::max<std::int64_t>(when - now_ns(), 0);
    timeout = timeout < 0 ? until : std::min(timeout, until);
  }
  IoOp* completed = pp->poller_->poll(timeout, &mp->bell_);
  idle_.unpark(pp->id_, mp->spinning_);  // PA2
  mp->called_ = mp->spinning_;
  if (scouting != 0) idle_.end_scouting();
  pp->tick_.store(pp->tick_.load(relaxed) + 1, relaxed);  // a new slice, whoever runs in it (DL1)
  if (Sysmon* sysmon = sysmon_.load(acquire)) sysmon->note_activity();  // [SYSMON]
  inject(pp, completed);
}

// Sleeps until it is handed a P, or the executor stops.
void Sched::park_without_p(M* mp) noexcept {
  G* turn = nullptr;
  {
    LockGuard guard(lock_);
    if (!gate_.is_running()) return;
    if (mp->handed_p_ == nullptr) {
      if (mp->locked_g_ != nullptr) {
        mp->waiting_p_ = true;
        turn = std::exchange(mp->turn_, nullptr);  // it came while we still had a P
      } else {
        mp->spare_next_ = spares_;
        spares_ = mp;
      }
    }
  }
  if (turn != nullptr) {  // somebody with a P finds it, and brings the P
    push_global(turn);
    wake_one();
  }
  for (;;) {
    {
      LockGuard guard(lock_);
      if (mp->handed_p_ != nullptr) break;
      if (!gate_.is_running()) return;
    }
    mp->bell_.sleep();
  }
  P* pp = nullptr;
  {
    LockGuard guard(lock_);
    pp = std::exchange(mp->handed_p_, nullptr);
    mp->spinning_ = mp->handed_spinning_;
  }
  acquire_p(mp, pp);
}

// Makes ready what has completed; in order, at the ring's tail.
int Sched::inject(P* pp, IoOp* completed) noexcept {
  int n = 0;
  while (completed != nullptr) {
    G* gp = completed->g_;
    completed = completed->next_;  // before ready: the op is in the g's frame
    pp->io_waiting_.fetch_sub(1, relaxed);
    if (tls_m->ready_window_.make_runnable(gp->status_)) {
      if (watched()) [[unlikely]] trace_ready(tls_m, gp);
      time_some(pp, gp);
      push_tail(pp, gp);
    }
    ++n;
  }
  if (n > 0) bump(pp->polls_);
  if (n > 0 && watched()) trace_poll(tls_m, n);
  if (n > 1) wake_one();
  return n;
}

// ---- running

void Sched::execute(M* mp, G* gp, bool inherit) noexcept {
  if (gp->locked_ || mp->locked_g_ != nullptr) [[unlikely]] {
    if (environment_ == nullptr && ((gp->locked_ ? gp->extra_->locked_m_ : nullptr) != mp || mp->locked_g_ != gp)) {
      run_locked(mp, gp);
      return;
    }
  }
  P* pp = mp->p_;
  if (mp->attend_.load(relaxed) != 0) [[unlikely]] {
    if (inherit && (mp->attend_.load(relaxed) & attend_preempt) != 0) {  // the slice is used up: two that wake each other lose the P together
      push_global(gp);
      wake_one();
      return;
    }
    std::uint32_t cleared = attend_no_p | attend_handoff;
    if (!inherit) cleared |= attend_preempt;
    const std::uint32_t was = mp->attend_.fetch_and(~cleared, relaxed);
    if (was != 0 && (was & ~cleared) == 0) attention.fetch_sub(1, relaxed);
  }
  if (!inherit) pp->tick_.store(pp->tick_.load(relaxed) + 1, relaxed);  // one writer; sysmon sees a new slice
  if (has_stamp(gp)) [[unlikely]] note_latency(pp, gp);
  gp->m_ = mp;
  mp->cur_ = gp;
  mp->shown_.store(gp, relaxed);
  gp->status_.store(static_cast<std::uint32_t>(Status::running), relaxed);
  if (watched()) [[unlikely]] trace_begin(mp, gp);
  if (gp->step_ != nullptr) [[unlikely]] {
    if (!gp->step_(gp)) {  // it parked again: not ours any more
      if (watched()) trace_end(mp);
      mp->cur_ = nullptr;
      return;
    }
    gp->step_ = nullptr;
    if (watched()) trace_waited(gp);
  }
  gp->waiter_ = nullptr;  // what it slept for is its own from here on: a stop has nothing to take back
  gp->depth_ = 0;
  gp->started_ = true;
  const std::coroutine_handle<> frame = gp->leaf_->handle();
  mp->parked_ = false;
  mp->claim_.exit();
  frame.resume();
  while (mp->next_) std::exchange(mp->next_, nullptr).resume();
  if (mp->claim_.enter() == Claim::Entered::robbed) mp->p_ = nullptr;
  if (watched()) [[unlikely]] trace_end(mp);
  if (mp->parked_ && mp->p_ != nullptr) [[likely]]
    mp->cur_ = nullptr;  // what after_resume() comes to
  else
    after_resume(mp, mp->cur_);  // another one, if gp was lent and its guest has settled
}

// Its frame came back and has neither parked, nor yielded, nor ended: the compiler has lost a coroutine's body. The g is still ours.
static void report_lost_body(G* gp) noexcept {
  const std::source_location at = gp->last_await_.load(relaxed);
  fatal(("the coroutine awaited at " + std::string(at.file_name()) + ":" + std::to_string(at.line()) + " in goroutine " + std::to_string(gp->id_) +
         " did nothing. g++ 12 drops the body of a coroutine that has no variable of its own and awaits in the condition of an if, for or switch "
         "(`if (co_await x) …`): name the result first (`const bool ok = co_await x;`)")
            .c_str());
}

void Sched::after_resume(M* mp, G* gp) noexcept {
  if (mp->ended_ != nullptr) {
    finish(mp, gp);
  } else if (mp->yielded_ != nullptr) {
    mp->yielded_ = nullptr;
    mp->cur_ = nullptr;
    gp->status_.store(static_cast<std::uint32_t>(Status::runnable), release);  // [G-STATUS]
    if (mp->yield_local_ && mp->p_ != nullptr) {
      time_some(mp->p_, gp);
      if (!mp->p_->runq_.requeue_tail(gp)) push_tail(mp->p_, gp);  // nobody need be woken: this M pops next
    } else {
      queue_globally(gp);
    }
  } else {
    if (!mp->parked_) [[unlikely]] report_lost_body(gp);
    mp->cur_ = nullptr;
  }
  if (mp->p_ == nullptr) come_back(mp, off_p_, [this] { limit_fresh(true); });
}

// The root frame is suspended at its end. Its destruction runs destructors of the user's, so outside the runtime, still as this g.
void Sched::finish(M* mp, G* gp) noexcept {
  mp->ended_ = nullptr;
  std::exception_ptr thrown = std::exchange(mp->thrown_, nullptr);
  if (main_.load(relaxed) == gp) main_.store(nullptr, relaxed);  // before this P can go idle: the caller of run() is about to stop us
  mp->claim_.exit();
  if (!ForkJoin::is_fork(gp->end_)) gp->root_->handle().destroy();  // FJ6
  if (gp->end_ != nullptr)
    gp->end_->ended(gp->end_, gp, &thrown);
  else if (thrown)
    report_panic(this, gp, thrown);
  thrown = nullptr;
  if (mp->claim_.enter() == Claim::Entered::robbed) mp->p_ = nullptr;
  mp->cur_ = nullptr;
  if (gp->locked_) {  // it ended locked: the thread is free again
    mp->locked_g_ = nullptr;
    gp->locked_ = false;
  }
  drop_extra(gp);
  gp->status_.store(static_cast<std::uint32_t>(Status::dead), release);  // [G-STATUS] dumps skip it
  put_away(mp, gp);
}

// gp is dead, or has never lived: it is kept for the next one.
void Sched::put_away(M* mp, G* gp) noexcept {
  mp->finished_.store(mp->finished_.load(relaxed) + 1, relaxed);
  mp->free_gs_.push_front(gp);
  if (mp->free_gs_.size() >= dead_gs_max) {
    GList spill;
    for (int i = 0; i < dead_gs_max / 2; ++i) spill.push_back(mp->free_gs_.pop_front());
    gs_to_global(spill);
  }
}

void g_ended(G* gp, std::exception_ptr&& thrown) noexcept {
  gp->m_->thrown_ = std::move(thrown);
  gp->m_->ended_ = gp;
}

// ---- locked threads

// gp is bound to another M, or this M to another g.  A g goes to its M by way of turn_, with this P if that M sleeps without one; an M that
// may not run gp leaves it, and its P, to another.
void Sched::run_locked(M* mp, G* gp) noexcept {
  P* pp = mp->p_;
  M* bound = gp->locked_ ? gp->extra_->locked_m_ : nullptr;
  if (bound != nullptr) {
    {
      LockGuard guard(lock_);
      bound->turn_ = gp;
      if (bound->waiting_p_) {
        pp->m_.store(nullptr, release);  // [P-OWNER] sysmon must not rob us of the P that we get next in its stead
        bound->waiting_p_ = false;
        bound->handed_p_ = pp;
        bound->handed_spinning_ = false;
        mp->p_ = nullptr;
      }
    }
    bound->bell_.ring();  // with a P of its own it looks at turn_ first thing
    return;
  }
  push_next(pp, gp);
  pp->m_.store(nullptr, release);  // [P-OWNER] as above
  mp->p_ = nullptr;
  start_m(pp, false);
}

// ---- starting and readying

G* Sched::new_g(FrameLink* root, std::source_location where, GEnd* end) {
  return new_g(root, where, end, tls_m != nullptr && tls_m->cur_ != nullptr ? running_id(tls_m->cur_) : 0, 0);
}

G* Sched::new_g(FrameLink* root, std::source_location where, GEnd* end, std::uint64_t parent_id, std::uint64_t id) {
  require_no_fork();
  M* mp = tls_m;
  G* gp = nullptr;
  if (mp != nullptr) {
    if (mp->free_gs_.empty() && !gs_from_global(mp->free_gs_)) mp->free_gs_.push_front(g_from_slab());
    gp = mp->free_gs_.pop_front();
    __builtin_prefetch(mp->free_gs_.front(), 1);  // for the next one: after a million gs at once they are far away
    // A batch that began before the parent's id is dropped: a child's id is above its parent's, so that descending ids are an order in which
    // a stop may destroy frames (a child refers to what its parent lent it).
    if (id == 0) {
      if (mp->next_id_ == mp->end_id_ || mp->next_id_ <= parent_id) {
        mp->next_id_ = take_ids(16);
        mp->end_id_ = mp->next_id_ + 16;
      }
      id = mp->next_id_++;
    }
  } else {
    GList some;
    gp = gs_from_global(some) ? some.pop_front() : g_from_slab();
    if (!some.empty()) gs_to_global(some);
    id = take_ids(1);
  }
  gp->leaf_ = gp->root_ = root;
  store_shared(gp->sched_, this);  // a dump may be looking, as at the next three
  gp->m_ = nullptr;
  gp->step_ = nullptr;
  gp->waiter_ = nullptr;
  gp->last_await_.store(std::source_location{}, relaxed);
  store_shared(gp->id_, id);
  store_shared(gp->parent_id_, parent_id);
  store_shared(gp->created_at_, where);
  gp->end_ = end;
  gp->reason_ = WaitReason::none;
  gp->locked_ = gp->started_ = gp->lent_ = false;
  gp->withdrawal_ = nullptr;
  root->g_ = gp;
  if (detect_deadlock_ && !has_main_) {
    has_main_ = true;  // by the thread that called run(), before any M runs
    main_.store(gp, relaxed);
  }
  if (mp != nullptr && mp->sched_ == this)
    mp->spawned_.store(mp->spawned_.load(relaxed) + 1, relaxed);
  else
    off_p_spawned_.fetch_add(1, relaxed);
  return gp;
}

void Sched::start(G* gp) noexcept {
  gp->status_.store(static_cast<std::uint32_t>(Status::runnable), release);  // [G-STATUS]
  M* mp = tls_m;
  if (mp != nullptr && mp->sched_ == this) {
    Inside inside(mp);
    if (watched()) [[unlikely]] trace_ready(mp, gp);
    queue_next(mp, gp);
  } else {
    if (watched()) trace_ready(mp, gp);
    queue_globally(gp);
  }
}

inline void Sched::ready_on(M* mp, G* gp) noexcept {
  Inside inside(mp);
  if (!mp->ready_window_.make_runnable(gp->status_)) return;
  if (watched()) [[unlikely]] trace_ready(mp, gp);
  queue_next(mp, gp);
}

// From a thread that is none of this executor's Ms: it is counted, so that a stopping executor waits until it is out of here.
void Sched::ready_remote(G* gp) noexcept {
  gate_.enter();  // before the g leaves `waiting`: until then the executor cannot go
  if (status::make_runnable(gp->status_) && gate_.is_running()) {
    if (watched()) trace_ready(tls_m, gp);
    queue_globally(gp);
  }
  gate_.leave();
}

void Sched::queue_held(G* gp) noexcept {
  if (!gate_.is_running()) return;
  M* mp = tls_m;
  if (watched()) trace_ready(mp, gp);
  if (mp != nullptr && mp->sched_ == this) {
    Inside inside(mp);
    if (mp->p_ != nullptr) {
      time_some(mp->p_, gp);
      push_tail(mp->p_, gp);
      wake_one();
      return;
    }
  }
  queue_globally(gp);
}

bool hold_begin(G* gp) noexcept {
  Sched* sched = gp->sched_;
  sched->enter_user();  // it stays until the g, if it must be, is queued (ST2)
  if (status::begin_hold(gp->status_)) return true;
  sched->leave_user();
  return false;
}

void hold_end(G* gp, bool wakes) noexcept {
  Sched* sched = gp->sched_;
  if (wakes) static_cast<void>(status::make_runnable(gp->status_));  // it is held: not yet queued
  if (status::end_hold(gp->status_)) sched->queue_held(gp);
  sched->leave_user();
}

void ready(G* gp) noexcept {
  M* mp = tls_m;
  Sched* sched = gp->sched_;
  if (mp != nullptr && mp->sched_ == sched)
    sched->ready_on(mp, gp);
  else
    sched->ready_remote(gp);
}

void ready_handoff(G* gp) noexcept {
  M* mp = tls_m;
  const bool mine = mp != nullptr && mp->sched_ == gp->sched_;
  ready(gp);
  if (mine && mp->cur_ != nullptr) mp->sched_->note_attention(mp, attend_handoff);
}

void Sched::note_attention(M* mp, std::uint32_t bits) noexcept {
  if (mp->attend_.fetch_or(bits, relaxed) == 0) attention.fetch_add(1, relaxed);  // its reader may be late by some instructions
}

// What lies in run_next was made ready here, so whatever accept() writes is ordered before its run: by this thread, or by the claim that a visitor makes.
bool offer_to_next(bool (*accept)(G* next, void* what), void* what) noexcept {
  M* mp = tls_m;
  Inside inside(mp);
  G* next = mp->p_ != nullptr ? mp->p_->runq_.peek_next() : nullptr;
  return next != nullptr && accept(next, what);
}

// ---- parking (park.hpp)

void park_begin(G* gp, FrameLink& leaf, WaitReason reason, Waiter* w, bool (*step)(G*)) noexcept {
  gp->leaf_ = &leaf;
  gp->waiter_ = w;
  gp->step_ = step;
  gp->reason_ = reason;
  gp->since_ns_ = coarse_now_ns();
  gp->m_->parked_ = true;
  if (watched()) [[unlikely]] trace_wait(gp, reason);
  if (status::begin_wait(gp)) [[unlikely]] give_up(w);
}

void park_abort(G* gp) noexcept {
  status::abort_wait(gp->status_);
  gp->m_->parked_ = false;
  gp->waiter_ = nullptr;
  gp->step_ = nullptr;
}

void repark_begin(G* gp) noexcept {
  if (status::begin_wait(gp)) [[unlikely]] give_up(gp->waiter_);
}

bool give_way(G* gp, FrameLink& leaf) noexcept {
  if (attention.load(relaxed) == 0) return false;
  M* mp = gp->m_;
  const std::uint32_t why = mp->attend_.load(relaxed);
  if (why == 0) return false;
  if ((why & attend_testing) != 0) mp->sched_->gave_way();
  gp->leaf_ = &leaf;
  mp->yielded_ = gp;
  // Behind a hand-off alone it queues at this P, as for a yield: from the global queue it would run, every 61st turn, before whom it made way for.
  mp->yield_local_ = (why & ~attend_testing) == attend_handoff || why == attend_testing;
  return true;
}

bool put_off(G* gp, FrameLink& leaf, void* awaiter, bool (*suspend)(void*, FrameLink&)) noexcept {
  if ((gp->m_->attend_.load(relaxed) & attend_testing) == 0) return false;
  gp->sched_->put_off(gp, leaf, awaiter, suspend);
  return true;
}

void yield_now(G* gp, FrameLink& leaf) noexcept {
  M* mp = gp->m_;
  gp->leaf_ = &leaf;
  mp->yielded_ = gp;
  mp->yield_local_ = true;
}

bool can_spin(G* gp, int iteration) noexcept {
  static const int cpus = sys::usable_cpus();
  if (iteration >= 4 || cpus <= 1) return false;
  M* mp = gp->m_;
  if (mp->sched_->procs() <= 1) return false;
  Inside inside(mp);
  return mp->p_ != nullptr && mp->p_->runq_.empty() && mp->sched_->busy_others();
}

// Go's are all as long as the first. But a spinner that looks again soon takes the lock's line away from the holder each time it comes, and two Ms at one
// Mutex get less done than one would: 53 ns a lock with 100 gs and P = 2, against 17 if the holder may come and go many times meanwhile.
void spin(int iteration) noexcept {
  const std::int64_t until = now_ns() + (first_spin_ns << iteration);
  do {
    for (int pause = 0; pause < 8; ++pause) cpu_pause();
  } while (now_ns() < until);
}

// ---- timers and I/O

void Sched::add_timer(Timer* timer, std::int64_t when) {
  M* mp = tls_m;
  if (mp != nullptr && mp->sched_ == this) {
    Inside inside(mp);
    if (mp->p_ != nullptr) {
      mp->p_->timers_.add(timer, when, true);
      return;
    }
  }
  // Without a P: any heap will do. Its M may sleep until a later deadline.
  P* pp = ps_[0].get();
  if (pp->timers_.add(timer, when)) kick(pp);
}

bool Sched::submit_io(M* mp, IoOp* op) noexcept {
  Inside inside(mp);
  P* pp = mp->p_;
  if (pp == nullptr) return false;
  pp->io_waiting_.fetch_add(1, relaxed);  // before the op can complete: all_hopeless() must not see it missing
  pp->poller_->submit(op);
  return true;
}

// WD2, for who sleeps on an operation: it ends as soon as it is submitted.
static void cancel_if_asked(G* gp, IoOp* op) noexcept {
  if (gp->withdrawal_ != nullptr && gp->withdrawal_->asked()) [[unlikely]] io_cancel(op);
}

void io_park(G* gp, FrameLink& leaf, IoOp* op, Waiter* w, bool (*step)(G*)) noexcept {
  M* mp = gp->m_;
  op->g_ = gp;
  park_begin(gp, leaf, WaitReason::io_wait, w, step);
  cancel_if_asked(gp, op);
  if (mp->sched_->submit_io(mp, op)) return;
  // An M without a P has no ring: the g is queued, and its step submits when it runs with a P again.
  park_abort(gp);
  gp->waiter_ = w;
  gp->step_ = step;
  mp->yielded_ = gp;
  mp->yield_local_ = false;
}

void io_repark(G* gp, IoOp* op) noexcept {
  op->g_ = gp;
  repark_begin(gp);
  cancel_if_asked(gp, op);
  gp->sched_->submit_io(gp->m_, op);
}

void io_cancel(IoOp* op) noexcept { Poller::cancel(op); }

bool io_batches(G* gp) noexcept {
  M* mp = gp->m_;
  if (mp->sched_->poller_in_use() != gmp::Poller::uring) return false;
  Inside inside(mp);
  return mp->p_ != nullptr && mp->p_->runq_.size_hint() != 0;
}

bool io_takes_files(G* gp) noexcept { return gp->sched_->poller_in_use() == gmp::Poller::uring; }

void timer_add(G* gp, Timer* timer, std::int64_t when_ns) { gp->sched_->add_timer(timer, when_ns); }

bool timer_add(Sched* sched, Timer* timer, std::int64_t when_ns) {
  if (tls_m != nullptr && tls_m->sched_ == sched) {  // stop() waits for us
    sched->add_timer(timer, when_ns);
    return true;
  }
  if (!sched->enter_if_running()) return false;
  try {
    sched->add_timer(timer, when_ns);
  } catch (...) {
    sched->leave_user();
    throw;
  }
  sched->leave_user();
  return true;
}

Sched* sched_of_this_thread() noexcept { return tls_m != nullptr ? tls_m->sched_ : nullptr; }

// ---- processors that come and go

// gomaxprocs() made this P surplus: its gs and timers go to others; its ring stays until nothing is in flight there, since completion work
// belongs to the threads that submitted.
void Sched::retire(M* mp, P* pp) noexcept {
  bool inherit = false;
  while (G* gp = pp->runq_.pop(&inherit)) {
    push_global(gp);
    wake_one();
  }
  while (Fork* fork = pp->forks_.pop_oldest()) {
    if (G* gp = begin_fork(fork)) push_global(gp);
    wake_one();
  }
  end_spinning(mp);
  if (pp->timers_.next_when() != never) {
    P* heir = ps_[0].get();
    try {
      if (heir->timers_.take_all_from(pp->timers_)) kick(heir);
    } catch (const std::bad_alloc&) {
      pp->timers_.run_due(now_ns());  // no memory to move them: they fire from here
    }
  }
  const std::int64_t when = pp->timers_.next_when();
  if (pp->poller_->in_flight() != 0 || when != never) {
    IoOp* completed = pp->poller_->poll(when == never ? -1 : std::max<std::int64_t>(when - now_ns(), 0), &mp->bell_);
    while (completed != nullptr) {
      G* gp = completed->g_;
      completed = completed->next_;
      pp->io_waiting_.fetch_sub(1, relaxed);
      if (status::make_runnable(gp->status_)) push_global(gp);
      wake_one();
    }
    return;
  }
  LockGuard guard(lock_);
  if (pp->id_ < procs_.load(relaxed)) return;
  pp->retired_.store(true, release);  // [P-RETIRED]
  pp->m_.store(nullptr, release);     // [P-OWNER]
  mp->p_ = nullptr;
}

// The M that watches the idle pp looks at its timers and queues again.
void Sched::kick(P* pp) noexcept {
  if (idle_.watched(pp->id_)) {  // [TIMER-WAKE] else it looks before it sleeps
    if (M* watcher = pp->m_.load(acquire)) watcher->bell_.ring();  // [P-OWNER]
  } else if (idle_.take_unwatched(pp->id_)) {
    idle_.add_spinner();
    hand_over(pp, false);
  }
}

int Sched::set_procs(int n) {
  int before = 0;
  bool look_again = false;
  {
    LockGuard guard(lock_);
    before = procs_.load(relaxed);
    if (n < 1 || environment_ != nullptr) return before;
    n = std::min(n, procs_max);
    if (ps_made_.load(relaxed) < n) {
      for (int i = ps_made_.load(relaxed); i < n; ++i) make_p(i);
      sys::membarrier();  // [P-ALONE] who pushes after it looks for idle Ps
    }
    procs_.store(n, seq_cst);  // [PROCS] before the looks at idle_ below; Ms look at it each round
    for (int i = before; i < n; ++i) {
      P* pp = ps_[i].get();
      if (pp->retired_.load(relaxed)) {
        pp->retired_.store(false, relaxed);  // the caller runs, so nobody takes all for idle
        idle_.put_unwatched(i);
      } else if (M* mp = pp->m_.load(acquire)) {  // [P-OWNER]
        mp->bell_.ring();  // it still empties the ring: it goes on as before
      }  // else it is on its way to an M, which takes it as it is
    }
    for (int i = n; i < before; ++i) {
      P* pp = ps_[i].get();
      if (idle_.watched(i)) {   // [PROCS] else its M looks at procs_ before it sleeps
        idle_.add_spinner();  // before the take: whose P is taken has the place at once
        if (idle_.take(i)) {
          if (M* watcher = pp->m_.load(acquire)) watcher->bell_.ring();  // [P-OWNER]
          continue;
        }
        idle_.stop_spinning();  // it came by itself
        look_again = true;
      }
      if (idle_.take_unwatched(i))
        pp->retired_.store(true, release);  // [P-RETIRED]
      else if (M* mp = pp->m_.load(acquire))  // [P-OWNER]
        note_attention(mp, attend_preempt);
    }
  }
  if (look_again || global_size_.load(seq_cst) != 0) wake_one();  // [WAKE] W': somebody may have counted on our place
  return before;
}

// ---- looking

// Also of those that gomaxprocs() made surplus: until they are out of use their Ms run gs.
bool Sched::all_idle() const noexcept {
  if (off_p_.any() || idle_.count() < procs()) return false;
  const int made = ps_made_.load(acquire);  // [P-MADE]
  for (int i = 0; i < made; ++i) {
    if (!idle_.contains(i) && !ps_[i]->retired_.load(acquire)) return false;  // [P-RETIRED] and what its M had left to the global queue
  }
  return true;
}

std::int64_t Sched::goroutines() const noexcept {
  std::int64_t n = off_p_spawned_.load(relaxed) - off_p_finished_.load(relaxed);
  LockGuard guard(lock_);
  for (const auto& mp : ms_) n += static_cast<std::int64_t>(mp->spawned_.load(relaxed)) - static_cast<std::int64_t>(mp->finished_.load(relaxed));
  return n;
}

std::vector<M*> Sched::ms() {
  std::vector<M*> all;
  LockGuard guard(lock_);
  for (const auto& mp : ms_) all.push_back(mp.get());
  return all;
}

}  // namespace gmp::detail
