// tests/model/run_queue_model.cpp — models of src/sched/run_queue.hpp, and the proof that each order in it is needed.
// Go: runtime/proc_test.go (TestRunSchedLocalQueue …) claims the like with real threads.  Room: tests/model.
//
// Capacities of 2 and 4, an index of eight bits that starts just before its wrap.
#include <gtest/gtest.h>

#include "model/model.hpp"
#include "sched/run_queue.hpp"

namespace gmp::model {
namespace {

using detail::acq_rel;
using detail::acquire;
using detail::Atomic;
using detail::relaxed;
using detail::release;
using detail::seq_cst;

/// What stands for a g: made before it is pushed, taken by one thread.
struct Item {
  Var<int> made;
  int taken = 0;  // the model's own count; that two takers race on it does not matter here, where steps are one after the other

  Item* make() {
    made.set(1);
    return this;
  }
};

void take(Item* item) {
  check(item != nullptr, "a slot was empty");
  check(item->made.get() == 1, "an item came before it was made");
  check(++item->taken == 1, "an item came twice");
}

template <std::uint32_t Capacity>
struct Queue : detail::BasicRunQueue<Item, Capacity, std::uint8_t> {
  using Base = detail::BasicRunQueue<Item, Capacity, std::uint8_t>;
  Queue() : Base(std::uint8_t{255}) {}

  Item* pop() {
    bool inherit_time;
    return Base::pop(&inherit_time);
  }
  void drain() {
    while (Item* item = pop()) take(item);
  }
};

template <class Items>
void check_all_taken(const Items& items) {
  for (const Item& item : items) check(item.taken == 1, "an item was lost");
}

/// Owner against two thieves on a ring that is always near full, so that slots are filled again while they are copied.
template <std::uint32_t Capacity>
void push_pop_steal(model::Run& run) {
  Queue<Capacity> queue, mine[2];
  Item items[Capacity + 2];
  run.thread([&] {
    Item* last = nullptr;
    const auto in_order = [&](Item* item) {
      check(last == nullptr || item > last, "the ring is not first in, first out");
      last = item;
      take(item);
    };
    for (Item& item : items) {
      item.make();
      if (queue.push_tail(&item)) continue;
      if (Item* oldest = queue.pop()) in_order(oldest);
      check(queue.push_tail(&item), "no room after a pop");
    }
    if (Item* oldest = queue.pop()) in_order(oldest);
  });
  for (auto& to : mine) {
    run.thread([&] {
      if (Item* item = queue.steal_into(to)) take(item);
      to.drain();
    });
  }
  run.join();
  queue.drain();
  check_all_taken(items);
}

/// The slots that a thief copies from are filled again, by a yield.
void requeue_against_thief(model::Run& run) {
  Queue<2> queue, mine;
  Item items[3];
  run.thread([&] {
    for (Item& item : items) {
      item.make();
      if (!queue.requeue_tail(&item)) take(&item);
    }
  });
  run.thread([&] {
    if (Item* item = queue.steal_into(mine)) take(item);
  });
  run.join();
  queue.drain();
  mine.drain();
  check_all_taken(items);
}

/// Overflow: the owner takes half of a full ring while a thief wants half of it, too.
template <std::uint32_t Capacity>
void take_half(model::Run& run) {
  Queue<Capacity> queue, mine;
  Item items[Capacity + 1];
  for (std::uint32_t i = 0; i < Capacity; ++i) check(queue.push_tail(items[i].make()), "room for all but one");
  run.thread([&] {
    Item* last = items[Capacity].make();
    while (!queue.push_tail(last)) {
      Item* out[Queue<Capacity>::half] = {};
      const std::uint32_t n = queue.take_half(out);
      check(n == 0 || n == Capacity / 2, "half, or nothing");
      for (std::uint32_t i = 0; i < n; ++i) take(out[i]);
    }
  });
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      Queue<Capacity> own;
      if (Item* item = queue.steal_into(i == 0 ? mine : own)) take(item);
      own.drain();
    });
  }
  run.join();
  queue.drain();
  mine.drain();
  check_all_taken(items);
}

