// src/net/socket.cpp — sockets as the system has them.
// Go: net/sock_linux.go, net/sockopt_linux.go, net/tcpsockopt_unix.go, net/ipsock_posix.go.  Room: net (floor 5).
#include "net/socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>

#include "net/sockaddr.hpp"

namespace gmp::detail {

namespace {

constexpr int keep_alive_default_s = 15;
constexpr int keep_alive_probes = 9;

bool can_bind(const net::Addr& addr, bool ipv6_only) noexcept {
  sockaddr_storage name;
  const socklen_t length = addr_to_sockaddr(addr, AF_UNSPEC, name);
  const FdGuard fd = open_socket(family_of(addr), net::Addr::Kind::tcp);
  if (!fd) return false;
  if (addr.is_ipv6()) set_int(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only ? 1 : 0);
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) == 0;
}

}  // namespace

const IpSupport& ip_support() noexcept {
  using net::Addr;
  static const IpSupport support = [] {
    IpSupport found;
    found.ipv4 = static_cast<bool>(open_socket(AF_INET, Addr::Kind::tcp));
    found.ipv6 = can_bind(Addr::ipv6(Addr::Kind::tcp, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), true);
    found.ipv4_by_ipv6 = found.ipv4 && found.ipv6 && can_bind(Addr::ipv6(Addr::Kind::tcp, {}), false);
    return found;
  }();
  return support;
}

const char* network_literal(const Network& network) noexcept {
  using Family = Network::Family;
  const bool udp = network.kind == net::Addr::Kind::udp;
  switch (network.family) {
    case Family::any:
      return udp ? "udp" : "tcp";
    case Family::ipv4_only:
      return udp ? "udp4" : "tcp4";
    case Family::ipv6_only:
      return udp ? "udp6" : "tcp6";
    case Family::path:
      break;
  }
  return network.kind == net::Addr::Kind::unix_datagram ? "unixgram" : network.kind == net::Addr::Kind::unix_packet ? "unixpacket" : "unix";
}

FdGuard open_socket(int family, net::Addr::Kind kind) noexcept {
  using Kind = net::Addr::Kind;
  const int type = kind == Kind::udp || kind == Kind::unix_datagram ? SOCK_DGRAM : kind == Kind::unix_packet ? SOCK_SEQPACKET : SOCK_STREAM;
  FdGuard fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd && kind == Kind::udp) set_int(fd.get(), SOL_SOCKET, SO_BROADCAST, 1);  // as Go
  return fd;
}

void remove_path(const net::Addr& addr) noexcept {
  sockaddr_storage name;
  if (!addr.is_unix() || addr_to_sockaddr(addr, AF_UNIX, name) == 0) return;
  const char* path = reinterpret_cast<const sockaddr_un&>(name).sun_path;
  if (path[0] != '\0') ::unlink(path);
}

bool set_int(int fd, int level, int option, int value) noexcept { return ::setsockopt(fd, level, option, &value, sizeof value) == 0; }

void set_keep_alive(int fd, int seconds) noexcept {
  set_int(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0 ? 1 : 0);
  if (seconds <= 0) return;
  set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
  set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, keep_alive_probes);
}

void set_tcp_defaults(int fd) noexcept {
  set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_keep_alive(fd, keep_alive_default_s);
}

int somaxconn() noexcept {
  static const int value = [] {
    char text[16] = {};
    const FdGuard file(::open("/proc/sys/net/core/somaxconn", O_RDONLY | O_CLOEXEC));
    const ssize_t n = file ? ::read(file.get(), text, sizeof text - 1) : -1;
    const int found = n > 0 ? std::atoi(text) : 0;
    return found > 0 ? found : SOMAXCONN;
  }();
  return value;
}

net::Addr local_end(int fd, net::Addr::Kind kind) noexcept {
  sockaddr_storage name;
  socklen_t length = sizeof name;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0) return {};
  return addr_from_sockaddr(kind, reinterpret_cast<const sockaddr*>(&name), length);
}

net::Addr remote_end(int fd, net::Addr::Kind kind) noexcept {
  sockaddr_storage name;
  socklen_t length = sizeof name;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0) return {};
  return addr_from_sockaddr(kind, reinterpret_cast<const sockaddr*>(&name), length);
}

}  // namespace gmp::detail
