// include/gmp/task.hpp — Task: the coroutine type of everything that can park.
// Go: a function (any function may block there; here those that may say so in their type).  Room: task (floor 4).
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

#include "gmp/detail/task/foreign.hpp"
#include "gmp/detail/task/promise.hpp"

namespace gmp {

/// A lazy coroutine: nothing runs until a g awaits it, or go() or spawn() makes a g of it.
///
/// `T value = co_await task;` runs it on the awaiting g and gives what it returned, or rethrows what it threw. It suspends whenever
/// something in it does, and costs no switch by itself. A Task is awaited once; an lvalue may be awaited, its value is moved out. Awaited a
/// second time, or after it was moved from: std::logic_error("task already awaited"). Dropped without having been awaited, it never ran.
/// Awaited in a coroutine that is no g's: std::logic_error.      Go: a call.
template <class T = void>
class [[nodiscard("a Task that is not awaited does nothing")]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using value_type = T;

  Task() noexcept = default;
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (frame_) frame_.destroy();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~Task() {
    if (frame_) frame_.destroy();
  }

  /// False once it was awaited, started or moved from.
  explicit operator bool() const noexcept { return static_cast<bool>(frame_); }

 private:
  friend promise_type;
  friend detail::PromiseBase;
  friend struct detail::TaskAccess;

  explicit Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  std::coroutine_handle<promise_type> release() noexcept { return std::exchange(frame_, nullptr); }

  std::coroutine_handle<promise_type> frame_;
};

template <class T>
detail::OffG<T> operator co_await(Task<T>&&) {
  return {};
}
template <class T>
detail::OffG<T> operator co_await(Task<T>&) {
  return {};
}

namespace detail {

struct TaskAccess {
  template <class T>
  static std::coroutine_handle<TaskPromise<T>> release(Task<T>& task) noexcept {
    return task.release();
  }
  template <class T>
  static std::coroutine_handle<TaskPromise<T>> peek(const Task<T>& task) noexcept {
    return task.frame_;
  }
};

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
template <class T>
Task<T&> TaskPromise<T&>::get_return_object() noexcept {
  return Task<T&>(std::coroutine_handle<TaskPromise<T&>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

}  // namespace detail
}  // namespace gmp
