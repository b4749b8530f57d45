// include/gmp/detail/sys/futex.hpp — a thread sleeps until a word changes.
// Go: runtime/os_linux.go (futexsleep, futexwakeup).  Room: sys (floor 1).
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"

namespace gmp::detail {

/// Sleeps while *word == expected, at most timeout_ns (negative: no limit). May return for no reason: the caller looks again.
void futex_wait(const Atomic<std::uint32_t>* word, std::uint32_t expected, std::int64_t timeout_ns = -1) noexcept;

/// Wakes at most count threads that sleep on the word. Touches no memory behind it: the word may be gone already.
void futex_wake(const Atomic<std::uint32_t>* word, int count) noexcept;

/// Tells the calling thread from all others that live.
const void* this_thread_mark() noexcept;

}  // namespace gmp::detail
