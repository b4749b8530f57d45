// tests/model/claim_model.cpp — models of src/sched/claim.hpp: a P is touched by its M or by who takes it, never by both.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <utility>

#include "model/model.hpp"
#include "sched/claim.hpp"

namespace gmp::model {
namespace {

/// The P's contents are plain memory: any two unordered touches fail the run (H1, H5).
struct Processor {
  Var<int> contents;
  Var<bool> is_the_ms{true};  // what M::p_ says: the M's own, inside; a visitor looks at it
  Var<int> taken_by;  // what a taker leaves for the M (H7)
  int owner = 1;  // the model's own: 1 the M, 2 the taker

  void touch(int who) {
    step();  // anything may happen between the M's entry and its touch
    check(owner == who, "a P is touched by one whom it does not belong to");
    contents.set(contents.get() + 1);
  }
};

template <bool Barrier>
bool try_take(detail::Claim& claim, Processor& processor, std::uint32_t who = 0) {
  if (!claim.ask(who)) return false;
  if constexpr (Barrier) heavy_barrier();
  if (!claim.outside()) {
    claim.withdraw(who);
    return false;
  }
  processor.taken_by.set(static_cast<int>(who) + 1);
  if (!claim.take(who)) return false;
  processor.owner = 2;
  processor.touch(2);
  return true;
}

/// The M enters and leaves three times, as an operation does; sysmon tries twice.
template <bool Barrier, bool Exchange = false>
void enter_against_take(model::Run& run) {
  detail::Claim::use_exchange(Exchange);
  detail::Claim claim;
  Processor processor;
  claim.exit();  // the M is in user code
  bool robbed = false, taken = false;
  run.thread([&] {
    for (int i = 0; i < 3 && !robbed; ++i) {
      if (claim.enter() == detail::Claim::Entered::robbed) {
        robbed = true;
        check(processor.taken_by.get() != 0, "the M knows nothing of its taker");
      } else {
        processor.touch(1);
      }
      claim.exit();
    }
  });
  run.thread([&] {
    for (int i = 0; i < 2 && !taken; ++i) taken = try_take<Barrier>(claim, processor);
  });
  run.join();
  check(!robbed || taken, "the M lost a P that nobody took");
  if (taken && !robbed) check(claim.enter() == detail::Claim::Entered::robbed, "the M was not told");
}

/// After it was robbed it gets another P, which can be taken again: a stale claim must not stand.
void robbed_twice(model::Run& run) {
  detail::Claim::use_exchange(false);
  detail::Claim claim;
  Processor first, second;
  Processor* current = &first;  // the model's own
  claim.exit();
  run.thread([&] {
    for (int i = 0; i < 2; ++i) {
      if (claim.enter() == detail::Claim::Entered::robbed)
        current = &second;
      else
        current->touch(1);
      claim.exit();
    }
  });
  run.thread([&] {
    if (try_take<true>(claim, first)) {
      if (current == &second) try_take<true>(claim, second);
    }
  });
  run.join();
}

template <bool Barrier>
bool try_visit(detail::Claim& claim, Processor& processor, std::uint32_t who = 1) {
  if (!claim.ask(who)) return false;
  if constexpr (Barrier) heavy_barrier();
  if (!claim.outside()) {
    claim.withdraw(who);
    return false;
  }
  if (!claim.visit(who)) return false;
  const bool its = processor.is_the_ms.get();
  if (its) {
    const int owner = std::exchange(processor.owner, 3);
    processor.touch(3);
    processor.owner = owner;
  }
  claim.end_visit();
  return its;
}

/// A visitor comes and goes; the M, if it comes meanwhile, waits, keeps its P, and sees what the visitor did.
template <bool Barrier, bool Exchange = false>
void enter_against_visit(model::Run& run) {
  detail::Claim::use_exchange(Exchange);
  detail::Claim claim;
  Processor processor;
  claim.exit();
  int touches = 0;
  run.thread([&] {
    for (int i = 0; i < 3; ++i) {
      check(claim.enter() == detail::Claim::Entered::with_p, "a visitor took the P");
      processor.touch(1);
      ++touches;
      claim.exit();
    }
  });
  run.thread([&] {
    for (int i = 0; i < 2; ++i) touches += try_visit<Barrier>(claim, processor);
  });
  run.join();
  check(claim.enter() == detail::Claim::Entered::with_p && processor.contents.get() == touches, "a touch was lost");
}

/// Two visitors: one that was refused must not go in on the other's request.
void two_visitors(model::Run& run) {
  detail::Claim::use_exchange(false);
  detail::Claim claim;
  Processor processor;
  claim.exit();
  run.thread([&] {
    for (int i = 0; i < 3; ++i) {
      check(claim.enter() == detail::Claim::Entered::with_p, "a visitor took the P");
      processor.touch(1);
      claim.exit();
    }
  });
  for (std::uint32_t who : {1u, 2u}) run.thread([&, who] { try_visit<true>(claim, processor, who); });
  run.join();
}

/// A visitor and sysmon, at one M: at most one of them at a time.
void visit_against_take(model::Run& run) {
  detail::Claim::use_exchange(false);
  detail::Claim claim;
  Processor processor;
  claim.exit();
  bool robbed = false, taken = false;
  run.thread([&] {
    if (claim.enter() == detail::Claim::Entered::robbed) {
      robbed = true;
      processor.is_the_ms.set(false);
    } else {
      processor.touch(1);
    }
    claim.exit();
  });
  run.thread([&] { taken = try_take<true>(claim, processor); });
  run.thread([&] { try_visit<true>(claim, processor); });
  run.join();
  check(!robbed || taken, "the M lost a P that nobody took");
}

const std::vector<Model> models{
    {"enter against visit", {.schedules = 30'000}, enter_against_visit<true>},
    {"visit where membarrier is refused", {.schedules = 30'000}, enter_against_visit<false, true>},
    {"two visitors", {.schedules = 60'000}, two_visitors},
    {"visit against take", {.schedules = 30'000}, visit_against_take},
    {"enter against take", {.schedules = 30'000}, enter_against_take<true>},
    {"where membarrier is refused", {.schedules = 30'000}, enter_against_take<false, true>},
    {"robbed twice", {.schedules = 20'000}, robbed_twice},
};

TEST(ClaimModel, APBelongsToOne) { explore_all(models); }

TEST(ClaimModel, WithoutTheBarrierItDoesNot) {
  const Result result = explore({.schedules = 30'000}, enter_against_take<false>);
  EXPECT_FALSE(result.failure.empty());
}

TEST(ClaimModel, WithoutTheBarrierAVisitorMeetsTheOwner) {
  const Result result = explore({.schedules = 30'000}, enter_against_visit<false>);
  EXPECT_FALSE(result.failure.empty());
}

TEST(ClaimModel, EveryOrderIsNeeded) {
  const auto all = mutants("sched/claim.hpp", models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ(unexcused(all, {}), "");
}

}  // namespace
}  // namespace gmp::model
