// src/sys/traceback.hpp — how much is said when the process ends: $GMPTRACEBACK.
// Go: runtime/runtime1.go (setTraceback), $GOTRACEBACK.  Room: sys (floor 1).
#pragma once

#include <cstdint>

namespace gmp::detail::sys {

enum class Traceback : std::uint8_t { none, single, all, system, crash };  // each says what the one before says, and more

/// Go's words, and its numbers 0, 1, 2 for none, all, system; anything else is single. Looked up at each call.
Traceback traceback() noexcept;

}  // namespace gmp::detail::sys
