// tests/unit/sync/allocation_test.cpp — parking allocates nothing: waiters live in the coroutine frames.
// Go: none (it takes sudogs from a cache).  Room: sync (floor 5).
//
// The binary's operator new is replaced here, and counts on the threads that ask for it: the Ms of one executor. No M loses its P (max_hogs), for the
// next one allocates what it needs once. Not under sanitizers, whose own allocator the counter would hide.
#include <gtest/gtest.h>

#include "support/memory.hpp"

#ifndef GMPCORO_TEST_SANITIZED

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/counted_new.hpp"

namespace gmp::allocation_test {
namespace {

using namespace std::chrono_literals;
using test::allocations;
using test::counted;

TEST(Allocation, TheCounterCounts) {
  Executor ex({.procs = 1, .max_hogs = 0, .on_thread_start = [] { counted = true; }});
  ex.run([] {
    const long before = allocations;
    const auto some = std::make_unique<int[]>(1000);
    EXPECT_EQ(allocations - before, 1);
  });
}

TEST(Allocation, GivingUpNeedsNone) {
  Executor ex({.procs = 1, .max_hogs = 0, .on_thread_start = [] { counted = true; }});
  ex.run([]() -> Task<> {
    Mutex mu;
    co_await mu.lock();
    auto ch = make_chan<int>();
    auto [ctx, cancel] = with_cancel(background());
    long before = 0;
    int given_up = 0;
    for (int i = 0; i < 120; ++i) {
      if (i == 20) before = allocations, given_up = 0;
      given_up += static_cast<bool>(co_await timeout(20us, mu.lock()));
      given_up += static_cast<bool>((co_await timeout(20us, ch.recv())).err);
      given_up += static_cast<bool>((co_await timeout(20us, select(recv(ch)))).err);
      given_up += static_cast<bool>(co_await timeout(20us, gmp::sleep(1h)));
      given_up += static_cast<bool>(co_await until(ctx, gmp::sleep(10us)));  // linked, and not given up
    }
    EXPECT_EQ(allocations - before, 0);
    EXPECT_EQ(given_up, 400);
    mu.unlock();
  });
}

// Each g parks on each primitive many times a round; after the first rounds, which fill caches, nothing is allocated.
class AllocationOfParking : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(All, AllocationOfParking, ::testing::Values(1, 2, 4));

TEST_P(AllocationOfParking, IsNone) {
  constexpr int gs = 8, rounds = 60, warm = 20;
  Executor ex({.procs = GetParam(), .max_hogs = 0, .on_thread_start = [] { counted = true; }});
  ex.run([&]() -> Task<> {
    Mutex mu;
    RWMutex rw;
    Cond cond(mu);
    Semaphore sem(2);
    WaitGroup barrier[rounds], leave[rounds];
    std::vector<std::unique_ptr<Once>> once;
    int turn = 0;  // under mu
    std::atomic<long> parks{0};
    for (int i = 0; i < rounds; ++i) {
      barrier[i].add(gs);
      leave[i].add(gs);
      once.push_back(std::make_unique<Once>());
    }
    std::atomic<int> running{0};  // each P has an M before the count begins
    std::vector<JoinHandle<void>> together;
    for (int i = 1; i < GetParam(); ++i) {
      together.push_back(spawn([&running] {
        ++running;
        while (running < GetParam()) std::this_thread::yield();
      }));
    }
    ++running;
    while (running < GetParam()) std::this_thread::yield();
    for (auto& h : together) co_await h;
    long before = 0;
    auto body = [&](int self) -> Task<> {
      for (int round = 0; round < rounds; ++round) {
        barrier[round].done();
        co_await barrier[round].wait();
        if (self == 0 && round == warm) before = allocations;
        for (int i = 0; i < 5; ++i) {
          co_await mu.lock();
          co_await yield();
          mu.unlock();
          if ((i + self) % 3 == 0) {
            co_await rw.lock();
            co_await yield();
            rw.unlock();
          } else {
            co_await rw.rlock();
            co_await yield();
            rw.runlock();
          }
          co_await sem.acquire();
          co_await yield();
          sem.release();
        }
        co_await mu.lock();
        while (turn % gs != self) {
          ++parks;
          co_await cond.wait();
        }
        ++turn;
        cond.broadcast();
        mu.unlock();
        co_await once[static_cast<std::size_t>(round)]->call([] {});
        if (GetParam() == 1) co_await sleep(10us);  // the heap of each P has grown to its size only after many rounds
        leave[round].done();
        co_await leave[round].wait();
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < gs; ++i) handles.push_back(spawn(body, i));
    for (auto& h : handles) co_await h;
    // With more than one P some of them sleep, and steal, for the first time only now, which allocates once each. Thousands of waits do not.
    const long first_uses = GetParam() == 1 ? 0 : 8 * GetParam();
    EXPECT_LE(allocations - before, first_uses);
    EXPECT_GT(parks, rounds);
  });
}

// A round trip over channels, parked or not, and a select of eight cases, parked or not.
TEST(Allocation, ChannelsAndSelectsAllocateNothing) {
  Executor ex({.procs = 1, .max_hogs = 0, .on_thread_start = [] { counted = true; }});
  ex.run([]() -> Task<> {
    const auto there = make_chan<long>(), back = make_chan<long>(4), never = make_chan<long>();
    const auto texts = make_chan<std::unique_ptr<int>>(1);
    go([=]() -> Task<> {
      while (auto v = co_await there.recv()) co_await back.send(*v + 1);
      back.close();
    });
    std::vector<SelectCase> set;
    std::optional<long> got;
    for (int i = 0; i < 7; ++i) set.push_back(recv(never, got));
    set.push_back(recv(back, got));
    auto pointer = std::make_unique<int>(7);
    long before = 0;
    for (long round = 0; round < 1'000; ++round) {
      if (round == 10) before = allocations;
      co_await there.send(round);
      EXPECT_EQ(co_await back.recv(), round + 1);
      co_await there.send(round);
      EXPECT_EQ(co_await select(recv(never, got), recv(never, got), recv(never, got), recv(never, got), send(never, 1L), send(never, 2L), recv(never),
                                recv(back, got)),
                7);
      co_await there.send(round);
      EXPECT_EQ(co_await select(set), 7);
      co_await texts.send(std::move(pointer));
      pointer = *co_await texts.recv();
      EXPECT_FALSE(there.try_recv());
    }
    EXPECT_EQ(allocations - before, 0);
    there.close();
  });
}

TEST(Allocation, APlainThreadThatSleepsAllocatesNothingEither) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    Mutex mu;
    auto inside = [&mu] {
      counted = true;
      const long before = allocations;
      mu.lock_blocking();
      EXPECT_EQ(allocations - before, 0);
      counted = false;
      mu.unlock();
    };
    for (int i = 0; i < 20; ++i) {
      co_await mu.lock();
      auto waiter = [&inside]() -> Task<> { co_await blocking(inside); };
      auto h = spawn(waiter);
      co_await sleep(100us);
      mu.unlock();
      co_await h;
    }
  });
}

}  // namespace
}  // namespace gmp::allocation_test

#endif
