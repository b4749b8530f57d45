// src/sched/run_queue.hpp — the gs that one P has to run: a slot for the next one and a ring that thieves may halve.
// Go: runtime/proc.go (runqput, runqget, runqgrab, runqsteal, runqempty).  Room: sched (floor 2).
//
// One owner, the M that holds the P, pushes and pops; any M steals from the ring.  What was made runnable last waits in run_next_ and runs first,
// in what is left of its maker's time slice: a pair that wakes one another stays on one warm core.  A newer one kicks it out to the ring's tail.
// run_next_ is the owner's, or a visitor's (claim.hpp): it moves by plain stores, for it is on every hand-over's way.
// The ring is first in, first out, between head_, which owner and thieves move by CAS, and tail_, which the owner alone stores.
// Both indices run freely and wrap with their type: tail_ - head_ is the length, no slot is wasted, and full and empty differ.
//
// 1024 slots, where Go has 256: what does not fit goes the long way by the global queue. A server with 512 gs in turn on two Ps answers 15 % more with it
// (tests/load, echo), and a burst of a thousand spawns stays here; of 8 KiB only as much is touched as is used.
//
// Invariants:
//   R1  slots [head_, tail_) hold items; nobody but the owner writes a slot, and only one outside of that range.
//   R2  an item is taken by whoever moves head_ past it, or, of run_next_, by whom the claim lets; slots are copied BEFORE the CAS, for after it the owner
//       may fill them again.  A copy of a slot that was filled again in the meantime is thrown away, as the CAS then fails.
//   R3  items move from run_next_ to the ring, never back, and head_ and tail_ only grow.  On this rests empty().
//   R4  a thief that slept between its load of head_ and its CAS until head_ came to the same number again would take what it never copied:
//       that takes 2^32 gs run on this P meanwhile. With 16 bits it was seen in the wild.
//
// [WAKE] The scheduler's rule: the pusher makes the item visible, then looks for idle Ps; a parking M puts its P on the idle list, then looks at
// every queue.  One of them sees the other.  That needs a full barrier between the two steps on both sides, here without fences:
//   push_next()  the store of run_next_ is seq_cst, and so must be the pusher's load of the idle count;
//   push_tail()  the store of tail_ is seq_cst too.  The store before it does not help: the kicked-out item is on its way, in no place where a
//                parking M could see it;
//   empty()      loads both seq_cst, after the parker's seq_cst RMW on the idle count.
// On x86-64 the store is an xchg, 2 ns; on AArch64 it is the same instruction as a release store.  requeue_tail() saves it for a yield.
//
// Of [RQ-free], the order that keeps a slot from being filled again before a thief has copied it, x86-64 would forgive the absence.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

struct G;

/// Capacity and Index are parameters for the tests alone, where two slots and an index of eight bits make a full ring and a wrap common.
template <class T, std::uint32_t Capacity = 1024, class Index = std::uint32_t>
class BasicRunQueue : Immovable {
  static_assert(std::is_unsigned_v<Index>);
  static_assert(Capacity >= 2, "half of the ring must be something");
  static_assert(std::has_single_bit(Capacity), "the wrap of the index must be a wrap of the ring");
  static_assert(Capacity <= std::numeric_limits<Index>::max() / 2 + 1u, "a length over Capacity must betray two loads that do not match");

 public:
  static constexpr std::uint32_t capacity = Capacity;
  static constexpr Index prefetch_ahead = Capacity > 8 ? 4 : 0;

  /// The most that take_half() and a steal move.
  static constexpr std::uint32_t half = Capacity / 2;

  BasicRunQueue() = default;
  /// Starts with both indices at start: for tests of the wrap.
  explicit BasicRunQueue(Index start) noexcept : head_(start), tail_(start) {}

  // ---- owner ----

  /// Makes the item the next to run. Returns the one that was, null if none: the caller pushes it to the tail.
  [[nodiscard("the item that was kicked out has no other home")]] T* push_next(T* item) noexcept {
    T* kicked = run_next_.load(relaxed);
    run_next_.store(item, seq_cst);  // [WAKE] the full barrier between this push and the look at the idle count
    return kicked;
  }

  /// The same without the barrier, where there is no other P.
  [[nodiscard("the item that was kicked out has no other home")]] T* push_next_alone(T* item) noexcept {
    T* kicked = run_next_.load(relaxed);
    run_next_.store(item, relaxed);
    return kicked;
  }

  /// Queues the item last. False if the ring is full: the caller moves half of it away by take_half().
  [[nodiscard("a full ring took nothing")]] bool push_tail(T* item) noexcept {
    if (!fill_slot(item)) return false;
    tail_.store(tail_owned() + 1, seq_cst);  // [RQ-publish] the slot is filled before a thief can see it.  [WAKE] as in push_next()
    return true;
  }

  /// The same without the barrier, when nobody is to be woken: the owner is about to pop by itself.
  [[nodiscard("a full ring took nothing")]] bool requeue_tail(T* item) noexcept {
    if (!fill_slot(item)) return false;
    tail_.store(tail_owned() + 1, release);  // [RQ-publish]
    return true;
  }

  /// Takes the next item; null if there is none. *inherit_time: it was in run_next and runs on in its maker's time slice.
  T* pop(bool* inherit_time) noexcept {
    *inherit_time = false;
    if (T* item = take_next()) {
      *inherit_time = true;
      return item;
    }
    Index head = head_.load(relaxed);
    while (head != tail_owned()) {
      T* item = slot(head).load(relaxed);
      if constexpr (prefetch_ahead != 0) __builtin_prefetch(slot(static_cast<Index>(head + prefetch_ahead)).load(relaxed), 1);  // or none: a hint
      // [RQ-empty] who sees this taken also sees what was pushed before.  A thief's release for [RQ-free] lives on in this RMW.
      if (head_.compare_exchange_weak(head, static_cast<Index>(head + 1), release, relaxed)) return item;
    }
    return nullptr;
  }

