// include/gmp/detail/io/write_buffer.hpp — WriteBuffer: the bytes that a BufWriter holds back, and what its functions want of them.
// Go: bufio/bufio.go (Writer).  Room: io (floor 5).
//
// As ReadBuffer's: a want is asked by `take` whether it is done; if not, `source` is written to the stream, `sent` is told the outcome, and it is
// asked again.
//
//   WB1  after an error of the stream nothing more is taken or sent: each call gives that error, since what went before is incomplete.
//   WB2  a transfer that was given up (errc::canceled: until()) is no such error: the call ends with it, what did not go is still there, and the next
//        call goes on.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include "gmp/detail/io/buffer.hpp"
#include "gmp/result.hpp"

namespace gmp::detail {

class GMPCORO_EXPORT WriteBuffer {
 public:
  explicit WriteBuffer(std::size_t size) noexcept;

  std::size_t size() const noexcept { return end_; }
  std::size_t room() const noexcept { return capacity_ - end_; }  // 0 before the first byte
  std::size_t capacity() const noexcept { return wanted_capacity_; }
  io::ConstBuffer data() const noexcept { return io::ConstBuffer(bytes_.get(), end_); }
  /// n <= room()
  void append(const std::byte* data, std::size_t n) noexcept {
    std::memcpy(bytes_.get() + end_, data, n);
    end_ += n;
  }
  /// Makes the buffer, if there is none. False: no memory, which failure() says then.
  bool make() noexcept;
  /// False: it was given up (WB2).
  bool sent(const Result<std::size_t>& outcome) noexcept;
  bool note_failure(const Result<std::size_t>& outcome, std::size_t asked) noexcept;

  bool failed() const noexcept { return static_cast<bool>(failure_.err) || failure_.exception; }
  const Result<void>& failure() const noexcept { return failure_; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t end_ = 0;
  const std::size_t wanted_capacity_;
  Result<void> failure_;
};

class GMPCORO_EXPORT WantWrite {
 public:
  using Value = std::size_t;
  explicit WantWrite(io::ConstBuffer data) noexcept : data_(data) {}

  bool take(WriteBuffer& buffer) noexcept {
    if (data_.size() - done_ <= buffer.room() && !buffer.failed() && !given_up_.err) [[likely]] {
      if (data_.size() != done_) buffer.append(data_.data() + done_, data_.size() - done_);
      done_ = data_.size();
      return true;
    }
    return take_slow(buffer);
  }
  io::ConstBuffer source(WriteBuffer& buffer) noexcept;
  void sent(WriteBuffer& buffer, const Result<std::size_t>& outcome) noexcept;
  Result<std::size_t> result(WriteBuffer& buffer) const {
    if (!buffer.failed() && !given_up_.err) [[likely]] return Result<std::size_t>(done_);
    return failed(buffer);
  }

 private:
  bool take_slow(WriteBuffer& buffer) noexcept;
  Result<std::size_t> failed(const WriteBuffer& buffer) const;
  const io::ConstBuffer data_;
  std::size_t done_ = 0;
  bool past_buffer_ = false;
  Result<void> given_up_;
};

class WantFlush {
 public:
  using Value = std::error_code;
  WantFlush() noexcept {}

  bool take(WriteBuffer& buffer) const noexcept { return buffer.size() == 0 || buffer.failed() || given_up_; }
  io::ConstBuffer source(WriteBuffer& buffer) const noexcept { return buffer.data(); }
  void sent(WriteBuffer& buffer, const Result<std::size_t>& outcome) noexcept {
    if (!buffer.sent(outcome)) given_up_ = outcome.err;
  }
  std::error_code result(const WriteBuffer& buffer) const noexcept { return given_up_ ? given_up_ : buffer.failure().err; }

 private:
  std::error_code given_up_;
};

}  // namespace gmp::detail
