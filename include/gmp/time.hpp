// include/gmp/time.hpp — sleep and sleep_until; Timer, Ticker, after and after_func.
// Go: package time.  Room: time (floor 5).
#pragma once

#include <chrono>
#include <cstdint>
#include <source_location>
#include <type_traits>
#include <utility>

#include "gmp/chan.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/detail/time/after_func.hpp"
#include "gmp/detail/time/timer_chan.hpp"
#include "gmp/detail/timer/heap.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/task.hpp"

namespace gmp {

/// Points in time, everywhere in the library.
using time_point = std::chrono::steady_clock::time_point;

namespace detail {

class GMPCORO_EXPORT SleepOp {
 public:
  class Awaiter;
  using operation_tag = void;
  static SleepOp for_ns(std::int64_t duration) noexcept { return SleepOp(duration, false); }
  static SleepOp until_ns(std::int64_t when) noexcept { return SleepOp(when, true); }

 private:
  SleepOp(std::int64_t ns, bool absolute) noexcept : ns_(ns), absolute_(absolute) {}
  std::int64_t ns_;
  bool absolute_;
};

class SleepOp::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, SleepOp&& op) noexcept;
  bool await_ready() const noexcept { return undisturbed() && !absolute_ && ns_ <= 0; }
  bool suspend(FrameLink& leaf);
  bool withdrawn() const noexcept { return waiter_.withdrawn_; }
  void await_resume() const noexcept {}
  /// When a g sleeps until that has this waiter, and does not go on meanwhile.
  static std::int64_t due_ns(const Waiter& w) noexcept { return static_cast<const SleepWaiter&>(w).when_ns; }

 private:
  enum State : std::uint32_t { armed, parked, over };
  struct SleepWaiter : Waiter, Timer {
    SleepWaiter() noexcept;
    Atomic<std::uint32_t> state_{armed};  // sleep.cpp
  };
  static void fire(Timer* timer, std::int64_t now) noexcept;
  static bool withdraw(Waiter* w) noexcept;
  std::int64_t ns_;
  bool absolute_;
  SleepWaiter waiter_;
};

}  // namespace detail

/// `co_await sleep(50ms);` parks for at least that long, by the monotonic clock. Zero or less returns at once; what overflows sleeps for ever.
/// Late by less than 1 ms on an idle executor.    Go: time.Sleep.
template <class Rep, class Period>
[[nodiscard("co_await it")]] detail::SleepOp sleep(std::chrono::duration<Rep, Period> duration) noexcept {
  return detail::SleepOp::for_ns(detail::saturated_ns(duration));
}
/// Parks until that time; a time that has passed returns at once.
template <class Duration>
[[nodiscard("co_await it")]] detail::SleepOp sleep_until(std::chrono::time_point<std::chrono::steady_clock, Duration> when) noexcept {
  return detail::SleepOp::until_ns(detail::saturated_ns(when.time_since_epoch()));
}

/// A channel that gives the time once, when at least that long has passed. Zero or less: at once. When the last handle on it goes, the timer
/// goes too.
///
///     switch (co_await select(recv(answers, v), recv(after(1s)))) …      Go: time.After.
template <class Rep, class Period>
RecvChan<time_point> after(std::chrono::duration<Rep, Period> duration) {
  return detail::ChanAccess::from<RecvChan<time_point>>(detail::TimerChan::make(detail::saturated_ns(duration), 0));
}

/// One event in the future, on a channel. It belongs to the executor on which it was made or reset, or to default_executor(). Destroying it
/// stops it. stop() and reset() from any thread.      Go: time.Timer, as of Go 1.23.
class Timer {
 public:
  template <class Rep, class Period>
  explicit Timer(std::chrono::duration<Rep, Period> duration) : chan_(detail::TimerChan::make(detail::saturated_ns(duration), 0)) {}
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&& other) noexcept {
    detail::TimerChan::drop(chan_);
    chan_ = std::move(other.chan_);
    return *this;
  }
  ~Timer() { detail::TimerChan::drop(chan_); }

  /// Where the time comes. It has no buffer to be seen: size() and capacity() are 0.
  RecvChan<time_point> chan() const { return detail::ChanAccess::from<RecvChan<time_point>>(chan_); }
  /// True: it had not expired, or nobody has received what it sent. After it nothing is received.
  bool stop() noexcept { return detail::TimerChan::stop(chan_); }
  /// stop(), and starts it anew. What is received after it is of the new start. One that was moved from: std::logic_error("time: Reset called on
  /// uninitialized Timer").
  template <class Rep, class Period>
  bool reset(std::chrono::duration<Rep, Period> duration) {
    return detail::TimerChan::reset(chan_, detail::saturated_ns(duration), 0);
  }

 private:
  detail::ChanRef chan_;
};

/// The time again and again, on a channel. A slow receiver misses ticks, none pile up; the rhythm is kept. Zero or less:
/// std::invalid_argument("non-positive interval for NewTicker"). Destroying it stops it, and does not close the channel.
///      Go: time.Ticker, as of Go 1.23.
class Ticker {
 public:
  template <class Rep, class Period>
  explicit Ticker(std::chrono::duration<Rep, Period> period) : chan_(detail::TimerChan::make_ticker(detail::saturated_ns(period))) {}
  Ticker(Ticker&&) noexcept = default;
  Ticker& operator=(Ticker&& other) noexcept {
    detail::TimerChan::drop(chan_);
    chan_ = std::move(other.chan_);
    return *this;
  }
  ~Ticker() { detail::TimerChan::drop(chan_); }

  /// Where the ticks come. It has no buffer to be seen: size() and capacity() are 0.
  RecvChan<time_point> chan() const { return detail::ChanAccess::from<RecvChan<time_point>>(chan_); }
  /// No more ticks; after it nothing is received.
  void stop() noexcept { detail::TimerChan::stop(chan_); }
  /// A new period, the first tick one period from now. Zero or less: std::invalid_argument("non-positive interval for Ticker.Reset").
  template <class Rep, class Period>
  void reset(std::chrono::duration<Rep, Period> period) {
    detail::TimerChan::reset_ticker(chan_, detail::saturated_ns(period));
  }

 private:
  detail::ChanRef chan_;
};

/// A handle on what after_func() has planned. Dropping it stops nothing.
class AfterFunc {
 public:
  AfterFunc() noexcept = default;
  explicit AfterFunc(detail::AfterFuncRef state) noexcept : state_(std::move(state)) {}
  /// True: f will not run, and is destroyed. False: its goroutine was started, or it was stopped before. Does not wait for f.
  bool stop() noexcept { return state_.stop(); }

 private:
  detail::AfterFuncRef state_;
};

/// Runs f, which takes nothing and returns a Task or is a plain function, in a new goroutine when that long has passed: on this executor, or
/// default_executor(). An exception that leaves it is a panic. If the executor stops before, f is destroyed.      Go: time.AfterFunc.
template <class Rep, class Period, class F>
AfterFunc after_func(std::chrono::duration<Rep, Period> duration, F&& f, std::source_location where = std::source_location::current()) {
  static_assert(std::is_invocable_v<std::decay_t<F>>, "after_func(d, f): f is called without arguments");
  detail::require_callable(f);
  return AfterFunc(detail::after_duration(detail::call_frame<std::decay_t<F>>(std::forward<F>(f)), detail::saturated_ns(duration), where));
}

}  // namespace gmp
