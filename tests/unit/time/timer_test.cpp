// tests/unit/time/timer_test.cpp — Timer, Ticker, after and after_func: never early, and nothing stale after a stop or a reset.
// Go: time/sleep_test.go, time/tick_test.go.  Room: time (floor 5).
#include "gmp/time.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/testing.hpp"
#include "support/burn.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"
#include "support/quiet.hpp"
#include "support/scale.hpp"

namespace gmp::timer_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::on_executor;

TEST(After, GivesTheTimeOnceAndNeverEarly) {
  on_executor([]() -> Task<> {
    for (const auto duration : {0ms, 1ms, 5ms, 20ms}) {
      const auto begin = Clock::now();
      const RecvChan<time_point> c = after(duration);
      const std::optional<time_point> when = co_await c.recv();
      EXPECT_GE(Clock::now() - begin, duration);
      EXPECT_GE(*when - begin, duration);
      EXPECT_LE(*when, Clock::now());
      EXPECT_EQ(c.try_recv(), std::nullopt);
    }
    EXPECT_TRUE(co_await after(-5s).recv());  // the past is now
  });
}

TEST(After, InASelect) {
  on_executor([]() -> Task<> {
    const auto never = make_chan<int>();
    EXPECT_EQ(co_await select(recv(never), recv(after(5ms)), recv(after(10min))), 1);
    auto soon = make_chan<int>(1);
    co_await soon.send(1);
    EXPECT_EQ(co_await select(recv(soon), recv(after(1h))), 0);
  });
}

// In virtual time it has sent after the sleep, whatever the machine does meanwhile.
TEST(Timer, LooksLikeAChannelWithoutABuffer) {
  testing::run([]() -> Task<> {
    Timer t(0s);
    co_await gmp::sleep(5ms);
    EXPECT_EQ(t.chan().size(), 0u);
    EXPECT_EQ(t.chan().capacity(), 0u);
    EXPECT_TRUE(t.chan().try_recv());
    EXPECT_FALSE(t.stop());
  });
}

TEST(Timer, StopBeforeAndAfter) {
  on_executor([]() -> Task<> {
    Timer t(1h);
    EXPECT_TRUE(t.stop());
    EXPECT_FALSE(t.stop());
    Timer fired(1ms);
    co_await gmp::sleep(10ms);
    EXPECT_TRUE(fired.stop()) << "nobody has received it";  // as of Go 1.23
    EXPECT_FALSE(fired.chan().try_recv()) << "a stale value";
    Timer received(1ms);
    co_await received.chan().recv();
    EXPECT_FALSE(received.stop());
  });
}

TEST(Timer, Reset) {
  on_executor([]() -> Task<> {
    Timer t(1h);
    const auto begin = Clock::now();
    EXPECT_TRUE(t.reset(5ms));
    co_await t.chan().recv();
    EXPECT_FALSE(t.reset(20ms));
    co_await t.chan().recv();
    EXPECT_GE(Clock::now() - begin, 25ms);
    t.reset(1ms);
    co_await gmp::sleep(10ms);
    const auto again = Clock::now();
    EXPECT_TRUE(t.reset(30ms));  // it had sent, nobody had received
    const auto when = co_await t.chan().recv();
    EXPECT_GE(Clock::now() - again, 30ms) << "a stale value";
    EXPECT_GE(*when - again, 30ms);
  });
}

