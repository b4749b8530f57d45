// src/net/splice.cpp — io::copy between descriptors, without a copy: sendfile(2) from files, splice(2) by way of a pipe between all others.
// Go: internal/poll/splice_linux.go, sendfile.go; net/splice_linux.go; os/zero_copy_linux.go.  Room: net (floor 5).
//
// The pipe costs two descriptors and two calls more for each piece, so it must be worth it: io::copy comes here once its reads fill its largest buffer, and
// is sent back after a few small pieces.  A connection that is idle, or talks in requests, thus keeps no pipe, and is read by the ring.  (Go always
// takes a pipe, from a pool.)  A file is sent at once.
//
// What differs from reading and writing, and what does not:
//   SP1  a piece is in the pipe after it was read and before it was written; if the destination fails then it is lost, as what is in io::copy's buffer is.
//        It may be larger: up to a pipe's capacity. What is counted was written.
//   SP2  each call has its side of its descriptor, like a read or a write, and is over by the same things: close, deadline, until.
//   SP3  what a file system or a terminal refuses to splice (EINVAL) is done by read and write instead, and so is what is in the pipe then.
//   SP4  the source's number is sendfile's only while a reference is held; a closed source is found out between two calls.
#include "net/splice.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "gmp/detail/net/copy_end.hpp"
#include "gmp/detail/net/operations.hpp"
#include "net/descriptor.hpp"
#include "net/socket.hpp"

namespace gmp::detail {

Atomic<std::uint64_t> moved_in_kernel{0};

namespace {

constexpr std::size_t pipe_size = 256 * 1024;
constexpr std::size_t file_piece = 4 << 20;    // Go: maxSendfileSize
constexpr std::size_t small_piece = 16 * 1024;
constexpr int small_pieces_max = 4;            // in a row, before it goes back

using Then = DirectCopy::Then;
using Kind = FdOperation::Kind;

class TransferOp {
 public:
  class Awaiter;
  using operation_tag = void;
  TransferOp(Descriptor* fd, Kind kind, std::size_t size, int other, void* data = nullptr) noexcept
      : fd_(fd), kind_(kind), size_(size), other_(other), data_(data) {}

 private:
  Descriptor* fd_;
  Kind kind_;
  std::size_t size_;
  int other_;
  void* data_;
};
class TransferOp::Awaiter : public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, TransferOp&& op) noexcept : FdAwaiter(gp, op.fd_, op.kind_, op.data_, op.size_, op.other_) {}
  Result<std::size_t> await_resume() { return operation_.result(); }
};

/// A stream of the system's: what read and write give of it is all there is.
bool can_splice(Descriptor* fd) noexcept {
  if (fd == nullptr || fd->device() != nullptr || fd->listens() || fd->keeps_bounds()) return false;
  if (!fd->is_file()) return std::string_view(fd->network()).starts_with("tcp") || std::string_view(fd->network()) == "unix";
  const Descriptor::Use use(fd);
  struct stat about = {};
  return use && ::fstat(use.number(), &about) == 0 && (S_ISFIFO(about.st_mode) || S_ISREG(about.st_mode));
}

bool is_refusal(const std::error_code& err) noexcept {
  return err.category() == errno_category() && (err.value() == EINVAL || err.value() == ENOSYS || err.value() == EOPNOTSUPP || err.value() == EPERM);
}

void count(DirectCopy& copy, std::size_t n) noexcept {
  copy.copied += n;
  moved_in_kernel.fetch_add(n, relaxed);  // a statistic
}

void end(DirectCopy& copy, const ResultBase& failure) {
  copy.then = Then::over;
  copy.failure = Result<void>(failure);
}

Task<DirectCopy> send_file(Descriptor* out, Descriptor* in, Context ctx) {
  DirectCopy copy;
  const Descriptor::Use use(in);  // SP4
  while (use && !in->is_closed()) {
    const auto sent = co_await until(ctx, TransferOp(out, Kind::send_file, file_piece, use.number()));
    count(copy, sent.get<0>());
    if (sent.err && is_refusal(sent.err) && copy.copied == 0) break;
    if (sent.err) {
      end(copy, sent);
      break;
    }
    if (sent.get<0>() == 0) break;  // its end; a read will tell
  }
  co_return copy;
}

/// What is left in the pipe, by read and write.  SP3
Task<Result<std::size_t>> drain(Descriptor* out, int from, std::size_t left, Context ctx) {
  constexpr std::size_t size = 16 * 1024;
  const auto buffer = std::make_unique<char[]>(size);
  const Kind writing = out->is_file() ? Kind::write : Kind::send;
  Result<std::size_t> all(std::size_t{0});
  while (left != 0) {
    const ssize_t n = ::read(from, buffer.get(), std::min(left, size));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      all.err = {n < 0 ? errno : EIO, errno_category()};  // what is in a pipe is to be had; but not to be lost without a word
      break;
    }
    auto wrote = co_await until(ctx, TransferOp(out, writing, static_cast<std::size_t>(n), -1, buffer.get()));
    const std::size_t before = all.get<0>();
    wrote.get<0>() += before;
    all = std::move(wrote);
    if (all.err) break;
    left -= static_cast<std::size_t>(n);
  }
  co_return all;
}

Task<DirectCopy> splice_through(Descriptor* out, Descriptor* in, Context ctx) {
  DirectCopy copy;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) co_return copy;
  const FdGuard reader(ends[0]), writer(ends[1]);
  ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(pipe_size));  // refused: then with what it has
  for (int small = 0; small < small_pieces_max;) {
    const auto came = co_await until(ctx, TransferOp(in, Kind::splice_in, pipe_size, writer.get()));
    if (came.err) {
      if (came.err == errc::eof)
        copy.then = Then::over;
      else if (!is_refusal(came.err))
        end(copy, came);
      co_return copy;
    }
    const std::size_t n = came.get<0>();
    const auto went = co_await until(ctx, TransferOp(out, Kind::splice_out, n, reader.get()));
    count(copy, went.get<0>());
    if (went.err && is_refusal(went.err)) {
      const auto rest = co_await drain(out, reader.get(), n - went.get<0>(), ctx);
      copy.copied += rest.get<0>();
      if (rest.err) end(copy, rest);
      co_return copy;
    }
    if (went.err) {
      end(copy, went);
      co_return copy;
    }
    small = n < small_piece ? small + 1 : 0;
  }
  copy.then = Then::read_on;
  co_return copy;
}

}  // namespace

bool CopyEnd::sends_at_once() const noexcept { return fd_ != nullptr && fd_->is_regular(); }

Task<DirectCopy> copy_directly(CopyEnd to, CopyEnd from, Context ctx) {
  Descriptor* const out = to.get();
  Descriptor* const in = from.get();
  if (!can_splice(in) || !can_splice(out) || (in->is_regular() && out->is_regular())) co_return DirectCopy();
  if (in->is_regular()) co_return co_await send_file(out, in, std::move(ctx));
  co_return co_await splice_through(out, in, std::move(ctx));
}

}  // namespace gmp::detail
