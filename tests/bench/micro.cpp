// tests/bench/micro.cpp — fixed small workloads, each the same work as a Go program does in its own words.
// Go: the workloads are the usual ones of its runtime benchmarks.  Output: workload, P, run, metric, unit, value; tab separated.
//
//   micro [-runs N] [-procs N] workload...      one warm-up run, then N timed runs      (micro -list)
#include <gmp/chan.hpp>
#include <gmp/executor.hpp>
#include <gmp/select.hpp>
#include <gmp/sync.hpp>
#include <gmp/time.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

using namespace gmp;
using namespace std::chrono_literals;

namespace {

struct Sample {
  const char* metric;
  const char* unit;
  double value;
};
using Samples = std::vector<Sample>;

double now_ns() { return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count()); }

double status_kib(const char* field) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  double kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, field, std::strlen(field)) == 0) kib = std::atof(line + std::strlen(field) + 1);
  }
  std::fclose(file);
  return kib;
}

Samples per_op(double begin, double operations) { return {{"time", "ns/op", (now_ns() - begin) / operations}}; }

void check(bool held, const char* what) {
  if (!held) {
    std::fprintf(stderr, "micro: %s\n", what);
    std::exit(1);
  }
}

Task<Samples> spawn_join() {
  constexpr int n = 1'000'000;
  const double begin = now_ns();
  WaitGroup wg;
  wg.add(n);
  for (int i = 0; i < n; ++i) go([](WaitGroup* group) { group->done(); }, &wg);
  co_await wg.wait();
  co_return per_op(begin, n);
}

Task<Samples> spawn_one_at_a_time() {
  constexpr int n = 1'000'000;
  const double begin = now_ns();
  WaitGroup wg;
  for (int i = 0; i < n; ++i) {
    wg.add(1);
    go([](WaitGroup* group) { group->done(); }, &wg);
    co_await wg.wait();
  }
  co_return per_op(begin, n);
}

Task<> yielder(WaitGroup* wg, int yields) {
  for (int i = 0; i < yields; ++i) co_await yield();
  wg->done();
}

Task<Samples> gosched_1000() {
  constexpr int goroutines = 1'000, yields = 1'000;
  const double begin = now_ns();
  WaitGroup wg;
  wg.add(goroutines);
  for (int g = 0; g < goroutines; ++g) go(yielder, &wg, yields);
  co_await wg.wait();
  co_return per_op(begin, double{goroutines} * yields);
}

struct Gate {
  WaitGroup parked, open, done;
};

Task<> park_at(Gate* gate) {
  gate->parked.done();
  co_await gate->open.wait();
  gate->done.done();
}

Task<Samples> parked_1m() {
  constexpr int n = 1'000'000;
  const double before = status_kib("VmRSS:");
  Gate gate;
  gate.open.add(1);
  gate.parked.add(n);
  gate.done.add(n);
  double begin = now_ns();
  for (int i = 0; i < n; ++i) go(park_at, &gate);
  co_await gate.parked.wait();
  const double spawned = now_ns() - begin;
  co_await gmp::sleep(100ms);  // the last few have called parked.done() but may not have parked yet
  const double after = status_kib("VmRSS:");
  begin = now_ns();
  gate.open.done();
  co_await gate.done.wait();
  co_return Samples{{"spawn_and_park", "ns/op", spawned / n},
                    {"resident", "bytes/goroutine", (after - before) * 1024 / n},
                    {"wake_and_finish", "ns/op", (now_ns() - begin) / n}};
}

Task<Samples> mutex_uncontended() {
  constexpr int n = 50'000'000;
  Mutex mu;
  const double begin = now_ns();
  for (int i = 0; i < n; ++i) {
    co_await mu.lock();
    mu.unlock();
  }
  co_return per_op(begin, n);
}

struct Shared {
  Mutex mu;
  RWMutex rw;
  WaitGroup wg;
  int value = 0;
};

