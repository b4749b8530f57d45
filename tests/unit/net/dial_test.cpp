// tests/unit/net/dial_test.cpp — net::dial: names and numbers, fallbacks, and failures in Go's words.
// Go: net/dial_test.go, net/error_test.go.  Room: net (floor 5).
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/net.hpp"
#include "net/socket.hpp"
#include "support/black_hole.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::dial_test {
namespace {

using namespace std::chrono_literals;
using test::on_executor;

std::string with_port(std::string_view host, const net::Listener& ln) {
  return std::string(host) + ":" + std::to_string(ln.addr().port());
}

/// A port of 127.0.0.1 and ::1 where nobody listens, nor will: it is bound, so the system gives it to nobody else.
class SilentPort {
 public:
  SilentPort() {
    const bool six = detail::ip_support().ipv4_by_ipv6;
    fd_ = detail::open_socket(six ? AF_INET6 : AF_INET, net::Addr::Kind::tcp);
    EXPECT_TRUE(!six || detail::set_int(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0));
    sockaddr_storage any = {};
    any.ss_family = six ? AF_INET6 : AF_INET;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&any), six ? sizeof(sockaddr_in6) : sizeof(sockaddr_in)), 0);
  }
  std::string text() const { return std::to_string(detail::local_end(fd_.get(), net::Addr::Kind::tcp).port()); }

 private:
  detail::FdGuard fd_;
};

TEST(Dial, NumbersNamesAndNothing) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", ":0").value();
    const net::Listener four = net::listen("tcp4", "127.0.0.1:0").value();
    struct Row {
      const net::Listener& to;
      const char* network;
      const char* host;
      const char* reached;
    };
    std::vector<Row> table = {
        {four, "tcp", "127.0.0.1", "127.0.0.1"}, {four, "tcp4", "127.0.0.1", "127.0.0.1"}, {four, "tcp4", "localhost", "127.0.0.1"},
        {four, "tcp", "localhost", "127.0.0.1"}, {four, "tcp", "LOCALHOST", "127.0.0.1"},  {four, "tcp", "localhost.", "127.0.0.1"},
        {four, "tcp", "", "127.0.0.1"},          {four, "tcp", "0.0.0.0", "127.0.0.1"},    {four, "tcp4", "", "127.0.0.1"},
    };
    if (detail::ip_support().ipv6) {
      table.push_back({ln, "tcp", "[::1]", "[::1]"});
      table.push_back({ln, "tcp6", "[::1]", "[::1]"});
      table.push_back({ln, "tcp6", "localhost", "[::1]"});
      table.push_back({ln, "tcp", "localhost", "[::1]"});
      table.push_back({ln, "tcp", "[::]", "[::1]"});
      table.push_back({ln, "tcp6", "", "[::1]"});
    }
    for (const Row& row : table) {
      // However long this machine holds up a first address that answers: there is no race with the second one.
      const auto r = co_await net::dial(row.network, with_port(row.host, row.to), {.fallback_delay = 1h});
      EXPECT_TRUE(r) << r.message();
      EXPECT_EQ(r.get<0>().remote_addr().to_string(), with_port(row.reached, row.to)) << row.network << ' ' << row.host;
      const net::Conn in = (co_await row.to.accept()).value();
      EXPECT_EQ(in.remote_addr(), r.get<0>().local_addr());
    }
  });
}

// The machine's own name is not one that needs nobody: it goes by getaddrinfo.
TEST(Dial, ANameGoesThroughTheResolver) {
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  addrinfo* found = nullptr;
  if (::getaddrinfo(name, nullptr, nullptr, &found) != 0) GTEST_SKIP() << "this machine does not know its own name";
  ::freeaddrinfo(found);
  on_executor([&]() -> Task<> {
    const net::Listener ln = net::listen("tcp", ":0").value();
    std::vector<JoinHandle<void>> dials;
    const auto dial_it = [&]() -> Task<> {
      const auto r = co_await net::dial("tcp", with_port(name, ln));
      EXPECT_TRUE(r) << r.message();
    };
    for (int i = 0; i < 10; ++i) dials.push_back(spawn(dial_it));
    for (auto& dialled : dials) co_await dialled;
    EXPECT_TRUE(net::listen("tcp", std::string(name) + ":0"));
  });
}

