// include/gmp/detail/io/read_buffer.hpp — ReadBuffer: the bytes that a BufReader holds, and what its functions want of them.
// Go: bufio/bufio.go (Reader).  Room: io (floor 5).
//
// A want (WantLine, WantPeek …) is one call of a BufReader's function: `take` is asked whether the buffer has what it wants; if not,
// the stream is read into `target`, `arrived` is told the outcome, and it is asked again.  So the wants know no stream, and suspend
// nowhere; who reads the stream for them, by an operation or by a Task, is io.hpp's affair.
//
//   RB1  an error of the stream waits until the bytes before it are taken, and is given once: the next call reads the stream again.
//   RB2  a want that fails takes nothing out of the buffer, unless the stream has ended: a deadline or a cancel loses no byte.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "gmp/detail/io/buffer.hpp"
#include "gmp/result.hpp"

namespace gmp::detail {

class GMPCORO_EXPORT ReadBuffer {
 public:
  ReadBuffer(std::size_t size, std::size_t limit) noexcept;

  std::string_view data() const noexcept { return {bytes_.get() + begin_, end_ - begin_}; }
  std::size_t size() const noexcept { return end_ - begin_; }
  std::size_t limit() const noexcept { return limit_; }
  void consume(std::size_t n) noexcept { begin_ += n; }

  /// Where to read to: moves what is there to the front, and grows if it is full. Size 0: no memory, which failure() says then, or at the limit.
  io::Buffer space() noexcept;
  void arrived(Result<std::size_t>& outcome) noexcept;
  void set_failure(const ResultBase& failure) noexcept;

  bool failed() const noexcept { return static_cast<bool>(failure_.err) || failure_.exception; }
  bool ended() const noexcept { return failure_.err == errc::eof; }
  Result<void> take_failure() noexcept { return std::exchange(failure_, Result<void>()); }

 private:
  // Made when it is first read into: small, for most connections are idle and most requests short; of the asked-for size after a read that
  // filled it; beyond that only if a want needs more.
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  bool filled_ = false;  // the last read left no room
  std::size_t begin_ = 0, end_ = 0;
  const std::size_t first_capacity_, limit_;
  int empty_reads_ = 0;
  Result<void> failure_;
};

/// What a want gives. A Result that was stored a moment ago would cost 5 ns to move: by 16-byte loads of words that are still on their way to the
/// cache. So it is made from its parts when it is taken; and a want is moved, on its way to its awaiter, without what it has not got yet.
template <class T>
class Wanted {
 public:
  using Value = T;
  Wanted() noexcept = default;
  Wanted(Wanted&&) noexcept {}  // before it is asked for the first time
  Result<T> result() noexcept {
    if (!failure_.err && !failure_.exception) [[likely]] return Result<T>(std::move(value_));
    return failed();
  }

  io::Buffer target(ReadBuffer& buffer) noexcept { return buffer.space(); }
  void arrived(ReadBuffer& buffer, Result<std::size_t>& outcome) noexcept { buffer.arrived(outcome); }

 protected:
  bool give(T value) noexcept {
    value_ = std::move(value);
    return true;
  }
  /// Fails with the stream's error.
  bool give_failure(T value, ReadBuffer& buffer) noexcept;
  bool give_failure(T value, errc why) noexcept {
    failure_ = Result<void>(why);
    return give(std::move(value));
  }

 private:
  GMPCORO_EXPORT Result<T> failed() noexcept;
  T value_{};
  Result<void> failure_;
};

/// Bytes up to the first delimiter: with it, or as a line without it.
class GMPCORO_EXPORT WantUntil : public Wanted<std::string_view> {
 public:
  static constexpr int line_end = -1;  // '\n', and a line is wanted
  explicit WantUntil(int delimiter) noexcept : delimiter_(delimiter) {}
  WantUntil(WantUntil&& other) noexcept : delimiter_(other.delimiter_) {}
  bool take(ReadBuffer& buffer) noexcept {
    const std::string_view data = buffer.data();
    if (data.size() > searched_) {
      if (const void* found = std::memchr(data.data() + searched_, line() ? '\n' : delimiter_, data.size() - searched_)) [[likely]] {
        const auto length = static_cast<std::size_t>(static_cast<const char*>(found) - data.data());
        buffer.consume(length + 1);
        return give(line() ? without_return(data.substr(0, length)) : data.substr(0, length + 1));
      }
    }
    return take_slow(buffer);
  }

 private:
  bool line() const noexcept { return delimiter_ == line_end; }
  static std::string_view without_return(std::string_view line) noexcept {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  bool take_slow(ReadBuffer& buffer) noexcept;
  std::size_t searched_ = 0;  // bytes of the buffer's data without the delimiter
  int delimiter_;
};

class GMPCORO_EXPORT WantPeek : public Wanted<std::string_view> {
 public:
  explicit WantPeek(std::size_t n) noexcept : n_(n) {}
  bool take(ReadBuffer& buffer) noexcept {
    if (buffer.size() >= n_) return give(buffer.data().substr(0, n_));
    return take_slow(buffer);
  }

 private:
  bool take_slow(ReadBuffer& buffer) noexcept;
  std::size_t n_;
};

class GMPCORO_EXPORT WantDiscard : public Wanted<std::size_t> {
 public:
  explicit WantDiscard(std::size_t n) noexcept : n_(n) {}
  bool take(ReadBuffer& buffer) noexcept;

 private:
  std::size_t n_;
  std::size_t done_ = 0;
};

class GMPCORO_EXPORT WantRead : public Wanted<std::size_t> {
 public:
  explicit WantRead(io::Buffer out) noexcept : out_(out) {}
  bool take(ReadBuffer& buffer) noexcept;
  io::Buffer target(ReadBuffer& buffer) noexcept;
  void arrived(ReadBuffer& buffer, Result<std::size_t>& outcome) noexcept;

 private:
  io::Buffer out_;
  std::size_t direct_ = 0;  // bytes that came past the buffer
  bool past_buffer_ = false;
};

}  // namespace gmp::detail
