// src/net/fd_mutex.cpp — the contended side of FdMutex.
// Go: internal/poll/fd_mutex.go.  Room: net (floor 5).
#include "net/fd_mutex.hpp"

namespace gmp::detail {

FdMutex::Got FdMutex::ref() noexcept {
  std::uint64_t old = state_.load(relaxed);  // a guess: the CAS decides
  for (;;) {
    if ((old & closed) != 0) return Got::closed;
    if (old >> refs_shift >= refs_max) return Got::overflow;
    if (state_.compare_exchange_weak(old, old + one_ref, acq_rel, relaxed)) return Got::it;  // [FD-WORD]
  }
}

bool FdMutex::unref() noexcept {
  const std::uint64_t old = state_.fetch_sub(one_ref, acq_rel);  // [FD-WORD]
  check(old >= one_ref);
  return is_over(old - one_ref);
}

bool FdMutex::close_and_ref() noexcept {
  std::uint64_t old = state_.load(relaxed);  // a guess: the CAS decides
  do {
    if ((old & closed) != 0) return false;
  } while (!state_.compare_exchange_weak(old, (old | closed) + one_ref, acq_rel, relaxed));  // [FD-WORD]
  return true;
}

bool FdMutex::unlock_slow(FdSide side) noexcept {
  Waiter* next_one = nullptr;
  bool over = false;
  {
    LockGuard guard(lock_);
    std::uint64_t old = state_.load(relaxed);  // a guess: the CAS decides
    std::uint64_t next = 0;
    bool hand_over = false;
    do {
      check((old & held(side)) != 0 && old >= one_ref);
      Waiter* first = queue(side).front();
      hand_over = (old & closed) == 0 && first != nullptr;  // of a closed one: close() takes them all
      next = old - one_ref;
      if (!hand_over) next &= ~held(side);
      if (first == nullptr || (hand_over && queue(side).back() == first)) next &= ~waiting(side);
    } while (!state_.compare_exchange_weak(old, next, acq_rel, relaxed));  // [FD-WORD]
    if (hand_over) {
      next_one = queue(side).pop_front();
      static_cast<FdWaiter*>(next_one)->granted_ = true;
    }
    over = is_over(next);
  }
  if (next_one != nullptr) wake(next_one);
  return over;
}

void FdMutex::take_waiters(WakeList& into) noexcept {
  for (Waiters& queue : queues_) {
    while (Waiter* w = queue.pop_front()) into.push(w);
  }
  state_.fetch_and(~(waiting(FdSide::read) | waiting(FdSide::write)), acq_rel);  // [FD-WORD]
}

bool FdMutex::withdraw(FdSide side, FdWaiter& w) noexcept {
  LockGuard guard(lock_);
  if (!Waiters::linked(&w)) {
    w.give_up_.store(true, relaxed);
    return false;
  }
  queue(side).erase(&w);
  if (queue(side).empty()) state_.fetch_and(~waiting(side), acq_rel);  // [FD-WORD]
  return true;
}

void FdMutex::set_deadline_bit(FdSide side, bool on) noexcept {
  if (on)
    state_.fetch_or(deadline(side), acq_rel);  // [FD-WORD]
  else
    state_.fetch_and(~deadline(side), acq_rel);  // [FD-WORD]
}

}  // namespace gmp::detail
