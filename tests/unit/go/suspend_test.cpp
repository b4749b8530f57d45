// tests/unit/go/suspend_test.cpp — suspend and Waker: the first wake counts, from anywhere, before or after the park; late ones find a block.
// Go: none (a channel does it there).  Room: go (floor 4).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/time.hpp"
#include "support/scale.hpp"
#include "unit/task/probe.hpp"

namespace gmp::suspend_test {
namespace {

using namespace std::chrono_literals;
using test::MoveOnly;
using test::Probe;

TEST(Suspend, WokenInsideF) {
  run([]() -> Task<> {
    const int got = co_await suspend<int>([](Waker<int> w) { EXPECT_TRUE(w.wake(5)); });
    EXPECT_EQ(got, 5);
    co_await suspend<void>([](Waker<void> w) { EXPECT_TRUE(w.wake()); });
  });
}

TEST(Suspend, WokenByAnotherThreadAfterThePark) {
  std::jthread thread;
  Executor ex({.procs = 1});
  ex.run([&thread]() -> Task<> {
    const int got = co_await suspend<int>([&thread](Waker<int> w) {
      thread = std::jthread([w] {
        std::this_thread::sleep_for(2ms);
        EXPECT_TRUE(w.wake(6));
      });
    });
    EXPECT_EQ(got, 6);
  });
}

TEST(Suspend, WokenByAnotherThreadBeforeThePark) {
  run([]() -> Task<> {
    const int got = co_await suspend<int>([](Waker<int> w) {
      std::thread([w] { EXPECT_TRUE(w.wake(7)); }).join();
    });
    EXPECT_EQ(got, 7);
  });
}

TEST(Suspend, WokenByAnotherGoroutine) {
  run([]() -> Task<> {
    Waker<std::string> kept;
    auto wakes = [&kept] { EXPECT_TRUE(kept.wake("text")); };
    const std::string got = co_await suspend<std::string>([&](Waker<std::string> w) {
      kept = std::move(w);
      go(wakes);
    });
    EXPECT_EQ(got, "text");
  });
}

TEST(Suspend, RaceOfTheWakeWithThePark) {
  // The waker thread is told from inside f, and is as likely to come before the park as after.
  std::atomic<Waker<int>*> offered{nullptr};
  std::atomic<bool> stop{false};
  std::jthread waker([&] {
    int n = 0;
    while (!stop) {
      if (Waker<int>* w = offered.exchange(nullptr)) {
        const Waker<int> mine = std::move(*w);
        delete w;
        for (int pause = n % 64; pause > 0; --pause) std::atomic_signal_fence(std::memory_order_seq_cst);
        EXPECT_TRUE(mine.wake(n++));
      }
    }
  });
  Executor ex({.procs = 2});
  const auto rounds = static_cast<int>(test::scaled(5'000, 500));
  ex.run([&]() -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      const int got = co_await suspend<int>([&offered](Waker<int> w) { offered = new Waker<int>(std::move(w)); });
      EXPECT_EQ(got, i);
    }
  });
  stop = true;
}

TEST(Suspend, CopiesAreTheSameWakerAndTheFirstWakeCounts) {
  run([]() -> Task<> {
    std::vector<Waker<int>> copies;
    const int got = co_await suspend<int>([&copies](Waker<int> w) {
      copies.assign(3, w);
      EXPECT_TRUE(copies[1].wake(1));
      EXPECT_FALSE(copies[0].wake(2));
      EXPECT_FALSE(w.wake(3));
      EXPECT_FALSE(copies[1].wake(4));
    });
    EXPECT_EQ(got, 1);
    EXPECT_FALSE(copies[2].wake(5));
  });
}

TEST(Suspend, OfManyThreadsThatWakeExactlyOneSucceeds) {
  constexpr int threads = 4;
  const auto rounds = static_cast<int>(test::scaled(200, 50));
  std::atomic<int> successes{0};
  std::mutex mutex;
  std::vector<Waker<int>> offered(threads);
  std::vector<bool> fresh(threads, false);
  std::atomic<bool> stop{false};
  std::vector<std::jthread> wakers;
  for (int t = 0; t < threads; ++t) {
    wakers.emplace_back([&, t] {
      while (!stop) {
        Waker<int> mine;
        {
          std::lock_guard guard(mutex);
          if (!fresh[static_cast<std::size_t>(t)]) continue;
          fresh[static_cast<std::size_t>(t)] = false;
          mine = std::move(offered[static_cast<std::size_t>(t)]);
        }
        if (mine.wake(t)) ++successes;
      }
    });
  }
  Executor ex({.procs = 2});
  ex.run([&]() -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      co_await suspend<int>([&](const Waker<int>& w) {
        std::lock_guard guard(mutex);
        offered.assign(threads, w);
        fresh.assign(threads, true);
      });
    }
  });
  stop = true;
  wakers.clear();
  EXPECT_EQ(successes, rounds);
}

