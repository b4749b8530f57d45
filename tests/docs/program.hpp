// tests/docs/program.hpp — a program of the documentation, by its name; and the check that those that print nothing end with.
// Go: none.  Room: tests/docs.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <source_location>
#include <string>

namespace docs {

/// Registers itself: each file that docs/generator/programs.py writes has one for each program.
class Program {
 public:
  Program(const char* name, void (*f)()) { all()[name].gives_nothing_ = f; }
  Program(const char* name, int (*f)()) { all()[name].gives_status_ = f; }

  struct Main {
    void (*gives_nothing_)() = nullptr;
    int (*gives_status_)() = nullptr;
    int run() const { return gives_nothing_ != nullptr ? (gives_nothing_(), 0) : gives_status_(); }
  };
  static std::map<std::string, Main>& all() {
    static std::map<std::string, Main> programs;
    return programs;
  }
};

/// For what a fragment has done.
inline void check(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: this does not hold\n", where.file_name(), static_cast<unsigned>(where.line()));
  std::_Exit(1);
}

}  // namespace docs
