// include/gmp/detail/task/operation.hpp — what an operation of the library is: a movable description, until a g awaits it.
// Go: none (a blocking call is a call there).  Room: task (floor 4).
//
// `mu.lock()` gives a LockOp.  Nothing has happened yet: it can be moved, handed to until(), or dropped.  `co_await` on it, in a coroutine
// of a g, makes Op::Awaiter from it, which lives in the frame and neither copies nor moves.
//
// An operation type has
//   using Awaiter = …;                 constructed from (G*, Op&&)
//   using operation_tag = void;
// and an awaiter has
//   bool await_ready();                inline: the fast path, one CAS.  First looks at `attention`: non-zero means "take the slow path"
//   bool suspend(FrameLink& leaf);     compiled: tries again, else parks (park.hpp, PK1 to PK4).  Done without parking: return give_way(g, leaf)
//   R    await_resume();
// and derives from OperationAwaiter, which turns await_suspend(handle) into suspend(frame).  Whatever can be withdrawn has its Waiter in the
// awaiter, and gives it to park_begin; and for until() it has one of
//   bool withdrawn() const noexcept;   after suspend(): the operation has not happened, and await_resume() need not be called
//   using tells_by_result = void;      await_resume() says errc::canceled if it was given up, and what happened before that counts
// and one that may await a child of its frame instead of parking has
//   bool runs_child() const noexcept;  after await_ready(): it does; then its own await_suspend(handle) is called, not suspend(leaf)
#pragma once

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

#include "gmp/detail/park.hpp"

namespace gmp::detail {

template <class T>
concept Operation = requires {
  typename std::remove_cvref_t<T>::operation_tag;
  typename std::remove_cvref_t<T>::Awaiter;
};

template <class Awaiter>
inline constexpr bool runs_child = requires(const Awaiter& awaiter) { awaiter.runs_child(); };

/// Base of awaiters. Self::suspend is compiled; nothing here touches the frame after it returned true.
template <class Self>
class OperationAwaiter : Immovable {
 public:
  // The fast path stores nothing here: g++ would pair this word with its neighbour into a 16-byte move from two fresh 8-byte stores, whose
  // forwarding fails: 5 ns of the 15 that lock and unlock cost. For the same reason an awaiter has no pointer of its own first, beside g_, and does not
  // keep side by side what its operation keeps so.
  explicit OperationAwaiter(G*) noexcept {}

  /// suspend(), for an awaiter of which this one is a part.
  bool suspend_in(G* gp, FrameLink& leaf) {
    g_ = gp;
    return static_cast<Self*>(this)->suspend(leaf);
  }

  template <class Promise>
  GMPCORO_NOINLINE bool await_suspend(std::coroutine_handle<Promise> frame) {
    g_ = frame.promise().suspends();
    return suspend_or_put_off(frame.promise());
  }

 protected:
  /// suspend(), unless others come first; for await_suspend.
  bool suspend_or_put_off(FrameLink& leaf) {
    if (attention.load(relaxed) != 0) [[unlikely]] return suspend_attended(leaf);
    return static_cast<Self*>(this)->suspend(leaf);
  }

  /// True while nobody asks this M to look up: the inline fast path may finish the operation.
  static bool undisturbed() noexcept { return attention.load(relaxed) == 0; }  // a hint: who set it made sure that the M sees it in the end

 private:
  // Apart, so that the way without it saves no registers for a call.
  GMPCORO_NOINLINE bool suspend_attended(FrameLink& leaf) {
    return put_off(g_, leaf, this, &suspend_later) || static_cast<Self*>(this)->suspend(leaf);
  }
  static bool suspend_later(void* awaiter, FrameLink& leaf) { return static_cast<Self*>(static_cast<OperationAwaiter*>(awaiter))->suspend(leaf); }

 protected:
  G* g_;  // set by await_suspend: for suspend() and what follows it
};

/// What `co_await operation` becomes in a coroutine that is not a g's: an error, at run time, that says so.
template <class R>
struct OffG {
  bool await_ready() const { throw_off_g(); }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  R await_resume() const { throw_off_g(); }
};

template <class A>
class ForeignAwaiter;

/// How a g awaits what is no operation of this library: as foreign.hpp tells, unless a header of interop/ specializes it for what another library has. A is as
/// an A&& deduces it; `Awaiter` is made from (G*, A&&), as an operation's is.
template <class A>
struct AwaitedAs {
  using Awaiter = ForeignAwaiter<A&&>;
};

template <Operation Op>
using OperationResult = decltype(std::declval<typename std::remove_cvref_t<Op>::Awaiter&>().await_resume());

template <Operation Op>
  requires std::constructible_from<typename std::remove_cvref_t<Op>::Awaiter, G*, Op>
OffG<OperationResult<Op>> operator co_await(Op&&) {
  return {};
}

}  // namespace gmp::detail

namespace gmp {
using detail::operator co_await;  // found for operations that are named in gmp, too: JoinHandle
}
