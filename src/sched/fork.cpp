// src/sched/fork.cpp — the children of an all(): run by who awaits them, unless somebody else has time.
// Go: none (there each go statement makes a G).  Room: sched (floor 2).
//
// A G for each child would cost what a goroutine costs, and most children compute for a moment and are done.  So the joiner (the g that awaits) lends
// its own G to one child after the other: the child is its guest.  The others lie in a list of the P, unbegun, newest in front.  Who is asked what:
//   - the guest ends: the joiner takes its next child off the front of its P's list, or, if all have ended, goes on.  No atomic in all of this.
//   - another M looks for work: the joiner, which passes here with each child, gives the oldest fork, most often the largest part of what is left, a G,
//     and puts that into its ring.  If a child computes for long, a visitor (claim.hpp) takes the oldest fork out of the list.
//   - the guest is about to suspend, on whatever it may be: it settles, that is, it gets a G of its own, and the joiner sleeps.  What is left in the list
//     the M's loop begins, each with a G of its own.  A joiner that is a guest itself (all() within all()) settles with its guest.
//   - the slice is used up: the joiner lends its G to the next child and gives way.
//   - the P is taken from the M: its list goes with it.  The joiner finds none of its forks there, and sleeps.
// libfork and Cilk let thieves take from a Chase-Lev deque; that costs the owner a full barrier a pop, and a look at the thieves with another one a
// push, which is more than all of this.  What is lost is a thief's liberty to come at any time: it is served at the joiner's next step, or visits.
//
//   FJ1  a Fork in a P's list is unbegun, and touched by who may touch the P (H1).  Who takes it out begins it.
//   FJ2  forks leave the front of a list in the reverse order of their coming, so the joiner's next child is the front one, or is not its own any more:
//        somebody has it, or the M has another P.  It sleeps then; it never takes what lies deeper.
//   FJ3  fork_count.hpp says who is last.  Who sleeps is in sleeper_ before the joiner leaves; a child that was last touches nothing of it after the wake.
//   FJ4  a lent G has its guest's root_ and end_; what it had before is in the guest's ForkJoin.  It is running, but in one case: it gave way and
//        its guest is unbegun.  So a dump never sees a guest's frames as the joiner's, and a stop takes the G back (take_back).
//   FJ5  ids ascend from joiner to child, for a stop destroys frames in descending order (a child refers to what its joiner lent it).  So a guest has an
//        id of its own as soon as anything is started for which that counts: a g, or a sibling's child with a G.  Its G has it later.  Given
//        under a lock, outermost first; who reads 0 without the lock asks under it.
//   FJ6  the child's frame belongs to its Task in the joiner's frame, with the result in it, also when the child had a G: the scheduler does not destroy it.
#include "gmp/detail/sched/fork.hpp"

#include <new>

#include "gmp/detail/park.hpp"
#include "gmp/detail/sched/transfer.hpp"
#include "gmp/detail/sys/futex.hpp"
#include "sched/sched.hpp"
#include "sched/status.hpp"

