// tests/unit/go/join_test.cpp — JoinHandle: join from goroutines of any executor and from plain threads, once; done, detach, drop.
// Go: none (a channel or WaitGroup does it there).  Room: go (floor 4).
#include <gtest/gtest.h>

#include <atomic>
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

namespace gmp::join_test {
namespace {

using namespace std::chrono_literals;
using test::MoveOnly;
using test::Probe;

static_assert(!std::is_copy_constructible_v<JoinHandle<int>> && std::is_nothrow_move_constructible_v<JoinHandle<int>>);
static_assert(std::is_same_v<decltype(spawn([]() -> Task<int> { co_return 1; })), JoinHandle<int>>);
static_assert(std::is_same_v<decltype(spawn([] {})), JoinHandle<void>>);
static_assert(std::is_same_v<decltype(spawn([](int& x) -> int& { return x; }, std::ref(std::declval<int&>()))), JoinHandle<int&>>);

template <class F>
std::string logic_error_of(F&& f) {
  try {
    f();
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "no logic_error";
}

Task<int> after(std::chrono::milliseconds d, int value) {
  co_await sleep(d);
  co_return value;
}

TEST(Join, BeforeAndAfterTheEnd) {
  run([]() -> Task<> {
    std::atomic<bool> looked{false};
    JoinHandle<int> slow = spawn([&looked]() -> Task<int> {
      while (!looked) co_await yield();
      const int one = co_await after(5ms, 1);
      co_return one;
    });
    EXPECT_FALSE(slow.done());
    looked = true;
    const int one = co_await slow;
    EXPECT_EQ(one, 1);
    EXPECT_TRUE(slow.done());
    JoinHandle<int> fast = spawn([] { return 2; });
    while (!fast.done()) co_await yield();
    const int two = co_await fast;
    EXPECT_EQ(two, 2);
  });
}

TEST(Join, AsAnOperation) {
  run([]() -> Task<> {
    JoinHandle<int> h = spawn(after, 1ms, 3);
    const int three = co_await h.join();
    EXPECT_EQ(three, 3);
    JoinHandle<int> other = spawn(after, 1ms, 4);
    auto op = other.join();  // nothing happens until it is awaited
    co_await yield();
    const int four = co_await std::move(op);
    EXPECT_EQ(four, 4);
  });
}

TEST(Join, RethrowsWhatTheGoroutineThrew) {
  run([]() -> Task<> {
    JoinHandle<int> h = spawn([]() -> Task<int> {
      co_await yield();
      throw std::out_of_range("inside");
    });
    std::string text;
    try {
      co_await h;
    } catch (const std::out_of_range& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "inside");
  });
  JoinHandle<void> h = spawn([] { throw 5; });
  int thrown = 0;
  try {
    h.get();
  } catch (int n) {
    thrown = n;
  }
  EXPECT_EQ(thrown, 5);
}

TEST(Join, ResultsMoveOnlyReferenceVoid) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    JoinHandle<MoveOnly> h = spawn([&alive] { return MoveOnly(alive, 8); });
    MoveOnly got = co_await h;
    EXPECT_EQ(got.value(), 8);
    int x = 0;
    auto gives_reference = [](int& n) -> Task<int&> { co_return n; };
    int& same = co_await spawn(gives_reference, std::ref(x));
    EXPECT_EQ(&same, &x);
    int& plain = co_await spawn([](int& n) -> int& { return n; }, std::ref(x));
    EXPECT_EQ(&plain, &x);
    co_await spawn([] {});
  });
  EXPECT_EQ(alive, 0);
}

TEST(Join, AResultThatNobodyTakesIsDestroyed) {
  std::atomic<int> alive{0};
  {
    Executor ex;
    {
      JoinHandle<Probe> h = ex.spawn([&alive] { return Probe(alive); });
      while (!h.done()) std::this_thread::yield();
      EXPECT_EQ(alive, 1);
    }
    while (alive != 0) std::this_thread::yield();  // by who lets go last: the handle, or the M that has said that it is done
    ex.spawn([&alive] { return Probe(alive); }).detach();
  }
  EXPECT_EQ(alive, 0);
}

