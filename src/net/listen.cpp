// src/net/listen.cpp — net::listen and listen_packet: which socket an address means, and how it comes to be bound.
// Go: net/dial.go (Listen, ListenPacket), net/sock_posix.go (listenStream, listenDatagram), net/ipsock_posix.go (favoriteAddrFamily).
// Room: net (floor 5).
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <type_traits>

#include "gmp/net.hpp"
#include "net/descriptor.hpp"
#include "net/lookup.hpp"
#include "net/memory_net.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"
#include "net/socket.hpp"

namespace gmp::net {

namespace {

using detail::Descriptor;
using detail::Destination;
using detail::Failure;
using detail::Network;
using detail::Purpose;
using Family = Network::Family;

constexpr std::array<std::uint8_t, 4> any4 = {};
constexpr std::array<std::uint8_t, 16> any6 = {};

/// The address to listen on. As Go: of a name's addresses the first of IPv4, if there is one.
Addr choose(const Destination& destination) {
  const auto& all = destination.addresses;
  if (!all.empty()) {
    const auto found = std::find_if(all.begin(), all.end(), [](const Addr& addr) { return addr.is_ipv4(); });
    return found != all.end() ? *found : all.front();
  }
  if (destination.network.family == Family::ipv6_only) return Addr::ipv6(destination.network.kind, any6, destination.port);
  return Addr::ipv4(destination.network.kind, any4, destination.port);
}

/// A wildcard of "tcp" is for both families, by one socket if the system can.
int family_for(const Network& network, const Addr& addr) {
  const bool both = network.family == Family::any && addr.is_unspecified();
  if (both && detail::ip_support().ipv4_by_ipv6) return AF_INET6;
  return detail::family_of(addr);
}

/// A socket on its way to be a listener, or to take datagrams.
struct Bound {
  Destination destination;
  Addr addr;
  detail::FdGuard fd;
  const char* network() const noexcept { return detail::network_literal(destination.network); }
};

/// Which address that is.
Failure find_address(std::string_view network, std::string_view address, Purpose purpose, Bound& out) {
  Destination& destination = out.destination;
  if (auto why = detail::parse_destination(network, address, purpose, destination)) return why;
  if (destination.needs_resolver) {
    if (auto why = detail::resolve(destination)) return why;
  }
  out.addr = choose(destination);
  return {};
}

/// A socket that is bound to it; listening, if the purpose says so.
Failure bind_socket(std::string_view address, Purpose purpose, const ListenOptions& options, Bound& out) {
  const Destination& destination = out.destination;
  const Addr& addr = out.addr;
  const int family = family_for(destination.network, addr);
  sockaddr_storage name;
  const socklen_t length = detail::addr_to_sockaddr(addr, family, name);
  if (length == 0) return detail::address_failure(address, errc::no_suitable_address);

  const auto refused = [](const char* call) { return detail::system_failure(call, errno); };
  const bool ip = family != AF_UNIX;
  out.fd = detail::open_socket(family, addr.kind());
  const int fd = out.fd.get();
  if (fd < 0) return refused("socket");
  if (family == AF_INET6) detail::set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, destination.network.family == Family::ipv6_only ? 1 : 0);
  // Of datagrams it would let another process take the port over; Go sets it for multicast only.
  if (addr.kind() == Addr::Kind::tcp && !detail::set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1)) return refused("setsockopt");
  if (options.reuse_port && ip && !detail::set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return refused("setsockopt");
  if (addr.kind() == Addr::Kind::tcp) detail::set_tcp_defaults(fd);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), length) != 0) return refused("bind");
  if (purpose == Purpose::listen && ::listen(fd, options.backlog > 0 ? options.backlog : detail::somaxconn()) != 0) {
    const auto why = refused("listen");
    detail::remove_path(addr);
    return why;
  }
  return {};
}

/// The handle for it; takes fd over if there is memory.
template <class Handle>
Result<Handle> make_handle(std::string_view network, std::string_view address, Purpose purpose, const ListenOptions& options) {
  Bound bound;
  auto why = find_address(network, address, purpose, bound);
  if constexpr (std::is_same_v<Handle, Listener>) {
    const Addr::Kind kind = bound.addr.kind();
    detail::MemoryNet* net = !why && (kind == Addr::Kind::tcp || kind == Addr::Kind::unix_stream) ? detail::MemoryNet::here() : nullptr;
    if (net != nullptr) return net->listen(bound.addr, bound.network(), options);
  } else {
    detail::MemoryNet* net = !why && bound.addr.kind() == Addr::Kind::udp ? detail::MemoryNet::here() : nullptr;
    if (net != nullptr) return net->listen_packet(bound.addr, bound.network(), options);
  }
  if (!why) why = bind_socket(address, purpose, options, bound);
  if (why)
    return detail::op_error<Handle>("listen", network, {}, bound.addr, std::move(why));
  const Addr local = detail::local_end(bound.fd.get(), bound.addr.kind());
  const auto nature = purpose == Purpose::listen ? Descriptor::Nature::listener : Descriptor::Nature::datagrams;
  Descriptor* made = Descriptor::make(bound.fd.get(), bound.network(), nature, local, {});
  if (made == nullptr) {
    detail::remove_path(bound.addr);
    return detail::op_error<Handle>("listen", network, {}, bound.addr, detail::system_failure("socket", ENOMEM));
  }
  if (local.is_unix()) made->set_unlinks();
  bound.fd.release();
  return Result<Handle>(Handle(detail::DescriptorRef(made)));
}

}  // namespace

Result<Listener> listen(std::string_view network, std::string_view address, ListenOptions options) {
  return make_handle<Listener>(network, address, Purpose::listen, options);
}

Result<PacketConn> listen_packet(std::string_view network, std::string_view address, ListenOptions options) {
  return make_handle<PacketConn>(network, address, Purpose::listen_packet, options);
}

}  // namespace gmp::net
