// tests/model/group_model.cpp — models of context/group.cpp: gs of a group end, fail and are started in their turn, while others are asked for, one
// waits for all, and the executor stops.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include "gmp/context/group.hpp"
#include "model/executor.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

/// Counts those that run, and those that have run: one at a time, in the order of the calls.
struct Work {
  detail::Atomic<int> running{0}, ran{0};
  Var<int> written[3];

  auto part(int i) {
    return [this, i] {
      check(running.fetch_add(1, detail::relaxed) < 1, "more than the limit at a time");
      written[i].set(1);
      check(ran.fetch_add(1, detail::relaxed) == i, "one went before another that waited longer");
      running.fetch_sub(1, detail::relaxed);
    };
  }
};

/// co_await group.wait(), in a modelled g.
void wait_for(Group& group, ModelG& g) {
  detail::GroupWait::Awaiter awaiter(&g.gp, group.wait());
  if (!awaiter.await_ready() && awaiter.suspend_in(&g.gp, g.leaf)) g.sleep();
  awaiter.await_resume();
}

/// An M that runs what it finds, until so many have run.
void run_all(ModelExecutor& executor, Work& work, int all) {
  while (work.ran.load(detail::relaxed) < all) {
    if (!executor.run_one()) block_until([&] { return executor.has_gs() || peek(work.ran) == all; }, "something to run");
  }
}

/// Three, one at a time, on two Ms; one more thread asks for the last of them; the waiter sees what all have done.
void in_turn(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  Work work;
  Group group;
  ModelG g;
  group.set_limit(1);
  group.go(work.part(0));
  group.go(work.part(1));
  for (int i = 0; i < 2; ++i) run.thread([&] { run_all(executor, work, 3); });
  run.thread([&] {
    group.go(work.part(2));
    wait_for(group, g);
    for (const Var<int>& v : work.written) check(v.get() == 1, "wait() returned before all had ended");
    check(group.context().err() == errc::canceled, "its context goes on");
  });
  run.join();
}

/// Of two that fail the first counts: its exception is what wait() throws, and the context's cause.
void two_fail(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  detail::GroupRef group = detail::GroupRef::make({});
  const std::exception_ptr why[2] = {std::make_exception_ptr(1), std::make_exception_ptr(2)};
  for (int i = 0; i < 2; ++i) {
    run.thread([&, mine = group, i] {
      mine.failed(why[i]);
      // Who sees the end sees its cause, and that is one of the two.
      const std::exception_ptr cause = mine.context().cause();
      check(cause == nullptr || cause == why[0] || cause == why[1], "another cause");
    });
  }
  run.join();
  std::exception_ptr thrown;
  try {
    group.finish();
  } catch (...) {
    thrown = std::current_exception();
  }
  check(thrown != nullptr && thrown == group.context().cause(), "not the one that cancelled it");
}

/// The handles go while the last g ends, and nobody waits.
void goes_first(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  Work work;
  auto group = std::make_unique<Group>();
  group->set_limit(1);
  group->go(work.part(0));
  group->go(work.part(1));
  for (int i = 0; i < 2; ++i) run.thread([&] { run_all(executor, work, 2); });
  run.thread([&] { group.reset(); });
  run.join();
  while (executor.run_one()) continue;
}

/// Two ask for the one place there is: one of them gets it.
void two_try(model::Run& run) {
  reset_world();
  ModelExecutor executor;
  Group group;
  bool got[2] = {};
  group.set_limit(1);
  for (bool& mine : got) run.thread([&] { mine = group.try_go([] {}); });
  run.join();
  check(got[0] + got[1] == 1, "it is not one who got the place");
  while (executor.run_one()) continue;
}

/// What a group keeps.
struct Kept {
  explicit Kept(Var<int>& used) : used_(used) {}
  Kept(const Kept&) = default;
  ~Kept() { used_.set(2); }
  Var<int>& used_;
};

/// Two handles go: who destroys the group has seen what the other one did with what is in it.
void two_handles_go(model::Run& run) {
  reset_world();
  Var<int> used;
  detail::GroupRef group = detail::GroupRef::make({});
  group.failed(std::make_exception_ptr(Kept(used)));
  detail::GroupRef other = group;
  run.thread([&used, mine = std::move(group)]() mutable {
    used.set(1);
    mine = detail::GroupRef();
  });
  run.thread([mine = std::move(other)]() mutable { mine = detail::GroupRef(); });
  run.join();
  check(used.get() == 2, "the group is left");
}

const std::vector<Model> models{
    {"in turn", {.schedules = 20'000}, in_turn},
    {"two fail", {.schedules = 10'000}, two_fail},
    {"two try", {.schedules = 10'000}, two_try},
    {"two handles go", {.schedules = 10'000}, two_handles_go},
    {"goes first", {.schedules = 20'000}, goes_first},
};

TEST(GroupModel, NoMoreThanTheLimitAndAllOfThem) { explore_all(models); }

TEST(GroupModel, EveryOrderIsNeeded) {
  const auto all = mutants("context/group.cpp", models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model
