// include/gmp/sync/waitgroup.hpp — WaitGroup: waiting until a number of gs have said that they are done.
// Go: sync/waitgroup.go.  Room: sync (floor 5).  The essay is in src/sync/waitgroup.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/detail/wait/sema.hpp"

namespace gmp {

class WaitGroup;

namespace detail {

/// One who waits for the counter to reach zero.
struct WaitGroupWaiter : SemaWaiter {
  WaitGroupWaiter(WaitGroup& group, G* gp) noexcept : SemaWaiter(gp, &WaitGroupWaiter::withdraw_wait), group_(&group) {}

  bool advance() noexcept;  // sleeper.hpp
  Sema& sema() noexcept;
  bool in_front() const noexcept { return false; }
  static bool undo(SemaWaiter& w) noexcept;
  static constexpr bool competes = false;

  WaitGroup* group_;

 private:
  GMPCORO_EXPORT static bool withdraw_wait(Waiter* w) noexcept;
};

class WaitGroupAwaiter;
template <class F, class... A>
struct CountedCall;

/// `wg.wait()`, until it is awaited.
class [[nodiscard("co_await it")]] WaitGroupWait {
 public:
  using Awaiter = WaitGroupAwaiter;
  using operation_tag = void;
  explicit WaitGroupWait(WaitGroup & group) noexcept : group_(&group) {}

 private:
  friend WaitGroupAwaiter;
  WaitGroup* group_;
};

}  // namespace detail

/// Waits for a number of gs. add() before each is started, done() as its last act, wait() for all of them; or go(), which does it all.
///
/// add() for a new round only when every wait() of the last one has returned. What happens before a done() is seen after the wait() that it
/// ends.      Go: sync.WaitGroup.
class GMPCORO_EXPORT WaitGroup : detail::Immovable {
 public:
  constexpr WaitGroup() noexcept = default;
  ~WaitGroup() {
    if (static_cast<std::uint32_t>(state_.load(detail::relaxed)) != 0) [[unlikely]]
      destroyed_in_use();  // no partner: the caller is alone with it
  }

  /// Raises the counter by n, which may be negative; at zero all who wait are woken. Call it before the g it counts is started, not in it.
  /// Never suspends; from any g, or plain thread. Below zero: std::logic_error("sync: negative WaitGroup counter"), and the counter
  /// is as before. Raised from zero while somebody waits: std::logic_error("sync: WaitGroup misuse: …").      Go: WaitGroup.Add.
  void add(int n = 1) {
    const std::uint64_t delta = static_cast<std::uint64_t>(n) << 32;
    const std::uint64_t state =
        state_.fetch_add(delta, detail::release) + delta;  // [WAITGROUP] at zero, with nobody waiting, the last touch
    const auto counter = static_cast<std::int32_t>(state >> 32);
    const bool waited_for = static_cast<std::uint32_t>(state) != 0;
    if (counter > 0 ? waited_for && counter == n : counter < 0 || waited_for) [[unlikely]]
      add_slow(n, state);
  }
  /// add(-1).      Go: WaitGroup.Done.
  void done() { add(-1); }

  /// `co_await wg.wait();` suspends the g until the counter is zero; at once if it is. Woken by the done() that makes it zero. If the
  /// counter was raised again before this wait returned: std::logic_error("sync: WaitGroup is reused before previous Wait has returned").
  /// Go: WaitGroup.Wait.
  detail::WaitGroupWait wait() noexcept { return detail::WaitGroupWait(*this); }
  /// wait() for a plain thread, which sleeps. On a g: std::logic_error.
  void wait_blocking();

#define GMPCORO_WAITGROUP_GO(TYPES, PARAMETERS, ARGUMENTS)                                                  \
  template <class F GMPCORO_UNPAREN TYPES>                                                                  \
  void go(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) { \
    start(where, std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS);                                             \
  }
  /// add(), and a new g that runs f(args...), as gmp::go does, and calls done() when it has ended and f and args are gone. An exception
  /// in f is a panic.      Go: WaitGroup.Go.
  GMPCORO_SITED(GMPCORO_WAITGROUP_GO)
#undef GMPCORO_WAITGROUP_GO