/// The next item: kicked out by a newer one, popped, and left alone by thieves.
void run_next(model::Run& run) {
  Queue<2> queue, mine[2];
  Item items[3];
  run.thread([&] {
    for (Item& item : items) {
      Item* kicked = queue.push_next(item.make());
      if (kicked != nullptr) check(kicked == &item - 1 && queue.push_tail(kicked), "the one before, and there is room");
    }
    bool inherit_time = false;
    Item* item = static_cast<Queue<2>::Base&>(queue).pop(&inherit_time);
    if (item == nullptr) return;
    check(inherit_time == (item == &items[2]), "only what was next inherits the slice");
    take(item);
  });
  for (auto& to : mine) {
    run.thread([&] {
      for (int i = 0; i < 2; ++i) {
        if (Item* stolen = queue.steal_into(to)) take(stolen);
      }
      to.drain();
    });
  }
  run.join();
  queue.drain();
  check_all_taken(items);
}

/// A thief does not take the next item: it is the owner's, or a visitor's (claim_model.cpp).
void run_next_is_left(model::Run& run) {
  Queue<2> queue, mine;
  Item item;
  check(queue.push_next(item.make()) == nullptr, "the first kicks out nobody");
  run.thread([&] { check(queue.steal_into(mine) == nullptr, "the next item was not to be taken"); });
  run.thread([&] {
    if (Item* next = queue.pop()) take(next);
  });
  run.join();
  check_all_taken(std::initializer_list<std::reference_wrapper<const Item>>{item});
}

/// A thief's own ring is full and is being stolen from while it steals: what it fills are the slots that another thief copies.
void steal_into_what_is_stolen_from(model::Run& run) {
  Queue<4> first, second, third;
  Item items[8];
  for (int i = 0; i < 4; ++i) {
    check(first.push_tail(items[i].make()), "room");
    check(second.push_tail(items[4 + i].make()), "room");
  }
  run.thread([&] {
    if (Item* item = first.steal_into(second)) take(item);
    if (Item* item = second.pop()) take(item);
  });
  run.thread([&] {
    if (Item* item = second.steal_into(third)) take(item);
    third.drain();
  });
  run.join();
  first.drain();
  second.drain();
  check_all_taken(items);
}

/// A queue that always holds something is never seen empty: one item comes, then another, then one goes; in both parts of the queue.
template <bool first_next, bool second_next>
void never_empty(model::Run& run) {
  Queue<2> queue;
  Item items[2];
  Atomic<bool> pushed{false};
  const auto push = [&](Item* item, bool next) {
    if (next) item = queue.push_next(item->make());
    if (item != nullptr) check(queue.push_tail(item->make()), "room");
  };
  run.thread([&] {
    push(&items[0], first_next);
    pushed.store(true, release);
    push(&items[1], second_next);
    take(queue.pop());
  });
  run.thread([&] {
    if (pushed.load(acquire)) check(!queue.empty(), "seen empty, and it never was");
  });
  run.join();
  queue.drain();
  check_all_taken(items);
}

/// The same, when half of the ring goes at once.
void never_empty_half(model::Run& run) {
  Queue<4> queue;
  Item items[4];
  for (int i = 0; i < 2; ++i) check(queue.requeue_tail(items[i].make()), "room");
  run.thread([&] {
    for (int i = 2; i < 4; ++i) check(queue.requeue_tail(items[i].make()), "room");
    Item* out[2] = {};
    check(queue.take_half(out) == 2, "full");
    for (Item* item : out) take(item);
  });
  run.thread([&] { check(!queue.empty(), "seen empty, and it never was"); });
  run.join();
  queue.drain();
  check_all_taken(items);
}

/// The wake-up rule: an M that parks sees what is in the queues, or whoever pushes or steals sees that it parks.
class Idle {
 public:
  /// By who has pushed or stolen.
  void look() {
    if (count_.load(seq_cst) != 0) parked_seen_ = true;
  }
  /// By who is about to park; true if it finds nothing to do.
  template <class... Queues>
  void park(const Queues&... queues) {
    count_.fetch_add(1, seq_cst);
    parked_ = (queues.empty() && ...);
  }
  template <class Empty>
  void park_by(Empty empty) {
    count_.fetch_add(1, seq_cst);
    parked_ = empty();
  }
  /// After all: the next of the queue's owner may be long in coming.
  template <class... Queues>
  void check_none_is_left(const Queues&... queues) const {
    check(!parked_ || parked_seen_ || (queues.empty() && ...), "an item waits while an M sleeps");
  }

 private:
  Atomic<int> count_{0};
  bool parked_ = false, parked_seen_ = false;
};

