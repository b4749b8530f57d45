// tests/model/mutex_model.cpp — models of src/sync/mutex.cpp: both modes, withdrawal, the end of an executor, destruction.
// Go: none.  Room: tests/model.
//
// At the end of each run the mutex must be free, with no sleeper counted (its destructor looks), no bit left, and no permit in its Sema.
#include <gtest/gtest.h>

#include "gmp/sync/mutex.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::MutexWaiter;

/// A mutex, and what it protects.
struct Guarded {
  Mutex mutex;
  Var<int> value;

  void touch() { value.set(value.get() + 1); }
  void check_quiet(int touched) {
    check(mutex.try_lock(), "somebody still has it");
    check(value.get() == touched, "a critical section is missing");
    mutex.unlock();
    MutexWaiter w(mutex, nullptr);
    check(w.sema().kept() == 0, "a permit is left");
  }
};

/// co_await lock(), with its fast path; false: withdrawn.
bool lock(ModelG& g, Mutex& mutex, MutexWaiter& w) {
  if (mutex.try_lock()) return true;
  g.await(w);
  return !w.withdrawn_;
}

void lock_touch_unlock(Guarded& guarded, int times) {
  for (int i = 0; i < times; ++i) {
    ModelG g;
    MutexWaiter w(guarded.mutex, &g.gp);
    check(lock(g, guarded.mutex, w), "nobody withdrew it");
    guarded.touch();
    guarded.mutex.unlock();
  }
}

/// Three gs. late: every sleeper has waited too long, so all is handed over.
template <bool late, int spins>
void exclusion(model::Run& run) {
  reset_world();
  if (late) world.clock_step_ns = 2'000'000;
  world.spins = spins;
  Guarded guarded;
  run.thread([&] { lock_touch_unlock(guarded, 2); });
  run.thread([&] { lock_touch_unlock(guarded, 1); });
  run.thread([&] { lock_touch_unlock(guarded, 1); });
  run.join();
  guarded.check_quiet(4);
}

/// A plain thread among gs.
void with_a_thread(model::Run& run) {
  reset_world();
  Guarded guarded;
  run.thread([&] { lock_touch_unlock(guarded, 1); });
  run.thread([&] {
    guarded.mutex.lock_blocking();
    guarded.touch();
    guarded.mutex.unlock();
  });
  run.join();
  guarded.check_quiet(2);
}

/// try_lock() never waits, and what it gets is the mutex.
void with_a_try(model::Run& run) {
  reset_world();
  Guarded guarded;
  int got = 0;
  run.thread([&] { lock_touch_unlock(guarded, 2); });
  run.thread([&] { lock_touch_unlock(guarded, 1); });
  run.thread([&] {
    if (!guarded.mutex.try_lock()) return;
    guarded.touch();
    guarded.mutex.unlock();
    got = 1;
  });
  run.join();
  guarded.check_quiet(3 + got);
}

/// One of the sleepers withdraws, whatever the others are at.
template <bool late>
void withdraw(model::Run& run) {
  reset_world();
  if (late) world.clock_step_ns = 2'000'000;
  Guarded guarded;
  int touched = 0;
  ModelG g;
  MutexWaiter w(guarded.mutex, &g.gp);
  run.thread([&] {
    if (!lock(g, guarded.mutex, w)) return;
    guarded.touch();
    guarded.mutex.unlock();
    touched = 1;
  });
  run.thread([&] { lock_touch_unlock(guarded, 2); });
  run.thread([&] { lock_touch_unlock(guarded, 1); });
  run.thread([&] {
    for (int i = 0; i < 2; ++i) g.cancel();
  });
  run.join();
  guarded.check_quiet(3 + touched);
}

/// The mutex is locked, by the body; g sleeps for it: in normal mode for the first time, in starvation because it has lost.
void make_sleeper(Guarded& guarded, ModelG& g, MutexWaiter& w, bool starving) {
  check(guarded.mutex.try_lock(), "new");
  check(detail::Sleeper<MutexWaiter>::suspend(w, g.leaf, detail::WaitReason::none), "locked");
  if (!starving) return;
  guarded.mutex.unlock();
  check(guarded.mutex.try_lock(), "a newcomer is faster");
  check(g.woken(), "it was woken");
  check(!g.step(), "it lost");
  check(!guarded.mutex.try_lock(), "nobody can have it but the sleeper");
}

/// A sleeper withdraws while the holder unlocks. The second one, if there is one, sleeps behind it.
template <bool starving, bool alone>
void withdraw_sleeper(model::Run& run) {
  reset_world();
  if (starving) world.clock_step_ns = 2'000'000;
  Guarded guarded;
  int touched = 1;
  ModelG g[2];
  MutexWaiter w[2]{{guarded.mutex, &g[0].gp}, {guarded.mutex, &g[1].gp}};
  make_sleeper(guarded, g[0], w[0], starving);
  if (!alone) check(detail::Sleeper<MutexWaiter>::suspend(w[1], g[1].leaf, detail::WaitReason::none), "locked");
  run.thread([&] {
    guarded.touch();
    guarded.mutex.unlock();
  });
  for (int i = 0; i < (alone ? 1 : 2); ++i) {
    run.thread([&, i] {
      g[i].sleep();
      if (w[i].withdrawn_) return;
      guarded.touch();
      guarded.mutex.unlock();
      ++touched;
    });
  }
  run.thread([&] { g[alone ? 0 : run.choose(2)].cancel(); });
  run.join();
  guarded.check_quiet(touched);
}