Task<> count_up(Shared* shared, int each) {
  for (int i = 0; i < each; ++i) {
    co_await shared->mu.lock();
    ++shared->value;
    shared->mu.unlock();
  }
  shared->wg.done();
}

Task<Samples> mutex_contended_100() {
  constexpr int goroutines = 100, each = 100'000;
  Shared shared;
  const double begin = now_ns();
  shared.wg.add(goroutines);
  for (int g = 0; g < goroutines; ++g) go(count_up, &shared, each);
  co_await shared.wg.wait();
  Samples samples = per_op(begin, double{goroutines} * each);
  check(shared.value == goroutines * each, "lost updates");
  co_return samples;
}

Task<> read_up(Shared* shared, int each) {
  int last = 0;
  for (int i = 0; i < each; ++i) {
    co_await shared->rw.rlock();
    const int value = shared->value;
    shared->rw.runlock();
    check(value >= last, "value went backwards");
    last = value;
  }
  shared->wg.done();
}

Task<> write_up(Shared* shared, int each) {
  for (int i = 0; i < each; ++i) {
    co_await shared->rw.lock();
    ++shared->value;
    shared->rw.unlock();
  }
  shared->wg.done();
}

Task<Samples> rwmutex_10r1w() {
  constexpr int readers = 10, each = 300'000;
  Shared shared;
  const double begin = now_ns();
  shared.wg.add(readers + 1);
  for (int g = 0; g < readers; ++g) go(read_up, &shared, each);
  go(write_up, &shared, each);
  co_await shared.wg.wait();
  Samples samples = per_op(begin, (readers + 1.0) * each);
  check(shared.value == each, "lost updates");
  co_return samples;
}

Task<Samples> waitgroup_add_done() {
  constexpr int n = 50'000'000;
  WaitGroup wg;
  const double begin = now_ns();
  for (int i = 0; i < n; ++i) {
    wg.add(1);
    wg.done();
  }
  co_return per_op(begin, n);
}

Task<Samples> once_do_hot() {
  constexpr int n = 200'000'000;
  Once once;
  auto nothing = [] {};
  co_await once.call(nothing);
  const double begin = now_ns();
  for (int i = 0; i < n; ++i) co_await once.call(nothing);
  co_return per_op(begin, n);
}

struct Table {
  Mutex mu;
  Cond conds[2]{Cond(mu), Cond(mu)};
  WaitGroup wg;
  int turn = 0;
};

Task<> play(Table* table, int me, int trips) {
  co_await table->mu.lock();
  for (int i = 0; i < trips; ++i) {
    while (table->turn != me) co_await table->conds[me].wait();
    table->turn = 1 - me;
    table->conds[table->turn].signal();
  }
  table->mu.unlock();
  table->wg.done();
}

Task<Samples> cond_pingpong() {
  constexpr int trips = 500'000;
  Table table;
  const double begin = now_ns();
  table.wg.add(1);
  go(play, &table, 1, trips);
  table.wg.add(1);
  co_await play(&table, 0, trips);
  co_await table.wg.wait();
  co_return per_op(begin, trips);
}

Task<Samples> blocking_empty() {
  constexpr int n = 10'000'000;
  const double begin = now_ns();
  for (int i = 0; i < n; ++i) co_await blocking([] {});
  co_return per_op(begin, n);
}

Task<Samples> sleep_10k() {
  constexpr int n = 10'000;
  const double begin = now_ns();
  WaitGroup wg;
  for (int i = 0; i < n; ++i) {
    wg.add(1);
    go([](WaitGroup* group) -> Task<> {
      co_await gmp::sleep(1ms);
      group->done();
    }, &wg);
  }
  co_await wg.wait();
  co_return Samples{{"wall", "ms", (now_ns() - begin) / 1e6}};
}

