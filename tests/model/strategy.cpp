// tests/model/strategy.cpp — see strategy.hpp.
// Go: none.  Room: tests/model.
#include "model/strategy.hpp"

#include <bit>

#include "model/explorer.hpp"

namespace gmp::model {
namespace {

/// The n-th thread in the set.
int nth(unsigned set, unsigned n) noexcept {
  while (n-- != 0) set &= set - 1;
  return std::countr_zero(set);
}

}  // namespace

bool RandomWalk::begin(std::uint64_t seed, unsigned) {
  random_ = Random(seed);
  dice_.begin(random_);
  static constexpr unsigned chances[] = {0, 0, 4, 7};
  stay_ = chances[random_.below(4)];
  return true;
}

int RandomWalk::thread(unsigned ready, int current) {
  if ((ready >> current & 1) != 0 && stay_ != 0 && random_.below(8) < stay_) return current;
  return nth(ready, random_.below(static_cast<unsigned>(std::popcount(ready))));
}

bool Pct::begin(std::uint64_t seed, unsigned expected_steps) {
  random_ = Random(seed);
  dice_.begin(random_);
  step_ = 0;
  lowest_ = 0;
  for (int& priority : priority_) priority = 1 + static_cast<int>(random_.below(1'000'000));
  for (unsigned i = 0; i + 1 < depth_; ++i) change_at_[i] = 1 + random_.below(expected_steps + 1);
  return true;
}

int Pct::thread(unsigned ready, int current) {
  ++step_;
  for (unsigned i = 0; i + 1 < depth_; ++i) {
    if (change_at_[i] == step_) priority_[current] = --lowest_;
  }
  int best = std::countr_zero(ready);
  for (int t = best + 1; t < max_threads; ++t) {
    if ((ready >> t & 1) != 0 && priority_[t] > priority_[best]) best = t;
  }
  return best;
}

bool DepthFirst::begin(std::uint64_t, unsigned) {
  if (begun_) {
    while (!path_.empty() && path_.back().chosen + 1 == path_.back().count) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().chosen;
  }
  begun_ = true;
  depth_ = 0;
  preemptions_ = max_preemptions_;
  stale_ = max_stale_;
  return true;
}

unsigned DepthFirst::take(unsigned count) {
  if (count == 1) return 0;
  if (depth_ == path_.size()) path_.push_back({0, count});
  if (path_[depth_].count != count) explorer().fail("a run went another way when repeated: the model is not deterministic", Where::current());
  return path_[depth_++].chosen;
}

int DepthFirst::thread(unsigned ready, int current) {
  if ((ready >> current & 1) == 0) return nth(ready, take(static_cast<unsigned>(std::popcount(ready))));
  if (preemptions_ == 0) return current;
  const unsigned others = ready & ~(1u << current);
  const unsigned chosen = take(1 + static_cast<unsigned>(std::popcount(others)));
  if (chosen == 0) return current;
  --preemptions_;
  return nth(others, chosen - 1);
}

unsigned DepthFirst::stale(unsigned n) {
  if (stale_ == 0) return 0;
  const unsigned chosen = take(n);
  if (chosen != 0) --stale_;
  return chosen;
}

}  // namespace gmp::model
