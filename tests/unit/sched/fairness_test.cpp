// tests/unit/sched/fairness_test.cpp — more goroutines in turn than a P's ring has room for: each gets its turns.
// Go: runtime/proc_test.go (TestPingPongHog, TestSchedLocalQueue).  Room: sched (floor 2).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "sched/run_queue.hpp"

namespace gmp::fairness_test {
namespace {

// Turns are counted, of which the others have thousands while the system holds a thread up, should that have lost its P. So none is taken (max_hogs).

// Those that overflowed into the global queue are not behind those in the ring for ever: in the time of fifty turns each, everybody has had ten.
TEST(Fairness, WhatDoesNotFitIntoTheRingHasItsTurns) {
  Executor ex({.procs = 1, .max_hogs = 0});
  const std::size_t n = 3 * detail::RunQueue::capacity;
  std::vector<int> turns(n);
  ex.run([&]() -> Task<> {
    std::atomic<long> left{static_cast<long>(50 * n)};
    std::vector<JoinHandle<void>> all;
    for (std::size_t i = 0; i < n; ++i) {
      all.push_back(spawn([&left](int& own) -> Task<> {
        while (left-- > 0) {
          ++own;
          co_await yield();
        }
      }, std::ref(turns[i])));
    }
    for (auto& one : all) co_await one;
  });
  EXPECT_GE(*std::min_element(turns.begin(), turns.end()), 10);
}

// One that comes from outside, or has overflowed, is on its way within some hundred turns of the others.
TEST(Fairness, WhatIsPostedWaitsForSomeHundredTurns) {
  Executor ex({.procs = 1, .max_hogs = 0});
  ex.run([&ex]() -> Task<> {
    std::atomic<bool> over{false};
    std::atomic<long> turns{0}, ran{0}, last{0};
    std::vector<JoinHandle<void>> others;
    for (int i = 0; i < 100; ++i) {
      others.push_back(spawn([&]() -> Task<> {
        while (!over) {
          ++turns;
          co_await yield();
        }
      }));
    }
    co_await yield();
    constexpr long posts = 300;
    std::thread([&] {
      for (int i = 0; i < posts; ++i) {
        ex.post([&] {
          last = turns.load();
          ++ran;
        });
      }
    }).join();  // this g holds the P: none has run
    const long begin = turns;
    while (ran < posts) co_await yield();
    over = true;
    for (auto& one : others) co_await one;
    EXPECT_LE(last - begin, 5 * posts + 1'000);  // one at a time, every 61st turn: 18,300
  });
}

}  // namespace
}  // namespace gmp::fairness_test
