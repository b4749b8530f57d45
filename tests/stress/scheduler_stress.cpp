// tests/stress/scheduler_stress.cpp — every g that was started ends, none is lost between two Ms, none starves beside hogs.
// Go: runtime/proc_test.go.  Room: tests/stress.
#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/sync/waitgroup.hpp"
#include "stress/storm.hpp"
#include "unit/task/probe.hpp"

namespace gmp::scheduler_stress {
namespace {

using namespace std::chrono_literals;
using test::Baton;
using test::burn;
using test::Dice;
using test::Probe;

// ---- trees

struct Census {
  std::atomic<long> started{0};
  std::atomic<long> ended{0};
  std::atomic<int> frames{0};
  WaitGroup detached;
};

Task<long> tree(Census& census, std::uint64_t number, int depth, Probe argument);

// As a g of its own that nobody joins.
Task<> loose_tree(Census& census, std::uint64_t number, int depth, Probe argument) {
  co_await tree(census, number, depth, std::move(argument));
}

// Gives how many of its line it was asked to wait for, itself included.
Task<long> tree(Census& census, std::uint64_t number, int depth, Probe argument) {
  const Probe local(census.frames);
  ++census.started;
  Dice dice(number);
  long waited_for = 1;
  co_await test::act(dice);
  if (depth > 0) {
    std::vector<JoinHandle<long>> joined;
    std::vector<Task<long>> together;
    const int children = dice.below(4);
    for (int i = 0; i < children; ++i) {
      const std::uint64_t child = number * 4 + static_cast<std::uint64_t>(i) + 1;
      switch (dice.below(5)) {
        case 0: census.detached.go(loose_tree, std::ref(census), child, depth - 1, Probe(census.frames)); break;
        case 1: {
          auto here = tree(census, child, depth - 1, Probe(census.frames));
          waited_for += co_await here;
          break;
        }
        case 2: together.push_back(tree(census, child, depth - 1, Probe(census.frames))); break;
        case 3: {
          // Joined, but by nobody: the handle goes.
          census.detached.add();
          auto body = [&census, child, depth]() -> Task<> {
            co_await tree(census, child, depth - 1, Probe(census.frames));
            census.detached.done();
          };
          spawn(body).detach();
          break;
        }
        default: joined.push_back(spawn(tree, std::ref(census), child, depth - 1, Probe(census.frames))); break;
      }
      co_await test::act(dice);
    }
    auto all_of_them = all(std::move(together));
    const std::vector<long> counts = co_await all_of_them;
    for (const long count : counts) waited_for += count;
    while (!joined.empty()) {
      const auto which = static_cast<std::size_t>(dice.below(static_cast<int>(joined.size())));
      JoinHandle<long> handle = std::move(joined[which]);
      joined.erase(joined.begin() + static_cast<std::ptrdiff_t>(which));
      waited_for += co_await handle;
    }
  }
  if (argument.value() < 0) std::terminate();
  ++census.ended;
  co_return waited_for;
}

TEST(SchedulerStress, TreesOfGoroutinesEndInFullAndLeaveNoFrame) {
  Executor ex;
  const auto rounds = test::scaled(40, 5);
  for (std::int64_t round = 0; round < rounds; ++round) {
    Census census;
    ex.run([&census, round]() -> Task<> {
      std::vector<JoinHandle<long>> roots;
      for (int i = 0; i < 8; ++i) {
        const std::uint64_t number = (static_cast<std::uint64_t>(round) << 40) + (static_cast<std::uint64_t>(i) << 36) + 1;
        roots.push_back(spawn(tree, std::ref(census), number, 5, Probe(census.frames)));
      }
      long waited_for = 0;
      for (auto& root : roots) waited_for += co_await root;
      EXPECT_GE(waited_for, 8);
      EXPECT_LE(waited_for, census.started.load());
      co_await census.detached.wait();
    });
    // done() in a body comes before its frame's end: run through the executor until it is.
    test::wait_until([&] { return census.frames == 0; });
    ASSERT_EQ(census.started, census.ended);
  }
  test::wait_until([&] { return ex.run([] { return num_goroutine(); }) == 1; });  // a g is counted until a little after its frames
}

// ---- wake-ups: one thing happens at a time, so one that is lost stops everything

TEST(SchedulerStress, ABatonThatGoesRoundExecutorsAndThreadsIsNeverLost) {
  Executor a;
  Executor b({.procs = 1});
  Executor c({.procs = 4});
  Executor* const where[] = {&a, &b, &c, &a, &b, &c, &c};
  constexpr int runners = 7;
  const auto rounds = test::scaled(1500, 50);
  std::vector<std::unique_ptr<Baton>> batons;
  for (int i = 0; i <= runners; ++i) batons.push_back(std::make_unique<Baton>());
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < runners; ++i) {
    handles.push_back(where[i]->spawn([&, i]() -> Task<> {
      Dice dice(static_cast<std::uint64_t>(i));
      for (std::int64_t round = 0; round < rounds; ++round) {
        co_await batons[static_cast<std::size_t>(i)]->take();
        // Long enough, at times, for every M to be on its way to sleep, or to have fallen asleep.
        if (dice.one_in(4)) burn(dice.up_to(80us));
        if (dice.one_in(16)) co_await sleep(dice.up_to(200us));
        if (dice.one_in(16)) co_await yield();
        Baton& next = *batons[static_cast<std::size_t>(i + 1)];
        if (dice.one_in(8))
          where[dice.below(runners)]->post([&next] { next.give(); });
        else
          next.give();
      }
    }));
  }
  // The last leg is a plain thread's.
  std::thread last([&] {
    Dice dice(99);
    for (std::int64_t round = 0; round < rounds; ++round) {
      batons[0]->give();
      const auto came = std::make_shared<std::promise<void>>();  // its setter's, too: that may be at it still when the waiter has gone
      a.go([&batons, came]() -> Task<> {
        co_await batons[runners]->take();
        came->set_value();
      });
      came->get_future().wait();
      if (dice.one_in(8)) std::this_thread::sleep_for(dice.up_to(150us));
    }
  });
  last.join();
  for (auto& handle : handles) handle.get();
}

TEST(SchedulerStress, EveryPostAndSubmitFromThreadsRunsOnce) {
  Executor ex;
  constexpr int threads = 4;
  const auto each = test::scaled(4000, 200);
  std::vector<std::atomic<int>> ran(static_cast<std::size_t>(threads * each));
  std::atomic<std::int64_t> posted_ran{0};
  std::int64_t posted = 0;
  std::atomic<std::int64_t> posts{0};
  {
    std::vector<std::jthread> pool;
    for (int t = 0; t < threads; ++t) {
      pool.emplace_back([&, t] {
        Dice dice(static_cast<std::uint64_t>(t));
        std::vector<std::future<std::int64_t>> futures;
        std::vector<JoinHandle<std::int64_t>> handles;
        std::vector<std::int64_t> expected_futures;
        std::vector<std::int64_t> expected_handles;
        for (std::int64_t i = 0; i < each; ++i) {
          const std::int64_t number = t * each + i;
          auto body = [&ran, number] {
            ++ran[static_cast<std::size_t>(number)];
            return number;
          };
          switch (dice.below(5)) {
            case 0:
              ++posts;
              ex.post([body, &posted_ran] {
                body();
                ++posted_ran;
              });
              break;
            case 1:
              futures.push_back(ex.submit(body));
              expected_futures.push_back(number);
              break;
            case 2:
              handles.push_back(ex.spawn(body));
              expected_handles.push_back(number);
              break;
            case 3:
              ++posts;
              ex.go([body, &posted_ran, turns = dice.below(3)]() -> Task<> {
                for (int turn = 0; turn < turns; ++turn) co_await yield();
                body();
                ++posted_ran;
              });
              break;
            default: EXPECT_EQ(ex.run(body), number);
          }
          if (dice.one_in(50)) std::this_thread::sleep_for(dice.up_to(100us));
        }
        for (std::size_t i = 0; i < futures.size(); ++i) EXPECT_EQ(futures[i].get(), expected_futures[i]);
        for (std::size_t i = 0; i < handles.size(); ++i) EXPECT_EQ(handles[i].get(), expected_handles[i]);
      });
    }
  }
  posted = posts;
  test::wait_until([&] { return posted_ran == posted; });
  for (std::size_t i = 0; i < ran.size(); ++i) ASSERT_EQ(ran[i], 1) << i;
}

TEST(SchedulerStress, SeveralThreadsAreTheFirstToUseAnExecutor) {
  const auto rounds = test::scaled(300, 30);
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::atomic<int> ran{0};
    std::atomic<int> ready{0};
    Executor ex({.procs = 4});
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        ++ready;
        while (ready != 3) std::this_thread::yield();  // all at once
        ex.spawn([&ran] { ++ran; }).get();
      });
    }
    threads.clear();
    ASSERT_EQ(ran, 3);
  }
}

