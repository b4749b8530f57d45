// tests/unit/testing/run_test.cpp — testing::run: one thread, virtual time, and what it calls a failure.
// Go: testing/synctest (synctest_test.go).  Room: testing (floor 6).
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gmp/gmp.hpp"
#include "gmp/testing.hpp"
#include "support/text.hpp"

namespace gmp::testing_run_test {
namespace {

using namespace std::chrono_literals;
using test::has;

std::string failure_of(const std::function<Task<>()>& f) {
  try {
    testing::run(f);
  } catch (const testing::Failure& failure) {
    return failure.what();
  }
  return "no failure";
}

TEST(TestingRun, SleepTakesVirtualTimeOnly) {
  const auto begin = std::chrono::steady_clock::now();
  testing::run([]() -> Task<> {
    const time_point start = testing::now();
    co_await sleep(24h);
    EXPECT_EQ(testing::now() - start, 24h);
  });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1h);
}

TEST(TestingRun, EverythingRunsOnTheCallersThread) {
  const std::thread::id caller = std::this_thread::get_id();
  testing::run([&]() -> Task<> {
    WaitGroup wg;
    for (int i = 0; i < 1000; ++i) {
      wg.go([&]() -> Task<> {
        co_await yield();
        EXPECT_EQ(std::this_thread::get_id(), caller);
        co_await blocking([&] { EXPECT_EQ(std::this_thread::get_id(), caller); });
        co_await this_g::lock_os_thread();
        co_await sleep(1ms);
        EXPECT_EQ(std::this_thread::get_id(), caller);
      });
    }
    EXPECT_EQ(gomaxprocs(8), 1);
    EXPECT_EQ(gomaxprocs(), 1);
    co_await wg.wait();
  });
}

TEST(TestingRun, TimeStandsStillWhileSomebodyCanRun) {
  testing::run([]() -> Task<> {
    const time_point start = testing::now();
    auto sleeper = spawn([]() -> Task<> { co_await sleep(1ns); });
    for (int i = 0; i < 10'000; ++i) co_await yield();
    EXPECT_EQ(testing::now(), start);
    EXPECT_FALSE(sleeper.done());
    co_await sleeper;
    EXPECT_EQ(testing::now() - start, 1ns);
  });
}

TEST(TestingRun, TimersFireAtTheirTimeAndInOrder) {
  std::vector<int> order;
  testing::run([&]() -> Task<> {
    const time_point start = testing::now();
    WaitGroup wg;
    for (const int hours : {3, 1, 2}) {
      wg.go([&order, start, hours]() -> Task<> {
        co_await sleep(std::chrono::hours(hours));
        EXPECT_EQ(testing::now() - start, std::chrono::hours(hours));
        order.push_back(hours);
      });
    }
    co_await wg.wait();
  });
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(TestingRun, TickersContextsAndTimeoutsGoByVirtualTime) {
  testing::run([]() -> Task<> {
    const time_point start = testing::now();
    Ticker ticker(1min);
    for (int i = 1; i <= 3; ++i) {
      const auto tick = co_await ticker.chan().recv();
      EXPECT_EQ(*tick - start, i * 1min);
    }
    auto [context, cancel] = with_timeout(background(), 1h);
    auto never = make_chan<int>();
    const auto [received, why] = co_await until(context, never.recv());
    EXPECT_FALSE(received.has_value());
    EXPECT_EQ(why, errc::deadline_exceeded);
    EXPECT_EQ(testing::now() - start, 3min + 1h);
    const auto [later, why_not] = co_await timeout(1h, never.recv());
    EXPECT_FALSE(later.has_value());
    EXPECT_EQ(why_not, errc::deadline_exceeded);
    EXPECT_EQ(testing::now() - start, 3min + 2h);
  });
}

TEST(TestingRun, TheExceptionOfTheMainGIsRethrown) {
  EXPECT_THROW(testing::run([]() -> Task<> {
                 co_await sleep(1h);
                 throw std::out_of_range("it");
               }),
               std::out_of_range);
}

TEST(TestingRun, GsThatCanRunAreWaitedFor) {
  bool ran = false;
  testing::run([&]() -> Task<> {
    go([&]() -> Task<> {
      for (int i = 0; i < 10; ++i) co_await yield();
      ran = true;
    });
    co_return;
  });
  EXPECT_TRUE(ran);
}

TEST(TestingRun, ADeadlockIsAFailureWithADump) {
  const std::string text = failure_of([]() -> Task<> {
    Mutex mutex;
    co_await mutex.lock();
    this_g::set_name("who waits for himself");
    co_await mutex.lock();
  });
  EXPECT_TRUE(has(text, "all goroutines are asleep - deadlock!")) << text;
  EXPECT_TRUE(has(text, "goroutine 1 \"who waits for himself\" [sync.Mutex.Lock]")) << text;
  EXPECT_TRUE(has(text, "run_test.cpp:")) << text;
}

TEST(TestingRun, TheDumpSaysHowLongEachWaits) {
  const std::string text = failure_of([]() -> Task<> {
    auto never = make_chan<int>();
    go([never]() -> Task<> { co_await never.recv(); });
    co_await sleep(179s);
    go([never]() -> Task<> { co_await never.recv(); });
    co_await sleep(1s);
    WaitGroup group;
    group.add(1);
    co_await group.wait();
  });
  EXPECT_TRUE(has(text, "goroutine 1 [sync.WaitGroup.Wait]:\n")) << text;
  EXPECT_TRUE(has(text, "goroutine 2 [chan receive, 3 minutes]:\n")) << text;
  EXPECT_TRUE(has(text, "goroutine 3 [chan receive]:\n")) << text;
}

TEST(TestingRun, ALeakedGIsAFailureAndIsDestroyed) {
  struct Counted {
    int* alive;
    explicit Counted(int* n) : alive(n) { ++*alive; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --*alive; }
  };
  int alive = 0;
  const std::string text = failure_of([&alive]() -> Task<> {
    go([&alive]() -> Task<> {
      const Counted counted(&alive);
      co_await sleep(1h);  // time stands once the main g has ended
    });
    co_await yield();
  });
  EXPECT_TRUE(has(text, "1 goroutine is left")) << text;
  EXPECT_TRUE(has(text, "[sleep]")) << text;
  EXPECT_EQ(alive, 0);
}

TEST(TestingRun, APanicIsAFailure) {
  const std::string text = failure_of([]() -> Task<> {
    go([]() -> Task<> {
      co_await sleep(1s);
      throw std::runtime_error("the words");
    });
    co_await sleep(1h);
  });
  EXPECT_TRUE(has(text, "panic: the words")) << text;
}

// Who waits for another g keeps no time from passing: an hour goes by, and then that one comes.
TEST(TestingRun, WhoWaitsForAnotherIsDurablyBlocked) {
  testing::run([]() -> Task<> {
    struct Case {
      const char* name;
      std::function<Task<>()> wait, end;
    };
    std::vector<Case> cases;
    const auto add = [&cases](const char* name, auto wait, auto end) { cases.push_back({name, wait, end}); };

    Mutex mutex, other;
    RWMutex written, read;
    Cond cond(other);
    WaitGroup group;
    Semaphore semaphore(1);
    Once once;
    auto never = make_chan<int>(), first = make_chan<int>(), last = make_chan<int>(), given = make_chan<int>(), taken = make_chan<int>(), full = make_chan<int>(1), chosen = make_chan<int>();
    auto [context, cancel] = with_cancel(background());
    auto [near, far] = net::pipe();
    const net::Listener listener = net::listen("tcp", "localhost:80").value();
    net::Conn accepted, dialed;
    EXPECT_TRUE(mutex.try_lock() && written.try_lock() && read.try_rlock() && semaphore.try_acquire() && full.try_send(0));
    group.add(1);
    go([&]() -> Task<> {
      co_await once.call([&]() -> Task<> { co_await first.recv(); });
    });
    auto joined = spawn([&]() -> Task<> { co_await last.recv(); });

    add("Mutex", [&]() -> Task<> { co_await mutex.lock(); }, [&]() -> Task<> { co_return mutex.unlock(); });
    add("RWMutex, to read", [&]() -> Task<> { co_await written.rlock(); }, [&]() -> Task<> { co_return written.unlock(); });
    add("RWMutex, to write", [&]() -> Task<> { co_await read.lock(); }, [&]() -> Task<> { co_return read.runlock(); });
    add("Cond", [&]() -> Task<> {
      co_await other.lock();
      co_await cond.wait();
    }, [&]() -> Task<> { co_return cond.signal(); });
    add("WaitGroup", [&]() -> Task<> { co_await group.wait(); }, [&]() -> Task<> { co_return group.done(); });
    add("Semaphore", [&]() -> Task<> { co_await semaphore.acquire(); }, [&]() -> Task<> { co_return semaphore.release(); });
    add("a channel without a value", [&]() -> Task<> { co_await given.recv(); }, [&]() -> Task<> { co_await given.send(1); });
    add("a channel without a receiver", [&]() -> Task<> { co_await taken.send(1); }, [&]() -> Task<> { co_await taken.recv(); });
    add("a full channel", [&]() -> Task<> { co_await full.send(1); }, [&]() -> Task<> { co_await full.recv(); });
    add("select", [&]() -> Task<> { co_await select(recv(chosen), recv(never)); }, [&]() -> Task<> { co_await chosen.send(1); });
    add("a context", [&]() -> Task<> { co_await context.done().recv(); }, [&]() -> Task<> { co_return cancel(); });
    add("net::pipe", [&]() -> Task<> {
      std::array<char, 1> byte;
      EXPECT_EQ((co_await near.read(byte)).value(), 1u);
    }, [&]() -> Task<> { EXPECT_EQ((co_await far.write("x")).value(), 1u); });
    add("accept", [&]() -> Task<> { accepted = (co_await listener.accept()).value(); },
        [&]() -> Task<> { dialed = (co_await net::dial("tcp", "localhost:80")).value(); });
    add("a connection in memory", [&]() -> Task<> {
      std::array<char, 1> byte;
      EXPECT_EQ((co_await accepted.read(byte)).value(), 1u);
    }, [&]() -> Task<> { EXPECT_EQ((co_await dialed.write("x")).value(), 1u); });
    add("Once", [&]() -> Task<> { co_await once.call([] {}); }, [&]() -> Task<> { co_return first.close(); });
    add("join", [&]() -> Task<> { co_await joined; }, [&]() -> Task<> { co_return last.close(); });

    for (const Case& c : cases) {
      const time_point start = testing::now();
      auto waiter = spawn(std::ref(c.wait));
      co_await sleep(1h);
      EXPECT_FALSE(waiter.done()) << c.name;
      co_await c.end();
      co_await waiter;
      EXPECT_EQ(testing::now() - start, 1h) << c.name;
    }
  });
}

TEST(TestingRun, FilesTakeNoVirtualTime) {
  testing::run([]() -> Task<> {
    const time_point start = testing::now();
    auto [in, out, failed] = os::pipe();
    EXPECT_FALSE(failed);
    auto sleeper = spawn([]() -> Task<> { co_await sleep(1h); });
    auto writer = spawn([](os::File& end) -> Task<> {
      co_await yield();
      static_cast<void>(co_await end.write(std::string_view("x")));
    }, std::ref(out));
    std::array<std::byte, 1> byte{};
    const auto [n, err] = co_await in.read(byte);
    EXPECT_EQ(n, 1u);
    EXPECT_EQ(testing::now(), start);
    co_await writer;
    co_await sleeper;
  });
}

TEST(TestingRun, AWakerOfAnotherThreadIsWaitedFor) {
  std::thread other;
  testing::run([&]() -> Task<> {
    const int got = co_await suspend<int>([&](Waker<int> waker) { other = std::thread([waker]() mutable { waker.wake(7); }); });
    EXPECT_EQ(got, 7);
  });
  other.join();
}

TEST(TestingRun, TheSelectsAndIdsOfTwoRunsAreTheSame) {
  const auto record = [] {
    std::vector<int> chosen;
    testing::run([&]() -> Task<> {
      EXPECT_EQ(this_g::id(), 1u);
      auto a = make_chan<int>(100), b = make_chan<int>(100);
      for (int i = 0; i < 100; ++i) {
        co_await a.send(i);
        co_await b.send(i);
      }
      std::optional<int> v;
      for (int i = 0; i < 50; ++i) chosen.push_back(co_await select(recv(a, v), recv(b, v)));
    });
    return chosen;
  };
  EXPECT_EQ(record(), record());
}

TEST(TestingRun, OnAGOrInsideAnotherItIsAnError) {
  const auto inner = [] { testing::run([] {}); };
  EXPECT_THROW(gmp::run([&] { inner(); }), std::logic_error);
  EXPECT_THROW(testing::run([&] { inner(); }), std::logic_error);
  testing::run([&]() -> Task<> { co_await blocking([&] { EXPECT_THROW(inner(), std::logic_error); }); });
  EXPECT_THROW(testing::run(std::function<Task<>()>()), std::invalid_argument);
  testing::run([] {});  // and the thread is as before
  EXPECT_EQ(this_g::id(), 0u);
}

}  // namespace
}  // namespace gmp::testing_run_test
