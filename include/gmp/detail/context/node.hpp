// include/gmp/detail/context/node.hpp — ContextNode, CancelNode: the tree of contexts, and what hangs on each of them.
// Go: context/context.go (cancelCtx, timerCtx, valueCtx, propagateCancel).  Room: context (floor 5).  The essay is in src/context/node.cpp.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include "gmp/chan.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/list.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/time/guest_timer.hpp"
#include "gmp/result.hpp"

namespace gmp {

/// What comes out of ctx.done(): nothing, the channel is only ever closed.
struct Done {};

namespace detail {

class CancelNode;

/// One context. Handles and children hold it; it holds its parent.
class GMPCORO_EXPORT ContextNode : Immovable {
 public:
  static ContextNode& background() noexcept;

  void ref() noexcept {
    if (parent_ != nullptr) refs_.fetch_add(1, relaxed);  // [CTX-REFS] a copy of a reference that we hold
  }
  void unref() noexcept {
    if (parent_ != nullptr && refs_.fetch_sub(1, acq_rel) == 1) destroy_chain(this);  // [CTX-REFS] the last one sees what the others did
  }
  /// For who knows it without holding it. False: it is going.
  bool try_ref() noexcept;

  /// The nearest one, from here upwards, that can be cancelled. Null: none.
  CancelNode* cancel_node() const noexcept { return cancel_; }
  /// What stands under the key, from here upwards.
  const void* find(const void* key) const noexcept;

 protected:
  /// Counts the parent. Null: the background, which is never destroyed, nor counted.
  constexpr ContextNode(ContextNode* parent, CancelNode* cancel) noexcept : parent_(parent), cancel_(cancel) {
    if (parent != nullptr) parent->ref();
  }
  ~ContextNode() = default;
  virtual void destroy() noexcept = 0;  // delete this

  const void* key_ = nullptr;
  const void* value_ = nullptr;

 private:
  static void destroy_chain(ContextNode* node) noexcept;

  Atomic<std::uint32_t> refs_{1};
  ContextNode* const parent_;
  CancelNode* const cancel_;
};

template <class T>
class ValueNode final : public ContextNode {
 public:
  template <class V>
  ValueNode(ContextNode* parent, const void* key, V&& value) : ContextNode(parent, parent->cancel_node()), own_(std::forward<V>(value)) {
    key_ = key;
    value_ = std::addressof(own_);
  }

 private:
  void destroy() noexcept override { delete this; }
  T own_;
};

/// Has the values of its parent, and nothing else of it.
class WithoutCancelNode final : public ContextNode {
 public:
  explicit WithoutCancelNode(ContextNode* parent) noexcept : ContextNode(parent, nullptr) {}

 private:
  void destroy() noexcept override { delete this; }
};

/// Something that is told when a context is cancelled.
class Follower : Immovable {
 public:
  struct Ops {
    /// Under the context's lock, just taken out of its list: sees to it that the follower lives until tell(). False: there is nothing to tell.
    bool (*take)(Follower& self) noexcept;
    /// Without a lock. Null: it is a context itself.
    void (*tell)(Follower& self) noexcept;
    /// The context goes, and will never be cancelled. Null: cannot be, the follower holds it.
    void (*forget)(Follower& self) noexcept;
    /// No cancel() of the context returns before tell() has, whoever calls that; which then runs no code of the user (CN6).
    bool waited_for;
  };

 protected:
  explicit constexpr Follower(const Ops& ops) noexcept : ops_(ops) {}
  ~Follower() = default;

 private:
  friend CancelNode;
  const Ops& ops_;
  Follower* next_ = nullptr;  // of the context's list, under its lock
  Follower* prev_ = nullptr;
};

class GMPCORO_EXPORT CancelNode : public ContextNode, private Follower {
 public:
  /// Shares the parent's end from here on, which may have come already.
  void attach() noexcept;

  /// 0, or the errc.
  std::uint32_t code() const noexcept { return code_.load(acquire); }  // [CTX-CODE]
  std::error_code err() const noexcept;
  std::exception_ptr cause() const;
  std::int64_t deadline() const noexcept { return deadline_ns_; }
  /// A channel that is closed by its end; made when it is first asked for.
  ChanRef done();

  /// Ends it, and all below, and tells whoever follows; the first time. When it returns that is so, whoever did it. cause null: the error itself.
  /// From any thread; whoever calls holds it.
  void cancel(errc why, const std::exception_ptr& cause) noexcept;

  /// Puts f into its list. False: it has been cancelled already.
  bool follow(Follower& f) noexcept;
  /// Takes f out. False: it is not there any more.
  bool unfollow(Follower& f) noexcept;

 protected:
  /// attach() follows.
  CancelNode(ContextNode* parent, std::int64_t deadline_ns) noexcept;
  ~CancelNode();
  /// When it has been cancelled, and all have been told; perhaps more than once, perhaps on several threads.
  virtual void ended() noexcept {}

 private:
  static bool take_child(Follower& self) noexcept;
  static constexpr Ops child_ops{&take_child, nullptr, nullptr, false};
  bool end(std::uint32_t code, const std::exception_ptr& cause) noexcept;
  CancelNode* tell_up_to_a_child() noexcept;

  Lock lock_;
  Atomic<std::uint32_t> code_{0};                                 // written once, under lock_, after cause_
  std::exception_ptr cause_;
  List<Follower, &Follower::next_, &Follower::prev_> followers_;  // lock_
  Atomic<HChan*> done_{nullptr};                                  // written once, under lock_
  CancelNode* const follows_;                                     // the one above whose end it shares, or null
  int telling_ = 0;                                               // lock_; CN5: followers out of the list that are being told, and done_'s close
  const std::int64_t deadline_ns_;                                // its own, or the one above's, if that is earlier; or `never`
};

/// One without a timer.
class PlainCancelNode final : public CancelNode {
 public:
  explicit PlainCancelNode(ContextNode* parent) noexcept : CancelNode(parent, never) {}

 private:
  void destroy() noexcept override { delete this; }
};

/// One with a timer.
class DeadlineNode final : public CancelNode, private GuestTimer {
 public:
  /// start() follows attach(). cause: of the end by its deadline; null: that error itself.
  DeadlineNode(ContextNode* parent, std::int64_t deadline_ns, std::exception_ptr cause = nullptr) noexcept;
  /// Starts the timer, or cancels at once. Throws std::bad_alloc, std::runtime_error("executor stopped").
  void start();

 private:
  GMPCORO_EXPORT ~DeadlineNode();
  void destroy() noexcept override { delete this; }
  void ended() noexcept override { disarm(); }
  static void fire(Timer* timer, std::int64_t now) noexcept;
  const std::exception_ptr deadline_cause_;
};

}  // namespace detail
}  // namespace gmp
