// src/task/promise.cpp — the rare steps of a frame: the end of a root, an exception on its way up.
// Go: runtime/proc.go (goexit0), runtime/panic.go.  Room: task (floor 4).
#include "gmp/detail/task/promise.hpp"

#include <stdexcept>

#include "sched/sched.hpp"

namespace gmp::detail {

std::coroutine_handle<> root_ended(FrameLink& root) noexcept {
  G* gp = root.g_;
  std::exception_ptr& thrown = static_cast<PromiseBase&>(root).exception_;
  if (gp->lent_) return ForkJoin::guest_of(gp)->join_->guest_ended(gp, std::move(thrown));
  g_ended(gp, std::move(thrown));
  return std::noop_coroutine();
}

// The trail begins with the frame that the exception leaves first, and grows by one each frame further up. Another exception object begins
// another trail: the last one was caught.
void note_unwinding(FrameLink& frame) noexcept {
  constexpr std::size_t trail_max = 100;
  try {
    GExtra& extra = extra_of(frame.g_);
    const std::exception_ptr current = std::current_exception();
    const void* object = *reinterpret_cast<void* const*>(&current);  // identity only: never followed
    if (extra.unwinding_ != object) {
      extra.unwinding_ = object;
      extra.trail_.clear();
    }
    if (extra.trail_.size() < trail_max) extra.trail_.push_back(frame.site_);
  } catch (...) {  // no memory for a trail: the panic is reported without it
  }
}

void throw_task_awaited() { throw std::logic_error("task already awaited"); }
void throw_empty_task() { throw std::invalid_argument("go: empty task"); }

}  // namespace gmp::detail
