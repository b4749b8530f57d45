// tests/bench/micro.cpp — fixed small workloads, each the same work as a Go program does in its own words.
// Go: the workloads are the usual ones of its runtime benchmarks.  Output: workload, P, run, metric, unit, value; tab separated.
//
//   micro [-runs N] [-procs N] [-scale F] workload...      one warm-up run, then N timed runs, each of F times the usual repetitions      (micro -list)
#include <gmp/chan.hpp>
#include <gmp/executor.hpp>
#include <gmp/go.hpp>
#include <gmp/select.hpp>
#include <gmp/sync.hpp>
#include <gmp/time.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/workload.hpp"

using namespace gmp;
using namespace std::chrono_literals;
using bench::Samples, bench::check, bench::now_ns, bench::scaled, bench::status_kib;

namespace {

Samples per_op(double begin, double operations) { return {{"time", "ns/op", (now_ns() - begin) / operations}}; }

Task<Samples> spawn_join() {
  const int n = scaled(1'000'000);
  const double begin = now_ns();
  WaitGroup wg;
  wg.add(n);
  for (int i = 0; i < n; ++i) go([](WaitGroup* group) { group->done(); }, &wg);
  co_await wg.wait();
  co_return per_op(begin, n);
}

Task<Samples> spawn_one_at_a_time() {
  const int n = scaled(1'000'000);
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
  const int goroutines = 1'000, yields = scaled(1'000);
  const double begin = now_ns();
  WaitGroup wg;
  wg.add(goroutines);
  for (int g = 0; g < goroutines; ++g) go(yielder, &wg, yields);
  co_await wg.wait();
  co_return per_op(begin, double{goroutines} * yields);
}

void link(WaitGroup* wg, int left) { left == 0 ? wg->done() : go(link, wg, left - 1); }

