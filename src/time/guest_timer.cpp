// src/time/guest_timer.cpp — arming and disarming a timer whose executor may go.
// Go: none.  Room: time (floor 5).
#include "gmp/detail/time/guest_timer.hpp"

#include "sys/os.hpp"

namespace gmp::detail {

bool GuestTimer::arm(Sched* sched, std::int64_t when_ns) {
  if (sched == nullptr) return false;
  state_.store(State::armed, relaxed);  // the heap's lock publishes it
  try {
    if (timer_add(sched, this, when_ns)) return true;
  } catch (...) {
    state_.store(State::away, relaxed);
    throw;
  }
  state_.store(State::away, relaxed);
  return false;
}

bool GuestTimer::disarm() noexcept {
  LockGuard guard(lock_);
  if (state_.load(relaxed) != State::armed || !TimerHeap::remove(this)) return false;  // GT1
  state_.store(State::away, relaxed);
  return true;
}

bool GuestTimer::quiesce() noexcept {
  for (;;) {
    lock_.lock();
    if (state_.load(relaxed) != State::armed) return false;
    if (TimerHeap::remove(this)) {  // GT1
      state_.store(State::away, relaxed);
      return true;
    }
    lock_.unlock();  // the fire ends by taking it
    sys::yield_thread();
  }
}

}  // namespace gmp::detail
