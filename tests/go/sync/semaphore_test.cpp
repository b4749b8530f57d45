// tests/go/sync/semaphore_test.cpp — the tests of the weighted semaphore.
// Go: golang.org/x/sync/semaphore/semaphore_test.go.  Room: sync (floor 5).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "go/mailbox.hpp"
#include "go/sema_acquire.hpp"
#include "support/scale.hpp"

namespace gmp::semaphore_test {
namespace {

using namespace std::chrono_literals;

// TestWeighted: as many gs as units, each with a weight of its own.
TEST(GoSemaphore, NeverMoreUnitsOutThanThereAre) {
  constexpr std::int64_t n = 8;
  const auto loops = test::scaled(10'000, 1000) / n;
  Semaphore sem(n);
  std::atomic<std::int64_t> out{0};
  std::atomic<std::int64_t> most{0};
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (std::int64_t weight = 1; weight <= n; ++weight) {
      all_done.go([&, weight]() -> Task<> {
        for (std::int64_t i = 0; i < loops; ++i) {
          co_await sem.acquire(weight);
          const std::int64_t now = out.fetch_add(weight) + weight;
          if (now > most) most = now;
          if (i % 16 == 0) co_await yield();
          out.fetch_sub(weight);
          sem.release(weight);
        }
      });
    }
    co_await all_done.wait();
  });
  EXPECT_LE(most, n);
  EXPECT_TRUE(sem.try_acquire(n)) << "units were lost";
}

// TestWeightedPanic.
TEST(GoSemaphore, ReleasingMoreThanIsHeldIsALogicError) {
  Semaphore sem(1);
  std::string text = "nothing was thrown";
  try {
    sem.release(1);
  } catch (const std::logic_error& error) {
    text = error.what();
  }
  EXPECT_EQ(text, "semaphore: released more than held");
}

// TestWeightedTryAcquire.
TEST(GoSemaphore, TryAcquireTakesWhatIsThere) {
  Semaphore sem(2);
  std::vector<bool> tries;
  ASSERT_TRUE(sem.try_acquire(1));
  sem.release(1);
  tries.push_back(sem.try_acquire(1));
  tries.push_back(sem.try_acquire(1));
  tries.push_back(sem.try_acquire(1));
  sem.release(2);
  tries.push_back(sem.try_acquire(1));
  ASSERT_TRUE(sem.try_acquire(1));
  tries.push_back(sem.try_acquire(1));
  EXPECT_EQ(tries, (std::vector<bool>{true, true, false, true, false}));
}

// TestWeightedAcquire, without its deadlines: the same, with one that waits where the other gives up.
TEST(GoSemaphore, AcquireWaitsForARelease) {
  Semaphore sem(2);
  run([&]() -> Task<> {
    co_await sem.acquire(1);
    co_await sem.acquire(1);
    std::atomic<bool> through{false};
    WaitGroup waiter;
    waiter.go([&]() -> Task<> {
      co_await sem.acquire(2);
      through = true;
      sem.release(2);
    });
    while (test::sleepers(&sem) != 1) co_await yield();
    sem.release(1);
    co_await sleep(1ms);  // time for what must not happen
    EXPECT_FALSE(through);
    EXPECT_EQ(test::sleepers(&sem), 1);
    sem.release(1);
    co_await waiter.wait();
    EXPECT_TRUE(through);
  });
}

// TestWeightedDoesntBlockIfTooBig.
TEST(GoSemaphore, WhoAsksForMoreThanThereIsBlocksNobodyElse) {
  constexpr std::int64_t n = 2;
  Semaphore sem(n);
  std::atomic<bool> asked{false};
  std::atomic<bool> through{false};
  run([&]() -> Task<> {
    go([&]() -> Task<> {
      asked = true;
      co_await sem.acquire(n + 1);
      through = true;
    });
    while (!asked) co_await yield();
    WaitGroup all_done;
    for (std::int64_t g = 0; g < n; ++g) {
      all_done.go([&]() -> Task<> {
        for (int i = 0; i < 3; ++i) {
          co_await sem.acquire(1);
          co_await sleep(1ms);
          sem.release(1);
        }
      });
    }
    co_await all_done.wait();
    EXPECT_FALSE(through);
    EXPECT_TRUE(sem.try_acquire(n));
    sem.release(n);
  });
  EXPECT_FALSE(through);
}

// TestLargeAcquireDoesntStarve: small ones come all the time, and there are never all units free by chance.
TEST(GoSemaphore, ALargeAcquireIsNotStarvedBySmallOnes) {
  constexpr std::int64_t n = 8;
  Semaphore sem(n);
  std::atomic<bool> running{true};
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (std::int64_t i = 0; i < n; ++i) {
      co_await sem.acquire(1);
      all_done.go([&]() -> Task<> {
        while (running) {
          co_await sleep(1ms);
          sem.release(1);
          co_await sem.acquire(1);
        }
        sem.release(1);
      });
    }
    co_await sem.acquire(n);  // for ever, if they may pass it
    running = false;
    sem.release(n);
    co_await all_done.wait();
  });
  EXPECT_TRUE(sem.try_acquire(n));
}

// The doc comment of Weighted: waiters are served in their order, small ones behind a large one too.
TEST(GoSemaphore, FirstComeFirstServedWhateverTheWeight) {
  constexpr std::int64_t size = 10;
  constexpr int n = 40;
  Semaphore sem(size);
  test::Mailbox<int> served;
  run([&]() -> Task<> {
    co_await sem.acquire(size);
    WaitGroup all_done;
    for (int i = 0; i < n; ++i) {
      // All units each: one is let in at a time, so that `served` is in the order of the grants.
      all_done.go([&, i]() -> Task<> {
        co_await sem.acquire(size);
        served.send(i);
        sem.release(size);
      });
      while (test::sleepers(&sem) != i + 1) co_await yield();
    }
    EXPECT_FALSE(sem.try_acquire(0)) << "not even nothing, while others wait";
    sem.release(size);
    std::vector<int> order;
    for (int i = 0; i < n; ++i) order.push_back(co_await served.recv());
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    co_await all_done.wait();
  });
}

}  // namespace
}  // namespace gmp::semaphore_test
