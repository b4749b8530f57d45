// include/gmp/detail/net/copy_end.hpp — CopyEnd: a descriptor, as io::copy may hand it to the system.
// Go: net/splice_linux.go, net/sendfile.go, os/zero_copy_linux.go.  Room: net (floor 5).
#pragma once

#include "gmp/detail/io/direct_copy.hpp"

namespace gmp::detail {

class Descriptor;

class CopyEnd {
 public:
  /// Null: a closed one. Whoever makes it holds what keeps the descriptor.
  explicit CopyEnd(Descriptor* fd) noexcept : fd_(fd) {}
  Descriptor* get() const noexcept { return fd_; }
  /// All of it is there already.
  GMPCORO_EXPORT bool sends_at_once() const noexcept;

 private:
  Descriptor* fd_;
};

GMPCORO_EXPORT Task<DirectCopy> copy_directly(CopyEnd to, CopyEnd from, Context ctx);

}  // namespace gmp::detail
