// src/net/memory_device.cpp — how an operation sleeps in a device that is all memory, and is woken there.
// Go: none.  Room: net (floor 5).
#include "net/memory_device.hpp"

#include <algorithm>
#include <utility>

#include "gmp/detail/park.hpp"

namespace gmp::detail {

bool MemoryDevice::advance(FdOperation& op, FrameLink* leaf) noexcept {
  for (;;) {
    const std::int64_t when = op.deadline();
    const std::int64_t late = late_until(op.side());
    if (!op.set_alarm(late != 0 && late > now_ns() ? std::min(when, late) : when)) return false;
    WakeList woken;
    Next next = Next::again;
    bool gives_up = false;
    {
      LockGuard guard(lock_);
      if (when == op.deadline()) next = look(op, late, woken);
      if (next == Next::sleep) {  // DV1
        if (op.sleep(leaf))
          sleeper(op.side()) = &op;
        else
          gives_up = true;
      }
    }
    woken.wake_all();  // if op sleeps nothing of it may be touched, nor of this: it may run again already
    if (gives_up) op.stay_awake();
    if (next != Next::again) return next == Next::sleep && !gives_up;
  }
}

void MemoryDevice::cancel(FdSide side) noexcept {
  Waiter* w = nullptr;
  {
    LockGuard guard(lock_);
    w = std::exchange(sleeper(side), nullptr);
  }
  if (w != nullptr) wake(w);
}

bool MemoryDevice::withdraw(FdSide side) noexcept {
  LockGuard guard(lock_);
  return std::exchange(sleeper(side), nullptr) != nullptr;
}

}  // namespace gmp::detail
