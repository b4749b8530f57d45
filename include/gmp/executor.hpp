// include/gmp/executor.hpp — Executor: a scheduler of its own, to embed in an existing program; and run(), for a program that is all gs.
// Go: the runtime itself; func main.  Room: executor (floor 4).
#pragma once

#include <future>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include "gmp/detail/sched/options.hpp"
#include "gmp/go.hpp"

namespace gmp {

class Executor;

namespace detail {

GMPCORO_EXPORT Sched* sched_of(Executor& executor) noexcept;
class FreeRun;

GMPCORO_EXPORT void require_off_g_to_run();  // std::logic_error: run() called from inside a goroutine

template <class F>
struct SubmitCall {
  using R = std::invoke_result_t<F&>;
  F f_;
  std::promise<R> promise_;
  SubmitCall(F f, std::promise<R> promise) : f_(std::move(f)), promise_(std::move(promise)) {}
  void operator()() {
    try {
      if constexpr (std::is_void_v<R>) {
        f_();
        promise_.set_value();
      } else {
        promise_.set_value(f_());
      }
    } catch (...) {
      promise_.set_exception(std::current_exception());
    }
  }
};

}  // namespace detail

/// Ps, the threads (Ms) that serve them, and the gs that run there. Any number in a process; each is stopped by its destructor.
///
/// Threads start on first use. Neither copied nor moved.
class GMPCORO_EXPORT Executor {
 public:
  /// Throws std::invalid_argument (procs out of range), std::system_error (poller uring where it is refused).
  explicit Executor(Options options = {});
  /// stop(), and destroys what is left of the gs.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

#define GMPCORO_EXECUTOR(TYPES, PARAMETERS, ARGUMENTS)                                                                                  \
  template <class F GMPCORO_UNPAREN TYPES>                                                                                              \
  void go(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) {                             \
    detail::start_go(sched_here(), where, std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS);                                                \
  }                                                                                                                                     \
  template <class F GMPCORO_UNPAREN TYPES>                                                                                              \
  [[nodiscard]] auto spawn(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) {            \
    return detail::start_spawn(sched_here(), where, std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS);                                      \
  }                                                                                                                                     \
  template <class F GMPCORO_UNPAREN TYPES>                                                                                              \
  decltype(auto) run(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) {                  \
    detail::require_off_g_to_run();                                                                                                     \
    return detail::start_spawn(sched_.get(), where, std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS).get();                                \
  }
  /// go, spawn: as the free functions, on this executor, from any thread. run(f, args...): starts f as a g, blocks the calling thread until it
  /// has ended, gives its result or rethrows; off gs, or inside blocking(f). If the executor is stopped meanwhile: std::runtime_error("executor stopped").
  GMPCORO_SITED(GMPCORO_EXECUTOR)
#undef GMPCORO_EXECUTOR

  /// Runs a plain callable on an M, as a thread pool's post(). An exception of f is a panic.
  template <class F>
  void post(F&& f, std::source_location where = std::source_location::current()) {
    detail::start_go(sched_here(), where, std::forward<F>(f));
  }
  /// Runs a plain callable on an M; the future has its result or exception. Stopped before it ran: std::future_error (broken promise).
  template <class F>
  [[nodiscard]] auto submit(F&& f, std::source_location where = std::source_location::current()) {
    using Call = detail::SubmitCall<std::decay_t<F>>;
    std::promise<typename Call::R> promise;
    auto future = promise.get_future();
    detail::start_go(sched_here(), where, Call(std::forward<F>(f), std::move(promise)));
    return future;
  }

  /// Refuses new gs, stops every g at its next suspension, ends all I/O, joins the threads, and destroys the frames of the gs that are left,
  /// newest first. Waits for blocking calls and for gs that compute; after 1 s a line on stderr names each. From one of its own gs:
  /// std::logic_error. A second call does nothing.
  void stop();
  bool stopped() const noexcept;
  /// How many gs run at a time: its Ps.      Go: runtime.GOMAXPROCS(0).
  int procs() const noexcept;
  /// Of the calling g; null off a g.
  static Executor* current() noexcept;

 private:
  friend Executor& default_executor();
  friend class detail::FreeRun;
  friend detail::Sched* detail::sched_of(Executor& executor) noexcept;
  struct DetectDeadlock {};
  Executor(Options options, DetectDeadlock);
  detail::Sched* sched_here() const noexcept;  // null while frames are destroyed on this thread
  std::unique_ptr<detail::Sched, void (*)(detail::Sched*)> sched_;
};

/// The executor that go() and spawn() use off gs. Started on first use, never destroyed.
GMPCORO_EXPORT Executor& default_executor();

namespace detail {

/// While it lives SIGQUIT prints the goroutines, and ends the process.
class GMPCORO_EXPORT QuitWatch : Immovable {
 public:
  QuitWatch() noexcept;
  ~QuitWatch();
};

/// The Executor behind the free run(): reports a deadlock, and what goes on when the user asks.
class GMPCORO_EXPORT FreeRun {
 public:
  FreeRun();
  Executor& executor() noexcept { return executor_; }

 private:
  QuitWatch quit_watch_;  // outlives the executor: a program may hang in a frame's destructor, too
  Executor executor_;
};

}  // namespace detail

/// Runs the Task as a g of `executor`, or of default_executor(), blocks the calling plain thread until it has ended, and gives its result or rethrows its
/// exception; inside blocking(f), too. On a g: std::logic_error. Beside run(), which has an executor of its own that ends with it, for threads of a
/// program that uses coroutines here and there.
template <class T>
T block_on(Executor& executor, Task<T> task, std::source_location where = std::source_location::current()) {
  detail::require_plain_thread("block_on()", "co_await the task");
  return executor.run(std::move(task), where);
}
template <class T>
T block_on(Task<T> task, std::source_location where = std::source_location::current()) {
  return block_on(default_executor(), std::move(task), where);
}

#define GMPCORO_RUN(TYPES, PARAMETERS, ARGUMENTS)                                                                     \
  template <class F GMPCORO_UNPAREN TYPES>                                                                            \
  decltype(auto) run(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) {\
    detail::require_off_g_to_run();                                                                                   \
    detail::FreeRun program;                                                                                                  \
    return program.executor().run(std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS, where);                               \
  }
/// Starts a fresh Executor, runs f(args...) as its main g, blocks, stops the Executor, and gives f's result or rethrows its exception.
///
/// As when a Go program ends, other gs are not waited for: they are stopped at their next suspension and their frames destroyed. When no g can
/// ever run again and no other thread could change that: `fatal error: all goroutines are asleep - deadlock!`, with every g, exit status 2.
/// SIGQUIT (Ctrl-\) prints every g of the process, whatever its threads do, and ends it with status 2; unless it has a disposition other than the
/// default when run() is called, be it the program's or os::notify()'s. When run() returns it has its own again.
/// On a g: std::logic_error; inside blocking(f) it is a plain thread's.    Go: func main.
GMPCORO_SITED(GMPCORO_RUN)
#undef GMPCORO_RUN

}  // namespace gmp