void wake_push_next(model::Run& run) {
  Queue<2> queue;
  Item item;
  Idle idle;
  run.thread([&] {
    check(queue.push_next(item.make()) == nullptr, "the first kicks out nobody");
    idle.look();
  });
  run.thread([&] { idle.park(queue); });
  run.join();
  idle.check_none_is_left(queue);
}

/// As a parker looks while there is a scout, or a thief empties run_next: the ring alone.
void wake_push_tail(model::Run& run) {
  Queue<2> queue;
  Item item;
  Idle idle;
  run.thread([&] {
    check(queue.push_tail(item.make()), "room");
    idle.look();
  });
  run.thread([&] { idle.park_by([&] { return queue.ring_empty(); }); });
  run.join();
  idle.check_none_is_left(queue);
}

/// The ring's look sees what was pushed before something was taken.
void ring_never_empty(model::Run& run) {
  Queue<2> queue;
  Item items[2];
  check(queue.requeue_tail(items[0].make()), "room");
  run.thread([&] {
    check(queue.requeue_tail(items[1].make()), "room");
    take(queue.pop());
  });
  run.thread([&] { check(!queue.ring_empty(), "seen empty, and it never was"); });
  run.join();
  queue.drain();
  check_all_taken(items);
}

void wake_kicked_out(model::Run& run) {
  Queue<2> queue, mine;
  Item items[2];
  Idle idle;
  run.thread([&] {
    check(queue.push_next(items[0].make()) == nullptr, "the first kicks out nobody");
    idle.look();
    if (Item* kicked = queue.push_next(items[1].make())) check(queue.push_tail(kicked), "room");
    idle.look();
  });
  run.thread([&] {
    if (queue.steal_into(mine) != nullptr) idle.look();
  });
  run.thread([&] { idle.park(mine, queue); });
  run.join();
  idle.check_none_is_left(queue, mine);
}

void wake_stolen(model::Run& run) {
  Queue<4> queue, mine;
  Item items[3];
  Idle idle;
  for (Item& item : items) check(queue.push_tail(item.make()), "room");
  run.thread([&] {
    while (Item* item = queue.pop()) take(item);
  });
  run.thread([&] {
    if (queue.steal_into(mine) != nullptr) idle.look();
  });
  run.thread([&] { idle.park(mine, queue); });
  run.join();
  idle.check_none_is_left(queue, mine);
}

const Options options{.schedules = 30'000, .future_reads = true};
const Options many{.schedules = 100'000, .future_reads = true};  // for what takes one thread to be late twice

const std::vector<Model> models{
    {"push, pop, steal, capacity 2", options, push_pop_steal<2>},
    {"push, pop, steal, capacity 4", options, push_pop_steal<4>},
    {"requeue against a thief", options, requeue_against_thief},
    {"take half, capacity 2", options, take_half<2>},
    {"take half, capacity 4", options, take_half<4>},
    {"run next", options, run_next},
    {"run next is left", options, run_next_is_left},
    {"steal into what is stolen from", options, steal_into_what_is_stolen_from},
    {"never empty, next and next", options, never_empty<true, true>},
    {"never empty, next and ring", options, never_empty<true, false>},
    {"never empty, ring and next", options, never_empty<false, true>},
    {"never empty, ring and ring", many, never_empty<false, false>},
    {"never empty, half", options, never_empty_half},
    {"wake, push_next", options, wake_push_next},
    {"wake, push_tail", options, wake_push_tail},
    {"never empty, the ring alone", many, ring_never_empty},
    {"wake, kicked out", options, wake_kicked_out},
    {"wake, stolen", options, wake_stolen},
};

class RunQueueModel : public ::testing::TestWithParam<Model> {};

TEST_P(RunQueueModel, Holds) {
  const Result result = explore(GetParam().options, GetParam().body);
  EXPECT_TRUE(result.failure.empty()) << result.failure;
}

INSTANTIATE_TEST_SUITE_P(All, RunQueueModel, ::testing::ValuesIn(models), [](const auto& info) {
  std::string name;
  for (const char* c = info.param.name; *c != 0; ++c) name += std::isalnum(static_cast<unsigned char>(*c)) != 0 ? *c : '_';
  return name;
});

TEST(RunQueueMutation, EveryOrderInTheFileIsNeeded) {
  const std::vector<Mutant> found = mutants("sched/run_queue.hpp", models);
  std::fputs(describe(found).c_str(), stdout);
  const std::string text = unexcused(found, {});
  EXPECT_TRUE(text.empty()) << text;
}

}  // namespace
}  // namespace gmp::model
