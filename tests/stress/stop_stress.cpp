// tests/stress/stop_stress.cpp — executors that stop while their gs wait for everything there is, and while others will not leave them alone.
// Go: none (a Go program is never torn down).  Room: tests/stress.
//
// One cycle is an executor's life: its gs park on each primitive, outside, in their own frames, and in each other's, older and newer; in
// sleeps, suspend, joins, blocking calls; some run.  Meanwhile threads start gs there, wake its gs, wait for them, wait for what they hold,
// and stop it; a second executor's gs unlock what they wait for.  After it: no frame, no thread, no descriptor, no memory is left.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/sync.hpp"
#include "stress/storm.hpp"
#include "unit/task/probe.hpp"

namespace gmp::stop_stress {
namespace {

using namespace std::chrono_literals;
using test::Dice;
using test::Probe;

// One of each, taken by whoever made it: who comes waits.
struct Primitives {
  Mutex mu;
  RWMutex rw;        // for writing
  RWMutex read;      // for reading
  WaitGroup wg;      // one is missing
  Semaphore sem{2};  // both units
  Mutex free;        // nobody's: for the Cond
  Cond cond{free};
  Once once;
  OnceValue<int> value{[]() -> Task<int> {
    co_await sleep(24h);
    co_return 1;
  }};

  Primitives() {
    const bool taken = mu.try_lock() && rw.try_lock() && read.try_rlock() && sem.try_acquire(2);
    if (!taken) std::terminate();
    wg.add();
  }
};
constexpr int kinds = 12;
constexpr int waiting_kinds = 10;  // 10 and 11 may find themselves in the middle of f, and say so to the Once when their frames go

// Waits for one of them, and, woken or not, keeps what it got.
Task<> wait_for(Primitives& all, int kind) {
  switch (kind) {
    case 0: {
      const auto guard = co_await all.mu.scoped_lock();
      co_await yield();
      break;
    }
    case 1: co_await all.mu.lock(); break;
    case 2: {
      const auto guard = co_await all.rw.scoped_lock();
      co_await sleep(1ms);
      break;
    }
    case 3: {
      const auto guard = co_await all.rw.scoped_rlock();
      co_await sleep(1ms);
      break;
    }
    case 4: co_await all.read.lock(); break;
    case 5: co_await all.read.rlock(); break;  // behind that writer, or not
    case 6: co_await all.wg.wait(); break;
    case 7: co_await all.sem.acquire(); break;
    case 8: co_await all.sem.acquire(2); break;
    case 9: {
      const auto guard = co_await all.free.scoped_lock();
      for (;;) co_await all.cond.wait();
    }
    case 10: {
      auto f = []() -> Task<> { co_await sleep(24h); };
      co_await all.once.call(f);
      break;
    }
    default:
      try {
        co_await all.value.get();
      } catch (const std::runtime_error& error) {  // who was to make it is of an executor that stopped first
        EXPECT_STREQ(error.what(), "executor stopped");
      }
  }
}

struct Cycle {
  explicit Cycle(std::uint64_t number) : dice(number) {}

