// tests/unit/sched/fork_test.cpp — children of all() that run on their joiner's G, and how they come off it.
// Go: none.  Room: tests/unit/sched.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
#include "support/scale.hpp"
#include "unit/task/probe.hpp"

namespace gmp::fork_test {
namespace {

using namespace std::chrono_literals;
using test::Probe;

Task<std::uint64_t> who() { co_return this_g::id(); }
Task<int> one() { co_return 1; }

Task<long> leaves(int depth, int parks_every, std::atomic<int>& turns) {
  if (depth == 0) {
    if (parks_every != 0 && ++turns % parks_every == 0) co_await yield();
    co_return 1;
  }
  auto [left, right] = co_await all(leaves(depth - 1, parks_every, turns), leaves(depth - 1, parks_every, turns));
  co_return left + right;
}

TEST(Fork, ChildrenThatDoNotParkAreNoGoroutines) {
  Executor ex({.procs = 1, .max_hogs = 0});
  ex.run([&ex]() -> Task<> {
    const debug::Stats before = debug::stats(&ex);
    std::atomic<int> turns{0};
    const long n = co_await leaves(10, 0, turns);
    EXPECT_EQ(n, 1024);
    const debug::Stats after = debug::stats(&ex);
    // None, as long as it is one slice. Where that ends, for the system has held us up, those on the way down get Gs, and what they have left one each.
    const std::uint64_t turns_of_the_p = after.per_proc[0].ticks - before.per_proc[0].ticks;
    EXPECT_LE(after.spawned - before.spawned, turns_of_the_p * (10 + 1));
  });
}

TEST(Fork, EachHasAnIdOfItsOwnAboveItsParentsThoughItIsNoGoroutine) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    const std::uint64_t mine = this_g::id();
    auto [a, b] = co_await all(who(), who());
    EXPECT_GT(a, mine);
    EXPECT_GT(b, mine);
    EXPECT_NE(a, b);  // the second may be begun first, if the system holds us up
    EXPECT_EQ(this_g::id(), mine);
  });
}

TEST(Fork, ItKeepsItsIdWhenItParks) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    auto child = []() -> Task<std::uint64_t> {
      const std::uint64_t early = this_g::id();
      std::uint64_t below = 0;
      auto started = spawn([&below]() { below = this_g::id(); });
      co_await started;
      const std::uint64_t late = this_g::id();
      EXPECT_EQ(late, early);
      EXPECT_GT(below, early);
      co_return early;
    };
    auto inner = [child]() -> Task<std::uint64_t> {
      auto [a, b] = co_await all(child(), child());
      const std::uint64_t me = this_g::id();
      EXPECT_LT(me, a);
      EXPECT_LT(me, b);
      co_return me;
    };
    const std::uint64_t mine = this_g::id();
    auto [x, y] = co_await all(inner(), inner());
    EXPECT_NE(x, y);
    EXPECT_GT(x, mine);
    EXPECT_EQ(this_g::id(), mine);
  });
}

TEST(Fork, AGuestsNameIsItsOwn) {
  Executor ex({.procs = 1, .max_hogs = 0});  // one at a time: who has ended is off its M before its joiner goes on
  ex.run([&ex]() -> Task<> {
    this_g::set_name("host");
    auto child = [&ex](const char* name, bool parks) -> Task<std::string> {
      this_g::set_name(name);
      if (parks) co_await yield();
      co_return debug::goroutines(&ex);
    };
    auto [a, b] = co_await all(child("quick guest", false), child("slow guest", true));
    EXPECT_NE(a.find("quick guest"), std::string::npos) << a;
    EXPECT_NE(b.find("slow guest"), std::string::npos) << b;
    EXPECT_NE(b.find("\"host\""), std::string::npos) << b;
    const std::string after = debug::goroutines(&ex);
    EXPECT_NE(after.find("host"), std::string::npos) << after;
    EXPECT_EQ(after.find("guest"), std::string::npos) << after;
  });
}

TEST(Fork, ParkingDeepInsideGivesEachOnTheWayItsOwnG) {
  static constexpr int depth = 50;
  struct Down {
    static Task<int> go_down(int n, Executor& ex) {
      if (n == 0) {
        co_await yield();
        int waiting = 0;
        for (const GInfo& g : debug::goroutine_infos(&ex)) waiting += g.wait_reason == "all" ? 1 : 0;
        EXPECT_EQ(waiting, depth);
        co_return 0;
      }
      auto [below, beside] = co_await all(go_down(n - 1, ex), one());
      co_return below + beside;
    }
  };
  Executor ex({.procs = 1});
  EXPECT_EQ(ex.run(&Down::go_down, depth, std::ref(ex)), depth);
}

TEST(Fork, AsDeepAsYouLike) {
  struct Down {
    static Task<int> go_down(int n, bool parks) {
      if (n == 0) {
        if (parks) co_await yield();
        co_return 0;
      }
      auto [below] = co_await all(go_down(n - 1, parks));
      co_return below + 1;
    }
  };
  const auto depth = static_cast<int>(test::scaled(100'000, 20'000));
  EXPECT_EQ(run(&Down::go_down, depth, false), depth);
  EXPECT_EQ(run(&Down::go_down, depth, true), depth);
}

