// include/gmp/sync/once.hpp — Once, OnceValue: something that is done one time, whoever comes first.
// Go: sync/once.go, sync/oncefunc.go.  Room: sync (floor 5).  The essay is in src/sync/once.cpp.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "gmp/detail/task/callable.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/task/promise.hpp"
#include "gmp/detail/wait/sema.hpp"
#include "gmp/task.hpp"

namespace gmp {

class Once;
template <class T>
class OnceValue;

namespace detail {

class OnceState;

/// One who waits for the first caller's end.
struct OnceWaiter : SemaWaiter {
  OnceWaiter(OnceState& once, G* gp) noexcept : SemaWaiter(gp, &OnceWaiter::withdraw_call), once_(&once) {}

  bool advance() noexcept;  // sleeper.hpp
  Sema& sema() noexcept;
  bool in_front() const noexcept { return false; }
  static constexpr bool competes = false;

  OnceState* once_;

 private:
  static bool uncount(OnceWaiter& w) noexcept;
  static bool withdraw_call(Waiter* w) noexcept;
};

/// Eight bytes: who came first, whether he is through, and how many wait for him.
class OnceState : Immovable {
 public:
  constexpr OnceState() noexcept = default;
  ~OnceState() {
    if (state_.load(relaxed) >= one_waiter) [[unlikely]] destroyed_in_use();  // no partner: who destroys it is alone with it
  }

  bool done() const noexcept { return state_.load(acquire) == finished; }  // [ONCE]
  /// True for exactly one caller: he must run f, and then finish().
  bool begin() noexcept {
    std::uint32_t fresh = 0;
    return state_.compare_exchange_strong(fresh, running, relaxed, relaxed);  // only finish() has something to tell
  }
  void finish() noexcept;
  /// The part of await_suspend of those who came later.
  bool park(FrameLink& leaf, G* gp, Late<OnceWaiter>& waiter) noexcept;
  void wait_on_thread() noexcept;

 private:
  friend OnceWaiter;
  // bits 0 and 1: what it is about; from bit 2 on: how many sleep, with no permit on its way. finish() takes it to `finished`, for ever.
  static constexpr std::uint32_t running = 1, finished = 2, one_waiter = 4;
  void destroyed_in_use() const noexcept;

  Atomic<std::uint32_t> state_{0};
  Sema sema_;
};
static_assert(sizeof(OnceState) == 8);

/// finish() when the one who began is through with it, be it by an exception or by the end of his frame.
class OnceRunner {
 public:
  OnceRunner() noexcept = default;
  OnceRunner(const OnceRunner&) = delete;
  OnceRunner& operator=(const OnceRunner&) = delete;
  ~OnceRunner() { finish(); }
  bool begin(OnceState& once) noexcept {
    if (!once.begin()) return false;
    once_ = &once;
    return true;
  }
  bool running() const noexcept { return once_ != nullptr; }
  void finish() noexcept {
    if (OnceState* once = std::exchange(once_, nullptr)) once->finish();
  }

 private:
  OnceState* once_ = nullptr;
};

template <class T>
concept AnyTask = is_task<std::remove_cvref_t<T>>;

/// What f's Task needs while the runner awaits it. Two ways to sleep in one awaiter: on f, in its own frame, or on the one who runs it.
template <class T>
class OnceChild {
 public:
  bool empty() const noexcept { return !awaiter_; }
  void start(Task<T>&& task) { awaiter_.emplace(TaskAccess::release(task)); }
  template <class Promise>
  std::coroutine_handle<> suspend(std::coroutine_handle<Promise> parent) {
    return awaiter_->await_suspend(parent);
  }
  T result() { return awaiter_->await_resume(); }

 private:
  std::optional<TaskAwaiter<T>> awaiter_;
};

template <class F>
class OnceCallAwaiter;

/// `once.call(f)`, until it is awaited. F: f as it was passed; an lvalue is used in place.
template <class F>
class [[nodiscard("co_await it: f has not been called")]] OnceCall {
 public:
  using Awaiter = OnceCallAwaiter<F>;
  using operation_tag = void;
  OnceCall(OnceState& once, F&& f) : once_(&once), f_(std::forward<F>(f)) {}

 private:
  friend Awaiter;
  OnceState* once_;
  F f_;
};

template <class F>
class OnceCallAwaiter : public OperationAwaiter<OnceCallAwaiter<F>> {
  using Base = OperationAwaiter<OnceCallAwaiter<F>>;
  using Returned = std::invoke_result_t<F>;
  static constexpr bool coroutine = AnyTask<Returned>;

 public:
  OnceCallAwaiter(G* gp, OnceCall<F>&& op) : Base(gp), once_(*op.once_), f_(std::forward<F>(op.f_)) {}

  bool await_ready() {
    if (once_.done()) return Base::undisturbed();
    if (!runner_.begin(once_)) return false;
    // f may throw here: the runner finishes, and the caller of call() has the exception.
    if constexpr (coroutine) {
      child_.start(std::invoke(std::forward<F>(f_)));
      return false;
    } else {
      std::invoke(std::forward<F>(f_));
      runner_.finish();
      return true;
    }
  }

  template <class Promise>
  GMPCORO_NOINLINE auto await_suspend(std::coroutine_handle<Promise> frame) {
    G* gp = this->g_;
    if constexpr (coroutine) {
      if (!child_.empty()) return child_.suspend(frame);
      if (once_.park(frame.promise(), gp, waiter_)) return std::coroutine_handle<>(std::noop_coroutine());
      return transfer(gp, frame);
    } else {
      return once_.park(frame.promise(), gp, waiter_);
    }
  }

  void await_resume() {
    if constexpr (coroutine) {
      if (child_.empty()) return;
      Finish guard(runner_);  // also if f has thrown
      static_cast<void>(child_.result());
    }
  }

 private:
  struct Finish {
    OnceRunner& runner_;
    explicit Finish(OnceRunner& runner) noexcept : runner_(runner) {}
    ~Finish() { runner_.finish(); }
  };
  struct Nothing {};

  OnceState& once_;
  F f_;
  Late<OnceWaiter> waiter_;
  OnceRunner runner_;  // dies after the child: if the frame is destroyed while f runs, f's frame goes first
  [[no_unique_address]] typename std::conditional_t<coroutine, std::type_identity<OnceChild<typename ResultOf<std::remove_cvref_t<Returned>>::type>>,
                                                    std::type_identity<Nothing>>::type child_;
};

}  // namespace detail
}  // namespace gmp
