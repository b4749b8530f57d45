// src/net/socket_access.hpp — SocketAccess: from a user's handle to its descriptor, for layers on connections.
// Go: none (conn.fd).  Room: net (floor 5).
#pragma once

#include "gmp/net.hpp"

namespace gmp::detail {

struct SocketAccess {
  /// Null: a default-constructed one.
  static Descriptor* descriptor(const net::Socket& socket) noexcept { return socket.fd_.get(); }
};

}  // namespace gmp::detail
