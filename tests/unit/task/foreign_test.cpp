// tests/unit/task/foreign_test.cpp — a goroutine awaits what is not this library's: every shape the language allows.
// Go: none (a cgo callback comes nearest).  Room: task (floor 4).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/task.hpp"
#include "gmp/time.hpp"
#include "support/scale.hpp"

namespace gmp::foreign_test {
namespace {

using namespace std::chrono_literals;

// ---- awaiters of a library that has never heard of this one

struct Ready {
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const { throw std::logic_error("was ready"); }
  int await_resume() const noexcept { return 11; }
};

// Threads that a goroutine starts to be resumed by.  Each waits until it is in the list: the goroutine may look at it, or start another.
class Threads {
 public:
  template <class F>
  void start(F f) {
    std::lock_guard guard(mutex_);
    threads_.emplace_back([this, f] {
      { std::lock_guard listed(mutex_); }
      f();
    });
  }
  std::thread::id last() {
    std::lock_guard guard(mutex_);
    return threads_.back().get_id();
  }

 private:
  std::mutex mutex_;
  std::vector<std::jthread> threads_;
};

// Resumed by a thread of its own, after `delay`.
struct OnThread {
  explicit OnThread(Threads& where, std::chrono::microseconds d = 0us) : threads(&where), delay(d) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    threads->start([handle, this_delay = delay] {
      if (this_delay > 0us) std::this_thread::sleep_for(this_delay);
      handle.resume();
    });
  }
  std::thread::id await_resume() const noexcept { return std::this_thread::get_id(); }
  Threads* threads;
  std::chrono::microseconds delay;
};

struct InlineVoid {  // resumed before await_suspend returns, on this very thread
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
  int await_resume() const noexcept { return 12; }
};

struct SaysBool {
  explicit SaysBool(bool s) : suspends(s) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) const {
    if (suspends) handle.resume();
    return suspends;
  }
  int await_resume() const noexcept { return 13; }
  bool suspends;
};

struct GivesItsOwnHandle {  // "go on at once", said the long way
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const noexcept { return handle; }
  int await_resume() const noexcept { return 14; }
};

struct GivesNoop {
  explicit GivesNoop(Threads& where) : threads(&where) {}
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) {
    threads->start([handle] { handle.resume(); });
    return std::noop_coroutine();
  }
  int await_resume() const noexcept { return 15; }
  Threads* threads;
};

enum class When { ready, suspend, resume };
struct Throws {
  explicit Throws(When w) : when(w) {}
  bool await_ready() const {
    if (when == When::ready) throw std::runtime_error("ready");
    return when == When::resume;
  }
  void await_suspend(std::coroutine_handle<>) const {
    if (when == When::suspend) throw std::runtime_error("suspend");
  }
  void await_resume() const {
    if (when == When::resume) throw std::runtime_error("resume");
  }
  When when;
};

struct Member {
  auto operator co_await() const noexcept { return Ready{}; }
};
struct MemberOnLvalueOnly {
  auto operator co_await() & noexcept { return InlineVoid{}; }
};
struct Free {};
auto operator co_await(Free) noexcept { return Ready{}; }

// A lazy task of another library: symmetric transfer to it and back.
struct OtherTask {
  struct promise_type {
    OtherTask get_return_object() { return OtherTask(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct Back {
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> frame) const noexcept { return frame.promise().back; }
        void await_resume() const noexcept {}
      };
      return Back{};
    }
    void return_value(int v) noexcept { value = v; }
    void unhandled_exception() noexcept { thrown = std::current_exception(); }
    std::coroutine_handle<> back;
    int value = 0;
    std::exception_ptr thrown;
  };
  explicit OtherTask(std::coroutine_handle<promise_type> h) : frame(h) {}
  OtherTask(OtherTask&& other) noexcept : frame(std::exchange(other.frame, nullptr)) {}
  ~OtherTask() {
    if (frame) frame.destroy();
  }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    frame.promise().back = awaiter;
    return frame;
  }
  int await_resume() const {
    if (frame.promise().thrown) std::rethrow_exception(frame.promise().thrown);
    return frame.promise().value;
  }
  std::coroutine_handle<promise_type> frame;
};

// ---- claims

TEST(Foreign, ReadyOnesGoStraightOn) {
  run([]() -> Task<> {
    const int got = co_await Ready{};
    EXPECT_EQ(got, 11);
  });
}

