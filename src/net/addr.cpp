// src/net/addr.cpp — net::Addr: its text, its order, and the way to and from sockaddr.
// Go: net/tcpsock.go, net/unixsock.go, net/netip (String), net/ipsock_posix.go.  Room: net (floor 5).
#include "gmp/detail/net/addr.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ostream>

#include "net/host_port.hpp"
#include "net/sockaddr.hpp"

namespace gmp::detail {

/// The door for this room's files into an Addr.
struct AddrAccess {
  using Addr = net::Addr;
  using Family = Addr::Family;

  static Addr path(Addr::Kind kind, const char* bytes, std::size_t length) noexcept {
    Addr addr;
    if (length > Addr::path_max) return addr;
    addr.kind_ = kind;
    addr.family_ = Family::path;
    addr.length_ = static_cast<std::uint8_t>(length);
    std::memcpy(addr.bytes_, bytes, length);
    return addr;
  }
  static std::string_view path_bytes(const Addr& addr) noexcept { return addr.text(); }

  static std::uint32_t scope(const Addr& addr) noexcept { return addr.scope_; }

  static bool zone(Addr& addr, std::string_view name) noexcept {
    if (name.empty() || addr.family_ == Family::none) return false;
    if (addr.family_ == Family::v4) return true;  // it was written as ::ffff:1.2.3.4%zone: a mapped address has none
    char text[IF_NAMESIZE] = {};
    if (name.size() < sizeof text && name.find('\0') == name.npos) {
      std::memcpy(text, name.data(), name.size());
      addr.scope_ = ::if_nametoindex(text);
      if (addr.scope_ != 0) return true;
    }
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), addr.scope_);
    if (error == std::errc() && end == name.data() + name.size() && addr.scope_ != 0) return true;
    // No such interface here. The name is kept, for messages; the system will refuse the address.
    addr.scope_ = 0;
    addr.length_ = static_cast<std::uint8_t>(std::min(name.size(), Addr::path_max - 16));
    std::memcpy(addr.bytes_ + 16, name.data(), addr.length_);
    return true;
  }
};

bool set_zone(net::Addr& addr, std::string_view name) noexcept { return AddrAccess::zone(addr, name); }

net::Addr addr_from_sockaddr(net::Addr::Kind kind, const sockaddr* from, socklen_t length) noexcept {
  if (length < sizeof(sa_family_t)) return {};
  switch (from->sa_family) {
    case AF_INET: {
      sockaddr_in in{};
      if (length < sizeof in) return {};
      std::memcpy(&in, from, sizeof in);
      std::array<std::uint8_t, 4> ip{};
      std::memcpy(ip.data(), &in.sin_addr, ip.size());
      return net::Addr::ipv4(kind, ip, ntohs(in.sin_port));
    }
    case AF_INET6: {
      sockaddr_in6 in{};
      if (length < sizeof in) return {};
      std::memcpy(&in, from, sizeof in);
      std::array<std::uint8_t, 16> ip{};
      std::memcpy(ip.data(), &in.sin6_addr, ip.size());
      return net::Addr::ipv6(kind, ip, ntohs(in.sin6_port), in.sin6_scope_id);
    }
    case AF_UNIX: {
      const char* path = reinterpret_cast<const char*>(from) + offsetof(sockaddr_un, sun_path);
      constexpr std::size_t header = offsetof(sockaddr_un, sun_path);
      const std::size_t size = std::min<std::size_t>(length > header ? length - header : 0, sizeof(sockaddr_un::sun_path));
      // A path ends at its zero byte, which the system may or may not count; an abstract name ends where the length says.
      const std::size_t used = size > 0 && path[0] == 0 ? size : ::strnlen(path, size);
      return AddrAccess::path(kind, path, used);
    }
    default:
      return {};
  }
}

