// tests/unit/sync/semaphore_test.cpp — Semaphore: units, first come, first served, whatever their number.
// Go: golang.org/x/sync/semaphore's tests have some of the claims.  Room: sync (floor 5).
#include "gmp/sync/semaphore.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
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

namespace gmp::semaphore_test {
namespace {

using namespace std::chrono_literals;
using test::Journal;
using test::text_of;
using test::until_parked;
using test::until_true;

static_assert(!std::is_copy_constructible_v<Semaphore> && !std::is_move_constructible_v<Semaphore>);

constexpr const char* waits = "semacquire";

TEST(Semaphore, UnitsAreTakenAndGivenBack) {
  run([]() -> Task<> {
    Semaphore sem(5);
    co_await sem.acquire();
    co_await sem.acquire(3);
    EXPECT_FALSE(sem.try_acquire(2));
    EXPECT_TRUE(sem.try_acquire());
    EXPECT_FALSE(sem.try_acquire());
    sem.release(4);
    co_await sem.acquire(4);
    sem.release(5);
    EXPECT_TRUE(sem.try_acquire(5));
    sem.release(2);
    sem.release(3);
  });
}

TEST(Semaphore, NoUnitsAreAlwaysThere) {
  run([]() -> Task<> {
    Semaphore none(0);
    co_await none.acquire(0);
    EXPECT_TRUE(none.try_acquire(0));
    none.release(0);
    EXPECT_FALSE(none.try_acquire());
  });
}

TEST(Semaphore, WhoWaitsGetsHisUnitsInOrder) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    Semaphore sem(1);
    Journal journal;
    co_await sem.acquire();
    auto body = [&](int i) -> Task<> {
      co_await sem.acquire();
      journal.note(i);
      sem.release();
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 8; ++i) {
      handles.push_back(spawn(body, i));
      co_await until_parked(i + 1, waits);
    }
    sem.release();
    for (auto& h : handles) co_await h;
    EXPECT_EQ(journal.entries(), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  });
}

TEST(Semaphore, ALargeRequestIsNotOvertakenBySmallOnes) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    Semaphore sem(10);
    co_await sem.acquire(6);
    std::atomic<bool> large{false}, small{false};
    auto takes_all = [&]() -> Task<> {
      co_await sem.acquire(10);
      large = true;
    };
    auto takes_one = [&]() -> Task<> {
      co_await sem.acquire(1);
      small = true;
    };
    auto a = spawn(takes_all);
    co_await until_parked(1, waits);
    EXPECT_FALSE(sem.try_acquire(1));  // four are free, but somebody has waited longer
    auto b = spawn(takes_one);
    co_await until_parked(2, waits);
    sem.release(5);  // nine are free
    co_await sleep(1ms);
    EXPECT_FALSE(large || small);
    sem.release(1);
    co_await a;
    EXPECT_FALSE(small);
    sem.release(10);
    co_await b;
    sem.release(1);
    EXPECT_TRUE(sem.try_acquire(10));
    sem.release(10);
  });
}

TEST(Semaphore, ReleaseWakesAllThatHaveEnoughNow) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    Semaphore sem(6);
    co_await sem.acquire(6);
    std::atomic<int> through{0};
    auto body = [&](int units) -> Task<> {
      co_await sem.acquire(units);
      ++through;
    };
    std::vector<JoinHandle<void>> handles;
    int n = 0;
    for (const int units : {1, 2, 3, 4}) {
      handles.push_back(spawn(body, units));
      co_await until_parked(++n, waits);
    }
    sem.release(6);
    for (int i = 0; i < 3; ++i) co_await handles[static_cast<std::size_t>(i)];
    EXPECT_EQ(test::parked(*Executor::current(), waits), 1);
    EXPECT_EQ(through, 3);
    sem.release(4);
    co_await handles[3];
    sem.release(6);
  });
}

