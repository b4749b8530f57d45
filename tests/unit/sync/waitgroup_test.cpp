// tests/unit/sync/waitgroup_test.cpp — WaitGroup: who waits goes on when the counter is zero, again and again; misuse is thrown.
// Go: sync/waitgroup_test.go has some of the claims.  Room: sync (floor 5).
#include "gmp/sync/waitgroup.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <functional>
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

namespace gmp::waitgroup_test {
namespace {

using namespace std::chrono_literals;
using test::MoveOnly;
using test::Probe;
using test::text_of;
using test::until_parked;
using test::until_true;

static_assert(!std::is_copy_constructible_v<WaitGroup> && !std::is_move_constructible_v<WaitGroup>);

constexpr const char* waits = "sync.WaitGroup.Wait";

TEST(WaitGroup, WaitAtZeroReturnsAtOnce) {
  run([]() -> Task<> {
    WaitGroup wg;
    co_await wg.wait();
    wg.add();
    wg.done();
    co_await wg.wait();
    wg.add(0);
    co_await wg.wait();
  });
}

TEST(WaitGroup, WaitReturnsAfterTheLastDoneAndNotBefore) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    WaitGroup wg;
    wg.add(3);
    std::atomic<bool> through{false};
    auto waiter = [&]() -> Task<> {
      co_await wg.wait();
      through = true;
    };
    auto h = spawn(waiter);
    co_await until_parked(1, waits);
    wg.done();
    wg.done();
    co_await sleep(2ms);
    EXPECT_FALSE(through);
    wg.done();
    co_await h;
  });
}

TEST(WaitGroup, AllWhoWaitAreWoken) {
  Executor ex({.procs = 2}), other({.procs = 1});
  WaitGroup wg;
  wg.add(1);
  auto waiter = [&wg]() -> Task<> { co_await wg.wait(); };
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < 5; ++i) {
    handles.push_back(ex.spawn(waiter));
    handles.push_back(other.spawn(waiter));
  }
  test::PlainThread thread([&wg] { wg.wait_blocking(); });
  test::wait_until_parked(ex, 5, waits);
  test::wait_until_parked(other, 5, waits);
  thread.wait_until_asleep();
  wg.done();
  for (auto& h : handles) h.get();
  thread.join();
}

TEST(WaitGroup, AddTakesAnyNumberAlsoNegative) {
  run([]() -> Task<> {
    WaitGroup wg;
    wg.add(5);
    wg.add(-3);
    wg.add(INT_MAX - 2);
    wg.add(-INT_MAX);
    co_await wg.wait();
    wg.add(2);
    auto waiter = [&wg]() -> Task<> { co_await wg.wait(); };
    auto h = spawn(waiter);
    co_await until_parked(1, waits);
    wg.add(-2);
    co_await h;
  });
}

TEST(WaitGroup, CanBeUsedAgain) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    WaitGroup wg;
    std::atomic<int> ended{0};
    const int rounds = static_cast<int>(test::scaled(1000, 200));
    for (int round = 1; round <= rounds; ++round) {
      wg.add(3);
      for (int i = 0; i < 3; ++i) {
        go([&] {
          ++ended;
          wg.done();
        });
      }
      co_await wg.wait();
      EXPECT_EQ(ended, 3 * round);
    }
  });
}

TEST(WaitGroup, WhatHappenedBeforeDoneIsSeenAfterWait) {
  // For ThreadSanitizer: plain stores of each, read by who waited, whether it slept or not.
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    for (int round = 0; round < 100; ++round) {
      int values[4] = {};
      WaitGroup wg;
      for (int i = 0; i < 4; ++i) wg.go([&values, i] { values[i] = i + 1; });
      if (round % 3 == 0) co_await yield();
      co_await wg.wait();
      EXPECT_EQ(values[0] + values[1] + values[2] + values[3], 10);
    }
  });
}

TEST(WaitGroup, BelowZeroIsALogicErrorAndTheCounterIsAsBefore) {
  WaitGroup wg;
  EXPECT_EQ(text_of<std::logic_error>([&] { wg.done(); }), "sync: negative WaitGroup counter");
  wg.wait_blocking();
  wg.add(2);
  EXPECT_EQ(text_of<std::logic_error>([&] { wg.add(-3); }), "sync: negative WaitGroup counter");
  wg.add(-2);
  wg.wait_blocking();
}

