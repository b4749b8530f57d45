// tests/go/net_timeout_test.cpp — Go's claims on deadlines.
// Go: net/timeout_test.go (TestAcceptTimeout, TestAcceptTimeoutMustReturn, TestAcceptTimeoutMustNotReturn, TestReadTimeout, TestReadTimeoutMustNotReturn,
//     TestWriteTimeout, TestWriteTimeoutMustNotReturn, TestReadTimeoutFluctuation, TestAcceptTimeoutFluctuation, TestReadWriteDeadlineRace,
//     TestVariousDeadlines, TestReadWriteProlongedTimeout, TestConcurrentSetDeadline).  Room: tests/go.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/net.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::net_timeout_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::conn_pair;
using test::ConnPair;
using test::on_executor;

constexpr auto too_long = 5s;

// TestAcceptTimeout, MustReturn: past or near, the deadline ends an accept each time, and a connection that is there does not help if it has passed.
TEST(GoNetTimeout, Accept) {
  on_executor([]() -> Task<> {
    for (const auto timeout : {-5s, 0s}) {
      const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
      const auto waiting = co_await net::dial("tcp", ln.addr().to_string());
      EXPECT_TRUE(waiting);
      ln.set_deadline(Clock::now() + timeout);
      for (int i = 0; i < 2; ++i) {
        const auto r = co_await ln.accept();
        EXPECT_EQ(r.err, errc::timeout) << r.message();
        EXPECT_EQ(r.err, std::errc::timed_out);
      }
      ln.set_deadline(time_point{});
      const auto r = co_await ln.accept();
      EXPECT_TRUE(r) << r.message();
    }
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const auto when = Clock::now() + 50ms;
    ln.set_deadline(when);
    const auto r = co_await ln.accept();
    EXPECT_EQ(r.err, errc::timeout);
    EXPECT_GE(Clock::now(), when);
    EXPECT_LT(Clock::now() - when, too_long);
  });
}

// TestAcceptTimeoutMustNotReturn, TestReadTimeoutMustNotReturn, TestWriteTimeoutMustNotReturn: without a deadline they wait on; of one that was set
// and taken back nothing is left; and close ends them, not a timeout.
TEST(GoNetTimeout, WithoutADeadlineNothingEnds) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    pair.a.set_deadline(Clock::now() + 5s);
    pair.a.set_read_deadline(Clock::now() - 5s);
    pair.a.set_deadline(time_point{});
    ln.set_deadline(Clock::now() - 5s);
    ln.set_deadline(time_point{});
    const auto read_it = [](net::Conn conn) -> Task<std::error_code> {
      char byte[1];
      const auto r = co_await conn.read(byte);
      co_return r.err;
    };
    const auto write_it = [](net::Conn conn) -> Task<std::error_code> {
      const std::string much(1 << 20, 'w');
      for (;;) {
        const auto r = co_await conn.write(much);
        if (!r) co_return r.err;
      }
    };
    const auto accept_it = [](net::Listener from) -> Task<std::error_code> {
      const auto r = co_await from.accept();
      co_return r.err;
    };
    std::vector<JoinHandle<std::error_code>> gs;
    gs.push_back(spawn(read_it, pair.a));
    gs.push_back(spawn(write_it, pair.a));
    gs.push_back(spawn(accept_it, ln));
    co_await sleep(100ms);
    for (auto& g : gs) EXPECT_FALSE(g.done());
    pair.a.close();
    ln.close();
    for (auto& g : gs) {
      const std::error_code err = co_await g;
      EXPECT_EQ(err, errc::closed) << err.message();
    }
  });
}

// TestReadTimeout: a read that times out takes nothing; with the deadline taken back the data comes.
TEST(GoNetTimeout, Read) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    static_cast<void>((co_await pair.b.write("READ TIMEOUT TEST")).value());
    for (const auto timeout : {-5s, 0s}) {
      pair.a.set_read_deadline(Clock::now() + timeout);
      for (int i = 0; i < 2; ++i) {
        char byte[1];
        auto [n, err] = co_await pair.a.read(byte);
        EXPECT_EQ(n, 0u);
        EXPECT_EQ(err, errc::timeout);
      }
    }
    pair.a.set_read_deadline(Clock::now() + 10s);
    char byte[1];
    auto [n, err] = co_await pair.a.read(byte);
    EXPECT_EQ(n, 1u);
    EXPECT_FALSE(err);
  });
}

// TestWriteTimeout: so does a write, though there is room; it takes nothing.
TEST(GoNetTimeout, Write) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    for (const auto timeout : {-5s, 0s}) {
      pair.a.set_write_deadline(Clock::now() + timeout);
      for (int i = 0; i < 2; ++i) {
        auto [n, err] = co_await pair.a.write("WRITE TIMEOUT TEST");
        EXPECT_EQ(n, 0u);
        EXPECT_EQ(err, errc::timeout);
      }
    }
    // A peer that reads nothing: some goes, then no more.
    pair.a.set_write_deadline(Clock::now() + 50ms);
    const std::string much(1 << 20, 'w');
    const auto start = Clock::now();
    for (;;) {
      auto [n, err] = co_await pair.a.write(much);
      if (!err) continue;
      EXPECT_EQ(err, errc::timeout);
      break;
    }
    EXPECT_LT(Clock::now() - start, too_long);
  });
}

