// src/timer/heap.cpp — the timer heap's work: sifting, firing, and removal against a fire that has begun.
// Go: runtime/time.go (timers.run, timer.stop, timers.addHeap).  Room: timer (floor 2).
#include "gmp/detail/timer/heap.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/sys/futex.hpp"

namespace gmp::detail {

/// Moves the hole at i up to where entry belongs, and fills it.
void TimerHeap::sift_up(std::uint32_t i, const Entry& entry) noexcept {
  while (i > 0) {
    const std::uint32_t parent = (i - 1) / arity;
    if (!before(entry, entries_[parent])) break;
    place(i, entries_[parent]);
    i = parent;
  }
  place(i, entry);
}

/// Moves the hole at i down to where entry belongs, and fills it.
void TimerHeap::sift_down(std::uint32_t i, const Entry& entry) noexcept {
  const std::size_t size = entries_.size();
  for (;;) {
    const std::size_t first = std::size_t{i} * arity + 1;
    if (first >= size) break;
    const std::size_t end = std::min(first + arity, size);
    std::size_t least = first;
    for (std::size_t child = first + 1; child < end; ++child) {
      if (before(entries_[child], entries_[least])) least = child;
    }
    if (!before(entries_[least], entry)) break;
    place(i, entries_[least]);
    i = static_cast<std::uint32_t>(least);
  }
  place(i, entry);
}

void TimerHeap::push(Timer* timer, std::int64_t when_ns) noexcept {
  timer->when_ns = when_ns;
  timer->seq = next_seq_++;
  timer->heap.store(this, relaxed);  // [TIMER-HOME] whoever acts on what it read here looks again under the lock
  const Entry entry{when_ns, timer};
  entries_.push_back(entry);
  sift_up(static_cast<std::uint32_t>(entries_.size() - 1), entry);
}

void TimerHeap::erase(std::uint32_t i) noexcept {
  entries_[i].timer->index = Timer::npos;
  const Entry last = entries_.back();
  entries_.pop_back();
  if (i == entries_.size()) return;
  // The last entry comes from another branch: it may belong above the hole as well as below.
  if (i > 0 && before(last, entries_[(i - 1) / arity])) {
    sift_up(i, last);
  } else {
    sift_down(i, last);
  }
}

/// Says what others may read without the lock. Called before the lock is given back by whoever changed the heap.
void TimerHeap::publish(bool awake) noexcept {
  const std::int64_t when = entries_.empty() ? never : entries_.front().when;
  const std::int64_t was = next_when_.load(relaxed);  // [TIMER-WAKE] written under lock_ only: this is our own last word
  if (when < was && !awake) {
    // seq_cst: the caller of add() now looks who sleeps. Were the two reordered, a thread could read the old value, fall asleep for long,
    // and we would not see it asleep.
    next_when_.store(when, seq_cst);  // [TIMER-WAKE]
  } else if (when != was) {
    next_when_.store(when, relaxed);  // [TIMER-WAKE] who reads the old value only wakes too early, or is not the one who sleeps until then
  }
  size_.store(static_cast<std::uint32_t>(entries_.size()), relaxed);  // [TIMER-SIZE]
}

bool TimerHeap::add(Timer* timer, std::int64_t when_ns, bool awake) {
  GMPCORO_ASSERT(timer->fire != nullptr);
  LockGuard guard(lock_);
  GMPCORO_ASSERT(timer->index == Timer::npos);
  GMPCORO_ASSERT(entries_.size() < Timer::npos);
  if (entries_.size() == entries_.capacity())
    entries_.reserve(std::max<std::size_t>(16, 2 * entries_.capacity()));  // may throw: still whole
  push(timer, when_ns);
  publish(awake);
  return timer->index == 0;
}

/// Locks the heap the timer is in, or was last in; null if it was never in one.
TimerHeap* TimerHeap::lock_home(Timer* timer) noexcept {
  for (;;) {
    TimerHeap* home = timer->heap.load(relaxed);  // [TIMER-HOME]
    if (!home) return nullptr;
    home->lock_.lock();                                  // TH6: it is there, even if the timer has moved on
    if (timer->heap.load(relaxed) == home) return home;  // [TIMER-HOME] now it stays: TH7
    home->lock_.unlock();
  }
}

bool TimerHeap::remove(Timer* timer) noexcept {
  TimerHeap* home = lock_home(timer);
  if (!home) return false;
  const bool was_in = timer->index != Timer::npos;
  if (was_in) {
    home->erase(timer->index);
    home->publish();
  }
  home->lock_.unlock();
  return was_in;
}

bool TimerHeap::remove_sync(Timer* timer) noexcept {
  bool was_in = false;
  for (;;) {
    TimerHeap* home = lock_home(timer);
    if (!home) return was_in;
    if (timer->index != Timer::npos) {
      was_in = true;
      home->erase(timer->index);
      home->publish();
    }
    // No other heap can be firing it (TH8). If firing_ is an earlier timer at the same address, we wait in vain, but only for its one call.
    if (home->firing_ != timer || home->runner_ == this_thread_mark()) {
      home->lock_.unlock();
      return was_in;
    }
    const std::uint32_t seen = home->fires_.load(relaxed);  // [FIRE-END] under lock_: the fire that runs now
    ++home->sync_waiters_;
    home->lock_.unlock();
    for (int spins = 0; home->fires_.load(relaxed) == seen; ++spins) {  // [FIRE-END] what the fire did is seen under lock_, below
      if (spins < 100) {
        cpu_pause();  // a fire is a few hundred ns
      } else {
        futex_wait(&home->fires_, seen);  // its thread lost its CPU
      }
    }
    home->lock_.lock();
    --home->sync_waiters_;
    home->lock_.unlock();
    // Again: the fire may have added the timer once more.
  }
}

int TimerHeap::run_due(std::int64_t now, int most) noexcept {
  if (next_when() > now) return 0;
  int fired = 0;
  lock_.lock();
  if (running_) {
    lock_.unlock();
    return 0;
  }
  running_ = true;
  runner_ = this_thread_mark();
  while (fired < most && !entries_.empty() && entries_.front().when <= now) {
    Timer* timer = entries_.front().timer;
    const Timer::Fire fire = timer->fire;
    erase(0);
    publish();
    firing_ = timer;
    lock_.unlock();
    fire(timer, now);  // TH5: from here on the timer may be gone
    ++fired;
    lock_.lock();
    firing_ = nullptr;
    fires_.store(fires_.load(relaxed) + 1, relaxed);  // [FIRE-END]
    if (sync_waiters_ > 0) futex_wake(&fires_, std::numeric_limits<int>::max());
  }
  running_ = false;
  runner_ = nullptr;
  lock_.unlock();
  return fired;
}

bool TimerHeap::take_all_from(TimerHeap& other) {
  GMPCORO_ASSERT(&other != this);
  Lock& first = std::less<>{}(this, &other) ? lock_ : other.lock_;  // two heaps may take from each other
  Lock& second = &first == &lock_ ? other.lock_ : lock_;
  LockGuard first_guard(first);
  LockGuard second_guard(second);
  const std::int64_t was = entries_.empty() ? never : entries_.front().when;
  GMPCORO_ASSERT(entries_.size() + other.entries_.size() < Timer::npos);
  entries_.reserve(entries_.size() + other.entries_.size());        // may throw: both still whole
  std::sort(other.entries_.begin(), other.entries_.end(), before);  // seq counts in each heap apart: equal deadlines go over in order
  for (const Entry& entry : other.entries_) push(entry.timer, entry.when);
  other.entries_.clear();
  other.publish();
  publish();
  return !entries_.empty() && entries_.front().when < was;
}

Timer* TimerHeap::take_first() noexcept {
  LockGuard guard(lock_);
  if (entries_.empty()) return nullptr;
  Timer* timer = entries_.front().timer;
  erase(0);
  publish();
  return timer;
}

}  // namespace gmp::detail
