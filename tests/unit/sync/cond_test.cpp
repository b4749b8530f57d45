// tests/unit/sync/cond_test.cpp — Cond: a signal wakes the one that waited longest, who then has the mutex.
// Go: sync/cond_test.go has some of the claims.  Room: sync (floor 5).
#include "gmp/sync/cond.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/sync/mutex.hpp"
#include "gmp/time.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"
#include "unit/sync/parked.hpp"
#include "unit/task/probe.hpp"

namespace gmp::cond_test {
namespace {

using namespace std::chrono_literals;
using test::Journal;
using test::until_in_cond;
using test::until_parked;
using test::until_true;

static_assert(!std::is_copy_constructible_v<Cond> && !std::is_move_constructible_v<Cond>);

constexpr const char* waits = "sync.Cond.Wait";

TEST(Cond, SignalWakesTheOneThatWaitedLongest) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    Mutex mu;
    Cond cond(mu);
    Journal journal;
    auto waiter = [&](int i) -> Task<> {
      auto guard = co_await mu.scoped_lock();
      co_await cond.wait();
      journal.note(i);
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 10; ++i) {
      handles.push_back(spawn(waiter, i));
      co_await until_parked(i + 1, waits);
    }
    for (int i = 0; i < 10; ++i) {
      if (i % 2 == 0) {  // with the mutex locked or not
        auto guard = co_await mu.scoped_lock();
        cond.signal();
      } else {
        cond.signal();
      }
      co_await handles[static_cast<std::size_t>(i)];
      EXPECT_EQ(test::parked(*Executor::current(), waits), 9 - i);  // that one, and no other
    }
    EXPECT_EQ(journal.entries(), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  });
}

TEST(Cond, BroadcastWakesAllAndLaterOnesWaitAgain) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    Mutex mu;
    Cond cond(mu);
    int generation = 0;  // under mu
    auto waiter = [&]() -> Task<> {
      auto guard = co_await mu.scoped_lock();
      const int mine = generation;
      while (generation == mine) co_await cond.wait();
    };
    for (int round = 0; round < 5; ++round) {
      std::vector<JoinHandle<void>> handles;
      for (int i = 0; i < 20; ++i) handles.push_back(spawn(waiter));
      co_await until_parked(20, waits);
      {
        auto guard = co_await mu.scoped_lock();
        ++generation;
        cond.broadcast();
      }
      for (auto& h : handles) co_await h;
    }
  });
}

TEST(Cond, ASignalThatNobodyWaitsForIsLost) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    Mutex mu;
    Cond cond(mu);
    cond.signal();
    cond.broadcast();
    std::atomic<bool> woken{false};
    auto waiter = [&]() -> Task<> {
      auto guard = co_await mu.scoped_lock();
      co_await cond.wait();
      woken = true;
    };
    auto h = spawn(waiter);
    co_await until_in_cond(1, mu);
    co_await sleep(1ms);
    EXPECT_FALSE(woken);
    cond.signal();
    co_await h;
  });
}

TEST(Cond, ThereAreNoSpuriousWakeUps) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    Mutex mu;
    Cond cond(mu);
    int woken = 0;  // under mu
    constexpr int waiters = 8;
    const int signals = static_cast<int>(test::scaled(500, 100));
    bool stop = false;  // under mu
    auto waiter = [&]() -> Task<> {
      auto guard = co_await mu.scoped_lock();
      while (!stop) {
        co_await cond.wait();
        ++woken;
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < waiters; ++i) handles.push_back(spawn(waiter));
    co_await until_parked(waiters, waits);
    for (int i = 1; i <= signals; ++i) {
      cond.signal();
      for (bool arrived = false; !arrived;) {
        auto guard = co_await mu.scoped_lock();
        EXPECT_LE(woken, i);
        arrived = woken == i;
      }
    }
    co_await until_parked(waiters, waits);
    EXPECT_EQ(woken, signals);
    {
      auto guard = co_await mu.scoped_lock();
      stop = true;
      cond.broadcast();
    }
    for (auto& h : handles) co_await h;
    EXPECT_EQ(woken, signals + waiters);
  });
}

TEST(Cond, WaitUnlocksTheMutexAndHasItAgainAfter) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    Mutex mu;
    Cond cond(mu);
    std::atomic<bool> has_it{false}, leave{false};
    auto waiter = [&]() -> Task<> {
      auto guard = co_await mu.scoped_lock();
      co_await cond.wait();
      has_it = true;
      co_await until_true([&] { return leave.load(); });
    };
    auto h = spawn(waiter);
    co_await until_parked(1, waits);
    co_await mu.lock();  // for ever, if it was not unlocked; it says that it waits a little before that
    cond.signal();
    co_await until_parked(1, "sync.Mutex.Lock");  // notified, and waits for the mutex
    EXPECT_FALSE(has_it);
    mu.unlock();
    co_await until_true([&] { return has_it.load(); });
    EXPECT_FALSE(mu.try_lock());
    leave = true;
    co_await h;
    EXPECT_TRUE(mu.try_lock());
    mu.unlock();
  });
}

