// tests/unit/io/copy_test.cpp — io::read_full, read_all, copy: over connections and over streams of a user's making.
// Go: io/io_test.go.  Room: io (floor 5).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <chrono>
#include <string>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "gmp/os.hpp"
#include "net/splice.hpp"
#include "support/files.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"
#include "unit/io/streams.hpp"

namespace gmp::copy_test {
namespace {

using test::conn_pair;
using test::ConnPair;
using test::on_executor;
using test::Pieces;
using test::Sink;
using test::until_parked;

const std::error_code broken(static_cast<int>(std::errc::io_error), errno_category());

/// Until so many bytes have come and were not read.
Task<> until_unread(const net::Conn& conn, int n) {
  for (int unread = -1; unread != n;) {
    co_await yield();
    EXPECT_EQ(::ioctl(conn.native_handle(), FIONREAD, &unread), 0);
  }
}

TEST(ReadFull, FillsTheBuffer) {
  on_executor([]() -> Task<> {
    Pieces pieces("ab", "", "cde", "fgh");
    std::string buffer(6, '\0');
    const auto r = co_await io::read_full(pieces, buffer);
    EXPECT_EQ(r.get<0>(), 6u);
    EXPECT_TRUE(r);
    EXPECT_EQ(buffer, "abcdef");
    const auto none = co_await io::read_full(pieces, io::Buffer());
    EXPECT_TRUE(none);
    const auto rest = co_await io::read_full(pieces, io::Buffer(buffer.data(), 2));
    EXPECT_TRUE(rest);
  });
}

TEST(ReadFull, AnEndInTheMiddleIsUnexpected) {
  on_executor([]() -> Task<> {
    Pieces pieces("abc");
    std::string buffer(6, '\0');
    const auto r = co_await io::read_full(pieces, buffer);
    EXPECT_EQ(r.get<0>(), 3u);
    EXPECT_EQ(r.err, errc::unexpected_eof);
    EXPECT_EQ(r.message(), "unexpected EOF");
    const auto end = co_await io::read_full(pieces, buffer);
    EXPECT_EQ(end.get<0>(), 0u);
    EXPECT_EQ(end.err, errc::eof);
    EXPECT_EQ(end.message(), "EOF");
  });
}

TEST(ReadFull, AnErrorWithTheLastByteIsNone) {
  on_executor([]() -> Task<> {
    Pieces pieces(Pieces::Piece("abc", broken), Pieces::Piece("de", broken));
    std::string buffer(3, '\0');
    const auto full = co_await io::read_full(pieces, buffer);
    EXPECT_TRUE(full);
    const auto r = co_await io::read_full(pieces, buffer);
    EXPECT_EQ(r.get<0>(), 2u);
    EXPECT_EQ(r.err, broken);
  });
}

TEST(ReadFull, OverAConnectionTheMessageIsTheConnections) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    static_cast<void>((co_await pair.b.write("abc")).value());
    co_await until_unread(pair.a, 3);
    std::string buffer(6, '\0');
    auto reader = spawn([&]() -> Task<Result<std::size_t>> { co_return co_await io::read_full(pair.a, buffer); });
    co_await until_unread(pair.a, 0);
    pair.a.set_read_deadline(test::Clock::now());
    const auto late = co_await reader;
    EXPECT_EQ(late.get<0>(), 3u);
    EXPECT_EQ(late.err, errc::timeout);
    EXPECT_TRUE(late.message().starts_with("read tcp 127.0.0.1:")) << late.message();
    pair.a.set_read_deadline(time_point{});
    static_cast<void>((co_await pair.b.write("de")).value());
    pair.b.close();
    const auto cut = co_await io::read_full(pair.a, buffer);
    EXPECT_EQ(cut.get<0>(), 2u);
    EXPECT_EQ(cut.err, errc::unexpected_eof);
  });
}

