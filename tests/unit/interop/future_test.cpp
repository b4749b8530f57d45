// tests/unit/interop/future_test.cpp — std::future on a goroutine.
// Go: none.  Room: interop (floor 6).
#include "gmp/interop/future.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"

namespace gmp::future_test {
namespace {

TEST(Future, GivesWhatGetGives) {
  run([]() -> Task<> {
    std::promise<int> promise;
    promise.set_value(7);
    const int ready = co_await promise.get_future();
    EXPECT_EQ(ready, 7);

    std::promise<std::unique_ptr<int>> later;
    auto future = later.get_future();
    std::jthread sets([&] { later.set_value(std::make_unique<int>(8)); });
    const std::unique_ptr<int> moved = co_await std::move(future);
    EXPECT_EQ(*moved, 8);
    EXPECT_FALSE(future.valid());

    int x = 0;
    std::promise<int&> reference;
    reference.set_value(x);
    int& same = co_await reference.get_future();
    EXPECT_EQ(&same, &x);

    std::promise<void> nothing;
    nothing.set_value();
    co_await nothing.get_future();

    const std::thread::id ran = co_await std::async(std::launch::deferred, [] { return std::this_thread::get_id(); });
    EXPECT_NE(ran, std::thread::id());
  });
}

TEST(Future, ASharedOneIsLeftToItsOwner) {
  run([]() -> Task<> {
    std::promise<std::string> promise;
    const std::shared_future<std::string> shared = promise.get_future().share();
    std::vector<JoinHandle<std::string>> all;
    for (int i = 0; i < 10; ++i)
      all.push_back(spawn([](std::shared_future<std::string> of) -> Task<std::string> { co_return co_await of; }, shared));
    promise.set_value("for all");
    for (auto& one : all) {
      const std::string got = co_await one;
      EXPECT_EQ(got, "for all");
    }
    EXPECT_TRUE(shared.valid());
  });
}

TEST(Future, ThrowsWhatGetThrows) {
  run([]() -> Task<> {
    std::string text;
    std::promise<int> promise;
    promise.set_exception(std::make_exception_ptr(std::runtime_error("theirs")));
    try {
      static_cast<void>(co_await promise.get_future());
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "theirs");

    std::error_code why;
    try {
      static_cast<void>(co_await std::future<int>());
    } catch (const std::future_error& error) {
      why = error.code();
    }
    EXPECT_EQ(why, std::future_errc::no_state);

    auto broken = std::make_unique<std::promise<int>>();
    auto future = broken->get_future();
    std::jthread breaks([&] { broken.reset(); });
    std::exception_ptr thrown;
    try {
      static_cast<void>(co_await std::move(future));
    } catch (...) {
      thrown = std::current_exception();
    }
    breaks.join();  // TSan does not see how the two count references to the exception
    try {
      std::rethrow_exception(thrown);
    } catch (const std::future_error& error) {
      why = error.code();
    }
    EXPECT_EQ(why, std::future_errc::broken_promise);
  });
}

// With one P: those who wait keep threads, and nobody's P.
TEST(Future, OthersRunMeanwhile) {
  Executor ex({.procs = 1});
  std::vector<std::promise<int>> promises(20);
  const int sum = ex.run([&]() -> Task<int> {
    std::vector<JoinHandle<int>> waiting;
    for (auto& promise : promises)
      waiting.push_back(spawn([](std::future<int> future) -> Task<int> { co_return co_await std::move(future); }, promise.get_future()));
    co_await yield();  // they wait
    for (int i = 0; auto& promise : promises) promise.set_value(++i);
    int total = 0;
    for (auto& one : waiting) total += co_await one;
    co_return total;
  });
  EXPECT_EQ(sum, 210);
}

}  // namespace
}  // namespace gmp::future_test
