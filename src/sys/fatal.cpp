// src/sys/fatal.cpp — the last words of the process.
// Go: runtime/panic.go (fatal, throw, dopanic_m).  Room: sys (floor 1).
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "gmp/detail/base/assert.hpp"
#include "sys/os.hpp"
#include "sys/traceback.hpp"

namespace gmp::detail {

sys::Traceback sys::traceback() noexcept {
  struct Name {
    const char* text;
    Traceback means;
  };
  constexpr Name names[] = {{"none", Traceback::none},     {"0", Traceback::none}, {"all", Traceback::all},     {"1", Traceback::all},
                            {"system", Traceback::system}, {"2", Traceback::system}, {"crash", Traceback::crash}};
  if (const char* text = environment("GMPTRACEBACK")) {
    for (const Name& name : names) {
      if (std::strcmp(text, name.text) == 0) return name.means;
    }
  }
  return Traceback::single;
}

void die() noexcept {
  if (sys::traceback() == sys::Traceback::crash) std::abort();
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
  std::snprintf(text, sizeof text, "broken invariant: %s (%s:%d)", expression, file, line);
  fatal(text);
}

}  // namespace gmp::detail
