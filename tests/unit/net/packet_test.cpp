// tests/unit/net/packet_test.cpp — datagrams: one a read, one a write, bounds kept, over UDP and unix sockets; and Conns of datagrams.
// Go: net/udpsock_test.go, net/unixsock_test.go, net/packetconn_test.go, net/timeout_test.go (ReadFromTimeout).  Room: net (floor 5).
#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/net.hpp"
#include "gmp/sync.hpp"
#include "net/socket.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "unit/net/datagrams.hpp"

namespace gmp::packet_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::on_executor;
using test::next_datagram;
using test::until_parked;

net::PacketConn udp() { return net::listen_packet("udp", "127.0.0.1:0").value(); }

Task<Result<net::Received>> read_once(net::PacketConn pc) {
  char buffer[64];
  co_return co_await pc.read_from(buffer);
}

TEST(Packet, GoesToWhoIsNamedAndTellsWhoSentIt) {
  on_executor([]() -> Task<> {
    const net::PacketConn a = udp(), b = udp(), c = udp();
    EXPECT_EQ(a.local_addr().network(), "udp");
    EXPECT_NE(a.local_addr().port(), 0);
    const auto sent = co_await a.write_to("to b", b.local_addr());
    EXPECT_EQ(sent.value(), 4u);
    static_cast<void>((co_await c.write_to(std::string_view("to b, too"), b.local_addr())).value());
    const auto first = co_await next_datagram(b);
    EXPECT_EQ(first, std::pair(std::string("to b"), a.local_addr()));
    const auto second = co_await next_datagram(b);
    EXPECT_EQ(second, std::pair(std::string("to b, too"), c.local_addr()));
    static_cast<void>((co_await b.write_to("back", first.second)).value());
    const auto back = co_await next_datagram(a);
    EXPECT_EQ(back, std::pair(std::string("back"), b.local_addr()));
  });
}

TEST(Packet, AReaderParksUntilOneComes) {
  on_executor([]() -> Task<> {
    const net::PacketConn a = udp(), b = udp();
    auto reader = spawn(next_datagram(b));
    co_await until_parked(1);
    static_cast<void>((co_await a.write_to("woken", b.local_addr())).value());
    const auto got = co_await reader;
    EXPECT_EQ(got.first, "woken");
    EXPECT_EQ(got.second, a.local_addr());
  });
}

TEST(Packet, ReadersGetTheirTurnsInOrder) {
  on_executor([]() -> Task<> {
    const net::PacketConn a = udp(), b = udp();
    std::vector<JoinHandle<std::pair<std::string, net::Addr>>> readers;
    for (int i = 0; i < 5; ++i) {
      readers.push_back(spawn(next_datagram(b)));
      co_await until_parked(i + 1);
    }
    for (int i = 0; i < 5; ++i) static_cast<void>((co_await a.write_to(std::to_string(i), b.local_addr())).value());
    for (int i = 0; i < 5; ++i) {
      const auto got = co_await readers[static_cast<std::size_t>(i)];
      EXPECT_EQ(got.first, std::to_string(i));
    }
  });
}

// An empty one is a datagram as any; what does not fit is lost, the next one whole; an empty buffer takes one, too.
TEST(Packet, BoundsAreKept) {
  on_executor([]() -> Task<> {
    const net::PacketConn a = udp(), b = udp();
    const net::Addr to = b.local_addr();
    for (const std::string_view data : {"", "0123456789", "next", "swallowed", "last"}) static_cast<void>((co_await a.write_to(data, to)).value());
    const auto empty = co_await next_datagram(b);
    EXPECT_EQ(empty, std::pair(std::string(), a.local_addr()));
    char four[4];
    const auto cut = co_await b.read_from(four);
    EXPECT_EQ(cut.value().n, 4u);
    EXPECT_EQ(std::string_view(four, 4), "0123");
    const auto whole = co_await next_datagram(b);
    EXPECT_EQ(whole.first, "next");
    const auto nothing = co_await b.read_from(io::Buffer());
    EXPECT_EQ(nothing.value().n, 0u);
    EXPECT_EQ(nothing.value().addr, a.local_addr());
    const auto last = co_await next_datagram(b);
    EXPECT_EQ(last.first, "last");
  });
}

