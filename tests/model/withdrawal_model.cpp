// tests/model/withdrawal_model.cpp — models of wait/withdraw.cpp and of its steps in sched/status.hpp: an operation is given up while it parks, is
// granted, or takes its park back.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>

#include "gmp/detail/sys/lock.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"
#include "sched/status.hpp"

namespace gmp::model {
namespace {

using detail::acquire;
using detail::relaxed;
namespace status = detail::status;

/// The simplest thing to wait for: room for one permit, and for one who waits.
struct Slot {
  detail::Lock lock;
  detail::Waiter* queued = nullptr;  // lock
  bool permit = false;               // lock

  void grant() {
    detail::Waiter* w = nullptr;
    {
      detail::LockGuard guard(lock);
      w = std::exchange(queued, nullptr);
      if (w == nullptr) permit = true;
    }
    if (w != nullptr) detail::wake(w);
  }
};

struct SlotWaiter : detail::Waiter {
  SlotWaiter(Slot& s, detail::G* gp) : Waiter(gp, &SlotWaiter::withdraw), slot(s) {}

  static bool withdraw(Waiter* waiter) noexcept {
    auto& w = static_cast<SlotWaiter&>(*waiter);
    w.frame.set(w.frame.get() + 1);  // what lies in the frame is there, and nobody else's (WD3)
    detail::LockGuard guard(w.slot.lock);
    if (w.slot.queued != waiter) {
      w.give_up_.store(true, relaxed);
      return false;
    }
    w.slot.queued = nullptr;
    return w.withdrawn_ = true;
  }

  Slot& slot;
  Var<int> frame{0};
};

/// co_await slot, as any primitive does it.
void wait_for(Slot& slot, ModelG& g, SlotWaiter& w) {
  detail::park_begin(&g.gp, g.leaf, detail::WaitReason::none, &w);
  bool sleeps = false;
  {
    detail::LockGuard guard(slot.lock);
    if (std::exchange(slot.permit, false)) {
    } else if (detail::gives_up(w)) {
      w.withdrawn_ = true;
    } else {
      slot.queued = &w;
      sleeps = true;
    }
  }
  if (sleeps)
    g.sleep();
  else
    detail::park_abort(&g.gp);
  w.frame.set(w.frame.get() + 10);  // it goes on in its frame
}

/// Nobody grants it: given up before, while, or after it parks, it ends.
void asked_while_it_parks(model::Run& run) {
  reset_world();
  Slot slot;
  ModelG g;
  SlotWaiter w(slot, &g.gp);
  run.thread([&] { wait_for(slot, g, w); });
  run.thread([&] { g.cancel(); });
  run.join();
  check(w.withdrawn_, "neither granted nor withdrawn");
}

/// It is granted meanwhile: one of the two, whole, and the permit is somewhere.
void asked_while_it_is_granted(model::Run& run) {
  reset_world();
  Slot slot;
  ModelG g;
  SlotWaiter w(slot, &g.gp);
  run.thread([&] { wait_for(slot, g, w); });
  run.thread([&] { g.cancel(); });
  run.thread([&] { slot.grant(); });
  run.join();
  check(w.withdrawn_ == slot.permit, "a permit is lost, or doubled");
}

/// Its second wait: what was asked in the first one, which was granted, still holds.
void asked_once_for_all_waits(model::Run& run) {
  reset_world();
  Slot first, second;
  ModelG g;
  SlotWaiter w(first, &g.gp), again(second, &g.gp);
  run.thread([&] {
    wait_for(first, g, w);
    wait_for(second, g, again);
  });
  run.thread([&] { g.cancel(); });
  run.thread([&] { first.grant(); });
  run.join();
  check(again.withdrawn_, "the second wait was not given up");
}

/// A dump walks its frames meanwhile.
void asked_while_a_dump_looks(model::Run& run) {
  reset_world();
  Slot slot;
  ModelG g;
  SlotWaiter w(slot, &g.gp);
  run.thread([&] { wait_for(slot, g, w); });
  run.thread([&] { g.cancel(); });
  run.thread([&] {
    if (!status::begin_scan(g.gp.status_)) return;
    status::end_scan(g.gp.status_);
  });
  run.join();
  check(w.withdrawn_, "neither granted nor withdrawn");
}

const std::vector<Model> models{
    {"asked while it parks", {.schedules = 40'000, .future_reads = true}, asked_while_it_parks},
    {"asked while it is granted", {.schedules = 40'000}, asked_while_it_is_granted},
    {"asked once for all waits", {.schedules = 20'000}, asked_once_for_all_waits},
    {"asked while a dump looks", {.schedules = 20'000}, asked_while_a_dump_looks},
};

TEST(WithdrawalModel, AnOperationIsGrantedOrWithdrawnAndNeverForgotten) { explore_all(models); }

TEST(WithdrawalModel, EveryOrderIsNeeded) {
  const auto all = mutants_of({"sched/status.hpp", "wait/withdraw.cpp", "sched/g.hpp"}, models);
  std::printf("%s", describe(all).c_str());
  constexpr const char* stop_model = "stop_model does";
  EXPECT_EQ(unexcused(all, {{"word(Status::waiting), release)", "never reached", stop_model},
                            {"was, now, acq_rel, relaxed)", "", stop_model},
                            {"was | scan_bit", "", stop_model},
                            {"~scan_bit, acq_rel)", "", stop_model},
                            {"was | hold_bit", "", "the load before it says the same, unless a dump was at it"},
                            {"~hold_bit, acq_rel)", "acq_rel -> release", "for who queues it: stop_model, by end_scan"}}),
            "");
}

}  // namespace
}  // namespace gmp::model
