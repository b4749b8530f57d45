// src/context/group.cpp — Group: places, a limit, and the first failure.
// Go: golang.org/x/sync/errgroup.  Room: context (floor 5); stands on WaitGroup and Context.
//
// Go's Group.Go blocks while the limit is reached.  A plain function cannot park here, so what is too many is kept, as a frame that has not begun,
// and whoever ends starts the next.
//   GR1  wait() waits for a place from its making on, wherever it is, until its f and arguments are gone. The limit sees it from start() on, which
//        counts it in places_ as it starts its frame or keeps it: two that are in the making are not in each other's way.
//   GR2  those that are not waiting_ are active. While the limit allows one more and somebody waits, somebody is passing_on_: who gives up a
//        place starts as many as it allows, one at a time does. Who comes meanwhile stands behind those that wait.
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
  bool full() const noexcept { return limit_ >= 0 && active() >= limit_; }

  void failed(std::exception_ptr thrown) noexcept;
  void give_up_place();

 private:
  std::optional<Waiting> next_in_turn();
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

bool GroupRef::start(Task<> frame, GroupPlace& place, std::source_location where, bool may_wait) const {
  {
    LockGuard guard(state_->lock_);
    const bool later = state_->full() || !state_->waiting_.empty();
    if (later && !may_wait) return false;
    if (later) state_->waiting_.emplace_back(std::move(frame), where);
    ++state_->places_;  // GR1
    place.home_ = nullptr;
    if (later) return true;
  }
  launch_task(sched_here(), std::move(frame), where, nullptr);
  return true;
}

void GroupRef::failed(std::exception_ptr thrown) const noexcept { state_->failed(std::move(thrown)); }

void GroupState::failed(std::exception_ptr thrown) noexcept {
  {
    LockGuard guard(lock_);
    if (first_) return;
    first_ = thrown;
  }
  cancel_(thrown);
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

GroupPlace::GroupPlace(const GroupRef& group, GroupPlace*& home) : group_(group), home_(&home) {
  home = this;
  group_.wait_group().add();
}

GroupPlace::~GroupPlace() {
  GroupState* state = group_.get();
  if (state == nullptr) return;  // moved from
  if (home_ == nullptr) state->give_up_place();
  state->wait_group_.done();
}

void GroupState::give_up_place() {
  {
    LockGuard guard(lock_);
    --places_;
    if (passing_on_) return;  // also where the frame that went with the place was dropped by who does it
    passing_on_ = true;
  }
  while (std::optional<Waiting> next = next_in_turn()) {
    try {
      launch_task(sched_here(), std::move(next->frame_), next->where_, nullptr);
    } catch (...) {  // its executor has stopped, or there is no memory: it cannot begin
      failed(std::current_exception());
    }
  }
}

// None: and nobody passes on any more.
std::optional<GroupState::Waiting> GroupState::next_in_turn() {
  LockGuard guard(lock_);
  if (waiting_.empty() || full()) {
    passing_on_ = false;
    return std::nullopt;
  }
  Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

}  // namespace gmp::detail
