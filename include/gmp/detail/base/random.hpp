// include/gmp/detail/base/random.hpp — random numbers for scheduling decisions, and a random order in which to visit Ps.
// Go: runtime/rand.go (cheaprand), runtime/proc.go (randomOrder).  Room: base (floor 0).
//
// Fast and seeded, not secret: a victim to steal from, the order of a select.  One Random belongs to one thread or one lock; it is a plain
// word.  The generator is a counter through a mixing function (a Weyl sequence, folded by one 64x64 multiplication): every seed is good, 0
// too, related seeds give unrelated rows, and a test that prints its seed can be replayed on any machine.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "gmp/detail/base/assert.hpp"

namespace gmp::detail {

/// A small random number generator; also a UniformRandomBitGenerator for std::shuffle.
class Random {
 public:
  using result_type = std::uint64_t;
  // The seed is scattered: seeds one stride of the sequence apart, a usual way to make many of one, would else give one row, shifted.
  explicit constexpr Random(std::uint64_t seed = 0) noexcept : state_(fold(seed ^ 0xA24B'AED4'963E'E407, 0x9FB2'1C65'1E98'DF25)) {}

  constexpr std::uint64_t next() noexcept {
    state_ += 0x9E37'79B9'7F4A'7C15;  // 2^64 / golden ratio: visits all 2^64 states, evenly spread
    return fold(state_, state_ ^ 0xD6E8'FEB8'6659'FD93);
  }

  /// A number in [0, n). Scales by multiplication, not by modulo: no division, and the bias is at most n / 2^32.
  constexpr std::uint32_t below(std::uint32_t n) noexcept {
    GMPCORO_ASSERT(n > 0);
    return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32);
  }

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return ~result_type{0}; }
  constexpr result_type operator()() noexcept { return next(); }

 private:
  static constexpr std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;  // one mul on every 64-bit machine
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product >> 64) ^ static_cast<std::uint64_t>(product);
  }

  std::uint64_t state_;
};

/// Visits 0 … n-1, each once, in an order chosen by one random number: a random start and a random stride coprime to n. Not every
/// permutation, but no table to shuffle at every steal, and no two thieves need walk in step.
class RandomOrder {
 public:
  /// One walk. Plain values: a reset() of the order meanwhile does not disturb it, but it visits the old n.
  class Walk {
   public:
    bool done() const noexcept { return visited_ == count_; }
    std::uint32_t position() const noexcept { return position_; }
    void next() noexcept {
      ++visited_;
      position_ += stride_;  // both below count_, which is below 2^31: no overflow
      if (position_ >= count_) position_ -= count_;
    }

   private:
    friend class RandomOrder;
    std::uint32_t visited_ = 0, count_ = 0, position_ = 0, stride_ = 0;
  };

  /// From now on walks visit 0 … n-1. Throws std::bad_alloc, and then nothing has changed. Not while another thread calls start().
  void reset(std::uint32_t n) {
    GMPCORO_ASSERT(n < (1U << 31));
    std::vector<std::uint32_t> strides;
    for (std::uint32_t i = 1; i <= n; ++i) {
      if (std::gcd(i, n) == 1) strides.push_back(i == n ? 0 : i);  // i == n only for n == 1, where the stride does not matter
    }
    strides_.swap(strides);
    count_ = n;
  }

  std::uint32_t size() const noexcept { return count_; }

  /// Starts a walk; the same number gives the same walk.
  Walk start(std::uint64_t random) const noexcept {
    Walk walk;
    if (count_ == 0) return walk;
    walk.count_ = count_;
    walk.position_ = static_cast<std::uint32_t>(random % count_);
    walk.stride_ = strides_[random / count_ % strides_.size()];
    return walk;
  }

 private:
  std::uint32_t count_ = 0;
  std::vector<std::uint32_t> strides_;  // all numbers below count_ that are coprime to it
};

}  // namespace gmp::detail
