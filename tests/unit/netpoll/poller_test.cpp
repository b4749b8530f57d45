// tests/unit/netpoll/poller_test.cpp — one contract, three pollers: epoll, and rings of 2 and of 64 entries.
// Go: internal/poll/fd_poll_runtime_test and runtime/netpoll are the nearest.  Room: netpoll (floor 2).
//
// Everything here is done with bare ops: no g, no scheduler.  A thread that owns a poller is what an M would be.
#include "netpoll/poller.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmp/detail/sys/futex.hpp"
#include "netpoll/bell.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::detail::poller_test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t never_ms = 10'000;  // what takes longer is lost

int scaled(int rounds) { return static_cast<int>(test::scaled(rounds, 10)); }

/// Ends a loop of many small races between threads where they run one after the other, on a busy machine.
struct Budget {
  const Clock::time_point end_ = Clock::now() + 1500ms;
  bool left() const { return Clock::now() < end_; }
};

struct Fd {
  int fd_ = -1;
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) { EXPECT_GE(fd, 0) << std::strerror(errno); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    reset();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~Fd() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  operator int() const { return fd_; }
};

struct Pair {
  Fd a_, b_;
};
Pair stream_pair() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

Fd tcp_socket() { return Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }
sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}
struct TcpListener {
  Fd fd_ = tcp_socket();
  sockaddr_in address_ = loopback(0);
  explicit TcpListener(int backlog = 128) {
    socklen_t size = sizeof address_;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address_), size), 0);
    EXPECT_EQ(::listen(fd_, backlog), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address_), &size), 0);
  }
};

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> serial{0};
  return ++serial;
}

struct Op : IoOp {
  Op() = default;
  Op(IoKind kind, int fd, void* data = nullptr, std::size_t size = 0) { set(kind, fd, data, size); }
  void set(IoKind kind, int fd, void* data = nullptr, std::size_t size = 0) {
    kind_ = kind;
    fd_ = fd;
    data_ = data;
    size_ = size;
    state_.store(idle, relaxed);
  }
  bool over() const { return state_.load(acquire) == done; }
};

struct Kind {
  const char* name_;
  unsigned entries_;  // 0: epoll
};
const Kind kinds[] = {{"uring2", 2}, {"uring64", 64}, {"epoll", 0}};

class PollerTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().entries_ != 0 && !uring_refused().empty()) GTEST_SKIP() << uring_refused();
    poller_ = make();
  }
  void TearDown() override {
    if (poller_ == nullptr) return;
    poller_->drain();
    EXPECT_EQ(poller_->in_flight(), 0u);
  }
  static std::unique_ptr<Poller> make() {
    return GetParam().entries_ != 0 ? make_uring_poller(GetParam().entries_) : make_epoll_poller();
  }
  static bool uring() { return GetParam().entries_ != 0; }

  /// Polls, asleep between, until n ops were handed back.
  static std::vector<IoOp*> collect(Poller& poller, Bell& bell, std::size_t n) {
    std::vector<IoOp*> all;
    while (all.size() < n) {
      const auto begin = Clock::now();
      for (IoOp* op = poller.poll(never_ms * ms, &bell); op != nullptr; op = op->next_) all.push_back(op);
      if (Clock::now() - begin >= std::chrono::milliseconds(never_ms)) {
        ADD_FAILURE() << "a completion, or the wake for a cancel, was lost";
        break;
      }
    }
    EXPECT_EQ(all.size(), n);
    for (IoOp* op : all) EXPECT_EQ(op->state_.load(acquire), IoOp::done);
    return all;
  }
  std::int32_t finish(Op& op) {
    const auto all = collect(*poller_, bell_, 1);
    EXPECT_TRUE(all.size() == 1 && all[0] == &op);
    return op.result_;
  }
  std::int32_t perform(Op& op) {
    poller_->submit(&op);
    return finish(op);
  }
  static constexpr int vain_max = 20;  // polls that woke for no reason: see below
  /// A poll may wake for no reason (the kernel takes down the ring of the test before by interrupting this thread, some times in a row), not for ever.
  static bool sleeps_through(Poller& poller, Bell& bell, std::int64_t timeout_ns) {
    const auto give_up = Clock::now() + 10s;
    for (auto begin = Clock::now(); begin < give_up; begin = Clock::now()) {
      EXPECT_EQ(poller.poll(timeout_ns, &bell), nullptr);
      if (Clock::now() - begin >= std::chrono::nanoseconds(timeout_ns)) return true;
    }
    return false;
  }
  /// Until the kernel has what was submitted; nothing may be complete.
  void flush() {
    EXPECT_EQ(poller_->poll(0, nullptr), nullptr);
    EXPECT_EQ(poller_->queued(), 0u);
  }

  Bell bell_;  // outlives the poller
  std::unique_ptr<Poller> poller_;
};
INSTANTIATE_TEST_SUITE_P(All, PollerTest, ::testing::ValuesIn(kinds), [](const auto& info) { return std::string(info.param.name_); });

// ---- the operations

TEST_P(PollerTest, NopsComeBackOnceAndInOrder) {
  std::deque<Op> ops(5);
  for (Op& op : ops) poller_->submit(&op);
  EXPECT_EQ(poller_->in_flight(), 5u);
  const auto all = collect(*poller_, bell_, 5);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], &ops[i]);
  EXPECT_EQ(poller_->in_flight(), 0u);
  EXPECT_EQ(poller_->poll(0, nullptr), nullptr);
}

TEST_P(PollerTest, RecvTakesWhatIsThere) {
  Pair pair = stream_pair();
  ASSERT_EQ(::write(pair.b_, "hello", 5), 5);
  char buffer[16] = {};
  Op op(IoKind::recv, pair.a_, buffer, sizeof buffer);
  EXPECT_EQ(perform(op), 5);
  EXPECT_STREQ(buffer, "hello");
}

TEST_P(PollerTest, RecvWaitsForData) {
  for (const bool poll_first : {false, true}) {
    for (const std::uint64_t serial : {std::uint64_t{0}, next_serial()}) {
      Pair pair = stream_pair();
      for (int round = 0; round < 3; ++round) {
        char buffer[16] = {};
        Op op(IoKind::recv, pair.a_, buffer, sizeof buffer);
        op.poll_first_ = poll_first;
        op.fd_serial_ = serial;
        poller_->submit(&op);
        flush();
        EXPECT_FALSE(op.over());
        ASSERT_EQ(::write(pair.b_, "later", 5), 5);
        EXPECT_EQ(finish(op), 5);
        EXPECT_STREQ(buffer, "later");
      }
    }
  }
}