TEST(Dial, ANameThatNobodyKnows) {
  on_executor([]() -> Task<> {
    // A label of more than 63 letters: no server is asked.
    std::string name(70, 'a');
    name += ".invalid";
    const auto r = co_await net::dial("tcp", name + ":80");
    EXPECT_FALSE(r);
    EXPECT_TRUE(r.message().starts_with("dial tcp: lookup " + name + ": ")) << r.message();
    EXPECT_EQ(r.err.category(), errc_category()) << r.message();
    EXPECT_FALSE(r.get<0>());
  });
}

TEST(Dial, NobodyListens) {
  const SilentPort silent;
  const std::string port = silent.text();
  on_executor([&]() -> Task<> {
    const auto r = co_await net::dial("tcp", "127.0.0.1:" + port);
    EXPECT_EQ(r.err, std::errc::connection_refused);
    EXPECT_EQ(r.message(), "dial tcp 127.0.0.1:" + port + ": connect: connection refused");
    try {
      static_cast<void>(r.value());
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& e) {
      EXPECT_EQ(std::string(e.what()), r.message());
      EXPECT_EQ(e.code(), std::errc::connection_refused);
    }
    const auto any = co_await net::dial("tcp", ":" + port);
    EXPECT_EQ(any.message(), "dial tcp 127.0.0.1:" + port + ": connect: connection refused");
    if (!detail::ip_support().ipv6) co_return;
    const auto first = co_await net::dial("tcp", "localhost:" + port);
    EXPECT_EQ(first.message(), "dial tcp [::1]:" + port + ": connect: connection refused");
  });
}

TEST(Dial, WhatTheSystemRefusesAtOnce) {
  on_executor([]() -> Task<> {
    const auto r = co_await net::dial("tcp", "127.255.255.255:1");  // a broadcast address
    EXPECT_EQ(r.err, std::errc::network_unreachable) << r.message();
    EXPECT_EQ(r.message(), "dial tcp 127.255.255.255:1: connect: network is unreachable");
  });
}

TEST(Dial, BadAddressesFailInGosWords) {
  struct Row {
    const char* network;
    const char* address;
    errc code;
    const char* text;
  };
  const Row table[] = {
      {"tcp", "", errc::missing_address, "dial tcp: missing address"},
      {"tcp", "host", errc::missing_port, "dial tcp: address host: missing port in address"},
      {"tcp", "127.0.0.1", errc::missing_port, "dial tcp: address 127.0.0.1: missing port in address"},
      {"tcp", "host:99999", errc::invalid_port, "dial tcp: address 99999: invalid port"},
      {"tcp", "127.0.0.1:-5", errc::invalid_port, "dial tcp: address -5: invalid port"},
      {"tcp", "127.0.0.1:nosuchservice", errc::unknown_port, "dial tcp: lookup tcp/nosuchservice: unknown port"},
      {"tcp", "[::1", errc::missing_bracket, "dial tcp: address [::1: missing ']' in address"},
      {"tcp", "[::1]", errc::missing_port, "dial tcp: address [::1]: missing port in address"},
      {"tcp", "::1:80", errc::too_many_colons, "dial tcp: address ::1:80: too many colons in address"},
      {"tcp", "[::1]:80:90", errc::too_many_colons, "dial tcp: address [::1]:80:90: too many colons in address"},
      {"tcp", "a[b:80", errc::unexpected_left_bracket, "dial tcp: address a[b:80: unexpected '[' in address"},
      {"tcp", "a]b:80", errc::unexpected_right_bracket, "dial tcp: address a]b:80: unexpected ']' in address"},
      {"tcp4", "[::1]:80", errc::no_suitable_address, "dial tcp4: address ::1: no suitable address"},
      {"tcp6", "127.0.0.1:80", errc::no_suitable_address, "dial tcp6: address 127.0.0.1: no suitable address"},
      {"nope", "127.0.0.1:80", errc::unknown_network, "dial nope: unknown network nope"},
      {"nope", "", errc::unknown_network, "dial nope: unknown network nope"},
      {"", "127.0.0.1:80", errc::unknown_network, "dial: unknown network "},
  };
  on_executor([&]() -> Task<> {
    for (const Row& row : table) {
      const auto r = co_await net::dial(row.network, row.address);
      EXPECT_EQ(r.err, row.code) << row.network << ' ' << row.address << ": " << r.message();
      EXPECT_EQ(r.message(), row.text);
    }
  });
}

