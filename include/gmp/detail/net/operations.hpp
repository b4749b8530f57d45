// include/gmp/detail/net/operations.hpp — what read(), write(), accept(), dial() and closed() return: operations, until they are awaited.
// Go: none (calls there).  Room: net (floor 5).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gmp/detail/io/buffer.hpp"
#include "gmp/detail/net/addr.hpp"
#include "gmp/detail/net/fd_operation.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/result.hpp"

namespace gmp::net {
class Conn;

/// How dial() goes about it.      Go: Dialer.
struct DialOptions {
  /// A name may have several addresses. The next one is tried when the last one has failed, or has not answered for this long; then both go
  /// on, and the first to answer wins. Negative: only when the last one has failed. RFC 8305 recommends 250 ms.      Go: Dialer.FallbackDelay, 300 ms.
  std::chrono::nanoseconds fallback_delay = std::chrono::milliseconds(250);
};

/// What PacketConn::read_from() gives: how many bytes lie in the buffer, and who sent them.
struct Received {
  std::size_t n = 0;  // bytes
  Addr addr;          // of the sender; none: it has no name
};
}  // namespace gmp::net

namespace gmp::detail {

class Descriptor;

/// Awaiter of one FdOperation.
template <class Self>
class FdAwaiter : public OperationAwaiter<Self> {
 public:
  using tells_by_result = void;
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) noexcept { return begin(&leaf) || give_way(this->g_, leaf); }

  // chain.hpp
  bool begin(FrameLink* leaf) noexcept { return operation_.begin(leaf); }
  void then(bool (*f)(void*) noexcept, void* self) noexcept { operation_.then(f, self); }

 protected:
  FdAwaiter(G* gp, Descriptor* fd, FdOperation::Kind kind, void* data, std::size_t size, int other = -1) noexcept
      : OperationAwaiter<Self>(gp), operation_(gp, fd, kind, data, size, other) {}
  FdOperation operation_;
};

class [[nodiscard("co_await it: nothing is read yet")]] ReadOp {
 public:
  class Awaiter;
  using operation_tag = void;
  ReadOp(Descriptor * fd, io::Buffer buffer) noexcept : fd_(fd), buffer_(buffer) {}

 private:
  Descriptor* fd_;
  io::Buffer buffer_;
};
class ReadOp::Awaiter : public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, ReadOp&& op) noexcept : FdAwaiter(gp, op.fd_, FdOperation::Kind::recv, op.buffer_.data(), op.buffer_.size()) {}
  Result<std::size_t> await_resume() { return operation_.result(); }
};

class [[nodiscard("co_await it: nothing is written yet")]] WriteOp {
 public:
  class Awaiter;
  using operation_tag = void;
  WriteOp(Descriptor * fd, io::ConstBuffer data) noexcept : fd_(fd), data_(data) {}

 private:
  Descriptor* fd_;
  io::ConstBuffer data_;
};
class WriteOp::Awaiter : public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, WriteOp&& op) noexcept
      : FdAwaiter(gp, op.fd_, FdOperation::Kind::send, const_cast<std::byte*>(op.data_.data()), op.data_.size()) {}
  Result<std::size_t> await_resume() { return operation_.result(); }
};

/// Room for a sockaddr of any kind, there before the operation that is told of it.
struct AddressRoom {
  alignas(8) std::array<std::byte, 128> address_;
};

/// A msghdr, what it leads to, and room for an address.
struct MessageRoom : AddressRoom {
  alignas(8) std::array<std::byte, 56> header_;
  alignas(8) std::array<std::byte, 16> piece_;
};

class [[nodiscard("co_await it: nothing is read yet")]] GMPCORO_EXPORT ReadFromOp {
 public:
  class Awaiter;
  using operation_tag = void;
  ReadFromOp(Descriptor * fd, io::Buffer buffer) noexcept : fd_(fd), buffer_(buffer) {}

 private:
  Descriptor* fd_;
  io::Buffer buffer_;
};
class ReadFromOp::Awaiter : private MessageRoom, public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, ReadFromOp&& op) noexcept;
  Result<net::Received> await_resume();

 private:
  const net::Addr::Kind kind_;
};

class [[nodiscard("co_await it: nothing is sent yet")]] GMPCORO_EXPORT WriteToOp {
 public:
  class Awaiter;
  using operation_tag = void;
  WriteToOp(Descriptor * fd, io::ConstBuffer data, const net::Addr& to) noexcept : fd_(fd), data_(data), to_(to) {}

 private:
  Descriptor* fd_;
  io::ConstBuffer data_;
  net::Addr to_;
};
class WriteToOp::Awaiter : private MessageRoom, public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, WriteToOp&& op) noexcept;
  bool suspend(FrameLink& leaf) noexcept;
  Result<std::size_t> await_resume();

 private:
  Descriptor* const fd_;
  const net::Addr to_;
  const bool fits_;  // such a socket can send there
};

class [[nodiscard("co_await it: nothing is accepted yet")]] GMPCORO_EXPORT AcceptOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit AcceptOp(Descriptor * fd) noexcept : fd_(fd) {}

 private:
  Descriptor* fd_;
};
class AcceptOp::Awaiter : private AddressRoom, public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, AcceptOp&& op) noexcept;
  ~Awaiter();
  Result<net::Conn> await_resume();

 private:
  Descriptor* fd_;  // counted: await_resume() asks it for the connection's local address, and its last handle may be gone
};

class Dial;
struct DeleteDial {
  GMPCORO_EXPORT void operator()(Dial* dial) const noexcept;
};

class [[nodiscard("co_await it: nothing is dialled yet")]] GMPCORO_EXPORT DialOp {
 public:
  class Awaiter;
  using operation_tag = void;
  DialOp(std::string_view network, std::string_view address, const net::DialOptions& options)
      : network_(network), address_(address), options_(options) {}

 private:
  std::string network_, address_;
  net::DialOptions options_;
};
class DialOp::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  using tells_by_result = void;
  Awaiter(G* gp, DialOp&& op);
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf);
  Result<net::Conn> await_resume();

 private:
  std::unique_ptr<Dial, DeleteDial> dial_;
};

class HostLookup;
struct DeleteHostLookup {
  GMPCORO_EXPORT void operator()(HostLookup* lookup) const noexcept;
};

class [[nodiscard("co_await it: nothing is looked up yet")]] GMPCORO_EXPORT LookupHostOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit LookupHostOp(std::string_view host) : host_(host) {}

 private:
  std::string host_;
};
class LookupHostOp::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, LookupHostOp&& op);
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf);
  bool withdrawn() const noexcept;
  Result<std::vector<net::Addr>> await_resume();

 private:
  std::unique_ptr<HostLookup, DeleteHostLookup> lookup_;
};

class [[nodiscard("co_await it")]] GMPCORO_EXPORT ClosedOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit ClosedOp(Descriptor * fd) noexcept : fd_(fd) {}

 private:
  Descriptor* fd_;
};
class ClosedOp::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, ClosedOp&& op) noexcept;
  ~Awaiter();
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) noexcept;
  bool withdrawn() const noexcept { return waiter_.withdrawn_; }
  void await_resume() const noexcept {}

 private:
  struct Closer : Waiter {
    explicit Closer(G* gp, Descriptor* fd) noexcept;
    Descriptor* fd_;
  };
  Closer waiter_;
};

}  // namespace gmp::detail
