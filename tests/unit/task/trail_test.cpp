// tests/unit/task/trail_test.cpp — what a panic says of frames that are gone: where each of them awaited last.
// Go: none (a traceback is read from the stack).  Room: task (floor 4).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace gmp::trail_test {
namespace {

// The lines of its trail, the innermost frame's first.
std::vector<int> lines_of_panic(Task<> (*f)()) {
  std::vector<int> lines;
  Executor ex({.procs = 1, .on_panic = [&lines](std::exception_ptr, const GInfo& g) {
                 for (const Frame& frame : g.stack) lines.push_back(static_cast<int>(frame.line));
               }});
  ex.run([f]() -> Task<> {
    WaitGroup wg;
    wg.add(1);
    go([](Task<> (*f)(), WaitGroup* wg) -> Task<> {
      struct Done {
        WaitGroup* wg_;
        ~Done() { wg_->done(); }
      } done{wg};
      co_await f();
    }, f, &wg);
    co_await wg.wait();
    while (num_goroutine() > 1) co_await yield();
  });
  if (!lines.empty()) lines.pop_back();  // the one that called f
  return lines;
}

[[noreturn]] void fail() { throw std::runtime_error("oops"); }

int line = 0, outer_line = 0;

Task<> locks() {
  Mutex mu;
  line = __LINE__, co_await mu.lock();
  mu.unlock();
  fail();
}

Task<> yields() {
  line = __LINE__, co_await yield();
  fail();
}

Task<> yields_and_locks() {
  Mutex mu;
  co_await yield();
  co_await mu.lock();
  mu.unlock();
}

Task<> calls_after_an_operation() {
  co_await yield();
  line = __LINE__, co_await yields_and_locks();
  fail();
}

Task<> locks_after_a_call() {
  Mutex mu;
  co_await yields_and_locks();
  line = __LINE__, co_await mu.lock();
  mu.unlock();
  fail();
}

TEST(Trail, SaysWhatTheInnermostAwaitedLast) {
  for (const auto f : {&locks, &yields, &calls_after_an_operation, &locks_after_a_call}) {
    const std::vector<int> lines = lines_of_panic(f);
    EXPECT_EQ(lines, std::vector{line});
  }
}

Task<> awaits_nothing(bool fails) {
  if (fails) fail();
  co_return;
}

Task<> calls_one_that_awaits_nothing() {
  co_await yield();
  line = __LINE__, co_await awaits_nothing(true);
}

Task<> calls_one_that_calls() { outer_line = __LINE__, co_await calls_one_that_awaits_nothing(); }

Task<> has_one_called() {
  Once once;
  co_await yield();
  outer_line = __LINE__, co_await once.call(yields);
}

TEST(Trail, SaysWhereEachOfTheOthersAwaitsItsCallee) {  // who awaited nothing at all is not in it
  for (const auto f : {&calls_one_that_calls, &has_one_called}) {
    const std::vector<int> lines = lines_of_panic(f);
    EXPECT_EQ(lines, (std::vector{line, outer_line}));
  }
}

}  // namespace
}  // namespace gmp::trail_test
