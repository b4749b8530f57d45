// src/context/node.cpp — how a context ends, and everything below it.
// Go: context/context.go (cancelCtx.cancel, propagateCancel, removeChild).  Room: context (floor 5).
//
// A context that can be cancelled has a list of followers: its children, operations under until(), functions of after_func().  Its end is written
// down under its lock, once; nobody joins the list after that, and whoever ends it empties the list, one by one, each told without a lock. So no
// two locks of contexts are ever held at once.
//
// Go cancels children while it holds the parent's lock, and its garbage collector keeps them.  Here a child holds its parent, never the other way;
// a parent finds its children by the list, which they leave before they go.
//
// Several may cancel at once, the same context or one below the other, and none may return before all below have been told: there Go's lock makes
// them wait.  Here nobody waits for another's walk through a tree; each makes the walk himself, and the tree says what is left of it.  A child is
// told where it hangs, in the list, and is taken out when there is nothing left to tell below it (CN5).  So who comes second finds what the first
// one has not done, and does it: each goes to the first child, which goes to the list's end so that the next one goes to another; down to where
// no children are, and back up by follows_.  The depth of the tree costs no stack, and each walk comes to a context once at most.
//
//   CN1  code_ is written once, after cause_; who reads it not 0 may read cause_.
//   CN2  a follower is in the list of the context that it follows, or being told, or nobody will tell it any more. Both ways out (told, unfollow)
//        go by the lock.
//   CN3  who takes a follower out to tell it, or goes down to a child, has made sure, under the same lock, that it stays: a reference, a hold
//        (withdrawal.hpp).
//   CN4  a child that is found in the list may be on its way out, with no reference left (try_ref): then it is left alone.
//   CN5  a child of a context that has ended is in the list until it has ended too, its list is empty and its telling_ 0. So where a context has
//        ended, its list is empty and its telling_ is 0, all below have been told; cancel() returns when it has seen that, and not before.
//   CN6  what telling_ counts is a follower's tell() on another thread, or the close of done_: some locks of a moment, none of the user's code, and
//        no cancel(). It alone is waited for, as a Lock is.
#include "gmp/detail/context/node.hpp"

#include <algorithm>
#include <stdexcept>

#include "gmp/detail/park.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "sys/os.hpp"

namespace gmp::detail {

namespace {

class BackgroundNode final : public ContextNode {
 public:
  constexpr BackgroundNode() noexcept : ContextNode(nullptr, nullptr) {}