// A producer and a consumer over one slot, on different executors: no signal falls between the unlock and the sleep.
TEST(Cond, PingPongBetweenExecutorsLosesNoSignal) {
  Executor first({.procs = 1}), second({.procs = 2});
  Mutex mu;
  Cond cond(mu);
  int turn = 0;  // under mu
  const int rounds = static_cast<int>(test::scaled(4000, 500));
  auto player = [&](int mine) -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      auto guard = co_await mu.scoped_lock();
      while (turn % 2 != mine) co_await cond.wait();
      ++turn;
      cond.signal();
    }
  };
  auto a = first.spawn(player, 0);
  auto b = second.spawn(player, 1);
  a.get();
  b.get();
  EXPECT_EQ(turn, 2 * rounds);
}

TEST(Cond, APlainThreadAndAGoroutineWaitInOneQueue) {
  Executor ex({.procs = 1});
  Mutex mu;
  Cond cond(mu);
  Journal journal;
  auto waiter = [&](int i) -> Task<> {
    auto guard = co_await mu.scoped_lock();
    co_await cond.wait();
    journal.note(i);
  };
  auto first = ex.spawn(waiter, 1);
  test::wait_until_in_cond(ex, 1, mu);
  test::PlainThread thread([&] {
    mu.lock_blocking();
    cond.wait_blocking();
    journal.note(2);
    mu.unlock();
  });
  thread.wait_until_asleep();
  auto third = ex.spawn(waiter, 3);
  test::wait_until_in_cond(ex, 2, mu);
  cond.signal();
  first.get();
  cond.signal();
  thread.join();
  cond.signal();
  third.get();
  EXPECT_EQ(journal.entries(), (std::vector<int>{1, 2, 3}));
}

TEST(Cond, BroadcastReachesAllKindsOfWaiters) {
  Executor ex({.procs = 1}), other({.procs = 1});
  Mutex mu;
  Cond cond(mu);
  auto waiter = [&]() -> Task<> {
    auto guard = co_await mu.scoped_lock();
    co_await cond.wait();
  };
  auto a = ex.spawn(waiter);
  auto b = other.spawn(waiter);
  test::wait_until_in_cond(ex, 1, mu);
  test::wait_until_in_cond(other, 1, mu);
  test::PlainThread thread([&] {
    mu.lock_blocking();  // nobody has it: where this thread sleeps is in the Cond
    cond.wait_blocking();
    mu.unlock();
  });
  thread.wait_until_asleep();
  cond.broadcast();
  a.get();
  b.get();
  thread.join();
}

TEST(Cond, WaitBlockingOnAGoroutineIsALogicErrorThatNamesTheOtherForm) {
  run([]() -> Task<> {
    Mutex mu;
    Cond cond(mu);
    co_await mu.lock();
    EXPECT_EQ(test::text_of<std::logic_error>([&] { cond.wait_blocking(); }),
              "wait_blocking() called on a goroutine: use co_await wait()");
    EXPECT_FALSE(mu.try_lock());  // nor did it unlock
    auto signals = [&]() -> Task<> {
      auto guard = co_await mu.scoped_lock();
      cond.signal();
    };
    auto h = spawn(signals);
    auto inside = [&cond] { cond.wait_blocking(); };
    co_await blocking(inside);
    mu.unlock();
    co_await h;
  });
}

TEST(Cond, WaitWithoutTheLockIsFatal) {
  const auto on_a_g = test::child::run([] {
    run([]() -> Task<> {
      Mutex mu;
      Cond cond(mu);
      co_await cond.wait();
    });
  });
  EXPECT_EQ(on_a_g.status, 2) << on_a_g;
  EXPECT_EQ(on_a_g.err, "fatal error: sync: unlock of unlocked mutex\n");
  const auto plain = test::child::run([] {
    Mutex mu;
    Cond cond(mu);
    cond.wait_blocking();
  });
  EXPECT_EQ(plain.status, 2) << plain;
  EXPECT_EQ(plain.err, "fatal error: sync: unlock of unlocked mutex\n");
}

TEST(Cond, DestroyedWhileSomebodyWaitsIsFatal) {
  const auto died = test::child::run([] {
    run([]() -> Task<> {
      static Mutex mu;
      auto cond = std::make_unique<Cond>(mu);
      auto waiter = [](Cond* c) -> Task<> {
        co_await mu.lock();
        co_await c->wait();
      };
      go(waiter, cond.get());
      go(waiter, cond.get());
      co_await until_in_cond(2, mu);
      cond.reset();
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_EQ(died.err, "fatal error: sync: Cond destroyed while 2 goroutines wait for it\n");
}

TEST(Cond, WhoWasWokenMayDestroyItWhileSignalReturns) {
  struct Shared {
    Mutex mu_{};
    Cond cond_{mu_};
    bool ready_ = false;  // under mu_
  };
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    const auto rounds = test::scaled(3000, 400);
    auto waits_and_deletes = [](Shared* shared) -> Task<> {
      {
        auto guard = co_await shared->mu_.scoped_lock();
        while (!shared->ready_) co_await shared->cond_.wait();
      }
      delete shared;
    };
    auto signals = [](Shared* shared) -> Task<> {
      auto guard = co_await shared->mu_.scoped_lock();
      shared->ready_ = true;
      shared->cond_.signal();  // under the mutex: after its unlock the object may be gone
    };
    for (std::int64_t i = 0; i < rounds; ++i) {
      auto* shared = new Shared;
      auto a = spawn(waits_and_deletes, shared);
      if (i % 2 == 0) co_await yield();
      co_await signals(shared);
      co_await a;
    }
  });
}

}  // namespace
}  // namespace gmp::cond_test
