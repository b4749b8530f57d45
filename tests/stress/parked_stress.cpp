// tests/stress/parked_stress.cpp — a million gs that wait: what each costs, and that every one goes on.
// Go: none (its own figure is the stack's 2 KiB).  Room: tests/stress.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "gmp/sync.hpp"
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