  Dice dice;
  std::atomic<int> alive{0};
  std::atomic<int> arrived{0};  // gs that are about to park
  Primitives outside;           // outlives the executor
  std::atomic<Primitives*> inner{nullptr};  // in a g's frame
  std::mutex wakers_mutex;
  std::vector<Waker<int>> wakers;
};

Task<> outside_guest(Cycle& cycle, int kind, Probe argument) {
  const Probe local(cycle.alive);
  ++cycle.arrived;
  co_await wait_for(cycle.outside, kind);
  if (argument.value() < 0) std::terminate();
}

// Older than the g in whose frame it waits, or newer.
Task<> inner_guest(Cycle& cycle, int kind, Probe argument) {
  const Probe local(cycle.alive);
  ++cycle.arrived;
  Primitives* all = nullptr;
  while ((all = cycle.inner) == nullptr) co_await yield();
  co_await wait_for(*all, kind);
  if (argument.value() < 0) std::terminate();
}

Task<> deep(Cycle& cycle, int depth) {
  const Probe local(cycle.alive);
  if (depth > 0)
    co_await deep(cycle, depth - 1);
  else
    co_await sleep(24h);
}

Task<> host(Cycle& cycle, int how) {
  const Probe local(cycle.alive);
  Primitives mine;
  cycle.inner = &mine;
  for (int kind = 0; kind < kinds; ++kind) go(inner_guest, std::ref(cycle), kind, Probe(cycle.alive));
  ++cycle.arrived;
  switch (how) {
    case 0: co_await sleep(24h); break;
    case 1: co_await suspend<void>([](const Waker<void>&) {}); break;
    case 2: co_await wait_for(mine, 9); break;
    case 3: co_await wait_for(mine, 10); break;
    case 4: co_await wait_for(mine, 11); break;
    default: co_await wait_for(cycle.outside, how % kinds);
  }
  for (;;) co_await sleep(24h);  // woken by the second executor: the guests are still here
}

Task<> other_things(Cycle& cycle, int kind, Probe argument) {
  const Probe local(cycle.alive);
  ++cycle.arrived;
  switch (kind) {
    case 0:
    case 1:
    case 2: {
      const auto offer = [&cycle](Waker<int> w) {
        std::lock_guard guard(cycle.wakers_mutex);
        cycle.wakers.push_back(std::move(w));
      };
      for (;;) co_await suspend<int>(offer);
    }
    case 3:
      for (;;) co_await yield();
    case 4:
      for (;;) co_await sleep(200us);
    case 5:
      for (;;) co_await blocking([] { std::this_thread::sleep_for(300us); });
    case 6: co_await deep(cycle, 50); break;
    case 7: {
      auto child = spawn(deep, std::ref(cycle), 3);
      co_await child;
      break;
    }
    case 8: {
      auto both = all(deep(cycle, 2), deep(cycle, 1));
      co_await both;
      break;
    }
    case 9:
      co_await this_g::lock_os_thread();
      for (;;) co_await sleep(300us);
    case 10:
      for (;;) co_await spawn([] {});
    default: co_await suspend<void>([](const Waker<void>&) {});
  }
  if (argument.value() < 0) std::terminate();
}
constexpr int other_kinds = 12;

// Starts gs until it is refused; gives how many ended, with a broken promise or an error among them or not.
void start_until_refused(Executor& ex, Cycle& cycle, std::uint64_t number) {
  Dice dice(number);
  std::vector<std::future<int>> futures;
  std::vector<JoinHandle<int>> handles;
  try {
    for (;;) {
      switch (dice.below(4)) {
        case 0: ex.post([p = Probe(cycle.alive)] {}); break;
        case 1: futures.push_back(ex.submit([p = Probe(cycle.alive)] { return 3; })); break;
        case 2:
          handles.push_back(ex.spawn([p = Probe(cycle.alive)]() -> Task<int> {
            co_await yield();
            co_return 4;
          }));
          break;
        default:
          ex.go([&cycle, p = Probe(cycle.alive), kind = dice.below(kinds)]() -> Task<> { co_await wait_for(cycle.outside, kind); });
      }
      std::this_thread::sleep_for(dice.up_to(60us));  // else thousands
    }
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "executor stopped");
  }
  for (auto& future : futures) {
    try {
      EXPECT_EQ(future.get(), 3);
    } catch (const std::future_error&) {
    }
  }
  for (auto& handle : handles) {
    try {
      EXPECT_EQ(handle.get(), 4);
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "executor stopped");
    }
  }
}

// Wakes what it finds, until it is told to end.
void wake_all(Cycle& cycle, const std::atomic<bool>& over) {
  std::vector<Waker<int>> late;
  while (!over) {
    std::vector<Waker<int>> mine;
    {
      std::lock_guard guard(cycle.wakers_mutex);
      mine.swap(cycle.wakers);
    }
    if (mine.empty()) std::this_thread::sleep_for(20us);
    for (auto& waker : mine) {
      waker.wake(1);
      late.push_back(std::move(waker));
      if (late.size() > 20) late.erase(late.begin());
    }
  }
  for (auto& waker : late) EXPECT_FALSE(waker.wake(2));
}

// A g of the second executor, which goes on: gives away what the others wait for, bit by bit.
Task<> give_away(Cycle& cycle, std::uint64_t number) {
  Dice dice(number);
  Primitives& all = cycle.outside;
  all.mu.unlock();
  co_await sleep(dice.up_to(300us));
  all.rw.unlock();
  co_await sleep(dice.up_to(300us));
  all.read.runlock();
  all.wg.done();
  co_await sleep(dice.up_to(300us));
  all.sem.release(1);
  all.cond.signal();
  co_await sleep(dice.up_to(300us));
  all.cond.broadcast();
  all.sem.release(1);
}

enum class Company { nobody, threads };

