// tests/unit/net/listen_test.cpp — net::listen and accept: which addresses, in whose words it fails, and whose the port is after.
// Go: net/listen_test.go, net/dial_test.go (Listen).  Room: net (floor 5).
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/net.hpp"
#include "net/socket.hpp"
#include "support/child.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::listen_test {
namespace {

using namespace std::chrono_literals;
using test::on_executor;

std::string port_of(const net::Listener& ln) { return std::to_string(ln.addr().port()); }

TEST(Listen, Port0PicksOneAndAddrTellsIt) {
  auto [ln, err] = net::listen("tcp", "127.0.0.1:0");
  ASSERT_FALSE(err);
  const net::Addr addr = ln.addr();
  EXPECT_NE(addr.port(), 0);
  EXPECT_EQ(addr.to_string(), "127.0.0.1:" + std::to_string(addr.port()));
  EXPECT_EQ(addr.network(), "tcp");
  EXPECT_TRUE(ln);
}

TEST(Listen, TheSocketIsNotInheritedAndDoesNotBlock) {
  const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
  EXPECT_TRUE(test::is_cloexec(ln.native_handle()));
  EXPECT_TRUE(test::is_nonblocking(ln.native_handle()));
}

struct BadListen {
  const char* network;
  const char* address;
  errc code;
  const char* text;
};

TEST(Listen, BadAddressesFailInGosWords) {
  const BadListen table[] = {
      {"tcp", "127.0.0.1", errc::missing_port, "listen tcp: address 127.0.0.1: missing port in address"},
      {"tcp", "host", errc::missing_port, "listen tcp: address host: missing port in address"},
      {"tcp", "host:99999", errc::invalid_port, "listen tcp: address 99999: invalid port"},
      {"tcp", ":-1", errc::invalid_port, "listen tcp: address -1: invalid port"},
      {"tcp", ":nosuchservice", errc::unknown_port, "listen tcp: lookup tcp/nosuchservice: unknown port"},
      {"tcp", "[::1", errc::missing_bracket, "listen tcp: address [::1: missing ']' in address"},
      {"tcp", "[::1:80", errc::missing_bracket, "listen tcp: address [::1:80: missing ']' in address"},
      {"tcp", "::1:80", errc::too_many_colons, "listen tcp: address ::1:80: too many colons in address"},
      {"tcp", "a[b:80", errc::unexpected_left_bracket, "listen tcp: address a[b:80: unexpected '[' in address"},
      {"tcp", "a]b:80", errc::unexpected_right_bracket, "listen tcp: address a]b:80: unexpected ']' in address"},
      {"tcp4", "[::1]:0", errc::no_suitable_address, "listen tcp4: address ::1: no suitable address"},
      {"tcp6", "127.0.0.1:0", errc::no_suitable_address, "listen tcp6: address 127.0.0.1: no suitable address"},
      {"udp", "127.0.0.1:0", errc::unexpected_address_type, "listen udp: address 127.0.0.1:0: unexpected address type"},
      {"nope", "127.0.0.1:0", errc::unknown_network, "listen nope: unknown network nope"},
      {"TCP", "127.0.0.1:0", errc::unknown_network, "listen TCP: unknown network TCP"},
      {"", "127.0.0.1:0", errc::unknown_network, "listen: unknown network "},
  };
  for (const BadListen& row : table) {
    const auto r = net::listen(row.network, row.address);
    EXPECT_EQ(r.err, row.code) << row.network << ' ' << row.address << ": " << r.message();
    EXPECT_EQ(r.message(), row.text);
    EXPECT_FALSE(r.get<0>());
  }
}

TEST(Listen, APortInUse) {
  const net::Listener first = net::listen("tcp", "127.0.0.1:0").value();
  const auto second = net::listen("tcp", first.addr().to_string());
  EXPECT_EQ(second.err, std::errc::address_in_use);
  EXPECT_EQ(second.message(), "listen tcp " + first.addr().to_string() + ": bind: address already in use");
}

TEST(Listen, AnAddressThatIsNotOurs) {
  const auto r = net::listen("tcp", "192.0.2.1:0");
  EXPECT_EQ(r.err, std::errc::address_not_available);
  EXPECT_EQ(r.message(), "listen tcp 192.0.2.1:0: bind: cannot assign requested address");
}

TEST(Listen, ReusePortLetsSeveralShareOne) {
  const net::Listener a = net::listen("tcp", "127.0.0.1:0", {.reuse_port = true}).value();
  const net::Listener b = net::listen("tcp", a.addr().to_string(), {.reuse_port = true}).value();
  EXPECT_EQ(net::listen("tcp", a.addr().to_string()).err, std::errc::address_in_use);
  constexpr int conns = 64;
  on_executor([&]() -> Task<> {
    std::atomic<int> accepted[2] = {0, 0};
    std::vector<JoinHandle<void>> acceptors;
    for (int i = 0; i < 2; ++i) {
      const auto serve = [&accepted, i](net::Listener ln) -> Task<> {
        while (co_await ln.accept()) ++accepted[i];
      };
      acceptors.push_back(spawn(serve, i == 0 ? a : b));
    }
    for (int i = 0; i < conns; ++i) {
      const auto r = co_await net::dial("tcp", a.addr().to_string());
      EXPECT_TRUE(r) << r.message();
    }
    while (accepted[0] + accepted[1] < conns) co_await sleep(1ms);
    EXPECT_GT(accepted[0], 0);
    EXPECT_GT(accepted[1], 0);
    a.close();
    b.close();
    for (auto& acceptor : acceptors) co_await acceptor;
  });
}

TEST(Listen, BacklogIsHowManyMayWait) {
  const net::Listener ln = net::listen("tcp", "127.0.0.1:0", {.backlog = 1}).value();
  on_executor([&]() -> Task<> {
    const std::string address = ln.addr().to_string();
    std::atomic<int> connected{0};
    const auto connect = [&connected, address]() -> Task<> {
      auto [conn, err] = co_await net::dial("tcp", address);
      if (!err) ++connected;
      co_await conn.closed();
    };
    for (int i = 0; i < 8; ++i) go(connect);
    while (connected == 0) co_await sleep(1ms);
    co_await sleep(50ms);
    EXPECT_LT(connected, 8);  // Linux lets one more in, and some more that come at the same moment
    co_return;                // the others are stopped where they are
  });
}

TEST(Listen, ReachableByIpv4AndIpv6WithoutAHost) {
  for (const char* address : {":0", "0.0.0.0:0", "[::]:0", ""}) {
    const net::Listener ln = net::listen("tcp", address).value();
    on_executor([&]() -> Task<> {
      std::vector<std::string> ways = {"127.0.0.1:" + port_of(ln)};
      if (detail::ip_support().ipv6) ways.push_back("[::1]:" + port_of(ln));
      for (const std::string& to : ways) {
        const auto dialled = co_await net::dial("tcp", to);
        EXPECT_TRUE(dialled) << dialled.message();
        auto [conn, err] = co_await ln.accept();
        EXPECT_EQ(conn.local_addr().to_string(), to);  // not the wildcard: the address that was dialled
        EXPECT_EQ(conn.remote_addr(), dialled.get<0>().local_addr());
      }
    });
  }
}

TEST(Listen, Tcp4AndTcp6ShareAPort) {
  if (!detail::ip_support().ipv6) GTEST_SKIP() << "no IPv6 here";
  net::Listener six, four;
  while (!four) {  // a port that is free for both: connections of IPv4 have ports, too
    six = net::listen("tcp6", ":0").value();
    auto [ln, err] = net::listen("tcp4", ":" + port_of(six));
    ASSERT_TRUE(!err || err == std::errc::address_in_use) << err.message();
    four = ln;
  }
  EXPECT_EQ(six.addr().to_string(), "[::]:" + port_of(six));
  EXPECT_EQ(four.addr().to_string(), "0.0.0.0:" + port_of(six));
  on_executor([&]() -> Task<> {
    const net::Conn to_four = (co_await net::dial("tcp", "127.0.0.1:" + port_of(six))).value();
    const net::Conn to_six = (co_await net::dial("tcp", "[::1]:" + port_of(six))).value();
    const net::Conn by_four = (co_await four.accept()).value();
    const net::Conn by_six = (co_await six.accept()).value();
    EXPECT_EQ(by_four.remote_addr(), to_four.local_addr());
    EXPECT_EQ(by_six.remote_addr(), to_six.local_addr());
  });
}

TEST(Listen, LocalhostIsIpv4First) {
  const net::Listener ln = net::listen("tcp", "localhost:0").value();
  EXPECT_EQ(ln.addr().host(), "127.0.0.1");
  if (!detail::ip_support().ipv6) return;
  EXPECT_EQ(net::listen("tcp6", "localhost:0").value().addr().host(), "::1");
}

TEST(Listen, ThePortIsFreeAtOnceAfterClose) {
  on_executor([]() -> Task<> {
    net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const std::string address = ln.addr().to_string();
    for (std::int64_t i = test::scaled(50, 5); i > 0; --i) {
      const auto accept_on = [ln]() -> Task<std::error_code> {
        for (;;) {
          const auto r = co_await ln.accept();
          if (!r) co_return r.err;
        }
      };
      auto acceptor = spawn(accept_on);
      const net::Conn conn = (co_await net::dial("tcp", address)).value();
      co_await test::until_parked(1);
      EXPECT_FALSE(ln.close());
      auto again = net::listen("tcp", address);  // with an accept in flight, and a connection in use
      EXPECT_TRUE(again) << again.message();
      const std::error_code err = co_await acceptor;
      EXPECT_EQ(err, errc::closed);
      if (!again) co_return;
      ln = std::move(again).value();
    }
  });
}

TEST(Listen, NobodyConnectsAfterClose) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const net::Conn out = (co_await net::dial("tcp", ln.addr().to_string())).value();
    const net::Conn in = (co_await ln.accept()).value();  // while it lives the system gives its port to no listener of another process
    EXPECT_FALSE(ln.close());
    const auto r = co_await net::dial("tcp", ln.addr().to_string());
    EXPECT_EQ(r.err, std::errc::connection_refused);
  });
}

