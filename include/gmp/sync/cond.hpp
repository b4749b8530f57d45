// include/gmp/sync/cond.hpp — Cond: waiting for a condition that a Mutex protects.
// Go: sync/cond.go.  Room: sync (floor 5).  The essay is in src/sync/cond.cpp.
#pragma once

#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/wait/notify_list.hpp"
#include "gmp/sync/mutex.hpp"

namespace gmp {

class Cond;

namespace detail {

/// First in the Cond's list, then a competitor for its Mutex.
struct CondWaiter : MutexWaiter {
  CondWaiter(Cond& cond, G* gp) noexcept;

  bool advance() noexcept;                                  // sleeper.hpp
  static bool undo(SemaWaiter&) noexcept { return false; }  // it must have the mutex
  static bool accept_mutex(G* next, void* mutex) noexcept;

  Cond* cond_;
  bool relocking_ = false;  // its time in the list is over, by a signal or by withdrawal

 private:
  static bool withdraw_wait(Waiter* w) noexcept;
};

class CondAwaiter;

/// `cond.wait()`, until it is awaited.
class [[nodiscard("co_await it")]] CondWait {
 public:
  using Awaiter = CondAwaiter;
  using operation_tag = void;
  explicit CondWait(Cond & cond) noexcept : cond_(&cond) {}

 private:
  friend CondAwaiter;
  Cond* cond_;
};

}  // namespace detail

/// Where gs wait until the state that a Mutex protects is as they want it.
///
///     auto guard = co_await mu.scoped_lock();
///     while (!condition) co_await cond.wait();
///
/// Always in a loop: between signal() and the waiter's return others may have the mutex. A signal that nobody waits for is lost. The mutex
/// must outlive the Cond.      Go: sync.Cond.
class GMPCORO_EXPORT Cond : detail::Immovable {
 public:
  explicit Cond(Mutex& mutex) noexcept : mutex_(mutex) {}
  ~Cond() {
    if (list_.size() != 0) [[unlikely]]
      destroyed_in_use();
  }

  /// `co_await cond.wait();` unlocks the mutex and suspends the g, as one step, until signal() or broadcast(); it has the mutex again when
  /// it goes on. No spurious wake-ups. The g must have the mutex locked: else `fatal error: sync: unlock of unlocked mutex`. Order:
  /// signal() wakes who has waited longest. Go: Cond.Wait.
  detail::CondWait wait() noexcept { return detail::CondWait(*this); }
  /// Wakes one, if any waits. Never suspends; from any g, or plain thread; with the mutex locked or not.      Go: Cond.Signal.
  void signal() noexcept { list_.notify_one(); }
  /// Wakes all who wait.      Go: Cond.Broadcast.
  void broadcast() noexcept { list_.notify_all(); }

  /// wait() for a plain thread, which sleeps. On a g: std::logic_error.
  void wait_blocking();

 private:
  friend detail::CondWaiter;
  friend detail::CondAwaiter;
  void destroyed_in_use() const noexcept;

  Mutex& mutex_;
  detail::NotifyList list_;
};

namespace detail {

class GMPCORO_EXPORT CondAwaiter : public OperationAwaiter<CondAwaiter> {
 public:
  CondAwaiter(G* gp, CondWait op) noexcept : OperationAwaiter(gp), cond_(*op.cond_) {}
  ~CondAwaiter() {
    if (parked_) [[unlikely]]
      abandoned();
  }
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) noexcept;
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  void await_resume() noexcept { parked_ = false; }
  void resume_withdrawn() noexcept { parked_ = false; }

 private:
  void abandoned() noexcept;

  bool parked_ = false;
  Cond& cond_;
  Late<CondWaiter> waiter_;
};

}  // namespace detail
}  // namespace gmp