TEST(ReadAll, ReadsToTheEnd) {
  on_executor([]() -> Task<> {
    for (const std::size_t size : {0u, 1u, 511u, 512u, 513u, 100'000u}) {
      const std::string bytes = test::pattern(size, size);
      Pieces pieces{std::vector<std::string>{bytes}};
      const auto r = co_await io::read_all(pieces);
      EXPECT_TRUE(r) << r.message();
      EXPECT_TRUE(r.get<0>() == bytes) << size;
    }
  });
}

TEST(ReadAll, AnErrorComesWithWhatCameBefore) {
  on_executor([]() -> Task<> {
    Pieces pieces("abc", Pieces::Piece("def", broken));
    const auto r = co_await io::read_all(pieces);
    EXPECT_EQ(r.get<0>(), "abcdef");
    EXPECT_EQ(r.err, broken);
    EXPECT_EQ(r.message(), "input/output error");
  });
}

TEST(Copy, CopiesToTheEnd) {
  on_executor([]() -> Task<> {
    for (const std::size_t size : {0u, 1u, 32'768u, 32'769u, 1'000'000u}) {
      const std::string bytes = test::pattern(size, size);
      Pieces pieces{std::vector<std::string>{bytes}};
      Sink sink;
      const auto r = co_await io::copy(sink, pieces);
      EXPECT_TRUE(r) << r.message();
      EXPECT_EQ(r.get<0>(), size);
      EXPECT_TRUE(sink.taken() == bytes);
    }
  });
}

TEST(Copy, TheErrorsOfBothSides) {
  on_executor([]() -> Task<> {
    Pieces broken_source("abc", Pieces::Piece("def", broken), "never");
    Sink sink;
    const auto source = co_await io::copy(sink, broken_source);
    EXPECT_EQ(source.get<0>(), 6u);
    EXPECT_EQ(source.err, broken);
    EXPECT_EQ(sink.taken(), "abcdef");

    Pieces pieces(std::string(100, 'x'));
    Sink small;
    small.limit = 70;
    const auto destination = co_await io::copy(small, pieces);
    EXPECT_EQ(destination.get<0>(), 70u);
    EXPECT_EQ(destination.err, errc::closed);

    Pieces more(std::string(100, 'x'));
    Sink silent;
    silent.most = 30;
    const auto shorter = co_await io::copy(silent, more);
    EXPECT_EQ(shorter.get<0>(), 30u);
    EXPECT_EQ(shorter.err, errc::short_write);
    EXPECT_EQ(shorter.message(), "short write");
  });
}

// One connection into another, as a proxy does; and readers and writers with buffers are streams, too.
TEST(Copy, FromConnectionToConnection) {
  on_executor([]() -> Task<> {
    const ConnPair in = co_await conn_pair();
    const ConnPair out = co_await conn_pair();
    const std::string bytes = test::pattern(static_cast<std::size_t>(test::scaled(8 << 20, 1 << 20)), test::case_seed());
    auto proxy = spawn([from = in.b, to = out.a]() -> Task<std::uint64_t> {
      const auto r = co_await io::copy(to, from);
      EXPECT_TRUE(r) << r.message();
      to.close();
      co_return r.get<0>();
    });
    auto sender = spawn([&bytes, conn = in.a]() -> Task<> {
      static_cast<void>((co_await conn.write(bytes)).value());
      conn.close();
    });
    io::BufReader reader{out.b};
    Sink sink;
    const auto r = co_await io::copy(sink, reader);
    EXPECT_TRUE(r) << r.message();
    EXPECT_TRUE(sink.taken() == bytes);
    const std::uint64_t n = co_await proxy;
    EXPECT_EQ(n, bytes.size());
    co_await sender;
  });
}

// ---- past user space

std::uint64_t moved() { return detail::moved_in_kernel.load(detail::relaxed); }

/// A stream in, a stream out, and what each pair of them is fed and tasted by.
struct Ends {
  Ends() noexcept {}
  net::Conn feed_conn, taste_conn;
  os::File feed_pipe, taste_pipe;
};

Task<> feed(const Ends& ends, const std::string& bytes) {
  if (ends.feed_conn) {
    static_cast<void>((co_await ends.feed_conn.write(bytes)).value());
    ends.feed_conn.close_write();
  } else if (ends.feed_pipe) {
    static_cast<void>((co_await ends.feed_pipe.write(bytes)).value());
    ends.feed_pipe.close();
  }
}
Task<std::string> taste(const Ends& ends) {
  if (ends.taste_conn) co_return (co_await io::read_all(ends.taste_conn)).value();
  if (ends.taste_pipe) co_return (co_await io::read_all(ends.taste_pipe)).value();
  co_return std::string();
}

/// Copies while it is fed and tasted: all of it arrives, and most of it never was here.
template <class To, class From>
Task<> expect_direct(To to, From from, const Ends& ends, const std::string& bytes, const char* what) {
  const std::uint64_t before = moved();
  auto feeder = spawn([&]() -> Task<> { co_await feed(ends, bytes); });
  auto taster = spawn([&]() -> Task<std::string> { co_return co_await taste(ends); });
  const Result<std::uint64_t> copied = co_await io::copy(to, from);
  EXPECT_TRUE(copied) << what << ": " << copied.message();
  EXPECT_EQ(copied.get<0>(), bytes.size()) << what;
  EXPECT_GE(moved() - before, bytes.size() / 2) << what;
  to.close();
  co_await feeder;
  const std::string tasted = co_await taster;
  EXPECT_TRUE(!(ends.taste_conn || ends.taste_pipe) || tasted == bytes) << what;
}

TEST(Copy, MuchGoesPastUserSpace) {
  const test::TempDir dir;
  test::leaving_no_fds([&]() -> Task<> {
    const std::string bytes = test::pattern(static_cast<std::size_t>(test::scaled(4 << 20, 1 << 20)) + 77, test::case_seed());
    const std::string path = dir.with("source", bytes);
    for (const char* network : {"tcp", "unix"}) {
      const std::string address = std::string(network) == "tcp" ? "127.0.0.1:0" : dir.path("socket");
      const ConnPair in = co_await conn_pair(network, address);
      const ConnPair out = co_await conn_pair(network, address);
      Ends ends;
      ends.feed_conn = in.a;
      ends.taste_conn = out.b;
      co_await expect_direct(out.a, in.b, ends, bytes, network);
    }
    {
      const ConnPair out = co_await conn_pair();
      const os::File source = (co_await os::open(path)).value();
      Ends ends;
      ends.taste_conn = out.b;
      co_await expect_direct(out.a, source, ends, bytes, "file to connection");
    }
    {
      const ConnPair out = co_await conn_pair();
      os::Pipe pipe = os::pipe();
      Ends ends;
      ends.feed_pipe = pipe.writer;
      ends.taste_conn = out.b;
      co_await expect_direct(out.a, pipe.reader, ends, bytes, "pipe to connection");
    }
    {
      const ConnPair in = co_await conn_pair();
      os::Pipe pipe = os::pipe();
      Ends ends;
      ends.feed_conn = in.a;
      ends.taste_pipe = pipe.reader;
      co_await expect_direct(pipe.writer, in.b, ends, bytes, "connection to pipe");
    }
    for (const int append : {0, O_APPEND}) {  // where splice is refused for what it would append
      const ConnPair in = co_await conn_pair();
      const std::string target = dir.path(append != 0 ? "appended" : "target");
      const os::File file = (co_await os::open(target, O_WRONLY | O_CREAT | append)).value();
      Ends ends;
      ends.feed_conn = in.a;
      auto feeder = spawn([&]() -> Task<> { co_await feed(ends, bytes); });
      const std::uint64_t before = moved();
      const auto copied = co_await io::copy(file, in.b);
      EXPECT_EQ(copied.value(), bytes.size());
      if (append == 0) {
        EXPECT_GE(moved() - before, bytes.size() / 2);
      }
      co_await feeder;
      const os::File back = (co_await os::open(target)).value();
      const auto written = co_await io::read_all(back);
      EXPECT_TRUE(written.value() == bytes) << append;
    }
  });
}

// Requests and answers are read and written; so is what is no descriptor.
TEST(Copy, LittleAtATimeAndPipesInMemoryDoNot) {
  test::leaving_no_fds([]() -> Task<> {
    const std::uint64_t before = moved();
    const ConnPair pair = co_await conn_pair();
    auto echo = spawn([conn = pair.b]() -> Task<std::uint64_t> { co_return (co_await io::copy(conn, conn)).value(); });
    std::string answer(1000, '\0');
    for (int i = 0; i < 20; ++i) {
      static_cast<void>((co_await pair.a.write(std::string(1000, static_cast<char>('a' + i)))).value());
      static_cast<void>((co_await io::read_full(pair.a, answer)).value());
      EXPECT_EQ(answer, std::string(1000, static_cast<char>('a' + i)));
    }
    pair.a.close_write();
    const std::uint64_t echoed = co_await echo;
    EXPECT_EQ(echoed, 20'000u);

    auto [a, b] = net::pipe();
    const std::string bytes = test::pattern(300'000, 5);
    auto feeder = spawn([a = a, &bytes]() -> Task<> {
      static_cast<void>((co_await a.write(bytes)).value());
      a.close();
    });
    Sink sink;
    const auto copied = co_await io::copy(sink, b);
    EXPECT_EQ(copied.value(), bytes.size());
    co_await feeder;
    EXPECT_EQ(moved(), before);
  });
}

// What ends a read or a write ends this: with the same errors, and a count of what was written.
TEST(Copy, PastUserSpaceTheErrorsAreTheSame) {
  test::leaving_no_fds([]() -> Task<> {
    const std::string bytes = test::pattern(1 << 20, test::case_seed());
    for (const int what : {0, 1, 2, 3}) {
      const ConnPair in = co_await conn_pair();
      const ConnPair out = co_await conn_pair();
      auto [ctx, cancel] = with_cancel(background());
      auto copier = spawn([from = in.b, to = out.a, ctx = ctx]() -> Task<Result<std::uint64_t>> { co_return co_await io::copy(to, from, ctx); });
      std::string got(bytes.size(), '\0');
      const std::uint64_t before = moved();
      auto feeder = spawn([conn = in.a, &bytes]() -> Task<> { static_cast<void>((co_await conn.write(bytes)).value()); });
      static_cast<void>((co_await io::read_full(out.b, got)).value());
      co_await feeder;
      EXPECT_TRUE(got == bytes);
      EXPECT_GT(moved() - before, 0u);
      co_await until_parked(1);  // for more to come
      switch (what) {
        case 0:
          in.b.close();
          break;
        case 1:
          in.b.set_read_deadline(test::Clock::now());
          break;
        case 2:
          cancel();
          break;
        default:  // the destination refuses: it is found out by what is written
          out.b.set_linger(std::chrono::seconds(0));
          out.b.close();
          out.a.close();
          static_cast<void>((co_await in.a.write("x")).value());
      }
      const auto copied = co_await copier;
      EXPECT_EQ(copied.get<0>(), bytes.size());
      EXPECT_EQ(copied.err, what == 1 ? errc::timeout : what == 2 ? errc::canceled : errc::closed) << what << copied.message();
      EXPECT_TRUE(copied.message().starts_with(what == 3 ? "write tcp " : "read tcp ")) << copied.message();
    }
  });
}

// A destination that takes nothing for a while, then goes: no more is counted than went.
TEST(Copy, ADestinationThatFailsInTheMiddle) {
  test::leaving_no_fds([]() -> Task<> {
    const ConnPair in = co_await conn_pair();
    auto [r, w, err] = os::pipe();
    auto feeder = spawn([conn = in.a]() -> Task<> {
      const std::string bytes = test::pattern(16 << 20, 1);
      static_cast<void>(co_await conn.write(bytes));  // it may be cut off
    });
    auto copier = spawn([from = in.b, to = w]() -> Task<Result<std::uint64_t>> { co_return co_await io::copy(to, from); });
    std::string got(400'000, '\0');
    static_cast<void>((co_await io::read_full(r, got)).value());
    co_await until_parked(2);  // both pipes are full, and the connection
    r.close();
    const auto copied = co_await copier;
    EXPECT_EQ(copied.err, std::errc::broken_pipe);
    EXPECT_EQ(copied.message(), "write |1: broken pipe");
    EXPECT_GE(copied.get<0>(), got.size());
    in.b.close();
    co_await feeder;
  });
}

// ---- within a context

TEST(WithinAContext, WhatIsParkedIsGivenUp) {
  test::leaving_no_fds([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    std::string buffer(6, '\0');
    auto [soon, cancel_soon] = with_timeout(background(), std::chrono::milliseconds(10));
    const auto late = co_await io::read_full(pair.a, buffer, soon);
    EXPECT_EQ(late.get<0>(), 0u);
    EXPECT_EQ(late.err, errc::deadline_exceeded);
    static_cast<void>((co_await pair.b.write("abc")).value());
    co_await until_unread(pair.a, 3);
    auto [halfway, cancel_halfway] = with_cancel(background());
    auto filler = spawn([&buffer, conn = pair.a, ctx = halfway]() -> Task<Result<std::size_t>> { co_return co_await io::read_full(conn, buffer, ctx); });
    co_await until_unread(pair.a, 0);
    cancel_halfway();
    const auto full = co_await filler;
    EXPECT_EQ(full.get<0>(), 3u);
    EXPECT_EQ(full.err, errc::canceled);
    static_cast<void>((co_await pair.b.write("def")).value());
    co_await until_unread(pair.a, 3);
    auto [ctx, cancel] = with_cancel(background());
    auto reader = spawn([conn = pair.a, ctx = ctx]() -> Task<Result<std::string>> { co_return co_await io::read_all(conn, ctx); });
    co_await until_unread(pair.a, 0);
    cancel();
    const auto all = co_await reader;
    EXPECT_EQ(all.get<0>(), "def");
    EXPECT_EQ(all.err, errc::canceled);
    Sink sink;
    const auto too_late = co_await io::copy(sink, pair.a, ctx);
    EXPECT_EQ(too_late.err, errc::canceled);
    EXPECT_EQ(too_late.get<0>(), 0u);
  });
}

TEST(WithinAContext, ATaskIsNotBegunTooLate) {
  on_executor([]() -> Task<> {
    auto [ctx, cancel] = with_cancel(background());
    Pieces pieces("abc", "def");
    std::string buffer(3, '\0');
    const auto full = co_await io::read_full(pieces, buffer, ctx);
    EXPECT_TRUE(full) << full.message();
    cancel();
    const auto all = co_await io::read_all(pieces, ctx);
    EXPECT_EQ(all.err, errc::canceled);
    const auto rest = co_await io::read_all(pieces, background());
    EXPECT_EQ(rest.value(), "def");
  });
}

TEST(Copy, ThroughBuffers) {
  on_executor([]() -> Task<> {
    const std::string bytes = test::pattern(200'000, 3);
    Pieces pieces{std::vector<std::string>{bytes}};
    io::BufReader reader{pieces, 100};
    Sink sink;
    io::BufWriter writer{sink, 1000};
    const auto r = co_await io::copy(writer, reader);
    EXPECT_EQ(r.get<0>(), bytes.size()) << r.message();
    const std::error_code err = co_await writer.flush();
    EXPECT_FALSE(err);
    EXPECT_TRUE(sink.taken() == bytes);
  });
}

}  // namespace
}  // namespace gmp::copy_test
