// include/gmp/detail/os/file_call.hpp — FileCall: an operation on a file that has no turn: open, pread, pwrite, fsync.
// Go: internal/poll/fd_unix.go (FD.Pread, Pwrite, Fsync), os/file_unix.go (openFileNolog).  Room: os (floor 5).
//
// read() and write() move a position that all share, and so go one after another (FdOperation).  These say where, so any number of them go on at
// once: each has its own op, and of the descriptor only a reference.  close() ends none of them: they end by themselves, and the number is
// released after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include "gmp/detail/io/chain.hpp"
#include "gmp/detail/netpoll/op.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/result.hpp"

namespace gmp::detail {

class Descriptor;

class GMPCORO_EXPORT FileCall : public Waiter, public Chainable {
 public:
  enum class Kind : std::uint8_t { open, pread, pwrite, fsync };

  /// fd null: a closed one; of open: none. offset: of open the flags.
  FileCall(G* gp, Descriptor* fd, Kind kind, void* data, std::size_t size, std::int64_t offset) noexcept;
  ~FileCall() {
    if (begun_ || opened_ >= 0) [[unlikely]] abandon();  // its g was stopped in the middle
  }

  /// See chain.hpp.
  bool begin(FrameLink* leaf) noexcept;

  /// Instead of begin(), or by it.
  void fail(std::error_code why) noexcept;

  // After its end:
  const std::error_code& error() const noexcept { return error_; }
  int take_opened() noexcept { return std::exchange(opened_, -1); }
  Result<std::size_t> result();
  ErrorContextRef take_context() noexcept { return std::move(context_); }

 private:
  static bool step(G* gp) noexcept;
  static bool withdraw_call(Waiter* w) noexcept;
  bool submit(FrameLink* leaf) noexcept;
  bool goes_by_ring() noexcept;
  void leave_ring() noexcept;
  bool consume() noexcept;
  bool took(std::int64_t n) noexcept;
  void finish() noexcept;
  void abandon() noexcept;

  Descriptor* const fd_;
  std::byte* const data_;
  const std::size_t size_;
  const std::int64_t offset_;
  std::size_t done_ = 0;
  std::error_code error_;
  ErrorContextRef context_;
  int opened_ = -1;
  const Kind kind_;
  bool begun_ = false;    // has a reference, or a path that is being opened
  bool in_ring_ = false;  // is counted among the opens there
  IoOp op_;
};

}  // namespace gmp::detail
