// src/net/listen.cpp — net::listen: which socket an address means, and how it comes to listen.
// Go: net/dial.go (Listen), net/sock_posix.go (listenStream), net/ipsock_posix.go (favoriteAddrFamily).  Room: net (floor 5).
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "gmp/net.hpp"
#include "net/descriptor.hpp"
#include "net/lookup.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"
#include "net/socket.hpp"

namespace gmp::net {

namespace {

using detail::Destination;
using detail::Failure;
using detail::Network;
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

Result<Listener> failed(std::string_view network, const Addr& addr, Failure why) {
  return detail::op_error<Listener>("listen", network, {}, addr, std::move(why));
}

}  // namespace

Result<Listener> listen(std::string_view network, std::string_view address, ListenOptions options) {
  Destination destination;
  if (auto why = detail::parse_destination(network, address.empty() ? ":0" : address, destination)) return failed(network, {}, std::move(why));
  if (destination.needs_resolver) {
    if (auto why = detail::resolve(destination)) return failed(network, {}, std::move(why));
  }
  const Addr addr = choose(destination);
  const int family = family_for(destination.network, addr);
  sockaddr_storage name;
  const socklen_t length = detail::addr_to_sockaddr(addr, family, name);
  if (length == 0) return failed(network, addr, detail::address_failure(address, errc::no_suitable_address));

  const auto refused = [&](const char* call) { return failed(network, addr, detail::system_failure(call, errno)); };
  detail::FdGuard fd = detail::open_stream(family);
  if (!fd) return refused("socket");
  if (family == AF_INET6) detail::set_int(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, destination.network.family == Family::ipv6_only ? 1 : 0);
  if (!detail::set_int(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1)) return refused("setsockopt");
  if (options.reuse_port && !detail::set_int(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) return refused("setsockopt");
  detail::set_tcp_defaults(fd.get());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0) return refused("bind");
  if (::listen(fd.get(), options.backlog > 0 ? options.backlog : detail::somaxconn()) != 0) return refused("listen");

  const Addr local = detail::local_end(fd.get(), addr.kind());
  detail::Descriptor* made = detail::Descriptor::make(fd.get(), detail::network_literal(destination.network), true, local, {});
  if (made == nullptr) {
    errno = ENOMEM;
    return refused("socket");
  }
  fd.release();
  return Result<Listener>(Listener(detail::DescriptorRef(made)));
}

}  // namespace gmp::net