// The first computes until the second has run: some other thread must take that out of the list.
void runs_beside(int procs) {
  Executor ex({.procs = procs});
  int elsewhere = 0;
  for (int round = 0; round < 10; ++round) {
    elsewhere += ex.run([]() -> Task<bool> {
      std::atomic<bool> ran{false};
      std::thread::id first{}, second{};
      auto computes = [&]() -> Task<> {
        first = std::this_thread::get_id();
        while (!ran) test::burn(10us);
        co_return;
      };
      auto is_waited_for = [&]() -> Task<> {
        second = std::this_thread::get_id();
        ran = true;
        co_return;
      };
      co_await all(computes(), is_waited_for());
      co_return first != second;
    });
  }
  EXPECT_GT(elsewhere, 0);  // not each time: a joiner that the system held up gives way before its first child, and the second may be begun there first
}
TEST(Fork, AnotherThreadTakesWhatAComputingChildKeepsFromItsJoiner) { runs_beside(4); }
TEST(Fork, AlsoWithOneP) { runs_beside(1); }

TEST(Fork, ChildrenOfASliceEachShareThePWithOthers) {
  Executor ex({.procs = 1, .max_hogs = 0});  // the P is not taken from them: they give way
  ex.run([]() -> Task<> {
    constexpr int enough = 3;
    std::atomic<bool> over{false};
    std::atomic<int> turns{0};
    auto other = spawn([&]() -> Task<> {
      while (!over) {
        ++turns;
        co_await yield();
      }
    });
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    std::vector<Task<>> tasks;
    for (int i = 0; i < 20'000; ++i) {
      tasks.push_back([](const std::atomic<int>& seen, std::chrono::steady_clock::time_point end) -> Task<> {
        if (seen < enough && std::chrono::steady_clock::now() < end) test::burn(500us);
        co_return;
      }(turns, give_up));
    }
    co_await all(std::move(tasks));
    EXPECT_GE(turns, enough);
    over = true;
    co_await other;
  });
}

TEST(Fork, StoppedInTheMiddleNothingIsLeft) {
  for (int procs : {1, 4}) {
    std::atomic<int> alive{0}, begun{0};
    {
      auto child = [&](Probe held, int i) -> Task<> {  // outlives the executor: some begin just before the stop
        Probe local(alive);
        ++begun;
        test::burn(200us);
        if (i % 7 == 0) co_await sleep(1h);
        EXPECT_EQ(held.value(), i);
      };
      Executor ex({.procs = procs});
      ex.go([&]() -> Task<> {
        auto group = [&]() -> Task<> {
          std::vector<Task<>> tasks;
          for (int i = 0; i < 1000; ++i) tasks.push_back(child(Probe(alive, i), i));
          co_await all(std::move(tasks));
        };
        co_await all(group(), group(), group());
      });
      while (begun < 20) std::this_thread::yield();
    }
    EXPECT_EQ(alive, 0);
  }
}

TEST(Fork, PsComeAndGoMeanwhile) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    std::atomic<bool> over{false};
    auto changes = spawn([&over]() -> Task<> {
      for (int n = 1; !over; n = n % 4 + 1) {
        gomaxprocs(n);
        co_await sleep(200us);
      }
      gomaxprocs(4);
    });
    std::atomic<int> turns{0};
    for (int i = 0; i < 20; ++i) {
      const int every = i % 2 == 0 ? 0 : 50;
      const long n = co_await leaves(10, every, turns);
      EXPECT_EQ(n, 1024);
    }
    over = true;
    co_await changes;
  });
}

TEST(Fork, AGThatIsBoundToItsThreadLendsItToNobody) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    co_await this_g::lock_os_thread();
    const std::thread::id here = std::this_thread::get_id();
    auto elsewhere = [here]() -> Task<> {
      EXPECT_NE(std::this_thread::get_id(), here);
      co_return;
    };
    co_await all(elsewhere(), elsewhere());
    EXPECT_EQ(std::this_thread::get_id(), here);
    this_g::unlock_os_thread();
  });
}

TEST(Fork, TreesWithLeavesThatPark) {
  for (int procs : {1, 2, 4}) {
    Executor ex({.procs = procs});
    for (int every : {1, 2, 3, 17, 1000}) {
      std::atomic<int> turns{0};
      const long n = ex.run(&leaves, 12, every, std::ref(turns));
      EXPECT_EQ(n, 4096) << procs << " " << every;
    }
  }
}

TEST(Fork, OneExceptionEachWay) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    auto throws = [](bool parks) -> Task<int> {
      if (parks) co_await yield();
      throw std::runtime_error(parks ? "late" : "at once");
    };
    for (const bool parks : {false, true}) {
      std::string text;
      bool other_ran = false;
      auto other = [&other_ran]() -> Task<> {
        other_ran = true;
        co_return;
      };
      try {
        co_await all(throws(parks), other());
      } catch (const std::runtime_error& error) {
        text = error.what();
      }
      EXPECT_EQ(text, parks ? "late" : "at once");
      EXPECT_TRUE(other_ran);
    }
  });
}

TEST(Fork, AwaitedTwiceItSaysSo) {
  run([]() -> Task<> {
    auto both = all(one(), one());
    co_await both;
    EXPECT_THROW(co_await both, std::logic_error);
  });
}

TEST(Fork, IsATaskWhereOneIsWanted) {
  run([]() -> Task<> {
    Task<std::tuple<int, int>> both = all(one(), one());
    auto [a, b] = co_await spawn(std::move(both));
    EXPECT_EQ(a + b, 2);
  });
}

}  // namespace
}  // namespace gmp::fork_test