Task<Samples> chan_pingpong() {
  constexpr int trips = 1'000'000;
  const double begin = now_ns();
  auto ping = make_chan<int>(), pong = make_chan<int>();
  go([](Chan<int> in, Chan<int> out) -> Task<> {
    while (auto v = co_await in.recv()) co_await out.send(*v);
    out.close();
  }, ping, pong);
  for (int i = 0; i < trips; ++i) {
    co_await ping.send(i);
    check(co_await pong.recv() == i, "wrong answer");
  }
  ping.close();
  co_await pong.recv();
  co_return per_op(begin, trips);
}

template <int Producers, int Consumers, int Capacity, int Elements>
Task<Samples> chan_pc() {
  const double begin = now_ns();
  auto ch = make_chan<long>(Capacity);
  auto sums = make_chan<long>(Consumers);
  WaitGroup producing, consuming;
  for (int c = 0; c < Consumers; ++c) {
    consuming.go([](Chan<long> in, Chan<long> out) -> Task<> {
      long local = 0;
      while (auto v = co_await in.recv()) local += *v;
      co_await out.send(local);
    }, ch, sums);
  }
  constexpr long each = Elements / Producers;
  for (int p = 0; p < Producers; ++p) {
    producing.go([](Chan<long> out, long base) -> Task<> {
      for (long i = base; i < base + each; ++i) co_await out.send(i);
    }, ch, p * each);
  }
  co_await producing.wait();
  ch.close();
  co_await consuming.wait();
  long sum = 0;
  for (int c = 0; c < Consumers; ++c) sum += *co_await sums.recv();
  check(sum == long{Elements} * (Elements - 1) / 2, "wrong sum");
  co_return per_op(begin, Elements);
}

Task<Samples> select_2() {
  constexpr int each = 500'000;
  const double begin = now_ns();
  auto a = make_chan<int>(), b = make_chan<int>();
  const auto produce = [](Chan<int> out) -> Task<> {
    for (int i = 0; i < each; ++i) co_await out.send(1);
  };
  go(produce, a);
  go(produce, b);
  for (int got = 0; got < 2 * each;) {
    std::optional<int> v;
    co_await select(recv(a, v), recv(b, v));
    got += *v;
  }
  co_return per_op(begin, 2.0 * each);
}

Task<Samples> timer_create_stop() {
  constexpr int n = 3'000'000;
  const double begin = now_ns();
  for (int i = 0; i < n; ++i) check(gmp::Timer(1h).stop(), "timer had fired");
  co_return per_op(begin, n);
}

struct Nothing {};

Task<> generate(Chan<int> out, Chan<Nothing> stop) {  // 2, 3, 4, ...
  for (int i = 2; co_await select(send(out, i), recv(stop)) == 0;) ++i;
  out.close();
}

Task<> filter(RecvChan<int> in, SendChan<int> out, int prime, Chan<Nothing> filters) {
  while (auto v = co_await in.recv()) {
    if (*v % prime != 0) co_await out.send(*v);
  }
  out.close();
  co_await filters.send(Nothing());
}

Task<Samples> sieve_2000() {
  constexpr int primes = 2'000;
  const double begin = now_ns();
  auto stop = make_chan<Nothing>();
  auto filters = make_chan<Nothing>(primes);
  auto in = make_chan<int>();
  go(generate, in, stop);
  int last = 0;
  for (int i = 0; i < primes; ++i) {
    last = *co_await in.recv();
    auto out = make_chan<int>();
    go(filter, in, out, last, filters);
    in = out;
  }
  check(last == 17389, "wrong 2000th prime");
  go([](Chan<int> rest) -> Task<> {
    while (co_await rest.recv()) {
    }
  }, in);
  stop.close();
  for (int i = 0; i < primes; ++i) co_await filters.recv();
  co_return Samples{{"time", "ms", (now_ns() - begin) / 1e6}};
}

struct Workload {
  const char* what;
  Task<Samples> (*work)();
  bool cold = false;  // the first run in the process only (memory figures)
};