void live_and_die(std::uint64_t number, Executor& other, Company company) {
  Cycle cycle(number);
  Dice& dice = cycle.dice;
  {
    Executor ex({.procs = company == Company::threads ? dice.between(1, 4) : 0});
    const int how = dice.below(5 + kinds);
    const int others = other_kinds;
    for (int kind = 0; kind < waiting_kinds; ++kind) ex.go(inner_guest, std::ref(cycle), kind, Probe(cycle.alive));  // older than their host
    ex.go(host, std::ref(cycle), how);
    for (int kind = 0; kind < kinds; ++kind) ex.go(outside_guest, std::ref(cycle), kind, Probe(cycle.alive));
    for (int kind = 0; kind < others; ++kind) ex.go(other_things, std::ref(cycle), kind, Probe(cycle.alive));
    if (company == Company::nobody) {
      test::wait_until([&] { return cycle.arrived >= waiting_kinds + 2 * kinds + 1 + others; });
    } else {
      std::atomic<bool> over{false};
      const auto length = dice.up_to(1500us);
      auto joined = ex.spawn(deep, std::ref(cycle), 2);
      auto joins = [&joined]() -> Task<> {
        bool refused = false;
        try {
          co_await joined;
        } catch (const std::runtime_error&) {
          refused = true;
        }
        EXPECT_TRUE(refused);
      };
      auto joiner = other.spawn(joins);
      auto giver = other.spawn(give_away, std::ref(cycle), number + 1);
      std::vector<std::jthread> threads;
      threads.emplace_back([&] { start_until_refused(ex, cycle, number + 2); });
      threads.emplace_back([&] { wake_all(cycle, over); });
      threads.emplace_back([&, after = dice.up_to(1500us)] {
        std::this_thread::sleep_for(after);
        ex.stop();
        EXPECT_TRUE(ex.stopped());
      });
      std::this_thread::sleep_for(length);
      ex.stop();
      over = true;
      threads.clear();
      joiner.get();
      giver.get();
    }
  }
  EXPECT_EQ(cycle.alive, 0);
}

TEST(StopStress, CyclesWithThreadsThatInterfereLeaveNothing) {
  Executor other({.procs = 2});
  other.run([] {});
  live_and_die(0, other, Company::threads);
  const int threads = test::settled_threads();
  const int fds = test::process_fds();
  const auto cycles = test::scaled(250, 25);
  for (std::int64_t i = 1; i <= cycles; ++i) {
    live_and_die(static_cast<std::uint64_t>(i) << 8, other, Company::threads);
    if (HasFailure()) FAIL() << "cycle " << i;
    // The second executor may have found use for one more M; the one that stopped has left none.
    ASSERT_TRUE(test::process_fds() <= fds + 4) << "cycle " << i << ": " << fds << " descriptors are now " << test::process_fds();
  }
  EXPECT_TRUE(test::threads_back_to(threads + 4)) << threads << " are now " << test::process_threads();
}

TEST(StopStress, FiveHundredCyclesLeaveThreadsDescriptorsAndMemoryAsTheyWere) {
  Executor other({.procs = 1});
  const auto cycles = test::scaled(500, 60);
  live_and_die(0, other, Company::nobody);
  const int threads = test::settled_threads();
  const int fds = test::process_fds();
  std::int64_t resident = 0;
  std::int64_t allocated = 0;
  for (std::int64_t i = 1; i <= cycles; ++i) {
    live_and_die(static_cast<std::uint64_t>(i) << 8, other, Company::nobody);
    if (HasFailure()) FAIL() << "cycle " << i;
    ASSERT_EQ(test::process_fds(), fds) << "cycle " << i;
    if (i == 50) {
      resident = test::resident_bytes();
      allocated = test::allocated_bytes();
    }
  }
  EXPECT_TRUE(test::threads_back_to(threads)) << threads << " are now " << test::process_threads();
#ifdef GMPCORO_TEST_MEMORY_FIGURES
  constexpr std::int64_t mebibyte = 1 << 20;
  EXPECT_LE(test::resident_bytes(), resident + mebibyte) << "at cycle 50: " << resident;
  EXPECT_LE(test::allocated_bytes(), allocated + mebibyte) << "at cycle 50: " << allocated;
#else
  static_cast<void>(resident);
  static_cast<void>(allocated);
#endif
}