TEST(Suspend, AnExceptionOfFIsRethrownAndNothingParks) {
  run([]() -> Task<> {
    Waker<int> kept;
    std::string text;
    try {
      co_await suspend<int>([&kept](Waker<int> w) {
        kept = w;
        throw std::runtime_error("f");
      });
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT_EQ(text, "f");
    EXPECT_FALSE(kept.wake(1));
    co_await yield();
  });
}

TEST(Suspend, ValuesMoveOnlyAndConverted) {
  std::atomic<int> alive{0};
  run([&alive]() -> Task<> {
    const MoveOnly got = co_await suspend<MoveOnly>([&alive](Waker<MoveOnly> w) { w.wake(MoveOnly(alive, 4)); });
    EXPECT_EQ(got.value(), 4);
    EXPECT_EQ(alive, 1);
    const std::string text = co_await suspend<std::string>([](Waker<std::string> w) { w.wake("literal"); });
    EXPECT_EQ(text, "literal");
  });
  EXPECT_EQ(alive, 0);
}

TEST(Suspend, AValueThatCannotBeMadeWakesNobody) {
  struct Word {
    explicit Word(const char* word) : text(word) {
      if (text.empty()) throw std::invalid_argument("no word");
    }
    std::string text;
  };
  run([]() -> Task<> {
    Waker<Word> waker;
    std::atomic<bool> kept{false};
    auto waits = spawn([&waker, &kept]() -> Task<std::string> {
      auto keep = [&waker, &kept](Waker<Word> w) {
        waker = std::move(w);
        kept = true;
      };
      const Word word = co_await suspend<Word>(keep);
      co_return word.text;
    });
    while (!kept) co_await yield();
    EXPECT_THROW(waker.wake(""), std::invalid_argument);
    EXPECT_TRUE(waker.wake("word"));
    EXPECT_FALSE(waker.wake("another"));
    EXPECT_EQ(co_await waits, "word");
  });
}

TEST(Suspend, ALateWakeAfterTheExecutorIsGoneIsFalse) {
  Waker<int> parked;
  Waker<int> woken;
  {
    std::atomic<bool> there{false};
    Executor ex;
    ex.go([&]() -> Task<> {
      co_await suspend<int>([&](Waker<int> w) {
        woken = w;
        w.wake(1);
      });
      co_await suspend<int>([&](Waker<int> w) {
        parked = std::move(w);
        there = true;
      });
    });
    while (!there) std::this_thread::yield();
    ex.stop();
    EXPECT_FALSE(parked.wake(2));
  }
  EXPECT_FALSE(parked.wake(3));
  EXPECT_FALSE(woken.wake(3));
}

TEST(Suspend, AnUnusedValueOfAStoppedGoroutineIsDestroyed) {
  std::atomic<int> alive{0};
  {
    std::atomic<bool> woken{false};
    Executor ex({.procs = 1});
    ex.go([&]() -> Task<> {
      auto hog = [&woken] {
        while (!woken) std::this_thread::yield();
        std::this_thread::sleep_for(5ms);  // stop() begins meanwhile: the woken one never runs again
      };
      co_await suspend<Probe>([&](Waker<Probe> w) {
        go(hog);
        std::thread([w, &woken, &alive] {
          std::this_thread::sleep_for(1ms);
          EXPECT_TRUE(w.wake(Probe(alive)));
          woken = true;
        }).detach();
      });
    });
    while (!woken) std::this_thread::yield();
  }
  EXPECT_EQ(alive, 0);
}

TEST(Suspend, RaceOfWakesWithStop) {
  for (int i = 0; i < test::scaled(100, 20); ++i) {
    std::vector<Waker<int>> wakers;
    std::mutex mutex;
    std::atomic<int> parked{0};
    auto ex = std::make_unique<Executor>(Options{.procs = 2});
    for (int g = 0; g < 20; ++g) {
      ex->go([&]() -> Task<> {
        co_await suspend<int>([&](Waker<int> w) {
          std::lock_guard guard(mutex);
          wakers.push_back(std::move(w));
          ++parked;
        });
      });
    }
    while (parked != 20) std::this_thread::yield();
    std::jthread thread([&wakers] {
      for (auto& w : wakers) w.wake(1);
    });
    ex.reset();
  }
}

TEST(Suspend, ADefaultWakerWakesNobody) {
  const Waker<int> none;
  EXPECT_FALSE(none.wake(1));
  Waker<void> from;
  const Waker<void> moved = std::move(from);
  EXPECT_FALSE(moved.wake());
  EXPECT_FALSE(from.wake());  // NOLINT
}

TEST(Suspend, DroppedWakersLeaveItAsleepUntilStop) {
  std::atomic<int> alive{0};
  bool went_on = false;
  {
    std::atomic<bool> dropped{false};
    Executor ex;
    ex.go([&]() -> Task<> {
      const Probe local(alive);
      co_await suspend<void>([&](Waker<void> w) {
        const Waker<void> last = std::move(w);
        dropped = true;
      });
      went_on = true;
    });
    while (!dropped) std::this_thread::yield();
    std::this_thread::sleep_for(1ms);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(went_on);
}

TEST(Suspend, WakesAcrossExecutors) {
  Executor first({.procs = 1});
  Executor second({.procs = 1});
  first.run([&]() -> Task<> {
    for (int i = 0; i < test::scaled(1000, 100); ++i) {
      const int got = co_await suspend<int>([&](Waker<int> w) {
        second.go([i](const Waker<int>& mine) { mine.wake(i); }, std::move(w));
      });
      EXPECT_EQ(got, i);
      EXPECT_EQ(Executor::current(), &first);
    }
  });
}

TEST(Suspend, WakeOnTheCallersStackDoesNotRunTheGoroutine) {
  Executor ex({.procs = 1, .max_hogs = 0});  // nobody else runs it meanwhile, however long our thread has no CPU
  ex.run([]() -> Task<> {
    bool went_on = false, parks = false;
    Waker<void> kept;
    auto sleeper = [&]() -> Task<> {
      co_await suspend<void>([&](Waker<void> w) {
        kept = std::move(w);
        parks = true;
      });
      went_on = true;
    };
    JoinHandle<void> h = spawn(sleeper);
    while (!parks) co_await yield();
    EXPECT_FALSE(went_on);
    kept.wake();
    EXPECT_FALSE(went_on);
    co_await h;
    EXPECT_TRUE(went_on);
  });
}

}  // namespace
}  // namespace gmp::suspend_test
