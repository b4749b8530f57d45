// tests/go/context/context_test.cpp — contexts: trees, deadlines, values, causes, after_func.
// Go: context/x_test.go, context/context_test.go, context/afterfunc_test.go.  Room: context (floor 5).
#include "gmp/context.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/testing.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/thrown.hpp"

namespace gmp::context_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::on_executor;
using test::text_of;

bool is_done(const Context& ctx) {
  const RecvChan<Done> done = ctx.done();
  return done && done.drained();
}

// TestBackground
TEST(ContextGo, TheBackgroundIsNeverDone) {
  const Context c = background();
  EXPECT_TRUE(c);
  EXPECT_FALSE(c.done());  // the nil channel
  EXPECT_FALSE(c.err());
  EXPECT_FALSE(c.cause());
  EXPECT_EQ(c.deadline(), std::nullopt);
  EXPECT_EQ(c, background());
}

// XTestParentFinishesChild
TEST(ContextGo, AParentEndsItsChildren) {
  const ContextKey<int> key;
  auto [parent, cancel] = with_cancel(background());
  auto [cancel_child, stop] = with_cancel(parent);
  const Context value_child = with_value(parent, key, 1);
  auto [timer_child, stop_timer] = with_timeout(value_child, 10h);
  auto [after_stop, stop_other] = with_cancel(parent);
  stop_other();
  EXPECT_TRUE(is_done(after_stop));
  for (const Context& c : {parent, cancel_child, value_child, timer_child}) {
    EXPECT_FALSE(is_done(c));
    EXPECT_FALSE(c.err());
  }
  cancel();
  for (const Context& c : {parent, cancel_child, value_child, timer_child}) {
    EXPECT_TRUE(is_done(c));
    EXPECT_EQ(c.err(), errc::canceled);
  }
  // What is made below a cancelled one is born cancelled.
  auto [late, stop_late] = with_cancel(value_child);
  EXPECT_TRUE(is_done(late));
  EXPECT_EQ(late.err(), errc::canceled);
  auto [late_timer, stop_late_timer] = with_timeout(value_child, 1h);
  EXPECT_EQ(late_timer.err(), errc::canceled);
}

// XTestChildFinishesFirst
TEST(ContextGo, AChildThatEndsLeavesItsParent) {
  const std::stop_source source;
  auto [cancellable, cancel_it] = with_cancel(background());
  for (const Context& parent : {background(), cancellable, from_stop_token(source.get_token())}) {
    auto [child, cancel] = with_cancel(parent);
    EXPECT_FALSE(is_done(parent));
    EXPECT_FALSE(is_done(child));
    cancel();
    EXPECT_TRUE(is_done(child));
    EXPECT_EQ(child.err(), errc::canceled);
    EXPECT_FALSE(is_done(parent));
    EXPECT_FALSE(parent.err());
  }
}

Task<> ends_by_deadline(Context c, Clock::time_point begin, std::chrono::nanoseconds least) {
  co_await c.done().recv();
  EXPECT_GE(Clock::now() - begin, least);
  EXPECT_EQ(c.err(), errc::deadline_exceeded);
  EXPECT_EQ(c.err(), std::errc::timed_out);
  EXPECT_EQ(c.err().message(), "context deadline exceeded");
}

// XTestDeadline, XTestTimeout
TEST(ContextGo, ADeadlineEndsIt) {
  on_executor([]() -> Task<> {
    const ContextKey<int> key;
    const auto begin = Clock::now();
    co_await ends_by_deadline(with_deadline(background(), begin + 20ms).context, begin, 20ms);
    co_await ends_by_deadline(with_timeout(background(), 10ms).context, begin, 10ms);
    const auto again = Clock::now();
    auto [c, cancel] = with_deadline(background(), again + 15ms);
    auto [longer, cancel_longer] = with_timeout(c, 1h);
    EXPECT_EQ(longer.deadline(), c.deadline());  // no later than its parent
    auto [shorter, cancel_shorter] = with_deadline(longer, again + 10ms);
    EXPECT_LT(shorter.deadline(), c.deadline());
    co_await ends_by_deadline(shorter, again, 10ms);
    co_await ends_by_deadline(with_value(longer, key, 1), again, 15ms);
  });
}

