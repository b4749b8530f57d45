// tests/unit/wait/notify_list_test.cpp — NotifyList against a queue: order, withdrawal, threads.
// Go: sync/cond_test.go claims the like of Cond.  Room: wait (floor 3).
#include "gmp/detail/wait/notify_list.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "gmp/detail/base/random.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::detail::notify_list_test {
namespace {

using namespace std::chrono_literals;

struct Sleeper : Waiter {
  explicit Sleeper(int id = 0) : id_(id) { thread_ = &parker_; }
  int id_;
  ThreadParker parker_;
};

TEST(NotifyList, WakesInTheOrderOfJoiningAroundWhoWithdrew) {
  Random random(test::case_seed());
  NotifyList list;
  std::deque<std::unique_ptr<Sleeper>> queue;
  int next_id = 0;
  const std::int64_t steps = test::scaled(50'000, 2000);
  for (std::int64_t step = 0; step < steps; ++step) {
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
      case 3:
        queue.push_back(std::make_unique<Sleeper>(next_id++));
        ASSERT_TRUE(list.join(*queue.back()));
        break;
      case 4:
      case 5:
        list.notify_one();
        if (queue.empty()) break;
        ASSERT_EQ(queue.front()->next_, nullptr);
        queue.front()->parker_.park();
        queue.pop_front();
        break;
      case 6: {
        if (queue.empty()) break;
        const auto i = random.below(static_cast<std::uint32_t>(queue.size()));
        ASSERT_TRUE(list.withdraw(*queue[i]));
        ASSERT_TRUE(queue[i]->withdrawn_);
        ASSERT_FALSE(list.withdraw(*queue[i]));
        queue.erase(queue.begin() + i);
        break;
      }
      case 7:
        if (random.below(16) != 0) break;
        list.notify_all();
        for (auto& w : queue) w->parker_.park();
        queue.clear();
        break;
    }
    ASSERT_EQ(list.size(), queue.size());
  }
  list.notify_all();
}

TEST(NotifyList, NotificationWithoutWaiterIsLost) {
  NotifyList list;
  list.notify_one();
  list.notify_all();
  Sleeper w;
  ASSERT_TRUE(list.join(w));
  EXPECT_EQ(list.size(), 1u);
  EXPECT_TRUE(list.withdraw(w));
}

TEST(NotifyList, WhoWasWithdrawnBeforeJoiningDoesNotJoin) {
  NotifyList list;
  Sleeper w;
  EXPECT_FALSE(list.withdraw(w));
  EXPECT_FALSE(list.join(w));
  EXPECT_TRUE(w.withdrawn_);
  EXPECT_EQ(list.size(), 0u);
}

TEST(NotifyList, ThreadsAreEachWokenOnce) {
  constexpr int threads = 4;
  const std::int64_t rounds = test::scaled(2000, 100);
  const auto enough = std::chrono::steady_clock::now() + 5s;  // where others want the CPUs too, who is woken has to wait for his turn each time
  NotifyList list;
  std::atomic<std::int64_t> woken{0};
  std::atomic<int> at_it{threads};
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      for (std::int64_t i = 0; i < rounds && std::chrono::steady_clock::now() < enough; ++i) {
        Sleeper w;
        ASSERT_TRUE(list.join(w));
        w.parker_.park();
        ++woken;
      }
      --at_it;
    });
  }
  while (at_it.load() > 0) {
    list.notify_one();
    if (woken.load() % 7 == 0) list.notify_all();
    std::this_thread::yield();
  }
  for (auto& t : all) t.join();
  EXPECT_EQ(list.size(), 0u);
}

}  // namespace
}  // namespace gmp::detail::notify_list_test
