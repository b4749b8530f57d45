// tests/unit/go/this_g_test.cpp — yield, blocking, defer, identities, counts, a thread of one's own.
// Go: runtime.Gosched, NumGoroutine, LockOSThread.  Room: go (floor 4).
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/time.hpp"
#include "support/scale.hpp"
#include "unit/task/probe.hpp"

namespace gmp::this_g_test {
namespace {

using namespace std::chrono_literals;
using test::Journal;
using test::MoveOnly;

long thread_number() { return ::syscall(SYS_gettid); }

TEST(Yield, GoesToTheTailOfTheQueue) {
  std::vector<int> order;
  test::within_a_slice([&order] {
    Journal journal;
    Executor ex({.procs = 1});
    ex.run([&journal]() -> Task<> {
      auto body = [&journal](int who) -> Task<> {
        for (int i = 0; i < 3; ++i) {
          journal.note(who);
          co_await yield();
        }
      };
      std::vector<JoinHandle<void>> handles;
      for (int i = 0; i < 3; ++i) handles.push_back(spawn(body, i));
      for (auto& h : handles) co_await h;
    });
    order = journal.entries();
    return std::chrono::steady_clock::now();
  });
  EXPECT_EQ(order, (std::vector<int>{2, 0, 1, 2, 0, 1, 2, 0, 1}));
}

TEST(Yield, AloneItComesBackAtOnce) {
  run([]() -> Task<> {
    for (int i = 0; i < test::scaled(100'000, 10'000); ++i) co_await yield();
  });
}

TEST(Blocking, GivesWhatFReturnsOrThrows) {
  run([]() -> Task<> {
    const int sum = co_await blocking([](int a, int b) { return a + b; }, 2, 3);
    EXPECT_EQ(sum, 5);
    co_await blocking([] {});
    int x = 0;
    int& same = co_await blocking([&x]() -> int& { return x; });
    EXPECT_EQ(&same, &x);
    std::string text;
    try {
      co_await blocking([] { throw std::runtime_error("blocked"); });
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "blocked");
  });
}

TEST(Blocking, MoveOnlyArgumentsAndResults) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    auto takes = [](MoveOnly m) { return m; };
    const MoveOnly got = co_await blocking(takes, MoveOnly(alive, 3));
    EXPECT_EQ(got.value(), 3);
    auto pointer = co_await blocking([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(4));
    EXPECT_EQ(*pointer, 4);
  });
  EXPECT_EQ(alive, 0);
}

TEST(Blocking, InsideFTheGoroutineIsStillTheCurrentOne) {
  Executor ex;
  ex.run([&ex]() -> Task<> {
    const std::uint64_t me = this_g::id();
    co_await blocking([&ex, me] {
      EXPECT_EQ(this_g::id(), me);
      EXPECT_EQ(Executor::current(), &ex);
    });
    // go() inside f starts a goroutine here.
    Executor* started_on = nullptr;
    co_await blocking([&started_on] { started_on = spawn([] { return Executor::current(); }).get(); });
    EXPECT_EQ(started_on, &ex);
  });
}

TEST(Blocking, Nested) {
  // f is plain code; a run() of its own is a plain thread's business.
  run([]() -> Task<> {
    Executor other({.procs = 1});
    const int got = co_await blocking([&other] { return other.spawn([]() -> Task<int> { co_return co_await blocking([] { return 8; }); }).get(); });
    EXPECT_EQ(got, 8);
  });
}

TEST(Defer, RunsWhenTheScopeEndsLastFirst) {
  Journal journal;
  {
    auto first = defer([&] { journal.note(1); });
    auto second = defer([&] { journal.note(2); });
    journal.note(0);
  }
  EXPECT_EQ(journal.entries(), (std::vector<int>{0, 2, 1}));
}

TEST(Defer, RunsWhenAnExceptionLeavesAndWhenTheExecutorStops) {
  std::atomic<int> ran{0};
  {
    Executor ex;
    JoinHandle<void> throws = ex.spawn([&ran]() -> Task<> {
      auto d = defer([&ran] { ++ran; });
      co_await yield();
      throw std::runtime_error("x");
    });
    EXPECT_THROW(throws.get(), std::runtime_error);
    EXPECT_EQ(ran, 1);
    std::atomic<bool> there{false};
    ex.go([&]() -> Task<> {
      auto d = defer([&ran] { ++ran; });
      there = true;
      co_await sleep(24h);
    });
    while (!there) std::this_thread::yield();
  }
  EXPECT_EQ(ran, 2);
}

TEST(ThisG, IdsAreUniqueAndNeverUsedAgain) {
  std::set<std::uint64_t> seen;
  Executor ex({.procs = 2});
  ex.run([&seen]() -> Task<> {
    seen.insert(this_g::id());
    for (int round = 0; round < 20; ++round) {
      std::vector<JoinHandle<std::uint64_t>> handles;
      for (int i = 0; i < 50; ++i) handles.push_back(spawn([] { return this_g::id(); }));
      for (auto& h : handles) {
        const std::uint64_t id = co_await h;
        EXPECT_NE(id, 0u);
        EXPECT_TRUE(seen.insert(id).second) << id;
      }
    }
  });
  EXPECT_EQ(seen.size(), 1001u);
}

