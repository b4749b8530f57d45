// tests/unit/sync/mutex_test.cpp — Mutex: who gets it, in which order, in both modes; what ends the process.
// Go: sync/mutex_test.go has some of the claims.  Room: sync (floor 5).
#include "gmp/sync/mutex.hpp"

#include <gtest/gtest.h>
#include <signal.h>

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
#include "gmp/time.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"
#include "unit/sync/parked.hpp"
#include "unit/task/probe.hpp"

namespace gmp::mutex_test {
namespace {

using namespace std::chrono_literals;
using test::Journal;
using test::until_parked;
using test::until_true;

static_assert(!std::is_copy_constructible_v<Mutex> && !std::is_move_constructible_v<Mutex>);
static_assert(!std::is_copy_constructible_v<Mutex::Guard> && std::is_nothrow_move_constructible_v<Mutex::Guard>);

constexpr const char* waits = "sync.Mutex.Lock";

TEST(Mutex, LockAndUnlock) {
  run([]() -> Task<> {
    Mutex mu;
    for (int i = 0; i < 3; ++i) {
      co_await mu.lock();
      EXPECT_FALSE(mu.try_lock());
      mu.unlock();
    }
    EXPECT_TRUE(mu.try_lock());
    EXPECT_FALSE(mu.try_lock());
    mu.unlock();
  });
}

TEST(Mutex, TryLockAndUnlockFromAPlainThread) {
  Mutex mu;
  EXPECT_TRUE(mu.try_lock());
  EXPECT_FALSE(mu.try_lock());
  mu.unlock();
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
}

TEST(Mutex, AwaitingLockIsWhatLocksIt) {
  run([]() -> Task<> {
    Mutex mu;
    auto operation = mu.lock();
    EXPECT_TRUE(mu.try_lock());  // nothing has happened yet
    mu.unlock();
    auto moved = std::move(operation);
    co_await std::move(moved);
    EXPECT_FALSE(mu.try_lock());
    mu.unlock();
  });
}

TEST(Mutex, ItBelongsToNoGoroutine) {
  run([]() -> Task<> {
    Mutex mu;
    co_await mu.lock();
    co_await spawn([&mu] { mu.unlock(); });
    co_await mu.lock();
    auto locked = co_await spawn([&mu] { return mu.try_lock(); });
    EXPECT_FALSE(locked);
    std::thread([&mu] { mu.unlock(); }).join();
    EXPECT_TRUE(mu.try_lock());
    mu.unlock();
  });
}

TEST(Mutex, AGuardUnlocksAtTheEndOfItsScope) {
  run([]() -> Task<> {
    Mutex mu;
    {
      auto guard = co_await mu.scoped_lock();
      EXPECT_TRUE(static_cast<bool>(guard));
      EXPECT_FALSE(mu.try_lock());
    }
    EXPECT_TRUE(mu.try_lock());
    mu.unlock();
  });
}

TEST(Mutex, AGuardUnlocksWhenAnExceptionLeaves) {
  run([]() -> Task<> {
    Mutex mu;
    auto throws = [&mu]() -> Task<> {
      auto guard = co_await mu.scoped_lock();
      throw std::runtime_error("left");
    };
    bool caught = false;
    try {
      co_await throws();
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    EXPECT_TRUE(mu.try_lock());
    mu.unlock();
  });
}

TEST(Mutex, AGuardIsMovedUnlockedEarlyAndAssigned) {
  run([]() -> Task<> {
    Mutex mu, other;
    auto guard = co_await mu.scoped_lock();
    Mutex::Guard moved = std::move(guard);
    EXPECT_FALSE(static_cast<bool>(guard));  // NOLINT: that is the claim
    EXPECT_TRUE(static_cast<bool>(moved));
    moved.unlock();
    EXPECT_FALSE(static_cast<bool>(moved));
    moved.unlock();  // empty: nothing
    EXPECT_TRUE(mu.try_lock());
    moved = Mutex::Guard(mu);  // takes over what the caller holds
    moved = co_await other.scoped_lock();
    EXPECT_TRUE(mu.try_lock());
    EXPECT_FALSE(other.try_lock());
    mu.unlock();
  });
}

TEST(Mutex, WhoWaitsSleepsAndItsThreadRunsOthers) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    Mutex mu;
    co_await mu.lock();
    auto waiter = [&mu]() -> Task<> { auto guard = co_await mu.scoped_lock(); };
    auto h = spawn(waiter);
    co_await until_parked(1, waits);
    int others = 0;
    for (int i = 0; i < 10; ++i) co_await spawn([&others] { ++others; });
    EXPECT_EQ(others, 10);
    EXPECT_FALSE(h.done());
    mu.unlock();
    co_await h;
  });
}