TEST(StopStress, PlainThreadsGetWhatTheDestroyedFramesHeld) {
  const auto rounds = test::scaled(200, 20);
  Dice dice;
  for (std::int64_t round = 0; round < rounds; ++round) {
    Mutex mu;
    RWMutex rw;
    Semaphore sem(1);
    WaitGroup wg;
    std::vector<std::jthread> threads;
    {
      std::atomic<int> holding{0};
      Executor ex;
      ex.go([&]() -> Task<> {
        const auto first = co_await mu.scoped_lock();
        const auto second = co_await rw.scoped_lock();
        co_await sem.acquire();
        wg.add();
        const auto last = defer([&] {
          sem.release();
          wg.done();
        });
        ++holding;
        co_await sleep(24h);
      });
      test::wait_until([&] { return holding != 0; });
      for (int i = 0; i < 3; ++i) {  // older gs of the same executor wait for the same, and get it never
        ex.go([&]() -> Task<> {
          const auto first = co_await mu.scoped_lock();
          ADD_FAILURE() << "a stopped g has gone on";
        });
      }
      threads.emplace_back([&mu] {
        mu.lock_blocking();
        mu.unlock();
      });
      threads.emplace_back([&rw] {
        rw.rlock_blocking();
        rw.runlock();
      });
      threads.emplace_back([&sem] {
        sem.acquire_blocking();
        sem.release();
      });
      threads.emplace_back([&wg] { wg.wait_blocking(); });
      std::this_thread::sleep_for(dice.up_to(400us));
    }
    threads.clear();
    ASSERT_TRUE(mu.try_lock() && rw.try_lock() && sem.try_acquire());
  }
}

TEST(StopStress, TheGuardOfADestroyedCondWaiterUnlocksForNobodyElse) {
  const auto rounds = test::scaled(200, 20);
  for (std::int64_t round = 0; round < rounds; ++round) {
    Mutex mu;
    Cond cond(mu);
    {
      std::atomic<int> begun{0};
      Executor ex;
      for (int i = 0; i < 3; ++i) {
        ex.go([&]() -> Task<> {
          const auto guard = co_await mu.scoped_lock();
          ++begun;
          for (;;) co_await cond.wait();
        });
      }
      test::wait_until([&] { return begun == 3; });
      mu.lock_blocking();  // so all of them wait
      if (round % 2 == 0) cond.signal();
    }
    ASSERT_FALSE(mu.try_lock());
    mu.unlock();
    ASSERT_TRUE(mu.try_lock());
  }
}

TEST(StopStress, ExecutorsStoppedBeforeTheyHaveBegun) {
  const auto rounds = test::scaled(400, 40);
  Dice dice;
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::atomic<int> alive{0};
    {
      Executor ex({.procs = dice.between(1, 8)});
      for (int i = dice.below(40); i > 0; --i) {
        switch (dice.below(4)) {
          case 0: ex.go([p = Probe(alive)]() -> Task<> { co_await sleep(1us); }); break;
          case 1: ex.post([p = Probe(alive)] { go([q = p]() -> Task<> { co_await yield(); }); }); break;
          case 2: ex.spawn([p = Probe(alive)] {}).detach(); break;
          default:
            ex.go([n = dice.between(1, 8), p = Probe(alive)]() -> Task<> {
              gomaxprocs(n);
              co_await yield();
            });
        }
      }
      if (dice.one_in(2)) std::this_thread::sleep_for(dice.up_to(100us));
    }
    ASSERT_EQ(alive, 0);
  }
}

TEST(StopStress, ExecutorsThatWaitForEachOtherStopInAnyOrder) {
  const auto rounds = test::scaled(120, 12);
  Dice dice;
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::atomic<int> alive{0};
    Primitives shared;
    std::array<std::unique_ptr<Executor>, 3> executors;
    for (auto& ex : executors) ex = std::make_unique<Executor>(Options{.procs = dice.between(1, 3)});
    // Each g holds nothing or a turn of a mutex that gs of all three want.
    std::array<Mutex, 3> turns;
    for (int g = 0; g < 30; ++g) {
      Executor& ex = *executors[static_cast<std::size_t>(g % 3)];
      ex.go([&, g, p = Probe(alive)]() -> Task<> {
        Dice own(static_cast<std::uint64_t>(round * 64 + g));
        if (own.one_in(4)) co_await wait_for(shared, own.below(kinds));
        for (;;) {
          const auto guard = co_await turns[static_cast<std::size_t>(own.below(3))].scoped_lock();
          co_await test::act(own);
        }
      });
    }
    std::this_thread::sleep_for(dice.up_to(2000us));
    std::vector<std::jthread> stoppers;
    for (auto& ex : executors) {
      stoppers.emplace_back([&ex, after = dice.up_to(500us)] {
        std::this_thread::sleep_for(after);
        ex.reset();
      });
    }
    stoppers.clear();
    ASSERT_EQ(alive, 0);
    for (auto& turn : turns) ASSERT_TRUE(turn.try_lock());
  }
}

}  // namespace
}  // namespace gmp::stop_stress
