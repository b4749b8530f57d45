// src/sys/os.cpp — threads, clocks, CPUs and barriers of Linux.
// Go: runtime/os_linux.go, runtime/os_linux_generic.go; internal/cgroup (Go 1.25).  Room: sys (floor 1).
#include "sys/os.hpp"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fstream>
#include <sstream>
#include <vector>

namespace gmp::detail::sys {

std::int64_t monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

int thread_clock() noexcept {
  clockid_t clock{};
  ::pthread_getcpuclockid(::pthread_self(), &clock);
  return clock;
}

std::int64_t thread_cpu_ns(int clock) noexcept {
  timespec used{};
  if (::clock_gettime(clock, &used) != 0) return -1;
  return static_cast<std::int64_t>(used.tv_sec) * 1'000'000'000 + used.tv_nsec;
}

void sleep_ns(std::int64_t duration) noexcept {
  timespec left{static_cast<time_t>(duration / 1'000'000'000), static_cast<long>(duration % 1'000'000'000)};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

void yield_thread() noexcept { ::sched_yield(); }

void set_thread_name(std::string_view whose, std::string_view which) noexcept {
  char cut[16];
  const auto room = static_cast<int>(sizeof cut - 1 - which.size());
  std::snprintf(cut, sizeof cut, "%.*s%.*s", std::min(static_cast<int>(whose.size()), room), whose.data(), static_cast<int>(which.size()), which.data());
  ::pthread_setname_np(::pthread_self(), cut);
}

bool membarrier_register() noexcept { return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0; }

void membarrier() noexcept { ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }

namespace {

// The quota of one cgroup directory, in CPUs; 0: none. cgroup v2 has cpu.max ("100000 100000" or "max 100000"), v1 two files.
double quota_of(const std::string& directory) {
  std::ifstream v2(directory + "/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period) return quota == "max" || period <= 0 ? 0 : std::atof(quota.c_str()) / period;
  std::ifstream quota_us(directory + "/cpu.cfs_quota_us");
  std::ifstream period_us(directory + "/cpu.cfs_period_us");
  double quota_v1 = 0;
  if (quota_us >> quota_v1 && period_us >> period && quota_v1 > 0 && period > 0) return quota_v1 / period;
  return 0;
}

// The smallest quota between this process's cgroup and the root.
double cgroup_quota() {
  double smallest = 0;
  auto consider = [&](double quota) {
    if (quota > 0 && (smallest == 0 || quota < smallest)) smallest = quota;
  };
  std::ifstream own("/proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string base;
    if (controllers.empty())
      base = "/sys/fs/cgroup";
    else if (("," + controllers + ",").find(",cpu,") != std::string::npos)
      base = "/sys/fs/cgroup/cpu";
    else
      continue;
    for (std::string path = line.substr(second + 1);;) {
      consider(quota_of(base + path));
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos || path.empty()) break;
      path.resize(slash);
    }
  }
  return smallest;
}

}  // namespace

int usable_cpus() noexcept {
  int cpus = 1;
  for (std::size_t count = 1024; count <= 65536; count *= 4) {  // the kernel refuses a mask smaller than its own
    std::vector<unsigned long> mask(count / (8 * sizeof(unsigned long)));
    auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
    if (::sched_getaffinity(0, count / 8, set) == 0) {
      cpus = CPU_COUNT_S(count / 8, set);
      break;
    }
  }
  try {
    const double quota = cgroup_quota();
    if (quota > 0 && quota < cpus) cpus = static_cast<int>(quota + 0.999);
  } catch (...) {  // no memory to read a file: the affinity mask will do
  }
  return cpus < 1 ? 1 : cpus;
}

int process_threads() noexcept {
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return 0;
  int threads = 0;
  while (const dirent* entry = ::readdir(tasks)) threads += entry->d_name[0] != '.';
  ::closedir(tasks);
  return threads;
}

const char* environment(const char* name) noexcept { return std::getenv(name); }

void write_stderr(const char* text, std::size_t size) noexcept {
  while (size > 0) {
    const ssize_t n = ::write(2, text, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text += n;
    size -= static_cast<std::size_t>(n);
  }
}

void write_stderr(const std::string& text) noexcept { write_stderr(text.data(), text.size()); }

void exit_now(int status) noexcept {
  if (::ftrylockfile(stdout) == 0) {
    ::fflush_unlocked(stdout);
    ::funlockfile(stdout);
  }
  ::_exit(status);
}

void at_fork_child(void (*child)()) noexcept { ::pthread_atfork(nullptr, nullptr, child); }

}  // namespace gmp::detail::sys
