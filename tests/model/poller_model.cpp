// tests/model/poller_model.cpp — models of netpoll/poller.cpp and bell.hpp: ops end, are cancelled, and handed back, while their owner sleeps.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <utility>
#include <vector>

#include "gmp/detail/sys/futex.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "model/model.hpp"
#include "netpoll/bell.hpp"
#include "netpoll/poller.hpp"

namespace gmp::model {

int bell_writes;  // to the eventfd of the one Bell

namespace {

using detail::IoOp;
using detail::LockGuard;

/// An operation in the frame of somebody who goes on once it is handed back. As a descriptor's lock does, `lock` keeps it while it is cancelled.
struct ModelOp : IoOp {
  detail::Lock lock;
  Var<int> asked{0};    // before a cancel
  Var<int> outcome{0};  // whoever sees it done sees this
  bool noted = false;
  bool here = true;    // lock
  bool asked_once = false;  // lock
  int handed_back = 0;
};

/// The kernel, behind it, ends an op whenever it likes; or only if it is cancelled.
class TestPoller final : public detail::Poller {
 public:
  explicit TestPoller(Run& run, bool kernel_ends = true) : run_(run), kernel_ends_(kernel_ends) {}
  void submit(IoOp* op) noexcept override {
    if (begin(op)) in_kernel_.push_back(op);
  }
  IoOp* poll(std::int64_t timeout_ns, detail::Bell* bell) noexcept override {
    look();
    if (timeout_ns != 0) static_cast<void>(bell->longest(timeout_ns));  // BL4
    if (timeout_ns != 0 && !something_ended() && fall_asleep(bell)) {
      const int seen = writes_seen_;
      block_until([&] { return bell_writes != seen || (kernel_ends_ && !in_kernel_.empty()); }, "in the poller");
      writes_seen_ = bell_writes;
      wake_up(bell);
      look();
    }
    return hand_back();
  }
  bool peek() const noexcept override { return something_ended() || cancels_wait(); }
  void drain() noexcept override {}

 private:
  void look() {
    for (IoOp* op = take_cancels(); op != nullptr;) {
      IoOp* const next = op->cancel_next_;
      static_cast<ModelOp*>(op)->asked.get();
      if (op->ended_) note(op);  // by begin(), or before its cancel came
      if (begin_cancel(op)) {
        std::erase(in_kernel_, op);
        finish(op, -ECANCELED);
      }
      op = next;
    }
    if (!kernel_ends_ || in_kernel_.empty() || run_.choose(2) != 0) return;
    IoOp* op = in_kernel_.back();
    in_kernel_.pop_back();
    finish(op, 1);
  }
  void finish(IoOp* op, int result) {
    note(op);
    end(op, result);
  }
  static void note(IoOp* op) {
    auto* mine = static_cast<ModelOp*>(op);
    if (!std::exchange(mine->noted, true)) mine->outcome.set(1);
  }

