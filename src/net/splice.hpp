// src/net/splice.hpp — what went past io::copy's buffer, for those who want to know that it did.
// Go: none (a hook in internal/poll/export_test.go).  Room: net (floor 5).
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"

namespace gmp::detail {

/// Bytes that were moved by splice(2) and sendfile(2) in this process.
extern Atomic<std::uint64_t> moved_in_kernel;

}  // namespace gmp::detail
