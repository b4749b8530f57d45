// tests/unit/go/attempt_test.cpp — attempt: what is thrown becomes a result.
// Go: none (recover).  Room: go (floor 4).
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/result.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/thrown.hpp"

namespace gmp::attempt_test {
namespace {

using namespace std::chrono_literals;
using test::text_of;

Task<int> gives(int n) {
  co_await yield();
  co_return n;
}
Task<> throws(const char* what) {
  co_await gmp::sleep(1ms);
  throw std::runtime_error(what);
}
Task<std::unique_ptr<int>> throws_a_code() {
  co_await yield();
  throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory));
}
int global = 5;
Task<int&> gives_a_reference() {
  co_await yield();
  co_return global;
}

TEST(Attempt, GivesTheValueOrTheException) {
  run([]() -> Task<> {
    const Result<int> n = co_await attempt(gives(3));
    EXPECT_EQ(n.value(), 3);
    EXPECT_FALSE(n.exception);

    const Result<void> failed = co_await attempt(throws("broken"));
    EXPECT_FALSE(failed);
    EXPECT_EQ(failed.err, errc::exception);
    EXPECT_EQ(text_of(failed.exception), "broken");
    EXPECT_EQ(failed.message(), "broken");
    EXPECT_THROW(failed.value(), std::runtime_error);

    const Result<std::unique_ptr<int>> coded = co_await attempt(throws_a_code());
    EXPECT_EQ(coded.err, std::errc::no_such_file_or_directory);
    EXPECT_TRUE(coded.exception);
  });
}

TEST(Attempt, AnLvalueAndAReference) {
  run([]() -> Task<> {
    auto task = gives(4);
    const auto n = co_await attempt(task);
    EXPECT_EQ(n.value(), 4);
    EXPECT_FALSE(task);
    const auto r = co_await attempt(gives_a_reference());
    EXPECT_EQ(&r.value().get(), &global);
  });
}

TEST(Attempt, AnEmptyTaskIsAMistakeAsEver) {
  run([]() -> Task<> {
    Task<int> empty;
    EXPECT_THROW(static_cast<void>(co_await attempt(empty)), std::logic_error);
  });
}

TEST(Attempt, AnOperation) {
  run([]() -> Task<> {
    auto ch = make_chan<int>();
    ch.close();
    const Result<void> sent = co_await attempt(ch.send(1));
    EXPECT_EQ(text_of(sent.exception), "send on closed channel");
    const Result<std::optional<int>> received = co_await attempt(ch.recv());
    EXPECT_EQ(received.value(), std::nullopt);
    auto h = spawn(throws, "in a goroutine");
    const Result<void> joined = co_await attempt(h.join());
    EXPECT_EQ(text_of(joined.exception), "in a goroutine");
    const auto fails = []() -> int { throw std::runtime_error("in a call"); };
    const Result<int> called = co_await attempt(blocking(fails));
    EXPECT_EQ(text_of(called.exception), "in a call");
    const auto refuses = [](Waker<int>) { throw std::runtime_error("at once"); };
    const Result<int> suspended = co_await attempt(suspend<int>(refuses));
    EXPECT_EQ(text_of(suspended.exception), "at once");
  });
}

// The first caller of a Once awaits f in place of the operation.
TEST(Attempt, AnOperationThatAwaitsACoroutine) {
  run([]() -> Task<> {
    Once once, failing;
    int calls = 0;
    auto f = [&calls]() -> Task<> {
      co_await yield();
      ++calls;
    };
    EXPECT_TRUE(co_await attempt(once.call(f)));
    EXPECT_TRUE(co_await attempt(once.call(f)));
    EXPECT_EQ(calls, 1);
    auto fails = []() -> Task<> {
      co_await yield();
      throw std::runtime_error("in f");
    };
    const Result<void> failed = co_await attempt(failing.call(fails));
    EXPECT_EQ(text_of(failed.exception), "in f");
    OnceValue<int> value{[]() -> Task<int> {
      co_await yield();
      co_return 3;
    }};
    const auto three = co_await attempt(value.get());
    EXPECT_EQ(three.value().get(), 3);

    Once in_time, late;
    const auto done = co_await attempt(timeout(1h, in_time.call(f)));
    EXPECT_EQ(done.value(), std::error_code());
    EXPECT_EQ(calls, 2);
    const auto not_begun = co_await attempt(timeout(0s, late.call(f)));
    EXPECT_EQ(not_begun.value(), errc::deadline_exceeded);  // which is no exception
    EXPECT_FALSE(late.done());
  });
}

TEST(Attempt, TasksTogether) {
  run([]() -> Task<> {
    const auto both = co_await attempt(all(gives(1), gives(2)));
    EXPECT_EQ(std::get<1>(both.value()), 2);
    const auto failed = co_await attempt(all(gives(1), throws("of two")));
    EXPECT_EQ(text_of(failed.exception), "of two");
  });
}

TEST(Attempt, ThenCleansUpByAwaiting) {
  run([]() -> Task<> {
    auto cleaned = make_chan<int>(1);
    const auto result = co_await attempt(throws("half-way"));
    if (!result) co_await cleaned.send(1);
    EXPECT_EQ(cleaned.size(), 1u);
  });
}

}  // namespace
}  // namespace gmp::attempt_test
