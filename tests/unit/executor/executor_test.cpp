// tests/unit/executor/executor_test.cpp — Executor: several in a process; go, spawn, run, post, submit from any thread; its options.
// Go: the runtime itself.  Room: executor (floor 4).
#include "gmp/executor.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmp/go.hpp"
#include "gmp/time.hpp"
#include "support/child.hpp"
#include "support/threads.hpp"
#include "unit/task/probe.hpp"

namespace gmp::executor_test {
namespace {

using namespace std::chrono_literals;
using test::MoveOnly;
using test::Probe;

static_assert(!std::is_copy_constructible_v<Executor> && !std::is_move_constructible_v<Executor>);
static_assert(!std::is_copy_assignable_v<Executor> && !std::is_move_assignable_v<Executor>);

template <class E, class F>
std::string text_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::string thread_name() {
  char name[32] = {};
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return name;
}

TEST(Executor, ThreadsStartOnFirstUse) {
  const std::set<std::string> before = test::thread_ids();
  const auto started = [&before] {
    std::set<std::string> ids = test::thread_ids();
    for (const std::string& id : before) ids.erase(id);
    return ids;
  };
  Executor ex({.procs = 4});
  EXPECT_EQ(started(), std::set<std::string>());
  ex.run([] {});
  EXPECT_FALSE(started().empty());
}

TEST(Executor, AnUnusedOneStops) {
  Executor ex;
  EXPECT_FALSE(ex.stopped());
  ex.stop();
  EXPECT_TRUE(ex.stopped());
  Executor never_stopped;
}

TEST(Executor, CurrentIsTheOneOfTheGoroutine) {
  Executor a;
  Executor b;
  EXPECT_EQ(Executor::current(), nullptr);
  EXPECT_EQ(a.run([] { return Executor::current(); }), &a);
  EXPECT_EQ(b.run([]() -> Task<Executor*> {
    co_await sleep(1ms);
    co_return Executor::current();
  }),
            &b);
}

TEST(Executor, DefaultOneIsOneAndTheSame) {
  EXPECT_EQ(&default_executor(), &default_executor());
  EXPECT_EQ(default_executor().run([] { return Executor::current(); }), &default_executor());
}

TEST(Executor, RunSeveralTimesAndAtOnce) {
  std::atomic<int> sum{0};
  Executor ex({.procs = 2});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          sum += ex.run([]() -> Task<int> {
            co_await yield();
            co_return 1;
          });
        }
      });
    }
  }
  EXPECT_EQ(sum, 200);
}

TEST(Executor, RunLeavesTheOthersRunning) {
  std::atomic<int> turns{0};
  std::atomic<bool> stop{false};
  Executor ex({.procs = 1});
  ex.run([&] {
    go([&]() -> Task<> {
      while (!stop) {
        ++turns;
        co_await yield();
      }
    });
  });
  const int seen = turns;
  while (turns == seen) std::this_thread::yield();
  stop = true;
}

TEST(Executor, PostRunsAPlainCallableOnAnM) {
  Executor ex({.name = "posts"});
  std::promise<std::string> where;
  ex.post([&where] { where.set_value(thread_name()); });
  EXPECT_EQ(where.get_future().get().substr(0, 6), "posts/");
}

TEST(Executor, PostTakesMoveOnlyCallablesAndDestroysThem) {
  std::atomic<int> alive{0};
  std::atomic<int> ran{0};
  {
    Executor ex;
    ex.post([m = MoveOnly(alive), &ran] { ++ran; });
    auto named = [p = Probe(alive), &ran] { ++ran; };
    ex.post(named);
    ex.post(std::move(named));
    while (ran != 3) std::this_thread::yield();
  }
  EXPECT_EQ(alive, 0);
}

TEST(Executor, PostFromAGoroutineOfAnother) {
  Executor a;
  Executor b;
  std::atomic<Executor*> ran_on{nullptr};
  a.run([&]() -> Task<> {
    b.post([&ran_on] { ran_on = Executor::current(); });
    while (ran_on == nullptr) co_await yield();
  });
  EXPECT_EQ(ran_on, &b);
}

TEST(Executor, SubmitGivesAFuture) {
  Executor ex;
  std::future<int> f = ex.submit([] { return 5; });
  EXPECT_EQ(f.get(), 5);
  std::future<void> v = ex.submit([] {});
  v.get();
  std::future<std::unique_ptr<int>> p = ex.submit([] { return std::make_unique<int>(6); });
  EXPECT_EQ(*p.get(), 6);
  int x = 0;
  std::future<int&> r = ex.submit([&x]() -> int& { return x; });
  EXPECT_EQ(&r.get(), &x);
  std::future<void> failed = ex.submit([] { throw std::out_of_range("in the pool"); });
  failed.wait();
  ex.stop();  // so that the pool's share of the exception is gone: libstdc++ counts where TSan cannot see it
  EXPECT_EQ(text_of<std::out_of_range>([&failed] { failed.get(); }), "in the pool");
}

