// src/sched/alone.cpp — an executor without threads of its own: one P, and as its M the thread that calls run_alone().
// Go: runtime/synctest.go (synctestRun).  Room: sched (floor 2).
//
// Gs are started, resumed, parked and ended by the code of sched.cpp; only the loop is another, since it asks the Environment who is next, and lets time
// go on when nobody is:
//   1  the timers that are due fire
//   2  somebody can run: he does
//   3  operations are in flight: the thread waits for the kernel, and no time goes by
//   4  else time jumps to the next timer
//   5  no timer, but somebody outside may wake a g (a Waker, a signal): the thread waits for that
//   6  else nothing will ever happen, and the loop returns
// Where each co_await is a choice there are two: before its operation begins (put_off), since what a g has done by plain calls since its last one must be
// open to others; and after it, if it has not parked.
// AL1  the P is never idle but in 3 and 5: so nobody starts an M for it.
#include <algorithm>
#include <utility>

#include "sched/environment.hpp"
#include "sched/sched.hpp"
#include "sched/sysmon.hpp"
#include "sys/patience.hpp"

namespace gmp::detail {

void Sched::begin_alone(Environment& environment) {
  auto owned = std::make_unique<M>(this, 0);
  M* mp = owned.get();
  P* pp = ps_[0].get();
  mp->next_id_ = 1;  // its gs are numbered from 1
  mp->end_id_ = ~std::uint64_t{0};
  {
    LockGuard guard(lock_);
    ms_.push_back(std::move(owned));
  }
  idle_.take_unwatched(0);  // AL1
  environment_ = &environment;
  acquire_p(mp, pp);
  take_thread(mp);
  use_clock(&environment.now_ns_);
  if (environment.chooses_) note_attention(mp, attend_testing);
}

void Sched::begin_again_alone(std::uint64_t seed) noexcept {
  M* mp = this_m();
  mp->next_id_ = 1;
  mp->random_ = Random(seed);
  mp->p_->loops_ = 0;
  mp->p_->timed_loop_ = ~std::uint32_t{0};  // no g's wait is timed: it takes no time here
  mp->p_->tick_.store(0, relaxed);  // no sysmon looks at it
  environment_->net_.reset();
  while (Timer* timer = mp->p_->timers_.take_first()) {
    if (timer->told_of_stop) timer->fire(timer, never);
  }
}

void Sched::end_alone() noexcept {
  M* mp = this_m();
  use_clock(nullptr);
  for (G* gp : environment_->runnable_) push_global(gp);  // for stop(), which finds them anyhow
  environment_->runnable_.clear();
  environment_ = nullptr;
  leave_thread(mp);
  mp->p_->m_.store(nullptr, release);  // [P-OWNER]
  mp->p_ = nullptr;
  LockGuard guard(lock_);
  off_p_spawned_.fetch_add(static_cast<std::int64_t>(mp->spawned_.load(relaxed)), relaxed);
  off_p_finished_.fetch_add(static_cast<std::int64_t>(mp->finished_.load(relaxed)), relaxed);
  alone_ = std::move(ms_.back());  // a g that is left may still name it
  ms_.pop_back();
}

void Sched::run_alone() noexcept {
  M* mp = this_m();
  while (!environment_->over()) {
    bool inherit = false;
    G* gp = next_alone(mp, inherit);
    if (gp == nullptr) return;
    execute(mp, gp, inherit);
    // By our time, not by the coarse clock's. A g that waits is as it parked: this thread alone could have run it since.
    if (status_in(gp->status_.load(relaxed)) == Status::waiting) gp->since_ns_ = environment_->now_ns_;
  }
}

G* Sched::next_alone(M* mp, bool& inherit) noexcept {
  Environment& environment = *environment_;
  P* pp = mp->p_;
  Poller& poller = *pp->poller_;
  for (;;) {
    inherit = false;
    if (poller.in_flight() != 0 && (++pp->loops_ % poll_every == 0 || poller.peek())) inject(pp, poller.poll(0, nullptr));
    if (environment.chooses_) {
      G* gp = nullptr;
      if (choose_alone(pp, gp)) {
        if (gp != nullptr) return gp;
        continue;
      }
    } else {
      pp->timers_.run_due(environment.now_ns_);
      if (pp->tick_.load(relaxed) % global_every == 0 && global_size_.load(relaxed) != 0) {
        if (G* gp = pop_global(pp, global_batch)) return gp;
      }
      if (G* gp = pp->runq_.pop(&inherit)) return gp;
      if (global_size_.load(relaxed) != 0) {
        if (G* gp = pop_global(pp, 0)) return gp;
      }
    }
    if (environment.over() || environment.time_stands()) return nullptr;
    if (poller.in_flight() != 0) {
      park_m(mp);
      end_spinning(mp);
      continue;
    }
    if (const std::int64_t when = pp->timers_.next_when(); when < in_ages) {
      environment.now_ns_ = std::max(environment.now_ns_, when);
      continue;
    }
    if (hopes_.load(seq_cst) == 0 && outside_hopes.load(seq_cst) == 0) return nullptr;  // [HOPE]
    park_m(mp);
    end_spinning(mp);
  }
}

// False: nobody can run, and no timer is due. True: gp was chosen; null: it was a timer, and that has fired.
bool Sched::choose_alone(P* pp, G*& gp) noexcept {
  Environment& environment = *environment_;
  std::vector<G*>& runnable = environment.runnable_;
  bool inherit = false;
  const auto collect = [&](G* one) { with_memory([&] { runnable.push_back(one); }); };
  while (G* next = pp->runq_.pop(&inherit)) collect(next);
  while (global_size_.load(relaxed) != 0) {
    if (G* next = pop_global(pp, 1)) collect(next);
  }
  const bool due = pp->timers_.next_when() <= environment.now_ns_;
  if (due) collect(nullptr);
  if (runnable.empty()) return false;
  const std::size_t chosen = environment.choose(runnable);
  gp = runnable[chosen];
  if (gp != nullptr) {
    runnable.erase(runnable.begin() + static_cast<std::ptrdiff_t>(chosen));
    if (due) runnable.pop_back();
    return true;
  }
  pp->timers_.run_due(environment.now_ns_, 1);
  runnable.pop_back();
  return true;
}

Chance* chance_of(const G* gp) noexcept { return gp->sched_->environment(); }

void Sched::gave_way() noexcept { environment_->gave_way_ = true; }

void Sched::put_off(G* gp, FrameLink& leaf, void* awaiter, bool (*suspend)(void*, FrameLink&)) noexcept {
  auto& all = environment_->put_off_;
  if (gp->id_ >= all.size()) with_memory([&] { all.resize(gp->id_ + 1); });
  all[gp->id_] = {awaiter, suspend};
  M* mp = gp->m_;
  gp->leaf_ = &leaf;
  gp->step_ = [](G* self) { return self->sched_->begin_put_off(self); };
  mp->yielded_ = gp;
  mp->yield_local_ = true;
}

// As gp's step. True: its frame goes on.
bool Sched::begin_put_off(G* gp) noexcept {
  const Environment::PutOff operation = environment_->put_off_[gp->id_];
  M* mp = gp->m_;
  gp->step_ = nullptr;
  environment_->gave_way_ = false;
  try {
    if (!operation.suspend_(operation.awaiter_, *gp->leaf_)) return true;
  } catch (...) {
    environment_->threw(gp, std::current_exception());
    return false;
  }
  if (mp->yielded_ != nullptr) {  // done without a sleep
    mp->yielded_ = nullptr;
    if (!environment_->gave_way_) environment_->yielded(gp);
    gp->status_.store(static_cast<std::uint32_t>(Status::runnable), release);  // [G-STATUS]
    push_tail(mp->p_, gp);
  }
  return false;
}

}  // namespace gmp::detail