TEST(Semaphore, NegativeNumbersAreInvalidArguments) {
  run([]() -> Task<> {
    const std::string text = "semaphore: negative number of units";
    EXPECT_EQ(text_of<std::invalid_argument>([] { Semaphore sem(-1); }), text);
    Semaphore sem(3);
    EXPECT_EQ(text_of<std::invalid_argument>([&] { static_cast<void>(sem.acquire(-1)); }), text);
    EXPECT_EQ(text_of<std::invalid_argument>([&] { static_cast<void>(sem.try_acquire(-1)); }), text);
    EXPECT_EQ(text_of<std::invalid_argument>([&] { sem.release(-1); }), text);
    EXPECT_EQ(text_of<std::invalid_argument>([&] { sem.release(std::numeric_limits<std::int64_t>::min()); }), text);
    auto inside = [&] { EXPECT_THROW(sem.acquire_blocking(-1), std::invalid_argument); };
    co_await blocking(inside);
    EXPECT_TRUE(sem.try_acquire(3));
    sem.release(3);
  });
}

TEST(Semaphore, MoreReleasedThanTakenIsALogicErrorAndChangesNothing) {
  const std::string text = "semaphore: released more than held";
  Semaphore sem(3);
  EXPECT_EQ(text_of<std::logic_error>([&] { sem.release(); }), text);
  EXPECT_TRUE(sem.try_acquire(2));
  EXPECT_EQ(text_of<std::logic_error>([&] { sem.release(3); }), text);
  EXPECT_EQ(text_of<std::logic_error>([&] { sem.release(std::numeric_limits<std::int64_t>::max()); }), text);
  EXPECT_FALSE(sem.try_acquire(2));
  EXPECT_TRUE(sem.try_acquire(1));
  sem.release(3);
  EXPECT_TRUE(sem.try_acquire(3));
  sem.release(3);
}

TEST(Semaphore, MoreReleasedThanTakenWhileSomebodyWaits) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    Semaphore sem(3);
    co_await sem.acquire(2);
    auto body = [&sem]() -> Task<> { co_await sem.acquire(3); };
    auto h = spawn(body);
    co_await until_parked(1, waits);
    EXPECT_THROW(sem.release(3), std::logic_error);
    EXPECT_FALSE(h.done());
    sem.release(2);
    co_await h;
    sem.release(3);
  });
}

TEST(Semaphore, AnyNumberOfUnits) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  Semaphore sem(most);
  EXPECT_TRUE(sem.try_acquire(most - 1));
  EXPECT_TRUE(sem.try_acquire(1));
  EXPECT_FALSE(sem.try_acquire(1));
  sem.release(most);
  EXPECT_TRUE(sem.try_acquire(most));
  sem.release(most);
}

TEST(Semaphore, MoreThanThereAreWaitsForEverAndIsInNobodysWay) {
  std::atomic<int> alive{0};
  {
    Executor ex({.procs = 2});
    Semaphore sem(3);  // outlives its waiter: the executor is stopped by then
    ex.run([&]() -> Task<> {
      go([&]() -> Task<> {
        const test::Probe local(alive);
        co_await sem.acquire(4);
        ADD_FAILURE();
      });
      co_await until_parked(1, waits);
      EXPECT_TRUE(sem.try_acquire(3));
      auto body = [&sem]() -> Task<> { co_await sem.acquire(2); };
      auto h = spawn(body);
      co_await until_parked(2, waits);
      sem.release(3);
      co_await h;
      sem.release(2);
      EXPECT_EQ(test::parked(*Executor::current(), waits), 1);
    });
    ex.stop();
  }
  EXPECT_EQ(alive, 0);
}

