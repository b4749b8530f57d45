// tests/unit/netpoll/uring_seam_test.cpp — the ring's poller, with something slipped in where a race or another kernel would put it.
// Go: none.  Room: netpoll (floor 2).
//
// The source is compiled here once more, under other names, with two seams: before_sleep() runs between the last look at the cancels and
// falling asleep, inject() may change what a completion says.  So what a stress run meets once in a million rounds happens each time.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>

#include "netpoll/bell.hpp"
#include "netpoll/poller.hpp"

namespace gmp::detail {
namespace {
std::function<void()> before_sleep = [] {};
std::function<std::int32_t(IoOp*, std::int32_t)> inject = [](IoOp*, std::int32_t result) { return result; };
}  // namespace
}  // namespace gmp::detail

#define make_uring_poller make_seamed_uring_poller
#define uring_refused seamed_uring_refused
#define uring_opens_max seamed_uring_opens_max
#define throw_uring_refused throw_seamed_uring_refused
#define fall_asleep(bell) (before_sleep(), fall_asleep(bell))
#define GMPCORO_INJECT(op, result) inject(op, result)
namespace gmp::detail {
std::unique_ptr<Poller> make_seamed_uring_poller(unsigned entries);
const std::string& seamed_uring_refused();
unsigned seamed_uring_opens_max() noexcept;
[[noreturn]] void throw_seamed_uring_refused();
}  // namespace gmp::detail
#include "../../../src/netpoll/uring.cpp"

namespace gmp::detail::uring_seam_test {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t long_ms = 10'000;

class UringSeamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!uring_refused().empty()) GTEST_SKIP() << uring_refused();
    poller_ = make_uring_poller(4);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds_), 0);
  }
  void TearDown() override {
    before_sleep = [] {};
    inject = [](IoOp*, std::int32_t result) { return result; };
    if (poller_) poller_->drain();
    ::close(fds_[0]);
    ::close(fds_[1]);
  }
  void set(IoOp& op, IoKind kind) {
    op.kind_ = kind;
    op.fd_ = fds_[0];
    op.data_ = &byte_;
    op.size_ = 1;
  }
  /// The one op's result, which must come before a sleep has run its whole length.
  std::int32_t finish(IoOp& op) {
    const auto begin = Clock::now();
    IoOp* ended = nullptr;
    while (ended == nullptr && Clock::now() - begin < std::chrono::milliseconds(long_ms)) ended = poller_->poll(long_ms * ms, &bell_);
    EXPECT_EQ(ended, &op);
    EXPECT_LT(Clock::now() - begin, std::chrono::milliseconds(long_ms));
    return op.result_;
  }
  /// Each completion of the real call says EAGAIN, as if this kernel would not wait; those of the poll in its place are left alone.
  void say_eagain(int times) {
    inject = [times](IoOp* op, std::int32_t result) mutable {
      if (op->step_ == 1 || result < 0 || times == 0) return result;
      --times;
      return -EAGAIN;
    };
  }

  int fds_[2] = {-1, -1};
  char byte_ = 0;
  Bell bell_;
  std::unique_ptr<Poller> poller_;
};

TEST_F(UringSeamTest, ACancelBetweenTheLastLookAndSleepIsSeen) {
  IoOp op;
  set(op, IoKind::recv);
  poller_->submit(&op);
  int sleeps = 0;
  before_sleep = [&] {
    if (++sleeps == 1) Poller::cancel(&op);
  };
  EXPECT_EQ(finish(op), -ECANCELED);
}

TEST_F(UringSeamTest, ARingBetweenTheLastLookAndSleepIsSeen) {
  before_sleep = [&] { bell_.ring(); };
  const auto begin = Clock::now();
  EXPECT_EQ(poller_->poll(long_ms * ms, &bell_), nullptr);
  EXPECT_LT(Clock::now() - begin, std::chrono::milliseconds(long_ms));
}

TEST_F(UringSeamTest, WhatAnswersEagainWaitsByPollAndIsTriedAgain) {
  for (const int times : {1, 3}) {
    IoOp op;
    set(op, IoKind::recv);
    say_eagain(times);
    poller_->submit(&op);
    for (int i = 0; i < times; ++i) {
      ASSERT_EQ(::write(fds_[1], "e", 1), 1);  // taken by the call that then says EAGAIN
      EXPECT_EQ(poller_->poll(2 * ms, &bell_), nullptr);
    }
    ASSERT_EQ(::write(fds_[1], "z", 1), 1);
    EXPECT_EQ(finish(op), 1);
    EXPECT_EQ(byte_, 'z');
  }
}

TEST_F(UringSeamTest, AReadIsTriedAgainOnce) {
  IoOp op;
  set(op, IoKind::read);
  say_eagain(2);
  poller_->submit(&op);
  ASSERT_EQ(::write(fds_[1], "abc", 3), 3);  // there is always more: a file without poll is always "ready"
  EXPECT_EQ(finish(op), -EAGAIN);
}

TEST_F(UringSeamTest, ThePollInItsPlaceIsCancelledAndDrained) {
  for (const bool drain : {false, true}) {
    IoOp op;
    set(op, IoKind::recv);
    say_eagain(1);
    poller_->submit(&op);
    ASSERT_EQ(::write(fds_[1], "e", 1), 1);
    EXPECT_EQ(poller_->poll(2 * ms, &bell_), nullptr);
    EXPECT_EQ(op.step_, 1);
    if (drain) {
      poller_->drain();
    } else {
      Poller::cancel(&op);
      finish(op);
    }
    EXPECT_EQ(op.result_, -ECANCELED);
    EXPECT_EQ(poller_->in_flight(), 0u);
  }
}

TEST_F(UringSeamTest, ACancelledOpThatSaysEagainIsOver) {
  IoOp op;
  set(op, IoKind::recv);
  poller_->submit(&op);
  EXPECT_EQ(poller_->poll(0, nullptr), nullptr);
  inject = [](IoOp*, std::int32_t) { return -EAGAIN; };
  Poller::cancel(&op);
  EXPECT_EQ(finish(op), -ECANCELED);
}

}  // namespace
}  // namespace gmp::detail::uring_seam_test
