// tests/unit/task/temporaries_test.cpp — the forms of temporaries in co_await that g++ 12 destroys twice: those that this library lets through
// must be right there, the others must be right elsewhere.
// Go: none.  Room: task (floor 4).
//
// g++ before 13 runs the destructor of a temporary closure or aggregate twice if the temporary stands inside a co_await expression (GCC PR
// 99576, 95599 and kin).  Where the library takes a callable in something awaited, such a closure does not compile (tests/compile_fail); what
// it cannot see, a user's own function, is here only for the compilers that get it right.  A Probe that is destroyed twice ends the process.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/task.hpp"
#include "unit/task/probe.hpp"

namespace gmp::temporaries_test {
namespace {

using test::Probe;

// Held by pointer, so that ASan sees a second destruction, and by count.
using Held = std::shared_ptr<Probe>;

template <class F>
Task<int> call(F&& f) {
  co_return f();
}
template <class F>
Task<int> call_owned(F f) {
  co_await yield();
  co_return f();
}

struct Constructed {
  Constructed(std::string n, Held h) : name(std::move(n)), held(std::move(h)) {}
  std::string name;
  Held held;
};
struct Aggregate {
  std::string name;
  Held held;
};
Task<int> take(Constructed c) { co_return c.held->value(); }
Task<int> take_aggregate(Aggregate a) { co_return a.held->value(); }
Aggregate make_aggregate(Held held) { return Aggregate{"made", std::move(held)}; }

class Temporaries : public ::testing::Test {
 protected:
  // body(held) runs as a g; afterwards nothing holds the probe.
  template <class Body>
  void check(Body&& body) {
    std::atomic<int> alive{0};
    {
      Held held = std::make_shared<Probe>(alive, 3);
      run(body, held);
      EXPECT_EQ(held.use_count(), 1) << "something was destroyed twice, or not at all";
    }
    EXPECT_EQ(alive, 0);
  }
};

TEST_F(Temporaries, NamedClosureIsUsedInPlace) {
  check([](Held held) -> Task<> {
    auto closure = [held] { return held->value(); };
    const long before = held.use_count();
    int got = co_await call(closure);
    EXPECT_EQ(got, 3);
    got = co_await blocking(closure);
    EXPECT_EQ(got, 3);
    EXPECT_EQ(held.use_count(), before);
  });
}

TEST_F(Temporaries, NamedClosureMoved) {
  check([](Held held) -> Task<> {
    auto closure = [held] { return held->value(); };
    const int got = co_await call_owned(std::move(closure));
    EXPECT_EQ(got, 3);
  });
}

TEST_F(Temporaries, ClosureInAStatementOfItsOwn) {
  check([](Held held) -> Task<> {
    auto task = call_owned([held] { return held->value(); });
    const int got = co_await task;
    EXPECT_EQ(got, 3);
  });
}

TEST_F(Temporaries, TypeWithAConstructor) {
  check([](Held held) -> Task<> {
    const int got = co_await take(Constructed("n", held));
    EXPECT_EQ(got, 3);
  });
}

TEST_F(Temporaries, AggregateReturnedByAFunction) {
  check([](Held held) -> Task<> {
    const int got = co_await take_aggregate(make_aggregate(held));
    EXPECT_EQ(got, 3);
  });
}

TEST_F(Temporaries, StdBind) {
  check([](Held held) -> Task<> {
    const int got = co_await call_owned(std::bind([](const Held& h) { return h->value(); }, held));
    EXPECT_EQ(got, 3);
  });
}

TEST_F(Temporaries, ClosureThatCapturesByReferenceOrPlainNumbers) {
  check([](Held held) -> Task<> {
    int number = 4;
    int got = co_await blocking([&held] { return held->value(); });
    EXPECT_EQ(got, 3);
    got = co_await blocking([number] { return number; });
    EXPECT_EQ(got, 4);
    got = co_await suspend<int>([&held](Waker<int> w) { w.wake(held->value()); });
    EXPECT_EQ(got, 3);
  });
}

TEST_F(Temporaries, NamedClosureInSuspend) {
  check([](Held held) -> Task<> {
    auto wakes = [held](Waker<int> w) { w.wake(held->value()); };
    const int got = co_await suspend<int>(wakes);
    EXPECT_EQ(got, 3);
  });
}

TEST_F(Temporaries, BlockingTakesArgumentsByValue) {
  check([](Held held) -> Task<> {
    const int got = co_await blocking([](const Held& h) { return h->value(); }, held);
    EXPECT_EQ(got, 3);
    Held copy = held;
    const int moved = co_await blocking([](Held h) { return h->value(); }, std::move(copy));
    EXPECT_EQ(moved, 3);
    EXPECT_EQ(copy, nullptr);  // NOLINT: that is the claim
  });
}

TEST_F(Temporaries, GoAndSpawnOfATemporaryClosureAsStatements) {
  check([](Held held) -> Task<> {
    std::atomic<int> sum{0};
    go([held, &sum] { sum += held->value(); });
    go([held, &sum]() -> Task<> {
      co_await yield();
      sum += held->value();
    });
    JoinHandle<int> h = spawn([held]() -> Task<int> { co_return held->value(); });
    const int got = co_await h;
    EXPECT_EQ(got, 3);
    while (sum != 6 || held.use_count() > 3) co_await yield();
  });
}

TEST_F(Temporaries, AllOfTasks) {
  check([](Held held) -> Task<> {
    auto f = [](Held h) -> Task<Held> { co_return h; };
    auto [a, b] = co_await all(f(held), f(held));
    EXPECT_EQ(a, held);
    EXPECT_EQ(b, held);
    std::vector<Task<Held>> many;
    for (int i = 0; i < 5; ++i) many.push_back(f(held));
    const std::vector<Held> got = co_await all(std::move(many));
    EXPECT_EQ(got.size(), 5u);
    EXPECT_EQ(got[4], held);
  });
}

TEST_F(Temporaries, StructuredBindingsOfAResult) {
  check([](Held held) -> Task<> {
    auto f = [](Held h) -> Task<std::pair<Held, int>> { co_return std::pair(h, 5); };
    auto [h, n] = co_await f(held);
    EXPECT_EQ(h, held);
    EXPECT_EQ(n, 5);
  });
}

TEST_F(Temporaries, ATemporaryHandleInTheSameExpression) {
  check([](Held held) -> Task<> {
    auto closure = [held] { return held->value(); };
    const int got = co_await spawn(closure);
    EXPECT_EQ(got, 3);
    const int joined = co_await spawn(closure).join();
    EXPECT_EQ(joined, 3);
  });
}

#if !GMPCORO_GCC12_TEMPORARIES

TEST_F(Temporaries, ClosureInsideTheExpression) {
  check([](Held held) -> Task<> {
    int got = co_await call([held] { return held->value(); });
    EXPECT_EQ(got, 3);
    got = co_await [held]() -> Task<int> { co_return held->value(); }();
    EXPECT_EQ(got, 3);
    got = co_await call(std::function<int()>([held] { return held->value(); }));
    EXPECT_EQ(got, 3);
    got = co_await call([own = held] { return own->value(); });
    EXPECT_EQ(got, 3);
    got = co_await blocking([held] { return held->value(); });
    EXPECT_EQ(got, 3);
    got = co_await suspend<int>([held](Waker<int> w) { w.wake(held->value()); });
    EXPECT_EQ(got, 3);
    got = co_await spawn([held]() -> Task<int> { co_return held->value(); });
    EXPECT_EQ(got, 3);
  });
}

TEST_F(Temporaries, AggregatesInsideTheExpression) {
  check([](Held held) -> Task<> {
    int got = co_await take_aggregate(Aggregate{"n", held});
    EXPECT_EQ(got, 3);
    got = co_await take_aggregate({.name = "n", .held = held});
    EXPECT_EQ(got, 3);
    auto make = [](Held h) -> Task<Held> { co_return h; };
    const Aggregate built{co_await [](Held) -> Task<std::string> { co_return "n"; }(held), co_await make(held)};
    EXPECT_EQ(built.held, held);
  });
}

#endif

}  // namespace
}  // namespace gmp::temporaries_test
