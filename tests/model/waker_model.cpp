// tests/model/waker_model.cpp — models of go/waker.cpp: a g suspends, somebody wakes it, drops the last Waker, or gives it up.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <vector>

#include "gmp/detail/go/waker.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::WakerBlock;
using detail::WakerWaiter;

int hopes;       // of one run: what the executor counts
int kept_alive;  // and how many are inside it

struct Block : WakerBlock {
  using WakerBlock::WakerBlock;
  Var<int> value{0};
  ~Block() override { value.set(0); }  // who frees it has seen all that was done with it

  /// waker.wake(v), and the end of that Waker.
  bool wake_with(int v) {
    bool woken = false;
    if (claim()) {
      value.set(v);
      woken = wake();
    }
    unref_waker();
    return woken;
  }
};

struct Fresh {
  Fresh() {
    reset_world();
    hopes = kept_alive = 0;
  }
};

/// What is left of co_await suspend(f) once f has returned. 0: withdrawn.
int suspended(Block& block, ModelG& g) {
  WakerWaiter w;
  w.block_ = &block;
  if (block.park(g.leaf, w)) g.sleep();
  const int value = w.withdrawn_ ? 0 : block.value.get();
  block.unref();
  return value;
}

void at_the_end() { check(hopes == 0 && kept_alive == 0, "the executor still hopes"); }

/// Woken while it parks.
void woken(model::Run& run) {
  Fresh fresh;
  ModelG g;
  auto* block = new Block(&g.gp);
  run.thread([&] { check(suspended(*block, g) == 5, "another value"); });
  run.thread([&] { check(block->wake_with(5), "nobody there"); });
  run.join();
  at_the_end();
}

/// Two wake it: the first one's value, whole.
void woken_by_two(model::Run& run) {
  Fresh fresh;
  ModelG g;
  auto* block = new Block(&g.gp);
  block->ref_waker();
  int value = 0, successes = 0;
  run.thread([&] { value = suspended(*block, g); });
  for (int v : {5, 6}) {
    run.thread([&, v] {
      const bool woken = block->wake_with(v);
      successes += woken;
    });
  }
  run.join();
  check(successes == 1 && (value == 5 || value == 6), "woken twice, or never");
  at_the_end();
}

/// And it is asked to give up: one of the two, and wake() tells which.
void woken_or_given_up(model::Run& run) {
  Fresh fresh;
  ModelG g;
  auto* block = new Block(&g.gp);
  int value = -1;
  bool woken = false;
  run.thread([&] { value = suspended(*block, g); });
  run.thread([&] { woken = block->wake_with(5); });
  run.thread([&] { g.cancel(); });
  run.join();
  check(woken == (value == 5) && (woken || value == 0), "neither woken nor given up, or both");
  at_the_end();
}

/// The last Waker goes: it sleeps, without hope, until it is given up.
void forgotten(model::Run& run) {
  Fresh fresh;
  ModelG g;
  auto* block = new Block(&g.gp);
  run.thread([&] { check(suspended(*block, g) == 0, "woken by nobody"); });
  run.thread([&] { block->unref_waker(); });
  run.thread([&] { g.cancel(); });
  run.join();
  at_the_end();
}

const std::vector<Model> models{
    {"woken", {.schedules = 20'000, .future_reads = true}, woken},
    {"woken by two", {.schedules = 20'000}, woken_by_two},
    {"woken or given up", {.schedules = 40'000}, woken_or_given_up},
    {"forgotten", {.schedules = 20'000}, forgotten},
};

TEST(WakerModel, WokenOnceOrGivenUpAndNoHopeIsLeft) { explore_all(models); }

TEST(WakerModel, EveryOrderIsNeeded) {
  const auto all = mutants_of({"go/waker.cpp", "go/waker.hpp"}, models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model

namespace gmp::detail {

void hope_begin(G*) noexcept { ++model::hopes; }
void hope_end(G*) noexcept { --model::hopes; }
Sched* hope_keep(G*) noexcept {
  ++model::kept_alive;
  return nullptr;
}
void hope_end_kept(Sched*) noexcept {
  --model::hopes;
  --model::kept_alive;
}

}  // namespace gmp::detail
