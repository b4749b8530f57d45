// include/gmp/detail/sched/transfer.hpp — from one frame of a g to another, on a stack that does not grow.
// Go: none (calls and returns).  Room: sched (floor 2).
//
// No step relies on tail calls, which g++ 12 makes only from -O2 on and never under a sanitizer: after 64 nested transfers the next handle goes to the
// M's loop, which resumes it from its own, flat, stack.
#pragma once

#include <coroutine>
#include <cstdint>

#include "gmp/detail/sched/g.hpp"

namespace gmp::detail {

inline constexpr std::uint32_t transfer_depth_max = 64;

/// Leaves `next` to the M's loop; returns the no-op coroutine.
GMPCORO_EXPORT std::coroutine_handle<> trampoline(G* gp, std::coroutine_handle<> next) noexcept;

/// Goes on in `next`: directly at most 64 deep, then by way of the loop.
inline std::coroutine_handle<> transfer(G* gp, std::coroutine_handle<> next) noexcept {
  if (++gp->depth_ < transfer_depth_max) [[likely]] return next;
  return trampoline(gp, next);
}

}  // namespace gmp::detail
