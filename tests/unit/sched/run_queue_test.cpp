// tests/unit/sched/run_queue_test.cpp — the run queue alone: order, overflow, stealing, the wrap, and real threads on it.
// Go: runtime/proc_test.go (TestRunSchedLocalQueue, …Steal, …Empty).  Room: sched (floor 2).
#include "sched/run_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace gmp::detail::run_queue_test {
namespace {

struct Item {
  std::uint64_t made = 0;              // plain: written before the push, read by the taker
  std::atomic<std::uint32_t> taken{0};
};

using Queue = BasicRunQueue<Item>;

Item* pop(Queue& queue) {
  bool inherit_time;
  return queue.pop(&inherit_time);
}

std::uint64_t seed_from_environment() {
  const char* text = std::getenv("GMPSEED");
  return text != nullptr ? std::strtoull(text, nullptr, 0) : static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// All tests start a little before the wrap of the indices as well.
class RunQueueTest : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  Queue queue{GetParam()}, mine{GetParam() + 7};
  std::vector<Item> items{std::vector<Item>(600)};
};

INSTANTIATE_TEST_SUITE_P(StartingAt, RunQueueTest, ::testing::Values(0u, 0xfffffff0u, 0x7fffff80u));

TEST_P(RunQueueTest, ANewQueueIsEmpty) {
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(0u, queue.size_hint());
  EXPECT_EQ(nullptr, pop(queue));
  EXPECT_EQ(nullptr, queue.steal_into(mine));
}

TEST_P(RunQueueTest, TheRingIsFirstInFirstOutForEachLength) {
  for (std::uint32_t n = 0; n <= Queue::capacity; ++n) {
    for (std::uint32_t i = 0; i < n; ++i) ASSERT_TRUE(i % 2 == 0 ? queue.push_tail(&items[i]) : queue.requeue_tail(&items[i]));
    EXPECT_EQ(n, queue.size_hint());
    EXPECT_EQ(n == 0, queue.empty());
    for (std::uint32_t i = 0; i < n; ++i) {
      bool inherit_time = true;
      ASSERT_EQ(&items[i], queue.pop(&inherit_time));
      EXPECT_FALSE(inherit_time);
    }
    EXPECT_EQ(nullptr, pop(queue));
  }
}

TEST_P(RunQueueTest, TheNextItemRunsFirstAndInheritsTheSlice) {
  ASSERT_TRUE(queue.push_tail(&items[0]));
  EXPECT_EQ(nullptr, queue.push_next(&items[1]));
  EXPECT_EQ(2u, queue.size_hint());
  bool inherit_time = false;
  EXPECT_EQ(&items[1], queue.pop(&inherit_time));
  EXPECT_TRUE(inherit_time);
  EXPECT_EQ(&items[0], queue.pop(&inherit_time));
  EXPECT_FALSE(inherit_time);
}

TEST_P(RunQueueTest, ANewerNextItemKicksOutTheOlder) {
  EXPECT_EQ(nullptr, queue.push_next(&items[0]));
  EXPECT_FALSE(queue.empty());
  Item* kicked = queue.push_next(&items[1]);
  EXPECT_EQ(&items[0], kicked);
  ASSERT_TRUE(queue.push_tail(kicked));
  EXPECT_EQ(&items[1], pop(queue));
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(&items[0], pop(queue));
  EXPECT_TRUE(queue.empty());
}

TEST_P(RunQueueTest, AFullRingGivesItsOlderHalfAway) {
  Item* out[Queue::half] = {};
  for (std::uint32_t i = 0; i < Queue::capacity; ++i) {
    EXPECT_EQ(0u, queue.take_half(out)) << "of a ring that is not full";
    ASSERT_TRUE(queue.push_tail(&items[i]));
  }
  EXPECT_FALSE(queue.push_tail(&items[Queue::capacity]));
  EXPECT_FALSE(queue.requeue_tail(&items[Queue::capacity]));
  ASSERT_EQ(Queue::half, queue.take_half(out));
  for (std::uint32_t i = 0; i < Queue::half; ++i) EXPECT_EQ(&items[i], out[i]);
  EXPECT_TRUE(queue.push_tail(&items[Queue::capacity]));
  for (std::uint32_t i = Queue::half; i <= Queue::capacity; ++i) EXPECT_EQ(&items[i], pop(queue));
  EXPECT_TRUE(queue.empty());
}

TEST_P(RunQueueTest, AThiefTakesHalfRoundedUpAndRunsTheOldest) {
  for (std::uint32_t n = 1; n <= Queue::capacity; ++n) {
    for (std::uint32_t i = 0; i < n; ++i) ASSERT_TRUE(queue.push_tail(&items[i]));
    const std::uint32_t stolen = (n + 1) / 2;
    ASSERT_EQ(&items[0], queue.steal_into(mine));
    EXPECT_EQ(stolen - 1, mine.size_hint());
    EXPECT_EQ(n - stolen, queue.size_hint());
    for (std::uint32_t i = 1; i < stolen; ++i) ASSERT_EQ(&items[i], pop(mine));
    for (std::uint32_t i = stolen; i < n; ++i) ASSERT_EQ(&items[i], pop(queue));
    ASSERT_TRUE(queue.empty() && mine.empty());
  }
}

TEST_P(RunQueueTest, AThiefLeavesTheNextItem) {
  EXPECT_EQ(nullptr, queue.push_next(&items[0]));
  ASSERT_TRUE(queue.push_tail(&items[1]));
  EXPECT_EQ(&items[1], queue.steal_into(mine));
  EXPECT_EQ(nullptr, queue.steal_into(mine));
  EXPECT_EQ(&items[0], queue.peek_next());
  EXPECT_TRUE(queue.ring_empty());
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(&items[0], queue.take_next());
  EXPECT_EQ(nullptr, queue.take_next());
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(mine.empty());
}

TEST_P(RunQueueTest, AThiefTakesNoMoreThanItHasRoomFor) {
  for (std::uint32_t room = 0; room < 4; ++room) {
    for (std::uint32_t i = 0; i < Queue::capacity; ++i) ASSERT_TRUE(queue.push_tail(&items[i]));
    for (std::uint32_t i = 0; i < Queue::capacity - room; ++i) ASSERT_TRUE(mine.push_tail(&items[300 + i]));
    EXPECT_EQ(&items[0], queue.steal_into(mine));
    EXPECT_EQ(Queue::capacity, mine.size_hint());
    EXPECT_EQ(Queue::capacity - 1 - room, queue.size_hint());
    for (std::uint32_t i = 0; i < Queue::capacity - room; ++i) EXPECT_EQ(&items[300 + i], pop(mine));
    for (std::uint32_t i = 0; i < room; ++i) EXPECT_EQ(&items[1 + i], pop(mine));
    for (std::uint32_t i = 1 + room; i < Queue::capacity; ++i) EXPECT_EQ(&items[i], pop(queue));
  }
}

TEST(RunQueueSmall, AnEightBitIndexWrapsManyTimes) {
  auto items = std::vector<Item>(3);
  BasicRunQueue<Item, 128, std::uint8_t> queue(200);
  bool inherit_time;
  for (int round = 0; round < 1000; ++round) {
    for (Item& item : items) ASSERT_TRUE(queue.push_tail(&item));
    for (Item& item : items) ASSERT_EQ(&item, queue.pop(&inherit_time));
    ASSERT_TRUE(queue.empty());
  }
}

// ---- real threads ----

/// Lets two threads go on at the same moment, again and again.
class Gate {
 public:
  void pass(std::uint32_t round) {
    arrived_.fetch_add(1);
    for (int spins = 0; arrived_.load() < 2 * (round + 1); ++spins) {
      if (spins > 1000) std::this_thread::yield();  // with one core the other must get there
    }
  }

