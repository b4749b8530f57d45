// tests/model/strategy.hpp — who runs next, and what a load returns.
// Go: none.  Room: tests/model.
//
// No strategy finds everything.  A random walk finds what needs many switches; PCT (Burckhardt et al., 2010: random priorities, lowered at d-1
// random steps) finds what needs one thread to stand still long, with a known probability; depth first goes through all that few preemptions
// reach.  Slots read after the CAS of a ring: PCT with d = 4 took 39 runs, with d = 3 a thousand, the random walk 300,000.  So they take turns.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/clock.hpp"
#include "model/random.hpp"

namespace gmp::model {

/// What a run is played by. `ready` has a bit for each thread that can go on, never none.
class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual std::string name() const = 0;
  /// A new run. `expected_steps` is how long the last one was. False: there is nothing left to try.
  virtual bool begin(std::uint64_t seed, unsigned expected_steps) = 0;
  virtual int thread(unsigned ready, int current) = 0;
  /// The thread spins: others should run.
  virtual void paused(int) {}
  /// How far back in n allowed values; 0 is the newest.
  virtual unsigned stale(unsigned n) = 0;
  /// Whether something happens that may happen at any time and mostly does not: a weak CAS fails, a store comes late.
  virtual bool rarely() = 0;
  virtual unsigned choose(unsigned n) = 0;
};

/// What the random strategies share: how weak the memory of this run is. Strong ones get far, weak ones find what only weak ones show.
class Dice {
 public:
  void begin(Random& random) noexcept {
    static constexpr unsigned chances[] = {0, 2, 8, 24};  // of 32
    chance_ = chances[random.below(4)];
  }
  unsigned stale(Random& random, unsigned n) const noexcept {
    if (random.below(32) >= chance_) return 0;
    return random.below(2) == 0 ? 1 : 1 + random.below(n - 1);
  }
  bool rarely(Random& random) const noexcept { return random.below(64) < chance_; }

 private:
  unsigned chance_ = 0;
};

class RandomWalk final : public Strategy {
 public:
  std::string name() const override { return "random"; }
  bool begin(std::uint64_t seed, unsigned) override;
  int thread(unsigned ready, int current) override;
  unsigned stale(unsigned n) override { return dice_.stale(random_, n); }
  bool rarely() override { return dice_.rarely(random_); }
  unsigned choose(unsigned n) override { return random_.below(n); }

 private:
  Random random_;
  Dice dice_;
  unsigned stay_ = 0;  // chance of 8 that the running thread goes on
};

class Pct final : public Strategy {
 public:
  explicit Pct(unsigned depth) : depth_(depth) {}
  std::string name() const override { return "pct d=" + std::to_string(depth_); }
  bool begin(std::uint64_t seed, unsigned expected_steps) override;
  int thread(unsigned ready, int current) override;
  void paused(int thread) override { priority_[thread] = --lowest_; }
  unsigned stale(unsigned n) override { return dice_.stale(random_, n); }
  bool rarely() override { return dice_.rarely(random_); }
  unsigned choose(unsigned n) override { return random_.below(n); }

 private:
  static constexpr unsigned max_depth = 5;

  unsigned depth_;
  Random random_;
  Dice dice_;
  unsigned step_ = 0;
  int lowest_ = 0;  // changes and pauses go below it
  std::array<int, max_threads> priority_{};
  std::array<unsigned, max_depth> change_at_{};
};

class DepthFirst final : public Strategy {
 public:
  DepthFirst(unsigned preemptions, unsigned stale_loads) : max_preemptions_(preemptions), max_stale_(stale_loads) {}
  std::string name() const override { return "depth first"; }
  bool begin(std::uint64_t seed, unsigned expected_steps) override;
  int thread(unsigned ready, int current) override;
  unsigned stale(unsigned n) override;
  bool rarely() override { return false; }
  unsigned choose(unsigned n) override { return take(n); }

 private:
  struct Node {
    unsigned chosen, count;
  };
  unsigned take(unsigned count);

  unsigned max_preemptions_, max_stale_;
  unsigned preemptions_ = 0, stale_ = 0;  // left in this run
  std::vector<Node> path_;                // the choices of the last run: the next one differs in the last that can differ
  std::size_t depth_ = 0;                 // how far this run is along it
  bool begun_ = false;
};

}  // namespace gmp::model
