// tests/model/seeded_bugs_test.cpp — small protocols with one step wrong each: the explorer must find every one, and nothing in the right ones.
// Go: none.  Room: tests/model.
//
// The mutation check weakens orders. It drops no steps: whether the explorer would notice is asked here, of bugs that other runtimes had.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sys/futex.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::acq_rel;
using detail::acquire;
using detail::Atomic;
using detail::relaxed;
using detail::release;
using detail::seq_cst;

enum class Bug {
  none,
  ring_pop_without_cas,
  ring_steal_without_cas,
  ring_tail_before_slot,
  ring_slots_after_cas,
  ring_one_too_many,
  park_without_second_look,
  park_flag_after_look,
  wake_looks_before_push,
  stack_without_tag,
  unlock_touches_after_release,
  count_down_relaxed,
  completion_without_generation,
  once_flag_before_value,
  select_without_winner,
};

std::string failure(const std::function<void(Run&)>& body) {
  const Result result = explore({.schedules = 40'000}, body);
  const std::string text = result.failure;
  return text.substr(0, text.find('\n'));
}

/// The right protocol is silent, and each of its bugs is found.
void expect_found(const std::function<void(model::Run&, Bug)>& protocol, std::initializer_list<Bug> bugs) {
  EXPECT_EQ("", failure([&](model::Run& run) { protocol(run, Bug::none); }));
  for (Bug bug : bugs) {
    const std::string text = failure([&](model::Run& run) { protocol(run, bug); });
    EXPECT_NE("", text) << "bug " << static_cast<int>(bug) << " was not found";
    // Loops of a wrong protocol may run for ever, too; but that is not what any of these does.
    EXPECT_EQ(std::string::npos, text.find("max_steps")) << text;
  }
}

/// Go's ring, two slots, an index of eight bits.
void ring(model::Run& run, Bug bug) {
  static constexpr std::uint8_t capacity = 2;
  Atomic<int> slots[capacity];
  Atomic<std::uint8_t> head{255}, tail{255};
  int taken[5] = {};
  const auto take = [&](int item) {
    check(item >= 1 && item <= 4, "an empty slot");
    check(++taken[item] == 1, "an item came twice");
  };
  const auto pop = [&] {
    std::uint8_t h = head.load(acquire);
    while (h != tail.load(relaxed)) {
      const int item = slots[h % capacity].load(relaxed);
      if (bug == Bug::ring_pop_without_cas) {
        head.store(static_cast<std::uint8_t>(h + 1), release);
        return take(item);
      }
      if (head.compare_exchange_strong(h, static_cast<std::uint8_t>(h + 1), release, acquire)) return take(item);
    }
  };
  const auto steal = [&] {
    std::uint8_t h = head.load(acquire);
    const std::uint8_t length = static_cast<std::uint8_t>(tail.load(acquire) - h);
    if (length == 0 || length > capacity) return;
    const std::uint8_t next = static_cast<std::uint8_t>(h + 1);
    if (bug == Bug::ring_slots_after_cas) {
      if (head.compare_exchange_strong(h, next, release, relaxed)) take(slots[h % capacity].load(relaxed));
      return;
    }
    const int item = slots[h % capacity].load(relaxed);
    if (bug == Bug::ring_steal_without_cas) {
      head.store(next, release);
      return take(item);
    }
    if (head.compare_exchange_strong(h, next, release, relaxed)) take(item);
  };
  run.thread([&] {
    for (int item = 1; item <= 4; ++item) {
      const std::uint8_t t = tail.load(relaxed);
      const int length = static_cast<std::uint8_t>(t - head.load(acquire));
      if (length >= (bug == Bug::ring_one_too_many ? capacity + 1 : capacity)) {
        pop();
      }
      if (bug == Bug::ring_tail_before_slot) {
        tail.store(static_cast<std::uint8_t>(t + 1), release);
        slots[t % capacity].store(item, relaxed);
      } else {
        slots[t % capacity].store(item, relaxed);
        tail.store(static_cast<std::uint8_t>(t + 1), release);
      }
    }
    pop();
  });
  for (int thief = 0; thief < 2; ++thief) run.thread(steal);
  run.join();
  while (head.load(relaxed) != tail.load(relaxed)) pop();
  for (int item = 1; item <= 4; ++item) check(taken[item] == 1, "an item was lost");
}

TEST(SeededBugs, RingWithThieves) {
  expect_found(ring, {Bug::ring_pop_without_cas, Bug::ring_steal_without_cas, Bug::ring_tail_before_slot, Bug::ring_slots_after_cas,
                      Bug::ring_one_too_many});
}

/// A consumer that sleeps on a futex when there is nothing, and two producers.
void park(model::Run& run, Bug bug) {
  Atomic<int> queued{0};
  Atomic<std::uint32_t> asleep{0};
  run.thread([&] {
    int left = 2;
    const auto take = [&] { left -= queued.exchange(0, acq_rel); };
    for (;;) {
      take();
      if (left == 0) return;
      if (bug == Bug::park_flag_after_look) {
        if (queued.load(seq_cst) != 0) continue;
        asleep.exchange(1, seq_cst);
      } else {
        asleep.exchange(1, seq_cst);
        if (bug != Bug::park_without_second_look && queued.load(seq_cst) != 0) {
          asleep.store(0, relaxed);
          continue;
        }
      }
      while (asleep.load(acquire) == 1) detail::futex_wait(&asleep, 1);
    }
  });
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      bool wake = false;
      if (bug == Bug::wake_looks_before_push) wake = asleep.load(seq_cst) == 1;
      queued.fetch_add(1, seq_cst);
      if (bug != Bug::wake_looks_before_push) wake = asleep.load(seq_cst) == 1;
      if (wake && asleep.exchange(0, acq_rel) == 1) detail::futex_wake(&asleep, 1);
    });
  }
  run.join();
}

