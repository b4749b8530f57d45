// tests/go/time/sleep_test.cpp — Go's tests of time that need no more than Sleep.
// Go: time/sleep_test.go, time/tick_test.go, test/sigchld.go.  Room: time (floor 5).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "go/mailbox.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::sleep_test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// SIGUSR1 to a handler without SA_RESTART for as long as this lives: each one sent interrupts a system call of some thread.
class Interrupts {
 public:
  Interrupts() {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGUSR1, &action, &before_);
  }
  ~Interrupts() { ::sigaction(SIGUSR1, &before_, nullptr); }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  void send() const { ::kill(::getpid(), SIGUSR1); }

 private:
  struct sigaction before_;
};

// TestSleep, test/sigchld.
TEST(GoSleep, ASignalDoesNotShortenIt) {
  const Interrupts interrupts;
  run([&]() -> Task<> {
    constexpr auto delay = 50ms;
    WaitGroup sender;
    sender.go([&]() -> Task<> {
      for (int i = 0; i < 20; ++i) {
        co_await sleep(2ms);
        interrupts.send();
      }
    });
    const auto begin = Clock::now();
    co_await sleep(delay);
    EXPECT_GE(Clock::now() - begin, delay);
    co_await sender.wait();
  });
}

// TestSleepZeroDeadlock: returns at once, and leaves the g as it was.
TEST(GoSleep, ForNothingReturnsAtOnceWhateverGoesOn) {
  std::atomic<bool> stop{false};
  run([&]() -> Task<> {
    gomaxprocs(4);
    WaitGroup other;
    other.go([&]() -> Task<> {
      for (int i = 0; !stop; ++i) {
        gomaxprocs(3 + i % 2);
        co_await yield();
      }
    });
    for (std::int64_t i = 0; i < test::scaled(10'000, 100); ++i) {
      co_await sleep(0s);
      test::Mailbox<bool> box;
      box.send(true);
      co_await box.recv();
    }
    stop = true;
    co_await other.wait();
  });
}

// TestOverflowSleep.
TEST(GoSleep, WhatOverflowsSleepsForEverAndWhatIsNegativeNot) {
  std::atomic<int> returned{0};
  run([&]() -> Task<> {
    std::atomic<int> asleep{0};
    const auto sleeper = [&](auto how_long) -> Task<> {
      ++asleep;
      co_await sleep(how_long);
      ++returned;
    };
    go(sleeper, std::chrono::nanoseconds::max());
    go(sleeper, std::chrono::hours::max());
    go(sleeper, std::chrono::duration<double>(1e300));
    go(sleeper, std::chrono::nanoseconds::max() - 1ns);
    go([&]() -> Task<> {
      ++asleep;
      co_await sleep_until(time_point::max());
      ++returned;
    });
    while (asleep != 5) co_await yield();
    co_await sleep(25ms);
    EXPECT_EQ(returned, 0);

    const auto begin = Clock::now();
    co_await sleep(std::chrono::nanoseconds::min());
    co_await sleep(std::chrono::hours::min());
    co_await sleep(-1ns);
    co_await sleep_until(time_point::min());
    co_await sleep_until(time_point{});
    co_await sleep_until(Clock::now());
    EXPECT_LT(Clock::now() - begin, 10s);
  });
  EXPECT_EQ(returned, 0);
}

// TestAfterTick: many short ones add up to no less.
TEST(GoSleep, TenInARowTakeTenTimesAsLong) {
  run([]() -> Task<> {
    constexpr auto delta = 5ms;
    const auto begin = Clock::now();
    for (int i = 0; i < 10; ++i) co_await sleep(delta);
    const auto took = Clock::now() - begin;
    EXPECT_GE(took, 10 * delta);
    EXPECT_LT(took, 5s);
  });
}

// TestAfterQueuing: whatever the order in which they lie down, nobody gets up before his time, and no one is forgotten.
TEST(GoSleep, EachWakesAtItsTimeWhateverTheOrderOfTheirStarts) {
  static constexpr int slots[] = {5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
  run([]() -> Task<> {
    std::atomic<int> early{0};
    const auto begin = Clock::now();
    WaitGroup all_done;
    for (const int slot : slots) {
      all_done.go([&, slot]() -> Task<> {
        const auto when = begin + slot * 3ms;
        co_await sleep_until(when);
        if (Clock::now() < when) ++early;
      });
    }
    co_await all_done.wait();
    EXPECT_EQ(early, 0);
    EXPECT_GE(Clock::now() - begin, 27ms);
    EXPECT_LT(Clock::now() - begin, 5s);
  });
}

// TestAdjustTimers, TestLongAdjustTimers: a heap of many, some of them far away, and a short one that must not wait for them.
TEST(GoSleep, AShortOneIsInTimeThoughThousandsSleep) {
  const auto n = test::scaled(20'000, 1000);
  std::atomic<std::int64_t> early{0};
  run([&]() -> Task<> {
    for (std::int64_t i = 0; i < n; ++i) {
      go([i]() -> Task<> { co_await sleep(1h + std::chrono::milliseconds(i * 7919 % 1000)); });
    }
    std::minstd_rand random(static_cast<unsigned>(test::case_seed()));
    WaitGroup all_done;
    for (std::int64_t i = 0; i < n; ++i) {
      all_done.go([&early, how_long = std::chrono::microseconds(random() % 20'000)]() -> Task<> {
        const auto begin = Clock::now();
        co_await sleep(how_long);
        if (Clock::now() - begin < how_long) ++early;
      });
    }
    const auto begin = Clock::now();
    co_await sleep(1ms);
    EXPECT_LT(Clock::now() - begin, 5s);
    co_await all_done.wait();
  });
  EXPECT_EQ(early, 0);
}

// TestTimerModifiedEarlier: an M sleeps until a far deadline when an earlier one comes, from a thread, or from the M of another P.
TEST(GoSleep, AnEarlierOneWakesTheSleepingPoller) {
  Executor ex;
  ex.go([]() -> Task<> { co_await sleep(1h); });
  const auto rounds = test::scaled(100, 20);
  for (std::int64_t i = 0; i < rounds; ++i) {
    if (i % 2 == 0) std::this_thread::sleep_for(1ms);  // the Ms have fallen asleep by then, or have not
    const auto begin = Clock::now();
    ex.run([]() -> Task<> { co_await sleep(2ms); });
    const auto took = Clock::now() - begin;
    EXPECT_GE(took, 2ms);
    EXPECT_LT(took, 5s);
  }
}

// TestAfterFuncStarvation: two that wake each other without end do not keep timers from firing.
TEST(GoSleep, TwoThatWakeEachOtherDoNotStarveIt) {
  std::atomic<bool> stop{false};
  Semaphore first(1), second(1);
  ASSERT_TRUE(second.try_acquire());
  const auto begin = Clock::now();
  run([&]() -> Task<> {
    gomaxprocs(1);
    const auto player = [&stop](Semaphore& mine, Semaphore& other) -> Task<> {
      for (bool over = false; !over;) {
        co_await mine.acquire();
        over = stop;  // before the other one's turn: it sees it, too, and nobody waits for one who has left
        other.release();
      }
    };
    WaitGroup all_done;
    all_done.go(player, std::ref(first), std::ref(second));
    all_done.go(player, std::ref(second), std::ref(first));
    for (int i = 0; i < 10; ++i) co_await sleep(1ms);
    stop = true;
    co_await all_done.wait();
  });
  EXPECT_LT(Clock::now() - begin, 5s);
}

}  // namespace
}  // namespace gmp::sleep_test
