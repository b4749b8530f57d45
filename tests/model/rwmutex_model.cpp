// tests/model/rwmutex_model.cpp — models of src/sync/rwmutex.cpp: readers, writers, withdrawal of either, stop, destruction.
// Go: none.  Room: tests/model.
//
// At the end of each run the RWMutex must be free, nobody counted, and no permit in any of its Semas.
#include <gtest/gtest.h>

#include "gmp/sync/rwmutex.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::RWMutexReader;
using detail::RWMutexWriter;

struct Guarded {
  RWMutex rw;
  Var<int> value;
  int readers_inside = 0, writers_inside = 0;  // the model's own: steps are one after the other

  void enter_write() {
    check(readers_inside == 0 && writers_inside++ == 0, "a writer is not alone");
    value.set(value.get() + 1);
  }
  void leave_write() {
    --writers_inside;
    rw.unlock();
  }
  void enter_read() {
    check(writers_inside == 0, "a reader beside a writer");
    ++readers_inside;
    static_cast<void>(value.get());
  }
  void leave_read() {
    --readers_inside;
    rw.runlock();
  }
  void check_quiet(int writes) {
    check(rw.try_lock(), "somebody still has it");
    check(value.get() == writes, "a write is missing");
    rw.unlock();
    check(rw.try_rlock(), "somebody still has it");
    rw.runlock();
    RWMutexWriter writer(rw, nullptr);
    check(writer.sema().kept() == 0, "a permit of the writers' mutex is left");
    writer.holds_ = true;
    check(writer.sema().kept() == 0, "a permit for a writer is left");
    RWMutexReader reader(rw, nullptr);
    check(reader.sema().kept() == 0, "a permit for a reader is left");
  }
};

void write(Guarded& guarded, int times = 1) {
  for (int i = 0; i < times; ++i) {
    ModelG g;
    RWMutexWriter w(guarded.rw, &g.gp);
    if (!guarded.rw.try_lock()) g.await(w);
    guarded.enter_write();
    guarded.leave_write();
  }
}

void read(Guarded& guarded, int times = 1) {
  for (int i = 0; i < times; ++i) {
    ModelG g;
    detail::RWMutexRLockAwaiter w(&g.gp, guarded.rw.rlock());
    const bool at_once = i != 0 && guarded.rw.try_rlock();
    if (!at_once && !w.await_ready() && w.suspend_in(&g.gp, g.leaf)) g.sleep();
    guarded.enter_read();
    guarded.leave_read();
  }
}

template <int readers, int writers>
void exclusion(model::Run& run) {
  reset_world();
  Guarded guarded;
  for (int i = 0; i < readers; ++i) run.thread([&, i] { read(guarded, i == 0 ? 2 : 1); });
  for (int i = 0; i < writers; ++i) run.thread([&, i] { write(guarded, i == 0 ? 2 : 1); });
  run.join();
  guarded.check_quiet(writers + 1);
}

void with_threads(model::Run& run) {
  reset_world();
  Guarded guarded;
  run.thread([&] {
    guarded.rw.lock_blocking();
    guarded.enter_write();
    guarded.leave_write();
  });
  run.thread([&] {
    guarded.rw.rlock_blocking();
    guarded.enter_read();
    guarded.leave_read();
  });
  run.thread([&] { write(guarded); });
  run.join();
  guarded.check_quiet(2);
}

/// A writer that waits for readers gives up; those it held off get in.
void withdraw_writer(model::Run& run) {
  reset_world();
  Guarded guarded;
  ModelG g;
  RWMutexWriter w(guarded.rw, &g.gp);
  int writes = 1;
  check(guarded.rw.try_rlock(), "new");
  guarded.enter_read();
  check(detail::Sleeper<RWMutexWriter>::suspend(w, g.leaf, detail::WaitReason::none), "a reader is inside");
  run.thread([&] { guarded.leave_read(); });
  run.thread([&] { read(guarded); });
  run.thread([&] { write(guarded); });
  run.thread([&] { g.cancel(); });
  run.thread([&] {
    g.sleep();
    if (w.withdrawn_) return;
    guarded.enter_write();
    guarded.leave_write();
    ++writes;
  });
  run.join();
  guarded.check_quiet(writes);
}

/// The same, wherever the writer is: in the queue of writers, behind a leaving one, before readers.
void withdraw_writer_anywhere(model::Run& run) {
  reset_world();
  Guarded guarded;
  ModelG g;
  RWMutexWriter w(guarded.rw, &g.gp);
  int writes = 2;
  run.thread([&] { read(guarded); });
  run.thread([&] { write(guarded, 2); });
  run.thread([&] {
    for (int i = 0; i < 2; ++i) g.cancel();
  });
  run.thread([&] {
    g.await(w);
    if (w.withdrawn_) return;
    guarded.enter_write();
    guarded.leave_write();
    ++writes;
  });
  run.join();
  guarded.check_quiet(writes);
}

/// A reader that was held off gives up while the writer leaves, and another reader and writer come.
void withdraw_reader(model::Run& run) {
  reset_world();
  Guarded guarded;
  ModelG g;
  RWMutexReader w(guarded.rw, &g.gp);
  check(guarded.rw.try_lock(), "new");
  guarded.enter_write();
  check(detail::Sleeper<RWMutexReader>::suspend(w, g.leaf, detail::WaitReason::none), "a writer is inside");
  run.thread([&] { guarded.leave_write(); });
  run.thread([&] { read(guarded); });
  run.thread([&] { write(guarded); });
  run.thread([&] { g.cancel(); });
  run.thread([&] {
    g.sleep();
    if (w.withdrawn_) return;
    guarded.enter_read();
    guarded.leave_read();
  });
  run.join();
  guarded.check_quiet(2);
}

