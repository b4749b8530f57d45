// include/gmp/detail/wait/notify_list.hpp — NotifyList: who waits to be notified, and no more.
// Go: runtime/sema.go (notifyList).  Room: wait (floor 3).
//
// Go's waiter takes a ticket, unlocks the caller's mutex, and only then joins the list: in between a signal must know that somebody is
// coming, and tickets say who.  Here the waiter joins the list first and unlocks after (cond.cpp), so the list is the whole truth: it is in
// ticket order by itself, a signal takes the first, and one that is withdrawn leaves no hole for a signal to fall into.
// Invariants:
//   N1  size_ is the number of waiters in the list; it changes under lock_. notify_…() may look at it without the lock: who joined
//       before, in the order that the caller's mutex makes, is counted.
//   N2  a notification goes to a waiter of the list, or there is none. Who is taken out is woken once, when the lock is free.
#pragma once

#include <cstdint>

#include "gmp/detail/base/list.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

class NotifyList : Immovable {
 public:
  constexpr NotifyList() noexcept = default;

  /// Publishes w (PK2, park.hpp). False: withdrawal came first, w is withdrawn_ and did not join.
  bool join(Waiter& w) noexcept;
  /// Wakes the one that joined first, if any.
  void notify_one() noexcept {
    if (size_.load(relaxed) != 0) notify_first();  // N1
  }
  /// Wakes all, in the order of their joining.
  void notify_all() noexcept {
    if (size_.load(relaxed) != 0) notify_each();  // N1
  }
  /// Takes w out: withdrawn_. False: it has been notified, or has not joined yet; then give_up_ is set.
  bool withdraw(Waiter& w) noexcept;
  /// Momentary.
  std::uint32_t size() const noexcept { return size_.load(relaxed); }  // for who is alone with it

 private:
  GMPCORO_EXPORT void notify_first() noexcept;
  GMPCORO_EXPORT void notify_each() noexcept;

  Lock lock_;
  Atomic<std::uint32_t> size_{0};                      // changed under lock_
  List<Waiter, &Waiter::next_, &Waiter::prev_> list_;  // under lock_
};
static_assert(sizeof(NotifyList) == 16);

}  // namespace gmp::detail
