// src/tls/failure.cpp — OpenSSL's complaints become Go's.
// Go: crypto/tls/alert.go, crypto/x509/verify.go.  Room: tls (floor 5).
#include "tls/failure.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <ctime>
#include <memory>
#include <new>
#include <string_view>

namespace gmp {
namespace detail {
namespace {

using net::tls_errc;

struct AlertText {
  int number;
  const char* text;
};
constexpr AlertText alert_texts[] = {
    {0, "close notify"},
    {10, "unexpected message"},
    {20, "bad record MAC"},
    {21, "decryption failed"},
    {22, "record overflow"},
    {30, "decompression failure"},
    {40, "handshake failure"},
    {42, "bad certificate"},
    {43, "unsupported certificate"},
    {44, "revoked certificate"},
    {45, "expired certificate"},
    {46, "unknown certificate"},
    {47, "illegal parameter"},
    {48, "unknown certificate authority"},
    {49, "access denied"},
    {50, "error decoding message"},
    {51, "error decrypting message"},
    {60, "export restriction"},
    {70, "protocol version not supported"},
    {71, "insufficient security level"},
    {80, "internal error"},
    {86, "inappropriate fallback"},
    {90, "user canceled"},
    {100, "no renegotiation"},
    {109, "missing extension"},
    {110, "unsupported extension"},
    {111, "certificate unobtainable"},
    {112, "unrecognized name"},
    {113, "bad certificate status response"},
    {114, "bad certificate hash value"},
    {115, "unknown PSK identity"},
    {116, "certificate required"},
    {120, "no application protocol"},
};

std::string alert_text(int number) {
  for (const AlertText& row : alert_texts) {
    if (row.number == number) return std::string("tls: ") + row.text;
  }
  return "tls: alert(" + std::to_string(number) + ")";
}

class TlsCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int value) const override {
    if (value >= static_cast<int>(tls_errc::remote_alert)) return alert_text(value - static_cast<int>(tls_errc::remote_alert));
    switch (static_cast<tls_errc>(value)) {
      case tls_errc::unknown_authority:
        return "x509: certificate signed by unknown authority";
      case tls_errc::expired:
        return "x509: certificate has expired or is not yet valid";
      case tls_errc::wrong_name:
        return "x509: certificate is valid for another name";
      case tls_errc::bad_certificate:
        return "x509: certificate is not valid";
      case tls_errc::no_certificate:
        return "tls: client didn't provide a certificate";
      case tls_errc::not_tls:
        return "tls: first record does not look like a TLS handshake";
      case tls_errc::protocol:
        return "tls: protocol error";
      case tls_errc::shut_down:
        return "tls: protocol is shutdown";
      case tls_errc::early_close_write:
        return "tls: CloseWrite called before handshake complete";
      case tls_errc::bad_config:
        return "tls: invalid configuration";
      case tls_errc::not_a_tls_conn:
        return "tls: not a TLS connection";
      default:
        return "tls error " + std::to_string(value);
    }
  }
};

class WholeMessage final : public ErrorContext {
 public:
  WholeMessage(std::error_code code, std::string message) noexcept : code_(code), message_(std::move(message)) {}
  // A code that was replaced since is not what the words are about.
  std::string text(const std::error_code& err) const override { return err == code_ ? message_ : err.message(); }

 private:
  std::error_code code_;
  std::string message_;
};

// ---- certificates

std::string hex_of(std::string_view bytes, char separator, std::size_t group) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(bytes[i]));
    if (i != 0 && i % group == 0) out += separator;
    out += two;
  }
  return out;
}

std::string ip_text(std::string_view bytes) {
  std::array<std::uint8_t, 16> six{};
  std::array<std::uint8_t, 4> four{};
  if (bytes.size() == four.size()) {
    std::copy(bytes.begin(), bytes.end(), four.begin());
    return net::Addr::ipv4(net::Addr::Kind::ip, four).host();
  }
  if (bytes.size() == six.size()) {
    std::copy(bytes.begin(), bytes.end(), six.begin());
    return net::Addr::ipv6(net::Addr::Kind::ip, six).host();
  }
  return hex_of(bytes, ':', 2);
}

/// What a certificate is for: its names, or its addresses, "a, b".
std::string names_in(X509* certificate, int type) {
  std::string out;
  const auto names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != type) continue;
    const ASN1_STRING* value = name->d.ia5;  // of an address: an octet string, which is the same struct
    const std::string_view bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                                 static_cast<std::size_t>(ASN1_STRING_length(value)));
    if (!out.empty()) out += ", ";
    out += type == GEN_IPADD ? ip_text(bytes) : std::string(bytes);
  }
  GENERAL_NAMES_free(names);
  return out;
}

std::string wrong_name_text(X509* certificate, const std::string& expected, bool by_ip) {
  const std::string names = names_in(certificate, by_ip ? GEN_IPADD : GEN_DNS);
  if (!names.empty()) return "certificate is valid for " + names + ", not " + expected;
  if (by_ip) return "cannot validate certificate for " + expected + " because it doesn't contain any IP SANs";
  if (names_in(certificate, GEN_IPADD).empty() && X509_NAME_get_index_by_NID(X509_get_subject_name(certificate), NID_commonName, -1) >= 0)
    return "certificate relies on legacy Common Name field, use SANs instead";
  return "certificate is not valid for any names, but wanted to match " + expected;
}

