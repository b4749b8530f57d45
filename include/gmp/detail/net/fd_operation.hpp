// include/gmp/detail/net/fd_operation.hpp — FdOperation: one read, write, accept or connect of a g, from its await to its end.
// Go: internal/poll/fd_unix.go (FD.Read, Write, ReadFrom, WriteTo, Accept), net/fd_unix.go (connect).  Room: net (floor 5).
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

struct msghdr;

namespace gmp::detail {

class Descriptor;
class Device;
struct Failure;

/// The two directions of a descriptor, each used by one g at a time. Accepting is reading, connecting is writing.
enum class FdSide : std::uint8_t { read = 0, write = 1 };

/// Who waits for its turn on one side of a descriptor.
struct FdWaiter : Waiter {
  using Waiter::Waiter;
  bool granted_ = false;  // has the side, and was taken out of the queue; under the FdMutex's lock
};

class GMPCORO_EXPORT FdOperation : public FdWaiter, public Chainable {
 public:
  enum class Kind : std::uint8_t {
    recv,       // data: what is read into
    send,       // data: what is sent
    accept,     // data: room for a sockaddr
    connect,    // data: the sockaddr
    recv_from,  // data: a msghdr, size 1
    send_to,    // data: a msghdr, size 1
    read,       // as recv, of a file
    write,      // as send, to a file
    splice_in,   // to a pipe that is empty: what is there, at most size
    splice_out,  // from a pipe: as send
    send_file,   // from a file: what goes, at most size; nothing: that one's end
    wait,        // until it is readable; size 1
  };

  /// fd null: a closed one. other: of splice and send_file, the other number.
  FdOperation(G* gp, Descriptor* fd, Kind kind, void* data, std::size_t size, int other = -1) noexcept;
  ~FdOperation() {
    if (phase_ != Phase::outside || accepted_ >= 0) [[unlikely]] abandon();  // its g was stopped in the middle
  }

  /// See chain.hpp.
  bool begin(FrameLink* leaf) noexcept;

  /// For dumps: what gp, which waits, waits for, if it is one of these; or null. And the number that it is on, or -1.
  static const FdOperation* of(const G* gp) noexcept;
  int number() const noexcept;

  // After its end:
  std::size_t bytes() const noexcept { return done_; }       // read, written
  int take_accepted() noexcept { return std::exchange(accepted_, -1); }  // the descriptor, the caller's now; or -1
  std::size_t address_size() const noexcept { return done_; }  // accept: how much of data
  const std::error_code& error() const noexcept { return error_; }
  Result<std::size_t> result() {
    check_overflow();
    if (!error_) return Result<std::size_t>(done_);
    return Result<std::size_t>(done_, error_, std::move(context_));
  }
  ErrorContextRef take_context() noexcept { return std::move(context_); }
  // A device's (src/net/device.hpp), while the operation has its side:
  FdSide side() const noexcept { return side_; }
  G* g() const noexcept { return g_; }
  std::byte* rest() const noexcept { return data_ + done_; }
  std::size_t left() const noexcept { return size_ - done_; }
  void transferred(std::size_t n) noexcept { done_ += n; }
  /// Of a recv_from or send_to, which has no rest; of others null.
  msghdr* message() const noexcept;
  void fail(const Failure& why) noexcept;
  void fail(errc why) noexcept;
  /// With another operation's words: of one below.
  void fail(const std::error_code& why, ErrorContextRef context) noexcept {
    error_ = why;
    context_ = std::move(context);
  }
  const ErrorContextRef& context() const noexcept { return context_; }
  /// True: it was closed, or its deadline has passed; it has failed.
  bool fails_now() noexcept;
  /// Its g is about to sleep: to be published now, and advanced when it was woken. False: it gives up, and must be told to stay awake.
  bool sleep(FrameLink* leaf) noexcept;
  /// It fails. Under no lock: it waits for who asked it to give up, if that one is about to wake it.
  void stay_awake() noexcept;
  /// When the side's deadline is, and a timer for it, which makes the device cancel. False: no memory, it has failed.
  std::int64_t deadline() const noexcept;
  bool set_alarm(std::int64_t when) noexcept;
  /// In a step: an operation below, which the device has begun for this one, is over. True: so is this one, and the g may go on.
  bool go_on() noexcept;
  /// Ends it as if it were given up: errc::canceled, unless something went or came. By who has begun it for another operation, from any thread;
  /// it must not be destroyed meanwhile.
  void cancel() noexcept;

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
  enum class Next : std::uint8_t { over, wait, again };

  static bool step(G* gp) noexcept;
  static bool withdraw_operation(Waiter* w) noexcept;
  bool queue(FrameLink* leaf) noexcept;
  bool advance(FrameLink* leaf, bool try_now) noexcept;
  bool advance_device(FrameLink* leaf) noexcept;
  bool sends_datagram() const noexcept;
  std::int64_t next_try() noexcept;
  bool goes_apart(bool try_now) const noexcept;
  Next attempt() noexcept;
  Next took(std::size_t n, std::size_t size) noexcept;
  Next consume() noexcept;
  bool arm(std::int64_t when) noexcept;
  void disarm() noexcept;
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
  const int other_;
  const Kind kind_;
  const FdSide side_;
  Phase phase_ = Phase::outside;
  bool armed_ = false;     // the side's timer
  std::uint8_t pauses_ = 0;  // made because nobody will say when there is room
  bool overflow_ = false;
};

}  // namespace gmp::detail
