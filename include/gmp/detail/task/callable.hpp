// include/gmp/detail/task/callable.hpp — refuses, at compile time, the callables that g++ before 13 would destroy twice.
// Go: none.  Room: task (floor 4).
//
// g++ 12 runs the destructor of a temporary closure (or aggregate) inside a co_await expression twice, also when the awaited function is a
// plain one that takes F&& (GCC PR 99576, 95599 and kin).  A capture that needs no destructor is safe, so is a named closure.
#pragma once

#include <type_traits>

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

template <class F>
inline constexpr bool survives_co_await =
    !GMPCORO_GCC12_TEMPORARIES || std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::remove_cvref_t<F>>;

}  // namespace gmp::detail

/// F as deduced from an F&& parameter of an awaited function.
#define GMPCORO_CHECK_CALLABLE(F)                                                                                               \
  static_assert(::gmp::detail::survives_co_await<F>,                                                                            \
                "g++ before 13 destroys captured temporaries twice inside co_await: name the closure first and pass that name " \
                "(it is used in place), or capture by reference")
