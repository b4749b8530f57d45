// tests/unit/net/pipe_test.cpp — net::pipe: bytes go from hand to hand, nothing is kept between, and each end ends as a connection does.
// Go: net/pipe_test.go, golang.org/x/net/nettest (TestConn).  Room: net (floor 5).
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/child.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::pipe_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::on_executor;
using test::read_once;
using test::until_parked;

Task<Result<std::size_t>> write_once(net::Conn conn, std::string data = "data") { co_return co_await conn.write(data); }

TEST(Pipe, AWriteEndsWhenAllOfItWasRead) {
  on_executor([]() -> Task<> {
    auto [a, b] = net::pipe();
    EXPECT_TRUE(a);
    EXPECT_EQ(a.native_handle(), -1);
    EXPECT_FALSE(a.local_addr());
    auto writer = spawn(write_once(a, "0123456789"));
    co_await until_parked(1);
    char buffer[4];
    for (const std::string_view part : {"0123", "4567"}) {
      const auto r = co_await b.read(buffer);
      EXPECT_EQ(std::string_view(buffer, r.value()), part);
      EXPECT_FALSE(writer.done());
    }
    const auto last = co_await b.read(buffer);
    EXPECT_EQ(std::string_view(buffer, last.value()), "89");
    const auto wrote = co_await writer;
    EXPECT_EQ(wrote.value(), 10u);
  });
}

TEST(Pipe, AReaderThatWaitsTakesWhatComes) {
  on_executor([]() -> Task<> {
    auto [a, b] = net::pipe();
    auto reader = spawn(read_once(b));
    co_await until_parked(1);
    const auto wrote = co_await a.write("all at once");
    EXPECT_EQ(wrote.value(), 11u);
    const auto read = co_await reader;
    EXPECT_EQ(read.value(), 11u);
    const auto nothing = co_await a.write("");  // nobody reads: and nobody has to
    EXPECT_TRUE(nothing);
    const auto no_room = co_await b.read(io::Buffer());
    EXPECT_TRUE(no_room);
  });
}

TEST(Pipe, CloseEndsBothEnds) {
  on_executor([]() -> Task<> {
    for (const bool by_thread : {false, true}) {
      auto [a, b] = net::pipe();
      auto reader = spawn(read_once(a));
      auto writer = spawn(write_once(a));
      auto peer_reader = spawn(read_once(b));  // takes what the writer had
      const auto wrote = co_await writer;
      EXPECT_TRUE(wrote);
      const auto took = co_await peer_reader;
      EXPECT_EQ(took.value(), 4u);
      auto late_reader = spawn(read_once(b));
      co_await until_parked(2);
      const auto close = [conn = a] { EXPECT_FALSE(conn.close()); };
      if (by_thread)
        std::thread(close).join();
      else
        close();
      const auto read = co_await reader;
      EXPECT_EQ(read.err, errc::closed);
      EXPECT_EQ(read.message(), "read pipe: use of closed network connection");
      const auto end = co_await late_reader;
      EXPECT_EQ(end.err, errc::eof);
      co_await a.closed();
      EXPECT_EQ(a.close(), errc::closed);
      const auto refused = co_await b.write("x");
      EXPECT_EQ(refused.err, errc::closed_pipe);
      EXPECT_EQ(refused.err.message(), "io: read/write on closed pipe");
      const auto own = co_await a.write("x");
      EXPECT_EQ(own.err, errc::closed);
      EXPECT_FALSE(b.close());
    }
  });
}

TEST(Pipe, AParkedWriterLearnsHowMuchWent) {
  on_executor([]() -> Task<> {
    enum class How { peer_closes, peer_closes_read, own_close, deadline };
    for (const How how : {How::peer_closes, How::peer_closes_read, How::own_close, How::deadline}) {
      auto [a, b] = net::pipe();
      auto writer = spawn(write_once(a, "0123456789"));
      char buffer[3];
      static_cast<void>((co_await b.read(buffer)).value());
      co_await until_parked(1);
      const std::error_code ended = how == How::peer_closes        ? b.close()
                                    : how == How::peer_closes_read ? b.close_read()
                                    : how == How::own_close        ? a.close()
                                                                   : a.set_write_deadline(Clock::now() + 1ms);
      EXPECT_FALSE(ended);
      const auto wrote = co_await writer;
      EXPECT_EQ(wrote.get<0>(), 3u);
      EXPECT_EQ(wrote.err, how == How::own_close ? errc::closed : how == How::deadline ? errc::timeout : errc::closed_pipe) << wrote.message();
    }
  });
}

