// include/gmp/interop/pool.hpp — an Executor where a program expects a thread pool.
// Go: none.  Room: interop (floor 6).
//
// Two kinds of interfaces are common: that of BS::thread_pool and its like (detach_task, submit_task, blocks of a loop, wait), and a base class with
// one virtual add(function), as folly::Executor has. Neither header is needed here: the names are taken as they are, and a test says by concepts
// that they are there.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/sync/waitgroup.hpp"

namespace gmp {

/// The futures of the blocks of a loop, in order.
template <class T>
class pool_futures : public std::vector<std::future<T>> {
 public:
  using std::vector<std::future<T>>::vector;
  /// Blocks until all have ended.
  void wait() const {
    for (const auto& each : *this) each.wait();
  }
  /// What each has given; the first exception, in order, is rethrown when all have ended.
  auto get() {
    wait();
    if constexpr (std::is_void_v<T>) {
      for (auto& each : *this) each.get();
    } else {
      std::vector<T> all;
      all.reserve(this->size());
      for (auto& each : *this) all.push_back(each.get());
      return all;
    }
  }
};

/// An Executor with the names of a thread pool. What is given to it runs on an M as a g of its own, and counts as that: it may start gs, send, unlock;
/// what it waits for by a blocking call holds up nobody. Copies are the same pool, which wait() waits for; the Executor outlives them.
///
/// An exception of a task that has no future is a panic, as one that leaves std::thread is. After a stop of the Executor: std::runtime_error.
class thread_pool_adapter {
 public:
  explicit thread_pool_adapter(Executor& executor) : executor_(&executor), open_(std::make_shared<WaitGroup>()) {}

  /// Runs f().
  template <std::invocable F>
  void detach_task(F&& f) {
    start([call = std::decay_t<F>(std::forward<F>(f))]() mutable { static_cast<void>(std::invoke(std::move(call))); });
  }
  /// Runs f(); the future has what it returns, or throws.
  template <std::invocable F>
  [[nodiscard]] auto submit_task(F&& f) {
    using R = std::invoke_result_t<std::decay_t<F>>;
    std::packaged_task<R()> task(std::forward<F>(f));
    auto future = task.get_future();
    start(std::move(task));
    return future;
  }
  /// Splits [first, last) into blocks, as many as there are Ps unless told, of sizes that differ by one at most, and runs f(begin, end) of each.
  template <class T, std::invocable<T, T> F>
  void detach_blocks(T first, T last, F&& f, std::size_t blocks = 0) {
    auto shared = std::make_shared<std::decay_t<F>>(std::forward<F>(f));
    split(first, last, blocks, [&](T begin, T end) { detach_task([shared, begin, end] { std::invoke(*shared, begin, end); }); });
  }
  template <class T, std::invocable<T, T> F>
  [[nodiscard]] auto submit_blocks(T first, T last, F&& f, std::size_t blocks = 0) {
    auto shared = std::make_shared<std::decay_t<F>>(std::forward<F>(f));
    pool_futures<std::invoke_result_t<std::decay_t<F>&, T, T>> all;
    split(first, last, blocks, [&](T begin, T end) { all.push_back(submit_task([shared, begin, end] { return std::invoke(*shared, begin, end); })); });
    return all;
  }
  /// The same, with f(i) for each i.
  template <class T, std::invocable<T> F>
  void detach_loop(T first, T last, F&& f, std::size_t blocks = 0) {
    detach_blocks(first, last, each_of<T>(std::forward<F>(f)), blocks);
  }
  template <class T, std::invocable<T> F>
  [[nodiscard]] pool_futures<void> submit_loop(T first, T last, F&& f, std::size_t blocks = 0) {
    return submit_blocks(first, last, each_of<T>(std::forward<F>(f)), blocks);
  }
  /// folly::Executor's, and most others'.
  template <std::invocable F>
  void add(F&& f) {
    detach_task(std::forward<F>(f));
  }

  /// Blocks until what was given to this pool has ended. On a plain thread, or inside blocking(f); on a g: std::logic_error.
  void wait() { open_->wait_blocking(); }
  /// How many run at a time: the Executor's Ps.
  std::size_t get_thread_count() const { return static_cast<std::size_t>(executor_->procs()); }
  /// Where what is given to it runs.
  Executor& executor() const noexcept { return *executor_; }

 private:
  // Counted from before it is queued until it has run, or been destroyed unbegun.
  class Open {
   public:
    explicit Open(std::shared_ptr<WaitGroup> in) : in_(std::move(in)) { in_->add(); }
    Open(Open&&) noexcept = default;
    Open& operator=(Open&&) = delete;
    ~Open() {
      if (in_) in_->done();
    }

   private:
    std::shared_ptr<WaitGroup> in_;
  };
  template <class F>
  void start(F f) {
    executor_->post([open = Open(open_), call = std::move(f)]() mutable { call(); });
  }
  template <class T, class F>
  static auto each_of(F&& f) {
    return [call = std::decay_t<F>(std::forward<F>(f))](T begin, T end) mutable {
      for (T i = begin; i < end; ++i) std::invoke(call, i);
    };
  }
  template <class T, class F>
  void split(T first, T last, std::size_t blocks, F&& with) {
    if (!(first < last)) return;
    const auto total = static_cast<std::size_t>(last - first);
    if (blocks == 0) blocks = get_thread_count();
    blocks = std::min(blocks, total);
    T begin = first;
    for (std::size_t i = 0; i < blocks; ++i) {
      const T end = static_cast<T>(begin + static_cast<T>(total / blocks + (i < total % blocks)));
      with(begin, end);
      begin = end;
    }
  }
  Executor* executor_;
  std::shared_ptr<WaitGroup> open_;
};

/// An Executor behind a virtual interface: Base has `virtual void add(Function)`, as folly::Executor with folly::Func. What is added runs on an M as a g of
/// its own; an exception of it is a panic. The Executor outlives it.
///
///     gmp::executor_adapter<folly::Executor, folly::Func> pool(ex);
template <class Base, class Function = std::function<void()>>
class executor_adapter : public Base {
 public:
  explicit executor_adapter(Executor& executor) noexcept : executor_(&executor) {}
  void add(Function f) override {
    executor_->post([call = std::move(f)]() mutable { call(); });
  }
  /// Where what is added goes.
  Executor& executor() const noexcept { return *executor_; }

 private:
  Executor* executor_;
};

}  // namespace gmp
