// tests/unit/base/random_test.cpp — numbers spread evenly, and orders that visit each P once.
// Go: runtime/proc_test.go (TestStealOrder → RandomOrder).  Room: base (floor 0).
#include "gmp/detail/base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace gmp::detail::random_test {
namespace {

TEST(Random, SameSeedGivesTheSameRow) {
  Random a(7), b(7), c(8);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t x = a.next();
    EXPECT_EQ(x, b.next());
    EXPECT_NE(x, c.next());
  }
}

TEST(Random, SeedsOneStrideApartGiveUnrelatedRows) {
  constexpr std::uint64_t stride = 0x9E37'79B9'7F4A'7C15;
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 16; ++i) {
    Random random(1 + i * stride);
    for (int k = 0; k < 100; ++k) seen.insert(random.next());
  }
  EXPECT_EQ(seen.size(), 1600U) << "one row is another one, shifted";
}

TEST(Random, BelowIsInRangeAndEven) {
  for (const std::uint64_t seed : {0ULL, 1ULL, ~0ULL}) {
    for (const std::uint32_t n : {1U, 2U, 3U, 7U, 61U}) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed << " n " << n);
      Random random(seed);
      std::vector<int> counts(n);
      constexpr int draws = 10'000;
      for (std::uint32_t i = 0; i < draws * n; ++i) {
        const std::uint32_t x = random.below(n);
        ASSERT_LT(x, n);
        ++counts[x];
      }
      for (const int count : counts) EXPECT_NEAR(count, draws, 600) << "six standard deviations";
    }
  }
}

TEST(Random, BelowReachesTheEndsOfTheWidestRange) {
  Random random(3);
  std::uint32_t least = ~0U, greatest = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint32_t x = random.below(~0U);
    least = std::min(least, x);
    greatest = std::max(greatest, x);
  }
  EXPECT_LT(least, 1U << 20);
  EXPECT_GT(greatest, ~0U - (1U << 20));
}

TEST(Random, EveryBitIsSetHalfTheTime) {
  Random random(11);
  std::vector<int> set(64);
  constexpr int draws = 10'000;
  for (int i = 0; i < draws; ++i) {
    const std::uint64_t x = random.next();
    for (int bit = 0; bit < 64; ++bit) set[static_cast<std::size_t>(bit)] += static_cast<int>(x >> bit & 1);
  }
  for (const int count : set) EXPECT_NEAR(count, draws / 2, 300);
}

TEST(RandomOrder, VisitsEachPositionOnceForEveryStart) {
  RandomOrder order;
  for (std::uint32_t n = 1; n <= 20; ++n) {
    order.reset(n);
    ASSERT_EQ(order.size(), n);
    for (std::uint32_t start = 0; start < 400; ++start) {
      std::vector<int> visits(n);
      int steps = 0;
      for (auto walk = order.start(start); !walk.done(); walk.next(), ++steps) {
        ASSERT_LT(walk.position(), n);
        ++visits[walk.position()];
      }
      ASSERT_EQ(steps, static_cast<int>(n));
      ASSERT_TRUE(std::all_of(visits.begin(), visits.end(), [](int count) { return count == 1; })) << n << " " << start;
    }
  }
}

TEST(RandomOrder, OfNothingIsDoneAtOnce) {
  RandomOrder order;
  EXPECT_TRUE(order.start(5).done());
  order.reset(4);
  order.reset(0);
  EXPECT_TRUE(order.start(5).done());
}

TEST(RandomOrder, EachPositionIsFirstEquallyOften) {
  RandomOrder order;
  order.reset(12);
  Random random(1);
  std::vector<int> first(12);
  for (int i = 0; i < 12'000; ++i) ++first[order.start(random.next()).position()];
  for (const int count : first) EXPECT_NEAR(count, 1000, 200);
}

TEST(RandomOrder, UsesManyStrides) {
  RandomOrder order;
  order.reset(12);
  Random random(1);
  std::set<std::uint32_t> seconds;  // after position 0
  for (int i = 0; i < 1000; ++i) {
    auto walk = order.start(random.next());
    if (walk.position() != 0) continue;
    walk.next();
    seconds.insert(walk.position());
  }
  EXPECT_EQ(seconds, (std::set<std::uint32_t>{1, 5, 7, 11}));
}

}  // namespace
}  // namespace gmp::detail::random_test
