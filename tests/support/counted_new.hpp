// tests/support/counted_new.hpp — this binary's operator new counts, on the threads that ask for it: the Ms of one executor.
// Go: testing.AllocsPerRun.  Room: tests/support.
#pragma once

#include <atomic>
#include <cstdlib>

#include "support/replaced_new.hpp"

namespace gmp::test {

inline constinit std::atomic<long> allocations{0};
inline constinit thread_local bool counted = false;

}  // namespace gmp::test

void* gmp::test::allocate(std::size_t size, std::size_t alignment) noexcept {
  if (counted) allocations.fetch_add(1, std::memory_order_relaxed);
  return take_memory(size, alignment);
}
void gmp::test::release(void* memory) noexcept { std::free(memory); }
