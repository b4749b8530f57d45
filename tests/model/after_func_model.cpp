// tests/model/after_func_model.cpp — models of time/after_func.cpp and context/after_done.cpp: what is to be started by a time, or a context's end, is
// started or stopped; never both, never neither.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <source_location>
#include <vector>

#include "gmp/detail/context/after_done.hpp"
#include "model/executor.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::AfterFuncRef;
using detail::CancelNode;
using detail::ContextRef;

constexpr std::int64_t due = 1'000'000, later = 1'000'000'000;

CancelNode* new_context(detail::ContextNode& parent = CancelNode::background()) {
  auto* node = new detail::PlainCancelNode(&parent);
  node->attach();
  return node;
}

AfterFuncRef after_done(CancelNode* node, Fate& fate) {
  node->ref();
  return detail::after_done(ContextRef(node), fateful(fate), std::source_location::current());
}

/// The function, its handle, and who told stop().
struct Function {
  Fate fate;
  AfterFuncRef handle;
  int stops = 0;

  /// stop() of one handle, which goes then.
  void stop(AfterFuncRef mine) { stops += mine.stop(); }
  void check_end(bool must_run_or_stop) {
    check(fate.gone.get() == 1, "it is not gone, or gone twice");
    check(stops <= 1, "stopped twice");
    check(fate.ran.get() + stops <= 1, "it ran, and was stopped");
    check(!must_run_or_stop || fate.ran.get() + stops == 1, "neither ran nor stopped");
  }
};

/// The context is cancelled by two, one stops it.
void stop_against_cancel(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  CancelNode* node = new_context();
  Function f;
  f.handle = after_done(node, f.fate);
  node->ref();
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      node->cancel(errc::canceled, nullptr);
      node->unref();  // it is gone soon after
    });
  }
  run.thread([&, mine = std::move(f.handle)]() mutable { f.stop(std::move(mine)); });
  run.join();
  while (executor.run_one()) continue;
  f.check_end(true);
}

/// Two stop it, while its context goes, which will never be cancelled.
void stop_against_the_contexts_end(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  CancelNode* node = new_context();
  Function f;
  f.handle = after_done(node, f.fate);
  AfterFuncRef other = f.handle;
  run.thread([&] { node->unref(); });
  run.thread([&, mine = std::move(f.handle)]() mutable { f.stop(std::move(mine)); });
  run.thread([&, mine = std::move(other)]() mutable { f.stop(std::move(mine)); });
  run.join();
  f.check_end(false);
  check(f.fate.ran.get() == 0, "it ran");
}

/// It is asked for while the context is cancelled.
void asked_for_late(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  CancelNode* node = new_context();
  Function f;
  const bool stops = run.choose(2) == 0;
  run.thread([&] {
    f.handle = after_done(node, f.fate);
    if (stops) f.stop(f.handle);
    f.handle = AfterFuncRef();
  });
  run.thread([&] { node->cancel(errc::canceled, nullptr); });
  run.join();
  while (executor.run_one()) continue;
  f.check_end(true);
  node->unref();
}

/// Its executor stops, and goes.
void the_executor_goes(model::Run& run) {
  reset_world();
  auto* executor = new ModelExecutor;
  CancelNode* node = new_context();
  Function f;
  f.handle = after_done(node, f.fate);
  const bool stops = run.choose(2) == 0;
  run.thread([executor] {
    executor->run_one();
    executor->stop();
    delete executor;
  });
  run.thread([&] { node->cancel(errc::canceled, nullptr); });
  run.thread([&, mine = std::move(f.handle)]() mutable {
    if (stops) f.stop(std::move(mine));
  });
  run.join();
  node->unref();
  f.check_end(false);
}

/// A time comes, two stop it.
void stop_against_fire(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  Function f;
  f.handle = detail::after_duration(fateful(f.fate), due, std::source_location::current());
  AfterFuncRef other = f.handle;
  run.thread([&] { executor.fire(later); });
  run.thread([&, mine = std::move(f.handle)]() mutable { f.stop(std::move(mine)); });
  run.thread([&, mine = std::move(other)]() mutable { f.stop(std::move(mine)); });
  run.join();
  while (executor.run_one()) continue;
  f.check_end(true);
}

/// The time comes or does not, the executor stops and goes, one stops it.
void stop_against_the_executors_end(model::Run& run) {
  reset_world();
  auto* executor = new ModelExecutor;
  Function f;
  f.handle = detail::after_duration(fateful(f.fate), due, std::source_location::current());
  const bool fires = run.choose(2) == 0;
  run.thread([=] {
    if (fires) executor->fire(later);
    executor->run_one();
    executor->stop();
    delete executor;
  });
  run.thread([&, mine = std::move(f.handle)]() mutable { f.stop(std::move(mine)); });
  run.join();
  f.check_end(false);
}

/// Who destroys it has seen what the other one did with it.
struct Counted final : detail::AfterFuncState {
  explicit Counted(Fate& fate) : AfterFuncState(fateful(fate), std::source_location::current()) {}
  ~Counted() override { used.set(0); }
  bool stop() noexcept override { return false; }
  Var<int> used;
};

void two_handles_go(model::Run& run) {
  reset_world();
  Fate fate;
  auto* state = new Counted(fate);
  state->ref();
  run.thread([=] {
    state->used.set(1);
    state->unref();
  });
  run.thread([=] { state->unref(); });
  run.join();
  check(fate.gone.get() == 1, "its function is left");
}

const std::vector<Model> models{
    {"stop against cancel", {.schedules = 30'000}, stop_against_cancel},
    {"stop against the context's end", {.schedules = 20'000}, stop_against_the_contexts_end},
    {"asked for late", {.schedules = 20'000}, asked_for_late},
    {"the executor goes", {.schedules = 30'000}, the_executor_goes},
    {"stop against fire", {.schedules = 20'000}, stop_against_fire},
    {"two handles go", {.schedules = 10'000}, two_handles_go},
    {"stop against the executor's end", {.schedules = 20'000}, stop_against_the_executors_end},
};

TEST(AfterFuncModel, StartedOrStopped) { explore_all(models); }

TEST(AfterFuncModel, EveryOrderIsNeeded) {
  const auto all = mutants("time/after_func", models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model