const std::map<std::string, Workload> workloads{
    {"spawn_join", {"1 g starts 1,000,000 gs that only call wg.done(), then wg.wait(); ns per g", spawn_join}},
    {"spawn_one_at_a_time", {"1,000,000 times: start one g that calls wg.done(), wg.wait() for it; ns per g", spawn_one_at_a_time}},
    {"gosched_1000", {"1,000 gs each yield 1,000 times; ns per yield", gosched_1000}},
    {"parked_1m", {"1,000,000 gs park at one gate: resident bytes each, then open it and join them", parked_1m, true}},
    {"mutex_uncontended", {"1 g locks and unlocks a Mutex 50,000,000 times; ns per pair", mutex_uncontended}},
    {"mutex_contended_100", {"100 gs each lock, count, unlock one Mutex 100,000 times; ns per pair", mutex_contended_100}},
    {"rwmutex_10r1w", {"11 gs on one RWMutex, 300,000 times each: 10 read, 1 writes; ns per pair", rwmutex_10r1w}},
    {"waitgroup_add_done", {"1 g calls wg.add(1), wg.done() 50,000,000 times; ns per pair", waitgroup_add_done}},
    {"once_do_hot", {"1 g calls once.call(f) 200,000,000 times after f has run; ns per call", once_do_hot}},
    {"cond_pingpong", {"2 gs pass a turn through one Mutex and one Cond each, 500,000 round trips; ns per round trip", cond_pingpong}},
    {"blocking_empty", {"1 g calls blocking() with an empty function 10,000,000 times; ns per call", blocking_empty}},
    {"chan_pingpong", {"2 gs, 2 unbuffered channels, 1,000,000 round trips; ns per round trip", chan_pingpong}},
    {"chan_1p1c_unbuffered", {"1 producer, 1 consumer, unbuffered channel, 2,000,000 elements; ns per element", chan_pc<1, 1, 0, 2'000'000>}},
    {"chan_1p1c_128", {"1 producer, 1 consumer, channel with capacity 128, 10,000,000 elements; ns per element", chan_pc<1, 1, 128, 10'000'000>}},
    {"chan_4p4c_128", {"4 producers, 4 consumers, channel with capacity 128, 10,000,000 elements in all; ns per element", chan_pc<4, 4, 128, 10'000'000>}},
    {"select_2", {"2 producers, each with its unbuffered channel, 500,000 elements each; 1 consumer selects over both; ns per element", select_2}},
    {"sieve_2000", {"prime sieve, one filter g a prime, unbuffered channels, first 2,000 primes; ms", sieve_2000}},
    {"timer_create_stop", {"1 g makes a 1-hour timer and stops it, 3,000,000 times; ns per pair", timer_create_stop}},
    {"sleep_10k", {"10,000 gs sleep 1 ms each; ms until all have ended", sleep_10k}},
};

}  // namespace

int main(int argc, char** argv) {
  int runs = 5, procs = 0;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "-list") == 0) {
      for (const auto& [name, workload] : workloads) std::printf("%s\t%s\n", name.c_str(), workload.what);
      return 0;
    }
    if (std::strcmp(argv[i], "-runs") == 0 && i + 1 < argc)
      runs = std::atoi(argv[++i]);
    else if (std::strcmp(argv[i], "-procs") == 0 && i + 1 < argc)
      procs = std::atoi(argv[++i]);
    else
      names.emplace_back(argv[i]);
  }
  for (const std::string& name : names) {
    const auto found = workloads.find(name);
    if (found == workloads.end()) {
      std::fprintf(stderr, "micro: no workload named \"%s\" (micro -list)\n", name.c_str());
      return 2;
    }
    Executor executor(Options{.procs = procs});
    const Workload& workload = found->second;
    const int timed = workload.cold ? 1 : runs;
    if (!workload.cold) executor.run(workload.work);
    for (int run = 0; run < timed; ++run) {
      for (const Sample& sample : executor.run(workload.work))
        std::printf("%s\t%d\t%d\t%s\t%s\t%.3f\n", name.c_str(), executor.run([] { return gomaxprocs(); }), run, sample.metric, sample.unit, sample.value);
    }
    std::fflush(stdout);
  }
}
