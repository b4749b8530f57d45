// src/net/connect.cpp — how a socket comes to be connected.
// Go: net/tcpsock_posix.go (doDialTCP, selfConnect, spuriousENOTAVAIL).  Room: net (floor 5).
#include "net/connect.hpp"

#include <cerrno>
#include <new>

#include "net/descriptor.hpp"
#include "net/memory_net.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"
#include "net/socket.hpp"
#include "net/socket_access.hpp"

namespace gmp::detail {

bool Connect::begin(FrameLink* leaf) noexcept {
  try {
    MemoryNet* net = goes_by_memory() ? MemoryNet::of(gp_) : nullptr;
    if (net != nullptr) return begin_in_memory(*net, leaf);
  } catch (const std::bad_alloc&) {
    fail_errno("socket", ENOMEM);
    return false;
  }
  do {
    if (!open()) return false;
    const socklen_t length = addr_to_sockaddr(remote_, AF_UNSPEC, name_);
    operation_.emplace(gp_, fd_.get(), FdOperation::Kind::connect, &name_, length);
    operation_->then(&Connect::connected, this);
    if (operation_->begin(leaf)) return true;
  } while (goes_on());
  return false;
}

bool Connect::connected(void* connect) noexcept {
  Connect& self = *static_cast<Connect*>(connect);
  return !(self.goes_on() && self.begin(nullptr)) && self.over();
}

bool Connect::goes_by_memory() const noexcept {
  const net::Addr::Kind kind = remote_.kind();
  return kind == net::Addr::Kind::tcp || kind == net::Addr::Kind::unix_stream || kind == net::Addr::Kind::udp;
}

// True: sleeps. Throws std::bad_alloc before it has begun.
bool Connect::begin_in_memory(MemoryNet& net, FrameLink* leaf) {
  bool knocks = false;
  result_ = remote_.kind() == net::Addr::Kind::udp ? net.dial_packet(remote_, network_) : net.dial(remote_, network_, knocks);
  if (!knocks) return false;
  Descriptor* fd = SocketAccess::descriptor(result_.get<0>());
  fd->ref_handle();
  fd_ = DescriptorRef(fd);
  operation_.emplace(gp_, fd, FdOperation::Kind::connect, &name_, sizeof name_);
  operation_->then(&Connect::connected, this);
  if (operation_->begin(leaf)) return true;
  static_cast<void>(goes_on());
  return false;
}

// After a connect. True: once more. False: there is a result.
bool Connect::goes_on() noexcept {
  const std::error_code error = operation_->error();
  if (fd_.get()->device() != nullptr) {
    if (error) result_ = Result<net::Conn>(error, operation_->take_context());
    fd_ = {};
    return false;
  }
  // The system may give a connect to one of its own free ports that very port: then both ends are one.  It also says EADDRNOTAVAIL when it
  // has looked for a free port at an unlucky moment.
  const net::Addr local = error ? net::Addr() : local_end(fd_.get()->fd_, remote_.kind());
  const bool tcp = remote_.kind() == net::Addr::Kind::tcp;
  const bool in_vain = tcp && ((!error && local == remote_) || error == std::errc::address_not_available);
  if (in_vain && ++tries_ < tries_max) return true;
  if (error) {
    result_ = Result<net::Conn>(error, operation_->take_context());
    fd_ = {};
    return false;
  }
  if (tcp) set_tcp_defaults(fd_.get()->fd_);
  static_cast<void>(fd_.get()->set_local(local));  // no memory: then without; an end that dials seldom has a path
  result_ = Result<net::Conn>(net::Conn(std::move(fd_)));
  return false;
}

bool Connect::open() noexcept {
  operation_.reset();
  FdGuard number = open_socket(family_of(remote_), remote_.kind());
  if (!number) {
    fail_errno("socket", errno);
    return false;
  }
  Descriptor* fd = Descriptor::make(number.get(), network_, nature_of(remote_.kind()), {}, remote_);
  if (fd == nullptr) {
    fail_errno("socket", ENOMEM);
    return false;
  }
  number.release();
  fd_ = DescriptorRef(fd);
  return true;
}

void Connect::fail_errno(const char* call, int error) noexcept {
  try {
    result_ = op_error<net::Conn>("dial", network_, {}, remote_, system_failure(call, error));
  } catch (const std::bad_alloc&) {
    result_ = Result<net::Conn>(std::error_code(error, errno_category()));
  }
}

Result<net::Conn> Connect::result() {
  if (operation_) operation_->check_overflow();
  return std::move(result_);
}

}  // namespace gmp::detail
