// tests/model/executor.hpp — an executor as those see it who start gs on it, or have timers in its heap, and may outlive it.
// Go: none.  Room: tests/model.
//
// Its stop is the production one in short: nothing more is started, then the timers that are to be told of it are, then it goes. Whatever
// touches it, or its heap, after that fails the run.
#pragma once

#include <deque>

#include "gmp/detail/park.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/timer/heap.hpp"
#include "gmp/task.hpp"
#include "model/model.hpp"

namespace gmp::model {

class ModelExecutor {
 public:
  /// sched_here() from now on, and sched_of_this_thread().
  ModelExecutor();
  ~ModelExecutor();

  /// What an M's loop does with its timers.
  void fire(std::int64_t now) { heap_.run_due(now); }
  /// Runs a g that was started; false: there is none.
  bool run_one();
  /// What is left of one that was started is destroyed, it never runs.
  void stop();
  bool has_gs() const { return !queue_.empty(); }  // for block_until()

  // park.hpp's and spawn.hpp's.
  bool add(detail::Timer* timer, std::int64_t when_ns);
  bool launch(detail::FrameLink& root);

 private:
  detail::Lock lock_;
  bool stopped_ = false;                  // lock_
  std::deque<detail::FrameLink*> queue_;  // lock_
  detail::TimerHeap heap_;
};

/// What became of a function that is to be run as a g.
struct Fate {
  Var<int> ran{0}, gone{0};
};
/// One such, whose frame owns what a lambda would have captured.
Task<> fateful(Fate& fate);

}  // namespace gmp::model
