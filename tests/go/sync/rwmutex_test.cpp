// tests/go/sync/rwmutex_test.cpp — Go's tests of RWMutex.
// Go: sync/rwmutex_test.go.  Room: sync (floor 5).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <atomic>

#include "go/mailbox.hpp"
#include "support/scale.hpp"

namespace gmp::rwmutex_test {
namespace {

using test::Mailbox;

void all_read_at_once(int readers, int procs) {
  RWMutex rw;
  Mailbox<bool> locked, unlock;
  run([&]() -> Task<> {
    gomaxprocs(procs);
    WaitGroup all_done;
    for (int i = 0; i < readers; ++i) {
      all_done.go([&]() -> Task<> {
        co_await rw.rlock();
        locked.send(true);
        co_await unlock.recv();
        rw.runlock();
      });
    }
    for (int i = 0; i < readers; ++i) co_await locked.recv();  // for ever, unless all of them hold it
    EXPECT_FALSE(rw.try_lock());
    for (int i = 0; i < readers; ++i) unlock.send(true);
    co_await all_done.wait();
    EXPECT_TRUE(rw.try_lock());
    rw.unlock();
  });
}

// TestParallelReaders.
TEST(GoRWMutex, AllReadersHoldItAtTheSameTime) {
  all_read_at_once(1, 4);
  all_read_at_once(3, 4);
  all_read_at_once(4, 2);
  all_read_at_once(4, 1);
}

// TestRWMutex: what the tries say, with nobody else about.
TEST(GoRWMutex, TheTriesSucceedIffNobodyWouldHaveToWait) {
  run([]() -> Task<> {
    RWMutex rw;
    co_await rw.lock();
    EXPECT_FALSE(rw.try_lock());
    EXPECT_FALSE(rw.try_rlock());
    rw.unlock();

    EXPECT_TRUE(rw.try_lock());
    EXPECT_FALSE(rw.try_rlock());
    rw.unlock();

    EXPECT_TRUE(rw.try_rlock());
    EXPECT_TRUE(rw.try_rlock());
    EXPECT_FALSE(rw.try_lock());
    rw.runlock();
    EXPECT_FALSE(rw.try_lock());
    rw.runlock();
    EXPECT_TRUE(rw.try_lock());
    rw.unlock();
  });
}

// HammerRWMutex. Inside: readers count one each, a writer ten thousand.
void hammer(int procs, int readers, std::int64_t loops) {
  constexpr int writer = 10'000;
  RWMutex rw;
  std::atomic<int> inside{0};
  std::atomic<int> wrong{0};
  std::int64_t written = 0;  // plain: rw
  std::atomic<std::int64_t> sum_seen{0};
  run([&]() -> Task<> {
    gomaxprocs(procs);
    WaitGroup all_done;
    auto write = [&]() -> Task<> {
      for (std::int64_t i = 0; i < loops; ++i) {
        co_await rw.lock();
        if (inside.fetch_add(writer) != 0) ++wrong;
        ++written;
        for (int spin = 0; spin < 100; ++spin) detail::cpu_pause();
        inside.fetch_sub(writer);
        rw.unlock();
      }
    };
    auto read = [&]() -> Task<> {
      std::int64_t seen = 0;
      for (std::int64_t i = 0; i < loops; ++i) {
        co_await rw.rlock();
        const int before = inside.fetch_add(1);
        if (before < 0 || before >= writer) ++wrong;
        const std::int64_t now = written;
        if (now < seen) ++wrong;
        seen = now;
        for (int spin = 0; spin < 100; ++spin) detail::cpu_pause();
        inside.fetch_sub(1);
        rw.runlock();
      }
      sum_seen += seen;
    };
    all_done.go(write);
    for (int i = 0; i < readers / 2; ++i) all_done.go(read);
    all_done.go(write);
    for (int i = readers / 2; i < readers; ++i) all_done.go(read);
    co_await all_done.wait();
  });
  EXPECT_EQ(wrong, 0) << procs << " procs, " << readers << " readers";
  EXPECT_EQ(inside, 0);
  EXPECT_EQ(written, 2 * loops);
  EXPECT_LE(sum_seen, readers * 2 * loops);
}

TEST(GoRWMutex, TwoWritersAndManyReadersHammerOnIt) {
  const auto loops = test::scaled(1000, 100);
  for (const int procs : {1, 4, 10}) {
    for (const int readers : {1, 3, 10}) hammer(procs, readers, loops);
  }
  hammer(10, 5, loops);
}

// TestRLocker.
TEST(GoRWMutex, ItsRLockerLocksForReading) {
  constexpr int rounds = 10;
  RWMutex rw;
  RLocker reader = rw.rlocker();
  Mailbox<bool> read_locked, write_locked;
  run([&]() -> Task<> {
    WaitGroup other;
    other.go([&]() -> Task<> {
      for (int i = 0; i < rounds; ++i) {
        co_await reader.lock();
        co_await reader.lock();
        read_locked.send(true);
        co_await rw.lock();
        write_locked.send(true);
      }
    });
    for (int i = 0; i < rounds; ++i) {
      co_await read_locked.recv();
      reader.unlock();
      EXPECT_FALSE(write_locked.try_recv()) << "a reader is still there";
      reader.unlock();
      co_await write_locked.recv();
      EXPECT_FALSE(read_locked.try_recv()) << "a writer is there";
      rw.unlock();
    }
    co_await other.wait();
  });
}

}  // namespace
}  // namespace gmp::rwmutex_test
