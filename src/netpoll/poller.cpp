// src/netpoll/poller.cpp — what io_uring and epoll have in common: how an op ends, and how a cancel finds it.
// Go: runtime/netpoll.go.  Room: netpoll (floor 2).
//
// A cancel may come from any thread at any time, the end of the op too, and the op's memory is gone soon after poll() has returned it.
// Both sides therefore CAS state_ away from `pending`:
//   - the end wins: the op is done, cancel() leaves it alone.
//   - the cancel wins: from then on the op is on the stack of cancels, or about to be.  If it ends now, end() keeps it back (NP5) until the
//     owner takes it off the stack.  That is soon: the push ends the owner's sleep and shows in peek().
#include "netpoll/poller.hpp"

#include <cerrno>

#include "gmp/detail/base/assert.hpp"
#include "netpoll/bell.hpp"

namespace gmp::detail {

bool Poller::begin(IoOp* op) noexcept {
  op->poller_.store(this, relaxed);  // [OP-STATE] published by the CAS below
  op->next_ = op->prev_ = op->cancel_next_ = nullptr;
  op->missing_ = 0;
  op->step_ = 0;
  op->waiting_ = op->ended_ = op->cancel_seen_ = false;
  in_flight_.store(in_flight_.load(relaxed) + 1, relaxed);  // [IN-FLIGHT] only the owner writes
  std::uint32_t was = IoOp::idle;
  if (op->state_.compare_exchange_strong(was, IoOp::pending, release, acquire)) return true;  // [OP-STATE] cancel() may now use poller_
  GMPCORO_ASSERT(was == IoOp::cancelling);
  end(op, -ECANCELED);
  push_cancel(op);  // the way through the stack is the one way out of `cancelling`; and it shows in peek()
  return false;
}

void Poller::cancel(IoOp* op) noexcept {
  std::uint32_t was = op->state_.load(relaxed);  // a guess; the CAS acquires
  while (was == IoOp::idle || was == IoOp::pending) {
    const bool submitted = was == IoOp::pending;
    if (!op->state_.compare_exchange_weak(was, IoOp::cancelling, acq_rel, relaxed)) continue;  // [OP-STATE]
    if (submitted) op->poller_.load(relaxed)->push_cancel(op);  // [OP-STATE]
    return;
  }
}

void Poller::push_cancel(IoOp* op) noexcept {
  IoOp* head = cancels_.load(relaxed);
  do {
    op->cancel_next_ = head;
  } while (!cancels_.compare_exchange_weak(head, op, seq_cst, relaxed));  // [CANCEL] [CANCEL-SLEEP] the op is the owner's again
  if (Bell* bell = sleeper_.load(seq_cst)) bell->ring();                   // [CANCEL-SLEEP] late, it wakes an M in vain
}

void Poller::end(IoOp* op, std::int32_t result) noexcept {
  op->result_ = result;
  op->ended_ = true;
  if (!op->cancel_seen_) {
    std::uint32_t was = IoOp::pending;
    if (!op->state_.compare_exchange_strong(was, IoOp::done, release, relaxed)) return;  // [OP-STATE] with result_; it is on the stack: begin_cancel()
  } else {
    op->state_.store(IoOp::done, release);  // [OP-STATE]
  }
  done_.push_back(op);
  ended_.store(ended_.load(relaxed) + 1, relaxed);  // [ENDED]
}

bool Poller::begin_cancel(IoOp* op) noexcept {
  op->cancel_seen_ = true;
  if (!op->ended_) return true;
  end(op, op->result_);
  return false;
}

IoOp* Poller::hand_back() noexcept {
  const std::uint32_t n = ended_.load(relaxed);  // [ENDED]
  if (n == 0) return nullptr;
  ended_.store(0, relaxed);                                  // [ENDED]
  in_flight_.store(in_flight_.load(relaxed) - n, relaxed);  // [IN-FLIGHT]
  return Queue(std::move(done_)).front();
}

bool Poller::fall_asleep(Bell* bell) noexcept {
  sleeper_.store(bell, seq_cst);  // [CANCEL-SLEEP]
  if (cancels_.load(seq_cst) == nullptr && bell->fall_asleep_in_poller()) return true;  // [CANCEL-SLEEP]
  sleeper_.store(nullptr, relaxed);
  return false;
}

void Poller::wake_up(Bell* bell) noexcept {
  sleeper_.store(nullptr, relaxed);
  bell->wake_up();
}

}  // namespace gmp::detail
