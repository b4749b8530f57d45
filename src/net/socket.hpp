// src/net/socket.hpp — sockets as the system has them: made, configured, asked for their ends.
// Go: net/sock_posix.go, net/sockopt_linux.go, net/tcpsockopt_*.go, net/ipsock_posix.go.  Room: net (floor 5).
#pragma once

#include <unistd.h>

#include <utility>

#include "gmp/detail/net/addr.hpp"
#include "net/host_port.hpp"

namespace gmp::detail {

/// A descriptor's number on its way to whoever will own it.
class FdGuard {
 public:
  explicit FdGuard(int fd = -1) noexcept : fd_(fd) {}
  FdGuard(FdGuard&& other) noexcept : fd_(other.release()) {}
  FdGuard& operator=(FdGuard&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FdGuard() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

/// What this system can do, found out by trying, once a process.      Go: ipStackCapabilities
struct IpSupport {
  bool ipv4 = false;
  bool ipv6 = false;
  bool ipv4_by_ipv6 = false;  // one socket for both
};
const IpSupport& ip_support() noexcept;

/// The network's name as a literal that never goes: "tcp", "tcp4" …
const char* network_literal(const Network& network) noexcept;

/// A socket for addresses of that kind, non-blocking and close-on-exec; -1 and errno.
FdGuard open_socket(int family, net::Addr::Kind kind) noexcept;
/// Of a unix socket that was bound: its file.
void remove_path(const net::Addr& addr) noexcept;

/// What every TCP connection of ours has: no delay, and a probe every 15 s. A listener's go over to what it accepts.
void set_tcp_defaults(int fd) noexcept;
void set_keep_alive(int fd, int seconds) noexcept;

bool set_int(int fd, int level, int option, int value) noexcept;
int somaxconn() noexcept;

net::Addr local_end(int fd, net::Addr::Kind kind) noexcept;
net::Addr remote_end(int fd, net::Addr::Kind kind) noexcept;

}  // namespace gmp::detail
