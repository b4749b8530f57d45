// src/sync/in_use.hpp — the end of those who destroy what others wait for.
// Go: none (the garbage collector keeps it alive there).  Room: sync (floor 5).
#pragma once

#include <cstdint>

namespace gmp::detail {

/// `fatal error: sync: Mutex destroyed while 2 goroutines wait for it`. Returns only while the frames of a stopped executor are destroyed.
void destroyed_in_use(const char* type, std::uint64_t sleepers) noexcept;

}  // namespace gmp::detail
