// tests/stress/timer_stress.cpp — sleeps: never early, none forgotten, whichever P the timer is on.
// Go: time/sleep_test.go.  Room: tests/stress.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "gmp/sync/waitgroup.hpp"
#include "stress/storm.hpp"
#include "support/stalls.hpp"

namespace gmp::timer_stress {
namespace {

using namespace std::chrono_literals;
using test::Dice;
using Clock = std::chrono::steady_clock;

// Late beyond this is forgotten, and found again by chance. The machine is shared: seconds.
constexpr auto forgotten = test::sanitized ? 10s : 5s;

Task<> sleeper(std::uint64_t number, std::int64_t rounds, std::atomic<long>& woken) {
  Dice dice(number);
  for (std::int64_t i = 0; i < rounds; ++i) {
    const auto length = dice.one_in(4) ? dice.up_to(20'000us) : dice.up_to(1500us);
    const auto deadline = Clock::now() + length;
    if (dice.one_in(2))
      co_await sleep_until(deadline);
    else
      co_await sleep(length + 1ns);  // its own look at the clock comes after ours
    const auto now = Clock::now();
    EXPECT_GE(now, deadline);
    EXPECT_LT(now - deadline, forgotten);
    ++woken;
    if (dice.one_in(8)) test::burn(dice.up_to(300us));
  }
}

TEST(TimerStress, RandomSleepsAreNeverEarlyAndNoneIsForgotten) {
  std::atomic<long> woken{0};
  Executor ex;
  const auto rounds = test::scaled(80, 5);
  std::vector<JoinHandle<void>> handles;
  for (int g = 0; g < 200; ++g) handles.push_back(ex.spawn(sleeper, static_cast<std::uint64_t>(g), rounds, std::ref(woken)));
  for (auto& handle : handles) handle.get();
  EXPECT_EQ(woken, 200 * rounds);
}

TEST(TimerStress, TimersMoveWithProcessorsThatComeAndGo) {
  std::atomic<long> woken{0};
  std::atomic<bool> over{false};
  Executor ex;
  const auto rounds = test::scaled(60, 5);
  auto changes = ex.spawn([&over]() -> Task<> {
    Dice dice(1000);
    while (!over) {
      gomaxprocs(dice.between(1, 8));
      co_await sleep(dice.up_to(2000us));
    }
  });
  std::vector<JoinHandle<void>> handles;
  for (int g = 0; g < 100; ++g) handles.push_back(ex.spawn(sleeper, static_cast<std::uint64_t>(g), rounds, std::ref(woken)));
  for (auto& handle : handles) handle.get();
  over = true;
  changes.get();
  EXPECT_EQ(woken, 100 * rounds);
}

TEST(TimerStress, AnEarlierTimerWakesAnMThatSleepsForALaterOne) {
  // Nothing else happens: a timer whose M was not told of it fires a day later.
  Executor ex;
  Dice dice;
  for (int i = 0; i < 3; ++i) ex.go([]() -> Task<> { co_await sleep(24h); });
  const auto rounds = test::scaled(400, 20);
  for (std::int64_t i = 0; i < rounds; ++i) {
    const auto length = dice.up_to(800us);
    const auto begin = Clock::now();
    ex.run([length, later = dice.one_in(2)]() -> Task<> {
      if (later) go([]() -> Task<> { co_await sleep(1h); });
      co_await sleep(length);
    });
    EXPECT_GE(Clock::now() - begin, length);
    EXPECT_LT(Clock::now() - begin, forgotten);
    if (dice.one_in(2)) std::this_thread::sleep_for(dice.up_to(200us));
  }
}

TEST(TimerStress, ADistantDeadlineNeverComesFirst) {
  // Two deadlines far apart: the earlier sleeper goes on first, whatever P each is on. Unless the machine stood still for the time between them.
  const test::Stalls stalls;
  std::atomic<bool> over{false};
  Executor ex;
  auto changes = ex.spawn([&over]() -> Task<> {
    Dice dice(1000);
    while (!over) {
      gomaxprocs(dice.between(1, 4));
      co_await sleep(dice.up_to(3000us));
    }
  });
  const auto rounds = test::scaled(2, 1);
  for (std::int64_t round = 0; round < rounds; ++round) {
    struct Seen {
      int early = 190;
      Clock::time_point when;
    };
    std::vector<Seen> seen(200);
    std::atomic<int> early{0};
    std::atomic<Clock::time_point> begin{};
    WaitGroup gate;
    gate.add();
    std::vector<JoinHandle<void>> handles;
    for (int g = 0; g < 200; ++g) {
      handles.push_back(ex.spawn([&, g]() -> Task<> {
        Dice dice(static_cast<std::uint64_t>(g));
        const bool is_late = g % 20 == 0;
        std::chrono::microseconds length = dice.up_to(30'000us);
        if (is_late) length += 1s;
        co_await gate.wait();
        co_await sleep_until(begin.load() + length);  // of all from one moment on
        if (is_late)
          seen[static_cast<std::size_t>(g)] = {early, Clock::now()};
        else
          ++early;
      }));
    }
    begin = Clock::now();
    gate.done();
    for (auto& handle : handles) handle.get();
    std::this_thread::sleep_for(50ms);  // until a stall is known
    for (const Seen& one : seen) EXPECT_TRUE(one.early == 190 || stalls.between(begin, one.when) > 500ms) << one.early;
  }
  over = true;
  changes.get();
}

}  // namespace
}  // namespace gmp::timer_stress
