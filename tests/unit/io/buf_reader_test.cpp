// tests/unit/io/buf_reader_test.cpp — io::BufReader: lines, delimiters, peeks and skips, whatever pieces the stream comes in.
// Go: bufio/bufio_test.go, bufio/scan_test.go.  Room: io (floor 5).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <stdexcept>
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

namespace gmp::buf_reader_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::conn_pair;
using test::ConnPair;
using test::on_executor;
using test::Pieces;

const std::error_code broken(static_cast<int>(std::errc::io_error), errno_category());

/// What a call gave: its text, or the text and the error.
template <class T>
std::string told(const Result<T>& r) {
  std::string text(r.template get<0>());
  if (!r) text += "<" + r.message() + ">";
  return text;
}

/// All lines, then what ended them.
template <class R>
Task<std::vector<std::string>> lines_of(R& reader) {
  std::vector<std::string> lines;
  for (;;) {
    const auto r = co_await reader.read_line();
    lines.push_back(told(r));
    if (!r) co_return lines;
  }
}

using Lines = std::vector<std::string>;

TEST(BufReader, LinesWithoutTheirEnds) {
  on_executor([]() -> Task<> {
    Pieces pieces("one\ntwo\r\n\n\r\na\rb\n\rc\r\r\nlast");
    io::BufReader reader{pieces};
    const Lines lines = co_await lines_of(reader);
    EXPECT_EQ(lines, (Lines{"one", "two", "", "", "a\rb", "\rc\r", "last", "<EOF>"}));
  });
}

TEST(BufReader, TheLastLineMayLackItsEnd) {
  on_executor([]() -> Task<> {
    for (const auto& [text, expected] : std::vector<std::pair<std::string, Lines>>{
             {"", {"<EOF>"}}, {"\n", {"", "<EOF>"}}, {"a", {"a", "<EOF>"}}, {"a\n", {"a", "<EOF>"}}, {"a\r", {"a", "<EOF>"}}, {"a\n\n", {"a", "", "<EOF>"}}}) {
      Pieces pieces{std::vector<std::string>{text}};
      io::BufReader reader{pieces};
      const Lines lines = co_await lines_of(reader);
      EXPECT_EQ(lines, expected);
      const auto again = co_await reader.read_line();  // the end stays the end
      EXPECT_EQ(told(again), "<EOF>");
    }
  });
}

TEST(BufReader, WhereverTheStreamIsSplit) {
  on_executor([]() -> Task<> {
    const std::string text = "first\r\nsecond line\n\nx\r\nlonger than the smallest buffer\nlast";
    const Lines expected = {"first", "second line", "", "x", "longer than the smallest buffer", "last", "<EOF>"};
    for (std::size_t at = 0; at <= text.size(); ++at) {
      Pieces pieces(text.substr(0, at), text.substr(at));
      io::BufReader reader{pieces, 16};
      const Lines lines = co_await lines_of(reader);
      EXPECT_EQ(lines, expected) << at;
    }
    for (std::size_t piece = 1; piece < 20; ++piece) {
      std::vector<std::string> all;
      for (std::size_t at = 0; at < text.size(); at += piece) all.push_back(text.substr(at, piece));
      Pieces pieces(all);
      io::BufReader reader{pieces, 16};
      const Lines lines = co_await lines_of(reader);
      EXPECT_EQ(lines, expected) << piece;
    }
  });
}

TEST(BufReader, ALineMayBeAsLongAsTheLimitAndNoLonger) {
  on_executor([]() -> Task<> {
    const std::string fits(99, 'x');
    Pieces pieces(fits + "\n" + fits + "yz\nafter\n");
    io::BufReader reader{pieces, 16, 100};
    const auto first = co_await reader.read_line();
    EXPECT_EQ(told(first), fits);
    for (int i = 0; i < 2; ++i) {  // nothing is taken: it may be asked for again, or read in another way
      const auto full = co_await reader.read_line();
      EXPECT_EQ(full.err, errc::buffer_full);
      EXPECT_EQ(told(full), "<bufio: buffer full>");
      EXPECT_EQ(reader.buffered(), 100u);
    }
    const auto skipped = co_await reader.discard(100);
    EXPECT_EQ(skipped.get<0>(), 100u);
    const auto rest = co_await reader.read_line();
    EXPECT_EQ(told(rest), "z");
    const auto after = co_await reader.read_line();
    EXPECT_EQ(told(after), "after");
  });
}

