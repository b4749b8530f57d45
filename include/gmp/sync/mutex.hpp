// include/gmp/sync/mutex.hpp — Mutex: mutual exclusion between gs, whatever thread they run on.
// Go: sync/mutex.go.  Room: sync (floor 5).  The essay is in src/sync/mutex.cpp.
#pragma once

#include <cstdint>

#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/wait/sema.hpp"
#include "gmp/sync/guard.hpp"

namespace gmp {

class Mutex;
class RWMutex;

namespace detail {

struct RWMutexWriter;

/// One who has not got the mutex by its fast path: the state of its competition.
struct MutexWaiter : SemaWaiter {
  MutexWaiter(Mutex& mutex, G* gp) noexcept : SemaWaiter(gp, &MutexWaiter::withdraw_lock), mutex_(&mutex) {}

  bool advance() noexcept;  // sleeper.hpp
  Sema& sema() noexcept;
  bool in_front() const noexcept { return slept_; }
  bool take_over() noexcept;
  static bool undo(SemaWaiter& w) noexcept;
  static constexpr bool competes = true;

  GMPCORO_EXPORT static bool withdraw_lock(Waiter* w) noexcept;
  void take_back() noexcept;  // W5

  Mutex* mutex_;
  std::int64_t since_ns_ = 0;  // when it first went to sleep
  bool slept_ = false;         // has counted itself at least once
  bool woken_ = false;         // the state's woken bit is this one's
  bool starving_ = false;      // has waited too long
  bool holds_ = false;         // has the mutex

 private:
  bool compete() noexcept;
  bool accept_handoff(std::uint32_t state) noexcept;
  bool has_it() noexcept;
};

class MutexLockAwaiter;
class MutexScopedLockAwaiter;

/// `mu.lock()`, until it is awaited.
class [[nodiscard("co_await it: nothing is locked yet")]] MutexLock {
 public:
  using Awaiter = MutexLockAwaiter;
  using operation_tag = void;
  explicit MutexLock(Mutex & mutex) noexcept : mutex_(&mutex) {}

 private:
  friend MutexLockAwaiter;
  friend MutexScopedLockAwaiter;
  Mutex* mutex_;
};

/// `mu.scoped_lock()`, until it is awaited.
class [[nodiscard("co_await it: nothing is locked yet")]] MutexScopedLock : public MutexLock {
 public:
  using Awaiter = MutexScopedLockAwaiter;
  using MutexLock::MutexLock;
};

}  // namespace detail

/// Mutual exclusion between gs: who waits sleeps, and its thread runs other gs.
///
/// It belongs to no g: one may lock it, another unlock it. It is not recursive. Unlocking happens before the next lock returns. It may be
/// destroyed locked, by whoever holds it, even while the unlock() before is still returning; while somebody waits for it: fatal error.
///
///     auto guard = co_await mu.scoped_lock();      Go: sync.Mutex.
class GMPCORO_EXPORT Mutex : detail::Immovable {
 public:
  constexpr Mutex() noexcept = default;
  ~Mutex() {
    if ((state_.load(detail::relaxed) & ~locked) != 0) [[unlikely]]
      destroyed_in_use();  // no partner: who destroys it is alone with it
  }

  /// Locks. `co_await mu.lock();` suspends the g while another holds the mutex; the unlocking one wakes it.
  ///
  /// Order: who sleeps is woken first come, first served, but a newcomer may be faster; once a waiter has waited 1 ms the mutex is handed
  /// to the waiters in their order, until none is late (Go's normal and starvation mode).      Go: Mutex.Lock.
  detail::MutexLock lock() noexcept { return detail::MutexLock(*this); }

  /// Locks if that needs no waiting; true: the caller has it. From any thread. A failed try orders nothing.      Go: Mutex.TryLock.
  [[nodiscard("if it is true the mutex is locked")]] bool try_lock() noexcept {
    if (detail::attention.load(detail::relaxed) != 0) [[unlikely]]
      return try_lock_slow();
    return lock_fast();
  }

