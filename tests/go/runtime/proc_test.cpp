// tests/go/runtime/proc_test.cpp — Go's tests of the scheduler.
// Go: runtime/proc_test.go.  Room: sched (floor 2).
//
// Left out: what tests the collector, or the preemption of a loop that calls nothing (a stackless g cannot be preempted, but its P is taken
// from it: TestPreemption's claim stands).  TestSchedLocalQueue, …Steal, …Empty and TestPoolDequeue are unit/sched/run_queue_test.cpp,
// TestStealOrder is RandomOrder in unit/base/random_test.cpp.
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "go/gdump.hpp"
#include "go/mailbox.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"
#include "support/stalls.hpp"

namespace gmp::proc_test {
namespace {

using namespace std::chrono_literals;
using test::Mailbox;
namespace child = test::child;

// TestYieldProgress, TestYieldLockedProgress: one yields without end; another gets through to it.
void yielding_lets_others_run(bool locked) {
  std::atomic<bool> stop{false};
  Mailbox<bool> stopped;
  run([&]() -> Task<> {
    go([&]() -> Task<> {
      if (locked) co_await this_g::lock_os_thread();
      while (!stop) co_await yield();
      stopped.send(true);
    });
    co_await sleep(10ms);
    stop = true;
    co_await stopped.recv();
  });
}

TEST(GoProc, WhoYieldsWithoutEndHoldsUpNobody) { yielding_lets_others_run(false); }
TEST(GoProc, WhoYieldsWithoutEndOnALockedThreadHoldsUpNobody) { yielding_lets_others_run(true); }

// TestYieldLocked.
TEST(GoProc, ALockedGoroutineYieldsSleepsAndEndsLocked) {
  Mailbox<bool> through;
  run([&]() -> Task<> {
    go([&]() -> Task<> {
      co_await this_g::lock_os_thread();
      const auto thread = std::this_thread::get_id();
      for (int i = 0; i < 10; ++i) {
        co_await yield();
        EXPECT_EQ(std::this_thread::get_id(), thread);
        co_await sleep(1ms);
        EXPECT_EQ(std::this_thread::get_id(), thread);
      }
      through.send(true);
    });
    co_await through.recv();
  });
}

// TestBlockLocked.
TEST(GoProc, ALockedGoroutineHandsValuesToOneThatIsNot) {
  const auto n = test::scaled(1000, 10);
  Mailbox<std::int64_t> values, acknowledged;
  run([&]() -> Task<> {
    WaitGroup sender;
    sender.go([&]() -> Task<> {
      co_await this_g::lock_os_thread();
      const auto thread = std::this_thread::get_id();
      for (std::int64_t i = 0; i < n; ++i) {
        values.send(i);
        const std::int64_t back = co_await acknowledged.recv();
        EXPECT_EQ(back, i);
        EXPECT_EQ(std::this_thread::get_id(), thread);
      }
      this_g::unlock_os_thread();
    });
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t value = co_await values.recv();
      EXPECT_EQ(value, i);
      acknowledged.send(value);
    }
    co_await sender.wait();
  });
}

// TestGoroutineParallelism: each spins until it is its turn, so all must have a P at the same time.
Task<> all_run_at_once(unsigned procs) {
  std::atomic<unsigned> turn{0};
  WaitGroup all_done;
  for (unsigned p = 0; p < procs; ++p) {
    all_done.go([&, p] {
      for (unsigned i = 0; i < 3; ++i) {
        const unsigned mine = procs * i + p;
        while (turn.load() != mine) std::this_thread::yield();  // there may be fewer CPUs than Ps
        turn.store(mine + 1);
      }
    });
  }
  co_await all_done.wait();
}

TEST(GoProc, AsManyGoroutinesAsProcessorsRunAtTheSameTime) {
  const auto rounds = test::scaled(10, 3);
  run([&]() -> Task<> {
    gomaxprocs(4);
    for (std::int64_t i = 0; i < rounds; ++i) co_await all_run_at_once(4);
  });
}

// TestGoroutineParallelism2: the same when Ms have just run something else and are about to sleep, or sleep in the poller.
Task<> all_run_at_once_after(bool load, bool listening) {
  gomaxprocs(4);
  std::atomic<bool> accepting{false};
  auto [listener, err] = net::listen("tcp", "127.0.0.1:0");
  EXPECT_FALSE(err) << err.message();
  WaitGroup acceptor;
  if (listening) {
    acceptor.go([&accepting, listener]() mutable -> Task<> {
      accepting = true;
      auto [conn, failed] = co_await listener.accept();
      EXPECT_TRUE(failed);
    });
    while (!accepting) co_await yield();
  }
  if (load) {
    // They find each other, and end: four Ms look for work that is not there.
    constexpr int n = 4;
    std::atomic<int> here{0};
    WaitGroup all_done;
    for (int i = 0; i < n; ++i) {
      all_done.go([&] {
        ++here;
        while (here != n) std::this_thread::yield();
      });
    }
    co_await all_done.wait();
  }
  co_await all_run_at_once(4);
  listener.close();
  co_await acceptor.wait();
}

TEST(GoProc, TheyRunAtTheSameTimeThoughMsAreAboutToSleepOrPoll) {
  for (std::int64_t i = 0; i < test::scaled(10, 3); ++i) {
    run(all_run_at_once_after, true, false);
    run(all_run_at_once_after, false, true);
    run(all_run_at_once_after, true, true);
  }
}

// TestPreemption: in turns, and who is not on turn does not suspend. With one P each turn costs a slice.
template <class Wait>
void take_turns(Wait wait) {
  constexpr unsigned n = 3;
  const auto rounds = static_cast<unsigned>(test::scaled(10, 3));
  std::atomic<unsigned> turn{0};
  run([&]() -> Task<> {
    gomaxprocs(1);
    WaitGroup all_done;
    for (unsigned g = 0; g < n; ++g) {
      all_done.go([&, g]() -> Task<> {
        for (unsigned i = 0; i < rounds; ++i) {
          while (turn % n != g) co_await wait();
          ++turn;
        }
      });
    }
    co_await all_done.wait();
  });
  EXPECT_EQ(turn, n * rounds);
}

struct Spin {
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};

TEST(GoProc, OnOneProcessorALoopThatNeverSuspendsLosesItsProcessor) {
  take_turns([] { return Spin(); });
}

TEST(GoProc, OnOneProcessorALoopOfOperationsThatAreReadyGivesWay) {
  Mutex mu;
  take_turns([&mu]() -> Task<> {
    co_await mu.lock();
    mu.unlock();
  });
}

// A pair that wakes each other without end: each does `work` when it is woken.
struct Pair {
  Semaphore first{1}, second{1};
  std::atomic<std::int64_t> count{0};

