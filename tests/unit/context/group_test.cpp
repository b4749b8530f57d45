// tests/unit/context/group_test.cpp — Group: all are waited for, the first failure stops the others, a limit is kept.
// Go: golang.org/x/sync/errgroup/errgroup_test.go.  Room: context (floor 5).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/sync.hpp"
#include "support/net.hpp"
#include "support/thrown.hpp"

namespace gmp::group_test {
namespace {

using namespace std::chrono_literals;
using test::on_executor;
using test::text_of;

TEST(Group, WaitsForAllAndCancelsItsContextInTheEnd) {
  on_executor([]() -> Task<> {
    Group group;
    std::atomic<int> done{0};
    group.go([&] { ++done; });
    group.go([&]() -> Task<> {
      co_await gmp::sleep(2ms);
      ++done;
    });
    const auto add = [](std::atomic<int>& to, int n) -> Task<int> {
      co_await yield();
      co_return to += n;
    };
    group.go(add, std::ref(done), 5);
    group.go(add(done, 10));
    const Context ctx = group.context();
    EXPECT_FALSE(ctx.err());
    co_await group.wait();
    EXPECT_EQ(done, 17);
    EXPECT_EQ(ctx.err(), errc::canceled);
    co_await group.wait();
  });
}

TEST(Group, TheFirstExceptionCancelsTheOthersAndIsRethrown) {
  on_executor([]() -> Task<> {
    auto [parent, cancel] = with_cancel(background());
    Group group(parent);
    std::atomic<int> given_up{0};
    for (int i = 0; i < 5; ++i) {
      group.go([&](Context ctx) -> Task<> {
        const auto err = co_await until(ctx, gmp::sleep(1h));
        given_up += err == errc::canceled;
        throw std::runtime_error("too late");
      }, group.context());
    }
    group.go([]() -> Task<> {
      co_await gmp::sleep(1ms);
      throw std::runtime_error("the first");
    });
    for (int round = 0; round < 2; ++round) {
      const auto result = co_await attempt(group.wait());
      EXPECT_EQ(text_of(result.exception), "the first");
    }
    EXPECT_EQ(given_up, 5);
    EXPECT_EQ(text_of(group.context().cause()), "the first");
    EXPECT_FALSE(parent.err());
  });
}

TEST(Group, TheParentsEndReachesIt) {
  on_executor([]() -> Task<> {
    auto [parent, cancel] = with_cancel(background());
    Group group(parent);
    group.go([](Context ctx) -> Task<> { EXPECT_EQ(co_await until(ctx, gmp::sleep(1h)), errc::canceled); }, group.context());
    co_await yield();
    cancel();
    co_await group.wait();
  });
}

TEST(Group, NoMoreThanTheLimitAtATime) {
  on_executor([]() -> Task<> {
    Group group;
    group.set_limit(3);
    std::atomic<int> running{0}, most{0};
    for (int i = 0; i < 50; ++i) {
      group.go([&]() -> Task<> {
        const int now = ++running;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        co_await yield();
        --running;
      });
    }
    co_await group.wait();
    EXPECT_LE(most, 3);
    EXPECT_GE(most, 1);
  });
}

TEST(Group, WhoWaitsForATurnGetsItInTheOrderOfTheCalls) {
  on_executor([]() -> Task<> {
    Group group;
    group.set_limit(1);
    int order = 0;
    for (int i = 0; i < 50; ++i) {
      group.go([&order, i]() -> Task<> {
        EXPECT_EQ(order++, i);
        co_await yield();
      });
    }
    co_await group.wait();
    EXPECT_EQ(order, 50);
  });
}

TEST(Group, TryGoDoesNotWaitForAPlace) {
  on_executor([]() -> Task<> {
    Group group;
    group.set_limit(1);
    auto finish = make_chan<int>();
    EXPECT_TRUE(group.try_go([finish]() -> Task<> { co_await finish.recv(); }));
    auto held = std::make_shared<int>(1);
    EXPECT_FALSE(group.try_go([held] { FAIL(); }));
    EXPECT_EQ(held.use_count(), 1);
    std::string what;
    try {
      group.set_limit(5);
    } catch (const std::logic_error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "errgroup: modify limit while 1 goroutines in the group are still active");
    co_await finish.send(1);
    co_await group.wait();
    EXPECT_TRUE(group.try_go([] {}));
    co_await group.wait();
    group.set_limit(-1);
    EXPECT_TRUE(group.try_go([] {}));
    EXPECT_TRUE(group.try_go([] {}));
    co_await group.wait();
  });
}

TEST(Group, AWaitMayBeGivenUp) {
  on_executor([]() -> Task<> {
    Group group;
    auto finish = make_chan<int>();
    group.go([finish]() -> Task<> { co_await finish.recv(); });
    EXPECT_EQ(co_await timeout(1ms, group.wait()), errc::deadline_exceeded);
    EXPECT_FALSE(group.context().err());
    co_await finish.send(1);
    EXPECT_FALSE(co_await timeout(1h, group.wait()));
  });
}

TEST(Group, GoesBeforeItsGoroutines) {
  on_executor([]() -> Task<> {
    auto done = make_chan<int>(2);
    {
      Group group;
      group.set_limit(1);
      for (int i = 0; i < 2; ++i) {
        group.go([done]() -> Task<> {
          co_await yield();
          co_await done.send(1);
        });
      }
    }
    co_await done.recv();
    co_await done.recv();
  });
}

TEST(Group, ItsExecutorStopsWithOthersWaitingForTheirTurn) {
  auto held = std::make_shared<int>(1);
  {
    Group group;
    group.set_limit(1);
    Executor ex;
    ex.run([&]() -> Task<> {
      for (int i = 0; i < 10'000; ++i) group.go([held]() -> Task<> { co_await gmp::sleep(1h); });
      co_await gmp::sleep(1ms);
    });
    ex.stop();
    EXPECT_EQ(held.use_count(), 1) << "a frame is left";
  }
}

TEST(Group, BadInput) {
  on_executor([]() -> Task<> {
    Group group;
    std::function<void()> nothing;
    EXPECT_THROW(group.go(nothing), std::invalid_argument);
    EXPECT_THROW(group.go(Task<>()), std::invalid_argument);
    co_await group.wait();  // neither is counted
  });
}

}  // namespace
}  // namespace gmp::group_test
