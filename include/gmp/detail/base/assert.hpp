// include/gmp/detail/base/assert.hpp — how the library dies: invariants that do not hold, and misuse that Go calls fatal.
// Go: runtime/panic.go (throw, fatal).  Room: base (floor 0).
#pragma once

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

/// Prints `fatal error: TEXT` to stderr and ends the process with status 2 ($GMPTRACEBACK=crash: aborts, for a core file).
/// During the destruction of a stopped executor's frames, misuse is not reported: see misuse().
[[noreturn]] void fatal(const char* text) noexcept;

/// Go's `fatal` for misuse by a user (unlock of an unlocked mutex …). Returns only while the calling thread destroys the frames of a
/// stopped executor, where a guard may give back what its g never got: the caller then leaves its object as it was.
void misuse(const char* text) noexcept;

/// Ends the process with status 2, or aborts under $GMPTRACEBACK=crash; who prints more than one line calls it after.
[[noreturn]] void die() noexcept;

[[noreturn]] GMPCORO_EXPORT void assert_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace gmp::detail

/// An invariant of the library. On in every build: each is one predicted branch, and a scheduler that goes on after one is broken loses gs.
#define GMPCORO_ASSERT(expression) \
  (static_cast<bool>(expression) ? static_cast<void>(0) : ::gmp::detail::assert_failed(#expression, __FILE__, __LINE__))
