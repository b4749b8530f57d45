// tests/support/black_hole.hpp — BlackHole: an address that does not answer whoever dials it.
// Go: none.  Room: tests/support.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gmp/net.hpp"
#include "gmp/task.hpp"

namespace gmp::test {

/// Listens there, and answers nobody: the queue of those who wait to be accepted is full, and the system drops what is more.
class BlackHole {
 public:
  explicit BlackHole(const std::string& address) : ln_(net::listen("tcp", address, {.backlog = 1}).value()) {}
  std::uint16_t port() const { return ln_.addr().port(); }
  Task<> fill() {
    while (!full()) waiting_.push_back((co_await net::dial("tcp", ln_.addr().to_string())).value());
  }

 private:
  /// As the system decides about the next one: of a listener TCP_INFO tells how many wait, and how many may.
  bool full() const {
    tcp_info info = {};
    socklen_t size = sizeof info;
    EXPECT_EQ(::getsockopt(ln_.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_unacked > info.tcpi_sacked;
  }

  net::Listener ln_;
  std::vector<net::Conn> waiting_;
};

}  // namespace gmp::test