TEST(Dial, AnOperationMayWaitToBeAwaited) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    std::string network = "tcp";
    std::string address = ln.addr().to_string();
    auto op = net::dial(network, address);
    network = address = "gone";  // it has its own copies
    const auto r = co_await std::move(op);
    EXPECT_TRUE(r) << r.message();
  });
}

TEST(Dial, ManyAtOnce) {
  test::leaving_no_fds([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const int n = static_cast<int>(test::scaled(200, 50));
    std::vector<JoinHandle<net::Conn>> dials;
    const auto dial_it = [&ln]() -> Task<net::Conn> { co_return (co_await net::dial("tcp", ln.addr().to_string())).value(); };
    for (int i = 0; i < n; ++i) dials.push_back(spawn(dial_it));
    std::vector<net::Conn> accepted;
    for (int i = 0; i < n; ++i) accepted.push_back((co_await ln.accept()).value());
    for (auto& dialled : dials) {
      const net::Conn conn = co_await dialled;
      EXPECT_TRUE(conn);
    }
  });
}

TEST(Dial, FailedOnesLeaveNoDescriptor) {
  const SilentPort silent;
  const std::string port = silent.text();
  test::leaving_no_fds([&]() -> Task<> {
    for (std::int64_t i = test::scaled(100, 10); i > 0; --i) {
      const auto r = co_await net::dial("tcp", "localhost:" + port);
      EXPECT_EQ(r.err, std::errc::connection_refused);
    }
  });
}

// ---- several addresses: localhost is ::1 and 127.0.0.1

TEST(DialRace, AnAddressThatDoesNotAnswerIsLeftBehind) {
  if (!detail::ip_support().ipv6) GTEST_SKIP() << "no IPv6 here";
  test::leaving_no_fds([]() -> Task<> {
    const net::Listener four = net::listen("tcp4", "127.0.0.1:0").value();
    test::BlackHole hole("[::1]:" + std::to_string(four.addr().port()));
    co_await hole.fill();
    for (int i = 0; i < 3; ++i) {
      const auto start = test::Clock::now();
      const auto r = co_await net::dial("tcp", with_port("localhost", four), {.fallback_delay = 20ms});
      EXPECT_TRUE(r) << r.message();
      EXPECT_EQ(r.get<0>().remote_addr(), four.addr());
      EXPECT_GE(test::Clock::now() - start, 20ms);
    }
    // Without patience for the second one it hangs on the first, until it is given up.
    const auto hangs = co_await timeout(50ms, net::dial("tcp", with_port("localhost", four), {.fallback_delay = -1ns}));
    EXPECT_EQ(hangs.err, errc::deadline_exceeded) << hangs.message();
    while (test::parked_in_io(Executor::current()) != 0) co_await yield();
  });
}

TEST(DialRace, ARefusalStartsTheNextAtOnce) {
  if (!detail::ip_support().ipv6) GTEST_SKIP() << "no IPv6 here";
  on_executor([]() -> Task<> {
    const net::Listener four = net::listen("tcp4", "127.0.0.1:0").value();
    const auto r = co_await timeout(5s, net::dial("tcp", with_port("localhost", four), {.fallback_delay = 1h}));
    EXPECT_TRUE(r) << r.message();
    EXPECT_EQ(r.get<0>().remote_addr(), four.addr());
  });
}

