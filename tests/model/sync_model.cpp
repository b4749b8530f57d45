// tests/model/sync_model.cpp — models of WaitGroup, Once, Cond and Semaphore: their ends, withdrawal, stop, destruction.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string_view>

#include "gmp/sync/cond.hpp"
#include "gmp/sync/once.hpp"
#include "gmp/sync/semaphore.hpp"
#include "gmp/sync/waitgroup.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

/// An awaiter as a coroutine would use it: suspend() is told its g by await_suspend there.
template <class A>
struct Awaiting : A {
  template <class Op>
  Awaiting(ModelG& g, Op op) : A(&g.gp, std::move(op)), model_g_(g) {
    this->g_ = &g.gp;
  }
  bool park() {
    tried_ = true;
    return this->suspend(model_g_.leaf);
  }
  void await() {
    if (this->await_ready()) return;
    if (park()) model_g_.sleep();
  }
  bool was_withdrawn() const { return tried_ && this->withdrawn(); }

  ModelG& model_g_;
  bool tried_ = false;
};

// ---- WaitGroup

/// Two workers; a g and a plain thread wait, the g may be cancelled.
template <bool cancelled>
void wait_group(model::Run& run) {
  reset_world();
  WaitGroup group;
  Var<int> work[2];
  group.add(2);
  ModelG g;
  Awaiting<detail::WaitGroupAwaiter> awaiting(g, group.wait());
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      work[i].set(1);
      group.done();
    });
  }
  run.thread([&] {
    awaiting.await();
    if (awaiting.was_withdrawn()) return;
    awaiting.await_resume();
    check(work[0].get() + work[1].get() == 2, "went on before the work was done");
  });
  run.thread([&] {
    if (cancelled) {
      for (int i = 0; i < 2; ++i) g.cancel();
    } else {
      group.wait_blocking();
      check(work[0].get() + work[1].get() == 2, "went on before the work was done");
    }
  });
  run.join();
  check(!awaiting.was_withdrawn() || cancelled, "withdrawn by nobody");
  check(detail::WaitGroupWaiter(group, nullptr).sema().kept() == 0, "a permit is left");
}

/// The one who waits destroys it, with what it worked on.
void wait_group_is_destroyed_by_the_waiter(model::Run& run) {
  reset_world();
  struct Object {
    WaitGroup group;
    Var<int> work;
  };
  auto* object = new Object;
  object->group.add(2);
  run.thread([=] {
    object->work.set(1);
    object->group.done();
  });
  run.thread([=] { object->group.done(); });
  run.thread([=] {
    ModelG g;
    Awaiting<detail::WaitGroupAwaiter> awaiting(g, object->group.wait());
    awaiting.await();
    awaiting.await_resume();  // looks at the group for misuse, while it still lives
    check(object->work.get() == 1, "went on before the work was done");
    delete object;
  });
  run.join();
}

/// An add() that falls between a done() which has found the counter at zero and its waking of who waits: one of the two says so. The group is broken
/// after that, and is left as it is.
std::uint64_t misuses = 0;
void wait_group_is_raised_while_waited_for(model::Run& run) {
  reset_world();
  alignas(WaitGroup) static std::byte room[sizeof(WaitGroup)];
  auto& group = *new (room) WaitGroup;
  group.add(1);
  ModelG g;
  Awaiting<detail::WaitGroupAwaiter> awaiting(g, group.wait());
  check(awaiting.park(), "the counter is not zero");
  for (const int n : {-1, 1}) {
    run.thread([&, n] {
      try {
        group.add(n);
      } catch (const std::logic_error& misuse) {
        check(std::string_view(misuse.what()) == "sync: WaitGroup misuse: Add called concurrently with Wait", misuse.what());
        ++misuses;
      }
    });
  }
  run.join();
}

