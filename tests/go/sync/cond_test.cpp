// tests/go/sync/cond_test.cpp — Go's tests of Cond.
// Go: sync/cond_test.go.  Room: sync (floor 5).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

#include "go/mailbox.hpp"
#include "support/scale.hpp"

namespace gmp::cond_test {
namespace {

using test::Mailbox;

// TestCondSignal.
TEST(GoCond, EachSignalWakesExactlyOne) {
  constexpr int n = 2;
  Mutex mu;
  Cond cond(mu);
  Mailbox<bool> running, awake;
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int i = 0; i < n; ++i) {
      all_done.go([&]() -> Task<> {
        co_await mu.lock();
        running.send(true);
        co_await cond.wait();
        awake.send(true);
        mu.unlock();
      });
    }
    for (int i = 0; i < n; ++i) co_await running.recv();
    for (int i = 0; i < n; ++i) {
      EXPECT_FALSE(awake.try_recv()) << "nobody has signalled";
      co_await mu.lock();  // who runs has let go of it, so is in the list
      cond.signal();
      mu.unlock();
      co_await awake.recv();  // for ever, if nobody wakes
      EXPECT_FALSE(awake.try_recv()) << "two woken by one signal";
    }
    cond.signal();  // nobody waits
    co_await all_done.wait();
  });
}

// TestCondSignalGenerations.
TEST(GoCond, WhoWaitedFirstWakesFirst) {
  const auto n = static_cast<int>(test::scaled(1000, 100));
  Mutex mu;
  Cond cond(mu);
  Mailbox<bool> running;
  Mailbox<int> awake;
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int i = 0; i < n; ++i) {
      all_done.go([&, i]() -> Task<> {
        co_await mu.lock();
        running.send(true);
        co_await cond.wait();
        awake.send(i);
        mu.unlock();
      });
      if (i > 0) {
        const int woken = co_await awake.recv();
        EXPECT_EQ(woken, i - 1);
      }
      co_await running.recv();
      co_await mu.lock();
      cond.signal();
      mu.unlock();
    }
    const int last = co_await awake.recv();
    EXPECT_EQ(last, n - 1);
    co_await all_done.wait();
  });
}

// The same claim with all of them asleep at once, woken without a pause: only the notified order can give this one.
TEST(GoCond, ManySignalsWakeInTheOrderOfTheWaits) {
  constexpr int n = 100;
  Mutex mu;
  Cond cond(mu);
  Mailbox<bool> running;
  std::vector<int> order;  // mu
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int i = 0; i < n; ++i) {
      all_done.go([&, i]() -> Task<> {
        co_await mu.lock();
        running.send(true);
        co_await cond.wait();
        order.push_back(i);
        mu.unlock();
      });
      co_await running.recv();  // so they wait in the order of i
    }
    for (int i = 0; i < n; ++i) {
      co_await mu.lock();
      cond.signal();
      mu.unlock();
      for (bool woken = false; !woken;) {  // a signal says who is woken, not who has the mutex first
        co_await mu.lock();
        woken = order.size() == static_cast<std::size_t>(i) + 1;
        mu.unlock();
        co_await yield();
      }
    }
    co_await all_done.wait();
  });
  ASSERT_EQ(order.size(), static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

// TestCondBroadcast.
TEST(GoCond, ABroadcastWakesAllOfThemOnceEach) {
  constexpr int n = 200;
  const auto rounds = static_cast<int>(test::scaled(200, 10));
  Mutex mu;
  Cond cond(mu);
  bool exit = false;  // mu
  Mailbox<int> running, awake;
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int i = 0; i < n; ++i) {
      all_done.go([&, i]() -> Task<> {
        co_await mu.lock();
        while (!exit) {
          running.send(i);
          co_await cond.wait();
          awake.send(i);
        }
        mu.unlock();
      });
    }
    for (int round = 0; round < rounds; ++round) {
      for (int i = 0; i < n; ++i) co_await running.recv();  // for ever, unless all of them came back
      if (round == rounds - 1) {
        co_await mu.lock();
        exit = true;
        mu.unlock();
      }
      EXPECT_FALSE(awake.try_recv()) << "nobody has broadcast";
      co_await mu.lock();
      cond.broadcast();
      mu.unlock();
      std::vector<bool> seen(n);
      for (int i = 0; i < n; ++i) {
        const auto who = static_cast<std::size_t>(co_await awake.recv());
        EXPECT_FALSE(seen[who]) << "woken twice";
        seen[who] = true;
      }
    }
    co_await all_done.wait();
    EXPECT_FALSE(running.try_recv()) << "did not see that it should exit";
    cond.broadcast();  // nobody waits
  });
}

// TestRace: three take a number from 1 to 3, two of them by the Cond, one of those perhaps too late to wait.
TEST(GoCond, ThreeWalkThroughTheStatesOfOneCond) {
  const auto rounds = test::scaled(500, 50);
  run([&]() -> Task<> {
    for (std::int64_t round = 0; round < rounds; ++round) {
      Mutex mu;
      Cond cond(mu);
      int x = 0;  // mu
      WaitGroup all_done;
      all_done.go([&]() -> Task<> {
        co_await mu.lock();
        x = 1;
        co_await cond.wait();
        EXPECT_EQ(x, 2);
        x = 3;
        cond.signal();
        mu.unlock();
      });
      all_done.go([&]() -> Task<> {
        for (bool through = false; !through;) {
          co_await mu.lock();
          if (x == 1) {
            x = 2;
            cond.signal();
            through = true;
          }
          mu.unlock();
          if (!through) co_await yield();
        }
      });
      all_done.go([&]() -> Task<> {
        for (bool through = false; !through;) {
          co_await mu.lock();
          if (x == 2) {
            co_await cond.wait();
            EXPECT_EQ(x, 3);
            through = true;
          } else if (x == 3) {
            through = true;
          }
          mu.unlock();
          if (!through) co_await yield();
        }
      });
      co_await all_done.wait();
    }
  });
}

// TestCondSignalStealing: one that comes while a broadcast goes on does not take it from the one that waited before.
TEST(GoCond, ALateWaiterDoesNotStealABroadcast) {
  const auto rounds = test::scaled(5000, 500);
  run([&]() -> Task<> {
    for (std::int64_t round = 0; round < rounds; ++round) {
      Mutex mu;
      Cond cond(mu);
      bool done = false;  // mu
      Mailbox<bool> first;
      WaitGroup all_done;
      all_done.go([&]() -> Task<> {
        co_await mu.lock();
        first.send(true);
        co_await cond.wait();
        mu.unlock();
        first.send(true);
      });
      co_await first.recv();
      co_await mu.lock();  // the first has let go of it, so is in the list
      mu.unlock();

      all_done.go([&] { cond.broadcast(); });
      all_done.go([&]() -> Task<> {
        co_await mu.lock();
        while (!done) co_await cond.wait();
        mu.unlock();
      });
      co_await first.recv();

      co_await mu.lock();
      done = true;
      mu.unlock();
      cond.broadcast();
      co_await all_done.wait();
    }
  });
}

// TestCondCopy: what Go finds out when it runs does not compile here.
static_assert(!std::is_copy_constructible_v<Cond> && !std::is_copy_assignable_v<Cond>);
static_assert(!std::is_move_constructible_v<Cond> && !std::is_move_assignable_v<Cond>);

}  // namespace
}  // namespace gmp::cond_test
