// examples/mutex_counter.cpp — a hundred goroutines and one counter.
// Go: sync.Mutex.
#include <gmp/gmp.hpp>

#include <cstdio>

using namespace gmp;

struct Counter {
  Mutex mu;
  int value = 0;  // guarded by mu
};

Task<> count(Counter& counter, int times) {
  for (int i = 0; i < times; ++i) {
    auto guard = co_await counter.mu.scoped_lock();  // parks the goroutine, never the thread, while another holds it
    ++counter.value;
  }
}

Task<> program() {
  Counter counter;
  WaitGroup wg;
  for (int i = 0; i < 100; ++i) wg.go(count, std::ref(counter), 1000);
  co_await wg.wait();
  std::printf("%d\n", counter.value);
}

int main() { gmp::run(program); }
