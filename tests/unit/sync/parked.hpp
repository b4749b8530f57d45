// tests/unit/sync/parked.hpp — waiting until others wait: gs for a reason, plain threads in the kernel.
// Go: sync_test's runtime_Semacquire tricks; here the status of the gs tells, as in a dump.  Room: tests/unit/sync.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "gmp/executor.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "sched/sched.hpp"
#include "sched/status.hpp"

namespace gmp::test {

/// Of a g that waits, and is kept so: whether it stands where a wake-up finds it. It says that it waits a little before it is queued, and
/// its thread may lose its CPU in between: others come before it then, and what is freed is not given to it. Not for a Cond, whose list has
/// a lock of its own: until_in_cond().
inline bool queued(const detail::G* gp) {
  switch (gp->reason_) {
    case detail::WaitReason::semacquire:  // here always a Semaphore's
    case detail::WaitReason::mutex_lock:
    case detail::WaitReason::rwmutex_rlock:
    case detail::WaitReason::rwmutex_lock:
    case detail::WaitReason::waitgroup_wait:
    case detail::WaitReason::once: {
      const auto& w = static_cast<const detail::SemaWaiter&>(*gp->waiter_);
      detail::SemaRoot& root = detail::SemaRoot::of(w.key_);
      const detail::LockGuard guard(root.lock());
      return root.queued(w) ||
             (gp->reason_ == detail::WaitReason::semacquire && static_cast<const detail::SemaphoreWaiter&>(w).for_ever_);
    }
    default: return true;
  }
}

/// How many gs of that executor wait for that reason now, queued: "sync.Mutex.Lock". As a dump looks at them.
inline int parked(Executor& executor, std::string_view reason) {
  detail::Sched* sched = detail::sched_of(executor);
  const detail::ScanPeriod period;
  int n = 0;
  for (detail::G* gp : detail::gs_of(sched)) {
    if (!detail::status::begin_scan(gp->status_)) continue;
    detail::Sched* its = gp->sched_;  // another one's, if it has ended meanwhile
    its->enter_user();
    n += its == sched && reason == detail::to_string(gp->reason_) && queued(gp);
    if (detail::status::end_scan(gp->status_)) its->queue_held(gp);
    its->leave_user();
  }
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

/// The same for a Cond of that mutex, which nobody keeps: who waits lets go of it when it is in the list, so that a signal finds it.
inline Task<> until_in_cond(int n, Mutex& mu) {
  co_await until_parked(n, "sync.Cond.Wait");
  auto guard = co_await mu.scoped_lock();
}
inline void wait_until_in_cond(Executor& executor, int n, Mutex& mu) {
  wait_until_parked(executor, n, "sync.Cond.Wait");
  mu.lock_blocking();
  mu.unlock();
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

  /// Until it sleeps in the kernel, and goes on sleeping: a short sleep may be one for a lock of the allocator's, or of a sanitizer's.
  void wait_until_asleep() const {
    for (long before = awake, now = awake; now == awake || now != before;) {
      before = now;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      now = sleep_it_is_in();
    }
  }

 private:
  static constexpr long awake = -1;

  /// The number of that sleep; or awake.
  long sleep_it_is_in() const {
    if (id_ == 0) return awake;
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/status", static_cast<int>(id_.load()));
    FILE* file = std::fopen(path, "re");
    if (file == nullptr) return awake;
    bool asleep = false;
    long sleeps = 0;
    for (char line[256]; std::fgets(line, sizeof line, file) != nullptr;) {
      char state = 0;
      if (std::sscanf(line, "State: %c", &state) == 1) asleep = state == 'S';
      std::sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
    }
    std::fclose(file);
    return asleep ? sleeps : awake;
  }

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
