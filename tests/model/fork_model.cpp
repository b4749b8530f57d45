// tests/model/fork_model.cpp — models of sched/fork_count.hpp: children of an all() end elsewhere while the joiner leaves.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <vector>

#include "gmp/detail/sched/fork_count.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

struct Join {
  detail::ForkCount count;
  Var<detail::G*> sleeper{nullptr};
  Var<int> left{0}, right{0};
  ~Join() { sleeper.set(nullptr); }  // who ends the joiner's frame has seen all that was done with it

  void end_elsewhere(Var<int>& result) {
    result.set(1);
    if (!count.child_ended()) return;
    detail::G* gp = sleeper.get();
    check(gp != nullptr, "nobody to wake");
    ready(gp);
  }
  /// Some of its children have ended on its own G.
  void wait(ModelG& g, std::size_t ended_here) {
    sleeper.set(&g.gp);
    park_begin(&g.gp, g.leaf, detail::WaitReason::all, nullptr, nullptr);
    if (count.leave(ended_here))
      park_abort(&g.gp);
    else
      g.sleep();
    check(left.get() == 1 && right.get() == 1, "not all have ended");
  }
};

void two_end_elsewhere(model::Run& run, std::size_t ended_here) {
  reset_world();
  ModelG g(false);
  auto* join = new Join;
  join->count.open(2 + ended_here);
  run.thread([&] { join->end_elsewhere(join->left); });
  run.thread([&] { join->end_elsewhere(join->right); });
  run.thread([&] {
    join->wait(g, ended_here);
    delete join;
  });
  run.join();
}

const std::vector<Model> models{
    {"none here", {.schedules = 20'000}, [](model::Run& run) { two_end_elsewhere(run, 0); }},
    {"three here", {.schedules = 20'000}, [](model::Run& run) { two_end_elsewhere(run, 3); }},
};

TEST(ForkModel, TheJoinerGoesOnOnceAllHaveEnded) { explore_all(models); }

TEST(ForkModel, EveryOrderIsNeeded) {
  const auto all = mutants_of({"sched/fork_count.hpp"}, models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model
