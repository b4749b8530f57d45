// tests/unit/timer/heap_test.cpp — timers fire in order, once, and never after they were removed.
// Go: runtime/time_test.go, time/sleep_test.go (TestAfterQueuing, TestAdjustTimers, TestOverflowSleep).  Room: timer (floor 2).
#include "gmp/detail/timer/heap.hpp"
#include "support/scale.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <latch>
#include <limits>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/detail/base/random.hpp"

namespace gmp::detail::heap_test {
namespace {

using namespace std::chrono_literals;

struct TestTimer : Timer {
  TestTimer() : Timer(&TestTimer::note) {}
  static void note(Timer* timer, std::int64_t now) noexcept {
    auto* self = static_cast<TestTimer*>(timer);
    EXPECT_LE(self->when_ns, now) << "early";
    ++self->fired;
    if (self->log) self->log->push_back(self->id);
  }
  int id = 0;
  int fired = 0;
  std::vector<int>* log = nullptr;
};

std::deque<TestTimer> logged_timers(std::size_t count, std::vector<int>* log) {
  std::deque<TestTimer> timers(count);
  for (std::size_t i = 0; i < count; ++i) {
    timers[i].id = static_cast<int>(i);
    timers[i].log = log;
  }
  return timers;
}

TEST(TimerHeap, FiresInOrderOfDeadline) {
  std::vector<int> log;
  auto timers = logged_timers(5, &log);
  TimerHeap heap;
  EXPECT_EQ(heap.next_when(), never);
  const std::int64_t when[] = {50, 10, 40, 20, 30};
  for (std::size_t i = 0; i < 5; ++i) heap.add(&timers[i], when[i]);
  EXPECT_EQ(heap.size(), 5U);
  EXPECT_EQ(heap.next_when(), 10);
  EXPECT_EQ(heap.run_due(9), 0);
  EXPECT_EQ(heap.run_due(35), 3);
  EXPECT_EQ(log, (std::vector{1, 3, 4}));
  EXPECT_EQ(heap.next_when(), 40);
  EXPECT_EQ(heap.run_due(1000), 2);
  EXPECT_EQ(log, (std::vector{1, 3, 4, 2, 0}));
  EXPECT_EQ(heap.next_when(), never);
  EXPECT_EQ(heap.size(), 0U);
}

TEST(TimerHeap, EqualDeadlinesFireInTheOrderTheyWereAdded) {
  std::vector<int> log;
  auto timers = logged_timers(100, &log);
  TimerHeap heap;
  for (TestTimer& timer : timers) heap.add(&timer, 7);
  // Removals and additions mix up the positions in the heap, never the order.
  for (const std::size_t i : {0U, 50U, 99U}) {
    EXPECT_TRUE(TimerHeap::remove(&timers[i]));
    heap.add(&timers[i], 7);
  }
  EXPECT_EQ(heap.run_due(7), 100);
  std::vector<int> expected;
  for (int i = 1; i < 99; ++i) {
    if (i != 50) expected.push_back(i);
  }
  for (const int i : {0, 50, 99}) expected.push_back(i);
  EXPECT_EQ(log, expected);
}

TEST(TimerHeap, AddSaysWhetherItIsTheNewEarliest) {
  std::deque<TestTimer> timers(4);
  TimerHeap heap;
  EXPECT_TRUE(heap.add(&timers[0], 100));
  EXPECT_FALSE(heap.add(&timers[1], 200));
  EXPECT_TRUE(heap.add(&timers[2], 50));
  EXPECT_FALSE(heap.add(&timers[3], 50)) << "no earlier than what a sleeper knows of";
  EXPECT_EQ(heap.run_due(200), 4);
}

TEST(TimerHeap, RemoveSaysWhetherItWasStillIn) {
  std::deque<TestTimer> timers(2);
  TimerHeap heap;
  EXPECT_FALSE(TimerHeap::remove(&timers[0])) << "never added";
  EXPECT_FALSE(TimerHeap::remove_sync(&timers[0])) << "never added";
  heap.add(&timers[0], 1);
  heap.add(&timers[1], 2);
  EXPECT_TRUE(TimerHeap::remove(&timers[0]));
  EXPECT_EQ(heap.next_when(), 2);
  EXPECT_FALSE(TimerHeap::remove(&timers[0]));
  EXPECT_EQ(heap.run_due(5), 1);
  EXPECT_FALSE(TimerHeap::remove_sync(&timers[1])) << "fired";
  EXPECT_EQ(timers[0].fired, 0);
  EXPECT_EQ(timers[1].fired, 1);
}

TEST(TimerHeap, RandomStepsAgreeWithMultimap) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Random random(seed);
    std::vector<int> log;
    auto timers = logged_timers(300, &log);
    TimerHeap heap;
    std::multimap<std::int64_t, int> model;  // keeps the order of insertion among equal keys
    std::int64_t now = 0;
    for (int step = 0; step < 50'000; ++step) {
      TestTimer& timer = timers[random.below(300)];
      if (timer.index != Timer::npos && random.below(3) == 0) {
        ASSERT_TRUE(TimerHeap::remove(&timer));
        const auto [from, to] = model.equal_range(timer.when_ns);
        model.erase(std::find_if(from, to, [&](const auto& entry) { return entry.second == timer.id; }));
      } else if (timer.index == Timer::npos) {
        const std::int64_t when = now + random.below(64);
        const bool earliest = model.empty() || when < model.begin()->first;
        ASSERT_EQ(heap.add(&timer, when), earliest);
        model.emplace(when, timer.id);
      }
      if (random.below(20) == 0) {
        now += random.below(30);
        std::vector<int> expected;
        while (!model.empty() && model.begin()->first <= now) {
          expected.push_back(model.begin()->second);
          model.erase(model.begin());
        }
        log.clear();
        ASSERT_EQ(heap.run_due(now), static_cast<int>(expected.size()));
        ASSERT_EQ(log, expected);
      }
      ASSERT_EQ(heap.next_when(), model.empty() ? never : model.begin()->first);
      ASSERT_EQ(heap.size(), model.size());
    }
    while (heap.take_first()) {
    }
  }
}

