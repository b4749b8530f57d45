// tests/fault/memory_fault_test.cpp — no memory: the n-th allocation fails, for each n, until a program gets by without it.
// Go: none; it dies of that.  Room: tests/fault.
//
// This binary's operator new fails when it is told to, on whatever thread; frames come from there too.  A program must then end with
// std::bad_alloc, or with ENOMEM in a Result, or not notice; and leave nothing behind, and the next one works.
//
// What is kept for later (frames, Gs) makes a program's first runs leave more than they found.  So a failure counts as a leak only if it
// leaves something each time that it is repeated.  Not under TSan, whose operator new cannot be replaced.
#include <gtest/gtest.h>

#include "gmp/detail/base/config.hpp"

#if !GMPCORO_TSAN

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/net.hpp"
#include "support/replaced_new.hpp"
#include "support/scale.hpp"

namespace {

constinit std::atomic<long> until_failure{0};  // allocations, the failing one included; 0 or less: none fails
constinit std::atomic<long> failures{0};
constinit std::atomic<long> outstanding{0};

}  // namespace

void* gmp::test::allocate(std::size_t size, std::size_t alignment) noexcept {
  if (until_failure.load(std::memory_order_relaxed) > 0 && until_failure.fetch_sub(1, std::memory_order_relaxed) == 1) {
    failures.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  void* memory = take_memory(size, alignment);
  if (memory != nullptr) outstanding.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void gmp::test::release(void* memory) noexcept {
  if (memory != nullptr) outstanding.fetch_sub(1, std::memory_order_relaxed);
  std::free(memory);
}

namespace gmp::memory_fault_test {
namespace {

using namespace std::chrono_literals;

bool is_of_memory(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const std::system_error& error) {
    return error.code() == std::errc::not_enough_memory;
  } catch (...) {
    return false;
  }
}

Options options(int procs) {
  Options all;
  all.procs = procs;
  // What leaves a g that nobody joins: a frame that it wanted and did not get.
  all.on_panic = [](const std::exception_ptr& thrown, const GInfo&) { EXPECT_TRUE(is_of_memory(thrown)); };
  return all;
}

/// Runs it once. True: to its end.
template <class F>
bool ends_well(const F& program) {
  try {
    program();
    return true;
  } catch (...) {
    until_failure = 0;
    EXPECT_TRUE(is_of_memory(std::current_exception()));
    return false;
  }
}

/// Whether the program failed on account of allocation n, or came through; and how many blocks more there are than before.
struct Try {
  bool failed;
  long left;
};
template <class F>
Try fail_at(long n, const F& program) {
  const long failures_before = failures;
  const long before = outstanding;
  until_failure = n;
  static_cast<void>(ends_well(program));
  until_failure = 0;
  return {failures != failures_before, outstanding - before};
}

template <class F>
void with_allocation_failures(const F& program, bool counts_blocks) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(ends_well(program));
  long n = 1;
  for (;; ++n) {
    Try first = fail_at(n, program);
    if (!first.failed) break;
    int again = 0;
    for (; counts_blocks && first.left > 0 && again < 10; ++again) first = fail_at(n, program);
    EXPECT_LT(again, 10) << "allocation " << n << " leaves " << first.left << " blocks each time it fails";
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(n, 20);
  EXPECT_TRUE(ends_well(program));
}

/// A Result's error, if it has one, is that there was no memory.
template <class T>
T value_of(Result<T> r) {
  EXPECT_TRUE(r || r.err == std::errc::not_enough_memory) << r.message();
  return std::move(r).value();
}

Task<> echo_lines(net::Conn conn) {
  io::BufReader reader(conn);
  io::BufWriter writer(conn);
  for (;;) {
    auto [line, err] = co_await reader.read_line();
    if (err) co_return;
    static_cast<void>(co_await writer.write(line));
    static_cast<void>(co_await writer.write("\n"));
    const std::error_code err_of_flush = co_await writer.flush();
    if (err_of_flush) co_return;
  }
}

Task<> serve(net::Listener ln) {
  for (;;) {
    auto [conn, err] = co_await ln.accept();
    if (err == std::errc::not_enough_memory) continue;  // that one is lost; its client sees the end
    if (err) co_return;
    go(echo_lines, std::move(conn));
  }
}

Task<> use_the_net() {
  const net::Listener ln = value_of(net::listen("tcp", "127.0.0.1:0"));
  go(serve, ln);
  const std::string port = std::to_string(ln.addr().port());
  for (const char* host : {"127.0.0.1:", "localhost:"}) {
    auto dialled = co_await net::dial("tcp", host + port);
    if (dialled.err == std::errc::connection_refused) throw std::bad_alloc();  // [::1]'s answer; 127.0.0.1 found no memory
    const net::Conn conn = value_of(std::move(dialled));
    conn.set_deadline(test::Clock::now() + 1h);
    static_cast<void>(value_of(co_await conn.write("well\n")));
    io::BufReader reader(conn);
    const auto line = co_await reader.read_line();
    if (!line) {
      EXPECT_TRUE(line.err == errc::eof || line.err == std::errc::not_enough_memory || line.err == std::errc::connection_reset)
          << line.message();
      throw std::bad_alloc();  // the server's
    }
    EXPECT_EQ(line.get<0>(), "well");
    conn.set_read_deadline(test::Clock::now() + 1ms);
    const auto late = co_await reader.read_line();
    EXPECT_TRUE(late.err == errc::timeout || late.err == std::errc::not_enough_memory || late.err == errc::eof) << late.message();
    conn.close();
    co_await conn.closed();
  }
  const auto [a, b] = net::pipe();
  const auto late = co_await timeout(1ms, b.read(io::Buffer()));
  static_cast<void>(late);
  const net::PacketConn packets = value_of(net::listen_packet("udp", "127.0.0.1:0"));
  static_cast<void>(value_of(co_await packets.write_to("x", packets.local_addr())));
  char byte[1];
  static_cast<void>(value_of(co_await packets.read_from(byte)));
}

Task<int> twice(int n) {
  co_await yield();
  co_return 2 * n;
}

Task<> use_gs() {
  const auto ch = make_chan<int>(8);  // the adder may not have come to be
  const auto done = make_chan<int>();
  Mutex mu;
  int sum = 0;
  auto adder = spawn([&]() -> Task<> {
    while (auto v = co_await ch.recv()) {
      auto guard = co_await mu.scoped_lock();
      sum += *v;
    }
  });
  bool sent = false;
  std::exception_ptr failed;
  try {
    for (int i = 0; i < 5; ++i) co_await ch.send(i);
    const int four = co_await twice(2);
    EXPECT_EQ(four, 4);
    auto [two, six] = co_await all(twice(1), twice(3));
    EXPECT_EQ(two + six, 8);
    std::vector<Task<int>> many;
    for (int i = 0; i < 3; ++i) many.push_back(twice(i));
    const std::vector<int> doubled = co_await all(std::move(many));
    EXPECT_EQ(doubled.size(), 3u);
    sent = true;
  } catch (...) {
    failed = std::current_exception();
  }
  ch.close();
  co_await adder;
  EXPECT_TRUE(!sent || sum == 10);
  if (failed) std::rethrow_exception(failed);
  auto [ctx, cancel] = with_timeout(background(), 1h);
  auto parked = spawn(
      [](Context until_then, RecvChan<int> never) -> Task<std::error_code> {
        const auto r = co_await until(until_then, never.recv());
        co_return r.err;
      },
      ctx, done);
  cancel();
  const std::error_code err = co_await parked;
  EXPECT_EQ(err, errc::canceled);
  // Who was started before refers to what lies here: so it is waited for, whatever happens.
  const auto take_the_lock = [&mu]() -> Task<> { auto guard = co_await mu.scoped_lock(); };
  Group group;
  WaitGroup wg;
  std::exception_ptr not_started;
  try {
    group.set_limit(1);
    for (int i = 0; i < 3; ++i) group.go(take_the_lock);
    for (int i = 0; i < 3; ++i) wg.go(take_the_lock);
  } catch (...) {
    not_started = std::current_exception();
  }
  co_await wg.wait();
  try {
    co_await group.wait();
  } catch (...) {
    not_started = std::current_exception();
  }
  if (not_started) std::rethrow_exception(not_started);
  Timer timer{1ms};
  std::optional<time_point> rang;
  const int which = co_await select(recv(done), recv(timer.chan(), rang));
  EXPECT_EQ(which, 1);
  auto later = after_func(1h, [] {});
  later.stop();
  const int computed = co_await blocking([] { return 6; });
  EXPECT_EQ(computed, 6);
}

TEST(MemoryFault, ProgramsOfGsEndWithBadAllocAndLeakNothing) {
  with_allocation_failures([] { Executor(options(1)).run(use_gs); }, true);
}

TEST(MemoryFault, ProgramsThatUseTheNetEndWithBadAllocOrEnomemAndLeakNothing) {
  with_allocation_failures([] { Executor(options(1)).run(use_the_net); }, true);
}

// Which M gets the n-th is chance here.
TEST(MemoryFault, OnSeveralPsToo) {
  with_allocation_failures([] { Executor(options(3)).run(use_gs); }, false);
  with_allocation_failures([] { Executor(options(3)).run(use_the_net); }, false);
}

}  // namespace
}  // namespace gmp::memory_fault_test

#endif
