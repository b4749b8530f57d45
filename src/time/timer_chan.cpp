// src/time/timer_chan.cpp — TimerChan: starting, firing, stopping, and its end with the channel's last handle.
// Go: time/sleep.go, time/tick.go; runtime/time.go (timer.stop, timer.modify, unlockAndRun).  Room: time (floor 5).
//
// The channel has room for one value, which nobody is shown (Go 1.23): a fire finds it empty, or drops the tick.  After stop() or reset() nothing
// old can be received: the fire is over or will not come, and what it sent is taken out again.
//
// It lies in the channel's own block, behind the ring: one allocation for both.
//   TC1  those who stop or reset it are one at a time (quiesce): for others there is no moment between a stop and the start that follows it.
//   TC2  the channel's last handle takes the timer with it; nobody else can be at it then, but a fire, which is waited for.
//   TC3  a fire takes the channel's lock with no other one held; so a stop, which has the timer's, may look into the channel.
#include "gmp/detail/time/timer_chan.hpp"

#include <chrono>
#include <new>
#include <stdexcept>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/task/spawn.hpp"

namespace gmp::detail {

namespace {

using When = std::chrono::steady_clock::time_point;

When to_time_point(std::int64_t ns) noexcept { return When(std::chrono::nanoseconds(ns)); }

}  // namespace

TimerChan::TimerChan() noexcept : GuestTimer(&TimerChan::fire), ChanSource{&TimerChan::channel_gone} {}

TimerChan& TimerChan::of(const ChanRef& chan) noexcept { return static_cast<TimerChan&>(*chan.get()->source()); }

ChanRef TimerChan::make(std::int64_t duration_ns, std::int64_t period_ns) {
  ChanRef chan(HChan::make(element_of<When>, 1, sizeof(TimerChan)));
  auto* self = ::new (chan.get()->room_behind()) TimerChan;
  self->chan_ = chan.get();
  chan.get()->set_source(self);  // from here on it goes with the channel
  self->start(duration_ns, period_ns);
  return chan;
}

ChanRef TimerChan::make_ticker(std::int64_t period_ns) {
  if (period_ns <= 0) throw std::invalid_argument("non-positive interval for NewTicker");
  return make(period_ns, period_ns);
}

void TimerChan::start(std::int64_t duration_ns, std::int64_t period_ns) {
  const std::int64_t due = due_after(now_ns(), duration_ns);
  period_ = period_ns;
  arm(sched_here(), due);  // if its executor stops, nobody waits
}

void TimerChan::fire(Timer* timer, std::int64_t now) noexcept {
  auto& self = *static_cast<TimerChan*>(timer);
  if (!begins(now)) return self.through();
  When value = to_time_point(now);
  static_cast<void>(self.chan_->try_send(&value));  // full: this tick is dropped
  if (self.period_ == 0) return self.through();
  const std::int64_t late = now - self.when_ns;
  const std::int64_t next = due_after(self.when_ns, self.period_ * (1 + late / self.period_));  // in step with the first
  try {
    self.heap.load(relaxed)->add(timer, next);  // [TIMER-HOME] the one that fires it
  } catch (const std::bad_alloc&) {
    fatal("out of memory for a Ticker");
  }
}

bool TimerChan::stop_and_lock() noexcept {
  bool stopped = quiesce();
  When stale;
  if (chan_->try_recv(&stale) == HChan::Outcome::done) stopped = true;
  return stopped;
}

void TimerChan::drop(const ChanRef& chan) noexcept {
  if (chan.get() != nullptr && !chan.get()->alone()) stop(chan);  // else it is stopped with its channel
}

bool TimerChan::stop(const ChanRef& chan) noexcept {
  if (chan.get() == nullptr) return false;
  TimerChan& self = of(chan);
  const bool stopped = self.stop_and_lock();
  self.unlock();
  return stopped;
}

bool TimerChan::reset(const ChanRef& chan, std::int64_t duration_ns, std::int64_t period_ns) {
  if (chan.get() == nullptr) throw std::logic_error(period_ns == 0 ? "time: Reset called on uninitialized Timer" : "time: Reset called on uninitialized Ticker");
  TimerChan& self = of(chan);
  const bool was_active = self.stop_and_lock();
  try {
    self.start(duration_ns, period_ns);
  } catch (...) {
    self.unlock();
    throw;
  }
  self.unlock();
  return was_active;
}

void TimerChan::reset_ticker(const ChanRef& chan, std::int64_t period_ns) {
  if (period_ns <= 0) throw std::invalid_argument("non-positive interval for Ticker.Reset");
  reset(chan, period_ns, period_ns);
}

// TC2
void TimerChan::channel_gone(ChanSource* source) noexcept { static_cast<TimerChan&>(*source).~TimerChan(); }

TimerChan::~TimerChan() { quiesce_alone(); }

}  // namespace gmp::detail
