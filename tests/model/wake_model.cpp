// tests/model/wake_model.cpp — models of src/sched/idle.hpp: no wake-up is lost between "put work, look for sleepers" and "sleep, look for work".
// Go: runtime/proc.go, "Worker thread parking/unparking".  Room: tests/model.
//
// Ms are modelled threads with the production IdleSet and run queues of capacity 2; sleeping is waiting for a flag that a hand-over sets.  An M
// that got its item stays with it for ever (it ends), as an M does whose g computes: if a wake-up is lost somebody sleeps on work, and
// the model deadlocks.
#include <gtest/gtest.h>

#include <cstdio>

#include "gmp/detail/sys/lock.hpp"
#include "model/model.hpp"
#include "sched/claim.hpp"
#include "sched/idle.hpp"
#include "sched/run_queue.hpp"

namespace gmp::model {
namespace {

struct Item {
  Var<int> made;
  int taken = 0;
};

struct World {
  static constexpr int procs = 4;
  using Queue = detail::BasicRunQueue<Item, 2, std::uint8_t>;

  detail::IdleSet idle;
  Queue queues[procs];
  detail::Claim claims[procs];
  detail::Lock lock;
  Item* global = nullptr;                // lock
  detail::Atomic<int> global_size{0};
  bool rung[procs] = {};                 // the model's own: set by a hand-over