Task<Samples> go_chain_1000() {
  const int chains = 1'000, links = scaled(1'000);
  const double begin = now_ns();
  WaitGroup wg;
  wg.add(chains);
  for (int i = 0; i < chains; ++i) go(link, &wg, links - 1);
  co_await wg.wait();
  co_return per_op(begin, double{chains} * links);
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
  const int n = scaled(1'000'000);
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
  const int n = scaled(50'000'000);
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
  const int goroutines = 100, each = scaled(100'000);
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
  const int readers = 10, each = scaled(300'000);
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
  const int n = scaled(50'000'000);
  WaitGroup wg;
  const double begin = now_ns();
  for (int i = 0; i < n; ++i) {
    wg.add(1);
    wg.done();
  }
  co_return per_op(begin, n);
}

Task<Samples> once_do_hot() {
  const int n = scaled(200'000'000);
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
  const int trips = scaled(500'000);
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
  const int n = scaled(10'000'000);
  const double begin = now_ns();
  for (int i = 0; i < n; ++i) co_await blocking([] {});
  co_return per_op(begin, n);
}

Task<Samples> sleep_10k() {
  const int n = scaled(10'000);
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
  const int trips = scaled(1'000'000);
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
  const long elements = scaled(Elements) / Producers * Producers, each = elements / Producers;
  for (int p = 0; p < Producers; ++p) {
    producing.go([](Chan<long> out, long base, long end) -> Task<> {
      for (long i = base; i < end; ++i) co_await out.send(i);
    }, ch, p * each, (p + 1) * each);
  }
  co_await producing.wait();
  ch.close();
  co_await consuming.wait();
  long sum = 0;
  for (int c = 0; c < Consumers; ++c) sum += *co_await sums.recv();
  check(sum == elements * (elements - 1) / 2, "wrong sum");
  co_return per_op(begin, static_cast<double>(elements));
}

Task<Samples> select_2() {
  const int each = scaled(500'000);
  const double begin = now_ns();
  auto a = make_chan<int>(), b = make_chan<int>();
  const auto produce = [](Chan<int> out, int count) -> Task<> {
    for (int i = 0; i < count; ++i) co_await out.send(1);
  };
  go(produce, a, each);
  go(produce, b, each);
  for (int got = 0; got < 2 * each;) {
    std::optional<int> v;
    co_await select(recv(a, v), recv(b, v));
    got += *v;
  }
  co_return per_op(begin, 2.0 * each);
}

Task<Samples> timer_create_stop() {
  const int n = scaled(3'000'000);
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
  co_return Samples{{"wall", "ms", (now_ns() - begin) / 1e6}};
}

// ---- fork-join, by all()

Task<long> fib(int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await all(fib(n - 1), fib(n - 2));
  co_return a + b;
}

Task<Samples> fib_32() {
  const double begin = now_ns();
  const long sum = co_await fib(32);
  check(sum == 2'178'309, "wrong sum");
  co_return Samples{{"wall", "ms", (now_ns() - begin) / 1e6}};
}

Task<Samples> fork_pairs() {
  const int n = scaled(5'000);
  const double begin = now_ns();
  long sum = 0;
  for (int i = 0; i < n; ++i) sum += co_await fib(12);
  check(sum == 144L * n, "wrong sum");
  co_return per_op(begin, 232.0 * n);
}

Task<long> skynet(long first, long leaves) {
  if (leaves == 1) co_return first;
  const long each = leaves / 10;
  const auto child = [&](int i) { return skynet(first + i * each, each); };
  auto [a, b, c, d, e, f, g, h, i, j] =
      co_await all(child(0), child(1), child(2), child(3), child(4), child(5), child(6), child(7), child(8), child(9));
  co_return a + b + c + d + e + f + g + h + i + j;
}

Task<Samples> skynet_1m() {
  const double begin = now_ns();
  const long sum = co_await skynet(0, 1'000'000);
  check(sum == 499'999'500'000, "wrong sum");
  co_return Samples{{"wall", "ms", (now_ns() - begin) / 1e6}};
}

constexpr int queens = 12;

Task<int> place(std::array<std::int8_t, queens> board, int row) {
  if (row == queens) co_return 1;
  std::vector<Task<int>> rest;
  for (std::int8_t column = 0; column < queens; ++column) {
    bool safe = true;
    for (int i = 0; i < row && safe; ++i) safe = board[i] != column && std::abs(board[i] - column) != row - i;
    if (!safe) continue;
    board[row] = column;
    rest.push_back(place(board, row + 1));
  }
  const std::vector<int> counts = co_await all(std::move(rest));
  int sum = 0;
  for (const int count : counts) sum += count;
  co_return sum;
}

Task<Samples> nqueens_12() {
  const double begin = now_ns();
  const int solutions = co_await place({}, 0);
  check(solutions == 14'200, "wrong number of solutions");
  co_return Samples{{"wall", "ms", (now_ns() - begin) / 1e6}};
}

// c += a * b, of squares that lie in matrices of so many columns.
constexpr int matrix = 1'024, leaf = 32;

void multiply_leaf(const float* a, const float* b, float* c) {
  for (int i = 0; i < leaf; ++i) {
    for (int k = 0; k < leaf; ++k) {
      const float factor = a[i * matrix + k];
      for (int j = 0; j < leaf; ++j) c[i * matrix + j] += factor * b[k * matrix + j];
    }
  }
}

Task<> multiply(const float* a, const float* b, float* c, int n) {
  if (n == leaf) {
    multiply_leaf(a, b, c);
    co_return;
  }
  const int h = n / 2;
  const auto at = [h](auto* m, int i, int j) { return m + i * h * matrix + j * h; };
  for (int k = 0; k < 2; ++k) {
    co_await all(multiply(at(a, 0, k), at(b, k, 0), at(c, 0, 0), h), multiply(at(a, 0, k), at(b, k, 1), at(c, 0, 1), h),
                 multiply(at(a, 1, k), at(b, k, 0), at(c, 1, 0), h), multiply(at(a, 1, k), at(b, k, 1), at(c, 1, 1), h));
  }
}

Task<Samples> matmul_1024() {
  const std::vector<float> a(matrix * matrix, 1), b(matrix * matrix, 2);
  std::vector<float> c(matrix * matrix, 0);
  const double begin = now_ns();
  co_await multiply(a.data(), b.data(), c.data(), matrix);
  const double end = now_ns();
  check(c[0] == 2 * matrix && c.back() == 2 * matrix, "wrong product");
  co_return Samples{{"wall", "ms", (end - begin) / 1e6}};
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
    {"go_chain_1000", {"1,000 functions, each of which starts the next as a g, 1,000 times; ns per g", go_chain_1000}},
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
    {"fib_32", {"fib(32), each call from 2 on by all() of two; ms", fib_32}},
    {"fork_pairs", {"fib(12) 5,000 times, by all(); ns per pair", fork_pairs}},
    {"skynet_1m", {"a tree of all() of ten, 1,000,000 leaves, their sum; ms", skynet_1m}},
    {"nqueens_12", {"12 queens: all() of the legal placements in the next row; ms", nqueens_12}},
    {"matmul_1024", {"product of two 1024 x 1024 float matrices, all() of four quarters down to 32 x 32; ms", matmul_1024}},
    {"sleep_10k", {"10,000 gs sleep 1 ms each; ms until all have ended", sleep_10k}},
};

}  // namespace

int main(int argc, char** argv) {
  struct Work {
    Work(const Workload& of, int procs) : executor(Options{.procs = procs}), workload(of) {}
    int procs() const { return executor.procs(); }
    Samples samples() { return executor.run(workload.work); }
    Executor executor;
    const Workload& workload;
  };
  return bench::run(argc, argv, workloads, [](const Workload& workload, int procs) { return Work(workload, procs); });
}