TEST(Join, TwiceIsALogicError) {
  run([]() -> Task<> {
    JoinHandle<int> h = spawn([] { return 1; });
    co_await h;
    std::string text;
    try {
      co_await h;
    } catch (const std::logic_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "goroutine already joined");
  });
  JoinHandle<int> h = spawn([] { return 1; });
  EXPECT_EQ(h.get(), 1);
  EXPECT_EQ(logic_error_of([&] { h.get(); }), "goroutine already joined");
}

TEST(Join, ByASecondWhileTheFirstWaitsIsALogicErrorForTheSecond) {
  run([]() -> Task<> {
    std::atomic<bool> go_on{false};
    JoinHandle<int> h = spawn([&go_on]() -> Task<int> {
      while (!go_on) co_await yield();
      co_return 6;
    });
    auto joins = [&h]() -> Task<int> { co_return co_await h; };
    JoinHandle<int> first = spawn(joins);
    co_await test::until_parked(1, "join");
    std::string text;
    try {
      co_await h;
    } catch (const std::logic_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "goroutine already joined");
    go_on = true;
    const int value = co_await first;
    EXPECT_EQ(value, 6);
  });
}

TEST(Join, OfAnEmptyHandleIsALogicError) {
  run([]() -> Task<> {
    JoinHandle<int> empty;
    EXPECT_FALSE(empty);
    int errors = 0;
    try {
      co_await empty;
    } catch (const std::logic_error&) {
      ++errors;
    }
    JoinHandle<int> h = spawn([] { return 1; });
    EXPECT_TRUE(h);
    JoinHandle<int> moved = std::move(h);
    try {
      co_await h;  // NOLINT: moved from
    } catch (const std::logic_error&) {
      ++errors;
    }
    co_await moved;
    moved.detach();
    EXPECT_FALSE(moved);
    moved.detach();  // nothing left to let go of
    try {
      co_await moved.join();
    } catch (const std::logic_error&) {
      ++errors;
    }
    EXPECT_EQ(errors, 3);
    EXPECT_NE(logic_error_of([&moved] { static_cast<void>(moved.done()); }), "no logic_error");
  });
}

TEST(Join, GetOnAGoroutineIsALogicErrorThatNamesTheOtherForm) {
  run([] {
    JoinHandle<int> h = spawn([] { return 1; });
    EXPECT_EQ(logic_error_of([&h] { h.get(); }), "get() called on a goroutine: use co_await");
  });
}

TEST(Join, GetInsideBlockingIsAPlainThreads) {
  run([]() -> Task<> {
    JoinHandle<int> h = spawn(after, 2ms, 9);
    const int nine = co_await blocking([&h] { return h.get(); });
    EXPECT_EQ(nine, 9);
  });
}

TEST(Join, GetFromAPlainThreadBeforeAndAfterTheEnd) {
  Executor ex;
  JoinHandle<int> h = ex.spawn(after, 5ms, 1);
  EXPECT_EQ(h.get(), 1);
  JoinHandle<int> ended = ex.spawn([] { return 2; });
  while (!ended.done()) std::this_thread::yield();
  EXPECT_EQ(ended.get(), 2);
}

TEST(Join, AcrossExecutors) {
  Executor first({.procs = 1});
  Executor second({.procs = 1});
  first.run([&]() -> Task<> {
    for (int i = 0; i < 200; ++i) {
      JoinHandle<int> h = second.spawn([i]() -> Task<int> {
        if (i % 3 == 0) co_await sleep(100us);
        co_return i;
      });
      const int got = co_await h;
      EXPECT_EQ(got, i);
      EXPECT_EQ(Executor::current(), &first);
    }
  });
}

TEST(Join, DetachedGoroutinesRunOn) {
  std::atomic<int> ran{0};
  run([&ran]() -> Task<> {
    {
      JoinHandle<void> h = spawn([&ran]() -> Task<> {
        co_await sleep(1ms);
        ++ran;
      });
      h.detach();
      JoinHandle<void> dropped = spawn([&ran]() -> Task<> {
        co_await sleep(1ms);
        ++ran;
      });
      JoinHandle<void> assigned_over = spawn([&ran] { ++ran; });
      assigned_over = JoinHandle<void>();
    }
    while (ran != 3) co_await yield();
  });
}

