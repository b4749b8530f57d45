// tests/go/sync/mutex_test.cpp — Go's tests of the semaphore under the locks, and of Mutex.
// Go: sync/mutex_test.go.  Room: sync (floor 5).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "go/sema_acquire.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

namespace gmp::mutex_test {
namespace {

using namespace std::chrono_literals;
namespace child = test::child;

// TestSemaphore.
TEST(GoMutex, ARawPermitIsNeverLostNorHeldByTwo) {
  detail::Sema sema;
  sema.release(1);
  std::atomic<int> holders{0};
  std::atomic<int> most{0};
  const auto loops = test::scaled(1000, 100);
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int g = 0; g < 10; ++g) {
      all_done.go([&]() -> Task<> {
        for (int i = 0; i < loops; ++i) {
          co_await test::acquire(sema);
          if (++holders > most) most = holders.load();
          --holders;
          sema.release(1, i % 7 == 0);
        }
      });
    }
    co_await all_done.wait();
  });
  EXPECT_EQ(most, 1);
  EXPECT_EQ(sema.kept(), 1u);
}

// TestMutex: what TryLock says, with nobody else about.
TEST(GoMutex, TryLockFailsIffLocked) {
  run([]() -> Task<> {
    Mutex mu;
    co_await mu.lock();
    EXPECT_FALSE(mu.try_lock());
    mu.unlock();
    EXPECT_TRUE(mu.try_lock());
    EXPECT_FALSE(mu.try_lock());
    mu.unlock();
  });
}

// TestMutex: ten that lock, and try to lock, as fast as they can.
TEST(GoMutex, TenHammerOnOneMutex) {
  Mutex mu;
  std::int64_t counter = 0;  // mu
  std::atomic<std::int64_t> locked{0};
  const auto loops = test::scaled(10'000, 1000);
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int g = 0; g < 10; ++g) {
      all_done.go([&]() -> Task<> {
        std::int64_t mine = 0;
        for (std::int64_t i = 0; i < loops; ++i) {
          if (i % 3 == 0) {
            if (!mu.try_lock()) continue;
          } else {
            co_await mu.lock();
          }
          ++counter;
          ++mine;
          mu.unlock();
        }
        locked += mine;
      });
    }
    co_await all_done.wait();
    EXPECT_TRUE(mu.try_lock());
    mu.unlock();
  });
  EXPECT_EQ(counter, locked);
  EXPECT_GE(counter, 10 * (loops - (loops + 2) / 3));
}

// TestMutexFairness: one holds it nearly all the time, the other wants it for an instant now and then.
TEST(GoMutex, WhoHoldsItNearlyAlwaysDoesNotStarveAnother) {
  Mutex mu;
  std::atomic<bool> stop{false};
  const auto begin = std::chrono::steady_clock::now();
  run([&]() -> Task<> {
    WaitGroup greedy;
    greedy.go([&]() -> Task<> {
      while (!stop) {
        co_await mu.lock();
        co_await sleep(100us);
        mu.unlock();
      }
    });
    for (int i = 0; i < 10; ++i) {
      co_await sleep(100us);
      co_await mu.lock();
      mu.unlock();
    }
    stop = true;
    co_await greedy.wait();
  });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

// TestMutexMisuse.
TEST(GoMutex, UnlockingWhatIsNotLockedEndsTheProcess) {
  struct Misuse {
    const char* name;
    const char* text;
    child::Scenario scenario;
  };
  const std::vector<Misuse> all = {
      {"Mutex.Unlock", "sync: unlock of unlocked mutex", [] { run([] { Mutex().unlock(); }); }},
      {"Mutex.Unlock2", "sync: unlock of unlocked mutex",
       [] {
         run([]() -> Task<> {
           Mutex mu;
           co_await mu.lock();
           mu.unlock();
           mu.unlock();
         });
       }},
      {"RWMutex.Unlock", "sync: Unlock of unlocked RWMutex", [] { run([] { RWMutex().unlock(); }); }},
      {"RWMutex.Unlock2", "sync: Unlock of unlocked RWMutex",
       [] {
         run([]() -> Task<> {
           RWMutex rw;
           co_await rw.rlock();
           rw.unlock();
         });
       }},
      {"RWMutex.Unlock3", "sync: Unlock of unlocked RWMutex",
       [] {
         run([]() -> Task<> {
           RWMutex rw;
           co_await rw.lock();
           rw.unlock();
           rw.unlock();
         });
       }},
      {"RWMutex.RUnlock", "sync: RUnlock of unlocked RWMutex", [] { run([] { RWMutex().runlock(); }); }},
      {"RWMutex.RUnlock2", "sync: RUnlock of unlocked RWMutex",
       [] {
         run([]() -> Task<> {
           RWMutex rw;
           co_await rw.lock();
           rw.runlock();
         });
       }},
      {"RWMutex.RUnlock3", "sync: RUnlock of unlocked RWMutex",
       [] {
         run([]() -> Task<> {
           RWMutex rw;
           co_await rw.rlock();
           rw.runlock();
           rw.runlock();
         });
       }},
  };
  for (const Misuse& misuse : all) {
    const auto outcome = child::run(misuse.scenario);
    EXPECT_EQ(outcome.status, 2) << misuse.name << ": " << outcome;
    EXPECT_EQ(outcome.err, std::string("fatal error: ") + misuse.text + "\n") << misuse.name;
  }
}

}  // namespace
}  // namespace gmp::mutex_test