TEST(DialRace, GivenUpItLeavesNothing) {
  if (!detail::ip_support().ipv6) GTEST_SKIP() << "no IPv6 here";
  test::leaving_no_fds([]() -> Task<> {
    const net::Listener four = net::listen("tcp4", "127.0.0.1:0").value();
    test::BlackHole hole("[::1]:" + std::to_string(four.addr().port()));
    co_await hole.fill();
    const int rounds = static_cast<int>(test::scaled(100, 20));
    for (int i = 0; i < rounds; ++i) {  // before, at, and after the second one's start
      const auto r = co_await timeout(std::chrono::microseconds(i * 40), net::dial("tcp", with_port("localhost", four), {.fallback_delay = 1ms}));
      EXPECT_TRUE(r || r.err == errc::deadline_exceeded) << r.message();
    }
    while (test::parked_in_io(Executor::current()) != 0) co_await yield();
  });
}

TEST(LookupHost, NumbersNamesAndStrangers) {
  on_executor([]() -> Task<> {
    const auto number = co_await net::lookup_host("127.0.0.1");
    EXPECT_EQ(number.value().size(), 1u);
    EXPECT_EQ(number.value().front().to_string(), "127.0.0.1");
    EXPECT_EQ(number.value().front().with_kind(net::Addr::Kind::tcp).with_port(80).to_string(), "127.0.0.1:80");
    const auto six = co_await net::lookup_host("::1");
    EXPECT_EQ(six.value().front().to_string(), "::1");
    const auto local = co_await net::lookup_host("localhost");
    EXPECT_EQ(local.value().size(), detail::ip_support().ipv6 ? 2u : 1u);
    for (const net::Addr& addr : local.value()) EXPECT_TRUE(addr.is_loopback()) << addr;
    std::string name(70, 'a');
    name += ".invalid";
    const auto stranger = co_await net::lookup_host(name);
    EXPECT_FALSE(stranger);
    EXPECT_TRUE(stranger.message().starts_with("lookup " + name + ": ")) << stranger.message();
    const std::string cut("localhost\0.example", 18);  // not what stands before the zero byte
    const auto cut_off = co_await net::lookup_host(cut);
    EXPECT_EQ(cut_off.message(), "lookup " + cut + ": no such host");
    const auto no_conn = co_await net::dial("tcp", cut + ":80");
    EXPECT_EQ(no_conn.message(), "dial tcp: lookup " + cut + ": no such host");
    const auto no_port = co_await net::dial("tcp", "127.0.0.1:" + std::string("http\0x", 6));
    EXPECT_EQ(no_port.err, errc::unknown_port);
    const auto empty = co_await net::lookup_host("");
    EXPECT_EQ(empty.message(), "lookup : no such host");
    // Given up while the resolver is at it: it ends by itself, later.
    const auto late = co_await timeout(0s, net::lookup_host(name));
    EXPECT_FALSE(late);
  });
}

// With P = 1 another g runs while names are looked up, and while a connection that nobody answers is being made.
TEST(Dial, HoldsUpNobody) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    const net::Listener full = net::listen("tcp", "127.0.0.1:0", {.backlog = 1}).value();
    const std::string address = full.addr().to_string();
    const auto dial_it = [address]() -> Task<> {
      auto [conn, err] = co_await net::dial("tcp", address);
      if (!err) co_await conn.closed();
    };
    for (int i = 0; i < 8; ++i) go(dial_it);
    co_await test::until_parked(8);
    const auto begin = test::Clock::now();
    for (int turns = 0; turns < 100; ++turns) co_await yield();
    EXPECT_LT(test::Clock::now() - begin, 5s);  // the system tries for minutes
    EXPECT_EQ(test::parked_in_io(Executor::current()), 8);  // and it is at it still
  });
}

}  // namespace
}  // namespace gmp::dial_test
