// src/net/from_fd.cpp — sockets that the program has already: what they are, and how they become handles.
// Go: net/file_unix.go (newFileFD), net/file.go.  Room: net (floor 5).
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "gmp/net.hpp"
#include "net/descriptor.hpp"
#include "net/op_error.hpp"
#include "net/socket.hpp"

namespace gmp::net {

namespace {

using detail::Descriptor;
using Kind = Addr::Kind;

/// False: errno says why.
bool option(int fd, int name, int& value) noexcept {
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0;
}

bool kind_of(int fd, Kind& kind) noexcept {
  int domain = 0, type = 0;
  if (!option(fd, SO_DOMAIN, domain) || !option(fd, SO_TYPE, type)) return false;
  const bool path = domain == AF_UNIX;
  if ((!path && domain != AF_INET && domain != AF_INET6) || (type != SOCK_STREAM && type != SOCK_DGRAM && !(path && type == SOCK_SEQPACKET))) {
    errno = EPROTONOSUPPORT;
    return false;
  }
  if (type == SOCK_STREAM)
    kind = path ? Kind::unix_stream : Kind::tcp;
  else if (type == SOCK_DGRAM)
    kind = path ? Kind::unix_datagram : Kind::udp;
  else
    kind = Kind::unix_packet;
  return true;
}

const char* network_of(Kind kind) noexcept {
  detail::Network network;
  network.kind = kind;
  const bool path = kind != Kind::tcp && kind != Kind::udp;
  network.family = path ? detail::Network::Family::path : detail::Network::Family::any;
  return detail::network_literal(network);
}

bool make_ours(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

enum class Wanted : std::uint8_t { connection, listener, datagrams };

template <class Handle>
Result<Handle> take_over(int fd, Wanted wanted) {
  const auto failed = [](const char* call, int error) { return detail::op_error<Handle>("file", "file+net", {}, {}, detail::system_failure(call, error)); };
  Kind kind{};
  int listens = 0;
  if (!kind_of(fd, kind) || !option(fd, SO_ACCEPTCONN, listens)) return failed("getsockopt", errno);
  const bool datagrams = detail::nature_of(kind) == Descriptor::Nature::datagrams;
  if ((listens != 0) != (wanted == Wanted::listener) || (wanted == Wanted::datagrams && !datagrams)) return failed("getsockopt", EINVAL);
  const Addr local = detail::local_end(fd, kind);
  Addr remote;
  if (wanted == Wanted::connection) {
    sockaddr_storage name;
    socklen_t length = sizeof name;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0) return failed("getpeername", errno);
    remote = detail::remote_end(fd, kind);
  }
  if (!make_ours(fd)) return failed("fcntl", errno);
  const auto nature = wanted == Wanted::listener ? Descriptor::Nature::listener : detail::nature_of(kind);
  Descriptor* made = Descriptor::make(fd, network_of(kind), nature, local, remote);
  if (made == nullptr) return failed("socket", ENOMEM);
  return Result<Handle>(Handle(detail::DescriptorRef(made)));
}

}  // namespace

Result<Conn> from_fd(int fd) { return take_over<Conn>(fd, Wanted::connection); }
Result<Listener> listener_from_fd(int fd) { return take_over<Listener>(fd, Wanted::listener); }
Result<PacketConn> packet_conn_from_fd(int fd) { return take_over<PacketConn>(fd, Wanted::datagrams); }

}  // namespace gmp::net
