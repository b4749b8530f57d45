// tests/stress/sync_stress.cpp — each lock in a storm of gs of two executors and plain threads; the last user destroys it.
// Go: sync's HammerMutex, HammerRWMutex and their kin.  Room: tests/stress.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/sync.hpp"
#include "stress/storm.hpp"

namespace gmp::sync_stress {
namespace {

using namespace std::chrono_literals;
using test::burn;
using test::Dice;

// Gs on two executors and plain threads, each with a number of its own; all have ended when it returns.
template <class OnG, class OnThread>
void storm_of(int gs, OnG on_g, int threads, OnThread on_thread) {
  Executor a;
  Executor b({.procs = 2});
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < gs; ++i) handles.push_back((i % 3 == 2 ? b : a).spawn(on_g, i));
  std::vector<std::jthread> pool;
  for (int i = 0; i < threads; ++i) pool.emplace_back([&on_thread, i, gs] { on_thread(gs + i); });
  for (auto& handle : handles) handle.get();
}

// What a holder does with its lock, at times: long enough for the waiters to starve (1 ms), or to lose the P over it.
Task<> hold(Dice& dice) {
  switch (dice.below(40)) {
    default: break;
    case 0: co_await sleep(dice.up_to(1500us)); break;
    case 1:
    case 2: co_await yield(); break;
    case 3: burn(dice.up_to(100us)); break;
    case 4: {
      const auto length = dice.up_to(100us);
      co_await blocking([length] { std::this_thread::sleep_for(length); });
      break;
    }
  }
}
void hold_on_thread(Dice& dice) {
  if (dice.one_in(30)) std::this_thread::sleep_for(dice.up_to(1200us));
}

// ---- storms

TEST(SyncStress, MutexHoldsOneAtATime) {
  Mutex mu;
  long count = 0;  // under mu
  std::atomic<int> inside{0};
  std::atomic<long> expected{0};
  const auto rounds = test::scaled(1500, 50);
  const auto in = [&] { return ++inside == 1; };
  const auto out = [&] {
    ++count;
    ++expected;
    --inside;
  };
  storm_of(
      12,
      [&](int number) -> Task<> {
        Dice dice(static_cast<std::uint64_t>(number));
        for (std::int64_t i = 0; i < rounds; ++i) {
          const int form = dice.below(3);
          if (form == 0) {
            if (!mu.try_lock()) {
              if (dice.one_in(2)) co_await yield();
              continue;
            }
          } else if (form == 1) {
            const auto guard = co_await mu.scoped_lock();
            EXPECT_TRUE(in());
            co_await hold(dice);
            out();
            continue;
          } else {
            co_await mu.lock();
          }
          EXPECT_TRUE(in());
          co_await hold(dice);
          out();
          mu.unlock();
          if (dice.one_in(8)) co_await test::act(dice);
        }
      },
      2,
      [&](int number) {
        Dice dice(static_cast<std::uint64_t>(number));
        for (std::int64_t i = 0; i < rounds / 2; ++i) {
          if (dice.one_in(3)) {
            if (!mu.try_lock()) continue;
          } else {
            mu.lock_blocking();
          }
          EXPECT_TRUE(in());
          hold_on_thread(dice);
          out();
          mu.unlock();
        }
      });
  EXPECT_EQ(count, expected);
  EXPECT_TRUE(mu.try_lock());
}

TEST(SyncStress, RWMutexHoldsOneWriterOrReaders) {
  RWMutex rw;
  long first = 0;  // under rw: equal, except while a writer is at it
  long second = 0;
  std::atomic<int> readers{0};
  std::atomic<int> writers{0};
  std::atomic<long> written{0};
  const auto rounds = test::scaled(1200, 50);
  const auto begin_read = [&] {
    ++readers;
    EXPECT_EQ(writers, 0);
    EXPECT_EQ(first, second);
  };
  const auto end_read = [&] {
    EXPECT_EQ(first, second);
    EXPECT_EQ(writers, 0);
    --readers;
  };
  const auto begin_write = [&] {
    EXPECT_EQ(++writers, 1);
    EXPECT_EQ(readers, 0);
    ++first;
  };
  const auto end_write = [&] {
    ++second;
    ++written;
    EXPECT_EQ(readers, 0);
    EXPECT_EQ(--writers, 0);
  };
  storm_of(
      14,
      [&](int number) -> Task<> {
        Dice dice(static_cast<std::uint64_t>(number));
        for (std::int64_t i = 0; i < rounds; ++i) {
          switch (dice.below(8)) {
            case 0: {
              const auto guard = co_await rw.scoped_lock();
              begin_write();
              co_await hold(dice);
              end_write();
              break;
            }
            case 1:
              if (!rw.try_lock()) break;
              begin_write();
              co_await hold(dice);
              end_write();
              rw.unlock();
              break;
            case 2:
              if (!rw.try_rlock()) break;
              begin_read();
              co_await hold(dice);
              end_read();
              rw.runlock();
              break;
            case 3: {
              const auto guard = co_await rw.scoped_rlock();
              begin_read();
              co_await hold(dice);
              end_read();
              break;
            }
            default:
              co_await rw.rlock();
              begin_read();
              co_await hold(dice);
              end_read();
              rw.runlock();
          }
        }
      },
      3,
      [&](int number) {
        Dice dice(static_cast<std::uint64_t>(number));
        for (std::int64_t i = 0; i < rounds / 2; ++i) {
          if (dice.one_in(6)) {
            rw.lock_blocking();
            begin_write();
            hold_on_thread(dice);
            end_write();
            rw.unlock();
          } else {
            rw.rlock_blocking();
            begin_read();
            hold_on_thread(dice);
            end_read();
            rw.runlock();
          }
        }
      });
  EXPECT_EQ(first, written);
  EXPECT_EQ(second, written);
  EXPECT_TRUE(rw.try_lock());
}

TEST(SyncStress, SemaphoreNeverGivesMoreThanItHas) {
  constexpr int units = 7;
  Semaphore sem(units);
  std::atomic<int> taken{0};
  const auto rounds = test::scaled(1500, 50);
  const auto take = [&](int n) { EXPECT_LE(taken += n, units); };
  storm_of(
      14,
      [&](int number) -> Task<> {
        Dice dice(static_cast<std::uint64_t>(number));
        for (std::int64_t i = 0; i < rounds; ++i) {
          const int n = dice.one_in(4) ? dice.below(units + 1) : dice.between(1, 2);
          if (dice.one_in(4)) {
            if (!sem.try_acquire(n)) continue;
          } else {
            co_await sem.acquire(n);
          }
          take(n);
          co_await hold(dice);
          taken -= n;
          if (n > 1 && dice.one_in(2)) {  // in two parts
            sem.release(1);
            sem.release(n - 1);
          } else {
            sem.release(n);
          }
        }
      },
      3,
      [&](int number) {
        Dice dice(static_cast<std::uint64_t>(number));
        for (std::int64_t i = 0; i < rounds / 2; ++i) {
          const int n = dice.between(1, 3);
          sem.acquire_blocking(n);
          take(n);
          hold_on_thread(dice);
          taken -= n;
          sem.release(n);
        }
      });
  EXPECT_EQ(taken, 0);
  EXPECT_TRUE(sem.try_acquire(units));
}

TEST(SyncStress, CondQueueGivesEveryValueOnce) {
  constexpr std::size_t capacity = 3;
  Mutex mu;
  Cond not_empty(mu);
  Cond not_full(mu);
  std::deque<long> queue;  // these under mu
  long to_produce = test::scaled(8000, 400);
  long to_consume = to_produce;
  const long total = to_produce;
  long produced_sum = 0;
  long consumed_sum = 0;
  const auto tell = [](Cond& cond, Dice& dice) { dice.one_in(4) ? cond.broadcast() : cond.signal(); };
  // One value each; false: there are no more.
  const auto put = [&](Dice& dice) {
    if (to_produce == 0) return false;
    queue.push_back(to_produce);
    produced_sum += to_produce--;
    tell(not_empty, dice);
    if (to_produce == 0) not_full.broadcast();
    return true;
  };
  const auto get = [&](Dice& dice) {
    if (queue.empty()) return false;
    consumed_sum += queue.front();
    queue.pop_front();
    if (--to_consume == 0) not_empty.broadcast();
    tell(not_full, dice);
    return true;
  };
  const auto full = [&] { return queue.size() >= capacity && to_produce > 0; };
  const auto empty = [&] { return queue.empty() && to_consume > 0; };
  storm_of(
      16,
      [&](int number) -> Task<> {
        Dice dice(static_cast<std::uint64_t>(number));
        for (bool more = true; more;) {
          const auto guard = co_await mu.scoped_lock();
          if (number % 2 == 0) {
            while (full()) co_await not_full.wait();
            more = put(dice);
          } else {
            while (empty()) co_await not_empty.wait();
            more = get(dice);
          }
          if (dice.one_in(100)) co_await test::act(dice);
        }
      },
      4,
      [&](int number) {
        Dice dice(static_cast<std::uint64_t>(number));
        for (bool more = true; more;) {
          mu.lock_blocking();
          if (number % 2 == 0) {
            while (full()) not_full.wait_blocking();
            more = put(dice);
          } else {
            while (empty()) not_empty.wait_blocking();
            more = get(dice);
          }
          mu.unlock();
        }
      });
  EXPECT_EQ(to_produce, 0);
  EXPECT_EQ(to_consume, 0);
  EXPECT_EQ(produced_sum, total * (total + 1) / 2);
  EXPECT_EQ(consumed_sum, produced_sum);
}

TEST(SyncStress, WaitGroupLetsNobodyGoTooEarly) {
  Executor a;
  Executor b({.procs = 2});
  WaitGroup wg;  // the same, round after round
  const auto rounds = test::scaled(600, 30);
  Dice dice;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const int workers = dice.between(1, 12);
    std::vector<int> seen(static_cast<std::size_t>(workers), 0);  // each its own; done() publishes it
    std::vector<JoinHandle<void>> waiters;
    wg.add();  // so that it is not zero while the waiters come
    const auto sees_all = [&] {
      for (const int one : seen) EXPECT_EQ(one, 1);
    };
    for (int i = dice.below(5); i > 0; --i) {
      waiters.push_back((dice.one_in(2) ? a : b).spawn([&]() -> Task<> {
        co_await wg.wait();
        sees_all();
      }));
    }
    std::vector<std::jthread> threads;
    if (dice.one_in(4)) {
      threads.emplace_back([&] {
        wg.wait_blocking();
        sees_all();
      });
    }
    for (int i = 0; i < workers; ++i) {
      const auto number = static_cast<std::uint64_t>(round * 16 + i);
      int& mine = seen[static_cast<std::size_t>(i)];
      auto work = [&wg, &mine, number](bool says_done) -> Task<> {
        Dice own(number);
        co_await test::act(own);
        mine = 1;
        if (says_done) wg.done();
      };
      if (dice.one_in(2)) {
        wg.add();
        (dice.one_in(2) ? a : b).go(work, true);
      } else {
        wg.go(work, false);  // on the default executor: a third one
      }
    }
    wg.done();
    wg.wait_blocking();
    sees_all();
    for (auto& waiter : waiters) waiter.get();
  }
}

