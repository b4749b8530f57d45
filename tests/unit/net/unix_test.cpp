// tests/unit/net/unix_test.cpp — unix sockets: files that come and go, names without one; and sockets that the program had already.
// Go: net/unixsock_test.go, net/unixsock_linux_test.go, net/file_test.go.  Room: net (floor 5).
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "net/socket.hpp"
#include "support/files.hpp"
#include "support/net.hpp"

namespace gmp::unix_test {
namespace {

using test::conn_pair;
using test::ConnPair;
using test::on_executor;
using test::TempDir;

bool exists(const std::string& path) { return std::filesystem::exists(path); }

Task<> echo_both_ways(net::Conn a, net::Conn b) {
  char buffer[16];
  static_cast<void>((co_await a.write("ping")).value());
  const auto ping = co_await b.read(buffer);
  EXPECT_EQ(std::string_view(buffer, ping.value()), "ping");
  static_cast<void>((co_await b.write("pong!")).value());
  const auto pong = co_await a.read(buffer);
  EXPECT_EQ(std::string_view(buffer, pong.value()), "pong!");
  EXPECT_FALSE(a.close_write());
  const auto end = co_await b.read(buffer);
  EXPECT_EQ(end.err, errc::eof);
}

TEST(Unix, ConnectsByAPathAndByAName) {
  const TempDir dir;
  on_executor([&]() -> Task<> {
    const std::string abstract = "@gmpcoro-unix-" + std::to_string(::getpid());
    for (const std::string& address : {dir.path("s"), abstract}) {
      for (const char* network : {"unix", "unixpacket"}) {
        const net::Listener ln = net::listen(network, address).value();
        EXPECT_EQ(ln.addr().to_string(), address);
        EXPECT_EQ(ln.addr().network(), network);
        net::Conn a = (co_await net::dial(network, address)).value();
        net::Conn b = (co_await ln.accept()).value();
        EXPECT_EQ(a.remote_addr().to_string(), address);
        EXPECT_EQ(b.local_addr().to_string(), address);
        EXPECT_TRUE(test::is_cloexec(b.native_handle()));
        EXPECT_TRUE(test::is_nonblocking(b.native_handle()));
        co_await echo_both_ways(a, b);
      }
    }
  });
}

TEST(Unix, TheFileGoesAtCloseOrWithTheLastHandle) {
  const TempDir dir;
  const std::string path = dir.path("s");
  on_executor([&] {
    {
      const net::Listener ln = net::listen("unix", path).value();
      EXPECT_TRUE(exists(path));
      EXPECT_FALSE(ln.close());
      EXPECT_FALSE(exists(path));
      const net::Listener second = net::listen("unix", path).value();  // at once again
      EXPECT_EQ(ln.close(), errc::closed);
      EXPECT_TRUE(exists(path));  // it is another's now
    }
    EXPECT_FALSE(exists(path));
    {
      const net::PacketConn pc = net::listen_packet("unixgram", path).value();
      EXPECT_TRUE(exists(path));
    }
    EXPECT_FALSE(exists(path));
  });
}

TEST(Unix, AConnectionLeavesItsListenersFile) {
  const TempDir dir;
  const std::string path = dir.path("s");
  on_executor([&]() -> Task<> {
    const net::Listener ln = net::listen("unix", path).value();
    const net::Conn a = (co_await net::dial("unix", path)).value();
    const net::Conn b = (co_await ln.accept()).value();
    EXPECT_FALSE(b.close());
    EXPECT_FALSE(a.close());
    EXPECT_TRUE(exists(path));
    EXPECT_TRUE(co_await net::dial("unix", path));
  });
}

TEST(Unix, WhereItCannotBe) {
  const TempDir dir;
  on_executor([&]() -> Task<> {
    const std::string path = dir.path("s"), nowhere = dir.path("no/s"), longest = dir.path(std::string(108 - dir.path("").size(), 'l'));
    const net::Listener ln = net::listen("unix", path).value();
    EXPECT_EQ(net::listen("unix", path).message(), "listen unix " + path + ": bind: address already in use");
    EXPECT_EQ(net::listen("unix", nowhere).message(), "listen unix " + nowhere + ": bind: no such file or directory");
    EXPECT_EQ(net::listen("unix", longest).err, std::errc::invalid_argument);
    EXPECT_EQ(net::listen("unix", longest).message(), "listen unix: address " + longest + ": invalid argument (a path has at most 107 bytes)");
    const auto none = co_await net::dial("unix", nowhere);
    EXPECT_EQ(none.message(), "dial unix " + nowhere + ": connect: no such file or directory");
    const auto too_long = co_await net::dial("unix", longest);
    EXPECT_EQ(too_long.message(), "dial unix: address " + longest + ": invalid argument (a path has at most 107 bytes)");
    const auto other = co_await net::dial("unixpacket", path);
    EXPECT_EQ(other.message(), "dial unixpacket " + path + ": connect: protocol wrong type for socket");
    const std::string cut = path + std::string("\0x", 2);  // not what stands before it
    EXPECT_EQ(net::listen("unix", cut).message(), "listen unix: address " + cut + ": invalid argument");
    const auto cut_off = co_await net::dial("unix", cut);
    EXPECT_EQ(cut_off.message(), "dial unix: address " + cut + ": invalid argument");
    const auto empty = co_await net::dial("unix", "");
    EXPECT_EQ(empty.message(), "dial unix: missing address");
    // A file that nobody listens at: what a server that was killed leaves.
    const std::string left = dir.path("left");
    const net::PacketConn pc = net::listen_packet("unixgram", dir.path("pc")).value();
    std::filesystem::create_hard_link(path, left);
    EXPECT_FALSE(ln.close());
    EXPECT_TRUE(exists(left));
    const auto refused = co_await net::dial("unix", left);
    EXPECT_EQ(refused.message(), "dial unix " + left + ": connect: connection refused");
  });
}

// ---- from_fd

/// Two connected sockets of the system's, blocking, as a program may have them.
struct Sockets {
  explicit Sockets(int type = SOCK_STREAM) {
    int both[2];
    if (::socketpair(AF_UNIX, type, 0, both) != 0) throw std::runtime_error("socketpair");
    a = detail::FdGuard(both[0]);
    b = detail::FdGuard(both[1]);
  }
  detail::FdGuard a, b;
};

TEST(FromFd, AConnectionIsTakenOver) {
  on_executor([]() -> Task<> {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      Sockets sockets(type);
      net::Conn a = net::from_fd(sockets.a.get()).value();
      EXPECT_EQ(a.native_handle(), sockets.a.get());
      const int number = sockets.a.release();
      EXPECT_TRUE(test::is_cloexec(number));
      EXPECT_TRUE(test::is_nonblocking(number));
      net::Conn b = net::from_fd(sockets.b.get()).value();
      sockets.b.release();
      co_await echo_both_ways(a, b);
      const auto file = test::file_of(number);
      EXPECT_FALSE(a.close());
      co_await a.closed();
      EXPECT_NE(test::file_of(number), file);
    }
    const ConnPair pair = co_await conn_pair();
    net::Conn same = net::from_fd(::dup(pair.a.native_handle())).value();
    EXPECT_EQ(same.local_addr(), pair.a.local_addr());
    EXPECT_EQ(same.remote_addr(), pair.b.local_addr());
    EXPECT_EQ(same.local_addr().network(), "tcp");
    co_await echo_both_ways(same, pair.b);
  });
}

TEST(FromFd, AListenerAndDatagrams) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const net::Listener same = net::listener_from_fd(::dup(ln.native_handle())).value();
    EXPECT_EQ(same.addr(), ln.addr());
    const net::Conn a = (co_await net::dial("tcp", same.addr().to_string())).value();
    const net::Conn b = (co_await same.accept()).value();
    EXPECT_EQ(b.remote_addr(), a.local_addr());
    const net::PacketConn pc = net::listen_packet("udp", "127.0.0.1:0").value();
    const net::PacketConn twin = net::packet_conn_from_fd(::dup(pc.native_handle())).value();
    static_cast<void>((co_await twin.write_to("x", pc.local_addr())).value());
    char buffer[4];
    const auto r = co_await twin.read_from(buffer);
    EXPECT_EQ(r.value().addr, pc.local_addr());
  });
}

