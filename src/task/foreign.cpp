// src/task/foreign.cpp — the bridge between a g and an awaitable that is not this library's.
// Go: none.  Room: task (floor 4).
#include "gmp/detail/task/foreign.hpp"

#include <new>

#include "gmp/detail/base/atomic.hpp"
#include "sched/sched.hpp"
#include "sched/status.hpp"

namespace gmp::detail {

// [BRIDGE] Two owners: the g's awaiter, and the coroutine itself until it has run. The last one frees the frame.
class Bridge::promise_type {
 public:
  explicit promise_type(G* gp) noexcept : g_(gp) {}
  struct Handle {
    using promise_type = Bridge::promise_type;
    std::coroutine_handle<promise_type> frame_;
  };
  Handle get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() const noexcept {
    struct LetGo {
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<promise_type> frame) const noexcept {
        G* gp = frame.promise().g_;
        drop(frame);
        foreign_resumed(gp);
      }
      void await_resume() const noexcept {}
    };
    return LetGo{};
  }
  void return_void() const noexcept {}
  void unhandled_exception() const noexcept {}

  static void drop(std::coroutine_handle<promise_type> frame) noexcept {
    if (frame.promise().owners_.fetch_sub(1, acq_rel) == 1) frame.destroy();  // [BRIDGE]
  }
  G* const g_;
  Atomic<int> owners_{2};
};

namespace {

Bridge::promise_type::Handle bridge(G*) { co_return; }

}  // namespace

std::coroutine_handle<> Bridge::open(G* gp) { return bridge(gp).frame_; }

void Bridge::close(std::coroutine_handle<> frame) noexcept {
  promise_type::drop(std::coroutine_handle<promise_type>::from_address(frame.address()));
}

void foreign_park(G* gp, FrameLink& leaf) noexcept {
  hope_begin(gp);
  park_begin(gp, leaf, WaitReason::foreign, nullptr);
}

void foreign_resumed(G* gp) noexcept {
  if (!status::begin_foreign_end(gp->status_)) return;
  // The hope ends after the g is queued; by then the g may be gone, its executor not: a stop waits for users.
  Sched* sched = gp->sched_;
  sched->enter_user();
  ready(gp);
  sched->hopes_.fetch_sub(1, seq_cst);  // [HOPE]
  sched->leave_user();
}

void foreign_abort(G* gp) noexcept {
  park_abort(gp);
  hope_end(gp);
}

}  // namespace gmp::detail
