// tests/unit/executor/run_test.cpp — run: a fresh executor, its main goroutine, its result; what becomes of the others.
// Go: func main.  Room: executor (floor 4).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
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
#include "unit/task/probe.hpp"

namespace gmp::run_test {
namespace {

using namespace std::chrono_literals;
using test::Journal;
using test::MoveOnly;
using test::Probe;

template <class E, class F>
std::string text_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

int twice(int x) { return 2 * x; }
Task<int> twice_later(int x) {
  co_await yield();
  co_return 2 * x;
}

TEST(Run, GivesWhatFReturns) {
  EXPECT_EQ(run(twice, 4), 8);
  EXPECT_EQ(run(twice_later, 4), 8);
  EXPECT_EQ(run(twice_later(5)), 10);
  EXPECT_EQ(run([] { return std::string("text"); }), "text");
  run([] {});
  run([]() -> Task<> { co_return; });
  EXPECT_EQ(*run([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(3)), 3);
}

TEST(BlockOn, RunsATaskForAPlainThread) {
  Executor ex({.procs = 1});
  EXPECT_EQ(block_on(ex, twice_later(3)), 6);
  EXPECT_EQ(block_on(twice_later(4)), 8);
  int x = 0;
  int& task = block_on(ex, [](int& of) -> Task<int&> { co_return of; }(x));
  EXPECT_EQ(&task, &x);
  EXPECT_EQ(text_of<std::runtime_error>([&] { block_on(ex, []() -> Task<> {
    throw std::runtime_error("of the task");
    co_return;
  }()); }), "of the task");
  ex.run([&ex]() -> Task<> {
    EXPECT_EQ(text_of<std::logic_error>([&] { static_cast<void>(block_on(ex, twice_later(1))); }),
              "block_on() called on a goroutine: use co_await the task");
    const int inside = co_await blocking([&ex] { return block_on(ex, twice_later(5)); });
    EXPECT_EQ(inside, 10);
  });
}

TEST(Run, GivesAReferenceIfFDoes) {
  int x = 0;
  int& plain = run([&x]() -> int& { return x; });
  EXPECT_EQ(&plain, &x);
  int& task = run([&x]() -> Task<int&> { co_return x; });
  EXPECT_EQ(&task, &x);
  Executor ex;
  static_assert(std::is_same_v<decltype(ex.run([&x]() -> Task<int&> { co_return x; })), int&>);
  static_assert(std::is_same_v<decltype(run([] { return 1; })), int>);
  static_assert(std::is_void_v<decltype(run([] {}))>);
}

TEST(Run, TakesUpToEightArguments) {
  const auto sum = [](auto... n) { return (0 + ... + n); };
  EXPECT_EQ(run(sum, 1, 2, 3, 4, 5, 6, 7, 8), 36);
  Executor ex;
  EXPECT_EQ(ex.run(sum, 1, 2, 3, 4, 5, 6, 7, 8), 36);
  EXPECT_EQ(ex.spawn(sum, 1, 2, 3, 4, 5, 6, 7, 8).get(), 36);
}

TEST(Run, RethrowsWhatLeavesTheMainGoroutine) {
  EXPECT_EQ(text_of<std::out_of_range>([] { run([] { throw std::out_of_range("plain"); }); }), "plain");
  EXPECT_EQ(text_of<std::out_of_range>([] {
              run([]() -> Task<int> {
                co_await yield();
                throw std::out_of_range("coroutine");
              });
            }),
            "coroutine");
}

TEST(Run, ArgumentsAndClosureLiveUntilTheMainGoroutineEnds) {
  std::atomic<int> alive{0};
  const int got = run(
      [p = Probe(alive, 1)](const Probe& q) -> Task<int> {
        co_await sleep(1ms);
        co_return p.value() + q.value();
      },
      Probe(alive, 2));
  EXPECT_EQ(got, 3);
  EXPECT_EQ(alive, 0);
}

TEST(Run, OthersAreNotWaitedForAndTheirFramesAreDestroyed) {
  std::atomic<int> alive{0};
  bool went_on = false;
  const auto begin = std::chrono::steady_clock::now();
  run([&]() -> Task<> {
    for (int i = 0; i < 20; ++i) {
      go([&, i, p = Probe(alive)]() -> Task<> {
        const Probe local(alive);
        if (i % 3 == 0) co_await sleep(24h);
        if (i % 3 == 1) co_await suspend<void>([](Waker<void>) {});
        for (;;) co_await yield();
        went_on = true;
      });
    }
    while (alive != 40) co_await yield();
  });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(went_on);
}

TEST(Run, GoroutinesThatNeverRanAreDestroyedToo) {
  std::atomic<int> alive{0};
  run([&alive] {
    for (int i = 0; i < 1000; ++i) go([p = Probe(alive)]() -> Task<> { co_return; });
    for (int i = 0; i < 1000; ++i) go([p = Probe(alive)] {});
    for (int i = 0; i < 10; ++i) go([](Probe) -> Task<> { co_return; }, Probe(alive));
  });
  EXPECT_EQ(alive, 0);
}

TEST(Run, EachIsAFreshExecutor) {
  Executor* first = run([] { return Executor::current(); });
  EXPECT_NE(first, nullptr);
  EXPECT_NE(first, &default_executor());
  run([] { EXPECT_EQ(num_goroutine(), 1u); });
}

TEST(Run, SeveralAtOnceFromSeveralThreads) {
  std::atomic<int> sum{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&sum, t] {
        for (int i = 0; i < 10; ++i) sum += run(twice_later, t);
      });
    }
  }
  EXPECT_EQ(sum, 120);
}

TEST(Run, InsideAGoroutineIsALogicError) {
  const std::string text = "run() called from inside a goroutine";
  Executor ex;
  Executor other;
  ex.run([&] {
    EXPECT_EQ(text_of<std::logic_error>([] { run([] {}); }), text);
    EXPECT_EQ(text_of<std::logic_error>([&] { ex.run([] {}); }), text);
    EXPECT_EQ(text_of<std::logic_error>([&] { other.run([] {}); }), text);
  });
}

// What is written for plain threads, and runs gs of its own, may be called there.
TEST(Run, InsideBlockingIsAPlainThreads) {
  Executor ex({.procs = 1}), other({.procs = 1});
  const int sum = ex.run([&]() -> Task<int> {
    co_return co_await blocking([&] {
      int n = run(twice_later, 1);
      n += other.run(twice_later, 10);
      n += ex.run(twice_later, 100);
      return n;
    });
  });
  EXPECT_EQ(sum, 222);
}

TEST(Run, TheMainGoroutinesFrameIsGoneWhenRunReturns) {
  Journal journal;
  run([&journal]() -> Task<> {
    const test::Ender local(journal, 1);
    co_await yield();
  });
  journal.note(2);
  EXPECT_EQ(journal.entries(), (std::vector<int>{1, 2}));
}

TEST(Run, AThousandTimes) {
  for (int i = 0; i < 300; ++i) EXPECT_EQ(run(twice, i), 2 * i);
}

}  // namespace
}  // namespace gmp::run_test
