// include/gmp/sync/rwmutex.hpp — RWMutex: held by any number of readers, or by one writer.
// Go: sync/rwmutex.go.  Room: sync (floor 5).  The essay is in src/sync/rwmutex.cpp.
#pragma once

#include <cstdint>

#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/wait/sema.hpp"
#include "gmp/sync/guard.hpp"
#include "gmp/sync/mutex.hpp"

namespace gmp {

class RWMutex;
class RLocker;

namespace detail {

/// A writer on its way in: first it competes with other writers, then it waits for the readers.
struct RWMutexWriter : MutexWaiter {
  RWMutexWriter(RWMutex& rw, G* gp) noexcept;

  bool advance() noexcept;  // sleeper.hpp
  Sema& sema() noexcept;
  bool in_front() const noexcept { return !holds_ && MutexWaiter::in_front(); }
  static bool undo(SemaWaiter& w) noexcept;
  static constexpr bool competes = true;

  RWMutex* rw_;
  std::uint32_t freed_ = 0;  // readers that its withdrawal lets in
  bool writes_ = false;      // has the RWMutex

 private:
  bool has_it() noexcept;
  bool claim() noexcept;
  bool unclaim() noexcept;
  void withdraw_for_good() noexcept;
  static bool withdraw_write(Waiter* w) noexcept;
};

/// A reader that found a writer.
struct RWMutexReader : SemaWaiter {
  RWMutexReader(RWMutex& rw, G* gp) noexcept : SemaWaiter(gp, &RWMutexReader::withdraw_read), rw_(&rw) {}

  bool advance() noexcept;  // sleeper.hpp
  Sema& sema() noexcept;
  bool in_front() const noexcept { return false; }
  static bool undo(SemaWaiter& w) noexcept;
  static constexpr bool competes = false;

  RWMutex* rw_;
  bool reads_ = false;  // has the RWMutex

 private:
  bool has_it() noexcept;
  GMPCORO_EXPORT static bool withdraw_read(Waiter* w) noexcept;
};

class RWMutexLockAwaiter;
class RWMutexScopedLockAwaiter;
class RWMutexRLockAwaiter;
class RWMutexScopedRLockAwaiter;

/// An operation on an RWMutex, until it is awaited.
template <class A>
class [[nodiscard("co_await it: nothing is locked yet")]] RWMutexOperation {
 public:
  using Awaiter = A;
  using operation_tag = void;
  explicit RWMutexOperation(RWMutex & rw) noexcept : rw_(&rw) {}
  RWMutex& rw() const noexcept { return *rw_; }

 private:
  RWMutex* rw_;
};

}  // namespace detail

/// A lock held by any number of readers, or by one writer.
///
/// A writer that waits holds off new readers, so that it gets in; when it unlocks, the readers that came meanwhile all get in before the
/// next writer. Hence a g that holds it for reading and asks again (itself or by a callee) deadlocks if a writer came in between: do not.
/// There is no upgrading. It belongs to no g. Destroying it: as for Mutex.      Go: sync.RWMutex.
class GMPCORO_EXPORT RWMutex : detail::Immovable {
 public:
  constexpr RWMutex() noexcept = default;
  ~RWMutex() {
    if (state_.load(detail::relaxed) > writer) [[unlikely]]
      destroyed_in_use();  // no partner: who destroys it is alone with it
  }

