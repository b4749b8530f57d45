// src/net/host_port.cpp — the parsers of host_port.hpp.
// Go: net/ipsock.go, net/port.go, net/netip/netip.go.  Room: net (floor 5).
#include "net/host_port.hpp"

#include <netdb.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "net/sockaddr.hpp"

namespace gmp::detail {
namespace {

using net::Addr;
constexpr auto npos = std::string_view::npos;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

int hex_digit(char c) noexcept {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Four decimal octets and nothing else.
bool parse_ipv4(std::string_view text, std::uint8_t* out) noexcept {
  for (int octet = 0; octet < 4; ++octet) {
    if (octet > 0) {
      if (text.empty() || text[0] != '.') return false;
      text.remove_prefix(1);
    }
    unsigned value = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && is_digit(text[digits]); ++digits) {
      value = value * 10 + static_cast<unsigned>(text[digits] - '0');
      if (value > 255) return false;
    }
    if (digits == 0 || (digits > 1 && text[0] == '0')) return false;  // 010 may be 8 or 10: refuse to guess
    out[octet] = static_cast<std::uint8_t>(value);
    text.remove_prefix(digits);
  }
  return text.empty();
}

/// Eight groups, one run of zero groups may be "::", the last two may be written as IPv4.
bool parse_ipv6(std::string_view text, std::uint8_t* out) noexcept {
  std::size_t filled = 0;
  std::size_t gap = npos;  // where "::" stood
  if (text.starts_with("::")) {
    gap = 0;
    text.remove_prefix(2);
  }
  while (filled < 16 && !text.empty()) {
    unsigned value = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && hex_digit(text[digits]) >= 0; ++digits) {
      if (digits == 4) return false;
      value = value * 16 + static_cast<unsigned>(hex_digit(text[digits]));
    }
    if (digits == 0) return false;
    if (digits < text.size() && text[digits] == '.') {
      if (filled > 12 || (gap == npos && filled != 12) || !parse_ipv4(text, out + filled)) return false;
      filled += 4;
      text = {};
      break;
    }
    out[filled++] = static_cast<std::uint8_t>(value >> 8);
    out[filled++] = static_cast<std::uint8_t>(value);
    text.remove_prefix(digits);
    if (text.empty()) break;
    if (text[0] != ':' || text.size() == 1) return false;
    text.remove_prefix(1);
    if (text[0] == ':') {
      if (gap != npos) return false;
      gap = filled;
      text.remove_prefix(1);
    }
  }
  if (!text.empty()) return false;
  if (gap == npos) return filled == 16;
  if (filled == 16) return false;  // "::" must stand for something
  std::copy_backward(out + gap, out + filled, out + 16);
  std::fill(out + gap, out + gap + (16 - filled), std::uint8_t{0});
  return true;
}

struct Service {
  std::string_view name;
  std::uint16_t port;
};
// Small images have no /etc/services; these go without saying.
constexpr Service tcp_services[] = {
    {"domain", 53}, {"ftp", 21},   {"ftps", 990},  {"gopher", 70}, {"http", 80},         {"https", 443}, {"imap2", 143}, {"imap3", 220},
    {"imaps", 993}, {"pop3", 110}, {"pop3s", 995}, {"smtp", 25},   {"submissions", 465}, {"ssh", 22},    {"telnet", 23},
};
constexpr Service udp_services[] = {{"domain", 53}};

bool known_service(const std::string& name, bool udp, std::uint16_t& out) noexcept {
  const auto look = [&](const auto& services) {
    for (const Service& service : services) {
      if (service.name == name) {
        out = service.port;
        return true;
      }
    }
    return false;
  };
  return udp ? look(udp_services) : look(tcp_services);
}

/// What /etc/services, or whatever stands in for it, says.
bool system_service(const std::string& name, bool udp, std::uint16_t& out) {
  if (name.find('\0') != name.npos) return false;
  std::vector<char> buffer(1024);
  for (;;) {
    servent entry{};
    servent* found = nullptr;
    const int error = ::getservbyname_r(name.c_str(), udp ? "udp" : "tcp", &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < (1U << 20)) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (error != 0 || !found) return false;
    const auto network_order = static_cast<std::uint16_t>(found->s_port);
    std::uint8_t bytes[2];
    std::memcpy(bytes, &network_order, 2);
    out = static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
    return true;
  }
}

}  // namespace

