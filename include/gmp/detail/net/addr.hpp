// include/gmp/detail/net/addr.hpp — net::Addr: the address of one end of a connection, as a value.
// Go: net (Addr, TCPAddr, UDPAddr, UnixAddr, IPAddr), net/netip.  Room: net (floor 5).
//
// One type for all networks, trivially copyable, without memory of its own: a datagram's sender must not cost an allocation. It holds plain
// bytes, no sockaddr: nothing from the system is included here (src/net/sockaddr.hpp converts).
//
// There is one form for each address, so that equality is what one expects: an IPv4 address that came out of an IPv6 socket
// (::ffff:1.2.3.4) is the IPv4 address, as Go prints it; an IPv6 zone is the number of its interface, or the name if there is no such
// interface here.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>

#include "gmp/result.hpp"

namespace gmp::detail {
struct AddrAccess;
struct AddrBytes;
}

namespace gmp::net {

/// The address of one end: an IP and a port, or a path.
/// to_string() reads as Go's: "127.0.0.1:8080", "[::1]:80", "[fe80::1%eth0]:80", "/run/app.sock", "@abstract"; it also goes to << and to
/// fmt (include fmt's header before this one, or use fmt 10).
class GMPCORO_EXPORT Addr {
 public:
  /// What it is an address of; ip: a host, without a port.
  enum class Kind : std::uint8_t { none, ip, tcp, udp, unix_stream, unix_datagram, unix_packet };

  constexpr Addr() noexcept = default;  // none
  /// The address of those bytes, in network order.
  static Addr ipv4(Kind kind, const std::array<std::uint8_t, 4>& ip, std::uint16_t port = 0) noexcept;
  /// scope: the interface a link-local address belongs to, 0: none. An IPv4-mapped address becomes the IPv4 address.
  static Addr ipv6(Kind kind, const std::array<std::uint8_t, 16>& ip, std::uint16_t port = 0, std::uint32_t scope = 0) noexcept;
  /// "@name" is Linux's abstract name. None, if it is longer than the system takes (107 bytes), or a path with a zero byte in it.
  static Addr unix_path(Kind kind, std::string_view path) noexcept;

  /// Reads a numeric address, "127.0.0.1:80" or "[::1]:80", or for "unix" a path. No name is looked up: dial and lookup_host do that.
  /// network: as for dial. Errors as dial's: "address host: missing port in address".
  static Result<Addr> parse(std::string_view network, std::string_view text);

  /// What it is an address of; none for a default-constructed one, which is false.
  Kind kind() const noexcept { return kind_; }
  /// "tcp", "udp", "ip", "unix", "unixgram", "unixpacket"; empty for none.      Go: Addr.Network
  std::string_view network() const noexcept;
  explicit operator bool() const noexcept { return kind_ != Kind::none; }

  /// Which of the three it is.
  bool is_ipv4() const noexcept { return family_ == Family::v4; }
  bool is_ipv6() const noexcept { return family_ == Family::v6; }
  bool is_unix() const noexcept { return family_ == Family::path; }
  bool is_loopback() const noexcept;     // 127.0.0.0/8, ::1
  bool is_unspecified() const noexcept;  // 0.0.0.0, ::

  std::uint16_t port() const noexcept { return port_; }  // 0 where there is none
  Addr with_port(std::uint16_t port) const noexcept;     // the same one, but for the port
  Addr with_kind(Kind kind) const noexcept;  // of the same family: what lookup_host gave, to dial or send to

  /// The IP alone, "fe80::1%eth0"; for unix the path.
  std::string host() const;
  /// 4 or 16 bytes in network order; empty for unix.
  std::string_view ip_bytes() const noexcept { return {bytes_, is_ipv4() ? 4U : is_ipv6() ? 16U : 0U}; }

  /// As it goes to << and to fmt.
  std::string to_string() const;
  friend std::string format_as(const Addr& addr) { return addr.to_string(); }  // fmt 10
  friend std::ostream& operator<<(std::ostream& out, const Addr& addr);

  friend bool operator==(const Addr& a, const Addr& b) noexcept { return (a <=> b) == 0; }
  friend std::strong_ordering operator<=>(const Addr& a, const Addr& b) noexcept;
  std::size_t hash() const noexcept;  // std::hash takes it

 private:
  friend struct gmp::detail::AddrAccess;
  friend struct gmp::detail::AddrBytes;
  enum class Family : std::uint8_t { none, v4, v6, path };
  static constexpr std::size_t path_max = 108;  // sun_path

  /// Bytes in use: the IP, behind it a zone's name; or the path.
  std::size_t used() const noexcept;
  std::string_view text() const noexcept { return {bytes_ + (is_ipv6() ? 16 : 0), length_}; }
  void append_host(std::string& out) const;

  std::uint32_t scope_ = 0;  // IPv6: interface number
  std::uint16_t port_ = 0;
  Kind kind_ = Kind::none;
  Family family_ = Family::none;
  std::uint8_t length_ = 0;    // of a zone's name (scope_ is 0 then), or of a path; an abstract path begins with a zero byte
  char bytes_[path_max] = {};  // all zero behind what is in use
};
static_assert(std::is_trivially_copyable_v<Addr> && std::is_trivially_destructible_v<Addr>);
static_assert(sizeof(Addr) <= 120);

}  // namespace gmp::net

template <>
struct std::hash<gmp::net::Addr> {
  std::size_t operator()(const gmp::net::Addr& addr) const noexcept { return addr.hash(); }
};

#ifdef FMT_VERSION  // whoever does not use fmt does not pay for it
template <>
struct fmt::formatter<gmp::net::Addr> : fmt::formatter<fmt::string_view> {
  template <class FormatContext>
  auto format(const gmp::net::Addr& addr, FormatContext& context) const -> decltype(context.out()) {
    const std::string text = addr.to_string();
    return fmt::formatter<fmt::string_view>::format(fmt::string_view(text.data(), text.size()), context);
  }
};
#endif
