// tests/unit/sync/parked.hpp — waiting until others wait: gs for a reason, plain threads in the kernel.
// Go: sync_test's runtime_Semacquire tricks; here the dump tells.  Room: tests/unit/sync.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/time.hpp"

namespace gmp::test {

/// How many gs of that executor wait for that reason now: "sync.Mutex.Lock".
inline int parked(Executor& executor, std::string_view reason) {
  int n = 0;
  for (const GInfo& g : debug::goroutine_infos(&executor)) n += g.wait_reason == reason;
  return n;
}

/// On a g, which sleeps meanwhile: returns when n gs of its executor wait for that reason.
inline Task<> until_parked(int n, std::string_view reason) {
  Executor& here = *Executor::current();
  while (parked(here, reason) != n) co_await sleep(std::chrono::microseconds(100));
}

/// The same for a plain thread, and any executor.
inline void wait_until_parked(Executor& executor, int n, std::string_view reason) {
  while (parked(executor, reason) != n) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

/// On a g, which gives way until the condition holds; the watchdog ends a wait that is in vain.
template <class F>
Task<> until_true(F condition) {
  while (!condition()) co_await sleep(std::chrono::microseconds(100));
}

/// A thread that is none of the library's.
class PlainThread {
 public:
  template <class F>
  explicit PlainThread(F body)
      : thread_([this, body = std::move(body)]() mutable {
          id_ = static_cast<pid_t>(::syscall(SYS_gettid));
          body();
          done_ = true;
        }) {}
  PlainThread(const PlainThread&) = delete;
  PlainThread& operator=(const PlainThread&) = delete;
  ~PlainThread() {
    if (thread_.joinable()) thread_.join();
  }
  void join() { thread_.join(); }
  bool done() const { return done_; }

  /// True if it sleeps in the kernel.
  bool asleep() const {
    if (id_ == 0) return false;
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/stat", static_cast<int>(id_.load()));
    FILE* file = std::fopen(path, "re");
    if (file == nullptr) return false;
    char line[256] = {};
    const bool read = std::fgets(line, sizeof line, file) != nullptr;
    std::fclose(file);
    const char* name_end = read ? std::strrchr(line, ')') : nullptr;
    return name_end != nullptr && name_end[1] == ' ' && name_end[2] == 'S';
  }
  void wait_until_asleep() const {
    while (!asleep()) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }

 private:
  std::atomic<pid_t> id_{0};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

/// The text of the exception of type E that f throws.
template <class E, class F>
std::string text_of(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace gmp::test
