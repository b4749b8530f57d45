// tests/support/scale.hpp — how long loops are: $GMPCORO_TEST_SCALE, 1 if unset; less under sanitizers, more by night.
// Go: testing.Short.  Room: tests/support.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace gmp::test {

inline double scale() {
  static const double value = [] {
    const char* text = std::getenv("GMPCORO_TEST_SCALE");
    const double given = text == nullptr ? 1.0 : std::strtod(text, nullptr);
    return given > 0 ? given : 1.0;
  }();
  return value;
}

/// count * scale(), but never less than what still makes a test of it.
inline std::int64_t scaled(std::int64_t count, std::int64_t at_least = 1) {
  return std::max(at_least, static_cast<std::int64_t>(static_cast<double>(count) * scale()));
}

}  // namespace gmp::test
