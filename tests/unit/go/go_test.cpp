// tests/unit/go/go_test.cpp — go and spawn: what they take, how long it lives, where the new goroutine runs, and when they refuse.
// Go: the go statement.  Room: go (floor 4).
#include "gmp/go.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/time.hpp"
#include "unit/task/probe.hpp"

namespace gmp::go_test {
namespace {

using namespace std::chrono_literals;
using test::Journal;
using test::MoveOnly;
using test::Probe;

// Gives way until the condition holds; the watchdog ends a wait that is in vain.
template <class F>
Task<> until_true(F condition) {
  while (!condition()) co_await yield();
}

int twice(int x) { return 2 * x; }
Task<int> twice_later(int x) {
  co_await yield();
  co_return 2 * x;
}

TEST(Go, TakesAPlainFunctionWithArguments) {
  run([]() -> Task<> {
    const int got = co_await spawn(twice, 21);
    EXPECT_EQ(got, 42);
    const int by_pointer = co_await spawn(&twice, 4);
    EXPECT_EQ(by_pointer, 8);
  });
}

TEST(Go, TakesACoroutineFunctionWithArguments) {
  run([]() -> Task<> {
    const int got = co_await spawn(twice_later, 21);
    EXPECT_EQ(got, 42);
  });
}

TEST(Go, TakesATaskInPlaceOfAFunction) {
  run([]() -> Task<> {
    JoinHandle<int> h = spawn(twice_later(3));
    const int got = co_await h;
    EXPECT_EQ(got, 6);
    Task<int> named = twice_later(5);
    JoinHandle<int> other = spawn(std::move(named));
    EXPECT_FALSE(named);  // NOLINT: that is the claim
    const int second = co_await other;
    EXPECT_EQ(second, 10);
    std::atomic<bool> done{false};
    auto sets = [&done]() -> Task<> {
      done = true;
      co_return;
    };
    go(sets());
    co_await until_true([&done] { return done.load(); });
  });
}

TEST(Go, TakesMemberFunctionsAndMembers) {
  struct Counter {
    int value = 5;
    int add(int n) { return value += n; }
    Task<int> add_later(int n) {
      co_await yield();
      co_return value += n;
    }
  };
  run([]() -> Task<> {
    Counter counter;
    const int six = co_await spawn(&Counter::add, &counter, 1);
    EXPECT_EQ(six, 6);
    const int eight = co_await spawn(&Counter::add_later, std::ref(counter), 2);
    EXPECT_EQ(eight, 8);
    const int copied = co_await spawn(&Counter::add, counter, 100);
    EXPECT_EQ(copied, 108);
    EXPECT_EQ(counter.value, 8);
    const int member = co_await spawn(&Counter::value, counter);
    EXPECT_EQ(member, 8);
  });
}

TEST(Go, TakesZeroToEightArguments) {
  run([]() -> Task<> {
    auto sum = [](auto... n) { return (0 + ... + n); };
    std::vector<JoinHandle<int>> handles;
    handles.push_back(spawn(sum));
    handles.push_back(spawn(sum, 1));
    handles.push_back(spawn(sum, 1, 2));
    handles.push_back(spawn(sum, 1, 2, 3));
    handles.push_back(spawn(sum, 1, 2, 3, 4));
    handles.push_back(spawn(sum, 1, 2, 3, 4, 5));
    handles.push_back(spawn(sum, 1, 2, 3, 4, 5, 6));
    handles.push_back(spawn(sum, 1, 2, 3, 4, 5, 6, 7));
    handles.push_back(spawn(sum, 1, 2, 3, 4, 5, 6, 7, 8));
    int n = 0;
    int expected = 0;
    for (auto& h : handles) {
      const int got = co_await h;
      expected += n++;
      EXPECT_EQ(got, expected);
    }
  });
}

TEST(Go, ACapturingLambdaCoroutineIsSafe) {
  // The closure given here is gone before the g has run a line of it.
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    std::atomic<int> sum{0};
    for (int i = 0; i < 50; ++i) {
      go([p = Probe(alive, i), text = std::string(100, 'x'), &sum]() -> Task<> {
        co_await yield();
        co_await sleep(1ms);
        sum += p.value() + static_cast<int>(text.size());
      });
      spawn([p = Probe(alive, i), text = std::string(100, 'y'), &sum]() -> Task<> {
        co_await yield();
        sum += p.value() + static_cast<int>(text.size());
      }).detach();
    }
    co_await until_true([&] { return alive == 0; });
    EXPECT_EQ(sum, 2 * (1225 + 5000));
  });
  EXPECT_EQ(alive, 0);
}

