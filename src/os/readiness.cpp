// src/os/readiness.cpp — a g that waits until a descriptor of somebody else's is ready.
// Go: none.  Room: os (floor 5).
//
// The descriptor stays its owner's: no flag is set, and no record of it is kept from one wait to the next.  A dup(2) would make a close in the middle
// harmless, but epoll forgets a number only when all that share its file are closed: each wait would leave a registration behind that nobody
// can take out again.  So the op has the owner's number and no serial, which tells epoll to look at it afresh each time (op.hpp).
#include "gmp/detail/os/readiness.hpp"

#include <cerrno>

#include "gmp/detail/park.hpp"
#include "gmp/result.hpp"

namespace gmp::detail {

ReadinessOp::Awaiter::Waiting::Waiting(G* gp) noexcept : Waiter(gp, &Awaiter::withdraw_wait) {}

ReadinessOp::Awaiter::Awaiter(G* gp, ReadinessOp&& op) noexcept : OperationAwaiter(gp), waiting_(gp) {
  waiting_.op_.fd_ = op.fd_;
  waiting_.op_.kind_ = op.kind_;
}

ReadinessOp::Awaiter::~Awaiter() {
  GMPCORO_ASSERT(waiting_.op_.state_.load(acquire) != IoOp::pending);  // [OP-STATE] a stopped executor has drained its pollers
}

bool ReadinessOp::Awaiter::suspend(FrameLink& leaf) noexcept {
  io_park(g_, leaf, &waiting_.op_, &waiting_, &Awaiter::step);
  return true;
}

bool ReadinessOp::Awaiter::step(G* gp) noexcept {
  Waiting& self = static_cast<Waiting&>(*gp->waiter_);
  if (self.op_.state_.load(acquire) != IoOp::done) {  // [OP-STATE] it was begun on an M without a P
    io_repark(gp, &self.op_);
    return false;
  }
  const std::int32_t result = self.op_.result_;
  self.op_.state_.store(IoOp::idle, release);  // [OP-STATE] from here on a cancel is for the next try
  if (result < 0 && gives_up(self)) {
    self.error_ = make_error_code(errc::canceled);  // whatever it says: the number may have been closed since
  } else if (result == -ECANCELED || result == -EINTR) {
    io_repark(gp, &self.op_);  // the end of something else
    return false;
  } else if (result < 0) {
    self.error_ = {-result, errno_category()};
  }
  gp->waiter_ = nullptr;
  return true;
}

// Whoever gives it up holds the g, so the op stays.
bool ReadinessOp::Awaiter::withdraw_wait(Waiter* w) noexcept {
  Waiting& self = static_cast<Waiting&>(*w);
  self.give_up_.store(true, relaxed);  // WD3: the g sees it when it goes on
  if (torn_down(self.g_)) return true;  // the pollers are drained
  io_cancel(&self.op_);
  return false;
}

}  // namespace gmp::detail
