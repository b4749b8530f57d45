// src/net/fd_mutex.hpp — FdMutex: who may use a descriptor, in which direction, and who is the last to leave a closed one.
// Go: internal/poll/fd_mutex.go.  Room: net (floor 5).
//
// A word of 64 bits, so that an operation that nobody disturbs costs two CASes: one takes its side, a reference, and sees whether the
// descriptor is closed or has a deadline; one gives both back.
//   bit      | meaning                            | set by                 | cleared by
//   closed   | close() was called                 | close_and_ref()        | never
//   held     | (a side) a g reads, or writes      | try_lock, lock_or_queue| unlock, unless it hands the side over
//   waiting  | (a side) its queue is not empty    | lock_or_queue          | who takes the last one out; under lock_
//   deadline | (a side) it has one                | set_deadline_bit       | set_deadline_bit
//   8 to 27  | references: users, queued ones too | each of them           | each of them
//
// Go lets woken readers compete.  Here a side is handed to the first in its queue: it is in turn, and a g that is woken has not been woken
// in vain.
//
// Invariants:
//   FM1  waiting(side) implies held(side), or closed: who unlocks hands over. It is set and cleared under lock_, with the queue.
//   FM2  the descriptor's number is valid as long as there is a reference, or it is not closed. Whoever takes the last reference from a closed
//        one is told so (release), exactly one of them, and gives the number back to the system.
//   FM3  every change of the word is an RMW. So of two who look at what the other has written before its RMW one sees it:
//        closer:    closed; then looks for operations in flight, to cancel them
//        operation: its cancel flag is reset; held; then looks at closed and at the deadline, and goes ahead             [FD-WORD]
//        So it is with a setter of deadlines, and with who gives up another g's operation: give_up_; an RMW for nothing else; then the look.
#pragma once

#include <cstdint>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/list.hpp"
#include "gmp/detail/net/fd_operation.hpp"
#include "gmp/detail/sys/lock.hpp"

namespace gmp::detail {

class FdMutex : Immovable {
 public:
  enum class Got : std::uint8_t {
    it,        // held, and a reference
    queued,    // lock_or_queue: sleep. try_lock: somebody else has the side
    closed,    // nothing
    given_up,  // lock_or_queue: only a reference; and before() was called
    overflow,  // nothing: too many references
  };
  static constexpr std::uint64_t refs_max = (1 << 20) - 1;
  using Waiters = List<Waiter, &Waiter::next_, &Waiter::prev_>;

  /// Takes the side, if nobody has it.
  Got try_lock(FdSide side) noexcept {
    std::uint64_t old = state_.load(relaxed);  // a guess: the CAS decides
    for (;;) {
      if ((old & (closed | held(side))) != 0) return (old & closed) != 0 ? Got::closed : Got::queued;
      if (old >> refs_shift >= refs_max) return Got::overflow;
      if (state_.compare_exchange_weak(old, (old | held(side)) + one_ref, acq_rel, relaxed)) return Got::it;  // [FD-WORD]
    }
  }

  /// Takes the side, or queues w for it. before(): called under the lock, just before w is published. Who is woken holds the side if
  /// w.granted_; else the descriptor was closed, and it has a reference to give back by unref(). Likewise if it is given_up.
  template <class F>
  Got lock_or_queue(FdSide side, FdWaiter& w, F before) noexcept {
    LockGuard guard(lock_);
    std::uint64_t old = state_.load(relaxed);  // a guess: the CAS decides
    for (;;) {
      if ((old & closed) != 0) return Got::closed;
      if (old >> refs_shift >= refs_max) return Got::overflow;
      const bool free = (old & held(side)) == 0;
      if (state_.compare_exchange_weak(old, (old | (free ? held(side) : waiting(side))) + one_ref, acq_rel, relaxed)) {  // [FD-WORD]
        if (free) return Got::it;
        break;
      }
    }
    w.granted_ = false;
    before();
    if (gives_up(w)) {
      if (queue(side).empty()) state_.fetch_and(~waiting(side), acq_rel);  // [FD-WORD]
      return Got::given_up;                                                // with a reference, as who was withdrawn from the queue
    }
    queue(side).push_back(&w);
    return Got::queued;
  }

  /// Gives the side back, to the next in the queue if there is one, and a reference. True: release the descriptor (FM2).
  [[nodiscard("true: the descriptor is to be released")]] bool unlock(FdSide side) noexcept {
    std::uint64_t old = state_.load(relaxed);  // a guess: the CAS decides
    while ((old & waiting(side)) == 0) {
      check((old & held(side)) != 0 && old >= one_ref);
      const std::uint64_t next = (old & ~held(side)) - one_ref;
      if (state_.compare_exchange_weak(old, next, acq_rel, relaxed)) return is_over(next);  // [FD-WORD]
    }
    return unlock_slow(side);
  }

  /// A reference without a side: for a system call on the number. `it`, or why not.
  Got ref() noexcept;
  /// True: release the descriptor (FM2).
  [[nodiscard("true: the descriptor is to be released")]] bool unref() noexcept;

  /// Closes, and takes a reference. False: it was closed before.
  bool close_and_ref() noexcept;
  /// After it: all who wait for their turn, to be woken in vain. Under lock().
  void take_waiters(WakeList& into) noexcept;

  /// Takes a waiter out of the queue. False: it is not there any more. Its reference is the caller's then.
  bool withdraw(FdSide side, FdWaiter& w) noexcept;

  void set_deadline_bit(FdSide side, bool on) noexcept;
  bool has_deadline(FdSide side) const noexcept { return (state_.load(acquire) & deadline(side)) != 0; }  // [FD-WORD]
  bool is_closed() const noexcept { return (state_.load(acquire) & closed) != 0; }                        // [FD-WORD]
  bool is_held(FdSide side) const noexcept { return (state_.load(acquire) & held(side)) != 0; }           // [FD-WORD]
  /// Between two tries of one operation, for FM3: what others set from here on, they cancel us for. And for those others, if they set something
  /// that is not in the word.
  void look_again() noexcept { state_.fetch_or(0, acq_rel); }  // [FD-WORD]

  /// Guards the queues, and whatever else the descriptor puts under it.
  Lock& lock() noexcept { return lock_; }

 private:
  static constexpr std::uint64_t closed = 1;
  static constexpr unsigned refs_shift = 8;
  static constexpr std::uint64_t one_ref = std::uint64_t{1} << refs_shift;
  static constexpr std::uint64_t held(FdSide side) noexcept { return std::uint64_t{2} << static_cast<unsigned>(side); }
  static constexpr std::uint64_t waiting(FdSide side) noexcept { return std::uint64_t{8} << static_cast<unsigned>(side); }
  static constexpr std::uint64_t deadline(FdSide side) noexcept { return std::uint64_t{32} << static_cast<unsigned>(side); }

  static bool is_over(std::uint64_t state) noexcept { return (state & closed) != 0 && state < one_ref; }
  static void check(bool consistent) noexcept {
    if (!consistent) [[unlikely]] fatal("inconsistent net::FdMutex");
  }
  Waiters& queue(FdSide side) noexcept { return queues_[static_cast<unsigned>(side)]; }
  bool unlock_slow(FdSide side) noexcept;

  Atomic<std::uint64_t> state_{0};
  Lock lock_;
  Waiters queues_[2];  // lock_; first come, first served
};

}  // namespace gmp::detail
