// src/testing/strategy.cpp — the random walk, and PCT.
// Go: none.  Room: testing (floor 6).
#include "testing/strategy.hpp"

#include <algorithm>
#include <bit>
#include <iterator>

namespace gmp::detail {

namespace {

constexpr std::uint32_t depth_bits = 3, steps_bits = 8, fault_bits = 1;
constexpr std::uint64_t schedule_bit = std::uint64_t{1} << 63;
constexpr std::uint32_t fault_rates[] = {0, 3, 20, 100};  // in a thousand
constexpr std::uint32_t depth_max = 4;
constexpr std::uint64_t fallen = std::uint64_t{1} << 32;  // drawn priorities are above

// As a floating-point number of four bits is written: exact below 16, rounded down above.
std::uint32_t encode(std::uint32_t steps) noexcept {
  if (steps < 16) return steps;
  const auto shift = static_cast<std::uint32_t>(std::bit_width(steps)) - 4;
  return (shift << 3) + ((steps >> shift) & 7) + 8;
}
std::uint32_t decode(std::uint32_t code) noexcept {
  if (code < 16) return code;
  return (8 + ((code - 8) & 7)) << ((code - 8) >> 3);
}

}  // namespace

std::uint64_t Strategy::seed_of(std::uint64_t exploration, std::uint64_t n, std::uint32_t steps, bool faults) noexcept {
  Random scattered(exploration);
  const std::uint64_t drawn = Random(scattered.next() + n).next();
  return schedule_bit | (drawn << (depth_bits + steps_bits + fault_bits)) | (std::uint64_t{faults} << (depth_bits + steps_bits)) |
         (std::uint64_t{encode(steps)} << depth_bits) | (n % (depth_max + 1));
}

void Strategy::begin(std::uint64_t seed) {
  random_ = Random(seed);
  draws_ = Random(~seed);
  static_assert(depth_bits + steps_bits == 11);
  faults_ = has_faults(seed) ? fault_rates[draws_.below(std::size(fault_rates))] : 0;
  depth_ = static_cast<std::uint32_t>(seed) & ((1u << depth_bits) - 1);
  steps_ = 0;
  lowest_ = fallen;
  changes_.clear();
  priorities_.clear();
  const std::uint32_t expected = std::max(1u, decode(static_cast<std::uint32_t>(seed >> depth_bits) & ((1u << steps_bits) - 1)));
  for (std::uint32_t i = 1; i < depth_; ++i) changes_.push_back(1 + random_.below(expected));
}

std::size_t Strategy::choose(const std::vector<std::uint64_t>& ids) {
  if (ids.size() == 1) return 0;
  ++steps_;
  if (depth_ == 0) return random_.below(static_cast<std::uint32_t>(ids.size()));
  for (const std::uint32_t change : changes_) {
    if (change == steps_) yielded(ids[highest(ids)]);
  }
  return highest(ids);
}

void Strategy::yielded(std::uint64_t id) {
  if (depth_ != 0) priority_of(id) = --lowest_;
}

std::uint64_t& Strategy::priority_of(std::uint64_t id) {
  if (id >= priorities_.size()) priorities_.resize(id + 1, 0);
  std::uint64_t& priority = priorities_[id];
  if (priority == 0) priority = fallen + (random_.next() >> 16);
  return priority;
}

std::size_t Strategy::highest(const std::vector<std::uint64_t>& ids) {
  std::size_t best = 0;
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::uint64_t priority = priority_of(ids[i]);
    if (priority <= most) continue;
    most = priority;
    best = i;
  }
  return best;
}

}  // namespace gmp::detail