 private:
  void destroy() noexcept override {}
};

constinit BackgroundNode the_background;

}  // namespace

// ---- the tree

ContextNode& ContextNode::background() noexcept { return the_background; }

bool ContextNode::try_ref() noexcept {
  std::uint32_t refs = refs_.load(relaxed);  // a guess: the CAS decides
  while (refs != 0) {
    if (refs_.compare_exchange_weak(refs, refs + 1, relaxed, relaxed)) return true;  // [CTX-REFS]
  }
  return false;
}

// Iteratively: chains may be long.
void ContextNode::destroy_chain(ContextNode* node) noexcept {
  while (node != nullptr) {
    ContextNode* parent = node->parent_;
    node->destroy();
    const bool last = parent->parent_ != nullptr && parent->refs_.fetch_sub(1, acq_rel) == 1;  // [CTX-REFS]
    node = last ? parent : nullptr;
  }
}

const void* ContextNode::find(const void* key) const noexcept {
  for (const ContextNode* node = this; node != nullptr; node = node->parent_) {
    if (node->key_ == key) return node->value_;
  }
  return nullptr;
}

// ---- what can be cancelled

CancelNode::CancelNode(ContextNode* parent, std::int64_t deadline_ns) noexcept
    : ContextNode(parent, this),
      Follower(child_ops),
      follows_(parent->cancel_node()),
      deadline_ns_(follows_ != nullptr ? std::min(follows_->deadline_ns_, deadline_ns) : deadline_ns) {}

CancelNode::~CancelNode() {
  if (follows_ != nullptr) follows_->unfollow(*this);
  for (;;) {
    Follower* left = nullptr;
    {
      LockGuard guard(lock_);
      left = followers_.pop_front();
    }
    if (left == nullptr) break;
    left->ops_.forget(*left);
  }
  if (HChan* done = done_.load(relaxed)) done->unref();
}

void CancelNode::attach() noexcept {
  if (follows_ == nullptr || follows_->follow(*this)) return;
  cancel(static_cast<errc>(follows_->code()), follows_->cause_);  // CN1
}

std::error_code CancelNode::err() const noexcept {
  const std::uint32_t code = this->code();
  return code == 0 ? std::error_code() : make_error_code(static_cast<errc>(code));
}

std::exception_ptr CancelNode::cause() const {
  const std::error_code why = err();
  if (!why || cause_ != nullptr) return why ? cause_ : nullptr;  // CN1
  return std::make_exception_ptr(std::system_error(why));
}

ChanRef CancelNode::done() {
  HChan* done = done_.load(acquire);  // [CTX-DONE]
  if (done == nullptr) {
    ChanRef fresh(HChan::make(element_of<Done>, 0));
    {
      LockGuard guard(lock_);
      done = done_.load(relaxed);
      if (done == nullptr) {
        done = fresh.get();
        done->ref();
        if (code_.load(relaxed) != 0) done->close();  // who ended it found no channel; nobody else has this one yet
        done_.store(done, release);                   // [CTX-DONE]
      }
    }
  }
  done->ref();
  return ChanRef(done);
}

bool CancelNode::follow(Follower& f) noexcept {
  LockGuard guard(lock_);
  if (code_.load(relaxed) != 0) return false;
  followers_.push_back(&f);
  return true;
}

bool CancelNode::unfollow(Follower& f) noexcept {
  LockGuard guard(lock_);
  if (!decltype(followers_)::linked(&f)) return false;
  followers_.erase(&f);
  return true;
}

// ---- the end

/// False: it has ended, and so have all below (CN5). True: if nobody has ended it before it has ended now, but there may be some to be told.
bool CancelNode::end(std::uint32_t code, const std::exception_ptr& cause) noexcept {
  HChan* done = nullptr;
  {
    LockGuard guard(lock_);
    if (code_.load(relaxed) != 0) return !followers_.empty() || telling_ != 0;
    cause_ = cause;
    code_.store(code, release);  // [CTX-CODE] CN1
    done = done_.load(relaxed);
    if (done != nullptr) ++telling_;
  }
  if (done != nullptr) {
    done->close();
    LockGuard guard(lock_);
    --telling_;
  }
  return true;
}

/// Tells followers of one that has ended, until a child comes, which is held for the caller to go there. Null: all have been told (CN5).
CancelNode* CancelNode::tell_up_to_a_child() noexcept {
  constexpr int spins_max = 100;
  bool telling = false;
  for (int spins = 0;;) {
    Follower* f = nullptr;
    {
      LockGuard guard(lock_);
      if (std::exchange(telling, false)) --telling_;
      f = followers_.pop_front();
      if (f == nullptr && telling_ == 0) return nullptr;
      if (f != nullptr) {
        if (!f->ops_.take(*f)) continue;  // CN3
        if (f->ops_.tell == nullptr) {
          followers_.push_back(f);
          return static_cast<CancelNode*>(f);
        }
        telling = f->ops_.waited_for;
        telling_ += telling;
      }
    }
    if (f != nullptr)
      f->ops_.tell(*f);
    else if (++spins < spins_max)
      cpu_pause();  // CN6
    else
      sys::yield_thread();  // its thread lost its CPU
  }
}

void CancelNode::cancel(errc why, const std::exception_ptr& cause) noexcept {
  if (!end(static_cast<std::uint32_t>(why), cause)) return;
  for (CancelNode* node = this;;) {
    if (CancelNode* child = node->tell_up_to_a_child()) {
      child->end(node->code(), node->cause_);  // CN1
      node = child;
      continue;
    }
    node->ended();
    CancelNode* above = node->follows_;
    if (above != nullptr) above->unfollow(*node);  // CN5
    if (node == this) return;
    node->unref();
    node = above;
  }
}

bool CancelNode::take_child(Follower& self) noexcept { return static_cast<CancelNode&>(self).try_ref(); }  // CN4

// ---- deadlines

DeadlineNode::DeadlineNode(ContextNode* parent, std::int64_t deadline_ns, std::exception_ptr cause) noexcept
    : CancelNode(parent, deadline_ns), GuestTimer(&DeadlineNode::fire), deadline_cause_(std::move(cause)) {}

void DeadlineNode::start() {
  if (code() != 0 || deadline() == never) return;
  if (deadline() <= now_ns()) return cancel(errc::deadline_exceeded, deadline_cause_);
  if (!arm(sched_here(), deadline()) && !tearing_down()) throw std::runtime_error("executor stopped");
  if (code() != 0) disarm();  // it was cancelled before there was a timer to disarm
}

void DeadlineNode::fire(Timer* timer, std::int64_t now) noexcept {
  auto& self = *static_cast<DeadlineNode*>(timer);
  const bool lives = begins(now) && self.try_ref();
  if (lives) self.cancel(errc::deadline_exceeded, self.deadline_cause_);
  self.through();  // without a reference the last touch
  if (lives) self.unref();
}

DeadlineNode::~DeadlineNode() { quiesce_alone(); }

}  // namespace gmp::detail
