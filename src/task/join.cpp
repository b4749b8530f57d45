// src/task/join.cpp — a g ends, its joiner goes on.
// Go: none.  Room: task (floor 4).
#include "gmp/detail/task/join.hpp"

#include <stdexcept>
#include <utility>

#include "sched/panic.hpp"

namespace gmp::detail {

JoinBlock::JoinBlock() noexcept { ended = &JoinBlock::on_end; }

void JoinBlock::on_end(GEnd* end, G* gp, void* thrown) noexcept {
  auto* self = static_cast<JoinBlock*>(end);
  self->thrown_ = std::move(*static_cast<std::exception_ptr*>(thrown));
  self->stopped_ = tearing_down();
  const bool has_failed = self->thrown_ != nullptr && !self->stopped_;
  if (has_failed) self->late_ = note_panic(gp->sched_, gp);
  bool nobody_asks = false;
  Waiter* joiner = nullptr;
  {
    LockGuard guard(self->lock_);
    self->ended_.store(true, release);  // [JOIN-ENDED] J2
    nobody_asks = self->handle_gone_;
    joiner = std::exchange(self->joiner_, nullptr);  // J1
  }
  if (nobody_asks && has_failed) report_panic(gp->sched_, gp, self->thrown_);  // J3
  if (joiner != nullptr) wake(joiner);
  self->unref();
}

void JoinBlock::not_started() noexcept {
  thrown_ = std::make_exception_ptr(std::runtime_error("executor stopped"));
  stopped_ = true;
  ended_.store(true, relaxed);  // nobody else knows it yet
  unref();
}

JoinBlock::Place JoinBlock::take_place(JoinWaiter& w) noexcept {
  LockGuard guard(lock_);
  if (ended_.load(relaxed)) return Place::over;  // lock_
  w.withdrawn_ = gives_up(w);
  if (w.withdrawn_) return Place::over;
  if (joiner_ != nullptr) return Place::another_has_it;
  joiner_ = &w;
  return Place::taken;
}

bool JoinBlock::park(G* gp, FrameLink& leaf, JoinWaiter& w) {
  w.g_ = gp;
  park_begin(gp, leaf, WaitReason::join, &w);
  const Place place = take_place(w);
  if (place == Place::taken) return true;
  park_abort(gp);
  if (place == Place::another_has_it) throw_joined();
  return false;
}

bool JoinWaiter::withdraw(Waiter* waiter) noexcept {
  auto& w = static_cast<JoinWaiter&>(*waiter);
  LockGuard guard(w.block_->lock_);
  if (w.block_->joiner_ != waiter) {
    w.give_up_.store(true, relaxed);
    return false;
  }
  w.block_->joiner_ = nullptr;
  return w.withdrawn_ = true;
}

void JoinBlock::wait_blocking() {
  ThreadParker parker;
  JoinWaiter w(this);
  w.thread_ = &parker;
  const Place place = take_place(w);
  if (place == Place::another_has_it) throw_joined();
  if (place == Place::taken) parker.park();
}

void JoinBlock::take() {
  bool was_taken = false;
  {
    LockGuard guard(lock_);
    was_taken = std::exchange(taken_, true);
  }
  if (was_taken) throw_joined();
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

void JoinBlock::handle_gone() noexcept {
  bool is_last = false;
  {
    LockGuard guard(lock_);
    handle_gone_ = true;
    is_last = ended_.load(relaxed) && !taken_;  // lock_
  }
  if (is_last && thrown_ != nullptr && !stopped_ && !tearing_down()) report_late_panic(late_, thrown_);  // J3
  unref();
}

JoinBlock::~JoinBlock() { forget_panic(late_); }

void JoinBlock::unref() noexcept {
  if (refs_.fetch_sub(1, acq_rel) == 1) delete this;  // [JOIN-REFS]
}

void throw_joined() { throw std::logic_error("goroutine already joined"); }

}  // namespace gmp::detail
