// src/io/read_buffer.cpp — the compiled side of ReadBuffer and the wants.
// Go: bufio/bufio.go (Reader).  Room: io (floor 5).
#include "gmp/detail/io/read_buffer.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

namespace gmp::detail {

namespace {

constexpr std::size_t size_least = 16;
constexpr std::size_t size_small = 512;
constexpr int empty_reads_max = 100;  // in a row, then the stream is broken: io.ErrNoProgress

}  // namespace

void throw_null_buffer() { throw std::invalid_argument("null buffer with a size"); }

ReadBuffer::ReadBuffer(std::size_t size, std::size_t limit) noexcept
    : first_capacity_(std::max(size, size_least)), limit_(std::max(limit, first_capacity_)) {}

io::Buffer ReadBuffer::space() noexcept {
  if (begin_ == end_) begin_ = end_ = 0;
  if (begin_ != 0 && capacity_ - end_ < capacity_ / 2) {  // what is left over is seldom much; a read into a few bytes costs more
    std::memmove(bytes_.get(), bytes_.get() + begin_, size());
    end_ -= begin_;
    begin_ = 0;
  }
  if ((end_ == capacity_ && capacity_ < limit_) || (filled_ && capacity_ < first_capacity_)) {
    const std::size_t larger = capacity_ == 0                ? std::min(first_capacity_, size_small)
                               : capacity_ < first_capacity_ ? first_capacity_
                                                             : std::min(2 * capacity_, limit_);
    std::unique_ptr<char[]> bytes(new (std::nothrow) char[larger]);
    if (!bytes) {
      failure_ = Result<void>(std::make_error_code(std::errc::not_enough_memory));
      return {};
    }
    if (end_ != 0) std::memcpy(bytes.get(), bytes_.get(), end_);
    bytes_ = std::move(bytes);
    capacity_ = larger;
    filled_ = false;
  }
  return io::Buffer(bytes_.get() + end_, capacity_ - end_);
}

void ReadBuffer::arrived(Result<std::size_t>& outcome) noexcept {
  const std::size_t n = outcome.get<0>();
  end_ += n;
  filled_ = end_ == capacity_;
  if (!outcome)
    set_failure(outcome);
  else if (n != 0)
    empty_reads_ = 0;
  else if (++empty_reads_ == empty_reads_max)
    failure_ = Result<void>(errc::no_progress);
}

void ReadBuffer::set_failure(const ResultBase& failure) noexcept {
  empty_reads_ = 0;
  failure_ = Result<void>(failure);
}

template <class T>
bool Wanted<T>::give_failure(T value, ReadBuffer& buffer) noexcept {
  failure_ = buffer.take_failure();
  return give(std::move(value));
}

template <class T>
Result<T> Wanted<T>::failed() noexcept {
  Result<T> result(failure_);
  result.template get<0>() = std::move(value_);
  return result;
}

bool WantUntil::take_slow(ReadBuffer& buffer) noexcept {
  const std::string_view data = buffer.data();
  if (buffer.failed()) {
    if (!buffer.ended()) return give_failure({}, buffer);  // RB2
    buffer.consume(data.size());
    if (line() && !data.empty()) return give(without_return(data));  // the last line may lack its end. The end comes with the next call
    return give_failure(data, buffer);
  }
  searched_ = data.size();
  if (data.size() >= buffer.limit()) return give_failure({}, errc::buffer_full);
  return false;
}

bool WantPeek::take_slow(ReadBuffer& buffer) noexcept {
  if (buffer.failed()) return give_failure(buffer.data(), buffer);
  if (n_ > buffer.limit()) return give_failure(buffer.data(), errc::buffer_full);
  return false;
}

bool WantDiscard::take(ReadBuffer& buffer) noexcept {
  const std::size_t n = std::min(n_ - done_, buffer.size());
  buffer.consume(n);
  done_ += n;
  if (done_ == n_) return give(n_);
  return buffer.failed() && give_failure(done_, buffer);
}

bool WantRead::take(ReadBuffer& buffer) noexcept {
  if (direct_ != 0 || out_.empty()) return give(direct_);
  const std::size_t n = std::min(out_.size(), buffer.size());
  if (n != 0) {
    std::memcpy(out_.data(), buffer.data().data(), n);
    buffer.consume(n);
    return give(n);
  }
  return buffer.failed() && give_failure(0, buffer);
}

// What is as large as the buffer need not go through it.
io::Buffer WantRead::target(ReadBuffer& buffer) noexcept {
  const io::Buffer own = buffer.space();
  past_buffer_ = out_.size() >= own.size() && !own.empty();
  return past_buffer_ ? out_ : own;
}

void WantRead::arrived(ReadBuffer& buffer, Result<std::size_t>& outcome) noexcept {
  if (past_buffer_) direct_ = std::exchange(outcome.get<0>(), 0);
  if (direct_ != 0 && outcome) return;  // else it would count as a read that gave nothing
  buffer.arrived(outcome);
}

template class Wanted<std::string_view>;
template class Wanted<std::size_t>;

}  // namespace gmp::detail
