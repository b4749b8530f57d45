// tests/unit/task/depth_test.cpp — no chain of awaits overflows a stack, whatever the compiler and its flags.
// Go: runtime/stack_test (growth).  Room: task (floor 4).
//
// g++ 12 makes no tail calls below -O2, nor under a sanitizer, so a transfer from frame to frame may be a call.  These run on an M's
// stack of 8 MiB.  Three ways to go deep: a loop of awaits that are ready, recursion, and the way back, by return or by exception; a fourth is the
// destruction of a chain that is parked at its end.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "gmp/detail/base/config.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/task.hpp"
#include "gmp/time.hpp"
#include "support/scale.hpp"
#include "unit/task/probe.hpp"

namespace gmp::depth_test {
namespace {

using namespace std::chrono_literals;

#if GMPCORO_ASAN || GMPCORO_TSAN || !defined(__OPTIMIZE__)
constexpr std::int64_t loop_count = 1'000'000;
#else
constexpr std::int64_t loop_count = 10'000'000;
#endif
constexpr int deep = 100'000;

Task<int> ready_child(int i) { co_return i & 1; }

TEST(Depth, AwaitsOfReadyChildrenInALoop) {
  const std::int64_t count = test::scaled(loop_count, 300'000);
  const std::int64_t sum = run([count]() -> Task<std::int64_t> {
    std::int64_t odd = 0;
    for (std::int64_t i = 0; i < count; ++i) odd += co_await ready_child(static_cast<int>(i));
    co_return odd;
  });
  EXPECT_EQ(sum, count / 2);
}

Task<int> descend(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await descend(depth - 1);
}

TEST(Depth, Recursion) { EXPECT_EQ(run(descend, deep), deep); }

Task<int> descend_and_yield(int depth) {
  if (depth == 0) {
    co_await yield();
    co_return 0;
  }
  const int below = co_await descend_and_yield(depth - 1);
  co_return below + 1;
}

TEST(Depth, RecursionThatSuspendsAtItsEnd) { EXPECT_EQ(run(descend_and_yield, deep), deep); }

Task<int> descend_and_throw(int depth, std::atomic<int>& alive) {
  const test::Probe local(alive);
  if (depth == 0) throw std::runtime_error("from the bottom");
  co_return 1 + co_await descend_and_throw(depth - 1, alive);
}

TEST(Depth, ExceptionFromTheBottom) {
  std::atomic<int> alive{0};
  EXPECT_THROW(run(descend_and_throw, deep, std::ref(alive)), std::runtime_error);
  EXPECT_EQ(alive, 0);
}

Task<int> rethrow_at_each_level(int depth) {
  if (depth == 0) throw 0;
  try {
    co_await rethrow_at_each_level(depth - 1);
  } catch (int n) {
    throw n + 1;
  }
  co_return 0;
}

TEST(Depth, ExceptionCaughtAndThrownAnewAtEachLevel) {
  int thrown = -1;
  try {
    run(rethrow_at_each_level, deep);
  } catch (int n) {
    thrown = n;
  }
  EXPECT_EQ(thrown, deep);
}

Task<> descend_and_park(int depth, std::atomic<int>& alive, std::atomic<bool>& parked) {
  const test::Probe local(alive);
  if (depth == 0) {
    parked = true;
    co_await sleep(24h);
  } else {
    co_await descend_and_park(depth - 1, alive, parked);
  }
}

TEST(Depth, AParkedChainIsDestroyedByStop) {
  std::atomic<int> alive{0};
  std::atomic<bool> parked{false};
  {
    Executor ex({.procs = 1});
    ex.go(descend_and_park, deep, std::ref(alive), std::ref(parked));
    while (!parked) std::this_thread::yield();
    EXPECT_EQ(alive, deep + 1);
    ex.stop();
    EXPECT_EQ(alive, 0);
  }
}

TEST(Depth, AQueuedChainIsDestroyedByStop) {
  std::atomic<int> alive{0};
  std::atomic<bool> at_bottom{false};
  {
    Executor ex({.procs = 1});
    auto body = [&](int depth, auto& self) -> Task<> {
      const test::Probe local(alive);
      if (depth > 0) co_await self(depth - 1, self);
      at_bottom = true;
      for (;;) co_await yield();
    };
    ex.go([&]() -> Task<> { co_await body(deep, body); });
    while (!at_bottom) std::this_thread::yield();
  }
  EXPECT_EQ(alive, 0);
}

TEST(Depth, AWholeChainIsDroppedUnstarted) {
  // Each Task owns the next as an argument; nothing has run. Its destructor must not recurse with the number of frames that *ran*, but this
  // chain is the user's own data structure, as a list of unique_ptr is: only moderately deep.
  auto hold = [](Task<> inner) -> Task<> { co_await std::move(inner); };
  Task<> task = []() -> Task<> { co_return; }();
  for (int i = 0; i < 1000; ++i) task = hold(std::move(task));
  run(std::move(task));
}

TEST(Depth, ThirtyTwoDeepChainsAtOnce) {
  run([]() -> Task<> {
    std::vector<JoinHandle<int>> handles;
    for (int i = 0; i < 32; ++i) handles.push_back(spawn(descend_and_yield, deep / 32));
    for (auto& h : handles) {
      const int depth = co_await h;
      EXPECT_EQ(depth, deep / 32);
    }
  });
}

TEST(Depth, JoinsOfEndedGoroutinesInALoop) {
  const std::int64_t count = test::scaled(200'000, 20'000);
  run([count]() -> Task<> {
    std::vector<JoinHandle<int>> ended;
    for (int i = 0; i < 1000; ++i) ended.push_back(spawn([] { return 1; }));
    while (!ended.front().done()) co_await yield();
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count / 1000; ++i) {
      for (auto& h : ended) {
        sum += co_await h;
        h = spawn([] { return 1; });
      }
    }
    EXPECT_EQ(sum, count / 1000 * 1000);
  });
}

}  // namespace
}  // namespace gmp::depth_test
