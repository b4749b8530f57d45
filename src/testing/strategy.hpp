// src/testing/strategy.hpp — Strategy: who is next, drawn from a seed.
// Go: none.  Room: testing (floor 6).
//
// PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding bugs" (ASPLOS 2010).
// Each g has a priority, drawn when it is first seen, and the highest runs; at d - 1 steps, drawn beforehand among the k that are expected, whoever
// would run falls below all others.  Steps with one g to choose from are no steps.
//
// All of it is in the seed, so that one number is enough to replay: bits 0 to 2 are d (0: a random walk), 3 to 10 are k (four significant bits), 11 says that
// the net has faults, 63 that it is the seed of a schedule; the rest is drawn.
#pragma once

#include <cstdint>
#include <vector>

#include "gmp/detail/base/random.hpp"

namespace gmp::detail {

class Strategy {
 public:
  /// The seed of the nth schedule of an exploration; steps: how many the schedules before had.
  static std::uint64_t seed_of(std::uint64_t exploration, std::uint64_t n, std::uint32_t steps, bool faults) noexcept;
  static bool is_schedule(std::uint64_t seed) noexcept { return seed >> 63 != 0; }
  static bool has_faults(std::uint64_t seed) noexcept { return (seed >> 11 & 1) != 0; }

  void begin(std::uint64_t seed);
  /// ids: of who can run, at least one; small numbers. The index of the chosen one.
  std::size_t choose(const std::vector<std::uint64_t>& ids);
  /// Something else: a number below n.
  std::uint32_t draw(std::uint32_t n) noexcept { return draws_.below(n); }
  /// Of so many in a thousand things that may go wrong one does.
  std::uint32_t faults() const noexcept { return faults_; }
  /// It asks that others run.
  void yielded(std::uint64_t id);
  std::uint32_t steps() const noexcept { return steps_; }
  bool walks() const noexcept { return depth_ == 0; }

 private:
  std::uint64_t& priority_of(std::uint64_t id);
  std::size_t highest(const std::vector<std::uint64_t>& ids);

  Random random_, draws_{0};
  std::uint32_t faults_ = 0;
  std::uint32_t depth_ = 0;
  std::uint32_t steps_ = 0;
  std::uint64_t lowest_ = 0;                // the next to fall gets one less
  std::vector<std::uint32_t> changes_;      // steps
  std::vector<std::uint64_t> priorities_;   // by id; 0: not seen yet
};

}  // namespace gmp::detail
