// src/os/file.cpp — what kind of file a number stands for, and how it becomes a File.
// Go: os/file.go, os/file_unix.go (newFile), os/pipe2_unix.go.  Room: os (floor 5).
//
// The poller is for what has a readiness: pipes, sockets, and those devices of which epoll says so.  Anything else is always ready, and may block in
// the call all the same; O_NONBLOCK there would make the ring answer EAGAIN instead of using a thread, so it is taken off.
#include "gmp/os/file.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "gmp/os.hpp"
#include "net/descriptor.hpp"
#include "net/op_error.hpp"
#include "net/socket.hpp"

namespace gmp {

namespace detail {

namespace {

/// Whether epoll would take a device.
bool has_readiness(int fd) noexcept {
  const FdGuard epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  return epoll && ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool is_pollable(int fd, const struct stat& about) noexcept {
  if (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode)) return true;
  return (S_ISCHR(about.st_mode) || (about.st_mode & S_IFMT) == 0) && has_readiness(fd);  // no type: an eventfd and its like
}

bool set_flag(int fd, int flag, bool on) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return false;
  const int wanted = on ? flags | flag : flags & ~flag;
  return wanted == flags || ::fcntl(fd, F_SETFL, wanted) == 0;
}

/// Takes the number over, or leaves it alone and says why not.
Result<os::File> file_of(int fd, std::string_view name, const char* op) {
  struct stat about = {};
  int error = ENOMEM;
  if (::fstat(fd, &about) != 0) {
    error = errno;
  } else {
    const bool pollable = is_pollable(fd, about);
    if (!set_flag(fd, O_NONBLOCK, pollable)) {
      error = errno;
    } else if (Descriptor* made = Descriptor::make_file(fd, name, pollable ? Descriptor::Nature::pollable : Descriptor::Nature::regular)) {
      return Result<os::File>(os::File(DescriptorRef(made)));
    }
  }
  return Result<os::File>(std::error_code(error, errno_category()), path_context(op, name));
}

}  // namespace

// ---- open

OpenOp::Awaiter::Awaiter(G* gp, OpenOp&& op) noexcept
    : OpenedPath{std::move(op.path_)}, FileCallAwaiter(gp, nullptr, FileCall::Kind::open, path_.data(), op.mode_, op.flags_ | O_CLOEXEC) {}

bool OpenOp::Awaiter::suspend(FrameLink& leaf) noexcept {
  if (path_.find('\0') == std::string::npos) return FileCallAwaiter::suspend(leaf);
  call_.fail({EINVAL, errno_category()});
  return give_way(this->g_, leaf);
}

Result<os::File> OpenOp::Awaiter::await_resume() {
  if (call_.error()) return Result<os::File>(call_.error(), call_.take_context());
  FdGuard opened(call_.take_opened());
  Result<os::File> file = file_of(opened.get(), path_, "open");
  if (file) opened.release();
  return file;
}

}  // namespace detail

namespace os {

using detail::Descriptor;

// ---- File

detail::ReadyResult<std::int64_t> File::size() const {
  using Size = Result<std::int64_t>;
  const Descriptor::Use use(fd_.get());
  if (!use) {
    return detail::ReadyResult<std::int64_t>(
        Size(make_error_code(errc::file_closed), fd_.get() != nullptr ? detail::path_context("stat", fd_.get()->network()) : detail::ErrorContextRef()));
  }
  struct stat about = {};
  if (::fstat(use.number(), &about) == 0) return detail::ReadyResult<std::int64_t>(Size(static_cast<std::int64_t>(about.st_size)));
  return detail::ReadyResult<std::int64_t>(Size({errno, errno_category()}, detail::path_context("stat", fd_.get()->network())));
}

std::error_code File::close() const noexcept { return fd_.get() != nullptr ? fd_.get()->close() : make_error_code(errc::file_closed); }

std::error_code File::set_deadlines(time_point when, bool read, bool write) const noexcept {
  if (fd_.get() == nullptr) return make_error_code(errc::file_closed);
  return fd_.get()->set_deadline(when, read, write);
}

int File::native_handle() const noexcept { return fd_.get() != nullptr ? fd_.get()->native_handle() : -1; }

std::string File::name() const { return fd_.get() != nullptr ? fd_.get()->network() : std::string(); }

// ---- how one comes by a File

Pipe pipe() noexcept {
  Pipe ends;
  const auto end = [](int fd, const char* name) noexcept {
    return File(detail::DescriptorRef(Descriptor::make_file(fd, name, Descriptor::Nature::pollable)));
  };
  int numbers[2];
  if (::pipe2(numbers, O_CLOEXEC | O_NONBLOCK) != 0) {
    ends.err = {errno, errno_category()};
    return ends;
  }
  detail::FdGuard in(numbers[0]), out(numbers[1]);
  ends.reader = end(in.get(), "|0");
  ends.writer = end(out.get(), "|1");
  if (ends.reader) in.release();
  if (ends.writer) out.release();
  if (ends.reader && ends.writer) return ends;
  ends.reader = ends.writer = File();
  ends.err = {ENOMEM, errno_category()};
  return ends;
}

Result<File> from_fd(int fd, std::string_view name) {
  const std::string number = "fd " + std::to_string(fd);
  if (name.empty()) name = number;
  if (fd > 2 && ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return Result<File>(std::error_code(errno, errno_category()), detail::path_context("file", name));
  return detail::file_of(fd, name, "file");
}

}  // namespace os
}  // namespace gmp
