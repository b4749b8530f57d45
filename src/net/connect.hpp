// src/net/connect.hpp — Connect: a connection to one address, from the socket's making to a Conn.
// Go: net/tcpsock_posix.go (doDialTCP), net/sock_posix.go (dial).  Room: net (floor 5).
#pragma once

#include <sys/socket.h>

#include <optional>

#include "gmp/detail/io/chain.hpp"
#include "gmp/detail/net/addr.hpp"
#include "gmp/detail/net/descriptor_ref.hpp"
#include "gmp/detail/net/fd_operation.hpp"
#include "gmp/net.hpp"

namespace gmp::detail {

class MemoryNet;

class Connect : public Chainable, Immovable {
 public:
  /// network: a literal.
  Connect(G* gp, const net::Addr& remote, const char* network) noexcept : gp_(gp), remote_(remote), network_(network) {}

  /// See chain.hpp.
  bool begin(FrameLink* leaf) noexcept;
  /// After its end.
  Result<net::Conn> result();

 private:
  static bool connected(void* self) noexcept;
  bool goes_by_memory() const noexcept;
  bool begin_in_memory(MemoryNet& net, FrameLink* leaf);
  bool open() noexcept;
  bool goes_on() noexcept;
  void fail_errno(const char* call, int error) noexcept;

  static constexpr int tries_max = 3;

  G* const gp_;
  const net::Addr remote_;
  const char* const network_;
  int tries_ = 0;
  sockaddr_storage name_;
  DescriptorRef fd_;                      // of the current try; at last the connection
  std::optional<FdOperation> operation_;  // on fd_
  Result<net::Conn> result_;
};

/// `co_await ConnectOp(…)`: the same as an operation.
class ConnectOp {
 public:
  class Awaiter;
  using operation_tag = void;
  ConnectOp(const net::Addr& remote, const char* network) noexcept : remote_(remote), network_(network) {}

 private:
  net::Addr remote_;
  const char* network_;
};
class ConnectOp::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  using tells_by_result = void;
  Awaiter(G* gp, ConnectOp&& op) noexcept : OperationAwaiter(gp), connect_(gp, op.remote_, op.network_) {}
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) noexcept { return connect_.begin(&leaf) || give_way(g_, leaf); }
  Result<net::Conn> await_resume() { return connect_.result(); }

 private:
  Connect connect_;
};

}  // namespace gmp::detail
