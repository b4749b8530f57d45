// src/net/fd_operation.cpp — how a read, a write, an accept and a connect go: by system calls where they pay, else by the poller.
// Go: internal/poll/fd_unix.go, net/fd_unix.go.  Room: net (floor 5).
//
//   begin()    takes the side, or queues for it
//   advance()  a device below (device.hpp)? then it is up to that one.  Closed? too late? else tries the system call, where that is likely to do, else gives the op to the poller and sleeps
//   step()     in the M's loop, when the poller is through with it: takes the result in, and advances if it is not enough
//   finish()   gives the side back
// The g sees nothing of it until the end, so a write of many pieces is one sleep for its frame, and nothing is allocated.
//
// Which way is measured (64 connections, 64 bytes):  a read goes to the ring at once, with POLL_FIRST if the last one left nothing behind;
// to try recv(2) costs 8 %, except after a read that filled its buffer, when more is likely to be there.  A write tries send(2) unless other
// gs are ready too: then a queued send goes to the kernel together with theirs.
//
// FO1  the side's op is `idle` (or `cancelling`, with nothing in flight) whenever somebody takes the side.
// FO2  what succeeded counts, whatever came meanwhile: a deadline, a cancel, a close.  An end of the stream that close() made itself does
//      not: it shuts the socket down, and that reads as an end.
// FO3  an error is put into words before the side is given back: the descriptor's addresses may be gone after.
// FO4  write(2) to a pipe that nobody reads raises SIGPIPE in the thread that submits it, whoever writes: so a pipe is written to by us, with
//      that signal held back, and the poller only waits for room. So it is with splice(2) and sendfile(2). A File of 1 or 2 is let have it, as Go does:
//      by that a program in a shell's pipeline ends when nobody reads on.
// FO5  so is a datagram sent by us. A send that the ring tries again after EAGAIN goes on where the last try left the data, and a unix socket had
//      taken it in before it found the other one's queue full: an empty datagram would go out (seen on Linux 6.18).
// FO6  that queue's room is reported to a socket that is connected there. To an address it may be full though poll(2) sees room: then the next
//      try is a matter of time.
// FO7  of a regular file nobody knows when it is ready, and any call may take its time: it goes to the ring, or by way of apart.hpp to a thread
//      that may block. Such a call is waited for, cancelled or not. A splice or sendfile that has to do with one goes apart too.
#include "gmp/detail/net/fd_operation.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <stdexcept>

#include "gmp/detail/park.hpp"
#include "net/apart.hpp"
#include "net/descriptor.hpp"
#include "net/device.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"
#include "sys/sigpipe.hpp"

