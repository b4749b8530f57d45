// src/sys/lock.cpp — the contended side of the runtime's short lock.
// Go: runtime/lock_futex.go (lock2, unlock2).  Room: sys (floor 1).
#include "gmp/detail/sys/lock.hpp"

#include "gmp/detail/sys/futex.hpp"

namespace gmp::detail {

// A holder keeps it for some dozen instructions: one that runs is done within these spins; one that was descheduled is not worth more.
static constexpr int spin_limit_max = 64;

void Lock::lock_slow() noexcept {
  for (int spin = 0; spin < spin_limit_max; ++spin) {
    if (state_.load(relaxed) == 0 && try_lock()) return;
    cpu_pause();
  }
  while (state_.exchange(2, acquire) != 0) futex_wait(&state_, 2);  // [LOCK] having slept it holds the lock as 2: others may sleep too
}

void Lock::unlock_slow() noexcept { futex_wake(&state_, 1); }

}  // namespace gmp::detail