TEST(Go, ArgumentsAreDecayCopied) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    JoinHandle<int> h;
    {
      std::string text = "local";
      const char literal[] = "array";
      Probe probe(alive, 3);
      auto body = [](const std::string& a, const char* b, const Probe& p) -> Task<int> {
        co_await yield();
        EXPECT_EQ(a, "local");
        EXPECT_STREQ(b, "array");
        co_return p.value();
      };
      h = spawn(body, text, static_cast<const char*>(literal), probe);
      text = "overwritten";
      // `literal` decays to a pointer, as with std::thread: it must live here.
      co_await until_true([&h] { return h.done(); });
    }
    const int three = co_await h;
    EXPECT_EQ(three, 3);
  });
  EXPECT_EQ(alive, 0);
}

TEST(Go, ReferenceParametersOfACoroutineReferToTheCopies) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    auto body = [](const Probe& p, const std::vector<int>& v) -> Task<int> {
      co_await sleep(1ms);
      co_return p.value() + static_cast<int>(v.size());
    };
    JoinHandle<int> h = spawn(body, Probe(alive, 2), std::vector<int>(5));
    const int got = co_await h;
    EXPECT_EQ(got, 7);
  });
  EXPECT_EQ(alive, 0);
}

/// Refers to what it was made of, as std::string_view and std::span do.
struct View {
  View(const Probe& of) : seen(&of) {}  // implicit, as theirs
  const Probe* seen;
};

TEST(Go, AnArgumentThatAParameterOnlyRefersToLivesUntilTheEnd) {
  std::atomic<int> alive{0}, started{0}, ended{0};
  run([&]() -> Task<> {
    const auto body = [](View view, std::atomic<int>* living, std::atomic<int>* from, std::atomic<int>* over) -> Task<> {
      while (*from == *over) co_await sleep(100us);  // what was given to go() itself is gone then
      EXPECT_EQ(*living, 1);
      if (*living == 1) {
        EXPECT_EQ(view.seen->value(), 7);
      }
      ++*over;
    };
    go(body, Probe(alive, 7), &alive, &started, &ended);
    ++started;
    co_await until_true([&] { return ended == 1 && alive == 0; });
    go(+body, Probe(alive, 7), &alive, &started, &ended);
    ++started;
    co_await until_true([&] { return ended == 2 && alive == 0; });
    JoinHandle<void> h = spawn(body, Probe(alive, 7), &alive, &started, &ended);
    ++started;
    co_await h;
  });
  EXPECT_EQ(alive, 0);
}

TEST(Go, MoveOnlyArgumentsAndCallables) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    auto by_value = [](MoveOnly m) -> Task<int> {
      co_await yield();
      co_return m.value();
    };
    const int four = co_await spawn(by_value, MoveOnly(alive, 4));
    EXPECT_EQ(four, 4);
    auto plain = [](std::unique_ptr<int> p) { return *p; };
    const int five = co_await spawn(plain, std::make_unique<int>(5));
    EXPECT_EQ(five, 5);
    auto owner = [m = MoveOnly(alive, 6)]() -> Task<int> {
      co_await yield();
      co_return m.value();
    };
    const int six = co_await spawn(std::move(owner));
    EXPECT_EQ(six, 6);
    auto by_rvalue = [](MoveOnly&& m) -> Task<int> {
      co_await yield();
      co_return m.value();
    };
    const int seven = co_await spawn(by_rvalue, MoveOnly(alive, 7));
    EXPECT_EQ(seven, 7);
  });
  EXPECT_EQ(alive, 0);
}