TEST(Packet, BothFamiliesByOneSocket) {
  if (!detail::ip_support().ipv4_by_ipv6) GTEST_SKIP() << "no IPv6 here, or none that maps IPv4";
  on_executor([]() -> Task<> {
    const net::PacketConn all = net::listen_packet("udp", ":0").value();
    const net::PacketConn four = net::listen_packet("udp4", "127.0.0.1:0").value();
    const net::PacketConn six = net::listen_packet("udp6", "[::1]:0").value();
    const std::string port = ":" + std::to_string(all.local_addr().port());
    static_cast<void>((co_await four.write_to("4", net::Addr::parse("udp", "127.0.0.1" + port).value())).value());
    static_cast<void>((co_await six.write_to("6", net::Addr::parse("udp", "[::1]" + port).value())).value());
    for (int i = 0; i < 2; ++i) {
      const auto got = co_await next_datagram(all);
      EXPECT_EQ(got.second, got.first == "4" ? four.local_addr() : six.local_addr());
      static_cast<void>((co_await all.write_to("back", got.second)).value());
    }
    const auto four_got = co_await next_datagram(four);
    EXPECT_EQ(four_got.first, "back");
    const auto six_got = co_await next_datagram(six);
    EXPECT_EQ(six_got.first, "back");
  });
}

