// src/net/errand.hpp — Errand: what another g does for one that waits, or has something else end the wait.
// Go: none (a goroutine and a channel there).  Room: net (floor 5).
//
// The resolver cannot be stopped, and several connects go on at once: so each is done by gs of its own.  Who asked sleeps; if it is given up the
// outcome is dropped when it comes.  Shared by both.
#pragma once

#include <utility>

#include "gmp/detail/park.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

class Errand : Immovable {
 public:
  /// Queues w until the end. False: it is over, or w is withdrawn_, and before() was called then: under the lock, just before w is published.
  template <class F>
  bool wait(Waiter& w, F before) noexcept {
    LockGuard guard(lock_);
    if (done_) return false;
    before();
    if (gives_up(w)) {
      w.withdrawn_ = true;
      return false;
    }
    waiter_ = &w;
    return true;
  }
  /// False: w is about to be woken, or not queued yet.
  bool withdraw(Waiter& w) noexcept {
    LockGuard guard(lock_);
    if (waiter_ != &w) {
      w.give_up_.store(true, relaxed);
      return false;
    }
    waiter_ = nullptr;
    return w.withdrawn_ = true;
  }

 protected:
  Errand() noexcept = default;
  ~Errand() = default;
  /// By the g that does it, last of all: its outcome is there.
  void finish() noexcept {
    Waiter* w = nullptr;
    {
      LockGuard guard(lock_);
      done_ = true;
      w = std::exchange(waiter_, nullptr);
    }
    if (w != nullptr) wake(w);
  }

 private:
  Lock lock_;
  bool done_ = false;         // lock_
  Waiter* waiter_ = nullptr;  // lock_
};

/// Who waits for one.
struct ErrandWaiter : Waiter {
  explicit ErrandWaiter(G* gp) noexcept
      : Waiter(gp, [](Waiter* w) noexcept { return static_cast<ErrandWaiter*>(w)->errand_->withdraw(*w); }) {}
  Errand* errand_ = nullptr;
};

}  // namespace gmp::detail
