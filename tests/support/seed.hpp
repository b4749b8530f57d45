// tests/support/seed.hpp — one seed a process: from $GMPSEED, or random; printed, so that a failure can be repeated.
// Go: testing's -test.shuffle.  Room: tests/support.
#pragma once

#include <cstdint>
#include <string_view>

namespace gmp::test {

/// The seed of this process. Its first use prints `GMPSEED=N`.
std::uint64_t seed();

/// A seed of its own for the test case that runs, the same whatever other cases ran before it.
std::uint64_t case_seed();

}  // namespace gmp::test
