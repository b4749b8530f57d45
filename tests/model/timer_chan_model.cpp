// tests/model/timer_chan_model.cpp — models of time/timer_chan.cpp and time/guest_timer.cpp: a timer fires, is stopped, is reset, and its executor
// stops; after stop() nothing old is received.
// Go: none.  Room: tests/model.
//
// There is no order to be weakened in these files, all goes by locks; so their mutants are steps that are left out, and were tried by hand: a fire
// that ends without the lock, a stop() that does not wait for a fire or leaves the value in the channel, a reset() that unlocks between stop and start,
// an end that waits for no fire.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "gmp/detail/time/timer_chan.hpp"
#include "model/executor.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::ChanRef;
using detail::TimerChan;

constexpr std::int64_t due = 1'000'000, later = 1'000'000'000;

/// The time that is received, in ns; nothing: none was there.
std::optional<std::int64_t> try_recv(const ChanRef& chan) {
  std::chrono::steady_clock::time_point value;
  if (chan.get()->try_recv(&value) != detail::HChan::Outcome::done) return std::nullopt;
  return value.time_since_epoch().count();
}

/// Fired, received, and stopped by two: it is received, or one of them has stopped it; and after a stop() nothing comes.
void stopped(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  ChanRef chan = TimerChan::make(due, 0);
  int received = 0, stops = 0;
  bool fired = false;
  run.thread([&] {
    executor.fire(later);
    fired = true;
  });
  run.thread([&] { received += try_recv(chan).has_value(); });
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      stops += TimerChan::stop(chan);
      check(!try_recv(chan), "received after stop()");
    });
  }
  run.join();
  check(received + stops == 1, "neither received nor stopped, or both");
  executor.fire(later);
  check(!try_recv(chan), "fired after stop()");
}

/// A ticker, whose fire starts it again.
void a_ticker_is_stopped(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  ChanRef chan = TimerChan::make_ticker(due);
  run.thread([&] {
    executor.fire(2 * due);
    executor.fire(4 * due);
  });
  run.thread([&] {
    TimerChan::stop(chan);
    check(!try_recv(chan), "received after stop()");
  });
  run.join();
  executor.fire(later);
  check(!try_recv(chan), "fired after stop()");
}

/// Reset beside its fire and beside another stop or reset: what comes later is of the new time.
void reset(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  ChanRef chan = TimerChan::make(due, 0);
  const bool other_stops = run.choose(2) == 0;
  int active = 0;
  run.thread([&] { executor.fire(2 * due); });
  run.thread([&] {
    active += TimerChan::reset(chan, later, 0);
    check(!try_recv(chan), "a value of the time before the reset");
  });
  run.thread([&] { active += other_stops ? TimerChan::stop(chan) : TimerChan::reset(chan, later, 0); });
  run.join();
  check(other_stops ? active >= 1 : active == 2, "it was active when the first one came, and after a reset");
  executor.fire(10 * later);
  const auto value = try_recv(chan);
  check(value ? *value == 10 * later : other_stops, "the new time did not come, or an old one did");
  TimerChan::stop(chan);
}

/// A one-shot becomes a ticker and a ticker a one-shot, while it fires: the fire goes by one of the two, whole.
void reset_to_another_kind(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  ChanRef chan = TimerChan::make_ticker(due);
  run.thread([&] { executor.fire(2 * due); });
  run.thread([&] { TimerChan::reset(chan, later, 0); });
  run.join();
  executor.fire(5 * later);
  check(try_recv(chan) == 5 * later, "the new time did not come");
  executor.fire(10 * later);
  check(!try_recv(chan), "it ticks on");
}

/// The last handle goes while it fires; another one goes beside it.
void its_handles_go(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  ChanRef chan = run.choose(2) == 0 ? TimerChan::make(due, 0) : TimerChan::make_ticker(due);
  ChanRef other = chan;
  run.thread([&] { executor.fire(2 * due); });
  run.thread([mine = std::move(chan)]() mutable {
    TimerChan::drop(mine);
    mine = ChanRef();
  });
  run.thread([mine = std::move(other)]() mutable {
    static_cast<void>(try_recv(mine));
    mine = ChanRef();
  });
  run.join();
  executor.fire(later);
}

/// Its executor stops and goes meanwhile.
void its_executor_goes(model::Run& run) {
  reset_world();
  auto* executor = new ModelExecutor;
  ChanRef chan = TimerChan::make(due, 0);
  const bool fires = run.choose(2) == 0;
  run.thread([&] {
    if (fires) executor->fire(2 * due);
    executor->stop();
    delete executor;
  });
  run.thread([&] {
    TimerChan::stop(chan);
    check(!try_recv(chan), "received after stop()");
  });
  run.thread([&] { TimerChan::stop(chan); });
  run.join();
}

const std::vector<Model> models{
    {"stopped", {.schedules = 20'000}, stopped},
    {"a ticker is stopped", {.schedules = 20'000}, a_ticker_is_stopped},
    {"reset", {.schedules = 20'000}, reset},
    {"reset to another kind", {.schedules = 20'000}, reset_to_another_kind},
    {"its handles go", {.schedules = 20'000}, its_handles_go},
    {"its executor goes", {.schedules = 20'000}, its_executor_goes},
};

TEST(TimerChanModel, NothingOldIsReceivedAfterStopOrReset) { explore_all(models); }

}  // namespace
}  // namespace gmp::model
