// examples/sieve.cpp — the prime sieve: one goroutine a prime, each of which passes on what its prime does not divide.
// Go: the program that is older than Go itself.
#include <gmp/gmp.hpp>

#include <cstdio>

using namespace gmp;

struct Stop {};

Task<> numbers(SendChan<int> out, RecvChan<Stop> stop) {
  for (int i = 2; co_await select(send(out, i), recv(stop)) == 0;) ++i;  // until stop is closed
  out.close();
}

Task<> filter(RecvChan<int> in, SendChan<int> out, int prime) {
  while (auto v = co_await in.recv()) {
    if (*v % prime != 0) co_await out.send(*v);
  }
  out.close();
}

Task<> program() {
  auto stop = make_chan<Stop>();
  auto in = make_chan<int>();
  go(numbers, in, stop);
  for (int n = 0; n < 20; ++n) {
    const int prime = *co_await in.recv();
    std::printf("%d ", prime);
    auto out = make_chan<int>();
    go(filter, in, out, prime);
    in = out;
  }
  stop.close();
  while (co_await in.recv()) {  // lets the filters end, one after the other
  }
  std::printf("\n");
}

int main() { gmp::run(program); }
// Prints:
//   2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71
