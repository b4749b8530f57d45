// tests/unit/net/datagrams.hpp — what datagrams do on any net: the system's, and the one in memory.
// Go: net/udpsock_test.go.  Room: tests/unit/net.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "gmp/net.hpp"
#include "gmp/task.hpp"

namespace gmp::test {

/// What the next datagram holds, and who sent it.
inline Task<std::pair<std::string, net::Addr>> next_datagram(net::PacketConn pc) {
  std::string buffer(2000, '\0');
  const net::Received r = (co_await pc.read_from(buffer)).value();
  buffer.resize(r.n);
  co_return std::pair(buffer, r.addr);
}

/// conn was dialed to server: each write is a datagram, each read takes one, cut if it must be, and none of a stranger's.
inline Task<> exchange_datagrams(net::Conn conn, net::PacketConn server, net::PacketConn stranger) {
  EXPECT_EQ(conn.remote_addr(), server.local_addr());
  for (const std::string_view data : {"first", "", "third"}) {
    const auto wrote = co_await conn.write(data);
    EXPECT_EQ(wrote.value(), data.size());
  }
  for (const std::string_view data : {"first", "", "third"}) {
    const auto got = co_await next_datagram(server);
    EXPECT_EQ(got, std::pair(std::string(data), conn.local_addr()));
  }
  static_cast<void>((co_await stranger.write_to("not for it", conn.local_addr())).value());
  for (const std::string_view data : {"answer", "", "more"}) static_cast<void>((co_await server.write_to(data, conn.local_addr())).value());
  char four[4];
  const auto cut = co_await conn.read(four);
  EXPECT_EQ(cut.value(), 4u);
  EXPECT_EQ(std::string_view(four, 4), "answ");
  const auto empty = co_await conn.read(four);
  EXPECT_TRUE(empty) << empty.message();  // no end
  EXPECT_EQ(empty.get<0>(), 0u);
  const auto more = co_await conn.read(four);
  EXPECT_EQ(more.value(), 4u);
  EXPECT_EQ(std::string_view(four, 4), "more");
}

}  // namespace gmp::test
