// include/gmp/detail/task/promise.hpp — the promise of every Task: how a frame starts, awaits, returns and ends.
// Go: none (the compiler's calls and stack frames).  Room: task (floor 4).
//
// A Task is lazy.  `co_await task` links the child to the parent and transfers to it; the child's end transfers back; the end of a root
// frame (no parent) finishes the g, or the child of an all().
#pragma once

#include <bit>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/sched/abandon.hpp"
#include "gmp/detail/sched/fork.hpp"
#include "gmp/detail/sched/frame_alloc.hpp"
#include "gmp/detail/sched/transfer.hpp"
#include "gmp/detail/task/operation.hpp"

namespace gmp {

template <class T>
class Task;

namespace detail {

template <class T>
class TaskPromise;
struct TaskAccess;

/// A root frame has ended: that of a g the M's loop destroys after resume() has returned, never the frame itself. Returns what goes on.
GMPCORO_EXPORT std::coroutine_handle<> root_ended(FrameLink& root) noexcept;

/// An exception leaves a frame: remembered as a stack trail for the panic that it may become.
GMPCORO_EXPORT void note_unwinding(FrameLink& frame) noexcept;

[[noreturn]] GMPCORO_EXPORT void throw_task_awaited();  // std::logic_error("task already awaited")
[[noreturn]] GMPCORO_EXPORT void throw_empty_task();    // std::invalid_argument("go: empty task")

class FinalAwaiter {
 public:
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> frame) const noexcept {
    FrameLink& link = frame.promise();
    if (link.parent_ != nullptr) [[likely]] return transfer(link.g_, link.parent_->handle());
    return root_ended(link);
  }
  void await_resume() const noexcept {}
};

template <class T>
class TaskAwaiter;
template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<Task<T>> = true;

/// What a coroutine of a g may await though it is not this library's.
template <class A>
concept Foreign = !Operation<A> && !is_task<std::remove_cvref_t<A>> && !requires { typename std::remove_cvref_t<A>::all_tag; };

// Where a co_await stands, as what a std::source_location consists of: an object among the arguments would be put into the frame first, by each await.
using Here = decltype(__builtin_source_location());
#define GMPCORO_HERE __builtin_source_location()
static_assert(sizeof(Here) == sizeof(std::source_location) && std::is_trivially_copyable_v<std::source_location>);

class PromiseBase : public FrameLink {
 public:
  PromiseBase() noexcept = default;
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept {
    exception_ = std::current_exception();
    note_unwinding(*this);
  }

