// src/sys/futex.cpp — a thread sleeps until a word changes, by the system call.
// Go: runtime/os_linux.go (futexsleep, futexwakeup).  Room: sys (floor 1).
#include "gmp/detail/sys/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

static_assert(sizeof(Atomic<std::uint32_t>) == sizeof(std::uint32_t), "the kernel looks at the word itself");

void futex_wait(const Atomic<std::uint32_t>* word, std::uint32_t expected, std::int64_t timeout_ns) noexcept {
  timespec limit{};
  if (timeout_ns >= 0) {
    limit.tv_sec = static_cast<time_t>(timeout_ns / 1'000'000'000);
    limit.tv_nsec = static_cast<long>(timeout_ns % 1'000'000'000);
  }
  ::syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns >= 0 ? &limit : nullptr, nullptr, 0);
}

void futex_wake(const Atomic<std::uint32_t>* word, int count) noexcept {
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

GMPCORO_NOINLINE const void* this_thread_mark() noexcept {
  static thread_local char mark = 0;
  return &mark;
}

}  // namespace gmp::detail