// Go: WithDeadlineCause ("The current deadline is already sooner than the new one").
TEST(ContextGo, ADeadlineAfterItsParentsIsItsParents) {
  on_executor([]() -> Task<> {
    const auto sooner = Clock::now() + 20ms;
    auto [parent, cancel] = with_deadline(background(), sooner);
    for (const Context& above : {parent, with_cancel(parent).context}) {
      auto [child, cancel_child] = with_deadline(above, sooner + 1h);
      EXPECT_EQ(child.deadline(), sooner);
      co_await child.done().recv();
      EXPECT_GE(Clock::now(), sooner);
      EXPECT_EQ(child.err(), errc::deadline_exceeded);
    }
    auto [late, cancel_late] = with_deadline(background(), Clock::now() + 1h);
    auto [child, cancel_child] = with_deadline(late, Clock::now() + 2h);
    cancel_late();
    EXPECT_EQ(child.err(), errc::canceled);
  });
}

TEST(ContextGo, ADeadlineThatHasPassedEndsItAtOnce) {
  for (const Context& c : {with_deadline(background(), Clock::now() - 1s).context, with_timeout(background(), 0s).context,
                           with_timeout(background(), -5s).context, with_deadline(background(), time_point{}).context}) {
    EXPECT_EQ(c.err(), errc::deadline_exceeded);
    EXPECT_TRUE(is_done(c));
    EXPECT_TRUE(c.deadline());
  }
}

TEST(ContextGo, ADeadlineBeyondTimeNeverComes) {
  auto [c, cancel] = with_timeout(background(), std::chrono::hours::max());
  EXPECT_FALSE(c.err());
  EXPECT_EQ(c.deadline(), std::nullopt);
}

// XTestCanceledTimeout. In virtual time the cancel is not too late.
TEST(ContextGo, CancelledBeforeItsDeadlineItIsCancelled) {
  testing::run([]() -> Task<> {
    auto [parent, cancel_parent] = with_timeout(background(), 1h);
    auto [c, cancel] = with_timeout(parent, 10ms);
    cancel();
    cancel();
    EXPECT_EQ(c.err(), errc::canceled);
    EXPECT_EQ(c.err(), std::errc::operation_canceled);
    EXPECT_EQ(c.err().message(), "context canceled");
    co_await gmp::sleep(15ms);
    EXPECT_EQ(c.err(), errc::canceled);
  });
}

// XTestValues
TEST(ContextGo, ValuesAreFoundUpwards) {
  const ContextKey<std::string> k1, k2;
  const ContextKey<int> k3;
  const Context c0 = background();
  const Context c1 = with_value(c0, k1, "c1k1");
  const Context c2 = with_value(c1, k2, "c2k2");
  const Context c3 = with_value(c2, k3, 3);
  const Context c4 = with_value(with_cancel(c3).context, k1, "c4k1");
  EXPECT_EQ(c0.value(k1), nullptr);
  EXPECT_EQ(*c1.value(k1), "c1k1");
  EXPECT_EQ(c1.value(k2), nullptr);
  EXPECT_EQ(*c2.value(k1), "c1k1");
  EXPECT_EQ(*c3.value(k2), "c2k2");
  EXPECT_EQ(*c3.value(k3), 3);
  EXPECT_EQ(*c4.value(k1), "c4k1");
  EXPECT_EQ(*c4.value(k2), "c2k2");
  EXPECT_EQ(*without_cancel(c4).value(k3), 3);
  EXPECT_EQ(Context().value(k1), nullptr);
}