TEST(Pipe, HalfCloseBothWays) {
  on_executor([]() -> Task<> {
    auto [a, b] = net::pipe();
    EXPECT_FALSE(a.close_write());
    const auto end = co_await read_once(b);
    EXPECT_EQ(end.err, errc::eof);
    const auto own = co_await a.write("x");
    EXPECT_EQ(own.err, errc::closed_pipe);
    auto writer = spawn(write_once(b, "back"));
    const auto back = co_await read_once(a);
    EXPECT_EQ(back.value(), 4u);
    const auto wrote = co_await writer;
    EXPECT_TRUE(wrote);
    EXPECT_FALSE(a.close_read());
    const auto refused = co_await b.write("x");
    EXPECT_EQ(refused.err, errc::closed_pipe);
    const auto read = co_await read_once(a);
    EXPECT_EQ(read.err, errc::eof);
  });
}

TEST(Pipe, DeadlinesPastPresentAndMoved) {
  on_executor([]() -> Task<> {
    auto [a, b] = net::pipe();
    a.set_deadline(Clock::now());
    const auto read = co_await read_once(a);
    EXPECT_EQ(read.err, errc::timeout);
    EXPECT_EQ(read.message(), "read pipe: i/o timeout");
    const auto wrote = co_await a.write("x");
    EXPECT_EQ(wrote.err, errc::timeout);
    a.set_deadline(time_point{});

    auto reader = spawn(read_once(a));
    co_await until_parked(1);
    a.set_read_deadline(Clock::now() + 1h);
    const auto when = Clock::now() + 10ms;
    a.set_read_deadline(when);  // earlier
    const auto late = co_await reader;
    EXPECT_EQ(late.err, errc::timeout);
    EXPECT_GE(Clock::now(), when);

    const auto first = Clock::now() + 30ms;
    a.set_read_deadline(first);
    auto patient = spawn(read_once(a));
    a.set_read_deadline(time_point{});  // never
    const bool in_time = Clock::now() < first;
    co_await sleep_until(first + 10ms);
    EXPECT_TRUE(!in_time || !patient.done());
    static_cast<void>(co_await timeout(10s, b.write("x")));
    const auto got = co_await patient;
    EXPECT_TRUE(!in_time || got) << got.message();
  });
}

TEST(Pipe, WritersAndReadersGetTheirTurns) {
  on_executor([]() -> Task<> {
    auto [a, b] = net::pipe();
    std::vector<JoinHandle<Result<std::size_t>>> writers;
    for (int i = 0; i < 4; ++i) {
      writers.push_back(spawn(write_once(a, std::string(100, static_cast<char>('a' + i)))));
      co_await until_parked(i + 1);
    }
    std::string all(400, '\0');
    const auto r = co_await io::read_full(b, all);
    EXPECT_TRUE(r) << r.message();
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(all.substr(i * 100, 100), std::string(100, static_cast<char>('a' + i)));
    for (auto& writer : writers) {
      const auto wrote = co_await writer;
      EXPECT_EQ(wrote.value(), 100u);
    }
  });
}

