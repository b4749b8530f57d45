// tests/unit/os/readiness_test.cpp — waiting until a descriptor of somebody else's is ready, and what ends that.
// Go: none.  Room: os (floor 5).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/os.hpp"
#include "gmp/sync.hpp"
#include "support/files.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::readiness_test {
namespace {

using namespace std::chrono_literals;
using test::leaving_no_fds;
using test::on_executor;
using test::until_parked;

/// Two ends that the library knows nothing of: blocking ones.
struct Pair {
  Pair() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw std::system_error(errno, std::generic_category());
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    for (const int end : ends)
      if (end >= 0) ::close(end);
  }
  void send() const { EXPECT_EQ(::send(ends[1], "x", 1, MSG_NOSIGNAL), 1); }
  void receive() const {
    char byte = 0;
    EXPECT_EQ(::recv(ends[0], &byte, 1, MSG_DONTWAIT), 1);
  }
  /// Until the end takes no more.
  void fill() const {
    const std::string much(65536, 'x');
    while (::send(ends[0], much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
    }
  }
  void empty() const {
    std::string much(65536, 'x');
    while (::recv(ends[1], much.data(), much.size(), MSG_DONTWAIT) > 0) {
    }
  }
  std::array<int, 2> ends{-1, -1};
};

TEST(Readiness, IsWaitedForAgainAndAgain) {
  leaving_no_fds([]() -> Task<> {
    const Pair pair;
    for (int i = 0; i < 20; ++i) {
      auto waiter = spawn([&]() -> Task<std::error_code> { co_return co_await os::wait_readable(pair.ends[0]); });
      co_await until_parked(1);
      pair.send();
      const std::error_code err = co_await waiter.join();
      EXPECT_FALSE(err);
      pair.receive();
    }
    EXPECT_FALSE(test::is_nonblocking(pair.ends[0]));
  });
}

TEST(Readiness, ThatIsThereIsSeen) {
  on_executor([]() -> Task<> {
    const Pair pair;
    pair.send();
    for (int i = 0; i < 3; ++i) {  // nobody reads it
      const std::error_code readable = co_await os::wait_readable(pair.ends[0]);
      EXPECT_FALSE(readable);
    }
    const std::error_code writable = co_await os::wait_writable(pair.ends[0]);
    EXPECT_FALSE(writable);
  });
}

TEST(Readiness, ToWriteComesWithRoom) {
  on_executor([]() -> Task<> {
    const Pair pair;
    for (int i = 0; i < 5; ++i) {
      pair.fill();
      auto waiter = spawn([&]() -> Task<std::error_code> { co_return co_await os::wait_writable(pair.ends[0]); });
      co_await until_parked(1);
      pair.empty();
      const std::error_code err = co_await waiter.join();
      EXPECT_FALSE(err);
      EXPECT_EQ(::send(pair.ends[0], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), 1);
    }
  });
}

TEST(Readiness, OfBothKindsIsToldApart) {
  on_executor([]() -> Task<> {
    const Pair pair;
    pair.fill();
    auto reads = spawn([&]() -> Task<std::error_code> { co_return co_await os::wait_readable(pair.ends[0]); });
    auto writes = spawn([&]() -> Task<std::error_code> { co_return co_await os::wait_writable(pair.ends[0]); });
    co_await until_parked(2);
    pair.send();
    const std::error_code readable = co_await reads.join();
    EXPECT_FALSE(readable);
    EXPECT_FALSE(writes.done());
    co_await until_parked(1);  // there is no room yet
    pair.empty();
    const std::error_code writable = co_await writes.join();
    EXPECT_FALSE(writable);
  });
}

TEST(Readiness, WakesAllWhoWait) {
  on_executor([]() -> Task<> {
    const Pair pair;
    WaitGroup all;
    for (int i = 0; i < 10; ++i) {
      all.go([&]() -> Task<> {
        const std::error_code err = co_await os::wait_readable(pair.ends[0]);
        EXPECT_FALSE(err);
      });
    }
    co_await until_parked(10);
    pair.send();
    co_await all.wait();
  });
}

TEST(Readiness, IsAlsoAnEnd) {
  on_executor([]() -> Task<> {
    Pair pair;
    auto waiter = spawn([&]() -> Task<std::error_code> { co_return co_await os::wait_readable(pair.ends[0]); });
    co_await until_parked(1);
    ::close(std::exchange(pair.ends[1], -1));
    const std::error_code err = co_await waiter.join();
    EXPECT_FALSE(err);
    const std::error_code writable = co_await os::wait_writable(pair.ends[0]);
    EXPECT_FALSE(writable);  // a write fails at once: it need not be waited for
  });
}

TEST(Readiness, IsGivenUp) {
  on_executor([]() -> Task<> {
    const Pair pair;
    const std::error_code late = co_await timeout(1ms, os::wait_readable(pair.ends[0]));
    EXPECT_EQ(late, errc::deadline_exceeded);
    auto [ctx, cancel] = with_cancel(background());
    auto waiter = spawn([&pair, ctx]() -> Task<std::error_code> { co_return co_await until(ctx, os::wait_readable(pair.ends[0])); });
    co_await until_parked(1);
    cancel();
    const std::error_code canceled = co_await waiter.join();
    EXPECT_EQ(canceled, errc::canceled);
    pair.send();  // and that left nothing behind
    const std::error_code again = co_await timeout(10s, os::wait_readable(pair.ends[0]));
    EXPECT_FALSE(again);
  });
}

TEST(Readiness, RacesWithItsEnd) {
  on_executor([]() -> Task<> {
    const Pair pair;
    std::int64_t late = 0, ready = 0;
    const std::int64_t rounds = test::scaled(500);
    for (std::int64_t i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = with_cancel(background());
      auto waiter = spawn([&pair, ctx]() -> Task<std::error_code> { co_return co_await until(ctx, os::wait_readable(pair.ends[0])); });
      if (i % 2 == 0) co_await until_parked(1);
      pair.send();
      cancel();
      const std::error_code err = co_await waiter.join();
      EXPECT_TRUE(!err || err == errc::canceled) << err.message();
      ++(err ? late : ready);
      pair.receive();
    }
    EXPECT_EQ(late + ready, rounds);
  });
}

TEST(Readiness, OfNoDescriptorIsAnError) {
  on_executor([]() -> Task<> {
    const int closed = [] {
      const Pair pair;
      return pair.ends[0];
    }();
    for (const int fd : {-1, closed + 1000}) {
      const std::error_code err = co_await os::wait_readable(fd);
      EXPECT_EQ(err, std::error_code(EBADF, errno_category())) << err.message();
    }
  });
}

TEST(Readiness, OfAFileIsAlwaysThere) {
  const test::TempDir dir;
  on_executor([&]() -> Task<> {
    const int fd = ::open(dir.path("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const std::error_code readable = co_await os::wait_readable(fd);
    EXPECT_FALSE(readable);
    const std::error_code writable = co_await os::wait_writable(fd);
    EXPECT_FALSE(writable);
    ::close(fd);
  });
}

TEST(Readiness, IsForgottenByAStop) {
  const Pair pair;
  Executor ex;
  ex.go([&]() -> Task<> { static_cast<void>(co_await os::wait_readable(pair.ends[0])); });
  test::wait_parked(ex, 1);
  ex.stop();
}

TEST(Readiness, OfANumberThatIsAnotherFileNow) {
  on_executor([]() -> Task<> {
    for (int i = 0; i < 20; ++i) {
      Pair old;
      auto [ctx, cancel] = with_cancel(background());
      auto given_up = spawn([fd = old.ends[0], ctx]() -> Task<std::error_code> { co_return co_await until(ctx, os::wait_readable(fd)); });
      co_await until_parked(1);
      cancel();  // and before the poller has looked, the number is closed, and another file's
      ::close(std::exchange(old.ends[0], -1));
      const Pair pair;
      auto waiter = spawn([&]() -> Task<std::error_code> { co_return co_await timeout(10s, os::wait_readable(pair.ends[0])); });
      const std::error_code canceled = co_await given_up.join();
      EXPECT_EQ(canceled, errc::canceled);
      co_await until_parked(1);
      pair.send();
      const std::error_code err = co_await waiter.join();
      EXPECT_FALSE(err) << err.message();
    }
  });
}

}  // namespace
}  // namespace gmp::readiness_test