TEST(ContextGo, AValueMayBeMoveOnlyAndLivesAsLongAsItsContext) {
  const ContextKey<std::unique_ptr<int>> key;
  const int* seen = nullptr;
  Context outlives;
  {
    const Context c = with_value(background(), key, std::make_unique<int>(7));
    outlives = with_cancel(c).context;
    seen = c.value(key)->get();
  }
  EXPECT_EQ(outlives.value(key)->get(), seen);
  EXPECT_EQ(*seen, 7);
}

// XTestWithValueChecksKey, TestNilParent
TEST(ContextGo, ANilParentIsRefused) {
  const ContextKey<int> key;
  const Context nil;
  EXPECT_FALSE(nil);
  const auto refused = [](auto f) {
    try {
      f();
    } catch (const std::invalid_argument& e) {
      return std::string(e.what());
    }
    return std::string("not refused");
  };
  EXPECT_EQ(refused([&] { with_cancel(nil); }), "cannot create context from nil parent");
  EXPECT_EQ(refused([&] { with_timeout(nil, 1s); }), "cannot create context from nil parent");
  EXPECT_EQ(refused([&] { with_deadline(nil, Clock::now()); }), "cannot create context from nil parent");
  EXPECT_EQ(refused([&] { with_value(nil, key, 1); }), "cannot create context from nil parent");
  EXPECT_EQ(refused([&] { without_cancel(nil); }), "cannot create context from nil parent");
}

// XTestCause
TEST(ContextGo, TheCauseIsWhatTheFirstOneSaid) {
  auto [parent, cancel_parent] = with_cancel(background());
  auto [child, cancel_child] = with_cancel(parent);
  EXPECT_FALSE(parent.cause());
  cancel_parent(std::runtime_error("parent cause"));
  cancel_child(std::runtime_error("child cause"));
  cancel_parent(std::runtime_error("too late"));
  EXPECT_EQ(text_of(parent.cause()), "parent cause");
  EXPECT_EQ(text_of(child.cause()), "parent cause");
  EXPECT_EQ(child.err(), errc::canceled);
  auto [late, cancel_late] = with_cancel(child);
  EXPECT_EQ(text_of(late.cause()), "parent cause");

  auto [plain, cancel] = with_cancel(background());
  cancel();
  EXPECT_EQ(text_of(plain.cause()), "context canceled");
  auto [coded, cancel_coded] = with_cancel(background());
  cancel_coded(make_error_code(errc::eof));
  EXPECT_EQ(text_of(coded.cause()), "EOF");
  auto [pointed, cancel_pointed] = with_cancel(background());
  cancel_pointed(std::make_exception_ptr(std::logic_error("thrown elsewhere")));
  EXPECT_EQ(text_of(pointed.cause()), "thrown elsewhere");
  EXPECT_EQ(text_of(with_timeout(background(), 0s).context.cause()), "context deadline exceeded");
}

// XTestCause: WithDeadlineCause, WithTimeoutCause
TEST(ContextGo, ADeadlineMayHaveACauseOfItsOwn) {
  const auto why = std::make_exception_ptr(std::runtime_error("the budget is spent"));
  EXPECT_EQ(text_of(with_timeout_cause(background(), 0s, why).context.cause()), "the budget is spent");
  auto [passed, cancel_passed] = with_deadline_cause(background(), Clock::now() - 1s, std::runtime_error("too late"));
  EXPECT_EQ(passed.err(), errc::deadline_exceeded);
  EXPECT_EQ(text_of(passed.cause()), "too late");

  auto [cancelled, cancel] = with_timeout_cause(background(), 1h, std::runtime_error("too late"));
  EXPECT_FALSE(cancelled.cause());
  cancel();
  EXPECT_EQ(cancelled.err(), errc::canceled);
  EXPECT_EQ(text_of(cancelled.cause()), "context canceled") << "it was not its deadline that ended it";

  auto [parent, cancel_parent] = with_timeout_cause(background(), 5ms, std::runtime_error("parent's"));
  auto [child, cancel_child] = with_timeout_cause(parent, 1h, std::runtime_error("child's"));
  run([](Context ctx) -> Task<> { co_await ctx.done().recv(); }, child);
  EXPECT_EQ(child.err(), errc::deadline_exceeded);
  EXPECT_EQ(text_of(child.cause()), "parent's");
}

