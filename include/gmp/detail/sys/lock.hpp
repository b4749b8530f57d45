// include/gmp/detail/sys/lock.hpp — the runtime's own short lock; gs never hold it across a suspension.
// Go: runtime/lock_futex.go (mutex).  Room: sys (floor 1).
//
// A word that is 0 or 1.  It is held for some dozen instructions, so whoever finds it held stays away for half a microsecond or two; a holder that lost its CPU is
// given it back by sched_yield, and at last by naps.  What was dropped: a third state and a futex (Drepper's "Futexes are tricky").  Then
// unlock() must be an exchange, to see whether somebody sleeps: 5 ns of each critical section for a case that does not occur, and a Cond's
// hand-over has two of them.
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"
#ifdef GMPCORO_MODEL
#include "model/lock.hpp"
#endif

namespace gmp::detail {

#ifdef GMPCORO_MODEL
using Lock = ::gmp::model::Lock;
#else
class Lock {
 public:
  constexpr Lock() noexcept = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() noexcept {
    if (state_.exchange(1, acquire) != 0) lock_slow();  // [LOCK] sees what the last holder wrote
  }
  bool try_lock() noexcept {
    std::uint32_t free = 0;
    return state_.compare_exchange_strong(free, 1, acquire, relaxed);  // [LOCK]
  }
  void unlock() noexcept { state_.store(0, release); }  // [LOCK] and after this line the lock may be gone

 private:
  GMPCORO_EXPORT void lock_slow() noexcept;
  Atomic<std::uint32_t> state_{0};
};
#endif

/// Holds a Lock for a scope.
class [[nodiscard("a guard that is dropped at once guards nothing")]] LockGuard {
 public:
  explicit LockGuard(Lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~LockGuard() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace gmp::detail
