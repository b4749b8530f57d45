// tests/fault/memory_fault_test.cpp — no memory: the n-th allocation fails, for each n, until a program gets by without it.
// Go: none; it dies of that.  Room: tests/fault.
//
// This binary's operator new fails when it is told to, on whatever thread; frames come from there too.  A program must then end with
// std::bad_alloc, or with ENOMEM in a Result, or not notice; and leave nothing behind, and the next one works.
//
// What is kept for later (frames, Gs) makes a program's first runs leave more than they found.  So a failure counts as a leak only if it
// leaves something each time that it is repeated.  Not under TSan, whose operator new cannot be replaced.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gmp/detail/base/config.hpp"

#if !GMPCORO_TSAN

#include <array>
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
#include "gmp/os.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
#include "support/files.hpp"
#include "support/net.hpp"
#include "support/replaced_new.hpp"
#include "support/scale.hpp"
#ifdef GMPCORO_TEST_TLS
#include "tls/pair.hpp"
#endif

namespace {

constinit std::atomic<long> until_failure{0};  // allocations, the failing one included; 0 or less: none fails
constinit std::atomic<std::size_t> too_large{~std::size_t{0}};  // from this size on all fail
constinit std::atomic<long> failures{0};
constinit std::atomic<long> outstanding{0};

}  // namespace

void* gmp::test::allocate(std::size_t size, std::size_t alignment) noexcept {
  if (size >= too_large.load(std::memory_order_relaxed)) return nullptr;
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

// What else may become of a connection whose other end found no memory: then that one's is the failure.
void expect_end_of_the_others(const detail::ResultBase& r) {
  EXPECT_TRUE(r.err == std::errc::not_enough_memory || r.err == errc::eof || r.err == errc::unexpected_eof || r.err == std::errc::broken_pipe ||
              r.err == std::errc::connection_reset || r.err == errc::closed || r.err == errc::closed_pipe)
      << r.message();
  throw std::bad_alloc();
}

Task<> use_unix_sockets() {
  const std::string name = "@gmp-memory-fault-" + std::to_string(::getpid());
  const net::Listener ln = value_of(net::listen("unix", name));
  const net::Conn a = value_of(co_await net::dial("unix", name));
  const net::Conn b = value_of(co_await ln.accept());
  static_cast<void>(value_of(co_await a.write("well")));
  std::array<char, 4> buffer;
  static_cast<void>(value_of(co_await io::read_full(b, buffer)));
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) std::abort();
  std::vector<net::Conn> adopted;
  auto closing = defer([&] {  // what was not taken stays the caller's
    for (std::size_t i = adopted.size(); i < 2; ++i) ::close(pair[i]);
  });
  adopted.reserve(2);
  for (const int fd : pair) adopted.push_back(value_of(net::from_fd(fd)));
  static_cast<void>(value_of(co_await adopted[0].write("well")));
  static_cast<void>(value_of(co_await io::read_full(adopted[1], buffer)));
  const net::PacketConn packets = value_of(net::listen_packet("unixgram", name + "-packets"));
  static_cast<void>(value_of(co_await packets.write_to("x", packets.local_addr())));
  static_cast<void>(value_of(co_await packets.read_from(buffer)));
}

// Both leave their end closed, whatever happens.
Task<> feed(net::Conn to, std::size_t size) {
  auto closing = defer([&] { to.close_write(); });
  const std::string bytes(size, 'b');
  static_cast<void>(co_await to.write(bytes));
}
Task<> take(net::Conn from, std::atomic<std::size_t>& got) {
  auto closing = defer([&] { from.close(); });
  const auto all = co_await io::read_all(from);
  got = all.get<0>().size();
}

