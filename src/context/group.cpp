// src/context/group.cpp — Group: places, a limit, and the first failure.
// Go: golang.org/x/sync/errgroup.  Room: context (floor 5); stands on WaitGroup and Context.
//
// Go's Group.Go blocks while the limit is reached.  A plain function cannot park here, so what is too many is kept, as a frame that has not begun,
// and whoever ends starts the next.
//   GR1  each frame holds a place from its making on: it is counted in places_ and in the WaitGroup, wherever it is, until its f and arguments
//        are gone; started, kept, or dropped because its executor has stopped.
//   GR2  those that are not waiting_ are active. Whoever gives up a place starts as many of those that wait as the limit allows; one at a time does.
#include "gmp/context/group.hpp"

#include <deque>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sys/lock.hpp"

namespace gmp::detail {

class GroupState : Immovable {
 public:
  explicit GroupState(Cancellable&& cancellable) : context_(std::move(cancellable.context)), cancel_(std::move(cancellable.cancel)) {}

  void ref() noexcept { refs_.fetch_add(1, relaxed); }  // [GROUP-REFS] by who has one
  void unref() noexcept {
    if (refs_.fetch_sub(1, acq_rel) == 1) delete this;  // [GROUP-REFS]
  }

  struct Waiting {
    Waiting(Task<> frame, std::source_location where) noexcept : frame_(std::move(frame)), where_(where) {}
    Task<> frame_;
    std::source_location where_;
  };

  WaitGroup wait_group_;
  const Context context_;
  const CancelFunc cancel_;

  Lock lock_;
  std::exception_ptr first_;     // lock_
  int limit_ = -1;               // lock_
  int places_ = 0;               // lock_; GR1
  std::deque<Waiting> waiting_;  // lock_
  bool passing_on_ = false;      // lock_; somebody starts those that wait

  int active() const noexcept { return places_ - static_cast<int>(waiting_.size()); }

 private:
  ~GroupState() = default;
  Atomic<std::uint32_t> refs_{1};
};

GroupRef::GroupRef(const GroupRef& other) noexcept : state_(other.state_) {
  if (state_ != nullptr) state_->ref();
}
GroupRef::~GroupRef() {
  if (state_ != nullptr) state_->unref();
}

GroupRef GroupRef::make(const Context& parent) { return GroupRef(new GroupState(with_cancel(parent ? parent : background()))); }

WaitGroup& GroupRef::wait_group() const noexcept { return state_->wait_group_; }
const Context& GroupRef::context() const noexcept { return state_->context_; }

void GroupRef::set_limit(int n) const {
  int active = 0;
  {
    LockGuard guard(state_->lock_);
    active = state_->active();
    if (active == 0) state_->limit_ = n;
  }
  if (active != 0) throw std::logic_error("errgroup: modify limit while " + std::to_string(active) + " goroutines in the group are still active");
}

bool GroupRef::start(Task<> frame, std::source_location where, bool may_wait) const {
  {
    LockGuard guard(state_->lock_);
    if (state_->limit_ >= 0 && state_->active() > state_->limit_) {  // its own place is counted
      if (!may_wait) return false;
      state_->waiting_.emplace_back(std::move(frame), where);
      return true;
    }
  }
  launch_task(sched_here(), std::move(frame), where, nullptr);
  return true;
}

void GroupRef::failed(std::exception_ptr thrown) const noexcept {
  {
    LockGuard guard(state_->lock_);
    if (state_->first_) return;
    state_->first_ = thrown;
  }
  state_->cancel_(thrown);
}

void GroupRef::finish() const {
  std::exception_ptr first;
  {
    LockGuard guard(state_->lock_);
    first = state_->first_;
  }
  state_->cancel_();
  if (first) std::rethrow_exception(first);
}

GroupPlace::GroupPlace(const GroupRef& group) : group_(group) {
  group_.wait_group().add();
  LockGuard guard(group_.get()->lock_);
  ++group_.get()->places_;
}

GroupPlace::~GroupPlace() {
  GroupState* state = group_.get();
  if (state == nullptr) return;  // moved from
  bool first = true;
  for (;;) {
    std::optional<GroupState::Waiting> next;
    {
      LockGuard guard(state->lock_);
      if (first) {
        --state->places_;
        if (state->passing_on_) break;  // the frame that went with us was dropped by who does it
        state->passing_on_ = true;
        first = false;
      }
      if (state->waiting_.empty() || state->active() >= state->limit_) {
        state->passing_on_ = false;
        break;
      }
      next.emplace(std::move(state->waiting_.front()));
      state->waiting_.pop_front();
    }
    try {
      launch_task(sched_here(), std::move(next->frame_), next->where_, nullptr);
    } catch (...) {  // its executor has stopped, or there is no memory: it cannot begin
      group_.failed(std::current_exception());
    }
  }
  state->wait_group_.done();
}

}  // namespace gmp::detail
