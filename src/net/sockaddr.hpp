// src/net/sockaddr.hpp — net::Addr to and from the system's sockaddr.
// Go: net/tcpsock_posix.go, net/ipsock_posix.go (ipToSockaddr), syscall/syscall_linux.go (anyToSockaddr).  Room: net (floor 5).
#pragma once

#include <sys/socket.h>

#include <string_view>

#include "gmp/detail/net/addr.hpp"

namespace gmp::detail {

/// kind: what the socket is; the family is the sockaddr's. None if the family is none we know, or the length does not fit it.
net::Addr addr_from_sockaddr(net::Addr::Kind kind, const sockaddr* from, socklen_t length) noexcept;

/// For a socket of that family (AF_UNSPEC: the address's own): an IPv4 address goes to an IPv6 socket as a mapped one, 0.0.0.0 as ::.
/// Gives the length, or 0: the address does not fit such a socket, or is none.
socklen_t addr_to_sockaddr(const net::Addr& addr, int family, sockaddr_storage& to) noexcept;

/// Sets the zone of an IPv6 address: an interface's name, or number. False: the name is empty.
bool set_zone(net::Addr& addr, std::string_view name) noexcept;

/// AF_INET, AF_INET6, AF_UNIX, or AF_UNSPEC for none.
int family_of(const net::Addr& addr) noexcept;

}  // namespace gmp::detail
