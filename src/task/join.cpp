// src/task/join.cpp — a g ends, its joiner goes on.
// Go: none.  Room: task (floor 4).
#include "gmp/detail/task/join.hpp"

#include <stdexcept>

#include "sched/sched.hpp"

namespace gmp::detail {

JoinBlock::JoinBlock() noexcept { ended = &JoinBlock::on_end; }

void JoinBlock::on_end(GEnd* end, G* gp, void* thrown) noexcept {
  auto* self = static_cast<JoinBlock*>(end);
  self->thrown_ = std::move(*static_cast<std::exception_ptr*>(thrown));
  const bool has_thrown = self->thrown_ != nullptr;
  if (has_thrown) self->late_ = note_panic(gp->sched_, gp);
  if ((self->flags_.fetch_or(g_ended, acq_rel) & no_handle) != 0 && has_thrown && !tearing_down())  // [JOIN-FLAGS] J3
    report_panic(gp->sched_, gp, self->thrown_);
  Waiter* joiner = self->slot_.exchange(self->ended_mark(), acq_rel);  // [JOIN] J1, J2
  if (joiner != nullptr && joiner != self->given_up_mark()) wake(joiner);
  self->unref();
}

bool JoinBlock::park(G* gp, FrameLink& leaf, JoinWaiter& w) {
  w.g_ = gp;
  park_begin(gp, leaf, WaitReason::join, &w);
  Waiter* found = nullptr;
  const bool gives_up_itself = gives_up(w);
  if (!gives_up_itself && slot_.compare_exchange_strong(found, &w, acq_rel, acquire)) return true;  // [JOIN] J1
  park_abort(gp);  // after it nobody withdraws w any more
  Waiter* mark = given_up_mark();
  const bool was_marked = slot_.compare_exchange_strong(mark, nullptr, acq_rel, acquire);  // [JOIN] J1
  w.withdrawn_ = gives_up_itself || was_marked || found == given_up_mark();
  if (!w.withdrawn_ && found != ended_mark()) throw_joined();
  return false;
}

bool JoinWaiter::withdraw(Waiter* waiter) noexcept {
  auto& w = static_cast<JoinWaiter&>(*waiter);
  Atomic<Waiter*>& slot = w.block_->slot_;
  Waiter* found = slot.load(relaxed);  // a guess: the CAS decides
  while (found == waiter || (found == nullptr && !tearing_down())) {
    Waiter* next = found == waiter ? nullptr : w.block_->given_up_mark();
    if (slot.compare_exchange_weak(found, next, acq_rel, relaxed)) return w.withdrawn_ = next == nullptr;  // [JOIN] J1
  }
  return false;
}

void JoinBlock::wait_blocking() {
  ThreadParker parker;
  JoinWaiter w(this);
  w.thread_ = &parker;
  Waiter* nobody = nullptr;
  if (slot_.compare_exchange_strong(nobody, &w, acq_rel, acquire)) {  // [JOIN] J1
    parker.park();
    return;
  }
  if (nobody != ended_mark()) throw_joined();
}

void JoinBlock::take() {
  if ((flags_.fetch_or(taken, acq_rel) & taken) != 0) throw_joined();  // [JOIN-FLAGS]
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

void JoinBlock::handle_gone() noexcept {
  const std::uint32_t was = flags_.fetch_or(no_handle, acq_rel);  // [JOIN-FLAGS] J3
  if ((was & g_ended) != 0 && (was & taken) == 0 && thrown_ != nullptr && !tearing_down()) report_late_panic(late_, thrown_);
  unref();
}

JoinBlock::~JoinBlock() { forget_panic(late_); }

void JoinBlock::unref() noexcept {
  if (refs_.fetch_sub(1, acq_rel) == 1) delete this;  // [JOIN-REFS]
}

void throw_joined() { throw std::logic_error("goroutine already joined"); }

}  // namespace gmp::detail
