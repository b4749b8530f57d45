// include/gmp/detail/sched/fork_count.hpp — ForkCount: how many children of an all() have not ended, and who wakes the joiner.
// Go: sync/waitgroup.go, where each Done is a read-modify-write.  Room: sched (floor 2).
//
//   FC1  the count is the children that have not ended, and one.  Those that end on the joiner's own G take nothing off: it does that for all of them,
//        and the one, in one go when it must wait; if all were such there is no read-modify-write at all.
//   FC2  who brings it to 0 is last. A child that is wakes the joiner, and touches nothing after; what the joiner wrote before it left is seen by it, and
//        what all children wrote is seen by the joiner, whoever is last.                                                            [FORK-COUNT]
#pragma once

#include <cstddef>

#include "gmp/detail/base/atomic.hpp"

namespace gmp::detail {

class ForkCount {
 public:
  /// Before anybody else knows of it.
  void open(std::size_t children) noexcept { count_.store(children + 1, relaxed); }  // what publishes the forks publishes this
  /// By the joiner, of whose children so many have ended on its own G. True: it is last, all have ended.
  bool leave(std::size_t ended_here) noexcept { return count_.fetch_sub(ended_here + 1, acq_rel) == ended_here + 1; }  // [FORK-COUNT] FC2
  /// By a child that ended elsewhere. True: it is last, and wakes the joiner.
  bool child_ended() noexcept { return count_.fetch_sub(1, acq_rel) == 1; }  // [FORK-COUNT] FC2

 private:
  Atomic<std::size_t> count_{0};
};

}  // namespace gmp::detail