// ---- hogs

// A g that wants to run every millisecond. Gives the longest time between two of its turns.
Task<std::chrono::nanoseconds> ticker(const std::atomic<bool>& over, std::atomic<long>& ticks) {
  auto last = std::chrono::steady_clock::now();
  std::chrono::nanoseconds longest{0};
  while (!over) {
    co_await sleep(1ms);
    const auto now = std::chrono::steady_clock::now();
    longest = std::max(longest, std::chrono::nanoseconds(now - last));
    last = now;
    ++ticks;
  }
  co_return longest;
}

Task<> hog(const std::atomic<bool>& over, std::atomic<long>& turns, std::uint64_t number) {
  Dice dice(number);
  while (!over) {
    ++turns;
    if (dice.one_in(2)) {
      burn(std::chrono::milliseconds(dice.between(5, 40)));
    } else {
      const auto length = std::chrono::milliseconds(dice.between(0, 30));
      co_await blocking([length] { std::this_thread::sleep_for(length); });
    }
    if (dice.one_in(4)) co_await sleep(dice.up_to(2000us));
    co_await yield();
  }
}

// Where it began it must always be.
Task<> locked(const std::atomic<bool>& over, std::atomic<long>& turns, std::uint64_t number) {
  Dice dice(number);
  while (!over) {
    ++turns;
    const int depth = dice.between(1, 3);
    for (int i = 0; i < depth; ++i) co_await this_g::lock_os_thread();
    const pthread_t mine = ::pthread_self();
    for (int i = dice.between(1, 20); i > 0; --i) {
      co_await test::act(dice);
      EXPECT_TRUE(::pthread_equal(mine, ::pthread_self()));
    }
    for (int i = 0; i < depth; ++i) this_g::unlock_os_thread();
    co_await yield();
  }
}