 private:
  std::atomic<std::uint32_t> arrived_{0};
};

TEST(RunQueueThreads, AQueueThatHoldsOneIsNeverSeenEmpty) {
  Queue queue(0xffffff00u);
  auto items = std::vector<Item>(2);
  constexpr std::uint32_t rounds = 20'000;
  Gate before, after;
  std::atomic<std::uint32_t> seen_empty{0};
  std::thread looker([&] {
    for (std::uint32_t round = 0; round < rounds; ++round) {
      before.pass(round);
      if (queue.empty()) seen_empty.fetch_add(1);
      after.pass(round);
    }
  });
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const auto push = [&](Item* item, bool next) {
      if (next) item = queue.push_next(item);
      if (item != nullptr) {
        EXPECT_TRUE(queue.push_tail(item));
      }
    };
    push(&items[0], round % 2 == 0);
    before.pass(round);
    push(&items[1], round % 4 < 2);
    EXPECT_NE(nullptr, pop(queue));
    after.pass(round);
    EXPECT_NE(nullptr, pop(queue));
  }
  looker.join();
  EXPECT_EQ(0u, seen_empty.load());
}

TEST(RunQueueThreads, EachItemComesOnceWithThreeThieves) {
  const std::uint64_t seed = seed_from_environment();
  SCOPED_TRACE("GMPSEED=" + std::to_string(seed));
  constexpr std::uint32_t count = 300'000;
  constexpr std::uint64_t mark = 0x5eed;
  const auto items = std::make_unique<Item[]>(count);
  Queue queue(0xfffff000u);
  std::atomic<bool> pushed_all{false};
  std::atomic<std::uint32_t> spoilt{0}, stolen{0};
  const auto take = [&](Item* item) {
    if (item->made != mark + static_cast<std::uint64_t>(item - items.get())) spoilt.fetch_add(1);
    item->taken.fetch_add(1, std::memory_order_relaxed);
  };

  std::vector<std::thread> thieves;
  for (int i = 0; i < 3; ++i) {
    thieves.emplace_back([&] {
      Queue mine(0xffffffe0u);
      for (;;) {
        const bool last_round = pushed_all.load();
        Item* item = queue.steal_into(mine);
        if (item == nullptr) {
          if (last_round && queue.empty()) return;
          std::this_thread::yield();
          continue;
        }
        stolen.fetch_add(1, std::memory_order_relaxed);
        take(item);
        while ((item = pop(mine)) != nullptr) take(item);
      }
    });
  }

  std::minstd_rand random(static_cast<unsigned>(seed));
  std::vector<Item*> overflow;
  const auto push_tail = [&](Item* item, bool announce) {
    while (!(announce ? queue.push_tail(item) : queue.requeue_tail(item))) {
      Item* out[Queue::half];
      const std::uint32_t n = queue.take_half(out);
      overflow.insert(overflow.end(), out, out + n);
    }
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    items[i].made = mark + i;
    if (random() % 3 != 0) {
      if (Item* kicked = queue.push_next(&items[i])) push_tail(kicked, true);
    } else {
      push_tail(&items[i], random() % 2 == 0);
    }
    while (random() % 5 < 2) {
      if (Item* item = pop(queue)) take(item);
    }
  }
  while (Item* item = pop(queue)) take(item);
  pushed_all.store(true);
  for (std::thread& thief : thieves) thief.join();
  for (Item* item : overflow) take(item);

  std::uint32_t lost = 0, twice = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t taken = items[i].taken.load();
    lost += taken == 0;
    twice += taken > 1;
  }
  EXPECT_EQ(0u, lost);
  EXPECT_EQ(0u, twice);
  EXPECT_EQ(0u, spoilt.load());
  RecordProperty("steals", static_cast<int>(stolen.load()));
}

}  // namespace
}  // namespace gmp::detail::run_queue_test