  Pair() {
    if (!first.try_acquire() || !second.try_acquire()) std::abort();
  }
  void start(WaitGroup& wg, const std::atomic<bool>& stop, std::int64_t work) {
    const auto player = [this, &stop, work](Semaphore& mine, Semaphore& other) -> Task<> {
      do {  // once at least: one that is begun after the stop is waited for
        co_await mine.acquire();
        for (std::int64_t i = 0; i < work; ++i) count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        other.release();
      } while (!stop);
    };
    wg.go(player, std::ref(first), std::ref(second));
    wg.go(player, std::ref(second), std::ref(first));
    first.release();
  }
};

std::chrono::nanoseconds cpu_time() {
  timespec now = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// TestPingPongHog: a pair shares one slice, as whom one wakes runs in what is left of it; so one with a thousand times the work gets no more.
TEST(GoProc, TwoThatWakeEachOtherGetNoMoreThanTwoOthers) {
  Pair hogs, lights;
  std::atomic<bool> stop{false};
  run([&]() -> Task<> {
    gomaxprocs(1);
    WaitGroup all_done;
    hogs.start(all_done, stop, 1'000'000);
    lights.start(all_done, stop, 1'000);
    // By the CPU's clock: a slice ends by the wall's, and on a busy machine one alone says little.
    // Longer where a CPU stood still: it may have been the one of the thread that ends slices.
    const test::Stalls stalls;
    const auto since = std::chrono::steady_clock::now();
    const auto begin = cpu_time();
    while (cpu_time() - begin < 300ms + stalls.between(since, std::chrono::steady_clock::now())) co_await sleep(10ms);
    stop = true;
    co_await all_done.wait();
  });
  constexpr std::int64_t factor = 20;
  EXPECT_LE(hogs.count / factor, lights.count) << hogs.count;
  EXPECT_LE(lights.count / factor, hogs.count) << lights.count;
}

// TestTimerFairness: two that are always ready, and a timer that is due.
TEST(GoProc, ATimerIsServedThoughTwoAreAlwaysReady) {
  std::atomic<bool> stop{false};
  Pair pair;
  const auto begin = std::chrono::steady_clock::now();
  run([&]() -> Task<> {
    WaitGroup all_done;
    pair.start(all_done, stop, 1);
    for (int i = 0; i < 2; ++i) {
      all_done.go([&]() -> Task<> {
        while (!stop) co_await yield();
      });
    }
    co_await sleep(20ms);
    stop = true;
    co_await all_done.wait();
  });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

// The P's own queue is never empty: what threads post lies in the global one, which has its turn all the same (Go's every 61st tick).
TEST(GoProc, WhatThreadsPostIsServedThoughTheProcessorsOwnQueueIsNeverEmpty) {
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> turns{0};  // where one has lost its P, both run at once
  Executor ex({.procs = 1});
  JoinHandle<void> yields = ex.spawn([&]() -> Task<> {
    WaitGroup all_done;
    for (int i = 0; i < 2; ++i) {
      all_done.go([&]() -> Task<> {
        while (!stop) {
          ++turns;
          co_await yield();
        }
      });
    }
    co_await all_done.wait();
  });
  while (turns == 0) std::this_thread::yield();  // from here on it is not empty
  for (int i = 0; i < 100; ++i) ex.submit([] {}).get();
  stop = true;
  yields.get();
}

// TestTimerFairness2: the same, with a system call between.
TEST(GoProc, ATimerIsServedThoughTwoAreAlwaysInAndOutOfCalls) {
  std::atomic<int> timers{0};
  const auto begin = std::chrono::steady_clock::now();
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int i = 0; i < 2; ++i) {
      all_done.go([&]() -> Task<> {
        while (timers != 2) {
          co_await blocking([] { std::this_thread::yield(); });
          co_await yield();
        }
      });
      all_done.go([&]() -> Task<> {
        co_await sleep(20ms);
        ++timers;
      });
    }
    co_await all_done.wait();
  });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

// TestNumGoroutine.
TEST(GoProc, NumGoroutineIsOneAndAsManyAsTheDumpHas) {
  constexpr int n = 10;
  run([]() -> Task<> {
    EXPECT_EQ(num_goroutine(), 1u);
    EXPECT_EQ(test::gs_dumped_here(), 1u);
    EXPECT_EQ(test::gs_dumped_here("running"), 1u);
    Mutex mu;
    co_await mu.lock();
    WaitGroup all_done;
    for (int i = 0; i < n; ++i) {
      all_done.go([&]() -> Task<> {
        co_await mu.lock();
        mu.unlock();
      });
    }
    while (test::gs_dumped_here("sync.Mutex.Lock") != n) co_await yield();
    EXPECT_EQ(num_goroutine(), 1u + n);
    EXPECT_EQ(test::gs_dumped_here(), 1u + n);
    mu.unlock();
    co_await all_done.wait();
    while (num_goroutine() != 1) co_await yield();  // the last may still be on its way out
    EXPECT_EQ(test::gs_dumped_here(), 1u);
  });
}

// TestStopTheWorldDeadlock: two change the number of Ps all the time, one starts itself anew all the time.
void perpetuum_mobile(const std::atomic<bool>& stop, WaitGroup& wg) {
  if (!stop) wg.go(perpetuum_mobile, std::cref(stop), std::ref(wg));
}

TEST(GoProc, ChangesOfTheNumberOfProcessorsDoNotDeadlock) {
  const auto rounds = static_cast<int>(test::scaled(1000, 100));
  std::atomic<bool> stop{false};
  run([&]() -> Task<> {
    gomaxprocs(3);
    WaitGroup changers, perpetual;
    for (int g = 0; g < 2; ++g) {
      changers.go([rounds, g]() -> Task<> {
        for (int i = 0; i < rounds; ++i) {
          gomaxprocs(2 + (i + g) % 3);
          co_await yield();
        }
      });
    }
    perpetual.go(perpetuum_mobile, std::cref(stop), std::ref(perpetual));
    co_await changers.wait();
    stop = true;
    co_await perpetual.wait();
  });
}

// TestBigGOMAXPROCS.
TEST(GoProc, ABigNumberOfProcessorsWorksAndATooBigOneIsRefused) {
  const child::Scenario scenario = [] {
    run([]() -> Task<> {
      std::printf("%d\n", gomaxprocs());
      WaitGroup all_done;
      for (int i = 0; i < 2000; ++i) all_done.go([]() -> Task<> { co_await yield(); });
      co_await all_done.wait();
    });
  };
  const auto big = child::run(scenario, {.environment = {"GMPMAXPROCS=1024"}});
  EXPECT_EQ(big.status, 0) << big;
  EXPECT_EQ(big.out, "1024\n") << big;
  EXPECT_EQ(big.err, "") << big;
  const auto too_big = child::run(scenario, {.environment = {"GMPMAXPROCS=1025"}});
  EXPECT_EQ(too_big.status, 0) << too_big;
  EXPECT_EQ(too_big.err, "gmpcoro: GMPMAXPROCS must be 1..1024, got \"1025\": ignored\n") << too_big;
}

// TestLockOSThreadNesting: unlocked once less than locked it is still locked.
TEST(GoProc, ALockOfTheThreadIsCounted) {
  run([]() -> Task<> {
    gomaxprocs(2);
    WaitGroup all_done;
    all_done.go([]() -> Task<> {
      co_await this_g::lock_os_thread();
      co_await this_g::lock_os_thread();
      this_g::unlock_os_thread();
      const auto thread = std::this_thread::get_id();
      WaitGroup others;
      for (int i = 0; i < 100; ++i) {
        others.go([thread] { EXPECT_NE(std::this_thread::get_id(), thread); });
        co_await yield();
        EXPECT_EQ(std::this_thread::get_id(), thread);
      }
      co_await others.wait();
      EXPECT_EQ(std::this_thread::get_id(), thread);
      this_g::unlock_os_thread();
      this_g::unlock_os_thread();  // one too many: nothing
    });
    co_await all_done.wait();
  });
}

// TestLockOSThreadExit. Go's thread dies with the g that ended locked. Ours lives as long as its executor, and is free for others again.
TEST(GoProc, AThreadIsFreeAgainWhenItsGoroutineEndsLocked) {
  run([]() -> Task<> {
    gomaxprocs(1);
    std::thread::id thread;
    WaitGroup locked;
    locked.go([&]() -> Task<> {
      co_await this_g::lock_os_thread();
      thread = std::this_thread::get_id();
      WaitGroup others;
      for (int i = 0; i < 20; ++i) {
        others.go([thread] { EXPECT_NE(std::this_thread::get_id(), thread); });
        co_await sleep(100us);
      }
      co_await others.wait();
    });
    co_await locked.wait();
    // Nothing waits for a thread that is gone: as many as there have been are enough for what comes now.
    for (int i = 0; i < 100; ++i) {
      WaitGroup next;
      next.go([]() -> Task<> {
        co_await this_g::lock_os_thread();
        co_await yield();
      });
      co_await next.wait();
    }
  });
}

// TestLockOSThreadTemplateThreadRace: gs that lock their thread start others that do, all at once.
Task<> lock_and_branch(int depth, WaitGroup& wg) {
  co_await this_g::lock_os_thread();
  const auto thread = std::this_thread::get_id();
  if (depth > 0) {
    for (int i = 0; i < 2; ++i) wg.go(lock_and_branch, depth - 1, std::ref(wg));
  }
  co_await yield();
  EXPECT_EQ(std::this_thread::get_id(), thread);
}

TEST(GoProc, LockedGoroutinesThatStartLockedOnes) {
  const auto rounds = test::scaled(50, 5);
  for (std::int64_t i = 0; i < rounds; ++i) {
    run([]() -> Task<> {
      WaitGroup all_done;
      all_done.go(lock_and_branch, 3, std::ref(all_done));
      co_await all_done.wait();
    });
  }
}

}  // namespace
}  // namespace gmp::proc_test
