// include/gmp/detail/time/guest_timer.hpp — GuestTimer: a timer in an executor's heap, of somebody who may outlive that executor.
// Go: none (there one scheduler has all timers).  Room: time (floor 5); stands on timer/heap.hpp.
//
// A Timer of a channel, a context's deadline or an after_func may be stopped, reset or dropped by any thread, while the executor whose heap it is in
// stops and goes.
//   GT1  the heap is touched only under lock_ while it is armed, and each fire ends by taking lock_ (through), also the one with `never` by which an
//        executor that stops gets rid of it. So an executor stays as long as anybody is at its heap: the timer is in there, and its stop must fire
//        it, or an M of it is in the fire; and who comes later finds it not armed.
//   GT2  giving lock_ back is the last touch of a fire that does not start it again; so its end takes lock_, unless it was taken out of its heap before
//        a fire, and not armed since.
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/timer/heap.hpp"

namespace gmp::detail {

class GMPCORO_EXPORT GuestTimer : public Timer {
 public:
  explicit GuestTimer(Fire what) noexcept : Timer(what, true) {}

  // ---- its owner's
  /// Into a heap of sched, by one who alone has it, or under quiesce(). False: that one stops, or is null. Throws std::bad_alloc.
  bool arm(Sched* sched, std::int64_t when_ns);
  /// True: it will not fire. False: it was not armed, or its fire has begun.
  bool disarm() noexcept;
  /// The same, and waits for a fire that has begun, also one that starts it again; and holds its lock until unlock(), so that what is done
  /// meanwhile is one step for all others. Its fire must not need what the caller holds.
  bool quiesce() noexcept;
  void unlock() noexcept { lock_.unlock(); }
  /// quiesce(), for the last time: nobody else can arm it.
  void quiesce_alone() noexcept {
    if (state_.load(relaxed) == State::away) return;  // GT2
    quiesce();
    unlock();
  }

  // ---- its fire's
  /// First of all. False: its executor stops, and there is only through() left.
  static bool begins(std::int64_t now) noexcept { return now != never; }
  void through() noexcept {
    LockGuard nobody_is_at_the_heap(lock_);  // GT1
    state_.store(State::fired, relaxed);     // GT2
  }

 private:
  enum class State : std::uint8_t { away, armed, fired };
  Lock lock_;
  Atomic<State> state_{State::away};  // read under lock_, and written, but by who has it alone, or lets no other one near: arm(), quiesce_alone()
};

}  // namespace gmp::detail