TEST(Join, TheHandleMayGoWhileTheGoroutineEnds) {
  // Both let go of the block at once.
  std::atomic<int> alive{0};
  Executor ex({.procs = 2});
  for (int i = 0; i < test::scaled(1000, 200); ++i) {
    auto h = ex.spawn([&alive] { return Probe(alive); });
    if (i % 2 == 0) {
      for (int pause = i % 50 * 10; pause > 0; --pause) detail::cpu_pause();  // no yield: where the CPUs are busy each takes a slice of theirs
    }
  }
  while (alive != 0) std::this_thread::yield();
}

TEST(Join, RaceOfTheEndWithTheJoin) {
  Executor ex({.procs = 2});
  const auto rounds = static_cast<int>(test::scaled(20'000, 1000));
  const std::int64_t sum = ex.run([rounds]() -> Task<std::int64_t> {
    std::int64_t total = 0;
    for (int i = 0; i < rounds; ++i) {
      JoinHandle<int> a = spawn([i] { return i; });
      JoinHandle<int> b = spawn([]() -> Task<int> {
        co_await yield();
        co_return 1;
      });
      if (i % 3 == 0) co_await yield();
      total += co_await a;
      total += co_await b;
    }
    co_return total;
  });
  EXPECT_EQ(sum, static_cast<std::int64_t>(rounds) * (rounds - 1) / 2 + rounds);
}

TEST(Join, RaceOfTheEndWithGet) {
  Executor ex({.procs = 2});
  for (int i = 0; i < test::scaled(2000, 200); ++i) {
    JoinHandle<int> h = ex.spawn([i] { return i; });
    EXPECT_EQ(h.get(), i);
  }
}

TEST(Join, AJoinerSeesAllThatTheGoroutineDid) {
  // Plain memory: TSan is the judge.
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    for (int i = 0; i < 500; ++i) {
      auto data = std::make_unique<int>(0);
      JoinHandle<void> h = spawn([&data, i] { *data = i; });
      co_await h;
      EXPECT_EQ(*data, i);
    }
  });
  int plain = 0;
  ex.spawn([&plain] { plain = 5; }).get();
  EXPECT_EQ(plain, 5);
}

// The g has not failed: its executor was stopped. Who joins is told, each way; who drops the handle has done nothing wrong.
TEST(Join, AHandleMayOutliveTheExecutorThatWasStopped) {
  const auto ended = test::child::run([] {
    std::vector<JoinHandle<int>> dropped;
    JoinHandle<int> got, joined, unborn;
    Executor other({.procs = 1});
    {
      Executor ex({.procs = 1});
      for (int i = 0; i < 2; ++i) dropped.push_back(ex.spawn(after, 24h, 1));
      got = ex.spawn(after, 24h, 1);
      joined = ex.spawn(after, 24h, 1);
      ex.go([&unborn]() -> Task<> {
        auto at_the_end = defer([&unborn] { unborn = spawn([] { return 1; }); });
        co_await sleep(24h);
      });
      test::wait_until_parked(ex, 5, "sleep");
      dropped.pop_back();
    }
    const auto told = [](auto f) {
      try {
        f();
      } catch (const std::runtime_error& error) {
        return std::string(error.what());
      }
      return std::string("no runtime_error");
    };
    if (!got.done() || !unborn.done()) std::exit(1);
    if (told([&] { got.get(); }) != "executor stopped" || told([&] { unborn.get(); }) != "executor stopped") std::exit(2);
    if (told([&] { other.run([&joined]() -> Task<int> { co_return co_await joined; }); }) != "executor stopped") std::exit(3);
  });
  EXPECT_EQ(ended.status, 0) << ended;
  EXPECT_EQ(ended.err, "");
}

}  // namespace
}  // namespace gmp::join_test
