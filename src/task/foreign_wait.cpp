// src/task/foreign_wait.cpp — the compiled side of ForeignWait.
// Go: none.  Room: task (floor 4).
#include "gmp/detail/task/foreign_wait.hpp"

namespace gmp::detail {

ForeignWait::ForeignWait(G* gp, void (*ask)(ForeignWait&) noexcept) noexcept : Waiter(gp, &ForeignWait::withdraw_wait), ask_(ask) {}

void ForeignWait::park_first(FrameLink& leaf) noexcept {
  hope_begin(g_);
  park_begin(g_, leaf, WaitReason::foreign, this);
  fate_.store(parked, relaxed);  // nobody has heard of it
}

void ForeignWait::park_abort() noexcept {
  detail::park_abort(g_);
  hope_end(g_);
}

bool ForeignWait::park(FrameLink& leaf) noexcept {
  G* gp = g_;
  hope_begin(gp);
  park_begin(gp, leaf, WaitReason::foreign, this);
  if (gives_up(*this) && ask_ != nullptr) ask_(*this);
  if (fate_.exchange(parked, acq_rel) != resumed) return true;  // [FATE] PK1 before who readies; PK2
  detail::park_abort(gp);
  hope_end(gp);
  return false;
}

void ForeignWait::resume() noexcept {
  G* gp = g_;
  if (fate_.exchange(resumed, acq_rel) != parked) return;  // [FATE] what the other side wrote, before the g that does not sleep
  Sched* sched = hope_keep(gp);                            // FW2; once it is queued the g may be gone
  ready(gp);
  hope_end_kept(sched);
}

bool ForeignWait::withdraw_wait(Waiter* w) noexcept {
  ForeignWait& self = static_cast<ForeignWait&>(*w);
  if (torn_down(self.g_)) return self.fate_.exchange(left, relaxed) != resumed;  // [FATE] it carries nothing: the frame stays untouched
  self.give_up_.store(true, relaxed);                                            // WD3: the g sees it when it goes on
  if (self.ask_ != nullptr) self.ask_(self);
  return false;
}

}  // namespace gmp::detail
