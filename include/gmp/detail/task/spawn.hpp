// include/gmp/detail/task/spawn.hpp — from a callable and its arguments to a g: what go, spawn, run, post and wg.go share.
// Go: cmd/compile's go statement (it evaluates f and its arguments, then newproc).  Room: task (floor 4).
//
// f and its arguments are decay-copied into the root frame and live there until the g ends, so a capturing lambda is safe.  Where the callee's
// own frame holds all of them anyway (a function or a captureless lambda whose parameters are of the arguments' types), it is the root frame itself.
//
// Where a g was started must be known, and a defaulted source_location after a parameter pack is not deduced: so each verb is a set of
// overloads for 0 to 8 arguments, written by GMPCORO_SITED.
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "gmp/detail/sched/g.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {

class Sched;

/// The executor of the calling g, else the default one; null while the frames of a stopped executor are destroyed on this thread: nothing
/// is started then.
GMPCORO_EXPORT Sched* sched_here();

/// Makes a g of the frame and queues it; gives its id. Throws std::runtime_error("executor stopped"), std::bad_alloc; then the frame is the caller's still.
GMPCORO_EXPORT std::uint64_t launch(Sched* sched, FrameLink& root, std::source_location where, GEnd* end);

template <class R, bool = is_task<std::remove_cvref_t<R>>>
struct ResultOf {
  using type = std::conditional_t<std::is_lvalue_reference_v<R>, R, std::remove_cvref_t<R>>;
};
template <class R>
struct ResultOf<R, true> {
  using type = typename std::remove_cvref_t<R>::value_type;
};
/// What `co_await f(args...)`, or a plain call, gives.
template <class F, class... A>
using SpawnResult = typename ResultOf<std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>>::type;

// A parameter of another type than its argument may refer to it, as a std::string_view does to a std::string; a number cannot.
template <class P, class A>
inline constexpr bool is_kept = std::is_same_v<P, std::decay_t<A>> || (std::is_arithmetic_v<P> && std::is_arithmetic_v<std::decay_t<A>>);
template <class... P, class... A>
consteval bool all_kept(std::type_identity<void(P...)>, std::type_identity<void(A...)>) {
  if constexpr (sizeof...(P) == sizeof...(A))
    return (is_kept<P, A> && ...);
  else
    return false;
}
template <class F>
struct Parameters;
template <class R, class... P>
struct Parameters<R (*)(P...)> : std::type_identity<void(P...)> {};
template <class R, class C, class... P>
struct Parameters<R (C::*)(P...) const> : std::type_identity<void(P...)> {};
template <class R, class C, class... P>
struct Parameters<R (C::*)(P...)> : std::type_identity<void(P...)> {};

/// True if the coroutine that f(args...) makes holds everything it needs in its own frame.
template <class F, class... A>
consteval bool owns_its_arguments() {
  using D = std::decay_t<F>;
  if constexpr (requires { typename Parameters<D>::type; })
    return all_kept(std::type_identity<typename Parameters<D>::type>(), std::type_identity<void(A...)>());
  else if constexpr (std::is_empty_v<D> && std::is_trivially_destructible_v<D> && requires { typename Parameters<decltype(&D::operator())>::type; })
    return all_kept(std::type_identity<typename Parameters<decltype(&D::operator())>::type>(), std::type_identity<void(A...)>());
  else
    return false;
}

template <class F>
void require_callable(const F& f) {
  if constexpr (!std::is_function_v<F> && requires { static_cast<bool>(f == nullptr); }) {
    if (f == nullptr) throw std::invalid_argument("go of nil func value");
  }
}

template <class F, class... A>
Task<> call_frame(F f, A... arguments) {
  if constexpr (is_task<std::remove_cvref_t<std::invoke_result_t<F, A...>>>)
    static_cast<void>(co_await std::invoke(std::move(f), std::move(arguments)...));
  else
    static_cast<void>(std::invoke(std::move(f), std::move(arguments)...));
  co_return;
}

template <class T>
FrameLink& root_of(Task<T>& task) {
  if (!task) throw_empty_task();
  return TaskAccess::peek(task).promise();
}

template <class T>
std::uint64_t launch_task(Sched* sched, Task<T> task, std::source_location where, GEnd* end) {
  FrameLink& root = root_of(task);
  if (sched == nullptr) return 0;
  const std::uint64_t id = launch(sched, root, where, end);
  static_cast<void>(TaskAccess::release(task));  // the g owns it from here on
  return id;
}

template <class F, class... A>
void start_go(Sched* sched, std::source_location where, F&& f, A&&... arguments) {
  if constexpr (is_task<std::remove_cvref_t<F>>) {
    static_assert(sizeof...(A) == 0, "go(task): a Task takes no arguments");
    static_assert(!std::is_lvalue_reference_v<F>, "go(task): move the Task, it becomes the goroutine");
    launch_task(sched, std::move(f), where, nullptr);
  } else {
    static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...>,
                  "go(f, args...): f cannot be called with these arguments; they are decay-copied, and std::ref passes a reference");
    require_callable(f);
    if constexpr (owns_its_arguments<F, A...>() && is_task<std::remove_cvref_t<std::invoke_result_t<F, A...>>>)
      launch_task(sched, std::invoke(std::forward<F>(f), std::forward<A>(arguments)...), where, nullptr);
    else
      launch_task(sched, call_frame<std::decay_t<F>, std::decay_t<A>...>(std::forward<F>(f), std::forward<A>(arguments)...), where, nullptr);
  }
}

}  // namespace gmp::detail

// GMPCORO_SITED(M) expands M(types, parameters, arguments) for 0 to 8 arguments: M writes one overload, ending its parameter list with
// `std::source_location where = std::source_location::current()`.
#define GMPCORO_SITED(M)                                                                                                                      \
  M((), (), ())                                                                                                                               \
  M((, class A1), (, A1&& a1), (, std::forward<A1>(a1)))                                                                                      \
  M((, class A1, class A2), (, A1&& a1, A2&& a2), (, std::forward<A1>(a1), std::forward<A2>(a2)))                                             \
  M((, class A1, class A2, class A3), (, A1&& a1, A2&& a2, A3&& a3),                                                                          \
    (, std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3)))                                                                     \
  M((, class A1, class A2, class A3, class A4), (, A1&& a1, A2&& a2, A3&& a3, A4&& a4),                                                       \
    (, std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3), std::forward<A4>(a4)))                                               \
  M((, class A1, class A2, class A3, class A4, class A5), (, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5),                                    \
    (, std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3), std::forward<A4>(a4), std::forward<A5>(a5)))                         \
  M((, class A1, class A2, class A3, class A4, class A5, class A6), (, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6),                 \
    (, std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3), std::forward<A4>(a4), std::forward<A5>(a5), std::forward<A6>(a6)))   \
  M((, class A1, class A2, class A3, class A4, class A5, class A6, class A7),                                                                 \
    (, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6, A7&& a7),                                                                        \
    (, std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3), std::forward<A4>(a4), std::forward<A5>(a5), std::forward<A6>(a6),    \
     std::forward<A7>(a7)))                                                                                                                   \
  M((, class A1, class A2, class A3, class A4, class A5, class A6, class A7, class A8),                                                       \
    (, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6, A7&& a7, A8&& a8),                                                               \
    (, std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3), std::forward<A4>(a4), std::forward<A5>(a5), std::forward<A6>(a6),    \
     std::forward<A7>(a7), std::forward<A8>(a8)))
#define GMPCORO_UNPAREN(...) __VA_ARGS__
