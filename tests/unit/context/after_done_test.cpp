// tests/unit/context/after_done_test.cpp — after_func(ctx, f) beyond its executor, its context, and its handle.
// Go: context/afterfunc_test.go.  Room: context (floor 5).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "gmp/context.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "support/child.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::after_done_test {
namespace {

using namespace std::chrono_literals;
namespace child = test::child;

TEST(AfterDone, AStoppedExecutorDestroysWhatWasToCome) {
  auto held = std::make_shared<int>(1);
  auto [ctx, cancel] = with_cancel(background());
  AfterFunc handle;
  {
    Executor ex;
    handle = ex.run([&held](Context c) { return after_func(c, [held] { FAIL(); }); }, ctx);
    EXPECT_EQ(held.use_count(), 2);
    ex.stop();
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_FALSE(handle.stop());
  }
  cancel();
  EXPECT_FALSE(handle.stop());
}

TEST(AfterDone, ACancelBesideTheExecutorsEnd) {
  const auto rounds = static_cast<int>(test::scaled(300, 50));
  for (int i = 0; i < rounds; ++i) {
    auto held = std::make_shared<int>(1);
    auto [ctx, cancel] = with_cancel(background());
    std::atomic<int> ran{0};
    {
      Executor ex({.procs = 2});
      ex.run([&held, &ran](Context c) {
        for (int n = 0; n < 4; ++n) after_func(c, [held, &ran] { ++ran; });
      }, ctx);
      std::thread canceller([cancel = cancel] { cancel(); });
      ex.stop();
      canceller.join();
    }
    EXPECT_LE(ran, 4);
    EXPECT_EQ(held.use_count(), 1) << "a frame is left";
  }
}

TEST(AfterDone, StopAgainstCancel) {
  test::on_executor([]() -> Task<> {
    const auto rounds = static_cast<int>(test::scaled(3'000, 200));
    for (int i = 0; i < rounds; ++i) {
      auto ran = std::make_shared<std::atomic<int>>(0);
      auto [ctx, cancel] = with_cancel(background());
      AfterFunc f = after_func(ctx, [ran] { ++*ran; });
      auto canceller = spawn([cancel = cancel] { cancel(); });
      if (i % 2 == 0) co_await yield();
      const bool stopped = f.stop();
      co_await canceller;
      while (!stopped && *ran == 0) co_await yield();
      EXPECT_EQ(*ran, stopped ? 0 : 1);
    }
  });
}

TEST(AfterDone, AnExceptionIsAPanic) {
  const auto died = child::run([] {
    run([]() -> Task<> {
      auto [ctx, cancel] = with_cancel(background());
      after_func(ctx, [] { throw std::runtime_error("after the end"); });
      cancel();
      co_await gmp::sleep(1h);
    });
  });
  EXPECT_EQ(died.status, 2);
  EXPECT_NE(died.err.find("panic: after the end"), std::string::npos) << died;
}

#if !GMPCORO_TSAN  // it has a thread of its own, so no deadlock is reported
TEST(AfterDone, WhoOnlyHasThatToComeIsAsleepForEver) {
  const auto died = child::run([] {
    run([]() -> Task<> {
      auto [ctx, cancel] = with_cancel(background());
      after_func(ctx, [] {});
      co_await suspend<void>([](Waker<void>) {});
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_NE(died.err.find("all goroutines are asleep - deadlock!"), std::string::npos) << died;
}
#endif

TEST(AfterDone, OfADeadlineWhoseExecutorHasStopped) {
  auto [ctx, cancel] = [] {
    Executor ex;
    return ex.run([] { return with_timeout(background(), 1h); });
  }();
  EXPECT_FALSE(ctx.err());
  cancel();  // its timer went with the executor; this still ends it
  EXPECT_EQ(ctx.err(), errc::canceled);
}

}  // namespace
}  // namespace gmp::after_done_test
