// include/gmp/detail/context/until.hpp — what until() and timeout() return: an operation that contains another one.
// Go: none (there a goroutine waits for ctx.Done() beside what it wants, where that is a channel).  Room: context (floor 5).
//
// The inner awaiter lies in the outer one.  Before it parks, the outer one links itself to what may give it up (a context, a timer); that one
// withdraws whatever the g waits on, as wait/withdrawal.hpp tells.  An operation that need not wait is never linked, and nothing is allocated.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "gmp/detail/base/ref.hpp"
#include "gmp/detail/context/node.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/task/promise.hpp"
#include "gmp/detail/timer/heap.hpp"
#include "gmp/detail/wait/withdrawal.hpp"
#include "gmp/result.hpp"

namespace gmp::detail {

/// A reference to a context, or none.
class ContextRef : public Ref<ContextNode> {
 public:
  using Ref::Ref;
  /// Null: it is never cancelled.
  CancelNode* cancel_node() const noexcept { return get() != nullptr ? get()->cancel_node() : nullptr; }
};

/// Gives an operation up when a context ends.
class GMPCORO_EXPORT ContextLink : private Withdrawable, private Follower {
 public:
  explicit ContextLink(ContextRef&& context) noexcept : Follower(ops), context_(std::move(context)) {}
  bool over() const noexcept {
    const CancelNode* node = context_.cancel_node();
    return node != nullptr && node->code() != 0;
  }
  std::error_code why() const noexcept {
    const CancelNode* node = context_.cancel_node();
    return node != nullptr ? node->err() : std::error_code();
  }

  /// False: it is over. Else end() before the operation's end, any number of times.
  bool begin(G* gp) noexcept;
  void end() noexcept {
    if (begun_) end_slow();
  }

 private:
  static bool take(Follower& self) noexcept { return static_cast<ContextLink&>(self).hold(); }
  static void tell(Follower& self) noexcept { static_cast<ContextLink&>(self).withdraw_held(); }
  static constexpr Ops ops{&take, &tell, nullptr, true};
  void end_slow() noexcept;

  const ContextRef context_;
  bool begun_ = false;
};

/// Gives an operation up after a while.
class GMPCORO_EXPORT TimeoutLink : private Withdrawable, private Timer {
 public:
  explicit TimeoutLink(std::int64_t duration_ns) noexcept : Timer(&fire), duration_ns_(duration_ns) {}
  bool over() const noexcept { return duration_ns_ <= 0; }
  std::error_code why() const noexcept { return make_error_code(errc::deadline_exceeded); }

  bool begin(G* gp);  // throws std::bad_alloc
  void end() noexcept {
    if (begun_) end_slow();
  }

 private:
  static void fire(Timer* timer, std::int64_t now) noexcept;
  void end_slow() noexcept;

  const std::int64_t duration_ns_;
  bool begun_ = false;
};

template <class Awaiter>
inline constexpr bool tells_withdrawn = requires(const Awaiter& awaiter) { awaiter.withdrawn(); };
template <class Awaiter>
inline constexpr bool tells_by_result = requires { typename Awaiter::tells_by_result; };

template <class R>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<Result<T>> = true;

/// What until() makes of what the operation gives.
template <class R>
struct GivenUp {
  using type = Result<R>;
};
template <>
struct GivenUp<void> {
  using type = std::error_code;
};
template <>
struct GivenUp<std::error_code> {
  using type = std::error_code;
};
template <class T>
struct GivenUp<Result<T>> {
  using type = Result<T>;
};
template <class T>
struct GivenUp<T&> {  // a copy, if that can be: a Result holds no references
  using type = Result<std::conditional_t<std::is_const_v<T> && std::is_copy_constructible_v<T>, std::remove_const_t<T>, std::reference_wrapper<T>>>;
};

template <class Op, class Link, class Source>
class [[nodiscard("co_await it")]] UntilOp {
 public:
  class Awaiter;
  using operation_tag = void;
  UntilOp(Source source, Op&& op) : source_(std::move(source)), op_(std::move(op)) {}

