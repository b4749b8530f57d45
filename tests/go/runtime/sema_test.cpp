// tests/go/runtime/sema_test.cpp — Go's tests of the hand-off of a permit.
// Go: runtime/sema_test.go.  Room: wait (floor 3).
//
// Go's releaser yields inside semrelease. Ours is a plain call, so it only ends its slice: it gives way at its next co_await, even of an
// operation that has no need to wait.
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <atomic>

#include "go/sema_acquire.hpp"
#include "support/scale.hpp"

namespace gmp::sema_test {
namespace {

// One has the permit, another waits for it. The permit is handed over, and both race to sign: true if the waiter was first.
Task<bool> waiter_runs_first() {
  detail::Sema sema;
  Mutex always_free;
  std::atomic<int> signed_by{0};
  auto sign = [&signed_by](int who) {
    int nobody = 0;
    signed_by.compare_exchange_strong(nobody, who);
  };
  WaitGroup waiter;
  waiter.go([&]() -> Task<> {
    co_await test::acquire(sema);
    sign(1);
    sema.release();
  });
  while (test::sleepers(&sema) == 0) co_await yield();
  sema.release(1, true);
  co_await always_free.lock();
  sign(2);
  always_free.unlock();
  co_await waiter.wait();
  EXPECT_EQ(sema.kept(), 1u);
  co_return signed_by == 1;
}

// Go is content with two of three.
void most_waiters_run_first(int procs) {
  const auto rounds = test::scaled(10'000, 500);
  std::int64_t first = 0;
  run([&]() -> Task<> {
    if (procs != 0) gomaxprocs(procs);
    for (std::int64_t i = 0; i < rounds; ++i) {
      const bool waiter_first = co_await waiter_runs_first();
      if (waiter_first) ++first;
    }
  });
  EXPECT_GT(first, rounds * 2 / 3) << "of " << rounds;
}

// TestSemaHandoff.
TEST(GoSemaHandoff, WhoGetsThePermitRunsBeforeWhoGaveIt) { most_waiters_run_first(0); }

// TestSemaHandoff1: with one P there is nobody who could get in between.
TEST(GoSemaHandoff, OnOneProcessorAlways) {
  const auto rounds = test::scaled(10'000, 500);
  run([&]() -> Task<> {
    gomaxprocs(1);
    std::int64_t late = 0;
    for (std::int64_t i = 0; i < rounds; ++i) {
      const bool waiter_first = co_await waiter_runs_first();
      if (!waiter_first) ++late;
    }
    EXPECT_LE(late, rounds / 100) << "of " << rounds;  // its slice may end, and the permit with it, in between
  });
}

// TestSemaHandoff2.
TEST(GoSemaHandoff, OnTwoProcessors) { most_waiters_run_first(2); }

}  // namespace
}  // namespace gmp::sema_test