// Contenders on each of two executors, and plain threads: a plain counter tells whether two were inside at once.
TEST(Mutex, ExcludesGoroutinesOfTwoExecutorsAndPlainThreads) {
  const int rounds = static_cast<int>(test::scaled(4000, 500));
  constexpr int gs = 4, threads = 2;
  Executor first({.procs = 2}), second({.procs = 1});
  Mutex mu;
  int counter = 0;  // under mu
  auto body = [&]() -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      auto guard = co_await mu.scoped_lock();
      const int seen = counter;
      if (i % 16 == 0) co_await yield();
      counter = seen + 1;
    }
  };
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < gs; ++i) {
    handles.push_back(first.spawn(body));
    handles.push_back(second.spawn(body));
  }
  {
    std::vector<std::jthread> plain;
    for (int t = 0; t < threads; ++t) {
      plain.emplace_back([&] {
        for (int i = 0; i < rounds; ++i) {
          mu.lock_blocking();
          const int seen = counter;
          if (i % 16 == 0) std::this_thread::yield();
          counter = seen + 1;
          mu.unlock();
        }
      });
    }
  }
  for (auto& h : handles) h.get();
  EXPECT_EQ(counter, rounds * (2 * gs + threads));
  EXPECT_TRUE(mu.try_lock());
}

// Go: sync.TryLock may barge; a newcomer that runs beats the woken one that does not run yet.
TEST(Mutex, InNormalModeANewcomerMayBeatTheWokenOne) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    Mutex mu;
    bool beaten = false;
    for (int attempt = 0; attempt < 200 && !beaten; ++attempt) {  // this thread may lose its CPU, and its P, between the two calls
      co_await mu.lock();
      auto waiter = [&mu]() -> Task<> { auto guard = co_await mu.scoped_lock(); };
      auto h = spawn(waiter);
      co_await until_parked(1, waits);
      mu.unlock();
      beaten = mu.try_lock();
      if (beaten) mu.unlock();
      co_await h;
    }
    EXPECT_TRUE(beaten);
  });
}

TEST(Mutex, SleepersAreWokenFirstComeFirstServed) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    Mutex mu;
    Journal journal;
    co_await mu.lock();
    std::vector<JoinHandle<void>> handles;
    auto body = [&](int i) -> Task<> {
      auto guard = co_await mu.scoped_lock();
      journal.note(i);
    };
    for (int i = 0; i < 10; ++i) {
      handles.push_back(spawn(body, i));
      co_await until_parked(i + 1, waits);
    }
    mu.unlock();
    for (auto& h : handles) co_await h;
    EXPECT_EQ(journal.entries(), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  });
}

// Makes the first sleeper of mu, which the caller holds, lose once: afterwards it is queued again, and has waited more than 1 ms.
Task<> make_the_first_lose(Mutex& mu, int sleepers) {
  co_await sleep(2ms);
  for (bool lost = false; !lost;) {
    mu.unlock();
    lost = mu.try_lock();  // else the woken one was faster, has it, and waits at its gate
    if (!lost) throw std::runtime_error("the woken one was faster");
  }
  co_await until_parked(sleepers, waits);
}

struct Contest {
  Mutex mu_{};
  Journal journal_{};
  std::atomic<bool> gate_{true};  // while closed, who has the mutex keeps it
  std::atomic<int> has_it_{-1};
  Task<> compete(int i) {
    auto guard = co_await mu_.scoped_lock();
    journal_.note(i);
    has_it_ = i;
    co_await until_true([this] { return gate_.load(); });
    has_it_ = -1;
  }
};

// Runs `contest` until make_the_first_lose() has had its way: a stall of this thread lets the woken one win.
template <class F>
void contest_until_valid(F contest) {
  Executor ex({.procs = 1});
  for (int attempt = 0; attempt < 200; ++attempt) {
    bool valid = true;
    ex.run([&]() -> Task<> {
      try {
        co_await contest();
      } catch (const std::runtime_error&) {
        valid = false;
      }
    });
    if (valid) return;
  }
  FAIL() << "never beaten";
}

TEST(Mutex, AWokenOneThatLostIsQueuedInFront) {
  contest_until_valid([]() -> Task<> {
    auto c = std::make_shared<Contest>();
    co_await c->mu_.lock();
    std::vector<JoinHandle<void>> handles;
    auto body = [c](int i) -> Task<> { co_await c->compete(i); };
    for (int i = 0; i < 3; ++i) {
      handles.push_back(spawn(body, i));
      co_await until_parked(i + 1, waits);
    }
    std::string lost;
    try {
      co_await make_the_first_lose(c->mu_, 3);
    } catch (const std::runtime_error& error) {
      lost = error.what();
    }
    if (lost.empty()) c->mu_.unlock();
    for (auto& h : handles) co_await h;
    if (!lost.empty()) throw std::runtime_error(lost);
    EXPECT_EQ(c->journal_.entries(), (std::vector<int>{0, 1, 2}));
  });
}