TEST_P(PollerTest, RecvWithPollFirstSeesDataThatCameBeforeIt) {
  Pair pair = stream_pair();
  const std::uint64_t serial = next_serial();
  for (int round = 0; round < 4; ++round) {
    ASSERT_EQ(::write(pair.b_, "early", 5), 5);
    if (round % 2 == 1) poller_->poll(1, &bell_);  // the event comes before the op
    char buffer[16] = {};
    Op op(IoKind::recv, pair.a_, buffer, sizeof buffer);
    op.poll_first_ = true;
    op.fd_serial_ = serial;
    EXPECT_EQ(perform(op), 5);
  }
}

TEST_P(PollerTest, RecvSeesTheEndOfTheStreamHoweverItComes) {
  for (const bool poll_first : {false, true}) {
    for (const bool together : {false, true}) {
      Pair pair = stream_pair();
      const std::uint64_t serial = next_serial();
      char buffer[16];
      Op data(IoKind::recv, pair.a_, buffer, sizeof buffer);
      data.fd_serial_ = serial;
      poller_->submit(&data);
      flush();
      ASSERT_EQ(::write(pair.b_, "x", 1), 1);
      if (together) ::shutdown(pair.b_, SHUT_WR);
      EXPECT_EQ(finish(data), 1);
      Op end(IoKind::recv, pair.a_, buffer, sizeof buffer);
      end.poll_first_ = poll_first;
      end.fd_serial_ = serial;
      poller_->submit(&end);
      if (!together) {
        flush();
        ::shutdown(pair.b_, SHUT_WR);
      }
      EXPECT_EQ(finish(end), 0);
    }
  }
}

TEST_P(PollerTest, SendGoesOutAndWaitsForRoom) {
  Pair pair = stream_pair();
  std::vector<char> big(1 << 20, 'x');
  std::size_t sent = 0;
  for (ssize_t n; (n = ::send(pair.a_, big.data(), big.size(), MSG_DONTWAIT)) > 0;) sent += static_cast<std::size_t>(n);
  Op op(IoKind::send, pair.a_, big.data(), 1000);
  poller_->submit(&op);
  flush();
  EXPECT_FALSE(op.over());
  std::size_t received = 0;
  std::thread reader([&] {
    std::vector<char> buffer(big.size());
    pollfd look{pair.b_, POLLIN, 0};
    while (received < sent + 1000 && ::poll(&look, 1, 5000) > 0) {
      const ssize_t n = ::recv(pair.b_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n > 0) received += static_cast<std::size_t>(n);
    }
  });
  EXPECT_EQ(finish(op), 1000);
  reader.join();
  EXPECT_EQ(received, sent + 1000);
}

TEST_P(PollerTest, SendToNobodyIsAnErrorAndNoSignal) {
  Pair pair = stream_pair();
  pair.b_.reset();
  char byte = 'x';
  Op op(IoKind::send, pair.a_, &byte, 1);
  EXPECT_EQ(perform(op), -EPIPE);
}

TEST_P(PollerTest, DatagramsKeepTheirSenders) {
  Fd receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in to = loopback(0), from = loopback(0);
  socklen_t size = sizeof to;
  ASSERT_EQ(::bind(receiver, reinterpret_cast<sockaddr*>(&to), size), 0);
  ASSERT_EQ(::bind(sender, reinterpret_cast<sockaddr*>(&from), size), 0);
  ASSERT_EQ(::getsockname(receiver, reinterpret_cast<sockaddr*>(&to), &size), 0);
  ASSERT_EQ(::getsockname(sender, reinterpret_cast<sockaddr*>(&from), &size), 0);
  char in[16] = {}, out[] = "datagram";
  sockaddr_in who{};
  iovec in_piece{in, sizeof in}, out_piece{out, 8};
  msghdr in_message{&who, sizeof who, &in_piece, 1, nullptr, 0, 0}, out_message{&to, sizeof to, &out_piece, 1, nullptr, 0, 0};
  Op recv(IoKind::recv_msg, receiver, &in_message);
  Op send(IoKind::send_msg, sender, &out_message);
  poller_->submit(&recv);
  flush();
  poller_->submit(&send);
  collect(*poller_, bell_, 2);
  EXPECT_EQ(send.result_, 8);
  EXPECT_EQ(recv.result_, 8);
  EXPECT_STREQ(in, "datagram");
  EXPECT_EQ(who.sin_port, from.sin_port);
}

TEST_P(PollerTest, AcceptGivesACloexecNonBlockingSocketAndItsPeer) {
  TcpListener listener;
  for (const bool early : {true, false}) {
    Fd client = tcp_socket();
    sockaddr_in peer{};
    Op accept(IoKind::accept, listener.fd_, &peer);
    accept.address_size_ = sizeof peer;
    if (!early) {
      poller_->submit(&accept);
      flush();
    }
    Op connect(IoKind::connect, client, &listener.address_, sizeof listener.address_);
    poller_->submit(&connect);
    if (early) {
      EXPECT_EQ(finish(connect), 0);
      poller_->submit(&accept);
      EXPECT_GE(finish(accept), 0);
    } else {
      collect(*poller_, bell_, 2);
      EXPECT_EQ(connect.result_, 0);
    }
    Fd server(accept.result_);
    EXPECT_NE(::fcntl(server, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(server, F_GETFL) & O_NONBLOCK, 0);
    sockaddr_in own{};
    socklen_t size = sizeof own;
    ASSERT_EQ(::getsockname(client, reinterpret_cast<sockaddr*>(&own), &size), 0);
    EXPECT_EQ(accept.address_size_, sizeof peer);
    EXPECT_EQ(peer.sin_port, own.sin_port);
  }
  Op unnamed(IoKind::accept, listener.fd_);
  poller_->submit(&unnamed);
  Fd client = tcp_socket();
  (void)::connect(client, reinterpret_cast<sockaddr*>(&listener.address_), sizeof listener.address_);
  Fd server(finish(unnamed));
}

TEST_P(PollerTest, ConnectIsRefusedOrWaits) {
  TcpListener listener(0);
  Fd nobody = tcp_socket();
  sockaddr_in closed = loopback(0);
  socklen_t size = sizeof closed;
  Fd bound = tcp_socket();  // it does not listen, and nobody else gets the port
  ASSERT_EQ(::bind(bound, reinterpret_cast<sockaddr*>(&closed), size), 0);
  ASSERT_EQ(::getsockname(bound, reinterpret_cast<sockaddr*>(&closed), &size), 0);
  Op refused(IoKind::connect, nobody, &closed, sizeof closed);
  EXPECT_EQ(perform(refused), -ECONNREFUSED);

  // A full backlog drops the SYN: the connect goes on waiting, and can be cancelled.
  std::vector<Fd> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(tcp_socket());
    (void)::connect(fillers.back(), reinterpret_cast<sockaddr*>(&listener.address_), sizeof listener.address_);
  }
  Fd waiting = tcp_socket();
  Op op(IoKind::connect, waiting, &listener.address_, sizeof listener.address_);
  poller_->submit(&op);
  flush();
  EXPECT_FALSE(op.over());
  Poller::cancel(&op);
  EXPECT_EQ(finish(op), -ECANCELED);
}