TEST(SeededBugs, ParkAndWake) {
  expect_found(park, {Bug::park_without_second_look, Bug::park_flag_after_look, Bug::wake_looks_before_push});
}

/// A free list of three nodes, its head a tag and an index.
void stack(model::Run& run, Bug bug) {
  struct Head {
    std::uint16_t tag, top;  // top: 0 nothing, else node top - 1
  };
  Atomic<std::uint16_t> next[3];
  Atomic<Head> head{Head{0, 0}};
  Atomic<int> owners[3];
  const auto raised = [&](std::uint16_t tag) { return static_cast<std::uint16_t>(bug == Bug::stack_without_tag ? 0 : tag + 1); };
  const auto push = [&](std::uint16_t node) {
    check(owners[node - 1].exchange(0, relaxed) == 1, "gave back what it did not have");
    Head h = head.load(relaxed);
    do next[node - 1].store(h.top, relaxed);
    while (!head.compare_exchange_weak(h, Head{raised(h.tag), node}, release, relaxed));
  };
  const auto pop = [&]() -> std::uint16_t {
    Head h = head.load(acquire);
    while (h.top != 0) {
      const std::uint16_t below = next[h.top - 1].load(relaxed);
      if (!head.compare_exchange_weak(h, Head{raised(h.tag), below}, acquire, acquire)) continue;
      check(owners[h.top - 1].exchange(1, relaxed) == 0, "one node has two owners");
      return h.top;
    }
    return 0;
  };
  for (std::uint16_t node = 1; node <= 3; ++node) {
    owners[node - 1].store(1, relaxed);
    push(node);
  }
  run.thread([&] { pop(); });
  run.thread([&] {
    const std::uint16_t a = pop(), b = pop();
    if (a != 0) push(a);
    static_cast<void>(b);
    pop();
  });
  run.join();
}

TEST(SeededBugs, FreeListWithoutTag) { expect_found(stack, {Bug::stack_without_tag}); }

