// tests/stress/storm.hpp — what the storms share: dice for each goroutine, things to do at random, and what a process holds.
// Go: none.  Room: tests/stress.
//
// Every choice comes from a Dice, and every Dice from the seed of the test case and a number of its own: with the same GMPSEED each g makes
// the same choices again, in whatever order the gs run.
#pragma once

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/detail/base/random.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
#include "support/memory.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::test {

#ifdef GMPCORO_TEST_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// The choices of one g, or one thread.
class Dice {
 public:
  explicit Dice(std::uint64_t number = 0) : random_(case_seed() ^ (number * 0x9E37'79B9'7F4A'7C15)) {}
  /// 0 … n-1.
  int below(int n) { return static_cast<int>(random_.below(static_cast<std::uint32_t>(n))); }
  /// from … to, both included.
  int between(int from, int to) { return from + below(to - from + 1); }
  bool one_in(int n) { return below(n) == 0; }
  std::chrono::microseconds up_to(std::chrono::microseconds most) {
    return std::chrono::microseconds(below(static_cast<int>(most.count()) + 1));
  }
  std::uint64_t next() { return random_.next(); }

 private:
  detail::Random random_;
};

/// One of the things that a g does between two others: nothing, a yield, a short sleep, a blocking call, some work, a child, a wake-up.
inline Task<> act(Dice& dice) {
  using namespace std::chrono_literals;
  switch (dice.below(12)) {
    default: break;
    case 0:
    case 1:
    case 2: co_await yield(); break;
    case 3: co_await sleep(dice.up_to(300us)); break;
    case 4: {
      const auto length = dice.up_to(200us);
      co_await blocking([length] { std::this_thread::sleep_for(length); });
      break;
    }
    case 5: burn(dice.up_to(60us)); break;
    case 6: co_await spawn([] {}); break;
    case 7: co_await suspend<void>([](Waker<void> w) { go([](const Waker<void>& mine) { mine.wake(); }, std::move(w)); }); break;
    case 8: co_await suspend<void>([](Waker<void> w) { w.wake(); }); break;
  }
}

/// Gives are counted, and each lets one take() go on. One g takes, anybody gives.
class Baton {
 public:
  void give() {
    Waker<void> waiting;
    {
      std::lock_guard guard(mutex_);
      ++given_;
      waiting = std::exchange(waiting_, Waker<void>());
    }
    waiting.wake();
  }
  Task<> take() {
    for (;;) {
      {
        std::lock_guard guard(mutex_);
        if (given_ > 0) {
          --given_;
          break;
        }
      }
      co_await suspend<void>([this](Waker<void> w) {
        std::lock_guard guard(mutex_);
        if (given_ > 0)
          w.wake();
        else
          waiting_ = std::move(w);
      });
    }
  }

 private:
  std::mutex mutex_;
  long given_ = 0;
  Waker<void> waiting_;
};

/// For a plain thread: returns when condition() is true. It sleeps between its looks, as the storm needs the CPUs.
template <class C>
void wait_until(C condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

/// Told when the storm is over.
inline std::chrono::steady_clock::time_point storm_end(std::chrono::milliseconds length) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(scaled(length.count(), 50));
}

// ---- what a process holds

inline int entries(const char* directory) {
  int n = 0;
  if (DIR* dir = ::opendir(directory)) {
    while (const dirent* entry = ::readdir(dir)) n += entry->d_name[0] != '.';
    ::closedir(dir);
  }
  return n;
}
inline int process_threads() { return entries("/proc/self/task"); }
inline int process_fds() { return entries("/proc/self/fd"); }

/// How many threads there are now, but for those that were joined and stay in /proc for an instant: the fewest of some looks.
inline int settled_threads() {
  int fewest = process_threads();
  for (int look = 0; look < 20; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    fewest = std::min(fewest, process_threads());
  }
  return fewest;
}
/// Waits until there are no more than that: a thread that was joined goes in an instant. False: something has stayed for 10 s.
inline bool threads_back_to(int number) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (process_threads() > number) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

}  // namespace gmp::test
