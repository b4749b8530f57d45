// include/gmp/detail/sys/lock.hpp — the runtime's own short lock; gs never hold it across a suspension.
// Go: runtime/lock_futex.go (mutex).  Room: sys (floor 1).
//
// Three states, as in Drepper's "Futexes are tricky": 0 free, 1 held, 2 held and somebody may sleep.  Held for some dozen instructions,
// so it spins a little before it sleeps; on a machine where the holder's thread was descheduled it sleeps rather than burn the slice.
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
    std::uint32_t free = 0;
    if (!state_.compare_exchange_strong(free, 1, acquire, relaxed)) lock_slow();  // [LOCK] sees what the last holder wrote
  }
  bool try_lock() noexcept {
    std::uint32_t free = 0;
    return state_.compare_exchange_strong(free, 1, acquire, relaxed);  // [LOCK]
  }
  void unlock() noexcept {
    if (state_.exchange(0, release) == 2) unlock_slow();  // [LOCK] and after this line the lock may be gone
  }

 private:
  void lock_slow() noexcept;
  void unlock_slow() noexcept;
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
