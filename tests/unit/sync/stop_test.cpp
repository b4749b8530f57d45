// tests/unit/sync/stop_test.cpp — an executor stops while its gs wait for each other's locks: frames go, others are woken, nobody complains.
// Go: none (there a program ends).  Room: sync (floor 5).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"
#include "unit/sync/parked.hpp"
#include "unit/task/probe.hpp"

namespace gmp::stop_test {
namespace {

using namespace std::chrono_literals;
using test::Probe;

// One of each, to live in a goroutine's frame.
struct All {
  Mutex mutex_{};
  RWMutex read_{}, written_{};
  WaitGroup group_{};
  Once once_{};
  Mutex cond_mutex_{};
  Cond cond_{cond_mutex_};
  Semaphore semaphore_{2};
};

constexpr int ways = 8;

// Waits for something of `all`, or holds it, in the given way. In the end a newer goroutine's destructors give back what they have; an older
// one's must not: newest first, `all` is gone by then. Nor does its wait touch it.
Task<> wait_in_a_way(All& all, int way, bool older, std::atomic<int>& alive, std::atomic<int>& waiting) {
  const Probe probe(alive);
  ++waiting;
  switch (way) {
    case 0: {
      if (older) {
        co_await all.mutex_.lock();
        co_await sleep(24h);
      }
      auto guard = co_await all.mutex_.scoped_lock();
      co_await sleep(24h);
      break;
    }
    case 1: {
      auto guard = co_await all.read_.scoped_lock();  // a reader has it
      break;
    }
    case 2: {
      auto guard = co_await all.written_.scoped_rlock();  // a writer has it
      break;
    }
    case 3: {
      auto done = defer([&all, older]() noexcept {
        if (!older) all.group_.done();
      });
      co_await all.group_.wait();
      break;
    }
    case 4: {
      auto f = [&alive]() -> Task<> {
        const Probe inner(alive);
        co_await sleep(24h);
      };
      co_await all.once_.call(f);
      break;
    }
    case 5: {
      auto shout = defer([&all, older]() noexcept {
        if (older) return;
        all.cond_.broadcast();
        all.cond_.signal();
      });
      // It has not got the mutex back when it is destroyed: this guard unlocks nothing, and may outlive the mutex.
      auto guard = co_await all.cond_mutex_.scoped_lock();
      co_await all.cond_.wait();
      break;
    }
    case 6: {
      co_await all.semaphore_.acquire();
      auto release = defer([&all, older]() noexcept {
        if (!older) all.semaphore_.release();
      });
      co_await sleep(24h);
      break;
    }
    case 7: {
      co_await all.semaphore_.acquire(100);
      break;
    }
    default: break;
  }
  const Probe late(alive);
  co_await sleep(24h);
}

// The owner of an All: holds some of it itself, and waits too.
Task<> own(std::atomic<All*>& shown, int way, std::atomic<int>& alive, std::atomic<int>& waiting) {
  const Probe probe(alive);
  All all;
  static_cast<void>(all.read_.try_rlock());
  static_cast<void>(all.written_.try_lock());
  all.group_.add(1000);
  shown = &all;
  co_await wait_in_a_way(all, way, false, alive, waiting);
}

Task<> visit(std::atomic<All*>& shown, int way, bool older, std::atomic<int>& alive, std::atomic<int>& waiting) {
  const Probe probe(alive);
  while (shown == nullptr) co_await sleep(50us);
  co_await wait_in_a_way(*shown, way, older, alive, waiting);
}

// Gs wait on what lies in the frames of newer and of older ones, in all ways, in random order; then the executor is destroyed.
TEST(SyncStop, GoroutinesParkedInEachOthersFramesOlderAndNewerAreDestroyedCleanly) {
  std::minstd_rand random(static_cast<unsigned>(test::case_seed()));
  const auto rounds = test::scaled(60, 15);
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::atomic<int> alive{0}, waiting{0};
    constexpr int owners = 4, visits = 40;
    {
      std::atomic<All*> shown[owners] = {};
      Executor ex({.procs = 1 + static_cast<int>(round % 4)});
      int started = 0;
      int owned = 0;
      while (owned < owners || started < visits) {
        if (owned < owners && random() % 10 == 0) {
          ex.go([&, way = static_cast<int>(random() % ways), i = owned]() -> Task<> { co_await own(shown[i], way, alive, waiting); });
          ++owned;
        } else if (started < visits) {
          const int i = static_cast<int>(random() % owners);
          ex.go([&, way = static_cast<int>(random() % ways), i, older = i >= owned]() -> Task<> {
            co_await visit(shown[i], way, older, alive, waiting);
          });
          ++started;
        }
      }
      if (round % 3 != 0) {  // else stopped while they are on their way
        while (waiting != owners + visits) std::this_thread::sleep_for(50us);
        if (round % 3 == 1) std::this_thread::sleep_for(1ms);
      }
    }
    ASSERT_EQ(alive, 0) << "round " << round;
  }
}

// What a destructor of the stopping executor gives back wakes gs of others and plain threads, and none of its own.
class SyncStopWakes : public ::testing::Test {
 protected:
  // holder: run on the executor that will be stopped; must come to sleep 24 h. waiter: waits there, and must not go on, and on another one.
  // conds: the Mutex of the Cond that they wait for, if it is one.
  template <class Holder, class Waiter, class Blocking>
  void expect_handed_on(Holder holder, Waiter waiter, Blocking blocking_waiter, const char* reason, Mutex* conds = nullptr) {
    auto ex = std::make_unique<Executor>(Options{.procs = 2});
    std::atomic<bool> own_went_on{false};
    Executor other({.procs = 1});
    ex->go(holder);
    test::wait_until_parked(*ex, 1, "sleep");
    ex->go([&]() -> Task<> {
      co_await waiter();
      own_went_on = true;
    });
    test::wait_until_parked(*ex, 1, reason);
    auto h = other.spawn(waiter);
    test::wait_until_parked(other, 1, reason);
    if (conds != nullptr) test::wait_until_in_cond(other, 1, *conds);
    test::PlainThread thread(blocking_waiter);
    thread.wait_until_asleep();
    ex.reset();
    h.get();
    thread.join();
    EXPECT_FALSE(own_went_on);
  }
};

TEST_F(SyncStopWakes, UnlockOfAMutex) {
  Mutex mu;
  expect_handed_on(
      [&mu]() -> Task<> {
        auto guard = co_await mu.scoped_lock();
        co_await sleep(24h);
      },
      [&mu]() -> Task<> { auto guard = co_await mu.scoped_lock(); },
      [&mu] {
        mu.lock_blocking();
        mu.unlock();
      },
      "sync.Mutex.Lock");
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
}

TEST_F(SyncStopWakes, UnlockOfAnRWMutexByAWriter) {
  RWMutex rw;
  expect_handed_on(
      [&rw]() -> Task<> {
        auto guard = co_await rw.scoped_lock();
        co_await sleep(24h);
      },
      [&rw]() -> Task<> { auto guard = co_await rw.scoped_rlock(); },
      [&rw] {
        rw.rlock_blocking();
        rw.runlock();
      },
      "sync.RWMutex.RLock");
  EXPECT_TRUE(rw.try_lock());
  rw.unlock();
}

TEST_F(SyncStopWakes, UnlockOfAnRWMutexByAReader) {
  RWMutex rw;
  expect_handed_on(
      [&rw]() -> Task<> {
        auto guard = co_await rw.scoped_rlock();
        co_await sleep(24h);
      },
      [&rw]() -> Task<> { auto guard = co_await rw.scoped_lock(); },
      [&rw] {
        rw.lock_blocking();
        rw.unlock();
      },
      "sync.RWMutex.Lock");
  EXPECT_TRUE(rw.try_lock());
  rw.unlock();
}

TEST_F(SyncStopWakes, DoneOfAWaitGroup) {
  WaitGroup wg;
  expect_handed_on(
      [&wg]() -> Task<> {
        wg.go([]() -> Task<> { co_await sleep(24h); });
        co_return;
      },
      [&wg]() -> Task<> { co_await wg.wait(); }, [&wg] { wg.wait_blocking(); }, "sync.WaitGroup.Wait");
}

TEST_F(SyncStopWakes, ReleaseOfASemaphore) {
  Semaphore sem(2);
  expect_handed_on(
      [&sem]() -> Task<> {
        co_await sem.acquire(2);
        auto release = defer([&sem]() noexcept { sem.release(2); });
        co_await sleep(24h);
      },
      [&sem]() -> Task<> {
        co_await sem.acquire(2);
        sem.release(2);
      },
      [&sem] {
        sem.acquire_blocking(1);
        sem.release(1);
      },
      "semacquire");
  EXPECT_TRUE(sem.try_acquire(2));
  sem.release(2);
}

TEST_F(SyncStopWakes, BroadcastOfACond) {
  Mutex mu;
  Cond cond(mu);
  expect_handed_on(
      [&cond]() -> Task<> {
        auto shout = defer([&cond]() noexcept { cond.broadcast(); });
        co_await sleep(24h);
      },
      [&]() -> Task<> {
        auto guard = co_await mu.scoped_lock();
        co_await cond.wait();
      },
      [&] {
        mu.lock_blocking();
        cond.wait_blocking();
        mu.unlock();
      },
      "sync.Cond.Wait", &mu);
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
}

TEST_F(SyncStopWakes, EndOfAOnce) {
  Once once;
  expect_handed_on(
      [&once]() -> Task<> {
        auto f = []() -> Task<> { co_await sleep(24h); };
        co_await once.call(f);
      },
      [&once]() -> Task<> { co_await once.call([] {}); }, [&once] { once.call_blocking([] {}); }, "sync.Once");
}

// The lock was on its way to a g of the stopping executor, or in the hands of one that had not gone on: it goes to the next.
TEST(SyncStop, WhatWasOnItsWayToAStoppedGoroutineGoesToTheNext) {
  const auto rounds = test::scaled(300, 60);
  Executor other({.procs = 1});
  for (std::int64_t round = 0; round < rounds; ++round) {
    Mutex mu;
    RWMutex rw;
    Semaphore sem(1);
    Cond cond(mu);
    auto ex = std::make_unique<Executor>(Options{.procs = 1 + static_cast<int>(round % 2)});
    std::atomic<int> began{0};
    auto body = [&]() -> Task<> {
      ++began;
      for (;;) {
        switch ((round + began) % 4) {
          case 0: {
            auto guard = co_await mu.scoped_lock();
            break;
          }
          case 1: {
            auto guard = co_await rw.scoped_lock();
            break;
          }
          case 2: {
            auto guard = co_await rw.scoped_rlock();
            break;
          }
          default: {
            co_await sem.acquire();
            auto release = defer([&sem]() noexcept { sem.release(); });
            co_await yield();
          }
        }
        ++began;
      }
    };
    for (int g = 0; g < 6; ++g) ex->go(body);
    auto theirs = other.spawn([&]() -> Task<> {
      for (int i = 0; i < 20; ++i) {
        { auto guard = co_await mu.scoped_lock(); }
        { auto guard = co_await rw.scoped_lock(); }
        { auto guard = co_await rw.scoped_rlock(); }
        co_await sem.acquire();
        sem.release();
      }
    });
    while (began < 20) std::this_thread::yield();
    ex.reset();
    theirs.get();
    EXPECT_TRUE(mu.try_lock());
    EXPECT_TRUE(rw.try_lock());
    EXPECT_TRUE(sem.try_acquire());
    mu.unlock();
    rw.unlock();
    sem.release();
  }
}

// A signal that a stopped g had been given, and not used, is another's.
TEST(SyncStop, ASignalOfAStoppedGoroutineIsPassedOn) {
  for (int round = 0; round < 20; ++round) {
    Mutex mu;
    Cond cond(mu);
    auto ex = std::make_unique<Executor>(Options{.procs = 1});
    Executor other({.procs = 1});
    auto waiter = [&]() -> Task<> {
      auto guard = co_await mu.scoped_lock();
      co_await cond.wait();
    };
    ex->go(waiter);
    test::wait_until_in_cond(*ex, 1, mu);
    auto h = other.spawn(waiter);
    test::wait_until_in_cond(other, 1, mu);
    ASSERT_TRUE(mu.try_lock());
    cond.signal();  // to the first, which cannot have the mutex
    test::wait_until_parked(*ex, 1, "sync.Mutex.Lock");
    ex.reset();
    mu.unlock();
    h.get();
    EXPECT_TRUE(mu.try_lock());
    mu.unlock();
  }
}

TEST(SyncStop, NothingThatADestructorCallsThrowsOrPrintsOrEndsTheProcess) {
  const auto ended = test::child::run([] {
    Mutex mu;
    RWMutex rw;
    WaitGroup wg;
    Semaphore sem(1);
    const auto ch = make_chan<int>();
    Executor ex({.procs = 1});
    ex.go([&]() -> Task<> {
      auto misuse = defer([&] {
        mu.unlock();
        rw.unlock();
        rw.runlock();
        wg.done();
        wg.add(-5);
        sem.release(3);
        go([] { std::abort(); });
        wg.go([] { std::abort(); });
        static_cast<void>(mu.try_lock());
        mu.unlock();
        Chan<int>().close();
        for (int i = 0; i < 2; ++i) ch.close();
        static_cast<void>(ch.try_send(1));
        ch.send_blocking(1);
        static_cast<void>(spawn([] { std::abort(); }));
        ex.stop();
      });
      co_await sleep(24h);
    });
    test::wait_until_parked(ex, 1, "sleep");
    ex.stop();
    if (!ch.drained()) std::exit(1);
    if (!mu.try_lock() || !rw.try_lock() || !sem.try_acquire()) std::exit(1);
    wg.wait_blocking();
  });
  EXPECT_EQ(ended.status, 0) << ended;
  EXPECT_EQ(ended.err, "");
}

// Of executors that stop at the same time, each holding what gs of the other wait for.
TEST(SyncStop, TwoExecutorsAtOnce) {
  const auto rounds = test::scaled(100, 25);
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::atomic<int> alive{0}, waiting{0};
    Mutex mu[2];
    Semaphore sem(1);
    auto a = std::make_unique<Executor>(Options{.procs = 1});
    auto b = std::make_unique<Executor>(Options{.procs = 2});
    auto body = [&](int first) -> Task<> {
      const Probe probe(alive);
      for (;;) {
        auto one = co_await mu[first].scoped_lock();
        ++waiting;
        co_await yield();
        co_await sem.acquire();
        auto release = defer([&sem]() noexcept { sem.release(); });
        co_await sleep(10us);
      }
    };
    for (int i = 0; i < 4; ++i) {
      a->go(body, i % 2);
      b->go(body, i % 2);
    }
    while (waiting < 6) std::this_thread::yield();
    std::jthread stopper([&a] { a.reset(); });
    b.reset();
    stopper.join();
    ASSERT_EQ(alive, 0);
    EXPECT_TRUE(mu[0].try_lock() && mu[1].try_lock() && sem.try_acquire());
    sem.release();
    mu[0].unlock();
    mu[1].unlock();
  }
}

}  // namespace
}  // namespace gmp::stop_test
