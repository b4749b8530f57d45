// src/io/copy_buffer.cpp — CopyBuffer: when it grows, and when it shrinks.
// Go: io/io.go (copyBuffer).  Room: io (floor 5).
#include "gmp/detail/io/copy_buffer.hpp"

#include <algorithm>
#include <new>

namespace gmp::detail {

namespace {

constexpr std::size_t most = 32 * 1024;  // as Go's
constexpr std::size_t step = 8;          // three steps from the least to 32 KiB: a long stream is soon read by large pieces
constexpr int small_reads_max = 16;      // before it shrinks: a stream of large pieces has a small one now and then

}  // namespace

io::Buffer CopyBuffer::space() {
  if (wanted_ != size_) {
    if (std::unique_ptr<char[]> bytes(new (std::nothrow) char[wanted_]); bytes) {
      bytes_ = std::move(bytes);
      size_ = wanted_;
    } else if (size_ == 0) {
      throw std::bad_alloc();
    } else {
      wanted_ = size_;  // it goes on with what it has
    }
  }
  return io::Buffer(bytes_.get(), size_);
}

io::ConstBuffer CopyBuffer::arrived(std::size_t n) noexcept {
  flows_ = n == most;
  if (n == size_)
    wanted_ = std::min(size_ * step, most);
  else if (n > size_ / step || size_ == least)
    small_reads_ = 0;
  else if (++small_reads_ == small_reads_max) {
    small_reads_ = 0;
    wanted_ = std::max(size_ / step, least);
  }
  return io::ConstBuffer(bytes_.get(), n);
}

}  // namespace gmp::detail