TEST(WaitGroup, BelowZeroWhileSomebodyWaitsWakesNobody) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    WaitGroup wg;
    wg.add(1);
    auto waiter = [&wg]() -> Task<> { co_await wg.wait(); };
    auto h = spawn(waiter);
    co_await until_parked(1, waits);
    EXPECT_THROW(wg.add(-2), std::logic_error);
    co_await sleep(1ms);
    EXPECT_FALSE(h.done());
    wg.done();
    co_await h;
  });
}

TEST(WaitGroup, RaisedAgainBeforeWaitHasReturnedIsALogicErrorOfTheWaiter) {
  // Whether the waiter has gone on by the time of the add() is a race: it has not, as long as this thread keeps its only P.
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    std::string text;
    for (int attempt = 0; attempt < 200 && text.empty(); ++attempt) {
      WaitGroup wg;
      wg.add(1);
      auto waiter = [&]() -> Task<> {
        try {
          co_await wg.wait();
        } catch (const std::logic_error& error) {
          text = error.what();
        }
      };
      auto h = spawn(waiter);
      co_await until_parked(1, waits);
      wg.done();
      wg.add(1);
      co_await h;
      wg.done();
    }
    EXPECT_EQ(text, "sync: WaitGroup is reused before previous Wait has returned");
  });
}

TEST(WaitGroup, RaisedAgainBeforeWaitBlockingHasReturnedIsALogicErrorToo) {
  std::string text;
  for (int attempt = 0; attempt < 200 && text.empty(); ++attempt) {
    WaitGroup wg;
    wg.add(1);
    test::PlainThread waiter([&] { text = text_of<std::logic_error>([&] { wg.wait_blocking(); }); });
    waiter.wait_until_asleep();
    wg.done();
    wg.add(1);
    waiter.join();
    wg.done();
    if (text == "nothing was thrown") text.clear();
  }
  EXPECT_EQ(text, "sync: WaitGroup is reused before previous Wait has returned");
}