TEST(Go, StdRefPassesAReference) {
  run([]() -> Task<> {
    int x = 0;
    auto increments = [](int& n) -> Task<> {
      co_await yield();
      ++n;
    };
    co_await spawn(increments, std::ref(x));
    co_await spawn([](int& n) { ++n; }, std::ref(x));
    EXPECT_EQ(x, 2);
  });
}

TEST(Go, CallableAndArgumentsLiveUntilTheGoroutineEndsAndNoLonger) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    std::atomic<bool> go_on{false};
    JoinHandle<void> h;
    {
      auto body = [p = Probe(alive), &go_on](Probe) -> Task<> {
        while (!go_on) co_await yield();
      };
      h = spawn(body, Probe(alive));
    }
    co_await yield();
    EXPECT_GE(alive, 2);
    go_on = true;
    co_await h;
    EXPECT_EQ(alive, 0);  // a join returns after the frames are gone
  });
}

TEST(Go, AFunctionObjectIsCopiedOnceWhenPassedAsLvalueAndNotWhenMoved) {
  struct Counts {
    int* copies;
    explicit Counts(int& c) : copies(&c) {}
    Counts(const Counts& other) : copies(other.copies) { ++*copies; }
    Counts(Counts&& other) noexcept = default;
    int operator()() const { return 1; }
  };
  run([]() -> Task<> {
    int copies = 0;
    Counts f(copies);
    const int one = co_await spawn(f);
    EXPECT_EQ(one + copies, 2);
    const int still_one = co_await spawn(std::move(f));
    EXPECT_EQ(still_one + copies, 2);
  });
}

TEST(Go, ResultOfAPlainFunctionIsDroppedByGo) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    std::atomic<bool> ran{false};
    go([&] {
      ran = true;
      return Probe(alive);
    });
    go([&]() -> Task<Probe> { co_return Probe(alive); });
    co_await until_true([&] { return ran && alive == 0; });
  });
  EXPECT_EQ(alive, 0);
}

