// src/net/host_port.hpp — reads what users write: networks, "host:port", IP literals, ports and service names.
// Go: net/ipsock.go (SplitHostPort, JoinHostPort), net/port.go, net/dial.go (parseNetwork), net/netip (ParseAddr).  Room: net (floor 5).
//
// As strict as Go: no octal octets (010.0.0.1 is 8.0.0.1 to some programs and 10.0.0.1 to others), no short forms (127.1), brackets round
// every IPv6 address that has a port.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gmp/detail/net/addr.hpp"
#include "net/op_error.hpp"

namespace gmp::detail {

/// What the first argument of dial and listen means.
struct Network {
  enum class Family : std::uint8_t { any, ipv4_only, ipv6_only, path };
  net::Addr::Kind kind = net::Addr::Kind::none;
  Family family = Family::any;
};

/// "tcp" "tcp4" "tcp6" "udp" "udp4" "udp6" "unix" "unixgram" "unixpacket"; else "unknown network NAME".
Failure parse_network(std::string_view name, Network& out);

struct HostPort {
  std::string_view host, port;  // of the text they were read from; without brackets; a zone belongs to the host
};

/// Takes "host:port", "[host]:port" or ":port" apart, whatever host and port are.      Go: net.SplitHostPort
Failure parse_host_port(std::string_view text, HostPort& out);
/// Brackets round a host with colons.      Go: net.JoinHostPort
std::string join_host_port(std::string_view host, std::string_view port);

/// Reads a numeric IPv4 or IPv6 address, with zone or without. False: it is none, perhaps a name to be looked up.
bool parse_ip(std::string_view text, net::Addr::Kind kind, std::uint16_t port, net::Addr& out) noexcept;

/// True if the port is a service's name, not a number: then parse_port may read /etc/services, or ask whatever the system is configured to
/// ask, and had better run where it may block.
bool port_needs_lookup(std::string_view text) noexcept;
/// A number from 0 to 65535 (empty: 0), or a service's name.      Go: net.LookupPort
Failure parse_port(net::Addr::Kind kind, std::string_view text, std::uint16_t& out);

}  // namespace gmp::detail