  /// Locks for writing. `co_await rw.lock();` suspends the g until the readers and the writers before it are gone.      Go: RWMutex.Lock.
  detail::RWMutexOperation<detail::RWMutexLockAwaiter> lock() noexcept {
    return detail::RWMutexOperation<detail::RWMutexLockAwaiter>(*this);
  }
  /// Locks for writing if that needs no waiting.      Go: RWMutex.TryLock.
  [[nodiscard("if it is true the mutex is locked")]] bool try_lock() noexcept {
    if (!w_.try_lock()) return false;
    std::uint64_t free = 0;
    if (state_.compare_exchange_strong(free, writer, detail::acquire, detail::relaxed)) {  // [RWMUTEX]
      if (detail::attention.load(detail::relaxed) != 0) [[unlikely]]
        note_tried();
      return true;
    }
    w_.unlock();
    return false;
  }
  /// Unlocks for writing: lets in all readers that wait, else the next writer. Never suspends; from any g, or plain thread. If no writer
  /// has it: `fatal error: sync: Unlock of unlocked RWMutex`.      Go: RWMutex.Unlock.
  void unlock() noexcept {
    if ((state_.load(detail::relaxed) & (writer | readers)) != writer) [[unlikely]]
      return not_locked();  // our own store, or misuse
    if (detail::attention.load(detail::relaxed) != 0) [[unlikely]]
      note_unlock();
    w_.unlock();            // not the last touch: new writers find `writer` set, and wait for us
    std::uint64_t alone = writer;
    if (state_.compare_exchange_strong(alone, 0, detail::release, detail::relaxed))
        [[likely]]  // [RWMUTEX] from here on it may be destroyed
      return;
    unlock_slow();
  }
  /// What scoped_lock() gives.
  using Guard = ScopedGuard<RWMutex, &RWMutex::unlock>;
  /// lock(), and a guard that unlocks.
  detail::RWMutexOperation<detail::RWMutexScopedLockAwaiter> scoped_lock() noexcept {
    return detail::RWMutexOperation<detail::RWMutexScopedLockAwaiter>(*this);
  }

  /// Locks for reading. `co_await rw.rlock();` suspends the g while a writer has the lock or waits for it.      Go: RWMutex.RLock.
  detail::RWMutexOperation<detail::RWMutexRLockAwaiter> rlock() noexcept {
    return detail::RWMutexOperation<detail::RWMutexRLockAwaiter>(*this);
  }
  /// Locks for reading if no writer has it or waits for it.      Go: RWMutex.TryRLock.
  [[nodiscard("if it is true the mutex is locked")]] bool try_rlock() noexcept {
    std::uint64_t old = state_.load(detail::relaxed);  // a guess: the CAS decides
    while ((old & writer) == 0) {
      if (!state_.compare_exchange_weak(old, old + one_reader, detail::acquire, detail::relaxed)) continue;  // [RWMUTEX]
      if (detail::attention.load(detail::relaxed) != 0) [[unlikely]]
        note_read_tried();
      return true;
    }
    return false;
  }
  /// Gives back one lock for reading; the last of them lets in the writer that waits. Never suspends; from any g, or plain thread. If no
  /// reader has it: `fatal error: sync: RUnlock of unlocked RWMutex`.      Go: RWMutex.RUnlock.
  void runlock() noexcept {
    if (detail::attention.load(detail::relaxed) != 0) [[unlikely]]
      note_runlock();
    const std::uint64_t old = state_.fetch_sub(one_reader, detail::release);  // [RWMUTEX] from here on it may be destroyed
    if ((old & readers) == 0 || (old & (writer | readers)) == (writer | one_reader)) [[unlikely]]
      runlock_slow(old);
  }
  /// What scoped_rlock() gives.
  using ReadGuard = ScopedGuard<RWMutex, &RWMutex::runlock>;
  /// rlock(), and a guard that gives it back.
  detail::RWMutexOperation<detail::RWMutexScopedRLockAwaiter> scoped_rlock() noexcept {
    return detail::RWMutexOperation<detail::RWMutexScopedRLockAwaiter>(*this);
  }

  /// lock() and rlock() for plain threads, which sleep. On a g: std::logic_error.
  void lock_blocking();
  void rlock_blocking();

  /// A view whose lock() and unlock() are rlock() and runlock().      Go: RWMutex.RLocker.
  RLocker rlocker() noexcept;

 private:
  friend detail::RWMutexWriter;
  friend detail::RWMutexReader;
  friend detail::RWMutexLockAwaiter;
  friend detail::RWMutexRLockAwaiter;