TEST(TimerHeap, AnyTimerLeavesFromTheMiddle) {
  // For every position of a heap of 40: take that one out; the rest fires in order. Deadlines are such that the last entry must move up
  // as often as down when it fills the hole.
  for (std::size_t gone = 0; gone < 40; ++gone) {
    std::vector<int> log;
    auto timers = logged_timers(40, &log);
    TimerHeap heap;
    Random random(gone);
    std::multimap<std::int64_t, int> model;
    for (TestTimer& timer : timers) {
      const std::int64_t when = random.below(1000);
      heap.add(&timer, when);
      if (timer.id != static_cast<int>(gone)) model.emplace(when, timer.id);
    }
    ASSERT_TRUE(TimerHeap::remove(&timers[gone]));
    heap.run_due(1000);
    std::vector<int> expected;
    for (const auto& [when, id] : model) expected.push_back(id);
    ASSERT_EQ(log, expected) << gone;
  }
}

TEST(TimerHeap, DeadlineNearTheEndOfTimeKeepsItsOrder) {
  std::vector<int> log;
  auto timers = logged_timers(4, &log);
  TimerHeap heap;
  constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
  heap.add(&timers[0], last);
  heap.add(&timers[1], last - 1);
  heap.add(&timers[2], 5);
  heap.add(&timers[3], std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(heap.run_due(10), 2);
  EXPECT_EQ(log, (std::vector{3, 2}));
  EXPECT_EQ(heap.next_when(), last - 1);
  EXPECT_TRUE(TimerHeap::remove(&timers[1]));
  EXPECT_EQ(heap.next_when(), never);
  EXPECT_EQ(heap.size(), 1U) << "one that never comes is still there to be removed";
  EXPECT_TRUE(TimerHeap::remove(&timers[0]));
}

struct Ticker : Timer {
  explicit Ticker(std::int64_t p) : Timer(&Ticker::tick), period(p) {}
  static void tick(Timer* timer, std::int64_t now) noexcept {
    auto* self = static_cast<Ticker*>(timer);
    ++self->ticks;
    self->heap.load(relaxed)->add(self, now + self->period);
  }
  std::int64_t period;
  std::atomic<int> ticks{0};
};

TEST(TimerHeap, AFireMayAddItsOwnTimerAgain) {
  TimerHeap heap;
  Ticker ticker(10);
  heap.add(&ticker, 10);
  for (std::int64_t now = 0; now <= 100; ++now) heap.run_due(now);
  EXPECT_EQ(ticker.ticks, 10);
  EXPECT_TRUE(TimerHeap::remove_sync(&ticker));
  EXPECT_EQ(heap.run_due(1000), 0);
}

TEST(TimerHeap, AFireMayRemoveOtherTimersAndDestroyItsOwn) {
  struct Killer : Timer {
    explicit Killer(TestTimer* v) : Timer(&Killer::kill), victim(v) {}
    static void kill(Timer* timer, std::int64_t) noexcept {
      auto* self = static_cast<Killer*>(timer);
      EXPECT_TRUE(TimerHeap::remove(self->victim));
      EXPECT_FALSE(TimerHeap::remove_sync(self)) << "must not wait for itself";
      delete self;
    }
    TestTimer* victim;
  };
  TimerHeap heap;
  TestTimer victim;
  heap.add(&victim, 5);
  heap.add(new Killer(&victim), 4);
  EXPECT_EQ(heap.run_due(10), 1);
  EXPECT_EQ(victim.fired, 0);
}

TEST(TimerHeap, TimersAddedByAFireAndDueAlreadyFireInTheSameRun) {
  struct Adder : Timer {
    Adder(TimerHeap* h, TestTimer* o) : Timer(&Adder::add), home(h), other(o) {}
    static void add(Timer* timer, std::int64_t now) noexcept {
      auto* self = static_cast<Adder*>(timer);
      self->home->add(self->other, now);
    }
    TimerHeap* home;
    TestTimer* other;
  };
  TimerHeap heap;
  TestTimer other;
  Adder adder(&heap, &other);
  heap.add(&adder, 1);
  EXPECT_EQ(heap.run_due(1), 2);
}

TEST(TimerHeap, TakeAllKeepsTheOrderAndTheTimersFindTheirNewHome) {
  std::vector<int> log;
  auto timers = logged_timers(60, &log);
  TimerHeap a, b;
  for (std::size_t i = 0; i < 60; ++i) (i < 30 ? a : b).add(&timers[i], i % 3 == 0 ? 5 : 6);
  for (const std::size_t i : {3U, 33U}) {  // so that positions in the heap are not the order of adding
    TimerHeap::remove(&timers[i]);
    (i < 30 ? a : b).add(&timers[i], 5);
  }
  EXPECT_FALSE(a.take_all_from(b));
  EXPECT_EQ(b.size(), 0U);
  EXPECT_EQ(b.next_when(), never);
  EXPECT_EQ(a.size(), 60U);
  EXPECT_TRUE(TimerHeap::remove(&timers[34])) << "found in its new heap";
  EXPECT_EQ(a.run_due(5), 20);
  std::vector<int> fives;
  for (int i = 0; i < 60; i += 3) {
    if (i != 3 && i != 33) fives.push_back(i);
    if (i == 27) fives.push_back(3);
  }
  fives.push_back(33);
  EXPECT_EQ(log, fives);
  EXPECT_TRUE(b.take_all_from(a)) << "its earliest is new";
  EXPECT_EQ(b.run_due(6), 39);
}

TEST(TimerHeap, TakeFirstEmptiesInOrderWithoutFiring) {
  std::deque<TestTimer> timers(10);
  TimerHeap heap;
  for (std::size_t i = 0; i < 10; ++i) heap.add(&timers[i], static_cast<std::int64_t>(100 - i));
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(heap.take_first(), &timers[9 - i]);
  EXPECT_EQ(heap.take_first(), nullptr);
  for (const TestTimer& timer : timers) EXPECT_EQ(timer.fired, 0);
}

TEST(TimerHeap, SecondRunnerLeavesAtOnceAndTheFirstFiresAll) {
  struct Nested : Timer {
    explicit Nested(TimerHeap* h) : Timer(&Nested::run), home(h) {}
    static void run(Timer* timer, std::int64_t now) noexcept { EXPECT_EQ(static_cast<Nested*>(timer)->home->run_due(now), 0); }
    TimerHeap* home;
  };
  TimerHeap heap;
  Nested a(&heap), b(&heap);
  heap.add(&a, 1);
  heap.add(&b, 1);
  EXPECT_EQ(heap.run_due(1), 2);
}

/// A fire that waits until the test lets it go: by a latch that is not its own, for who opens that may still be at it when the Gate is gone.
struct Gate : Timer {
  explicit Gate(std::latch& open) : Timer(&Gate::wait), go_on(open) {}
  static void wait(Timer* timer, std::int64_t) noexcept {
    auto* self = static_cast<Gate*>(timer);
    self->begun.count_down();
    self->go_on.wait();
    self->done = true;
  }
  std::latch begun{1};
  std::latch& go_on;
  std::atomic<bool> done{false};
};

TEST(TimerHeap, RemoveSyncWaitsForTheFireThatHasBegun) {
  TimerHeap heap;
  std::latch go_on{1};
  auto gate = std::make_unique<Gate>(go_on);
  TestTimer other;
  heap.add(gate.get(), 1);
  heap.add(&other, 1);
  std::thread runner([&] { EXPECT_EQ(heap.run_due(1), 1) << "the other one was removed"; });
  gate->begun.wait();
  EXPECT_FALSE(TimerHeap::remove(gate.get())) << "begun; plain remove does not wait";
  EXPECT_TRUE(TimerHeap::remove_sync(&other)) << "another timer's fire holds nobody up";
  std::atomic<bool> waiting{false};
  std::thread remover([&] {
    waiting = true;
    EXPECT_FALSE(TimerHeap::remove_sync(gate.get()));
    EXPECT_TRUE(gate->done);
    gate.reset();  // safe now
  });
  while (!waiting) std::this_thread::yield();
  std::this_thread::sleep_for(5ms);  // not for order: gives the remover time to reach its futex, the rarer way
  go_on.count_down();
  remover.join();
  runner.join();
}

TEST(TimerHeap, RemoveSyncBeatsATickerThatAddsItselfAgain) {
  TimerHeap heap;
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> now{0};
  std::thread runner([&] {
    while (!stop.load()) {
      if (heap.run_due(now.fetch_add(1)) == 0) std::this_thread::yield();
    }
  });
  // Each takes 10 ms: the runner hardly ever lets go. Where others want the CPUs too, it takes ten times as long, and fewer must do.
  const auto enough = std::chrono::steady_clock::now() + 5s;
  for (std::int64_t round = test::scaled(200, 50); round > 0 && std::chrono::steady_clock::now() < enough; --round) {
    auto ticker = std::make_unique<Ticker>(1);
    heap.add(ticker.get(), now.load());
    while (ticker->ticks.load() < 3) std::this_thread::yield();
    TimerHeap::remove_sync(ticker.get());
    ASSERT_EQ(ticker->index, Timer::npos);
    ticker.reset();
  }
  stop = true;
  runner.join();
  EXPECT_EQ(heap.size(), 0U);
}

// Two heaps, threads that add and remove, runners (more than one for each heap), and heaps that take from each other. Each add ends exactly
// once: by a fire, or by a removal that said so. After remove_sync the memory is reused at once, as frames are.
TEST(TimerHeap, EachAddEndsOnceUnderThreads) {
  struct Counted : Timer {
    Counted() : Timer(&Counted::count) {}
    static void count(Timer* timer, std::int64_t) noexcept { ++static_cast<Counted*>(timer)->fires; }
    int fires = 0;  // plain: fires of one timer never overlap, and remove_sync has seen the last one
  };
  constexpr int rounds = 10'000;
  const std::uint64_t seed = 99;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  TimerHeap heaps[2];
  std::atomic<std::int64_t> now{0};
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> added{0}, removed{0}, fired{0}, ran{0};
  const auto enough = std::chrono::steady_clock::now() + 5s;  // where others want the CPUs too, each round waits for threads that have lost theirs
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Random random(seed + t);
      // And until both ways out have been gone: the runners may come late.
      for (int round = 0; (round < rounds && std::chrono::steady_clock::now() < enough) || fired == 0 || removed == 0; ++round) {
        std::deque<Counted> timers(1 + random.below(8));
        for (Counted& timer : timers) {
          heaps[random.below(2)].add(&timer, now.load() + random.below(20));
          ++added;
        }
        if (random.below(4) == 0) std::this_thread::yield();
        for (Counted& timer : timers) {
          const bool was_in = TimerHeap::remove_sync(&timer);
          ASSERT_EQ(timer.fires, was_in ? 0 : 1);
          ++(was_in ? removed : fired);
        }
      }
    });
  }
  std::vector<std::thread> runners;
  for (std::uint64_t t = 0; t < 2; ++t) {
    runners.emplace_back([&, t] {
      Random random(seed + 10 + t);
      while (!stop.load()) {
        const int count = heaps[random.below(2)].run_due(now.fetch_add(1));
        if (count == 0) std::this_thread::yield();
        ran += count;
        if (random.below(64) == 0) heaps[t].take_all_from(heaps[1 - t]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  for (std::thread& runner : runners) runner.join();
  EXPECT_EQ(added.load(), removed.load() + fired.load());
  EXPECT_EQ(ran.load(), fired.load());
  EXPECT_GT(fired.load(), 0);
  EXPECT_GT(removed.load(), 0);
}

TEST(TimerDeathTest, DestroyingATimerThatIsInAHeapIsFound) {
  TimerHeap heap;
  EXPECT_DEATH(
      {
        TestTimer timer;
        heap.add(&timer, 1);
      },
      "broken invariant");
}

TEST(TimerDeathTest, AddingTwiceIsFound) {
  TimerHeap heap;
  TestTimer timer;
  heap.add(&timer, 1);
  EXPECT_DEATH(heap.add(&timer, 2), "broken invariant");
  TimerHeap::remove(&timer);
}

TEST(Deadline, SaturatesInsteadOfWrapping) {
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  static_assert(deadline_after(10, 5) == 15);
  static_assert(deadline_after(10, -5) == 5);
  static_assert(deadline_after(1, never) == never);
  static_assert(deadline_after(never, never) == never);
  static_assert(deadline_after(never - 1, 1) == never);
  static_assert(deadline_after(-10, lowest) == lowest);
  static_assert(deadline_after(10, 1ms) == 1'000'010);
  static_assert(deadline_after(0, std::chrono::hours::max()) == never);
  static_assert(deadline_after(0, std::chrono::years(10'000)) == never);
  static_assert(deadline_after(0, std::chrono::nanoseconds::max()) == never);
}

TEST(Deadline, DurationsOfAnyKindBecomeNanoseconds) {
  using Seconds = std::chrono::duration<double>;
  static_assert(saturated_ns(50ms) == 50'000'000);
  static_assert(saturated_ns(std::chrono::hours::min()) == std::numeric_limits<std::int64_t>::min());
  static_assert(saturated_ns(std::chrono::duration<std::uint64_t, std::nano>(~0ULL)) == never);
  static_assert(saturated_ns(std::chrono::duration<int, std::pico>(2500)) == 2);
  EXPECT_EQ(saturated_ns(Seconds(0.5)), 500'000'000);
  EXPECT_EQ(saturated_ns(Seconds(1e300)), never);
  EXPECT_EQ(saturated_ns(Seconds(-1e300)), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(saturated_ns(Seconds(std::numeric_limits<double>::infinity())), never);
  EXPECT_EQ(saturated_ns(Seconds(std::numeric_limits<double>::quiet_NaN())), 0);
}

}  // namespace
}  // namespace gmp::detail::heap_test
