// src/os/file_call.cpp — how open, pread, pwrite and fsync go: to the ring, or where that is none to a thread that may block.
// Go: internal/poll/fd_unix.go, os/file_unix.go.  Room: os (floor 5).
#include "gmp/detail/os/file_call.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "gmp/detail/park.hpp"
#include "net/apart.hpp"
#include "net/descriptor.hpp"
#include "net/op_error.hpp"
#include "netpoll/poller.hpp"

namespace gmp::detail {

namespace {

// A call that was interrupted inside the kernel: numbers that only it knows, and that the ring gives out all the same.
constexpr std::int32_t restart = -512;

// Each may wait for ever, as a FIFO's does, in one of the few threads that a ring has for files: so only so many go there, and the others apart.
Atomic<std::uint32_t> opens_in_rings{0};

struct Ways {
  const char* go;
  IoKind io;
  ApartCall call;
};

std::int64_t open_apart(const IoOp& op, int) noexcept {
  return ::open(static_cast<const char*>(op.data_), static_cast<int>(op.offset_), static_cast<mode_t>(op.size_));
}
std::int64_t pread_apart(const IoOp& op, int) noexcept { return ::pread(op.fd_, op.data_, op.size_, op.offset_); }
std::int64_t pwrite_apart(const IoOp& op, int) noexcept { return ::pwrite(op.fd_, op.data_, op.size_, op.offset_); }
std::int64_t fsync_apart(const IoOp& op, int) noexcept { return ::fsync(op.fd_); }

constexpr Ways ways_of(FileCall::Kind kind) noexcept {
  switch (kind) {
    case FileCall::Kind::open:
      return {"open", IoKind::open, &open_apart};
    case FileCall::Kind::pread:
      return {"read", IoKind::read, &pread_apart};
    case FileCall::Kind::pwrite:
      return {"write", IoKind::write, &pwrite_apart};
    case FileCall::Kind::fsync:
      break;
  }
  return {"sync", IoKind::fsync, &fsync_apart};
}

}  // namespace

FileCall::FileCall(G* gp, Descriptor* fd, Kind kind, void* data, std::size_t size, std::int64_t offset) noexcept
    : Waiter(gp, &FileCall::withdraw_call), fd_(fd), data_(static_cast<std::byte*>(data)), size_(size), offset_(offset), kind_(kind) {}

bool FileCall::begin(FrameLink* leaf) noexcept {
  if (kind_ != Kind::open) {
    Descriptor::Use use(fd_);
    if (!use) {
      fail(make_error_code(errc::file_closed));
      return false;
    }
    if (kind_ != Kind::fsync && offset_ < 0) {
      fail({EINVAL, errno_category()});
      return false;
    }
    if (kind_ != Kind::fsync && !fd_->is_regular()) {  // the ring would read a pipe all the same
      fail({ESPIPE, errno_category()});
      return false;
    }
    if (kind_ != Kind::fsync && size_ == 0) return false;
    use.keep();
    op_.fd_ = fd_->fd_;
    op_.fd_serial_ = fd_->serial_;
  }
  begun_ = true;
  return submit(leaf);
}

// True: sleeps. False: over.
bool FileCall::submit(FrameLink* leaf) noexcept {
  op_.kind_ = ways_of(kind_).io;
  op_.data_ = kind_ == Kind::fsync ? nullptr : data_ + done_;
  op_.size_ = std::min(size_ - done_, call_size_max);
  op_.offset_ = kind_ == Kind::open ? offset_ : offset_ + static_cast<std::int64_t>(done_);
  if (goes_by_ring()) {
    if (leaf != nullptr) {
      io_park(g_, *leaf, &op_, this, &FileCall::step);
    } else {
      g_->waiter_ = this;
      g_->step_ = &FileCall::step;
      io_repark(g_, &op_);
    }
    return true;
  }
  if (leaf != nullptr) {
    park_begin(g_, *leaf, WaitReason::io_wait, this, &FileCall::step);
  } else {
    g_->waiter_ = this;
    g_->step_ = &FileCall::step;
    repark_begin(g_);
  }
  if (gives_up(*this)) {
    fail(make_error_code(errc::canceled));
  } else if (start_apart(g_, op_, ways_of(kind_).call, -1)) {
    return true;
  } else {
    fail({ENOMEM, errno_category()});
  }
  park_abort(g_);
  finish();
  return false;
}

bool FileCall::goes_by_ring() noexcept {
  if (!io_takes_files(g_)) return false;
  if (kind_ != Kind::open) return true;
  in_ring_ = opens_in_rings.fetch_add(1, relaxed) < uring_opens_max();
  if (!in_ring_) opens_in_rings.fetch_sub(1, relaxed);
  return in_ring_;
}

void FileCall::leave_ring() noexcept {
  if (std::exchange(in_ring_, false)) opens_in_rings.fetch_sub(1, relaxed);
}

// The op is done. True: once more.
bool FileCall::consume() noexcept {
  leave_ring();
  const std::int32_t result = op_.result_;
  op_.state_.store(IoOp::idle, release);  // [OP-STATE] from here on a cancel is for the next try
  if (result >= 0) return took(result);
  if (result == -EINTR || result == -ECANCELED || result <= restart) {
    if (!gives_up(*this)) return true;  // it was a signal's doing
    fail(make_error_code(errc::canceled));
  } else {
    fail({-result, errno_category()});
  }
  return false;
}

bool FileCall::took(std::int64_t n) noexcept {
  switch (kind_) {
    case Kind::open:
      opened_ = static_cast<int>(n);
      return false;
    case Kind::pread:
      done_ += static_cast<std::size_t>(n);
      if (n == 0) error_ = make_error_code(errc::eof);  // no failure: it goes through bare
      return false;
    case Kind::pwrite:
      done_ += static_cast<std::size_t>(n);
      if (n == 0) fail(make_error_code(errc::unexpected_eof));
      if (error_ || done_ == size_) return false;
      if (!gives_up(*this)) return true;
      fail(make_error_code(errc::canceled));
      return false;
    case Kind::fsync:
      break;
  }
  return false;
}

bool FileCall::step(G* gp) noexcept {
  FileCall& self = static_cast<FileCall&>(*gp->waiter_);
  if (self.op_.state_.load(acquire) != IoOp::done) {  // [OP-STATE] it was begun on an M without a P
    io_repark(gp, &self.op_);
    return false;
  }
  if (self.consume()) {
    if (self.submit(nullptr)) return false;
  } else {
    self.finish();
  }
  gp->waiter_ = nullptr;
  return self.over();
}

void FileCall::finish() noexcept {
  begun_ = false;
  if (fd_ != nullptr && fd_->mutex_.unref()) fd_->release();
}

// Destroyed in the middle: its executor has stopped, and drained its pollers.
void FileCall::abandon() noexcept {
  leave_ring();
  if (begun_) {
    const std::uint32_t state = op_.state_.load(acquire);  // [OP-STATE]
    GMPCORO_ASSERT(state != IoOp::pending);
    if (state == IoOp::done && kind_ == Kind::open && op_.result_ >= 0) opened_ = op_.result_;
    finish();
  }
  if (const int opened = take_opened(); opened >= 0) ::close(opened);
}

// Whoever gives it up holds the g, so the op stays.
bool FileCall::withdraw_call(Waiter* w) noexcept {
  FileCall& self = static_cast<FileCall&>(*w);
  self.give_up_.store(true, relaxed);  // WD3: the g sees it when it goes on
  if (torn_down(self.g_)) return true;  // the pollers are drained; abandon() does the rest
  io_cancel(&self.op_);
  return false;
}

// Puts it into words, too: the descriptor may be gone after finish().
void FileCall::fail(std::error_code why) noexcept {
  error_ = why;
  if (kind_ == Kind::open)
    context_ = path_context("open", reinterpret_cast<const char*>(data_));
  else if (fd_ != nullptr)
    context_ = path_context(ways_of(kind_).go, fd_->network());
}

Result<std::size_t> FileCall::result() {
  if (!error_) return Result<std::size_t>(done_);
  return Result<std::size_t>(done_, error_, std::move(context_));
}

}  // namespace gmp::detail