/// The next round begins when the wait has returned.
void wait_group_again(model::Run& run) {
  reset_world();
  WaitGroup group;
  Var<int> work;
  Atomic<int> round{1};
  group.add(1);
  run.thread([&] {
    for (int i = 1; i <= 2; ++i) {
      block_until([&] { return peek(round) == i; }, "the round");
      check(round.fetch_add(0, detail::acquire) == i, "the round");
      work.set(i);
      group.done();
    }
  });
  run.thread([&] {
    for (int i = 1; i <= 2; ++i) {
      ModelG g;
      Awaiting<detail::WaitGroupAwaiter> awaiting(g, group.wait());
      awaiting.await();
      try {
        awaiting.await_resume();
      } catch (const std::logic_error&) {
        check(false, "nobody misused it");
      }
      check(work.get() == i, "went on before the work was done");
      if (i == 2) break;
      group.add(1);
      round.store(2, detail::release);
    }
  });
  run.join();
}

void wait_group_stop(model::Run& run) {
  reset_world();
  WaitGroup group;
  group.add(1);
  ModelG g;
  detail::WaitGroupWaiter w(group, &g.gp);
  check(detail::Sleeper<detail::WaitGroupWaiter>::suspend(w, g.leaf, detail::WaitReason::none), "one is at work");
  run.thread([&] { group.done(); });
  run.thread([&] { group.wait_blocking(); });
  run.thread([&] { g.stop(w); });
  run.join();
  check(w.sema().kept() == 0, "a permit is left");
}

// ---- Once

/// One runs it, whoever it is; the others see what it did. One that waits may be cancelled.
template <bool cancelled>
void once(model::Run& run) {
  reset_world();
  detail::OnceState once;
  Var<int> made;
  ModelG g[2];
  detail::Late<detail::OnceWaiter> w[2];
  bool tried[2] = {};
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      if (!once.done()) {
        if (once.begin()) {
          made.set(made.get() + 1);
          once.finish();
        } else {
          tried[i] = true;
          if (once.park(g[i].leaf, &g[i].gp, w[i])) g[i].sleep();
          if (w[i].get().withdrawn_) return;
        }
      }
      check(made.get() == 1, "went on before it was made");
    });
  }
  run.thread([&] {
    if (cancelled) {
      for (int i = 0; i < 2; ++i) g[i].cancel();
      return;
    }
    detail::OnceRunner runner;
    if (runner.begin(once))
      made.set(made.get() + 1);
    else
      once.wait_on_thread();
    if (!runner.running()) check(made.get() == 1, "went on before it was made");
  });
  run.join();
  check(once.done(), "somebody ran it");
  check(made.get() == 1, "made not once");
  for (int i = 0; i < 2; ++i) check(!tried[i] || w[i].get().sema().kept() == 0, "a permit is left");
}

/// The last user destroys it.
void once_is_destroyed_by_the_last(model::Run& run) {
  reset_world();
  struct Object {
    detail::OnceState once;
    Atomic<int> users{2};
  };
  auto* object = new Object;
  for (int i = 0; i < 3; ++i) {
    run.thread([=] {
      if (object->once.begin()) return object->once.finish();  // and nothing after that
      ModelG g;
      detail::Late<detail::OnceWaiter> w;
      if (object->once.park(g.leaf, &g.gp, w)) g.sleep();
      if (object->users.fetch_sub(1, detail::acq_rel) == 1) delete object;
    });
  }
  run.join();
}

void once_stop(model::Run& run) {
  reset_world();
  detail::OnceState once;
  ModelG g;
  detail::Late<detail::OnceWaiter> w;
  check(once.begin(), "new");
  check(once.park(g.leaf, &g.gp, w), "it runs");
  run.thread([&] { once.finish(); });
  run.thread([&] { g.stop(w.get()); });
  run.thread([&] { once.wait_on_thread(); });
  run.join();
  check(w.get().sema().kept() == 0, "a permit is left");
}

// ---- Cond

using CondAwaiting = Awaiting<detail::CondAwaiter>;

