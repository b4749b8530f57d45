// include/gmp/detail/task/join.hpp — the meeting point of a spawned g and whoever joins it.
// Go: none (a channel or WaitGroup does it there).  Room: task (floor 4).
//
// One block, owned by the g and the handle.  Under its lock:
//   J1  the joiner leaves its waiter, unless the g has ended or another one is there; the end of the g takes the waiter out, and wakes it; a
//       withdrawal takes it out too, or, if its g is still on its way here, leaves word in the waiter, as every queue does (Waiter W4).
//   J2  the outcome is written before the g has `ended`, and read after.                                                            [JOIN-ENDED]
//   J3  of "the g has ended" and "the handle is gone" the later one reports an exception that nobody has taken. That the executor was stopped is
//       told to who joins, but is no failure of the g.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <source_location>

#include "gmp/detail/park.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/task/promise.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {

struct JoinWaiter;
struct LatePanic;
[[noreturn]] GMPCORO_EXPORT void throw_joined();  // std::logic_error("goroutine already joined")

class GMPCORO_EXPORT JoinBlock : public GEnd, Immovable {
 public:
  JoinBlock() noexcept;

  bool done() const noexcept { return ended_.load(acquire); }  // [JOIN-ENDED] J2
  /// Parks gp; false: the g has ended, or w is withdrawn. Throws std::logic_error if somebody else joins it already.
  bool park(G* gp, FrameLink& leaf, JoinWaiter& w);
  void wait_blocking();
  /// The joiner takes the outcome: rethrows what the g threw. Once, else std::logic_error.
  void take();
  void handle_gone() noexcept;
  /// In place of a g: it could not be started, since the frames of its executor are being destroyed. For its share.
  void not_started() noexcept;
  void unref() noexcept;
  void set_id(std::uint64_t id) noexcept { id_ = id; }  // before there is a handle
  std::uint64_t id() const noexcept { return id_; }
  void ref() noexcept { refs_.fetch_add(1, relaxed); }  // the caller has one

 protected:
  virtual ~JoinBlock();

 private:
  enum class Place : std::uint8_t { taken, over, another_has_it };
  static void on_end(GEnd* self, G* gp, void* thrown) noexcept;
  /// Leaves w where the end of the g finds it (J1). over: that has come, or w gives up.
  Place take_place(JoinWaiter& w) noexcept;

  friend struct JoinWaiter;
  Lock lock_;
  Atomic<bool> ended_{false};      // written under lock_
  bool handle_gone_ = false;       // lock_
  bool taken_ = false;             // lock_: the outcome
  bool stopped_ = false;           // with thrown_: which says that the executor was stopped
  Atomic<std::uint32_t> refs_{2};  // [JOIN-REFS] the g's and the handle's; the last one out sees all that the other did
  Waiter* joiner_ = nullptr;       // lock_
  std::uint64_t id_ = 0;           // of the g
  std::exception_ptr thrown_;
  LatePanic* late_ = nullptr;       // with thrown_: what the panic needs that it may become after its g has gone (J3)
};

struct JoinWaiter : Waiter {
  explicit JoinWaiter(JoinBlock* block) noexcept : block_(block) { withdraw_ = &withdraw; }
  GMPCORO_EXPORT static bool withdraw(Waiter* w) noexcept;
  JoinBlock* block_;
};

template <class T>
class JoinState final : public JoinBlock {
 public:
  ResultSlot<T> result_;
  T give() {
    take();
    return std::move(result_.get());
  }
};
template <class T>
class JoinState<T&> final : public JoinBlock {
 public:
  T* result_ = nullptr;
  T& give() {
    take();
    return *result_;
  }
};
template <>
class JoinState<void> final : public JoinBlock {
 public:
  void give() { take(); }
};

template <class T>
Task<> join_frame(JoinState<T>* state, Task<T> task) {
  if constexpr (std::is_void_v<T>)
    co_await std::move(task);
  else if constexpr (std::is_reference_v<T>)
    state->result_ = std::addressof(co_await std::move(task));
  else
    state->result_.emplace(co_await std::move(task));
}

template <class T, class F, class... A>
Task<> join_call_frame(JoinState<T>* state, F f, A... arguments) {
  if constexpr (is_task<std::remove_cvref_t<std::invoke_result_t<F, A...>>>) {
    if constexpr (std::is_void_v<T>)
      co_await std::invoke(std::move(f), std::move(arguments)...);
    else if constexpr (std::is_reference_v<T>)
      state->result_ = std::addressof(co_await std::invoke(std::move(f), std::move(arguments)...));
    else
      state->result_.emplace(co_await std::invoke(std::move(f), std::move(arguments)...));
  } else {
    if constexpr (std::is_void_v<T>)
      std::invoke(std::move(f), std::move(arguments)...);
    else if constexpr (std::is_reference_v<T>)
      state->result_ = std::addressof(std::invoke(std::move(f), std::move(arguments)...));
    else
      state->result_.emplace(std::invoke(std::move(f), std::move(arguments)...));
  }
  co_return;
}

}  // namespace gmp::detail