// Stops and resets against fires: after a stop nothing comes, whatever came before.
TEST(Timer, NothingStaleAfterAStop) {
  on_executor([]() -> Task<> {
    const int rounds = static_cast<int>(test::scaled(3'000, 300));
    int fired = 0, stopped = 0;
    for (int i = 0; i < rounds; ++i) {
      Timer t(std::chrono::microseconds(i % 60));
      if (i % 3 == 0) co_await gmp::sleep(std::chrono::microseconds(i % 50));
      if (i % 5 == 0) t.reset(std::chrono::microseconds(i % 40));
      const bool was_active = t.stop();
      ++(was_active ? stopped : fired);
      EXPECT_FALSE(t.chan().try_recv());
      if (i % 100 == 0) {
        co_await gmp::sleep(1ms);
        EXPECT_FALSE(t.chan().try_recv());
      }
    }
    EXPECT_GT(stopped, 0);
  });
}

TEST(Timer, TheLastHandleTakesItAlong) {
  on_executor([]() -> Task<> {
    for (int i = 0; i < 1'000; ++i) {
      const auto c = after(std::chrono::microseconds(i % 50));  // dropped before, while, and after it fires
      if (i % 7 == 0) co_await yield();
    }
    std::optional<RecvChan<time_point>> kept;
    {
      Timer t(2ms);
      kept = t.chan();
    }  // destroying it stops it
    co_await gmp::sleep(10ms);
    EXPECT_FALSE(kept->try_recv());
  });
}

TEST(Timer, DurationsThatOverflowNeverFire) {
  on_executor([]() -> Task<> {
    Timer t(std::chrono::nanoseconds::max()), u(std::chrono::hours::max());
    co_await gmp::sleep(2ms);
    EXPECT_FALSE(t.chan().try_recv() || u.chan().try_recv());
    EXPECT_TRUE(t.reset(std::chrono::nanoseconds::min()));  // it was active, as any other
    co_await t.chan().recv();
    EXPECT_FALSE(t.stop());
    EXPECT_TRUE(u.stop());
    auto f = after_func(std::chrono::hours::max(), [] {});
    EXPECT_TRUE(f.stop());
    EXPECT_FALSE(f.stop());
  });
}

TEST(Timer, FromAPlainThreadAndBeyondItsExecutor) {
  Timer here(1ms);  // on the default executor
  EXPECT_TRUE(here.chan().recv_blocking());
  std::unique_ptr<Timer> fired, armed;
  std::optional<Ticker> ticker;
  {
    Executor ex;
    ex.run([&]() -> Task<> {
      fired = std::make_unique<Timer>(1ms);
      armed = std::make_unique<Timer>(1h);
      ticker.emplace(1ms);
      co_await fired->chan().recv();
      co_await ticker->chan().recv();
    });
  }
  EXPECT_FALSE(fired->stop());
  armed->stop();
  ticker->stop();
  fired->reset(1ms);  // begins anew, on the default executor
  EXPECT_TRUE(fired->chan().recv_blocking());
}

TEST(Ticker, KeepsItsRhythm) {
  on_executor([]() -> Task<> {
    const auto begin = Clock::now();
    Ticker k(10ms);
    for (int i = 1; i <= 10; ++i) {
      co_await k.chan().recv();
      EXPECT_GE(Clock::now() - begin, i * 10ms);
    }
    k.stop();
    co_await gmp::sleep(25ms);
    EXPECT_FALSE(k.chan().try_recv());
    EXPECT_EQ(co_await select(recv(k.chan()), otherwise), 1);  // not closed
  });
}

// In virtual time none comes between the two looks.
TEST(Ticker, ASlowReceiverMissesTicks) {
  testing::run([]() -> Task<> {
    Ticker k(2ms);
    co_await gmp::sleep(50ms);
    EXPECT_TRUE(k.chan().try_recv());
    EXPECT_FALSE(k.chan().try_recv()) << "they pile up";
    k.reset(1h);
    EXPECT_FALSE(k.chan().try_recv());
    k.reset(1ms);
    co_await gmp::sleep(5ms);
    k.stop();
    EXPECT_FALSE(k.chan().try_recv()) << "what came before the stop is gone";
    EXPECT_FALSE(k.chan().drained()) << "it is not closed";
  });
}

TEST(Ticker, BadInput) {
  const auto what = [](auto f) -> std::string {
    try {
      f();
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "nothing thrown";
  };
  EXPECT_EQ(what([] { Ticker k(0s); }), "non-positive interval for NewTicker");
  EXPECT_EQ(what([] { Ticker k(-1ms); }), "non-positive interval for NewTicker");
  Ticker k(1h);
  EXPECT_EQ(what([&] { k.reset(0s); }), "non-positive interval for Ticker.Reset");
}

// Go: TestZeroTimerResetPanics. There is none that was never started, but one may have been moved from.
TEST(Timer, OneThatWasMovedFromHasNothingToReset) {
  Timer gone(1h), timer = std::move(gone);
  Ticker silent(1h), ticker = std::move(silent);
  const auto what = [](auto f) -> std::string {
    try {
      f();
    } catch (const std::logic_error& e) {
      return e.what();
    }
    return "nothing thrown";
  };
  EXPECT_EQ(what([&] { gone.reset(1ms); }), "time: Reset called on uninitialized Timer");
  EXPECT_EQ(what([&] { silent.reset(1ms); }), "time: Reset called on uninitialized Ticker");
  EXPECT_FALSE(gone.stop());
  silent.stop();
  EXPECT_FALSE(gone.chan());
  EXPECT_TRUE(timer.reset(2h));
}

TEST(AfterFunc, RunsInAGoroutineOfItsOwn) {
  on_executor([]() -> Task<> {
    auto ran = make_chan<std::uint64_t>(2);
    const auto begin = Clock::now();
    AfterFunc plain = after_func(5ms, [ran] { static_cast<void>(ran.try_send(this_g::id())); });
    static_cast<void>(after_func(1ms, [ran]() -> Task<> {  // the handle may be dropped
      co_await yield();
      co_await ran.send(this_g::id());
    }));
    const auto first = co_await ran.recv(), second = co_await ran.recv();
    EXPECT_GE(Clock::now() - begin, 5ms);
    EXPECT_NE(*first, *second);
    EXPECT_NE(*first, this_g::id());
    EXPECT_FALSE(plain.stop());
    EXPECT_FALSE(AfterFunc().stop());
  });
}

// In virtual time the stop is not too late.
TEST(AfterFunc, StoppedItDoesNotRunAndIsDestroyed) {
  testing::run([]() -> Task<> {
    auto held = std::make_shared<int>(1);
    std::atomic<bool> ran{false};
    AfterFunc a = after_func(5ms, [held, &ran] { ran = true; });
    EXPECT_EQ(held.use_count(), 2);
    EXPECT_TRUE(a.stop());
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_FALSE(a.stop());
    co_await gmp::sleep(15ms);
    EXPECT_FALSE(ran);
  });
}

TEST(AfterFunc, StopAndFireAreOneOrTheOther) {
  on_executor([]() -> Task<> {
    const int n = static_cast<int>(test::scaled(2'000, 200));
    std::atomic<int> ran{0};
    int stopped = 0;
    for (int i = 0; i < n; ++i) {
      AfterFunc a = after_func(std::chrono::microseconds(i % 40), [&] { ++ran; });
      if (i % 2 == 0) co_await gmp::sleep(std::chrono::microseconds(i % 30));
      stopped += a.stop();
    }
    while (ran + stopped < n) co_await yield();
    co_await gmp::sleep(2ms);
    EXPECT_EQ(ran + stopped, n);
  });
}

TEST(AfterFunc, AStoppedExecutorDestroysWhatWasToCome) {
  auto held = std::make_shared<int>(1);
  AfterFunc a;
  {
    Executor ex;
    ex.run([&]() -> Task<> {
      a = after_func(1h, [held] {});
      static_cast<void>(after_func(2h, [held]() -> Task<> { co_return; }));
      co_return;
    });
    EXPECT_EQ(held.use_count(), 3);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(a.stop());
}

TEST(AfterFunc, AnExceptionIsAPanic) {
  const auto died = test::child::run([] {
    gmp::run([]() -> Task<> {
      static_cast<void>(after_func(1ms, [] { throw std::runtime_error("late"); }));
      co_await gmp::sleep(1h);
    });
  });
  EXPECT_EQ(died.status, 2);
  EXPECT_NE(died.err.find("late"), std::string::npos) << died;
  EXPECT_NE(died.err.find("timer_test.cpp"), std::string::npos) << died;
}

using Lateness = std::vector<std::chrono::nanoseconds>;  // the latest first

std::chrono::nanoseconds percentile(const Lateness& late, std::size_t p) { return late[late.size() * (100 - p) / 100]; }

// How long each thread of this process has waited for a CPU since it began.
using CpuWaits = std::map<std::string, std::int64_t>;
CpuWaits waits_for_a_cpu() {
  CpuWaits waits;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
    std::int64_t ran = 0, waited = 0;
    if (std::ifstream(task.path() / "schedstat") >> ran >> waited) waits[task.path().filename().string()] = waited;
  }
  return waits;
}
// The longest of them since then.
std::chrono::nanoseconds longest_since(const CpuWaits& then) {
  std::int64_t longest = 0;
  for (const auto& [thread, waited] : waits_for_a_cpu()) {
    const auto before = then.find(thread);
    longest = std::max(longest, before == then.end() ? waited : waited - before->second);
  }
  return std::chrono::nanoseconds(longest);
}

// How late n timers of 1 to 3 ms are; and how late a thread's sleeps are, by turns with them: what the machine adds. quiet: of these only those that
// nobody took a CPU from; there may be few. Without it: less what one of our threads waited for a CPU meanwhile, the one that waited longest; and 50 will do
// where n take too long.
Task<std::pair<Lateness, Lateness>> lateness(int n, const test::Quiet* quiet = nullptr) {
  struct Wait {
    Clock::time_point due, done;
    std::chrono::nanoseconds without_cpu;
  };
  std::vector<Wait> timers, sleeps;
  const auto enough = Clock::now() + 5s;
  for (int i = 0; i < n && (i < 50 || Clock::now() < enough); ++i) {
    const auto length = 1ms + std::chrono::microseconds(i % 20 * 100);
    CpuWaits before;
    if (quiet == nullptr) before = waits_for_a_cpu();
    const auto due = Clock::now() + length;
    Timer timer(length);
    const auto when = co_await timer.chan().recv();
    timers.push_back({due, Clock::now(), 0ns});
    if (quiet == nullptr) timers.back().without_cpu = longest_since(before);
    EXPECT_GE(*when, due) << "early";
    if (quiet == nullptr) before = waits_for_a_cpu();
    const auto begin = Clock::now();
    const auto sleep_on_thread = [length] { std::this_thread::sleep_for(length); };
    co_await blocking(sleep_on_thread);
    sleeps.push_back({begin + length, Clock::now(), 0ns});
    if (quiet == nullptr) sleeps.back().without_cpu = longest_since(before);
  }
  if (quiet != nullptr) co_await blocking(test::Quiet::settle);
  const auto lateness_of = [quiet](const std::vector<Wait>& waits) {
    Lateness late;
    for (const Wait& wait : waits) {
      if (quiet == nullptr || quiet->between(wait.due, wait.done)) late.push_back(wait.done - wait.due - wait.without_cpu);
    }
    std::sort(late.rbegin(), late.rend());
    return late;
  };
  co_return std::pair(lateness_of(timers), lateness_of(sleeps));
}

TEST(Timers, LateByLessThanAMillisecondWhenIdle) {
  on_executor([]() -> Task<> {
    const test::Quiet quiet;
    const auto [late, thread_late] = co_await lateness(static_cast<int>(test::scaled(500, 100)), &quiet);
    std::printf("%zu and %zu waits while the CPUs were ours\n", late.size(), thread_late.size());
    if (std::min(late.size(), thread_late.size()) < 50) co_return;
    std::printf("late: median %lld us, 99 %% %lld us; a thread %lld us, %lld us\n", static_cast<long long>(percentile(late, 50).count() / 1000),
                static_cast<long long>(percentile(late, 99).count() / 1000), static_cast<long long>(percentile(thread_late, 50).count() / 1000),
                static_cast<long long>(percentile(thread_late, 99).count() / 1000));
    EXPECT_LT(percentile(late, 50), percentile(thread_late, 50) + 500us);
    EXPECT_LT(percentile(late, 99), percentile(thread_late, 99) + 1ms);
  });
}

TEST(Timers, LateByATimeSliceOrTwoWhenEveryProcessorIsBusy) {
  on_executor([]() -> Task<> {
    bool over = false;
    WaitGroup busy;
    for (int i = 0; i < 2 * gomaxprocs(); ++i) {
      busy.go([&over]() -> Task<> {
        while (!std::atomic_ref(over).load()) {
          test::burn(100us);
          co_await yield();
        }
      });
    }
    const auto [late, thread_late] = co_await lateness(static_cast<int>(test::scaled(200, 50)));
    EXPECT_LT(percentile(late, 90), percentile(thread_late, 90) + 20ms);
    std::atomic_ref(over).store(true);
    co_await busy.wait();
  });
}

TEST(Timers, AMillionAtOnce) {
  on_executor([]() -> Task<> {
    const auto n = static_cast<std::size_t>(test::scaled(1'000'000, 100'000));
    std::vector<Timer> timers;
    timers.reserve(n);
    for (std::size_t i = 0; i < n; ++i) timers.emplace_back(1h + std::chrono::microseconds(i * 7919 % n));
    Timer soon(1ms);  // it is not held up by the others
    EXPECT_TRUE(co_await soon.chan().recv());
    for (std::size_t i = 0; i < n; i += 2) EXPECT_TRUE(timers[i].stop());
    for (std::size_t i = 0; i < n; i += 1'000) {
      EXPECT_FALSE(timers[i].reset(1ms)) << "it was stopped";
      EXPECT_TRUE(timers[i + 1].reset(1ms)) << "it was not";
    }
    for (std::size_t i = 0; i < n; i += 1'000) EXPECT_TRUE((co_await timers[i].chan().recv()) && (co_await timers[i + 1].chan().recv()));
  });
}

TEST(Timers, AHundredThousandAtOnce) {
  on_executor([]() -> Task<> {
    const int n = static_cast<int>(test::scaled(100'000, 2'000));
    std::vector<Timer> timers;
    timers.reserve(static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) timers.emplace_back(std::chrono::milliseconds(20 + i % 30));
    for (int i = 0; i < n; i += 2) EXPECT_TRUE(timers[static_cast<std::size_t>(i)].stop());
    for (int i = 1; i < n; i += 2) EXPECT_TRUE(co_await timers[static_cast<std::size_t>(i)].chan().recv());
    for (int i = 0; i < n; i += 2) EXPECT_FALSE(timers[static_cast<std::size_t>(i)].chan().try_recv());
  });
}

}  // namespace
}  // namespace gmp::timer_test
