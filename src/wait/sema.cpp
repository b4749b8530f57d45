// src/wait/sema.cpp — gs that sleep on an address.
// Go: runtime/sema.go.  Room: wait (floor 3); stands on park.hpp and base/rbtree.hpp.
//
// Each sleep is paired with one permit, even if the permit comes first.  A Mutex has 8 bytes and no room for a queue; so the queues are in
// a table, found by the address of the word that is slept on.  A table of 251 roots, each with its own cache line and lock, keeps unrelated
// addresses apart; within a root a red-black tree has one node for each address, the waiter that came first, and the others at that address
// stand behind it in a ring.  Two levels, since a tree of all waiters makes a thousand sleepers on one address slow for everybody
// else in the root (golang/go#17953).  All steps but the search are O(1).
//
// Where this differs from Go, and why.  Go raises the count before it looks for waiters, and its woken g must win the count against
// newcomers: that is a fast path for a release that nobody waits for.  Here nobody calls that: Mutex, RWMutex, WaitGroup and Once count
// their sleepers in their own state word, and call release() only for a sleeper that they have counted.  So both sides simply take the
// root's lock, and:
//   - a permit goes to a waiter by hand, and a woken g never finds that it slept too short.  Newcomers barge in where it pays, on the state
//     word of the Mutex.
//   - release() touches the word only if the sleeper it is for has not come yet; and that one cannot go on, and free the word, without the
//     root's lock.  With Go's order a releaser that is held up between count and queue finds the object destroyed, and perhaps another one
//     with sleepers of its own at the same address.
//   - a waiter that withdraws knows under the lock whether a permit has come.
//
// Invariants, under the root's lock:
//   S1  permits_ > 0 at an address implies that nobody is queued there: permits and waiters never stand side by side.
//   S2  a waiter is queued iff next_ is not null; it is a node of the tree iff it is the first at its address.
//   S3  who is taken out by release() is granted_, and woken exactly once, after the lock is free.
//   S4  the ring's order is the order of coming, except for who was put in front.
//   S5  a g is `waiting` a little before it is queued, and may be withdrawn in between. Either withdrawal finds it queued, or it finds
//   give_up_
//       when it comes.
#include "gmp/detail/wait/sema.hpp"

#include "gmp/detail/base/assert.hpp"

namespace gmp::detail {

namespace {

constexpr std::uintptr_t roots_count = 251;  // prime: objects of any size, side by side in memory, spread over all

constinit SemaRoot roots[roots_count];

SemaWaiter& as_sema(Waiter* w) noexcept { return static_cast<SemaWaiter&>(*w); }

}  // namespace

SemaRoot& SemaRoot::of(std::uintptr_t key) noexcept { return roots[(key >> 3) % roots_count]; }

void SemaRoot::push_back(SemaWaiter& w) noexcept {
  GMPCORO_ASSERT(!queued(w));
  const auto place = tree_.locate(w.key_);
  SemaWaiter* head = place.found;
  if (head == nullptr) {
    w.next_ = w.prev_ = &w;
    tree_.insert_at(place, &w);
    return;
  }
  Waiter* last = head->prev_;
  w.prev_ = last;
  w.next_ = head;
  last->next_ = head->prev_ = &w;
}

void SemaRoot::push_front(SemaWaiter& w) noexcept {
  SemaWaiter* head = first(w.key_);
  push_back(w);  // a ring: the place before the first is the place behind the last
  if (head != nullptr) tree_.replace(head, &w);
}

void SemaRoot::erase(SemaWaiter& w) noexcept {
  GMPCORO_ASSERT(queued(w));
  SemaWaiter& next = as_sema(w.next_);
  const bool is_first = w.RbNode::linked();
  if (&next == &w) {
    GMPCORO_ASSERT(is_first);
    tree_.erase(&w);
  } else {
    w.prev_->next_ = &next;
    next.prev_ = w.prev_;
    if (is_first) tree_.replace(&w, &next);
  }
  w.next_ = w.prev_ = nullptr;
}

bool Sema::acquire_or_queue(SemaWaiter& w, bool in_front, Undo undo) noexcept {
  GMPCORO_ASSERT(w.key_ == key());
  SemaRoot& root = SemaRoot::of(w.key_);
  LockGuard guard(root.lock());
  if (permits_ > 0) {
    --permits_;
    w.granted_ = true;
    return true;
  }
  if (gives_up(w) && undo(w)) return w.withdrawn_ = true;  // S5
  if (in_front)
    root.push_front(w);
  else
    root.push_back(w);
  return false;
}

bool Sema::withdraw(SemaWaiter& w, Undo undo) noexcept {
  SemaRoot& root = SemaRoot::of(w.key_);
  LockGuard guard(root.lock());
  if (root.queued(w) && undo(w)) {
    root.erase(w);
    return w.withdrawn_ = true;
  }
  w.give_up_.store(true, relaxed);  // S5
  return false;
}

void Sema::release(std::uint32_t n, bool handoff) noexcept {
  const std::uintptr_t address = key();
  SemaRoot& root = SemaRoot::of(address);
  WakeList woken;
  SemaWaiter* next_to_run = nullptr;
  {
    LockGuard guard(root.lock());
    for (; n > 0; --n) {
      SemaWaiter* w = root.first(address);
      if (w == nullptr) break;
      root.erase(*w);
      w->granted_ = true;  // S3
      if (handoff)
        next_to_run = w;
      else
        woken.push(w);
    }
    if (n > 0) permits_ += n;  // S1. Who they are for is on its way here: the word still lives
  }
  // Wake after unlocking: the woken g takes this lock first thing.
  if (next_to_run != nullptr) wake_handoff(next_to_run);
  woken.wake_all();
}

std::uint32_t Sema::kept() const noexcept {
  LockGuard guard(SemaRoot::of(key()).lock());
  return permits_;
}

}  // namespace gmp::detail
