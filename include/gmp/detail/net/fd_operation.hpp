// include/gmp/detail/net/fd_operation.hpp — FdOperation: one read, write, accept or connect of a g, from its await to its end.
// Go: internal/poll/fd_unix.go (FD.Read, Write, Accept), net/fd_unix.go (connect).  Room: net (floor 5).
//
// Lies in the awaiter.  How it goes, and why, is told in src/net/fd_operation.cpp; what it works on in src/net/descriptor.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <utility>

#include "gmp/detail/io/chain.hpp"
#include "gmp/detail/netpoll/op.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/result.hpp"

namespace gmp::detail {

class Descriptor;
struct Failure;

/// The two directions of a descriptor, each used by one g at a time. Accepting is reading, connecting is writing.
enum class FdSide : std::uint8_t { read = 0, write = 1 };

/// Who waits for its turn on one side of a descriptor.
struct FdWaiter : Waiter {
  using Waiter::Waiter;
  bool granted_ = false;  // has the side, and was taken out of the queue; under the FdMutex's lock
};

class FdOperation : public FdWaiter, public Chainable {
 public:
  enum class Kind : std::uint8_t { recv, send, accept, connect };

  /// data: what is read into or sent; accept: room for a sockaddr; connect: the sockaddr. fd null: a closed one.
  FdOperation(G* gp, Descriptor* fd, Kind kind, void* data, std::size_t size) noexcept;
  ~FdOperation() {
    if (phase_ != Phase::outside || accepted_ >= 0) [[unlikely]] abandon();  // its g was stopped in the middle
  }

  /// See chain.hpp.
  bool begin(FrameLink* leaf) noexcept;

  // After its end:
  std::size_t bytes() const noexcept { return done_; }       // recv, send
  int take_accepted() noexcept { return std::exchange(accepted_, -1); }  // the descriptor, the caller's now; or -1
  std::size_t address_size() const noexcept { return done_; }  // accept: how much of data
  const std::error_code& error() const noexcept { return error_; }
  Result<std::size_t> result() {
    check_overflow();
    if (!error_) return Result<std::size_t>(done_);
    return Result<std::size_t>(done_, error_, std::move(context_));
  }
  ErrorContextRef take_context() noexcept { return std::move(context_); }
  /// Go's panic "too many concurrent operations …" is thrown on the g, not in its step.
  void check_overflow() const {
    if (overflow_) [[unlikely]] throw_overflow();
  }

 private:
  enum class Phase : std::uint8_t {
    outside,  // holds nothing
    queued,   // waits for its turn; counted in the descriptor's references
    holding,  // has the side
  };
  enum class Next : std::uint8_t { over, wait };

  static bool step(G* gp) noexcept;
  static bool withdraw_operation(Waiter* w) noexcept;
  bool queue(FrameLink* leaf) noexcept;
  bool advance(FrameLink* leaf, bool try_now) noexcept;
  Next attempt() noexcept;
  Next consume() noexcept;
  bool arm(std::int64_t when) noexcept;
  void disarm() noexcept;
  void fail(const Failure& why) noexcept;
  void fail(errc why) noexcept;
  void fail_errno(const char* call, int error) noexcept;
  void finish() noexcept;
  void abandon() noexcept;
  IoOp& op() noexcept;
  [[noreturn]] void throw_overflow() const;

  Descriptor* const fd_;
  std::byte* const data_;
  const std::size_t size_;
  std::size_t done_ = 0;
  std::error_code error_;
  ErrorContextRef context_;
  int accepted_ = -1;
  const Kind kind_;
  const FdSide side_;
  Phase phase_ = Phase::outside;
  bool armed_ = false;     // the side's timer
  bool overflow_ = false;
};

}  // namespace gmp::detail
