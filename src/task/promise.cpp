// src/task/promise.cpp — the rare steps of a frame: the end of a root, an exception on its way up.
// Go: runtime/proc.go (goexit0), runtime/panic.go.  Room: task (floor 4).
#include "gmp/detail/task/promise.hpp"

#include <cstring>
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

// Where a frame that runs awaited last. The innermost one may have come to operations since it was suspended, or its children have: theirs are told by the
// function, but for a function that calls itself.
static std::source_location last_await_of(const FrameLink& innermost) noexcept {
  const G* gp = innermost.g_;
  const std::source_location last = gp->last_await_.load(relaxed), suspended = innermost.site_;
  if (gp->lent_) return suspended;  // a guest that has come to an operation has a g of its own
  const auto same = [](const char* a, const char* b) { return std::strcmp(a, b) == 0; };
  if (suspended.line() != 0) return same(last.function_name(), suspended.function_name()) ? last : suspended;
  const FrameLink* parent = innermost.parent_;
  const bool by_parent = parent != nullptr && last.line() == parent->site_.line() && same(last.function_name(), parent->site_.function_name());
  return by_parent ? suspended : last;
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
    if (extra.trail_.size() < trail_max) extra.trail_.push_back(extra.trail_.empty() ? last_await_of(frame) : frame.site_);
  } catch (...) {  // no memory for a trail: the panic is reported without it
  }
}

void throw_task_awaited() { throw std::logic_error("task already awaited"); }
void throw_empty_task() { throw std::invalid_argument("go: empty task"); }

}  // namespace gmp::detail
