// tests/unit/sync/once_test.cpp — Once and OnceValue: one call, whoever comes first; the others see all that it did.
// Go: sync/once_test.go, sync/oncefunc_test.go have some of the claims.  Room: sync (floor 5).
#include "gmp/sync/once.hpp"

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

#include "gmp/detail/base/config.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/time.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"
#include "unit/sync/parked.hpp"
#include "unit/task/probe.hpp"

namespace gmp::once_test {
namespace {

using namespace std::chrono_literals;
using test::MoveOnly;
using test::Probe;
using test::text_of;
using test::until_parked;
using test::until_true;

static_assert(!std::is_copy_constructible_v<Once> && !std::is_move_constructible_v<Once>);
static_assert(!std::is_copy_constructible_v<OnceValue<int>> && !std::is_move_constructible_v<OnceValue<int>>);

constexpr const char* waits = "sync.Once";

TEST(Once, CallsFOnceWhoeverComesFirst) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    for (int round = 0; round < 100; ++round) {
      Once once;
      int calls = 0;  // plain: what f did happens before any call() returns
      std::string text;
      auto body = [&]() -> Task<> {
        auto f = [&] {
          ++calls;
          text = "made";
        };
        co_await once.call(f);
        EXPECT_EQ(calls, 1);
        EXPECT_EQ(text, "made");
        EXPECT_TRUE(once.done());
      };
      std::vector<JoinHandle<void>> handles;
      for (int i = 0; i < 10; ++i) handles.push_back(spawn(body));
      for (auto& h : handles) co_await h;
      EXPECT_EQ(calls, 1);
    }
  });
}

TEST(Once, OfACoroutineTheOthersWaitForItsEnd) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    Once once;
    std::atomic<bool> gate{false};
    std::atomic<int> calls{0}, through{0};
    auto body = [&]() -> Task<> {
      auto f = [&]() -> Task<> {
        ++calls;
        co_await until_true([&] { return gate.load(); });
        ++calls;
      };
      co_await once.call(f);
      EXPECT_EQ(calls, 2);
      ++through;
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 6; ++i) handles.push_back(spawn(body));
    co_await until_parked(5, waits);
    EXPECT_EQ(through, 0);
    EXPECT_FALSE(once.done());
    gate = true;
    for (auto& h : handles) co_await h;
    EXPECT_EQ(through, 6);
    EXPECT_TRUE(once.done());
  });
}

TEST(Once, LaterCallsDoNotCall) {
  run([]() -> Task<> {
    Once once;
    co_await once.call([] {});
    co_await once.call([] { ADD_FAILURE(); });
    auto coroutine = []() -> Task<> {
      ADD_FAILURE();
      co_return;
    };
    co_await once.call(coroutine);
  });
}

TEST(Once, AnExceptionCountsAsDoneAndGoesToItsCallerOnly) {
  run([]() -> Task<> {
    Once once;
    std::atomic<bool> gate{false};
    std::atomic<int> thrown{0}, returned{0};
    auto body = [&]() -> Task<> {
      auto f = [&]() -> Task<> {
        co_await until_true([&] { return gate.load(); });
        throw std::runtime_error("in f");
      };
      try {
        co_await once.call(f);
        ++returned;
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "in f");
        ++thrown;
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 4; ++i) handles.push_back(spawn(body));
    co_await until_parked(3, waits);
    gate = true;
    for (auto& h : handles) co_await h;
    EXPECT_EQ(thrown, 1);
    EXPECT_EQ(returned, 3);
    EXPECT_TRUE(once.done());
    co_await once.call([] { ADD_FAILURE(); });
  });
}

TEST(Once, AnExceptionOfAPlainFunctionOrBeforeTheTaskIsThereCountsToo) {
  run([]() -> Task<> {
    Once plain, early;
    std::string text;
    try {
      co_await plain.call([] { throw std::runtime_error("plain"); });
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "plain");
    EXPECT_TRUE(plain.done());
    auto no_coroutine = []() -> Task<> { throw std::runtime_error("early"); };
    try {
      co_await early.call(no_coroutine);
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "early");
    EXPECT_TRUE(early.done());
  });
}

TEST(Once, WhatFReturnsIsDropped) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    Once plain, coroutine;
    co_await plain.call([&alive] { return Probe(alive); });
    auto f = [&alive]() -> Task<MoveOnly> {
      co_await yield();
      co_return MoveOnly(alive);
    };
    co_await coroutine.call(f);
    EXPECT_EQ(alive, 0);
  });
}

TEST(Once, AnLvalueIsUsedInPlace) {
  struct F {
    int calls_ = 0;
    F() = default;
    F(const F&) = delete;
    void operator()() { ++calls_; }
  };
  run([]() -> Task<> {
    Once once;
    F f;
    co_await once.call(f);
    EXPECT_EQ(f.calls_, 1);
  });
}

