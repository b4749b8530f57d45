// tests/docs/main.cpp — runs the program of the documentation that the command line names; without a name, lists them.
#include <cstdio>

#include "docs/program.hpp"

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // stderr goes the same way: in the order in which it was written
  const auto& all = docs::Program::all();
  if (argc < 2) {
    for (const auto& [name, program] : all) std::puts(name.c_str());
    return 0;
  }
  const auto found = all.find(argv[1]);
  if (found == all.end()) {
    std::fprintf(stderr, "no program has the name %s\n", argv[1]);
    return 1;
  }
  return found->second.run();
}