// XTestWithoutCancel
TEST(ContextGo, WithoutCancelHasNoEnd) {
  const ContextKey<int> key;
  auto [parent, cancel] = with_timeout(with_value(background(), key, 5), 1h);
  const Context c = without_cancel(parent);
  auto [below, cancel_below] = with_cancel(c);
  cancel();
  EXPECT_FALSE(c.err());
  EXPECT_FALSE(c.cause());
  EXPECT_FALSE(c.done());
  EXPECT_EQ(c.deadline(), std::nullopt);
  EXPECT_EQ(*c.value(key), 5);
  EXPECT_FALSE(below.err());
}

// XTestCancelRemoves: what has ended, or is gone, leaves no trace in its parent.
TEST(ContextGo, ALongLivedParentDoesNotGrow) {
  on_executor([]() -> Task<> {
    auto [parent, cancel] = with_cancel(background());
    const auto round = [&] {
      for (int i = 0; i < 1000; ++i) {
        auto [child, cancel_child] = with_timeout(parent, 1h);
        if (i % 2 == 0) cancel_child();
        AfterFunc never = after_func(parent, [] { FAIL(); });
        EXPECT_TRUE(never.stop());
      }
    };
    round();
    const std::int64_t before = test::allocated_bytes();
    for (int i = 0; i < 20; ++i) round();
    EXPECT_LT(test::allocated_bytes(), before + 100'000);  // a follower that stays were two million; a thread more, where one lost its CPU, is 16'000
    co_return;
  });
}

// XTestLayersCancel, XTestLayersTimeout
TEST(ContextGo, LayersOfAllKinds) {
  on_executor([]() -> Task<> {
    for (const bool by_timeout : {false, true}) {
      static const ContextKey<int> keys[30];
      Context c = background();
      std::vector<std::pair<int, Context>> values;
      std::vector<CancelFunc> cancels;
      std::uint32_t seed = 12345;
      Clock::time_point begin;
      for (int i = 0; i < 200; ++i) {
        if (i == 190) begin = Clock::now();  // before the first that ends soon
        seed = seed * 1664525 + 1013904223;
        switch (seed >> 30) {
          case 0: {
            const int k = i % 30;
            c = with_value(c, keys[k], i);
            values.emplace_back(k, c);
            break;
          }
          case 1: {
            auto [next, cancel] = with_cancel(c);
            c = next;
            cancels.push_back(cancel);
            break;
          }
          default: {
            auto [next, cancel] = with_timeout(c, by_timeout && i > 190 ? 10ms : 1h);
            c = next;
            cancels.push_back(cancel);
          }
        }
      }
      for (const auto& [k, at] : values) EXPECT_TRUE(c.value(keys[k]) != nullptr);
      const bool early = c.err() && (!by_timeout || Clock::now() - begin < 10ms);
      EXPECT_FALSE(early);
      if (by_timeout) {
        auto [last, cancel] = with_timeout(c, 10ms);
        co_await last.done().recv();
        EXPECT_EQ(last.err(), errc::deadline_exceeded);
      } else {
        cancels.front()();
        EXPECT_EQ(c.err(), errc::canceled);
        EXPECT_TRUE(is_done(c));
      }
    }
  });
}

TEST(ContextGo, AVeryDeepTreeIsCancelledAndDestroyed) {
  const ContextKey<int> key;
  auto [root, cancel] = with_cancel(background());
  Context c = root;
  for (int i = 0; i < 100'000; ++i) {
    if (i % 2 == 0)
      c = with_cancel(c).context;
    else
      c = with_value(c, key, i);
  }
  cancel();
  EXPECT_EQ(c.err(), errc::canceled);
  EXPECT_EQ(*c.value(key), 99'999);
}

// XTestSimultaneousCancels
TEST(ContextGo, AHundredThousandChildrenCancelledFromSeveralSidesAtOnce) {
  on_executor([]() -> Task<> {
    const auto children = static_cast<int>(test::scaled(100'000, 2'000));
    auto [root, cancel] = with_cancel(background());
    std::vector<Cancellable> all;
    for (int i = 0; i < children; ++i) all.push_back(i % 3 == 0 && i > 0 ? with_cancel(all[static_cast<std::size_t>(i) / 2].context) : with_cancel(root));
    WaitGroup wg;
    for (int side = 0; side < 4; ++side) {
      wg.go([&, side] {
        for (int i = side; i < children; i += 4) all[static_cast<std::size_t>(i)].cancel();
      });
    }
    wg.go([&, cancel_root = cancel] { cancel_root(); });
    co_await wg.wait();
    for (const Cancellable& c : all) EXPECT_EQ(c.context.err(), errc::canceled);
  });
}

// Go cancels below the parent's lock, so of several who cancel none comes back before all below have been told, whoever was first.
TEST(ContextGo, WhoeverCancelsFindsAllBelowCancelledThen) {
  const auto children = static_cast<std::size_t>(test::scaled(100'000, 2'000));
  for (int round = 0; round < 5; ++round) {
    auto [root, cancel_root] = with_cancel(background());
    auto [branch, cancel_branch] = with_cancel(root);
    std::vector<Context> all, below;  // of the root, of the branch
    for (std::size_t i = 0; i < children; ++i) {
      const bool under_branch = i % 4 == 0;
      all.push_back(with_cancel(i % 8 == 7 ? all[i / 2] : under_branch ? branch : root).context);
      if (under_branch) below.push_back(all.back());
      if (i % 100 == 0) static_cast<void>(all.back().done());
    }
    std::atomic<int> ready{0}, alive{0}, open{0};
    const auto cancel_and_look = [&ready, &alive, &open](const CancelFunc& cancel, const std::vector<Context>& expected) {
      ++ready;
      while (ready < 3) std::this_thread::yield();
      cancel();
      for (auto c = expected.rbegin(); c != expected.rend(); ++c) alive += !c->err();
      for (std::size_t i = 0; i < expected.size(); i += 100) open += !is_done(expected[i]);
    };
    std::vector<std::thread> threads;
    for (int n = 0; n < 2; ++n) threads.emplace_back([&, cancel = cancel_root] { cancel_and_look(cancel, all); });
    threads.emplace_back([&, cancel = cancel_branch] { cancel_and_look(cancel, below); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(alive, 0) << "contexts that are not cancelled when cancel() returns";
    EXPECT_EQ(open, 0) << "channels that are not closed then";
  }
}

// A channel that is first asked for after the end is closed for all who ask.
TEST(ContextGo, DoneOfOneThatHasEndedIsClosedForAllWhoAsk) {
  std::vector<Context> ended;
  for (std::int64_t n = test::scaled(20'000, 5'000); n > 0; --n) {
    auto [ctx, cancel] = with_cancel(background());
    cancel();
    ended.push_back(ctx);
  }
  std::atomic<std::size_t> asked{0};
  std::atomic<int> open{0};
  std::atomic<bool> enough{false};  // where others want the CPUs too, each has to wait for its turn each time
  const auto end = Clock::now() + 5s;
  const auto ask = [&] {
    for (std::size_t i = 0; i < ended.size() && !enough; ++i) {
      ++asked;
      while (asked < 2 * i + 1 && !enough) std::this_thread::yield();  // the other one is here, too, or nearly so
      open += !is_done(ended[i]);
      if (Clock::now() > end) enough = true;
    }
  };
  std::thread other(ask);
  ask();
  other.join();
  EXPECT_EQ(open, 0);
}

// XTestInterlockedCancels
TEST(ContextGo, ParentAndChildCancelEachOther) {
  on_executor([]() -> Task<> {
    auto [parent, cancel_parent] = with_cancel(background());
    auto [child, cancel_child] = with_cancel(parent);
    go([parent = parent, cancel_child = cancel_child]() -> Task<> {
      co_await parent.done().recv();
      cancel_child();
    });
    cancel_parent();
    auto [v, err] = co_await timeout(10s, child.done().recv());
    EXPECT_FALSE(err);
  });
}

// XTestAfterFuncCalledAfterCancel, …AfterTimeout, …Immediately, NotCalledAfterStop, TestAfterFuncCalledAsynchronously
TEST(ContextGo, AfterFuncRunsInAGoroutineOfItsOwn) {
  on_executor([]() -> Task<> {
    auto ran = make_chan<int>(4);
    auto [c, cancel] = with_cancel(background());
    AfterFunc plain = after_func(c, [ran] { EXPECT_TRUE(ran.try_send(1)); });
    AfterFunc coroutine = after_func(c, [ran]() -> Task<> {
      co_await yield();
      co_await ran.send(2);
    });
    AfterFunc stopped = after_func(c, [] { FAIL(); });
    EXPECT_TRUE(stopped.stop());
    EXPECT_FALSE(stopped.stop());
    EXPECT_EQ(ran.size(), 0u);
    cancel();
    const int sum = *co_await ran.recv() + *co_await ran.recv();
    EXPECT_EQ(sum, 3);
    EXPECT_FALSE(plain.stop());

    after_func(c, [ran] { EXPECT_TRUE(ran.try_send(3)); });  // it is done already: at once
    EXPECT_EQ(co_await ran.recv(), 3);

    auto [t, cancel_t] = with_timeout(background(), 5ms);
    after_func(t, [ran] { EXPECT_TRUE(ran.try_send(4)); });
    EXPECT_EQ(co_await ran.recv(), 4);
  });
}

TEST(ContextGo, AfterFuncOfWhatIsNeverDoneNeverRuns) {
  on_executor([]() -> Task<> {
    auto held = std::make_shared<int>(1);
    AfterFunc a = after_func(background(), [held] { FAIL(); });
    static_cast<void>(a);
    {
      auto [c, cancel] = with_cancel(background());
      after_func(c, [held] { FAIL(); });
      EXPECT_EQ(held.use_count(), 3);
    }
    EXPECT_EQ(held.use_count(), 2);  // the context is gone, and what hung on it
    co_return;
  });
}

// XTestCustomContextGoroutines
TEST(ContextGo, NoContextNeedsAGoroutine) {
  on_executor([]() -> Task<> {
    const std::size_t before = num_goroutine();
    std::stop_source source;
    auto [a, cancel_a] = with_cancel(from_stop_token(source.get_token()));
    auto [b, cancel_b] = with_timeout(a, 1h);
    AfterFunc f = after_func(b, [] {});
    EXPECT_EQ(num_goroutine(), before);
    source.request_stop();
    EXPECT_EQ(b.err(), errc::canceled);
    co_return;
  });
}

TEST(ContextGo, AStopTokenEndsItFromAThread) {
  on_executor([]() -> Task<> {
    std::stop_source source;
    const Context c = from_stop_token(source.get_token());
    EXPECT_FALSE(c.err());
    std::thread thread([&] { source.request_stop(); });
    co_await c.done().recv();
    EXPECT_EQ(c.err(), errc::canceled);
    thread.join();
    EXPECT_EQ(from_stop_token(source.get_token()).err(), errc::canceled);
    EXPECT_FALSE(from_stop_token(std::stop_token()).err());
    EXPECT_FALSE(is_done(from_stop_token(std::stop_token())));
  });
}

TEST(ContextGo, DoneInASelect) {
  on_executor([]() -> Task<> {
    auto [c, cancel] = with_cancel(background());
    auto jobs = make_chan<int>();
    go([cancel = cancel]() -> Task<> {
      co_await gmp::sleep(2ms);
      cancel();
    });
    EXPECT_EQ(co_await select(recv(jobs), recv(c.done())), 1);
    EXPECT_EQ(co_await select(recv(jobs), recv(c.done()), otherwise), 1);
  });
}

}  // namespace
}  // namespace gmp::context_test
