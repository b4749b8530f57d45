// tests/install/hello.cpp — a program outside the project.
// Go: none.  Room: tests/install.
#include <gmp/gmp.hpp>

#include <cstdio>

gmp::Task<int> answer() { co_return 42; }

int main() { std::printf("%d\n", gmp::run(answer)); }
