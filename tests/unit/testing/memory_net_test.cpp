// tests/unit/testing/memory_net_test.cpp — the net of a test: as the system's, but in memory, in virtual time, and with faults by seed.
// Go: net/timeout_test.go, net/net_test.go (what is said of the system's).  Room: testing (floor 6).
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "gmp/gmp.hpp"
#include "gmp/testing.hpp"
#include "support/seed.hpp"
#include "support/text.hpp"
#include "unit/net/datagrams.hpp"

namespace gmp::memory_net_test {
namespace {

using namespace std::chrono_literals;
using test::has;

net::Listener listening(std::string_view network = "tcp", std::string_view address = "127.0.0.1:0") {
  auto listener = net::listen(network, address);
  EXPECT_TRUE(listener) << listener.message();
  return std::move(listener).value();
}
Task<net::Conn> dialed(const net::Listener& listener) {
  auto conn = co_await net::dial(listener.addr().network(), listener.addr().to_string());
  EXPECT_TRUE(conn) << conn.message();
  co_return std::move(conn).value();
}
struct Pair {
  net::Conn client, server;
  Pair(net::Conn c, net::Conn s) : client(std::move(c)), server(std::move(s)) {}
};
Task<Pair> pair() {
  const net::Listener listener = listening();
  net::Conn client = co_await dialed(listener);
  auto server = co_await listener.accept();
  EXPECT_TRUE(server) << server.message();
  co_return Pair(std::move(client), std::move(server).value());
}
Task<std::string> read_some(net::Conn conn, std::size_t most = 100) {
  std::string bytes(most, '\0');
  const auto n = co_await conn.read(bytes);
  bytes.resize(n.get<0>());
  co_return n ? bytes : n.message();
}

TEST(MemoryNet, AConversationTakesNoDescriptorAndNoTime) {
  testing::run([]() -> Task<> {
    const auto begin = testing::now();
    const net::Listener listener = listening();
    EXPECT_NE(listener.addr().port(), 0);
    EXPECT_EQ(listener.native_handle(), -1);
    auto echo = spawn([](net::Listener from) -> Task<> {
      auto conn = co_await from.accept();
      const auto copied = co_await io::copy(conn.get<0>(), conn.get<0>());
      EXPECT_EQ(copied.get<0>(), 10u);
    }, listener);
    net::Conn conn = co_await dialed(listener);
    EXPECT_EQ(conn.remote_addr(), listener.addr());
    EXPECT_TRUE(conn.local_addr().is_loopback());
    for (const std::string_view word : {"hello", "again"}) {
      const auto wrote = co_await conn.write(word);
      EXPECT_EQ(wrote.get<0>(), 5u);
      const std::string back = co_await read_some(conn);
      EXPECT_EQ(back, word);
    }
    EXPECT_FALSE(conn.close_write());
    const std::string end = co_await read_some(conn);
    EXPECT_EQ(end, "EOF");
    co_await echo;
    EXPECT_EQ(testing::now(), begin);
  });
}

TEST(MemoryNet, NobodyListens) {
  testing::run([]() -> Task<> {
    const auto refused = co_await net::dial("tcp", "127.0.0.1:1");
    EXPECT_EQ(refused.message(), "dial tcp 127.0.0.1:1: connect: connection refused");
    EXPECT_EQ(refused.err, std::errc::connection_refused);
    const auto nowhere = co_await net::dial("unix", "/nowhere");
    EXPECT_EQ(nowhere.message(), "dial unix /nowhere: connect: no such file or directory");
    const auto unknown = co_await net::dial("tcp", "example.com:80");
    EXPECT_TRUE(has(unknown.message(), "lookup example.com: no such host")) << unknown.message();
  });
}

TEST(MemoryNet, OnePlaceOneListener) {
  testing::run([]() -> Task<> {
    const net::Listener first = listening("tcp", "127.0.0.1:80");
    const auto second = net::listen("tcp", "127.0.0.1:80");
    EXPECT_EQ(second.message(), "listen tcp 127.0.0.1:80: bind: address already in use");
    const auto everywhere = net::listen("tcp", ":80");
    EXPECT_EQ(everywhere.err, std::errc::address_in_use);
    const net::Listener other = listening("tcp", "127.0.0.2:80");
    EXPECT_FALSE(first.close());
    EXPECT_TRUE(first.close());
    const net::Listener again = listening("tcp", "127.0.0.1:80");
    co_await yield();
  });
  testing::run([]() -> Task<> {  // another test, another net
    const auto gone = co_await net::dial("tcp", "127.0.0.1:80");
    EXPECT_EQ(gone.err, std::errc::connection_refused);
  });
}

TEST(MemoryNet, ByNameAndByEveryAddress) {
  testing::run([]() -> Task<> {
    const net::Listener listener = listening("tcp", ":8080");
    for (const char* address : {"localhost:8080", "127.0.0.1:8080", "[::1]:8080", ":8080"}) {
      const auto conn = co_await net::dial("tcp", address);
      EXPECT_TRUE(conn) << conn.message();
      const auto accepted = co_await listener.accept();
      EXPECT_TRUE(accepted) << accepted.message();
    }
    const net::Listener path = listening("unix", "/tmp/in-memory");
    const auto conn = co_await net::dial("unix", "/tmp/in-memory");
    EXPECT_TRUE(conn) << conn.message();
  });
}

TEST(MemoryNet, AFullBufferMakesWritersWait) {
  testing::run([]() -> Task<> {
    Pair both = co_await pair();
    auto writer = spawn([](net::Conn conn) -> Task<> {
      const std::string much(300'000, 'x');
      const auto wrote = co_await conn.write(much);
      EXPECT_EQ(wrote.get<0>(), much.size());
      EXPECT_FALSE(conn.close_write());
    }, both.client);
    co_await gmp::sleep(1s);
    EXPECT_FALSE(writer.done());
    const auto all = co_await io::read_all(both.server);
    EXPECT_EQ(all.get<0>().size(), 300'000u);
    co_await writer;
  });
}

TEST(MemoryNet, WhoWaitsForAPeerIsDurablyBlocked) {
  std::string text;
  try {
    testing::run([]() -> Task<> {
      Pair both = co_await pair();
      co_await read_some(both.server);
    });
  } catch (const testing::Failure& failure) {
    text = failure.what();
  }
  EXPECT_TRUE(has(text, "all goroutines are asleep - deadlock!")) << text;
  EXPECT_TRUE(has(text, "IO wait")) << text;
}

TEST(MemoryNet, DeadlinesPassInVirtualTime) {
  testing::run([]() -> Task<> {
    Pair both = co_await pair();
    const auto begin = testing::now();
    EXPECT_FALSE(both.client.set_read_deadline(begin + 1h));
    const std::string late = co_await read_some(both.client);
    EXPECT_TRUE(has(late, "i/o timeout")) << late;
    EXPECT_EQ(testing::now(), begin + 1h);
    EXPECT_FALSE(both.client.set_read_deadline({}));
    std::array<char, 4> buffer;
    const auto given_up = co_await timeout(2h, both.client.read(buffer));
    EXPECT_EQ(given_up.err, errc::deadline_exceeded);
    EXPECT_EQ(testing::now(), begin + 3h);
    const net::Listener listener = listening();
    const auto nobody = co_await timeout(1min, listener.accept());
    EXPECT_EQ(nobody.err, errc::deadline_exceeded);
    EXPECT_FALSE(listener.set_deadline(testing::now() + 1s));
    const auto too_late = co_await listener.accept();
    EXPECT_TRUE(has(too_late.message(), "i/o timeout")) << too_late.message();
  });
}

TEST(MemoryNet, CloseEndsWhatWaits) {
  testing::run([]() -> Task<> {
    Pair both = co_await pair();
    const net::Listener listener = listening();
    auto reader = spawn([](net::Conn conn) -> Task<std::string> { co_return co_await read_some(conn); }, both.client);
    auto accepter = spawn([](net::Listener from) -> Task<std::string> { co_return (co_await from.accept()).message(); }, listener);
    co_await gmp::sleep(1ms);
    EXPECT_FALSE(both.client.close());
    EXPECT_FALSE(listener.close());
    const std::string read = co_await reader, accepted = co_await accepter;
    EXPECT_TRUE(has(read, "use of closed network connection")) << read;
    EXPECT_TRUE(has(accepted, "use of closed network connection")) << accepted;
    const std::string end = co_await read_some(both.server);
    EXPECT_EQ(end, "EOF");
    const auto first = co_await both.server.write("lost");
    EXPECT_TRUE(first) << first.message();
    const auto second = co_await both.server.write("refused");
    EXPECT_EQ(second.err, std::errc::connection_reset);
    const auto third = co_await both.server.write("refused");
    EXPECT_EQ(third.err, std::errc::broken_pipe);
  });
}

// As the system has it: who does not read any more may still be written to.
TEST(MemoryNet, ReadingThatIsShutDoesNotDisturbThePeer) {
  testing::run([]() -> Task<> {
    Pair both = co_await pair();
    EXPECT_FALSE(both.server.close_read());
    const auto there = co_await both.client.write("there");
    EXPECT_TRUE(there) << there.message();
    const auto back = co_await both.server.write("back");
    EXPECT_TRUE(back) << back.message();
    const std::string came = co_await read_some(both.client), late = co_await read_some(both.server), end = co_await read_some(both.server);
    EXPECT_EQ(came, "back");
    EXPECT_EQ(late, "there");
    EXPECT_EQ(end, "EOF");
  });
}

TEST(MemoryNet, AResetIsToldOnce) {
  testing::run([]() -> Task<> {
    Pair both = co_await pair();
    EXPECT_FALSE(both.server.set_linger(0s));
    EXPECT_FALSE(both.server.close());
    const std::string reset = co_await read_some(both.client), end = co_await read_some(both.client);
    EXPECT_TRUE(has(reset, "connection reset by peer")) << reset;
    EXPECT_EQ(end, "EOF");
    const auto broken = co_await both.client.write("x");
    EXPECT_EQ(broken.err, std::errc::broken_pipe);
    const net::Listener listener = listening("unix", "/tmp/in-memory");
    net::Conn client = co_await dialed(listener);
    {
      auto server = co_await listener.accept();
      EXPECT_TRUE(server) << server.message();
    }
    const auto at_once = co_await client.write("x");
    EXPECT_EQ(at_once.err, std::errc::broken_pipe);
  });
}

Task<std::pair<std::string, net::Addr>> next(net::PacketConn from, std::size_t most = 100) {
  std::string bytes(most, '\0');
  const auto r = co_await from.read_from(bytes);
  bytes.resize(r.get<0>().n);
  co_return std::pair(r ? bytes : r.message(), r.get<0>().addr);
}
net::PacketConn packets(std::string_view network = "udp", std::string_view address = "127.0.0.1:0") {
  auto conn = net::listen_packet(network, address);
  EXPECT_TRUE(conn) << conn.message();
  return std::move(conn).value();
}

TEST(MemoryNet, DatagramsKeepTheirBoundsAndTellWhoSentThem) {
  testing::run([]() -> Task<> {
    const net::PacketConn server = packets(), stranger = packets();
    EXPECT_EQ(server.native_handle(), -1);
    const net::Conn conn = (co_await net::dial("udp", server.local_addr().to_string())).value();
    EXPECT_TRUE(conn.local_addr().is_loopback());
    co_await test::exchange_datagrams(conn, server, stranger);
    const auto big = co_await server.write_to(std::string(70'000, 'b'), conn.local_addr());
    EXPECT_EQ(big.message(), "write udp " + server.local_addr().to_string() + "->" + conn.local_addr().to_string() + ": sendto: message too long");
    auto reader = spawn(read_some(conn, 100));
    co_await gmp::sleep(1s);
    EXPECT_FALSE(reader.done());
    static_cast<void>((co_await server.write_to("at last", conn.local_addr())).value());
    const std::string last = co_await reader;
    EXPECT_EQ(last, "at last");
  });
}

TEST(MemoryNet, DatagramsForNobodyAndTooManyAreLost) {
  testing::run([]() -> Task<> {
    const net::PacketConn a = packets();
    const net::Addr gone = packets().local_addr();
    const auto lost = co_await a.write_to("x", gone);
    EXPECT_TRUE(lost) << lost.message();
    const auto nowhere = co_await a.write_to("x", gone.with_port(0));
    EXPECT_EQ(nowhere.err, std::errc::invalid_argument);
    const net::Conn conn = (co_await net::dial("udp", gone.to_string())).value();
    auto reader = spawn(read_some(conn, 100));
    co_await gmp::sleep(1s);
    static_cast<void>((co_await conn.write("hello?")).value());
    const std::string told = co_await reader;
    EXPECT_EQ(told, "read udp " + conn.local_addr().to_string() + "->" + gone.to_string() + ": read: connection refused");
    const auto again = co_await conn.write("hello?");
    EXPECT_TRUE(again) << again.message();
    const auto refused = co_await conn.write("hello?");
    EXPECT_EQ(refused.err, std::errc::connection_refused);
    int sent = 0, came = 0;
    for (; sent < 300; ++sent) static_cast<void>((co_await a.write_to(std::string(1000, 'm'), a.local_addr())).value());
    a.set_read_deadline(testing::now() + 1s);
    while ((co_await next(a, 1000)).first.size() == 1000) ++came;
    EXPECT_GT(came, 100);
    EXPECT_LT(came, sent);
  });
}

TEST(MemoryNet, DatagramsAndTheirDeadlinesAndEnds) {
  testing::run([]() -> Task<> {
    const net::PacketConn a = packets();
    const std::string where = "read udp " + a.local_addr().to_string();
    const auto begin = testing::now();
    a.set_read_deadline(begin + 1h);
    const auto late = co_await next(a);
    EXPECT_EQ(late.first, where + ": i/o timeout");
    EXPECT_EQ(testing::now() - begin, 1h);
    a.set_read_deadline({});
    std::array<char, 1> byte;
    const auto withdrawn = co_await timeout(1h, a.read_from(byte));
    EXPECT_EQ(withdrawn.err, errc::deadline_exceeded);
    auto reader = spawn(next(a, 10));
    co_await gmp::sleep(1s);
    EXPECT_FALSE(a.close());
    const auto closed = co_await reader;
    EXPECT_EQ(closed.first, where + ": use of closed network connection");
    const net::PacketConn again = packets("udp", a.local_addr().to_string());
    EXPECT_EQ(net::listen_packet("udp", a.local_addr().to_string()).err, std::errc::address_in_use);
    EXPECT_EQ(net::listen_packet("udp", ":" + std::to_string(a.local_addr().port())).err, std::errc::address_in_use);
    const net::Conn conn = (co_await net::dial("udp", again.local_addr().to_string())).value();
    auto last = spawn(read_some(conn, 100));
    co_await gmp::sleep(1s);
    EXPECT_FALSE(conn.close_read());
    const std::string end = co_await last;
    EXPECT_EQ(end, "EOF");
    EXPECT_FALSE(conn.close_write());
    const auto broken = co_await conn.write("x");
    EXPECT_EQ(broken.err, std::errc::broken_pipe);
  });
}

TEST(MemoryNet, DatagramsOfBothFamiliesByOneSocket) {
  testing::run([]() -> Task<> {
    const net::PacketConn all = packets("udp", ":0"), four = packets("udp4", "127.0.0.1:0"), six = packets("udp6", "[::1]:0");
    const std::string port = ":" + std::to_string(all.local_addr().port());
    EXPECT_EQ(all.local_addr().to_string(), "[::]" + port);
    static_cast<void>((co_await four.write_to("4", net::Addr::parse("udp", "127.0.0.1" + port).value())).value());
    static_cast<void>((co_await six.write_to("6", net::Addr::parse("udp", "[::1]" + port).value())).value());
    for (const net::PacketConn* from : {&four, &six}) {
      const auto got = co_await next(all);
      EXPECT_EQ(got.second, from->local_addr());
      static_cast<void>((co_await all.write_to("back", got.second)).value());
      const auto back = co_await next(*from);
      EXPECT_EQ(back.first, "back");
      EXPECT_EQ(back.second.port(), all.local_addr().port());
      EXPECT_TRUE(back.second.is_loopback());
    }
  });
}

TEST(MemoryNet, FamiliesAndPortsAreKeptApart) {
  testing::run([]() -> Task<> {
    const net::Listener four = listening("tcp4", "0.0.0.0:0");
    const std::string port = std::to_string(four.addr().port());
    const auto six = co_await net::dial("tcp", "[::1]:" + port);
    EXPECT_EQ(six.err, std::errc::connection_refused);
    const auto other = co_await net::dial("tcp", "127.0.0.2:" + port);
    EXPECT_TRUE(other) << other.message();
    EXPECT_EQ(other.get<0>().local_addr().host(), "127.0.0.1");
    for (int i = 0; i < 30'000; ++i) {
      const auto conn = co_await net::dial("tcp", "127.0.0.1:" + port);
      const auto accepted = co_await four.accept();
      const std::uint16_t own = conn.get<0>().local_addr().port();
      if (!conn || !accepted || own < 1024 || own == four.addr().port()) {
        ADD_FAILURE() << i << ": port " << own << ", " << conn.message() << accepted.message();
        break;
      }
    }
  });
}

// As TCP, which sends its request for a connection again after 1 s, 2 s, 4 s …, and gives up after 127 s.
TEST(MemoryNet, AFullBacklogIsWaitedFor) {
  testing::run([]() -> Task<> {
    const net::Listener listener = net::listen("tcp", "127.0.0.1:0", {.backlog = 1}).value();
    const std::string address = listener.addr().to_string();
    const auto dials = [](std::string address) -> Task<Result<net::Conn>> { co_return co_await net::dial("tcp", address); };
    const net::Conn first = co_await dialed(listener);
    const auto begin = testing::now();
    auto second = spawn(dials, address);
    co_await gmp::sleep(1500ms);
    EXPECT_FALSE(second.done());
    const net::Conn accepted = (co_await listener.accept()).value();
    const auto in = co_await second;
    EXPECT_TRUE(in) << in.message();
    EXPECT_EQ(testing::now() - begin, 3s);
    EXPECT_EQ(in.get<0>().remote_addr(), listener.addr());
    const auto late = co_await timeout(5s, net::dial("tcp", address));
    EXPECT_EQ(late.err, errc::deadline_exceeded);
    EXPECT_EQ(testing::now() - begin, 8s);
    const auto never = co_await net::dial("tcp", address);
    EXPECT_EQ(never.message(), "dial tcp " + address + ": connect: connection timed out");
    EXPECT_EQ(testing::now() - begin, 135s);
    auto last = spawn(dials, address);
    co_await gmp::sleep(1ms);
    EXPECT_FALSE(listener.close());
    const auto refused = co_await last;
    EXPECT_EQ(refused.message(), "dial tcp " + address + ": connect: connection refused");
    EXPECT_EQ(testing::now() - begin, 136s);
    const net::Listener unix_listener = net::listen("unix", "@full", {.backlog = 1}).value();
    const net::Conn only = co_await dialed(unix_listener);
    const auto full = co_await net::dial("unix", "@full");
    EXPECT_EQ(full.err, std::errc::resource_unavailable_try_again) << full.message();
  });
}

TEST(MemoryNet, WhatWasNotReadIsAnsweredByAReset) {
  testing::run([]() -> Task<> {
    Pair both = co_await pair();
    static_cast<void>(co_await both.client.write("never read"));
    static_cast<void>(co_await both.server.write("before"));
    EXPECT_FALSE(both.server.close());
    const std::string before = co_await read_some(both.client), after = co_await read_some(both.client);
    EXPECT_EQ(before, "before");
    EXPECT_TRUE(has(after, "connection reset by peer")) << after;

    Pair others = co_await pair();
    EXPECT_FALSE(others.server.set_linger(0s));
    EXPECT_FALSE(others.server.set_no_delay(false));
    EXPECT_FALSE(others.server.close());
    const std::string reset = co_await read_some(others.client);
    EXPECT_TRUE(has(reset, "read: connection reset by peer")) << reset;

    const net::Listener listener = listening();
    net::Conn unaccepted = co_await dialed(listener);
    EXPECT_FALSE(listener.close());
    const std::string refused = co_await read_some(unaccepted);
    EXPECT_TRUE(has(refused, "connection reset by peer")) << refused;
  });
}

// ---- under schedules

std::string failure_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const testing::Failure& failure) {
    return failure.what();
  }
  return "";
}
std::uint64_t seed_in(const std::string& text) {
  const std::size_t at = text.find("seed ");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 5, nullptr, 10);
}

class MemoryNetBugs : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    test::seed();
    ::unsetenv("GMPSEED");
  }
  // By nine of ten seeds, and played again; the twin is silent.
  static void expect_found(bool faults, const std::function<Task<>()>& wrong, const std::function<Task<>()>& right) {
    int found = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const std::string text = failure_of([&] { testing::explore({.schedules = 10'000, .seed = seed, .faults = faults}, wrong); });
      EXPECT_FALSE(has(text, "not deterministic")) << text;
      if (text.empty()) continue;
      ++found;
      EXPECT_NE(failure_of([&] { testing::replay(seed_in(text), wrong); }), "");
      EXPECT_EQ(failure_of([&] { testing::explore({.schedules = 200, .seed = seed, .faults = faults}, right); }), "");
    }
    EXPECT_GE(found, 9);
  }
};

Task<> greets(net::Listener listener) {
  auto conn = co_await listener.accept();
  if (conn) static_cast<void>(co_await conn.get<0>().write("hello, world"));
}
Task<> takes_one_read_for_a_message(bool right) {
  const net::Listener listener = listening();
  auto server = spawn(greets, listener);
  net::Conn conn = co_await dialed(listener);
  std::array<char, 12> message;
  std::size_t got = 0;
  if (right) {
    const auto n = co_await io::read_full(conn, message);
    got = n.get<0>();
  } else {
    const auto n = co_await conn.read(message);
    got = n.get<0>();
  }
  co_await server;
  if (got != message.size()) throw std::runtime_error("half a greeting");
}

TEST_F(MemoryNetBugs, OneReadForAMessage) {
  expect_found(false, [] { return takes_one_read_for_a_message(false); }, [] { return takes_one_read_for_a_message(true); });
}

// A server whose accept loop ends at the first error leaves its clients alone.
Task<> serve_until_closed(net::Listener listener, bool right) {
  for (;;) {
    auto conn = co_await listener.accept();
    if (conn)
      static_cast<void>(co_await conn.get<0>().write("x"));
    else if (conn.err == errc::closed || !right)
      co_return;
    else
      co_await gmp::sleep(1s);
  }
}
Task<> gives_up_at_emfile(bool right) {
  const net::Listener listener = listening();
  auto server = spawn(serve_until_closed, listener, right);
  for (int i = 0; i < 5; ++i) {
    auto conn = co_await net::dial("tcp", listener.addr().to_string());
    if (!conn) continue;  // that fault is another one's
    std::array<char, 1> byte;
    const auto got = co_await timeout(1h, conn.get<0>().read(byte));
    if (got.err == errc::deadline_exceeded) throw std::runtime_error("the server is gone");
  }
  listener.close();
  co_await server;
}

TEST_F(MemoryNetBugs, AnAcceptLoopThatEndsWithTooManyOpenFiles) {
  expect_found(true, [] { return gives_up_at_emfile(false); }, [] { return gives_up_at_emfile(true); });
}

// Who takes every failure of a read for the end has half a file.
Task<> takes_a_reset_for_the_end(bool right) {
  const net::Listener listener = listening();
  auto server = spawn([](net::Listener from) -> Task<> {
    auto conn = co_await from.accept();
    if (!conn) from.close();
    for (int i = 0; conn && i < 5; ++i) {
      const auto wrote = co_await conn.get<0>().write("line\n");
      if (!wrote) co_return;
    }
  }, listener);
  std::size_t size = 0;
  bool failed = false;
  {
    auto conn = co_await net::dial("tcp", listener.addr().to_string());
    failed = !conn;
    std::array<char, 8> some;
    while (!failed) {
      const auto n = co_await conn.get<0>().read(some);
      if (!n) {
        failed = right && n.err != errc::eof;
        break;
      }
      size += n.get<0>();
    }
  }
  listener.close();
  co_await server;
  if (!failed && size != 25) throw std::runtime_error("half a file");
}

TEST_F(MemoryNetBugs, AResetThatIsTakenForTheEnd) {
  expect_found(true, [] { return takes_a_reset_for_the_end(false); }, [] { return takes_a_reset_for_the_end(true); });
}

// An answer is wanted within a second, or an error.
Task<> waits_for_ever(bool right) {
  const net::Listener listener = listening();
  auto server = spawn(greets, listener);
  const auto begin = testing::now();
  {
    auto conn = co_await net::dial("tcp", listener.addr().to_string());
    if (conn) {
      std::array<char, 12> message;
      if (right) conn.get<0>().set_deadline(begin + 1s);
      static_cast<void>(co_await io::read_full(conn.get<0>(), message));
    }
  }
  const auto took = testing::now() - begin;
  listener.close();
  co_await server;
  if (took > 1s) throw std::runtime_error("it took too long");
}

TEST_F(MemoryNetBugs, AForgottenDeadline) {
  expect_found(true, [] { return waits_for_ever(false); }, [] { return waits_for_ever(true); });
}

// Who sends everything again after a deadline sends some of it twice.
Task<> sends_again_after_a_deadline(bool right) {
  const net::Listener listener = listening();
  auto server = spawn([](net::Listener from) -> Task<std::string> {
    auto conn = co_await from.accept();
    std::string all;
    for (std::array<char, 32> some; conn;) {
      const auto n = co_await conn.get<0>().read(some);
      all.append(some.data(), n.get<0>());
      if (!n) break;
    }
    if (!conn) from.close();
    co_return all;
  }, listener);
  bool sent = false;
  {
    auto conn = co_await net::dial("tcp", listener.addr().to_string());
    std::string_view rest = "0123456789";
    for (int tries = 0; conn && tries < 5 && !sent; ++tries) {
      conn.get<0>().set_write_deadline(testing::now() + 1s);
      const auto wrote = co_await conn.get<0>().write(rest);
      if (right) rest.remove_prefix(wrote.get<0>());
      sent = !wrote.err;
      if (wrote.err && wrote.err != errc::timeout) break;
    }
  }
  listener.close();
  const std::string got = co_await server;
  if (sent && got.size() > 10) throw std::runtime_error("sent twice");
}

TEST_F(MemoryNetBugs, AWriteThatIsBegunAnewAfterADeadline) {
  expect_found(true, [] { return sends_again_after_a_deadline(false); }, [] { return sends_again_after_a_deadline(true); });
}

// A request by datagrams, whose answer may be lost, come twice, or come behind a later one's.
Task<> adds_one(net::PacketConn server) {
  std::array<char, 1> buffer;
  for (;;) {
    const auto request = co_await server.read_from(buffer);
    if (request.err) co_return;
    const char answer = static_cast<char>(buffer[0] + 1);
    static_cast<void>(co_await server.write_to(std::string_view(&answer, 1), request.get<0>().addr));
  }
}
Task<> asks_by_datagrams(bool right) {
  const net::PacketConn server = net::listen_packet("udp", "127.0.0.1:0").value();
  auto serving = spawn(adds_one, server);
  const net::Conn conn = (co_await net::dial("udp", server.local_addr().to_string())).value();
  for (char question = 0; question < 20; question = static_cast<char>(question + 2)) {
    for (bool answered = false; !answered;) {
      static_cast<void>(co_await conn.write(std::string_view(&question, 1)));
      std::array<char, 1> answer;
      if (right) conn.set_read_deadline(testing::now() + 1s);
      const auto got = co_await conn.read(answer);
      if (right && (got.err == errc::timeout || answer[0] != question + 1)) continue;
      if (answer[0] != question + 1) throw std::runtime_error("another one's answer");
      answered = true;
    }
  }
  server.close();
  co_await serving;
}

TEST_F(MemoryNetBugs, DatagramsThatAreTakenForAStream) {
  expect_found(true, [] { return asks_by_datagrams(false); }, [] { return asks_by_datagrams(true); });
}

TEST_F(MemoryNetBugs, AFaultIsNamedAmongTheSteps) {
  const std::string text = failure_of([] { testing::explore({.schedules = 10'000, .seed = 3, .faults = true}, [] { return takes_a_reset_for_the_end(false); }); });
  EXPECT_TRUE(has(text, "fault: a connection is reset")) << text;
}

TEST_F(MemoryNetBugs, TheEnvironmentNamesTheSchedule) {
  int played = 0;
  const auto wrong = [&played] {
    ++played;
    return takes_one_read_for_a_message(false);
  };
  const std::string text = failure_of([&] { testing::explore({.schedules = 10'000}, wrong); });
  const std::string seed = std::to_string(seed_in(text));
  EXPECT_TRUE(has(text, "GMPSEED=" + seed)) << text;
  played = 0;
  ::setenv("GMPSEED", seed.c_str(), 1);
  const std::string again = failure_of([&] { testing::explore({.schedules = 10'000}, wrong); });
  EXPECT_TRUE(has(again, "seed " + seed)) << again;
  EXPECT_EQ(played, 1);
  ::setenv("GMPSEED", "7", 1);
  const std::string seventh = failure_of([&] { testing::explore({.schedules = 10'000}, wrong); });
  for (const char* bad : {"seven", "-1", "7:1234", "99999999999999999999"}) {
    ::setenv("GMPSEED", bad, 1);
    EXPECT_THROW(testing::explore({.schedules = 1}, wrong), std::invalid_argument) << bad;
  }
  ::unsetenv("GMPSEED");
  EXPECT_EQ(seed_in(seventh), seed_in(failure_of([&] { testing::explore({.schedules = 10'000, .seed = 7}, wrong); })));
}

}  // namespace
}  // namespace gmp::memory_net_test
