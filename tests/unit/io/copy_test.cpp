// tests/unit/io/copy_test.cpp — io::read_full, read_all, copy: over connections and over streams of a user's making.
// Go: io/io_test.go.  Room: io (floor 5).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"
#include "unit/io/streams.hpp"

namespace gmp {
namespace {

using test::conn_pair;
using test::ConnPair;
using test::on_executor;
using test::Pieces;
using test::Sink;

const std::error_code broken(static_cast<int>(std::errc::io_error), errno_category());

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
    pair.a.set_read_deadline(test::Clock::now() + std::chrono::milliseconds(20));
    std::string buffer(6, '\0');
    const auto late = co_await io::read_full(pair.a, buffer);
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
}  // namespace gmp
