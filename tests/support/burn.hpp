// tests/support/burn.hpp — a g that computes, and awaits nothing.
// Go: none.  Room: tests/support.
#pragma once

#include <time.h>

#include <chrono>

namespace gmp::test {

/// Computes without a co_await until this thread has used that much CPU: on a busy machine the clock on the wall would let it off too soon. Its P
/// is taken from it meanwhile, if there is another use for it.
inline void burn(std::chrono::nanoseconds cpu) {
  const auto used = [] {
    timespec now = {};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  const auto end = used() + cpu;
  volatile unsigned work = 0;
  while (used() < end) {
    for (int i = 0; i < 200; ++i) work = work * 5 + 1;
  }
}

}  // namespace gmp::test