// By read and write, by splice, by sendfile; with a context, too.
Task<> use_copies(std::string path, std::shared_ptr<std::atomic<std::size_t>> got) {
  constexpr std::size_t size = 400'000;
  auto [ctx, cancel] = with_cancel(background());
  {
    const test::ConnPair in = co_await test::conn_pair();
    const test::ConnPair out = co_await test::conn_pair();
    *got = 0;
    go(feed, in.a, size);
    auto taking = spawn([](net::Conn from, std::shared_ptr<std::atomic<std::size_t>> n) -> Task<> { co_await take(std::move(from), *n); }, out.b, got);
    const auto copied = co_await io::copy(out.a, in.b, ctx);
    in.b.close();
    out.a.close();
    co_await taking;
    if (!copied || copied.get<0>() != size || *got != size) expect_end_of_the_others(copied ? Result<std::size_t>(make_error_code(errc::eof)) : copied);
  }
  const os::File file = value_of(co_await os::open(path, O_RDONLY));
  const auto [a, b] = net::pipe();
  const test::ConnPair pair = co_await test::conn_pair();
  auto taking = spawn([](net::Conn from, std::shared_ptr<std::atomic<std::size_t>> n) -> Task<> { co_await take(std::move(from), *n); }, pair.b, got);
  const auto sent = co_await io::copy(pair.a, file);
  pair.a.close();
  co_await taking;
  if (!sent) expect_end_of_the_others(sent);
  go(feed, a, std::size_t{5'000});
  const auto text = co_await io::read_all(b);
  if (!text || text.get<0>().size() != 5'000) expect_end_of_the_others(text ? Result<std::string>(make_error_code(errc::eof)) : text);
}

Task<> use_processes() {
  const os::Command say("echo", "hello");
  const std::string said = value_of(co_await say.output());
  EXPECT_EQ(said, "hello\n");
  os::Command wait("cat");
  const os::Pipe ends = os::pipe();
  if (ends.err) throw std::system_error(ends.err);
  wait.in = ends.reader;
  auto [ctx, cancel] = with_cancel(background());
  const os::Process process = value_of(co_await os::start(wait, ctx));
  cancel();
  const auto ended = value_of(co_await process.wait());
  EXPECT_EQ(ended.signal(), SIGKILL);
}

#ifdef GMPCORO_TEST_TLS
Task<> use_tls() {
  const net::TlsConfig server = test::server_config(), client = test::client_config();
  const test::ConnPair pair = co_await test::tls_pair("pipe", client, server);
  const auto echo = [](net::Conn conn) -> Task<> {
    auto closing = defer([&] { conn.close(); });
    std::array<char, 5> buffer;
    for (;;) {
      auto [n, err] = co_await conn.read(buffer);
      if (err) co_return;
      auto [m, failed] = co_await conn.write(std::string_view(buffer.data(), n));
      if (failed) co_return;
    }
  };
  go(echo, pair.b);
  std::array<char, 5> buffer;
  const auto wrote = co_await pair.a.write("hello");
  if (!wrote) expect_end_of_the_others(wrote);
  const auto read = co_await io::read_full(pair.a, buffer);
  if (!read) expect_end_of_the_others(read);
  if (const std::error_code err = pair.a.close_write()) expect_end_of_the_others(Result<void>(err));
  const auto rest = co_await io::read_all(pair.a);
  if (!rest) expect_end_of_the_others(rest);
}
#endif

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

/// Guests of guests; the innermost one computes until its sibling has begun on another thread, and ends before that.
Task<int> joins_deep_down(int depth) {
  if (depth > 0) {
    auto [below] = co_await all(joins_deep_down(depth - 1));
    co_return below + 1;
  }
  std::atomic<bool> begun{false};
  auto computes = [&begun]() -> Task<> {
    while (!begun) test::burn(10us);
    co_return;
  };
  auto ends_later = [&begun]() -> Task<> {
    begun = true;
    test::burn(5ms);
    co_return;
  };
  co_await all(computes(), ends_later());
  co_return 0;
}

// G records come in slabs of 64 KiB.
TEST(MemoryFault, ChildrenOfAllWithoutAG) {
  for (const int procs : {1, 2}) {
    Executor ex(options(procs));
    ex.run([]() -> Task<> {
      constexpr int given_back = 200, depth = 300;
      const auto some = make_chan<int>(), rest = make_chan<int>();
      const auto park = [](Chan<int> gate) -> Task<> { co_await gate.recv(); };
      WaitGroup parked_some, parked_rest;
      for (int i = 0; i < given_back; ++i) parked_some.go(park, some);
      too_large = 60'000;
      try {
        for (;;) parked_rest.go(park, rest);
      } catch (const std::bad_alloc&) {
      }
      const auto asks = []() -> Task<bool> {
        try {
          co_await yield();
        } catch (const std::bad_alloc&) {
          co_return true;
        }
        co_return false;
      };
      auto [refused, again] = co_await all(asks(), asks());
      EXPECT_TRUE(refused && again);  // there was none for it
      some.close();
      co_await parked_some.wait();
      const int deep = co_await joins_deep_down(depth);
      EXPECT_EQ(deep, depth);
      too_large = ~std::size_t{0};
      rest.close();
      co_await parked_rest.wait();
    });
  }
}

TEST(MemoryFault, ProgramsThatUseTheNetEndWithBadAllocOrEnomemAndLeakNothing) {
  with_allocation_failures([] { Executor(options(1)).run(use_the_net); }, true);
}

TEST(MemoryFault, UnixSocketsAndAdoptedOnes) {
  with_allocation_failures([] { Executor(options(1)).run(use_unix_sockets); }, true);
}

TEST(MemoryFault, Copies) {
  const test::TempDir dir;
  const std::string path = dir.with("f", std::string(300'000, 'f'));
  const auto got = std::make_shared<std::atomic<std::size_t>>();
  with_allocation_failures([&] { Executor(options(1)).run(use_copies, path, got); }, true);
}

TEST(MemoryFault, ProcessesAreNotLeftBehind) {
  with_allocation_failures([] { Executor(options(1)).run(use_processes); }, true);
}

#ifdef GMPCORO_TEST_TLS
TEST(MemoryFault, Tls) {
  static_cast<void>(test::authority());  // made once
  static_cast<void>(test::localhost());
  with_allocation_failures([] { Executor(options(1)).run(use_tls); }, true);
}
#endif

// Which M gets the n-th is chance here.
TEST(MemoryFault, OnSeveralPsToo) {
  with_allocation_failures([] { Executor(options(3)).run(use_gs); }, false);
  with_allocation_failures([] { Executor(options(3)).run(use_the_net); }, false);
}

}  // namespace
}  // namespace gmp::memory_fault_test

#endif
