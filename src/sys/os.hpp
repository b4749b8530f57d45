// src/sys/os.hpp — what the scheduler asks of the operating system: threads, clocks, CPUs, barriers.
// Go: runtime/os_linux.go.  Room: sys (floor 1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gmp::detail::sys {

/// CLOCK_MONOTONIC, ns.
std::int64_t monotonic_ns() noexcept;
/// CPU time that the thread (a value of thread_clock()) has used, ns; negative if the thread is gone.
std::int64_t thread_cpu_ns(int clock) noexcept;
int thread_clock() noexcept;  // names the calling thread's CPU clock, for any thread of the process

void sleep_ns(std::int64_t duration) noexcept;
void yield_thread() noexcept;
void set_thread_name(std::string_view whose, std::string_view which) noexcept;  // the kernel takes 15 characters: whose is cut. which: at most 15

/// Registers this process for the expedited barrier; false: refused by the kernel or a filter. Call before many threads run (2.9 us; 8 ms
/// once they do).
bool membarrier_register() noexcept;
/// Every running thread of the process executes a full barrier before this returns.
void membarrier() noexcept;

/// CPUs that this process may use: its affinity mask, cut by the cgroup's quota (rounded up), at least 1.
int usable_cpus() noexcept;

/// Number of threads of this process, from the kernel; 0 if it cannot be told.
int process_threads() noexcept;

/// An environment variable, or null.
const char* environment(const char* name) noexcept;

/// All of it to stderr, whatever happens to stdio's locks.
void write_stderr(const char* text, std::size_t size) noexcept;
void write_stderr(const std::string& text) noexcept;
/// Ends the process without atexit handlers: other threads still run. What stdio holds for stdout is written first, if nobody locks it.
[[noreturn]] void exit_now(int status) noexcept;

/// Runs child() in every forked child. Registered once.
void at_fork_child(void (*child)()) noexcept;

}  // namespace gmp::detail::sys
