// tests/unit/executor/gomaxprocs_test.cpp — Ps come and go while goroutines run.
// Go: runtime.GOMAXPROCS.  Room: executor (floor 4).
#include <gtest/gtest.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/time.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::gomaxprocs_test {
namespace {

using namespace std::chrono_literals;

// n goroutines that never suspend until all of them run at once; false if that does not come about.
Task<bool> run_together(int n) {
  std::atomic<int> running{0};
  std::atomic<bool> give_up{false};
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < n; ++i) {
    handles.push_back(spawn([&] {
      ++running;
      while (running < n && !give_up) std::this_thread::yield();
    }));
  }
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (running < n && std::chrono::steady_clock::now() < deadline) co_await sleep(1ms);
  const bool together = running == n;
  give_up = true;
  for (auto& h : handles) co_await h;
  co_return together;
}

TEST(Gomaxprocs, GivesTheNumberBeforeAndBelowOneOnlyAsks) {
  Executor ex({.procs = 3});
  ex.run([] {
    EXPECT_EQ(gomaxprocs(), 3);
    EXPECT_EQ(gomaxprocs(0), 3);
    EXPECT_EQ(gomaxprocs(-5), 3);
    EXPECT_EQ(gomaxprocs(2), 3);
    EXPECT_EQ(gomaxprocs(5), 2);
    EXPECT_EQ(gomaxprocs(), 5);
    EXPECT_EQ(gomaxprocs(100'000), 5);  // as many as there can be
    EXPECT_EQ(gomaxprocs(1), 1024);
    EXPECT_EQ(gomaxprocs(), 1);
  });
}

TEST(Gomaxprocs, OffAGoroutineItIsTheDefaultExecutors) {
  const int before = gomaxprocs(3);
  EXPECT_EQ(default_executor().run([] { return gomaxprocs(); }), 3);
  EXPECT_EQ(gomaxprocs(before), 3);
}

TEST(Gomaxprocs, RaisedMoreRunAtOnce) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    gomaxprocs(3);
    // Ours gives its P up while it sleeps, so three can run.
    const bool together = co_await run_together(3);
    EXPECT_TRUE(together);
  });
}

TEST(Gomaxprocs, RaisedTheOldOnesStealFromTheNew) {
  // One P from before, one new. Whichever runs the hog, the other takes what it has queued.
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    gomaxprocs(2);
    std::atomic<bool> served{false};
    auto hog = [&served] {
      go([&served] { served = true; });
      while (!served) std::this_thread::yield();
    };
    for (int i = 0; i < 10; ++i) {
      served = false;
      co_await spawn(hog);
      co_await sleep(1ms);
    }
  });
}

TEST(Gomaxprocs, RaisedAnIdleExecutorSleeps) {
  // An M whose P cannot see the others' queues would look for work for ever.
  std::atomic<bool> stop{false};
  Executor ex({.procs = 1});
  ex.run([] { gomaxprocs(4); });
  ex.go([&stop] {
    for (int i = 0; i < 8; ++i) go([]() -> Task<> { co_await sleep(24h); });
    while (!stop) std::this_thread::sleep_for(1ms);  // holds its M, uses no CPU
  });
  std::this_thread::sleep_for(50ms);
  const auto cpu = [] {
    timespec now = {};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  const auto begin = std::chrono::steady_clock::now();
  const auto before = cpu();
  std::this_thread::sleep_for(300ms);
  const auto used = cpu() - before;
  EXPECT_LT(used, (std::chrono::steady_clock::now() - begin) / 3);  // 100 ms, if nobody holds us up
  stop = true;
}

TEST(Gomaxprocs, LoweredOnlySoManyRunAtOnce) {
  Executor ex({.procs = 4, .max_hogs = 0});  // who is held up by the system is not to lose its P: another would run beside it
  ex.run([&ex]() -> Task<> {
    bool together = co_await run_together(4);
    EXPECT_TRUE(together);
    gomaxprocs(1);
    const auto retired = [&ex] {
      int n = 0;
      for (const debug::ProcStats& one : debug::stats(&ex).per_proc) n += one.state == debug::ProcState::retired;
      return n;
    };
    while (retired() < 3) co_await sleep(1ms);  // who runs may finish
    std::atomic<int> running{0};
    std::atomic<int> most{0};
    auto body = [&]() -> Task<> {
      for (int i = 0; i < 50; ++i) {
        const int now = ++running;
        if (now > most) most = now;
        std::this_thread::sleep_for(20us);
        --running;
        co_await yield();
      }
    };
    std::vector<Task<>> many;
    for (int i = 0; i < 8; ++i) many.push_back(body());
    co_await all(std::move(many));
    EXPECT_EQ(most, 1);
    gomaxprocs(4);
    together = co_await run_together(4);
    EXPECT_TRUE(together);
  });
}

TEST(Gomaxprocs, TimersAndQueuesOfARetiredOneMoveOn) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    std::atomic<int> woken{0};
    auto sleeper = [&woken](int i) -> Task<> {
      co_await sleep(std::chrono::milliseconds(5 + i % 20));
      ++woken;
    };
    for (int round = 0; round < 5; ++round) {
      gomaxprocs(4);
      woken = 0;
      std::vector<JoinHandle<void>> handles;
      for (int i = 0; i < 200; ++i) handles.push_back(spawn(sleeper, i));
      co_await sleep(1ms);
      gomaxprocs(1);
      for (auto& h : handles) co_await h;
      EXPECT_EQ(woken, 200);
    }
  });
}

TEST(Gomaxprocs, UpAndDownAtRandomWhileAllKindsOfGoroutinesRun) {
  Executor ex({.procs = 2});
  std::minstd_rand random(static_cast<unsigned>(test::case_seed()));
  ex.run([&random]() -> Task<> {
    std::atomic<bool> stop{false};
    std::atomic<long> turns{0};
    auto body = [&](int kind) -> Task<> {
      while (!stop) {
        ++turns;
        switch (kind % 5) {
          case 0: co_await yield(); break;
          case 1: co_await sleep(50us); break;
          case 2: co_await blocking([] { std::this_thread::sleep_for(30us); }); break;
          case 3: co_await spawn([] {}); break;
          case 4: co_await suspend<void>([](Waker<void> w) { go([](const Waker<void>& mine) { mine.wake(); }, std::move(w)); }); break;
        }
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 20; ++i) handles.push_back(spawn(body, i));
    const auto rounds = test::scaled(200, 50);
    for (int i = 0; i < rounds; ++i) {
      const int n = 1 + static_cast<int>(random() % 8);
      gomaxprocs(n);
      co_await sleep(std::chrono::microseconds(random() % 3000));
    }
    stop = true;
    for (auto& h : handles) co_await h;
    EXPECT_GT(turns, rounds);
  });
}

TEST(Gomaxprocs, ChangedFromSeveralGoroutinesAtOnceAndStopped) {
  for (int i = 0; i < 10; ++i) {
    Executor ex({.procs = 2});
    for (int g = 0; g < 4; ++g) {
      ex.go([g]() -> Task<> {
        for (int n = g;; ++n) {
          gomaxprocs(1 + n % 5);
          co_await yield();
        }
      });
    }
    std::this_thread::sleep_for(5ms);
  }
}

}  // namespace
}  // namespace gmp::gomaxprocs_test
