// include/gmp/detail/go/all.hpp — all(): run Tasks concurrently and wait for every one.
// Go: sync.WaitGroup round go statements.  Room: go (floor 4).
//
// Each Task becomes a g; the awaiting g parks on a count in its own frame.  The count starts one higher than there are children: the parent
// takes its own one off after it has published itself, so the last child, whoever that is, finds somebody to wake.              [ALL-COUNT]
#pragma once

#include <cstddef>
#include <exception>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/task/spawn.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/task.hpp"

namespace gmp {
namespace detail {

template <class T>
Task<> all_child(Task<T> task, ResultSlot<T>* result) {
  result->emplace(co_await std::move(task));
}
inline Task<> all_child(Task<void> task, ResultSlot<std::monostate>* result) {
  co_await std::move(task);
  result->emplace();
}

class AllJoin : public GEnd, Immovable {
 public:
  explicit AllJoin(std::size_t children) noexcept;

  /// Starts the task as a g of the calling g's executor. What goes wrong there, even for want of a frame, counts as the child's exception: those
  /// that were started before refer to us.
  template <class T, class V>
  void start(Task<T>& task, ResultSlot<V>* result, std::source_location where) noexcept {
    try {
      start(all_child(std::move(task), result), where);
    } catch (...) {
      child_ended(std::current_exception());
    }
  }
  void rethrow() {
    if (first_) std::rethrow_exception(std::move(first_));
  }

  class Awaiter;
  struct WaitOp {
    using Awaiter = AllJoin::Awaiter;
    using operation_tag = void;
    explicit WaitOp(AllJoin& join) noexcept : join_(&join) {}
    AllJoin* join_;
  };
  WaitOp wait() noexcept { return WaitOp(*this); }

 private:
  static void on_end(GEnd* self, G* gp, void* thrown) noexcept;
  void start(Task<> child, std::source_location where);
  void child_ended(std::exception_ptr thrown) noexcept;
  Lock lock_;
  std::exception_ptr first_;  // lock_, until the last child has ended
  Waiter waiter_;
  Atomic<std::size_t> count_;
};

class AllJoin::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, WaitOp&& op) noexcept : OperationAwaiter(gp), join_(op.join_) {}
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) noexcept;
  void await_resume() const noexcept {}

 private:
  AllJoin* join_;
};

template <class T>
using AllValue = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class... T>
Task<std::tuple<AllValue<T>...>> all_tuple(std::source_location where, Task<T>... tasks) {
  std::tuple<ResultSlot<AllValue<T>>...> results;
  AllJoin join(sizeof...(T));
  std::apply([&](auto&... result) { (join.start(tasks, &result, where), ...); }, results);
  co_await join.wait();
  join.rethrow();
  co_return std::apply([](auto&... result) { return std::tuple<AllValue<T>...>(std::move(result.get())...); }, results);
}

template <class T>
Task<std::conditional_t<std::is_void_v<T>, void, std::vector<T>>> all_vector(std::source_location where, std::vector<Task<T>> tasks) {
  std::vector<ResultSlot<AllValue<T>>> results(tasks.size());
  AllJoin join(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) join.start(tasks[i], &results[i], where);
  co_await join.wait();
  join.rethrow();
  if constexpr (!std::is_void_v<T>) {
    std::vector<T> values;
    values.reserve(results.size());
    for (auto& result : results) values.push_back(std::move(result.get()));
    co_return values;
  }
}

}  // namespace detail

/// `auto [a, b] = co_await all(f(), g());` runs the Tasks concurrently, each as a g, and parks until every one has ended; gives their values in
/// order (std::monostate for void), or rethrows the exception that was first, once all have ended.
template <class... T>
auto all(Task<T>... tasks) {
  return detail::all_tuple<T...>(std::source_location::current(), std::move(tasks)...);
}
/// `std::vector<T> r = co_await all(std::move(tasks));`, or nothing for a vector of Task<void>.
template <class T>
auto all(std::vector<Task<T>> tasks, std::source_location where = std::source_location::current()) {
  return detail::all_vector<T>(where, std::move(tasks));
}

}  // namespace gmp
