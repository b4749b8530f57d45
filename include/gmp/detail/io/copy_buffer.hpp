// include/gmp/detail/io/copy_buffer.hpp — CopyBuffer: the bytes on their way through io::copy, no more of them than the stream asks for.
// Go: io/io.go (copyBuffer), which always takes 32 KiB.  Room: io (floor 5).
//
// Ten thousand connections that say nothing each hold a buffer for the day they do. So it begins small; a read that fills it asks for a
// larger one, and a row of reads that leave most of it empty for a smaller one again.
#pragma once

#include <cstddef>
#include <memory>

#include "gmp/detail/io/buffer.hpp"

namespace gmp::detail {

class GMPCORO_EXPORT CopyBuffer {
 public:
  /// Where to read to. Throws std::bad_alloc if there is no memory even for the smallest.
  io::Buffer space();
  /// n bytes were read to space(): these.
  io::ConstBuffer arrived(std::size_t n) noexcept;
  /// Much is coming: the last read filled the largest buffer there is.
  bool flows() const noexcept { return flows_; }
  /// Nothing is known of what comes next.
  void forget() noexcept { flows_ = false; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t wanted_ = least;
  int small_reads_ = 0;  // in a row
  bool flows_ = false;

  static constexpr std::size_t least = 256;
};

}  // namespace gmp::detail
