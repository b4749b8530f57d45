// tests/model/take_over_model.cpp — models of src/sched/take_over.hpp and src/sched/lanes.hpp: what sysmon takes, from whom, and who is told.
// Go: none.  Room: tests/model.
//
// claim_model asks whether a P is touched by one at a time.  Here there are whole Ms and Ps: an M that is robbed as a hog, one whose blocking call
// returns, one that has given its P away, an executor that stops meanwhile; and fresh gs that wait while there are hogs.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "gmp/detail/sys/lock.hpp"
#include "model/model.hpp"
#include "sched/claim.hpp"
#include "sched/gate.hpp"
#include "sched/idle.hpp"
#include "sched/lanes.hpp"
#include "sched/take_over.hpp"

namespace gmp::model {
namespace {

using detail::acq_rel;
using detail::acquire;
using detail::Claim;
using detail::OffP;
using detail::relaxed;
using detail::release;
using detail::seq_cst;

constexpr std::uint32_t asker = 0;

struct M;
struct P {
  detail::Atomic<M*> m_{nullptr};
  detail::Atomic<std::uint32_t> tick_{0};
  Var<int> contents;
};
struct M {
  Claim claim_;
  detail::Atomic<std::uint32_t> sysc_{0};
  detail::Atomic<bool> hog_{false};
  P* p_ = nullptr;  // the model's own, as the next one: the truth about the M
  P* lost_ = nullptr;
  bool was_hog_ = false;
  Var<int> clock_;  // stands for what sysmon reads of an M: its thread's clock