/// The g of a stopped executor sleeps, is granted, or has it; a holder elsewhere unlocks, and another one wants it.
template <bool starving>
void stop(model::Run& run) {
  reset_world();
  if (starving) world.clock_step_ns = 2'000'000;
  Guarded guarded;
  ModelG g[2];
  MutexWaiter w[2]{{guarded.mutex, &g[0].gp}, {guarded.mutex, &g[1].gp}};
  make_sleeper(guarded, g[0], w[0], starving);
  const bool two = run.choose(2) == 1;
  if (two) check(detail::Sleeper<MutexWaiter>::suspend(w[1], g[1].leaf, detail::WaitReason::none), "locked");
  run.thread([&] {
    guarded.touch();
    guarded.mutex.unlock();
  });
  run.thread([&] { lock_touch_unlock(guarded, 1); });
  run.thread([&] {
    for (int i = 0; i < (two ? 2 : 1); ++i) g[i].stop(w[i]);
  });
  run.join();
  guarded.check_quiet(2);
}

/// The g of a stopped executor has the mutex, but has not gone on since.
void stop_with_mutex(model::Run& run) {
  reset_world();
  Guarded guarded;
  ModelG g;
  MutexWaiter w(guarded.mutex, &g.gp);
  check(!detail::Sleeper<MutexWaiter>::suspend(w, g.leaf, detail::WaitReason::none), "free");
  run.thread([&] { lock_touch_unlock(guarded, 1); });
  run.thread([&] { g.stop(w); });
  run.join();
  guarded.check_quiet(1);
}

/// Who was told to give up between its waking and its step, and finds the mutex taken by a newcomer, does not sleep again.
void gives_up_rather_than_sleep(model::Run& run) {
  reset_world();
  Guarded guarded;
  ModelG g;
  MutexWaiter w(guarded.mutex, &g.gp);
  make_sleeper(guarded, g, w, false);
  guarded.mutex.unlock();
  const bool taken = run.choose(2) == 1;
  if (taken) check(guarded.mutex.try_lock(), "a newcomer is faster");
  w.give_up_.store(true, detail::relaxed);
  check(g.woken() && g.step(), "it does not sleep");
  check(w.withdrawn_ == taken, "a mutex that is free is had");
  run.thread([&] { lock_touch_unlock(guarded, 1); });
  guarded.mutex.unlock();
  run.join();
  guarded.check_quiet(1);
}

/// The last user destroys it, while the one before may still be on his way out of unlock().
template <bool late>
void destroyed_by_the_last(model::Run& run) {
  reset_world();
  if (late) world.clock_step_ns = 2'000'000;
  struct Object {
    Mutex mutex;
    Var<int> users{3};
  };
  auto* object = new Object;
  for (int i = 0; i < 3; ++i) {
    run.thread([=] {
      ModelG g;
      MutexWaiter w(object->mutex, &g.gp);
      check(lock(g, object->mutex, w), "nobody withdrew it");
      const int left = object->users.get() - 1;
      object->users.set(left);
      object->mutex.unlock();
      if (left == 0) delete object;
    });
  }
  run.join();
}

const Options options{.schedules = 20'000, .future_reads = true};

const std::vector<Model> models{
    {"exclusion", options, exclusion<false, 0>},
    {"exclusion, spinning", options, exclusion<false, 1>},
    {"exclusion, starving", options, exclusion<true, 0>},
    {"exclusion, starving, spinning", options, exclusion<true, 1>},
    {"with a thread", options, with_a_thread},
    {"with a try", options, with_a_try},
    {"withdraw", options, withdraw<false>},
    {"withdraw, starving", options, withdraw<true>},
    {"withdraw the only sleeper", options, withdraw_sleeper<false, true>},
    {"withdraw the only one, starving", options, withdraw_sleeper<true, true>},
    {"withdraw one of two sleepers", options, withdraw_sleeper<false, false>},
    {"withdraw one of two, starving", options, withdraw_sleeper<true, false>},
    {"stop", options, stop<false>},
    {"stop, starving", options, stop<true>},
    {"stop, with the mutex", options, stop_with_mutex},
    {"gives up rather than sleep", options, gives_up_rather_than_sleep},
    {"destroyed by the last", options, destroyed_by_the_last<false>},
    {"destroyed by the last, starving", options, destroyed_by_the_last<true>},
};

TEST(MutexModel, ExcludesLosesNobodyAndMayBeDestroyed) { explore_all(models); }

TEST(MutexModel, EveryOrderIsNeeded) {
  auto found = mutants("sync/mutex.", models);
  EXPECT_EQ("", unexcused(found, {})) << describe(found);
}

}  // namespace
}  // namespace gmp::model