/// A writer and a reader of a stopped executor, behind a reader, or a writer, of another one.
template <bool behind_writer>
void stop(model::Run& run) {
  reset_world();
  Guarded guarded;
  ModelG g[2];
  RWMutexWriter w(guarded.rw, &g[0].gp);
  RWMutexReader r(guarded.rw, &g[1].gp);
  if (behind_writer) {
    check(guarded.rw.try_lock(), "new");
    guarded.enter_write();
  } else {
    check(guarded.rw.try_rlock(), "new");
    guarded.enter_read();
  }
  check(detail::Sleeper<RWMutexWriter>::suspend(w, g[0].leaf, detail::WaitReason::none), "not free");
  check(detail::Sleeper<RWMutexReader>::suspend(r, g[1].leaf, detail::WaitReason::none), "not free");
  run.thread([&] { behind_writer ? guarded.leave_write() : guarded.leave_read(); });
  run.thread([&] { write(guarded); });
  run.thread([&] { read(guarded); });
  run.thread([&] {
    const bool writer_first = run.choose(2) == 1;
    if (writer_first) g[0].stop(w);
    g[1].stop(r);
    if (!writer_first) g[0].stop(w);
  });
  run.join();
  guarded.check_quiet(behind_writer ? 2 : 1);
}

/// gs of a stopped executor have it, and have not gone on since.
void stop_with_lock(model::Run& run) {
  reset_world();
  Guarded guarded;
  ModelG g;
  RWMutexWriter w(guarded.rw, &g.gp);
  RWMutexReader r(guarded.rw, &g.gp);
  const bool writer = run.choose(2) == 1;
  if (writer)
    check(!detail::Sleeper<RWMutexWriter>::suspend(w, g.leaf, detail::WaitReason::none), "free");
  else
    check(!detail::Sleeper<RWMutexReader>::suspend(r, g.leaf, detail::WaitReason::none), "free");
  run.thread([&] { write(guarded); });
  run.thread([&] { writer ? g.stop(w) : g.stop(r); });
  run.join();
  guarded.check_quiet(1);
}

/// A writer that lost the race for w_ is told to give up between its waking and its step; and one that has w_, before it announces itself.
void gives_up_rather_than_sleep(model::Run& run) {
  reset_world();
  Guarded guarded;
  ModelG g;
  RWMutexWriter w(guarded.rw, &g.gp);
  check(guarded.rw.try_lock(), "new");
  check(detail::Sleeper<RWMutexWriter>::suspend(w, g.leaf, detail::WaitReason::none), "a writer is inside");
  guarded.rw.unlock();
  const unsigned now = run.choose(3);
  if (now == 1) check(guarded.rw.try_lock(), "a newcomer is faster");
  if (now == 2) check(guarded.rw.try_rlock(), "a newcomer is faster");
  w.give_up_.store(true, detail::relaxed);
  check(g.woken() && g.step(), "it does not sleep");
  check(w.withdrawn_ == (now != 0), "what is free is had");
  if (now == 2)
    guarded.rw.runlock();
  else
    guarded.rw.unlock();
  guarded.check_quiet(0);
}

/// The last user is a writer and destroys it, while those before may still be on their way out of unlock() and runlock().
template <int readers, int writers>
void destroyed_by_the_last(model::Run& run) {
  reset_world();
  struct Object {
    RWMutex rw;
    Atomic<int> users{readers + writers};
  };
  auto* object = new Object;
  for (int i = 0; i < readers + writers; ++i) {
    run.thread([=] {
      ModelG g;
      const bool reads = i < readers;
      if (reads) {
        detail::RWMutexRLockAwaiter r(&g.gp, object->rw.rlock());
        if (!r.await_ready() && r.suspend_in(&g.gp, g.leaf)) g.sleep();
        object->users.fetch_sub(1, detail::relaxed);
        object->rw.runlock();
      } else {
        RWMutexWriter w(object->rw, &g.gp);
        if (!object->rw.try_lock()) g.await(w);
        const bool last = object->users.fetch_sub(1, detail::relaxed) == 1;
        object->rw.unlock();
        if (last) delete object;
      }
    });
  }
  run.join();
}

const Options options{.schedules = 20'000, .future_reads = true};

const std::vector<Model> models{
    {"exclusion, 1 and 1", options, exclusion<1, 1>},
    {"exclusion, 2 and 1", options, exclusion<2, 1>},
    {"exclusion, 1 and 2", options, exclusion<1, 2>},
    {"exclusion, 0 and 3", options, exclusion<0, 3>},
    {"with threads", options, with_threads},
    {"withdraw writer", options, withdraw_writer},
    {"withdraw writer anywhere", options, withdraw_writer_anywhere},
    {"withdraw reader", options, withdraw_reader},
    {"stop, behind a reader", options, stop<false>},
    {"stop, behind a writer", options, stop<true>},
    {"stop, with the lock", options, stop_with_lock},
    {"gives up rather than sleep", options, gives_up_rather_than_sleep},
    {"destroyed by the last, 2 and 1", options, destroyed_by_the_last<2, 1>},
    {"destroyed by the last, 1 and 2", options, destroyed_by_the_last<1, 2>},
    {"destroyed by the last, 0 and 3", options, destroyed_by_the_last<0, 3>},
};

TEST(RWMutexModel, ExcludesAndLosesNobody) { explore_all(models); }

TEST(RWMutexModel, EveryOrderIsNeeded) {
  auto found = mutants("sync/rwmutex.", models);
  EXPECT_EQ("", unexcused(found, {})) << describe(found);
}

}  // namespace
}  // namespace gmp::model
