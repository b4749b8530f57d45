// tests/unit/net/fd_mutex_test.cpp — FdMutex: one a side, in turn; who is the last to leave a closed one; misuse.
// Go: internal/poll/fd_mutex_test.go.  Room: net (floor 5).
#include "net/fd_mutex.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "support/child.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::detail::fd_mutex_test {
namespace {

using Got = FdMutex::Got;
using test::scaled;

constexpr FdSide sides[] = {FdSide::read, FdSide::write};

/// A plain thread's place in the queue.
struct Place : FdWaiter {
  Place() noexcept { thread_ = &parker_; }
  ThreadParker parker_;
};

/// Takes the side, in turn; false: closed. True in `release`: it was the last one to leave.
bool lock(FdMutex& mu, FdSide side, bool& release) {
  Place place;
  release = false;
  switch (mu.lock_or_queue(side, place, [] {})) {
    case Got::it:
      return true;
    case Got::queued:
      place.parker_.park();
      if (place.granted_) return true;
      release = mu.unref();
      return false;
    default:
      return false;
  }
}

TEST(FdMutex, ASideIsOnesAtATimeAndTheSidesAreApart) {
  FdMutex mu;
  for (const FdSide side : sides) {
    EXPECT_FALSE(mu.is_held(side));
    EXPECT_EQ(mu.try_lock(side), Got::it);
    EXPECT_TRUE(mu.is_held(side));
    EXPECT_EQ(mu.try_lock(side), Got::queued);
  }
  EXPECT_FALSE(mu.unlock(FdSide::read));
  EXPECT_TRUE(mu.is_held(FdSide::write));
  EXPECT_EQ(mu.try_lock(FdSide::read), Got::it);
  EXPECT_FALSE(mu.unlock(FdSide::read));
  EXPECT_FALSE(mu.unlock(FdSide::write));
}

TEST(FdMutex, ClosedItRefusesEverybody) {
  FdMutex mu;
  Place place;
  EXPECT_FALSE(mu.is_closed());
  EXPECT_TRUE(mu.close_and_ref());
  EXPECT_TRUE(mu.is_closed());
  EXPECT_FALSE(mu.close_and_ref());
  EXPECT_EQ(mu.ref(), Got::closed);
  for (const FdSide side : sides) {
    EXPECT_EQ(mu.try_lock(side), Got::closed);
    EXPECT_EQ(mu.lock_or_queue(side, place, [] { ADD_FAILURE() << "was published"; }), Got::closed);
  }
  EXPECT_TRUE(mu.unref());
}

TEST(FdMutex, TheLastToLeaveAClosedOneReleasesIt) {
  FdMutex mu;
  EXPECT_EQ(mu.ref(), Got::it);
  EXPECT_EQ(mu.try_lock(FdSide::read), Got::it);
  EXPECT_EQ(mu.try_lock(FdSide::write), Got::it);
  EXPECT_FALSE(mu.unref());  // not closed: nobody releases
  EXPECT_EQ(mu.ref(), Got::it);
  EXPECT_TRUE(mu.close_and_ref());
  EXPECT_FALSE(mu.unlock(FdSide::write));
  EXPECT_FALSE(mu.unref());
  EXPECT_FALSE(mu.unref());
  EXPECT_TRUE(mu.unlock(FdSide::read));
}

TEST(FdMutex, UnlockHandsTheSideToTheFirstInTheQueue) {
  FdMutex mu;
  ASSERT_EQ(mu.try_lock(FdSide::read), Got::it);
  Place places[3];
  for (Place& place : places) {
    bool published = false;
    EXPECT_EQ(mu.lock_or_queue(FdSide::read, place, [&] { published = true; }), Got::queued);
    EXPECT_TRUE(published);
  }
  for (Place& place : places) {
    EXPECT_FALSE(place.granted_);
    EXPECT_FALSE(mu.unlock(FdSide::read));
    place.parker_.park();
    EXPECT_TRUE(place.granted_);
    EXPECT_TRUE(mu.is_held(FdSide::read));  // handed over, never free between
  }
  EXPECT_FALSE(mu.unlock(FdSide::read));
  EXPECT_FALSE(mu.is_held(FdSide::read));
}

TEST(FdMutex, WhoWasWithdrawnIsPassedOver) {
  FdMutex mu;
  ASSERT_EQ(mu.try_lock(FdSide::write), Got::it);
  Place gone;
  Place next;
  ASSERT_EQ(mu.lock_or_queue(FdSide::write, gone, [] {}), Got::queued);
  ASSERT_EQ(mu.lock_or_queue(FdSide::write, next, [] {}), Got::queued);
  EXPECT_TRUE(mu.withdraw(FdSide::write, gone));
  EXPECT_FALSE(mu.withdraw(FdSide::write, gone));
  EXPECT_FALSE(mu.unref());  // gone's
  EXPECT_FALSE(mu.unlock(FdSide::write));
  EXPECT_TRUE(next.granted_);
  EXPECT_FALSE(mu.withdraw(FdSide::write, next));  // it has the side
  EXPECT_FALSE(mu.unlock(FdSide::write));
  EXPECT_EQ(mu.try_lock(FdSide::write), Got::it);  // nobody is thought to wait
  EXPECT_FALSE(mu.unlock(FdSide::write));
}

TEST(FdMutex, CloseWakesAllWhoWaitInVain) {
  FdMutex mu;
  constexpr int per_side = 4;
  std::atomic<int> queued{0};
  std::atomic<int> in_vain{0};
  std::atomic<int> releases{0};
  for (const FdSide side : sides) ASSERT_EQ(mu.try_lock(side), Got::it);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2 * per_side; ++i) {
    threads.emplace_back([&, side = sides[i % 2]] {
      Place place;
      EXPECT_EQ(mu.lock_or_queue(side, place, [&] { ++queued; }), Got::queued);
      place.parker_.park();
      EXPECT_FALSE(place.granted_);
      ++in_vain;
      releases += mu.unref();
    });
  }
  while (queued < 2 * per_side) std::this_thread::yield();
  ASSERT_TRUE(mu.close_and_ref());
  WakeList woken;
  {
    LockGuard guard(mu.lock());
    mu.take_waiters(woken);
  }
  woken.wake_all();
  threads.clear();
  EXPECT_EQ(in_vain, 2 * per_side);
  releases += mu.unlock(FdSide::read);
  releases += mu.unref();
  EXPECT_EQ(releases, 0);
  releases += mu.unlock(FdSide::write);
  EXPECT_EQ(releases, 1);
}