// TestReadTimeoutFluctuation, TestAcceptTimeoutFluctuation: timeouts, again and again, come when they are due: not before, and not much later.
TEST(GoNetTimeout, Fluctuation) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    for (auto timeout = 1ms; timeout <= 32ms; timeout *= 2) {
      const auto when = Clock::now() + timeout;
      pair.a.set_read_deadline(when);
      ln.set_deadline(when);
      char byte[1];
      auto [n, err] = co_await pair.a.read(byte);
      EXPECT_GE(Clock::now(), when);
      EXPECT_EQ(err, errc::timeout);
      const auto accepted = co_await ln.accept();
      EXPECT_EQ(accepted.err, errc::timeout);
      EXPECT_LT(Clock::now() - when, too_long);
    }
  });
}

// TestReadWriteProlongedTimeout: deadlines that are moved on before each operation, from beside it, never end one.
TEST(GoNetTimeout, Prolonged) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const int n = static_cast<int>(test::scaled(200, 50));
    const auto write_all = [n](net::Conn conn) -> Task<> {
      for (int i = 0; i < n; ++i) {
        conn.set_write_deadline(Clock::now() + 10s);
        const auto r = co_await conn.write("x");
        EXPECT_TRUE(r) << r.message();
        if (i % 10 == 0) co_await sleep(1ms);
      }
      conn.close_write();
    };
    auto writer = spawn(write_all, pair.b);
    int got = 0;
    for (;;) {
      pair.a.set_read_deadline(Clock::now() + 10s);
      char bytes[16];
      auto [size, err] = co_await pair.a.read(bytes);
      if (err) {
        EXPECT_EQ(err, errc::eof) << err.message();
        break;
      }
      got += static_cast<int>(size);
    }
    EXPECT_EQ(got, n);
    co_await writer;
  });
}

// TestVariousDeadlines: a copy to a peer that closes ends with a timeout when that is set to come first.
TEST(GoNetTimeout, VariousDeadlines) {
  on_executor([]() -> Task<> {
    for (const auto timeout : {std::chrono::nanoseconds(1ns), std::chrono::nanoseconds(200ns), std::chrono::nanoseconds(2us), std::chrono::nanoseconds(200us),
                               std::chrono::nanoseconds(5ms), std::chrono::nanoseconds(50ms)}) {
      const ConnPair pair = co_await conn_pair();
      auto writer = spawn([conn = pair.b]() -> Task<> {
        const std::string much(10'000, 'v');
        for (;;) {
          auto [n, err] = co_await conn.write(much);
          if (err) co_return;
        }
      });
      const auto when = Clock::now() + timeout;
      pair.a.set_deadline(when);
      std::string buffer(10'000, '\0');
      for (;;) {
        auto [n, err] = co_await pair.a.read(buffer);
        if (!err) continue;
        EXPECT_EQ(err, errc::timeout) << err.message();
        break;
      }
      EXPECT_GE(Clock::now(), when);
      EXPECT_LT(Clock::now() - when, too_long);
      pair.a.close();
      co_await writer;
    }
  });
}

// TestReadWriteDeadlineRace: one sets deadlines while others read and write: only timeouts come of it.
TEST(GoNetTimeout, ReadWriteDeadlineRace) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const int n = static_cast<int>(test::scaled(1000, 100));
    const auto set = [n](net::Conn conn) -> Task<> {
      for (int i = 0; i < n; ++i) {
        EXPECT_FALSE(conn.set_read_deadline(Clock::now() + 2us));
        EXPECT_FALSE(conn.set_write_deadline(Clock::now() + 2us));
        co_await yield();
      }
    };
    const auto read_all = [n](net::Conn conn) -> Task<> {
      for (int i = 0; i < n; ++i) {
        char byte[1];
        auto [size, err] = co_await conn.read(byte);
        EXPECT_TRUE(!err || err == errc::timeout) << err.message();
      }
    };
    const auto write_all = [n](net::Conn conn) -> Task<> {
      for (int i = 0; i < n; ++i) {
        auto [size, err] = co_await conn.write("x");
        EXPECT_TRUE(!err || err == errc::timeout) << err.message();
      }
    };
    auto setter = spawn(set, pair.a);
    auto reader = spawn(read_all, pair.a);
    auto writer = spawn(write_all, pair.a);
    co_await setter;
    pair.a.set_deadline(Clock::now());
    co_await reader;
    co_await writer;
  });
}

// TestConcurrentSetDeadline: many gs set deadlines on many connections at once.
TEST(GoNetTimeout, ConcurrentSetDeadline) {
  test::leaving_no_fds([]() -> Task<> {
    constexpr int conns = 8;
    constexpr int setters = 8;
    const int n = static_cast<int>(test::scaled(200, 20));
    std::vector<ConnPair> pairs;
    for (int i = 0; i < conns; ++i) pairs.push_back(co_await conn_pair());
    std::vector<JoinHandle<void>> gs;
    const auto set = [&pairs, n]() -> Task<> {
      for (int i = 0; i < n; ++i) {
        for (const ConnPair& pair : pairs) EXPECT_FALSE(pair.a.set_deadline(Clock::now() + std::chrono::milliseconds(i % 2 != 0 ? 0 : 1000)));
        co_await yield();
      }
    };
    const auto read_on = [](net::Conn conn) -> Task<> {
      char byte[1];
      for (;;) {
        auto [size, err] = co_await conn.read(byte);
        if (err == errc::closed) co_return;
        EXPECT_EQ(err, errc::timeout);
        co_await yield();
      }
    };
    std::vector<JoinHandle<void>> readers;
    for (const ConnPair& pair : pairs) readers.push_back(spawn(read_on, pair.a));
    for (int i = 0; i < setters; ++i) gs.push_back(spawn(set));
    for (auto& g : gs) co_await g;
    for (const ConnPair& pair : pairs) pair.a.close();
    for (auto& reader : readers) co_await reader;
  });
}

}  // namespace
}  // namespace gmp::net_timeout_test
