// include/gmp/context/group.hpp — Group: goroutines that work on parts of one task, of which the first to fail stops the others.
// Go: golang.org/x/sync/errgroup.  Room: context (floor 5).  The essay is in src/context/group.cpp.
#pragma once

#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

#include "gmp/context.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/sync/waitgroup.hpp"

namespace gmp {

namespace detail {

class GroupPlace;
class GroupState;

/// A counted reference to one, or to none.
class GMPCORO_EXPORT GroupRef {
 public:
  constexpr GroupRef() noexcept = default;
  explicit GroupRef(GroupState* adopted) noexcept : state_(adopted) {}
  GroupRef(const GroupRef& other) noexcept;
  GroupRef(GroupRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  GroupRef& operator=(GroupRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~GroupRef();
  GroupState* get() const noexcept { return state_; }
  WaitGroup& wait_group() const noexcept;

  static GroupRef make(const Context& parent);
  const Context& context() const noexcept;
  void set_limit(int n) const;
  /// Starts the frame, which has this place, or, beyond the limit, keeps it for later, or if it may not wait, gives it up: false.
  bool start(Task<> frame, GroupPlace& place, std::source_location where, bool may_wait) const;
  void failed(std::exception_ptr thrown) const noexcept;
  void finish() const;  // rethrows the first failure

 private:
  GroupState* state_ = nullptr;
};

/// One place in the group: wait() waits for it from its making to its end. It moves into a frame, which nobody can look into; so it keeps
/// home up to date with where it is, until start() has found it there.
class GMPCORO_EXPORT GroupPlace {
 public:
  GroupPlace(const GroupRef& group, GroupPlace*& home);
  GroupPlace(GroupPlace&& other) noexcept : group_(std::move(other.group_)), home_(other.home_) { *home_ = this; }
  GroupPlace& operator=(GroupPlace&&) = delete;
  ~GroupPlace();
  const GroupRef& group() const noexcept { return group_; }

 private:
  friend class GroupRef;
  GroupRef group_;
  GroupPlace** home_;  // null: start() has counted it
};

/// What a g of a Group is made from: first f and its arguments go, then its place.
template <class F, class... A>
struct GroupCall {
  template <class F1, class... A1>
  GroupCall(const GroupRef& group, GroupPlace*& home, F1&& f, A1&&... arguments)
      : place_(group, home), call_(std::forward<F1>(f), std::forward<A1>(arguments)...) {}

  GroupPlace place_;
  std::tuple<F, A...> call_;
};

template <class F, class... A>
Task<> group_frame(GroupCall<F, A...> member) {
  try {
    if constexpr (is_task<F>) {
      static_cast<void>(co_await std::get<0>(member.call_));
    } else {
      auto call = [](F& f, A&... arguments) -> decltype(auto) { return std::invoke(std::move(f), std::move(arguments)...); };
      if constexpr (is_task<std::remove_cvref_t<std::invoke_result_t<F, A...>>>) {
        auto task = std::apply(call, member.call_);
        static_cast<void>(co_await task);
      } else {
        static_cast<void>(std::apply(call, member.call_));
      }
    }
  } catch (...) {
    member.place_.group().failed(std::current_exception());
  }
  co_return;
}

/// `group.wait()`, until it is awaited.
class [[nodiscard("co_await it")]] GroupWait {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit GroupWait(GroupRef group) noexcept : group_(std::move(group)) {}

 private:
  GroupRef group_;
};

class GroupWait::Awaiter : private GroupRef, public WaitGroupAwaiter {
 public:
  Awaiter(G* gp, GroupWait&& op) noexcept : GroupRef(std::move(op.group_)), WaitGroupAwaiter(gp, wait_group().wait()) {}
  void await_resume() {
    WaitGroupAwaiter::await_resume();
    finish();
  }
};

}  // namespace detail

/// A number of goroutines that work on one thing: wait() waits for all of them, and the first exception of one cancels the context that all were
/// given.
///
///     Group group(ctx);
///     for (auto& url : urls) group.go(fetch, group.context(), url);
///     co_await group.wait();      // rethrows what the first that failed has thrown
///
/// Destroying it waits for nobody; its goroutines go on.      Go: errgroup.Group, errgroup.WithContext.
class Group {
 public:
  /// parent: of the group's context; nil: the background.
  explicit Group(const Context& parent = {}) : state_(detail::GroupRef::make(parent)) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

#define GMPCORO_GROUP_GO(TYPES, PARAMETERS, ARGUMENTS)                                                      \
  template <class F GMPCORO_UNPAREN TYPES>                                                                  \
  void go(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) { \
    start(true, where, std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS);                                       \
  }
  /// A new goroutine runs f(args...), as gmp::go does; what it returns is dropped. Beyond the limit it is started when another one of the group
  /// ends, in the order of the calls: go() itself never waits, which is Go's way there.      Go: Group.Go.
  GMPCORO_SITED(GMPCORO_GROUP_GO)
#undef GMPCORO_GROUP_GO

#define GMPCORO_GROUP_TRY_GO(TYPES, PARAMETERS, ARGUMENTS)                                                      \
  template <class F GMPCORO_UNPAREN TYPES>                                                                      \
  bool try_go(F&& f GMPCORO_UNPAREN PARAMETERS, std::source_location where = std::source_location::current()) { \
    return start(false, where, std::forward<F>(f) GMPCORO_UNPAREN ARGUMENTS);                                   \
  }
  /// The same if the limit allows it now; else false, and f and args are gone.      Go: Group.TryGo.
  GMPCORO_SITED(GMPCORO_GROUP_TRY_GO)
#undef GMPCORO_GROUP_TRY_GO

  /// At most n of its goroutines at a time; negative: any number. While some are there: std::logic_error("errgroup: modify limit while N
  /// goroutines in the group are still active").      Go: Group.SetLimit.
  void set_limit(int n) { state_.set_limit(n); }
  /// `co_await group.wait();` parks until all of them have ended, those that wait for their turn too; then cancels the context, and rethrows the
  /// first exception, each time it is called. Under until() it may be given up, and called again.      Go: Group.Wait.
  detail::GroupWait wait() const noexcept { return detail::GroupWait(state_); }
  /// What the goroutines should look at: cancelled by the first failure, which is its cause(), and at the end of wait().
  Context context() const noexcept { return state_.context(); }

 private:
  template <class F, class... A>
  bool start(bool may_wait, std::source_location where, F&& f, A&&... arguments) {
    if constexpr (detail::is_task<std::remove_cvref_t<F>>) {
      static_assert(sizeof...(A) == 0, "Group::go(task): a Task takes no arguments");
      static_assert(!std::is_lvalue_reference_v<F>, "Group::go(task): move the Task, it becomes the goroutine");
      if (!f) detail::throw_empty_task();
    } else {
      static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...>,
                    "Group::go(f, args...): f cannot be called with these arguments; they are decay-copied, and std::ref passes a reference");
      detail::require_callable(f);
    }
    detail::GroupPlace* place = nullptr;
    detail::GroupCall<std::decay_t<F>, std::decay_t<A>...> member(state_, place, std::forward<F>(f), std::forward<A>(arguments)...);
    Task<> frame = detail::group_frame(std::move(member));
    return state_.start(std::move(frame), *place, where, may_wait);
  }

  detail::GroupRef state_;
};

}  // namespace gmp