/// A queue of one place: producers and consumers, each waits for its turn on the one Cond.
void cond_hands_over(model::Run& run) {
  reset_world();
  Mutex mutex;
  Cond cond(mutex);
  Var<int> full;
  int taken = 0;
  run.thread([&] {
    for (int i = 0; i < 2; ++i) {
      mutex.lock_blocking();
      while (full.get() != 0) cond.wait_blocking();
      full.set(1);
      mutex.unlock();
      cond.broadcast();
    }
  });
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      ModelG g;
      detail::MutexWaiter w(mutex, &g.gp);
      if (!mutex.try_lock()) g.await(w);
      while (full.get() == 0) {
        CondAwaiting awaiting(g, cond.wait());
        awaiting.await();
        awaiting.await_resume();
      }
      full.set(0);
      ++taken;
      mutex.unlock();
      cond.signal();
    });
  }
  run.join();
  check(taken == 2 && full.get() == 0, "something was lost");
}

/// Two take turns, each signals under the lock and then waits: the mutex goes with the P from one to the other. A third one wants it too; one of the
/// two may be withdrawn, and then lets everybody go.
template <bool cancelled>
void cond_takes_turns(model::Run& run) {
  reset_world();
  Atomic<int> handed{0};
  world.next_handed = &handed;
  Mutex mutex;
  Cond cond(mutex);
  Var<int> turn, visits;
  Var<bool> over;
  ModelG g[2];
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      detail::MutexWaiter w(mutex, &g[i].gp);
      if (!mutex.try_lock()) g[i].await(w);
      if (w.withdrawn_) {
        mutex.lock_blocking();
        over.set(true);
      }
      for (int round = 0; round < 2 && !over.get(); ++round) {
        while (turn.get() != i && !over.get()) {
          CondAwaiting awaiting(g[i], cond.wait());
          awaiting.await();
          awaiting.await_resume();
          if (awaiting.was_withdrawn()) over.set(true);
        }
        turn.set(1 - i);
        cond.signal();
      }
      if (over.get()) cond.broadcast();
      mutex.unlock();
    });
  }
  run.thread([&] {
    ModelG other(false);
    detail::MutexWaiter w(mutex, &other.gp);
    if (!mutex.try_lock()) other.await(w);
    visits.set(visits.get() + 1);
    mutex.unlock();
  });
  if (cancelled) run.thread([&] { g[0].cancel(); });
  run.join();
  check(mutex.try_lock() && visits.get() == 1 && (cancelled || !over.get()), "the books do not balance");
  mutex.unlock();
}

/// Two wait, one signal each; one of them may be withdrawn, and holds the mutex all the same.
void cond_withdraw(model::Run& run) {
  reset_world();
  Mutex mutex;
  Cond cond(mutex);
  Var<int> signals;
  ModelG g[2];
  int got = 0, withdrawn = 0;
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      detail::MutexWaiter w(mutex, &g[i].gp);
      if (!mutex.try_lock()) g[i].await(w);
      if (w.withdrawn_) {
        ++withdrawn;
        return;
      }
      while (signals.get() == 0) {
        CondAwaiting awaiting(g[i], cond.wait());
        awaiting.await();
        awaiting.await_resume();
        if (awaiting.was_withdrawn()) {
          ++withdrawn;
          mutex.unlock();
          return;
        }
      }
      signals.set(signals.get() - 1);
      ++got;
      mutex.unlock();
    });
  }
  run.thread([&] { g[0].cancel(); });
  run.thread([&] {
    for (int i = 0; i < 2; ++i) {
      mutex.lock_blocking();
      signals.set(signals.get() + 1);
      mutex.unlock();
      cond.signal();
    }
  });
  run.join();
  check(got + withdrawn == 2 && withdrawn <= 1, "a signal was lost");
  check(mutex.try_lock() && signals.get() == 2 - got, "the books do not balance");
  mutex.unlock();
}

