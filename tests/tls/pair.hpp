// tests/tls/pair.hpp — two ends of TLS in one process: over TCP, over a unix socket, over net::pipe.
// Go: crypto/tls/handshake_test.go (localPipe).  Room: tests/tls.
//
// Configurations are aggregates: in a co_await expression g++ 12 would destroy them twice, so they have names.
#pragma once

#include <string>
#include <utility>

#include "gmp/tls.hpp"
#include "support/net.hpp"
#include "tls/certificates.hpp"

namespace gmp::test {

inline net::TlsConfig server_config(const Identity& who = localhost()) { return {.certificate_pem = who.pem, .key_pem = who.key_pem}; }
inline net::TlsConfig client_config(std::string name = "localhost") {
  return {.server_name = std::move(name), .roots_pem = authority().pem};
}

/// network "pipe": net::pipe().
inline Task<ConnPair> raw_pair(std::string network = "tcp") {
  if (network == "pipe") {
    auto [a, b] = net::pipe();
    co_return ConnPair(std::move(a), std::move(b));
  }
  ConnPair pair = co_await conn_pair(network);
  co_return pair;
}

/// a: the client, b: the server; nothing has been said yet.
inline Task<ConnPair> tls_pair(std::string network, const net::TlsConfig& client, const net::TlsConfig& server) {
  const ConnPair below = co_await raw_pair(network);
  co_return ConnPair(net::tls_client(below.a, client), net::tls_server(below.b, server));
}

inline Task<Result<void>> shake_hands(net::Conn conn) {
  Result<void> done = co_await net::tls_handshake(conn);
  co_return done;
}

inline Task<ConnPair> tls_pair(std::string network) {
  const net::TlsConfig client = client_config(), server = server_config();
  ConnPair pair = co_await tls_pair(network, client, server);
  co_return pair;
}

struct Outcome {
  Outcome() noexcept {}
  Result<void> client, server;
};
/// Both ends at once.
inline Task<Outcome> shake_hands(ConnPair pair) {
  auto server = spawn([](net::Conn conn) { return shake_hands(conn); }, pair.b);
  Outcome outcome;
  outcome.client = co_await net::tls_handshake(pair.a);
  outcome.server = co_await server;
  co_return outcome;
}

/// The same, and both must have done it.
inline Task<ConnPair> shaken_pair(std::string network, const net::TlsConfig& client, const net::TlsConfig& server) {
  const ConnPair pair = co_await tls_pair(network, client, server);
  const Outcome outcome = co_await shake_hands(pair);
  outcome.client.value();
  outcome.server.value();
  co_return pair;
}
inline Task<ConnPair> shaken_pair(std::string network = "tcp") {
  const net::TlsConfig client = client_config(), server = server_config();
  ConnPair pair = co_await shaken_pair(network, client, server);
  co_return pair;
}

}  // namespace gmp::test