namespace gmp::detail {

namespace {
constinit Lock guest_ids_lock;  // FJ5
}

std::coroutine_handle<> trampoline(G* gp, std::coroutine_handle<> next) noexcept {
  gp->depth_ = 0;
  gp->m_->next_ = next;
  return std::noop_coroutine();
}

// ---- the joiner

std::coroutine_handle<> ForkJoin::begin(FrameLink& leaf, Fork* forks, std::size_t count) noexcept {
  G* gp = leaf.g_;
  M* mp = gp->m_;
  leaf_ = &leaf;
  if (gp->lent_)
    outer_join_ = guest_of(gp)->join_;
  else
    joiner_id_ = gp->id_;
  // What is bound to a thread lends that to nobody; and some want to see each child as the g that it is.
  const bool apart = gp->locked_ || watched() || mp->sched_->environment() != nullptr || locks_followed.load(relaxed);
  Fork* first = nullptr;
  bool here = false;
  {
    Inside inside(mp);
    P* pp = mp->p_;
    here = !apart && pp != nullptr;
    children_ = ended_here_ = count;  // where there is no child, it has ended
    count_.open(count);
    for (std::size_t i = count; i-- > 0;) {
      Fork* fork = &forks[i];
      if (fork->root_ == nullptr) continue;
      fork->ended = &on_end;
      fork->join_ = this;
      --ended_here_;
      if (here && first != nullptr) pp->forks_.push_newest(first);
      first = fork;
    }
    if (here) mp->sched_->share_fork(pp);
  }
  if (first == nullptr) return transfer(gp, leaf.handle());
  const std::uint32_t why = attention.load(relaxed) != 0 ? mp->attend_.load(relaxed) : 0;
  if (here && why == 0) [[likely]] {
    lend(gp, first);
    return transfer(gp, first->root_->handle());
  }
  if (here) return go_on_later(mp, first, why);
  begin_apart(forks, count);
  const auto wait_later = [](void* join, FrameLink&) { return static_cast<ForkJoin*>(join)->wait(); };
  if (why != 0 && put_off(gp, leaf, this, wait_later)) return std::noop_coroutine();
  return wait() ? std::coroutine_handle<>(std::noop_coroutine()) : transfer(leaf.g_, leaf.handle());
}

void ForkJoin::begin_apart(Fork* forks, std::size_t count) noexcept {
  Sched* sched = leaf_->g_->sched_;
  for (std::size_t i = 0; i < count; ++i) {
    if (forks[i].root_ == nullptr) continue;
    try {
      sched->start(sched->g_of(&forks[i]));
    } catch (...) {
      note(std::current_exception());
      ++ended_here_;
    }
  }
}

inline void ForkJoin::lend(G* gp, Fork* fork) noexcept {
  outer_root_ = gp->root_;
  outer_end_ = gp->end_;
  outer_lent_ = gp->lent_;
  lend_again(gp, fork);
}

// Since the last guest nothing has happened to gp.
inline void ForkJoin::lend_again(G* gp, Fork* fork) noexcept {
  gp->root_ = fork->root_;
  gp->end_ = fork;
  gp->lent_ = true;
  fork->root_->g_ = gp;
}

inline void ForkJoin::return_g(G* gp) noexcept {
  if (extra_is_guests_) [[unlikely]] {
    drop_extra(gp);
    swap_extra(gp, kept_extra_);
    extra_is_guests_ = false;
  }
  gp->root_ = outer_root_;
  gp->end_ = outer_end_;
  gp->lent_ = outer_lent_;
  if (guest_id_.load(relaxed) != 0) guest_id_.store(0, relaxed);  // FJ5: all that had asked for it has ended
}

void ForkJoin::take_back(G* gp) noexcept { return_g(gp); }

void ForkJoin::keep_extra(G* gp) noexcept {
  if (std::exchange(extra_is_guests_, true)) return;
  kept_extra_ = swap_extra(gp, nullptr);
}

std::coroutine_handle<> ForkJoin::guest_ended(G* gp, std::exception_ptr&& thrown) noexcept {
  if (thrown) [[unlikely]] note(std::move(thrown));
  Fork* next = nullptr;
  ++ended_here_;
  if (ended_here_ != children_) {
    M* mp = gp->m_;
    Inside inside(mp);
    P* pp = mp->p_;
    if (pp != nullptr && pp->forks_.newest() != nullptr && pp->forks_.newest()->join_ == this) {  // FJ2
      next = pp->forks_.pop_newest();
      mp->sched_->share_fork(pp);
    }
  }
  return_g(gp);
  if (next != nullptr) {
    const std::uint32_t why = attention.load(relaxed) != 0 ? gp->m_->attend_.load(relaxed) : 0;
    if (why != 0) [[unlikely]] return go_on_later(gp->m_, next, why);
    lend_again(gp, next);
    return transfer(gp, next->root_->handle());
  }
  if (ended_here_ != children_ && wait()) return std::noop_coroutine();
  return transfer(leaf_->g_, leaf_->handle());
}

// The joiner gives way with its next guest; without memory for that it goes on.
std::coroutine_handle<> ForkJoin::go_on_later(M* mp, Fork* next, std::uint32_t why) noexcept {
  bool may_suspend = true;
  try {
    if (leaf_->g_->lent_) settle(*leaf_);
  } catch (const std::bad_alloc&) {
    may_suspend = false;
  }
  G* gp = leaf_->g_;
  lend(gp, next);
  if (!may_suspend) return transfer(gp, next->root_->handle());
  gp->leaf_ = next->root_;  // FJ4
  mp->yielded_ = gp;
  mp->yield_local_ = why == attend_handoff;
  return std::noop_coroutine();
}

// For those that others run. True: the joiner sleeps, and nothing of it is touched. False: they have ended.
bool ForkJoin::wait() noexcept {
  try {
    if (leaf_->g_->lent_) settle(*leaf_);
  } catch (const std::bad_alloc&) {
    wait_without_g();
    return false;
  }
  G* gp = leaf_->g_;
  sleeper_ = gp;
  park_begin(gp, *leaf_, WaitReason::all, nullptr);
  if (!count_.leave(ended_here_)) return true;
  park_abort(gp);
  return give_way(gp, *leaf_);
}

// A guest that must wait, and there is no memory for a G of its own: its thread waits, as in blocking(f), so its P goes to others.
GMPCORO_NOINLINE void ForkJoin::wait_without_g() noexcept {
  G* gp = leaf_->g_;
  if (count_.leave(ended_here_)) return;
  blocking_begin(gp);
  while (over_.load(acquire) == 0) futex_wait(&over_, 0);  // [FORK-OVER]
  static_cast<void>(blocking_end(gp));  // without its P it goes on to its next await
}

// By settle(): gp, our joiner, is off its M, and a guest of ours has not ended.
void ForkJoin::sleep(G* gp) noexcept {
  sleeper_ = gp;
  gp->leaf_ = leaf_;
  gp->waiter_ = nullptr;
  gp->step_ = nullptr;
  gp->reason_ = WaitReason::all;
  gp->since_ns_ = coarse_now_ns();
  static_cast<void>(status::begin_wait(gp));         // nobody withdraws it
  static_cast<void>(count_.leave(ended_here_));  // it is not last
}

void ForkJoin::note(std::exception_ptr&& thrown) noexcept {
  LockGuard guard(lock_);
  if (!first_) first_ = std::move(thrown);
}

void ForkJoin::child_ended(std::exception_ptr&& thrown) noexcept {
  if (thrown) note(std::move(thrown));
  if (!count_.child_ended()) return;
  if (sleeper_ != nullptr) return ready(sleeper_);
  over_.store(1, release);  // [FORK-OVER] it may be gone now: what futex_wake wakes in its place looks again
  futex_wake(&over_, 1);
}

void ForkJoin::on_end(GEnd* self, G*, void* thrown) noexcept {
  auto* fork = static_cast<Fork*>(self);
  if (tearing_down())
    fork->gone_ = true;  // it and its joiner are destroyed
  else
    fork->join_->child_ended(std::move(*static_cast<std::exception_ptr*>(thrown)));
}

// ---- a G for a child

// FJ5, of all guests down to ours that have none.
GMPCORO_NOINLINE std::uint64_t ForkJoin::make_guest_id() noexcept {
  LockGuard guard(guest_ids_lock);
  std::uint64_t n = 0;
  for (ForkJoin* join = this; join != nullptr && join->guest_id_.load(relaxed) == 0; join = join->outer_join_) ++n;  // under the lock
  std::uint64_t id = n != 0 ? take_ids(n) + n : 0;
  for (ForkJoin* join = this; n > 0; --n, join = join->outer_join_) join->guest_id_.store(--id, relaxed);
  return guest_id_.load(relaxed);
}

void settle(FrameLink& leaf) {
  G* gp = leaf.g_;
  M* mp = gp->m_;
  Sched* sched = gp->sched_;
  Fork* const innermost = ForkJoin::guest_of(gp);
  GList made;  // for the innermost guest first
  try {
    for (Fork* fork = innermost;; fork = fork->join_->outer()) {
      ForkJoin* join = fork->join_;
      const std::uint64_t id = join->guest_id();
      made.push_back(sched->new_g(fork->root_, join->where(), fork, join->joiner_id(), id));
      fork->root_->g_ = gp;  // not yet
      if (!join->outer_lent_) break;
    }
  } catch (...) {
    while (G* unused = made.pop_front()) Sched::put_away(mp, unused);
    throw;
  }
  FrameLink* at = &leaf;
  ForkJoin* inner = nullptr;
  G* guest = nullptr;
  for (Fork* fork = innermost; fork != nullptr;) {
    ForkJoin* join = fork->join_;
    G* own = made.pop_front();
    own->m_ = mp;
    own->started_ = true;
    own->depth_ = gp->depth_;
    if (join->extra_is_guests_) {
      join->extra_is_guests_ = false;
      swap_extra(own, swap_extra(gp, join->kept_extra_));
    }
    for (FrameLink* link = at; link != nullptr; link = link->parent_) link->g_ = own;
    if (inner == nullptr) {
      guest = own;
      own->status_.store(static_cast<std::uint32_t>(Status::running), relaxed);
    } else {
      inner->sleep(own);
    }
    inner = join;
    at = join->leaf_;
    fork = join->outer_lent_ ? join->outer() : nullptr;
  }
  gp->root_ = inner->outer_root_;
  gp->end_ = inner->outer_end_;
  gp->lent_ = false;
  if (watched()) trace_settle(mp, guest);
  mp->cur_ = guest;
  mp->shown_.store(guest, relaxed);
  inner->sleep(gp);
}

// May throw std::bad_alloc; then the fork is as it was.
G* Sched::g_of(Fork* fork) { return new_g(fork->root_, fork->join_->where(), fork, fork->join_->joiner_id(), 0); }

// By the owner of pp, inside: somebody looks for work, and has nothing to steal here.
void Sched::share_fork_slow(P* pp) noexcept {
  if (!pp->runq_.empty()) return;
  Fork* fork = pp->forks_.pop_oldest();
  if (fork == nullptr) return;
  try {
    G* gp = g_of(fork);
    gp->status_.store(static_cast<std::uint32_t>(Status::runnable), release);  // [G-STATUS]
    if (watched()) trace_ready(this_m(), gp);
    push_tail(pp, gp);
    wake_one();
  } catch (const std::bad_alloc&) {
    pp->forks_.push_oldest(fork);
  }
}

// By the owner, of what its joiners have left. Null: there was no memory for a G, which counts as the child's exception; or, beside hogs, it waits with
// others that are fresh (lanes.hpp): all that are left do so then, for where one waits for its turn, nobody who sleeps need know of the others.
G* Sched::take_fork(P* pp) noexcept {
  Fork* fork = pp->forks_.pop_newest();
  share_fork(pp);
  return begin_fork(fork);
}

G* Sched::begin_fork(Fork* fork) noexcept {
  G* gp = nullptr;
  try {
    gp = g_of(fork);
  } catch (...) {
    fork->join_->child_ended(std::current_exception());
    return nullptr;
  }
  gp->status_.store(static_cast<std::uint32_t>(Status::runnable), release);  // [G-STATUS]
  if (watched()) trace_ready(this_m(), gp);
  if (off_p_.hogs() == 0) return gp;
  push_global(gp);
  wake_one();
  return nullptr;
}

}  // namespace gmp::detail
