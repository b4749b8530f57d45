// include/gmp/time.hpp — sleep and sleep_until.
// Go: time.Sleep.  Room: time (floor 5).
#pragma once

#include <chrono>
#include <cstdint>

#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/timer/heap.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp {

/// Points in time, everywhere in the library.
using time_point = std::chrono::steady_clock::time_point;

namespace detail {

class SleepOp {
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
  void await_resume() const noexcept {}

 private:
  struct SleepWaiter : Waiter, Timer {
    SleepWaiter() noexcept;
  };
  static void fire(Timer* timer, std::int64_t now) noexcept;
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

}  // namespace gmp