TEST_P(PollerTest, ConnectToAFullUnixListenerAnswersEagain) {
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int n = std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "gmp-poller-test-%d-%s", ::getpid(), GetParam().name_);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(n));
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  Fd first(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  Fd second(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  Op fits(IoKind::connect, first, &address, size);
  EXPECT_EQ(perform(fits), 0);
  Op full(IoKind::connect, second, &address, size);
  EXPECT_EQ(perform(full), -EAGAIN);
}

TEST_P(PollerTest, PollGivesTheMask) {
  Pair pair = stream_pair();
  Op out(IoKind::poll_out, pair.a_);
  EXPECT_NE(perform(out) & POLLOUT, 0);
  Op in(IoKind::poll_in, pair.a_);
  poller_->submit(&in);
  flush();
  ASSERT_EQ(::write(pair.b_, "x", 1), 1);
  EXPECT_NE(finish(in) & POLLIN, 0);
  Op error(IoKind::poll_error, pair.a_);  // of room and data it does not speak
  poller_->submit(&error);
  flush();
  ASSERT_EQ(::write(pair.b_, "x", 1), 1);
  EXPECT_EQ(error.state_.load(detail::acquire), IoOp::pending);
  Poller::cancel(&error);
  EXPECT_EQ(finish(error), -ECANCELED);
  Op hangup(IoKind::poll_error, pair.a_);
  poller_->submit(&hangup);
  flush();
  pair.b_ = Fd();
  EXPECT_NE(finish(hangup) & (POLLHUP | POLLERR), 0);
}

TEST_P(PollerTest, FilesAreReadAndWrittenAtTheirOffset) {
  char name[] = "/tmp/gmp-poller-XXXXXX";
  Fd file(::mkstemp(name));
  ::unlink(name);
  char text[] = "0123456789";
  Op write(IoKind::write, file, text, 10);
  write.offset_ = 0;
  EXPECT_EQ(perform(write), 10);
  char buffer[4] = {};
  Op read(IoKind::read, file, buffer, 3);
  read.offset_ = 5;
  EXPECT_EQ(perform(read), 3);
  EXPECT_STREQ(buffer, "567");
  Op position(IoKind::read, file, buffer, 3);
  position.poll_first_ = true;  // no file waits
  EXPECT_EQ(perform(position), 3);
  EXPECT_STREQ(buffer, "012");
  Op ready(IoKind::poll_in, file);
  EXPECT_NE(perform(ready) & POLLIN, 0);
}

TEST_P(PollerTest, FilesThatAreNonBlockingWaitAllTheSame) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
  Fd out(fds[0]), in(fds[1]);
  char buffer[8] = {};
  Op op(IoKind::read, out, buffer, sizeof buffer);
  poller_->submit(&op);
  flush();
  EXPECT_FALSE(op.over());
  ASSERT_EQ(::write(in, "pipe", 4), 4);
  EXPECT_EQ(finish(op), 4);

  Fd watcher(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  char name[] = "/tmp/gmp-poller-XXXXXX";
  Fd file(::mkstemp(name));
  ASSERT_GE(::inotify_add_watch(watcher, name, IN_MODIFY), 0);
  ::unlink(name);
  alignas(inotify_event) char events[512];
  for (int round = 0; round < 2; ++round) {
    Op event(IoKind::read, watcher, events, sizeof events);
    poller_->submit(&event);
    EXPECT_EQ(poller_->poll(2 * ms, &bell_), nullptr);
    ASSERT_EQ(::write(file, "x", 1), 1);
    EXPECT_GT(finish(event), 0);
  }
  Op cancelled(IoKind::read, watcher, events, sizeof events);
  poller_->submit(&cancelled);
  EXPECT_EQ(poller_->poll(2 * ms, &bell_), nullptr);
  Poller::cancel(&cancelled);
  EXPECT_EQ(finish(cancelled), -ECANCELED);
  Op drained(IoKind::read, watcher, events, sizeof events);
  poller_->submit(&drained);
  poller_->poll(0, nullptr);
  poller_->drain();
  EXPECT_EQ(drained.result_, -ECANCELED);
}

TEST_P(PollerTest, ABadDescriptorIsAnError) {
  char byte;
  Op negative(IoKind::recv, -1, &byte, 1);
  EXPECT_EQ(perform(negative), -EBADF);
  Op closed(IoKind::recv, 9999, &byte, 1);
  EXPECT_EQ(perform(closed), -EBADF);
  Op polled(IoKind::poll_in, 9999);
  EXPECT_EQ(perform(polled), -EBADF);
}

TEST_P(PollerTest, AnOpMayBeSubmittedAgain) {
  Pair pair = stream_pair();
  char byte = 0;
  Op op(IoKind::recv, pair.a_, &byte, 1);
  for (char c = 'a'; c <= 'z'; ++c) {
    op.set(IoKind::recv, pair.a_, &byte, 1);
    if (c % 3 == 0) {
      poller_->submit(&op);
      flush();
      Poller::cancel(&op);
      EXPECT_EQ(finish(op), -ECANCELED);
      op.set(IoKind::recv, pair.a_, &byte, 1);
    }
    ASSERT_EQ(::write(pair.b_, &c, 1), 1);
    EXPECT_EQ(perform(op), 1);
    EXPECT_EQ(byte, c);
  }
}

// ---- sleeping and waking

TEST_P(PollerTest, TimeoutsAreNotEarly) {
  for (const std::int64_t timeout : {std::int64_t{1}, std::int64_t{50'000}, std::int64_t{300'000}, ms, 3 * ms + 1}) {
    EXPECT_TRUE(sleeps_through(*poller_, bell_, timeout)) << timeout;
  }
  Clock::duration shortest = 1h;  // of some: in any one of them this thread may lose its CPU
  for (int i = 0; i < 20; ++i) {
    const auto begin = Clock::now();
    EXPECT_EQ(poller_->poll(0, &bell_), nullptr);
    shortest = std::min(shortest, Clock::now() - begin);
  }
  EXPECT_LT(shortest, 50ms);
}

TEST_P(PollerTest, ARingBeforeSleepingPreventsIt) {
  for (int round = 0; round < 3; ++round) {
    bell_.ring();
    bell_.ring();
    const auto begin = Clock::now();
    EXPECT_EQ(poller_->poll(never_ms * ms, &bell_), nullptr);
    EXPECT_LT(Clock::now() - begin, 5s);
  }
  const auto begin = Clock::now();  // the tokens are spent; only the poll that was armed late may have told of an old one
  while (Clock::now() - begin < 20ms) poller_->poll(20 * ms, &bell_);
}

TEST_P(PollerTest, ARingEndsTheSleepOfWhoeverSleeps) {
  Bell other;
  for (int round = 0; round < 6; ++round) {
    Bell& bell = round % 2 == 0 ? bell_ : other;
    std::atomic<bool> rung{false};
    std::thread ringer([&] {
      std::this_thread::sleep_for(2ms);
      rung = true;
      bell.ring();
    });
    const auto begin = Clock::now();
    int polls = 0;
    for (; !rung; ++polls) EXPECT_EQ(poller_->poll(never_ms * ms, &bell), nullptr);
    EXPECT_LT(Clock::now() - begin, 5s);
    EXPECT_LE(polls, vain_max);  // a bell that was rung before is readable when it is armed: one vain wake
    ringer.join();
  }
  poller_.reset();
}

TEST_P(PollerTest, ASleeperIsNotWokenByTheBellOfAnEarlierOne) {
  constexpr int rings = 100;
  Bell other;
  poller_->poll(1, &other);   // its M slept here once,
  poller_->poll(1, &bell_);   // and this one after it
  auto second = make();
  std::atomic<bool> stop{false};
  std::atomic<int> woken{0};
  std::thread sleeper([&] {
    for (; !stop; ++woken) second->poll(never_ms * ms, &other);  // it sleeps elsewhere now
  });
  std::thread ringer([&] {
    const auto limit = Clock::now() + std::chrono::milliseconds(never_ms);
    for (int i = 0; i < rings; ++i) {
      const int before = woken;
      other.ring();
      while (woken == before && Clock::now() < limit) std::this_thread::yield();
    }
    bell_.ring();
  });
  int polls = 0;
  for (const auto begin = Clock::now(); woken < rings && Clock::now() - begin < 10s; ++polls) poller_->poll(never_ms * ms, &bell_);
  EXPECT_LE(polls, vain_max);
  ringer.join();
  stop = true;
  other.ring();
  sleeper.join();
  poller_.reset();
}

TEST_P(PollerTest, ABellWorksAfterMoreWritesThanThePollerCanNote) {
  poller_->poll(1, &bell_);  // armed
  const std::uint64_t one = 1;
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(::write(bell_.fd(), &one, sizeof one), 8);  // wakes that came late
  for (int round = 0; round < 3; ++round) {
    while (!sleeps_through(*poller_, bell_, 1 * ms)) continue;
    std::atomic<bool> rung{false};
    std::thread ringer([&] {
      std::this_thread::sleep_for(1ms);
      rung = true;
      bell_.ring();
    });
    const auto begin = Clock::now();
    while (!rung) poller_->poll(never_ms * ms, &bell_);
    EXPECT_LT(Clock::now() - begin, 5s);
    ringer.join();
    poller_->poll(0, &bell_);
  }
}

void pause(std::minstd_rand& random, std::uint32_t spins_max) {
  for (std::uint32_t spin = random() % spins_max; spin-- > 0;) cpu_pause();
}

void run_on(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

// Each waits for the other's number, and polls whenever it is not its turn: a lost ring stops both.
void ping_pong(Poller& one, Poller& two, Bell* bells, int rounds, int cpu, std::uint64_t random_seed) {
  std::atomic<int> turn{0};
  std::atomic<bool> lost{false}, over{false};
  const Budget budget;
  const auto play = [&](int me, Poller& poller) {
    run_on(cpu);
    std::minstd_rand random(static_cast<std::uint32_t>(random_seed) + static_cast<std::uint32_t>(me));
    for (int round = me; round < rounds && !lost && !over; round += 2) {
      if (me == 0 && !budget.left()) over = true;
      while (turn.load() != round && !lost && !over) {
        const auto begin = Clock::now();
        poller.poll(never_ms * ms, &bells[me]);
        if (turn.load() != round && !over && Clock::now() - begin >= std::chrono::milliseconds(never_ms)) lost = true;
      }
      pause(random, 64);
      turn.store(round + 1);
      bells[1 - me].ring();
    }
    bells[1 - me].ring();
  };
  std::thread other([&] { play(1, two); });
  std::thread first([&] { play(0, one); });
  other.join();
  first.join();
  EXPECT_FALSE(lost);
  std::printf("%d rings\n", turn.load());
}

TEST_P(PollerTest, PingPongLosesNoRing) {
  const std::uint64_t random_seed = test::case_seed();
  Bell bells[2];
  auto second = make();
  ping_pong(*poller_, *second, bells, scaled(100'000), ::sched_getcpu(), random_seed);  // one CPU: each ring finds a sleeper
  ping_pong(*poller_, *second, bells, scaled(10'000), -1, random_seed);  // two: before, while and after it falls asleep
  poller_.reset();
}

// ---- a poller moves between threads

TEST_P(PollerTest, WhatOneThreadSubmittedAnotherCollectsWhileTheFirstIsBlocked) {
  enum Blocked { in_read, in_futex, spinning };
  for (const Blocked blocked : {in_read, in_futex, spinning}) {
    Pair pair = stream_pair();
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    Fd block_out(fds[0]), block_in(fds[1]);
    Atomic<std::uint32_t> word{0};
    std::atomic<bool> submitted{false}, leave{false};
    char buffer[8] = {};
    Op op(IoKind::recv, pair.a_, buffer, sizeof buffer);
    std::thread first([&] {
      Bell bell;
      poller_->submit(&op);
      poller_->poll(0, nullptr);
      if (blocked == in_futex) poller_->poll(1, &bell);  // its bell stays armed
      submitted = true;
      char byte;
      if (blocked == in_read) {
        EXPECT_EQ(::read(block_out, &byte, 1), 1);
      }
      while (blocked == in_futex && word.load(acquire) == 0) futex_wait(&word, 0);
      while (blocked == spinning && !leave) cpu_pause();
    });
    while (!submitted) std::this_thread::yield();
    std::thread writer([&] {
      std::this_thread::sleep_for(2ms);
      EXPECT_EQ(::write(pair.b_, "moved", 5), 5);
    });
    EXPECT_EQ(finish(op), 5);
    EXPECT_STREQ(buffer, "moved");
    writer.join();
    leave = true;
    EXPECT_EQ(::write(block_in, "x", 1), 1);
    word.store(1, release);
    futex_wake(&word, 1);
    first.join();
  }
}

TEST_P(PollerTest, APollerHandedToAndFroLosesNothing) {
  const int rounds = scaled(2000);
  Pair pair = stream_pair();
  std::atomic<int> turn{0};
  std::uint32_t in = 0;
  Op op;
  // Thread t submits in its turn and collects what the other one submitted.
  const auto play = [&](int me) {
    Bell bell;
    for (int round = me; round < rounds; round += 2) {
      while (turn.load() != round) std::this_thread::yield();
      if (round > 0) {
        const auto all = collect(*poller_, bell, 1);
        ASSERT_EQ(op.result_, 4);
        ASSERT_EQ(in, static_cast<std::uint32_t>(round - 1));
      }
      op.set(IoKind::recv, pair.a_, &in, 4);
      poller_->submit(&op);
      if (round % 3 == 0) poller_->poll(0, nullptr);
      const auto number = static_cast<std::uint32_t>(round);
      ASSERT_EQ(::write(pair.b_, &number, 4), 4);
      turn.store(round + 1);
    }
    while (turn.load() < rounds) std::this_thread::yield();
    if (rounds % 2 == me) {
      collect(*poller_, bell, 1);
      poller_.reset();
      turn.store(rounds + 1);
    }
    while (turn.load() <= rounds) std::this_thread::yield();
  };
  std::thread second([&] { play(1); });
  play(0);
  second.join();
}

TEST_P(PollerTest, OneDescriptorUsedThroughTwoPollers) {
  auto other = make();
  Bell other_bell;
  Pair pair = stream_pair();
  const std::uint64_t serial = next_serial();
  std::mt19937 random(static_cast<std::uint32_t>(test::case_seed()));
  for (int round = 0; round < scaled(3000); ++round) {
    Poller& poller = random() % 2 == 0 ? *poller_ : *other;
    Bell& bell = &poller == poller_.get() ? bell_ : other_bell;
    char buffer[8] = {};
    Op op(IoKind::recv, pair.a_, buffer, sizeof buffer);
    op.fd_serial_ = serial;
    op.poll_first_ = random() % 2 == 0;
    const bool early = random() % 2 == 0;
    if (early) {
      ASSERT_EQ(::write(pair.b_, "abc", 3), 3);
    }
    if (random() % 4 == 0) (&poller == poller_.get() ? *other : *poller_).poll(0, nullptr);
    poller.submit(&op);
    if (!early) {
      if (random() % 2 == 0) {
        ASSERT_EQ(poller.poll(0, nullptr), nullptr);
      }
      ASSERT_EQ(::write(pair.b_, "abc", 3), 3);
    }
    collect(poller, bell, 1);
    ASSERT_EQ(op.result_, 3) << "round " << round;
  }
  other->drain();
}

TEST_P(PollerTest, ADescriptorThatIsUsedElsewhereStopsWakingThisPoller) {
  Pair pair = stream_pair();
  char byte;
  Op op(IoKind::recv, pair.a_, &byte, 1);
  op.fd_serial_ = next_serial();
  poller_->submit(&op);
  flush();
  ASSERT_EQ(::write(pair.b_, "x", 1), 1);
  EXPECT_EQ(finish(op), 1);
  for (int i = 0; i < 3; ++i) {  // as if its g read it on another P
    ASSERT_EQ(::write(pair.b_, "x", 1), 1);
    poller_->poll(1, &bell_);
    ASSERT_EQ(::recv(pair.a_, &byte, 1, MSG_DONTWAIT), 1);
  }
  std::atomic<bool> over{false};
  std::thread user([&] {  // and goes on, each ms
    while (!over) {
      std::this_thread::sleep_for(1ms);
      char other = 0;
      EXPECT_EQ(::write(pair.b_, "x", 1), 1);
      EXPECT_EQ(::recv(pair.a_, &other, 1, MSG_DONTWAIT), 1);
    }
  });
  int vain = 0;
  for (auto begin = Clock::now(); vain <= vain_max; ++vain, begin = Clock::now()) {
    EXPECT_EQ(poller_->poll(20 * ms, &bell_), nullptr);
    if (Clock::now() - begin >= 20ms) break;
  }
  EXPECT_LE(vain, vain_max);
  over = true;
  user.join();
  ASSERT_EQ(::write(pair.b_, "x", 1), 1);
  op.set(IoKind::recv, pair.a_, &byte, 1);
  op.poll_first_ = true;
  EXPECT_EQ(perform(op), 1);  // and it works here when it comes back
}

// ---- cancelling

TEST_P(PollerTest, ACancelBeforeSubmitWins) {
  Pair pair = stream_pair();
  ASSERT_EQ(::write(pair.b_, "x", 1), 1);
  char byte = 0;
  Op op(IoKind::recv, pair.a_, &byte, 1);
  Poller::cancel(&op);
  poller_->submit(&op);
  EXPECT_TRUE(poller_->peek());
  EXPECT_EQ(poller_->in_flight(), 1u);
  EXPECT_EQ(finish(op), -ECANCELED);
  EXPECT_EQ(byte, 0);
  Op again(IoKind::recv, pair.a_, &byte, 1);
  EXPECT_EQ(perform(again), 1);
}

TEST_P(PollerTest, WhatIsStillQueuedIsCancelledWithoutTheKernel) {
  Pair pair = stream_pair();
  char byte = 0;
  std::deque<Op> ops;
  for (int i = 0; i < 10; ++i) poller_->submit(&ops.emplace_back(IoKind::recv, pair.a_, &byte, 1));
  EXPECT_EQ(poller_->queued(), uring() ? 10u : 0u);
  ASSERT_EQ(::write(pair.b_, "x", 1), 1);
  for (Op& op : ops) Poller::cancel(&op);
  EXPECT_TRUE(poller_->peek());
  IoOp* all = poller_->poll(0, nullptr);
  int n = 0;
  for (; all != nullptr; all = all->next_, ++n) EXPECT_EQ(all->result_, -ECANCELED);
  EXPECT_EQ(n, 10);
  EXPECT_EQ(byte, 0);
}

TEST_P(PollerTest, ACancelEndsWhatWaits) {
  Pair pair = stream_pair();
  char byte = 0;
  Op op(IoKind::recv, pair.a_, &byte, 1);
  poller_->submit(&op);
  flush();
  Poller::cancel(&op);
  Poller::cancel(&op);
  EXPECT_TRUE(poller_->peek());
  EXPECT_EQ(finish(op), -ECANCELED);
  Poller::cancel(&op);  // too late: nothing happens
  EXPECT_EQ(poller_->poll(1 * ms, &bell_), nullptr);
  EXPECT_EQ(poller_->in_flight(), 0u);
}

TEST_P(PollerTest, ASuccessInSpiteOfItsCancelIsKept) {
  Pair pair = stream_pair();
  char byte = 0;
  Op op(IoKind::recv, pair.a_, &byte, 1);
  poller_->submit(&op);
  flush();
  ASSERT_EQ(::write(pair.b_, "x", 1), 1);
  if (uring()) {
    while (!poller_->peek()) std::this_thread::yield();
    ::getppid();
    Poller::cancel(&op);
    const std::int32_t result = finish(op);
    EXPECT_EQ(result, byte == 'x' ? 1 : -ECANCELED);
  } else {
    poller_->poll(0, nullptr);
    Poller::cancel(&op);
    EXPECT_EQ(op.result_, 1);
    EXPECT_EQ(byte, 'x');
  }
}

TEST_P(PollerTest, ACancelFromAnotherThreadEndsTheSleep) {
  Pair pair = stream_pair();
  const Budget budget;
  for (int round = 0; round < scaled(500) && budget.left(); ++round) {
    char byte = 0;
    Op op(IoKind::recv, pair.a_, &byte, 1);
    poller_->submit(&op);
    std::thread canceller([&] {
      if (round % 2 == 0) std::this_thread::sleep_for(100us);
      Poller::cancel(&op);
    });
    IoOp* ended = nullptr;
    const auto begin = Clock::now();
    while (ended == nullptr && Clock::now() - begin < 10s) ended = poller_->poll(never_ms * ms, &bell_);
    canceller.join();
    ASSERT_EQ(ended, &op);
    ASSERT_LT(Clock::now() - begin, 10s);
    ASSERT_EQ(op.result_, -ECANCELED);
  }
}

// A second thread writes a byte while the wait for it is cancelled, by either thread. Bytes come once and in order.
TEST_P(PollerTest, CancelAgainstDataLosesNoByte) {
  const int rounds = scaled(30'000);
  const std::uint64_t random_seed = test::case_seed();
  std::minstd_rand random(static_cast<std::uint32_t>(random_seed));
  Pair pair = stream_pair();
  Op op;
  enum Order { write_only, write_cancel, cancel_write, leave };
  std::atomic<int> order{write_only}, go{-1}, ready{-1}, done{-1};
  std::thread helper([&] {
    std::minstd_rand own(static_cast<std::uint32_t>(random_seed) + 1);
    for (int round = 0;; ++round) {
      while (go.load() < round) std::this_thread::yield();
      if (order == leave) return;
      ready.store(round);
      if (order == cancel_write) Poller::cancel(&op);
      pause(own, 256);
      const auto byte = static_cast<unsigned char>(round);
      EXPECT_EQ(::write(pair.b_, &byte, 1), 1);
      if (order == write_cancel) Poller::cancel(&op);
      done.store(round);
    }
  });
  int received = 0, cancelled = 0;
  const auto take = [&](unsigned char byte) {
    if (op.result_ == 1) {
      EXPECT_EQ(byte, static_cast<unsigned char>(received));
      ++received;
    } else {
      EXPECT_EQ(op.result_, -ECANCELED);
      ++cancelled;
    }
  };
  int round = 0;
  for (const Budget budget; round < rounds && budget.left() && !HasFailure(); ++round) {
    unsigned char byte = 0;
    op.set(IoKind::recv, pair.a_, &byte, 1);
    order = static_cast<int>(random() % 3);
    poller_->submit(&op);
    IoOp* ended = random() % 4 != 0 ? poller_->poll(0, nullptr) : nullptr;
    go.store(round);
    if (ended == nullptr) {
      while (ready.load() < round) std::this_thread::yield();
      pause(random, 256);
      if (order == write_only) Poller::cancel(&op);
      finish(op);
    }
    take(byte);
    while (done.load() < round) std::this_thread::yield();  // the op is used again
    if (op.result_ == -ECANCELED) {                         // and the next round begins with nothing there
      op.set(IoKind::recv, pair.a_, &byte, 1);
      perform(op);
      take(byte);
    }
  }
  order = leave;
  go.store(round);
  helper.join();
  std::printf("%d of %d cancelled\n", cancelled, round);
  EXPECT_EQ(received, round);
}

TEST_P(PollerTest, ACancelledAcceptLosesNoConnection) {
  const int rounds = scaled(1000);
  const std::uint64_t random_seed = test::case_seed();
  std::minstd_rand random(static_cast<std::uint32_t>(random_seed));
  const auto open_fds = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
  TcpListener listener;
  const auto before = open_fds();
  std::atomic<int> go{-1}, ready{-1}, done{-1};
  std::atomic<bool> leave{false};
  std::thread helper([&] {
    std::minstd_rand own(static_cast<std::uint32_t>(random_seed) + 1);
    for (int round = 0;; ++round) {
      Fd client = tcp_socket();
      while (go.load() < round) std::this_thread::yield();
      if (leave) return;
      ready.store(round);
      pause(own, 256);
      (void)::connect(client, reinterpret_cast<sockaddr*>(&listener.address_), sizeof listener.address_);
      while (done.load() < round) std::this_thread::yield();
    }
  });
  int accepted = 0, round = 0;
  for (const Budget budget; round < rounds && budget.left(); ++round) {
    Op op(IoKind::accept, listener.fd_);
    poller_->submit(&op);
    flush();
    go.store(round);
    while (ready.load() < round) std::this_thread::yield();
    pause(random, 1024);
    Poller::cancel(&op);
    finish(op);
    accepted += op.result_ >= 0 ? 1 : 0;
    if (op.result_ < 0) {
      EXPECT_EQ(op.result_, -ECANCELED);
      op.set(IoKind::accept, listener.fd_);  // the connection is still there, or on its way
      perform(op);
    }
    EXPECT_GE(op.result_, 0);
    ::close(op.result_);
    done.store(round);
  }
  leave = true;
  go.store(round);
  helper.join();
  std::printf("%d of %d accepted in spite of the cancel\n", accepted, round);
  EXPECT_EQ(open_fds(), before);
}

TEST_P(PollerTest, AThousandCancelsAtOnce) {
  Pair pair = stream_pair();
  std::deque<Op> ops;
  for (int i = 0; i < 1000; ++i) poller_->submit(&ops.emplace_back(IoKind::poll_in, pair.a_));
  flush();
  EXPECT_EQ(poller_->in_flight(), 1000u);
  std::thread canceller([&] {
    std::this_thread::sleep_for(1ms);
    for (Op& op : ops) Poller::cancel(&op);
  });
  for (IoOp* op : collect(*poller_, bell_, 1000)) EXPECT_EQ(op->result_, -ECANCELED);
  canceller.join();
  EXPECT_EQ(poller_->in_flight(), 0u);
}

TEST_P(PollerTest, NothingIsWrittenIntoABufferWhoseOpIsOver) {
  Pair pair = stream_pair();
  for (int round = 0; round < scaled(500); ++round) {
    auto buffer = std::make_unique<std::array<char, 64>>();
    auto op = std::make_unique<Op>(IoKind::recv, pair.a_, buffer->data(), buffer->size());
    poller_->submit(op.get());
    if (round % 3 != 0) poller_->poll(0, nullptr);
    Poller::cancel(op.get());
    EXPECT_EQ(finish(*op), -ECANCELED);
    op.reset();
    buffer->fill('c');
    ASSERT_EQ(::write(pair.b_, "late", 4), 4);
    poller_->poll(0, nullptr);
    for (const char c : *buffer) ASSERT_EQ(c, 'c');
    buffer.reset();
    char rest[8];
    ASSERT_EQ(::recv(pair.a_, rest, sizeof rest, MSG_DONTWAIT), 4);
  }
}

TEST_P(PollerTest, ADescriptorNumberThatComesBackBringsItsOwnData) {
  std::mt19937 random(static_cast<std::uint32_t>(test::case_seed()));
  for (const bool with_serial : {true, false}) {
    int number = -1;
    for (int round = 0; round < scaled(1000); ++round) {
      Pair pair = stream_pair();
      if (number >= 0) {
        EXPECT_EQ(pair.a_.fd_, number);
      }
      number = pair.a_;
      const std::uint64_t serial = with_serial ? next_serial() : 0;
      std::uint32_t data = 0;
      Op op(IoKind::recv, pair.a_, &data, sizeof data);
      op.fd_serial_ = serial;
      op.poll_first_ = random() % 2 == 0;
      poller_->submit(&op);
      if (random() % 2 == 0) {
        ASSERT_EQ(poller_->poll(0, nullptr), nullptr);
      }
      if (random() % 2 == 0) {
        Poller::cancel(&op);
        ASSERT_EQ(finish(op), -ECANCELED);
        ASSERT_EQ(::write(pair.b_, &round, 4), 4);  // left behind for nobody
        if (random() % 2 == 0) poller_->poll(0, nullptr);
      } else {
        ASSERT_EQ(::write(pair.b_, &round, 4), 4);
        ASSERT_EQ(finish(op), 4);
        ASSERT_EQ(data, static_cast<std::uint32_t>(round));
      }
    }
  }
}

// A read under way to the disk is in none of the places where the kernel looks for what to cancel: it ends by itself.
TEST_P(PollerTest, ACancelOfWhatTheKernelDoesNotFindWaitsForItsEnd) {
  char name[] = "./gmp-poller-XXXXXX";
  Fd writer(::mkstemp(name));
  const std::vector<char> text(4 << 20, 't');
  ASSERT_EQ(::write(writer, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ASSERT_EQ(::fsync(writer), 0);
  const int direct = ::open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
  ::unlink(name);
  if (direct < 0) GTEST_SKIP() << "no O_DIRECT here";
  Fd file(direct);
  const std::unique_ptr<char, decltype(&std::free)> buffer(static_cast<char*>(std::aligned_alloc(4096, text.size())), &std::free);
  for (int round = 0; round < 10; ++round) {
    Op op(IoKind::read, file, buffer.get(), text.size());
    op.offset_ = 0;
    poller_->submit(&op);
    IoOp* ended = poller_->poll(0, nullptr);
    Poller::cancel(&op);
    const auto begin = Clock::now();
    int polls = 0;
    for (; ended == nullptr && Clock::now() - begin < 10s; ++polls) ended = poller_->poll(never_ms * ms, &bell_);
    EXPECT_TRUE(op.over());
    EXPECT_TRUE(op.result_ > 0 || op.result_ == -ECANCELED) << op.result_;
    EXPECT_LE(polls, 5 + 3 * ((Clock::now() - begin) / 1ms));  // it does not burn the CPU meanwhile
  }
}

// A child that was forked but has not executed yet keeps the old file open: its events still come, under a number that means another file.
TEST_P(PollerTest, EventsOfAnotherFileOfTheSameNumberAreNotMistaken) {
  Pair old = stream_pair();
  Fd kept(::fcntl(old.a_, F_DUPFD_CLOEXEC, 100));
  char byte = 0;
  Op op(IoKind::recv, old.a_, &byte, 1);
  op.fd_serial_ = next_serial();
  poller_->submit(&op);
  flush();
  Poller::cancel(&op);
  EXPECT_EQ(finish(op), -ECANCELED);
  const int number = old.a_;
  old.a_.reset();
  Pair fresh = stream_pair();
  ASSERT_EQ(fresh.a_.fd_, number);
  Op wait(IoKind::recv, fresh.a_, &byte, 1);
  wait.fd_serial_ = next_serial();
  poller_->submit(&wait);
  flush();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(::write(old.b_, "o", 1), 1);
    EXPECT_EQ(poller_->poll(1 * ms, &bell_), nullptr);
  }
  ASSERT_EQ(::write(fresh.b_, "f", 1), 1);
  EXPECT_EQ(finish(wait), 1);
  EXPECT_EQ(byte, 'f');
}

// ---- many

TEST_P(PollerTest, FarMoreOpsThanTheRingHolds) {
  std::deque<Op> nops(5000);
  for (Op& op : nops) poller_->submit(&op);
  collect(*poller_, bell_, nops.size());

  constexpr int n = 1000;
  std::vector<Pair> pairs;
  std::deque<Op> ops;
  std::vector<int> data(n, -1);
  for (int i = 0; i < n; ++i) {
    pairs.push_back(stream_pair());
    ops.emplace_back(IoKind::recv, pairs.back().a_, &data[static_cast<std::size_t>(i)], sizeof(int));
    poller_->submit(&ops.back());
  }
  flush();
  for (int i = 0; i < n; ++i) ASSERT_EQ(::write(pairs[static_cast<std::size_t>(i)].b_, &i, sizeof i), 4);
  for (IoOp* op : collect(*poller_, bell_, n)) EXPECT_EQ(op->result_, 4);
  for (int i = 0; i < n; ++i) EXPECT_EQ(data[static_cast<std::size_t>(i)], i);
}

TEST_P(PollerTest, SeveralWaitersOfOneListenerAreServedInTurn) {
  TcpListener listener;
  std::deque<Op> ops;
  for (int i = 0; i < 20; ++i) {
    ops.emplace_back(IoKind::accept, listener.fd_).fd_serial_ = 7777;
    poller_->submit(&ops.back());
  }
  flush();
  std::vector<Fd> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(tcp_socket());
    (void)::connect(clients.back(), reinterpret_cast<sockaddr*>(&listener.address_), sizeof listener.address_);
  }
  Op newcomer(IoKind::accept, listener.fd_);
  newcomer.fd_serial_ = 7777;
  poller_->submit(&newcomer);
  for (IoOp* op : collect(*poller_, bell_, 20)) {
    EXPECT_NE(op, &newcomer);
    EXPECT_GE(op->result_, 0);
    ::close(op->result_);
  }
  Poller::cancel(&newcomer);
  EXPECT_EQ(finish(newcomer), -ECANCELED);
}

TEST_P(PollerTest, DrainEndsEverything) {
  Bell other;
  for (int round = 0; round < 3; ++round) {
    auto poller = make();
    poller->poll(1, &other);  // a bell is armed
    TcpListener listener;
    std::vector<Pair> pairs;
    std::deque<Op> ops;
    char byte;
    for (int i = 0; i < 50; ++i) {
      pairs.push_back(stream_pair());
      poller->submit(&ops.emplace_back(IoKind::recv, pairs.back().a_, &byte, 1));
      poller->submit(&ops.emplace_back(IoKind::poll_in, pairs.back().a_));
    }
    poller->submit(&ops.emplace_back(IoKind::accept, listener.fd_));
    if (round != 0) poller->poll(0, nullptr);
    if (round == 2) Poller::cancel(&ops[10]), Poller::cancel(&ops[11]);
    poller->submit(&ops.emplace_back(IoKind::accept, listener.fd_));
    poller->drain();
    EXPECT_EQ(poller->in_flight(), 0u);
    for (Op& op : ops) {
      EXPECT_TRUE(op.over());
      EXPECT_EQ(op.result_, -ECANCELED);
    }
  }
}

TEST_P(PollerTest, DrainWaitsForACancelThatIsOnItsWay) {
  Pair pair = stream_pair();
  const Budget budget;
  for (int round = 0; round < scaled(300) && budget.left(); ++round) {
    auto poller = make();
    char byte;
    Op op(IoKind::recv, pair.a_, &byte, 1);
    poller->submit(&op);
    std::atomic<bool> go{false};
    std::thread canceller([&] {
      while (!go) std::this_thread::yield();
      Poller::cancel(&op);
    });
    go = true;
    poller->drain();
    EXPECT_EQ(op.result_, -ECANCELED);
    canceller.join();
  }
}

TEST_P(PollerTest, PeekTellsOfCompletionsWithoutASystemCall) {
  if (!uring()) GTEST_SKIP() << "epoll cannot";
  EXPECT_FALSE(poller_->peek());
  Pair pair = stream_pair();
  char byte;
  Op op(IoKind::recv, pair.a_, &byte, 1);
  poller_->submit(&op);
  EXPECT_FALSE(poller_->peek());
  flush();
  EXPECT_FALSE(poller_->peek());
  ASSERT_EQ(::write(pair.b_, "x", 1), 1);
  const auto begin = Clock::now();
  while (!poller_->peek() && Clock::now() - begin < 5s) cpu_pause();
  EXPECT_TRUE(poller_->peek());
  EXPECT_EQ(poller_->poll(0, nullptr), &op);
  EXPECT_FALSE(poller_->peek());
}

// The completion waits until the thread that submitted, which computes, is interrupted: nothing that another thread could hurry.
TEST_P(PollerTest, PeekIsNotMisledByWhatOnlyAnotherThreadCanComplete) {
  if (!uring()) GTEST_SKIP() << "epoll completes in whatever thread";
  int vain = 0;
  for (int round = 0; round < 10; ++round) {
    Pair pair = stream_pair();
    char byte;
    Op op(IoKind::recv, pair.a_, &byte, 1);
    std::atomic<bool> submitted{false}, leave{false};
    std::thread first([&] {
      poller_->submit(&op);
      poller_->poll(0, nullptr);
      submitted = true;
      while (!leave) cpu_pause();
    });
    while (!submitted) std::this_thread::yield();
    EXPECT_EQ(poller_->poll(0, nullptr), nullptr);
    ASSERT_EQ(::write(pair.b_, "x", 1), 1);
    const auto begin = Clock::now();
    for (bool over = false; !over && Clock::now() - begin < 5s;) {
      if (!poller_->peek()) continue;
      over = poller_->poll(0, nullptr) != nullptr;
      vain += over ? 0 : 1;
    }
    EXPECT_TRUE(op.over());
    leave = true;
    first.join();
  }
  EXPECT_LE(vain, 10);
}

// ---- where io_uring is refused

void refuse(long number, int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof filter / sizeof filter[0], filter};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) std::_Exit(77);
}

/// In a child of its own: the answer is kept for the life of the process, and so is the filter.
template <long Number, int Error>
void print_refusal() {
  refuse(Number, Error);
  std::printf("%s\n", uring_refused().c_str());
  try {
    make_uring_poller(8);
    std::printf("made\n");
  } catch (const std::system_error& error) {
    std::printf("%d %s\n", error.code().value(), error.what());
  }
  make_epoll_poller();
}

TEST(EpollPoller, WithoutNanosecondsTimeoutsAreNotEarlyEither) {
  const auto child = test::child::run([] {
    refuse(SYS_epoll_pwait2, ENOSYS);
    Bell bell;
    auto poller = make_epoll_poller();
    for (const std::int64_t timeout : {std::int64_t{1}, std::int64_t{999'999}, ms, 3 * ms + 1}) {
      const auto begin = Clock::now();
      poller->poll(timeout, &bell);
      std::printf("%s\n", Clock::now() - begin < std::chrono::nanoseconds(timeout) ? "early" : "late");
    }
  });
  EXPECT_EQ(child.out, "late\nlate\nlate\nlate\n") << child;
}

TEST(Bell, SleepsOnItsFutexUntilItIsRungAndKeepsOneToken) {
  Bell bells[2];
  bells[0].ring();
  bells[0].ring();
  bells[0].sleep();  // rung before: it does not sleep
  std::atomic<int> turn{0};
  const int rounds = scaled(20'000);
  const Budget budget;
  std::atomic<bool> over{false};
  const auto play = [&](int me) {
    for (int round = me; round < rounds && !over; round += 2) {
      if (!budget.left()) over = true;
      while (turn.load() != round && !over) bells[me].sleep();
      turn.store(round + 1);
      bells[1 - me].ring();
    }
    bells[1 - me].ring();
  };
  std::thread other([&] { play(1); });
  play(0);
  other.join();
}

/// False where this process may not make rings: what forbids it forbids the children other answers.
bool rings_may_be_made() { return ::syscall(SYS_io_uring_setup, 1, nullptr) < 0 && errno == EFAULT; }

TEST(UringRefused, SaysWhatToChange) {
  if (!rings_may_be_made()) GTEST_SKIP() << "io_uring is refused here anyway";
  struct Case {
    test::child::Scenario scenario_;
    const char* call_;
    const char* advice_;
    const char* code_;
  };
  const Case cases[] = {
      {print_refusal<SYS_io_uring_setup, EPERM>, "io_uring_setup: ", "seccomp", "\n1 io_uring_setup"},
      {print_refusal<SYS_io_uring_setup, ENOSYS>, "io_uring_setup: ", "5.19", "\n38 io_uring_setup"},
      {print_refusal<SYS_io_uring_setup, ENOMEM>, "io_uring_setup: ", "ulimit -l", "\n12 io_uring_setup"},
      {print_refusal<SYS_io_uring_enter, EPERM>, "io_uring_enter: ", "seccomp", "\nmade\n"},
  };
  for (const Case& expected : cases) {
    const auto child = test::child::run(expected.scenario_);
    EXPECT_EQ(child.status, 0) << child;
    EXPECT_EQ(child.out.find(expected.call_), 0u) << child;
    EXPECT_NE(child.out.find(expected.advice_), std::string::npos) << child;
    EXPECT_NE(child.out.find("or set GMPPOLLER=epoll\n"), std::string::npos) << child;
    EXPECT_NE(child.out.find(expected.code_), std::string::npos) << child;
  }
}

}  // namespace
}  // namespace gmp::detail::poller_test
