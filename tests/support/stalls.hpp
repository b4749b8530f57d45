// tests/support/stalls.hpp — when the machine stood still: a thread on each CPU does nothing but sleep, and notes when it was woken late.
// Go: none (its tests of time run several times and take the best).  Room: tests/support.
//
// On a machine that others use too a CPU may be away for tens of milliseconds.  What happens late then says nothing about us; so a test of
// lateness subtracts what a plain thread on one of the CPUs was late at the same time.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace gmp::test {

class Stalls {
  using Clock = std::chrono::steady_clock;

 public:
  Stalls() {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    ::sched_getaffinity(0, sizeof mine, &mine);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &mine)) threads_.emplace_back([this, cpu] { watch(cpu); });
    }
  }
  ~Stalls() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  Stalls(const Stalls&) = delete;
  Stalls& operator=(const Stalls&) = delete;

  /// How much of that time one of the CPUs, the worst, is known to have been away.
  Clock::duration between(Clock::time_point from, Clock::time_point to) const {
    const std::lock_guard guard(mutex_);
    Clock::duration most{};
    for (auto stall = stalls_.rbegin(); stall != stalls_.rend() && stall->second > from; ++stall) {
      most = std::max(most, std::min(stall->second, to) - std::max(stall->first, from));
    }
    return most;
  }

 private:
  void watch(int cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ::pthread_setaffinity_np(::pthread_self(), sizeof one, &one);
    while (!over_) {
      const auto due = Clock::now() + std::chrono::milliseconds(1);
      std::this_thread::sleep_until(due);
      if (Clock::now() - due < std::chrono::microseconds(300)) continue;
      const std::lock_guard guard(mutex_);
      stalls_.emplace_back(due, Clock::now());  // under the lock: in the order of their ends
    }
  }

  mutable std::mutex mutex_;
  std::vector<std::pair<Clock::time_point, Clock::time_point>> stalls_;
  std::atomic<bool> over_{false};
  std::vector<std::thread> threads_;
};

}  // namespace gmp::test
