// include/gmp/detail/sched/fork.hpp — Fork, a child of an all(), and ForkJoin, which waits for all of them.  The essay is in src/sched/fork.cpp.
// Go: none (there each go statement makes a G, and a WaitGroup waits for it).  Room: sched (floor 2).
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <utility>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/detail/sched/fork_count.hpp"
#include "gmp/detail/sched/g.hpp"
#include "gmp/detail/sys/lock.hpp"

namespace gmp::detail {

class ForkJoin;

/// One child. It lies in the frame of the g that awaits it, with the Task that owns the child's frame.
struct Fork : GEnd {
  FrameLink* root_ = nullptr;  // the child's frame; null: there is none
  ForkJoin* join_;
  Fork *older_, *newer_;       // in the P's ForkList
  bool gone_ = false;          // a stop has destroyed the child's frame
  Fork() noexcept {}
};

/// The children that nobody has begun, of one P: newest first for its owner, oldest first for others. Under H1, as the P's other contents.
class ForkList {
 public:
  bool empty() const noexcept { return oldest() == nullptr; }
  Fork* newest() const noexcept { return newest_; }
  Fork* oldest() const noexcept { return oldest_.load(relaxed); }  // anybody: a hint
  void push_newest(Fork* fork) noexcept {
    fork->older_ = newest_;
    fork->newer_ = nullptr;
    newest_ != nullptr ? static_cast<void>(newest_->newer_ = fork) : oldest_.store(fork, relaxed);
    newest_ = fork;
  }
  void push_oldest(Fork* fork) noexcept {
    Fork* was = oldest();
    fork->older_ = nullptr;
    fork->newer_ = was;
    (was != nullptr ? was->older_ : newest_) = fork;
    oldest_.store(fork, relaxed);
  }
  Fork* pop_newest() noexcept {
    Fork* fork = newest_;
    if (fork == nullptr) return nullptr;
    newest_ = fork->older_;
    newest_ != nullptr ? static_cast<void>(newest_->newer_ = nullptr) : oldest_.store(nullptr, relaxed);
    return fork;
  }
  Fork* pop_oldest() noexcept {
    Fork* fork = oldest();
    if (fork == nullptr) return nullptr;
    Fork* next = fork->newer_;
    oldest_.store(next, relaxed);
    (next != nullptr ? next->older_ : newest_) = nullptr;
    return fork;
  }

 private:
  Fork* newest_ = nullptr;
  Atomic<Fork*> oldest_{nullptr};
};

/// The g that awaits an all(), while it does: it runs children itself, and sleeps for those that others run.
class GMPCORO_EXPORT ForkJoin : Immovable {
 public:
  ForkJoin() noexcept = default;

  /// By the g of leaf, which awaits. A fork without a root is left out. Returns what goes on now.
  std::coroutine_handle<> begin(FrameLink& leaf, Fork* forks, std::size_t count) noexcept;
  bool begun() const noexcept { return leaf_ != nullptr; }

  /// A child's exception; the first one counts.
  void note(std::exception_ptr&& thrown) noexcept;
  void rethrow() {
    if (first_) [[unlikely]] std::rethrow_exception(std::move(first_));
  }

  // ---- for the scheduler
  static Fork* guest_of(G* lent) noexcept { return static_cast<Fork*>(lent->end_); }
  static bool is_fork(const GEnd* end) noexcept { return end != nullptr && end->ended == &on_end; }
  /// The guest of gp has ended. Returns what goes on.
  std::coroutine_handle<> guest_ended(G* gp, std::exception_ptr&& thrown) noexcept;
  /// gp is what it was before it was lent.
  void take_back(G* gp) noexcept;
  /// A child of ours, of which there is no guest and no G, has ended: or its G has.
  void child_ended(std::exception_ptr&& thrown) noexcept;
  /// The guest is about to have a name, or the like.
  void keep_extra(G* gp) noexcept;
  /// The ids of the child that runs on the joiner's G, and of the joiner.
  std::uint64_t guest_id() noexcept {
    const std::uint64_t id = guest_id_.load(relaxed);  // FJ5
    return id != 0 ? id : make_guest_id();
  }
  std::uint64_t joiner_id() noexcept { return outer_join_ != nullptr ? outer_join_->guest_id() : joiner_id_; }
  FrameLink* leaf() const noexcept { return leaf_; }
  std::source_location where() const noexcept { return leaf_->site_; }  // it awaits there

 private:
  friend void settle(FrameLink&);

  static void on_end(GEnd* self, G* gp, void* thrown) noexcept;
  std::coroutine_handle<> go_on_later(M* mp, Fork* next, std::uint32_t why) noexcept;
  void begin_apart(Fork* forks, std::size_t count) noexcept;
  void lend(G* gp, Fork* fork) noexcept;
  void lend_again(G* gp, Fork* fork) noexcept;
  void return_g(G* gp) noexcept;
  bool wait() noexcept;
  void wait_without_g() noexcept;
  void sleep(G* gp) noexcept;
  std::uint64_t make_guest_id() noexcept;
  Fork* outer() const noexcept { return static_cast<Fork*>(outer_end_); }

  // the joiner's
  FrameLink* leaf_ = nullptr;        // the frame that awaits; its g_ is the joiner
  std::size_t children_ = 0;
  std::size_t ended_here_ = 0;       // as guests
  FrameLink* outer_root_ = nullptr;  // what its G is when it is not lent
  bool outer_lent_ = false;          // it is itself a guest, of outer()
  bool extra_is_guests_ = false;     // the G's extra_; the joiner's is kept here
  GEnd* outer_end_ = nullptr;        // not beside outer_root_: g++ would load both at once from G, where they are two fresh stores, and wait
  GExtra* kept_extra_ = nullptr;
  // everybody's
  ForkJoin* outer_join_ = nullptr;   // it began as a guest of this one
  std::uint64_t joiner_id_ = 0;      // or as a g
  Lock lock_;
  std::exception_ptr first_;         // lock_, until the last child has ended
  ForkCount count_;
  G* sleeper_ = nullptr;             // FC2; null: the joiner's thread sleeps
  Atomic<std::uint32_t> over_{0};    // futex, for that thread
  Atomic<std::uint64_t> guest_id_{0};
};

/// By a lent G, before its innermost frame may suspend: the guest gets a G of its own, and so does each joiner that is itself a guest; all joiners
/// sleep. leaf.g_ is the guest's own afterwards. Throws std::bad_alloc.
GMPCORO_EXPORT void settle(FrameLink& leaf);

}  // namespace gmp::detail