namespace gmp::detail {

namespace {

/// What a kind of operation is called by Go, by the system, and by the poller.
struct KindNames {
  const char* go;
  const char* call;
  IoKind io;
};

constexpr KindNames names_of(FdOperation::Kind kind) noexcept {
  switch (kind) {
    case FdOperation::Kind::recv:
      return {"read", "read", IoKind::recv};
    case FdOperation::Kind::send:
      return {"write", "write", IoKind::send};
    case FdOperation::Kind::accept:
      return {"accept", "accept4", IoKind::accept};
    case FdOperation::Kind::connect:
      return {"dial", "connect", IoKind::connect};
    case FdOperation::Kind::recv_from:
      return {"read", "recvfrom", IoKind::recv_msg};
    case FdOperation::Kind::send_to:
      return {"write", "sendto", IoKind::poll_out};  // FO5
    case FdOperation::Kind::read:
      return {"read", "read", IoKind::read};
    case FdOperation::Kind::write:
      return {"write", "write", IoKind::poll_out};  // FO4
    case FdOperation::Kind::splice_in:
      return {"read", "splice", IoKind::poll_in};
    case FdOperation::Kind::splice_out:
      return {"write", "splice", IoKind::poll_out};
    case FdOperation::Kind::send_file:
      return {"write", "sendfile", IoKind::poll_out};
    case FdOperation::Kind::wait:
      return {"wait", "poll", IoKind::poll_in};
  }
  return {"", "", IoKind::nop};
}

constexpr FdSide side_of(FdOperation::Kind kind) noexcept {
  switch (kind) {
    case FdOperation::Kind::recv:
    case FdOperation::Kind::accept:
    case FdOperation::Kind::recv_from:
    case FdOperation::Kind::read:
    case FdOperation::Kind::splice_in:
    case FdOperation::Kind::wait:
      return FdSide::read;
    case FdOperation::Kind::send:
    case FdOperation::Kind::connect:
    case FdOperation::Kind::send_to:
    case FdOperation::Kind::write:
    case FdOperation::Kind::splice_out:
    case FdOperation::Kind::send_file:
      break;
  }
  return FdSide::write;
}

/// What the system has in memory; an error: ask by a call that may block.
ssize_t read_cached(int fd, void* data, std::size_t size) noexcept {
  const iovec piece{data, size};
  return ::preadv2(fd, &piece, 1, -1, RWF_NOWAIT);
}

/// What goes apart: FO7.
std::int64_t read_apart(const IoOp& op, int) noexcept { return ::read(op.fd_, op.data_, op.size_); }
std::int64_t write_apart(const IoOp& op, int) noexcept { return ::write(op.fd_, op.data_, op.size_); }
std::int64_t splice_apart(const IoOp& op, int from) noexcept {
  return ::splice(from, nullptr, op.fd_, nullptr, op.size_, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}
std::int64_t send_file_apart(const IoOp& op, int from) noexcept {
  return without_sigpipe([&] { return ::sendfile(op.fd_, from, nullptr, op.size_); }, true);
}
ApartCall call_of(FdOperation::Kind kind) noexcept {
  switch (kind) {
    case FdOperation::Kind::read:
      return &read_apart;
    case FdOperation::Kind::splice_out:
      return &splice_apart;
    case FdOperation::Kind::send_file:
      return &send_file_apart;
    default:
      return &write_apart;
  }
}

/// The connection that was to be accepted is gone; that is none of the listener's trouble.
bool is_of_the_aborted(int error) noexcept { return error == ECONNABORTED || error == EPROTO; }

}  // namespace

FdOperation::FdOperation(G* gp, Descriptor* fd, Kind kind, void* data, std::size_t size, int other) noexcept
    : FdWaiter(gp, &FdOperation::withdraw_operation),
      fd_(fd),
      data_(static_cast<std::byte*>(data)),
      size_(size),
      other_(other),
      kind_(kind),
      side_(side_of(kind)) {}

IoOp& FdOperation::op() noexcept { return fd_->side(side_).op_; }

bool FdOperation::sends_datagram() const noexcept { return kind_ == Kind::send && fd_->keeps_bounds(); }

bool FdOperation::begin(FrameLink* leaf) noexcept {
  if (fd_ == nullptr) {
    fail(errc::closed);
    return false;
  }
  if (size_ == 0 && !(kind_ == Kind::send && fd_->keeps_bounds())) {  // nothing to do, and nothing to wait for; but an empty datagram is one
    if (fd_->is_closed()) fail(errc::closed);
    return false;
  }
  switch (fd_->mutex_.try_lock(side_)) {
    case FdMutex::Got::it:
      phase_ = Phase::holding;
      return advance(leaf, true);
    case FdMutex::Got::queued:
    case FdMutex::Got::given_up:  // by lock_or_queue() only
      return queue(leaf);
    case FdMutex::Got::closed:
      fail(errc::closed);
      return false;
    case FdMutex::Got::overflow:
      overflow_ = true;
      return false;
  }
  return false;
}

bool FdOperation::queue(FrameLink* leaf) noexcept {
  const auto before = [this, leaf] {
    phase_ = Phase::queued;
    if (leaf != nullptr) {
      park_begin(g_, *leaf, WaitReason::io_wait, this, &FdOperation::step);
    } else {
      g_->waiter_ = this;
      g_->step_ = &FdOperation::step;
      repark_begin(g_);
    }
  };
  switch (fd_->mutex_.lock_or_queue(side_, *this, before)) {
    case FdMutex::Got::it:
      phase_ = Phase::holding;
      return advance(leaf, true);
    case FdMutex::Got::queued:
      return true;
    case FdMutex::Got::given_up:
      park_abort(g_);
      phase_ = Phase::outside;
      withdrawn_ = true;
      fail(errc::canceled);
      if (fd_->mutex_.unref()) fd_->release();
      return false;
    case FdMutex::Got::closed:
      fail(errc::closed);
      return false;
    case FdMutex::Got::overflow:
      overflow_ = true;
      return false;
  }
  return false;
}

// Holds the side. True: sleeps. False: over, the side is given back. try_now: nothing says yet that the system call would block.
bool FdOperation::advance(FrameLink* leaf, bool try_now) noexcept {
  if (fd_->device() != nullptr) [[unlikely]] return advance_device(leaf);
  FdMutex& mutex = fd_->mutex_;
  Descriptor::Side& side = fd_->side(side_);
  std::int64_t when = never;
  if (mutex.is_closed()) {
    fail(errc::closed);
  } else if (mutex.has_deadline(side_) && (when = side.deadline_.load(relaxed)) <= now_ns()) {  // [FD-WORD] has_deadline() acquires it
    fail(errc::timeout);
  } else if (gives_up(*this)) {
    withdrawn_ = true;
    fail(errc::canceled);
  } else if (side_ == FdSide::read && fd_->reading_has_ended()) {
    fail(errc::eof);
  } else if (!(try_now && attempt() == Next::over) && set_alarm(std::min(when, next_try()))) {
    IoOp& op = side.op_;
    const bool apart = goes_apart(try_now);
    if (apart || fd_->is_regular())
      op.kind_ = side_ == FdSide::read ? IoKind::read : IoKind::write;
    else
      op.kind_ = pauses_ != 0 ? IoKind::poll_error : sends_datagram() ? IoKind::poll_out : names_of(kind_).io;
    op.poll_first_ = kind_ == Kind::recv && side.input_ == Descriptor::Side::Input::drained;
    op.fd_ = fd_->fd_;
    op.fd_serial_ = fd_->serial_;
    op.data_ = data_ != nullptr ? data_ + done_ : nullptr;
    op.size_ = std::min(size_ - done_, call_size_max);
    op.address_size_ = kind_ == Kind::accept ? static_cast<std::uint32_t>(size_) : 0;
    if (apart) {
      if (sleep(leaf)) {
        if (start_apart(g_, op, call_of(kind_), other_)) return true;
        park_abort(g_);
        fail_errno(names_of(kind_).call, ENOMEM);
      } else {
        stay_awake();
      }
      disarm();
    } else if (leaf != nullptr) {
      io_park(g_, *leaf, &op, this, &FdOperation::step);
      return true;
    } else {
      g_->waiter_ = this;
      g_->step_ = &FdOperation::step;
      io_repark(g_, &op);
      return true;
    }
  }
  finish();
  return false;
}

// FO7. After a try that would have blocked (not try_now) a send_file waits for room, as others do.
bool FdOperation::goes_apart(bool try_now) const noexcept {
  switch (kind_) {
    case Kind::read:
    case Kind::write:
      return fd_->is_regular() && !io_takes_files(g_);
    case Kind::splice_out:
      return fd_->is_regular();
    case Kind::send_file:
      return try_now;
    default:
      return false;
  }
}

bool FdOperation::advance_device(FrameLink* leaf) noexcept {
  if (fd_->device()->advance(*this, leaf)) return true;
  disarm();
  finish();
  return false;
}

bool FdOperation::go_on() noexcept {
  if (advance_device(nullptr)) return false;
  g_->waiter_ = nullptr;
  return over();
}

// As withdraw_operation(), but the g is not held: it may be on its way to sleep, or awake.
void FdOperation::cancel() noexcept {
  if (fd_ == nullptr) return;
  if (fd_->mutex_.withdraw(side_, *this)) {  // else give_up_ is set
    phase_ = Phase::outside;
    withdrawn_ = true;
    if (fd_->mutex_.unref()) fd_->release();
    wake(this);
    return;
  }
  LockGuard guard(fd_->mutex_.lock());  // [FD-CANCEL]
  fd_->mutex_.look_again();             // FM3: give_up_, then the look at who has the side. It may be about to take it, without the lock
  fd_->cancel(side_);
}

const FdOperation* FdOperation::of(const G* gp) noexcept {
  return gp->step_ == &FdOperation::step && gp->waiter_ != nullptr ? static_cast<const FdOperation*>(gp->waiter_) : nullptr;
}

msghdr* FdOperation::message() const noexcept {
  return kind_ == Kind::recv_from || kind_ == Kind::send_to ? reinterpret_cast<msghdr*>(data_) : nullptr;
}

int FdOperation::number() const noexcept { return fd_->native_handle(); }

bool FdOperation::fails_now() noexcept {
  if (fd_->is_closed())
    fail(errc::closed);
  else if (const std::int64_t when = deadline(); when != never && when <= now_ns())
    fail(errc::timeout);
  return static_cast<bool>(error_);
}

bool FdOperation::sleep(FrameLink* leaf) noexcept {
  if (leaf != nullptr) {
    park_begin(g_, *leaf, WaitReason::io_wait, this, &FdOperation::step);
  } else {
    g_->waiter_ = this;
    g_->step_ = &FdOperation::step;
    repark_begin(g_);
  }
  return !gives_up(*this);
}

void FdOperation::stay_awake() noexcept {
  park_abort(g_);
  withdrawn_ = true;
  fail(errc::canceled);
}

std::int64_t FdOperation::deadline() const noexcept {
  return fd_->mutex_.has_deadline(side_) ? fd_->side(side_).deadline_.load(relaxed) : never;  // [FD-WORD] has_deadline() acquires it
}

bool FdOperation::set_alarm(std::int64_t when) noexcept {
  if (armed_ && fd_->side(side_).when_ns == when) return true;
  disarm();
  return when == never || arm(when);
}

// The system call, where it is worth a try.
FdOperation::Next FdOperation::attempt() noexcept {
  using Input = Descriptor::Side::Input;
  Input& input = fd_->side(side_).input_;
  for (;;) {
    const std::size_t size = std::min(size_ - done_, call_size_max);
    ssize_t n = -1;
    switch (kind_) {
      case Kind::recv:
        if (input != Input::more) return Next::wait;
        n = ::recv(fd_->fd_, data_, size, MSG_DONTWAIT);
        break;
      case Kind::read:
        if (fd_->is_regular()) {
          if (io_takes_files(g_) || (n = read_cached(fd_->fd_, data_, size)) < 0) return Next::wait;
          break;
        }
        if (input != Input::more) return Next::wait;
        n = ::read(fd_->fd_, data_, size);
        break;
      case Kind::recv_from:
        return Next::wait;
      case Kind::send:
        if (!sends_datagram() && io_batches(g_)) return Next::wait;
        n = ::send(fd_->fd_, data_ + done_, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
      case Kind::send_to:
        n = ::sendmsg(fd_->fd_, reinterpret_cast<const msghdr*>(data_), MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
      case Kind::write:
        if (fd_->is_regular()) return Next::wait;
        n = without_sigpipe([&] { return ::write(fd_->fd_, data_ + done_, size); }, false, fd_->is_standard_output());
        break;
      case Kind::accept: {
        if (input == Input::drained) return Next::wait;
        auto length = static_cast<socklen_t>(size_);
        n = ::accept4(fd_->fd_, reinterpret_cast<sockaddr*>(data_), &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (n >= 0) {
          input = Input::more;
          accepted_ = static_cast<int>(n);
          done_ = length;
          return Next::over;
        }
        break;
      }
      case Kind::splice_in:
        n = ::splice(fd_->fd_, nullptr, other_, nullptr, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        break;
      case Kind::splice_out:
        if (fd_->is_regular()) return Next::wait;
        n = without_sigpipe([&] { return ::splice(other_, nullptr, fd_->fd_, nullptr, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE); }, true,
                            fd_->is_standard_output());
        break;
      case Kind::connect:
      case Kind::send_file:
      case Kind::wait:
        return Next::wait;
    }
    if (n >= 0) {
      if (took(static_cast<std::size_t>(n), size) == Next::over) return Next::over;
      continue;
    }
    const int error = errno;
    if (error == EINTR || (kind_ == Kind::accept && is_of_the_aborted(error))) continue;
    if (error == EAGAIN) {
      input = kind_ == Kind::splice_in ? Input::unknown : Input::drained;
      return Next::wait;
    }
    if (fd_->is_closed())
      fail(errc::closed);  // it was shut down under us
    else
      fail_errno(names_of(kind_).call, error);
    return Next::over;
  }
}

// n bytes came or went, by a call for `size`.
FdOperation::Next FdOperation::took(std::size_t n, std::size_t size) noexcept {
  using Input = Descriptor::Side::Input;
  const bool bounds = fd_->keeps_bounds();
  done_ += n;
  if (side_ == FdSide::read) {
    // Behind a datagram may be another one, whatever its size; and a splice stops where the pipe has no slot left, whatever there is.
    fd_->side(side_).input_ = bounds || kind_ == Kind::splice_in ? Input::unknown : n == size ? Input::more : Input::drained;
    if (n == 0 && fd_->is_closed())
      fail(errc::closed);  // FO2
    else if (n == 0 && !bounds)
      fail(errc::eof);
    return Next::over;
  }
  if (bounds || done_ == size_ || kind_ == Kind::send_file) return Next::over;
  if (n != 0) return Next::again;
  fail(errc::unexpected_eof);
  return Next::over;
}

// FO6: when to try again without being told; never, if one will be.
std::int64_t FdOperation::next_try() noexcept {
  constexpr std::int64_t first_pause = 50'000;  // ns; twice as long each time, up to 13 ms
  if (kind_ != Kind::send_to || !fd_->local().is_unix()) return never;
  const std::int64_t pause = first_pause << pauses_;
  if (pauses_ < 8) ++pauses_;
  return now_ns() + pause;
}

// The poller is through with the op.
FdOperation::Next FdOperation::consume() noexcept {
  using Input = Descriptor::Side::Input;
  Descriptor::Side& side = fd_->side(side_);
  IoOp& op = side.op_;
  const std::int32_t result = op.result_;
  const bool polled = op.kind_ == IoKind::poll_in || op.kind_ == IoKind::poll_out || op.kind_ == IoKind::poll_error;
  if (op.cancel_seen_) LockGuard canceller_is_through(fd_->mutex_.lock());  // [FD-CANCEL]
  op.state_.store(IoOp::idle, release);  // [OP-STATE] from here on a cancel is for the next try
  disarm();
  if (result >= 0) {
    switch (kind_) {
      case Kind::accept:
        side.input_ = Input::more;
        accepted_ = result;
        done_ = op.address_size_;
        return Next::over;
      case Kind::connect:
      case Kind::wait:
        return Next::over;
      default:
        if (polled) break;  // there is room, or data; or nobody at the other end
        if (took(static_cast<std::size_t>(result), op.size_) == Next::over) return Next::over;
    }
  } else if (fd_->is_closed()) {
    fail(errc::closed);
    return Next::over;
  } else if (result == -EAGAIN && kind_ != Kind::connect) {
    side.input_ = Input::drained;
  } else if (result != -ECANCELED && result != -EINTR && !(kind_ == Kind::accept && is_of_the_aborted(-result))) {
    fail_errno(names_of(kind_).call, -result);
    return Next::over;
  }
  fd_->mutex_.look_again();  // FM3, DE4
  return polled ? Next::again : Next::wait;
}

bool FdOperation::step(G* gp) noexcept {
  FdOperation& self = static_cast<FdOperation&>(*gp->waiter_);
  switch (self.phase_) {
    case Phase::outside:  // withdrawn from the queue
      self.fail(errc::canceled);
      break;
    case Phase::queued:
      if (self.granted_) {
        self.phase_ = Phase::holding;
        if (self.advance(nullptr, true)) return false;
      } else {
        self.fail(errc::closed);
        self.phase_ = Phase::outside;
        if (self.fd_->mutex_.unref()) self.fd_->release();
      }
      break;
    case Phase::holding: {
      if (self.fd_->device() != nullptr) {
        if (self.advance_device(nullptr)) return false;
        break;
      }
      IoOp& op = self.op();
      if (op.state_.load(acquire) != IoOp::done) {  // [OP-STATE] it was begun on an M without a P
        io_repark(gp, &op);
        return false;
      }
      const Next next = self.consume();
      if (next == Next::over)
        self.finish();
      else if (self.advance(nullptr, next == Next::again))
        return false;
      break;
    }
  }
  gp->waiter_ = nullptr;
  return self.over();
}

// Of the side's deadline. False: no memory.
bool FdOperation::arm(std::int64_t when) noexcept {
  try {
    timer_add(g_, &fd_->side(side_), when);
    armed_ = true;
  } catch (const std::bad_alloc&) {
    fail_errno(names_of(kind_).call, ENOMEM);
  }
  return armed_;
}

// Also waits for a fire that has begun: its cancel must be over before the op is used again, and its executor may be gone soon.
void FdOperation::disarm() noexcept {
  if (!armed_) return;
  TimerHeap::remove_sync(&fd_->side(side_));
  armed_ = false;
}

void FdOperation::finish() noexcept {
  phase_ = Phase::outside;
  if (fd_->mutex_.unlock(side_)) fd_->release();
}

// Destroyed in the middle: its executor has stopped, and drained its pollers.
void FdOperation::abandon() noexcept {
  if (const int accepted = take_accepted(); accepted >= 0) ::close(accepted);  // it came, and the g did not go on to take it
  if (phase_ == Phase::outside) return;
  if (phase_ == Phase::queued && !fd_->mutex_.withdraw(side_, *this) && granted_) phase_ = Phase::holding;
  if (phase_ == Phase::queued) {
    if (fd_->mutex_.unref()) fd_->release();
    return;
  }
  { LockGuard canceller_is_through(fd_->mutex_.lock()); }  // [FD-CANCEL]
  disarm();
  if (fd_->device() != nullptr) {
    fd_->device()->abandon(side_);
    finish();
    return;
  }
  IoOp& op = this->op();
  const std::uint32_t state = op.state_.load(acquire);  // [OP-STATE]
  GMPCORO_ASSERT(state != IoOp::pending);
  if (state == IoOp::done) {
    if (kind_ == Kind::accept && op.result_ >= 0) ::close(op.result_);
    op.state_.store(IoOp::idle, release);  // [OP-STATE] FO1
  }
  finish();
}

bool FdOperation::withdraw_operation(Waiter* w) noexcept {
  FdOperation& self = static_cast<FdOperation&>(*w);
  if (self.phase_ == Phase::queued) {
    if (self.fd_->mutex_.withdraw(self.side_, self)) {
      self.phase_ = Phase::outside;
      self.withdrawn_ = true;
      if (self.fd_->mutex_.unref()) self.fd_->release();
      return true;
    }
    return tearing_down() && !not_yet_woken(self);
  }
  self.give_up_.store(true, relaxed);  // WD3: the g sees it when it goes on
  if (Device* device = self.fd_->device()) {
    if (torn_down(self.g_)) return device->withdraw(self.side_) || !not_yet_woken(self);
    device->cancel(self.side_);
    return false;
  }
  if (torn_down(self.g_)) return true;  // the pollers are drained; abandon() does the rest
  io_cancel(&self.op());
  return false;
}

// ---- errors

void FdOperation::fail(const Failure& why) noexcept {
  error_ = why.code;
  if (fd_ == nullptr) return;
  if (fd_->is_file()) {
    context_ = path_context(names_of(kind_).go, fd_->network());
    return;
  }
  net::Addr source, addr = fd_->remote();
  switch (kind_) {
    case Kind::recv:
    case Kind::send:
    case Kind::recv_from:
    case Kind::read:
    case Kind::write:
    case Kind::splice_in:
    case Kind::splice_out:
    case Kind::send_file:
    case Kind::wait:
      source = fd_->local();
      break;
    case Kind::send_to: {
      source = fd_->local();
      const msghdr& message = *this->message();
      if (message.msg_name != nullptr) addr = addr_from_sockaddr(source.kind(), static_cast<const sockaddr*>(message.msg_name), message.msg_namelen);
      break;
    }
    case Kind::accept:
      addr = fd_->local();
      break;
    case Kind::connect:
      break;
  }
  context_ = op_context(names_of(kind_).go, fd_->network(), source, addr, why);
}

void FdOperation::fail(errc why) noexcept {
  if (why == errc::closed && (kind_ == Kind::read || kind_ == Kind::write || (fd_ != nullptr && fd_->is_file()))) why = errc::file_closed;
  error_ = make_error_code(why);
  if (why == errc::eof) return;  // no failure: it goes through bare
  try {
    fail(Failure(why));
  } catch (const std::bad_alloc&) {  // then without words
  }
}

void FdOperation::fail_errno(const char* call, int error) noexcept {
  error_ = std::error_code(error, errno_category());
  try {
    fail(system_failure(call, error));
  } catch (const std::bad_alloc&) {
  }
}

void FdOperation::throw_overflow() const {
  throw std::logic_error("too many concurrent operations on a single file or socket (max 1048575)");
}

}  // namespace gmp::detail