 private:
  Source source_;
  Op op_;
};

template <class Op, class Link, class Source>
class UntilOp<Op, Link, Source>::Awaiter : public OperationAwaiter<Awaiter> {
  using Base = OperationAwaiter<Awaiter>;
  using Inner = typename Op::Awaiter;
  using Given = decltype(std::declval<Inner&>().await_resume());
  using R = typename GivenUp<Given>::type;

 public:
  Awaiter(G* gp, UntilOp&& op) : Base(gp), inner_(gp, std::move(op.op_)), link_(std::move(op.source_)) {}
  ~Awaiter() { link_.end(); }

  bool await_ready() {
    if (link_.over()) {
      phase_ = Phase::not_begun;
      return Base::undisturbed();
    }
    return inner_.await_ready();
  }

  bool runs_child() const noexcept
    requires detail::runs_child<Inner>
  {
    return phase_ != Phase::not_begun && inner_.runs_child();
  }
  template <class Promise>
  GMPCORO_NOINLINE auto await_suspend(std::coroutine_handle<Promise> frame) {
    G* gp = frame.promise().suspends();
    this->g_ = gp;
    if constexpr (detail::runs_child<Inner>) {
      if (runs_child()) return inner_.await_suspend(frame);  // f is not interrupted
      return suspend(frame.promise()) ? std::coroutine_handle<>(std::noop_coroutine()) : transfer(gp, frame);
    } else {
      return this->suspend_or_put_off(frame.promise());
    }
  }

  bool suspend(FrameLink& leaf) {
    if (phase_ == Phase::not_begun || !link_.begin(this->g_)) {
      phase_ = Phase::not_begun;
      return give_way(this->g_, leaf);
    }
    phase_ = Phase::suspended;
    try {
      return inner_.suspend_in(this->g_, leaf);
    } catch (...) {
      link_.end();
      throw;
    }
  }

  R await_resume() {
    link_.end();
    if (phase_ == Phase::not_begun) return R(link_.why());
    if constexpr (tells_withdrawn<Inner>) {
      if (phase_ == Phase::suspended && inner_.withdrawn()) {
        if constexpr (requires { inner_.resume_withdrawn(); }) inner_.resume_withdrawn();
        return R(link_.why());
      }
    }
    if constexpr (std::is_void_v<Given>) {
      inner_.await_resume();
      return {};
    } else if constexpr (std::is_same_v<Given, std::error_code>) {
      return reason_of(inner_.await_resume());
    } else if constexpr (is_result<Given>) {
      R result = inner_.await_resume();
      result.err = reason_of(result.err);
      return result;
    } else {
      return R(inner_.await_resume());
    }
  }

 private:
  enum class Phase : std::uint8_t { ready, suspended, not_begun };
  std::error_code reason_of(std::error_code err) const noexcept {
    if (err != errc::canceled || phase_ != Phase::suspended) return err;
    const std::error_code why = link_.why();
    return why ? why : err;
  }
  Inner inner_;
  Link link_;
  Phase phase_ = Phase::ready;
};

template <class Op>
inline constexpr bool is_until = false;
template <class Op, class Link, class Source>
inline constexpr bool is_until<UntilOp<Op, Link, Source>> = true;

template <class Link, class Source, class Op>
auto until_operation(Source source, Op&& op) {
  static_assert(Operation<Op>, "until(ctx, op): op is an operation of this library, such as mu.lock(), ch.recv(), conn.read(buf), handle.join(); a Task takes a Context itself");
  static_assert(!std::is_lvalue_reference_v<Op>, "until(ctx, op): write the operation there, or move it: it is used up");
  static_assert(!is_until<Op>, "until(ctx, until(...)): one reason to give up is all that an operation takes; a context has both: until(with_timeout(ctx, d).context, op)");
  using Awaiter = typename Op::Awaiter;
  static_assert(is_until<Op> || tells_withdrawn<Awaiter> || tells_by_result<Awaiter>, "until(ctx, op): this operation cannot be given up");
  return UntilOp<Op, Link, Source>(std::move(source), std::forward<Op>(op));
}

}  // namespace gmp::detail
