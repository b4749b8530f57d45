// include/gmp/detail/sched/frame_alloc.hpp — where coroutine frames come from.
// Go: runtime/stack.go (stackalloc, stack caches).  Room: sched (floor 2).
#pragma once

#include <cstddef>

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

/// Size-class free lists of the calling M, with a spill list between the Ms; other threads go to the heap. Throws std::bad_alloc.
GMPCORO_EXPORT void* frame_alloc(std::size_t size);
GMPCORO_EXPORT void frame_free(void* frame, std::size_t size) noexcept;

}  // namespace gmp::detail