TEST(Listen, FromAnyThread) {
  std::jthread([] { EXPECT_TRUE(net::listen("tcp", "127.0.0.1:0")); }).join();
  on_executor([] { EXPECT_TRUE(net::listen("tcp", "127.0.0.1:0")); });
}

TEST(Accept, GivesConnectionsAsTheyWereMade) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    for (int i = 0; i < 20; ++i) {
      const net::Conn out = (co_await net::dial("tcp", ln.addr().to_string())).value();
      const net::Conn in = (co_await ln.accept()).value();
      EXPECT_EQ(in.local_addr(), ln.addr());
      EXPECT_EQ(in.local_addr(), out.remote_addr());
      EXPECT_EQ(in.remote_addr(), out.local_addr());
      for (const net::Conn& conn : {in, out}) {
        EXPECT_TRUE(test::is_cloexec(conn.native_handle()));
        EXPECT_TRUE(test::is_nonblocking(conn.native_handle()));
        int on = 0;
        socklen_t size = sizeof on;
        EXPECT_EQ(::getsockopt(conn.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        EXPECT_NE(on, 0);
        EXPECT_EQ(::getsockopt(conn.native_handle(), SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
        EXPECT_NE(on, 0);
        EXPECT_EQ(::getsockopt(conn.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &on, &size), 0);
        EXPECT_EQ(on, 15);
      }
    }
  });
}

TEST(Accept, SeveralGsGetOneEach) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    std::vector<JoinHandle<net::Addr>> acceptors;
    const auto accept_one = [ln]() -> Task<net::Addr> { co_return (co_await ln.accept()).value().remote_addr(); };
    for (int i = 0; i < 8; ++i) acceptors.push_back(spawn(accept_one));
    co_await test::until_parked(8);
    std::vector<net::Conn> conns;
    std::vector<net::Addr> dialled;
    for (int i = 0; i < 8; ++i) {
      conns.push_back((co_await net::dial("tcp", ln.addr().to_string())).value());
      dialled.push_back(conns.back().local_addr());
    }
    std::vector<net::Addr> accepted;
    for (auto& acceptor : acceptors) accepted.push_back(co_await acceptor);
    std::sort(dialled.begin(), dialled.end());
    std::sort(accepted.begin(), accepted.end());
    EXPECT_EQ(dialled, accepted);
  });
}