 private:
  friend detail::WaitGroupWaiter;
  friend detail::WaitGroupAwaiter;

  template <class F, class... A>
  void start(std::source_location where, F&& f, A&&... arguments);

  bool finished() const noexcept { return static_cast<std::int32_t>(state_.load(detail::acquire) >> 32) == 0; }  // [WAITGROUP]
  void add_slow(int n, std::uint64_t state);
  void check_not_reused() const;
  void destroyed_in_use() const noexcept;

  detail::Atomic<std::uint64_t> state_{0};  // high half: the counter, signed; low half: how many sleep, with no permit on its way
  detail::Sema sema_;
};

namespace detail {

class GMPCORO_EXPORT WaitGroupAwaiter : public OperationAwaiter<WaitGroupAwaiter> {
 public:
  WaitGroupAwaiter(G* gp, WaitGroupWait op) noexcept : OperationAwaiter(gp), group_(*op.group_) {}
  bool await_ready() const noexcept { return undisturbed() && group_.finished(); }
  bool suspend(FrameLink& leaf) noexcept;
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  void await_resume() const {
    if (tried_ && waiter_.get().granted_) group_.check_not_reused();
  }

 private:
  bool tried_ = false;  // waiter_ is there
  WaitGroup& group_;
  Late<WaitGroupWaiter> waiter_;
};

/// Says done() when it dies.
class DoneGuard {
 public:
  explicit DoneGuard(WaitGroup& group) noexcept : group_(&group) {}
  DoneGuard(DoneGuard&& other) noexcept : group_(std::exchange(other.group_, nullptr)) {}
  DoneGuard& operator=(DoneGuard&&) = delete;
  ~DoneGuard() {
    if (group_ != nullptr) group_->done();
  }

 private:
  WaitGroup* group_;
};

/// What a g of WaitGroup::go is made from. It lives in the g's root frame, and dies with it: however the g ends, by its return, an
/// exception, the end of its executor, or because it could not be started, first f and its arguments go, then done() is said.
template <class F, class... A>
struct CountedCall {
  template <class F1, class... A1>
  CountedCall(WaitGroup& group, F1&& f, A1&&... arguments) : done_(group), call_(std::forward<F1>(f), std::forward<A1>(arguments)...) {}

  DoneGuard done_;
  std::tuple<F, A...> call_;
};

template <class F, class... A>
Task<> counted_frame(CountedCall<F, A...> counted) {
  if constexpr (is_task<F>) {
    static_cast<void>(co_await std::get<0>(counted.call_));
  } else {
    auto call = [](F& f, A&... arguments) -> decltype(auto) { return std::invoke(std::move(f), std::move(arguments)...); };
    if constexpr (is_task<std::remove_cvref_t<std::invoke_result_t<F, A...>>>) {
      auto task = std::apply(call, counted.call_);
      static_cast<void>(co_await task);
    } else {
      static_cast<void>(std::apply(call, counted.call_));
    }
  }
  co_return;
}

}  // namespace detail

template <class F, class... A>
void WaitGroup::start(std::source_location where, F&& f, A&&... arguments) {
  if constexpr (detail::is_task<std::remove_cvref_t<F>>) {
    static_assert(sizeof...(A) == 0, "WaitGroup::go(task): a Task takes no arguments");
    static_assert(!std::is_lvalue_reference_v<F>, "WaitGroup::go(task): move the Task, it becomes the goroutine");
    if (!f) detail::throw_empty_task();
  } else {
    static_assert(
        std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...>,
        "WaitGroup::go(f, args...): f cannot be called with these arguments; they are decay-copied, and std::ref passes a reference");
    detail::require_callable(f);
  }
  add();
  detail::CountedCall<std::decay_t<F>, std::decay_t<A>...> counted(*this, std::forward<F>(f), std::forward<A>(arguments)...);
  detail::launch_task(detail::sched_here(), detail::counted_frame(std::move(counted)), where, nullptr);
}

}  // namespace gmp
