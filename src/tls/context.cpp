// src/tls/context.cpp — PEM, and files of it, into an SSL_CTX.
// Go: crypto/tls/tls.go (X509KeyPair), crypto/x509/cert_pool.go.  Room: tls (floor 5).
//
// OpenSSL, if it is we who wake it up, is told not to clean up at exit: Ms of the default executor may use it to the end.
#include "tls/context.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstdio>
#include <new>

namespace gmp::detail {

namespace {

using net::tls_errc;

/// What stops the making of a context.
struct Bad {
  TlsFailure why;
};

[[noreturn]] void bad(std::string message) { throw Bad{tls_failure(make_error_code(tls_errc::bad_config), std::move(message))}; }

std::string contents_of(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  std::string text;
  char some[4096];
  std::size_t n = 0;
  while (file && (n = std::fread(some, 1, sizeof some, file.get())) != 0) text.append(some, n);
  if (file && std::ferror(file.get()) == 0) return text;
  const std::error_code code(errno, errno_category());
  throw Bad{tls_failure(code, (file ? "read " : "open ") + path + ": " + code.message())};
}

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<&BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<&X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<&EVP_PKEY_free>>;

Bio reader_of(const std::string& text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

/// Nobody is asked for a password.
int no_password(char*, int, int, void*) { return -1; }

Certificate next_certificate(BIO* from) {
  Certificate certificate(PEM_read_bio_X509(from, nullptr, &no_password, nullptr));
  ERR_clear_error();
  return certificate;
}

}  // namespace

TlsContext::Source::Source(const net::TlsConfig& config, bool server)
    : roots_file(server ? config.client_cas_file : config.roots_file),
      roots_pem(server ? config.client_cas_pem : config.roots_pem),
      certificate_file(config.certificate_file),
      key_file(config.key_file),
      certificate_pem(config.certificate_pem),
      key_pem(config.key_pem),
      verifies(server ? config.client_auth >= net::ClientAuth::verify_client_cert_if_given : !config.insecure_skip_verify),
      min_version(config.min_version),
      max_version(config.max_version) {}

std::shared_ptr<const TlsContext> TlsContext::of(const net::TlsConfig& config, bool server) {
  std::shared_ptr<const TlsContext> kept = config.cache.get(server);
  if (kept && kept->source_ == Source(config, server)) return kept;
  auto made = std::make_shared<const TlsContext>(config, server);
  if (!made->failure()) config.cache.set(server, made);  // a file may be there the next time
  return made;
}

TlsContext::TlsContext(const net::TlsConfig& config, bool server) : source_(config, server) {
  try {
    make(server);
  } catch (const Bad& bad) {
    failure_ = bad.why;
  } catch (...) {
    SSL_CTX_free(context_);  // no destructor will
    throw;
  }
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

void TlsContext::make(bool server) {
  OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, nullptr);
  ERR_clear_error();
  context_ = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  if (context_ == nullptr) throw std::bad_alloc();
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_NO_AUTO_CHAIN);  // what is sent is what was configured, as in Go
  const auto number = [](net::TlsVersion version) { return static_cast<int>(version); };
  const int oldest = source_.min_version == net::TlsVersion::none ? TLS1_2_VERSION : number(source_.min_version);
  if (SSL_CTX_set_min_proto_version(context_, oldest) != 1 || SSL_CTX_set_max_proto_version(context_, number(source_.max_version)) != 1 ||
      (source_.max_version != net::TlsVersion::none && number(source_.max_version) < oldest))
    bad("tls: no supported versions satisfy MinVersion and MaxVersion");
  static constexpr unsigned char ours[] = "gmpcoro";
  SSL_CTX_set_session_id_context(context_, ours, sizeof ours - 1);  // else a resumed client with a certificate is refused
  if (server) SSL_CTX_set_alpn_select_cb(context_, &choose_protocol, nullptr);
  if (source_.verifies) add_roots();
  if (!source_.certificate_file.empty() || !source_.certificate_pem.empty())
    add_certificate();
  else if (server)
    bad("tls: no certificates configured");
}

void TlsContext::add_roots() {
  if (source_.roots_file.empty() && source_.roots_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context_);  // none there: then every certificate is by an unknown authority
    ERR_clear_error();
    return;
  }
  std::string text = source_.roots_pem;
  if (!source_.roots_file.empty()) text.append("\n").append(contents_of(source_.roots_file));
  const Bio bio = reader_of(text);
  int n = 0;
  while (const Certificate root = next_certificate(bio.get())) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), root.get());
    SSL_CTX_add_client_CA(context_, root.get());  // a server names whom it would trust
    ++n;
  }
  ERR_clear_error();
  if (n == 0) bad("tls: failed to find any PEM data in roots input");
}

void TlsContext::add_certificate() {
  std::string text = source_.certificate_pem;
  if (!source_.certificate_file.empty()) text.append("\n").append(contents_of(source_.certificate_file));
  const Bio bio = reader_of(text);
  const Certificate own = next_certificate(bio.get());
  if (!own) bad("tls: failed to find any PEM data in certificate input");
  if (SSL_CTX_use_certificate(context_, own.get()) != 1) throw Bad{openssl_failure()};
  while (const Certificate next = next_certificate(bio.get())) {
    if (SSL_CTX_add1_chain_cert(context_, next.get()) != 1) throw Bad{openssl_failure()};
  }
  std::string key_text = source_.key_pem;
  if (!source_.key_file.empty()) key_text.append("\n").append(contents_of(source_.key_file));
  if (key_text.empty()) key_text = text;  // both in one file
  const Bio key_bio = reader_of(key_text);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, &no_password, nullptr));
  ERR_clear_error();
  if (!key) bad("tls: failed to find any PEM data in key input");
  if (X509_check_private_key(own.get(), key.get()) != 1) {
    ERR_clear_error();
    bad("tls: private key does not match public key");
  }
  if (SSL_CTX_use_PrivateKey(context_, key.get()) != 1) throw Bad{openssl_failure()};
}

}  // namespace gmp::detail
