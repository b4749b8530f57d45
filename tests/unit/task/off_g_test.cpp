// tests/unit/task/off_g_test.cpp — awaited where no goroutine is, everything says so.
// Go: none.  Room: task (floor 4).
#include <gtest/gtest.h>

#include <coroutine>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/task.hpp"
#include "gmp/time.hpp"

namespace gmp::off_g_test {
namespace {

using namespace std::chrono_literals;

// A coroutine type that knows nothing of this library.
struct Foreign {
  struct promise_type {
    Foreign get_return_object() { return Foreign(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { thrown = std::current_exception(); }
    std::exception_ptr thrown;
  };
  explicit Foreign(std::coroutine_handle<promise_type> h) : frame(h) {}
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;
  ~Foreign() { frame.destroy(); }

  // The text of what left it.
  std::string error() const {
    if (!frame.done()) return "it hangs";
    if (!frame.promise().thrown) return "nothing was thrown";
    try {
      std::rethrow_exception(frame.promise().thrown);
    } catch (const std::logic_error& error) {
      return error.what();
    }
  }
  std::coroutine_handle<promise_type> frame;
};

constexpr const char* text = "co_await outside a goroutine";

Task<int> one() { co_return 1; }

TEST(OffG, AwaitOfATask) {
  const Foreign f = []() -> Foreign { co_await one(); }();
  EXPECT_EQ(f.error(), text);
}

TEST(OffG, AwaitOfALvalueTask) {
  const Foreign f = []() -> Foreign {
    Task<int> task = one();
    co_await task;
  }();
  EXPECT_EQ(f.error(), text);
}

TEST(OffG, AwaitOfYield) {
  const Foreign f = []() -> Foreign { co_await yield(); }();
  EXPECT_EQ(f.error(), text);
}

TEST(OffG, AwaitOfSleep) {
  const Foreign f = []() -> Foreign { co_await sleep(1ms); }();
  EXPECT_EQ(f.error(), text);
}

TEST(OffG, AwaitOfBlockingDoesNotCallTheFunction) {
  bool called = false;
  auto body = [&called]() -> Foreign {
    co_await blocking([&called] { called = true; });
  };
  const Foreign f = body();
  EXPECT_EQ(f.error(), text);
  EXPECT_FALSE(called);
}

TEST(OffG, AwaitOfSuspendDoesNotCallTheFunction) {
  bool called = false;
  auto body = [&called]() -> Foreign {
    co_await suspend<void>([&called](Waker<void>) { called = true; });
  };
  const Foreign f = body();
  EXPECT_EQ(f.error(), text);
  EXPECT_FALSE(called);
}

TEST(OffG, AwaitOfAll) {
  const Foreign f = []() -> Foreign { co_await all(one(), one()); }();
  EXPECT_EQ(f.error(), text);
}

TEST(OffG, AwaitOfAJoinHandle) {
  Executor ex;
  auto body = [&ex]() -> Foreign {
    JoinHandle<int> h = ex.spawn(one());
    co_await h.join();
  };
  const Foreign f = body();
  EXPECT_EQ(f.error(), text);
  auto temporary = [&ex]() -> Foreign { co_await ex.spawn(one()); };
  EXPECT_EQ(temporary().error(), text);
  auto lvalue = [&ex]() -> Foreign {
    JoinHandle<int> h = ex.spawn(one());
    co_await h;
  };
  EXPECT_EQ(lvalue().error(), text);
}

TEST(OffG, AForeignCoroutineOnAGoroutinesThreadIsNoGoroutine) {
  run([] {
    const Foreign f = []() -> Foreign { co_await one(); }();
    EXPECT_EQ(f.error(), text);
  });
}

TEST(OffG, IdIsZeroAndThereIsNoCurrentExecutor) {
  EXPECT_EQ(this_g::id(), 0u);
  EXPECT_EQ(Executor::current(), nullptr);
  this_g::set_name("nobody");  // nothing happens
  this_g::unlock_os_thread();
}

}  // namespace
}  // namespace gmp::off_g_test
