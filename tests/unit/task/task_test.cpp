// tests/unit/task/task_test.cpp — Task: lazy, owned by one, awaited once; what it returns and throws.
// Go: none (a call).  Room: task (floor 4).
#include "gmp/task.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "support/child.hpp"
#include "unit/task/probe.hpp"

namespace gmp::task_test {
namespace {

using test::Ender;
using test::Journal;
using test::MoveOnly;
using test::Probe;

static_assert(!std::is_copy_constructible_v<Task<>> && !std::is_copy_assignable_v<Task<>>);
static_assert(std::is_nothrow_move_constructible_v<Task<int>> && std::is_nothrow_move_assignable_v<Task<int>>);
static_assert(std::is_same_v<Task<>, Task<void>>);
static_assert(std::is_nothrow_default_constructible_v<Task<>>);

template <class E, class F>
std::string thrown_by(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

Task<int> add(int a, int b) { co_return a + b; }

TEST(Task, GivesWhatItsCoroutineReturned) {
  run([]() -> Task<> {
    const int sum = co_await add(2, 3);
    EXPECT_EQ(sum, 5);
  });
}

TEST(Task, DoesNothingUntilItIsAwaited) {
  run([]() -> Task<> {
    bool started = false;
    auto body = [&started]() -> Task<> {
      started = true;
      co_return;
    };
    Task<> task = body();
    co_await yield();
    EXPECT_FALSE(started);
    co_await std::move(task);
    EXPECT_TRUE(started);
  });
}

TEST(Task, DroppedWithoutAwaitNeverRanAndItsArgumentsAreDestroyed) {
  std::atomic<int> alive{0};
  bool ran = false;
  {
    auto body = [&ran](Probe) -> Task<> {
      ran = true;
      co_return;
    };
    Task<> task = body(Probe(alive));
    EXPECT_EQ(alive, 1);
    EXPECT_TRUE(task);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(ran);
}

TEST(Task, IsTrueUntilAwaitedOrMovedFrom) {
  run([]() -> Task<> {
    Task<int> task = add(1, 2);
    EXPECT_TRUE(task);
    Task<int> other = std::move(task);
    EXPECT_FALSE(task);
    EXPECT_TRUE(other);
    const int sum = co_await other;
    EXPECT_EQ(sum, 3);
    EXPECT_FALSE(other);
    EXPECT_FALSE(Task<>());
  });
}

TEST(Task, AssignmentDropsTheOneItHeld) {
  std::atomic<int> alive{0};
  auto body = [](Probe) -> Task<> { co_return; };
  Task<> task = body(Probe(alive));
  task = body(Probe(alive));
  EXPECT_EQ(alive, 1);
  Task<>& same = task;
  task = std::move(same);  // to itself
  EXPECT_EQ(alive, 1);
  EXPECT_TRUE(task);
  task = Task<>();
  EXPECT_EQ(alive, 0);
}

TEST(Task, AwaitedTwiceIsAnErrorThatSaysSo) {
  run([]() -> Task<> {
    Task<int> task = add(1, 2);
    const int sum = co_await task;
    EXPECT_EQ(sum, 3);
    std::string text;
    try {
      co_await task;
    } catch (const std::logic_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "task already awaited");
  });
}

TEST(Task, MovedFromOrEmptyAwaitedIsTheSameError) {
  run([]() -> Task<> {
    Task<int> task = add(1, 2);
    Task<int> other = std::move(task);
    int errors = 0;
    try {
      co_await task;
    } catch (const std::logic_error&) {
      ++errors;
    }
    Task<> empty;
    try {
      co_await empty;
    } catch (const std::logic_error&) {
      ++errors;
    }
    try {
      co_await Task<>();
    } catch (const std::logic_error&) {
      ++errors;
    }
    EXPECT_EQ(errors, 3);
    co_await std::move(other);
  });
}

TEST(Task, InProgressInAnotherGoroutineCannotBeAwaited) {
  run([]() -> Task<> {
    std::atomic<bool> begun{false}, go_on{false};
    auto body = [&begun, &go_on]() -> Task<int> {
      begun = true;
      while (!go_on) co_await yield();
      co_return 4;
    };
    Task<int> task = body();
    auto first = [&task]() -> Task<int> { co_return co_await task; };
    JoinHandle<int> h = spawn(first);
    while (!begun) co_await yield();
    std::string text;
    try {
      co_await task;
    } catch (const std::logic_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "task already awaited");
    go_on = true;
    const int value = co_await h;
    EXPECT_EQ(value, 4);
  });
}

TEST(Task, RethrowsWhatItsCoroutineThrew) {
  auto fails = [](int depth, auto& self) -> Task<int> {
    if (depth == 0) throw std::out_of_range("deep down");
    co_return co_await self(depth - 1, self);
  };
  const std::string text = thrown_by<std::out_of_range>([&] {
    run([&fails]() -> Task<> { co_await fails(5, fails); });
  });
  EXPECT_EQ(text, "deep down");
}

TEST(Task, RethrowsTheVeryObject) {
  struct Mine {
    int* address;
  };
  run([]() -> Task<> {
    int witness = 0;
    auto throws = [&witness]() -> Task<> {
      throw Mine{&witness};
      co_return;
    };
    int* seen = nullptr;
    try {
      co_await throws();
    } catch (Mine& mine) {
      seen = mine.address;
    }
    EXPECT_EQ(seen, &witness);
  });
}

TEST(Task, ThatThrewHasDestroyedItsLocalsBeforeTheHandlerRuns) {
  Journal journal;
  run([&journal]() -> Task<> {
    auto inner = [&journal]() -> Task<> {
      Ender local(journal, 1);
      co_await yield();
      throw std::runtime_error("x");
    };
    auto outer = [&journal, &inner]() -> Task<> {
      Ender local(journal, 2);
      co_await inner();
    };
    try {
      co_await outer();
    } catch (const std::runtime_error&) {
      journal.note(3);
    }
  });
  EXPECT_EQ(journal.entries(), (std::vector<int>{1, 2, 3}));
}

TEST(Task, GoesOnAfterACaughtException) {
  run([]() -> Task<> {
    int sum = 0;
    auto odd_throws = [](int i) -> Task<int> {
      if (i % 2 == 1) throw i;
      co_return i;
    };
    for (int i = 0; i < 100; ++i) {
      try {
        sum += co_await odd_throws(i);
      } catch (int thrown) {
        sum += 1000 * thrown;
      }
    }
    EXPECT_EQ(sum, 2450 + 2500 * 1000);
  });
}

TEST(Task, FrameIsGoneWhenTheFullExpressionEnds) {
  Journal journal;
  run([&journal]() -> Task<> {
    auto body = [&journal](int) -> Task<int> {
      Ender local(journal, 1);
      co_return 7;
    };
    const int seven = co_await body(0);
    journal.note(seven);
  });
  EXPECT_EQ(journal.entries(), (std::vector<int>{1, 7}));
}

TEST(Task, ResultMayBeMoveOnlyAndIsDestroyedOnce) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    auto make = [&alive](int value) -> Task<MoveOnly> {
      co_await yield();
      co_return MoveOnly(alive, value);
    };
    MoveOnly got = co_await make(5);
    EXPECT_EQ(got.value(), 5);
    EXPECT_EQ(alive, 1);
    Task<MoveOnly> lvalue = make(6);
    MoveOnly moved_out = co_await lvalue;
    EXPECT_EQ(moved_out.value(), 6);
    EXPECT_EQ(alive, 2);
    co_await make(7);  // not looked at
    EXPECT_EQ(alive, 2);
  });
  EXPECT_EQ(alive, 0);
}

TEST(Task, ResultMayBeAReference) {
  run([]() -> Task<> {
    int x = 1;
    auto ref = [&x]() -> Task<int&> { co_return x; };
    int& got = co_await ref();
    EXPECT_EQ(&got, &x);
    co_await ref() = 5;
    EXPECT_EQ(x, 5);
    auto const_ref = [&x]() -> Task<const int&> { co_return x; };
    const int& constant = co_await const_ref();
    EXPECT_EQ(&constant, &x);
  });
}

TEST(Task, ResultNeedNotBeDefaultConstructibleNorAssignable) {
  struct Fixed {
    explicit Fixed(int v) : value(v) {}
    Fixed(const Fixed&) = default;
    Fixed& operator=(const Fixed&) = delete;
    const int value;
  };
  run([]() -> Task<> {
    auto make = []() -> Task<Fixed> { co_return Fixed(9); };
    const Fixed got = co_await make();
    EXPECT_EQ(got.value, 9);
  });
}

TEST(Task, ResultMayBeOverAligned) {
  struct alignas(128) Wide {
    explicit Wide(int v) : value(v) {}
    int value;
  };
  run([]() -> Task<> {
    auto make = [](int v) -> Task<Wide> {
      co_await yield();
      co_return Wide(v);
    };
    for (int i = 0; i < 20; ++i) {
      Task<Wide> task = make(i);
      const int value = (co_await task).value;
      EXPECT_EQ(value, i);
    }
  });
}

TEST(Task, ResultIsConvertedFromWhatIsReturned) {
  run([]() -> Task<> {
    auto text = []() -> Task<std::string> { co_return "literal"; };
    const std::string got = co_await text();
    EXPECT_EQ(got, "literal");
    auto pointer = []() -> Task<std::unique_ptr<const int>> { co_return std::make_unique<int>(3); };
    const std::unique_ptr<const int> owned = co_await pointer();
    EXPECT_EQ(*owned, 3);
  });
}

TEST(Task, ResultThatThrowsOnItsWayOutIsTheTasksException) {
  struct Bomb {
    Bomb() = default;
    Bomb(const Bomb&) { throw std::runtime_error("copying"); }
    ~Bomb() {}
  };
  run([]() -> Task<> {
    auto make = []() -> Task<Bomb> {
      static Bomb kept;
      co_return kept;
    };
    std::string text;
    try {
      co_await make();
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "copying");
  });
}

TEST(Task, MayBeAwaitedInsideATryBlockAndItsParentsLocalsStay) {
  run([]() -> Task<> {
    std::string local = "kept";
    for (int i = 0; i < 3; ++i) {
      try {
        const int sum = co_await add(i, i);
        EXPECT_EQ(sum, 2 * i);
        co_await yield();
      } catch (...) {
        ADD_FAILURE();
      }
    }
    EXPECT_EQ(local, "kept");
  });
}

TEST(Task, AwaitedInAnotherGoroutineThanItWasMadeIn) {
  const int value = run([]() -> Task<int> {
    Task<int> made_here = add(20, 22);
    auto other = [](Task<int> task) -> Task<int> { co_return co_await std::move(task); };
    co_return co_await spawn(other, std::move(made_here));
  });
  EXPECT_EQ(value, 42);
}

TEST(Task, MayBeMadeOffAGoroutine) {
  Task<int> task = add(1, 1);
  EXPECT_EQ(run(std::move(task)), 2);
  EXPECT_FALSE(task);  // NOLINT: that is the claim
}

TEST(Task, ArgumentsLiveAsLongAsTheFrame) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    auto body = [](Probe by_value, const Probe& by_reference) -> Task<int> {
      co_await yield();
      co_return by_value.value() + by_reference.value();
    };
    Probe named(alive, 10);
    const Probe five(alive, 5);
    const int sum = co_await body(named, five);
    EXPECT_EQ(sum, 15);
    EXPECT_EQ(alive, 2);
  });
  EXPECT_EQ(alive, 0);
}

// [lost]
Task<bool> gives_true() { co_return true; }

Task<int> awaits_in_a_condition() {
  if (co_await gives_true()) co_return 1;
  co_return 2;
}
// [/lost]

// A bug of g++ 12, that must not be a goroutine which is never heard of again.
TEST(Task, ABodyThatTheCompilerHasLostIsReported) {
  const auto outcome = test::child::run([] { std::printf("%d\n", run(awaits_in_a_condition)); });
#if GMPCORO_GCC12_TEMPORARIES
  EXPECT_EQ(outcome.status, 2) << outcome;
  EXPECT_NE(outcome.err.find("did nothing. g++ 12 drops the body of a coroutine"), std::string::npos) << outcome;
#else
  EXPECT_EQ(outcome.out, "1\n") << outcome;
#endif
}

}  // namespace
}  // namespace gmp::task_test
