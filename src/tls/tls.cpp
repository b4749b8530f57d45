// src/tls/tls.cpp — the functions of tls.hpp.
// Go: crypto/tls/tls.go (Client, Server), crypto/tls/conn.go (Handshake, ConnectionState).  Room: tls (floor 5).
#include "gmp/tls.hpp"

#include <new>
#include <utility>

#include "net/socket_access.hpp"
#include "tls/tls_device.hpp"

namespace gmp {

namespace detail {

namespace {

net::Conn tls_conn(const net::Conn& below, const net::TlsConfig& config, bool server) {
  auto device = std::make_unique<TlsDevice>(below, config, server);
  TlsDevice* const layer = device.get();
  const Descriptor* fd = SocketAccess::descriptor(below);
  Descriptor* const made = Descriptor::make(std::move(device), fd != nullptr ? fd->network() : "", below.local_addr(), below.remote_addr());
  if (made == nullptr) throw std::bad_alloc();
  layer->set_above(made);
  return net::Conn(DescriptorRef(made));
}

Result<void> loaded(const net::TlsConfig& config, bool server) {
  const TlsFailure why = TlsContext::of(config, server)->failure();
  return Result<void>(why.code, why.words);
}

}  // namespace

bool TlsHandshakeOp::Awaiter::await_ready() const noexcept {
  return fd_ == nullptr || (!fd_->is_closed() && static_cast<TlsDevice*>(fd_->device())->is_through());
}

Result<void> TlsHandshakeOp::Awaiter::await_resume() {
  operation_.check_overflow();
  if (fd_ == nullptr) return Result<void>(make_error_code(net::tls_errc::not_a_tls_conn));
  return Result<void>(operation_.error(), operation_.take_context());
}

}  // namespace detail

namespace net {

Conn tls_client(const Conn& conn, const TlsConfig& config) { return detail::tls_conn(conn, config, false); }
Conn tls_server(const Conn& conn, const TlsConfig& config) { return detail::tls_conn(conn, config, true); }

detail::TlsHandshakeOp tls_handshake(const Conn& conn) noexcept {
  return detail::TlsHandshakeOp(detail::TlsDevice::of(conn) != nullptr ? detail::SocketAccess::descriptor(conn) : nullptr);
}

TlsState tls_state(const Conn& conn) {
  detail::TlsDevice* device = detail::TlsDevice::of(conn);
  return device != nullptr ? device->state() : TlsState();
}

Result<void> TlsConfig::load_for_client() const { return detail::loaded(*this, false); }
Result<void> TlsConfig::load_for_server() const { return detail::loaded(*this, true); }

}  // namespace net
}  // namespace gmp
