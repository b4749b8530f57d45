// tests/tls/conn_test.cpp — data through TLS: whole, both ways at once, to its end or cut off; deadlines, giving up, close.
// Go: crypto/tls/conn_test.go, tls_test.go.  Room: tests/tls.
#include <gtest/gtest.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/io.hpp"
#include "gmp/sync.hpp"
#include "support/scale.hpp"
#include "tls/pair.hpp"

namespace gmp::conn_test {
namespace {

using namespace std::chrono_literals;
using net::tls_errc;
using net::TlsConfig;
using net::TlsVersion;
using test::client_config;
using test::Clock;
using test::ConnPair;
using test::on_executor;
using test::pattern;
using test::read_once;
using test::server_config;
using test::shaken_pair;

Task<Result<std::size_t>> write_all(net::Conn conn, std::string data) {
  Result<std::size_t> r = co_await conn.write(data);
  co_return r;
}
/// More than any socket takes.
Task<Result<std::size_t>> write_much(net::Conn conn) { return write_all(conn, std::string(16 << 20, 'm')); }
Task<std::string> read_to_the_end(net::Conn conn) {
  Result<std::string> all = co_await io::read_all(conn);
  co_return std::move(all).value();
}
/// Writes all of it, and says that it was the end.
Task<> write_to_the_end(net::Conn conn, std::string data) {
  const auto wrote = co_await conn.write(data);
  EXPECT_EQ(wrote.message(), "");
  EXPECT_EQ(wrote.get<0>(), data.size());
  EXPECT_FALSE(conn.close_write());
}

struct Way {
  const char* network;
  TlsVersion version;
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.network << (way.version == TlsVersion::tls_1_2 ? " 1.2" : " 1.3"); }
class TlsConn : public ::testing::TestWithParam<Way> {
 protected:
  static Task<ConnPair> pair() {
    TlsConfig client = client_config();
    client.max_version = GetParam().version;
    const TlsConfig server = server_config();
    ConnPair made = co_await shaken_pair(GetParam().network, client, server);
    co_return made;
  }
};
INSTANTIATE_TEST_SUITE_P(Tls, TlsConn,
                         ::testing::Values(Way{"tcp", TlsVersion::tls_1_2}, Way{"tcp", TlsVersion::tls_1_3},
                                           Way{"pipe", TlsVersion::tls_1_2}, Way{"pipe", TlsVersion::tls_1_3}));

TEST_P(TlsConn, EachSizeComesThrough) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    for (const std::size_t size : {1, 5, 16383, 16384, 16385, 50000}) {
      const std::string sent = pattern(size, size);
      auto writer = spawn(write_all, pair.a, sent);
      std::string got(size, '\0');
      const auto read = co_await io::read_full(pair.b, got);
      EXPECT_EQ(read.get<0>(), size);
      EXPECT_EQ(got, sent);
      const auto wrote = co_await writer;
      EXPECT_EQ(wrote.get<0>(), size);
      EXPECT_EQ(wrote.message(), "");
    }
    const auto nothing = co_await pair.a.write("");
    EXPECT_EQ(nothing.message(), "");
  });
}

TEST_P(TlsConn, MuchComesThroughBothWaysAtOnceAndEachWayHasItsEnd) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    const std::string there = pattern(static_cast<std::size_t>(test::scaled(4 << 20)), 1), back = pattern(there.size() / 2, 2);
    auto a = spawn(write_to_the_end, pair.a, there);
    auto b = spawn(write_to_the_end, pair.b, back);
    auto got = spawn(read_to_the_end, pair.a);
    EXPECT_TRUE(co_await read_to_the_end(pair.b) == there);
    EXPECT_TRUE(co_await got == back);
    co_await a;
    co_await b;
    const auto more = co_await pair.a.write("more");
    EXPECT_EQ(more.err, tls_errc::shut_down);
    EXPECT_EQ(more.message(), "tls: protocol is shutdown");
    const auto end = co_await read_once(pair.b);
    EXPECT_EQ(end.err, errc::eof);
  });
}

TEST_P(TlsConn, AfterOneWayHasEndedTheOtherGoesOn) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    auto asked = spawn(read_to_the_end, pair.b);
    co_await write_to_the_end(pair.a, "question");
    EXPECT_EQ(co_await asked, "question");
    auto answered = spawn(read_to_the_end, pair.a);
    co_await write_to_the_end(pair.b, "answer");
    EXPECT_EQ(co_await answered, "answer");
  });
}

