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
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "gmp/detail/task/callable.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/task/promise.hpp"
#include "gmp/detail/task/spawn.hpp"
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
  static bool undo(SemaWaiter& w) noexcept;
  static constexpr bool competes = false;

  OnceState* once_;

 private:
  GMPCORO_EXPORT static bool withdraw_call(Waiter* w) noexcept;
};

/// Eight bytes: who came first, whether he is through, and how many wait for him.
class GMPCORO_EXPORT OnceState : Immovable {
 public:
  constexpr OnceState() noexcept = default;
  ~OnceState() {
    if ((state_.load(relaxed) & running) != 0) [[unlikely]]
      destroyed_in_use();  // no partner: who destroys it is alone with it
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
  ~OnceRunner() {
    if (once_ != nullptr) abandon();
  }
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
  GMPCORO_EXPORT void abandon() noexcept;
  OnceState* once_ = nullptr;
};

template <class F>
concept ReturnsTask = is_task<std::remove_cvref_t<std::invoke_result_t<F>>>;

template <class F>
class OnceCallAwaiter;
template <class F>
class OnceCallCoroutineAwaiter;

/// `once.call(f)`, until it is awaited. F: f as it was passed; an lvalue is used in place.
template <class F>
class [[nodiscard("co_await it: f has not been called")]] OnceCall {
 public:
  using Awaiter = std::conditional_t<ReturnsTask<F>, OnceCallCoroutineAwaiter<F>, OnceCallAwaiter<F>>;
  using operation_tag = void;
  OnceCall(OnceState & once, F && f) : once_(&once), f_(std::forward<F>(f)) {}

 private:
  friend Awaiter;
  OnceState* once_;
  F f_;
};

/// f is a plain function: who comes first calls it here.
template <class F>
class OnceCallAwaiter : public OperationAwaiter<OnceCallAwaiter<F>> {
  using Base = OperationAwaiter<OnceCallAwaiter<F>>;

 public:
  OnceCallAwaiter(G* gp, OnceCall<F>&& op) : Base(gp), once_(*op.once_), f_(std::forward<F>(op.f_)) {}
  bool await_ready() {
    if (once_.done()) return Base::undisturbed();
    OnceRunner runner;
    if (!runner.begin(once_)) return false;
    static_cast<void>(std::invoke(std::forward<F>(f_)));
    return Base::undisturbed();
  }
  bool suspend(FrameLink& leaf) noexcept { return once_.park(leaf, this->g_, waiter_); }
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  void await_resume() const noexcept {}

 private:
  OnceState& once_;
  Late<OnceWaiter> waiter_;
  F f_;  // not beside once_: g++ would take both at once from where they have just been stored one by one, and wait (operation.hpp)
};

/// A Task that the first caller awaits in place of the operation, as a child of its own frame.
template <class Self, class T>
class OnceTaskAwaiter : public OperationAwaiter<Self> {
 public:
  using OperationAwaiter<Self>::OperationAwaiter;

  /// On f, if this is the first caller; else on him.
  template <class Promise>
  GMPCORO_NOINLINE std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> frame) {
    G* gp = frame.promise().suspends();
    if (child_) return child_->await_suspend(frame);
    if (this->suspend_in(gp, frame.promise())) return std::noop_coroutine();
    return transfer(gp, frame);
  }
  /// Of one that does not run f.
  bool suspend(FrameLink& leaf) noexcept { return static_cast<Self*>(this)->once().park(leaf, this->g_, waiter_); }
  bool runs_child() const noexcept { return child_.has_value(); }
  bool withdrawn() const noexcept { return !child_ && waiter_.get().withdrawn_; }  // after await_suspend()

 protected:
  using Child = TaskAwaiter<T>;
  Late<OnceWaiter> waiter_;
  OnceRunner runner_;  // dies after the child: if the frame is destroyed while f runs, f's frame goes first
  std::optional<Child> child_;
};

