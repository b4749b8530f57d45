// include/gmp/detail/sched/abandon.hpp — what becomes of a child frame whose awaiter goes away first.
// Go: none.  Room: sched (floor 2).
#pragma once

#include <coroutine>

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

/// Destroys a child frame whose awaiter goes away before the child has ended: its parent's frame is being destroyed. When a parked chain is
/// destroyed leaf first, the child is gone already, and this finds that out.
GMPCORO_EXPORT void destroy_abandoned(std::coroutine_handle<> child) noexcept;

}  // namespace gmp::detail
