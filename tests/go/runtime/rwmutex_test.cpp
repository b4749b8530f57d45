// tests/go/runtime/rwmutex_test.cpp — Go's tests of the lock that its threads, not its gs, take: here RWMutex from plain threads.
// Go: runtime/rwmutex_test.go.  Room: sync (floor 5).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "support/scale.hpp"

namespace gmp::runtime_rwmutex_test {
namespace {

// TestParallelRWMutexReaders.
TEST(GoRuntimeRWMutex, ReadersOnThreadsAndReadersThatAreGoroutinesHoldItTogether) {
  constexpr int each = 3;
  RWMutex rw;
  std::latch all_hold_it(2 * each);
  std::vector<std::jthread> threads;
  for (int i = 0; i < each; ++i) {
    threads.emplace_back([&] {
      rw.rlock_blocking();
      all_hold_it.arrive_and_wait();  // for ever, unless all of them hold it
      rw.runlock();
    });
  }
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int i = 0; i < each; ++i) {
      all_done.go([&]() -> Task<> {
        co_await rw.rlock();
        co_await blocking([&] { all_hold_it.arrive_and_wait(); });
        rw.runlock();
      });
    }
    co_await all_done.wait();
  });
  threads.clear();
  EXPECT_TRUE(rw.try_lock());
  rw.unlock();
}

// TestRWMutex. Inside: readers count one each, a writer ten thousand.
void hammer(int threads, int gs, std::int64_t loops) {
  constexpr int writer = 10'000;
  RWMutex rw;
  std::atomic<int> inside{0};
  std::atomic<int> wrong{0};
  std::int64_t written = 0;  // plain: rw
  const auto in_write = [&] {
    if (inside.fetch_add(writer) != 0) ++wrong;
    ++written;
    inside.fetch_sub(writer);
    rw.unlock();
  };
  const auto in_read = [&] {
    const int before = inside.fetch_add(1);
    if (before < 0 || before >= writer || written < 0) ++wrong;
    inside.fetch_sub(1);
    rw.runlock();
  };
  std::vector<std::jthread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&, i] {
      for (std::int64_t n = 0; n < loops; ++n) {
        if ((n + i) % 8 == 0) {
          rw.lock_blocking();
          in_write();
        } else {
          rw.rlock_blocking();
          in_read();
        }
      }
    });
  }
  run([&]() -> Task<> {
    WaitGroup all_done;
    for (int i = 0; i < gs; ++i) {
      all_done.go([&, i]() -> Task<> {
        for (std::int64_t n = 0; n < loops; ++n) {
          if ((n + i) % 8 == 0) {
            co_await rw.lock();
            in_write();
          } else {
            co_await rw.rlock();
            in_read();
          }
        }
      });
    }
    co_await all_done.wait();
  });
  all.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(inside, 0);
  EXPECT_EQ(written, (threads + gs) * loops / 8);
}

TEST(GoRuntimeRWMutex, ThreadsAndGoroutinesHammerOnIt) {
  const std::int64_t loops = test::scaled(2000, 200) / 8 * 8;
  hammer(1, 0, loops);
  hammer(4, 0, loops);
  hammer(2, 2, loops);
  hammer(3, 10, loops);
}

}  // namespace
}  // namespace gmp::runtime_rwmutex_test