TEST(FdMutex, UnlockOfAClosedOneHandsOverToNobody) {
  FdMutex mu;
  Place place;
  ASSERT_EQ(mu.try_lock(FdSide::read), Got::it);
  ASSERT_EQ(mu.lock_or_queue(FdSide::read, place, [] {}), Got::queued);
  ASSERT_TRUE(mu.close_and_ref());
  EXPECT_FALSE(mu.unlock(FdSide::read));  // before the closer has taken the waiters
  EXPECT_FALSE(place.granted_);
  WakeList woken;
  {
    LockGuard guard(mu.lock());
    mu.take_waiters(woken);
  }
  woken.wake_all();
  place.parker_.park();
  EXPECT_FALSE(place.granted_);
  EXPECT_FALSE(mu.unref());
  EXPECT_TRUE(mu.unref());
}

TEST(FdMutex, TheDeadlineBitsAreASidesOwn) {
  FdMutex mu;
  EXPECT_FALSE(mu.has_deadline(FdSide::read));
  mu.set_deadline_bit(FdSide::read, true);
  EXPECT_TRUE(mu.has_deadline(FdSide::read));
  EXPECT_FALSE(mu.has_deadline(FdSide::write));
  EXPECT_EQ(mu.try_lock(FdSide::read), Got::it);
  EXPECT_FALSE(mu.unlock(FdSide::read));
  mu.set_deadline_bit(FdSide::read, false);
  EXPECT_FALSE(mu.has_deadline(FdSide::read));
}

TEST(FdMutex, TooManyReferencesAreRefusedAndNotCountedIntoTheFlags) {
  FdMutex mu;
  Place place;
  for (std::uint64_t i = 0; i < FdMutex::refs_max; ++i) ASSERT_EQ(mu.ref(), Got::it);
  EXPECT_EQ(mu.ref(), Got::overflow);
  for (const FdSide side : sides) {
    EXPECT_EQ(mu.try_lock(side), Got::overflow);
    EXPECT_EQ(mu.lock_or_queue(side, place, [] {}), Got::overflow);
    EXPECT_FALSE(mu.is_held(side));
    EXPECT_FALSE(mu.has_deadline(side));
  }
  EXPECT_FALSE(mu.is_closed());
  EXPECT_FALSE(mu.unref());
  EXPECT_EQ(mu.try_lock(FdSide::read), Got::it);
}

TEST(FdMutex, MisuseIsFatal) {
  const test::child::Scenario misuses[] = {
      [] {
        FdMutex mu;
        static_cast<void>(mu.unlock(FdSide::read));
      },
      [] {
        FdMutex mu;
        static_cast<void>(mu.unref());
      },
      [] {
        FdMutex mu;
        static_cast<void>(mu.try_lock(FdSide::read));
        static_cast<void>(mu.unlock(FdSide::write));
      },
      [] {
        FdMutex mu;
        static_cast<void>(mu.try_lock(FdSide::read));
        static_cast<void>(mu.unlock(FdSide::read));
        static_cast<void>(mu.unlock(FdSide::read));
      },
  };
  for (const auto misuse : misuses) {
    const auto died = test::child::run(misuse);
    EXPECT_EQ(died.status, 2) << died;
    EXPECT_EQ(died.err, "fatal error: inconsistent net::FdMutex\n") << died;
  }
}

// Threads take sides and references at random until one of them closes: nobody meets another on a side, one is the last, nobody sleeps on.
TEST(FdMutex, StressEveryRoundHasOneLast) {
  std::mt19937_64 seeds(test::case_seed());
  for (std::int64_t round = scaled(120, 20); round > 0; --round) {
    auto mu = std::make_unique<FdMutex>();
    std::atomic<int> inside[2] = {0, 0};
    std::atomic<int> releases{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, seed = seeds(), closes = t == 0] {
        std::mt19937_64 random(seed);
        for (int i = 0; !closes || i < 50; ++i) {
          const FdSide side = sides[random() % 2];
          const auto index = static_cast<std::size_t>(side);
          bool release = false;
          if (random() % 4 == 0) {
            if (mu->ref() == Got::closed) return;
            releases += mu->unref();
          } else if (lock(*mu, side, release)) {
            EXPECT_EQ(inside[index].fetch_add(1), 0);
            if (random() % 8 == 0) std::this_thread::yield();
            EXPECT_EQ(inside[index].fetch_sub(1), 1);
            releases += mu->unlock(side);
          } else {
            releases += release;
            return;
          }
        }
        EXPECT_TRUE(mu->close_and_ref());
        WakeList woken;
        {
          LockGuard guard(mu->lock());
          mu->take_waiters(woken);
        }
        woken.wake_all();
        releases += mu->unref();
      });
    }
    threads.clear();
    ASSERT_EQ(releases, 1);
  }
}

}  // namespace
}  // namespace gmp::detail::fd_mutex_test
