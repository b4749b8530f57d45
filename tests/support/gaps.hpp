// tests/support/gaps.hpp — a program that lives on beside hogs: a ticker, an echo, sleepers, and the largest gap in the life of each.
// Go: none.  Room: tests/support.
//
// A gap is the time between two signs of life, less what the machine is known to have stood still meanwhile (stalls.hpp).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/net.hpp"
#include "gmp/time.hpp"
#include "support/net.hpp"
#include "support/stalls.hpp"

namespace gmp::test {

/// Of one g, or of several that share a number; any thread may ask for the largest.
class Gaps {
 public:
  explicit Gaps(const Stalls& stalls) : stalls_(stalls) {}

  /// A sign of life at `now`, which was due `pause` after the one at `last`.
  void note(Clock::time_point last, Clock::time_point now, Clock::duration pause = {}) {
    ++count_;
    if (now - last - pause < largest_.load()) return;  // most of them
    const Clock::duration gap = now - last - pause - stalls_.between(last, now);
    Clock::duration most = largest_.load();
    while (gap > most && !largest_.compare_exchange_weak(most, gap)) {
    }
  }
  std::chrono::milliseconds take_largest() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(largest_.exchange(Clock::duration(0)));
  }
  int count() const { return count_; }

 private:
  const Stalls& stalls_;
  std::atomic<Clock::duration> largest_{Clock::duration(0)};
  std::atomic<int> count_{0};
};

/// Gs of an executor that do nothing but go on. Ends with end().
class Life {
 public:
  explicit Life(Executor& ex, int sleepers = 100) : ticks_(stalls_), echoes_(stalls_), sleeps_(stalls_) {
    gs_.push_back(ex.spawn([this]() -> Task<> {
      Ticker ticker(std::chrono::milliseconds(10));
      auto last = Clock::now();
      while (!over_) {
        co_await ticker.chan().recv();
        const auto now = Clock::now();
        ticks_.note(last, now, std::chrono::milliseconds(10));
        last = now;
      }
    }));
    gs_.push_back(ex.spawn([this]() -> Task<> {
      ConnPair pair = co_await conn_pair();
      auto server = spawn([conn = pair.b]() mutable -> Task<> {
        char byte = 0;
        while (true) {
          auto [n, err] = co_await conn.read(std::span(&byte, 1));
          if (err || n == 0) break;
          static_cast<void>(co_await conn.write(std::string_view(&byte, 1)));  // the reader there would miss it
        }
      });
      char byte = 'x';
      while (!over_) {
        const auto last = Clock::now();
        static_cast<void>((co_await pair.a.write(std::string_view(&byte, 1))).value());
        static_cast<void>((co_await pair.a.read(std::span(&byte, 1))).value());
        echoes_.note(last, Clock::now());
        co_await gmp::sleep(std::chrono::microseconds(500));
      }
      pair.a.close();
      co_await server;
    }));
    for (int i = 0; i < sleepers; ++i) {
      gs_.push_back(ex.spawn([this]() -> Task<> {
        while (!over_) {
          const auto last = Clock::now();
          co_await gmp::sleep(std::chrono::milliseconds(1));
          sleeps_.note(last, Clock::now(), std::chrono::milliseconds(1));
        }
      }));
    }
  }
  ~Life() { end(); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  void end() {
    over_ = true;
    for (JoinHandle<void>& g : gs_) g.get();
    gs_.clear();
  }

  /// The largest gap since the last call, of all three.
  std::chrono::milliseconds take_largest() { return std::max({ticks_.take_largest(), echoes_.take_largest(), sleeps_.take_largest()}); }

  Stalls stalls_;
  Gaps ticks_, echoes_, sleeps_;

 private:
  std::atomic<bool> over_{false};
  std::vector<JoinHandle<void>> gs_;
};

}  // namespace gmp::test
