// src/context/context.cpp — making contexts, and asking them.
// Go: context/context.go (WithCancel, WithDeadlineCause, Background).  Room: context (floor 5).
#include "gmp/context.hpp"

#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include "gmp/detail/park.hpp"

namespace gmp {

namespace detail {

namespace {

/// Ends when a stop is requested.
class StopTokenNode final : public CancelNode {
 public:
  explicit StopTokenNode(std::stop_token token) : CancelNode(&background(), never) {
    if (!token.stop_possible()) return;
    outside_hope_begins();
    hopes_.store(true, relaxed);
    callback_.emplace(std::move(token), Stopped{this});  // it may be called here and now
  }

 private:
  struct Stopped {
    StopTokenNode* node_;
    void operator()() const noexcept {
      if (!node_->try_ref()) return;
      node_->cancel(errc::canceled, nullptr);
      node_->unref();
    }
  };
  ~StopTokenNode() {
    callback_.reset();  // waits for a call that is under way
    ended();
  }
  void destroy() noexcept override { delete this; }
  void ended() noexcept override {
    if (hopes_.exchange(false, relaxed)) outside_hope_ends();  // an RMW for its once: it carries nothing
  }

  Atomic<bool> hopes_{false};
  std::optional<std::stop_callback<Stopped>> callback_;
};

}  // namespace

ContextNode* ContextAccess::parent(const Context& ctx) {
  if (!ctx) throw std::invalid_argument("cannot create context from nil parent");
  return ctx.node_.get();
}

ContextRef new_cancel_node(ContextNode* parent) {
  auto* node = new PlainCancelNode(parent);
  ContextRef ref(node);
  node->attach();
  return ref;
}

ContextRef new_deadline_node(ContextNode* parent, std::int64_t deadline_ns, std::exception_ptr cause) {
  const CancelNode* above = parent->cancel_node();
  if (deadline_ns == never || (above != nullptr && above->deadline() <= deadline_ns)) return new_cancel_node(parent);  // it ends before
  auto* node = new DeadlineNode(parent, deadline_ns, std::move(cause));
  ContextRef ref(node);
  node->attach();
  node->start();
  return ref;
}

ContextRef new_stop_token_node(std::stop_token token) {
  return ContextRef(new StopTokenNode(std::move(token)));
}

}  // namespace detail

RecvChan<Done> Context::done() const {
  detail::CancelNode* node = node_.cancel_node();
  if (node == nullptr) return {};
  return detail::ChanAccess::from<RecvChan<Done>>(node->done());
}

std::optional<time_point> Context::deadline() const noexcept {
  const detail::CancelNode* node = node_.cancel_node();
  if (node == nullptr || node->deadline() == detail::never) return std::nullopt;
  return time_point(std::chrono::nanoseconds(node->deadline()));
}

}  // namespace gmp
