// tests/unit/debug/stats_test.cpp — debug::stats(): each figure is what it says, they add up, and asking disturbs nobody under full load.
// Go: runtime/metrics_test.go (TestReadMetricsConsistency, TestReadMetricsSched).  Room: debug (floor 6).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "gmp/chan.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/net.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "sched/latency.hpp"
#include "support/burn.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/waiting.hpp"

namespace gmp::stats_test {
namespace {

using namespace std::chrono_literals;
using debug::Latencies;
using debug::ProcState;
using debug::Stats;
using test::on_executor;
using test::until_waiting;

std::uint64_t sum_of_states(const Stats& s) { return s.runnable + s.running + s.waiting + s.in_blocking; }

TEST(Latencies, BucketsArePowersOfTwo) {
  const std::pair<std::int64_t, std::size_t> table[] = {{-5, 0}, {0, 0}, {1, 1}, {2, 2}, {3, 2}, {4, 3}, {1023, 10}, {1024, 11}, {std::int64_t{1} << 38, 39}, {INT64_MAX, 39}};
  for (const auto& [ns, bucket] : table) {
    EXPECT_EQ(detail::LatencyHistogram::bucket(ns), bucket) << ns;
    if (bucket + 1 < Latencies::buckets) {
      EXPECT_LT(ns, Latencies::bound(bucket).count());
    }
    if (bucket > 0) {
      EXPECT_GE(ns, Latencies::bound(bucket - 1).count());
    }
  }
}

TEST(Latencies, QuantileIsTheBoundUnderWhichThatPartLies) {
  Latencies none;
  EXPECT_EQ(none.quantile(0.5), 0ns);
  Latencies some;
  some.counts[3] = 90;
  some.counts[10] = 9;
  some.counts[20] = 1;
  EXPECT_EQ(some.count(), 100u);
  EXPECT_EQ(some.quantile(0), Latencies::bound(3));
  EXPECT_EQ(some.quantile(0.9), Latencies::bound(3));
  EXPECT_EQ(some.quantile(0.95), Latencies::bound(10));
  EXPECT_EQ(some.quantile(1), Latencies::bound(20));
}

TEST(Stats, AnExecutorWithoutThreadsHasPsAndNothingElse) {
  Executor ex({.procs = 3});
  const Stats s = debug::stats(&ex);
  EXPECT_EQ(s.procs, 3u);
  EXPECT_EQ(s.idle_procs, 3u);
  EXPECT_EQ(s.threads, 0u);
  EXPECT_EQ(s.goroutines, 0u);
  EXPECT_EQ(s.spawned, 0u);
  EXPECT_EQ(s.latency.count(), 0u);
  EXPECT_TRUE(s.poller == Poller::uring || s.poller == Poller::epoll);
  ASSERT_EQ(s.per_proc.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(s.per_proc[static_cast<std::size_t>(i)].id, i);
    EXPECT_EQ(s.per_proc[static_cast<std::size_t>(i)].state, ProcState::idle);
    EXPECT_EQ(s.per_proc[static_cast<std::size_t>(i)].m, -1);
  }
}

TEST(Stats, CountsGsByState) {
  Executor ex({.procs = 1, .max_hogs = 0});  // no P is taken from a thread that the system holds up
  ex.run([&]() -> Task<> {
    auto ch = make_chan<int>();
    for (int i = 0; i < 5; ++i) go([ch]() -> Task<> { co_await ch.recv(); });
    co_await until_waiting(detail::WaitReason::chan_receive, 5);
    for (int i = 0; i < 3; ++i) go([]() -> Task<> { co_return; });  // queued: the only P is ours
    const Stats s = debug::stats(&ex);
    EXPECT_EQ(s.goroutines, 9u);
    EXPECT_EQ(s.running, 1u);
    EXPECT_EQ(s.waiting, 5u);
    EXPECT_EQ(s.runnable, 3u);
    EXPECT_EQ(s.in_blocking, 0u);
    EXPECT_EQ(s.spawned, 9u);
    EXPECT_EQ(s.procs, 1u);
    EXPECT_EQ(s.idle_procs, 0u);
    EXPECT_EQ(s.per_proc.size(), 1u);
    const debug::ProcStats& p = s.per_proc.at(0);
    EXPECT_EQ(p.state, ProcState::running);
    EXPECT_TRUE(p.has_run_next);
    EXPECT_EQ(p.runq, 2u);
    EXPECT_GE(p.m, 0);
    EXPECT_GE(p.ticks, 1u);
    EXPECT_GE(s.threads, 1u);
    ch.close();
  });
}

TEST(Stats, CountsWhoIsInBlocking) {
  on_executor([]() -> Task<> {
    std::atomic<int> in = 0;
    std::atomic<bool> over = false;
    WaitGroup wg;
    for (int i = 0; i < 2; ++i) {
      wg.go([&]() -> Task<> {
        auto call = [&] {
          ++in;
          over.wait(false);
        };
        co_await blocking(call);
      });
    }
    while (in < 2) co_await gmp::sleep(100us);
    const Stats s = debug::stats(Executor::current());
    EXPECT_EQ(s.in_blocking, 2u);
    EXPECT_EQ(s.running, 1u);
    EXPECT_EQ(s.goroutines, 3u);
    EXPECT_GE(s.threads, 3u);
    over = true;
    over.notify_all();
    co_await wg.wait();
    EXPECT_EQ(debug::stats(Executor::current()).in_blocking, 0u);
  });
}

TEST(Stats, CountsTimersAndOperationsInFlight) {
  on_executor([]() -> Task<> {
    net::Listener listener = net::listen("tcp", "127.0.0.1:0").value();
    for (int i = 0; i < 4; ++i) go([]() -> Task<> { co_await gmp::sleep(1h); });
    go([&]() -> Task<> { static_cast<void>(co_await listener.accept()); });
    co_await until_waiting(detail::WaitReason::sleep, 4);
    co_await until_waiting(detail::WaitReason::io_wait, 1);
    while (debug::stats(Executor::current()).io_in_flight == 0) co_await yield();  // a g waits, and then its operation is begun
    const Stats s = debug::stats(Executor::current());
    EXPECT_EQ(s.timers, 4u);
    EXPECT_EQ(s.io_in_flight, 1u);
    EXPECT_EQ(s.waiting, 5u);
    std::uint64_t timers = 0, io = 0;
    for (const debug::ProcStats& p : s.per_proc) {
      timers += p.timers;
      io += p.io_in_flight;
    }
    EXPECT_EQ(timers, 4u);
    EXPECT_EQ(io, 1u);
    listener.close();
    co_await listener.closed();
    EXPECT_EQ(debug::stats(Executor::current()).io_in_flight, 0u);
  });
}

TEST(Stats, CountsParksAndPolls) {
  Executor ex({.procs = 2});
  const Stats before = debug::stats(&ex);
  ex.run([]() -> Task<> {
    test::ConnPair pair = co_await test::conn_pair();
    auto reader = spawn([&]() -> Task<> {
      char byte = 0;
      EXPECT_EQ((co_await pair.a.read(std::span(&byte, 1))).value(), 1u);
    });
    co_await until_waiting(detail::WaitReason::io_wait, 1);
    EXPECT_EQ((co_await pair.b.write("x")).value(), 1u);
    co_await reader;
    for (int i = 0; i < 20; ++i) co_await gmp::sleep(200us);
  });
  ex.stop();  // an M counts a poll after it has queued whom that woke, and another one may run him
  const Stats after = debug::stats(&ex);
  EXPECT_GE(after.parks, before.parks + 1);
  EXPECT_GE(after.polls, before.polls + 1);
  std::uint64_t parks = 0, polls = 0, steals = 0;
  for (const debug::ProcStats& p : after.per_proc) {
    parks += p.parks;
    polls += p.polls;
    steals += p.steals;
  }
  EXPECT_GE(parks, after.parks);  // read later
  EXPECT_GE(polls, after.polls);
  EXPECT_GE(steals, after.steals);
}

TEST(Stats, CountsSteals) {
  Executor ex({.procs = 2});
  ex.run([&]() -> Task<> {
    const std::uint64_t before = debug::stats(&ex).steals;
    while (debug::stats(&ex).steals == before) {  // all that is to be done is queued on one of two Ps
      WaitGroup wg;
      for (int i = 0; i < 8; ++i) wg.go([] { test::burn(1ms); });
      co_await wg.wait();
    }
  });
  const Stats s = debug::stats(&ex);
  EXPECT_EQ(s.per_proc.at(0).steals + s.per_proc.at(1).steals, s.steals);
}

// What threads start waits there until a P takes it; the only one is ours, and stays it.
TEST(Stats, CountsTheGlobalQueue) {
  Executor ex({.procs = 1, .max_hogs = 0});
  ex.run([&] {
    std::thread([&] {
      for (int i = 0; i < 5; ++i) ex.post([] {});
    }).join();
    const Stats s = debug::stats(&ex);
    EXPECT_EQ(s.global_queue, 5u);
    EXPECT_EQ(s.runnable, 5u);
    EXPECT_EQ(s.per_proc.at(0).runq, 0u);
  });
}

TEST(Stats, SurplusPsAreRetired) {
  Executor ex({.procs = 3});
  ex.run([&]() -> Task<> {
    EXPECT_EQ(gomaxprocs(1), 3);
    const auto retired = [&] {
      int n = 0;
      for (const debug::ProcStats& p : debug::stats(&ex).per_proc) n += p.state == ProcState::retired;
      return n;
    };
    while (retired() < 2) co_await gmp::sleep(100us);
    const Stats s = debug::stats(&ex);
    EXPECT_EQ(s.procs, 1u);
    EXPECT_EQ(s.per_proc.size(), 3u);
    EXPECT_LE(s.idle_procs, 1u);
  });
}

TEST(Stats, NullAddsUpAllExecutors) {
  Executor one({.procs = 1}), two({.procs = 2});
  const Stats before = debug::stats();
  WaitGroup wg;
  wg.add(1);
  const auto wait = [&]() -> Task<> { co_await wg.wait(); };
  one.run([&]() -> Task<> {
    for (int i = 0; i < 3; ++i) go(wait);
    co_await until_waiting(detail::WaitReason::waitgroup_wait, 3);
  });
  two.run([&]() -> Task<> {
    for (int i = 0; i < 4; ++i) go(wait);
    co_await until_waiting(detail::WaitReason::waitgroup_wait, 4);
  });
  for (Executor* ex : {&one, &two}) {  // the main g is gone soon after run() has returned
    const std::uint64_t left = ex == &one ? 3 : 4;
    while (debug::stats(ex).goroutines != left) std::this_thread::yield();
  }
  const Stats after = debug::stats();
  EXPECT_EQ(debug::stats(&one).waiting, 3u);
  EXPECT_EQ(debug::stats(&two).waiting, 4u);
  EXPECT_EQ(after.spawned, before.spawned + 9);
  EXPECT_EQ(after.procs, before.procs);
  EXPECT_GE(after.procs, 3u);
  EXPECT_GE(after.per_proc.size(), 3u);
  wg.done();
  one.stop();
  EXPECT_EQ(debug::stats().procs, before.procs - 1) << "a stopped one is not counted";
  two.stop();  // before what its gs wait for is gone
}

TEST(Stats, AStoppedExecutorHasNoGs) {
  Executor ex({.procs = 2});
  ex.run([]() -> Task<> {
    for (int i = 0; i < 300; ++i) go([]() -> Task<> { while (true) co_await yield(); });
    co_await yield();
  });
  ex.stop();
  const Stats s = debug::stats(&ex);
  EXPECT_EQ(s.goroutines, 0u);
  EXPECT_EQ(sum_of_states(s), 0u);
  EXPECT_EQ(s.spawned, 301u);
}

// 20 gs yield round a queue: each waits for a turn of the 19 others. The turns are long enough that no clock is in doubt. And who is held up by the system
// keeps the P: else the others would be begun one by one, as beside a hog, and be few.
TEST(Stats, LatencyIsTheTimeFromRunnableToRunning) {
  Executor ex({.procs = 1, .max_hogs = 0});
  constexpr int gs = 20, turns = 1000;
  constexpr auto turn = 2us;
  ex.run([&]() -> Task<> {
    WaitGroup wg;
    for (int i = 0; i < gs; ++i) {
      wg.go([&]() -> Task<> {
        for (int j = 0; j < turns; ++j) {
          const auto end = std::chrono::steady_clock::now() + turn;
          while (std::chrono::steady_clock::now() < end) {
          }
          co_await yield();
        }
      });
    }
    co_await wg.wait();
  });
  const Latencies latency = debug::stats(&ex).latency;
  EXPECT_GE(latency.count(), 15u);                    // 20,000 turns, one timed in about 530
  EXPECT_LE(latency.count(), 200u);
  EXPECT_GE(latency.quantile(0.5), (gs - 1) * turn);  // never less, by the clock itself; a bound is above what it bounds
}

TEST(Stats, LatencyCountsWakeUpsFromOtherThreads) {
  Executor ex({.procs = 1});
  ex.run([] {});
  const std::uint64_t before = debug::stats(&ex).latency.count();
  for (int i = 0; i < 5; ++i) std::thread([&] { ex.run([] {}); }).join();  // a thread's first call is timed
  EXPECT_GE(debug::stats(&ex).latency.count(), before + 5);
}

TEST(Stats, AreConsistentUnderFullLoad) {
  Executor ex({.procs = 4});
  std::atomic<bool> over = false;
  std::thread asker([&] {
    std::uint64_t spawned = 0, steals = 0, parks = 0, polls = 0, timed = 0;
    while (!over) {
      for (Executor* which : {&ex, static_cast<Executor*>(nullptr)}) {
        const Stats s = debug::stats(which);
        if (sum_of_states(s) != s.goroutines) ADD_FAILURE() << sum_of_states(s) << " of " << s.goroutines;
        if (s.idle_procs > s.procs) ADD_FAILURE() << s.idle_procs << " of " << s.procs;
        if (which == nullptr) continue;
        if (s.running > s.threads) ADD_FAILURE() << s.running << " on " << s.threads;
        EXPECT_LE(spawned, s.spawned);
        EXPECT_LE(steals, s.steals);
        EXPECT_LE(parks, s.parks);
        EXPECT_LE(polls, s.polls);
        EXPECT_LE(timed, s.latency.count());
        spawned = s.spawned;
        steals = s.steals;
        parks = s.parks;
        polls = s.polls;
        timed = s.latency.count();
      }
    }
  });
  const std::int64_t rounds = test::scaled(2000, 200);
  ex.run([&]() -> Task<> {
    WaitGroup all;
    for (int i = 0; i < 16; ++i) {
      all.go([&]() -> Task<> {
        auto ch = make_chan<int>(4);
        for (std::int64_t j = 0; j < rounds; ++j) {
          go([ch]() -> Task<> { co_await ch.send(1); });
          co_await ch.recv();
          if (j % 50 == 0) co_await gmp::sleep(10us);
          if (j % 100 == 0) {
            auto nothing = [] {};
            co_await blocking(nothing);
          }
          if (j % 97 == 0) gomaxprocs(static_cast<int>(1 + j % 4));
        }
      });
    }
    co_await all.wait();
    EXPECT_EQ(debug::stats(&ex).spawned, 17u + 16u * static_cast<std::uint64_t>(rounds));
  });
  over = true;
  asker.join();
}

}  // namespace
}  // namespace gmp::stats_test
