// src/wait/notify_list.cpp — NotifyList: joining, notifying, leaving.
// Go: runtime/sema.go (notifyListWait, notifyListNotifyOne, notifyListNotifyAll).  Room: wait (floor 3).
#include "gmp/detail/wait/notify_list.hpp"

namespace gmp::detail {

bool NotifyList::join(Waiter& w) noexcept {
  LockGuard guard(lock_);
  if (gives_up(w)) {
    w.withdrawn_ = true;
    return false;
  }
  list_.push_back(&w);
  size_.store(size_.load(relaxed) + 1, relaxed);  // N1: ordered by lock_, and by the caller's mutex
  return true;
}

void NotifyList::notify_first() noexcept {
  Waiter* w = nullptr;
  {
    LockGuard guard(lock_);
    w = list_.pop_front();
    if (w == nullptr) return;
    size_.store(size_.load(relaxed) - 1, relaxed);  // N1
  }
  wake(w);
}

void NotifyList::notify_each() noexcept {
  WakeList woken;
  {
    LockGuard guard(lock_);
    while (Waiter* w = list_.pop_front()) woken.push(w);
    size_.store(0, relaxed);  // N1
  }
  woken.wake_all();
}

bool NotifyList::withdraw(Waiter& w) noexcept {
  LockGuard guard(lock_);
  if (!list_.linked(&w)) {
    w.give_up_.store(true, relaxed);
    return false;
  }
  list_.erase(&w);
  size_.store(size_.load(relaxed) - 1, relaxed);  // N1
  return w.withdrawn_ = true;
}

}  // namespace gmp::detail