Failure parse_network(std::string_view name, Network& out) {
  using Kind = Addr::Kind;
  using Family = Network::Family;
  static constexpr struct {
    std::string_view name;
    Network network;
  } known[] = {
      {"tcp", {Kind::tcp, Family::any}},
      {"tcp4", {Kind::tcp, Family::ipv4_only}},
      {"tcp6", {Kind::tcp, Family::ipv6_only}},
      {"udp", {Kind::udp, Family::any}},
      {"udp4", {Kind::udp, Family::ipv4_only}},
      {"udp6", {Kind::udp, Family::ipv6_only}},
      {"unix", {Kind::unix_stream, Family::path}},
      {"unixgram", {Kind::unix_datagram, Family::path}},
      {"unixpacket", {Kind::unix_packet, Family::path}},
  };
  for (const auto& row : known) {
    if (row.name == name) {
      out = row.network;
      return {};
    }
  }
  return {errc::unknown_network, {}, std::string(" ").append(name)};
}

Failure parse_host_port(std::string_view text, HostPort& out) {
  const std::size_t colon = text.rfind(':');  // the port is what follows the last one
  if (colon == npos) return address_failure(text, errc::missing_port);

  std::size_t open_from = 0, close_from = 0;  // where a bracket would be one too many
  if (text[0] == '[') {
    const std::size_t close = text.find(']');
    if (close == npos) return address_failure(text, errc::missing_bracket);
    if (close + 1 != colon) {
      const bool more_colons = close + 1 < text.size() && text[close + 1] == ':';
      return address_failure(text, more_colons ? errc::too_many_colons : errc::missing_port);
    }
    out.host = text.substr(1, close - 1);
    open_from = 1;
    close_from = close + 1;
  } else {
    out.host = text.substr(0, colon);
    if (out.host.find(':') != npos) return address_failure(text, errc::too_many_colons);
  }
  if (text.find('[', open_from) != npos) return address_failure(text, errc::unexpected_left_bracket);
  if (text.find(']', close_from) != npos) return address_failure(text, errc::unexpected_right_bracket);
  out.port = text.substr(colon + 1);
  return {};
}

std::string join_host_port(std::string_view host, std::string_view port) {
  const bool brackets = host.find(':') != npos;
  std::string out;
  out.reserve(host.size() + port.size() + 3);
  if (brackets) out += '[';
  out.append(host);
  if (brackets) out += ']';
  return out.append(":").append(port);
}

bool parse_ip(std::string_view text, Addr::Kind kind, std::uint16_t port, Addr& out) noexcept {
  std::array<std::uint8_t, 4> four{};
  if (parse_ipv4(text, four.data())) {
    out = Addr::ipv4(kind, four, port);
    return true;
  }
  const std::size_t percent = text.find('%');
  std::array<std::uint8_t, 16> sixteen{};
  if (!parse_ipv6(text.substr(0, percent), sixteen.data())) return false;
  Addr addr = Addr::ipv6(kind, sixteen, port);
  if (percent != npos && !set_zone(addr, text.substr(percent + 1))) return false;
  out = addr;
  return true;
}

bool port_needs_lookup(std::string_view text) noexcept {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  return !std::all_of(text.begin(), text.end(), is_digit);
}

Failure parse_port(Addr::Kind kind, std::string_view text, std::uint16_t& out) {
  const bool udp = kind == Addr::Kind::udp;
  if (port_needs_lookup(text)) {
    std::string name(text);
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (known_service(name, udp, out) || system_service(name, udp, out)) return {};
    return lookup_failure(std::string(udp ? "udp/" : "tcp/").append(text), errc::unknown_port);
  }
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  std::uint32_t value = 0;
  for (const char c : digits) {
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
    if (value > 65535) return address_failure(text, errc::invalid_port);
  }
  if (negative && value != 0) return address_failure(text, errc::invalid_port);
  out = static_cast<std::uint16_t>(value);
  return {};
}

}  // namespace gmp::detail