TEST(ThisG, IdStaysTheSameAcrossSuspensions) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    auto body = []() -> Task<> {
      const std::uint64_t me = this_g::id();
      for (int i = 0; i < 100; ++i) {
        if (i % 10 == 0) co_await sleep(10us);
        co_await yield();
        EXPECT_EQ(this_g::id(), me);
      }
    };
    std::vector<Task<>> many;
    for (int i = 0; i < 20; ++i) many.push_back(body());
    co_await all(std::move(many));
  });
}

TEST(ThisG, NameShowsInTheDump) {
  Executor ex;
  ex.run([&ex]() -> Task<> {
    this_g::set_name("the accountant");
    EXPECT_NE(debug::goroutines(&ex).find("the accountant"), std::string::npos);
    co_return;
  });
}

TEST(NumGoroutine, CountsTheLivingOnes) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    EXPECT_EQ(num_goroutine(), 1u);
    std::atomic<bool> stop{false};
    auto body = [&stop]() -> Task<> {
      while (!stop) co_await sleep(100us);
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 10; ++i) handles.push_back(spawn(body));
    EXPECT_EQ(num_goroutine(), 11u);
    stop = true;
    for (auto& h : handles) co_await h;
    while (num_goroutine() != 1) co_await yield();  // the last records are put away just after the join
  });
}

TEST(NumGoroutine, OffAGoroutineItIsTheDefaultExecutors) {
  while (num_goroutine() != 0) std::this_thread::yield();
  std::atomic<bool> stop{false};
  JoinHandle<void> h = spawn([&stop]() -> Task<> {
    while (!stop) co_await sleep(100us);
  });
  EXPECT_EQ(num_goroutine(), 1u);
  stop = true;
  h.get();
}

TEST(LockOsThread, TheGoroutineStaysOnItsThreadAndNobodyElseRunsThere) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    std::atomic<bool> stop{false};
    std::atomic<long> locked_thread{0};
    std::atomic<int> trespassers{0};
    auto others = [&]() -> Task<> {
      while (!stop) {
        if (thread_number() == locked_thread) ++trespassers;
        co_await yield();
        if (thread_number() == locked_thread) ++trespassers;
        co_await sleep(20us);
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 8; ++i) handles.push_back(spawn(others));
    auto locked = [&]() -> Task<> {
      co_await this_g::lock_os_thread();
      const long mine = thread_number();
      locked_thread = mine;
      for (int i = 0; i < 200; ++i) {
        if (i % 4 == 0) co_await sleep(50us);
        if (i % 4 == 1) co_await yield();
        if (i % 4 == 2) co_await blocking([] { std::this_thread::sleep_for(50us); });
        if (i % 4 == 3) co_await spawn([] {});
        EXPECT_EQ(thread_number(), mine);
      }
      locked_thread = 0;
      this_g::unlock_os_thread();
    };
    co_await spawn(locked);
    stop = true;
    for (auto& h : handles) co_await h;
    EXPECT_EQ(trespassers, 0);
  });
}

TEST(LockOsThread, OnOneProcessorTheOthersGoOn) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    co_await this_g::lock_os_thread();
    const long mine = thread_number();
    for (int i = 0; i < 100; ++i) {
      auto where = []() -> Task<long> {
        co_await yield();
        co_return thread_number();
      };
      const long other = co_await spawn(where);
      EXPECT_NE(other, mine);
      EXPECT_EQ(thread_number(), mine);
    }
    this_g::unlock_os_thread();
  });
}

TEST(LockOsThread, IsCounted) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    co_await this_g::lock_os_thread();
    co_await this_g::lock_os_thread();
    const long mine = thread_number();
    this_g::unlock_os_thread();
    for (int i = 0; i < 50; ++i) {
      co_await spawn([] {});
      EXPECT_EQ(thread_number(), mine);
    }
    this_g::unlock_os_thread();
    this_g::unlock_os_thread();  // one too many: nothing
    co_await spawn([] {});
    co_await this_g::lock_os_thread();  // and again
    const long now = thread_number();
    co_await sleep(1ms);
    EXPECT_EQ(thread_number(), now);
  });  // ends locked
}

TEST(LockOsThread, SeveralAtOnceAndMoreThanProcessors) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    auto locked = []() -> Task<> {
      co_await this_g::lock_os_thread();
      const long mine = thread_number();
      for (int i = 0; i < 50; ++i) {
        if (i % 2 == 0)
          co_await yield();
        else
          co_await sleep(30us);
        EXPECT_EQ(thread_number(), mine);
      }
      if (mine % 2 == 0) this_g::unlock_os_thread();
    };
    std::vector<Task<>> many;
    for (int i = 0; i < 8; ++i) many.push_back(locked());
    co_await all(std::move(many));
  });
}

TEST(LockOsThread, AcrossAStop) {
  std::atomic<int> alive{0};
  for (int i = 0; i < 10; ++i) {
    std::atomic<int> there{0};
    Executor ex({.procs = 2});
    for (int g = 0; g < 4; ++g) {
      ex.go([&, g]() -> Task<> {
        const test::Probe local(alive);
        co_await this_g::lock_os_thread();
        ++there;
        if (g % 2 == 0) co_await sleep(24h);
        for (;;) co_await yield();
      });
    }
    while (there != 4) std::this_thread::yield();
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace gmp::this_g_test