TEST(Foreign, VoidAwaitSuspend) {
  run([]() -> Task<> {
    const int got = co_await InlineVoid{};
    EXPECT_EQ(got, 12);
  });
}

TEST(Foreign, BoolAwaitSuspendThatSuspendsAndThatDoesNot) {
  run([]() -> Task<> {
    for (const bool suspends : {true, false, true, false}) {
      const int got = co_await SaysBool(suspends);
      EXPECT_EQ(got, 13);
    }
  });
}

TEST(Foreign, HandleAwaitSuspendToItselfAndToNoop) {
  Threads threads;
  run([&threads]() -> Task<> {
    int got = co_await GivesItsOwnHandle{};
    EXPECT_EQ(got, 14);
    got = co_await GivesNoop(threads);
    EXPECT_EQ(got, 15);
  });
}

TEST(Foreign, OperatorCoAwaitAsMemberAndFree) {
  run([]() -> Task<> {
    int got = co_await Member{};
    EXPECT_EQ(got, 11);
    got = co_await Free{};
    EXPECT_EQ(got, 11);
    MemberOnLvalueOnly lvalue;
    got = co_await lvalue;
    EXPECT_EQ(got, 12);
  });
}

TEST(Foreign, AnLvalueIsUsedInPlace) {
  struct Counts {
    Counts() = default;
    Counts(const Counts&) = delete;
    Counts& operator=(const Counts&) = delete;
    bool await_ready() noexcept { return ++looks, true; }
    void await_suspend(std::coroutine_handle<>) noexcept {}
    int& await_resume() noexcept { return looks; }
    int looks = 0;
  };
  run([]() -> Task<> {
    Counts awaitable;
    co_await awaitable;
    int& looks = co_await awaitable;
    EXPECT_EQ(&looks, &awaitable.looks);
    EXPECT_EQ(looks, 2);
  });
}

TEST(Foreign, ExceptionsOfAwaitReadySuspendAndResumeAreRethrown) {
  run([]() -> Task<> {
    std::string texts;
    for (const When when : {When::ready, When::suspend, When::resume}) {
      try {
        co_await Throws(when);
      } catch (const std::runtime_error& error) {
        texts += error.what();
        texts += ' ';
      }
    }
    EXPECT_EQ(texts, "ready suspend resume ");
    co_await yield();  // and the g is as good as before
  });
}

TEST(Foreign, CompletedOnAnotherThreadTheGoroutineGoesOnOnItsOwnExecutor) {
  Threads threads;
  Executor ex({.procs = 2, .name = "own"});
  ex.run([&threads, &ex]() -> Task<> {
    for (int i = 0; i < 20; ++i) {
      const std::thread::id where = co_await OnThread(threads, std::chrono::microseconds(i % 2 * 300));
      EXPECT_NE(where, threads.last());
      EXPECT_EQ(where, std::this_thread::get_id());
      EXPECT_EQ(Executor::current(), &ex);
    }
  });
}

TEST(Foreign, ATaskOfAnotherLibraryByTransferAndBack) {
  run([]() -> Task<> {
    auto other = [](int x) -> OtherTask { co_return x + 1; };
    OtherTask task = other(1);
    const int got = co_await task;
    EXPECT_EQ(got, 2);
    auto throws = []() -> OtherTask {
      throw std::runtime_error("theirs");
      co_return 0;
    };
    OtherTask bad = throws();
    std::string text;
    try {
      co_await bad;
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "theirs");
  });
}

// Resumed by a thread of its own once others have had a turn.
struct OthersTurn {
  OthersTurn(Threads& where, const std::atomic<int>& of) : threads(&where), turns(&of) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    threads->start([handle, count = turns] {
      while (*count == 0) std::this_thread::sleep_for(100us);
      handle.resume();
    });
  }
  void await_resume() const noexcept {}
  Threads* threads;
  const std::atomic<int>* turns;
};

TEST(Foreign, OthersRunWhileOneWaits) {
  Threads threads;
  Executor ex({.procs = 1, .max_hogs = 0});  // one at a time
  ex.run([&threads]() -> Task<> {
    std::atomic<int> turns{0};
    std::atomic<bool> stop{false};
    auto spinner = [&turns, &stop]() -> Task<> {
      while (!stop) {
        ++turns;
        co_await yield();
      }
    };
    JoinHandle<void> h = spawn(spinner);
    EXPECT_EQ(turns, 0);
    co_await OthersTurn(threads, turns);
    EXPECT_GT(turns.load(), 0);
    stop = true;
    co_await h;
  });
}

