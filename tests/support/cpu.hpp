// tests/support/cpu.hpp — how much CPU this process has used.
// Go: none.  Room: tests/support.
#pragma once

#include <ctime>

namespace gmp::test {

/// Of all its threads, since it began.
inline double cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

}  // namespace gmp::test