// Both ways at once, in pieces of random sizes, by as many Ps as there are: the same bytes in the same order.
TEST(Pipe, CarriesBytesWholeAndInOrder) {
  on_executor([]() -> Task<> {
    auto [a, b] = net::pipe();
    const std::size_t size = static_cast<std::size_t>(test::scaled(2'000'000, 100'000));
    const std::uint64_t seed = test::case_seed();
    const auto send = [&](net::Conn conn, std::uint64_t mine) -> Task<> {
      const std::string data = test::pattern(size, mine);
      std::mt19937_64 random(mine);
      for (std::size_t at = 0; at < size;) {
        const std::size_t n = std::min<std::size_t>(random() % 5'000, size - at);
        const auto wrote = co_await conn.write(std::string_view(data).substr(at, n));
        at += wrote.value();
      }
      EXPECT_FALSE(conn.close_write());
    };
    const auto receive = [&](net::Conn conn, std::uint64_t theirs) -> Task<> {
      std::mt19937_64 random(theirs ^ 1);
      std::string data, buffer;
      for (;;) {
        buffer.resize(1 + random() % 5'000);
        const auto r = co_await conn.read(buffer);
        if (!r) {
          EXPECT_EQ(r.err, errc::eof);
          break;
        }
        data.append(buffer, 0, r.get<0>());
      }
      EXPECT_TRUE(data == test::pattern(size, theirs));
    };
    std::vector<JoinHandle<void>> gs;
    gs.push_back(spawn(send, a, seed));
    gs.push_back(spawn(send, b, seed + 1));
    gs.push_back(spawn(receive, a, seed + 1));
    gs.push_back(spawn(receive, b, seed));
    for (auto& g : gs) co_await g;
  });
}

// What until() gave up counts: each byte is read once, whatever was given up on either side.
TEST(Pipe, GivenUpOperationsLoseNoByte) {
  on_executor([]() -> Task<> {
    auto [a, b] = net::pipe();
    const std::size_t size = static_cast<std::size_t>(test::scaled(200'000, 20'000));
    const std::string data = test::pattern(size, test::case_seed());
    std::size_t written = 0, given_up_writes = 0, given_up_reads = 0;
    auto writer = spawn([&, conn = a]() -> Task<> {
      while (written < size) {
        const auto r = co_await timeout(20us, conn.write(std::string_view(data).substr(written, 3'000)));
        written += r.get<0>();
        if (!r) {
          EXPECT_EQ(r.err, errc::deadline_exceeded) << r.message();
          ++given_up_writes;
        }
      }
      EXPECT_FALSE(conn.close());
    });
    std::string got, buffer(700, '\0');
    for (;;) {
      const auto r = co_await timeout(20us, b.read(buffer));
      got.append(buffer, 0, r.get<0>());
      if (r.err == errc::eof) break;
      if (!r) {
        EXPECT_EQ(r.err, errc::deadline_exceeded) << r.message();
        ++given_up_reads;
        co_await sleep(30us);
      }
    }
    co_await writer;
    EXPECT_TRUE(got == data) << got.size() << " of " << data.size() << ", given up " << given_up_writes + given_up_reads;
  });
}

TEST(Pipe, TheLastHandleThatGoesClosesIt) {
  on_executor([]() -> Task<> {
    auto [a, b] = net::pipe();
    auto reader = spawn(read_once(b));
    co_await until_parked(1);
    a = net::Conn();
    const auto end = co_await reader;
    EXPECT_EQ(end.err, errc::eof);
  });
}

TEST(Pipe, OutlivesTheExecutorOfGsThatAreParkedInIt) {
  auto [a, b] = net::pipe();
  {
    Executor ex({.procs = 2});
    for (int i = 0; i < 3; ++i) {
      ex.go([conn = a]() -> Task<> {
        char buffer[8];
        static_cast<void>(co_await conn.read(buffer));
        ADD_FAILURE() << "it went on";
      });
      ex.go([conn = b]() -> Task<> {
        char buffer[8];
        static_cast<void>(co_await conn.read(buffer));
        ADD_FAILURE() << "it went on";
      });
    }
    test::wait_parked(ex, 6);
    ex.stop();
  }
  on_executor([a = a, b = b]() -> Task<> {
    auto writer = spawn(write_once(a));
    const auto read = co_await read_once(b);
    EXPECT_EQ(read.value(), 4u);
    const auto wrote = co_await writer;
    EXPECT_TRUE(wrote);
  });
}

// It waits for nothing from outside: who is left alone in it is asleep for ever.
#if !GMPCORO_TSAN  // it has a thread of its own, so no deadlock is reported
TEST(Pipe, ALoneReaderIsADeadlock) {
  const auto died = test::child::run([] {
    gmp::run([]() -> Task<> {
      auto [a, b] = net::pipe();
      char buffer[8];
      static_cast<void>(co_await a.read(buffer));
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_NE(died.err.find("all goroutines are asleep - deadlock!"), std::string::npos) << died;
}
#endif

}  // namespace
}  // namespace gmp::pipe_test
