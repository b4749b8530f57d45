// include/gmp/sync/semaphore.hpp — Semaphore: a number of units that gs take and give back, first come, first served.
// Go: golang.org/x/sync/semaphore.  Room: sync (floor 5).  The essay is in src/sync/semaphore.cpp.
#pragma once

#include <cstdint>

#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/wait/sema.hpp"

namespace gmp {

class Semaphore;

namespace detail {

/// One who waits for his units.
struct SemaphoreWaiter : SemaWaiter {
  SemaphoreWaiter(Semaphore& semaphore, std::int64_t units, G* gp) noexcept
      : SemaWaiter(gp, &SemaphoreWaiter::withdraw_acquire), semaphore_(&semaphore), units_(static_cast<std::uint64_t>(units)) {
    key_ = reinterpret_cast<std::uintptr_t>(&semaphore);
  }

  Semaphore* semaphore_;
  std::uint64_t units_;
  bool for_ever_ = false;  // it asks for more than there is, and is counted so; under the root's lock

 private:
  GMPCORO_EXPORT static bool withdraw_acquire(Waiter* w) noexcept;
};

class SemaphoreAwaiter;

/// `sem.acquire(n)`, until it is awaited.
class [[nodiscard("co_await it: nothing is acquired yet")]] SemaphoreAcquire {
 public:
  using Awaiter = SemaphoreAwaiter;
  using operation_tag = void;
  SemaphoreAcquire(Semaphore & semaphore, std::int64_t units) noexcept : semaphore_(&semaphore), units_(units) {}

 private:
  friend SemaphoreAwaiter;
  Semaphore* semaphore_;
  std::int64_t units_;
};

}  // namespace detail

/// A number of units. Who acquires waits until there are enough of them for him, and nobody has waited longer: a large request is not
/// overtaken by small ones. What happens before a release() is seen after the acquire() that it lets through.      Go: semaphore.Weighted.
class GMPCORO_EXPORT Semaphore : detail::Immovable {
 public:
  /// n: how many units there are. Negative: std::invalid_argument.
  explicit Semaphore(std::int64_t n);
  ~Semaphore() {
    if ((state_.load(detail::relaxed) & waited_for) != 0 || hopeless_.load(detail::relaxed) != 0) [[unlikely]]
      destroyed_in_use();  // no partner: the caller is alone with it
  }

  /// `co_await sem.acquire(n);` takes n units; suspends the g until it can. More units than there are at all: waits for ever, and is in
  /// nobody's way. Negative n: std::invalid_argument.      Go: Weighted.Acquire.
  detail::SemaphoreAcquire acquire(std::int64_t n = 1) {
    check(n);
    return detail::SemaphoreAcquire(*this, n);
  }
  /// Takes n units if they are there and nobody waits; true: the caller has them. Negative n: std::invalid_argument.      Go: TryAcquire.
  [[nodiscard("if it is true the units are taken")]] bool try_acquire(std::int64_t n = 1) {
    check(n);
    return try_take(static_cast<std::uint64_t>(n));
  }
  /// Gives n units back, and wakes those that have enough now. Never suspends; from any g, or plain thread. Negative n:
  /// std::invalid_argument; more than are taken: std::logic_error("semaphore: released more than held").      Go: Weighted.Release.
  void release(std::int64_t n = 1) {
    check(n);
    const auto units = static_cast<std::uint64_t>(n) * unit;
    std::uint64_t old = state_.load(detail::relaxed);  // a guess: the CAS decides
    while ((old & waited_for) == 0 && units <= full_ - old) {
      if (state_.compare_exchange_weak(old, old + units, detail::release, detail::relaxed)) return;  // [SEMAPHORE] it may be destroyed now
    }
    release_slow(units);
  }

  /// acquire() for a plain thread, which sleeps. On a g: std::logic_error.
  void acquire_blocking(std::int64_t n = 1);

 private:
  friend detail::SemaphoreWaiter;
  friend detail::SemaphoreAwaiter;

  // state_: free units, times two; the lowest bit says that somebody waits. Set, it is changed by who has the root's lock only.
  static constexpr std::uint64_t waited_for = 1, unit = 2;

  static void check(std::int64_t n) {
    if (n < 0) [[unlikely]]
      negative();
  }
  [[noreturn]] static void negative();
  bool try_take(std::uint64_t n) noexcept {
    std::uint64_t old = state_.load(detail::relaxed);  // a guess: the CAS decides
    while ((old & waited_for) == 0 && n <= old / unit) {
      if (state_.compare_exchange_weak(old, old - n * unit, detail::acquire, detail::relaxed)) return true;  // [SEMAPHORE]
    }
    return false;
  }
  bool too_many(std::uint64_t n) const noexcept { return n > full_ / unit; }
  bool take_or_queue(detail::SemaphoreWaiter& w) noexcept;
  void grant(detail::SemaRoot& root, std::uint64_t free, detail::WakeList& woken) noexcept;
  void release_slow(std::uint64_t units);
  bool give_back(std::uint64_t units) noexcept;
  bool leave(detail::SemaphoreWaiter& w) noexcept;
  std::uintptr_t key() const noexcept { return reinterpret_cast<std::uintptr_t>(this); }
  void destroyed_in_use() const noexcept;

  detail::Atomic<std::uint64_t> state_;
  std::uint64_t full_;                          // state_ with all units free
  detail::Atomic<std::uint32_t> hopeless_{0};  // how many wait for more than there is; changed under the root's lock
};

namespace detail {

class GMPCORO_EXPORT SemaphoreAwaiter : public OperationAwaiter<SemaphoreAwaiter> {
 public:
  SemaphoreAwaiter(G* gp, SemaphoreAcquire op) noexcept : OperationAwaiter(gp), semaphore_(*op.semaphore_), units_(op.units_) {}
  bool await_ready() noexcept { return undisturbed() && semaphore_.try_take(static_cast<std::uint64_t>(units_)); }
  bool suspend(FrameLink& leaf) noexcept;
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  void await_resume() const noexcept {}

 private:
  Semaphore& semaphore_;
  std::int64_t units_;
  Late<SemaphoreWaiter> waiter_;
};

}  // namespace detail
}  // namespace gmp
