// tests/model/sema_model.cpp — models of src/wait: permits against sleepers that come, go and withdraw; notifications; a thread's sleep.
// Go: none.  Room: tests/model.
//
// sema.cpp has no atomics of its own, all is under a root's lock: what these models look at is the protocol round it, the order of publishing,
// waking and withdrawing.  waiter.cpp has orders, and each is shown to be needed.
#include <gtest/gtest.h>

#include "gmp/detail/wait/notify_list.hpp"
#include "gmp/detail/wait/sema.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::Sema;
using detail::SemaWaiter;
using detail::Waiter;

/// A word that is slept on, and how many have said so: the least that a user of Sema has.
struct Word {
  Sema sema;
  Atomic<int> counted{0};
  Var<int> data;
};

/// Takes one permit.
struct OnePermit : SemaWaiter {
  OnePermit(Word& word, detail::G* gp) : SemaWaiter(gp, &withdraw_one), word_(&word) {}
  bool advance() noexcept {
    if (withdrawn_ || granted_) return true;
    word_->counted.fetch_add(1, detail::relaxed);
    return false;
  }
  Sema& sema() noexcept { return word_->sema; }
  bool in_front() const noexcept { return false; }
  static bool undo(SemaWaiter& w) noexcept {
    Atomic<int>& counted = static_cast<OnePermit&>(w).word_->counted;
    int old = counted.load(detail::relaxed);
    do {
      if (old == 0) return false;  // a permit is on its way
    } while (!counted.compare_exchange_weak(old, old - 1, detail::relaxed, detail::relaxed));
    return true;
  }
  static bool withdraw_one(Waiter* w) noexcept { return Sema::withdraw(static_cast<OnePermit&>(*w), &undo); }
  static constexpr bool competes = false;
  Word* word_;
};

/// Releases one for each that is counted, at most n.
void release_counted(Word& word, int n) {
  int old = word.counted.fetch_add(0, detail::relaxed);  // the last value, not any
  while (n > 0 && old > 0) {
    if (!word.counted.compare_exchange_weak(old, old - 1, detail::relaxed, detail::relaxed)) continue;
    word.sema.release();
    --n;
    --old;
  }
}

/// As many permits as sleepers, from two sides, the permits first or last.
void permits_meet_sleepers(model::Run& run) {
  reset_world();
  Word word;
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      ModelG g;
      OnePermit w(word, &g.gp);
      g.await(w);
      check(word.data.get() == 1, "the permit came before what it stands for");
    });
  }
  word.data.set(1);
  run.thread([&] { word.sema.release(); });
  run.thread([&] { word.sema.release(); });
  run.join();
  check(word.sema.kept() == 0, "a permit is left");
}

/// What the releaser wrote is seen by who sleeps, a g or a plain thread.
void permit_carries_data(model::Run& run) {
  reset_world();
  Word word;
  run.thread([&] {
    word.data.set(7);
    word.sema.release(2);
  });
  run.thread([&] {
    ModelG g;
    OnePermit w(word, &g.gp);
    g.await(w);
    check(word.data.get() == 7, "a g has not seen what was written");
  });
  run.thread([&] {
    OnePermit w(word, nullptr);
    detail::Sleeper<OnePermit>::block(w);
    check(word.data.get() == 7, "a thread has not seen what was written");
  });
  run.join();
  check(word.sema.kept() == 0, "a permit is left");
}

/// Two sleepers, one canceller, and a releaser that wakes whom it finds counted: in the end every one was woken or withdrawn, by one side.
void withdraw_against_release(model::Run& run) {
  reset_world();
  Word word;
  ModelG g[2];
  OnePermit first(word, &g[0].gp), second(word, &g[1].gp);
  bool stopped = false;
  run.thread([&] { g[0].await(first); });
  run.thread([&] { g[1].await(second); });
  run.thread([&] { g[0].cancel(); });
  run.thread([&] {
    release_counted(word, 1);
    stopped = true;
  });
  run.thread([&] {  // the rest, so that all ends
    block_until([&] { return stopped; }, "the first releaser");
    const auto over = [](const OnePermit& w) { return w.granted_ || w.withdrawn_; };
    for (;;) {
      block_until([&] { return peek(word.counted) > 0 || (over(first) && over(second)); }, "somebody to release");
      if (over(first) && over(second)) break;
      release_counted(word, 2);
    }
  });
  run.join();
  check(first.granted_ != first.withdrawn_, "granted and withdrawn, or neither");
  check(second.granted_ && !second.withdrawn_, "the other one had nothing to do with it");
  check(word.sema.kept() == 0 && word.counted.load(detail::relaxed) == 0, "the books do not balance");
}

/// A waiter that is withdrawn leaves its memory at once: whoever still looks at it is found out.
void withdrawn_frame_goes(model::Run& run) {
  reset_world();
  Word word;
  ModelG g;
  auto* w = new OnePermit(word, &g.gp);
  bool gone = false;
  run.thread([&] {
    g.await(*w);
    delete w;
    gone = true;
  });
  run.thread([&] { g.cancel(); });
  run.thread([&] {
    while (!gone) {
      block_until([&] { return gone || peek(word.counted) > 0; }, "somebody to release");
      release_counted(word, 1);
    }
  });
  run.join();
  check(word.sema.kept() == 0, "a permit is left");
}

/// One of two who joined is notified; the other leaves, or is notified too.
void notify_against_withdraw(model::Run& run) {
  reset_world();
  detail::NotifyList list;
  Var<int> data;
  struct Listener : Waiter {
    Listener(detail::NotifyList& list, detail::G* gp) : Waiter(gp, &leave), list_(&list) {}
    static bool leave(Waiter* w) noexcept { return static_cast<Listener*>(w)->list_->withdraw(*w); }
    detail::NotifyList* list_;
  };
  ModelG g[2];
  Listener w[2]{{list, &g[0].gp}, {list, &g[1].gp}};
  Atomic<bool> joined[2];
  const auto wait_for = [&](int i) {  // as the mutex of a Cond would order them
    block_until([&] { return peek(joined[i]); }, "joining");
    while (!joined[i].load(detail::acquire)) pause();
  };
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      detail::park_begin(&g[i].gp, g[i].leaf, detail::WaitReason::none, &w[i]);
      const bool asleep = list.join(w[i]);
      joined[i].store(true, detail::release);
      if (asleep)
        g[i].sleep();
      else
        detail::park_abort(&g[i].gp);
      if (!w[i].withdrawn_) check(data.get() == 3, "notified before the data was there");
    });
  }
  run.thread([&] { g[0].cancel(); });
  run.thread([&] {
    data.set(3);
    wait_for(1);
    list.notify_one();
    list.notify_all();
    wait_for(0);
    list.notify_all();
  });
  run.join();
  check(!w[1].withdrawn_, "the wrong one was withdrawn");
  check(list.size() == 0, "somebody is left in the list");
}

const Options options{.schedules = 20'000, .future_reads = true};

const std::vector<Model> models{
    {"permits meet sleepers", options, permits_meet_sleepers},
    {"permit carries data", options, permit_carries_data},
    {"withdraw against release", options, withdraw_against_release},
    {"withdrawn frame goes", options, withdrawn_frame_goes},
    {"notify against withdraw", options, notify_against_withdraw},
};

TEST(SemaModel, PermitsAndNotificationsAreNeitherLostNorDoubled) { explore_all(models); }

TEST(SemaModel, EveryOrderInWaiterIsNeeded) {
  const auto found = mutants("wait/waiter.cpp", models);
  EXPECT_EQ("", unexcused(found, {})) << describe(found);
}

}  // namespace
}  // namespace gmp::model
