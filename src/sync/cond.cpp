// src/sync/cond.cpp — Cond: wait, and have the mutex again.
// Go: sync/cond.go.  Room: sync (floor 5); stands on wait/notify_list and Mutex.
//
// A wait has two sleeps: in the Cond's list until a signal, then on the Mutex until it has it.  The g does not run its frame in between:
// after the signal an M's loop calls its step (park.hpp), which competes for the mutex and lets the g sleep again if it has lost.
//
// The waiter joins the list first and unlocks the mutex after, so that no signal can fall between the two, and none needs a ticket
// (notify_list). But from the joining on it may be woken, run, and be gone (PK2): what unlocks is a copied pointer, and the mutex lives,
// since the waiter cannot have it before this unlock.
//
// Two gs that take turns on a Cond would unlock the mutex and lock it again each time, for nothing: who signals under the lock and then waits
// leaves its M to the one it has woken.  So the unlock looks whether the g that this M runs next is on its way to this very mutex, and if nobody
// else wants it leaves it locked, for that g (offer_to_next).  Ordered as what that g runs is: it was made ready here.
//
// Withdrawal.  Out of the list: the g still needs the mutex; its step goes for it, and the wait ends withdrawn, with the mutex held.  On
// the mutex: it was notified, the wait is as good as over, and it cannot be withdrawn.  In a stopped executor the g never has the mutex
// back, though a guard further out in its frames will unlock it: note_phantom() says that this unlock is not real.  A signal that it was
// given is passed on.
#include "gmp/sync/cond.hpp"

#include <utility>

#include "sync/in_use.hpp"
#include "wait/sleeper.hpp"

namespace gmp {

namespace detail {

CondWaiter::CondWaiter(Cond& cond, G* gp) noexcept : MutexWaiter(cond.mutex_, gp), cond_(&cond) { withdraw_ = &CondWaiter::withdraw_wait; }

// After the sleep in the list: the mutex must be had, also by who was withdrawn.
bool CondWaiter::advance() noexcept {
  if (!std::exchange(relocking_, true)) {
    give_up_.store(false, relaxed);  // a withdrawal that came after the signal
    if (g_ != nullptr) {
      g_->reason_ = WaitReason::mutex_lock;
      g_->withdrawal_ = nullptr;  // from here on there is nothing to give up: WD2 must not ask
    }
  }
  if (holds_) return true;  // accept_mutex()
  const bool withdrawn = std::exchange(withdrawn_, false);
  const bool has_mutex = MutexWaiter::advance();
  withdrawn_ = withdrawn;
  return has_mutex;
}

// next is about to be run: if it comes from a wait, and needs this mutex, it has it.
bool CondWaiter::accept_mutex(G* next, void* what) noexcept {
  if (next->step_ != &Sleeper<CondWaiter>::step) return false;
  auto& w = static_cast<CondWaiter&>(*next->waiter_);
  return w.mutex_ == what && !w.relocking_ && w.take_over();
}

bool CondWaiter::withdraw_wait(Waiter* waiter) noexcept {
  auto& w = static_cast<CondWaiter&>(*waiter);
  Cond& cond = *w.cond_;
  if (!w.relocking_ && cond.list_.withdraw(w)) return true;
  if (!tearing_down()) return false;
  const bool notified = !w.withdrawn_;
  if (w.relocking_ ? !withdraw_lock(waiter) : not_yet_woken(w)) return false;
  if (notified) cond.signal();
  return w.withdrawn_ = true;
}

bool CondAwaiter::suspend(FrameLink& leaf) noexcept {
  CondWaiter& w = waiter_.emplace(cond_, g_);
  NotifyList& list = cond_.list_;
  Mutex& mutex = cond_.mutex_;
  parked_ = true;
  park_begin(g_, leaf, WaitReason::cond_wait, &w, &Sleeper<CondWaiter>::step);
  if (!list.join(w)) {  // withdrawn before it began: the mutex was never unlocked
    park_abort(g_);
    parked_ = false;
    return give_way(g_, leaf);
  }
  if (!offer_to_next(&CondWaiter::accept_mutex, &mutex)) mutex.unlock();  // from join() on neither the frame nor the g is ours
  return true;
}

// The frame is destroyed before the g had the mutex back. Cond and mutex may be gone already: the address must do.
void CondAwaiter::abandoned() noexcept {
  const CondWaiter& w = waiter_.get();
  if (!w.holds_) note_phantom(w.mutex_);
}

}  // namespace detail

void Cond::wait_blocking() {
  detail::require_plain_thread("wait_blocking()", "co_await wait()");
  detail::CondWaiter w(*this, nullptr);
  detail::ThreadParker parker;
  w.thread_ = &parker;
  list_.join(w);
  mutex_.unlock();
  parker.park();
  detail::Sleeper<detail::CondWaiter>::block(w);
}

void Cond::destroyed_in_use() const noexcept { detail::destroyed_in_use("Cond", list_.size()); }

}  // namespace gmp
