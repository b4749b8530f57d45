// tests/stress/waker_stress.cpp — suspend and foreign awaits, resumed by whoever comes first, wherever he runs.
// Go: none (a channel does it there).  Room: tests/stress.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "stress/storm.hpp"
#include "unit/task/probe.hpp"

namespace gmp::waker_stress {
namespace {

using namespace std::chrono_literals;
using test::Dice;
using test::Probe;

// Where gs leave something for threads to take.
template <class T>
class Box {
 public:
  void put(T value) {
    std::lock_guard guard(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_one();  // under the lock: who takes the value may end all this
  }
  // False: closed and empty. Takes any, not the oldest.
  bool take(T& value, Dice& dice) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !values_.empty(); });
    if (values_.empty()) return false;
    std::swap(values_[static_cast<std::size_t>(dice.below(static_cast<int>(values_.size())))], values_.back());
    value = std::move(values_.back());
    values_.pop_back();
    return true;
  }
  void close() {
    {
      std::lock_guard guard(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
  bool closed_ = false;
};

TEST(WakerStress, OfManyWakesOneCountsAndItsValueArrives) {
  Executor ex;
  constexpr int threads = 3;
  struct Offer {
    Waker<int> waker;
    std::atomic<int>* successes = nullptr;
  };
  std::vector<std::unique_ptr<Box<Offer>>> boxes;
  for (int t = 0; t < threads; ++t) boxes.push_back(std::make_unique<Box<Offer>>());
  std::vector<std::jthread> pool;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      Dice dice(static_cast<std::uint64_t>(50 + t));
      Offer offer;
      while (boxes[static_cast<std::size_t>(t)]->take(offer, dice)) {
        const Waker<int> copy = offer.waker;  // NOLINT: a copy is what is tested
        if (dice.one_in(16)) std::this_thread::sleep_for(dice.up_to(50us));
        const bool mine = (dice.one_in(2) ? copy : offer.waker).wake(t);
        if (mine) *offer.successes += 100 + t;  // late: the g may read it before
        if (copy.wake(77)) *offer.successes += 10'000;
        offer = Offer();
      }
    });
  }
  const auto rounds = test::scaled(1500, 50);
  std::deque<std::atomic<int>> successes(static_cast<std::size_t>(8 * rounds));
  std::deque<std::atomic<int>> got(static_cast<std::size_t>(8 * rounds));
  std::vector<JoinHandle<void>> handles;
  for (int g = 0; g < 8; ++g) {
    handles.push_back(ex.spawn([&, g]() -> Task<> {
      Dice dice(static_cast<std::uint64_t>(g));
      for (std::int64_t i = 0; i < rounds; ++i) {
        const auto number = static_cast<std::size_t>(g * rounds + i);
        const int itself = dice.below(8);
        const auto offers = [&](const Waker<int>& w) {
          if (itself == 0) {  // it wakes before anybody can
            EXPECT_TRUE(w.wake(-1));
            successes[number] += 99;
          }
          for (auto& box : boxes) box->put({w, &successes[number]});
          if (itself == 1) {  // it wakes among the others
            if (w.wake(-1)) successes[number] += 99;
          }
        };
        const int value = co_await suspend<int>(offers);
        got[number] = value;
        if (dice.one_in(32)) co_await test::act(dice);
      }
    }));
  }
  for (auto& handle : handles) handle.get();
  for (auto& box : boxes) box->close();
  pool.clear();
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(successes[i], 100 + got[i]) << "round " << i;
}