socklen_t addr_to_sockaddr(const net::Addr& addr, int family, sockaddr_storage& to) noexcept {
  const int own = family_of(addr);
  if (family == AF_UNSPEC) family = own;
  std::memset(&to, 0, sizeof to);
  if (own == AF_INET && family == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(addr.port());
    std::memcpy(&in.sin_addr, addr.ip_bytes().data(), 4);
    std::memcpy(&to, &in, sizeof in);
    return sizeof in;
  }
  if ((own == AF_INET || own == AF_INET6) && family == AF_INET6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(addr.port());
    auto* ip = reinterpret_cast<unsigned char*>(&in.sin6_addr);
    if (own == AF_INET6) {
      std::memcpy(ip, addr.ip_bytes().data(), 16);
      in.sin6_scope_id = AddrAccess::scope(addr);
    } else if (!addr.is_unspecified()) {
      ip[10] = ip[11] = 0xFF;
      std::memcpy(ip + 12, addr.ip_bytes().data(), 4);
    }
    std::memcpy(&to, &in, sizeof in);
    return sizeof in;
  }
  if (own == AF_UNIX && family == AF_UNIX) {
    const std::string_view path = AddrAccess::path_bytes(addr);
    const bool abstract = !path.empty() && path[0] == 0;
    sockaddr_un un{};
    if (path.size() > sizeof un.sun_path - (abstract ? 0 : 1)) return 0;
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path, path.data(), path.size());
    std::memcpy(&to, &un, sizeof un);
    // The zero byte behind a path is counted; an abstract name has none. Without a name the system picks one.
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path.empty() || abstract ? 0 : 1));
  }
  return 0;
}

int family_of(const net::Addr& addr) noexcept {
  if (addr.is_ipv4()) return AF_INET;
  if (addr.is_ipv6()) return AF_INET6;
  return addr.is_unix() ? AF_UNIX : AF_UNSPEC;
}

}  // namespace gmp::detail

namespace gmp::net {
namespace {

using detail::AddrAccess;

constexpr unsigned char mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

void append_number(std::string& out, unsigned value, int base = 10) {
  char text[16];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value, base);
  out.append(text, end);
}

void append_ipv4(std::string& out, std::string_view ip) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) out += '.';
    append_number(out, static_cast<unsigned char>(ip[i]));
  }
}

/// RFC 5952: small hex digits, and the longest run of two or more zero groups, the first of equals, is "::".
void append_ipv6(std::string& out, std::string_view ip) {
  unsigned groups[8];
  for (std::size_t i = 0; i < 8; ++i) groups[i] = static_cast<unsigned char>(ip[2 * i]) << 8 | static_cast<unsigned char>(ip[2 * i + 1]);
  std::size_t gap = 8, gap_end = 8;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > std::max<std::size_t>(gap_end - gap, 1)) {
      gap = i;
      gap_end = end;
    }
    if (end > i) i = end;
  }
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == gap) {
      out += "::";
      i = gap_end;
      if (i == 8) break;
    } else if (i > 0) {
      out += ':';
    }
    append_number(out, groups[i], 16);
  }
}

}  // namespace

Addr Addr::ipv4(Kind kind, const std::array<std::uint8_t, 4>& ip, std::uint16_t port) noexcept {
  Addr addr;
  addr.kind_ = kind;
  addr.family_ = Family::v4;
  addr.port_ = port;
  std::memcpy(addr.bytes_, ip.data(), ip.size());
  return addr;
}

Addr Addr::ipv6(Kind kind, const std::array<std::uint8_t, 16>& ip, std::uint16_t port, std::uint32_t scope) noexcept {
  if (std::memcmp(ip.data(), mapped_prefix, sizeof mapped_prefix) == 0) return ipv4(kind, {ip[12], ip[13], ip[14], ip[15]}, port);
  Addr addr;
  addr.kind_ = kind;
  addr.family_ = Family::v6;
  addr.port_ = port;
  addr.scope_ = scope;
  std::memcpy(addr.bytes_, ip.data(), ip.size());
  return addr;
}

Addr Addr::unix_path(Kind kind, std::string_view path) noexcept {
  const bool abstract = path.starts_with('@') || path.starts_with('\0');  // a name, of any bytes
  if (!abstract && (path.size() == path_max || path.find('\0') != path.npos)) return {};
  if (path.size() > path_max) return {};
  Addr addr = AddrAccess::path(kind, path.data(), path.size());
  if (abstract) addr.bytes_[0] = 0;
  return addr;
}

Result<Addr> Addr::parse(std::string_view network, std::string_view text) {
  detail::Network meaning;
  if (auto why = detail::parse_network(network, meaning)) return detail::failed<Addr>(std::move(why));
  if (meaning.family == detail::Network::Family::path) {
    const Addr addr = unix_path(meaning.kind, text);
    if (!addr) return std::error_code(static_cast<int>(std::errc::invalid_argument), errno_category());
    return addr;
  }
  detail::HostPort parts;
  if (auto why = detail::parse_host_port(text, parts)) return detail::failed<Addr>(std::move(why));
  std::uint16_t port = 0;
  if (auto why = detail::parse_port(meaning.kind, parts.port, port)) return detail::failed<Addr>(std::move(why));
  Addr addr;
  if (!detail::parse_ip(parts.host, meaning.kind, port, addr)) return detail::failed<Addr>(detail::address_failure(text, errc::invalid_ip));
  const bool wrong_family = (meaning.family == detail::Network::Family::ipv4_only && !addr.is_ipv4()) ||
                            (meaning.family == detail::Network::Family::ipv6_only && !addr.is_ipv6());
  if (wrong_family) return detail::failed<Addr>(detail::address_failure(parts.host, errc::no_suitable_address));
  return addr;
}

