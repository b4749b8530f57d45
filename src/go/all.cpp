// src/go/all.cpp — counting the children of all().
// Go: sync/waitgroup.go.  Room: go (floor 4).
#include "gmp/detail/go/all.hpp"

#include "sched/sched.hpp"

namespace gmp::detail {

AllJoin::AllJoin(std::size_t children) noexcept : count_(children + 1) {
  ended = &AllJoin::on_end;
  // Nothing to take it off from: only the children can wake it, and they are gone before their parent's frame (a stop ends them first).
  waiter_.withdraw_ = [](Waiter*) noexcept { return true; };
}

void AllJoin::start(Task<> child, std::source_location where) { launch_task(sched_here(), std::move(child), where, this); }

void AllJoin::on_end(GEnd* self, G*, void* thrown) noexcept {
  static_cast<AllJoin*>(self)->child_ended(std::move(*static_cast<std::exception_ptr*>(thrown)));
}

void AllJoin::child_ended(std::exception_ptr thrown) noexcept {
  if (thrown) {
    LockGuard guard(lock_);
    if (!first_) first_ = std::move(thrown);
  }
  thrown = nullptr;
  if (count_.fetch_sub(1, acq_rel) == 1) wake(&waiter_);  // [ALL-COUNT]
}

bool AllJoin::Awaiter::suspend(FrameLink& leaf) noexcept {
  AllJoin* join = join_;
  G* gp = g_;
  join->waiter_.g_ = gp;
  park_begin(gp, leaf, WaitReason::all, &join->waiter_);
  if (join->count_.fetch_sub(1, acq_rel) != 1) return true;  // [ALL-COUNT]
  park_abort(gp);
  return give_way(gp, leaf);
}

}  // namespace gmp::detail