struct Storm {
  std::atomic<bool> over{false};
  std::atomic<long> ticks{0};
  std::atomic<long> turns{0};
  std::vector<JoinHandle<std::chrono::nanoseconds>> tickers;
  std::vector<JoinHandle<void>> others;

  // No ticker waited longer than would be a wake-up lost until chance repaired it. The machine is shared: seconds, not milliseconds.
  void end_and_check() {
    test::wait_until([&] { return ticks >= 20 && turns >= 20; });
    over = true;
    for (auto& one : tickers) EXPECT_LT(one.get(), test::sanitized ? 10s : 5s);
    for (auto& one : others) one.get();
  }
};

TEST(SchedulerStress, HogsAndBlockingCallsStarveNobody) {
  Executor ex;
  Storm storm;
  const auto end = test::storm_end(1000ms);
  for (int i = 0; i < 6; ++i) storm.others.push_back(ex.spawn(hog, std::cref(storm.over), std::ref(storm.turns), static_cast<std::uint64_t>(i)));
  for (int i = 0; i < 8; ++i) storm.tickers.push_back(ex.spawn(ticker, std::cref(storm.over), std::ref(storm.ticks)));
  std::this_thread::sleep_until(end);
  storm.end_and_check();
}

TEST(SchedulerStress, ProcessorsComeAndGoUnderHogsTickersAndLockedThreads) {
  Executor ex;
  Storm storm;
  const auto end = test::storm_end(1500ms);
  for (int i = 0; i < 3; ++i) storm.others.push_back(ex.spawn(hog, std::cref(storm.over), std::ref(storm.turns), static_cast<std::uint64_t>(i)));
  for (int i = 0; i < 6; ++i) storm.tickers.push_back(ex.spawn(ticker, std::cref(storm.over), std::ref(storm.ticks)));
  for (int i = 10; i < 13; ++i)
    storm.others.push_back(ex.spawn(locked, std::cref(storm.over), std::ref(storm.turns), static_cast<std::uint64_t>(i)));
  for (int i = 20; i < 26; ++i) {
    storm.others.push_back(ex.spawn([&storm, i]() -> Task<> {
      Dice dice(static_cast<std::uint64_t>(i));
      while (!storm.over) {
        ++storm.turns;
        co_await test::act(dice);
      }
    }));
  }
  storm.others.push_back(ex.spawn([&storm]() -> Task<> {
    Dice dice(30);
    while (!storm.over) {
      gomaxprocs(dice.between(1, 8));
      co_await sleep(dice.up_to(3000us));
    }
  }));
  std::this_thread::sleep_until(end);
  storm.end_and_check();
}

