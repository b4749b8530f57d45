// include/gmp/go.hpp — go, spawn, yield, blocking, suspend, all, defer, this_g: the verbs of goroutines.
// Go: the go statement; runtime.Gosched, runtime.LockOSThread.  Room: go (floor 4).
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "gmp/detail/go/all.hpp"
#include "gmp/detail/go/attempt.hpp"
#include "gmp/detail/go/waker.hpp"
#include "gmp/detail/task/callable.hpp"
#include "gmp/detail/task/join.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/task.hpp"

namespace gmp {

#define GMPCORO_GO(TYPES, PARAMETERS, ARGUMENTS)                                                                          \
  template <class F GMPCORO_UNPAREN TYPES>                                                                                \
  void go(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) {               \
    detail::start_go(detail::sched_here(), where, std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS);                          \
  }
/// Starts a g that runs f(args...): `go(f, args...)`.
///
/// f returns Task<T>, or is a plain function, which runs to its end as a g; a Task<T> may stand in place of f and args. (What is no coroutine itself, but
/// returns the Task of one, may be called before go() returns; what it throws is the g's all the same.) f and args are
/// decay-copied into the g and live until it ends, as with std::thread: a capturing lambda is safe; std::ref passes a reference. The new g
/// is the next to run on this P, unless another one is started or woken after it. On a g: on its executor; elsewhere: on
/// default_executor(), from any thread. An exception that leaves the g is a panic: it is printed, with where the g was and who started it,
/// and the process exits with status 2 (Options::on_panic replaces that).
/// Throws std::runtime_error("executor stopped"), std::invalid_argument for an empty Task or function, std::bad_alloc.    Go: go f(x).
GMPCORO_SITED(GMPCORO_GO)
#undef GMPCORO_GO

/// A handle on the result of a spawned g. Move-only; dropping it detaches, and an exception of the g that nobody took is then a panic.
///
/// `T value = co_await handle;` parks until the g has ended and its frames are gone, on any executor, and gives what it returned or rethrows
/// what it threw; once, else std::logic_error. If its executor was stopped: std::runtime_error("executor stopped").
template <class T>
class [[nodiscard("dropping the handle detaches the goroutine; use go() for that")]] JoinHandle {
 public:
  class Awaiter;
  using operation_tag = void;