  static void* operator new(std::size_t size) { return frame_alloc(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { frame_free(frame, size); }

  template <class U>
  TaskAwaiter<U> await_transform(Task<U>&& task, Here here = GMPCORO_HERE) {
    note_await(here);
    return TaskAwaiter<U>(task.release());
  }
  template <class U>
  TaskAwaiter<U> await_transform(Task<U>& task, Here here = GMPCORO_HERE) {
    note_await(here);
    return TaskAwaiter<U>(task.release());
  }
  template <Operation Op>
  typename std::remove_cvref_t<Op>::Awaiter await_transform(Op&& op, Here here = GMPCORO_HERE) {
    if (g_->lent_) [[unlikely]] settle(*this);
    // A small one is read before the store, or g++ reads what has just been written once more: 0.25 of the 10 ns of a lock and unlock.
    constexpr bool is_small = std::is_trivially_copyable_v<std::remove_cvref_t<Op>> && sizeof(op) <= 2 * sizeof(void*);
    std::conditional_t<is_small, std::remove_cvref_t<Op>, Op&&> taken = std::forward<Op>(op);
    note_operation(here);
    return typename std::remove_cvref_t<Op>::Awaiter(g_, std::forward<Op>(taken));
  }
  template <class All>
    requires requires { typename std::remove_cvref_t<All>::all_tag; }
  typename std::remove_cvref_t<All>::Awaiter await_transform(All&& all, Here here = GMPCORO_HERE) {
    note_await(here);
    return typename std::remove_cvref_t<All>::Awaiter(all);
  }
  template <Foreign A>
  typename AwaitedAs<A>::Awaiter await_transform(A&& awaitable, Here here = GMPCORO_HERE) {
    if (g_->lent_) [[unlikely]] settle(*this);
    note_await(here);
    return typename AwaitedAs<A>::Awaiter(g_, std::forward<A>(awaitable));
  }

  std::exception_ptr exception_;

 private:
  void note_await(Here here) noexcept {
    site_ = std::bit_cast<std::source_location>(here);
    note_operation(here);
  }
  /// One store: most operations are done at once. See suspends().
  void note_operation(Here here) noexcept {
    g_->last_await_.store(std::bit_cast<std::source_location>(here), relaxed);  // for dumps of a running g: any recent value will do
  }
};
#undef GMPCORO_HERE
static_assert(std::is_base_of_v<FrameLink, PromiseBase>);

/// A result waiting to be fetched; beyond 16 bytes of alignment it lives on the heap, since a g++ frame is aligned no better.
template <class T>
class ResultSlot {
  static constexpr bool inline_ = alignof(T) <= alignof(std::max_align_t);

 public:
  ResultSlot() noexcept {}
  ResultSlot(const ResultSlot&) = delete;
  ResultSlot& operator=(const ResultSlot&) = delete;
  ~ResultSlot() {
    if (value_ != nullptr) {
      if constexpr (inline_)
        std::destroy_at(value_);
      else
        delete value_;
    }
  }
  template <class... A>
  void emplace(A&&... arguments) {
    if constexpr (inline_)
      value_ = ::new (static_cast<void*>(bytes_)) T(std::forward<A>(arguments)...);
    else
      value_ = new T(std::forward<A>(arguments)...);
  }
  bool has_value() const noexcept { return value_ != nullptr; }
  T& get() noexcept { return *value_; }

 private:
  T* value_ = nullptr;
  alignas(inline_ ? alignof(T) : 1) std::byte bytes_[inline_ ? sizeof(T) : 1];
};

template <class T>
class TaskPromise final : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U = T>
    requires std::convertible_to<U, T>
  void return_value(U&& value) {
    result_.emplace(std::forward<U>(value));
  }
  T take() {
    if (exception_) std::rethrow_exception(std::move(exception_));
    return std::move(result_.get());
  }

 private:
  ResultSlot<T> result_;
};

template <class T>
class TaskPromise<T&> final : public PromiseBase {
 public:
  Task<T&> get_return_object() noexcept;
  void return_value(T& value) noexcept { result_ = &value; }
  T& take() {
    if (exception_) std::rethrow_exception(std::move(exception_));
    return *result_;
  }

 private:
  T* result_ = nullptr;
};

template <>
class TaskPromise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() {
    if (exception_) std::rethrow_exception(std::move(exception_));
  }
};

/// Owns the child while the parent sleeps on it. Its destructor runs with the child alive only when the parent's frame is destroyed parked.
template <class T>
class TaskAwaiter : Immovable {
 public:
  explicit TaskAwaiter(std::coroutine_handle<TaskPromise<T>> child) : child_(child) {
    if (!child) throw_task_awaited();
  }
  ~TaskAwaiter() {
    if (child_) [[unlikely]] destroy_abandoned(child_);
  }
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) const noexcept {
    FrameLink& up = parent.promise();
    FrameLink& down = child_.promise();
    down.g_ = up.g_;
    down.parent_ = &up;
    return transfer(up.g_, child_);
  }
  T await_resume() {
    DestroyChild guard{std::exchange(child_, nullptr)};
    return guard.child_.promise().take();
  }

 private:
  struct DestroyChild {
    std::coroutine_handle<TaskPromise<T>> child_;
    explicit DestroyChild(std::coroutine_handle<TaskPromise<T>> child) noexcept : child_(child) {}
    ~DestroyChild() { child_.destroy(); }
  };
  std::coroutine_handle<TaskPromise<T>> child_;
};

}  // namespace detail
}  // namespace gmp