// A unix listener that was handed over: its file belongs to who made it.
TEST(FromFd, LeavesTheFileOfAListener) {
  const TempDir dir;
  const net::Listener ln = net::listen("unix", dir.path("s")).value();
  EXPECT_FALSE(net::listener_from_fd(::dup(ln.native_handle())).value().close());
  EXPECT_TRUE(exists(dir.path("s")));
}

TEST(FromFd, WhatItDoesNotTakeStaysTheCallers) {
  EXPECT_EQ(net::from_fd(-1).message(), "file file+net: getsockopt: bad file descriptor");
  EXPECT_EQ(net::from_fd(-1).err, std::errc::bad_file_descriptor);
  EXPECT_EQ(net::listener_from_fd(1'000'000).err, std::errc::bad_file_descriptor);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const detail::FdGuard in(ends[0]), out(ends[1]);
  EXPECT_EQ(net::from_fd(ends[0]).err, std::errc::not_a_socket);
  EXPECT_EQ(net::from_fd(ends[0]).message(), "file file+net: getsockopt: socket operation on non-socket");
  const detail::FdGuard fresh(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(net::from_fd(fresh.get()).message(), "file file+net: getpeername: transport endpoint is not connected");
  EXPECT_EQ(net::listener_from_fd(fresh.get()).err, std::errc::invalid_argument);
  EXPECT_EQ(net::packet_conn_from_fd(fresh.get()).err, std::errc::invalid_argument);
  const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
  EXPECT_EQ(net::from_fd(ln.native_handle()).err, std::errc::invalid_argument);
  const detail::FdGuard raw(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
  EXPECT_EQ(net::from_fd(raw.get()).err, std::errc::protocol_not_supported);
  for (const int fd : {ends[0], ends[1], fresh.get(), ln.native_handle(), raw.get()}) EXPECT_NE(test::file_of(fd), 0u);
  EXPECT_FALSE(test::is_nonblocking(ends[0]));
}

}  // namespace
}  // namespace gmp::unix_test
