// tests/unit/go/all_test.cpp — all(): concurrent, every one waited for, values in order, the first exception.
// Go: sync.WaitGroup round go statements.  Room: go (floor 4).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/time.hpp"
#include "support/scale.hpp"
#include "unit/task/probe.hpp"

namespace gmp::all_test {
namespace {

using namespace std::chrono_literals;
using test::Journal;
using test::MoveOnly;
using test::Probe;

Task<int> after(std::chrono::milliseconds d, int value) {
  co_await sleep(d);
  co_return value;
}
Task<> nothing() { co_return; }

TEST(All, GivesTheValuesInOrderWhateverTheOrderOfTheirEnds) {
  run([]() -> Task<> {
    auto text = []() -> Task<std::string> { co_return "text"; };
    auto [a, b, c] = co_await all(after(3ms, 1), text(), after(1ms, 3));
    EXPECT_EQ(a, 1);
    EXPECT_EQ(b, "text");
    EXPECT_EQ(c, 3);
  });
}

TEST(All, VoidGivesMonostate) {
  run([]() -> Task<> {
    auto both = co_await all(nothing(), after(1ms, 2));
    static_assert(std::is_same_v<decltype(both), std::tuple<std::monostate, int>>);
    EXPECT_EQ(std::get<1>(both), 2);
  });
}

TEST(All, OfAVector) {
  run([]() -> Task<> {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(after(std::chrono::milliseconds(i % 3), i));
    const std::vector<int> values = co_await all(std::move(tasks));
    EXPECT_EQ(values.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], i);

    std::atomic<int> ran{0};
    auto counts = [&ran]() -> Task<> {
      co_await yield();
      ++ran;
    };
    std::vector<Task<>> voids;
    for (int i = 0; i < 100; ++i) voids.push_back(counts());
    static_assert(std::is_void_v<decltype(all(std::move(voids)))::value_type>);
    co_await all(std::move(voids));
    EXPECT_EQ(ran, 100);
  });
}

TEST(All, OfNothing) {
  run([]() -> Task<> {
    co_await all(std::vector<Task<>>{});
    const std::vector<int> none = co_await all(std::vector<Task<int>>{});
    EXPECT_TRUE(none.empty());
    co_await all();
  });
}

TEST(All, OfOne) {
  run([]() -> Task<> {
    auto [only] = co_await all(after(1ms, 5));
    EXPECT_EQ(only, 5);
  });
}

TEST(All, RunsThemConcurrently) {
  // Each waits for the other: one after the other they would never end.
  run([]() -> Task<> {
    std::atomic<bool> first{false}, second{false};
    auto meets = [](std::atomic<bool>& mine, std::atomic<bool>& other) -> Task<> {
      mine = true;
      while (!other) co_await yield();
    };
    co_await all(meets(first, second), meets(second, first));
  });
}

TEST(All, RethrowsTheExceptionThatWasFirstOnceAllHaveEnded) {
  Executor ex({.procs = 1, .max_hogs = 0});  // one at a time: who has noted something has ended before another goes on
  ex.run([]() -> Task<> {
    Journal journal;
    auto fails = [&journal](std::size_t before, int what) -> Task<int> {
      do co_await yield();
      while (journal.entries().size() != before);
      journal.note(what);
      throw what;
    };
    auto slow = [&journal]() -> Task<int> {
      do co_await sleep(1ms);
      while (journal.entries().size() != 2);
      journal.note(3);
      co_return 0;
    };
    int thrown = 0;
    try {
      co_await all(fails(1, 1), fails(0, 2), slow());
    } catch (int n) {
      thrown = n;
    }
    EXPECT_EQ(thrown, 2);
    EXPECT_EQ(journal.entries(), (std::vector<int>{2, 1, 3}));
  });
}

TEST(All, OfAVectorRethrowsToo) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    auto child = [&alive](int i) -> Task<Probe> {
      Probe local(alive, i);
      co_await yield();
      if (i == 7) throw std::runtime_error("seven");
      co_return local;
    };
    std::vector<Task<Probe>> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(child(i));
    std::string text;
    try {
      co_await all(std::move(tasks));
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "seven");
    EXPECT_EQ(alive, 0);
  });
}

TEST(All, MoveOnlyValues) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    auto make = [&alive](int i) -> Task<MoveOnly> {
      co_await yield();
      co_return MoveOnly(alive, i);
    };
    auto [a, b] = co_await all(make(1), make(2));
    EXPECT_EQ(a.value() + b.value(), 3);
    std::vector<Task<MoveOnly>> tasks;
    for (int i = 0; i < 5; ++i) tasks.push_back(make(i));
    const std::vector<MoveOnly> many = co_await all(std::move(tasks));
    EXPECT_EQ(many[4].value(), 4);
    EXPECT_EQ(alive, 7);
  });
  EXPECT_EQ(alive, 0);
}

TEST(All, AMovedFromTaskCountsAsThatChildsException) {
  run([]() -> Task<> {
    Task<int> gone = after(0ms, 1);
    const Task<int> elsewhere = std::move(gone);
    bool other_ended = false;
    auto other = [&other_ended]() -> Task<int> {
      co_await yield();
      other_ended = true;
      co_return 1;
    };
    std::string text;
    try {
      co_await all(std::move(gone), other());  // NOLINT: moved from
    } catch (const std::logic_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "task already awaited");
    EXPECT_TRUE(other_ended);
  });
}

TEST(All, Nested) {
  struct Tree {
    static Task<int> leaves(int depth) {
      if (depth == 0) {
        co_await yield();
        co_return 1;
      }
      auto [left, right] = co_await all(leaves(depth - 1), leaves(depth - 1));
      co_return left + right;
    }
  };
  EXPECT_EQ(run(&Tree::leaves, 10), 1024);
}

TEST(All, DroppedUnawaitedStartsNothing) {
  std::atomic<int> alive{0};
  bool ran = false;
  run([&]() -> Task<> {
    auto child = [&ran](Probe) -> Task<> {
      ran = true;
      co_return;
    };
    {
      auto both = all(child(Probe(alive)), child(Probe(alive)));
      EXPECT_EQ(alive, 2);
    }
    EXPECT_EQ(alive, 0);
    co_await yield();
    EXPECT_FALSE(ran);
  });
}

TEST(All, AWideOneOnSeveralProcessors) {
  Executor ex({.procs = 4});
  const auto width = static_cast<int>(test::scaled(20'000, 2000));
  const long sum = ex.run([width]() -> Task<long> {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < width; ++i) {
      tasks.push_back([](int n) -> Task<int> {
        if (n % 5 == 0) co_await yield();
        co_return n;
      }(i));
    }
    const std::vector<int> values = co_await all(std::move(tasks));
    long total = 0;
    for (const int v : values) total += v;
    co_return total;
  });
  EXPECT_EQ(sum, static_cast<long>(width) * (width - 1) / 2);
}

TEST(All, ChildrenAreCountedAsGoroutinesAndNoneIsLeft) {
  run([]() -> Task<> {
    co_await all(after(1ms, 1), after(1ms, 2));
    // The children's records are put away by their Ms after the last one woke us.
    while (num_goroutine() != 1) co_await yield();
  });
}

}  // namespace
}  // namespace gmp::all_test
