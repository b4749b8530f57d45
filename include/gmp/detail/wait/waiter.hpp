// include/gmp/detail/wait/waiter.hpp — Waiter: a sleeping g, or a sleeping plain thread, as a queue sees it.
// Go: runtime/runtime2.go (sudog).  Room: wait (floor 3); stands on park.hpp.
//
// A Waiter lives in the awaiter, hence in the coroutine frame (or on a plain thread's stack): parking allocates nothing.
// Invariants:
//   W1  a waiter is linked into at most one queue, under that queue's lock.
//   W2  who unlinks it under that lock owns its wake-up: exactly one wake(), or none if it unlinked to withdraw.
//   W3  wake() reads g_ and thread_ first and touches nothing of the waiter after: the frame may be gone. Until then it cannot be gone: a
//       g goes on, and is destroyed, only after it has left `waiting`, which is wake()'s doing.
//   W4  withdraw() is called by who knows the g to be waiting and kept so (its canceller, or stop()): true means the waiter was still
//       queued, is out now, everything it counted is undone, and no wake-up will come; false means a grant is on its way or has come, or
//       that the waiter is not queued yet. Then give_up_ is set, and should the operation have to sleep once more (a mutex that a newcomer
//       took), it ends withdrawn instead. A g that was asked while it did not wait sets give_up_ itself, before it queues (withdrawal.hpp).
//   W5  while tearing_down(), withdraw() also takes back what was granted to a g that was woken and has not gone on: a permit goes to the
//       next in the queue, a lock is unlocked. False then means only that another thread is about to wake the g: to be called again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/detail/base/list.hpp"
#include "gmp/detail/sched/g.hpp"

namespace gmp::detail {

/// A plain thread's one-shot sleep. The waker touches only the word's address after the store.
class ThreadParker : Immovable {
 public:
  void park() noexcept;  // returns after unpark(), also if that came first
  void unpark() noexcept;

 private:
  Atomic<std::uint32_t> word_{0};
};

struct Waiter : Immovable {
  explicit Waiter(G* gp = nullptr, bool (*withdraw)(Waiter*) noexcept = nullptr) noexcept : g_(gp), withdraw_(withdraw) {}

  G* g_;                                // who sleeps; null: a plain thread
  ThreadParker* thread_ = nullptr;      // or null
  bool (*withdraw_)(Waiter*) noexcept;  // or null: it cannot be withdrawn
  Waiter* next_ = nullptr;              // links of the queue that holds it; null iff in none
  Waiter* prev_ = nullptr;              // in a WakeList this one alone is used
  Atomic<bool> give_up_{false};         // rather than sleep, end withdrawn. Set before it is queued, or under the queue's lock; looked at there
  bool withdrawn_ = false;              // the operation has not happened, and will not. Read when the g goes on
};

/// Wakes the one who sleeps: the caller has unlinked w. From any thread.
GMPCORO_EXPORT void wake(Waiter* w) noexcept;
void wake_handoff(Waiter* w) noexcept;  // and gives way to it, see ready_handoff()

/// W4 and W5. True also if there is nothing to withdraw (withdraw_ is null).
bool withdraw(Waiter* w) noexcept;

/// Whether it is to end withdrawn instead of being queued: to be asked under the queue's lock, just before.
inline bool gives_up(const Waiter& w) noexcept { return w.give_up_.load(relaxed); }

/// True from the waiter's unlinking until wake() is through with it: its frame must stay.
inline bool not_yet_woken(const Waiter& w) noexcept {
  return status_in(w.g_->status_.load(acquire)) == Status::waiting;  // [G-STATUS]
}

/// Waiters that were unlinked under a lock, to be woken when it is free: each of them takes it first thing. FIFO.
class WakeList : Immovable {
 public:
  void push(Waiter* w) noexcept { list_.push_back(w); }
  void wake_all() noexcept {
    while (Waiter* w = list_.pop_front()) wake(w);  // W3
  }

 private:
  Queue<Waiter, &Waiter::prev_> list_;  // by prev_: withdraw(), which looks at next_, must see that they are queued no more
};

/// Room for a waiter in an awaiter; the waiter is made only if the operation parks, since most do not.
template <class T>
class Late : Immovable {
 public:
  template <class... A>
  T& emplace(A&&... arguments) noexcept {
#ifndef GMPCORO_MODEL  // there an atomic notes its end
    static_assert(std::is_trivially_destructible_v<T>);
#endif
    return *::new (static_cast<void*>(bytes_)) T(std::forward<A>(arguments)...);
  }
  /// After emplace().
  T& get() noexcept { return *std::launder(reinterpret_cast<T*>(bytes_)); }
  const T& get() const noexcept { return *std::launder(reinterpret_cast<const T*>(bytes_)); }

 private:
  alignas(T) std::byte bytes_[sizeof(T)];
};

}  // namespace gmp::detail
