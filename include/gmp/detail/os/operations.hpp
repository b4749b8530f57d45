// include/gmp/detail/os/operations.hpp — what open() and a File's functions return: operations, until they are awaited.
// Go: none (calls there).  Room: os (floor 5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "gmp/detail/io/buffer.hpp"
#include "gmp/detail/net/descriptor_ref.hpp"
#include "gmp/detail/net/fd_operation.hpp"
#include "gmp/detail/net/operations.hpp"
#include "gmp/detail/os/file_call.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/result.hpp"

namespace gmp::os {
class File;
}

namespace gmp::detail {

class [[nodiscard("co_await it: nothing is read yet")]] FileReadOp {
 public:
  class Awaiter;
  using operation_tag = void;
  FileReadOp(Descriptor * fd, io::Buffer buffer) noexcept : fd_(fd), buffer_(buffer) {}

 private:
  Descriptor* fd_;
  io::Buffer buffer_;
};
class FileReadOp::Awaiter : public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, FileReadOp&& op) noexcept : FdAwaiter(gp, op.fd_, FdOperation::Kind::read, op.buffer_.data(), op.buffer_.size()) {}
  Result<std::size_t> await_resume() { return operation_.result(); }
};

class [[nodiscard("co_await it: nothing is written yet")]] FileWriteOp {
 public:
  class Awaiter;
  using operation_tag = void;
  FileWriteOp(Descriptor * fd, io::ConstBuffer data) noexcept : fd_(fd), data_(data) {}

 private:
  Descriptor* fd_;
  io::ConstBuffer data_;
};
class FileWriteOp::Awaiter : public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, FileWriteOp&& op) noexcept
      : FdAwaiter(gp, op.fd_, FdOperation::Kind::write, const_cast<std::byte*>(op.data_.data()), op.data_.size()) {}
  Result<std::size_t> await_resume() { return operation_.result(); }
};

/// Awaiter of one FileCall.
template <class Self>
class FileCallAwaiter : public OperationAwaiter<Self> {
 public:
  using tells_by_result = void;
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) noexcept { return begin(&leaf) || give_way(this->g_, leaf); }

  // chain.hpp
  bool begin(FrameLink* leaf) noexcept { return call_.begin(leaf); }
  void then(bool (*f)(void*) noexcept, void* self) noexcept { call_.then(f, self); }

 protected:
  FileCallAwaiter(G* gp, Descriptor* fd, FileCall::Kind kind, void* data, std::size_t size, std::int64_t offset) noexcept
      : OperationAwaiter<Self>(gp), call_(gp, fd, kind, data, size, offset) {}
  FileCall call_;
};

/// pread() and pwrite().
class [[nodiscard("co_await it: nothing is read or written yet")]] FileAtOp {
 public:
  class Awaiter;
  using operation_tag = void;
  FileAtOp(Descriptor * fd, FileCall::Kind kind, const void* data, std::size_t size, std::int64_t offset) noexcept
      : fd_(fd), kind_(kind), data_(data), size_(size), offset_(offset) {}

 private:
  Descriptor* fd_;
  FileCall::Kind kind_;
  const void* data_;
  std::size_t size_;
  std::int64_t offset_;
};
class FileAtOp::Awaiter : public FileCallAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, FileAtOp&& op) noexcept : FileCallAwaiter(gp, op.fd_, op.kind_, const_cast<void*>(op.data_), op.size_, op.offset_) {}
  Result<std::size_t> await_resume() { return call_.result(); }
};

class [[nodiscard("co_await it: nothing is written to the disk yet")]] SyncOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit SyncOp(Descriptor * fd) noexcept : fd_(fd) {}

 private:
  Descriptor* fd_;
};
class SyncOp::Awaiter : public FileCallAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, SyncOp&& op) noexcept : FileCallAwaiter(gp, op.fd_, FileCall::Kind::fsync, nullptr, 0, 0) {}
  std::error_code await_resume() const noexcept { return call_.error(); }
};

class [[nodiscard("co_await it: nothing is opened yet")]] GMPCORO_EXPORT OpenOp {
 public:
  class Awaiter;
  using operation_tag = void;
  OpenOp(std::string_view path, int flags, unsigned mode) : path_(path), flags_(flags), mode_(mode) {}

 private:
  std::string path_;
  int flags_;
  unsigned mode_;
};

/// What is kept of an OpenOp while it lasts.
struct OpenedPath {
  std::string path_;
};
class OpenOp::Awaiter : private OpenedPath, public FileCallAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, OpenOp&& op) noexcept;
  bool suspend(FrameLink& leaf) noexcept;
  Result<os::File> await_resume();
};

/// A Result that is there already, and may be awaited all the same.
template <class T>
class [[nodiscard("the error is in it")]] ReadyResult : public Result<T> {
 public:
  explicit ReadyResult(Result<T> result) : Result<T>(std::move(result)) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  Result<T> await_resume() { return std::move(*this); }
};

}  // namespace gmp::detail

template <class T>
struct std::tuple_size<gmp::detail::ReadyResult<T>> : std::tuple_size<gmp::Result<T>> {};
template <std::size_t I, class T>
struct std::tuple_element<I, gmp::detail::ReadyResult<T>> : std::tuple_element<I, gmp::Result<T>> {};