TEST_P(TlsConn, CloseTellsThePeerThatItWasTheEnd) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    auto reader = spawn(read_to_the_end, pair.b);
    const auto wrote = co_await pair.a.write("all there is");
    EXPECT_EQ(wrote.message(), "");
    EXPECT_FALSE(pair.a.close());
    EXPECT_EQ(co_await reader, "all there is");
    const auto late = co_await read_once(pair.a);
    EXPECT_EQ(late.err, errc::closed);
    EXPECT_EQ(pair.a.close(), errc::closed);
    EXPECT_EQ(pair.a.set_deadline(Clock::now()), errc::closed);
  });
}

TEST_P(TlsConn, TheLastHandleThatGoesCloses) {
  on_executor([]() -> Task<> {
    ConnPair pair = co_await TlsConn::pair();
    auto reader = spawn(read_to_the_end, pair.b);
    co_await test::until_parked(1);
    pair.a = net::Conn();
    EXPECT_EQ(co_await reader, "");
  });
}

TEST_P(TlsConn, AnEndThatNobodySaidIsUnexpected) {
  on_executor([]() -> Task<> {
    const ConnPair below = co_await test::raw_pair(GetParam().network);
    TlsConfig client = client_config();
    client.max_version = GetParam().version;
    const ConnPair pair(net::tls_client(below.a, client), net::tls_server(below.b, server_config()));
    auto reader = spawn(
        [](net::Conn conn) -> Task<> {
          char buffer[16];
          const auto first = co_await conn.read(buffer);
          EXPECT_EQ(std::string(buffer, first.get<0>()), "half a");
          for (int i = 0; i < 2; ++i) {
            const auto end = co_await conn.read(buffer);
            EXPECT_EQ(end.err, errc::unexpected_eof);
            EXPECT_EQ(end.message(), "unexpected EOF");
          }
        },
        pair.b);
    const auto wrote = co_await pair.a.write("half a");
    EXPECT_EQ(wrote.message(), "");
    below.a.close_write();
    co_await reader;
  });
}

TEST_P(TlsConn, WhatWasChangedOnItsWayIsRefused) {
  on_executor([]() -> Task<> {
    const ConnPair below = co_await test::raw_pair(GetParam().network);
    TlsConfig client = client_config();
    client.max_version = GetParam().version;
    const ConnPair pair(net::tls_client(below.a, client), net::tls_server(below.b, server_config()));
    const test::Outcome outcome = co_await test::shake_hands(pair);
    EXPECT_EQ(outcome.client.message() + outcome.server.message(), "");
    std::string forged("\x17\x03\x03\x00\x20", 5);
    forged.append(32, 'f');
    auto forger = spawn(write_all, below.a, forged);
    auto told = spawn(read_once, pair.a);
    for (int i = 0; i < 2; ++i) {
      const auto read = co_await read_once(pair.b);
      EXPECT_EQ(read.err, tls_errc::protocol);
      EXPECT_EQ(read.message(), "local error: tls: bad record MAC");
    }
    const auto alert = co_await told;
    EXPECT_EQ(alert.message(), "remote error: tls: bad record MAC");
    EXPECT_EQ(net::tls_remote_alert(alert.err), 20);
    const auto forged_it = co_await forger;
    EXPECT_EQ(forged_it.message(), "");
    const auto wrote = co_await pair.b.write("x");
    EXPECT_EQ(wrote.message(), "local error: tls: bad record MAC");
    EXPECT_EQ(pair.b.close_write(), tls_errc::protocol);
  });
}

TEST_P(TlsConn, CloseWriteBeforeTheHandshakeIsTooEarly) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await test::tls_pair(GetParam().network);
    const std::error_code early = pair.a.close_write();
    EXPECT_EQ(early, tls_errc::early_close_write);
    EXPECT_EQ(early.message(), "tls: CloseWrite called before handshake complete");
    const test::Outcome outcome = co_await test::shake_hands(pair);
    EXPECT_EQ(outcome.client.message() + outcome.server.message(), "");
  });
}

TEST_P(TlsConn, CloseReadEndsReadsHere) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    auto reader = spawn(read_once, pair.a);
    co_await test::until_parked(1);
    EXPECT_FALSE(pair.a.close_read());
    const auto parked = co_await reader;
    EXPECT_EQ(parked.err, errc::eof);
    const auto later = co_await read_once(pair.a);
    EXPECT_EQ(later.err, errc::eof);
    auto other = spawn(read_once, pair.b);
    const auto wrote = co_await pair.a.write("x");
    EXPECT_EQ(wrote.message(), "");
    const auto got = co_await other;
    EXPECT_EQ(got.get<0>(), 1u);
  });
}