  auto hand() {
    return [this](int p, bool watched) { check(watched, "every P here has its M"), rung[p] = true; };
  }
  World() {
    detail::Claim::use_exchange(false);
    for (auto& claim : claims) claim.exit();
  }
  /// By P p's M, which computes for ever before and after.
  void push_local(int p, Item& item) {
    item.made.set(1);
    check(claims[p].enter() == detail::Claim::Entered::with_p, "nobody takes Ps here");
    if (Item* kicked = queues[p].push_next(&item)) {
      check(queues[p].push_tail(kicked), "room");
      idle.wake_one(hand());
    } else {
      idle.wake_one_for_next(hand());
    }
    claims[p].exit();
  }
  void push_ring(int p, Item& item) {
    item.made.set(1);
    check(queues[p].push_tail(&item), "room");
    idle.wake_one(hand());
  }
  Item* visit(int mine, int p) {
    const auto who = static_cast<std::uint32_t>(mine) + 1;
    if (queues[p].peek_next() == nullptr || claims[p].inside() || !claims[p].ask(who)) return nullptr;
    heavy_barrier();
    if (!claims[p].outside()) {
      claims[p].withdraw(who);
      return nullptr;
    }
    if (!claims[p].visit(who)) return nullptr;
    Item* item = queues[p].take_next();
    claims[p].end_visit();
    return item;
  }
  void push_global(Item& item) {
    item.made.set(1);
    {
      detail::LockGuard guard(lock);
      check(global == nullptr, "one is enough");
      global = &item;
      global_size.store(1, detail::seq_cst);
    }
    idle.wake_one(hand());
  }
  Item* find(int p) {
    if (global_size.load(detail::relaxed) != 0) {
      detail::LockGuard guard(lock);
      if (Item* item = std::exchange(global, nullptr)) {
        global_size.store(0, detail::relaxed);
        return item;
      }
    }
    for (int victim = 0; victim < procs; ++victim) {
      if (victim == p) continue;
      if (Item* item = queues[victim].steal_into(queues[p])) return item;
      if (Item* item = visit(p, victim)) return item;
    }
    return nullptr;
  }
  bool work_anywhere() {
    if (global_size.load(detail::seq_cst) != 0) return true;
    const bool scouted = idle.scouted();
    for (auto& queue : queues) {
      if (!(scouted ? queue.ring_empty() : queue.empty())) return true;
    }
    return false;
  }
  /// The M of P p: until it has found an item. naps: how often it sleeps as the scout first.
  void serve(int p, bool spinning = false, int naps = 0) {
    for (;;) {
      if (!spinning) spinning = idle.start_spinning(procs);
      Item* item = spinning || global_size.load(detail::relaxed) != 0 ? find(p) : nullptr;
      if (item != nullptr) {
        if (spinning) idle.found_work(hand());
        check(item->made.get() == 1, "an item came before it was made");
        check(++item->taken == 1, "an item came twice");
        return;
      }
      const bool scouts = naps > 0 && idle.begin_scouting();
      if (idle.park(p, spinning, [&] { return work_anywhere(); })) {
        if (!scouts) block_until([&] { return rung[p]; }, "an M sleeps");
        idle.unpark(p, spinning);
        rung[p] = false;
      }
      if (scouts) {
        --naps;
        idle.end_scouting();
      }
    }
  }
};

/// One M queues a g behind the one that it is busy with; another is about to sleep.
void local_push_against_park(model::Run& run) {
  World world;
  Item item;
  run.thread([&] { world.push_local(0, item); });
  run.thread([&] { world.serve(1); });
  run.join();
  check(item.taken == 1, "nobody ran it");
}

void ring_push_against_park(model::Run& run) {
  World world;
  Item item;
  run.thread([&] { world.push_ring(0, item); });
  run.thread([&] { world.serve(1); });
  run.join();
  check(item.taken == 1, "nobody ran it");
}

/// A thread that is no M queues one; both Ms are about to sleep.
void global_push_against_two_parks(model::Run& run) {
  World world;
  Item first, second;
  run.thread([&] {
    world.push_global(first);
    world.push_local(0, second);
  });
  run.thread([&] { world.serve(1); });
  run.thread([&] { world.serve(2); });
  run.join();
  check(first.taken == 1 && second.taken == 1, "one was forgotten");
}

/// Two pushers, each sees the other's spinner; two sleepers, both have to come (W').
void two_pushes_against_two_parks(model::Run& run) {
  World world;
  Item first, second;
  run.thread([&] { world.push_local(0, first); });
  run.thread([&] { world.push_local(3, second); });
  run.thread([&] { world.serve(1); });
  run.thread([&] { world.serve(2); });
  run.join();
  check(first.taken == 1 && second.taken == 1, "one was forgotten");
}

/// A waker that had reserved a spinner's place finds no idle P: it must look again after it gave the place back.
void reserved_place(model::Run& run) {
  World world;
  Item first, second;
  world.idle.put(2);  // a P whose M takes it back by itself, as after a completion
  run.thread([&] { world.push_local(0, first); });
  run.thread([&] {
    bool spinning = false;
    world.idle.unpark(2, spinning);
    if (spinning) world.idle.found_work(world.hand());
    world.push_local(3, second);
  });
  run.thread([&] {
    world.serve(1);
    world.serve(1);
  });
  run.join();
  check(first.taken == 1 && second.taken == 1, "one was forgotten");
}

/// The same, and what the waker had queued is gone with who came back, who queues something else: it calls nobody, for it sees a spinner's place taken.
/// Beside them another M has gone to sleep, for which there was nothing.
void place_given_up(model::Run& run) {
  World world;
  Item item;
  world.idle.put(2);
  run.thread([&] { world.idle.wake_one(world.hand()); });
  run.thread([&] {
    bool spinning = false;
    world.idle.unpark(2, spinning);
    if (spinning) world.idle.found_work(world.hand());
    world.push_global(item);
  });
  run.thread([&] {
    bool spinning = false;
    if (world.idle.park(1, spinning, [&] { return world.work_anywhere(); })) {
      block_until([&] { return world.rung[1]; }, "an M sleeps");
      world.idle.unpark(1, spinning);
      world.rung[1] = false;
    }
    world.serve(1, spinning);  // also if it was woken by the first one
  });
  run.join();
  check(item.taken == 1, "it was forgotten");
}

/// A P without an M, and one whose M comes back by itself while a waker takes it: each P is somebody's, and nobody's twice (W").
void watched_or_not(model::Run& run) {
  World world;
  int owners = 0, started = 0;
  world.idle.put(1);
  world.idle.put_unwatched(2);
  run.thread([&] {
    for (int i = 0; i < 2; ++i) {
      world.idle.wake_one([&](int p, bool watched) {
        check(watched == (p == 1), "it knows whether an M watches");
        if (!watched) ++started, world.idle.found_work([](int, bool) {});  // the M that is started for it, at once
      });
    }
  });
  run.thread([&] {
    bool spinning = false;
    world.idle.unpark(1, spinning);
    ++owners;
    if (spinning) world.idle.stop_spinning();
  });
  run.join();
  check(owners == 1 && started <= 1, "a P is one M's");
  check(world.idle.spinners() == 0, "a spinner's place for each that was given, and no more");
}

/// A thread without a P adds a timer to the heap of a P whose M is about to sleep until a later one.
void timer_against_park(model::Run& run) {
  World world;
  detail::Atomic<int> when{0};
  bool late = false;
  run.thread([&] {
    when.store(1, detail::seq_cst);
    if (world.idle.watched(1)) world.rung[1] = true;
  });
  run.thread([&] {
    bool spinning = false;
    if (!world.idle.park(1, spinning, [] { return false; })) return;
    if (when.load(detail::seq_cst) == 0) block_until([&] { return world.rung[1]; }, "an M sleeps over a timer");
    late = true;
  });
  run.join();
  check(late, "it came through");
}

/// A scout does for pushes to run_next what a spinner does for all: who pushes calls nobody, so it must look when it steps down (Ws).
template <int Naps>
void push_against_scout(model::Run& run) {
  World world;
  Item item;
  run.thread([&] { world.push_local(0, item); });
  run.thread([&] { world.serve(1, false, Naps); });
  run.join();
  check(item.taken == 1, "nobody ran it");
}

/// Another M sleeps soundly while there is a scout; who is kicked out of run_next is for it.
void two_pushes_against_scout(model::Run& run) {
  World world;
  Item first, second;
  run.thread([&] {
    world.push_local(0, first);
    world.push_local(0, second);
  });
  run.thread([&] { world.serve(1, false, 1); });
  run.thread([&] { world.serve(2); });
  run.join();
  check(first.taken == 1 && second.taken == 1, "one was forgotten");
}

/// Who finds all Ps idle sees what their Ms did before: the main g's end, for the deadlock report.
void idle_tells(model::Run& run) {
  World world;
  Var<int> main_ended{0};
  run.thread([&] {
    main_ended.set(1);
    world.idle.put(1);
  });
  run.thread([&] {
    if (world.idle.count() == 1) check(main_ended.get() == 1, "idle before its work was done");
  });
  run.join();
}

const std::vector<Model> models{
    {"local push against park", {.schedules = 20'000}, local_push_against_park},
    {"ring push against park", {.schedules = 10'000}, ring_push_against_park},
    {"global push against two parks", {.schedules = 20'000}, global_push_against_two_parks},
    {"two pushes against two parks", {.schedules = 30'000}, two_pushes_against_two_parks},
    {"reserved place", {.schedules = 60'000}, reserved_place},
    {"place given up", {.schedules = 60'000}, place_given_up},
    {"watched or not", {.schedules = 10'000}, watched_or_not},
    {"timer against park", {.schedules = 10'000}, timer_against_park},
    {"push against scout, once", {.schedules = 8'000}, push_against_scout<1>},
    {"push against scout, twice", {.schedules = 8'000}, push_against_scout<2>},
    {"two pushes against scout", {.schedules = 8'000}, two_pushes_against_scout},
    {"idle tells", {.schedules = 2'000}, idle_tells},
};

TEST(WakeModel, NoWakeUpIsLost) { explore_all(models); }

TEST(WakeModel, EveryOrderInIdleIsNeeded) {
  const auto all = mutants("sched/idle.hpp", models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ(unexcused(all, {{"void end_scouting()", "", "who steps down looks under put()'s orders in the end; the rule stands here without them"}}), "");
}

/// The rule itself: a parker that looks before it says that it sleeps loses a wake-up, and the models see it.
TEST(WakeModel, AParkerThatLooksTooEarlyIsFound) {
  const Result result = explore({.schedules = 20'000}, [](model::Run& run) {
    World world;
    Item item;
    run.thread([&] { world.push_local(0, item); });
    run.thread([&] {
      if (world.work_anywhere()) return;
      bool spinning = false;
      if (!world.idle.park(1, spinning, [] { return false; })) return;
      block_until([&] { return world.rung[1]; }, "an M sleeps");
    });
    run.join();
  });
  EXPECT_FALSE(result.failure.empty());
}

}  // namespace
}  // namespace gmp::model