/// Two threads use an object; the last one frees it.
void count_down(model::Run& run, Bug bug) {
  struct Shared {
    Atomic<int> users{2};
    Var<int> data[2];
  };
  auto* shared = new Shared;
  for (int i = 0; i < 2; ++i) {
    run.thread([&bug, shared, i] {
      shared->data[i].set(1);
      if (shared->users.fetch_sub(1, bug == Bug::count_down_relaxed ? relaxed : acq_rel) != 1) return;
      check(shared->data[0].get() + shared->data[1].get() == 2, "stale");
      delete shared;
    });
  }
  run.join();
}

TEST(SeededBugs, LastUserFrees) { expect_found(count_down, {Bug::count_down_relaxed}); }

/// A lock whose next owner frees it.
void unlock(model::Run& run, Bug bug) {
  struct Guarded {
    Atomic<std::uint32_t> state{1};  // held by the first thread
    Atomic<int> unlocks{0};
  };
  auto* guarded = new Guarded;
  run.thread([&bug, guarded] {
    if (bug != Bug::unlock_touches_after_release) guarded->unlocks.fetch_add(1, relaxed);
    guarded->state.store(0, release);
    if (bug == Bug::unlock_touches_after_release) guarded->unlocks.fetch_add(1, relaxed);
  });
  run.thread([guarded] {
    while (guarded->state.load(acquire) != 0) detail::cpu_pause();
    delete guarded;
  });
  run.join();
}

TEST(SeededBugs, UnlockTouchesNothingAfterItsRelease) { expect_found(unlock, {Bug::unlock_touches_after_release}); }

/// An operation's slot is used again; a completion of its former life comes late.
void completion(model::Run& run, Bug bug) {
  Atomic<std::uint32_t> slot{1u << 8};  // generation, and whether done
  Atomic<std::uint32_t> in_flight{1};   // what the kernel will complete
  run.thread([&] {
    const std::uint32_t generation = in_flight.load(acquire);
    std::uint32_t s = slot.load(acquire);
    while ((s >> 8) == generation || bug == Bug::completion_without_generation) {
      if (slot.compare_exchange_weak(s, s | 1, acq_rel, acquire)) break;
    }
  });
  run.thread([&] {
    // Gives up the first operation, starts another, and must not see that one done.
    std::uint32_t s = 1u << 8;
    if (!slot.compare_exchange_strong(s, 2u << 8, acq_rel, acquire)) return;
    check((slot.load(acquire) & 1) == 0, "done before it was submitted");
  });
  run.join();
}

TEST(SeededBugs, LateCompletionOfAnOlderGeneration) { expect_found(completion, {Bug::completion_without_generation}); }

/// Double-checked initialisation.
void once(model::Run& run, Bug bug) {
  Atomic<bool> done{false};
  Lock lock;
  Var<int> value(0);
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      if (!done.load(acquire)) {
        lock.lock();
        if (!done.load(relaxed)) {
          if (bug == Bug::once_flag_before_value) done.store(true, release);
          value.set(value.get() + 1);
          if (bug != Bug::once_flag_before_value) done.store(true, release);
        }
        lock.unlock();
      }
      check(value.get() == 1, "seen half-made");
    });
  }
  run.join();
}

TEST(SeededBugs, OnceShowsItsFlagLast) { expect_found(once, {Bug::once_flag_before_value}); }

/// Two channels are ready for one select: one of them wins.
void select(model::Run& run, Bug bug) {
  Atomic<int> winner{-1};
  int delivered = 0;
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      int none = -1;
      if (bug == Bug::select_without_winner) {
        if (winner.load(acquire) != -1) return;
        winner.store(i, release);
      } else if (!winner.compare_exchange_strong(none, i, acq_rel, acquire)) {
        return;
      }
      ++delivered;
    });
  }
  run.join();
  check(delivered == 1, "two cases of one select fired");
}

TEST(SeededBugs, SelectHasOneWinner) { expect_found(select, {Bug::select_without_winner}); }

}  // namespace
}  // namespace gmp::model
