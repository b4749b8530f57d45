// tests/unit/io/buf_writer_test.cpp — io::BufWriter: what is held back, what goes when, and an error that stays.
// Go: bufio/bufio_test.go.  Room: io (floor 5).
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"
#include "unit/io/streams.hpp"

namespace gmp::buf_writer_test {
namespace {

using test::conn_pair;
using test::ConnPair;
using test::on_executor;
using test::Sink;

static_assert(std::is_same_v<decltype(io::BufWriter{std::declval<net::Conn&>()}), io::BufWriter<net::Conn>>);
static_assert(std::is_same_v<decltype(io::BufWriter{std::declval<Sink&>()}), io::BufWriter<Sink&>>);
static_assert(std::is_same_v<decltype(io::BufWriter{std::declval<Sink&>(), 10}), io::BufWriter<Sink&>>);

TEST(BufWriter, HoldsBackUntilFlush) {
  on_executor([]() -> Task<> {
    Sink sink;
    io::BufWriter writer{sink};
    for (const char* part : {"hello", ", ", "", "world"}) {
      const auto r = co_await writer.write(part);
      EXPECT_TRUE(r);
      EXPECT_EQ(r.get<0>(), std::string_view(part).size());
    }
    EXPECT_EQ(writer.buffered(), 12u);
    EXPECT_EQ(sink.writes(), 0);
    for (int i = 0; i < 2; ++i) {  // the second has nothing to do
      const std::error_code err = co_await writer.flush();
      EXPECT_FALSE(err);
      EXPECT_EQ(writer.buffered(), 0u);
      EXPECT_EQ(sink.taken(), "hello, world");
      EXPECT_EQ(sink.writes(), 1);
    }
    EXPECT_TRUE(writer.failure());
  });
}

TEST(BufWriter, AFullBufferGoesOut) {
  on_executor([]() -> Task<> {
    Sink sink;
    io::BufWriter writer{sink, 8};
    static_cast<void>((co_await writer.write("12345678")).value());  // fills it, and past it, as it is as large
    EXPECT_EQ(sink.taken(), "12345678");
    static_cast<void>((co_await writer.write("abcde")).value());
    static_cast<void>((co_await writer.write("fghij")).value());
    EXPECT_EQ(sink.taken(), "12345678abcdefgh");
    EXPECT_EQ(writer.buffered(), 2u);
    static_cast<void>((co_await writer.write("klmnopqrstuvwxyzKLMNOPQRSTUVWXYZ")).value());
    const std::error_code err = co_await writer.flush();
    EXPECT_FALSE(err);
    EXPECT_EQ(sink.taken(), "12345678abcdefghijklmnopqrstuvwxyzKLMNOPQRSTUVWXYZ");
  });
}

TEST(BufWriter, WhatIsAsLargeAsTheBufferGoesPastIt) {
  on_executor([]() -> Task<> {
    Sink sink;
    io::BufWriter writer{sink, 100};
    const std::string large = test::pattern(10'000, 1);
    static_cast<void>((co_await writer.write(large)).value());
    EXPECT_EQ(sink.writes(), 1);
    EXPECT_TRUE(sink.taken() == large);
    EXPECT_EQ(writer.buffered(), 0u);
  });
}

TEST(BufWriter, AnErrorStays) {
  on_executor([]() -> Task<> {
    Sink sink;
    sink.limit = 10;
    io::BufWriter writer{sink, 8};
    static_cast<void>((co_await writer.write("1234567")).value());
    const auto failed = co_await writer.write("89abcdefgh");
    EXPECT_EQ(failed.err, errc::closed);
    EXPECT_LT(failed.get<0>(), 10u);
    EXPECT_EQ(sink.taken(), "123456789a");
    const int writes = sink.writes();
    sink.limit = std::string::npos;  // it would go again; but what went before is not whole
    for (const char* more : {"more", ""}) {
      const auto r = co_await writer.write(more);
      EXPECT_EQ(r.err, errc::closed) << "'" << more << "'";
      EXPECT_EQ(r.get<0>(), 0u);
    }
    const std::error_code err = co_await writer.flush();
    EXPECT_EQ(err, errc::closed);
    EXPECT_EQ(writer.failure().err, errc::closed);
    EXPECT_EQ(sink.writes(), writes);
  });
}

TEST(BufWriter, AFlushThatFailsKeepsWhatDidNotGo) {
  on_executor([]() -> Task<> {
    Sink sink;
    sink.limit = 3;
    io::BufWriter writer{sink};
    static_cast<void>((co_await writer.write("12345")).value());
    const std::error_code err = co_await writer.flush();
    EXPECT_EQ(err, errc::closed);
    EXPECT_EQ(writer.buffered(), 2u);
    EXPECT_EQ(sink.taken(), "123");
  });
}

TEST(BufWriter, AStreamThatTakesLessWithoutAWordIsAShortWrite) {
  on_executor([]() -> Task<> {
    for (const std::size_t size : {4u, 100u}) {  // past the buffer, and out of it
      Sink sink;
      sink.most = 3;
      io::BufWriter writer{sink, size};
      static_cast<void>(co_await writer.write("12345"));
      const std::error_code err = co_await writer.flush();
      EXPECT_EQ(err, errc::short_write);
      EXPECT_EQ(err.message(), "short write");
    }
  });
}

TEST(BufWriter, ItsEndFlushesNothing) {
  on_executor([]() -> Task<> {
    Sink sink;
    {
      io::BufWriter writer{sink};
      static_cast<void>((co_await writer.write("lost")).value());
    }
    EXPECT_EQ(sink.taken(), "");
  });
}

TEST(BufWriter, OverAConnection) {
  on_executor([]() -> Task<> {
    std::mt19937_64 random(test::case_seed());
    const ConnPair pair = co_await conn_pair();
    const std::string bytes = test::pattern(static_cast<std::size_t>(test::scaled(8 << 20, 1 << 20)), test::case_seed());
    auto reader = spawn([conn = pair.b]() -> Task<std::string> { co_return (co_await io::read_all(conn)).value(); });
    io::BufWriter writer{pair.a};
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t n = std::min<std::size_t>(random() % (random() % 50 == 0 ? 1'000'000 : 3000), bytes.size() - at);
      const auto r = co_await writer.write(std::string_view(bytes).substr(at, n));
      EXPECT_EQ(r.get<0>(), n) << r.message();
      at += n;
      if (random() % 50 == 0) static_cast<void>(co_await writer.flush());
    }
    const std::error_code err = co_await writer.flush();
    EXPECT_FALSE(err);
    pair.a.close_write();
    const std::string got = co_await reader;
    EXPECT_TRUE(got == bytes);
    pair.a.close();
    static_cast<void>(co_await writer.write("x"));
    const std::error_code closed = co_await writer.flush();
    EXPECT_EQ(closed, errc::closed);
    EXPECT_TRUE(writer.failure().message().starts_with("write tcp ")) << writer.failure().message();
  });
}

}  // namespace
}  // namespace gmp::buf_writer_test