TEST(Once, CallBlockingForPlainThreads) {
  Once once;
  int calls = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        once.call_blocking([&] {
          std::this_thread::sleep_for(2ms);  // the others come
          ++calls;
        });
        EXPECT_EQ(calls, 1);
      });
    }
  }
  EXPECT_TRUE(once.done());
  Once throws;
  EXPECT_EQ(text_of<std::runtime_error>([&] { throws.call_blocking([] { throw std::runtime_error("once"); }); }), "once");
  throws.call_blocking([] { ADD_FAILURE(); });
}

TEST(Once, APlainThreadWaitsForAGoroutineAndTheOtherWayRound) {
  Executor ex({.procs = 1});
  Once once;
  std::atomic<bool> gate{false};
  auto h = ex.spawn([&]() -> Task<> {
    auto f = [&]() -> Task<> { co_await until_true([&] { return gate.load(); }); };
    co_await once.call(f);
  });
  while (test::parked(ex, "sleep") != 1) std::this_thread::yield();
  test::PlainThread thread([&] { once.call_blocking([] { ADD_FAILURE(); }); });
  thread.wait_until_asleep();
  gate = true;
  h.get();
  thread.join();

  Once other;
  std::atomic<bool> inside{false}, leave{false};
  test::PlainThread first([&] {
    other.call_blocking([&] {
      inside = true;
      while (!leave) std::this_thread::yield();
    });
  });
  while (!inside) std::this_thread::yield();
  auto second = ex.spawn([&]() -> Task<> { co_await other.call([] { ADD_FAILURE(); }); });
  test::wait_until_parked(ex, 1, waits);
  leave = true;
  second.get();
}

TEST(Once, CallBlockingOnAGoroutineIsALogicErrorThatNamesTheOtherForm) {
  run([]() -> Task<> {
    Once once;
    EXPECT_EQ(text_of<std::logic_error>([&] { once.call_blocking([] { ADD_FAILURE(); }); }),
              "call_blocking() called on a goroutine: use co_await call()");
    EXPECT_FALSE(once.done());
    auto inside = [&once] { once.call_blocking([] {}); };
    co_await blocking(inside);
    EXPECT_TRUE(once.done());
  });
}

#if !GMPCORO_TSAN  // which has a thread of its own, that might wake somebody for all the library knows: no deadlock is reported
TEST(Once, CalledWithinItselfItWaitsForEver) {
  const auto died = test::child::run([] {
    run([]() -> Task<> {
      Once once;
      auto f = [&once]() -> Task<> { co_await once.call([] {}); };
      co_await once.call(f);
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_EQ(died.err.rfind("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [sync.Once]:\n", 0), 0u) << died;
}
#endif

TEST(Once, WhoWaitedMayDestroyItWhileTheFirstCallReturns) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    struct Shared {
      Once once_{};
      std::atomic<int> references_{2};
    };
    const auto rounds = test::scaled(3000, 400);
    auto body = [](Shared* shared) -> Task<> {
      auto f = []() -> Task<> { co_await yield(); };
      co_await shared->once_.call(f);
      if (--shared->references_ == 0) delete shared;
    };
    for (std::int64_t i = 0; i < rounds; ++i) {
      auto* shared = new Shared;
      auto a = spawn(body, shared);
      co_await body(shared);
      co_await a;
    }
  });
}

TEST(Once, DestroyedWhileSomebodyWaitsIsFatal) {
  const auto died = test::child::run([] {
    run([]() -> Task<> {
      auto once = std::make_unique<Once>();
      go([](Once* o) -> Task<> {
        auto f = []() -> Task<> { co_await sleep(24h); };
        co_await o->call(f);
      }, once.get());
      co_await until_parked(1, "sleep");
      go([](Once* o) -> Task<> { co_await o->call([] {}); }, once.get());
      co_await until_parked(1, waits);
      once.reset();
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_EQ(died.err, "fatal error: sync: Once destroyed while 1 goroutine waits for it\n");
}

// If the executor of the first caller is stopped in the middle, the Once counts as done, and those of other executors go on.
TEST(Once, StoppedInTheMiddleItCountsAsDone) {
  auto ex = std::make_unique<Executor>(Options{.procs = 1});
  Executor other({.procs = 1});
  Once once;
  ex->go([&once]() -> Task<> {
    auto f = []() -> Task<> { co_await sleep(24h); };
    co_await once.call(f);
  });
  test::wait_until_parked(*ex, 1, "sleep");
  auto h = other.spawn([&once]() -> Task<> { co_await once.call([] { ADD_FAILURE(); }); });
  test::wait_until_parked(other, 1, waits);
  ex.reset();
  h.get();
  EXPECT_TRUE(once.done());
}

// ---- OnceValue

TEST(OnceValue, TheFirstCallerMakesItTheOthersGetTheSame) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    std::atomic<int> calls{0};
    auto make = [&calls]() -> Task<std::string> {
      ++calls;
      co_await sleep(1ms);
      co_return "value";
    };
    OnceValue<std::string> value(make);
    EXPECT_FALSE(value.done());
    std::atomic<const std::string*> address{nullptr};
    auto body = [&]() -> Task<> {
      const std::string& got = co_await value.get();
      EXPECT_EQ(got, "value");
      const std::string* none = nullptr;
      if (!address.compare_exchange_strong(none, &got)) {
        EXPECT_EQ(none, &got);
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 6; ++i) handles.push_back(spawn(body));
    for (auto& h : handles) co_await h;
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(value.done());
  });
}

TEST(OnceValue, OfAPlainFunctionAndByDeduction) {
  run([]() -> Task<> {
    int calls = 0;
    OnceValue value([&calls] { return ++calls; });
    static_assert(std::is_same_v<decltype(value), OnceValue<int>>);
    EXPECT_EQ(calls, 0);
    const int first = co_await value.get();
    const int second = co_await value.get();
    EXPECT_EQ(first + second + calls, 3);
    OnceValue deduced([]() -> Task<long> { co_return 5; });
    static_assert(std::is_same_v<decltype(deduced), OnceValue<long>>);
    const long five = co_await deduced.get();
    EXPECT_EQ(five, 5);
  });
}

TEST(OnceValue, ValuesMoveOnlyAndNotDefaultConstructible) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    OnceValue<MoveOnly> value([&alive] { return MoveOnly(alive, 7); });
    const MoveOnly& got = co_await value.get();
    EXPECT_EQ(got.value(), 7);
    EXPECT_EQ(alive, 1);
    OnceValue<MoveOnly> later([&alive]() -> Task<MoveOnly> {
      co_await yield();
      co_return MoveOnly(alive, 8);
    });
    const MoveOnly& also = co_await later.get();
    EXPECT_EQ(also.value(), 8);
  });
  EXPECT_EQ(alive, 0);
}

