// src/net/lookup.cpp — names to addresses.
// Go: net/cgo_unix.go (cgoLookupHostIP), net/hosts.go, net/ipsock.go.  Room: net (floor 5).
#include "net/lookup.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "gmp/go.hpp"
#include "gmp/net.hpp"
#include "gmp/task.hpp"
#include "net/memory_net.hpp"
#include "net/sockaddr.hpp"
#include "net/socket.hpp"

namespace gmp::detail {

namespace {

using net::Addr;
using Family = Network::Family;

constexpr std::array<std::uint8_t, 4> loopback4 = {127, 0, 0, 1};
constexpr std::array<std::uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

bool wanted(Family family, const Addr& addr) noexcept {
  return family == Family::any || (family == Family::ipv4_only ? addr.is_ipv4() : addr.is_ipv6());
}

bool is_localhost(std::string_view host) noexcept {
  constexpr std::string_view name = "localhost";
  if (host.ends_with('.')) host.remove_suffix(1);
  return std::equal(host.begin(), host.end(), name.begin(), name.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

/// RFC 6761: this name needs nobody. In the order of RFC 6724.
std::vector<Addr> localhost(const Network& network, std::uint16_t port) {
  std::vector<Addr> both;
  if (network.family != Family::ipv4_only && (ip_support().ipv6 || network.family == Family::ipv6_only))
    both.push_back(Addr::ipv6(network.kind, loopback6, port));
  if (network.family != Family::ipv6_only) both.push_back(Addr::ipv4(network.kind, loopback4, port));
  return both;
}

Failure failure_of(int error, int system_error, const std::string& host) {
  switch (error) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
      return lookup_failure(host, errc::no_such_host);
    case EAI_AGAIN:
      return lookup_failure(host, errc::temporary_failure);
    case EAI_MEMORY:
      return Failure(std::error_code(ENOMEM, errno_category()), "lookup " + host + ": ");
    case EAI_SYSTEM:
      return Failure(std::error_code(system_error, errno_category()), "lookup " + host + ": ");
    default:
      return lookup_failure(host, errc::server_misbehaving);
  }
}

Failure ask_system(const Network& network, const std::string& host, std::uint16_t port, std::vector<Addr>& out) {
  if (host.find('\0') != host.npos) return lookup_failure(host, errc::no_such_host);  // the system would look for what stands before it
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = network.family == Family::any ? AF_UNSPEC : network.family == Family::ipv4_only ? AF_INET : AF_INET6;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) return failure_of(error, errno, host);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, &::freeaddrinfo);
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const Addr addr = addr_from_sockaddr(network.kind, entry->ai_addr, entry->ai_addrlen).with_port(port);
    if (addr && wanted(network.family, addr) && std::find(out.begin(), out.end(), addr) == out.end()) out.push_back(addr);
  }
  if (out.empty()) return lookup_failure(host, errc::no_such_host);
  return {};
}

}  // namespace

Failure parse_destination(std::string_view network, std::string_view address, Purpose purpose, Destination& out) {
  if (auto why = parse_network(network, out.network)) return why;
  const Addr::Kind kind = out.network.kind;
  const bool datagrams = kind == Addr::Kind::udp || kind == Addr::Kind::unix_datagram;
  if (purpose != Purpose::dial && datagrams != (purpose == Purpose::listen_packet)) return address_failure(address, errc::unexpected_address_type);
  if (out.network.family == Family::path) {
    const Addr path = Addr::unix_path(kind, address);
    const bool too_long = address.size() > 107;
    if (!path)
      return Failure(std::error_code(EINVAL, errno_category()), "address " + std::string(address) + ": ", too_long ? " (a path has at most 107 bytes)" : "");
    out.addresses.push_back(path);
    return {};
  }
  if (address.empty()) address = ":0";
  HostPort parts;
  if (auto why = parse_host_port(address, parts)) return why;
  out.host = parts.host;
  out.service = parts.port;
  const bool number = !port_needs_lookup(parts.port);
  if (number) {
    if (auto why = parse_port(out.network.kind, parts.port, out.port)) return why;
  }
  Addr addr;
  if (parse_ip(parts.host, out.network.kind, out.port, addr)) {
    if (!wanted(out.network.family, addr)) return address_failure(parts.host, errc::no_suitable_address);
    out.addresses.push_back(addr);
  } else if (is_localhost(parts.host)) {
    out.addresses = localhost(out.network, out.port);
  }
  out.needs_resolver = !number || (out.addresses.empty() && !parts.host.empty());
  return {};
}

