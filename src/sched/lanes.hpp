// src/sched/lanes.hpp — the scheduler's global queue: one line, and beside hogs a lane of their own for gs that have not begun.
// Go: runtime/proc.go (globrunqput, globrunqget); it has one line always, since it can preempt whatever comes out of it.  Room: sched (floor 2).
//
// Thousands of fresh gs may wait here, each about to compute for longer than a slice, behind which a g that was woken would wait for seconds:
// none of them can be preempted.  So as soon as one g computes on without its P they wait apart, and of eight that are taken one is fresh, if there are
// others.
//
// To begin another fresh g for each P that is taken from a hog would have all of them share the CPUs at last, and none end.  So while there are
// hogs, which use CPUs that the Ps do not have any more, fresh gs are begun on trial: by a P that has nothing better, and only so many at a time as
// hogs have left Ps.  A trial is over when its P comes back to the loop, which for a g that computes little is at once.  A P takes some fresh gs for one
// trial, so such gs go through as fast as ever; if one turns out to be a hog it is counted there, and those behind it come back.
//
// Where hogs have left none, a fresh g would have its turn after a slice of each of them, could they be preempted.  So one trial more is granted when
// the next one has waited for so long (grant()), and comes before whoever else waits here; it stands until one on trial turns out to be a hog.
//   LN1  what may not be taken is not counted by size(): nobody is called for it, nobody looks for it, and a P that finds nothing else sleeps.  So
//        whoever makes size() grow calls somebody, as if he had queued a g (W).
//   LN2  without a hog there is no limit: who counts the last one off says so (limit()), after him nobody need come.
//   LN3  each g is begun some time, though hogs wait for it and never end: sysmon grants one trial more as long as one waits, and what is granted is
//        work, for which a P is taken from a g that computes on trial.  No g but one that was granted it can use the grant up: whoever has run before may
//        turn out to be a hog again and again, before the P comes to this queue.
//
// What was dropped: two lanes always, by turns or by their lengths: a g that yields in a loop comes back to the local ring, not to this queue, and so
// it is to begin behind all that were here before it, which is what one line does; one queue, searched for gs that have run before at each pop; to
// take a P from a hog the later the more there are, which limits them as well, but by the very delay that others are to be spared; and to begin no
// fresh g for some time after a P was taken, which starves them beside gs that have run before and compute without end.
// Guarded by the scheduler's lock, all of it.
#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>

#include "gmp/detail/base/config.hpp"
#include "sched/global_queue.hpp"

namespace gmp::detail {

class Lanes : Immovable {
 public:
  /// What may be taken.
  int size() const noexcept { return line_.size() + fresh_to_be_had(); }

  /// The caller has gp: nobody else may start it meanwhile.
  void push(G* gp) noexcept { (limited() && !gp->started_ ? fresh_ : line_).push(gp); }

  /// Null if there is nothing to be had. on_trial: that g is; the caller ends the trial.
  G* pop(bool& on_trial) noexcept {
    if (!limited()) return line_.pop();
    const bool fresh_first = ++pops_ % fresh_every == 0 || due_;
    if (fresh_to_be_had() == 0 || (!fresh_first && line_.size() != 0)) return line_.pop();
    on_trial = true;
    due_ = false;
    ++trials_;
    return fresh_.pop();
  }
  /// More for the same trial, so many at the most.
  G* pop_fresh() noexcept { return fresh_.pop(); }
  int fresh() const noexcept { return fresh_.size(); }
  void end_trial() noexcept { --trials_; }

  /// There are so many hogs now.
  void limit(int hogs, int procs) noexcept {
    const bool before = limited();
    limit_ = hogs == 0 ? no_limit : std::max(procs - hogs, granted_);
    if (before == limited()) return;
    if (before) {
      while (G* gp = fresh_.pop()) line_.push(gp);
    } else {
      for (int left = line_.size(); left > 0; --left) push(line_.pop());  // a cache miss for each, once
    }
  }
  bool limited() const noexcept { return limit_ != no_limit; }

  /// From the next limit() on: a trial, if one waits for it, one more if there is none left; or none more than hogs leave.
  void grant() noexcept {
    due_ = fresh_.size() != 0;
    if (due_ && fresh_to_be_had() == 0) granted_ = trials_ + 1;
  }
  void grant_none() noexcept { granted_ = 0; }

  /// Forgets all of them.
  void clear() noexcept {
    line_.clear();
    fresh_.clear();
  }

 private:
  static constexpr std::uint32_t fresh_every = 8;  // it may be the next hog; but it must not starve
  static constexpr int no_limit = INT_MAX;

  int fresh_to_be_had() const noexcept { return std::clamp(limit_ - trials_, 0, fresh_.size()); }

  GlobalQueue line_;
  GlobalQueue fresh_;  // empty without a limit
  std::uint32_t pops_ = 0;
  int limit_ = no_limit;  // of trials_
  int trials_ = 0;        // Ps that run a fresh g, taken while there were hogs
  int granted_ = 0;       // of limit_, at least
  bool due_ = false;      // the next to be taken is a fresh one
};

}  // namespace gmp::detail
