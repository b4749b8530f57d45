// src/wait/withdraw.cpp — the scheduler's upcall: a stopping executor takes its gs off whatever they wait on.
// Go: none.  Room: wait (floor 3).
#include "gmp/detail/park.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

bool withdraw(Waiter* w) noexcept { return w->withdraw_ == nullptr || w->withdraw_(w); }

}  // namespace gmp::detail