TEST_P(TlsConn, ADeadlineEndsReadsAndTheyCanGoOn) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    const auto when = Clock::now() + 10ms;
    pair.b.set_read_deadline(when);
    const auto late = co_await read_once(pair.b);
    EXPECT_EQ(late.err, errc::timeout);
    EXPECT_GE(Clock::now(), when);
    pair.b.set_read_deadline({});
    auto parked = spawn(read_once, pair.b);
    co_await test::until_parked(1);
    pair.b.set_read_deadline(Clock::now());  // and one that is parked already
    const auto ended = co_await parked;
    EXPECT_EQ(ended.err, errc::timeout);
    pair.b.set_read_deadline({});
    auto again = spawn(read_once, pair.b);
    const auto wrote = co_await pair.a.write("four");
    EXPECT_EQ(wrote.message(), "");
    const auto read = co_await again;
    EXPECT_EQ(read.get<0>(), 4u);
  });
}

TEST_P(TlsConn, APastDeadlineEndsAReadThoughThereIsData) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    auto writer = spawn(write_all, pair.a, "data");
    char one[1];
    const auto first = co_await pair.b.read(one);
    EXPECT_EQ(first.get<0>(), 1u);
    pair.b.set_read_deadline(Clock::now());
    const auto late = co_await read_once(pair.b);
    EXPECT_EQ(late.err, errc::timeout);
    pair.b.set_read_deadline({});
    const auto rest = co_await read_once(pair.b);
    EXPECT_EQ(rest.get<0>(), 3u);
    const auto wrote = co_await writer;
    EXPECT_EQ(wrote.message(), "");
  });
}

TEST_P(TlsConn, AWriteThatEndedInTheMiddleHasBrokenTheStream) {
  on_executor([]() -> Task<> {
    for (const bool by_deadline : {true, false}) {
      const ConnPair pair = co_await TlsConn::pair();
      auto [ctx, cancel] = with_cancel(background());
      auto writer = spawn(
          [](net::Conn conn, Context ctx) -> Task<Result<std::size_t>> {
            const std::string much(16 << 20, 'm');
            Result<std::size_t> r = co_await until(ctx, conn.write(much));
            co_return r;
          },
          pair.a, ctx);
      co_await test::until_parked(1);
      if (by_deadline)
        pair.a.set_write_deadline(Clock::now() + 5ms);
      else
        cancel();
      const auto wrote = co_await writer;
      const errc expected = by_deadline ? errc::timeout : errc::canceled;
      EXPECT_EQ(wrote.err, expected);
      EXPECT_LT(wrote.get<0>(), 16u << 20);
      pair.a.set_write_deadline({});
      const auto later = co_await pair.a.write("x");
      EXPECT_EQ(later.err, expected);
      EXPECT_EQ(later.get<0>(), 0u);
      if (by_deadline) {
        EXPECT_EQ(later.message(), wrote.message());
      }
      EXPECT_EQ(pair.a.close_write(), expected);
      auto other = spawn(write_all, pair.b, "y");  // but it can read
      const auto read = co_await read_once(pair.a);
      EXPECT_EQ(read.get<0>(), 1u);
      EXPECT_EQ(read.message(), "");
      const auto other_wrote = co_await other;
      EXPECT_EQ(other_wrote.message(), "");
      EXPECT_FALSE(pair.a.close());
      const auto all = co_await io::read_all(pair.b);
      EXPECT_TRUE(all.err == errc::unexpected_eof || all.err == std::errc::connection_reset)
          << all.message();  // and the peer is not told that it was all
    }
  });
}

TEST_P(TlsConn, AWriteThatHasNotBegunBreaksNothing) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    pair.a.set_write_deadline(Clock::now());
    const auto late = co_await pair.a.write("late");
    EXPECT_EQ(late.err, errc::timeout);
    pair.a.set_write_deadline({});
    auto reader = spawn(read_once, pair.b);
    const auto wrote = co_await pair.a.write("in time");
    EXPECT_EQ(wrote.message(), "");
    const auto read = co_await reader;
    EXPECT_EQ(read.get<0>(), 7u);
  });
}

TEST_P(TlsConn, UntilTakesAReadBackAndNoByteIsLost) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await TlsConn::pair();
    const std::string sent = pattern(20000, 3);
    auto writer = spawn(
        [](net::Conn conn, const std::string& sent) -> Task<> {
          for (std::size_t i = 0; i < sent.size(); i += 1000) {
            const auto wrote = co_await conn.write(std::string_view(sent).substr(i, 1000));
            EXPECT_EQ(wrote.message(), "");
            co_await gmp::sleep(100us);
          }
        },
        pair.a, std::cref(sent));
    std::string got;
    while (got.size() < sent.size()) {
      char buffer[300];
      const auto read = co_await timeout(50us, pair.b.read(buffer));
      got.append(buffer, read.get<0>());
      if (read.err) {
        EXPECT_EQ(read.err, errc::deadline_exceeded);
      }
    }
    EXPECT_EQ(got, sent);
    co_await writer;
  });
}

