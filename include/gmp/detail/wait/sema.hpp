// include/gmp/detail/wait/sema.hpp — Sema: a word that gs sleep on, and the table of those who do.
// Go: runtime/sema.go.  Room: wait (floor 3); stands on base/rbtree.hpp.  The essay is in src/wait/sema.cpp.
#pragma once

#include <cstdint>

#include "gmp/detail/base/rbtree.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

/// One who sleeps on an address, or is about to. The first at an address is a node of the tree, the others stand behind it in a ring.
struct SemaWaiter : Waiter, RbNode {
  using Waiter::Waiter;

  std::uintptr_t key_ = 0;  // the address, as a number: nobody looks there. Written while nobody knows of w
  bool granted_ = false;    // taken out of the queue, with a permit; under the root's lock until the waiter is woken
};

/// Those who sleep on addresses that share a root. All but lock() under its lock.
class alignas(cache_line) SemaRoot {
 public:
  /// The root of an address.
  GMPCORO_EXPORT static SemaRoot& of(std::uintptr_t key) noexcept;

  Lock& lock() noexcept { return lock_; }

  /// The waiter that came first; null if nobody sleeps there.
  SemaWaiter* first(std::uintptr_t key) const noexcept { return tree_.find(key); }
  bool queued(const SemaWaiter& w) const noexcept { return w.next_ != nullptr; }
  /// Queues w at its key_.
  void push_back(SemaWaiter& w) noexcept;
  /// Before all others at the address: for who has been woken, and lost.
  void push_front(SemaWaiter& w) noexcept;
  /// w is queued here, anywhere.
  void erase(SemaWaiter& w) noexcept;

 private:
  friend struct SemaRootVerifier;  // tests
  Lock lock_;
  RbTree<SemaWaiter, &SemaWaiter::key_> tree_;
};

/// A count of permits, and a queue for them. Four bytes; the queue is in the table, under the Sema's address.
class GMPCORO_EXPORT Sema : Immovable {
 public:
  /// Takes back what a waiter has counted of itself, or refuses, because a permit is on its way to it. Under the root's lock.
  using Undo = bool (*)(SemaWaiter& w) noexcept;

  constexpr Sema() noexcept = default;

  /// The number under which its waiters stand in the table.
  std::uintptr_t key() const noexcept { return reinterpret_cast<std::uintptr_t>(this); }

  /// True: w has a permit and is granted_, or withdrawal came first and w is withdrawn_; nobody will wake it. False: w is queued, at
  /// the end or in front, and so published (PK2, park.hpp). w.key_ is key(), from before the g's status became `waiting`.
  bool acquire_or_queue(SemaWaiter& w, bool in_front, Undo undo) noexcept;

  /// Gives n permits: to those who sleep longest, the others are kept. handoff: and gives way to it. The Sema may be gone when it returns,
  /// and is not touched once the last permit can be taken.
  void release(std::uint32_t n = 1, bool handoff = false) noexcept;

  /// Takes w out of its queue if it is there and undo agrees: withdrawn_. False: it has a permit, or one is on its way, or it has not
  /// joined yet; then give_up_ is set.
  static bool withdraw(SemaWaiter& w, Undo undo) noexcept;

  /// The number of permits kept. For tests: it may have changed.
  std::uint32_t kept() const noexcept;

 private:
  std::uint32_t permits_ = 0;  // under the root's lock
};
static_assert(sizeof(Sema) == 4);

}  // namespace gmp::detail
