// tests/unit/interop/pool_test.cpp — an Executor in the place of a thread pool, by the names that such have.
// Go: none.  Room: interop (floor 6).
#include "gmp/interop/pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"

namespace gmp::pool_test {
namespace {

// What a program of either kind is written against.
template <class P>
concept BlockPool = requires(P& pool, void (*f)(), int (*g)(), void (*each)(int), void (*block)(int, int)) {
  pool.detach_task(f);
  { pool.submit_task(g) } -> std::same_as<std::future<int>>;
  pool.detach_loop(0, 1, each);
  pool.submit_loop(0, 1, each).wait();
  pool.detach_blocks(0, 1, block, std::size_t{2});
  pool.submit_blocks(0, 1, block).get();
  pool.wait();
  { pool.get_thread_count() } -> std::same_as<std::size_t>;
};
template <class P>
concept AddExecutor = requires(P& pool, void (*f)()) { pool.add(f); };

static_assert(BlockPool<thread_pool_adapter>);
static_assert(AddExecutor<thread_pool_adapter>);

/// A piece of a program that knows of no goroutines.
template <BlockPool Pool>
long sum_of_squares(Pool& pool, int n) {
  std::vector<long> squares(static_cast<std::size_t>(n));
  pool.submit_loop(0, n, [&](int i) { squares[static_cast<std::size_t>(i)] = static_cast<long>(i) * i; }).wait();
  auto parts = pool.submit_blocks(std::size_t{0}, squares.size(), [&](std::size_t begin, std::size_t end) {
    return std::accumulate(squares.begin() + static_cast<std::ptrdiff_t>(begin), squares.begin() + static_cast<std::ptrdiff_t>(end), 0L);
  }, 7);
  EXPECT_EQ(parts.size(), 7U);
  long sum = 0;
  for (const long part : parts.get()) sum += part;
  return sum;
}

TEST(Pool, RunsAProgramWrittenForAThreadPool) {
  Executor ex({.procs = 3});
  thread_pool_adapter pool(ex);
  EXPECT_EQ(pool.get_thread_count(), 3U);
  EXPECT_EQ(sum_of_squares(pool, 1'000), 332'833'500);
  EXPECT_EQ(pool.submit_task([only = std::make_unique<int>(5)] { return *only; }).get(), 5);
}

TEST(Pool, EachIndexOnce) {
  Executor ex({.procs = 4});
  thread_pool_adapter pool(ex);
  for (const int n : {0, 1, 3, 4, 5, 1'000}) {
    for (const std::size_t blocks : {0U, 1U, 3U, 2'000U}) {
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(n));
      pool.detach_loop(0, n, [&](int i) { ++hits[static_cast<std::size_t>(i)]; }, blocks);
      pool.wait();
      for (const auto& hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

TEST(Pool, WaitWaitsForItsOwnAndForCopies) {
  Executor ex({.procs = 1});
  thread_pool_adapter pool(ex), copy = pool, other(ex);
  std::promise<void> gate;
  std::atomic<int> done{0};
  other.detach_task([opened = gate.get_future()] { opened.wait(); });  // holds up nobody
  for (int i = 0; i < 10; ++i) copy.detach_task([&] { ++done; });
  pool.add([&] { ++done; });
  pool.wait();
  EXPECT_EQ(done, 11);
  gate.set_value();
  other.wait();
}

TEST(Pool, ExceptionsComeByTheFuture) {
  Executor ex({.procs = 1});
  thread_pool_adapter pool(ex);
  auto future = pool.submit_task([]() -> int { throw std::runtime_error("theirs"); });
  EXPECT_THROW(future.get(), std::runtime_error);
  auto all = pool.submit_loop(0, 4, [](int i) {
    if (i == 2) throw std::runtime_error("the third");
  }, 4);
  EXPECT_THROW(all.get(), std::runtime_error);
  pool.wait();
}

// What was given to a pool whose executor stops is destroyed: nobody waits for it.
TEST(Pool, AStopLeavesNobodyWaiting) {
  auto ex = std::make_unique<Executor>(Options{.procs = 1});
  thread_pool_adapter pool(*ex);
  std::promise<void> gate;
  std::atomic<bool> begun{false};
  pool.detach_task([&begun, opened = gate.get_future()] {
    begun = true;
    opened.wait();
  });
  while (!begun) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) pool.detach_task([] {});  // some of which will not begin
  std::jthread opens([&] { gate.set_value(); });
  ex->stop();
  pool.wait();
  EXPECT_THROW(pool.detach_task([] {}), std::runtime_error);
  pool.wait();
}

// A base class as folly::Executor is: one virtual add, of a function type of its own.
class Job {
 public:
  template <class F>
  Job(F f) : run_(std::make_unique<Of<F>>(std::move(f))) {}
  void operator()() { run_->call(); }

 private:
  struct Any {
    virtual ~Any() = default;
    virtual void call() = 0;
  };
  template <class F>
  struct Of final : Any {
    explicit Of(F f) : f_(std::move(f)) {}
    void call() override { f_(); }
    F f_;
  };
  std::unique_ptr<Any> run_;
};
class TheirExecutor {
 public:
  virtual ~TheirExecutor() = default;
  virtual void add(Job job) = 0;
};

TEST(Pool, StandsBehindAVirtualInterface) {
  Executor ex({.procs = 2});
  executor_adapter<TheirExecutor, Job> pool(ex);
  TheirExecutor& theirs = pool;
  std::promise<Executor*> where;
  theirs.add([&where, only = std::make_unique<int>(1)] { where.set_value(Executor::current()); });
  EXPECT_EQ(where.get_future().get(), &ex);
}

}  // namespace
}  // namespace gmp::pool_test