  /// Unlocks, and wakes who waits. Never suspends; from any g, or plain thread. Of an unlocked mutex: `fatal error: sync: unlock of
  /// unlocked mutex`. Go's yields to a waiter that waited 1 ms; here the caller gives way to it at its next co_await.      Go:
  /// Mutex.Unlock.
  void unlock() noexcept {
    if (detail::attention.load(detail::relaxed) == 0) [[likely]] {  // before any look at state_: a stop may have destroyed what its g unlocks
      std::uint32_t held = state_.load(detail::relaxed);            // a guess: the CAS decides
      const bool wakes_nobody = held == locked || (held & (locked | woken)) == (locked | woken);
      if (wakes_nobody && state_.compare_exchange_strong(held, held & ~locked, detail::release, detail::relaxed)) [[likely]]
        return;  // [MUTEX] from the CAS on it may be destroyed
    }
    unlock_slow();
  }

  /// What scoped_lock() gives.
  using Guard = ScopedGuard<Mutex, &Mutex::unlock>;

  /// lock(), and a guard that unlocks: `auto guard = co_await mu.scoped_lock();`
  detail::MutexScopedLock scoped_lock() noexcept { return detail::MutexScopedLock(*this); }

  /// lock() for a plain thread, which sleeps. On a g: std::logic_error.
  void lock_blocking();

 private:
  friend detail::MutexWaiter;
  friend detail::MutexLockAwaiter;
  friend detail::RWMutexWriter;
  friend RWMutex;

  // state_. Who does what to it, and why, is told in mutex.cpp.
  //   bit       | meaning                                   | set by                        | cleared by
  //   locked    | somebody holds it                         | who locks                     | who unlocks
  //   woken     | one awake competes: wake no other         | unlock for the g that it      | that one, when it has the mutex
  //             |                                           | wakes; a spinner for itself   | or goes to sleep
  //   starving  | unlock hands over to the first waiter     | a late one that lost again    | the last waiter, or one that was in time
  //   3 to 31   | sleepers for whom no permit is on its way | who goes to sleep             | unlock, with woken; in starvation the new
  //   owner
  static constexpr std::uint32_t locked = 1, woken = 2, starving = 4, one_waiter = 8, waiters_shift = 3;

  // Others may sleep, or be on their way: a newcomer may be faster than they, unless one of them has waited for long.
  bool lock_fast() noexcept {
    std::uint32_t old = state_.load(detail::relaxed);  // a guess: the CAS decides
    return (old & (locked | starving)) == 0 && state_.compare_exchange_strong(old, old | locked, detail::acquire, detail::relaxed);  // [MUTEX]
  }
  bool try_lock_slow() noexcept;
  void lock_on_thread() noexcept;
  void unlock_slow() noexcept;
  void hand_on() noexcept;
  void destroyed_in_use() const noexcept;

  detail::Atomic<std::uint32_t> state_{0};
  detail::Sema sema_;
};
static_assert(sizeof(Mutex) == 8);

namespace detail {

class GMPCORO_EXPORT MutexLockAwaiter : public OperationAwaiter<MutexLockAwaiter> {
 public:
  MutexLockAwaiter(G* gp, MutexLock op) noexcept : OperationAwaiter(gp), mutex_(*op.mutex_) {}
  bool await_ready() noexcept { return undisturbed() && mutex_.lock_fast(); }
  bool suspend(FrameLink& leaf) noexcept;
  /// For until() and its like: what can be given up is no part of a lock cycle.
  bool suspend_in(G* gp, FrameLink& leaf) noexcept;
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  void await_resume() const noexcept {}

 protected:
  Late<MutexWaiter> waiter_;
  Mutex& mutex_;
};

class MutexScopedLockAwaiter : public MutexLockAwaiter {
 public:
  MutexScopedLockAwaiter(G* gp, MutexScopedLock op) noexcept : MutexLockAwaiter(gp, op) {}
  Mutex::Guard await_resume() const noexcept { return Mutex::Guard(mutex_); }
};

}  // namespace detail
}  // namespace gmp
