// include/gmp/detail/time/timer_chan.hpp — TimerChan: a timer that sends the time on a channel, once or again and again.
// Go: time/sleep.go (sendTime, newTimer), time/tick.go.  Room: time (floor 5).  The essay is in src/time/timer_chan.cpp.
#pragma once

#include <cstdint>

#include "gmp/chan.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/time/guest_timer.hpp"

namespace gmp::detail {

class GMPCORO_EXPORT TimerChan : GuestTimer, ChanSource {
 public:
  /// A channel with its timer, which has been started. period 0: once.
  static ChanRef make(std::int64_t duration_ns, std::int64_t period_ns);
  static ChanRef make_ticker(std::int64_t period_ns);  // throws std::invalid_argument
  // Of such a channel; null: nothing, but a reset is a std::logic_error.
  static bool stop(const ChanRef& chan) noexcept;
  static void drop(const ChanRef& chan) noexcept;  // stop(), by one who lets go of the channel
  static bool reset(const ChanRef& chan, std::int64_t duration_ns, std::int64_t period_ns);
  static void reset_ticker(const ChanRef& chan, std::int64_t period_ns);  // throws std::invalid_argument

 private:
  TimerChan() noexcept;
  ~TimerChan();
  static TimerChan& of(const ChanRef& chan) noexcept;
  static void fire(Timer* timer, std::int64_t now) noexcept;
  static void channel_gone(ChanSource* source) noexcept;
  void start(std::int64_t duration_ns, std::int64_t period_ns);
  bool stop_and_lock() noexcept;

  std::int64_t period_ = 0;
  HChan* chan_ = nullptr;  // not counted: the channel's end is ours
};

}  // namespace gmp::detail
