// tests/model/stop_model.cpp — models of src/sched/status.hpp and src/sched/gate.hpp: a wake-up from outside against a stop, and against a dump.
// Go: runtime/proc.go (casgstatus).  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "gmp/detail/sys/lock.hpp"
#include "model/model.hpp"
#include "sched/gate.hpp"
#include "sched/status.hpp"

namespace gmp::model {
namespace {

using detail::Gate;
namespace status = detail::status;

/// What stands for an executor and its one parked g; its end is the end of the object, and any touch after that fails the run.
struct Executor {
  Gate gate;
  detail::Lock lock;
  detail::Atomic<int> queued{0};  // lock
  Var<int> alive{1};
};

struct Goroutine {  // type-stable: outlives the executor
  detail::Atomic<std::uint32_t> status{static_cast<std::uint32_t>(detail::Status::waiting)};
  Var<int> frame{0};
};

struct Queue {  // a primitive that belongs to neither
  detail::Lock lock;
  bool waiting = true;  // lock

  bool unlink() {
    detail::LockGuard guard(lock);
    return std::exchange(waiting, false);
  }
};

/// What ready_remote does.
void ready_remote(Executor& executor, Goroutine& g) {
  executor.gate.enter();
  if (status::make_runnable(g.status) && executor.gate.is_running()) {
    detail::LockGuard guard(executor.lock);
    executor.queued.store(executor.queued.load(detail::relaxed) + 1, detail::relaxed);
  }
  check(executor.alive.get() == 1, "the executor is gone");
  executor.gate.leave();
}

/// What stop does with one g.
void tear_down(std::unique_ptr<Executor>& executor, Goroutine& g, Queue& queue) {
  executor->gate.begin_stop();
  if (!queue.unlink()) {
    while (g.status.load(detail::acquire) == static_cast<std::uint32_t>(detail::Status::waiting)) detail::cpu_pause();
  }
  while (!executor->gate.empty()) detail::cpu_pause();
  g.frame.set(2);  // destroyed
  executor->gate.end_stop();
  executor->alive.set(0);
  executor.reset();
}

void wake_against_stop(model::Run& run) {
  auto executor = std::make_unique<Executor>();
  Goroutine g;
  Queue queue;
  Executor* raw = executor.get();
  run.thread([&] {
    if (queue.unlink()) ready_remote(*raw, g);
  });
  run.thread([&] { tear_down(executor, g, queue); });
  run.join();
}

/// Two gs, woken by two threads; the executor waits for both.
void two_wakes_against_stop(model::Run& run) {
  auto executor = std::make_unique<Executor>();
  Goroutine g[2];
  Queue queue[2];
  Executor* raw = executor.get();
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      if (queue[i].unlink()) ready_remote(*raw, g[i]);
    });
  }
  run.thread([&] {
    raw->gate.begin_stop();
    for (int i = 0; i < 2; ++i) {
      if (queue[i].unlink()) continue;
      while (g[i].status.load(detail::acquire) == static_cast<std::uint32_t>(detail::Status::waiting)) detail::cpu_pause();
    }
    while (!raw->gate.empty()) detail::cpu_pause();
    check(!raw->gate.is_running(), "it stops");
    raw->alive.set(0);
    executor.reset();
  });
  run.join();
}

/// A thread starts a new g while the executor stops: it is refused, or the stop finds the g.
void start_against_stop(model::Run& run) {
  auto executor = std::make_unique<Executor>();
  Executor* raw = executor.get();
  bool started = false, found = false;
  detail::Atomic<int> live{0};
  run.thread([&] {
    if (!raw->gate.enter_if_running()) return;
    started = true;
    live.store(1, detail::relaxed);
    raw->gate.leave();
  });
  run.thread([&] {
    raw->gate.begin_stop();
    while (!raw->gate.empty()) detail::cpu_pause();
    found = live.load(detail::relaxed) == 1;
  });
  run.join();
  check(!started || found, "a g was started that the stop did not find");
}

/// A stopped executor is seen as such, with all that its stop did.
void stopped_is_seen(model::Run& run) {
  Gate gate;
  Var<int> joined{0};
  run.thread([&] {
    gate.begin_stop();
    joined.set(1);
    gate.end_stop();
  });
  run.thread([&] {
    if (gate.is_stopped()) check(joined.get() == 1, "stopped before it had");
  });
  run.join();
}

/// A dump walks the frame of a waiting g while it is woken and run.
void scan_against_ready(model::Run& run) {
  Goroutine g;
  g.status.store(static_cast<std::uint32_t>(detail::Status::running), detail::relaxed);
  Queue queue;
  queue.waiting = false;
  Var<int> handed{0};  // what a waker leaves in the frame: a received value
  int runs = 0;
  auto execute = [&] {
    check(++runs == 1, "queued twice");
    check(handed.get() == 1, "it runs without what it was woken for");
    g.status.store(static_cast<std::uint32_t>(detail::Status::running), detail::relaxed);
    g.frame.set(g.frame.get() + 1);  // it runs: its frame changes
  };
  run.thread([&] {  // its M parks it
    g.frame.set(7);
    status::begin_wait(g.status);
    detail::LockGuard guard(queue.lock);
    queue.waiting = true;
  });
  run.thread([&] {  // a waker
    if (!queue.unlink()) return;
    handed.set(1);
    if (status::make_runnable(g.status)) execute();
  });
  run.thread([&] {  // a dump
    if (!status::begin_scan(g.status)) return;
    check(g.frame.get() >= 7, "a frame that is not complete");
    if (status::end_scan(g.status)) execute();
  });
  run.join();
}

/// A dump looks while its M takes the park back.
void scan_against_abort(model::Run& run) {
  Goroutine g;
  g.status.store(static_cast<std::uint32_t>(detail::Status::running), detail::relaxed);
  run.thread([&] {
    g.frame.set(7);
    status::begin_wait(g.status);
    status::abort_wait(g.status);
    g.frame.set(8);
  });
  run.thread([&] {
    if (!status::begin_scan(g.status)) return;
    check(g.frame.get() == 7, "read while it ran");
    check(!status::end_scan(g.status), "nobody has woken it");
  });
  run.join();
}

const std::vector<Model> models{
    {"wake against stop", {.schedules = 20'000}, wake_against_stop},
    {"two wakes against stop", {.schedules = 10'000}, two_wakes_against_stop},
    {"start against stop", {.schedules = 20'000}, start_against_stop},
    {"stopped is seen", {.schedules = 2'000}, stopped_is_seen},
    {"scan against ready", {.schedules = 20'000}, scan_against_ready},
    {"scan against abort", {.schedules = 10'000}, scan_against_abort},
};

TEST(StopModel, NobodyTouchesAnExecutorThatIsGone) { explore_all(models); }

TEST(StopModel, EveryOrderOfTheGateIsNeeded) {
  const auto all = mutants("sched/gate.hpp", models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ(unexcused(all, {}), "");
}

TEST(StopModel, EveryOrderOfTheStatusIsNeeded) {
  const auto all = mutants("sched/status.hpp", models);
  std::printf("%s", describe(all).c_str());
  constexpr const char* withdrawal_model = "withdrawal_model does";
  EXPECT_EQ(unexcused(all, {{"may_hold_bit, seq_cst)", "never reached", withdrawal_model},
                            {"status.load(seq_cst)", "never reached", withdrawal_model},
                            {"was | hold_bit", "never reached", withdrawal_model},
                            {"~hold_bit, acq_rel)", "never reached", withdrawal_model}}),
            "");
}

}  // namespace
}  // namespace gmp::model
