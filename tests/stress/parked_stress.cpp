// tests/stress/parked_stress.cpp — a million gs that wait: what each costs, and that every one goes on.
// Go: none (its own figure is the stack's 2 KiB).  Room: tests/stress.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "stress/storm.hpp"

namespace gmp::parked_stress {
namespace {

using namespace std::chrono_literals;

[[maybe_unused]] constexpr std::int64_t bytes_max = 400;

std::int64_t crowd() { return test::sanitized ? test::scaled(20'000, 2000) : std::min<std::int64_t>(test::scaled(1'000'000, 100'000), 2'000'000); }

Task<> waits(WaitGroup* gate, std::atomic<std::int64_t>* waiting, std::atomic<std::int64_t>* woken) {
  waiting->fetch_add(1, std::memory_order_relaxed);
  co_await gate->wait();
  woken->fetch_add(1, std::memory_order_relaxed);
}

Task<> sleeps(time_point until, std::atomic<std::int64_t>* waiting, std::atomic<std::int64_t>* woken) {
  waiting->fetch_add(1, std::memory_order_relaxed);
  co_await sleep_until(until);
  if (std::chrono::steady_clock::now() >= until) woken->fetch_add(1, std::memory_order_relaxed);
}

// start(): starts all of them, from a g. wake(): lets them go.
template <class Start, class Wake>
void a_crowd_waits(std::int64_t n, Start start, Wake wake) {
  Executor ex;
  std::atomic<std::int64_t> waiting{0};
  std::atomic<std::int64_t> woken{0};
  ex.run([] {});
  const std::int64_t before = test::resident_bytes();
  ex.run([&]() -> Task<> {
    for (std::int64_t i = 0; i < n; ++i) {
      start(&waiting, &woken);
      if (i % 1000 == 999) co_await yield();
    }
    while (waiting != n) co_await yield();
  });
  const std::int64_t each = (test::resident_bytes() - before) / n;
#ifdef GMPCORO_TEST_MEMORY_FIGURES
  EXPECT_LT(each, bytes_max);
#else
  static_cast<void>(each);
#endif
  wake();
  test::wait_until([&] { return ex.run([] { return num_goroutine(); }) == 1; });
  EXPECT_EQ(woken, n);
}

#ifdef GMPCORO_TEST_MEMORY_FIGURES
TEST(ParkedStress, WhatAChannelATimerAndAContextCost) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    const auto bytes_each = [](auto make) {
      constexpr std::int64_t n = 10'000;
      std::vector<decltype(make())> all;
      all.reserve(n);
      const std::int64_t before = test::allocated_bytes();
      for (std::int64_t i = 0; i < n; ++i) all.push_back(make());
      return (test::allocated_bytes() - before) / n;
    };
    const std::int64_t unbuffered = bytes_each([] { return make_chan<int>(); });
    const std::int64_t of_sixteen = bytes_each([] { return make_chan<int>(16); });
    const std::int64_t timer = bytes_each([] { return gmp::Timer(1h); });
    const std::int64_t cancellable = bytes_each([] { return with_cancel(background()); });
    std::printf("bytes: a channel %lld, of 16 ints %lld, a timer %lld, a context %lld\n", static_cast<long long>(unbuffered), static_cast<long long>(of_sixteen),
                static_cast<long long>(timer), static_cast<long long>(cancellable));
    EXPECT_LE(unbuffered, 128);
    EXPECT_LE(of_sixteen, 192);
    EXPECT_LE(timer, 256);
    EXPECT_LE(cancellable, 160);
    co_return;
  });
}
#endif

TEST(ParkedStress, AMillionWaitForOneWaitGroup) {
  WaitGroup gate;
  gate.add();
  a_crowd_waits(
      crowd(), [&gate](auto* waiting, auto* woken) { go(waits, &gate, waiting, woken); }, [&gate] { gate.done(); });
}

TEST(ParkedStress, ManySleep) {
  const auto until = std::chrono::steady_clock::now() + 1s;
  a_crowd_waits(
      crowd() / 4, [until](auto* waiting, auto* woken) { go(sleeps, until, waiting, woken); }, [] {});
}

TEST(ParkedStress, AStopDestroysACrowd) {
  std::atomic<std::int64_t> waiting{0};
  std::atomic<std::int64_t> woken{0};
  WaitGroup gate;
  gate.add();
  const std::int64_t n = crowd() / 4;
  run([&]() -> Task<> {
    for (std::int64_t i = 0; i < n; ++i) go(waits, &gate, &waiting, &woken);
    while (waiting != n) co_await yield();
  });
  EXPECT_EQ(woken, 0);
}

}  // namespace
}  // namespace gmp::parked_stress
