// tests/go/sync/once_test.cpp — Go's tests of Once and OnceValue.
// Go: sync/once_test.go, sync/oncefunc_test.go.  Room: sync (floor 5).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/scale.hpp"

namespace gmp::once_test {
namespace {

// TestOnce: the count is plain, so who sees one has waited for the end of the call.
template <class F>
void ten_callers(F&& make) {
  std::int64_t wrong = 0;
  const auto rounds = test::scaled(500, 50);
  for (std::int64_t round = 0; round < rounds; ++round) {
    Once once;
    int calls = 0;
    std::atomic<int> saw_one{0};
    run([&]() -> Task<> {
      WaitGroup all_done;
      auto f = make(calls);
      for (int g = 0; g < 10; ++g) {
        all_done.go([&]() -> Task<> {
          co_await once.call(f);
          if (calls == 1) ++saw_one;
        });
      }
      co_await all_done.wait();
    });
    if (calls != 1 || saw_one != 10 || !once.done()) ++wrong;
  }
  EXPECT_EQ(wrong, 0);
}

TEST(GoOnce, OfTenCallersOneCallsAndAllSeeIt) {
  ten_callers([](int& calls) { return [&calls] { ++calls; }; });
}

TEST(GoOnce, OfTenCallersOneAwaitsTheCoroutineAndAllSeeIt) {
  ten_callers([](int& calls) {
    return [&calls]() -> Task<> {
      co_await yield();
      ++calls;
      co_await yield();
    };
  });
}

// TestOncePanic.
TEST(GoOnce, ACallThatThrewCountsAsDone) {
  run([]() -> Task<> {
    Once once;
    std::string text = "nothing was thrown";
    auto fails = [] { throw std::runtime_error("failed"); };
    try {
      co_await once.call(fails);
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "failed");
    EXPECT_TRUE(once.done());
    auto never = [] { ADD_FAILURE() << "called twice"; };
    co_await once.call(never);
  });
}

// TestOnceFunc, TestOnceValue.
TEST(GoOnceValue, CallsOnceAndGivesEveryoneTheValue) {
  run([]() -> Task<> {
    int calls = 0;
    OnceValue<int> value([&calls] { return ++calls; });
    EXPECT_FALSE(value.done());
    for (int i = 0; i < 10; ++i) {
      const int& v = co_await value.get();
      EXPECT_EQ(v, 1);
    }
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(value.done());
  });
}

// TestOnceValues: two values are one pair here.
TEST(GoOnceValue, OfAPair) {
  run([]() -> Task<> {
    int calls = 0;
    OnceValue<std::pair<int, int>> values([&calls]() -> Task<std::pair<int, int>> {
      ++calls;
      co_await yield();
      co_return std::pair(calls, calls + 1);
    });
    for (int i = 0; i < 10; ++i) {
      const auto [a, b] = co_await values.get();
      EXPECT_EQ(a, 1);
      EXPECT_EQ(b, 2);
    }
  });
}

Task<std::string> text_thrown_by(OnceValue<int>& value) {
  try {
    static_cast<void>(co_await value.get());
  } catch (const std::runtime_error& error) {
    co_return error.what();
  }
  co_return "nothing was thrown";
}

// TestOnceFuncPanic, TestOnceValuePanic: the same exception, to each caller.
TEST(GoOnceValue, RethrowsTheOneExceptionToEveryCaller) {
  run([]() -> Task<> {
    int calls = 0;
    OnceValue<int> plain([&calls]() -> int { throw std::runtime_error("x" + std::to_string(++calls)); });
    OnceValue<int> coroutine([&calls]() -> Task<int> {
      co_await yield();
      throw std::runtime_error("x" + std::to_string(++calls));
    });
    for (int i = 0; i < 3; ++i) {
      const std::string first = co_await text_thrown_by(plain);
      EXPECT_EQ(first, "x1");
      const std::string second = co_await text_thrown_by(coroutine);
      EXPECT_EQ(second, "x2");
    }
    EXPECT_EQ(calls, 2);
  });
}

// TestOnceXGC: what f holds goes when f has given the value, not with the OnceValue.
TEST(GoOnceValue, DropsItsFunctionOnceItHasTheValue) {
  run([]() -> Task<> {
    const auto held = std::make_shared<int>(7);
    OnceValue<int> value([held] { return *held; });
    EXPECT_EQ(held.use_count(), 2);
    static_cast<void>(co_await value.get());
    EXPECT_EQ(held.use_count(), 1);
    OnceValue<int> later([held]() -> Task<int> {
      co_await yield();
      co_return 7;
    });
    static_cast<void>(co_await later.get());
    EXPECT_EQ(held.use_count(), 1);
  });
}

}  // namespace
}  // namespace gmp::once_test
