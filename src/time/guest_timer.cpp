// src/time/guest_timer.cpp — arming and disarming a timer whose executor may go.
// Go: none.  Room: time (floor 5).
#include "gmp/detail/time/guest_timer.hpp"

#include "sys/os.hpp"

namespace gmp::detail {

bool GuestTimer::arm(Sched* sched, std::int64_t when_ns) {
  if (sched == nullptr) return false;
  armed_.store(true, relaxed);  // the heap's lock publishes it
  try {
    if (timer_add(sched, this, when_ns)) return true;
  } catch (...) {
    armed_.store(false, relaxed);
    throw;
  }
  armed_.store(false, relaxed);
  return false;
}

bool GuestTimer::disarm() noexcept {
  LockGuard guard(lock_);
  if (!armed_.load(relaxed) || !TimerHeap::remove(this)) return false;  // GT1
  armed_.store(false, relaxed);
  return true;
}

bool GuestTimer::quiesce() noexcept {
  for (;;) {
    lock_.lock();
    if (!armed_.load(relaxed)) return false;
    if (TimerHeap::remove(this)) {  // GT1
      armed_.store(false, relaxed);
      return true;
    }
    lock_.unlock();  // the fire ends by taking it
    sys::yield_thread();
  }
}

}  // namespace gmp::detail
