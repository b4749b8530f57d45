// examples/worker_pool.cpp — blocking calls, at most four at a time, while other goroutines go on.
// Go: goroutines that make system calls; golang.org/x/sync/semaphore.
#include <gmp/gmp.hpp>

#include <atomic>
#include <cstdio>
#include <thread>

using namespace gmp;
using namespace std::chrono_literals;

// Stands for a library that knows nothing of coroutines: a database client, a compressor, getaddrinfo.
int slow_library_call(int job) {
  std::this_thread::sleep_for(20ms);
  return job * job;
}

Task<> work(Semaphore& slots, std::atomic<int>& sum, int job) {
  co_await slots.acquire();
  auto give_back = defer([&] { slots.release(); });
  sum += co_await blocking(slow_library_call, job);  // this thread blocks; its P, with all other goroutines, moves to another one
}

Task<> program() {
  Semaphore slots(4);
  std::atomic<int> sum = 0;
  std::atomic<bool> finished = false;
  int ticks = 0;
  WaitGroup jobs, clock;
  clock.go([&]() -> Task<> {  // goes on ticking though every thread that it has run on may block
    while (!finished) {
      co_await gmp::sleep(5ms);
      ++ticks;
    }
  });
  for (int job = 1; job <= 12; ++job) jobs.go(work, std::ref(slots), std::ref(sum), job);
  co_await jobs.wait();
  finished = true;
  co_await clock.wait();
  std::printf("sum of squares %d, and the clock ticked %s\n", sum.load(), ticks >= 5 ? "all the while" : "too seldom");
}

int main() { gmp::run(program); }