TEST(WakerStress, ValuesAndCallablesAreDestroyedWhateverTheOrder) {
  std::atomic<int> alive{0};
  const auto rounds = test::scaled(60, 6);
  for (std::int64_t round = 0; round < rounds; ++round) {
    Box<Waker<Probe>> box;
    std::atomic<bool> stopped{false};
    std::vector<std::jthread> threads;
    std::atomic<int> parked{0};
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        Dice dice(static_cast<std::uint64_t>(round * 8 + t));
        Waker<Probe> waker;
        while (box.take(waker, dice)) {
          const bool was_stopped = stopped;
          switch (dice.below(4)) {
            case 0: break;  // dropped: it sleeps until the end
            case 1: {
              const Waker<Probe> copy = waker;
              waker = Waker<Probe>();
              const bool woken = copy.wake(Probe(alive, 1));
              EXPECT_FALSE(was_stopped && woken);
              break;
            }
            default: {
              const bool woken = waker.wake(Probe(alive, 1));
              EXPECT_FALSE(was_stopped && woken);
              EXPECT_FALSE(waker.wake(Probe(alive, 2)));
            }
          }
          waker = Waker<Probe>();
          if (dice.one_in(8)) std::this_thread::sleep_for(dice.up_to(100us));
        }
      });
    }
    {
      Executor ex;
      for (int g = 0; g < 100; ++g) {
        ex.go([&, p = Probe(alive)]() -> Task<> {
          const auto offers = [&](Waker<Probe> w) {
            ++parked;
            box.put(std::move(w));
          };
          for (;;) {
            const Probe got = co_await suspend<Probe>(offers);
            EXPECT_EQ(got.value(), 1);
          }
        });
      }
      test::wait_until([&] { return parked >= 100; });
      std::this_thread::sleep_for(Dice(static_cast<std::uint64_t>(round)).up_to(2000us));
    }  // stopped with live Wakers in the box, and in the threads' hands
    stopped = true;
    box.close();
    threads.clear();
    ASSERT_EQ(alive, 0);
  }
}

// ---- awaitables of others

// Resumes what it was given, on one of its threads, in any order.
class Resumer {
 public:
  explicit Resumer(int threads) {
    for (int t = 0; t < threads; ++t) {
      pool_.emplace_back([this, t] {
        Dice dice(static_cast<std::uint64_t>(200 + t));
        std::coroutine_handle<> handle;
        while (box_.take(handle, dice)) {
          if (dice.one_in(32)) std::this_thread::sleep_for(dice.up_to(60us));
          handle.resume();
        }
      });
    }
  }
  ~Resumer() { box_.close(); }

  auto later() {
    struct Awaitable {
      explicit Awaitable(Resumer& r) : resumer(&r) {}
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) { resumer->box_.put(handle); }
      void await_resume() const noexcept {}
      Resumer* resumer;
    };
    return Awaitable(*this);
  }
  auto perhaps(bool suspends) {
    struct Awaitable {
      Awaitable(Resumer& r, bool s) : resumer(&r), suspends(s) {}
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> handle) {
        const bool answer = suspends;  // after put() this may be gone
        if (answer) resumer->box_.put(handle);
        return answer;
      }
      void await_resume() const noexcept {}
      Resumer* resumer;
      bool suspends;
    };
    return Awaitable(*this, suspends);
  }

 private:
  Box<std::coroutine_handle<>> box_;
  std::vector<std::jthread> pool_;
};

TEST(WakerStress, ForeignAwaitsComeBackToTheirExecutor) {
  Executor a;
  std::atomic<int> alive{0};
  Executor b({.procs = 1});
  {
    Resumer resumer(3);
    const auto rounds = test::scaled(1500, 50);
    std::vector<JoinHandle<void>> handles;
    for (int g = 0; g < 10; ++g) {
      Executor& home = g % 2 == 0 ? a : b;
      handles.push_back(home.spawn([&, g, p = Probe(alive)]() -> Task<> {
        Dice dice(static_cast<std::uint64_t>(g));
        Executor* const mine = &home;
        const std::uint64_t id = this_g::id();
        for (std::int64_t i = 0; i < rounds; ++i) {
          if (dice.one_in(2))
            co_await resumer.later();
          else
            co_await resumer.perhaps(dice.one_in(2));
          EXPECT_EQ(Executor::current(), mine);
          EXPECT_EQ(this_g::id(), id);
          if (dice.one_in(16)) co_await test::act(dice);
        }
      }));
    }
    for (auto& handle : handles) handle.get();
  }
  test::wait_until([&] { return alive == 0; });
}

TEST(WakerStress, StopsWaitForForeignAwaitsThatCome) {
  const auto rounds = test::scaled(60, 6);
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::atomic<int> alive{0};
    std::atomic<int> turns{0};
    Resumer resumer(2);
    {
      Executor ex({.stop_grace = 60s});  // all of them come, however slow the machine
      for (int g = 0; g < 20; ++g) {
        ex.go([&, p = Probe(alive)]() -> Task<> {
          for (;;) {
            ++turns;
            co_await resumer.later();
          }
        });
      }
      test::wait_until([&] { return turns >= 60; });
    }
    ASSERT_EQ(alive, 0);
  }
}

}  // namespace
}  // namespace gmp::waker_stress