  /// Takes the older half of a full ring to out, which has room for `half`, and returns how many; 0 if thieves made room meanwhile.
  [[nodiscard("the items taken are in no queue")]] std::uint32_t take_half(T** out) noexcept {
    Index head = head_.load(relaxed);
    if (length(head, tail_owned()) != Capacity) return 0;
    for (std::uint32_t i = 0; i < half; ++i) out[i] = slot(static_cast<Index>(head + i)).load(relaxed);
    return head_.compare_exchange_strong(head, static_cast<Index>(head + half), release, relaxed) ? half : 0;  // [RQ-empty] as in pop()
  }

  // ---- owner, or visitor ----

  /// Takes the next item; null if there is none.
  T* take_next() noexcept {
    T* item = run_next_.load(relaxed);
    if (item != nullptr) run_next_.store(nullptr, release);  // [RQ-empty] who sees it empty also sees in the ring what was kicked out of it before
    return item;
  }

  // ---- anybody ----

  /// What lies in run_next: for who is its owner; for others a value to be compared.
  T* peek_next() const noexcept { return run_next_.load(relaxed); }

  /// Called by the owner of mine: moves half of this ring, rounded up, to the end of mine, and returns the oldest for running at once.
  /// Rounded up, or two thieves could pass one item between them for ever, and a ring of one would never be robbed.
  /// Returns null if there is nothing.
  T* steal_into(BasicRunQueue& mine) noexcept {
    const Index my_tail = mine.tail_owned();
    // What mine has room for, and the one returned.  [RQ-free] as in fill_slot(): thieves may be copying from mine.
    const std::uint32_t most = Capacity - length(mine.head_.load(acquire), my_tail) + 1;
    for (;;) {
      Index head = head_.load(relaxed);
      const Index tail = tail_.load(acquire);  // [RQ-publish] pairs with push_tail(), requeue_tail() and the end of this function
      const std::uint32_t found = length(head, tail);
      if (found == 0) return nullptr;
      if (found > Capacity) continue;  // the loads are of two times: head moved on between them, or tail is the older
      std::uint32_t count = found - found / 2;
      if (count > most) count = most;

      T* oldest = slot(head).load(relaxed);
      for (std::uint32_t i = 1; i < count; ++i) {
        mine.slot(static_cast<Index>(my_tail + i - 1)).store(slot(static_cast<Index>(head + i)).load(relaxed), relaxed);
      }
      // [RQ-free] releases the copying: pairs with the loads of head in fill_slot() and above.
      if (!head_.compare_exchange_strong(head, static_cast<Index>(head + count), release, relaxed)) continue;
      // [RQ-publish] [WAKE] a thief looks at the idle count after it, as a pusher does.
      if (count > 1) mine.tail_.store(static_cast<Index>(my_tail + count - 1), seq_cst);
      return oldest;
    }
  }

  /// How many items there may be. Off the owner's thread it is old when it returns.
  std::uint32_t size_hint() const noexcept {
    const std::uint32_t found = length(head_.load(relaxed), tail_.load(relaxed));
    return (found > Capacity ? Capacity : found) + (run_next_.load(relaxed) != nullptr ? 1 : 0);
  }

  /// Whether the ring has nothing; a look as empty()'s.
  bool ring_empty() const noexcept {
    const Index head = head_.load(acquire);  // [RQ-empty] pairs with pop(), take_half()
    return head == tail_.load(seq_cst);      // [WAKE] pairs with push_tail(), steal_into()
  }

  /// Whether there is nothing to run. Never true of a queue that held something all the while, whatever its owner did with it. Called after a
  /// seq_cst RMW on the idle count, true only if nothing is left of what was pushed by those who looked at that count too early to see the RMW.
  bool empty() const noexcept {
    // Head first, tail last, by R3: if the ring holds something when run_next is seen empty, then tail is beyond any head loaded before.
    const Index head = head_.load(acquire);                 // [RQ-empty] pairs with pop(), take_half()
    if (run_next_.load(seq_cst) != nullptr) return false;  // [WAKE] pairs with push_next(); [RQ-empty] with pop()
    return head == tail_.load(seq_cst);                    // [WAKE] pairs with push_tail(), steal_into()
  }

 private:
  static std::uint32_t length(Index head, Index tail) noexcept { return static_cast<Index>(tail - head); }

  Atomic<T*>& slot(Index index) noexcept { return slots_[index & (Capacity - 1)]; }

  Index tail_owned() const noexcept { return tail_.load(relaxed); }

  bool fill_slot(T* item) noexcept {
    const Index tail = tail_owned();
    if (length(head_.load(acquire), tail) == Capacity) return false;  // [RQ-free] thieves have copied what they took
    slot(tail).store(item, relaxed);
    return true;
  }

  // One line for the three: each verb of the owner needs two of them, and a thief's look costs the owner the line either way.
  alignas(cache_line) Atomic<Index> head_{0};         // owner and thieves, by CAS
  Atomic<Index> tail_{0};                             // owner stores
  Atomic<T*> run_next_{nullptr};                      // owner fills; owner and visitors empty
  alignas(cache_line) Atomic<T*> slots_[Capacity]{};  // owner fills, by R1
};

using RunQueue = BasicRunQueue<G>;

}  // namespace gmp::detail
