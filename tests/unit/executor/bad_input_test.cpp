// tests/unit/executor/bad_input_test.cpp — what a program should not do to an executor: it is told, and nothing is lost.
// Go: runtime/crash_test.go.  Room: executor (floor 4).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/net.hpp"
#include "gmp/time.hpp"
#include "support/child.hpp"
#include "support/net.hpp"

namespace gmp::bad_input_test {
namespace {

using namespace std::chrono_literals;
using test::on_executor;

template <class E, class F>
std::string what_of(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing thrown";
}

TEST(BadInput, MaxThreadsBelowOne) {
  for (const int n : {0, -1}) {
    EXPECT_EQ(what_of<std::invalid_argument>([n] { Executor ex({.max_threads = n}); }), "max_threads must be at least 1, got " + std::to_string(n));
  }
}

TEST(BadInput, AStoppedExecutorStartsNothing) {
  Executor ex;
  ex.run([] {});
  ex.stop();
  EXPECT_TRUE(ex.stopped());
  EXPECT_EQ(what_of<std::runtime_error>([&] { ex.go([] {}); }), "executor stopped");
  EXPECT_EQ(what_of<std::runtime_error>([&] { static_cast<void>(ex.spawn([] { return 1; })); }), "executor stopped");
  EXPECT_EQ(what_of<std::runtime_error>([&] { ex.post([] {}); }), "executor stopped");
  EXPECT_EQ(what_of<std::runtime_error>([&] { ex.run([] {}); }), "executor stopped");
  ex.stop();  // does nothing
}

TEST(BadInput, StopFromOneOfItsOwn) {
  Executor ex;
  ex.run([&] {
    EXPECT_EQ(what_of<std::logic_error>([&] { ex.stop(); }), "stop() called from a goroutine of the same executor");
  });
  EXPECT_FALSE(ex.stopped());
  ex.run([] {});
}

// Each either starts its g, which then ends or is destroyed, or is refused: none is lost.
TEST(BadInput, StopWhileOthersStart) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> started{0}, refused{0}, gone{0};
    struct Counted {
      explicit Counted(std::atomic<int>& n) : gone(&n) {}
      Counted(Counted&& other) noexcept : gone(std::exchange(other.gone, nullptr)) {}
      ~Counted() {
        if (gone != nullptr) ++*gone;
      }
      std::atomic<int>* gone;
    };
    {
      Executor ex;
      std::vector<std::thread> threads;
      for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&] {
          for (int i = 0; i < 200; ++i) {
            try {
              ex.go([counted = Counted(gone)]() -> Task<> { co_await yield(); });
              ++started;
            } catch (const std::runtime_error&) {
              ++refused;
            }
          }
        });
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
      ex.stop();
      for (std::thread& thread : threads) thread.join();
    }
    EXPECT_EQ(started + refused, 600);
    EXPECT_EQ(gone, 600);
  }
}

TEST(BadInput, AnEmptyFunctionForBlocking) {
  on_executor([]() -> Task<> {
    const std::function<void()> empty;
    bool thrown = false;
    try {
      co_await blocking(empty);
    } catch (const std::exception&) {  // what calling it throws passes to the caller
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
}

TEST(BadInput, SleepsOfAllKinds) {
  on_executor([]() -> Task<> {
    const auto begin = test::Clock::now();
    co_await gmp::sleep(-1h);
    co_await gmp::sleep(0s);
    co_await gmp::sleep(std::chrono::nanoseconds::min());
    co_await gmp::sleep(std::chrono::hours::min());
    co_await gmp::sleep(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()));
    co_await gmp::sleep(std::chrono::duration<double>(-std::numeric_limits<double>::infinity()));
    co_await gmp::sleep_until(time_point::min());
    co_await gmp::sleep_until(begin);
    EXPECT_LT(test::Clock::now() - begin, 10s);
    std::atomic<int> woken{0};
    const auto for_ever = [&woken](auto duration) -> Task<> {
      co_await gmp::sleep(duration);
      ++woken;
    };
    go(for_ever, std::chrono::nanoseconds::max());
    go(for_ever, std::chrono::hours::max());
    go(for_ever, std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
    co_await gmp::sleep(5ms);
    EXPECT_EQ(woken, 0);
  });
}

TEST(BadInput, ANullBufferWithASize) {
  on_executor([]() -> Task<> {
    const auto pair = co_await test::conn_pair();
    char* const null = nullptr;
    EXPECT_EQ(what_of<std::invalid_argument>([&] { static_cast<void>(pair.a.read(io::Buffer(null, 5))); }), "null buffer with a size");
    EXPECT_EQ(what_of<std::invalid_argument>([&] { static_cast<void>(pair.a.write(io::ConstBuffer(null, 5))); }), "null buffer with a size");
    const auto nothing = co_await pair.a.read(io::Buffer(null, 0));
    EXPECT_TRUE(nothing);
  });
}

TEST(BadInput, UseAfterFork) {
  const auto died = test::child::run([] {
    Executor ex;
    ex.run([] {});
    const pid_t child = ::fork();
    if (child == 0) {
      ex.go([] {});
      std::_Exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ex.run([] {});  // the parent goes on
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_NE(died.err.find("fatal error: gmp used after fork"), std::string::npos) << died;
}

}  // namespace
}  // namespace gmp::bad_input_test
