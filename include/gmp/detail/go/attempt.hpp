// include/gmp/detail/go/attempt.hpp — what attempt() returns: a task or an operation whose exception becomes a result.
// Go: none (recover in a deferred function comes nearest).  Room: go (floor 4).
//
// C++ has no co_await inside a catch block; so what was thrown is caught here, where the awaited thing gives its value, and handed on.
#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/task/promise.hpp"
#include "gmp/result.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {

/// A Result holds no references.
template <class T>
using AttemptResult = Result<std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, T>>;

template <class T, class Awaiter>
AttemptResult<T> attempt_resume(Awaiter& awaiter) {
  try {
    if constexpr (std::is_void_v<T>) {
      awaiter.await_resume();
      return {};
    } else {
      return AttemptResult<T>(awaiter.await_resume());
    }
  } catch (...) {
    return AttemptResult<T>::from_exception(std::current_exception());
  }
}

template <class T>
class [[nodiscard("co_await it")]] AttemptTask {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit AttemptTask(Task<T>&& task) noexcept : task_(std::move(task)) {}

 private:
  Task<T> task_;
};

template <class T>
class AttemptTask<T>::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, AttemptTask&& op) : OperationAwaiter<Awaiter>(gp), child_(TaskAccess::release(op.task_)) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> frame) const noexcept {
    return child_.await_suspend(frame);
  }
  AttemptResult<T> await_resume() { return attempt_resume<T>(child_); }

 private:
  TaskAwaiter<T> child_;
};

template <class Op>
class [[nodiscard("co_await it")]] AttemptOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit AttemptOp(Op&& op) : op_(std::move(op)) {}

 private:
  Op op_;
};

template <class Op>
class AttemptOp<Op>::Awaiter : public OperationAwaiter<Awaiter> {
  using Inner = typename Op::Awaiter;
  using T = decltype(std::declval<Inner&>().await_resume());

 public:
  Awaiter(G* gp, AttemptOp&& op) : OperationAwaiter<Awaiter>(gp), inner_(gp, std::move(op.op_)) {}
  bool await_ready() {
    try {
      return inner_.await_ready();
    } catch (...) {
      thrown_ = std::current_exception();
      return true;
    }
  }
  template <class Promise>
  GMPCORO_NOINLINE auto await_suspend(std::coroutine_handle<Promise> frame) {
    G* gp = frame.promise().suspends();
    this->g_ = gp;
    if constexpr (runs_child<Inner>) {
      if (inner_.runs_child()) return inner_.await_suspend(frame);
      return suspend(frame.promise()) ? std::coroutine_handle<>(std::noop_coroutine()) : transfer(gp, frame);
    } else {
      return this->suspend_or_put_off(frame.promise());
    }
  }
  bool suspend(FrameLink& leaf) {
    try {
      return inner_.suspend_in(this->g_, leaf);
    } catch (...) {
      thrown_ = std::current_exception();
      return false;
    }
  }
  AttemptResult<T> await_resume() {
    if (thrown_) return AttemptResult<T>::from_exception(std::move(thrown_));
    return attempt_resume<T>(inner_);
  }

 private:
  Inner inner_;
  std::exception_ptr thrown_;
};

}  // namespace gmp::detail
