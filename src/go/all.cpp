// src/go/all.cpp — the compiled side of all().
// Go: none.  Room: go (floor 4).
#include "gmp/detail/go/all.hpp"

#include <stdexcept>

namespace gmp::detail {

std::exception_ptr AllChild::task_awaited() noexcept { return std::make_exception_ptr(std::logic_error("task already awaited")); }

}  // namespace gmp::detail