TEST(Packet, WhereItCannotGo) {
  on_executor([]() -> Task<> {
    const net::PacketConn a = udp();
    const std::string from = "write udp " + a.local_addr().to_string();
    const auto nowhere = co_await a.write_to("x", net::Addr());
    EXPECT_EQ(nowhere.err, errc::missing_address);
    EXPECT_EQ(nowhere.message(), from + ": missing address");
    const auto path = co_await a.write_to("x", net::Addr::unix_path(net::Addr::Kind::unix_datagram, "/nowhere"));
    EXPECT_EQ(path.err, errc::no_suitable_address);
    EXPECT_EQ(path.message(), from + "->/nowhere: address /nowhere: no suitable address");
    const auto six = co_await a.write_to("x", net::Addr::parse("udp", "[::1]:9").value());
    EXPECT_EQ(six.message(), from + "->[::1]:9: address [::1]:9: no suitable address");
    const auto big = co_await a.write_to(std::string(70'000, 'b'), a.local_addr());
    EXPECT_EQ(big.err, std::errc::message_size);
    EXPECT_EQ(big.get<0>(), 0u);
    EXPECT_EQ(big.message(), from + "->" + a.local_addr().to_string() + ": sendto: message too long");
    const auto whole = co_await a.write_to("still usable", a.local_addr());
    EXPECT_TRUE(whole) << whole.message();
  });
}

TEST(Packet, BadAddressesFailInGosWords) {
  struct Row {
    const char* network;
    const char* address;
    errc code;
    const char* text;
  };
  const Row table[] = {
      {"tcp", "127.0.0.1:0", errc::unexpected_address_type, "listen tcp: address 127.0.0.1:0: unexpected address type"},
      {"unix", "/tmp/nowhere", errc::unexpected_address_type, "listen unix: address /tmp/nowhere: unexpected address type"},
      {"udp", "127.0.0.1", errc::missing_port, "listen udp: address 127.0.0.1: missing port in address"},
      {"udp6", "127.0.0.1:0", errc::no_suitable_address, "listen udp6: address 127.0.0.1: no suitable address"},
      {"udp7", "127.0.0.1:0", errc::unknown_network, "listen udp7: unknown network udp7"},
  };
  for (const Row& row : table) {
    const auto r = net::listen_packet(row.network, row.address);
    EXPECT_EQ(r.err, row.code) << r.message();
    EXPECT_EQ(r.message(), row.text);
  }
  const auto stream = net::listen("udp", "127.0.0.1:0");
  EXPECT_EQ(stream.err, errc::unexpected_address_type) << stream.message();
  const net::PacketConn taken = udp();
  const auto again = net::listen_packet("udp", taken.local_addr().to_string());
  EXPECT_EQ(again.err, std::errc::address_in_use);
  EXPECT_EQ(again.message(), "listen udp " + taken.local_addr().to_string() + ": bind: address already in use");
  const auto shared = net::listen_packet("udp", "127.0.0.1:0", {.reuse_port = true}).value();
  EXPECT_TRUE(net::listen_packet("udp", shared.local_addr().to_string(), {.reuse_port = true}));
}

TEST(Packet, DeadlinesEndWhatIsBegunAndWhatIsParked) {
  on_executor([]() -> Task<> {
    const net::PacketConn a = udp(), b = udp();
    const std::string text = "read udp " + a.local_addr().to_string() + ": i/o timeout";
    static_cast<void>((co_await b.write_to("waits", a.local_addr())).value());
    a.set_read_deadline(Clock::now());
    const auto past = co_await read_once(a);  // though there is one
    EXPECT_EQ(past.err, errc::timeout);
    EXPECT_EQ(past.message(), text);
    const auto sent = co_await a.write_to("x", b.local_addr());
    EXPECT_TRUE(sent) << sent.message();
    a.set_deadline(time_point{});
    const auto got = co_await next_datagram(a);
    EXPECT_EQ(got.first, "waits");

    const auto when = Clock::now() + 10ms;
    auto reader = spawn(read_once(a));
    co_await until_parked(1);
    a.set_read_deadline(when);
    const auto late = co_await reader;
    EXPECT_EQ(late.message(), text);
    EXPECT_GE(Clock::now(), when);
    a.set_write_deadline(Clock::now());
    const auto unsent = co_await a.write_to("x", b.local_addr());
    EXPECT_EQ(unsent.err, errc::timeout);
  });
}

TEST(Packet, CloseEndsAParkedReadAndTheRestSaysClosed) {
  on_executor([]() -> Task<> {
    for (const bool by_thread : {false, true}) {
      const net::PacketConn a = udp();
      const std::string end = "udp " + a.local_addr().to_string();
      auto reader = spawn(read_once(a));
      co_await until_parked(1);
      const auto close = [&] { EXPECT_FALSE(a.close()); };
      if (by_thread)
        std::thread(close).join();
      else
        close();
      const auto read = co_await reader;
      EXPECT_EQ(read.err, errc::closed);
      EXPECT_EQ(read.message(), "read " + end + ": use of closed network connection");
      co_await a.closed();
      EXPECT_EQ(a.close(), errc::closed);
      const auto again = co_await read_once(a);
      EXPECT_EQ(again.err, errc::closed);
      const auto sent = co_await a.write_to("x", a.local_addr());
      EXPECT_EQ(sent.err, errc::closed);
      const auto nowhere = co_await a.write_to("x", net::Addr());
      EXPECT_EQ(nowhere.err, errc::closed) << nowhere.message();
      // Its port is free: a ring's read may hold it for a moment more, until the kernel has put it away in the thread that began it.
      std::error_code taken = net::listen_packet("udp", a.local_addr().to_string()).err;
      for (; taken == std::errc::address_in_use; taken = net::listen_packet("udp", a.local_addr().to_string()).err) co_await yield();
      EXPECT_EQ(taken, std::error_code());
    }
    const net::PacketConn none;
    const auto read = co_await read_once(none);
    EXPECT_EQ(read.err, errc::closed);
    const auto sent = co_await none.write_to("x", net::Addr());
    EXPECT_EQ(sent.err, errc::closed);
    EXPECT_FALSE(none);
  });
}

// Whoever has it too goes on with it, as beside Go's.
TEST(Packet, CloseLeavesASharedSocketToTheOthers) {
  on_executor([]() -> Task<> {
    const net::PacketConn a = udp();
    const net::PacketConn shared = net::packet_conn_from_fd(::fcntl(a.native_handle(), F_DUPFD_CLOEXEC, 3)).value();
    auto reader = spawn(read_once(a));
    co_await until_parked(1);
    EXPECT_FALSE(a.close());
    const auto closed = co_await reader;
    EXPECT_EQ(closed.message(), "read udp " + shared.local_addr().to_string() + ": use of closed network connection");
    static_cast<void>((co_await shared.write_to("still there", shared.local_addr())).value());
    const auto got = co_await next_datagram(shared);
    EXPECT_EQ(got.first, "still there");
  });
}

TEST(Packet, AReadThatIsGivenUpLosesNone) {
  on_executor([]() -> Task<> {
    const net::PacketConn a = udp(), b = udp();
    int sent = 0, received = 0, given_up = 0;
    constexpr int most = 50;  // in the system's queue, which drops what finds no room
    const int rounds = static_cast<int>(test::scaled(400, 40));
    for (int i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = with_cancel(background());
      auto reader = spawn([&, ctx = ctx]() -> Task<bool> {
        char buffer[16];
        const auto r = co_await until(ctx, b.read_from(buffer));
        EXPECT_TRUE(r || r.err == errc::canceled) << r.message();
        co_return static_cast<bool>(r);
      });
      auto canceller = spawn([cancel = cancel] { cancel(); });
      static_cast<void>((co_await a.write_to(std::to_string(sent++), b.local_addr())).value());
      co_await canceller;
      if (co_await reader)
        ++received;
      else
        ++given_up;
      for (; sent - received > most; ++received) static_cast<void>(co_await next_datagram(b));
    }
    for (; received < sent; ++received) static_cast<void>(co_await next_datagram(b));
    const auto more = co_await timeout(1ms, b.read_from(io::Buffer()));
    EXPECT_EQ(more.err, errc::deadline_exceeded) << given_up;
  });
}

// A Conn of datagrams: to one address, and from that one only.
TEST(PacketDial, ReadsAndWritesOneEach) {
  on_executor([]() -> Task<> {
    const net::PacketConn server = udp(), stranger = udp();
    const net::Conn conn = (co_await net::dial("udp", server.local_addr().to_string())).value();
    co_await test::exchange_datagrams(conn, server, stranger);
  });
}

TEST(PacketDial, NobodyThere) {
  on_executor([]() -> Task<> {
    // Its port is a connected one's, that takes from one address only: so it is given to nobody else, the next one that dials included.
    const net::Conn deaf = (co_await net::dial("udp", "127.0.0.1:9")).value();
    const net::Addr gone = deaf.local_addr();
    const net::Conn conn = (co_await net::dial("udp", gone.to_string())).value();
    auto reader = spawn(test::read_once(conn));
    co_await until_parked(1);
    static_cast<void>((co_await conn.write("hello?")).value());
    const auto read = co_await reader;
    EXPECT_EQ(read.err, std::errc::connection_refused);
    EXPECT_EQ(read.message(),
              "read udp " + conn.local_addr().to_string() + "->" + gone.to_string() + ": read: connection refused");
    EXPECT_TRUE(conn);  // and it may be tried again
  });
}

TEST(PacketDial, CloseReadEndsReadsAndNothingElse) {
  on_executor([]() -> Task<> {
    for (const bool parked : {false, true}) {
      const net::PacketConn server = udp();
      const net::Conn conn = (co_await net::dial("udp", server.local_addr().to_string())).value();
      if (!parked) {
        EXPECT_FALSE(conn.close_read());
      }
      auto reader = spawn(test::read_once(conn));
      if (parked) {
        co_await until_parked(1);
        EXPECT_FALSE(conn.close_read());
      }
      const auto read = co_await reader;
      EXPECT_EQ(read.err, errc::eof) << read.message();
      static_cast<void>((co_await server.write_to("not read", conn.local_addr())).value());
      const auto again = co_await test::read_once(conn);
      EXPECT_EQ(again.err, errc::eof) << again.message();
      const auto wrote = co_await conn.write("x");
      EXPECT_TRUE(wrote) << wrote.message();
      const auto got = co_await next_datagram(server);
      EXPECT_EQ(got.first, "x");
      EXPECT_FALSE(conn.close_write());
      const auto broken = co_await conn.write("x");
      EXPECT_EQ(broken.err, std::errc::broken_pipe);
    }
  });
}

TEST(PacketDial, ManyOnesKeepTheirOrder) {
  on_executor([]() -> Task<> {
    const net::PacketConn server = udp();
    const int n = static_cast<int>(test::scaled(4'000, 400));
    const auto echo = [&]() -> Task<> {
      std::string buffer(16, '\0');
      for (int i = 0; i < n; ++i) {
        const net::Received r = (co_await server.read_from(buffer)).value();
        static_cast<void>((co_await server.write_to(std::string_view(buffer).substr(0, r.n), r.addr)).value());
      }
    };
    auto echoing = spawn(echo);
    const net::Conn conn = (co_await net::dial("udp", server.local_addr().to_string())).value();
    std::string buffer(16, '\0');
    for (int i = 0; i < n; ++i) {
      const std::string text = std::to_string(i);
      static_cast<void>((co_await conn.write(text)).value());
      const auto got = co_await conn.read(buffer);
      EXPECT_EQ(std::string_view(buffer).substr(0, got.value()), text);
    }
    co_await echoing;
  });
}

// Who is faster than its reader waits: the kernel's queue of a unix socket holds so many datagrams, and drops none.
TEST(Unixgram, AWriterWaitsForRoomAndNoneIsLost) {
  on_executor([]() -> Task<> {
    const std::string to = "@gmpcoro-packet-" + std::to_string(::getpid());
    const net::PacketConn reader = net::listen_packet("unixgram", to).value();
    const net::Addr address = reader.local_addr();
    EXPECT_EQ(address.to_string(), to);
    EXPECT_EQ(address.network(), "unixgram");
    const int n = static_cast<int>(test::scaled(4'000, 2'000));  // more than any system's queue holds
    std::vector<JoinHandle<void>> writers;
    const auto write = [&](int first) -> Task<> {
      const net::Conn conn = (co_await net::dial("unixgram", to)).value();
      for (int i = first; i < n; i += 2) static_cast<void>((co_await conn.write(std::to_string(i))).value());
    };
    for (int first : {0, 1}) writers.push_back(spawn(write, first));
    co_await until_parked(2);  // both have filled it
    std::vector<int> next_of = {0, 1};
    for (int i = 0; i < n; ++i) {
      const auto got = co_await next_datagram(reader);
      const int value = std::stoi(got.first);
      EXPECT_EQ(value, next_of[static_cast<std::size_t>(value % 2)]);
      next_of[static_cast<std::size_t>(value % 2)] += 2;
      EXPECT_FALSE(got.second.port());
    }
    for (auto& writer : writers) co_await writer;
  });
}

// To an address the system does not say when there is room; nor may the writer burn its CPU till then.
TEST(Unixgram, AWriterToAnAddressWaitsToo) {
  on_executor([]() -> Task<> {
    const std::string name = "@gmpcoro-full-" + std::to_string(::getpid());
    const net::PacketConn reader = net::listen_packet("unixgram", name).value();
    const net::PacketConn writer = net::listen_packet("unixgram", name + "w").value();
    const int n = static_cast<int>(test::scaled(1'000, 600));  // more than any system's queue holds
    auto writing = spawn([&]() -> Task<> {
      for (int i = 0; i < n; ++i) {
        const auto wrote = co_await writer.write_to(std::to_string(i), reader.local_addr());
        EXPECT_TRUE(wrote) << wrote.message();
      }
    });
    co_await until_parked(1);
    std::clock_t used = CLOCKS_PER_SEC;
    for (int i = 0; i < 10 && used >= CLOCKS_PER_SEC / 40; ++i) {  // the least of some: what others take of a CPU meanwhile may be counted as ours
      const std::clock_t before = std::clock();
      co_await sleep(50ms);
      used = std::clock() - before;
    }
    EXPECT_LT(used, CLOCKS_PER_SEC / 40);  // 25 ms of CPU: it naps
    EXPECT_FALSE(writing.done());
    for (int i = 0; i < n; ++i) {
      const auto got = co_await next_datagram(reader);
      EXPECT_EQ(got, std::pair(std::to_string(i), writer.local_addr()));
    }
    co_await writing;
    // Full once more: and it can be given up, and closed.
    auto [ctx, cancel] = with_cancel(background());
    auto filling = spawn([&, ctx = ctx]() -> Task<std::error_code> {
      std::error_code err;
      while (!err) err = (co_await until(ctx, writer.write_to("x", reader.local_addr()))).err;
      co_return err;
    });
    co_await until_parked(1);
    cancel();
    const auto given_up = co_await filling;
    EXPECT_EQ(given_up, errc::canceled);
    writer.set_write_deadline(Clock::now() + 1ms);
    const auto late = co_await writer.write_to("x", reader.local_addr());
    EXPECT_EQ(late.err, errc::timeout);
    writer.set_write_deadline(time_point{});
    auto parked = spawn([&]() -> Task<std::error_code> { co_return (co_await writer.write_to("x", reader.local_addr())).err; });
    co_await until_parked(1);
    EXPECT_FALSE(writer.close());
    const auto ended = co_await parked;
    EXPECT_EQ(ended, errc::closed);
  });
}

TEST(Unixgram, TwoWithNamesAnswerEachOther) {
  on_executor([]() -> Task<> {
    const std::string name = "@gmpcoro-packets-" + std::to_string(::getpid());
    const net::PacketConn a = net::listen_packet("unixgram", name + "a").value();
    const net::PacketConn b = net::listen_packet("unixgram", name + "b").value();
    static_cast<void>((co_await a.write_to("ping", b.local_addr())).value());
    const auto ping = co_await next_datagram(b);
    EXPECT_EQ(ping, std::pair(std::string("ping"), a.local_addr()));
    static_cast<void>((co_await b.write_to("pong", ping.second)).value());
    const auto pong = co_await next_datagram(a);
    EXPECT_EQ(pong, std::pair(std::string("pong"), b.local_addr()));
    const auto nobody = co_await a.write_to("x", net::Addr::unix_path(net::Addr::Kind::unix_datagram, name + "c"));
    EXPECT_EQ(nobody.err, std::errc::connection_refused);
    EXPECT_EQ(nobody.message(), "write unixgram " + name + "a->" + name + "c: sendto: connection refused");
  });
}

}  // namespace
}  // namespace gmp::packet_test