// What a search that failed had looked at tells nothing of other bytes.
TEST(BufReader, ASearchThatFailedLeavesNoMark) {
  on_executor([]() -> Task<> {
    Pieces pieces("aaaa;aaaaaaaaaaa", "b\nc\n");
    io::BufReader reader{pieces, 16, 16};
    const auto line = co_await reader.read_line();
    EXPECT_EQ(line.err, errc::buffer_full);
    const auto other = co_await reader.read_until(';');
    EXPECT_EQ(told(other), "aaaa;");
    const auto next = co_await reader.read_line();
    EXPECT_EQ(told(next), "aaaaaaaaaaab");
  });
}

TEST(BufReader, ReadUntilGivesTheDelimiterToo) {
  on_executor([]() -> Task<> {
    Pieces pieces("a,bb,", ",ccc", "c,rest");
    io::BufReader reader{pieces};
    for (const char* expected : {"a,", "bb,", ",", "cccc,", "rest<EOF>", "<EOF>"}) {
      const auto r = co_await reader.read_until(',');
      EXPECT_EQ(told(r), expected);
    }
  });
}

TEST(BufReader, PeekTakesNothing) {
  on_executor([]() -> Task<> {
    Pieces pieces("0123456789abcdef", "ghij");
    io::BufReader reader{pieces, 16, 32};
    const auto none = co_await reader.peek(0);
    EXPECT_EQ(told(none), "");
    EXPECT_EQ(pieces.reads(), 0);
    for (int i = 0; i < 2; ++i) {
      const auto some = co_await reader.peek(4);
      EXPECT_EQ(told(some), "0123");
    }
    EXPECT_EQ(reader.buffered(), 16u);
    const auto all = co_await reader.peek(20);  // more than the buffer has: it grows
    EXPECT_EQ(told(all), "0123456789abcdefghij");
    const auto beyond = co_await reader.peek(21);
    EXPECT_EQ(told(beyond), "0123456789abcdefghij<EOF>");
    const auto too_much = co_await reader.peek(33);
    EXPECT_EQ(too_much.err, errc::buffer_full);
    EXPECT_EQ(too_much.get<0>().size(), 20u);
    std::string got(100, '\0');
    const auto read = co_await reader.read(got);
    EXPECT_EQ(read.get<0>(), 20u);
    const auto end = co_await reader.peek(1);
    EXPECT_EQ(told(end), "<EOF>");
  });
}

TEST(BufReader, ReadGivesWhatIsThereAndReadsAtMostOnce) {
  on_executor([]() -> Task<> {
    Pieces pieces("abcdef", "ghi");
    io::BufReader reader{pieces};
    char buffer[4];
    const auto none = co_await reader.read(io::Buffer());
    EXPECT_TRUE(none);
    EXPECT_EQ(pieces.reads(), 0);
    for (const char* expected : {"abcd", "ef", "ghi"}) {
      const auto r = co_await reader.read(buffer);
      EXPECT_EQ(std::string_view(buffer, r.get<0>()), expected);
    }
    EXPECT_EQ(pieces.reads(), 2);
    const auto end = co_await reader.read(buffer);
    EXPECT_EQ(end.err, errc::eof);
  });
}

TEST(BufReader, AReadAsLargeAsTheBufferGoesPastIt) {
  on_executor([]() -> Task<> {
    const std::string bytes = test::pattern(1'000'000, test::case_seed());
    Pieces pieces{std::vector<std::string>{bytes}};
    io::BufReader reader{pieces, 1024};
    std::string got;
    std::string buffer(5000, '\0');  // 200 reads and more: each is one, none is a read of nothing
    for (;;) {
      const auto r = co_await reader.read(buffer);
      got.append(buffer, 0, r.get<0>());
      if (r) continue;
      EXPECT_EQ(r.err, errc::eof) << r.message();
      break;
    }
    EXPECT_TRUE(got == bytes);
    EXPECT_EQ(pieces.largest(), 5000u);
  });
}

