// src/sched/lanes.hpp — the scheduler's global queue: a lane for gs that have run before, and one for fresh ones.
// Go: runtime/proc.go (globrunqput, globrunqget); it has one lane, since it can preempt whatever comes out of it.  Room: sched (floor 2).
//
// Thousands of fresh gs may wait here, each about to compute for longer than a slice, behind which a g that was woken would wait for seconds:
// none of them can be preempted.  So they wait apart, and by turns: of two that are taken one is fresh, if there are both.  A P that was taken
// from a hog is wary: it takes gs that have run before first, and one fresh g of eight, so that those do not starve either.
//
// To begin another fresh g for each P that is taken from a hog would have all of them share the CPUs at last, and none end.  So when a P has been
// taken from a hog fresh gs are held: for as long as that g would have waited for its next slice could it be preempted (sysmon.cpp), or until a
// hog has ended: that one's CPU is free for one of them.
//   LN1  what is held is not counted by size(): nobody is called for it, nobody looks for it, and a P that finds nothing else sleeps.  So whoever
//        makes size() grow calls somebody, as if he had queued a g (W).
//   LN2  fresh gs are held only while there are hogs; the last one that comes back lets go.
//
// What was dropped: one queue, searched for gs that have run before (20,000 fresh ones are 20,000 cache misses); and to take a P from a hog the later
// the more there are, which limits them as well, but by the very delay that others are to be spared.
// Guarded by the scheduler's lock, all of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "gmp/detail/base/config.hpp"
#include "sched/global_queue.hpp"
#include "sched/take_over.hpp"

namespace gmp::detail {

class Lanes : Immovable {
 public:
  /// What may be taken.
  int size() const noexcept { return seasoned_.size() + fresh_to_be_had(); }

  /// The caller has gp: nobody else may start it meanwhile.
  void push(G* gp) noexcept { (gp->started_ ? seasoned_ : fresh_).push(gp); }

  /// Null if there is nothing to be had. Of the lane whose turn it is, by the caller's wariness.
  G* pop(bool wary) noexcept {
    const bool fresh_first = ++pops_ % (wary ? wary_turns : turns) == 0;
    if ((fresh_first || seasoned_.size() == 0) && fresh_to_be_had() > 0) {
      if (held_) --permits_;
      return fresh_.pop();
    }
    return seasoned_.pop();
  }

  /// sysmon, which has taken a P from a hog: fresh gs are held, all of them.
  void hold(const OffP& off) noexcept {
    if (off.hogs() == 0) return;  // LN2: it has come back already. Else it will, and find them held
    held_ = true;
    permits_ = 0;
  }
  /// A hog has come back, and been counted off: one more may be taken. True: size() may have grown (LN1), as of the next one.
  bool hog_is_back(const OffP& off) noexcept {
    if (!held_) return false;
    ++permits_;
    if (off.hogs() == 0) held_ = false;  // LN2
    return true;
  }
  bool let_go() noexcept { return std::exchange(held_, false); }

  /// Forgets all of them.
  void clear() noexcept {
    fresh_.clear();
    seasoned_.clear();
  }

 private:
  static constexpr std::uint32_t turns = 2;
  static constexpr std::uint32_t wary_turns = 8;

  int fresh_to_be_had() const noexcept { return held_ ? std::min(permits_, fresh_.size()) : fresh_.size(); }

  GlobalQueue fresh_;
  GlobalQueue seasoned_;
  std::uint32_t pops_ = 0;
  bool held_ = false;
  int permits_ = 0;  // while held_
};

}  // namespace gmp::detail
