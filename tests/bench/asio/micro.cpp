// tests/bench/asio/micro.cpp — what Asio has a way to do of the workloads of tests/bench/micro.cpp, with the same command line.
// Go: none.
//
//   micro [-runs N] [-procs N] [-scale F] workload...      one warm-up run, then N timed runs      (micro -list, micro -version)
//
// P is the number of threads that run one io_context.  A coroutine is an asio::awaitable, started by co_spawn, which runs it at once on the thread that
// starts it, until it first waits; its join is that io_context::run() returns when nothing is left.  A channel is asio::experimental's: the one without a lock
// where there is one thread, else concurrent_channel.  What takes it ten times as long as others is repeated less.
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/experimental/concurrent_channel.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/version.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/workload.hpp"

using namespace std::chrono_literals;
using bench::Samples, bench::check, bench::now_ns, bench::scaled, bench::status_kib;
using asio::awaitable, asio::use_awaitable, asio::detached;

namespace {

int threads = 1;

using Executor = asio::io_context::executor_type;

// Starts f(executor), a coroutine, and runs it and all that it has started to the end; ns.
template <class F>
double run(F f) {
  asio::io_context io(threads);
  const double begin = now_ns();
  asio::co_spawn(io, f(io.get_executor()), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&] { io.run(); });
  io.run();
  for (std::thread& other : others) other.join();
  return now_ns() - begin;
}

Samples per_op(double ns, double operations) { return {{"time", "ns/op", ns / operations}}; }
Samples wall(double ns) { return {{"wall", "ms", ns / 1e6}}; }

awaitable<void> count_down(std::atomic<int>* left) {
  left->fetch_sub(1);
  co_return;
}

Samples spawn_join() {
  const int n = scaled(1'000'000);
  std::atomic<int> left = n;
  const double ns = run([&](Executor executor) -> awaitable<void> {
    for (int i = 0; i < n; ++i) asio::co_spawn(executor, count_down(&left), detached);
    co_return;
  });
  check(left == 0, "some have not run");
  return per_op(ns, n);
}

Samples spawn_one_at_a_time() {
  const int n = scaled(1'000'000);
  std::atomic<int> left = n;
  const double ns = run([&](Executor executor) -> awaitable<void> {
    for (int i = 0; i < n; ++i) co_await asio::co_spawn(executor, count_down(&left), use_awaitable);
  });
  check(left == 0, "some have not run");
  return per_op(ns, n);
}

struct Link {
  Executor executor;
  int left;
  std::atomic<int>* ended;

  void operator()() const { left == 0 ? void(ended->fetch_add(1)) : asio::post(executor, Link{executor, left - 1, ended}); }
};

Samples go_chain_1000() {
  const int chains = 1'000, links = scaled(1'000);
  std::atomic<int> ended = 0;
  const double ns = run([&](Executor executor) -> awaitable<void> {
    for (int i = 0; i < chains; ++i) asio::post(executor, Link{executor, links - 1, &ended});
    co_return;
  });
  check(ended == chains, "some have not ended");
  return per_op(ns, double{chains} * links);
}

awaitable<void> yielder(int yields) {
  for (int i = 0; i < yields; ++i) co_await asio::post(use_awaitable);
}

Samples gosched_1000() {
  const int coroutines = 1'000, yields = scaled(1'000);
  const double ns = run([&](Executor executor) -> awaitable<void> {
    for (int i = 0; i < coroutines; ++i) asio::co_spawn(executor, yielder(yields), detached);
    co_return;
  });
  return per_op(ns, double{coroutines} * yields);
}

template <template <class...> class Channel>
using Longs = Channel<Executor, asio::experimental::channel_traits<>, void(std::error_code, long)>;

template <class Channel>
awaitable<void> park(Channel* gate, std::atomic<int>* parked) {
  ++*parked;
  co_await gate->async_receive(asio::experimental::as_tuple(use_awaitable));
}

template <template <class...> class Channel>
Samples parked_1m() {
  using Gate = Longs<Channel>;
  const int n = scaled(1'000'000);
  const double before = status_kib("VmRSS:");
  double begin = 0, spawned = 0, after = 0, opened = 0;
  std::atomic<int> parked = 0;
  std::unique_ptr<Gate> gate;
  run([&](Executor executor) -> awaitable<void> {
    gate = std::make_unique<Gate>(executor);
    begin = now_ns();
    for (int i = 0; i < n; ++i) asio::co_spawn(executor, park(gate.get(), &parked), detached);
    while (parked < n) co_await asio::post(use_awaitable);
    spawned = now_ns() - begin;
    after = status_kib("VmRSS:");
    opened = now_ns();
    gate->close();
  });
  return {{"spawn_and_park", "ns/op", spawned / n},
          {"resident", "bytes/goroutine", (after - before) * 1024 / n},
          {"wake_and_finish", "ns/op", (now_ns() - opened) / n}};
}

template <class Channel>
awaitable<void> answer(Channel* in, Channel* out, int trips) {
  for (int i = 0; i < trips; ++i) {
    const long value = co_await in->async_receive(use_awaitable);
    co_await out->async_send(std::error_code(), value, use_awaitable);
  }
}

template <template <class...> class Channel>
Samples chan_pingpong() {
  const int trips = scaled(1'000'000);
  const double ns = run([&](Executor executor) -> awaitable<void> {
    auto ping = std::make_unique<Longs<Channel>>(executor), pong = std::make_unique<Longs<Channel>>(executor);
    asio::co_spawn(executor, answer(ping.get(), pong.get(), trips), detached);
    for (int i = 0; i < trips; ++i) {
      co_await ping->async_send(std::error_code(), i, use_awaitable);
      check(co_await pong->async_receive(use_awaitable) == i, "wrong answer");
    }
  });
  return per_op(ns, trips);
}

