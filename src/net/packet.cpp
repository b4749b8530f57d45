// src/net/packet.cpp — datagrams: one recvmsg(2) or sendmsg(2) each, with the other end's address.
// Go: net/udpsock_posix.go, net/unixsock_posix.go, internal/poll/fd_unix.go (ReadFrom, WriteTo).  Room: net (floor 5).
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "gmp/net.hpp"
#include "net/descriptor.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"

namespace gmp::detail {

namespace {

static_assert(sizeof(msghdr) <= sizeof(MessageRoom::header_) && sizeof(iovec) <= sizeof(MessageRoom::piece_));
static_assert(sizeof(sockaddr_storage) <= sizeof(MessageRoom::address_));

msghdr& header_of(MessageRoom& room) noexcept { return *std::launder(reinterpret_cast<msghdr*>(room.header_.data())); }

// No datagram is that large; a size above SSIZE_MAX would be refused, even to read into.
void fill(MessageRoom& room, const void* data, std::size_t size, socklen_t address_size) noexcept {
  auto* piece = new (room.piece_.data()) iovec{const_cast<void*>(data), std::min(size, call_size_max)};
  auto* header = new (room.header_.data()) msghdr{};
  header->msg_iov = piece;
  header->msg_iovlen = 1;
  header->msg_name = address_size != 0 ? room.address_.data() : nullptr;
  header->msg_namelen = address_size;
}

/// Of a socket of that family: an IPv6 one takes IPv4 addresses as mapped ones. False: it can't send there.
bool put_address(const Descriptor* fd, const net::Addr& to, MessageRoom& room, socklen_t& length) noexcept {
  sockaddr_storage name{};
  const net::Addr from = fd != nullptr ? fd->local() : net::Addr();
  length = addr_to_sockaddr(to, family_of(from), name);
  std::memcpy(room.address_.data(), &name, sizeof name);
  return length != 0;
}

}  // namespace

ReadFromOp::Awaiter::Awaiter(G* gp, ReadFromOp&& op) noexcept
    : FdAwaiter(gp, op.fd_, FdOperation::Kind::recv_from, header_.data(), 1), kind_(op.fd_ != nullptr ? op.fd_->local().kind() : net::Addr::Kind::none) {
  fill(*this, op.buffer_.data(), op.buffer_.size(), sizeof(sockaddr_storage));
}

Result<net::Received> ReadFromOp::Awaiter::await_resume() {
  operation_.check_overflow();
  if (operation_.error()) return Result<net::Received>(operation_.error(), operation_.take_context());
  const msghdr& header = header_of(*this);
  net::Received received;
  received.n = operation_.bytes();
  received.addr = addr_from_sockaddr(kind_, static_cast<const sockaddr*>(header.msg_name), header.msg_namelen);
  return Result<net::Received>(received);
}

WriteToOp::Awaiter::Awaiter(G* gp, WriteToOp&& op) noexcept
    : FdAwaiter(gp, op.fd_, FdOperation::Kind::send_to, header_.data(), 1), fd_(op.fd_), to_(op.to_), fits_([&]() noexcept {
        socklen_t length = 0;
        const bool fit = put_address(op.fd_, op.to_, *this, length);
        fill(*this, op.data_.data(), op.data_.size(), length);
        return fit;
      }()) {}

bool WriteToOp::Awaiter::suspend(FrameLink& leaf) noexcept {
  if (fits_ || fd_ == nullptr || fd_->is_closed()) return FdAwaiter::suspend(leaf);
  return give_way(g_, leaf);
}

Result<std::size_t> WriteToOp::Awaiter::await_resume() {
  if (fits_ || fd_ == nullptr || operation_.error()) return operation_.result();
  const Failure why = to_ ? address_failure(to_.to_string(), errc::no_suitable_address) : Failure(errc::missing_address);
  return op_error<std::size_t>("write", fd_->network(), fd_->local(), to_, why);
}

}  // namespace gmp::detail
