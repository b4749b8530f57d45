// tests/stress/program_stress.cpp — random programs: gs that take random sets of locks, in one order, and count what they did.
// Go: none.  Room: tests/stress.
//
// A program is made by dice: a g's next number of operations, each of which takes some locks in the order of their numbers, does something,
// perhaps runs a smaller program as a child that takes higher locks only, and gives the locks back in any order.  One order for all: so there
// is no deadlock but by a fault of the library, and that the watchdog shows.  What each lock protects is counted in plain words, under it,
// and beside it in atomic ones: at the end they must agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/sync.hpp"
#include "stress/storm.hpp"
#include "unit/task/probe.hpp"

namespace gmp::program_stress {
namespace {

using namespace std::chrono_literals;
using test::Dice;
using test::Probe;

constexpr int locks_count = 12;  // 0 to 3 mutexes, 4 to 7 RWMutexes, 8 to 11 semaphores, of 1 to 4 units
constexpr int units_of(int lock) { return lock - 7; }

struct World {
  std::array<Mutex, 4> mutexes;
  std::array<RWMutex, 4> rwmutexes;
  Semaphore one{units_of(8)}, two{units_of(9)}, three{units_of(10)}, four{units_of(11)};
  std::array<Semaphore*, 4> semaphores{&one, &two, &three, &four};