template <class Channel>
awaitable<void> produce(Channel* out, long first, long end) {
  for (long i = first; i < end; ++i) co_await out->async_send(std::error_code(), i, use_awaitable);
}

template <class Channel>
awaitable<void> consume(Channel* in, long count, std::atomic<long>* sum) {
  long local = 0;
  for (long i = 0; i < count; ++i) local += co_await in->async_receive(use_awaitable);
  *sum += local;
}

template <template <class...> class Channel, int Pairs, int Capacity, int Elements>
Samples chan_pc() {
  const long each = scaled(Elements) / Pairs, elements = each * Pairs;
  std::atomic<long> sum = 0;
  std::unique_ptr<Longs<Channel>> channel;
  const double ns = run([&](Executor executor) -> awaitable<void> {
    channel = std::make_unique<Longs<Channel>>(executor, Capacity);
    for (int i = 0; i < Pairs; ++i) asio::co_spawn(executor, consume(channel.get(), each, &sum), detached);
    for (int i = 0; i < Pairs; ++i) asio::co_spawn(executor, produce(channel.get(), i * each, (i + 1) * each), detached);
    co_return;
  });
  check(sum == elements * (elements - 1) / 2, "wrong sum");
  return per_op(ns, static_cast<double>(elements));
}

Samples timer_create_stop() {
  const int n = scaled(1'000'000);
  std::atomic<int> left = n;
  const double ns = run([&](Executor executor) -> awaitable<void> {
    for (int i = 0; i < n; ++i) {
      asio::steady_timer timer(executor, 1h);
      timer.async_wait([&](std::error_code err) { left.fetch_sub(err == asio::error::operation_aborted); });
      check(timer.cancel() == 1, "timer had fired");
      if (i % 100 == 0) co_await asio::post(use_awaitable);  // lets the handlers run, which would pile up
    }
  });
  check(left == 0, "a handler was not called");
  return per_op(ns, n);
}

awaitable<void> sleeper(Executor executor) {
  asio::steady_timer timer(executor, 1ms);
  co_await timer.async_wait(use_awaitable);
}

Samples sleep_10k() {
  const int n = scaled(10'000);
  return wall(run([&](Executor executor) -> awaitable<void> {
    for (int i = 0; i < n; ++i) asio::co_spawn(executor, sleeper(executor), detached);
    co_return;
  }));
}

template <class... T>
using Alone = asio::experimental::basic_channel<T...>;
template <class... T>
using Shared = asio::experimental::basic_concurrent_channel<T...>;

struct Workload {
  const char* what;
  Samples (*alone)();
  Samples (*shared)();  // with several threads
  bool cold = false;    // the first run in the process only (memory figures)
};

const std::map<std::string, Workload> workloads{
    {"spawn_join", {"co_spawn, detached, 1,000,000 times; ns each", spawn_join, spawn_join}},
    {"spawn_one_at_a_time", {"co_await co_spawn(…, use_awaitable) 1,000,000 times; ns each", spawn_one_at_a_time, spawn_one_at_a_time}},
    {"go_chain_1000", {"1,000 handlers, each of which posts the next, 1,000 times; ns per post", go_chain_1000, go_chain_1000}},
    {"gosched_1000", {"1,000 coroutines each co_await asio::post 1,000 times; ns per post", gosched_1000, gosched_1000}},
    {"parked_1m", {"1,000,000 coroutines receive from one channel: resident bytes each, then close it", parked_1m<Alone>, parked_1m<Shared>, true}},
    {"chan_pingpong", {"2 coroutines, 2 unbuffered channels, 1,000,000 round trips; ns per round trip", chan_pingpong<Alone>, chan_pingpong<Shared>}},
    {"chan_1p1c_unbuffered",
     {"1 producer, 1 consumer, unbuffered channel, 2,000,000 elements; ns per element", chan_pc<Alone, 1, 0, 2'000'000>, chan_pc<Shared, 1, 0, 2'000'000>}},
    {"chan_1p1c_128",
     {"1 producer, 1 consumer, channel of 128, 2,000,000 elements; ns per element", chan_pc<Alone, 1, 128, 2'000'000>, chan_pc<Shared, 1, 128, 2'000'000>}},
    {"chan_4p4c_128",
     {"4 producers, 4 consumers, channel of 128, 2,000,000 elements; ns per element", chan_pc<Alone, 4, 128, 2'000'000>, chan_pc<Shared, 4, 128, 2'000'000>}},
    {"timer_create_stop", {"a 1-hour steady_timer, waited for and cancelled, its handler called, 1,000,000 times; ns each", timer_create_stop, timer_create_stop}},
    {"sleep_10k", {"10,000 coroutines wait for a steady_timer of 1 ms each; ms until all have ended", sleep_10k, sleep_10k}},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "-version") == 0) {
    std::printf("Asio %d.%d.%d\n", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
    return 0;
  }
  struct Work {
    Work(const Workload& of, int procs) : workload(of) { threads = procs != 0 ? procs : 1; }
    int procs() const { return threads; }
    Samples samples() { return (threads == 1 ? workload.alone : workload.shared)(); }
    const Workload& workload;
  };
  return bench::run(argc, argv, workloads, [](const Workload& workload, int procs) { return Work(workload, procs); });
}
