// src/debug/stats.cpp — debug::stats(): one executor counted, or all of them.
// Go: runtime/metrics.Read.  Room: debug (floor 6).
#include "gmp/debug.hpp"
#include "sched/sched.hpp"

namespace gmp::debug {

Stats stats(Executor* executor) {
  Stats sum;
  if (executor != nullptr) {
    detail::sched_of(*executor)->add_stats(sum);
    return sum;
  }
  detail::Sched::each([](detail::Sched& sched, void* into) { sched.add_stats(*static_cast<Stats*>(into)); }, &sum);
  return sum;
}

}  // namespace gmp::debug