TEST(SyncStress, OnceRunsOnceAndAllSeeIt) {
  Executor a;
  Executor b({.procs = 2});
  const auto rounds = test::scaled(600, 30);
  Dice dice;
  for (std::int64_t round = 0; round < rounds; ++round) {
    Once once;
    OnceValue<int> value([&once, round]() -> Task<int> {
      co_await yield();
      EXPECT_TRUE(round >= 0 && !once.done());
      if (round % 5 == 0) throw std::runtime_error("no value");
      co_return static_cast<int>(round);
    });
    int calls = 0;  // by the one who is first; published by the Once
    std::atomic<int> thrown{0};
    std::atomic<int> values{0};
    std::atomic<int> value_errors{0};
    const bool throws = dice.one_in(4);
    const int callers = dice.between(1, 8);
    const int threads = dice.below(3);
    const auto plain = [&] {
      ++calls;
      if (throws) throw std::runtime_error("once");
    };
    auto suspends = [&](std::uint64_t number) -> Task<> {
      Dice own(number);
      co_await test::act(own);
      plain();
    };
    auto caller = [&](int number) -> Task<> {
      Dice own(static_cast<std::uint64_t>(round * 32 + number));
      co_await test::act(own);
      try {
        const int& got = co_await value.get();
        EXPECT_EQ(got, static_cast<int>(round));
        ++values;
      } catch (const std::runtime_error&) {
        ++value_errors;
      }
      try {
        if (own.one_in(2)) {
          co_await once.call(plain);
        } else {
          auto f = [&] { return suspends(own.next()); };
          co_await once.call(f);
        }
      } catch (const std::runtime_error&) {
        ++thrown;
      }
      EXPECT_TRUE(once.done());
      EXPECT_EQ(calls, 1);
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < callers; ++i) handles.push_back((dice.one_in(2) ? a : b).spawn(caller, i));
    {
      std::vector<std::jthread> pool;
      for (int i = 0; i < threads; ++i) {
        pool.emplace_back([&] {
          // value's f is to see a Once that is not done: these come later.
          test::wait_until([&] { return value.done(); });
          try {
            once.call_blocking(plain);
          } catch (const std::runtime_error&) {
            ++thrown;
          }
          EXPECT_EQ(calls, 1);
        });
      }
    }
    for (auto& handle : handles) handle.get();
    ASSERT_EQ(calls, 1);
    ASSERT_EQ(thrown, throws ? 1 : 0);
    ASSERT_EQ(values, round % 5 == 0 ? 0 : callers);
    ASSERT_EQ(value_errors, round % 5 == 0 ? callers : 0);
  }
}