TEST(SchedulerStress, ManyLockedGoroutinesTakeTurns) {
  Executor ex;
  Storm storm;
  const auto end = test::storm_end(600ms);
  for (int i = 0; i < 12; ++i)
    storm.others.push_back(ex.spawn(locked, std::cref(storm.over), std::ref(storm.turns), static_cast<std::uint64_t>(i)));
  storm.tickers.push_back(ex.spawn(ticker, std::cref(storm.over), std::ref(storm.ticks)));
  std::this_thread::sleep_until(end);
  storm.end_and_check();
}

// ---- all of it

TEST(SchedulerStress, ThreadsAndExecutorsInEachOthersAffairs) {
  Executor a;
  Executor b;
  Executor c({.procs = 1});
  Executor* const where[] = {&a, &b, &c};
  std::atomic<int> alive{0};
  std::atomic<long> begun{0};
  std::atomic<long> ended{0};
  std::atomic<bool> over{false};
  Storm storm;
  const auto end = test::storm_end(1000ms);
  // A g that starts and joins gs of the others, and is woken by them.
  auto visitor = [&](std::uint64_t number) -> Task<> {
    Dice dice(number);
    while (!over) {
      Executor& other = *where[dice.below(3)];
      ++begun;
      switch (dice.below(5)) {
        case 0: {
          auto child = other.spawn([&ended, number, p = Probe(alive)]() -> Task<std::uint64_t> {
            co_await yield();
            ++ended;
            co_return number;
          });
          const std::uint64_t got = co_await child;
          EXPECT_EQ(got, number);
          break;
        }
        case 1: {
          auto wakes_later = [&](Waker<std::uint64_t> w) {
            other.go([&ended, w = std::move(w), number, p = Probe(alive)]() -> Task<> {
              co_await yield();
              ++ended;
              w.wake(number);
            });
          };
          const std::uint64_t got = co_await suspend<std::uint64_t>(wakes_later);
          EXPECT_EQ(got, number);
          break;
        }
        case 2: {
          auto wakes_at_once = [&](Waker<void> w) {
            other.post([&ended, w = std::move(w), p = Probe(alive)] {
              ++ended;
              w.wake();
            });
          };
          co_await suspend<void>(wakes_at_once);
          break;
        }
        case 3:
          ++ended;
          co_await blocking([&other] { EXPECT_EQ(other.spawn([] { return 1; }).get(), 1); });
          break;
        default:
          ++ended;
          co_await test::act(dice);
      }
    }
  };
  for (int i = 0; i < 12; ++i) storm.others.push_back(where[i % 3]->spawn(visitor, static_cast<std::uint64_t>(i)));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      Dice dice(static_cast<std::uint64_t>(100 + t));
      while (!over) {
        ++begun;
        Executor& other = *where[dice.below(3)];
        if (dice.one_in(2)) {
          EXPECT_EQ(other.submit([&ended, p = Probe(alive)] { return ++ended, 5; }).get(), 5);
        } else {
          EXPECT_EQ(other.run([&ended]() -> Task<int> {
            co_await yield();
            ++ended;
            co_return 6;
          }),
                    6);
        }
      }
    });
  }
  std::this_thread::sleep_until(end);
  over = true;
  threads.clear();
  for (auto& one : storm.others) one.get();
  test::wait_until([&] { return alive == 0; });
  EXPECT_EQ(begun, ended);
}

}  // namespace
}  // namespace gmp::scheduler_stress
