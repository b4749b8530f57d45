// examples/hello.cpp — a goroutine, and a value that comes back from it.
// Go: go f(x).
//
// Prints:
//   hello from a goroutine
//   the answer is 42
#include <gmp/gmp.hpp>

#include <cstdio>

using namespace gmp;
using namespace std::chrono_literals;

Task<int> twice(int x) {
  co_await gmp::sleep(10ms);  // parks this goroutine; its thread goes on with others
  co_return 2 * x;
}

Task<> program() {
  go([] { std::puts("hello from a goroutine"); });  // go f()
  JoinHandle<int> answer = spawn(twice, 21);        // go twice(21), with a handle on what it returns
  std::printf("the answer is %d\n", co_await answer);
}

int main() { gmp::run(program); }
