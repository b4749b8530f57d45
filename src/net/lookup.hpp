// src/net/lookup.hpp — names to addresses: at once where that needs nobody, else by the system's resolver, which blocks.
// Go: net/lookup.go, net/cgo_unix.go, net/ipsock.go (internetAddrList).  Room: net (floor 5).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmp/detail/net/addr.hpp"
#include "net/errand.hpp"
#include "net/host_port.hpp"
#include "net/op_error.hpp"

namespace gmp::detail {

/// What "host:port" stands for, and whether it takes the resolver to say it.
struct Destination {
  Network network;
  std::string host, service;         // as written; for the resolver
  std::uint16_t port = 0;
  std::vector<net::Addr> addresses;  // in the order in which to try them; none if there is no host
  bool needs_resolver = false;
};

enum class Purpose : std::uint8_t { dial, listen, listen_packet };

/// Reads the text, and finds the addresses if it is a numeric one, a path, empty, or "localhost", and the port a number.
Failure parse_destination(std::string_view network, std::string_view address, Purpose purpose, Destination& out);
/// Asks the system for what is missing; blocks.
Failure resolve(Destination& destination);

/// Resolves, on a thread that may block.
class Lookup : public Errand {
 public:
  explicit Lookup(Destination&& destination) : destination_(std::move(destination)) {}

  /// Starts the g. May throw what go() throws.
  static void start(const std::shared_ptr<Lookup>& self);

  // After the end:
  Destination& destination() noexcept { return destination_; }
  Failure& failure() noexcept { return failure_; }

 private:
  Destination destination_;  // the resolving g's, then the waiter's
  Failure failure_;
};

}  // namespace gmp::detail