// ---- the last user destroys it, while the one before is still on its way out of unlock(), done(), release(), signal()

template <class Body>
void many_objects(std::int64_t objects, int users, Body body) {
  Executor a;
  Executor b({.procs = 2});
  Dice dice;
  constexpr int at_once = 16;
  for (std::int64_t done = 0; done < objects; done += at_once) {
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < at_once; ++i) {
      auto start = body();
      for (int user = 0; user < users; ++user) handles.push_back((dice.one_in(2) ? a : b).spawn(start, user));
    }
    for (auto& handle : handles) handle.get();
  }
}

TEST(SyncStress, AMutexIsDestroyedByItsLastUser) {
  struct Shared {
    Mutex mu;
    int users = 6;
    ~Shared() { users = -1; }
  };
  many_objects(test::scaled(2500, 64), 6, [] {
    auto* shared = new Shared;
    return [shared](int user) -> Task<> {
      Dice dice(static_cast<std::uint64_t>(user));
      if (user == 3) {
        while (!shared->mu.try_lock()) co_await yield();
      } else {
        co_await shared->mu.lock();
      }
      if (user == 1) co_await yield();
      const int left = --shared->users;
      shared->mu.unlock();
      if (left == 0) delete shared;
    };
  });
}

TEST(SyncStress, AnRWMutexIsDestroyedByTheWriterThatOutlastsItsReaders) {
  struct Shared {
    RWMutex rw;
    std::atomic<int> inside{0};
  };
  many_objects(test::scaled(2500, 64), 6, [] {
    auto* shared = new Shared;
    return [shared](int user) -> Task<> {
      if (user < 5) {
        co_await shared->rw.rlock();
        ++shared->inside;
        if (user == 2) co_await yield();
        shared->rw.runlock();
        co_return;
      }
      while (shared->inside != 5) co_await yield();  // all have it, or had it
      co_await shared->rw.lock();
      shared->rw.unlock();
      delete shared;
    };
  });
}

