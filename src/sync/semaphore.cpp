// src/sync/semaphore.cpp — Semaphore: units that go to those who wait, in their order.
// Go: golang.org/x/sync/semaphore.  Room: sync (floor 5); stands on wait/sema.
//
// Go's has a lock, a count and a list.  Here the count is an atomic word, and while nobody waits acquire and release are one RMW.  Who must
// wait sets a bit in the word, and stands in the table of wait/sema under the Semaphore's address; from then on the word changes only under
// that root's lock, until the last waiter has gone.  The lock is in the table and not in the Semaphore: who was let through may destroy the
// Semaphore while release() is still returning.  So the store to the word is the last touch, and the lock is dropped after.
// Invariants, under the root's lock:
//   SW1  the waited_for bit is set iff somebody is queued.
//   SW2  the first in the queue asks for more than is free: whatever makes this false (units given back, the first one withdrawn) grants.
//   SW3  nobody asks for more than there is at all: who does, is not queued. It sleeps for itself, counted in hopeless_.
#include "gmp/sync/semaphore.hpp"

#include <stdexcept>

#include "sync/in_use.hpp"
#include "wait/sleeper.hpp"

namespace gmp {

namespace detail {

bool SemaphoreWaiter::withdraw_acquire(Waiter* waiter) noexcept {
  auto& w = static_cast<SemaphoreWaiter&>(*waiter);
  Semaphore& semaphore = *w.semaphore_;
  if (semaphore.leave(w)) return true;
  if (!tearing_down() || not_yet_woken(w)) return false;  // even if it is withdrawn_: who saw that first wakes it
  if (!w.withdrawn_) semaphore.give_back(w.units_ * Semaphore::unit);
  return w.withdrawn_ = true;
}

bool SemaphoreAwaiter::suspend(FrameLink& leaf) noexcept {
  SemaphoreWaiter& w = waiter_.emplace(semaphore_, units_, g_);
  if (!semaphore_.try_take(w.units_)) {
    G* gp = g_;
    park_begin(gp, leaf, WaitReason::semacquire, &w);
    if (!semaphore_.take_or_queue(w)) return true;
    park_abort(gp);
  }
  return Sleeper<SemaphoreWaiter>::finish(w, leaf);
}

}  // namespace detail

Semaphore::Semaphore(std::int64_t n)
    : state_((check(n), static_cast<std::uint64_t>(n) * unit)), full_(static_cast<std::uint64_t>(n) * unit) {}

void Semaphore::negative() { throw std::invalid_argument("semaphore: negative number of units"); }

void Semaphore::acquire_blocking(std::int64_t n) {
  detail::require_plain_thread("acquire_blocking()", "co_await acquire()");
  check(n);
  if (try_take(static_cast<std::uint64_t>(n))) return;
  detail::SemaphoreWaiter w(*this, n, nullptr);
  detail::ThreadParker parker;
  w.thread_ = &parker;
  if (!take_or_queue(w)) parker.park();
}

// True: has its units, or is withdrawn. False: queued, or counted as hopeless, and so published.
bool Semaphore::take_or_queue(detail::SemaphoreWaiter& w) noexcept {
  detail::SemaRoot& root = detail::SemaRoot::of(key());
  detail::LockGuard guard(root.lock());
  if (detail::gives_up(w)) return w.withdrawn_ = true;
  if (too_many(w.units_)) {  // SW3
    hopeless_.store(hopeless_.load(detail::relaxed) + 1, detail::relaxed);
    w.for_ever_ = true;
    return false;
  }
  std::uint64_t old = state_.load(detail::relaxed);  // a guess while the bit is not set: the CAS decides
  while ((old & waited_for) == 0) {
    const bool enough = w.units_ <= old / unit;
    const std::uint64_t next = enough ? old - w.units_ * unit : old | waited_for;
    if (!state_.compare_exchange_weak(old, next, detail::acquire, detail::relaxed)) continue;  // [SEMAPHORE]
    if (enough) return true;
    break;
  }
  root.push_back(w);
  return false;
}

// Under the root's lock, somebody is queued or was just now. Gives out what is free, and leaves the word as SW1 wants it: the last touch.
void Semaphore::grant(detail::SemaRoot& root, std::uint64_t free, detail::WakeList& woken) noexcept {
  detail::SemaWaiter* first = root.first(key());
  while (first != nullptr) {
    auto& w = static_cast<detail::SemaphoreWaiter&>(*first);
    if (w.units_ * unit > free) break;  // SW2
    free -= w.units_ * unit;
    root.erase(w);
    woken.push(&w);
    first = root.first(key());
  }
  state_.store(free + (first != nullptr ? waited_for : 0), detail::release);  // [SEMAPHORE]
}

void Semaphore::release_slow(std::uint64_t units) {
  if (!give_back(units) && !detail::tearing_down()) throw std::logic_error("semaphore: released more than held");
}

// False: more than is taken; nothing has changed.
bool Semaphore::give_back(std::uint64_t units) noexcept {
  detail::SemaRoot& root = detail::SemaRoot::of(key());
  detail::WakeList woken;
  {
    detail::LockGuard guard(root.lock());
    std::uint64_t old = state_.load(detail::relaxed);  // a guess while the bit is not set: the CAS decides
    for (;;) {
      const std::uint64_t free = old & ~waited_for;
      if (units > full_ - free) return false;
      if ((old & waited_for) != 0) {
        grant(root, free + units, woken);
        break;
      }
      if (state_.compare_exchange_weak(old, old + units, detail::release, detail::relaxed)) break;  // [SEMAPHORE]
    }
  }
  woken.wake_all();
  return true;
}

// True: w was queued, or asleep for ever, and is not any more.
bool Semaphore::leave(detail::SemaphoreWaiter& w) noexcept {
  detail::SemaRoot& root = detail::SemaRoot::of(key());
  detail::WakeList woken;
  {
    detail::LockGuard guard(root.lock());
    if (w.for_ever_) {
      w.for_ever_ = false;
      hopeless_.store(hopeless_.load(detail::relaxed) - 1, detail::relaxed);
      return w.withdrawn_ = true;
    }
    if (!root.queued(w)) {
      w.give_up_.store(true, detail::relaxed);
      return false;
    }
    root.erase(w);
    w.withdrawn_ = true;
    grant(root, state_.load(detail::relaxed) & ~waited_for, woken);  // SW2: it may have been the first
  }
  woken.wake_all();
  return true;
}

void Semaphore::destroyed_in_use() const noexcept {
  std::uint64_t waiters = hopeless_.load(detail::relaxed);  // for the text
  detail::SemaRoot& root = detail::SemaRoot::of(key());
  detail::LockGuard guard(root.lock());
  if (detail::SemaWaiter* first = root.first(key())) {
    detail::Waiter* w = first;
    do ++waiters;
    while ((w = w->next_) != first);
  }
  detail::destroyed_in_use("Semaphore", waiters);
}

}  // namespace gmp
