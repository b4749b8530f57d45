// src/time/after_func.cpp — after_func: the frame is made at once, by who asks for it; the timer's fire only starts it.
// Go: time/sleep.go (AfterFunc, goFunc).  Room: time (floor 5).
//
//   AF1  two hold a reference: the handles, and the timer while it is armed.
//   AF2  who takes the timer out of its heap (the fire, a stop(), the executor's end) has the frame: it starts it, or destroys it.
#include "gmp/detail/time/after_func.hpp"

#include <exception>
#include <new>
#include <stdexcept>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/detail/time/guest_timer.hpp"

namespace gmp::detail {

void AfterFuncState::start_frame(Sched* sched) noexcept {
  try {
    if (sched != nullptr) launch_task(sched, std::move(*frame_), where_, nullptr);
  } catch (const std::bad_alloc&) {
    fatal("out of memory for the goroutine of an after_func");
  } catch (const std::exception&) {  // its executor is stopping
  }
}

namespace {

class TimedFunc final : public AfterFuncState, GuestTimer {
 public:
  TimedFunc(Task<> frame, std::source_location where) noexcept : AfterFuncState(std::move(frame), where), GuestTimer(&TimedFunc::fire) {}

  void start(std::int64_t duration_ns) {
    const std::int64_t due = due_after(now_ns(), duration_ns);
    Sched* sched = sched_here();
    if (sched == nullptr) return;
    ref();  // AF1
    bool armed = false;
    try {
      armed = arm(sched, due);
    } catch (...) {
      unref();
      throw;
    }
    if (armed) return;
    unref();
    throw std::runtime_error("executor stopped");
  }

  bool stop() noexcept override {
    if (!disarm()) return false;  // AF2
    drop_frame();
    unref();
    return true;
  }

 private:
  static void fire(Timer* timer, std::int64_t now) noexcept {
    auto& self = *static_cast<TimedFunc*>(timer);
    if (begins(now)) self.start_frame(sched_of_this_thread());
    self.drop_frame();  // unless it was started
    self.through();
    self.unref();
  }
};

}  // namespace

AfterFuncRef after_duration(Task<> frame, std::int64_t duration_ns, std::source_location where) {
  auto* state = new TimedFunc(std::move(frame), where);
  AfterFuncRef ref(state);
  state->start(duration_ns);
  return ref;
}

}  // namespace gmp::detail