/// A g of a stopped executor sleeps in the list, was notified, or waits for the mutex; another waiter must not miss the signal for it. Its
/// frame says whether the unlock that a guard in it makes is real.
void cond_stop(model::Run& run) {
  reset_world();
  Mutex mutex;
  Cond cond(mutex);
  Var<int> ready;
  ModelG g;
  auto* awaiting = new CondAwaiting(g, cond.wait());
  check(mutex.try_lock(), "new");
  check(awaiting->park(), "nobody signals");
  bool joined = false, went_on = false;
  run.thread([&] {
    mutex.lock_blocking();
    joined = true;
    while (ready.get() == 0) cond.wait_blocking();
    mutex.unlock();
  });
  run.thread([&] {
    block_until([&] { return joined; }, "the other waiter");
    mutex.lock_blocking();
    ready.set(1);
    cond.signal();
    mutex.unlock();
  });
  run.thread([&] {
    if (g.woken()) went_on = g.step();  // at times an M comes to it before the stop
    if (!went_on) return g.stop(*g.gp.waiter_);
    awaiting->await_resume();
    mutex.unlock();
    cond.signal();  // the signal that it was given was for one of two
  });
  run.join();
  world.tearing_down = 1;
  delete awaiting;
  if (!went_on) mutex.unlock();  // by a guard further out in its frames
  check(world.phantom == nullptr, "the guard's unlock was not real");
  world.tearing_down = 0;
  check(mutex.try_lock(), "somebody still has it");
  mutex.unlock();
}

// ---- Semaphore

using SemaphoreAwaiting = Awaiting<detail::SemaphoreAwaiter>;

/// Small and large requests on two units; never more are out than there are.
template <bool cancelled>
void semaphore(model::Run& run) {
  reset_world();
  Semaphore units(2);
  int out = 0;
  ModelG g[3];
  bool withdrawn[3] = {};
  for (int i = 0; i < 3; ++i) {
    run.thread([&, i] {
      const int n = i == 1 ? 2 : 1;
      SemaphoreAwaiting awaiting(g[i], units.acquire(n));
      awaiting.await();
      if (awaiting.was_withdrawn()) {
        withdrawn[i] = true;
        return;
      }
      check((out += n) <= 2, "more units than there are");
      out -= n;
      units.release(n);
    });
  }
  if (cancelled) {
    run.thread([&] {
      const unsigned whom = run.choose(3);
      for (int i = 0; i < 2; ++i) g[whom].cancel();
    });
  }
  run.join();
  check(cancelled || !(withdrawn[0] || withdrawn[1] || withdrawn[2]), "withdrawn by nobody");
  check(units.try_acquire(2), "a unit is missing");
  units.release(2);
}

/// What was done before a release is seen after the acquire; whoever has all units in the end may destroy it.
void semaphore_carries_and_goes(model::Run& run) {
  reset_world();
  auto* units = new Semaphore(2);
  auto* data = new Var<int>[2];
  check(units->try_acquire(2), "new");
  for (int i = 0; i < 2; ++i) {
    run.thread([=] {
      data[i].set(1);
      units->release();
    });
  }
  run.thread([=] {
    ModelG g;
    SemaphoreAwaiting awaiting(g, units->acquire(2));
    awaiting.await();
    check(data[0].get() + data[1].get() == 2, "a unit came before what it stands for");
    delete[] data;
    delete units;
  });
  run.join();
}

/// The first in the queue, a large one, withdraws or stops: the small one behind it gets what is there.
template <bool stops>
void semaphore_behind_a_large_one(model::Run& run) {
  reset_world();
  Semaphore units(3);
  ModelG g[2];
  check(units.try_acquire(2), "new");
  auto* large = new SemaphoreAwaiting(g[0], units.acquire(3));
  SemaphoreAwaiting small(g[1], units.acquire(1));
  check(large->park() && small.park(), "they must wait");
  run.thread([&] {
    g[1].sleep();
    units.release(1);
  });
  run.thread([&] { units.release(1); });
  run.thread([&] {
    if (stops)
      g[0].stop(*g[0].gp.waiter_);
    else
      g[0].cancel();
  });
  run.thread([&] {
    units.release(1);
    if (stops) return;
    g[0].sleep();
    if (!large->was_withdrawn()) units.release(3);
  });
  run.join();
  check(units.try_acquire(3), "a unit is missing");
  units.release(3);
  delete large;
}

