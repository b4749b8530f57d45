// tests/support/memory.hpp — what the process holds, and whether that is the library's: sanitizers hold more.
// Go: runtime.MemStats.  Room: tests/support.
#pragma once

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GMPCORO_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GMPCORO_TEST_SANITIZED 1
#endif
#endif

// Figures of memory are claims about the build that users have.
#if defined(NDEBUG) && !defined(GMPCORO_TEST_SANITIZED)
#define GMPCORO_TEST_MEMORY_FIGURES 1
#endif

namespace gmp::test {

inline std::int64_t resident_bytes() {
  long total = 0;
  long resident = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return std::int64_t{resident} * ::sysconf(_SC_PAGESIZE);
}
inline std::int64_t allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

}  // namespace gmp::test
