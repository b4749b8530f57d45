// include/gmp/detail/os/readiness.hpp — what wait_readable() and wait_writable() return: an operation, until it is awaited.
// Go: none (os.NewFile takes the descriptor over, and then SyscallConn().Read waits).  Room: os (floor 5).
#pragma once

#include <system_error>

#include "gmp/detail/netpoll/op.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

class [[nodiscard("co_await it: nothing is waited for yet")]] GMPCORO_EXPORT ReadinessOp {
 public:
  class Awaiter;
  using operation_tag = void;
  ReadinessOp(int fd, IoKind kind) noexcept : fd_(fd), kind_(kind) {}

 private:
  int fd_;
  IoKind kind_;  // poll_in or poll_out
};

/// How it goes is told in src/os/readiness.cpp.
class ReadinessOp::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  using tells_by_result = void;
  Awaiter(G* gp, ReadinessOp&& op) noexcept;
  ~Awaiter();
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) noexcept;
  std::error_code await_resume() const noexcept { return waiting_.error_; }

 private:
  struct Waiting : Waiter {
    explicit Waiting(G* gp) noexcept;
    std::error_code error_;
    IoOp op_;
  };
  static bool step(G* gp) noexcept;
  static bool withdraw_wait(Waiter* w) noexcept;
  Waiting waiting_;
};

}  // namespace gmp::detail