TEST(Executor, SubmitThatIsStoppedBeforeItRanIsABrokenPromise) {
  std::future<int> f;
  {
    std::atomic<bool> busy{false};
    std::atomic<bool> submitted{false};
    Executor ex({.procs = 1});
    ex.post([&] {
      busy = true;
      while (!submitted) std::this_thread::yield();
      std::this_thread::sleep_for(5ms);
    });
    while (!busy) std::this_thread::yield();
    // Whether it runs beside the busy one is up to the scheduler: many, so that some do not.
    std::vector<std::future<void>> many;
    for (int i = 0; i < 100; ++i) many.push_back(ex.submit([] { std::this_thread::sleep_for(1ms); }));
    f = ex.submit([] { return 1; });
    submitted = true;
    ex.stop();
    for (auto& one : many) {
      ASSERT_EQ(one.wait_for(0s), std::future_status::ready);
    }
  }
  ASSERT_EQ(f.wait_for(0s), std::future_status::ready);
}

TEST(Executor, JoinsAndWakesAcrossThree) {
  Executor a({.procs = 1});
  Executor b({.procs = 1});
  Executor c({.procs = 1});
  const int got = a.run([&]() -> Task<int> {
    auto in_b = [&c](int x) -> Task<int> {
      JoinHandle<int> h = c.spawn([x]() -> Task<int> {
        co_await sleep(100us);
        co_return x + 1;
      });
      co_return 1 + co_await h;
    };
    int sum = 0;
    for (int i = 0; i < 100; ++i) {
      JoinHandle<int> h = b.spawn(in_b, i);
      sum += co_await h;
    }
    co_return sum;
  });
  EXPECT_EQ(got, 4950 + 200);
}

TEST(Executor, AnExecutorMadeAndDestroyedInsideAGoroutineOfAnother) {
  run([]() -> Task<> {
    std::atomic<int> alive{0};
    for (int i = 0; i < 5; ++i) {
      Executor inner({.procs = 1});
      JoinHandle<int> h = inner.spawn([]() -> Task<int> {
        co_await yield();
        co_return 3;
      });
      inner.go([p = Probe(alive)]() -> Task<> { co_await sleep(24h); });
      const int three = co_await h;
      EXPECT_EQ(three, 3);
    }
    EXPECT_EQ(alive, 0);
  });
}

// ---- options

TEST(ExecutorOptions, ProcsOutOfRangeAreRefused) {
  EXPECT_EQ(text_of<std::invalid_argument>([] { Executor ex({.procs = -1}); }), "procs must be 1..1024, got -1");
  EXPECT_EQ(text_of<std::invalid_argument>([] { Executor ex({.procs = 1025}); }), "procs must be 1..1024, got 1025");
  EXPECT_EQ(text_of<std::invalid_argument>([] { Executor ex({.max_hogs = -1}); }), "max_hogs must not be negative, got -1");
  EXPECT_THROW(Executor({.procs = 1, .max_threads = 0}), std::invalid_argument);
}

TEST(ExecutorOptions, ProcsAreThatMany) {
  for (const int procs : {1, 2, 7, 1024}) {
    Executor ex({.procs = procs});
    EXPECT_EQ(ex.run([] { return gomaxprocs(); }), procs);
  }
}

TEST(ExecutorOptions, ProcsFromTheEnvironment) {
  const auto with = [](const char* value) {
    return test::child::run([] { std::printf("%d", run([] { return gomaxprocs(); })); }, {.environment = {std::string("GMPMAXPROCS=") + value}});
  };
  EXPECT_EQ(with("3").out, "3");
  EXPECT_EQ(with("1024").out, "1024");
  const auto empty = with("");
  EXPECT_EQ(empty.err, "");
  for (const char* bad : {"abc", "0", "-1", "1025", "3x", " ", "99999999999999999999"}) {
    const auto outcome = with(bad);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out, empty.out) << bad;  // as if it were not set
    EXPECT_EQ(outcome.err, std::string("gmpcoro: GMPMAXPROCS must be 1..1024, got \"") + bad + "\": ignored\n");
  }
}

TEST(ExecutorOptions, ProcsInTheOptionsWinOverTheEnvironment) {
  const auto outcome = test::child::run(
      [] {
        Executor ex({.procs = 5});
        std::printf("%d", ex.run([] { return gomaxprocs(); }));
      },
      {.environment = {"GMPMAXPROCS=3"}});
  EXPECT_EQ(outcome.out, "5");
}

TEST(ExecutorOptions, ThreadsCarryTheName) {
  Executor ex({.procs = 1, .name = "mine"});
  EXPECT_EQ(ex.run([] { return thread_name(); }).substr(0, 5), "mine/");
  Executor long_name({.procs = 1, .name = "a name beyond what the kernel takes"});
  EXPECT_EQ(long_name.run([] { return thread_name(); }), "a name beyond/0");  // cut, so that each has its number
}

