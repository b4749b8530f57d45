// src/tls/context.hpp — TlsContext: what OpenSSL keeps for all connections of one configuration: roots, certificates, keys, versions.
// Go: crypto/tls/common.go (Config), crypto/tls/tls.go (X509KeyPair).  Room: tls (floor 5).
//
// Reading the system's roots takes some 20 ms, so it is done once a configuration. The configuration is a plain struct that its user may
// copy and change; so what was read is kept with what it was read from, and read again if that differs.
#pragma once

#include <memory>
#include <string>

#include "tls/failure.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace gmp::detail {

/// What a server chooses of the protocols that a client offers. OpenSSL calls it; in tls_device.cpp, which knows what the server speaks.
int choose_protocol(ssl_st* ssl, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* theirs, unsigned size,
                    void*);

class TlsContext {
 public:
  /// Of the configuration's cache, else made anew. Throws std::bad_alloc; what is wrong with the configuration is in failure().
  static std::shared_ptr<const TlsContext> of(const net::TlsConfig& config, bool server);

  TlsContext(const net::TlsConfig& config, bool server);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  const TlsFailure& failure() const noexcept { return failure_; }
  ssl_ctx_st* get() const noexcept { return context_; }

 private:
  /// All that goes into an SSL_CTX; of a server its clients' roots are the roots.
  struct Source {
    Source(const net::TlsConfig& config, bool server);
    bool operator==(const Source&) const = default;

    std::string roots_file, roots_pem, certificate_file, key_file, certificate_pem, key_pem;
    bool verifies;
    net::TlsVersion min_version, max_version;
  };

  void make(bool server);
  void add_roots();
  void add_certificate();

  const Source source_;
  ssl_ctx_st* context_ = nullptr;
  TlsFailure failure_;
};

}  // namespace gmp::detail
