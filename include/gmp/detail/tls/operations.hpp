// include/gmp/detail/tls/operations.hpp — what tls_handshake() returns, and what a TlsConfig keeps of its first use.
// Go: none.  Room: tls (floor 5).
#pragma once

#include <cstdint>
#include <memory>

#include "gmp/detail/net/operations.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/net.hpp"
#include "gmp/result.hpp"

namespace gmp::detail {

class TlsContext;

/// Keys and certificates as OpenSSL has them, for a client and for a server: read once, shared by the copies of a configuration.
class TlsCache {
 public:
  TlsCache() noexcept = default;
  TlsCache(const TlsCache& other) noexcept : kept_{other.get(false), other.get(true)} {}
  TlsCache& operator=(const TlsCache& other) noexcept {
    for (const bool server : {false, true}) set(server, other.get(server));
    return *this;
  }
  ~TlsCache() = default;

  std::shared_ptr<const TlsContext> get(bool server) const noexcept {
    LockGuard guard(lock_);
    return kept_[server ? 1 : 0];
  }
  void set(bool server, std::shared_ptr<const TlsContext> context) const noexcept {
    LockGuard guard(lock_);
    kept_[server ? 1 : 0].swap(context);  // the old one goes after the lock
  }

 private:
  mutable Lock lock_;
  mutable std::shared_ptr<const TlsContext> kept_[2];
};

class [[nodiscard("co_await it: nothing has been said yet")]] GMPCORO_EXPORT TlsHandshakeOp {
 public:
  class Awaiter;
  using operation_tag = void;
  /// fd null: no TLS below.
  explicit TlsHandshakeOp(Descriptor * fd) noexcept : fd_(fd) {}

 private:
  Descriptor* fd_;
};
// A write of one byte that is nowhere: the device knows it by that.
class TlsHandshakeOp::Awaiter : public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, TlsHandshakeOp&& op) noexcept : FdAwaiter(gp, op.fd_, FdOperation::Kind::send, nullptr, 1), fd_(op.fd_) {}
  bool await_ready() const noexcept;  // it has been done: whoever writes just now is not waited for
  Result<void> await_resume();

 private:
  Descriptor* const fd_;
};

}  // namespace gmp::detail
