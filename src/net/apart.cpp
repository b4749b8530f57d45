// src/net/apart.cpp — the g that makes the call, and wakes who waits for it.
// Go: none.  Room: net (floor 5).
#include "net/apart.hpp"

#include <cerrno>
#include <exception>
#include <source_location>

#include "gmp/detail/park.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/go.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {

namespace {

// The op is done in the call's own thread: this g may be stopped before it goes on, and what was opened must be found then.
Task<> make_call(IoOp* op, G* gp, ApartCall call, int other) {
  const auto end = [op](std::int32_t result) noexcept {
    op->result_ = result;
    op->state_.exchange(IoOp::done, acq_rel);  // [OP-STATE] from `idle`, or from `cancelling`, which came too late
  };
  const auto make = [&]() noexcept {
    std::int64_t n = 0;
    do {
      n = call(*op, other);
    } while (n < 0 && errno == EINTR);
    end(n < 0 ? -errno : static_cast<std::int32_t>(n));
  };
  if (op->state_.load(acquire) == IoOp::cancelling)  // [OP-STATE]
    end(-ECANCELED);
  else
    co_await blocking(make);
  ready(gp);
}

}  // namespace

bool start_apart(G* gp, IoOp& op, ApartCall call, int other) noexcept {
  try {
    start_go(gp->sched_, std::source_location::current(), &make_call, &op, gp, call, other);
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

}  // namespace gmp::detail
