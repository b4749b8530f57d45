// src/task/foreign.cpp — the bridge between a g and an awaitable that is not this library's.
// Go: none.  Room: task (floor 4).
#include "gmp/detail/task/foreign.hpp"

#include "gmp/detail/base/atomic.hpp"

namespace gmp::detail {

// [BRIDGE] Two owners: the g's awaiter, and the coroutine itself until it has run. The last one frees the frame.
class Bridge::promise_type {
 public:
  explicit promise_type(G* gp) noexcept : wait_(gp) {}
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
        frame.promise().wait_.resume();
        drop(frame);
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
  ForeignWait wait_;
  Atomic<int> owners_{2};
};

namespace {

Bridge::promise_type::Handle bridge(G*) { co_return; }

}  // namespace

std::coroutine_handle<> Bridge::open(G* gp) { return bridge(gp).frame_; }

void Bridge::close(std::coroutine_handle<> frame) noexcept {
  promise_type::drop(std::coroutine_handle<promise_type>::from_address(frame.address()));
}

ForeignWait& Bridge::wait(std::coroutine_handle<> frame) noexcept {
  return std::coroutine_handle<promise_type>::from_address(frame.address()).promise().wait_;
}

}  // namespace gmp::detail
