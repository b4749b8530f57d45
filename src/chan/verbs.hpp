// src/chan/verbs.hpp — what is done under a channel's lock: to send, to receive, to queue; inline, for who sends or receives, and for select.
// Go: runtime/chan.go (send, recv, enqueue, dequeue).  Room: chan (floor 4).
#pragma once

#include <new>

#include "chan/claim.hpp"
#include "gmp/detail/chan/hchan.hpp"
#include "gmp/detail/park.hpp"

namespace gmp::detail {

// ---- queues

inline void HChan::enqueue(Waiting& side, ChanWaiter& w) noexcept {
  side.queue.push_back(&w);
  side.length.store(side.length.load(relaxed) + 1, relaxed);
}

inline void HChan::dequeue(Waiting& side, ChanWaiter& w) noexcept {
  side.queue.erase(&w);
  side.length.store(side.length.load(relaxed) - 1, relaxed);
}

// The first who still waits: claimed for the caller, and queued until settle(). Null: nobody.
inline ChanWaiter* HChan::claim_first(Waiting& side) noexcept {
  while (auto* w = static_cast<ChanWaiter*>(side.queue.front())) {
    if (w->winner_ == nullptr || claim(*w->winner_, element_.boxed ? claim_busy : w->case_)) return w;
    dequeue(side, *w);  // CH4
  }
  return nullptr;
}

// It was given its value, or its value was taken, or the channel is closed.
inline void HChan::settle(Waiting& side, ChanWaiter& w, bool done) noexcept {
  dequeue(side, w);
  w.done_ = done;
  if (w.winner_ != nullptr && element_.boxed) [[unlikely]] settle_claim(*w.winner_, w.case_);
}

// ---- the two verbs

inline HChan::Outcome HChan::send_locked(void* value, ChanWaiter*& woken) {
  if (closed_.load(relaxed)) return Outcome::closed;
  if (ChanWaiter* receiver = claim_first(receivers_)) {
    load(receiver->element_, value, receiver);
    settle(receivers_, *receiver, true);
    woken = receiver;
    return Outcome::done;
  }
  const std::size_t count = count_.load(relaxed);
  if (count == capacity_) return Outcome::would_wait;
  if (element_.size != 0) element_.load(slot(count, element_.size), value);
  count_.store(count + 1, relaxed);
  return Outcome::done;
}

inline HChan::Outcome HChan::recv_locked(void* room, ChanWaiter*& woken) {
  if (returned_ != nullptr) [[unlikely]] {
    ::new (room) BoxLink*(returned_);
    returned_ = returned_->next_;
    returned_count_.store(returned_count_.load(relaxed) - 1, relaxed);
    return Outcome::done;
  }
  const std::size_t count = count_.load(relaxed);
  ChanWaiter* sender = claim_first(senders_);
  if (count == 0) [[likely]] {
    if (sender == nullptr) return closed_.load(relaxed) ? Outcome::closed : Outcome::would_wait;
    load(room, sender->element_, sender);
  } else if (sender == nullptr) {
    take_first(room);
    drop_first(count);
    return Outcome::done;
  } else {
    // The oldest value goes, and the first sender's comes to the end, into the same slot (CH1).
    if (element_.boxed) {
      BoxLink* last = nullptr;
      load(&last, sender->element_, sender);  // may throw: before anything has changed
      take_first(room);
      ::new (static_cast<void*>(slot(0, sizeof last))) BoxLink*(last);
    } else {
      take_first(room);
      if (element_.size != 0) element_.load(slot(0, element_.size), sender->element_);
    }
    drop_first(count);
    count_.store(count, relaxed);
  }
  settle(senders_, *sender, true);
  woken = sender;
  return Outcome::done;
}

// A load that throws leaves the claimed one waiting.
inline void HChan::load(void* room, void* value, ChanWaiter* claimed) {
  if (!element_.boxed) [[likely]] {
    if (element_.size != 0) element_.load(room, value);
    return;
  }
  try {
    element_.load(room, value);
  } catch (...) {
    if (claimed->winner_ != nullptr) settle_claim(*claimed->winner_, claim_none);
    throw;
  }
}

inline void HChan::take_first(void* room) noexcept {
  if (element_.size != 0) element_.move(room, slot(0, element_.size));
}

// Without a sleep, if that can be. Else would_wait, and the caller sends w to sleep before it lets go of the lock.
inline HChan::Outcome HChan::proceed(ChanWaiter::Side side, ChanWaiter& w, ChanWaiter*& woken) {
  const Outcome outcome = side == ChanWaiter::Side::send ? send_locked(w.element_, woken) : recv_locked(w.element_, woken);
  w.done_ = outcome == Outcome::done;
  return outcome;
}

}  // namespace gmp::detail
