// tests/unit/sched/lanes_test.cpp — Lanes: whose turn it is, and how many fresh gs are begun beside hogs.
// Go: none.  Room: sched (floor 2).
#include "sched/lanes.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace gmp::lanes_test {
namespace {

using detail::G;
using detail::Lanes;

class LanesTest : public testing::Test {
 protected:
  static constexpr int gs_max = 300;

  /// Of that kind, one more.
  void push(bool seasoned) {
    G* gp = &gs_[pushed_++];
    gp->started_ = seasoned;
    lanes_.push(gp);
  }
  /// 's', 'f', 't' for a fresh one on trial, or '-' for none.
  char pop() {
    bool on_trial = false;
    const G* gp = lanes_.pop(on_trial);
    if (gp == nullptr) return '-';
    return gp->started_ ? 's' : on_trial ? 't' : 'f';
  }

  std::unique_ptr<G[]> gs_ = std::make_unique<G[]>(gs_max);
  int pushed_ = 0;
  Lanes lanes_;
};

TEST_F(LanesTest, WithoutHogsThereIsOneLine) {
  for (const bool seasoned : {false, true, true, false, false}) push(seasoned);
  for (const char next : {'f', 's', 's', 'f', 'f', '-'}) EXPECT_EQ(pop(), next);
}

TEST_F(LanesTest, WhoWaitsWhenTheFirstHogIsFoundIsSetApartAndComesBack) {
  for (const bool seasoned : {false, true, false, true}) push(seasoned);
  lanes_.limit(1, 1);
  EXPECT_EQ(lanes_.size(), 2);
  EXPECT_EQ(pop(), 's');
  push(false);
  lanes_.limit(0, 1);
  push(true);
  for (const char next : {'s', 'f', 'f', 'f', 's', '-'}) EXPECT_EQ(pop(), next);
}

TEST_F(LanesTest, BesideHogsFreshOnesAreBegunOneByOne) {
  for (int i = 0; i < 5; ++i) push(false);
  lanes_.limit(1, 3);
  EXPECT_EQ(lanes_.size(), 2);
  EXPECT_EQ(pop(), 't');
  EXPECT_EQ(pop(), 't');
  EXPECT_EQ(lanes_.size(), 0);
  EXPECT_EQ(pop(), '-');
  lanes_.end_trial();
  EXPECT_EQ(pop(), 't');
  push(true);
  EXPECT_EQ(lanes_.size(), 1) << "those that have run before are not held up";
  EXPECT_EQ(pop(), 's');
  lanes_.limit(0, 3);
  EXPECT_EQ(lanes_.size(), 2);
  EXPECT_EQ(pop(), 'f');
  lanes_.end_trial();
  lanes_.end_trial();
  lanes_.limit(1, 3);
  EXPECT_EQ(pop(), 't') << "two were over meanwhile";
}

TEST_F(LanesTest, BesideHogsFreshOnesDoNotStarve) {
  lanes_.limit(1, 2);
  for (int i = 0; i < 20; ++i) push(false);
  for (int i = 0; i < 100; ++i) push(true);
  int begun = 0;
  for (int i = 0; i < 80; ++i) {
    if (pop() != 't') continue;
    ++begun;
    lanes_.end_trial();
  }
  EXPECT_EQ(begun, 10);
}

TEST_F(LanesTest, WhatIsGrantedComesBeforeThoseThatHaveRunBefore) {
  lanes_.limit(1, 1);
  for (const bool seasoned : {true, true, false, true, false}) push(seasoned);
  lanes_.grant();
  lanes_.limit(1, 1);
  EXPECT_EQ(pop(), 't');
  lanes_.end_trial();
  EXPECT_EQ(pop(), 's') << "one grant is for one";
  lanes_.grant();
  lanes_.limit(0, 1);  // for a moment there is no hog
  lanes_.limit(1, 1);
  EXPECT_EQ(pop(), 't') << "it stands until it is used";
}

TEST_F(LanesTest, WhereHogsLeaveNoneOneMoreIsGrantedEachTime) {
  for (int i = 0; i < 3; ++i) push(false);
  const auto limit = [&] { lanes_.limit(2, 2); };
  limit();
  EXPECT_EQ(lanes_.size(), 0);
  lanes_.grant();
  limit();
  EXPECT_EQ(pop(), 't');
  EXPECT_EQ(lanes_.size(), 0);
  lanes_.grant();  // the first one computes on
  limit();
  EXPECT_EQ(pop(), 't');
  lanes_.end_trial();
  lanes_.grant_none();  // the Ps of both were taken
  lanes_.end_trial();
  limit();
  EXPECT_EQ(pop(), '-');
  lanes_.grant();
  limit();
  EXPECT_EQ(pop(), 't');
}

}  // namespace
}  // namespace gmp::lanes_test
