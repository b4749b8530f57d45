// src/sys/chaos.cpp — holding a thread up at random.
// Go: none.  Room: sys (floor 1).
#ifdef GMPCORO_CHAOS

#include "gmp/detail/base/chaos.hpp"

#include <sched.h>
#include <time.h>

#include <cerrno>
#include <cstdint>

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

GMPCORO_NOINLINE void chaos() noexcept {
  [[gnu::tls_model("initial-exec")]] static constinit thread_local std::uint64_t state = 0;
  if (state == 0) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    state = reinterpret_cast<std::uintptr_t>(&state) * 0x9e3779b97f4a7c15u ^ static_cast<std::uint64_t>(now.tv_nsec);
    state |= 1;
  }
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  const std::uint64_t drawn = state >> 20;
  if (drawn % 64 != 0) return;
  const int saved = errno;
  if (const std::uint64_t how = drawn / 64 % 64; how == 0) {
    const timespec moment{0, 20'000};
    ::nanosleep(&moment, nullptr);
  } else if (how < 8) {
    ::sched_yield();
  } else {
    for (std::uint64_t i = drawn / 4096 % 200; i > 0; --i) asm volatile("" ::: "memory");
  }
  errno = saved;
}

}  // namespace gmp::detail

#endif
