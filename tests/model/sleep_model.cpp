// tests/model/sleep_model.cpp — models of time/sleep.cpp on timer/heap.cpp: a g parks, its timer fires, it gives up.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "gmp/time.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::SleepOp;

constexpr std::int64_t later = 1'000'000'000;

/// One sleep, and whether it was given up. The awaiter goes with it: what touches it afterwards fails the run.
bool sleep_once(ModelG& g) {
  const auto awaiter = std::make_unique<SleepOp::Awaiter>(&g.gp, SleepOp::for_ns(1'000'000));
  if (awaiter->suspend_in(&g.gp, g.leaf)) g.sleep();
  return awaiter->withdrawn();
}

/// Two sleeps in a row of one g; given up at some time, or not.
template <bool gives_up>
void sleeps(model::Run& run) {
  reset_world();
  ModelTimers timers;
  ModelG g;
  int over = 0, withdrawn = 0;
  run.thread([&] {
    for (int i = 0; i < 2; ++i) {
      withdrawn += sleep_once(g);
      ++over;
    }
  });
  run.thread([&] { timers.fire_until(later, over, 2); });
  if (gives_up) run.thread([&] { g.cancel(); });
  run.join();
  check(timers.heap.size() == 0, "a timer is left");
  check(gives_up || withdrawn == 0, "nobody gave up");
}

/// Nobody fires: given up, it ends.
void given_up(model::Run& run) {
  reset_world();
  ModelTimers timers;
  ModelG g;
  bool withdrawn = false;
  run.thread([&] { withdrawn = sleep_once(g); });
  run.thread([&] { g.cancel(); });
  run.join();
  check(withdrawn && timers.heap.size() == 0, "neither fired nor given up");
}

/// Two Ms look at the timers; the sleeper's data is seen by who fires, and the other way round.
void two_fire(model::Run& run) {
  reset_world();
  ModelTimers timers;
  ModelG g;
  int over = 0;
  run.thread([&] {
    sleep_once(g);
    ++over;
  });
  for (int i = 0; i < 2; ++i) run.thread([&] { timers.fire_until(later, over, 1); });
  run.thread([&] { g.cancel(); });
  run.join();
  check(timers.heap.size() == 0, "a timer is left");
}

const Options options{.schedules = 20'000};
const std::vector<Model> models{
    {"sleeps", options, sleeps<false>},
    {"sleeps, gives up", options, sleeps<true>},
    {"given up", options, given_up},
    {"two fire", options, two_fire},
};

TEST(SleepModel, FiresOrIsGivenUp) { explore_all(models); }

TEST(SleepModel, EveryOrderIsNeeded) {
  const auto all = mutants("time/sleep.cpp", models);
  std::printf("%s", describe(all).c_str());
  constexpr const char* frame = "SL1: that a fire has read g_ before the frame goes, which is no Var";
  EXPECT_EQ("", unexcused(all, {{"exchange(over, acq_rel)", "acq_rel -> acquire", frame}, {"parked, release, acquire)", "on failure", frame},
                                {"was, over, acquire, relaxed)", "", "that park_begin() has read withdrawal_ before the g goes on, which is no Var"}}));
}

}  // namespace
}  // namespace gmp::model