template <class F>
using OnceTaskResult = typename std::remove_cvref_t<std::invoke_result_t<F>>::value_type;

/// What is called, and for which Once: a base of its own, to outlive the child.
template <class F>
struct OnceCallee {
  explicit OnceCallee(OnceState& once, F&& f) : once_(once), f_(std::forward<F>(f)) {}
  OnceState& once_;
  F f_;
};

/// f is a coroutine.
template <class F>
class OnceCallCoroutineAwaiter : private OnceCallee<F>, public OnceTaskAwaiter<OnceCallCoroutineAwaiter<F>, OnceTaskResult<F>> {
  using Base = OnceTaskAwaiter<OnceCallCoroutineAwaiter<F>, OnceTaskResult<F>>;

 public:
  OnceCallCoroutineAwaiter(G* gp, OnceCall<F>&& op) : OnceCallee<F>(*op.once_, std::forward<F>(op.f_)), Base(gp) {}
  bool await_ready() {
    if (once().done()) return Base::undisturbed();
    if (!this->runner_.begin(once())) return false;
    auto task = std::invoke(std::forward<F>(this->f_));  // if this throws the runner finishes all the same
    this->child_.emplace(TaskAccess::release(task));
    return false;
  }
  void await_resume() {
    if (!this->child_) return;
    const FinishAfter guard(this->runner_);
    static_cast<void>(this->child_->await_resume());
  }
  OnceState& once() noexcept { return this->once_; }

 private:
  struct FinishAfter {
    OnceRunner& runner_;
    explicit FinishAfter(OnceRunner& runner) noexcept : runner_(runner) {}
    ~FinishAfter() { runner_.finish(); }
  };
};

}  // namespace detail

/// Does something one time, whoever comes first; the others wait until it is done.
///
/// f counts as done also if it throws (std::call_once tries again then), or if its executor was stopped in the middle. A call() of the same
/// Once within f waits for ever.      Go: sync.Once.
class Once : detail::Immovable {
 public:
  constexpr Once() noexcept = default;

  /// `co_await once.call(f);` calls f, or awaits it if it is a coroutine, if this is the first call ever; else waits until the first one
  /// has ended. What f throws goes to its caller, and to nobody else; what it returns is dropped. An lvalue f is used in place, neither
  /// copied nor moved. What f did happens before any call() returns.      Go: Once.Do.
  template <class F>
  requires std::invocable<F> detail::OnceCall<F> call(F&& f) {
    GMPCORO_CHECK_CALLABLE(F);
    return detail::OnceCall<F>(state_, std::forward<F>(f));
  }
  /// call() for a plain thread, which sleeps; f is a plain function. On a g: std::logic_error.
  template <class F>
  requires std::invocable<F>
  void call_blocking(F&& f) {
    static_assert(!detail::ReturnsTask<F>, "call_blocking(f): a coroutine needs a goroutine to run on");
    if (state_.done()) return;
    detail::require_plain_thread("call_blocking()", "co_await call()");
    detail::OnceRunner runner;
    if (runner.begin(state_))
      static_cast<void>(std::invoke(std::forward<F>(f)));
    else
      state_.wait_on_thread();
  }
  /// True once f has ended; what it did is seen then. Never waits.
  bool done() const noexcept { return state_.done(); }

 private:
  detail::OnceState state_;
};

namespace detail {

/// f, and what it has given: the part of an OnceValue that its awaiter works on.
template <class T>
class OnceResult : Immovable {
 public:
  template <class F>
  explicit OnceResult(std::in_place_t, F&& f) : source_(std::make_unique<Source<std::decay_t<F>>>(std::forward<F>(f))) {}