std::string_view Addr::network() const noexcept {
  switch (kind_) {
    case Kind::none:
      return "";
    case Kind::ip:
      return "ip";
    case Kind::tcp:
      return "tcp";
    case Kind::udp:
      return "udp";
    case Kind::unix_stream:
      return "unix";
    case Kind::unix_datagram:
      return "unixgram";
    case Kind::unix_packet:
      return "unixpacket";
  }
  return "";
}

bool Addr::is_loopback() const noexcept {
  if (is_ipv4()) return bytes_[0] == 127;
  if (!is_ipv6() || bytes_[15] != 1) return false;
  return std::all_of(bytes_, bytes_ + 15, [](char byte) { return byte == 0; });
}

bool Addr::is_unspecified() const noexcept {
  const std::string_view ip = ip_bytes();
  return !ip.empty() && std::all_of(ip.begin(), ip.end(), [](char byte) { return byte == 0; });
}

Addr Addr::with_port(std::uint16_t port) const noexcept {
  Addr addr = *this;
  if (!is_unix() && kind_ != Kind::none) addr.port_ = port;
  return addr;
}

Addr Addr::with_kind(Kind kind) const noexcept {
  const bool path = kind == Kind::unix_stream || kind == Kind::unix_datagram || kind == Kind::unix_packet;
  if (kind == Kind::none || kind_ == Kind::none || path != is_unix()) return {};
  Addr addr = *this;
  addr.kind_ = kind;
  if (kind == Kind::ip) addr.port_ = 0;
  return addr;
}

void Addr::append_host(std::string& out) const {
  switch (family_) {
    case Family::none:
      break;
    case Family::v4:
      append_ipv4(out, ip_bytes());
      break;
    case Family::v6:
      append_ipv6(out, ip_bytes());
      if (length_ > 0) {
        out.append("%").append(text());
      } else if (scope_ != 0) {
        char name[IF_NAMESIZE];
        out += '%';
        if (::if_indextoname(scope_, name)) {
          out += name;
        } else {
          append_number(out, scope_);
        }
      }
      break;
    case Family::path:
      // As the convention is: '@' for the zero byte of an abstract name, and alone for an end that was never given a name.
      if (length_ == 0 || bytes_[0] == 0) {
        out.append("@").append(text().substr(length_ == 0 ? 0 : 1));
      } else {
        out.append(text());
      }
      break;
  }
}

std::string Addr::host() const {
  std::string out;
  append_host(out);
  return out;
}

std::string Addr::to_string() const {
  std::string out;
  const bool with_port = kind_ == Kind::tcp || kind_ == Kind::udp;
  if (with_port && is_ipv6()) out += '[';
  append_host(out);
  if (with_port && is_ipv6()) out += ']';
  if (with_port) {
    out += ':';
    append_number(out, port_);
  }
  return out;
}

GMPCORO_EXPORT std::ostream& operator<<(std::ostream& out, const Addr& addr) { return out << addr.to_string(); }

std::size_t Addr::used() const noexcept { return ip_bytes().size() + length_; }

GMPCORO_EXPORT std::strong_ordering operator<=>(const Addr& a, const Addr& b) noexcept {
  if (const auto order = a.kind_ <=> b.kind_; order != 0) return order;
  if (const auto order = a.family_ <=> b.family_; order != 0) return order;
  const std::size_t common = std::min(a.used(), b.used());
  if (const int order = std::memcmp(a.bytes_, b.bytes_, common); order != 0) return order <=> 0;
  if (const auto order = a.used() <=> b.used(); order != 0) return order;
  if (const auto order = a.scope_ <=> b.scope_; order != 0) return order;
  return a.port_ <=> b.port_;
}

std::size_t Addr::hash() const noexcept {
  const std::size_t bytes = std::hash<std::string_view>{}({bytes_, used()});
  const std::size_t rest = std::size_t{scope_} << 24 | std::size_t{port_} << 8 | static_cast<std::size_t>(kind_);
  return bytes ^ (rest * 0x9E37'79B9'7F4A'7C15);
}

}  // namespace gmp::net
