// tests/go/time/timer_test.cpp — timers, tickers and after_func: what Go's tests claim of them.
// Go: time/sleep_test.go, time/tick_test.go.  Room: time (floor 5).
//
// Left out: timers that were never made (they cannot be here), and what is in tests/unit/time.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/testing.hpp"
#include "gmp/time.hpp"
#include "stress/storm.hpp"
#include "support/net.hpp"

namespace gmp::timer_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::on_executor;

// TestAfterFunc: each callback arms the next one.
TEST(GoTimer, CallbacksChain) {
  on_executor([]() -> Task<> {
    auto done = make_chan<int>();
    int left = 10;
    std::function<void()> next = [&] {
      if (--left >= 0)
        after_func(0s, std::ref(next));
      else
        go([done]() -> Task<> { co_await done.send(1); });
    };
    after_func(0s, std::ref(next));
    co_await done.recv();
    EXPECT_EQ(left, -1);
  });
}

// TestAfterStop: stopped in time it does not run; afterwards stop() says that it is too late.
TEST(GoTimer, StopSaysWhetherItWasInTime) {
  on_executor([]() -> Task<> {
    std::atomic<bool> ran{false};
    auto gate = make_chan<int>(1);
    AfterFunc late = after_func(1h, [&] { ran = true; });
    AfterFunc soon = after_func(1ms, [gate] { EXPECT_TRUE(gate.try_send(1)); });
    EXPECT_TRUE(late.stop());
    EXPECT_FALSE(late.stop());
    co_await gate.recv();
    EXPECT_FALSE(soon.stop());
    EXPECT_FALSE(ran);
  });
}

// TestAfterQueuing: those that are due earlier fire earlier, in whatever order they were made.
Task<std::vector<int>> slots_in_the_order_they_fire() {
  constexpr auto apart = 3ms;
  const std::vector<int> slots{5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
  auto results = make_chan<int>(slots.size());
  const auto begin = testing::now() + 2ms;
  for (const int slot : slots) after_func(begin + slot * apart - testing::now(), [results, slot] { EXPECT_TRUE(results.try_send(slot)); });
  std::vector<int> ran;
  while (ran.size() < slots.size()) {
    ran.push_back(*co_await results.recv());
    EXPECT_GE(testing::now(), begin + ran.back() * apart);
  }
  co_return ran;
}
TEST(GoTimer, FireInTheOrderOfTheirDeadlines) {
  const std::vector<int> sorted{0, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 9};
  // They run in goroutines of their own. Where those are several at a time, or several are due at once since the machine stood still, neighbours may
  // overtake one another; in virtual time neither is so.
  on_executor([&]() -> Task<> {
    std::vector<int> ran = co_await slots_in_the_order_they_fire();
    std::sort(ran.begin(), ran.end());
    EXPECT_EQ(ran, sorted);
  });
  testing::run([&]() -> Task<> {
    const std::vector<int> ran = co_await slots_in_the_order_they_fire();
    EXPECT_EQ(ran, sorted);
  });
}

// TestReset
TEST(GoTimer, ResetPutsItOff) {
  on_executor([]() -> Task<> {
    Timer t(1h);
    const auto begin = Clock::now();
    EXPECT_TRUE(t.reset(3ms));
    co_await t.chan().recv();
    EXPECT_GE(Clock::now() - begin, 3ms);
    EXPECT_FALSE(t.reset(1ms)) << "it has fired, and was received";
    EXPECT_TRUE(co_await t.chan().recv());
  });
}

// TestAdjustTimers: many that are made, stopped and reset at once; each that is left fires.
TEST(GoTimer, ManyAreAdjustedAtOnce) {
  on_executor([]() -> Task<> {
    WaitGroup wg;
    for (int g = 0; g < 4; ++g) {
      wg.go([g]() -> Task<> {
        test::Dice dice(static_cast<std::uint64_t>(g));
        std::vector<std::unique_ptr<Timer>> timers;
        for (int i = 0; i < 100; ++i) timers.push_back(std::make_unique<Timer>(std::chrono::milliseconds(dice.between(10, 1'000))));
        while (!timers.empty()) {
          std::unique_ptr<Timer>& t = timers[static_cast<std::size_t>(dice.below(static_cast<int>(timers.size())))];
          switch (dice.below(3)) {
            case 0: t->reset(std::chrono::milliseconds(dice.between(10, 1'000))); break;
            case 1: t->stop(); break;
            default:
              t->reset(std::chrono::microseconds(dice.below(200)));
              EXPECT_TRUE(co_await t->chan().recv());
              t = std::move(timers.back());
              timers.pop_back();
          }
        }
      });
    }
    co_await wg.wait();
  });
}

// TestTicker, with a reset on its way
TEST(GoTimer, ATickerKeepsItsPeriod) {
  on_executor([]() -> Task<> {
    constexpr int ticks = 10;
    constexpr auto period = 3ms;
    Ticker ticker(1h);
    const auto begin = Clock::now();
    ticker.reset(period);
    for (int i = 0; i < ticks; ++i) EXPECT_TRUE(co_await ticker.chan().recv());
    ticker.stop();
    EXPECT_GE(Clock::now() - begin, ticks * period);
    EXPECT_EQ(co_await select(recv(ticker.chan()), recv(after(2 * period))), 1) << "a tick after the stop";
  });
}

// TestTeardown: tickers whose receivers are gone.
TEST(GoTimer, TickersThatNobodyWaitsForAnyMore) {
  on_executor([]() -> Task<> {
    for (int i = 0; i < 20; ++i) {
      Ticker ticker(100us);
      co_await ticker.chan().recv();
    }
    co_await spawn([]() -> Task<> {
      Ticker ticker(100us);
      co_await ticker.chan().recv();
    });
  });
}

// TestOverflowPeriodRuntimeTimer, TestSleepZeroDeadlock
TEST(GoTimer, AbsurdPeriodsNeverComeAndNoneComesAtOnce) {
  on_executor([]() -> Task<> {
    Ticker never(std::chrono::hours::max());
    EXPECT_EQ(never.chan().try_recv(), std::nullopt);
    auto ch = make_chan<int>();
    go([ch]() -> Task<> {
      for (int i = 0; i < 100; ++i) {
        co_await gmp::sleep(0s);
        co_await ch.send(i);
      }
    });
    for (int i = 0; i < 100; ++i) {
      co_await gmp::sleep(0s);
      EXPECT_EQ(co_await ch.recv(), i);
    }
  });
}

}  // namespace
}  // namespace gmp::timer_test