  /// By the first caller, once: calls f. Not empty: the Task whose result is the value.
  Task<T> start() { return source_->start(*this); }
  template <class V>
  void set_value(V&& value) {
    value_.emplace(std::forward<V>(value));
    drop_source();
  }
  void drop_source() noexcept { source_.reset(); }  // f has given the value: what it holds is not needed any more
  void set_exception(std::exception_ptr exception) noexcept { exception_ = std::move(exception); }
  const T& get() const {
    if (exception_) std::rethrow_exception(exception_);
    return value_.get();
  }

  OnceState state_;

 private:
  struct AnySource {
    virtual ~AnySource() = default;
    virtual Task<T> start(OnceResult& result) = 0;
  };
  template <class F>
  struct Source final : AnySource {
    template <class G1>
    explicit Source(G1&& f) : f_(std::forward<G1>(f)) {}
    Task<T> start(OnceResult& result) override {
      if constexpr (ReturnsTask<F&>) {
        return std::invoke(f_);
      } else {
        result.value_.emplace(std::invoke(f_));
        return {};
      }
    }
    F f_;
  };

  std::unique_ptr<AnySource> source_;
  mutable ResultSlot<T> value_;
  std::exception_ptr exception_;
};

template <class T>
class OnceValueAwaiter;

/// `value.get()`, until it is awaited.
template <class T>
class [[nodiscard("co_await it")]] OnceGet {
 public:
  using Awaiter = OnceValueAwaiter<T>;
  using operation_tag = void;
  explicit OnceGet(OnceResult<T> & result) noexcept : result_(&result) {}

 private:
  friend Awaiter;
  OnceResult<T>* result_;
};

template <class T>
class OnceValueAwaiter : public OnceTaskAwaiter<OnceValueAwaiter<T>, T> {
  using Base = OnceTaskAwaiter<OnceValueAwaiter<T>, T>;

 public:
  OnceValueAwaiter(G* gp, OnceGet<T> op) noexcept : Base(gp), result_(*op.result_) {}
  ~OnceValueAwaiter() {
    if (this->runner_.running()) [[unlikely]]  // the frame is destroyed while f runs
      result_.set_exception(std::make_exception_ptr(std::runtime_error("executor stopped")));
  }
  bool await_ready() {
    if (once().done()) return Base::undisturbed();
    if (!this->runner_.begin(once())) return false;
    try {
      if (Task<T> task = result_.start()) {
        this->child_.emplace(TaskAccess::release(task));
        return false;
      }
      result_.drop_source();
    } catch (...) {
      result_.set_exception(std::current_exception());
    }
    this->runner_.finish();
    return true;
  }
  const T& await_resume() {
    if (this->child_) {
      try {
        result_.set_value(this->child_->await_resume());
      } catch (...) {
        result_.set_exception(std::current_exception());
      }
      this->runner_.finish();
    }
    return result_.get();
  }
  OnceState& once() noexcept { return result_.state_; }

 private:
  OnceResult<T>& result_;
};

}  // namespace detail

/// A value that is made when it is first asked for, one time, whoever asks.
///
///     OnceValue<Config> config{[]() -> Task<Config> { … }};
///     const Config& c = co_await config.get();      Go: sync.OnceValue.
template <class T>
class OnceValue : detail::Immovable {
 public:
  /// f makes the value: a coroutine that returns Task<T>, or a plain function. It is kept until it has given the value.
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > explicit OnceValue(F&& f) : result_(std::in_place, std::forward<F>(f)) {}

  /// `const T& v = co_await value.get();` the value; the first caller makes it, the others wait. It lives as long as the OnceValue. What f
  /// throws is rethrown to every caller, now and later; if f's executor was stopped in the middle: std::runtime_error("executor stopped").
  detail::OnceGet<T> get() noexcept { return detail::OnceGet<T>(result_); }
  /// True once get() would not wait.
  bool done() const noexcept { return result_.state_.done(); }

 private:
  detail::OnceResult<T> result_;
};
template <class F>
OnceValue(F) -> OnceValue<typename detail::ResultOf<std::remove_cvref_t<std::invoke_result_t<F&>>>::type>;

}  // namespace gmp
