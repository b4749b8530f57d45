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

  std::uintptr_t key_ = 0;  // the address, as a number: nobody looks there; under the root's lock
  bool granted_ = false;    // taken out of the queue, with a permit; under the root's lock until the waiter is woken
};

/// Those who sleep on addresses that share a root. All but lock() under its lock.
class alignas(cache_line) SemaRoot {
 public:
  /// The root of an address.
  static SemaRoot& of(std::uintptr_t key) noexcept;

  Lock& lock() noexcept { return lock_; }

  /// The waiter that came first; null if nobody sleeps there.
  SemaWaiter* first(std::uintptr_t key) const noexcept { return tree_.find(key); }
  bool queued(const SemaWaiter& w) const noexcept { return w.next_ != nullptr; }
  void push_back(std::uintptr_t key, SemaWaiter& w) noexcept;
  /// Before all others at the address: for who has been woken, and lost.
  void push_front(std::uintptr_t key, SemaWaiter& w) noexcept;
  /// w is queued here, anywhere.
  void erase(SemaWaiter& w) noexcept;

 private:
  friend struct SemaRootVerifier;  // tests
  Lock lock_;
  RbTree<SemaWaiter, &SemaWaiter::key_> tree_;
};

/// A count of permits, and a queue for them. Four bytes; the queue is in the table, under the Sema's address.
class Sema : Immovable {
 public:
  constexpr Sema() noexcept = default;

  /// Takes a permit: w is granted_, nobody will wake it. Or queues w, at the end or in front: false, and w is published (PK2, park.hpp).
  bool acquire_or_queue(SemaWaiter& w, bool in_front = false) noexcept;

  /// Gives n permits: to those who sleep longest, the others are kept. handoff: and gives way to it. The Sema may be gone when it returns,
  /// and is not touched once the last permit can be taken.
  void release(std::uint32_t n = 1, bool handoff = false) noexcept;

  /// Takes w out of its queue if it is there and undo(w) agrees; undo is called under the root's lock, and undoes what w has counted.
  /// False: w has a permit, or undo refused because one is on its way.
  template <class W>
  static bool withdraw(W& w, bool (*undo)(W&) noexcept) noexcept {
    SemaRoot& root = SemaRoot::of(w.key_);  // w has been queued: its key does not change any more
    LockGuard guard(root.lock());
    if (!root.queued(w) || !undo(w)) return false;
    root.erase(w);
    return true;
  }

  /// The number of permits kept. For tests: it may have changed.
  std::uint32_t kept() const noexcept;

 private:
  std::uintptr_t key() const noexcept { return reinterpret_cast<std::uintptr_t>(this); }

  std::uint32_t permits_ = 0;  // under the root's lock
};
static_assert(sizeof(Sema) == 4);

}  // namespace gmp::detail
