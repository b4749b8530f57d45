// tests/tls/certificates.hpp — authorities and certificates, made when they are needed: none lies in the repository, none expires.
// Go: crypto/tls/generate_cert.go.  Room: tests/tls.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace gmp::test {

/// A certificate and its key, and as PEM.
struct Identity {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;
  std::string pem, key_pem;
};

struct IdentityOptions {
  std::string common_name = "localhost";
  std::string names = "DNS:localhost,IP:127.0.0.1";  // as OpenSSL's configuration has them; empty: none
  long from_s = -3600, until_s = 3600;               // from now
  bool authority = false;
  std::string usage = "";  // extendedKeyUsage
};

inline void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

template <class Write>
std::string pem_of(Write write) {
  BIO* out = BIO_new(BIO_s_mem());
  check(out != nullptr && write(out) == 1, "PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(out);
  return text;
}

inline void add_extension(X509* to, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  check(extension != nullptr, value.c_str());
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

/// Signed by `issuer`; null: by itself.
inline Identity make_identity(const IdentityOptions& options, const Identity* issuer = nullptr) {
  static long serial = 1;
  Identity made;
  made.key.reset(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  made.certificate.reset(X509_new(), &X509_free);
  X509* x = made.certificate.get();
  check(made.key && x != nullptr, "no memory");
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x), options.from_s);
  X509_gmtime_adj(X509_getm_notAfter(x), options.until_s);
  X509_set_pubkey(x, made.key.get());
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("Gopher"), -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(options.common_name.c_str()), -1, -1, 0);
  X509* signer = issuer != nullptr ? issuer->certificate.get() : x;
  X509_set_issuer_name(x, X509_get_subject_name(signer));
  add_extension(x, signer, NID_basic_constraints, options.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!options.names.empty()) add_extension(x, signer, NID_subject_alt_name, options.names);
  if (!options.usage.empty()) add_extension(x, signer, NID_ext_key_usage, options.usage);
  check(X509_sign(x, issuer != nullptr ? issuer->key.get() : made.key.get(), EVP_sha256()) != 0, "sign");
  made.pem = pem_of([&](BIO* out) { return PEM_write_bio_X509(out, x); });
  made.key_pem = pem_of([&](BIO* out) { return PEM_write_bio_PrivateKey(out, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  return made;
}

/// Whom the tests trust, made once.
inline const Identity& authority() {
  static const Identity made = make_identity({.common_name = "Gopher Root", .names = "", .authority = true});
  return made;
}
/// What the authority has signed for localhost and 127.0.0.1.
inline const Identity& localhost() {
  static const Identity made = make_identity({}, &authority());
  return made;
}

}  // namespace gmp::test