TEST(ExecutorOptions, ThreadHooksRunOnEachMOnceEach) {
  std::mutex mutex;
  std::multiset<std::thread::id> started;
  std::multiset<std::thread::id> stopped;
  std::set<std::thread::id> used;
  {
    Executor ex({.procs = 2,
                 .on_thread_start =
                     [&] {
                       std::lock_guard guard(mutex);
                       started.insert(std::this_thread::get_id());
                     },
                 .on_thread_stop =
                     [&] {
                       std::lock_guard guard(mutex);
                       stopped.insert(std::this_thread::get_id());
                     }});
    ex.run([&]() -> Task<> {
      std::vector<JoinHandle<void>> handles;
      for (int i = 0; i < 20; ++i) {
        handles.push_back(spawn([&]() -> Task<> {
          for (int k = 0; k < 10; ++k) {
            {
              std::lock_guard guard(mutex);
              used.insert(std::this_thread::get_id());
            }
            co_await blocking([] { std::this_thread::sleep_for(100us); });
          }
        }));
      }
      for (auto& h : handles) co_await h;
    });
    std::lock_guard guard(mutex);
    EXPECT_TRUE(stopped.empty());
  }
  EXPECT_EQ(started, stopped);
  for (const auto id : used) EXPECT_EQ(started.count(id), 1u);
  for (const auto id : started) EXPECT_EQ(started.count(id), 1u);
}

TEST(ExecutorOptions, OnPanicReplacesTheEndOfTheProcess) {
  std::mutex mutex;
  std::vector<std::string> texts;
  std::vector<GInfo> infos;
  std::atomic<int> alive{0};
  {
    Executor ex({.procs = 2, .on_panic = [&](std::exception_ptr thrown, const GInfo& info) {
                   std::lock_guard guard(mutex);
                   texts.push_back(text_of<std::exception>([&] { std::rethrow_exception(thrown); }));
                   infos.push_back(info);
                   EXPECT_EQ(alive, 0);  // after its frames are gone
                 }});
    ex.run([&]() -> Task<> {
      go([p = Probe(alive)]() -> Task<> {
        this_g::set_name("loser");
        co_await yield();
        throw std::runtime_error("first");
      });
      for (;;) {
        {
          std::lock_guard guard(mutex);
          if (texts.size() == 1) break;
        }
        co_await yield();
      }
    });
    ex.post([] { throw std::runtime_error("second"); });
    for (;;) {
      {
        std::lock_guard guard(mutex);
        if (texts.size() == 2) break;
      }
      std::this_thread::yield();  // or who is to write there may wait for the mutex for long
    }
    EXPECT_EQ(ex.run([] { return 7; }), 7);  // it lives on
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(infos[0].name, "loser");
  EXPECT_NE(infos[0].id, 0u);
  EXPECT_NE(infos[0].parent_id, 0u);
  EXPECT_NE(std::string(infos[0].created_at.file_name()).find("executor_test.cpp"), std::string::npos);
  EXPECT_EQ(infos[1].parent_id, 0u);
}

TEST(ExecutorOptions, OnPanicHearsOfADroppedHandleToo) {
  std::atomic<int> heard{0};
  Executor ex({.procs = 1, .on_panic = [&heard](std::exception_ptr, const GInfo&) { ++heard; }});
  const auto throws = [] { throw std::runtime_error("dropped"); };
  ex.spawn(throws).detach();  // before it ends, most likely
  while (heard != 1) std::this_thread::yield();
  {
    JoinHandle<void> h = ex.spawn(throws);
    while (!h.done()) std::this_thread::yield();
    EXPECT_EQ(heard, 1);
  }  // after it ended
  EXPECT_EQ(heard, 2);
  {
    JoinHandle<void> h = ex.spawn(throws);
    EXPECT_THROW(h.get(), std::runtime_error);
  }
  EXPECT_EQ(heard, 2);
}

TEST(ExecutorOptions, MaxThreadsIsAFatalError) {
  const auto outcome = test::child::run([] {
    Executor ex({.procs = 1, .max_threads = 3});
    ex.run([]() -> Task<> {
      for (int i = 0; i < 10; ++i) {
        go([]() -> Task<> { co_await blocking([] { std::this_thread::sleep_for(5s); }); });
      }
      co_await sleep(3s);
    });
  });
  EXPECT_EQ(outcome.status, 2) << outcome;
  EXPECT_EQ(outcome.err.substr(0, 31), "fatal error: thread exhaustion\n") << outcome;
}

TEST(ExecutorOptions, AFewThreadsAreEnoughForManyBlockingCalls) {
  // No more Ms than are blocked at a time, eight, and two with a P; and those that the system holds up on their way back from a call, which are a few. A
  // thread for each call would be 160.
  Executor ex({.procs = 2, .max_threads = 40});
  ex.run([]() -> Task<> {
    for (int round = 0; round < 20; ++round) {
      std::vector<JoinHandle<void>> handles;
      for (int i = 0; i < 8; ++i) {
        handles.push_back(spawn([]() -> Task<> { co_await blocking([] { std::this_thread::sleep_for(1ms); }); }));
      }
      for (auto& h : handles) co_await h;
    }
  });
}

}  // namespace
}  // namespace gmp::executor_test