TEST(Foreign, ManyAtOnceFromManyThreads) {
  const auto each = static_cast<int>(test::scaled(2000, 100));
  std::atomic<int> sum{0};
  Executor ex({.procs = 4});
  // Two threads that resume whatever they are given.
  struct Pool {
    std::mutex mutex;
    std::vector<std::coroutine_handle<>> handles;
    std::atomic<bool> stop{false};
    void work() {
      while (!stop) {
        std::coroutine_handle<> next;
        {
          std::lock_guard guard(mutex);
          if (!handles.empty()) {
            next = handles.back();
            handles.pop_back();
          }
        }
        if (next)
          next.resume();
        else
          std::this_thread::yield();
      }
    }
  } pool;
  struct InPool {
    explicit InPool(Pool& p) : pool(&p) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const {
      std::lock_guard guard(pool->mutex);
      pool->handles.push_back(handle);
    }
    void await_resume() const noexcept {}
    Pool* pool;
  };
  std::jthread first([&pool] { pool.work(); });
  std::jthread second([&pool] { pool.work(); });
  ex.run([&]() -> Task<> {
    auto body = [&]() -> Task<> {
      for (int i = 0; i < each; ++i) {
        co_await InPool(pool);
        ++sum;
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 10; ++i) handles.push_back(spawn(body));
    for (auto& h : handles) co_await h;
  });
  pool.stop = true;
  EXPECT_EQ(sum, 10 * each);
}

// Keeps the handle for the test.
struct Kept {
  explicit Kept(std::atomic<void*>& where) : kept(&where) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { kept->store(handle.address()); }
  void await_resume() const noexcept {}
  std::atomic<void*>* kept;
};

TEST(Foreign, ResumedWhenTheExecutorIsGoneItDoesNothing) {
  std::atomic<void*> kept{nullptr};
  std::atomic<bool> went_on{false};
  ::testing::internal::CaptureStderr();
  {
    Executor ex({.procs = 1, .stop_grace = 0s});
    ex.go([&]() -> Task<> {
      co_await Kept(kept);
      went_on = true;
    });
    while (kept.load() == nullptr) std::this_thread::yield();
  }
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("left in a foreign await"), std::string::npos);
  std::coroutine_handle<>::from_address(kept.load()).resume();
  EXPECT_FALSE(went_on);
}

// Whichever comes first: it is destroyed as any other, or left and never touched.
TEST(Foreign, ResumedWhileTheExecutorStops) {
  const auto rounds = static_cast<int>(test::scaled(400, 20));
  int destroyed = 0;
  ::testing::internal::CaptureStderr();
  for (int round = 0; round < rounds; ++round) {
    struct Told {
      explicit Told(std::atomic<int>& of) : count(&of) {}
      ~Told() { ++*count; }
      Told(const Told&) = delete;
      Told& operator=(const Told&) = delete;
      std::atomic<int>* count;
    };
    constexpr int each = 8;
    std::atomic<int> ended{0};
    std::vector<std::atomic<void*>> kept(each);
    std::atomic<bool> go_on{false};
    std::atomic<int> resumed{0};
    std::jthread other([&] {
      while (!go_on) std::this_thread::yield();
      for (auto& one : kept) {
        std::coroutine_handle<>::from_address(one.load()).resume();
        ++resumed;
      }
    });
    {
      Executor ex({.procs = 2, .stop_grace = 0s});
      for (auto& one : kept)
        ex.go(
            [](std::atomic<int>& of, std::atomic<void*>& where) -> Task<> {
              const Told told(of);
              co_await Kept(where);
            },
            std::ref(ended), std::ref(one));
      for (auto& one : kept)
        while (one.load() == nullptr) std::this_thread::yield();
      go_on = true;
      for (int i = round % 64 * 16; i > 0; --i) std::atomic_signal_fence(std::memory_order_seq_cst);
      while (round % 4 == 3 && resumed == 0) std::this_thread::yield();  // on a busy machine it might come too late each time
    }
    other.join();
    destroyed += ended;
    EXPECT_LE(ended, each);
  }
  static_cast<void>(::testing::internal::GetCapturedStderr());
  EXPECT_GT(destroyed, 0);
}

}  // namespace
}  // namespace gmp::foreign_test