TEST(Accept, AClosedOneAndANullOne) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const std::string address = ln.addr().to_string();
    EXPECT_FALSE(ln.close());
    EXPECT_EQ(ln.close(), errc::closed);
    EXPECT_FALSE(ln);
    EXPECT_EQ(ln.native_handle(), -1);
    EXPECT_EQ(ln.addr().to_string(), address);
    EXPECT_EQ(ln.set_deadline(time_point::max()), errc::closed);
    const auto r = co_await ln.accept();
    EXPECT_EQ(r.err, errc::closed);
    EXPECT_EQ(r.message(), "accept tcp " + address + ": use of closed network connection");

    const net::Listener none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.close(), errc::closed);
    EXPECT_EQ(none.set_deadline(time_point{}), errc::closed);
    EXPECT_FALSE(none.addr());
    const auto n = co_await none.accept();
    EXPECT_EQ(n.err, errc::closed);
    EXPECT_EQ(n.message(), "use of closed network connection");
    co_await none.closed();
  });
}

// The connection waits for a free number, and comes with the next accept.
TEST(Accept, TooManyOpenFilesIsAnErrorAndNoConnectionIsLost) {
  const auto died = test::child::run([] {
    Executor ex({.procs = 1});  // a P that starts meanwhile would need a descriptor for its poller
    ex.run([]() -> Task<> {
      const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
      const net::Conn out = (co_await net::dial("tcp", ln.addr().to_string())).value();
      rlimit limit{};
      ::getrlimit(RLIMIT_NOFILE, &limit);
      const rlimit none{0, limit.rlim_max};
      ::setrlimit(RLIMIT_NOFILE, &none);
      const auto r = co_await ln.accept();
      ::setrlimit(RLIMIT_NOFILE, &limit);  // first of all: sanitizers look at memory by a pipe
      std::puts(r.message() == "accept tcp " + ln.addr().to_string() + ": accept4: too many open files" ? "as it should" : r.message().c_str());
      auto [conn, err] = co_await ln.accept();
      std::puts(!err && conn.remote_addr() == out.local_addr() ? "and then it came" : "lost");
    });
  });
  EXPECT_EQ(died.status, 0) << died;
  EXPECT_EQ(died.out, "as it should\nand then it came\n") << died;
}

}  // namespace
}  // namespace gmp::listen_test