TEST(Semaphore, UnitsAreConservedBetweenExecutorsAndPlainThreads) {
  constexpr std::int64_t units = 5;
  const int rounds = static_cast<int>(test::scaled(2000, 300));
  Executor first({.procs = 2}), second({.procs = 1});
  Semaphore sem(units);
  std::atomic<std::int64_t> taken{0}, most{0};
  const auto note = [&](std::int64_t n) {
    const std::int64_t now = taken += n;
    for (std::int64_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
  };
  auto body = [&](int offset) -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      const std::int64_t n = 1 + (i + offset) % units;
      co_await sem.acquire(n);
      note(n);
      if (i % 16 == 0) co_await yield();
      taken -= n;
      sem.release(n);
    }
  };
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < 4; ++i) {
    handles.push_back(first.spawn(body, i));
    handles.push_back(second.spawn(body, i));
  }
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < rounds; ++i) {
          const std::int64_t n = 1 + i % 2;
          sem.acquire_blocking(n);
          note(n);
          taken -= n;
          sem.release(n);
        }
      });
    }
  }
  for (auto& h : handles) h.get();
  EXPECT_LE(most, units);
  EXPECT_TRUE(sem.try_acquire(units));
  sem.release(units);
}

TEST(Semaphore, AcquireBlockingSleepsUntilItsTurn) {
  Semaphore sem(2);
  ASSERT_TRUE(sem.try_acquire(2));
  test::PlainThread thread([&sem] {
    sem.acquire_blocking(2);
    sem.release(2);
  });
  thread.wait_until_asleep();
  sem.release();
  EXPECT_FALSE(sem.try_acquire());  // it is his
  EXPECT_FALSE(thread.done());
  sem.release();
  thread.join();
}

TEST(Semaphore, AcquireBlockingOnAGoroutineIsALogicErrorThatNamesTheOtherForm) {
  run([]() -> Task<> {
    Semaphore sem(1);
    EXPECT_EQ(text_of<std::logic_error>([&] { sem.acquire_blocking(); }),
              "acquire_blocking() called on a goroutine: use co_await acquire()");
    EXPECT_TRUE(sem.try_acquire());
    sem.release();
    auto inside = [&sem] { sem.acquire_blocking(); };
    co_await blocking(inside);
    EXPECT_FALSE(sem.try_acquire());
    sem.release();
  });
}

TEST(Semaphore, WhoWasLetThroughMayDestroyItWhileReleaseReturns) {
  struct Shared {
    Semaphore sem_{1};
    int references_ = 2;  // under sem_
  };
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    const auto rounds = test::scaled(4000, 500);
    auto drop = [](Shared* shared, bool park) -> Task<> {
      co_await shared->sem_.acquire();
      if (park) co_await yield();
      const bool last = --shared->references_ == 0;
      shared->sem_.release();
      if (last) delete shared;
    };
    for (std::int64_t i = 0; i < rounds; ++i) {
      auto* shared = new Shared;
      auto a = spawn(drop, shared, i % 2 == 0);
      co_await drop(shared, i % 3 == 0);
      co_await a;
    }
  });
}

TEST(Semaphore, DestroyedWhileSomebodyWaitsIsFatal) {
  const auto died = test::child::run([] {
    run([]() -> Task<> {
      auto sem = std::make_unique<Semaphore>(0);
      sem = std::make_unique<Semaphore>(2);
      co_await sem->acquire(2);
      for (int i = 0; i < 2; ++i) go([](Semaphore* s) -> Task<> { co_await s->acquire(); }, sem.get());
      co_await until_parked(2, waits);
      sem.reset();
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_EQ(died.err, "fatal error: sync: Semaphore destroyed while 2 goroutines wait for it\n");
}

TEST(Semaphore, DestroyedWhileSomebodyWaitsForMoreThanThereAreIsFatalToo) {
  const auto died = test::child::run([] {
    run([]() -> Task<> {
      auto sem = std::make_unique<Semaphore>(2);
      go([](Semaphore* s) -> Task<> { co_await s->acquire(3); }, sem.get());
      co_await until_parked(1, waits);
      sem.reset();
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_EQ(died.err, "fatal error: sync: Semaphore destroyed while 1 goroutine waits for it\n");
}

}  // namespace
}  // namespace gmp::semaphore_test