  // state_. Who does what to it, and why, is told in rwmutex.cpp.
  //   bits      | meaning                                            | set, raised by             | cleared, lowered by
  //   0 to 29   | readers that have it, or have been let in          | rlock; unlock lets in all  | runlock
  //             |                                                    | that were held off         |
  //   writer    | a writer has it, or waits for the readers to leave | a writer that has w_       | unlock
  //   next      | a second one has w_: the first is just leaving     | a writer that has w_       | unlock, which leaves it `writer`
  //   32 to 61  | readers held off by the writer                     | rlock                      | unlock, which lets them in
  static constexpr std::uint64_t one_reader = 1, readers = (1u << 30) - 1, writer = 1u << 30, next = 1u << 31;
  static constexpr std::uint64_t one_held_off = std::uint64_t{1} << 32;
  static constexpr int held_off_shift = 32;

  bool lock_fast() noexcept { return state_.load(detail::relaxed) == 0 && try_lock(); }  // looks first: to fail late costs two RMWs more
  bool rlock_fast() noexcept {
    std::uint64_t old = state_.load(detail::relaxed);  // a guess: the CAS decides
    return (old & writer) == 0 && state_.compare_exchange_strong(old, old + one_reader, detail::acquire, detail::relaxed);  // [RWMUTEX]
  }
  void unlock_slow() noexcept;
  void runlock_slow(std::uint64_t old) noexcept;
  void not_locked() noexcept;
  void note_tried() noexcept;  // lock_cycle.hpp, as the next
  void note_unlock() noexcept;
  void note_read_tried() noexcept;
  void note_runlock() noexcept;
  void destroyed_in_use() const noexcept;

  detail::Atomic<std::uint64_t> state_{0};
  Mutex w_;  // of the writers among themselves
  detail::Sema writer_sema_;
  detail::Sema reader_sema_;
};
static_assert(sizeof(RWMutex) == 24);

namespace detail {

class GMPCORO_EXPORT RWMutexLockAwaiter : public OperationAwaiter<RWMutexLockAwaiter> {
 public:
  template <class A>
  RWMutexLockAwaiter(G* gp, RWMutexOperation<A> op) noexcept : OperationAwaiter(gp), rw_(op.rw()) {}
  bool await_ready() noexcept { return undisturbed() && rw_.lock_fast(); }
  bool suspend(FrameLink& leaf) noexcept;
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  void await_resume() const noexcept {}

 protected:
  Late<RWMutexWriter> waiter_;
  RWMutex& rw_;
};

class RWMutexScopedLockAwaiter : public RWMutexLockAwaiter {
 public:
  using RWMutexLockAwaiter::RWMutexLockAwaiter;
  RWMutex::Guard await_resume() const noexcept { return RWMutex::Guard(rw_); }
};

class GMPCORO_EXPORT RWMutexRLockAwaiter : public OperationAwaiter<RWMutexRLockAwaiter> {
 public:
  template <class A>
  RWMutexRLockAwaiter(G* gp, RWMutexOperation<A> op) noexcept : OperationAwaiter(gp), rw_(op.rw()) {}
  bool await_ready() noexcept { return undisturbed() && rw_.rlock_fast(); }
  bool suspend(FrameLink& leaf) noexcept;
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  void await_resume() const noexcept {}

 protected:
  Late<RWMutexReader> waiter_;
  RWMutex& rw_;
};

class RWMutexScopedRLockAwaiter : public RWMutexRLockAwaiter {
 public:
  using RWMutexRLockAwaiter::RWMutexRLockAwaiter;
  RWMutex::ReadGuard await_resume() const noexcept { return RWMutex::ReadGuard(rw_); }
};

}  // namespace detail

/// An RWMutex as its readers see it: for code that wants something with lock() and unlock(). A reference: the RWMutex must outlive it.
class RLocker {
 public:
  explicit RLocker(RWMutex& rw) noexcept : rw_(&rw) {}
  /// As rlock(), try_rlock(), runlock(), scoped_rlock() and rlock_blocking() of the RWMutex.
  auto lock() noexcept { return rw_->rlock(); }
  bool try_lock() noexcept { return rw_->try_rlock(); }
  void unlock() noexcept { rw_->runlock(); }
  auto scoped_lock() noexcept { return rw_->scoped_rlock(); }
  void lock_blocking() { rw_->rlock_blocking(); }

 private:
  RWMutex* rw_;
};

inline RLocker RWMutex::rlocker() noexcept { return RLocker(*this); }

}  // namespace gmp