TEST(WaitGroup, GoRunsAPlainFunctionOrACoroutineWithArgumentsAndCountsIt) {
  struct Adder {
    int sum_ = 0;
    void add(int n) { sum_ += n; }
  };
  run([]() -> Task<> {
    WaitGroup wg;
    std::atomic<int> sum{0};
    wg.go([&sum] { sum += 1; });
    wg.go([&sum](int n) { sum += n; }, 10);
    wg.go([](std::atomic<int>& s, int a, int b) { s += a + b; }, std::ref(sum), 40, 60);
    wg.go([&sum]() -> Task<> {
      co_await sleep(1ms);
      sum += 1000;
    });
    wg.go([](std::atomic<int>& s, int n) -> Task<int> {
      co_await yield();
      s += n;
      co_return n;  // dropped
    }, std::ref(sum), 10'000);
    auto task = [&sum]() -> Task<> {
      co_await yield();
      sum += 100'000;
    };
    wg.go(task());
    co_await wg.wait();
    EXPECT_EQ(sum, 111'111);
    Adder adder;
    wg.go(&Adder::add, &adder, 5);
    co_await wg.wait();
    EXPECT_EQ(adder.sum_, 5);
  });
}

TEST(WaitGroup, GoTakesUpToEightArguments) {
  run([]() -> Task<> {
    WaitGroup wg;
    std::atomic<int> sum{0};
    const auto add = [&sum](auto... n) { sum += (0 + ... + n); };
    wg.go(add, 1);
    wg.go(add, 1, 2, 3);
    wg.go(add, 1, 2, 3, 4, 5, 6, 7, 8);
    co_await wg.wait();
    EXPECT_EQ(sum, 1 + 6 + 36);
  });
}

TEST(WaitGroup, GoSaysDoneWhenFAndItsArgumentsAreGone) {
  std::atomic<int> alive{0};
  Executor ex({.procs = 2});
  ex.run([&alive]() -> Task<> {
    for (int round = 0; round < 50; ++round) {
      WaitGroup wg;
      wg.go([p = Probe(alive)](const Probe&) -> Task<> {
        const Probe local(p);
        co_await yield();
      }, Probe(alive));
      wg.go([p = Probe(alive)](MoveOnly) {}, MoveOnly(alive));
      co_await wg.wait();
      EXPECT_EQ(alive, 0);
    }
  });
}

TEST(WaitGroup, GoFromAPlainThreadUsesTheDefaultExecutor) {
  WaitGroup wg;
  std::atomic<Executor*> where{nullptr};
  wg.go([&where] { where = Executor::current(); });
  wg.wait_blocking();
  EXPECT_EQ(where, &default_executor());
}

TEST(WaitGroup, GoThatCannotStartLeavesTheCounterAsItWas) {
  run([] {
    WaitGroup wg;
    EXPECT_EQ(text_of<std::invalid_argument>([&] { wg.go(std::function<void()>()); }), "go of nil func value");
    EXPECT_EQ(text_of<std::invalid_argument>([&] { wg.go(Task<>()); }), "go: empty task");
    struct Bomb {
      Bomb() = default;
      Bomb(const Bomb&) { throw std::runtime_error("copying"); }
    };
    const Bomb bomb;
    EXPECT_THROW(wg.go([](const Bomb&) {}, bomb), std::runtime_error);
    EXPECT_EQ(text_of<std::logic_error>([&] { wg.done(); }), "sync: negative WaitGroup counter");
  });
}

TEST(WaitGroup, AnExceptionInGoIsAPanic) {
  const auto died = test::child::run([] {
    run([]() -> Task<> {
      WaitGroup wg;
      wg.go([]() -> Task<> {
        co_await yield();
        throw std::runtime_error("out of cheese");
      });
      co_await wg.wait();
      co_await sleep(24h);  // done() may have been said before the panic
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_EQ(died.err.rfind("panic: out of cheese\n\ngoroutine ", 0), 0u) << died;
  EXPECT_NE(died.err.find("waitgroup_test.cpp"), std::string::npos) << died;
}

TEST(WaitGroup, GoSaysDoneAlsoAfterAnException) {
  std::atomic<int> panics{0};
  Executor ex({.procs = 2, .on_panic = [&panics](std::exception_ptr, const GInfo&) { ++panics; }});
  ex.run([&panics]() -> Task<> {
    WaitGroup wg;
    wg.go([]() -> Task<> {
      co_await yield();
      throw std::runtime_error("from a coroutine");
    });
    wg.go([] { throw std::runtime_error("from a function"); });
    co_await wg.wait();
    co_await until_true([&] { return panics == 2; });
  });
}

TEST(WaitGroup, WaitBlockingOnAGoroutineIsALogicErrorThatNamesTheOtherForm) {
  run([]() -> Task<> {
    WaitGroup wg;
    const std::string text = "wait_blocking() called on a goroutine: use co_await wait()";
    EXPECT_EQ(text_of<std::logic_error>([&] { wg.wait_blocking(); }), text);
    wg.add(1);
    EXPECT_EQ(text_of<std::logic_error>([&] { wg.wait_blocking(); }), text);
    auto ends = [&wg]() -> Task<> {
      co_await sleep(1ms);
      wg.done();
    };
    auto h = spawn(ends);
    auto inside = [&wg] { wg.wait_blocking(); };
    co_await blocking(inside);
    co_await h;
  });
}

// done() touches nothing after it has let the waiter go: that one may destroy the WaitGroup while the call still returns.
TEST(WaitGroup, WhoWaitedMayDestroyItWhileDoneReturns) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    const auto rounds = test::scaled(4000, 500);
    for (std::int64_t i = 0; i < rounds; ++i) {
      auto wg = std::make_unique<WaitGroup>();
      wg->add(2);
      for (int g = 0; g < 2; ++g) go([](WaitGroup* w) { w->done(); }, wg.get());
      if (i % 3 == 0) co_await yield();
      co_await wg->wait();
    }
  });
}

TEST(WaitGroup, DestroyedWhileSomebodyWaitsIsFatal) {
  const auto died = test::child::run([] {
    run([]() -> Task<> {
      auto wg = std::make_unique<WaitGroup>();
      wg->add(1);
      for (int i = 0; i < 3; ++i) go([](WaitGroup* w) -> Task<> { co_await w->wait(); }, wg.get());
      co_await until_parked(3, waits);
      wg.reset();
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_EQ(died.err, "fatal error: sync: WaitGroup destroyed while 3 goroutines wait for it\n");
}

TEST(WaitGroup, MayBeDestroyedWithACounterIfNobodyWaits) {
  WaitGroup wg;
  wg.add(3);
}

}  // namespace
}  // namespace gmp::waitgroup_test