TEST(SyncStress, AWaitGroupIsDestroyedByWhoWaited) {
  many_objects(test::scaled(2500, 64), 6, [] {
    auto* wg = new WaitGroup;
    wg->add(5);
    return [wg](int user) -> Task<> {
      if (user < 5) {
        if (user == 2) co_await yield();
        wg->done();
        co_return;
      }
      co_await wg->wait();
      delete wg;
    };
  });
}

TEST(SyncStress, ASemaphoreIsDestroyedByWhoHasItAll) {
  many_objects(test::scaled(2500, 64), 6, [] {
    auto* sem = new Semaphore(5);
    EXPECT_TRUE(sem->try_acquire(5));
    return [sem](int user) -> Task<> {
      if (user < 5) {
        if (user == 2) co_await yield();
        sem->release();
        co_return;
      }
      co_await sem->acquire(5);
      delete sem;
    };
  });
}

TEST(SyncStress, ACondAndItsMutexAreDestroyedByWhoWaited) {
  struct Shared {
    Mutex mu;
    Cond cond{mu};
    int missing = 5;
  };
  many_objects(test::scaled(2500, 64), 6, [] {
    auto* shared = new Shared;
    return [shared](int user) -> Task<> {
      co_await shared->mu.lock();
      if (user < 5) {
        --shared->missing;
        if (user % 2 == 0)
          shared->cond.signal();
        else
          shared->cond.broadcast();
        shared->mu.unlock();
        co_return;
      }
      while (shared->missing > 0) co_await shared->cond.wait();
      shared->mu.unlock();
      delete shared;
    };
  });
}

TEST(SyncStress, ThreadsAndGoroutinesDestroyWhatTheOtherUnlocked) {
  // The other way round: a plain thread waits, gs give; and a g waits for threads.
  Executor ex;
  const auto objects = test::scaled(1500, 64);
  for (std::int64_t i = 0; i < objects; ++i) {
    auto wg = std::make_unique<WaitGroup>();
    auto* mu = new Mutex;
    EXPECT_TRUE(mu->try_lock());
    wg->add(2);
    ex.post([&group = *wg] { group.done(); });
    ex.go([&group = *wg, mu]() -> Task<> {
      co_await yield();
      mu->unlock();
      group.done();
    });
    mu->lock_blocking();
    mu->unlock();
    delete mu;
    wg->wait_blocking();
    wg.reset();
  }
}

}  // namespace
}  // namespace gmp::sync_stress
