// include/gmp/detail/task/join.hpp — the meeting point of a spawned g and whoever joins it.
// Go: none (a channel or WaitGroup does it there).  Room: task (floor 4).
//
// One block, owned by the g and the handle.  slot_ is null, the one joiner's waiter, or `ended`:
//   J1  the joiner CASes null -> waiter; the end of the g exchanges `ended` in, and wakes whom it finds; a withdrawal CASes waiter -> null, or, if
//       the joiner has not come yet, null -> `given up`, which the joiner finds, and takes away.                                          [JOIN]
//   J2  the outcome is written before `ended`, and read after.
//   J3  flags_ decides about an exception that nobody has taken: of "the g has ended" and "the handle is gone" the later one reports the panic.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <source_location>

#include "gmp/detail/park.hpp"
#include "gmp/detail/task/promise.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {

struct JoinWaiter;
struct LatePanic;
[[noreturn]] void throw_joined();  // std::logic_error("goroutine already joined")

class JoinBlock : public GEnd, Immovable {
 public:
  JoinBlock() noexcept;

  bool done() const noexcept { return slot_.load(acquire) == ended_mark(); }  // [JOIN] J2
  /// Parks gp; false: the g has ended, or w is withdrawn. Throws std::logic_error if somebody else joins it already.
  bool park(G* gp, FrameLink& leaf, JoinWaiter& w);
  void wait_blocking();
  /// The joiner takes the outcome: rethrows what the g threw. Once, else std::logic_error.
  void take();
  void handle_gone() noexcept;
  void unref() noexcept;
  void ref() noexcept { refs_.fetch_add(1, relaxed); }  // the caller has one

 protected:
  virtual ~JoinBlock();

 private:
  enum Flags : std::uint32_t { g_ended = 1, no_handle = 2, taken = 4 };
  static void on_end(GEnd* self, G* gp, void* thrown) noexcept;
  Waiter* ended_mark() const noexcept { return const_cast<Waiter*>(reinterpret_cast<const Waiter*>(this)); }
  Waiter* given_up_mark() const noexcept { return const_cast<Waiter*>(reinterpret_cast<const Waiter*>(&slot_)); }

  friend struct JoinWaiter;
  Atomic<Waiter*> slot_{nullptr};
  Atomic<std::uint32_t> flags_{0};
  Atomic<std::uint32_t> refs_{2};  // [JOIN-REFS] the g's and the handle's; the last one out sees all that the other did
  std::exception_ptr thrown_;
  LatePanic* late_ = nullptr;       // with thrown_: what the panic needs that it may become after its g has gone (J3)
};

struct JoinWaiter : Waiter {
  explicit JoinWaiter(JoinBlock* block) noexcept : block_(block) { withdraw_ = &withdraw; }
  static bool withdraw(Waiter* w) noexcept;
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
