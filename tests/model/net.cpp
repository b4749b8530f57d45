// tests/model/net.cpp — park.hpp's calls for I/O as modelled gs see them; and the parts of net that have no say in who goes on.
// Go: none.  Room: tests/model.
#include "model/net.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "gmp/detail/park.hpp"
#include "net/apart.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"
#include "net/socket.hpp"

namespace gmp::model {

using detail::IoKind;
using detail::IoOp;
using detail::LockGuard;

Kernel kernel;

// ---- the poller

ModelPoller::ModelPoller() { kernel.poller = this; }

void ModelPoller::submit(IoOp* op) noexcept {
  static_cast<void>(kernel.fd->number.get());
  if (op->kind_ == IoKind::recv) kernel.fd->side.set(kernel.fd->side.get() + 1);
  LockGuard guard(owner_);
  if (begin(op))
    *std::find(ops_.begin(), ops_.end(), nullptr) = op;
  else
    ++kernel.cancels;
}

bool ModelPoller::can_end(const IoOp& op) const { return op.kind_ == IoKind::send || kernel.arrived != 0 || kernel.refusals != 0; }

bool ModelPoller::has_news() const {
  if (kernel.cancels != cancels_seen_ || (kernel.shut != nullptr && !shut_seen_)) return true;
  return std::any_of(ops_.begin(), ops_.end(), [this](const IoOp* op) { return op != nullptr && can_end(*op); });
}

// What it can end with: it is as if the kernel had done it just now.
std::int32_t ModelPoller::result_of(IoOp& op) {
  if (kernel.refusals > 0) return --kernel.refusals, -EAGAIN;
  if (op.kind_ == IoKind::send) {
    check(op.size_ + static_cast<std::size_t>(kernel.sent) == kernel.to_send, "a piece is sent twice, or left out");
    return ++kernel.sent, 1;
  }
  static_cast<Var<int>*>(op.data_)->set(1);
  return --kernel.arrived, 1;
}

void ModelPoller::end_what_can(bool all) {
  for (IoOp*& op : ops_) {
    if (op == nullptr) continue;
    if (can_end(*op)) {
      if (!all && run_->choose(2) != 0) continue;
      IoOp* const ended = std::exchange(op, nullptr);
      end(ended, result_of(*ended));
    } else if (kernel.shut != nullptr && kernel.shut->is_closed() && run_->choose(2) == 0) {
      end(std::exchange(op, nullptr), 0);
    }
  }
}

IoOp* ModelPoller::poll(std::int64_t, detail::Bell*) noexcept {
  LockGuard guard(owner_);
  shut_seen_ = kernel.shut != nullptr;
  if (run_ != nullptr) end_what_can(false);
  cancels_seen_ = kernel.cancels;
  for (IoOp* op = take_cancels(); op != nullptr;) {
    IoOp* const next = op->cancel_next_;
    if (begin_cancel(op)) {
      *std::find(ops_.begin(), ops_.end(), op) = nullptr;
      const bool too_late = run_ != nullptr && can_end(*op) && run_->choose(2) == 0;  // NP3
      end(op, too_late ? result_of(*op) : -ECANCELED);
    }
    op = next;
  }
  if (run_ != nullptr) end_what_can(true);
  return hand_back();
}

void ModelPoller::serve_until(std::unique_ptr<ModelPoller> poller, Run& run, const int& over, int all) {
  poller->run_ = &run;
  while (over < all) {
    block_until([&] { return over == all || poller->has_news(); }, "the poller");
    for (IoOp* op = poller->poll(-1, nullptr); op != nullptr;) {
      IoOp* const next = op->next_;
      detail::ready(op->g_);
      op = next;
    }
  }
}

void ModelPoller::drain() noexcept {
  {
    LockGuard guard(owner_);
    for (IoOp*& op : ops_) {
      if (op != nullptr) end(std::exchange(op, nullptr), -ECANCELED);
    }
  }
  for (;; pause()) {
    poll(0, nullptr);
    LockGuard guard(owner_);
    if (in_flight() == 0) return;
  }
}

// ---- descriptors and operations

ModelFd::ModelFd() : ModelFd(detail::Descriptor::make(-1, "model", detail::Descriptor::Nature::stream, {}, {})) {}

ModelFd::~ModelFd() {
  static_cast<void>(fd->close());
  detail::Waiter nobody;
  check(!fd->wait_released(nobody, [] {}), "a reference is lost");
  fd->unref_handle();
}

void ModelFd::close() { check(!fd->close(), "closed before"); }

void ModelFd::wait_released() {
  ModelG g;
  detail::Waiter w(&g.gp);
  if (fd->wait_released(w, [&] { detail::park_begin(&g.gp, g.leaf, detail::WaitReason::io_wait, &w); })) g.sleep();
  number.set(0);
}

ModelOperation::ModelOperation(ModelFd& fd, Kind kind, void* data, std::size_t size, bool withdrawable)
    : g(withdrawable), operation(std::make_unique<detail::FdOperation>(&g.gp, fd.fd, kind, data, size)) {}

void ModelOperation::run() {
  if (operation->begin(&g.leaf)) g.sleep();
  finish();
  operation.reset();
}

void ModelOperation::finish() {
  bytes = operation->bytes();
  error = operation->error();
}

}  // namespace gmp::model

namespace gmp::detail {

using model::kernel;

static void cancel_if_asked(G* gp, IoOp* op) noexcept {
  if (gp->withdrawal_ != nullptr && gp->withdrawal_->asked()) io_cancel(op);
}

void io_park(G* gp, FrameLink& leaf, IoOp* op, Waiter* w, bool (*step)(G*)) noexcept {
  op->g_ = gp;
  park_begin(gp, leaf, WaitReason::io_wait, w, step);
  cancel_if_asked(gp, op);
  if (kernel.without_p == 0) {
    kernel.poller->submit(op);
    return;
  }
  --kernel.without_p;
  park_abort(gp);
  gp->waiter_ = w;
  gp->step_ = step;
  gp->status_.store(static_cast<std::uint32_t>(Status::runnable), release);
}

void io_repark(G* gp, IoOp* op) noexcept {
  op->g_ = gp;
  repark_begin(gp);
  cancel_if_asked(gp, op);
  kernel.poller->submit(op);
}

void io_cancel(IoOp* op) noexcept {
  Poller::cancel(op);
  ++kernel.cancels;
}

bool io_batches(G*) noexcept { return true; }
bool io_takes_files(G*) noexcept { return true; }

bool start_apart(G*, IoOp&, ApartCall, int) noexcept { return false; }
void remove_path(const net::Addr&) noexcept {}

// No addresses, no words.
net::Addr addr_from_sockaddr(net::Addr::Kind, const sockaddr*, socklen_t) noexcept { return {}; }
ErrorContextRef op_context(const char*, std::string_view, const net::Addr&, const net::Addr&, Failure) noexcept { return {}; }
ErrorContextRef path_context(const char*, std::string_view) noexcept { return {}; }
Failure system_failure(std::string_view, int error_number) { return {std::error_code(error_number, errno_category())}; }

}  // namespace gmp::detail

namespace gmp::net {

std::size_t Addr::used() const noexcept { return 0; }

}  // namespace gmp::net