  Run& run_;
  const bool kernel_ends_;
  std::vector<IoOp*> in_kernel_;
  int writes_seen_ = 0;
};

// By the owner, until all are back.
void serve(TestPoller& poller, detail::Bell& bell, const std::vector<ModelOp*>& ops, bool kernel_ends) {
  for (std::size_t left = ops.size(); left > 0;) {
    for (IoOp* op = poller.poll(-1, &bell); op != nullptr;) {
      IoOp* const next = op->next_;
      auto* mine = static_cast<ModelOp*>(op);
      check(++mine->handed_back == 1, "handed back twice");
      check(op->state_.load(detail::relaxed) == IoOp::done, "not done");
      check(op->result_ == -ECANCELED || kernel_ends, "ended by nobody");
      {
        LockGuard guard(mine->lock);
        mine->here = false;
      }
      mine->asked.set(2);  // the frame goes
      --left;
      op = next;
    }
  }
  check(poller.in_flight() == 0, "something is left");
}

void cancel(ModelOp& op) {
  LockGuard guard(op.lock);
  if (!op.here) return;
  if (!std::exchange(op.asked_once, true)) op.asked.set(1);
  detail::Poller::cancel(&op);
  if (op.state_.load(detail::acquire) == IoOp::done) check(op.outcome.get() == 1, "done without an outcome");
}

void cancelled(Run& run, bool kernel_ends, int ops_count, int cancellers, bool early) {
  bell_writes = 0;
  detail::Bell bell;
  TestPoller poller(run, kernel_ends);
  ModelOp ops[2];
  std::vector<ModelOp*> all;
  for (int i = 0; i < ops_count; ++i) all.push_back(&ops[i]);
  if (!early) {
    for (ModelOp* op : all) poller.submit(op);
  }
  run.thread([&] {
    if (early) {
      for (ModelOp* op : all) poller.submit(op);
    }
    serve(poller, bell, all, kernel_ends);
  });
  for (int t = 0; t < cancellers; ++t) {
    run.thread([&, t] {
      for (std::size_t i = 0; i < all.size(); ++i) cancel(*all[(i + static_cast<std::size_t>(t)) % all.size()]);
    });
  }
  run.join();
}

/// What was done before a ring is seen by whom it wakes, wherever it was.
void rung(Run& run, bool on_futex) {
  bell_writes = 0;
  detail::Bell bell;
  TestPoller poller(run, false);
  Var<int> work{0};
  detail::Atomic<int> queued{0};
  run.thread([&] {
    work.set(1);
    queued.store(1, detail::relaxed);
    bell.ring();
  });
  run.thread([&] {
    if (on_futex)
      bell.sleep();
    else
      poller.poll(-1, &bell);
    check(queued.load(detail::relaxed) == 1, "woken by nobody");
    check(work.get() == 1, "the work is not to be seen");
  });
  run.join();
}

/// BL3: a ring while it is on its way out of a sleep makes it look once more.
void rung_twice(Run& run) {
  bell_writes = 0;
  detail::Bell bell;
  TestPoller poller(run, false);
  detail::Atomic<int> queued{0};
  for (int t = 0; t < 2; ++t) {
    run.thread([&] {
      queued.fetch_add(1, detail::relaxed);
      bell.ring();
    });
  }
  run.thread([&] {
    while (queued.load(detail::relaxed) != 2) poller.poll(-1, &bell);
  });
  run.join();
}

const std::vector<Model> models{
    {"cancelled in its sleep", {.schedules = 20'000}, [](Run& run) { cancelled(run, false, 1, 1, false); }},
    {"cancelled before it is submitted", {.schedules = 20'000}, [](Run& run) { cancelled(run, false, 1, 1, true); }},
    {"cancelled by two", {.schedules = 20'000}, [](Run& run) { cancelled(run, false, 1, 2, false); }},
    {"two are cancelled by two", {.schedules = 20'000}, [](Run& run) { cancelled(run, false, 2, 2, true); }},
    {"ends and is cancelled", {.schedules = 20'000}, [](Run& run) { cancelled(run, true, 2, 1, false); }},
    {"rung in the poller", {.schedules = 10'000}, [](Run& run) { rung(run, false); }},
    {"rung on the futex", {.schedules = 10'000}, [](Run& run) { rung(run, true); }},
    {"rung twice", {.schedules = 20'000}, [](Run& run) { rung_twice(run); }},
};

TEST(PollerModel, EachOpEndsOnceAndNoCancelOrRingIsLost) { explore_all(models); }

TEST(PollerModel, EveryOrderIsNeeded) {
  const auto all = mutants_of({"netpoll/poller.", "netpoll/bell.hpp"}, models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model

namespace gmp::detail {

Bell::Bell() noexcept {}
Bell::~Bell() {}
bool Bell::open() noexcept {
  fd_.store(7, relaxed);
  return true;
}
void Bell::ring_slow(std::uint32_t was) noexcept {
  if (was == on_futex) return futex_wake(&state_, 1);
  model::check(fd() == 7, "it sleeps, and its eventfd is not there");
  ++model::bell_writes;
}
void Bell::sleep() noexcept {
  if (!fall_asleep(on_futex)) return;
  while (state_.load(acquire) == on_futex) futex_wait(&state_, on_futex);  // [BELL]
  wake_up();
}

}  // namespace gmp::detail
