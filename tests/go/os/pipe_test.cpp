// tests/go/os/pipe_test.cpp — Go's claims on pipes: EPIPE, the end, and a close while somebody reads.
// Go: os/pipe_test.go (TestEPIPE, TestPipeEOF, TestCloseWithBlockingReadByNewFile, TestCloseWithBlockingReadByFd, TestPipeIOCloseRace,
//     TestPipeCloseRace), net/tcpsock_test.go (TestCopyPipeIntoTCP).  Room: tests/go.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/os.hpp"
#include "gmp/sync.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::pipe_test {
namespace {

using test::leaving_no_fds;
using test::until_parked;

// TestEPIPE: every write to a pipe whose reading end is closed gives EPIPE; none raises the signal.
TEST(GoOsPipe, Epipe) {
  leaving_no_fds([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    EXPECT_FALSE(r.close());
    for (int i = 0; i < 3; ++i) {
      const auto wrote = co_await w.write("hi");
      EXPECT_EQ(wrote.err, std::errc::broken_pipe);
      EXPECT_EQ(wrote.message(), "write |1: broken pipe");
    }
  });
}

// TestPipeEOF: a reader gets every line, one by one as they are written, and then the end.
TEST(GoOsPipe, PipeEof) {
  leaving_no_fds([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    constexpr int lines = 3;
    auto next = make_chan<int>();
    auto writer = spawn([w = std::move(w), next]() -> Task<> {
      while (auto i = co_await next.recv()) static_cast<void>((co_await w.write("line " + std::to_string(*i) + "\n")).value());
      EXPECT_FALSE(w.close());
    });
    io::BufReader reader{r};
    for (int i = 0; i < lines; ++i) {
      co_await next.send(i);
      const auto line = co_await reader.read_line();
      EXPECT_EQ(line.value(), "line " + std::to_string(i));
    }
    next.close();
    const auto end = co_await reader.read_line();
    EXPECT_EQ(end.err, errc::eof);
    co_await writer;
  });
}

Task<> close_ends_a_read(os::File r) {
  auto reader = spawn([r]() -> Task<Result<std::size_t>> {
    char buffer[10];
    co_return co_await r.read(buffer);
  });
  co_await until_parked(1);
  EXPECT_FALSE(r.close());
  const auto ended = co_await reader;
  EXPECT_EQ(ended.err, errc::file_closed);
  EXPECT_EQ(ended.get<0>(), 0u);
  co_await r.closed();
}

// TestCloseWithBlockingReadByFd: close() ends a read that waits, though its number was asked for; it stays non-blocking.
TEST(GoOsPipe, CloseWithBlockingReadByFd) {
  leaving_no_fds([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    EXPECT_GE(r.native_handle(), 0);
    co_await close_ends_a_read(r);
  });
}

// TestCloseWithBlockingReadByNewFile: nor does it matter that the pipe was the program's own, and blocking.
TEST(GoOsPipe, CloseWithBlockingReadByNewFile) {
  leaving_no_fds([]() -> Task<> {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const os::File w = os::from_fd(ends[1], "writer").value();
    co_await close_ends_a_read(os::from_fd(ends[0], "reader").value());
  });
}

// TestPipeIOCloseRace: read, write and close at once: each ends by data, the end, EPIPE or "file already closed", and nothing else.
TEST(GoOsPipe, PipeIoCloseRace) {
  leaving_no_fds([]() -> Task<> {
    for (int round = 0; round < test::scaled(100, 25); ++round) {
      auto [r, w, err] = os::pipe();
      WaitGroup done;
      done.go([w = w]() -> Task<> {
        while (true) {
          const auto wrote = co_await w.write("hi");
          if (!wrote.err) continue;
          EXPECT_TRUE(wrote.err == errc::closed || wrote.err == std::errc::broken_pipe) << wrote.message();
          break;
        }
      });
      done.go([r = r]() -> Task<> {
        char buffer[2];
        while (true) {
          const auto read = co_await r.read(buffer);
          if (!read.err) continue;
          EXPECT_TRUE(read.err == errc::closed || read.err == errc::eof) << read.message();
          break;
        }
      });
      done.go([r = r, w = w, round]() -> Task<> {
        for (int i = 0; i < round % 7; ++i) co_await yield();
        EXPECT_FALSE((round % 2 == 0 ? r : w).close());
        EXPECT_FALSE((round % 2 == 0 ? w : r).close());
      });
      co_await done.wait();
    }
  });
}

// TestCopyPipeIntoTCP (net/tcpsock_test.go): a pipe that is not ready when the copy begins, nor between its bytes, does not end it.
TEST(GoOsPipe, CopyPipeIntoTcp) {
  leaving_no_fds([]() -> Task<> {
    const test::ConnPair pair = co_await test::conn_pair();
    auto [r, w, err] = os::pipe();
    auto copier = spawn([to = pair.a, from = r]() -> Task<std::uint64_t> {
      const auto copied = co_await io::copy(to, from);
      to.close();
      co_return copied.value();
    });
    char byte[1];
    for (const char sent : {'1', '2'}) {
      co_await until_parked(1);
      static_cast<void>((co_await w.write(std::string_view(&sent, 1))).value());
      static_cast<void>((co_await io::read_full(pair.b, byte)).value());
      EXPECT_EQ(byte[0], sent);
    }
    w.close();
    const auto rest = co_await io::read_all(pair.b);
    EXPECT_EQ(rest.value(), "");
    const std::uint64_t n = co_await copier;
    EXPECT_EQ(n, 2u);
  });
}

// TestPipeCloseRace: of several that close one of them succeeds.
TEST(GoOsPipe, PipeCloseRace) {
  leaving_no_fds([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    int closed = 0, refused = 0;
    WaitGroup done;
    for (int i = 0; i < 4; ++i) {
      done.go([end = i % 2 == 0 ? r : w, &closed, &refused] { __atomic_fetch_add(end.close() == errc::file_closed ? &refused : &closed, 1, __ATOMIC_RELAXED); });
    }
    co_await done.wait();
    EXPECT_EQ(closed, 2);
    EXPECT_EQ(refused, 2);
  });
}

}  // namespace
}  // namespace gmp::pipe_test
