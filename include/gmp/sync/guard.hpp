// include/gmp/sync/guard.hpp — what co_await scoped_lock() gives: a lock held until the end of the scope.
// Go: defer mu.Unlock().  Room: sync (floor 5).
#pragma once

#include <utility>

namespace gmp {

/// Holds a lock; its destructor releases it. Movable, so that it can be returned and kept; empty once moved from or unlocked.
///
///     auto guard = co_await mu.scoped_lock();
template <class L, void (L::*Unlock)() noexcept>
class [[nodiscard("a guard that is dropped at once guards nothing")]] ScopedGuard {
 public:
  ScopedGuard() noexcept = default;
  /// Takes over a lock that the caller holds.
  explicit ScopedGuard(L & held) noexcept : held_(&held) {}
  ScopedGuard(ScopedGuard && other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  ScopedGuard& operator=(ScopedGuard&& other) noexcept {
    if (this != &other) {
      unlock();
      held_ = std::exchange(other.held_, nullptr);
    }
    return *this;
  }
  ~ScopedGuard() { unlock(); }

  /// Releases before the end of the scope. Nothing happens if the guard is empty.
  void unlock() noexcept {
    if (L* held = std::exchange(held_, nullptr)) (held->*Unlock)();
  }
  /// True while it holds the lock.
  explicit operator bool() const noexcept { return held_ != nullptr; }

 private:
  L* held_ = nullptr;
};

}  // namespace gmp
