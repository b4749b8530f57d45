// tests/model/scan_model.cpp — models of src/sched/scan.hpp: no g is queued while its frames are read, though an M makes it runnable by a plain store.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>

#include "model/model.hpp"
#include "sched/scan.hpp"

namespace gmp::model {
namespace {

using detail::acquire;
using detail::Atomic;
using detail::release;
using detail::seq_cst;
namespace status = detail::status;

/// A g, its status and what its frames hold: plain memory, so that a walk and a run of it that are not ordered fail the model.
struct Goroutine {
  Atomic<std::uint32_t> status{status::word(detail::Status::waiting)};
  Var<int> frames;
  int queued = 0;  // the model's own

  void queue_and_run() {
    check(++queued == 1, "a g was queued twice");
    frames.set(frames.get() + 1);
  }
};

struct Dump {
  // What ScanPeriod does; its lock and its list of Ms are not modelled.
  template <bool Barrier>
  static void begin(const detail::ReadyWindow& window) {
    detail::scans.fetch_add(1, seq_cst);
    if constexpr (Barrier) heavy_barrier();
    while (window.is_open()) detail::cpu_pause();
  }
  static void end() { detail::scans.fetch_sub(1, release); }

  static void walk(Goroutine& g) {
    if (!status::begin_scan(g.status)) return;
    static_cast<void>(g.frames.get());
    if (status::end_scan(g.status)) g.queue_and_run();
  }
};

/// An M wakes two gs, a dump walks both.
template <bool Barrier>
void ready_against_dump(model::Run& run) {
  detail::scans.store(0, seq_cst);
  detail::ReadyWindow window;
  Goroutine gs[2];
  run.thread([&] {
    for (Goroutine& g : gs) {
      if (window.make_runnable(g.status)) g.queue_and_run();
    }
  });
  run.thread([&] {
    Dump::begin<Barrier>(window);
    for (Goroutine& g : gs) Dump::walk(g);
    Dump::end();
  });
  run.join();
  for (const Goroutine& g : gs) check(g.queued == 1, "a g was forgotten");
}

/// After a period the plain store is allowed again: it must not undo what happened within.
void ready_after_dump(model::Run& run) {
  detail::scans.store(0, seq_cst);
  detail::ReadyWindow window;
  Goroutine g;
  run.thread([&] {
    Dump::begin<true>(window);
    Dump::walk(g);
    Dump::end();
    Dump::begin<true>(window);
    Dump::walk(g);
    Dump::end();
  });
  run.thread([&] {
    if (window.make_runnable(g.status)) g.queue_and_run();
  });
  run.join();
  check(g.queued == 1, "a g was forgotten");
}

const std::vector<Model> models{
    {"ready against dump", {.schedules = 40'000, .future_reads = true}, ready_against_dump<true>},
    {"ready after dump", {.schedules = 40'000, .future_reads = true}, ready_after_dump},
};

TEST(ScanModel, NoGIsQueuedWhileItsFramesAreRead) { explore_all(models); }

TEST(ScanModel, WithoutTheBarrierOneIs) {
  const Result result = explore({.schedules = 40'000}, ready_against_dump<false>);
  EXPECT_FALSE(result.failure.empty());
}

TEST(ScanModel, EveryOrderIsNeeded) {
  const auto all = mutants("sched/scan.hpp", models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ(unexcused(all, {{"status.store(status::word(Status::runnable), release)", "", "for stop(), which looks at a woken g's waiter: stop_model"},
                            {"// [SCAN] the dump sees the step", "", "the explorer keeps the stores of a thread in their order; a weaker machine need not"}}),
            "");
}

}  // namespace
}  // namespace gmp::model
