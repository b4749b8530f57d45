// tests/unit/testing/explore_test.cpp — testing::explore and replay: what they find, what they say, and that they do it again.
// Go: none.  Room: testing (floor 6).
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "gmp/gmp.hpp"
#include "gmp/testing.hpp"
#include "support/cpu.hpp"
#include "support/scale.hpp"
#include "support/text.hpp"
#include "unit/testing/bugs.hpp"

namespace gmp::testing_explore_test {
namespace {

using namespace std::chrono_literals;
using test::has;
using test::scaled;

constexpr std::uint64_t schedules_max = 10'000;

std::string failure_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const testing::Failure& failure) {
    return failure.what();
  }
  return "";
}
std::string explored(std::uint64_t schedules, std::uint64_t seed, const std::function<Task<>()>& f) {
  return failure_of([&] { testing::explore({.schedules = schedules, .seed = seed}, f); });
}
std::uint64_t seed_in(const std::string& text) {
  const std::size_t at = text.find("seed ");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 5, nullptr, 10);
}
// After the start of the main g, whose place is the call's.
std::string steps_in(const std::string& text) { return text.substr(std::min(text.find("\n  2  "), text.size())); }

// Ten exploration seeds, of which nine must find it (fewer, where all is slow); the twin without it stays silent.
TEST(TestingBugs, EachIsFoundAndItsTwinIsSilent) {
  const std::uint64_t seeds = static_cast<std::uint64_t>(std::min<std::int64_t>(10, scaled(10, 2)));
  const std::uint64_t quiet = static_cast<std::uint64_t>(std::min<std::int64_t>(schedules_max, scaled(1'000, 100)));
  EXPECT_GE(test::bugs::all().size(), 20u);
  for (const test::bugs::Bug& bug : test::bugs::all()) {
    std::uint64_t missed = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      if (explored(schedules_max, seed, bug.wrong).empty()) ++missed;
      EXPECT_EQ(explored(quiet, seed, bug.right), "") << bug.name << ", seed " << seed;
    }
    EXPECT_LE(missed * 10, seeds) << bug.name << ": missed by " << missed << " of " << seeds << " seeds";
  }
}

TEST(TestingBugs, EachIsSeenAgainByItsSeed) {
  for (const test::bugs::Bug& bug : test::bugs::all()) {
    const std::string text = explored(schedules_max, 1, bug.wrong);
    EXPECT_FALSE(has(text, "not deterministic")) << bug.name << "\n" << text;
    const std::string again = failure_of([&] { testing::replay(seed_in(text), bug.wrong); });
    EXPECT_NE(steps_in(text), "") << bug.name;
    EXPECT_EQ(steps_in(again), steps_in(text)) << bug.name;
  }
}

TEST(TestingExplore, RunsSoManySchedulesAndEndsWell) {
  std::uint64_t played = 0;
  testing::explore({.schedules = 123, .seed = 1}, [&]() -> Task<> {
    ++played;
    co_await yield();
  });
  EXPECT_EQ(played, 123u);
}

// Three gs whose two steps each have 6!/(2!2!2!) = 90 orders.
TEST(TestingExplore, AllOrdersOfFewStepsAreSeen) {
  std::set<std::string> orders;
  testing::explore({.schedules = 5'000, .seed = 1}, [&]() -> Task<> {
    std::string order;
    WaitGroup wg;
    for (const char name : {'a', 'b', 'c'}) {
      wg.go([&order, name]() -> Task<> {
        order += name;
        co_await yield();
        order += name;
      });
    }
    co_await wg.wait();
    orders.insert(order);
  });
  EXPECT_EQ(orders.size(), 90u);
}

TEST(TestingExplore, AnAwaitThatIsReadyIsAChoiceOnBothSides) {
  std::set<std::string> orders;
  testing::explore({.schedules = 2'000, .seed = 1}, [&]() -> Task<> {
    std::string order;
    auto ch = make_chan<int>(1);
    WaitGroup wg;
    wg.go([&]() -> Task<> {
      order += '1';
      co_await ch.send(1);
      order += '2';
    });
    wg.go([&]() -> Task<> {
      order += ch.size() == 0 ? 'e' : 'f';
      co_return;
    });
    co_await wg.wait();
    orders.insert(order);
  });
  EXPECT_EQ(orders, (std::set<std::string>{"e12", "1e2", "1f2", "12f"}));
}

TEST(TestingExplore, WhatIsDueAtOneInstantComesInAnyOrder) {
  std::set<bool> stopped;
  testing::explore({.schedules = 200, .seed = 1}, [&]() -> Task<> {
    auto ticks = make_chan<int>(1);
    go([](Chan<int> out) -> Task<> {
      co_await sleep(5ms);
      co_await out.send(1);
    }, ticks);
    co_await sleep(5ms);
    stopped.insert(ticks.size() == 0);
    co_await ticks.recv();
  });
  EXPECT_EQ(stopped.size(), 2u);
}

TEST(TestingExplore, TheFailureNamesSeedStepsAndCause) {
  const std::string text = explored(1'000, 7, [] { return test::bugs::ab_ba<true>(); });
  EXPECT_TRUE(has(text, "gmp::testing: schedule ")) << text;
  EXPECT_TRUE(has(text, " of 1000 fails; seed ")) << text;
  EXPECT_TRUE(has(text, "all goroutines are asleep - deadlock!")) << text;
  EXPECT_TRUE(has(text, "[sync.Mutex.Lock]")) << text;
  EXPECT_TRUE(has(text, "who went on, and from where:\n  1  goroutine 1  ")) << text;
  EXPECT_TRUE(has(text, "goroutine 2  ")) << text;
  EXPECT_TRUE(has(text, "bugs.hpp:")) << text;
}

TEST(TestingExplore, ExceptionsPanicsAndLeaksAreFailures) {
  EXPECT_TRUE(has(explored(1, 1, []() -> Task<> {
                    co_await yield();
                    throw std::runtime_error("the words");
                  }),
                  "exception: the words"));
  EXPECT_TRUE(has(explored(1, 1, []() -> Task<> {
                    go([] { throw std::runtime_error("the words"); });
                    co_await yield();
                  }),
                  "panic: the words"));
  EXPECT_TRUE(has(explored(1, 1, []() -> Task<> {
                    go([]() -> Task<> { co_await Chan<int>().recv(); });
                    co_return;
                  }),
                  "1 goroutine is left"));
}

TEST(TestingExplore, WhoWaitsByYieldingForEverIsFound) {
  EXPECT_TRUE(has(explored(1, 1, []() -> Task<> {
                    bool never = false;
                    while (!never) co_await yield();
                  }),
                  "it does not end"));
}

// Under PCT as well: who yields makes way.
TEST(TestingExplore, WhoWaitsByYieldingForAnotherEnds) {
  testing::explore({.schedules = 200, .seed = 1}, []() -> Task<> {
    bool set = false;
    auto setter = spawn([&]() -> Task<> {
      co_await sleep(0ms);
      set = true;
    });
    while (!set) co_await yield();
    co_await setter;
  });
}

TEST(TestingExplore, ATestThatIsNotDeterministicIsToldSo) {
  int calls = 0;
  const std::string text = explored(100, 1, [&calls]() -> Task<> {
    if (++calls > 1) co_await yield();
    if (calls <= 2) throw std::runtime_error("it");
  });
  EXPECT_TRUE(has(text, "the test is not deterministic")) << text;
}

TEST(TestingExplore, TheSameSeedExploresTheSame) {
  const auto orders = [](std::uint64_t seed) {
    std::string all;
    testing::explore({.schedules = 50, .seed = seed}, [&]() -> Task<> {
      WaitGroup wg;
      for (const char name : {'a', 'b', 'c', 'd'}) {
        wg.go([&all, name]() -> Task<> {
          co_await yield();
          all += name;
        });
      }
      co_await wg.wait();
    });
    return all;
  };
  EXPECT_EQ(orders(1), orders(1));
  EXPECT_NE(orders(1), orders(2));
}

TEST(TestingExplore, AReplayThatEndsWellReturns) {
  int calls = 0;
  testing::replay(42, [&]() -> Task<> {
    ++calls;
    co_await yield();
  });
  EXPECT_EQ(calls, 1);
}

TEST(TestingExplore, OnAGOrInsideAnotherItIsAnError) {
  EXPECT_THROW(gmp::run([] { testing::explore({}, [] {}); }), std::logic_error);
  EXPECT_THROW(gmp::run([] { testing::replay(1, [] {}); }), std::logic_error);
  testing::run([]() -> Task<> { co_await blocking([] { EXPECT_THROW(testing::explore({}, [] {}), std::logic_error); }); });
}

// By the processor's time: the machine may be busy with others.
TEST(TestingExplore, TenGsInTenThousandSchedulesTakeLessThanTenSeconds) {
  const auto schedules = static_cast<std::uint64_t>(scaled(10'000, 1'000));
  const double before = test::cpu_seconds();
  testing::explore({.schedules = schedules, .seed = 1}, []() -> Task<> {
    Mutex mutex;
    auto ch = make_chan<int>(2);
    WaitGroup wg;
    for (int i = 0; i < 5; ++i) {
      wg.go([&]() -> Task<> {
        auto guard = co_await mutex.scoped_lock();
        co_await ch.send(1);
      });
      wg.go([&]() -> Task<> { co_await ch.recv(); });
    }
    co_await wg.wait();
  });
  EXPECT_LT((test::cpu_seconds() - before) / static_cast<double>(schedules), 1e-3);
}

}  // namespace
}  // namespace gmp::testing_explore_test