/// What a release that met a waiter leaves over carries its data to who takes it without waiting.
void semaphore_leftover(model::Run& run) {
  reset_world();
  Semaphore units(2);
  Var<int> data;
  ModelG g;
  check(units.try_acquire(2), "new");
  SemaphoreAwaiting waiting(g, units.acquire(1));
  check(waiting.park(), "it must wait");
  run.thread([&] {
    data.set(1);
    units.release(2);
  });
  run.thread([&] {
    if (units.try_acquire()) check(data.get() == 1, "a unit came before what it stands for");
  });
  run.thread([&] { g.sleep(); });
  run.join();
  check(data.get() == 1, "set");
}

/// The same, if the waiter has gone by the time that the release comes to look for it.
void semaphore_waiter_gone(model::Run& run) {
  reset_world();
  Semaphore units(1);
  Var<int> data;
  ModelG g;
  check(units.try_acquire(), "new");
  SemaphoreAwaiting waiting(g, units.acquire());
  check(waiting.park(), "it must wait");
  run.thread([&] {
    data.set(1);
    units.release();
  });
  run.thread([&] { g.cancel(); });
  run.thread([&] {
    if (units.try_acquire()) check(data.get() == 1, "a unit came before what it stands for");
  });
  run.join();
}

const Options options{.schedules = 20'000, .future_reads = true};

const std::vector<Model> wait_group_models{
    {"wait group", options, wait_group<false>},
    {"wait group, cancelled", options, wait_group<true>},
    {"wait group, destroyed by the waiter", options, wait_group_is_destroyed_by_the_waiter},
    {"wait group, again", options, wait_group_again},
    {"wait group, stop", options, wait_group_stop},
};
const std::vector<Model> once_models{
    {"once", options, once<false>},
    {"once, cancelled", options, once<true>},
    {"once, destroyed by the last", options, once_is_destroyed_by_the_last},
    {"once, stop", options, once_stop},
};
const std::vector<Model> cond_models{
    {"cond, hands over", options, cond_hands_over},
    {"cond, takes turns", options, cond_takes_turns<false>},
    {"cond, takes turns, withdrawn", options, cond_takes_turns<true>},
    {"cond, withdraw", options, cond_withdraw},
    {"cond, stop", options, cond_stop},
};
const std::vector<Model> semaphore_models{
    {"semaphore", options, semaphore<false>},
    {"semaphore, cancelled", options, semaphore<true>},
    {"semaphore, carries data and goes", options, semaphore_carries_and_goes},
    {"semaphore, leftover", options, semaphore_leftover},
    {"semaphore, waiter gone", options, semaphore_waiter_gone},
    {"semaphore, large one withdraws", options, semaphore_behind_a_large_one<false>},
    {"semaphore, large one stops", options, semaphore_behind_a_large_one<true>},
};

TEST(WaitGroupModel, NobodyGoesOnEarlyOrNever) { explore_all(wait_group_models); }
TEST(WaitGroupModel, AnAddAmidTheWakingIsMisuse) {
  misuses = 0;
  explore_all({{"wait group, raised while waited for", options, wait_group_is_raised_while_waited_for}});
  EXPECT_GT(misuses, 0u);
}
TEST(WaitGroupModel, EveryOrderIsNeeded) {
  const auto found = mutants("sync/waitgroup.", wait_group_models);
  EXPECT_EQ("", unexcused(found, {})) << describe(found);
}
TEST(OnceModel, RunsOnceAndAllSeeIt) { explore_all(once_models); }
TEST(OnceModel, EveryOrderIsNeeded) {
  const auto found = mutants("sync/once.", once_models);
  EXPECT_EQ("", unexcused(found, {})) << describe(found);
}
TEST(CondModel, NoSignalIsLost) { explore_all(cond_models); }
TEST(SemaphoreModel, UnitsAreNeitherLostNorDoubled) { explore_all(semaphore_models); }
TEST(SemaphoreModel, EveryOrderIsNeeded) {
  const auto found = mutants("sync/semaphore.", semaphore_models);
  EXPECT_EQ("", unexcused(found, {})) << describe(found);
}

}  // namespace
}  // namespace gmp::model
