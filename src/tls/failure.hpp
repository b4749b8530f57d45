// src/tls/failure.hpp — what went wrong with TLS, in Go's words.
// Go: crypto/tls/alert.go, crypto/x509/verify.go (the texts).  Room: tls (floor 5).
#pragma once

#include <string>
#include <system_error>

#include "gmp/result.hpp"
#include "gmp/tls.hpp"

struct x509_store_ctx_st;

namespace gmp::detail {

/// A code, and the whole message. False: nothing failed.
struct TlsFailure {
  TlsFailure() noexcept = default;
  TlsFailure(std::error_code c, ErrorContextRef w) noexcept : code(c), words(std::move(w)) {}

  explicit operator bool() const noexcept { return static_cast<bool>(code); }

  std::error_code code;
  ErrorContextRef words;
};

TlsFailure tls_failure(std::error_code code, std::string message) noexcept;
/// With the code's own message.
TlsFailure tls_failure(net::tls_errc e) noexcept;

/// What OpenSSL has put into this thread's queue; empties it.
TlsFailure openssl_failure() noexcept;

/// Why a certificate is refused. expected: whom the client wanted; empty: a server asks.
TlsFailure verify_failure(x509_store_ctx_st* store, const std::string& expected) noexcept;

}  // namespace gmp::detail