TEST(OnceValue, FIsKeptUntilItHasGivenTheValueAndNoLonger) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    OnceValue<int> value([p = Probe(alive, 3)] { return p.value(); });
    EXPECT_EQ(alive, 1);
    const int three = co_await value.get();
    EXPECT_EQ(three, 3);
    EXPECT_EQ(alive, 0);
    OnceValue<int> later([p = Probe(alive, 4)]() -> Task<int> {
      co_await yield();
      co_return p.value();
    });
    EXPECT_EQ(alive, 1);
    const int four = co_await later.get();
    EXPECT_EQ(four, 4);
    EXPECT_EQ(alive, 0);
  });
}

TEST(OnceValue, AnExceptionIsRethrownToEveryCallerNowAndLater) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    for (const bool at_once : {true, false}) {
      std::atomic<bool> gate{at_once};
      std::atomic<int> calls{0}, caught{0};
      OnceValue<int> value([&]() -> Task<int> {
        ++calls;
        co_await until_true([&] { return gate.load(); });
        throw std::out_of_range("no value");
      });
      auto body = [&]() -> Task<> {
        try {
          static_cast<void>(co_await value.get());
        } catch (const std::out_of_range& error) {
          EXPECT_STREQ(error.what(), "no value");
          ++caught;
        }
      };
      std::vector<JoinHandle<void>> handles;
      for (int i = 0; i < 5; ++i) handles.push_back(spawn(body));
      if (!at_once) co_await until_parked(4, waits);
      gate = true;
      for (auto& h : handles) co_await h;
      co_await body();
      EXPECT_EQ(caught, 6);
      EXPECT_EQ(calls, 1);
      EXPECT_TRUE(value.done());
    }
    OnceValue<int> plain([]() -> int { throw std::out_of_range("plain"); });
    int caught = 0;
    for (int i = 0; i < 2; ++i) {
      try {
        static_cast<void>(co_await plain.get());
      } catch (const std::out_of_range&) {
        ++caught;
      }
    }
    EXPECT_EQ(caught, 2);
  });
}

TEST(OnceValue, StoppedInTheMiddleEveryCallerIsToldSo) {
  auto ex = std::make_unique<Executor>(Options{.procs = 1});
  Executor other({.procs = 1});
  OnceValue<int> value([]() -> Task<int> {
    co_await sleep(24h);
    co_return 1;
  });
  ex->go([&value]() -> Task<> { static_cast<void>(co_await value.get()); });
  test::wait_until_parked(*ex, 1, "sleep");
  auto asks = [&value]() -> Task<std::string> {
    std::string text;
    try {
      static_cast<void>(co_await value.get());
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    co_return text;
  };
  auto h = other.spawn(asks);
  test::wait_until_parked(other, 1, waits);
  ex.reset();
  EXPECT_EQ(h.get(), "executor stopped");
  EXPECT_EQ(other.run(asks), "executor stopped");
}

}  // namespace
}  // namespace gmp::once_test