  JoinHandle() noexcept = default;
  explicit JoinHandle(detail::JoinState<T>* state) noexcept : state_(state) {}
  JoinHandle(JoinHandle&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  JoinHandle& operator=(JoinHandle&& other) noexcept {
    if (this != &other) {
      detach();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~JoinHandle() { detach(); }

  /// The same as an operation: `co_await h.join()`.
  class JoinOp;
  JoinOp join() { return JoinOp(state()); }

  /// Blocks a plain thread until the g has ended. On a g: std::logic_error.
  T get() {
    detail::require_plain_thread("get()", "co_await");
    state().wait_blocking();
    return state().give();
  }
  /// True once the g has ended. Never blocks.
  bool done() const { return state().done(); }
  /// Lets go of the g, which runs on.
  void detach() noexcept {
    if (state_ != nullptr) std::exchange(state_, nullptr)->handle_gone();
  }
  /// False after a move or detach().
  explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  detail::JoinState<T>& state() const {
    if (state_ == nullptr) detail::throw_joined();
    return *state_;
  }
  detail::JoinState<T>* state_ = nullptr;
};

template <class T>
class [[nodiscard("co_await it")]] JoinHandle<T>::JoinOp {
 public:
  using Awaiter = JoinHandle::Awaiter;
  using operation_tag = void;
  explicit JoinOp(detail::JoinState<T>& state) noexcept : state_(&state) {}

 private:
  friend class JoinHandle::Awaiter;
  detail::JoinState<T>* state_;
};

template <class T>
class JoinHandle<T>::Awaiter : public detail::OperationAwaiter<Awaiter> {
  using Base = detail::OperationAwaiter<Awaiter>;

 public:
  Awaiter(detail::G* gp, JoinHandle& handle) : Awaiter(gp, handle.state()) {}
  Awaiter(detail::G* gp, JoinHandle&& handle) : Awaiter(gp, handle.state()) {}
  Awaiter(detail::G* gp, JoinOp&& op) : Awaiter(gp, *op.state_) {}
  ~Awaiter() { waiter_.block_->unref(); }

  bool await_ready() const noexcept { return Base::undisturbed() && waiter_.block_->done(); }
  bool suspend(detail::FrameLink& leaf) {
    if (waiter_.block_->park(this->g_, leaf, waiter_)) return true;
    return detail::give_way(this->g_, leaf);
  }
  bool withdrawn() const noexcept { return waiter_.withdrawn_; }
  T await_resume() { return static_cast<detail::JoinState<T>*>(waiter_.block_)->give(); }

 private:
  Awaiter(detail::G* gp, detail::JoinState<T>& state) : Base(gp), waiter_(&state) { state.ref(); }
  detail::JoinWaiter waiter_;
};

namespace detail {

/// Gives back the block if the g could not be started: both owners' shares.
template <class T>
struct JoinGuard {
  JoinState<T>* state_;
  explicit JoinGuard(JoinState<T>* state) noexcept : state_(state) {}
  JoinGuard(const JoinGuard&) = delete;
  JoinGuard& operator=(const JoinGuard&) = delete;
  ~JoinGuard() {
    if (state_ != nullptr) {
      state_->unref();
      state_->unref();
    }
  }
};

template <class T>
JoinHandle<T> launch_joined(Sched* sched, JoinGuard<T>& guard, Task<> frame, std::source_location where) {
  if (sched == nullptr)
    guard.state_->not_started();
  else
    guard.state_->set_id(launch_task(sched, std::move(frame), where, guard.state_));
  return JoinHandle<T>(std::exchange(guard.state_, nullptr));
}

template <class F, class... A>
auto start_spawn(Sched* sched, std::source_location where, F&& f, A&&... arguments) {
  if constexpr (is_task<std::remove_cvref_t<F>>) {
    static_assert(sizeof...(A) == 0, "spawn(task): a Task takes no arguments");
    static_assert(!std::is_lvalue_reference_v<F>, "spawn(task): move the Task, it becomes the goroutine");
    using T = typename std::remove_cvref_t<F>::value_type;
    if (!f) throw_empty_task();
    JoinGuard<T> guard(new JoinState<T>);  // before the frame, whose making may throw
    return launch_joined<T>(sched, guard, join_frame<T>(guard.state_, std::move(f)), where);
  } else {
    static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...>,
                  "spawn(f, args...): f cannot be called with these arguments; they are decay-copied, and std::ref passes a reference");
    using T = SpawnResult<F, A...>;
    require_callable(f);
    JoinGuard<T> guard(new JoinState<T>);
    return launch_joined<T>(
        sched, guard, join_call_frame<T, std::decay_t<F>, std::decay_t<A>...>(guard.state_, std::forward<F>(f), std::forward<A>(arguments)...), where);
  }
}

}  // namespace detail

#define GMPCORO_SPAWN(TYPES, PARAMETERS, ARGUMENTS)                                                                       \
  template <class F GMPCORO_UNPAREN TYPES>                                                                                \
  [[nodiscard]] auto spawn(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) { \
    return detail::start_spawn(detail::sched_here(), where, std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS);                \
  }
/// As go(), with a JoinHandle<T> on what f returns. An exception that leaves the g is rethrown to who joins it.
GMPCORO_SITED(GMPCORO_SPAWN)
#undef GMPCORO_SPAWN

namespace detail {

struct YieldOp {
  class Awaiter;
  using operation_tag = void;
  YieldOp() noexcept {}
};
class YieldOp::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, YieldOp&&) noexcept : OperationAwaiter(gp) {}
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) noexcept {
    yield_now(g_, leaf);
    return true;
  }
  void await_resume() const noexcept {}
};

template <class F, class... A>
class BlockingOp {
 public:
  class Awaiter;
  using operation_tag = void;
  using Result = std::invoke_result_t<F, A...>;
  template <class G1, class... B>
  explicit BlockingOp(std::in_place_t, G1&& f, B&&... arguments) : call_(std::forward<G1>(f), std::forward<B>(arguments)...) {}

 private:
  friend class Awaiter;
  std::tuple<F, A...> call_;  // an lvalue callable is held by reference, and used in place
};
template <class F, class... A>
class BlockingOp<F, A...>::Awaiter : public OperationAwaiter<Awaiter> {
  using Value = std::conditional_t<std::is_void_v<Result>, std::monostate,
                                   std::conditional_t<std::is_reference_v<Result>, std::add_pointer_t<Result>, Result>>;

 public:
  Awaiter(G* gp, BlockingOp&& op) : OperationAwaiter<Awaiter>(gp), caller_(gp), call_(std::move(op.call_)) {}
  bool await_ready() {
    G* gp = caller_;
    blocking_begin(gp);
    try {
      if constexpr (std::is_void_v<Result>)
        call();
      else if constexpr (std::is_reference_v<Result>)
        value_.emplace(std::addressof(call()));
      else
        value_.emplace(call());
    } catch (...) {
      thrown_ = std::current_exception();
    }
    return blocking_end(gp);
  }
  bool suspend(FrameLink& leaf) noexcept {
    blocking_let_go(this->g_, leaf);
    return true;
  }
  Result await_resume() {
    if (thrown_) std::rethrow_exception(std::move(thrown_));
    if constexpr (std::is_reference_v<Result>)
      return static_cast<Result>(**value_);
    else if constexpr (!std::is_void_v<Result>)
      return std::move(*value_);
  }