Failure resolve(Destination& destination) {
  if (auto why = parse_port(destination.network.kind, destination.service, destination.port)) return why;
  for (Addr& addr : destination.addresses) addr = addr.with_port(destination.port);
  if (!destination.addresses.empty() || destination.host.empty()) return {};
  if (MemoryNet::here() != nullptr) return lookup_failure(destination.host, errc::no_such_host);
  return ask_system(destination.network, destination.host, destination.port, destination.addresses);
}

void Lookup::start(const std::shared_ptr<Lookup>& self) {
  const auto look_up = [](std::shared_ptr<Lookup> lookup) -> Task<> {
    const auto ask = [&lookup]() noexcept {
      try {
        lookup->failure_ = resolve(lookup->destination_);
      } catch (const std::bad_alloc&) {
        lookup->failure_ = Failure(std::error_code(ENOMEM, errno_category()));
      }
    };
    co_await blocking(ask);
    lookup->finish();
  };
  go(look_up, self);
}

// ---- lookup_host

class HostLookup : Immovable {
 public:
  HostLookup(G* gp, std::string&& host) : waiter_(gp) {
    Destination destination;
    destination.network.kind = Addr::Kind::ip;
    destination.host = std::move(host);
    Addr addr;
    if (parse_ip(destination.host, Addr::Kind::ip, 0, addr))
      destination.addresses.push_back(addr);
    else if (is_localhost(destination.host))
      destination.addresses = localhost(destination.network, 0);
    lookup_ = std::make_shared<Lookup>(std::move(destination));
  }

  bool begin(FrameLink& leaf) {
    const Destination& destination = lookup_->destination();
    if (!destination.addresses.empty() || destination.host.empty()) return false;
    Lookup::start(lookup_);
    waiter_.errand_ = lookup_.get();
    if (lookup_->wait(waiter_, [&] { park_begin(waiter_.g_, leaf, WaitReason::io_wait, &waiter_); })) return true;
    if (waiter_.withdrawn_) park_abort(waiter_.g_);
    return false;
  }
  bool withdrawn() const noexcept { return waiter_.withdrawn_; }
  Result<std::vector<Addr>> result() {
    Destination& destination = lookup_->destination();
    if (destination.host.empty()) lookup_->failure() = lookup_failure({}, errc::no_such_host);
    Failure& why = lookup_->failure();
    if (!why) return Result<std::vector<Addr>>(std::move(destination.addresses));
    return failed<std::vector<Addr>>(std::move(why));
  }

 private:
  std::shared_ptr<Lookup> lookup_;
  ErrandWaiter waiter_;
};

void DeleteHostLookup::operator()(HostLookup* lookup) const noexcept { delete lookup; }

LookupHostOp::Awaiter::Awaiter(G* gp, LookupHostOp&& op) : OperationAwaiter(gp), lookup_(new HostLookup(gp, std::move(op.host_))) {}

bool LookupHostOp::Awaiter::suspend(FrameLink& leaf) { return lookup_->begin(leaf) || give_way(g_, leaf); }

bool LookupHostOp::Awaiter::withdrawn() const noexcept { return lookup_->withdrawn(); }

Result<std::vector<net::Addr>> LookupHostOp::Awaiter::await_resume() { return lookup_->result(); }

}  // namespace gmp::detail
