// tests/go/net_conn_test.cpp — Go's claims on connections and listeners: half-close, second close, aborted handshakes, reads of nothing.
// Go: net/net_test.go (TestCloseRead, TestCloseWrite, TestConnClose, TestListenerClose, TestAcceptIgnoreAbortedConnRequest, TestZeroByteRead),
//     net/dial_test.go (TestDialerDualStackFDLeak), net/write_unix_test.go (TestEndlessWrite).  Room: tests/go.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::net_conn_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::conn_pair;
using test::ConnPair;
using test::on_executor;

// TestCloseRead: after CloseRead reads end, and a connection whose reading side is closed can be closed.
TEST(GoNetConn, CloseRead) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    EXPECT_FALSE(pair.a.close_read());
    char buffer[1];
    auto [n, err] = co_await pair.a.read(buffer);
    EXPECT_EQ(n, 0u);
    EXPECT_TRUE(err);
    const auto wrote = co_await pair.a.write("x");
    EXPECT_TRUE(wrote) << wrote.message();
    EXPECT_FALSE(pair.a.close());
  });
}

// TestCloseWrite: both ends close their writing side; both see the end of the other and a write that fails.
TEST(GoNetConn, CloseWrite) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const auto half = [](net::Conn conn) -> Task<> {
      EXPECT_FALSE(conn.set_deadline(Clock::now() + 10s));
      EXPECT_FALSE(conn.close_write());
      char buffer[1];
      auto [n, err] = co_await conn.read(buffer);
      EXPECT_EQ(n, 0u);
      EXPECT_EQ(err, errc::eof);
      auto [m, refused] = co_await conn.write("x");
      EXPECT_EQ(m, 0u);
      EXPECT_TRUE(refused);
    };
    auto server = spawn(half, pair.b);
    co_await half(pair.a);
    co_await server;
  });
}

// TestConnClose: the second close of a connection is an error, and the peer sees the end of the first.
TEST(GoNetConn, ConnClose) {
  for (const char* network : {"tcp", "tcp4"}) {
    on_executor([&]() -> Task<> {
      const ConnPair pair = co_await conn_pair(network);
      EXPECT_FALSE(pair.a.close());
      EXPECT_EQ(pair.a.close(), errc::closed);
      char buffer[1];
      auto [n, err] = co_await pair.a.read(buffer);
      EXPECT_EQ(err, errc::closed);
      auto [m, end] = co_await pair.b.read(buffer);
      EXPECT_EQ(end, errc::eof);
    });
  }
}

// TestListenerClose: the second close is an error, accept is, and a dial that comes in the backlog's place finds nobody.
TEST(GoNetConn, ListenerClose) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const std::string address = ln.addr().to_string();
    const net::Conn out = (co_await net::dial("tcp", address)).value();
    const net::Conn in = (co_await ln.accept()).value();  // while it lives the system gives its port to no listener of another process
    EXPECT_FALSE(ln.close());
    EXPECT_EQ(ln.close(), errc::closed);
    const auto accepted = co_await ln.accept();
    EXPECT_EQ(accepted.err, errc::closed);
    const auto dialled = co_await net::dial("tcp", address);
    EXPECT_EQ(dialled.err, std::errc::connection_refused) << dialled.message();
  });
}

// TestAcceptIgnoreAbortedConnRequest: connections that are reset before they are accepted trouble nobody.
TEST(GoNetConn, AcceptIgnoresAbortedConnections) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const int n = static_cast<int>(test::scaled(100, 20));
    const auto accept_until_whole = [](net::Listener from) -> Task<int> {
      for (int aborted = 0;; ++aborted) {
        auto [conn, err] = co_await from.accept();
        EXPECT_FALSE(err) << err.message();
        if (err) co_return -1;
        char byte[1];
        auto [got, end] = co_await conn.read(byte);
        if (got == 1) co_return aborted;
      }
    };
    auto acceptor = spawn(accept_until_whole, ln);
    for (int i = 0; i < n; ++i) {
      const net::Conn conn = (co_await net::dial("tcp", ln.addr().to_string())).value();
      conn.set_linger(0s);
      conn.close();
    }
    const net::Conn whole = (co_await net::dial("tcp", ln.addr().to_string())).value();
    static_cast<void>((co_await whole.write("x")).value());
    const int aborted = co_await acceptor;
    EXPECT_GE(aborted, 0);
    EXPECT_LE(aborted, n);
  });
}

// TestZeroByteRead: a read of nothing neither waits nor ends, be there data, none, or an end.
TEST(GoNetConn, ZeroByteRead) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    for (int stage = 0; stage < 3; ++stage) {
      if (stage == 1) static_cast<void>((co_await pair.b.write("x")).value());
      if (stage == 2) pair.b.close();
      auto [n, err] = co_await pair.a.read(io::Buffer());
      EXPECT_EQ(n, 0u) << stage;
      EXPECT_FALSE(err) << stage;
    }
  });
}

// TestEndlessWrite: who writes for ever ends with an error when the peer has read enough and closes; the process lives.
TEST(GoNetWrite, EndlessWriteEndsWhenThePeerCloses) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const auto write_for_ever = [](net::Conn conn) -> Task<std::error_code> {
      const std::string line = "endless\n";
      for (;;) {
        auto [n, err] = co_await conn.write(line);
        if (err) co_return err;
      }
    };
    auto writer = spawn(write_for_ever, pair.a);
    std::string some(40'000, '\0');
    const auto r = co_await io::read_full(pair.b, some);
    EXPECT_TRUE(r) << r.message();
    pair.b.close();
    const std::error_code err = co_await writer;
    EXPECT_TRUE(err == std::errc::broken_pipe || err == std::errc::connection_reset) << err.message();
  });
}

// TestDialerDualStackFDLeak: dials that fail on all addresses, or on the first only, leave no descriptor.
TEST(GoNetDial, LeaksNoDescriptor) {
  test::leaving_no_fds([]() -> Task<> {
    net::Listener ln = net::listen("tcp4", "127.0.0.1:0").value();
    const std::string address = "localhost:" + std::to_string(ln.addr().port());
    for (std::int64_t i = test::scaled(50, 10); i > 0; --i) {
      const auto fell_back = co_await net::dial("tcp", address);  // ::1 refuses, 127.0.0.1 answers
      EXPECT_TRUE(fell_back) << fell_back.message();
      static_cast<void>((co_await ln.accept()).value());
    }
    ln.close();
    for (std::int64_t i = test::scaled(50, 10); i > 0; --i) {
      const auto failed = co_await net::dial("tcp", address);
      EXPECT_FALSE(failed);
    }
  });
}

}  // namespace
}  // namespace gmp::net_conn_test