std::string time_text(const std::tm& t) {
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
                t.tm_sec);
  return text;
}

std::string expired_text(X509* certificate, bool expired) {
  const std::time_t now = std::time(nullptr);
  std::tm current{}, limit{};
  gmtime_r(&now, &current);
  ASN1_TIME_to_tm(expired ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate), &limit);
  return "certificate has expired or is not yet valid: current time " + time_text(current) + (expired ? " is after " : " is before ") +
         time_text(limit);
}

TlsFailure refused(tls_errc why, const std::string& text) {
  return tls_failure(make_error_code(why), "tls: failed to verify certificate: x509: " + text);
}

TlsFailure verify_failure_of(X509_STORE_CTX* store, const std::string& expected) {
  const int error = X509_STORE_CTX_get_error(store);
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return refused(tls_errc::expired, expired_text(certificate, error == X509_V_ERR_CERT_HAS_EXPIRED));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return refused(tls_errc::wrong_name,
                     wrong_name_text(X509_STORE_CTX_get0_cert(store), expected, error == X509_V_ERR_IP_ADDRESS_MISMATCH));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return refused(tls_errc::unknown_authority, "certificate signed by unknown authority");
    case X509_V_ERR_INVALID_PURPOSE:
      return refused(tls_errc::bad_certificate, "certificate specifies an incompatible key usage");
    case X509_V_ERR_INVALID_CA:
      return refused(tls_errc::bad_certificate, "invalid signature: parent certificate cannot sign this kind of certificate");
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return refused(tls_errc::bad_certificate, "too many intermediates for path length constraint");
    default:
      return refused(tls_errc::bad_certificate, X509_verify_cert_error_string(error));
  }
}

// ---- OpenSSL's queue

TlsFailure openssl_failure_of(unsigned long error) {
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
    const char* text = ERR_reason_error_string(error);
    return tls_failure(tls_errc::protocol, std::string("tls: ") + (text != nullptr ? text : "internal error"));
  }
  if (reason >= SSL_AD_REASON_OFFSET) {
    const int alert = reason - SSL_AD_REASON_OFFSET;
    const std::error_code code(static_cast<int>(tls_errc::remote_alert) + alert, net::tls_category());
    return tls_failure(code, "remote error: " + alert_text(alert));
  }
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      return tls_failure(tls_errc::not_tls);
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return tls_failure(tls_errc::no_certificate);
    case SSL_R_NO_SHARED_CIPHER:
      return tls_failure(tls_errc::protocol, "tls: no cipher suite supported by both client and server");
    case SSL_R_UNSUPPORTED_PROTOCOL:
      return tls_failure(tls_errc::protocol, "tls: no version supported by both client and server");
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return tls_failure(tls_errc::protocol, "tls: client requested unsupported application protocols");
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return tls_failure(tls_errc::protocol, "local error: tls: bad record MAC");
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_UNEXPECTED_RECORD:
      return tls_failure(tls_errc::protocol, "local error: tls: unexpected message");
    case SSL_R_DATA_LENGTH_TOO_LONG:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return tls_failure(tls_errc::protocol, "local error: tls: record overflow");
    default: {
      const char* text = ERR_reason_error_string(error);
      return tls_failure(tls_errc::protocol, std::string("tls: ") + (text != nullptr ? text : "protocol error"));
    }
  }
}

}  // namespace

TlsFailure tls_failure(std::error_code code, std::string message) noexcept {
  return {code, make_error_context<WholeMessage>(code, std::move(message))};
}

TlsFailure tls_failure(net::tls_errc e) noexcept { return {make_error_code(e), {}}; }

TlsFailure openssl_failure() noexcept {
  // The first of its own is the cause: what comes before is of the ciphers, what comes after it led to.
  unsigned long error = 0;
  while (const unsigned long next = ERR_get_error()) {
    if (error == 0 || (ERR_GET_LIB(error) != ERR_LIB_SSL && ERR_GET_LIB(next) == ERR_LIB_SSL)) error = next;
  }
  if (error == 0) return tls_failure(tls_errc::protocol);
  try {
    return openssl_failure_of(error);
  } catch (const std::bad_alloc&) {  // then without words
    return tls_failure(tls_errc::protocol);
  }
}

TlsFailure verify_failure(X509_STORE_CTX* store, const std::string& expected) noexcept {
  try {
    return verify_failure_of(store, expected);
  } catch (const std::bad_alloc&) {
    return tls_failure(tls_errc::bad_certificate);
  }
}

}  // namespace detail

// In static storage, and never destroyed, as the categories of base.
const std::error_category& net::tls_category() noexcept {
  alignas(detail::TlsCategory) static unsigned char storage[sizeof(detail::TlsCategory)];
  static const detail::TlsCategory* const category = ::new (storage) detail::TlsCategory;
  return *category;
}

}  // namespace gmp
