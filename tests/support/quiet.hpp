// tests/support/quiet.hpp — when this process had the CPUs it wanted.
// Go: none.  Room: tests/support.
//
// A machine that others use too takes a thread's CPU away for tens of milliseconds, and a program that is busy on each CPU then serves
// nobody, whatever it is made of.  A share over a whole run says little of a tail: a tenth of a second in ten is one percent, and all of
// one in a thousand.  So each sample is judged by its own time: a thread reads, every 20 ms, how long this process's threads waited for a
// CPU.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "stalls.hpp"

namespace gmp::test {

/// How long this process's threads ran, and how long they waited for a CPU, since they began.
struct CpuTimes {
  double ran_ns = 0, waited_ns = 0;
  static CpuTimes now() {
    CpuTimes sum;
    std::error_code gone;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
      double ran = 0, waited = 0;
      if (std::ifstream(task.path() / "schedstat") >> ran >> waited) {
        sum.ran_ns += ran;
        sum.waited_ns += waited;
      }
    }
    return sum;
  }
};

class Quiet {
  using Clock = std::chrono::steady_clock;
  static constexpr auto window = std::chrono::milliseconds(20);
  static constexpr auto some = std::chrono::milliseconds(3);  // of all threads together in a window: what they take from one another

 public:
  Quiet() : watcher_([this] { watch(); }) {}
  ~Quiet() {
    over_ = true;
    watcher_.join();
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

  /// Whether nobody took a CPU from us between these. Known a window later.
  bool between(Clock::time_point from, Clock::time_point to) const {
    if (stalls_.between(from, to) > some) return false;
    const std::lock_guard guard(mutex_);
    for (auto crowd = crowds_.rbegin(); crowd != crowds_.rend() && crowd->second > from; ++crowd) {
      if (crowd->first < to) return false;
    }
    return true;
  }
  /// Waits until the time up to now can be judged.
  static void settle() { std::this_thread::sleep_for(2 * window); }

 private:
  void watch() {
    CpuTimes before = CpuTimes::now();
    auto begin = Clock::now();
    while (!over_) {
      std::this_thread::sleep_for(window);
      const CpuTimes after = CpuTimes::now();
      const auto end = Clock::now();
      const auto waited = std::chrono::nanoseconds(static_cast<long long>(after.waited_ns - before.waited_ns));
      if (waited > some) {
        const std::lock_guard guard(mutex_);
        crowds_.emplace_back(begin - waited, end);  // a wait is told when it ends
      }
      before = after;
      begin = end;
    }
  }

  const Stalls stalls_;
  mutable std::mutex mutex_;
  std::vector<std::pair<Clock::time_point, Clock::time_point>> crowds_;
  std::atomic<bool> over_{false};
  std::thread watcher_;
};

}  // namespace gmp::test
