// include/gmp/context.hpp — Context: when to give up, and why; until and timeout: operations that can be given up.
// Go: package context.  Room: context (floor 5).
#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <optional>
#include <source_location>
#include <stop_token>
#include <system_error>
#include <type_traits>
#include <utility>

#include "gmp/chan.hpp"
#include "gmp/detail/context/after_done.hpp"
#include "gmp/detail/context/node.hpp"
#include "gmp/detail/context/until.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/result.hpp"
#include "gmp/time.hpp"

namespace gmp {

class Context;

namespace detail {

struct ContextAccess {
  static Context from(ContextRef node) noexcept;
  static const ContextRef& ref(const Context& ctx) noexcept;
  static ContextRef take(Context&& ctx) noexcept;
  /// Throws std::invalid_argument("cannot create context from nil parent").
  GMPCORO_EXPORT static ContextNode* parent(const Context& ctx);
};
GMPCORO_EXPORT ContextRef new_cancel_node(ContextNode* parent);
GMPCORO_EXPORT ContextRef new_deadline_node(ContextNode* parent, std::int64_t deadline_ns, std::exception_ptr cause = nullptr);
GMPCORO_EXPORT ContextRef new_stop_token_node(std::stop_token token);

}  // namespace detail

/// A key for values of type T in contexts: an object of static storage. Each is a key of its own.      Go: a key of a private type.
///
///     inline constexpr ContextKey<User> user_key;
template <class T>
class ContextKey : detail::Immovable {
 public:
  constexpr ContextKey() noexcept {}

 private:
  [[maybe_unused]] char identity_ = 0;  // two objects of an empty class could share an address
};

namespace detail {

/// What says why: an exception, a pointer to one, or an error code.
template <class E>
concept Cause = std::derived_from<std::remove_cvref_t<E>, std::exception> || std::same_as<std::remove_cvref_t<E>, std::error_code> ||
                std::same_as<std::remove_cvref_t<E>, std::exception_ptr>;
/// What is thrown of that: it itself, or of a std::error_code std::system_error.
template <class E>
std::exception_ptr pointer_to(E&& cause) {
  if constexpr (std::same_as<std::remove_cvref_t<E>, std::exception_ptr>)
    return std::forward<E>(cause);
  else if constexpr (std::same_as<std::remove_cvref_t<E>, std::error_code>)
    return std::make_exception_ptr(std::system_error(cause));
  else
    return std::make_exception_ptr(std::forward<E>(cause));
}

}  // namespace detail

/// When to give up, and why: handed down from whoever asked for the work to all who do it. A shared handle on a node of a tree; cancelling one
/// cancels all that were made from it. From any thread; a default-constructed one is nil: never cancelled, and nobody's parent.
///      Go: context.Context.
class GMPCORO_EXPORT Context {
 public:
  constexpr Context() noexcept = default;

  /// Closed when the context is cancelled, or its deadline passes; nil if that cannot be.
  ///
  ///     switch (co_await select(recv(jobs, job), recv(ctx.done()))) …      Go: Done.
  RecvChan<Done> done() const;
  /// Empty, then for ever errc::canceled or errc::deadline_exceeded.      Go: Err.
  std::error_code err() const noexcept {
    const detail::CancelNode* node = node_.cancel_node();
    return node != nullptr ? node->err() : std::error_code();
  }
  /// Null as long as there is no err(); then what was given to cancel(), or else a std::system_error of err().      Go: Cause.
  std::exception_ptr cause() const {
    const detail::CancelNode* node = node_.cancel_node();
    return node != nullptr ? node->cause() : nullptr;
  }
  /// When it will be cancelled by itself, if that is known.      Go: Deadline.
  std::optional<time_point> deadline() const noexcept;
  /// The value nearest to it under that key; null: none. It lives as long as the context.      Go: Value.
  template <class T>
  const T* value(const ContextKey<T>& key) const noexcept {
    return node_.get() != nullptr ? static_cast<const T*>(node_.get()->find(&key)) : nullptr;
  }