TEST(BufReader, DiscardSkips) {
  on_executor([]() -> Task<> {
    Pieces pieces(std::string(100'000, '.'), "x");
    io::BufReader reader{pieces, 16, 64};
    const auto none = co_await reader.discard(0);
    EXPECT_TRUE(none);
    const auto many = co_await reader.discard(100'000);  // more than it may ever hold
    EXPECT_EQ(many.get<0>(), 100'000u);
    EXPECT_TRUE(many);
    const auto beyond = co_await reader.discard(5);
    EXPECT_EQ(beyond.get<0>(), 1u);
    EXPECT_EQ(beyond.err, errc::eof);
  });
}

TEST(BufReader, AnErrorComesAfterTheBytesBeforeItAndOnce) {
  on_executor([]() -> Task<> {
    Pieces pieces(Pieces::Piece("line\nhalf", broken), "way\n");
    io::BufReader reader{pieces};
    const auto line = co_await reader.read_line();
    EXPECT_EQ(told(line), "line");
    const auto failed = co_await reader.read_line();
    EXPECT_EQ(told(failed), "<input/output error>");
    EXPECT_EQ(reader.buffered(), 4u);
    const auto whole = co_await reader.read_line();  // nothing was lost
    EXPECT_EQ(told(whole), "halfway");
    const auto end = co_await reader.read_line();
    EXPECT_EQ(told(end), "<EOF>");
  });
}

TEST(BufReader, AStreamThatGivesNothingForEverIsAnError) {
  on_executor([]() -> Task<> {
    Pieces pieces{std::vector<std::string>(150, "")};
    io::BufReader reader{pieces};
    const auto line = co_await reader.read_line();
    EXPECT_EQ(line.err, errc::no_progress);
    EXPECT_EQ(told(line), "<multiple Read calls return no data or error>");
    pieces.push("x\n");
    const auto after = co_await reader.read_line();
    EXPECT_EQ(told(after), "x");
  });
}

TEST(BufReader, AStreamThatAlwaysHasMoreLeavesTimeForOthers) {
  struct Endless {
    Task<Result<std::size_t>> read(std::span<std::byte> buffer) {
      std::memset(buffer.data(), '\n', buffer.size());
      co_return Result<std::size_t>(buffer.size());
    }
  };
  on_executor([]() -> Task<> {
    Endless endless;
    io::BufReader reader{endless};
    std::atomic<bool> ran{false};
    go([&ran] { ran.store(true); });
    while (!ran.load()) {  // else the watchdog ends it
      const auto line = co_await reader.read_line();
      EXPECT_TRUE(line);
    }
  });
}

TEST(BufReader, AnExceptionOfTheStreamPassesThroughAndLosesNothing) {
  struct Thrower {
    explicit Thrower(Pieces& p) : pieces(p) {}
    Task<Result<std::size_t>> read(std::span<std::byte> buffer) {
      if (++reads == 2) throw std::runtime_error("thrown");
      co_return co_await pieces.read(buffer);
    }
    Pieces& pieces;
    int reads = 0;
  };
  on_executor([]() -> Task<> {
    Pieces pieces("half", "\nway\n");
    Thrower thrower(pieces);
    io::BufReader reader{thrower};
    std::string what;
    try {
      static_cast<void>(co_await reader.read_line());
    } catch (const std::runtime_error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "thrown");
    std::string two(2, '\0');
    const auto n = co_await reader.read(two);
    EXPECT_EQ(n.get<0>(), 2u);
    const auto peeked = co_await reader.peek(6);
    EXPECT_EQ(told(peeked), "lf\nway");
    const auto rest = co_await reader.read_line();
    EXPECT_EQ(told(rest), "lf");
    const auto next = co_await reader.read_line();
    EXPECT_EQ(told(next), "way");
  });
}

// How a stream is kept: a handle is copied, an lvalue used in place, an rvalue moved in.
// An operation, of any stream: no frame for what the buffer has.
static_assert(detail::Operation<decltype(std::declval<io::BufReader<Pieces&>&>().read_line())>);

static_assert(std::is_same_v<decltype(io::BufReader{std::declval<net::Conn&>()}), io::BufReader<net::Conn>>);
static_assert(std::is_same_v<decltype(io::BufReader{std::declval<const net::Conn&>()}), io::BufReader<net::Conn>>);
static_assert(std::is_same_v<decltype(io::BufReader{std::declval<net::Conn>()}), io::BufReader<net::Conn>>);
static_assert(std::is_same_v<decltype(io::BufReader{std::declval<Pieces&>()}), io::BufReader<Pieces&>>);
static_assert(std::is_same_v<decltype(io::BufReader{std::declval<test::SharedPieces&>()}), io::BufReader<test::SharedPieces>>);
struct Movable {
  Task<Result<std::size_t>> read(std::span<std::byte> buffer) {
    std::fill(buffer.begin(), buffer.end(), std::byte{'m'});
    co_return Result<std::size_t>(buffer.size());
  }
  std::unique_ptr<int> only_moved;
};
static_assert(std::is_same_v<decltype(io::BufReader{std::declval<Movable>()}), io::BufReader<Movable>>);
static_assert(std::is_same_v<decltype(io::BufReader{std::declval<Movable&>(), 10, 20}), io::BufReader<Movable&>>);

TEST(BufReader, KeepsHandlesAndRvaluesAndUsesLvaluesInPlace) {
  on_executor([]() -> Task<> {
    io::BufReader moved_in{Movable()};
    const auto m = co_await moved_in.peek(3);
    EXPECT_EQ(told(m), "mmm");
    Pieces pieces("shared\n");
    io::BufReader shared{test::SharedPieces(pieces)};
    const auto line = co_await shared.read_line();
    EXPECT_EQ(told(line), "shared");
    EXPECT_GT(pieces.reads(), 0);

    ConnPair pair = co_await conn_pair();
    io::BufReader reader{pair.a};
    EXPECT_EQ(reader.stream(), pair.a);
    pair.a = net::Conn();  // its own handle keeps the connection
    static_cast<void>((co_await pair.b.write("kept\n")).value());
    const auto kept = co_await reader.read_line();
    EXPECT_EQ(told(kept), "kept");
  });
}

TEST(BufReader, ReadersStackOnReaders) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    io::BufReader inner{pair.a, 64};
    io::BufReader<io::BufReader<net::Conn>&> outer{inner, 16};
    auto writer = spawn([conn = pair.b]() -> Task<> {
      for (const char* part : {"on", "e\ntw", "o\nthree", " and a line that is longer than that\n"}) {
        static_cast<void>((co_await conn.write(part)).value());
        co_await sleep(1ms);
      }
      conn.close();
    });
    const Lines lines = co_await lines_of(outer);
    EXPECT_EQ(lines, (Lines{"one", "two", "three and a line that is longer than that", "<EOF>"}));
    co_await writer;
  });
}

TEST(BufReader, OverAConnectionATimeoutLosesNothing) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    io::BufReader reader{pair.a};
    static_cast<void>((co_await pair.b.write("half")).value());
    pair.a.set_read_deadline(Clock::now() + 5ms);
    const auto late = co_await reader.read_line();
    EXPECT_EQ(late.err, errc::timeout);
    EXPECT_TRUE(late.message().starts_with("read tcp ")) << late.message();
    pair.a.set_read_deadline(time_point{});
    static_cast<void>((co_await pair.b.write("way\n")).value());
    const auto line = co_await reader.read_line();
    EXPECT_EQ(told(line), "halfway");
    auto parked = spawn([&reader]() -> Task<std::string> { co_return told(co_await reader.read_line()); });
    co_await test::until_parked(1);
    pair.a.close();
    const std::string closed = co_await parked;
    EXPECT_TRUE(closed.ends_with(": use of closed network connection>")) << closed;
  });
}