TEST_P(TlsConn, CloseEndsWhatIsParked) {
  on_executor([]() -> Task<> {
    for (const bool by_thread : {false, true}) {
      const ConnPair pair = co_await TlsConn::pair();
      auto reader = spawn(read_once, pair.a);
      auto writer = spawn(write_much, pair.a);
      auto queued = spawn(read_once, pair.a);
      co_await test::until_parked(3);
      if (by_thread)
        std::thread([&] { EXPECT_FALSE(pair.a.close()); }).join();
      else
        EXPECT_FALSE(pair.a.close());
      const auto read = co_await reader;
      EXPECT_EQ(read.err, errc::closed);
      const auto wrote = co_await writer;
      EXPECT_EQ(wrote.err, errc::closed);
      const auto last = co_await queued;
      EXPECT_EQ(last.err, errc::closed);
      co_await pair.a.closed();
      const auto all = co_await io::read_all(pair.b);  // a socket that is closed with a ticket unread resets its connection
      EXPECT_TRUE(all.err == errc::unexpected_eof || all.err == std::errc::connection_reset) << all.message();
    }
  });
}

// The last words do not fit into the socket: a g is left behind that waits for room. The peer gets all, and the end.

/// Fills the socket below with records that are whole: the next one would not fit.
Task<std::size_t> fill_with_records(net::Conn below, net::Conn conn) {
  std::size_t filled = 0;
  int size = 4096;
  ::setsockopt(below.native_handle(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  const auto is_full = [&below] {  // POLLOUT ends long before
    std::uint32_t memory[SK_MEMINFO_VARS] = {};
    socklen_t length = sizeof memory;
    ::getsockopt(below.native_handle(), SOL_SOCKET, SO_MEMINFO, memory, &length);
    return std::max(memory[SK_MEMINFO_WMEM_ALLOC], memory[SK_MEMINFO_WMEM_QUEUED]) >= memory[SK_MEMINFO_SNDBUF];
  };
  while (!is_full()) {
    const auto wrote = co_await timeout(5s, conn.write(std::string_view("record")));
    EXPECT_EQ(wrote.message(), "");
    filled += wrote.get<0>();
  }
  co_return filled;
}

void by(bool thread, const std::function<void()>& f) {
  if (thread)
    std::thread(f).join();
  else
    f();
}

enum class Says { close_write, close, both };

Task<> say_behind_a_full_socket(std::string network, Says what, bool by_thread) {
  const ConnPair below = co_await test::raw_pair(network);
  const ConnPair pair(net::tls_client(below.a, client_config()), net::tls_server(below.b, server_config()));
  const test::Outcome outcome = co_await test::shake_hands(pair);
  EXPECT_EQ(outcome.client.message() + outcome.server.message(), "");
  std::size_t filled = 0;
  if (below.a.native_handle() >= 0) {  // a pipe in memory has no room at all
    const std::size_t wrote = co_await fill_with_records(below.a, pair.a);
    filled = wrote;
  }
  if (what != Says::close) by(by_thread, [&] { EXPECT_FALSE(pair.a.close_write()); });
  if (what != Says::close_write) by(by_thread, [&] { EXPECT_FALSE(pair.a.close()); });
  const std::string all = co_await read_to_the_end(pair.b);
  EXPECT_EQ(all.size(), filled);
  if (what != Says::close_write) co_await below.a.closed();
}

TEST_P(TlsConn, WhatClosesBehindAFullSocketIsStillSaid) {
  test::leaving_no_fds([]() -> Task<> {
    for (const Says what : {Says::close_write, Says::close, Says::both}) co_await say_behind_a_full_socket(GetParam().network, what, false);
  });
}

TEST_P(TlsConn, APlainThreadThatClosesBehindAFullSocketIsHeardToo) {
  on_executor([]() -> Task<> {
    for (const Says what : {Says::close_write, Says::close, Says::both}) co_await say_behind_a_full_socket(GetParam().network, what, true);
  });
}

// ---- many

TEST(TlsConns, ManyAtOnceAndNothingIsLeft) {
  test::leaving_no_fds([]() -> Task<> {
    const auto connections = test::scaled(60, 8);
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const TlsConfig server = server_config(), client = client_config();
    auto acceptor = spawn(
        [](net::Listener ln, const TlsConfig& config) -> Task<> {
          while (true) {
            auto [conn, err] = co_await ln.accept();
            if (err) co_return;
            go(
                [](net::Conn tls) -> Task<> {
                  char buffer[4096];
                  while (true) {
                    const auto read = co_await tls.read(buffer);
                    if (read.err) {
                      EXPECT_EQ(read.err, errc::eof) << read.message();
                      co_return;
                    }
                    const auto wrote = co_await tls.write(std::string_view(buffer, read.get<0>()));
                    EXPECT_EQ(wrote.message(), "");
                  }
                },
                net::tls_server(conn, config));
          }
        },
        ln, std::cref(server));
    WaitGroup all;
    for (std::int64_t i = 0; i < connections; ++i) {
      all.go([&ln, &client, i]() -> Task<> {
        const net::Conn raw = (co_await net::dial("tcp", ln.addr().to_string())).value();
        const net::Conn tls = net::tls_client(raw, client);
        const std::string sent = pattern(3000, static_cast<std::uint64_t>(i));
        for (int round = 0; round < 3; ++round) {
          const auto wrote = co_await tls.write(sent);
          EXPECT_EQ(wrote.message(), "");
          std::string got(sent.size(), '\0');
          const auto read = co_await io::read_full(tls, got);
          EXPECT_EQ(read.message(), "");
          EXPECT_EQ(got, sent);
        }
        EXPECT_FALSE(tls.close());
      });
    }
    co_await all.wait();
    ln.close();
    co_await acceptor;
  });
}

// Reads, writes, deadlines and give-ups on one connection from several gs, and a close from a thread: nothing hangs, nothing is touched
// twice.
TEST(TlsConns, AStormOnOneEndsWithItsClose) {
  on_executor([]() -> Task<> {
    const auto rounds = test::scaled(20, 4);
    for (std::int64_t round = 0; round < rounds; ++round) {
      ConnPair pair;
      if (round % 2 == 0)
        pair = co_await test::tls_pair("tcp");
      else
        pair = co_await shaken_pair("tcp");
      WaitGroup all;
      std::atomic<int> busy{0};
      for (const net::Conn& conn : {pair.a, pair.b}) {
        for (int i = 0; i < 2; ++i) {
          all.go([conn, &busy]() -> Task<> {
            char buffer[500];
            for (std::error_code err; err != errc::closed && err != errc::eof && err != errc::unexpected_eof;) {
              const auto read = co_await timeout(200us, conn.read(buffer));
              err = read.err;
              ++busy;
              if (err && err.category() != errc_category()) co_return;
            }
          });
          all.go([conn, &busy]() -> Task<> {
            const std::string data(3000, 'd');
            for (int i = 0; i < 2000; ++i) {
              const auto wrote = co_await conn.write(data);
              ++busy;
              if (wrote.err && wrote.err != errc::timeout) co_return;
              if (wrote.err) co_await yield();
            }
          });
        }
        all.go([conn]() -> Task<> {
          for (int i = 0; i < 50; ++i) {
            if (conn.set_read_deadline(Clock::now() + 100us)) co_return;
            co_await gmp::sleep(50us);
            if (conn.set_read_deadline({})) co_return;
            static_cast<void>(net::tls_state(conn));
          }
        });
      }
      while (busy < 20) co_await yield();
      std::thread([&] {
        static_cast<void>(pair.a.close());
        static_cast<void>(pair.b.close());
      }).join();
      co_await all.wait();
    }
  });
}

// An executor that stops takes gs out of handshakes, reads and writes; the connection's memory goes with its last handle.
TEST(TlsConns, AStoppedExecutorLeavesNothingBehind) {
  test::leaving_no_fds([]() -> Task<> { co_return; });
  const auto rounds = test::scaled(10, 4);
  for (std::int64_t i = 0; i < rounds; ++i) {
    Executor outer, inner;
    const ConnPair pair = outer.run([i]() -> Task<ConnPair> {
      ConnPair made;
      if (i % 2 == 0)
        made = co_await test::tls_pair("tcp");
      else
        made = co_await shaken_pair("tcp");
      co_return made;
    });
    inner.go(read_once, pair.a);
    inner.go(write_much, pair.a);
    inner.go(read_once, pair.a);
    test::wait_parked(inner, 3);
    inner.stop();
    outer.run([&]() -> Task<> {
      const auto wrote = co_await timeout(1ms, pair.a.write("x"));
      EXPECT_TRUE(wrote.err);
      EXPECT_FALSE(pair.a.close());
    });
  }
}

}  // namespace
}  // namespace gmp::conn_test
