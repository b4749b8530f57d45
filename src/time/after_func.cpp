// src/time/after_func.cpp — after_func: the frame is made at once, by who asks for it; the timer's fire only starts it.
// Go: time/sleep.go (AfterFunc, goFunc).  Room: time (floor 5).
//
//   AF1  two hold a reference: the handles, and the timer from before it enters a heap until it has fired, was removed, or its executor said that
//        it stops.
//   AF2  who takes the timer out of its heap (the fire, a stop(), the executor's end) has the frame: it starts it, or destroys it.
//   AF3  armed_ as TC1 (timer_chan.cpp): while it is false no heap is touched.
#include "gmp/detail/time/after_func.hpp"

#include <exception>
#include <stdexcept>
#include <new>
#include <optional>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/detail/timer/heap.hpp"

namespace gmp::detail {

class AfterFuncState : public Timer {
 public:
  AfterFuncState(Task<> frame, std::source_location where) noexcept : Timer(&AfterFuncState::fire, true), frame_(std::move(frame)), where_(where) {}

  void ref() noexcept { refs_.fetch_add(1, relaxed); }  // [AFTER-REFS] by who has one
  void unref() noexcept {
    if (refs_.fetch_sub(1, acq_rel) == 1) delete this;  // [AFTER-REFS]
  }

  static void fire(Timer* timer, std::int64_t now) noexcept {
    auto* self = static_cast<AfterFuncState*>(timer);
    if (now == never) {
      self->drop_frame();
    } else {
      try {
        launch_task(sched_of_this_thread(), std::move(*self->frame_), self->where_, nullptr);
      } catch (const std::bad_alloc&) {
        fatal("gmp: out of memory for the goroutine of an after_func");
      } catch (const std::exception&) {  // its executor is stopping
        self->drop_frame();
      }
    }
    self->armed_.store(false, release);  // [TIMER-ARMED]
    self->unref();                       // AF1
  }

  void start(std::int64_t duration_ns) {
    const std::int64_t now = now_ns();
    const std::int64_t due = duration_ns <= 0 ? now : deadline_after(now, duration_ns);
    Sched* sched = sched_here();
    if (due == never || sched == nullptr) return;
    ref();
    armed_.store(true, relaxed);  // AF3; the heap's lock publishes it
    try {
      if (timer_add(sched, this, due)) return;
    } catch (...) {
      disarm();
      throw;
    }
    disarm();
    throw std::runtime_error("executor stopped");
  }

  bool stop() noexcept {
    if (!armed_.load(acquire)) return false;      // [TIMER-ARMED]
    if (!TimerHeap::remove(this)) return false;  // AF2
    drop_frame();
    disarm();
    return true;
  }

 private:
  void disarm() noexcept {
    armed_.store(false, relaxed);
    unref();
  }
  void drop_frame() noexcept { frame_.reset(); }

  std::optional<Task<>> frame_;
  const std::source_location where_;
  Atomic<std::uint32_t> refs_{1};
  Atomic<bool> armed_{false};
};

AfterFuncRef::AfterFuncRef(const AfterFuncRef& other) noexcept : state_(other.state_) {
  if (state_ != nullptr) state_->ref();
}
AfterFuncRef::~AfterFuncRef() {
  if (state_ != nullptr) state_->unref();
}

AfterFuncRef AfterFuncRef::start(Task<> frame, std::int64_t duration_ns, std::source_location where) {
  AfterFuncRef self(new AfterFuncState(std::move(frame), where));
  self.state_->start(duration_ns);
  return self;
}

bool AfterFuncRef::stop() noexcept { return state_ != nullptr && state_->stop(); }

}  // namespace gmp::detail
