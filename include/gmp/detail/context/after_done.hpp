// include/gmp/detail/context/after_done.hpp — a goroutine that starts when a context is done.
// Go: context/context.go (AfterFunc).  Room: context (floor 5).
#pragma once

#include <source_location>

#include "gmp/detail/context/until.hpp"
#include "gmp/detail/time/after_func.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {

GMPCORO_EXPORT AfterFuncRef after_done(const ContextRef& context, Task<> frame, std::source_location where);

}  // namespace gmp::detail
