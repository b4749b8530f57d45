// tests/unit/wait/waiter_test.cpp — a plain thread's sleep, and lists of those to be woken.
// Go: runtime/lock_futex.go (note).  Room: wait (floor 3).
#include "gmp/detail/wait/waiter.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "support/scale.hpp"

namespace gmp::detail::waiter_test {
namespace {

TEST(ThreadParker, WakingFirstIsNotLost) {
  ThreadParker parker;
  parker.unpark();
  parker.park();
}

TEST(ThreadParker, SleeperSeesWhatItsWakerWrote) {
  const std::int64_t rounds = test::scaled(5000, 200);
  std::atomic<ThreadParker*> sleeper{nullptr};
  std::int64_t written = 0;
  std::thread waker([&] {
    for (std::int64_t i = 1; i <= rounds; ++i) {
      ThreadParker* parker;
      while ((parker = sleeper.exchange(nullptr)) == nullptr) std::this_thread::yield();
      written = i;
      parker->unpark();  // from here on the parker may be gone
    }
  });
  for (std::int64_t i = 1; i <= rounds; ++i) {
    ThreadParker parker;
    sleeper.store(&parker);
    parker.park();
    ASSERT_EQ(written, i);
  }
  waker.join();
}

TEST(WakeList, WakesEachInOrderAndNoneStaysLinked) {
  Waiter waiters[3];
  ThreadParker parkers[3];
  WakeList list;
  for (int i = 0; i < 3; ++i) {
    waiters[i].thread_ = &parkers[i];
    list.push(&waiters[i]);
    EXPECT_EQ(waiters[i].next_, nullptr) << "withdraw() must see that it is queued no more";
  }
  list.wake_all();
  for (auto& parker : parkers) parker.park();
  for (auto& w : waiters) EXPECT_EQ(w.prev_, nullptr);
}

}  // namespace
}  // namespace gmp::detail::waiter_test
