// include/gmp/detail/go/all.hpp — all(): run Tasks concurrently and wait for every one.
// Go: sync.WaitGroup round go statements.  Room: go (floor 4).
//
// The Tasks, and what the scheduler must know of each (sched/fork.hpp), lie in the object that all() returns, in the frame of the g that awaits it.  A
// child's result stays in its own frame until the last one has ended.
#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "gmp/detail/sched/fork.hpp"
#include "gmp/task.hpp"

namespace gmp {
namespace detail {

template <class T>
using AllValue = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// What `co_await all(…)` awaits: a reference to it.
template <class All>
class AllAwaiter : Immovable {
 public:
  explicit AllAwaiter(All& all) noexcept : all_(all) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> frame) {
    return all_.begin(frame.promise());
  }
  typename All::value_type await_resume() { return all_.take(); }

 private:
  All& all_;
};

/// Of one child: makes a Fork of its Task, which it keeps; and takes the result, or leaves a frame alone that a stop has destroyed.
struct AllChild {
  template <class T>
  static void prepare(Fork& fork, Task<T>& task, ForkJoin& join) noexcept {
    if (task)
      fork.root_ = &TaskAccess::peek(task).promise();
    else
      join.note(task_awaited());
  }
  template <class T>
  static AllValue<T> take(Task<T>& task) {
    if constexpr (std::is_void_v<T>)
      return {};
    else
      return TaskAccess::peek(task).promise().take();
  }
  template <class T>
  static void end(const Fork& fork, Task<T>& task) noexcept {
    if (fork.gone_) [[unlikely]] static_cast<void>(TaskAccess::release(task));
  }
  GMPCORO_EXPORT static std::exception_ptr task_awaited() noexcept;
};

}  // namespace detail

/// What all() gives: awaited once, or never, and then nothing has begun. It may be moved before.
template <class... T>
class [[nodiscard("co_await it")]] All {
 public:
  using value_type = std::tuple<detail::AllValue<T>...>;
  using all_tag = void;
  using Awaiter = detail::AllAwaiter<All>;

  explicit All(Task<T>... tasks) noexcept : tasks_(std::move(tasks)...) {}
  All(All&& other) noexcept : tasks_(std::move(other.tasks_)) {}
  ~All() {
    each([](detail::Fork& fork, auto& task) { detail::AllChild::end(fork, task); });
  }
  operator Task<value_type>() && { return as_task(std::move(*this)); }  // NOLINT: where a Task is wanted, it is one

 private:
  friend Awaiter;

  static Task<value_type> as_task(All all) { co_return co_await all; }
  std::coroutine_handle<> begin(detail::FrameLink& leaf) {
    if (join_.begun()) detail::throw_task_awaited();
    each([this](detail::Fork& fork, auto& task) { detail::AllChild::prepare(fork, task, join_); });
    return join_.begin(leaf, forks_.data(), sizeof...(T));
  }
  value_type take() {
    join_.rethrow();
    return std::apply([](auto&... task) { return value_type(detail::AllChild::take(task)...); }, tasks_);
  }
  template <class F>
  void each(F f) {
    std::apply([&](auto&... task) { [[maybe_unused]] auto fork = forks_.begin(); (f(*fork++, task), ...); }, tasks_);
  }

  detail::ForkJoin join_;
  std::tuple<Task<T>...> tasks_;
  std::array<detail::Fork, sizeof...(T)> forks_;
};

/// The same of a vector of Tasks.
template <class T>
class [[nodiscard("co_await it")]] AllOf {
 public:
  using value_type = std::conditional_t<std::is_void_v<T>, void, std::vector<T>>;
  using all_tag = void;
  using Awaiter = detail::AllAwaiter<AllOf>;

  explicit AllOf(std::vector<Task<T>> tasks) noexcept : tasks_(std::move(tasks)) {}
  AllOf(AllOf&& other) noexcept : tasks_(std::move(other.tasks_)) {}
  ~AllOf() {
    if (forks_ == nullptr) return;
    for (std::size_t i = 0; i < tasks_.size(); ++i) detail::AllChild::end(forks_[i], tasks_[i]);
  }
  operator Task<value_type>() && { return as_task(std::move(*this)); }  // NOLINT: where a Task is wanted, it is one

 private:
  friend Awaiter;

  static Task<value_type> as_task(AllOf all) { co_return co_await all; }
  std::coroutine_handle<> begin(detail::FrameLink& leaf) {
    if (join_.begun()) detail::throw_task_awaited();
    if (!tasks_.empty()) forks_ = std::make_unique<detail::Fork[]>(tasks_.size());
    for (std::size_t i = 0; i < tasks_.size(); ++i) detail::AllChild::prepare(forks_[i], tasks_[i], join_);
    return join_.begin(leaf, forks_.get(), tasks_.size());
  }
  value_type take() {
    join_.rethrow();
    if constexpr (!std::is_void_v<T>) {
      std::vector<T> values;
      values.reserve(tasks_.size());
      for (auto& task : tasks_) values.push_back(detail::AllChild::take(task));
      return values;
    }
  }

  detail::ForkJoin join_;
  std::vector<Task<T>> tasks_;
  std::unique_ptr<detail::Fork[]> forks_;
};

template <class... T>
detail::OffG<typename All<T...>::value_type> operator co_await(All<T...>&&) {
  return {};
}
template <class T>
detail::OffG<typename AllOf<T>::value_type> operator co_await(AllOf<T>&&) {
  return {};
}

/// `auto [a, b] = co_await all(f(), g());` runs the Tasks concurrently and waits until every one has ended; gives their values in order (std::monostate for
/// void), or rethrows the exception that was first, once all have ended. Suspends if there is something to wait for.
///
/// Order: they begin from the left, the first one on the spot, as a call; others are run by the awaiting g, too, or by any thread of its executor that
/// has time. A child that parks, or is run by another thread, is a g of its own, with an id above its parent's.     Go: a WaitGroup round go statements.
template <class... T>
auto all(Task<T>... tasks) {
  return All<T...>(std::move(tasks)...);
}
/// `std::vector<T> r = co_await all(std::move(tasks));`, or nothing for a vector of Task<void>.
template <class T>
auto all(std::vector<Task<T>> tasks) {
  return AllOf<T>(std::move(tasks));
}

}  // namespace gmp
