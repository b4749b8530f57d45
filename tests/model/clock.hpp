// tests/model/clock.hpp — who has seen what: a vector clock, one number a modelled thread.
// Go: none.  Room: tests/model.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace gmp::model {

/// The body of a model is thread 0, which makes the others.
inline constexpr int max_threads = 8;

struct Clock {
  static constexpr std::uint32_t never = UINT32_MAX;

  std::array<std::uint32_t, max_threads> at{};

  void join(const Clock& other) noexcept {
    for (int i = 0; i < max_threads; ++i) at[i] = std::max(at[i], other.at[i]);
  }
  /// Whether what the thread did at that time happens before whoever has this clock.
  bool covers(int thread, std::uint32_t time) const noexcept { return at[thread] >= time; }
};

}  // namespace gmp::model
