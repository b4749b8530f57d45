// tests/support/dump.cpp — what the watchdog prints of a hang: every goroutine of every executor.
// Go: testing's -timeout, which panics with all goroutines' stacks.  Room: tests/support.
#include <gmp/debug.hpp>

#include <cstdio>
#include <string>

extern "C" void gmp_test_dump();
extern "C" void gmp_test_dump() {
  const std::string dump = gmp::debug::goroutines();
  std::fwrite(dump.data(), 1, dump.size(), stderr);
  std::fflush(stderr);
}
