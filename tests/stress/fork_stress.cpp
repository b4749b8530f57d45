// tests/stress/fork_stress.cpp — trees of all()s whose children mostly compute, and now and then park, hog, throw, start others or are stopped.
// Go: none.  Room: tests/stress.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "stress/storm.hpp"
#include "unit/task/probe.hpp"

namespace gmp::fork_stress {
namespace {

using namespace std::chrono_literals;
using test::Dice;
using test::Probe;

struct World {
  std::atomic<int> alive{0};
  std::atomic<long> ended{0};
  Mutex mutex;
  long under_mutex = 0;
  int rarely = 0;  // of 1000: how many nodes do what suspends; a tenth of them hog
};

Task<long> tree(World& world, std::uint64_t number, int depth, Probe argument);

/// What a node does beside its children.
Task<> act(World& world, Dice& dice) {
  if (dice.below(1000) >= world.rarely) co_return;
  switch (dice.below(8)) {
    case 0: co_await yield(); break;
    case 1: co_await gmp::sleep(std::chrono::microseconds(dice.below(200))); break;
    case 2: {
      auto guard = co_await world.mutex.scoped_lock();
      ++world.under_mutex;
      break;
    }
    case 3: co_await spawn(tree, std::ref(world), static_cast<std::uint64_t>(dice.below(1 << 30)), 1, Probe(world.alive)); break;
    case 4: co_await blocking([] { std::this_thread::sleep_for(50us); }); break;
    case 5: test::burn(300us); break;
    case 6:
      if (dice.below(10) == 0) test::burn(25ms);
      break;
    default: throw 7;
  }
}

// Gives the number of its leaves, as if nobody had thrown.
Task<long> tree(World& world, std::uint64_t number, int depth, Probe argument) {
  const Probe local(world.alive);
  Dice dice(number);
  const std::uint64_t id = dice.below(4) == 0 ? this_g::id() : 0;
  try {
    co_await act(world, dice);
  } catch (int) {
  }
  long leaves = 1;
  if (depth > 0) {
    const auto child = [&](int i) { return tree(world, number * 8 + static_cast<std::uint64_t>(i) + 1, depth - 1, Probe(world.alive)); };
    switch (dice.below(3)) {
      case 0: {
        auto [a, b] = co_await all(child(0), child(1));
        leaves = a + b;
        break;
      }
      case 1: {
        auto [a, b, c] = co_await all(child(0), child(1), child(2));
        leaves = a + b + c;
        break;
      }
      default: {
        std::vector<Task<long>> tasks;
        const int width = 1 + dice.below(6);
        for (int i = 0; i < width; ++i) tasks.push_back(child(i));
        auto together = all(std::move(tasks));
        const std::vector<long> each = co_await together;
        leaves = 0;
        for (const long n : each) leaves += n;
      }
    }
  }
  try {
    co_await act(world, dice);
  } catch (int) {
  }
  EXPECT_TRUE(id == 0 || this_g::id() == id);
  if (argument.value() < 0) std::terminate();
  ++world.ended;
  co_return leaves;
}

void grow(int procs, int rarely, std::int64_t rounds) {
  Executor ex({.procs = procs});
  for (std::int64_t round = 0; round < rounds; ++round) {
    World world;
    world.rarely = rarely;
    const auto number = static_cast<std::uint64_t>(round) + test::case_seed() % 1'000'000;
    const long first = ex.run(tree, std::ref(world), number, 7, Probe(world.alive));
    const long again = ex.run(tree, std::ref(world), number, 7, Probe(world.alive));
    EXPECT_EQ(first, again);
    EXPECT_GT(world.ended, 2 * first);
    test::wait_until([&] { return ex.run([] { return num_goroutine(); }) == 1; });  // a g is counted until a little after its frames
    EXPECT_EQ(world.alive, 0);
  }
}

TEST(ForkStress, TreesThatSeldomPark) { grow(0, 5, test::scaled(40, 4)); }
TEST(ForkStress, TreesThatOftenPark) { grow(0, 200, test::scaled(5, 1)); }
TEST(ForkStress, TreesOnOneP) { grow(1, 20, test::scaled(10, 2)); }

TEST(ForkStress, TreesThatAreStopped) {
  const auto rounds = test::scaled(40, 8);
  for (std::int64_t round = 0; round < rounds; ++round) {
    World world;
    world.rarely = 30;
    {
      Executor ex({.procs = static_cast<int>(1 + round % 4)});
      const auto number = static_cast<std::uint64_t>(round) + test::case_seed() % 1'000'000;
      for (int i = 0; i < 4; ++i) ex.go(tree, std::ref(world), number + static_cast<std::uint64_t>(i), 9, Probe(world.alive));
      const long enough = static_cast<long>(number * 37 % 5000);
      for (long i = 0; world.ended < enough && i < 10'000; ++i) std::this_thread::yield();
    }
    EXPECT_EQ(world.alive, 0);
  }
}

}  // namespace
}  // namespace gmp::fork_stress
