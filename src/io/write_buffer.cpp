// src/io/write_buffer.cpp — the compiled side of WriteBuffer and the wants.
// Go: bufio/bufio.go (Writer).  Room: io (floor 5).
#include "gmp/detail/io/write_buffer.hpp"

#include <algorithm>
#include <new>

namespace gmp::detail {

WriteBuffer::WriteBuffer(std::size_t size) noexcept : wanted_capacity_(std::max<std::size_t>(size, 1)) {}

bool WriteBuffer::make() noexcept {
  if (bytes_ != nullptr) return true;
  bytes_.reset(new (std::nothrow) char[wanted_capacity_]);
  if (bytes_ == nullptr) {
    failure_ = Result<void>(std::make_error_code(std::errc::not_enough_memory));
    return false;
  }
  capacity_ = wanted_capacity_;
  return true;
}

bool WriteBuffer::note_failure(const Result<std::size_t>& outcome, std::size_t asked) noexcept {
  if (outcome.err == errc::canceled) return false;  // WB2
  if (!outcome)
    failure_ = Result<void>(static_cast<const ResultBase&>(outcome));
  else if (outcome.get<0>() < asked)
    failure_ = Result<void>(errc::short_write);
  return true;
}

bool WriteBuffer::sent(const Result<std::size_t>& outcome) noexcept {
  const std::size_t n = std::min(outcome.get<0>(), end_);
  const bool counts = note_failure(outcome, end_);
  std::memmove(bytes_.get(), bytes_.get() + n, end_ - n);  // after a failure the rest stays, for whoever asks how much
  end_ -= n;
  return counts;
}

bool WantWrite::take_slow(WriteBuffer& buffer) noexcept {
  if (buffer.failed() || given_up_.err) return true;
  if (buffer.size() == 0 && data_.size() - done_ >= buffer.capacity()) {
    past_buffer_ = true;  // what is as large as the buffer need not go through it
    return false;
  }
  if (!buffer.make()) return true;
  past_buffer_ = false;
  const std::size_t n = std::min(buffer.room(), data_.size() - done_);
  buffer.append(data_.data() + done_, n);
  done_ += n;
  return done_ == data_.size();
}

io::ConstBuffer WantWrite::source(WriteBuffer& buffer) noexcept { return past_buffer_ ? data_.from(done_) : buffer.data(); }

void WantWrite::sent(WriteBuffer& buffer, const Result<std::size_t>& outcome) noexcept {
  const bool counts = past_buffer_ ? buffer.note_failure(outcome, data_.size() - done_) : buffer.sent(outcome);
  if (past_buffer_) done_ += outcome.get<0>();
  if (!counts) given_up_ = Result<void>(static_cast<const ResultBase&>(outcome));
}

Result<std::size_t> WantWrite::failed(const WriteBuffer& buffer) const {
  Result<std::size_t> result(static_cast<const ResultBase&>(given_up_.err ? given_up_ : buffer.failure()));
  result.get<0>() = done_;
  return result;
}

}  // namespace gmp::detail
