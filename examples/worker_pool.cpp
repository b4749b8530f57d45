// examples/worker_pool.cpp — four workers take jobs from one channel, make blocking calls, and send the results to another.
// Go: the worker pool of "Go by Example".
#include <gmp/gmp.hpp>

#include <cstdio>
#include <thread>

using namespace gmp;
using namespace std::chrono_literals;

// Stands for a library that knows nothing of coroutines: a database client, a compressor, getaddrinfo.
int slow_library_call(int job) {
  std::this_thread::sleep_for(200ms);
  return job * job;
}

Task<> worker(RecvChan<int> jobs, SendChan<int> results) {
  while (auto job = co_await jobs.recv()) {
    const int result = co_await blocking(slow_library_call, *job);  // this thread blocks; its P, with all other goroutines, moves on
    co_await results.send(result);
  }
}

Task<> program() {
  constexpr int jobs_count = 12;
  auto jobs = make_chan<int>(jobs_count);
  auto results = make_chan<int>();
  for (int w = 0; w < 4; ++w) go(worker, jobs, results);
  for (int job = 1; job <= jobs_count; ++job) co_await jobs.send(job);
  jobs.close();  // the workers end when it is drained

  int sum = 0, received = 0, ticks = 0;
  Ticker ticker(5ms);  // goes on though every thread that it has run on may block
  while (received < jobs_count) {
    std::optional<int> result;
    switch (co_await select(recv(results, result), recv(ticker.chan()))) {
      case 0:
        sum += *result;
        ++received;
        break;
      case 1: ++ticks;
    }
  }
  std::printf("sum of squares %d, and the clock ticked %s\n", sum, ticks >= 5 ? "all the while" : "too seldom");
}

int main() { gmp::run(program); }

// Prints:
//   sum of squares 650, and the clock ticked all the while
