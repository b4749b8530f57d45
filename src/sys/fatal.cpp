// src/sys/fatal.cpp — the last words of the process.
// Go: runtime/panic.go (fatal, throw, dopanic_m).  Room: sys (floor 1).
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "gmp/detail/base/assert.hpp"
#include "sys/os.hpp"

namespace gmp::detail {

void die() noexcept {
  const char* traceback = sys::environment("GMPTRACEBACK");
  if (traceback != nullptr && std::strcmp(traceback, "crash") == 0) std::abort();
  sys::exit_now(2);
}

void fatal(const char* text) noexcept {
  char line[512];
  const int size = std::snprintf(line, sizeof line, "fatal error: %s\n", text);
  sys::write_stderr(line, static_cast<std::size_t>(size) < sizeof line ? static_cast<std::size_t>(size) : sizeof line - 1);
  die();
}

void assert_failed(const char* expression, const char* file, int line) noexcept {
  char text[512];
  std::snprintf(text, sizeof text, "gmp: broken invariant: %s (%s:%d)", expression, file, line);
  fatal(text);
}

}  // namespace gmp::detail
