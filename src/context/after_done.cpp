// src/context/after_done.cpp — after_func(ctx, f): a follower that starts a goroutine, on the executor on which it was asked for.
// Go: context/context.go (AfterFunc, afterFuncCtx).  Room: context (floor 5).
//
// The context may outlive the executor, and end on any thread.  So there is a timer in the executor's heap that is due in ages, for the sake of what
// it does when the executor stops: it is told so (guest_timer.hpp).
//   AD1  three hold a reference: the handles, the context's list, the timer while it is armed.
//   AD2  who unlinks the follower (the context's end or its going, a stop()) gives the list's reference back.
//   AD3  context_ is not counted, or it and the function would keep each other for ever; it is null once the follower is unlinked, or the context goes.
//   AD4  who has taken_ the frame starts it under start_lock_, before the timer is disarmed: the fire that an executor's stop waits for takes that lock
//        too, so the executor is there.
#include "gmp/detail/context/after_done.hpp"

#include <stdexcept>
#include <utility>

#include "gmp/detail/park.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/detail/time/guest_timer.hpp"

namespace gmp::detail {

namespace {

class DoneFunc final : public AfterFuncState, Follower, GuestTimer {
 public:
  DoneFunc(Task<> frame, std::source_location where) noexcept
      : AfterFuncState(std::move(frame), where), Follower(ops), GuestTimer(&DoneFunc::fire) {}

  void start(CancelNode* node) {
    sched_ = sched_here();
    if (sched_ == nullptr || node == nullptr) return;  // nothing is started any more; or it is never done
    ref();                                             // AD1
    bool armed = false;
    try {
      armed = arm(sched_, in_ages);
    } catch (...) {
      unref();
      throw;
    }
    if (!armed) {
      unref();
      throw std::runtime_error("executor stopped");
    }
    context_ = node;
    ref();  // AD1
    if (node->follow(*this)) return;
    {
      LockGuard guard(lock_);
      context_ = nullptr;
    }
    tell(*this);
  }

  bool stop() noexcept override {
    const bool mine = take_frame(false);
    CancelNode* node = nullptr;
    {
      LockGuard guard(lock_);
      if (context_ != nullptr && context_->try_ref()) node = context_;
    }
    if (node != nullptr) {
      if (node->unfollow(*this)) {  // AD2
        {
          LockGuard guard(lock_);
          context_ = nullptr;
        }
        unref();
      }
      node->unref();
    }
    return mine;
  }

 private:
  // True: nobody else has the frame, and it was started, or dropped.
  bool take_frame(bool starts) noexcept {
    bool armed = false;
    {
      LockGuard guard(start_lock_);
      if (std::exchange(taken_, true)) return false;
      if (starts) start_frame(sched_);  // AD4
      armed = disarm();
    }
    drop_frame();
    if (armed) unref();  // AD1: the timer's; else its fire is under way, and gives it back
    return true;
  }

  static bool take(Follower& follower) noexcept {
    auto& self = static_cast<DoneFunc&>(follower);
    LockGuard guard(self.lock_);
    self.context_ = nullptr;
    return true;
  }
  static void tell(Follower& follower) noexcept {
    auto& self = static_cast<DoneFunc&>(follower);
    self.take_frame(true);
    self.unref();  // AD2
  }
  static void forget(Follower& follower) noexcept {
    auto& self = static_cast<DoneFunc&>(follower);
    {
      LockGuard guard(self.lock_);
      self.context_ = nullptr;
    }
    self.take_frame(false);
    self.unref();  // AD2
  }
  static constexpr Ops ops{&take, &tell, &forget, false};  // not waited for: tell() may destroy the function, which may cancel the context

  static void fire(Timer* timer, std::int64_t) noexcept {
    auto& self = *static_cast<DoneFunc*>(timer);
    bool mine = false;
    {
      LockGuard guard(self.start_lock_);
      mine = !std::exchange(self.taken_, true);
    }
    if (mine) self.drop_frame();
    self.through();
    self.unref();
  }

  Sched* sched_ = nullptr;
  Lock start_lock_;
  bool taken_ = false;             // start_lock_; the frame has been started or dropped, or is about to be
  Lock lock_;
  CancelNode* context_ = nullptr;  // lock_; AD3
};

}  // namespace

AfterFuncRef after_done(const ContextRef& context, Task<> frame, std::source_location where) {
  auto* state = new DoneFunc(std::move(frame), where);
  AfterFuncRef ref(state);
  state->start(context.cancel_node());
  return ref;
}

}  // namespace gmp::detail