// Every call there is, at random, over a connection, against the text itself.
TEST(BufReader, RandomCallsGiveTheBytesInOrder) {
  on_executor([]() -> Task<> {
    std::mt19937_64 random(test::case_seed());
    for (std::int64_t round = test::scaled(20, 4); round > 0; --round) {
      const ConnPair pair = co_await conn_pair();
      std::string text;
      for (int i = 0; i < 500; ++i) text += std::string(random() % 60, static_cast<char>('a' + i % 26)) + (random() % 3 == 0 ? "\r\n" : "\n");
      auto writer = spawn([conn = pair.b, &text, seed = random()]() -> Task<> {
        std::mt19937_64 dice(seed);
        for (std::size_t at = 0; at < text.size();) {
          const std::size_t n = std::min<std::size_t>(1 + dice() % 2000, text.size() - at);
          static_cast<void>((co_await conn.write(std::string_view(text).substr(at, n))).value());
          at += n;
          if (dice() % 8 == 0) co_await yield();
        }
        conn.close();
      });
      io::BufReader reader{pair.a, 16 + random() % 200};
      std::string_view left = text;
      std::string buffer(300, '\0');
      bool right = true;
      for (bool more = true; more;) {
        std::error_code err;
        switch (random() % 5) {
          case 0: {
            const auto r = co_await reader.read_line();
            const std::string_view line = r.get<0>();
            right = right && left.starts_with(line);
            left.remove_prefix(line.size());
            if (r) left.remove_prefix(left.starts_with("\r\n") ? 2 : left.starts_with("\n") ? 1 : 0);
            err = r.err;
            break;
          }
          case 1: {
            const auto r = co_await reader.read_until('m');
            right = right && left.starts_with(r.get<0>());
            left.remove_prefix(r.get<0>().size());
            err = r.err;
            break;
          }
          case 2: {
            const auto r = co_await reader.peek(random() % 100);
            right = right && left.starts_with(r.get<0>());
            break;
          }
          case 3: {
            const auto r = co_await reader.read(io::Buffer(buffer.data(), 1 + random() % 300));
            right = right && left.starts_with(std::string_view(buffer).substr(0, r.get<0>()));
            left.remove_prefix(r.get<0>());
            err = r.err;
            break;
          }
          default: {
            const auto r = co_await reader.discard(random() % 100);
            left.remove_prefix(std::min(r.get<0>(), left.size()));
            err = r.err;
          }
        }
        more = right && !err;
        EXPECT_TRUE(!err || err == errc::eof) << err.message();
      }
      EXPECT_TRUE(right);
      EXPECT_EQ(left, "");
      co_await writer;
    }
  });
}

}  // namespace
}  // namespace gmp::buf_reader_test
