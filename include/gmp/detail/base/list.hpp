// include/gmp/detail/base/list.hpp — intrusive lists: Queue, singly linked, and List, doubly linked. They own nothing and allocate nothing.
// Go: runtime/proc.go (gQueue, gList), runtime/chan.go (waitq).  Room: base (floor 0).
//
// Why two.  A runnable g is in one queue, and leaves it from the front: one link will do, and whole queues move by three stores.  A waiter
// may be withdrawn from the middle at any time: it needs both links, and it must know whether somebody has taken it out already, since
// that is the question withdrawal asks.  Neither counts its nodes: who needs the number (the global run queue) keeps it under its own lock.
//
// The links are members named in the list's type, Queue<G, &G::schedlink_> or List<Waiter, &Waiter::next_, &Waiter::prev_>, not a base
// class: one node may have several, and there is no way back from a link to its node to get wrong.
// Invariants:
//   L1  a node outside a Queue has a null link; so has the last one inside. Pushing a node whose link is not null is a bug, and found.
//   L2  a List is a ring: the first node's prev is the last one; alone, a node points to itself. It is linked iff its next is not null.
//       So the list itself is one pointer, all zero when empty, and can be moved.
#pragma once

#include <utility>

#include "gmp/detail/base/assert.hpp"

namespace gmp::detail {

/// FIFO with one link a node. Push at both ends, pop at the front, append another queue whole. Also a stack: push_front, pop_front.
template <class T, T* T::*Next>
class Queue {
 public:
  constexpr Queue() noexcept = default;
  constexpr Queue(Queue&& other) noexcept : head_(std::exchange(other.head_, nullptr)), tail_(std::exchange(other.tail_, nullptr)) {}
  constexpr Queue& operator=(Queue&& other) noexcept {
    GMPCORO_ASSERT(empty());  // nodes are never dropped: an overwritten queue would lose its gs
    head_ = std::exchange(other.head_, nullptr);
    tail_ = std::exchange(other.tail_, nullptr);
    return *this;
  }

  constexpr bool empty() const noexcept { return head_ == nullptr; }
  constexpr T* front() const noexcept { return head_; }
  constexpr T* back() const noexcept { return tail_; }
  /// The node behind this one; null at the end.
  static constexpr T* next(const T* node) noexcept { return node->*Next; }

  constexpr void push_back(T* node) noexcept {
    GMPCORO_ASSERT(node->*Next == nullptr);  // L1
    GMPCORO_ASSERT(node != tail_);           // L1 cannot tell for the last one
    (tail_ ? tail_->*Next : head_) = node;
    tail_ = node;
  }

  constexpr void push_front(T* node) noexcept {
    GMPCORO_ASSERT(node->*Next == nullptr);  // L1
    GMPCORO_ASSERT(node != tail_);           // L1 cannot tell for the last one
    node->*Next = head_;
    if (!head_) tail_ = node;
    head_ = node;
  }

  /// Null if empty.
  constexpr T* pop_front() noexcept {
    T* node = head_;
    if (!node) return nullptr;
    head_ = node->*Next;
    if (!head_) tail_ = nullptr;
    node->*Next = nullptr;
    return node;
  }

  /// Moves all of other behind the last node, in order.
  constexpr void append(Queue&& other) noexcept {
    if (!other.head_) return;
    (tail_ ? tail_->*Next : head_) = other.head_;
    tail_ = std::exchange(other.tail_, nullptr);
    other.head_ = nullptr;
  }

  /// Takes over a chain that somebody linked by hand from first to last; last's link must be null.
  constexpr void append(T* first, T* last) noexcept {
    GMPCORO_ASSERT(last->*Next == nullptr);
    (tail_ ? tail_->*Next : head_) = first;
    tail_ = last;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;  // null iff head_ is
};

/// FIFO with two links a node: any node leaves in O(1).
template <class T, T* T::*Next, T* T::*Prev>
class List {
 public:
  constexpr List() noexcept = default;
  constexpr List(List&& other) noexcept : head_(std::exchange(other.head_, nullptr)) {}
  constexpr List& operator=(List&& other) noexcept {
    GMPCORO_ASSERT(empty());
    head_ = std::exchange(other.head_, nullptr);
    return *this;
  }

  constexpr bool empty() const noexcept { return head_ == nullptr; }
  constexpr T* front() const noexcept { return head_; }
  constexpr T* back() const noexcept { return head_ ? head_->*Prev : nullptr; }
  /// The node behind this one; null at the end.
  constexpr T* next(const T* node) const noexcept { return node->*Next == head_ ? nullptr : node->*Next; }
  /// True while the node is in a list that uses these links: what withdrawal asks, under the lock of that list.
  static constexpr bool linked(const T* node) noexcept { return node->*Next != nullptr; }  // L2

  constexpr void push_back(T* node) noexcept {
    GMPCORO_ASSERT(!linked(node));
    if (!head_) {
      node->*Next = node->*Prev = head_ = node;
      return;
    }
    T* last = head_->*Prev;
    node->*Next = head_;
    node->*Prev = last;
    last->*Next = node;
    head_->*Prev = node;
  }

  constexpr void push_front(T* node) noexcept {
    push_back(node);
    head_ = node;  // a ring: the place before the first is the place behind the last
  }

  /// The node must be in this list, not in another one.
  constexpr void erase(T* node) noexcept {
    GMPCORO_ASSERT(linked(node));
    if (node->*Next == node) {
      GMPCORO_ASSERT(head_ == node);
      head_ = nullptr;
    } else {
      node->*Prev->*Next = node->*Next;
      node->*Next->*Prev = node->*Prev;
      if (head_ == node) head_ = node->*Next;
    }
    node->*Next = node->*Prev = nullptr;
  }

  /// Null if empty.
  constexpr T* pop_front() noexcept {
    T* node = head_;
    if (node) erase(node);
    return node;
  }

  /// Moves all of other behind the last node, in order.
  constexpr void append(List&& other) noexcept {
    T* first = std::exchange(other.head_, nullptr);
    if (!first) return;
    if (!head_) {
      head_ = first;
      return;
    }
    T* my_last = head_->*Prev;
    T* last = first->*Prev;
    my_last->*Next = first;
    first->*Prev = my_last;
    last->*Next = head_;
    head_->*Prev = last;
  }

 private:
  T* head_ = nullptr;
};

}  // namespace gmp::detail
