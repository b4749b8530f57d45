// src/task/promise.cpp — the rare steps of a frame: the 64th transfer, the end of a root, an exception on its way up.
// Go: runtime/proc.go (goexit0), runtime/panic.go.  Room: task (floor 4).
#include "gmp/detail/task/promise.hpp"

#include <stdexcept>

#include "sched/sched.hpp"

namespace gmp::detail {

std::coroutine_handle<> trampoline(G* gp, std::coroutine_handle<> next) noexcept {
  gp->depth_ = 0;
  gp->m_->next_ = next;
  return std::noop_coroutine();
}

void root_ended(G* gp) noexcept { g_ended(gp, std::move(static_cast<PromiseBase*>(gp->root_)->exception_)); }

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