TEST(Mutex, AWaiterThatLostAfter1msGetsItByHandOff) {
  contest_until_valid([]() -> Task<> {
    auto c = std::make_shared<Contest>();
    co_await c->mu_.lock();
    auto body = [c](int i) -> Task<> { co_await c->compete(i); };
    auto first = spawn(body, 0);
    co_await until_parked(1, waits);
    auto second = spawn(body, 1);
    co_await until_parked(2, waits);
    std::string lost;
    try {
      co_await make_the_first_lose(c->mu_, 2);
    } catch (const std::runtime_error& error) {
      lost = error.what();
    }
    if (lost.empty()) {
      c->gate_ = false;
      c->mu_.unlock();
      EXPECT_FALSE(c->mu_.try_lock());  // whether its receiver has run or not
      co_await until_true([&] { return c->has_it_ == 0; });
      // Still in starvation: a newcomer goes to the end, though it could have been faster.
      auto third = spawn(body, 2);
      co_await until_parked(2, waits);
      c->gate_ = true;
      co_await third;
    }
    co_await first;
    co_await second;
    if (!lost.empty()) throw std::runtime_error(lost);
    EXPECT_EQ(c->journal_.entries(), (std::vector<int>{0, 1, 2}));
    // And back to normal, as the last one is through.
    EXPECT_TRUE(c->mu_.try_lock());
    c->mu_.unlock();
  });
}

// A hog of locks: who unlocks and locks at once, for ever. Without hand-off the waiter's turn would never come on one P.
TEST(Mutex, AGoroutineThatLocksAgainAtOnceKeepsNobodyOutForLong) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    Mutex mu;
    std::atomic<bool> stop{false};
    std::atomic<bool> has_locked{false};
    auto greedy = [&]() -> Task<> {
      while (!stop) {
        co_await mu.lock();
        has_locked = true;
        co_await sleep(100us);
        mu.unlock();
      }
    };
    auto h = spawn(greedy);
    co_await until_true([&] { return has_locked.load(); });
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; ++i) {
      co_await mu.lock();
      mu.unlock();
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    stop = true;
    co_await h;
  });
}

TEST(Mutex, UnlockingHappensBeforeTheNextLock) {
  // For ThreadSanitizer: what one wrote, with plain stores, the next one reads; by all ways to lock.
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    Mutex mu;
    std::string text;
    auto body = [&](int kind) -> Task<> {
      for (int i = 0; i < 100; ++i) {
        switch (kind) {
          case 0: co_await mu.lock(); break;
          case 1:
            while (!mu.try_lock()) co_await yield();
            break;
          case 2: {
            auto lock = [&mu] { mu.lock_blocking(); };
            co_await blocking(lock);
            break;
          }
        }
        text.assign(static_cast<std::size_t>(i), static_cast<char>('a' + kind));
        mu.unlock();
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 6; ++i) handles.push_back(spawn(body, i % 3));
    for (auto& h : handles) co_await h;
  });
}

TEST(Mutex, LockBlockingSleepsUntilAGoroutineUnlocks) {
  Executor ex({.procs = 1});
  Mutex mu;
  ex.run([&mu]() -> Task<> { co_await mu.lock(); });
  test::PlainThread thread([&mu] {
    mu.lock_blocking();
    mu.unlock();
  });
  thread.wait_until_asleep();
  EXPECT_FALSE(thread.done());
  ex.run([&mu] { mu.unlock(); });
  thread.join();
  EXPECT_TRUE(mu.try_lock());
  mu.unlock();
}

TEST(Mutex, LockBlockingOnAGoroutineIsALogicErrorThatNamesTheOtherForm) {
  run([]() -> Task<> {
    Mutex mu;
    EXPECT_EQ(test::text_of<std::logic_error>([&] { mu.lock_blocking(); }), "lock_blocking() called on a goroutine: use co_await lock()");
    EXPECT_TRUE(mu.try_lock());
    EXPECT_THROW(mu.lock_blocking(), std::logic_error);  // nor does it try
    mu.unlock();
    auto inside = [&mu] {
      mu.lock_blocking();
      mu.unlock();
    };
    co_await blocking(inside);
  });
}