TEST(Go, AnEmptyTaskOrFunctionIsRefused) {
  const auto text_of = [](auto&& f) -> std::string {
    try {
      f();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  run([&text_of] {
    EXPECT_EQ(text_of([] { go(Task<>()); }), "go: empty task");
    EXPECT_EQ(text_of([] { spawn(Task<int>()).detach(); }), "go: empty task");
    Task<> moved_from = []() -> Task<> { co_return; }();
    const Task<> other = std::move(moved_from);
    EXPECT_EQ(text_of([&] { go(std::move(moved_from)); }), "go: empty task");  // NOLINT
    EXPECT_EQ(text_of([] { go(std::function<void()>()); }), "go of nil func value");
    EXPECT_EQ(text_of([] { spawn(std::function<Task<int>()>()).detach(); }), "go of nil func value");
    EXPECT_EQ(text_of([] { go(static_cast<void (*)()>(nullptr)); }), "go of nil func value");
  });
  EXPECT_EQ(text_of([] { run(std::function<void()>()); }), "go of nil func value");
  EXPECT_EQ(text_of([] { run(Task<>()); }), "go: empty task");
}

TEST(Go, OnAGoroutineTheNewOneBelongsToItsExecutor) {
  Executor first({.name = "first"});
  Executor second({.name = "second"});
  const auto here = [] { return Executor::current(); };
  first.run([&]() -> Task<> {
    Executor* of_spawned = co_await spawn(here);
    EXPECT_EQ(of_spawned, &first);
    Executor* of_other = co_await second.spawn(here);
    EXPECT_EQ(of_other, &second);
    auto nested = [&here]() -> Task<Executor*> { co_return co_await spawn(here); };
    Executor* of_nested = co_await second.spawn(nested);
    EXPECT_EQ(of_nested, &second);
  });
}

TEST(Go, OffAGoroutineTheNewOneBelongsToTheDefaultExecutor) {
  JoinHandle<Executor*> h = spawn([] { return Executor::current(); });
  EXPECT_EQ(h.get(), &default_executor());
  const auto ran = std::make_shared<std::atomic<bool>>(false);  // its own, too: we may go before it has notified
  go([ran] {
    *ran = true;
    ran->notify_one();
  });
  ran->wait(false);
}

TEST(Go, OnOneProcessorTheLastStartedRunsFirstAndTheOthersInOrder) {
  std::vector<int> order;
  test::within_a_slice([&order] {
    Journal journal;
    Executor ex({.procs = 1});
    ex.run([&journal]() -> Task<> {
      std::vector<JoinHandle<void>> handles;
      for (int i = 0; i < 5; ++i) handles.push_back(spawn([&journal, i] { journal.note(i); }));
      for (auto& h : handles) co_await h;
    });
    order = journal.entries();
    return std::chrono::steady_clock::now();
  });
  EXPECT_EQ(order, (std::vector<int>{4, 0, 1, 2, 3}));
}

TEST(Go, FromManyThreadsAtOnce) {
  constexpr int threads = 4;
  constexpr int each = 500;
  std::atomic<int> ran{0};
  {
    Executor ex({.procs = 2});
    std::vector<std::jthread> starters;
    std::vector<JoinHandle<int>> handles[threads];
    for (int t = 0; t < threads; ++t) {
      starters.emplace_back([&, t] {
        for (int i = 0; i < each; ++i) {
          if (i % 2 == 0)
            ex.go([&ran] { ++ran; });
          else
            handles[t].push_back(ex.spawn([&ran, i] { return ++ran, i; }));
        }
      });
    }
    starters.clear();
    for (auto& list : handles) {
      int i = 1;
      for (auto& h : list) {
        EXPECT_EQ(h.get(), i);
        i += 2;
      }
    }
    while (ran != threads * each) std::this_thread::yield();
  }
  EXPECT_EQ(ran, threads * each);
}

TEST(Go, ConstructorOfAnArgumentThatThrowsStartsNothing) {
  struct Bomb {
    Bomb() = default;
    Bomb(const Bomb&) { throw std::runtime_error("copying"); }
  };
  std::atomic<int> alive{0};
  run([&alive] {
    const Bomb bomb;
    const auto body = [](const Probe&, const Bomb&) { ADD_FAILURE(); };
    EXPECT_THROW(go(body, Probe(alive), bomb), std::runtime_error);
    EXPECT_THROW(spawn(body, Probe(alive), bomb).detach(), std::runtime_error);
    EXPECT_EQ(num_goroutine(), 1u);
  });
  EXPECT_EQ(alive, 0);
}

TEST(Go, AFunctionThatThrowsBeforeItReturnsItsTaskEndsAsThatGoroutinesException) {
  run([]() -> Task<> {
    std::string text;
    auto throws = [](int x) -> Task<int> {  // captureless, parameters by value: no wrapper frame round it
      if (x != 0) throw std::runtime_error("early");
      co_return x;
    };
    auto plain = [](int x) -> Task<int> {  // no coroutine: throws where it is called
      if (x != 0) throw std::runtime_error("not even a coroutine");
      return twice_later(x);
    };
    try {
      co_await spawn(throws, 1);
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "early");
    JoinHandle<int> h = spawn(plain, 1);
    try {
      co_await h;
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "not even a coroutine");
  });
  int panics = 0;
  Executor ex({.procs = 1, .on_panic = [&panics](std::exception_ptr, const GInfo& g) { panics += g.id > 1; }});
  ex.run([]() -> Task<> {
    go([](int x) -> Task<int> {
      if (x != 0) throw std::runtime_error("not even a coroutine");
      return twice_later(x);
    }, 1);
    while (num_goroutine() > 1) co_await yield();
  });
  EXPECT_EQ(panics, 1);
}

}  // namespace
}  // namespace gmp::go_test
