// tests/model/join_model.cpp — models of task/join.cpp: a g ends, others join it, one gives up, the handle goes.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <vector>

#include "gmp/detail/task/join.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"
#include "sched/panic.hpp"

namespace gmp::model {
namespace {

using detail::JoinBlock;
using detail::JoinWaiter;

/// What a spawned g leaves, in its block.
struct Block : JoinBlock {
  Var<int> outcome{0};
  ~Block() override { outcome.set(0); }  // who frees it has seen all that was done with it

  /// The end of the g, which has returned, or thrown.
  void end(std::exception_ptr thrown = nullptr) {
    outcome.set(7);
    ended(this, nullptr, &thrown);
  }
};

enum class Joined { outcome, withdrawn, refused };

/// co_await handle.join(): by who has a share of the block meanwhile.
Joined join(Block& block, ModelG& g) {
  block.ref();
  Joined how = Joined::outcome;
  try {
    JoinWaiter w(&block);
    if (!block.done() && block.park(&g.gp, g.leaf, w)) g.sleep();
    if (w.withdrawn_) {
      how = Joined::withdrawn;
    } else {
      block.take();
      check(block.outcome.get() == 7, "before its end");
    }
  } catch (const std::logic_error&) {
    how = Joined::refused;
  }
  block.unref();
  return how;
}

int reported;  // of one run

/// Joined while it ends.
void joined(model::Run& run) {
  reset_world();
  auto* block = new Block;
  ModelG g;
  run.thread([&] { block->end(); });
  run.thread([&] {
    check(join(*block, g) == Joined::outcome, "not joined");
    block->handle_gone();
  });
  run.join();
}

/// Nobody joins it, but somebody looks: who finds it done sees what it did.
void looked_at(model::Run& run) {
  reset_world();
  auto* block = new Block;
  run.thread([&] { block->end(); });
  run.thread([&] {
    if (block->done()) check(block->outcome.get() == 7, "before its end");
    block->handle_gone();
  });
  run.join();
}

/// And the joiner is asked to give up: all or nothing. What was given up may be joined again.
void given_up(model::Run& run) {
  reset_world();
  auto* block = new Block;
  ModelG g, again(false);
  run.thread([&] { block->end(); });
  run.thread([&] {
    const Joined first = join(*block, g);
    check(first != Joined::refused, "refused");
    const Joined second = join(*block, again);
    check(second == (first == Joined::withdrawn ? Joined::outcome : Joined::refused), "its outcome is there once");
    block->handle_gone();
  });
  run.thread([&] { g.cancel(); });
  run.join();
}

/// Nobody ends it: given up, the joiner goes on.
void given_up_for_good(model::Run& run) {
  reset_world();
  auto* block = new Block;
  ModelG g;
  run.thread([&] { check(join(*block, g) == Joined::withdrawn, "not given up"); });
  run.thread([&] { g.cancel(); });
  run.join();
  block->end();
  block->handle_gone();
}

/// Two join, which is a mistake, and one of them is asked to give up: it is that one and no other who ends withdrawn.
void two_join(model::Run& run) {
  reset_world();
  auto* block = new Block;
  ModelG patient(false), hasty;
  Joined one{}, other{};
  run.thread([&] { block->end(); });
  run.thread([&] { one = join(*block, patient); });
  run.thread([&] { other = join(*block, hasty); });
  run.thread([&] { hasty.cancel(); });
  run.join();
  check(one != Joined::withdrawn, "nobody asked it");
  check((one == Joined::outcome) + (other == Joined::outcome) <= 1, "its outcome is there once");
  check(one == Joined::outcome || other == Joined::outcome || other == Joined::withdrawn, "nobody has it, and nobody gave up");
  block->handle_gone();
}

/// It throws, and nobody joins it: of its end and the end of the handle the later one says so.
void thrown_and_dropped(model::Run& run) {
  reset_world();
  reported = 0;
  auto* block = new Block;
  ModelG gone;
  run.thread([&] {
    std::exception_ptr thrown = std::make_exception_ptr(1);
    block->ended(block, &gone.gp, &thrown);
  });
  run.thread([&] { block->handle_gone(); });
  run.join();
  check(reported == 1, "said never, or twice");
}

/// It throws, and the joiner takes that.
void thrown_and_joined(model::Run& run) {
  reset_world();
  reported = 0;
  auto* block = new Block;
  ModelG g, gone;
  bool caught = false;
  run.thread([&] {
    std::exception_ptr thrown = std::make_exception_ptr(1);
    block->ended(block, &gone.gp, &thrown);
  });
  run.thread([&] {
    try {
      join(*block, g);
    } catch (int) {
      caught = true;
    }
    block->unref();  // join() did not come to it
    block->handle_gone();
  });
  run.join();
  check(caught && reported == 0, "not taken, or said all the same");
}

const std::vector<Model> models{
    {"joined", {.schedules = 20'000, .future_reads = true}, joined},
    {"looked at", {.schedules = 10'000}, looked_at},
    {"given up", {.schedules = 20'000}, given_up},
    {"given up for good", {.schedules = 10'000}, given_up_for_good},
    {"two join", {.schedules = 40'000}, two_join},
    {"thrown and dropped", {.schedules = 5'000}, thrown_and_dropped},
    {"thrown and joined", {.schedules = 5'000}, thrown_and_joined},
};

TEST(JoinModel, AnOutcomeIsTakenOnceOrReported) { explore_all(models); }

TEST(JoinModel, EveryOrderIsNeeded) {
  const auto all = mutants_of({"task/join.cpp", "task/join.hpp"}, models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model

namespace gmp::detail {

struct LatePanic {};
void report_panic(Sched*, G*, std::exception_ptr) noexcept { ++model::reported; }
LatePanic* note_panic(Sched*, G*) noexcept { return nullptr; }
void report_late_panic(const LatePanic*, std::exception_ptr) noexcept { ++model::reported; }
void forget_panic(LatePanic*) noexcept {}

}  // namespace gmp::detail