  /// False for nil.
  explicit operator bool() const noexcept { return node_.get() != nullptr; }
  friend bool operator==(const Context& a, const Context& b) noexcept { return a.node_.get() == b.node_.get(); }

 private:
  friend detail::ContextAccess;
  explicit Context(detail::ContextRef node) noexcept : node_(std::move(node)) {}
  detail::ContextRef node_;
};

/// Cancels a context: `cancel()`, or `cancel(cause)`. Copies cancel the same one; from any thread, any number of times, the first one counts.
/// When it returns, all contexts below are cancelled too, and whoever waited under until() has been woken. Dropping it cancels nothing.
///      Go: context.CancelFunc, CancelCauseFunc.
class CancelFunc {
 public:
  CancelFunc() noexcept = default;
  /// Cancels; the cause() is a std::system_error of errc::canceled, or that exception.
  void operator()() const noexcept { cancel(nullptr); }
  void operator()(const std::exception_ptr& cause) const noexcept { cancel(cause); }
  template <detail::Cause E>
  void operator()(E&& cause) const {
    cancel(detail::pointer_to(std::forward<E>(cause)));
  }
  /// False for a default-constructed one, which cancels nothing.
  explicit operator bool() const noexcept { return node_.get() != nullptr; }

 private:
  friend struct Cancellable;
  explicit CancelFunc(detail::ContextRef node) noexcept : node_(std::move(node)) {}
  void cancel(const std::exception_ptr& cause) const noexcept {
    if (detail::CancelNode* node = node_.cancel_node()) node->cancel(errc::canceled, cause);
  }
  detail::ContextRef node_;
};

/// A context, and what cancels it: `auto [ctx, cancel] = with_cancel(parent);`.
struct Cancellable {
  Context context;    // to be handed down
  CancelFunc cancel;  // to be called when the work is over, or is not wanted any more
  explicit Cancellable(Context ctx) noexcept : context(ctx), cancel(detail::ContextAccess::take(std::move(ctx))) {}
};

/// Never cancelled, no values: the root of all others.      Go: context.Background.
inline Context background() noexcept { return detail::ContextAccess::from(detail::ContextRef(&detail::ContextNode::background())); }

/// A context below parent that is cancelled with it, or by the function that comes with it. A nil parent:
/// std::invalid_argument("cannot create context from nil parent"), here and below.      Go: context.WithCancel, WithCancelCause.
inline Cancellable with_cancel(const Context& parent) {
  return Cancellable(detail::ContextAccess::from(detail::new_cancel_node(detail::ContextAccess::parent(parent))));
}
/// The same, and it ends by itself at that time, with errc::deadline_exceeded; at once if it has passed; never later than parent does. Its timer is
/// the executor's that makes it, or default_executor()'s: once that has stopped, only cancel() ends it.      Go: context.WithDeadline.
template <class Duration>
Cancellable with_deadline(const Context& parent, std::chrono::time_point<std::chrono::steady_clock, Duration> when) {
  return Cancellable(detail::ContextAccess::from(
      detail::new_deadline_node(detail::ContextAccess::parent(parent), detail::saturated_ns(when.time_since_epoch()))));
}
/// The same, that long from now.      Go: context.WithTimeout.
template <class Rep, class Period>
Cancellable with_timeout(const Context& parent, std::chrono::duration<Rep, Period> duration) {
  return Cancellable(detail::ContextAccess::from(
      detail::new_deadline_node(detail::ContextAccess::parent(parent), detail::deadline_after(detail::now_ns(), duration))));
}
/// with_deadline(), and if its deadline ends it, not parent, nor cancel(), that is the cause().      Go: context.WithDeadlineCause.
template <class Duration, detail::Cause E>
Cancellable with_deadline_cause(const Context& parent, std::chrono::time_point<std::chrono::steady_clock, Duration> when, E&& cause) {
  return Cancellable(detail::ContextAccess::from(detail::new_deadline_node(detail::ContextAccess::parent(parent), detail::saturated_ns(when.time_since_epoch()),
                                                                           detail::pointer_to(std::forward<E>(cause)))));
}
/// The same, that long from now.      Go: context.WithTimeoutCause.
template <class Rep, class Period, detail::Cause E>
Cancellable with_timeout_cause(const Context& parent, std::chrono::duration<Rep, Period> duration, E&& cause) {
  return Cancellable(detail::ContextAccess::from(detail::new_deadline_node(detail::ContextAccess::parent(parent), detail::deadline_after(detail::now_ns(), duration),
                                                                           detail::pointer_to(std::forward<E>(cause)))));
}
/// Parent's values, but not its end.      Go: context.WithoutCancel.
inline Context without_cancel(const Context& parent) {
  return detail::ContextAccess::from(detail::ContextRef(new detail::WithoutCancelNode(detail::ContextAccess::parent(parent))));
}
/// Parent, and a value under a key.      Go: context.WithValue.
template <class T, class V>
  requires std::constructible_from<T, V>
Context with_value(const Context& parent, const ContextKey<T>& key, V&& value) {
  return detail::ContextAccess::from(
      detail::ContextRef(new detail::ValueNode<T>(detail::ContextAccess::parent(parent), &key, std::forward<V>(value))));
}
/// Cancelled when a stop is requested of the token's source; never, if that cannot be.
inline Context from_stop_token(std::stop_token token) { return detail::ContextAccess::from(detail::new_stop_token_node(std::move(token))); }

/// Runs f, which takes nothing and returns a Task or is a plain function, in a new goroutine when ctx is done, or at once if it is: on the executor
/// that calls this, or default_executor(). stop() of what it gives: true if f will not run. An exception that leaves f is a panic. If the executor
/// stops before, f is destroyed.      Go: context.AfterFunc.
template <class F>
AfterFunc after_func(const Context& ctx, F&& f, std::source_location where = std::source_location::current()) {
  static_assert(std::is_invocable_v<std::decay_t<F>>, "after_func(ctx, f): f is called without arguments");
  detail::require_callable(f);
  return AfterFunc(detail::after_done(detail::ContextAccess::ref(ctx), detail::call_frame<std::decay_t<F>>(std::forward<F>(f)), where));
}

/// `auto [n, err] = co_await until(ctx, conn.read(buf));` awaits op, and gives it up when ctx is done: then the operation is withdrawn whole, as
/// if it had never been begun (no lock held, no value lost, no byte read), and err is ctx.err(). If it was done before that, it is done, and err is
/// its own; what went or came of a read or write counts in either case.
///
/// op: any operation of this library that parks, written in place; not a Task. What gives nothing gives std::error_code here; what gives a T gives
/// Result<T>. A ctx that is done already: op is not begun. After a withdrawn cond.wait() the mutex is held again. Who runs f of Once::call, and a
/// file operation that the kernel cannot stop, go on to their end. Nothing is allocated.
template <class Op>
auto until(Context ctx, Op&& op) {
  return detail::until_operation<detail::ContextLink>(detail::ContextAccess::take(std::move(ctx)), std::forward<Op>(op));
}

/// `auto [v, err] = co_await timeout(50ms, ch.recv());` as until() with a context that ends after that long: err is errc::deadline_exceeded then.
template <class Rep, class Period, class Op>
auto timeout(std::chrono::duration<Rep, Period> duration, Op&& op) {
  return detail::until_operation<detail::TimeoutLink>(detail::saturated_ns(duration), std::forward<Op>(op));
}

inline Context detail::ContextAccess::from(ContextRef node) noexcept { return Context(std::move(node)); }
inline const detail::ContextRef& detail::ContextAccess::ref(const Context& ctx) noexcept { return ctx.node_; }
inline detail::ContextRef detail::ContextAccess::take(Context&& ctx) noexcept { return std::move(ctx.node_); }

}  // namespace gmp
