// tests/unit/sched/global_queue_test.cpp — GlobalQueue against std::deque.
// Go: none.  Room: sched (floor 2).
#include "sched/global_queue.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <memory>
#include <random>

#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::detail::global_queue_test {
namespace {

TEST(GlobalQueue, IsFirstInFirstOut) {
  std::minstd_rand random(static_cast<unsigned>(test::case_seed()));
  const auto gs = std::make_unique<G[]>(3000);
  std::deque<G*> model;
  GlobalQueue queue;
  std::size_t next = 0;
  const int rounds = test::scaled(4000, 400);
  for (int round = 0; round < rounds; ++round) {
    const std::size_t in = random() % 600, out = random() % 600;  // chunks hold 254: it runs empty, and over some of them
    for (std::size_t i = 0; i < in && model.size() < 3000; ++i) {
      G* gp = &gs[next++ % 3000];
      queue.push(gp);
      model.push_back(gp);
    }
    for (std::size_t i = 0; i < out; ++i) {
      G* gp = queue.pop();
      if (model.empty()) {
        ASSERT_EQ(gp, nullptr);
        break;
      }
      ASSERT_EQ(gp, model.front());
      model.pop_front();
    }
    ASSERT_EQ(queue.size(), static_cast<int>(model.size()));
  }
  queue.clear();
  EXPECT_EQ(queue.size(), 0);
  EXPECT_EQ(queue.pop(), nullptr);
}

}  // namespace
}  // namespace gmp::detail::global_queue_test