  /// A thread begins to serve pp.
  void acquire_p(P& pp) {
    p_ = &pp;
    pp.m_.store(this, release);
  }
  /// Its loop runs a g: until leave() it is in user code.
  void run_g() {
    check(p_ != nullptr, "an M without a P runs gs");
    p_->contents.set(p_->contents.get() + 1);
    p_->tick_.store(p_->tick_.load(relaxed) + 1, relaxed);
    claim_.exit();
    step();
  }
  /// The g has suspended. False: its P was taken.
  bool suspended(OffP& off) {
    if (claim_.enter() == Claim::Entered::with_p) {
      p_->contents.set(p_->contents.get() + 1);
      return true;
    }
    lost_ = std::exchange(p_, nullptr);
    was_hog_ = false;
    come_back(this, off, [this] { was_hog_ = true; });
    return false;
  }
};

/// A round of sysmon's for one P, which it had seen so. True: it has taken the P.
bool try_take(const detail::Sight<P, M>& seen, OffP& off) {
  if (!seen.mp->claim_.ask(asker)) return false;
  heavy_barrier();
  const std::uint32_t sysc = peek(seen.mp->sysc_);
  if (!detail::take_over(seen, asker, off)) return false;
  check(seen.mp->p_ == seen.pp || seen.mp->lost_ == seen.pp, "another P than its own was taken from an M");  // TO1
  check(peek(seen.pp->tick_) == seen.tick, "a slice that had only begun was ended");
  check(sysc == seen.sysc, "a call that was over had its P taken");
  seen.pp->contents.set(seen.pp->contents.get() + 1);  // H1, H5
  return true;
}

/// An M starts, runs gs, and loses its P to sysmon, which had seen it; it is counted off and on.
void hog_is_robbed(model::Run& run) {
  Claim::use_exchange(false);
  OffP off;
  P pp;
  M mp;
  bool taken = false, robbed = false;
  run.thread([&] {
    mp.clock_.set(1);
    mp.acquire_p(pp);
    for (int i = 0; i < 2 && !robbed; ++i) {
      mp.run_g();
      robbed = !mp.suspended(off);
    }
    check(!robbed || mp.was_hog_, "the M does not know that it was a hog");  // TO2
  });
  run.thread([&] {
    for (int i = 0; i < 2 && !taken; ++i) {
      const auto seen = detail::look_at<M>(&pp);
      if (seen.mp == nullptr) continue;
      check(seen.mp->clock_.get() == 1, "an M is seen before it is whole");
      taken = try_take(seen, off);
    }
  });
  run.join();
  if (taken && !robbed) robbed = !mp.suspended(off);
  check(taken == robbed, "one of them does not know");
  check(!off.any() && off.hogs() == 0, "counted off once for each that was counted on");
}

/// It was a hog, has another P, and blocks in blocking(f): then it is none.
void hog_then_call(model::Run& run) {
  Claim::use_exchange(false);
  OffP off;
  P first, second;
  M mp;
  mp.acquire_p(first);
  mp.run_g();
  run.thread([&] {
    if (mp.suspended(off)) return;
    check(mp.was_hog_, "it was a hog");
    mp.acquire_p(second);
    mp.run_g();
    detail::count_call(mp.sysc_);
    step();
    detail::count_call(mp.sysc_);
    if (!mp.suspended(off)) check(!mp.was_hog_, "a call that blocks is no hog");
  });
  run.thread([&] {
    if (!try_take(detail::look_at<M>(&first), off)) return;
    const auto seen = detail::look_at<M>(&second);
    if (seen.mp != nullptr && seen.in_blocking()) try_take(seen, off);
  });
  run.join();
}

/// blocking(f) returns while its P is being taken: the M goes on with its P, or without, and the next call is another one.
void call_returns(model::Run& run) {
  Claim::use_exchange(false);
  OffP off;
  P pp;
  M mp;
  mp.acquire_p(pp);
  mp.run_g();
  bool taken = false, robbed = false;
  run.thread([&] {
    for (int call = 0; call < 2; ++call) {
      detail::count_call(mp.sysc_);
      step();
      detail::count_call(mp.sysc_);
      if (mp.claim_.disturbed()) break;  // the g lets go
    }
    robbed = !mp.suspended(off);
    check(!robbed || !mp.was_hog_, "a call that blocks is no hog");
  });
  run.thread([&] {
    for (int i = 0; i < 2 && !taken; ++i) {
      const auto seen = detail::look_at<M>(&pp);
      if (seen.in_blocking()) taken = try_take(seen, off);
    }
  });
  run.join();
  check(taken == robbed && !off.any(), "one of them does not know");
}

/// The M gives its P to another (lock_os_thread) after sysmon saw it there, and computes on with the next one.
void p_given_away(model::Run& run) {
  Claim::use_exchange(false);
  OffP off;
  P first, second;
  M mp, other;
  mp.acquire_p(first);
  mp.run_g();
  run.thread([&] {
    if (!mp.suspended(off)) return;
    first.m_.store(nullptr, release);
    mp.acquire_p(second);
    other.acquire_p(first);
    other.run_g();
    mp.run_g();
    mp.suspended(off);
  });
  run.thread([&] {
    const auto seen = detail::look_at<M>(&first);
    if (seen.mp == &mp) try_take(seen, off);
  });
  run.join();
}

/// The deadlock report looks whether a call is over, and then at what it did.
void call_is_over(model::Run& run) {
  detail::Atomic<std::uint32_t> sysc{0};
  Var<int> done{0};
  run.thread([&] {
    detail::count_call(sysc);
    done.set(1);
    detail::count_call(sysc);
  });
  run.thread([&] {
    if (sysc.load(acquire) == 2) check(done.get() == 1, "it was over before it had done its work");
  });
  run.join();
}

/// stop() while the P of a hog is being taken: the taker hands it to an M that may come too late, the hog comes back to find that all is over; nobody
/// but the stopper touches the P when all Ms are quiet and sysmon is joined (ST1).
void stop_while_taken(model::Run& run) {
  Claim::use_exchange(false);
  OffP off;
  P pp;
  M hog, spare;
  detail::Gate gate;
  detail::Lock lock;
  P* handed = nullptr;  // lock
  detail::Atomic<int> quiet{0}, joined{0};
  bool rung[2] = {};  // the model's own
  hog.acquire_p(pp);
  hog.run_g();
  // What m_main and park_without_p do, with sched.cpp's lock and bells.
  const auto serve = [&](M& mp, bool& bell) {
    while (gate.is_running()) {
      if (mp.p_ != nullptr) {
        mp.run_g();
        mp.suspended(off);
        continue;
      }
      bool sleeps = true;
      {
        detail::LockGuard guard(lock);
        if (!gate.is_running()) break;
        if (P* mine = &mp == &spare ? std::exchange(handed, nullptr) : nullptr) {
          mp.acquire_p(*mine);
          sleeps = false;
        }
      }
      if (!sleeps) continue;
      block_until([&] { return bell; }, "an M sleeps without a P");
      bell = false;
    }
    quiet.fetch_add(1, acq_rel);
  };
  run.thread([&] {
    if (hog.suspended(off)) step();
    while (hog.p_ != nullptr && gate.is_running()) detail::cpu_pause();  // parked with its P, until the stop's bell
    serve(hog, rung[0]);
  });
  run.thread([&] { serve(spare, rung[1]); });
  run.thread([&] {  // sysmon: try_start_m
    const auto seen = detail::look_at<M>(&pp);
    if (try_take(seen, off)) {
      {
        detail::LockGuard guard(lock);
        if (gate.is_running()) handed = &pp;
      }
      rung[1] = true;
    }
    joined.store(1, release);
  });
  {
    detail::LockGuard guard(lock);
    gate.begin_stop();
  }
  rung[0] = rung[1] = true;
  while (quiet.load(acquire) != 2) detail::cpu_pause();
  while (joined.load(acquire) == 0) detail::cpu_pause();
  pp.contents.set(0);
  run.join();
  check(!off.any() && off.hogs() == 0, "all have come back");
}

/// Hogs come back while sysmon, which has just robbed them, limits what may be begun: a P that found nothing is called, and begins all (LN1, LN2).
template <int Hogs, bool Grants>
void fresh_wait_for_hogs(model::Run& run) {
  detail::IdleSet idle;
  detail::Lock lock;
  auto lanes = std::make_unique<detail::Lanes>();
  auto gs = std::make_unique<detail::G[]>(2);
  detail::Atomic<int> size{0};
  OffP off;
  bool rung = false;  // the model's own
  for (int i = 0; i < 2; ++i) lanes->push(&gs[i]);
  size.store(lanes->size(), seq_cst);
  const auto limit = [&] {
    detail::LockGuard guard(lock);
    lanes->limit(off.hogs(), 1);
    size.store(lanes->size(), seq_cst);
  };
  for (int i = 0; i < Hogs; ++i) {
    off.left(true);
    if (Grants && i == 0) continue;  // that one computes for ever
    run.thread([&] {
      off.hog_is_back();
      limit();
      idle.wake_one([&](int, bool) { rung = true; });
    });
  }
  run.thread([&] {  // sysmon
    limit();
    if (!Grants) return;
    {
      detail::LockGuard guard(lock);
      lanes->grant();
    }
    limit();
    idle.wake_one([&](int, bool) { rung = true; });
  });
  int begun = 0;
  run.thread([&] {
    bool spinning = false, on_trial = false;
    while (begun < 2) {
      if (on_trial) {
        on_trial = false;
        detail::LockGuard guard(lock);
        lanes->end_trial();
        size.store(lanes->size(), seq_cst);
      }
      if (size.load(relaxed) != 0) {
        detail::LockGuard guard(lock);
        if (lanes->pop(on_trial) != nullptr) ++begun;
        size.store(lanes->size(), relaxed);
        continue;
      }
      if (!idle.park(0, spinning, [&] { return size.load(seq_cst) != 0; })) continue;
      block_until([&] { return rung; }, "a P sleeps, and a fresh g could be begun");
      rung = false;
      idle.unpark(0, spinning);
    }
  });
  run.join();
  check(lanes->size() == 0, "all were begun");
}

const std::vector<Model> models{
    {"a hog is robbed", {.schedules = 6'000}, hog_is_robbed},
    {"a hog, then a call", {.schedules = 6'000}, hog_then_call},
    {"a call returns", {.schedules = 6'000}, call_returns},
    {"a P is given away", {.schedules = 6'000}, p_given_away},
    {"a call is over", {.schedules = 1'000}, call_is_over},
    {"stop while a P is taken", {.schedules = 6'000}, stop_while_taken},
    {"fresh gs wait for a hog", {.schedules = 4'000}, fresh_wait_for_hogs<1, false>},
    {"fresh gs wait for two hogs", {.schedules = 4'000}, fresh_wait_for_hogs<2, false>},
    {"fresh gs wait for a grant", {.schedules = 4'000}, fresh_wait_for_hogs<2, true>},
};

TEST(TakeOverModel, WhatIsTakenWasSeenAndAllAreTold) { explore_all(models); }

TEST(TakeOverModel, EveryOrderIsNeeded) {
  const auto all = mutants("sched/take_over.hpp", models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ(unexcused(all, {}), "");
}

}  // namespace
}  // namespace gmp::model
