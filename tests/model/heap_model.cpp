// tests/model/heap_model.cpp — models of timer/heap.cpp: an earlier timer ends a sleep, and who has removed one may destroy what its fire uses.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <vector>

#include "gmp/detail/timer/heap.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::Timer;
using detail::TimerHeap;

constexpr std::int64_t soon = 50, late = 100;

struct ModelTimer : Timer {
  ModelTimer() : Timer(&fire) {}
  static void fire(Timer* timer, std::int64_t) noexcept {
    auto& self = *static_cast<ModelTimer*>(timer);
    self.payload.set(self.payload.get() + 1);
    ++self.fired;
  }
  Var<int> payload{0};
  int fired = 0;
};

/// The owner falls asleep while another thread adds: TIMER-WAKE.
void added_while_it_falls_asleep(Run& run) {
  TimerHeap heap;
  ModelTimer timer;
  detail::Atomic<bool> asleep{false};
  int rings = 0;
  run.thread([&] {
    if (heap.add(&timer, soon) && asleep.load(detail::seq_cst)) ++rings;
  });
  run.thread([&] {
    asleep.store(true, detail::seq_cst);
    if (heap.next_when() == detail::never) block_until([&] { return rings != 0; }, "asleep for long");
    while (heap.run_due(late) == 0) pause();
  });
  run.join();
  check(timer.fired == 1, "not fired");
}

/// FIRE-END: by whoever of two comes first; the remover destroys what the fire uses.
void removed_while_it_fires(Run& run, int runners) {
  TimerHeap heap;
  ModelTimer timer;
  heap.add(&timer, soon);
  bool removed = false;
  for (int i = 0; i < runners; ++i) run.thread([&] { heap.run_due(late); });
  run.thread([&] {
    removed = TimerHeap::remove_sync(&timer);
    timer.payload.set(-1);
  });
  run.join();
  check(timer.fired == (removed ? 0 : 1), "fired and removed, or neither");
  check(heap.size() == 0, "something is left");
}

const std::vector<Model> models{
    {"added while it falls asleep", {.schedules = 20'000}, added_while_it_falls_asleep},
    {"removed while it fires", {.schedules = 20'000}, [](Run& run) { removed_while_it_fires(run, 1); }},
    {"removed while one of two fires it", {.schedules = 20'000}, [](Run& run) { removed_while_it_fires(run, 2); }},
};

TEST(HeapModel, NoTimerIsSleptOverOrFiredAfterItsEnd) { explore_all(models); }

TEST(HeapModel, EveryOrderIsNeeded) {
  const auto all = mutants_of({"timer/heap."}, models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model