  std::array<long, locks_count> counted{};                // under the lock, held for oneself
  std::array<std::atomic<long>, locks_count> expected{};  // beside it
  std::array<std::atomic<int>, locks_count> holders{};    // units, or readers; a writer counts a thousand
  std::atomic<int> alive{0};
  std::atomic<long> programs{0};
};

struct Held {
  int lock;
  int weight;  // 1000: alone; else one of several readers, or that many units
  bool alone() const { return weight == 1000; }
  int units() const { return alone() ? units_of(lock) : weight; }  // of a semaphore
};

void check_and_count(World& world, const Held& held) {
  const auto i = static_cast<std::size_t>(held.lock);
  const int now = world.holders[i] += held.weight;
  if (held.lock < 8)
    EXPECT_TRUE(held.alone() ? now == 1000 : now < 1000) << "lock " << held.lock << ": " << now;
  else if (held.alone())
    EXPECT_EQ(now, 1000) << "semaphore " << held.lock;
  else
    EXPECT_LE(now, units_of(held.lock)) << "semaphore " << held.lock;
  if (held.alone()) {
    ++world.counted[i];
    ++world.expected[i];
  }
}

void give_back(World& world, const Held& held) {
  const auto i = static_cast<std::size_t>(held.lock);
  if (held.alone()) {
    ++world.counted[i];
    ++world.expected[i];
  }
  world.holders[i] -= held.weight;
  if (held.lock < 4)
    world.mutexes[i].unlock();
  else if (held.lock < 8)
    held.alone() ? world.rwmutexes[i - 4].unlock() : world.rwmutexes[i - 4].runlock();
  else
    world.semaphores[i - 8]->release(held.units());
}

// What to take of a lock.
Held choose(int lock, Dice& dice) {
  if (lock < 4) return {lock, 1000};
  if (lock < 8) return {lock, dice.one_in(3) ? 1000 : 1};
  const int units = dice.between(1, units_of(lock));
  return {lock, units == units_of(lock) ? 1000 : units};
}

bool try_take(World& world, const Held& held) {
  const auto i = static_cast<std::size_t>(held.lock);
  if (held.lock < 4) return world.mutexes[i].try_lock();
  if (held.lock < 8) return held.alone() ? world.rwmutexes[i - 4].try_lock() : world.rwmutexes[i - 4].try_rlock();
  return world.semaphores[i - 8]->try_acquire(held.units());
}

Task<> take(World& world, Held held) {
  const auto i = static_cast<std::size_t>(held.lock);
  if (held.lock < 4)
    co_await world.mutexes[i].lock();
  else if (held.lock >= 8)
    co_await world.semaphores[i - 8]->acquire(held.units());
  else if (held.alone())
    co_await world.rwmutexes[i - 4].lock();
  else
    co_await world.rwmutexes[i - 4].rlock();
}

void take_on_thread(World& world, const Held& held) {
  const auto i = static_cast<std::size_t>(held.lock);
  if (held.lock < 4)
    world.mutexes[i].lock_blocking();
  else if (held.lock >= 8)
    world.semaphores[i - 8]->acquire_blocking(held.units());
  else if (held.alone())
    world.rwmutexes[i - 4].lock_blocking();
  else
    world.rwmutexes[i - 4].rlock_blocking();
}

void give_back_some(World& world, std::vector<Held>& held, Dice& dice, bool all) {
  while (!held.empty() && (all || dice.one_in(2))) {
    const auto which = dice.below(static_cast<int>(held.size()));
    give_back(world, held[static_cast<std::size_t>(which)]);
    held.erase(held.begin() + which);
  }
}

// Takes locks from `lowest` on only.
Task<> program(World& world, std::uint64_t number, int lowest, int operations, Probe argument) {
  const Probe local(world.alive);
  Dice dice(number);
  ++world.programs;
  for (int n = 0; n < operations; ++n) {
    std::vector<Held> held;
    int next = lowest;
    for (int lock = lowest; lock < locks_count; ++lock) {
      if (!dice.one_in(4)) continue;
      const Held wanted = choose(lock, dice);
      if (dice.one_in(4)) {
        if (!try_take(world, wanted)) continue;
      } else {
        co_await take(world, wanted);
      }
      check_and_count(world, wanted);
      held.push_back(wanted);
      next = lock + 1;
      if (dice.one_in(16)) co_await test::act(dice);
      if (dice.one_in(16)) give_back_some(world, held, dice, false);
    }
    if (next < locks_count && dice.one_in(6)) {  // a child, while the locks are held
      const std::uint64_t child = number * 31 + static_cast<std::uint64_t>(n) + 1;
      const int less = std::max(operations / 4, 1);
      switch (dice.below(3)) {
        case 0: {
          auto here = program(world, child, next, less, Probe(world.alive));
          co_await here;
          break;
        }
        case 1: {
          auto handle = spawn(program, std::ref(world), child, next, less, Probe(world.alive));
          co_await test::act(dice);
          co_await handle;
          break;
        }
        default: {
          auto both = all(program(world, child, next, less, Probe(world.alive)), program(world, child + 7, next, less, Probe(world.alive)));
          co_await both;
        }
      }
    }
    if (dice.one_in(20)) co_await test::act(dice);
    give_back_some(world, held, dice, true);
  }
  if (argument.value() < 0) std::terminate();
}

void program_on_thread(World& world, std::uint64_t number, int operations) {
  Dice dice(number);
  ++world.programs;
  for (int n = 0; n < operations; ++n) {
    std::vector<Held> held;
    for (int lock = 0; lock < locks_count; ++lock) {
      if (!dice.one_in(4)) continue;
      const Held wanted = choose(lock, dice);
      if (dice.one_in(3)) {
        if (!try_take(world, wanted)) continue;
      } else {
        take_on_thread(world, wanted);
      }
      check_and_count(world, wanted);
      held.push_back(wanted);
    }
    if (dice.one_in(20)) std::this_thread::sleep_for(dice.up_to(200us));
    give_back_some(world, held, dice, true);
  }
}

TEST(ProgramStress, RandomProgramsOverLocksInOneOrder) {
  const auto worlds = test::scaled(12, 2);
  for (std::int64_t round = 0; round < worlds; ++round) {
    World world;
    const std::uint64_t base = static_cast<std::uint64_t>(round) << 32;
    {
      Executor a;
      Executor b({.procs = 2});
      std::vector<JoinHandle<void>> handles;
      for (std::uint64_t g = 0; g < 20; ++g)
        handles.push_back((g % 4 == 3 ? b : a).spawn(program, std::ref(world), base + (g << 20), 0, 20, Probe(world.alive)));
      std::vector<std::jthread> threads;
      for (std::uint64_t t = 0; t < 2; ++t)
        threads.emplace_back([&world, number = base + (t << 20) + 5] { program_on_thread(world, number, 60); });
      for (auto& handle : handles) handle.get();
    }
    ASSERT_EQ(world.alive, 0);
    for (std::size_t i = 0; i < locks_count; ++i) {
      ASSERT_EQ(world.counted[i], world.expected[i]) << "lock " << i;
      ASSERT_EQ(world.holders[i], 0) << "lock " << i;
    }
    for (int lock = 0; lock < locks_count; ++lock) {
      const Held all = {lock, 1000};
      ASSERT_TRUE(try_take(world, all)) << "lock " << lock;
    }
  }
}

// The same, cut short: programs stopped in the middle hold locks and wait for locks of a world that goes before them or after them.
TEST(ProgramStress, RandomProgramsThatAreStopped) {
  const auto rounds = test::scaled(60, 6);
  Dice dice;
  for (std::int64_t round = 0; round < rounds; ++round) {
    World world;
    const std::uint64_t base = static_cast<std::uint64_t>(round) << 32;
    const auto length = dice.up_to(4000us);
    Executor other({.procs = 1});
    std::vector<JoinHandle<void>> finishing;
    {
      Executor ex;
      for (std::uint64_t g = 0; g < 20; ++g) ex.go(program, std::ref(world), base + (g << 20), 0, 1'000'000, Probe(world.alive));
      // Of another executor, and so not stopped: what the stopped ones held by no guard they never get. They try.
      finishing.push_back(other.spawn([&world, base]() -> Task<> {
        Dice own(base + 77);
        for (int n = 0; n < 200; ++n) {
          const Held wanted = choose(own.below(locks_count), own);
          if (try_take(world, wanted)) {
            check_and_count(world, wanted);
            co_await yield();
            give_back(world, wanted);
          }
        }
      }));
      std::this_thread::sleep_for(length);
    }
    for (auto& handle : finishing) handle.get();
    ASSERT_EQ(world.alive, 0);
  }
}

}  // namespace
}  // namespace gmp::program_stress