TEST(Mutex, LockBlockingInsideBlockingHoldsUpNobody) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    Mutex mu;
    co_await mu.lock();
    auto waiter = [&mu]() -> Task<> {
      auto lock = [&mu] { mu.lock_blocking(); };
      co_await blocking(lock);
      mu.unlock();
    };
    auto h = spawn(waiter);
    co_await sleep(5ms);
    EXPECT_FALSE(h.done());
    mu.unlock();
    co_await h;
  });
}

TEST(Mutex, MayBeDestroyedLockedByWhoHoldsIt) {
  run([]() -> Task<> {
    auto mu = std::make_unique<Mutex>();
    co_await mu->lock();
    mu.reset();
  });
}

// unlock() touches nothing after it has released: the next owner may destroy the mutex while the call still returns.
TEST(Mutex, TheNextOwnerMayDestroyItWhileUnlockReturns) {
  struct Shared {
    Mutex mu_{};
    int references_ = 3;  // under mu_
  };
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    const auto rounds = test::scaled(4000, 500);
    auto drop = [](Shared* shared, bool park) -> Task<> {
      co_await shared->mu_.lock();
      if (park) co_await yield();  // the others go to sleep on it
      const bool last = --shared->references_ == 0;
      shared->mu_.unlock();
      if (last) delete shared;
    };
    for (std::int64_t i = 0; i < rounds; ++i) {
      auto* shared = new Shared;
      auto a = spawn(drop, shared, i % 2 == 0);
      auto b = spawn(drop, shared, i % 3 == 0);
      co_await drop(shared, false);
      co_await a;
      co_await b;
    }
  });
}

TEST(Mutex, UnlockOfAnUnlockedOneIsFatal) {
  const char* text = "fatal error: sync: unlock of unlocked mutex\n";
  const auto plain = test::child::run([] {
    Mutex mu;
    mu.unlock();
  });
  EXPECT_EQ(plain.status, 2) << plain;
  EXPECT_EQ(plain.err, text);
  const auto on_a_g = test::child::run([] {
    run([]() -> Task<> {
      Mutex mu;
      co_await mu.lock();
      mu.unlock();
      try {
        mu.unlock();
      } catch (...) {  // fatal: nobody catches it
      }
    });
  });
  EXPECT_EQ(on_a_g.status, 2) << on_a_g;
  EXPECT_EQ(on_a_g.err, text);
}

TEST(Mutex, FatalErrorsAbortIfTheEnvironmentAsksForACrash) {
  const auto died = test::child::run(
      [] {
        Mutex mu;
        mu.unlock();
      },
      {.environment = {"GMPTRACEBACK=crash"}});
  EXPECT_EQ(died.signal, SIGABRT) << died;
  EXPECT_EQ(died.err.rfind("fatal error: sync: unlock of unlocked mutex\n", 0), 0u) << died;
}

TEST(Mutex, DestroyedWhileSomebodyWaitsIsFatal) {
  const auto one = test::child::run([] {
    run([]() -> Task<> {
      auto mu = std::make_unique<Mutex>();
      co_await mu->lock();
      go([](Mutex* m) -> Task<> { co_await m->lock(); }, mu.get());
      co_await until_parked(1, waits);
      mu.reset();
    });
  });
  EXPECT_EQ(one.status, 2) << one;
  EXPECT_EQ(one.err, "fatal error: sync: Mutex destroyed while 1 goroutine waits for it\n");
  const auto two = test::child::run([] {
    run([]() -> Task<> {
      auto mu = std::make_unique<Mutex>();
      co_await mu->lock();
      for (int i = 0; i < 2; ++i) go([](Mutex* m) -> Task<> { co_await m->lock(); }, mu.get());
      co_await until_parked(2, waits);
      mu.reset();
    });
  });
  EXPECT_EQ(two.status, 2) << two;
  EXPECT_EQ(two.err, "fatal error: sync: Mutex destroyed while 2 goroutines wait for it\n");
}

TEST(Mutex, AwaitedOffAGoroutineIsALogicError) {
  // A coroutine of somebody else's: its promise knows nothing of this library.
  struct Foreign {
    struct promise_type {
      std::exception_ptr thrown;
      Foreign get_return_object() { return Foreign{std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_always final_suspend() noexcept { return {}; }
      void return_void() {}
      void unhandled_exception() { thrown = std::current_exception(); }
    };
    std::coroutine_handle<promise_type> frame;
  };
  Mutex mu;
  auto body = [](Mutex& m) -> Foreign { co_await m.lock(); };
  Foreign foreign = body(mu);
  EXPECT_EQ(test::text_of<std::logic_error>([&] { std::rethrow_exception(foreign.frame.promise().thrown); }), "co_await outside a goroutine");
  foreign.frame.destroy();
  EXPECT_TRUE(mu.try_lock());
}

}  // namespace
}  // namespace gmp::mutex_test
