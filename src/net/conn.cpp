// src/net/conn.cpp — the verbs of Conn and Listener, but for listen() itself; how an accepted connection comes to be; closed().
// Go: net/net.go (conn), net/tcpsock.go, net/tcpsock_posix.go.  Room: net (floor 5).
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "gmp/detail/park.hpp"
#include "gmp/net.hpp"
#include "net/descriptor.hpp"
#include "net/memory_net.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"
#include "net/socket.hpp"

namespace gmp {

namespace detail {

// ---- accept

AcceptOp::Awaiter::Awaiter(G* gp, AcceptOp&& op) noexcept
    : FdAwaiter(gp, op.fd_, FdOperation::Kind::accept, address_.data(), address_.size()), fd_(op.fd_) {
  if (fd_ != nullptr) fd_->ref();
}

AcceptOp::Awaiter::~Awaiter() {
  if (fd_ != nullptr) fd_->unref();
}

Result<net::Conn> AcceptOp::Awaiter::await_resume() {
  operation_.check_overflow();
  if (fd_ != nullptr && fd_->device() != nullptr) {
    if (operation_.error()) return Result<net::Conn>(operation_.error(), operation_.take_context());
    return Result<net::Conn>(MemoryNet::take_accepted(*fd_->device()));
  }
  FdGuard number(operation_.take_accepted());
  if (!number) return Result<net::Conn>(operation_.error(), operation_.take_context());
  const Descriptor& listener = *fd_;
  const net::Addr remote = addr_from_sockaddr(listener.local().kind(), reinterpret_cast<const sockaddr*>(address_.data()),
                                              static_cast<socklen_t>(operation_.address_size()));
  net::Addr local = listener.local();
  if (local.is_unspecified()) local = local_end(number.get(), local.kind());
  Descriptor* fd = Descriptor::make(number.get(), listener.network(), Descriptor::Nature::stream, local, remote);
  if (fd == nullptr) return op_error<net::Conn>("accept", listener.network(), {}, listener.local(), system_failure("accept4", ENOMEM));
  number.release();
  return Result<net::Conn>(net::Conn(DescriptorRef(fd)));
}

// ---- closed

ClosedOp::Awaiter::Closer::Closer(G* gp, Descriptor* fd) noexcept
    : Waiter(gp, [](Waiter* w) noexcept { return static_cast<Closer*>(w)->fd_->withdraw_closer(*w); }), fd_(fd) {}

ClosedOp::Awaiter::Awaiter(G* gp, ClosedOp&& op) noexcept : OperationAwaiter(gp), waiter_(gp, op.fd_) {
  if (waiter_.fd_ != nullptr) waiter_.fd_->ref();
}

ClosedOp::Awaiter::~Awaiter() {
  if (waiter_.fd_ != nullptr) waiter_.fd_->unref();
}

bool ClosedOp::Awaiter::suspend(FrameLink& leaf) noexcept {
  const auto before = [&] { park_begin(g_, leaf, WaitReason::io_wait, &waiter_); };
  if (waiter_.fd_ != nullptr && waiter_.fd_->wait_released(waiter_, before)) return true;
  if (waiter_.withdrawn_) park_abort(g_);
  return give_way(g_, leaf);
}

}  // namespace detail

namespace net {

using detail::Descriptor;

namespace {

std::error_code not_open() noexcept { return make_error_code(errc::closed); }

int seconds_of(std::chrono::seconds period) noexcept {
  constexpr std::int64_t most = 32767;  // the system takes no more
  return static_cast<int>(std::clamp<std::int64_t>(period.count(), -1, most));
}

}  // namespace

std::error_code Socket::close() const noexcept {
  Descriptor* fd = fd_.get();
  return fd != nullptr ? fd->close() : not_open();
}

std::error_code Socket::set_deadlines(time_point when, bool read, bool write) const noexcept {
  Descriptor* fd = fd_.get();
  if (fd == nullptr) return not_open();
  return fd->set_deadline(when, read, write);
}

std::error_code Socket::set_deadline(time_point when) const noexcept { return set_deadlines(when, true, true); }

int Socket::native_handle() const noexcept {
  const Descriptor* fd = fd_.get();
  return fd != nullptr ? fd->native_handle() : -1;
}

bool Socket::is_open() const noexcept { return fd_.get() != nullptr && !fd_.get()->is_closed(); }

Addr Socket::local() const noexcept {
  const Descriptor* fd = fd_.get();
  return fd != nullptr ? fd->local() : Addr();
}

Addr Socket::remote() const noexcept {
  const Descriptor* fd = fd_.get();
  return fd != nullptr ? fd->remote() : Addr();
}

std::error_code Conn::close_write() const noexcept {
  Descriptor* fd = fd_.get();
  return fd != nullptr ? fd->shut_down(SHUT_WR) : not_open();
}

std::error_code Conn::close_read() const noexcept {
  Descriptor* fd = fd_.get();
  return fd != nullptr ? fd->shut_down(SHUT_RD) : not_open();
}

std::error_code Conn::set_no_delay(bool on) const noexcept {
  const int value = on ? 1 : 0;
  Descriptor* fd = fd_.get();
  return fd != nullptr ? fd->set_option(IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) : not_open();
}

std::error_code Conn::set_keep_alive(std::chrono::seconds period) const noexcept {
  Descriptor* fd = fd_.get();
  if (fd == nullptr) return not_open();
  const Descriptor::Use use(fd);
  if (!use) return not_open();
  if (fd->device() == nullptr) detail::set_keep_alive(use.number(), seconds_of(period));
  return {};
}

std::error_code Conn::set_linger(std::chrono::seconds period) const noexcept {
  const int seconds = seconds_of(period);
  const linger value{seconds >= 0 ? 1 : 0, std::max(seconds, 0)};
  Descriptor* fd = fd_.get();
  if (fd == nullptr) return not_open();
  const std::error_code err = fd->set_option(SOL_SOCKET, SO_LINGER, &value, sizeof value);
  if (!err) fd->set_drops(seconds == 0);
  return err;
}

}  // namespace net
}  // namespace gmp
