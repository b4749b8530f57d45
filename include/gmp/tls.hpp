// include/gmp/tls.hpp — net::tls_client, net::tls_server: a connection in another one, which nobody else can read or change. By OpenSSL.
// Go: crypto/tls.  Room: tls (floor 5).
//
// A library of its own: link gmpcoro::tls.  gmp/gmp.hpp does not include this file.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

#include "gmp/detail/tls/operations.hpp"
#include "gmp/net.hpp"
#include "gmp/result.hpp"

namespace gmp::net {

/// Versions of the protocol; none: no choice.
enum class TlsVersion : std::uint16_t { none = 0, tls_1_2 = 0x0303, tls_1_3 = 0x0304 };

/// What a server asks of its clients.      Go: tls.ClientAuthType.
enum class ClientAuth : std::uint8_t {
  no_client_cert,
  request_client_cert,      // any, or none
  require_any_client_cert,  // nobody looks who signed it
  verify_client_cert_if_given,
  require_and_verify_client_cert,
};

/// What a connection needs to know. Made once and used for many: keys, certificates and roots are read at the first use and kept; a change
/// of the fields that name them makes them be read again. Not to be changed while in use.      Go: tls.Config.
///
/// With g++ 12 give it a name before it stands in a co_await expression.
// Each member has an initializer, so that -Wextra does not miss those that a user leaves out.
struct GMPCORO_EXPORT TlsConfig {
  /// Client: whom to expect, a host name or an IP address, "example.com", "::1". The certificate must be for it; a name is also sent along
  /// (SNI).
  std::string server_name = {};
  /// Whose signature counts, PEM; a file, or the text itself, or both. None of them: the system's roots (or $SSL_CERT_FILE, $SSL_CERT_DIR).
  /// Go: RootCAs.
  std::string roots_file = {}, roots_pem = {};
  /// What this end shows, followed by those between it and the root; and its key. PEM.      Go: Certificates, by LoadX509KeyPair,
  /// X509KeyPair.
  std::string certificate_file = {}, key_file = {}, certificate_pem = {}, key_pem = {};
  /// Protocols above, the dearest first, "h2", "http/1.1" (ALPN). The server chooses; if both sides name some, and none is common, it
  /// refuses.
  std::vector<std::string> next_protos = {};
  /// Client: whoever answers is believed to be the server. For tests only.
  bool insecure_skip_verify = false;
  /// Server: what is asked of a client, and whose signature counts there, as roots_file and roots_pem.
  ClientAuth client_auth = ClientAuth::no_client_cert;
  std::string client_cas_file = {}, client_cas_pem = {};
  TlsVersion min_version = TlsVersion::tls_1_2;
  TlsVersion max_version = TlsVersion::none;  // none: the newest there is

  /// Reads now what the first connection would have to, and says what is wrong: "open cert.pem: no such file or directory", "tls: private
  /// key does not match public key".
  Result<void> load_for_client() const;
  Result<void> load_for_server() const;

  detail::TlsCache cache = {};  // the library's
};

/// TLS on a connection, which from here on is used through the one that comes back, in all that a Conn does: `net::Conn tls =
/// net::tls_client(conn,
/// {.server_name = "example.com"});`.
///
/// The first read or write does the handshake, or tls_handshake(). A certificate that is not good: "tls: failed to verify certificate:
/// x509: certificate signed by unknown authority", by whoever met it first, and by all after it; so also what is wrong with the
/// configuration.
/// - read() gives errc::eof only if the peer said that it was the end; else errc::unexpected_eof: somebody may have cut it off.
/// - A write that has ended in the middle, by a deadline, close() or until(), has broken the stream: all later ones give the same error.
/// Reads go on,
///   and so does a handshake that was left in the middle.
/// - A deadline ends whatever the operation of its side waits for, also in the handshake.
/// - close_write() says that it was the end, after the handshake only ("tls: CloseWrite called before handshake complete"), and leaves the
///   connection below open. close() says so, too, unless a write is in progress, and closes the connection below. If that takes no more
///   just now, a g sends it as soon as there is room, for at most 5 s, on the caller's executor or, from a plain thread, on
///   default_executor(); both return at once.
/// Throws std::bad_alloc.      Go: tls.Client, tls.Server.
GMPCORO_EXPORT Conn tls_client(const Conn& conn, const TlsConfig& config);
GMPCORO_EXPORT Conn tls_server(const Conn& conn, const TlsConfig& config);

/// `auto r = co_await net::tls_handshake(conn);` parks until both sides know each other; a no-op after that. A client's server may still
/// refuse: with TLS 1.3 that is told by the first read. May be given up, and taken up again.      Go: Conn.Handshake.
GMPCORO_EXPORT detail::TlsHandshakeOp tls_handshake(const Conn& conn) noexcept;

/// What is known of a connection.      Go: tls.ConnectionState.
struct TlsState {
  bool handshake_complete = false;  // else nothing of the rest is known
  TlsVersion version = TlsVersion::none;  // what the two agreed on
  std::string cipher_suite;         // "TLS_AES_128_GCM_SHA256"
  std::string negotiated_protocol;  // empty: none
  std::string server_name;          // as the client said; server: empty if it did not
  bool did_resume = false;          // by a ticket of an earlier connection
  std::vector<std::string> peer_certificates;  // the subjects, "CN=example.com,O=Example"; the peer's own first
};
/// After the handshake; before, or of a connection without TLS, nothing.      Go: Conn.ConnectionState.
GMPCORO_EXPORT TlsState tls_state(const Conn& conn);

/// What goes wrong, beside what the connection below says.
enum class tls_errc {
  unknown_authority = 1,  // "x509: certificate signed by unknown authority"
  expired,                // "x509: certificate has expired or is not yet valid"
  wrong_name,             // "x509: certificate is valid for a, not b"
  bad_certificate,        // it is not good for another reason
  no_certificate,         // "tls: client didn't provide a certificate"
  not_tls,                // "tls: first record does not look like a TLS handshake"
  protocol,               // the two ends do not agree, or one breaks the rules; the message says how
  shut_down,              // "tls: protocol is shutdown"                  a write after close_write()
  early_close_write,      // "tls: CloseWrite called before handshake complete"
  bad_config,             // what is wrong with it is in the message
  not_a_tls_conn,         // tls_handshake() of another connection
  remote_alert = 256,     // + the alert's number: the peer has ended it, "remote error: tls: bad certificate"
};
/// The category of tls_errc; and what makes std::error_code of one.
GMPCORO_EXPORT const std::error_category& tls_category() noexcept;
inline std::error_code make_error_code(tls_errc e) noexcept { return {static_cast<int>(e), tls_category()}; }

/// The number of the alert that the peer has sent (RFC 8446, 6.2), or -1: err is something else.
inline int tls_remote_alert(const std::error_code& err) noexcept {
  const bool is_one = err.category() == tls_category() && err.value() >= static_cast<int>(tls_errc::remote_alert);
  return is_one ? err.value() - static_cast<int>(tls_errc::remote_alert) : -1;
}

}  // namespace gmp::net

template <>
struct std::is_error_code_enum<gmp::net::tls_errc> : std::true_type {};
