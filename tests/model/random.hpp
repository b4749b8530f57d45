// tests/model/random.hpp — the explorer's own generator, so that a seed means the same run on every machine.
// Go: none.  Room: tests/model.
#pragma once

#include <cstdint>

namespace gmp::model {

/// SplitMix64.
class Random {
 public:
  explicit Random(std::uint64_t seed = 0) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// Evenly in [0, n), near enough for n far below 2^32.
  unsigned below(unsigned n) noexcept { return static_cast<unsigned>(((next() >> 32) * n) >> 32); }

 private:
  std::uint64_t state_;
};

}  // namespace gmp::model
