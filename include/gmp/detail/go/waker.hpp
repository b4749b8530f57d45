// include/gmp/detail/go/waker.hpp — suspend(f): a g parks until somebody, anywhere, calls wake(): the bridge to callbacks.
// Go: none (a channel does it there).  Room: go (floor 4).
//
// The result and the state live in a counted block, not in the frame: a late wake() finds a block, never a dead frame.
//   WK1  f runs before the g parks: a wake() from inside f, or from a thread that f told, finds `fresh` and leaves its value; the g then does not
//        park at all.
//   WK2  state_ and the executor's hope change under lock_: a block that still gives hope keeps its executor, since stop() withdraws under
//        the same lock.
//   WK3  the first wake() claims the block and alone writes the value.
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "gmp/detail/park.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/task/callable.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp {

template <class R>
class Waker;

namespace detail {

class WakerBlock;
struct WakerWaiter : Waiter {
  GMPCORO_EXPORT WakerWaiter() noexcept;
  WakerBlock* block_ = nullptr;
};

class GMPCORO_EXPORT WakerBlock : Immovable {
 public:
  explicit WakerBlock(G* gp) noexcept;

  bool claimed() const noexcept { return claimed_.load(relaxed); }  // a hint
  bool claim() noexcept { return !claimed_.exchange(true, relaxed); }  // WK3; the value goes by lock_
  bool wake() noexcept;                                                  // after claim() and the value
  bool park(FrameLink& leaf, Waiter& w) noexcept;                        // false: woken already
  bool withdraw(Waiter* w) noexcept;                                     // the g, or who destroys it, waits no more. Null: f threw
  void ref_waker() noexcept { wakers_.fetch_add(1, relaxed), refs_.fetch_add(1, relaxed); }  // the caller has one
  void unref_waker() noexcept;
  void unref() noexcept;

 protected:
  virtual ~WakerBlock() = default;

 private:
  enum State : std::uint8_t { fresh, parked, woken, forgotten, dead };
  void end_hope() noexcept;
  Lock lock_;
  State state_ = fresh;  // lock_
  bool queued_ = false;  // lock_: the g sleeps
  bool hope_ = true;     // lock_: counted in the executor
  G* g_;                 // lock_; valid while hope_ or parked
  Atomic<bool> claimed_{false};
  Atomic<std::uint32_t> wakers_{1};
  Atomic<std::uint32_t> refs_{2};  // [WAKER-REFS] the last one out sees all that the others did
};

template <class R>
class WakerState final : public WakerBlock {
 public:
  using WakerBlock::WakerBlock;
  std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value_;
};

}  // namespace detail

/// Wakes the g that `co_await suspend<R>(f)` parks. Copies are the same Waker; the first wake counts. From any thread; never runs the g on
/// the caller's stack. When the last copy is dropped without a wake the g sleeps for ever, and the deadlock report counts it so.
template <class R>
class Waker {
 public:
  Waker() noexcept = default;
  explicit Waker(detail::WakerState<R>* state) noexcept : state_(state) {}
  Waker(const Waker& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->ref_waker();
  }
  Waker(Waker&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Waker& operator=(Waker other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~Waker() {
    if (state_ != nullptr) state_->unref_waker();
  }

  /// Makes the g go on with that value. False: it was woken before, its operation was given up, or its executor has stopped. What the making of
  /// an R from the value throws is the caller's, and nobody was woken.
  template <class V = R>
    requires(!std::is_void_v<R> && std::constructible_from<R, V>)
  bool wake(V&& value) const {
    if (state_ == nullptr || state_->claimed()) return false;
    if constexpr (std::is_nothrow_constructible_v<R, V>) {
      if (!state_->claim()) return false;
      state_->value_.emplace(std::forward<V>(value));
    } else {
      R made(std::forward<V>(value));  // what this throws is the caller's, and the g sleeps on: another may wake it
      if (!state_->claim()) return false;
      state_->value_.emplace(std::move(made));
    }
    return state_->wake();
  }
  bool wake() const
    requires std::is_void_v<R>
  {
    if (state_ == nullptr || !state_->claim()) return false;
    return state_->wake();
  }

 private:
  detail::WakerState<R>* state_ = nullptr;
};

namespace detail {

template <class R, class F>
class SuspendOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit SuspendOp(F&& f) : f_(std::forward<F>(f)) {}

 private:
  friend class Awaiter;
  F f_;  // an lvalue callable is held by reference
};

template <class R, class F>
class SuspendOp<R, F>::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, SuspendOp&& op) : OperationAwaiter<Awaiter>(gp), f_(std::forward<F>(op.f_)) {}
  ~Awaiter() {
    if (state_ != nullptr) state_->unref();
  }
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) {
    waiter_.block_ = state_ = new WakerState<R>(this->g_);
    Waker<R> waker(state_);
    try {
      f_(std::move(waker));
    } catch (...) {
      state_->withdraw(nullptr);
      throw;
    }
    if (state_->park(leaf, waiter_)) return true;
    return give_way(this->g_, leaf);
  }
  bool withdrawn() const noexcept { return waiter_.withdrawn_; }
  R await_resume() {
    if constexpr (!std::is_void_v<R>) return std::move(*state_->value_);
  }

 private:
  F f_;
  WakerState<R>* state_ = nullptr;
  WakerWaiter waiter_;
};

}  // namespace detail

/// `R r = co_await suspend<R>([&](Waker<R> w) { … });` calls f with a Waker, at once and on this g, and parks until w.wake(value) is called,
/// from any thread, which may be before f returns. The value is what the first wake gave. An exception of f is rethrown, and nothing parks.
template <class R, class F>
[[nodiscard("co_await it")]] auto suspend(F&& f) {
  GMPCORO_CHECK_CALLABLE(F);
  return detail::SuspendOp<R, F>(std::forward<F>(f));
}

}  // namespace gmp