 private:
  decltype(auto) call() {
    return std::apply([](auto&&... all) -> decltype(auto) { return std::invoke(std::forward<decltype(all)>(all)...); }, std::move(call_));
  }
  G* caller_;
  std::tuple<F, A...> call_;
  std::optional<Value> value_;
  std::exception_ptr thrown_;
};

}  // namespace detail

/// `co_await yield();` lets the others of this P run: the g goes to the tail of the P's queue.    Go: runtime.Gosched.
[[nodiscard("co_await it")]] inline detail::YieldOp yield() noexcept { return detail::YieldOp(); }

/// `R r = co_await blocking(f, args...);` calls f on this thread, as a call that may block: within about 20 us the P, with all other gs, goes
/// to another thread. Returns what f returns, rethrows what it throws. Inside f the calling thread counts as a plain thread: `…_blocking` and
/// get() are allowed. A call that is not restarted after EINTR (epoll_wait, or recv with a receive timeout) may return EINTR while I/O of
/// this thread completes. Costs a few nanoseconds when f does not block.    Go: entersyscall and exitsyscall round a system call.
template <class F, class... A>
  requires std::is_invocable_v<F, std::decay_t<A>...>
[[nodiscard("co_await it")]] auto blocking(F&& f, A&&... arguments) {
  GMPCORO_CHECK_CALLABLE(F);
  return detail::BlockingOp<F, std::decay_t<A>...>(std::in_place, std::forward<F>(f), std::forward<A>(arguments)...);
}

/// `Result<T> r = co_await attempt(task);` awaits the task, or an operation, and catches what it throws: r.exception then, and r.err says it in
/// short (of a std::system_error its code, else errc::exception). For cleaning up by co_await, which a catch block cannot. A reference comes as a
/// std::reference_wrapper.      Go: recover.
template <class T>
[[nodiscard("co_await it")]] detail::AttemptTask<T> attempt(Task<T>&& task) noexcept {
  return detail::AttemptTask<T>(std::move(task));
}
template <class T>
[[nodiscard("co_await it")]] detail::AttemptTask<T> attempt(Task<T>& task) noexcept {
  return detail::AttemptTask<T>(std::move(task));
}
template <class AnAll>
  requires(!std::is_lvalue_reference_v<AnAll> && requires { typename AnAll::all_tag; })
[[nodiscard("co_await it")]] auto attempt(AnAll&& all) {
  return attempt(Task<typename AnAll::value_type>(std::move(all)));
}
template <detail::Operation Op>
  requires(!std::is_lvalue_reference_v<Op>)
[[nodiscard("co_await it")]] detail::AttemptOp<Op> attempt(Op&& operation) {
  return detail::AttemptOp<Op>(std::forward<Op>(operation));
}

/// A scope guard: `auto d = defer([&] { … });` calls it when the scope ends, also by an exception, and also when the frames of a stopped
/// executor are destroyed. It must not throw.    Go: defer.
template <class F>
class [[nodiscard("name it: `auto d = defer(…);`")]] Deferred {
 public:
  explicit Deferred(F f) : f_(std::move(f)) {}
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  ~Deferred() { f_(); }

 private:
  F f_;
};
/// The guard, of f: to be named.      Go: defer.
template <class F>
Deferred<std::decay_t<F>> defer(F&& f) {
  return Deferred<std::decay_t<F>>(std::forward<F>(f));
}

/// gs that have not ended, of the calling g's executor (off a g: of the default one).    Go: runtime.NumGoroutine.
GMPCORO_EXPORT std::size_t num_goroutine();
/// Sets how many gs of the calling g's executor run at a time (off a g: of the default one); gives the number before. n < 1 only asks.
/// Surplus Ps finish what they run and pass on what they queued.    Go: runtime.GOMAXPROCS.
GMPCORO_EXPORT int gomaxprocs(int n = 0);

namespace detail {
struct GMPCORO_EXPORT LockThreadOp {
  class Awaiter;
  using operation_tag = void;
  LockThreadOp() noexcept {}
};
class LockThreadOp::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, LockThreadOp&&) noexcept : OperationAwaiter(gp), caller_(gp) {}
  bool await_ready();
  bool suspend(FrameLink&) noexcept { return false; }
  void await_resume() const noexcept {}

 private:
  G* caller_;
};
}  // namespace detail

namespace this_g {
/// The calling g's number, which no other g of this process ever has; 0 off a g.
GMPCORO_EXPORT std::uint64_t id();
/// Names the calling g in dumps. Off a g: nothing.
GMPCORO_EXPORT void set_name(std::string name);
/// `co_await this_g::lock_os_thread();`: from now on this g alone runs on this thread, and nowhere else. Counted.    Go: runtime.LockOSThread.
[[nodiscard("co_await it")]] inline detail::LockThreadOp lock_os_thread() noexcept { return detail::LockThreadOp(); }
/// Undoes one lock_os_thread(); without one it does nothing.    Go: runtime.UnlockOSThread.
GMPCORO_EXPORT void unlock_os_thread();
}  // namespace this_g

}  // namespace gmp
