// src/debug/stats.cpp — debug::stats(): one executor counted, or all of them.
// Go: runtime/metrics.Read.  Room: debug (floor 6).
#include <utility>

#include "gmp/debug.hpp"
#include "sched/sched.hpp"

namespace gmp::debug {

Stats stats(Executor* executor) {
  Stats sum;
  if (executor != nullptr) {
    detail::sched_of(*executor)->add_stats(sum);
    return sum;
  }
  Poller newest = Poller::automatic;
  auto context = std::make_pair(&sum, &newest);
  detail::Sched::each(
      [](detail::Sched& sched, void* p) {
        auto& [into, poller] = *static_cast<std::pair<Stats*, Poller*>*>(p);
        sched.add_stats(*into);
        if (*poller == Poller::automatic) *poller = into->poller;
      },
      &context);
  sum.poller = newest;
  return sum;
}

}  // namespace gmp::debug
