// tests/fault/net_fault_test.cpp — what the system may do to a program: its calls fail, fall short, come late; peers reset, die, dawdle.
// Go: internal/poll/fd_posix_test.go, net/error_test.go.  Room: tests/fault.
//
// Each fault must come out as the documented error, or not at all; none may hang, end the process, or lose a byte.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "fault/kernel.hpp"
#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "gmp/os.hpp"
#include "gmp/sync.hpp"
#include "sched/sched.hpp"
#include "support/child.hpp"
#include "support/cpu.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::net_fault_test {
namespace {

using namespace std::chrono_literals;
using test::Call;
using test::Clock;
using test::conn_pair;
using test::ConnPair;
using test::cpu_seconds;
using test::Fault;
using test::Kernel;
using test::on_executor;
using test::until_parked;
using Dice = std::mt19937_64;
using Outcome = Result<std::size_t>;

bool uses_uring() {
  Executor ex;
  return detail::sched_of(ex)->poller_in_use() == gmp::Poller::uring;
}

// ---- a flow: both ways of some connections, whose bytes are known

struct FlowSize {
  int conns = 4;
  std::size_t bytes = 60'000;
};

Task<> send_pattern(net::Conn conn, std::size_t bytes, std::uint64_t seed) {
  const std::string all = test::pattern(bytes, seed);
  Dice dice(seed);
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t size = std::min<std::size_t>(1 + dice() % (dice() % 4 == 0 ? 20'000 : 700), all.size() - at);
    const auto r = co_await conn.write(std::string_view(all).substr(at, size));
    at += r.get<0>();
    if (!r && r.err != errc::timeout) {
      ADD_FAILURE() << r.message();
      co_return;
    }
  }
  EXPECT_FALSE(conn.close_write());
}

Task<> check_pattern(net::Conn conn, std::size_t bytes, std::uint64_t seed) {
  const std::string all = test::pattern(bytes, seed);
  Dice dice(seed);
  std::string buffer(30'000, '\0');
  std::size_t at = 0;
  for (;;) {
    const std::size_t size = 1 + dice() % (dice() % 4 == 0 ? buffer.size() : 500);
    const auto r = co_await conn.read(io::Buffer(buffer.data(), size));
    const std::size_t n = r.get<0>();
    if (at + n > all.size() || std::memcmp(all.data() + at, buffer.data(), n) != 0) {
      ADD_FAILURE() << "not what was sent, behind byte " << at;
      co_return;
    }
    at += n;
    if (r || r.err == errc::timeout) continue;
    EXPECT_EQ(r.err, errc::eof) << r.message();
    EXPECT_EQ(at, all.size());
    co_return;
  }
}

Task<> flow(FlowSize size, std::uint64_t seed, bool deadlines = false) {
  std::vector<ConnPair> pairs;
  std::vector<JoinHandle<void>> gs;
  for (int i = 0; i < size.conns; ++i) {
    ConnPair pair = co_await conn_pair();
    for (const auto& [from, to] : {std::pair(pair.a, pair.b), std::pair(pair.b, pair.a)}) {
      gs.push_back(spawn(send_pattern(from, size.bytes, ++seed)));
      gs.push_back(spawn(check_pattern(to, size.bytes, seed)));
    }
    pairs.push_back(std::move(pair));
  }
  std::atomic<bool> over{false};
  const auto hurry = [&]() -> Task<> {
    Dice dice(seed);
    while (!over) {
      for (const ConnPair& pair : pairs) {
        pair.a.set_read_deadline(Clock::now() + std::chrono::microseconds(dice() % 400));
        pair.b.set_write_deadline(Clock::now() + std::chrono::microseconds(dice() % 400));
      }
      co_await sleep(300us);
      for (const ConnPair& pair : pairs) {
        pair.a.set_deadline(time_point{});
        pair.b.set_deadline(time_point{});
      }
      co_await sleep(200us);
    }
  };
  JoinHandle<void> hurrying;
  if (deadlines) hurrying = spawn(hurry);
  for (auto& g : gs) co_await g;
  over = true;
  if (deadlines) co_await hurrying;
  for (const ConnPair& pair : pairs) {
    pair.a.close();
    pair.b.close();
    co_await pair.a.closed();
    co_await pair.b.closed();
  }
}

/// The same on an executor of its own, which leaves no descriptor behind.
void run_flow(FlowSize size, bool deadlines = false) {
  const std::uint64_t seed = test::case_seed();
  test::leaving_no_fds([=] { return flow(size, seed, deadlines); });
}

Task<Outcome> write_all(net::Conn conn, std::string_view data) { co_return co_await conn.write(data); }
Task<Outcome> read_some(net::Conn conn) {
  std::string buffer(1000, '\0');
  co_return co_await conn.read(buffer);
}

// ---- calls that fail

struct Named {
  int error;
  const char* text;
};

TEST(CallFault, AReadThatFailsSaysSoAndTheNextOneReadsOn) {
  for (const Named& fault :
       {Named{ECONNRESET, "connection reset by peer"}, Named{ENOBUFS, "no buffer space available"}, Named{EIO, "input/output error"},
        Named{ENOMEM, "cannot allocate memory"}, Named{ETIMEDOUT, "connection timed out"}}) {
    Kernel kernel(test::nth(Call::recv, 1, Fault::failing(fault.error)));
    on_executor([&]() -> Task<> {
      const ConnPair pair = co_await conn_pair();
      static_cast<void>((co_await pair.a.write("abc")).value());
      char byte[1];
      const auto failed = co_await pair.b.read(byte);
      EXPECT_EQ(failed.get<0>(), 0u);
      EXPECT_EQ(failed.message(),
                "read tcp " + pair.b.local_addr().to_string() + "->" + pair.b.remote_addr().to_string() + ": read: " + fault.text);
      EXPECT_EQ(failed.err.value(), fault.error);
      pair.a.close_write();
      const auto rest = co_await io::read_all(pair.b);
      EXPECT_EQ(rest.get<0>(), "abc") << rest.message();
    });
    EXPECT_EQ(kernel.faults(Call::recv), 1);
  }
}

TEST(CallFault, AWriteThatFailsTellsHowMuchWent) {
  for (const Named& fault : {Named{ECONNRESET, "connection reset by peer"}, Named{ENOBUFS, "no buffer space available"},
                             Named{ENOMEM, "cannot allocate memory"}}) {
    // The first two fall short, the third one fails.
    Kernel kernel([&, n = 0](Call call, bool) mutable {
      if (call != Call::send || ++n > 3) return Fault();
      return n < 3 ? Fault::cutting(2) : Fault::failing(fault.error);
    });
    on_executor([&]() -> Task<> {
      const ConnPair pair = co_await conn_pair();
      const auto r = co_await pair.a.write("abcdefgh");
      EXPECT_EQ(r.get<0>(), 4u);
      EXPECT_EQ(r.message(),
                "write tcp " + pair.a.local_addr().to_string() + "->" + pair.a.remote_addr().to_string() + ": write: " + fault.text);
      static_cast<void>((co_await pair.a.write("efgh")).value());
      pair.a.close_write();
      const auto all = co_await io::read_all(pair.b);
      EXPECT_EQ(all.get<0>(), "abcdefgh") << all.message();
    });
  }
}

TEST(CallFault, AnAcceptThatFailsSaysSoAndTheConnectionWaits) {
  for (const Named& fault :
       {Named{EMFILE, "too many open files"}, Named{ENFILE, "too many open files in system"}, Named{ENOBUFS, "no buffer space available"},
        Named{ENOMEM, "cannot allocate memory"}, Named{EPERM, "operation not permitted"}}) {
    Kernel kernel(test::nth(Call::accept, 1, Fault::failing(fault.error)));
    on_executor([&]() -> Task<> {
      const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
      const net::Conn out = (co_await net::dial("tcp", ln.addr().to_string())).value();
      const auto failed = co_await ln.accept();
      EXPECT_EQ(failed.message(), "accept tcp " + ln.addr().to_string() + ": accept4: " + fault.text);
      const auto r = co_await ln.accept();
      EXPECT_TRUE(r) << r.message();
      EXPECT_EQ(r.get<0>().remote_addr(), out.local_addr());
    });
  }
}

TEST(CallFault, AnAcceptPassesOverWhatWasAbortedAndInterrupted) {
  Kernel kernel([n = 0](Call call, bool) mutable {
    constexpr int errors[] = {ECONNABORTED, EINTR, EPROTO, EINTR, ECONNABORTED};
    return call == Call::accept && n < 5 ? Fault::failing(errors[n++]) : Fault();
  });
  on_executor([&]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const net::Conn out = (co_await net::dial("tcp", ln.addr().to_string())).value();
    const auto r = co_await ln.accept();
    EXPECT_TRUE(r) << r.message();
  });
  EXPECT_EQ(kernel.faults(Call::accept), 5);
}

TEST(CallFault, ADialThatFailsSaysSo) {
  for (const Named& fault :
       {Named{ENETUNREACH, "network is unreachable"}, Named{EHOSTUNREACH, "no route to host"}, Named{ETIMEDOUT, "connection timed out"}}) {
    Kernel kernel(test::nth(Call::connect, 1, Fault::failing(fault.error)));
    test::leaving_no_fds([&]() -> Task<> {
      const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
      const auto failed = co_await net::dial("tcp", ln.addr().to_string());
      EXPECT_EQ(failed.message(), "dial tcp " + ln.addr().to_string() + ": connect: " + fault.text);
      const auto r = co_await net::dial("tcp", ln.addr().to_string());
      EXPECT_TRUE(r) << r.message();
    });
  }
}

// As Go's servers do: from 5 ms on, doubled at each failure in a row.
Task<> accept_with_patience(net::Listener from, int wanted, std::atomic<int>& failures) {
  auto patience = 5ms;
  for (int accepted = 0; accepted < wanted;) {
    auto [conn, err] = co_await from.accept();
    if (!err) {
      ++accepted;
      patience = 5ms;
      continue;
    }
    EXPECT_EQ(err, std::errc::too_many_files_open);
    ++failures;
    co_await sleep(patience);
    patience = std::min(patience * 2, std::chrono::milliseconds(100));
  }
}

// While there is no number to be had nothing turns round: neither the loop, which sleeps, nor a poller, which could ask again and again.
TEST(CallFault, OutOfDescriptorsNobodySpinsAndAllComeInTheEnd) {
  std::atomic<bool> out{true};
  Kernel kernel([&](Call call, bool) { return call == Call::accept && out ? Fault::failing(EMFILE) : Fault(); });
  on_executor([&]() -> Task<> {
    constexpr int clients = 20;
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    std::vector<net::Conn> conns;
    for (int i = 0; i < clients; ++i) conns.push_back((co_await net::dial("tcp", ln.addr().to_string())).value());
    std::atomic<int> failures{0};
    const double before = cpu_seconds();
    auto acceptor = spawn(accept_with_patience, ln, clients, std::ref(failures));
    while (failures < 6) co_await sleep(10ms);  // 5, 10, 20, 40 and 80 ms apart
    const double used = cpu_seconds() - before;
    EXPECT_LT(used, 0.075) << "of 0.155 s, or more";
    out = false;
    co_await acceptor;
    EXPECT_EQ(kernel.faults(Call::accept), failures);
  });
}

// ---- calls that must be made again, fall short, come late

TEST(FlowFault, LosesNothingWhenCallsAreInterrupted) {
  Kernel kernel([n = 0](Call call, bool) mutable {
    const bool again = call == Call::recv || call == Call::send || call == Call::accept || call == Call::enter || call == Call::epoll_wait;
    return again && ++n % 3 == 0 ? Fault::failing(EINTR) : Fault();
  });
  run_flow({});
  EXPECT_GT(kernel.faults(Call::recv) + kernel.faults(Call::send), 0);
}

TEST(FlowFault, LosesNothingByteForByte) {
  Kernel kernel([](Call call, bool) { return call == Call::recv || call == Call::send ? Fault::cutting(1) : Fault(); });
  run_flow({2, 1500});
}

TEST(FlowFault, LosesNothingWhenEpollTellsOfOneDescriptorAtATime) {
  Kernel kernel([](Call call, bool) { return call == Call::epoll_wait ? Fault::cutting(1) : Fault(); });
  run_flow({6, 20'000});
}

/// A flow may find all that it reads there already; this read waits, in the ring.
Task<> read_that_waits() {
  const ConnPair pair = co_await conn_pair();
  auto reader = spawn(read_some, pair.b);
  co_await until_parked(1);
  static_cast<void>((co_await pair.a.write("x")).value());
  const Outcome r = co_await reader;
  EXPECT_EQ(r.get<0>(), 1u) << r.message();
}

TEST(UringFault, LosesNothingWhenNoRoomIsSaidToBeThere) {
  if (!uses_uring()) GTEST_SKIP() << "epoll";
  for (const int error : {EBUSY, EAGAIN, ENOMEM, EINTR, ETIME}) {
    Kernel kernel(
        [error, n = 0](Call call, bool) mutable { return call == Call::enter && ++n % 2 == 0 ? Fault::failing(error) : Fault(); });
    run_flow({2, 20'000});
    on_executor(read_that_waits);
    EXPECT_GT(kernel.faults(Call::enter), 0);
  }
}

// It is asked again now and then, and not without a pause: who has nothing to do sleeps, bell or no bell.
TEST(UringFault, AKernelWithoutMemoryMakesNobodySpin) {
  if (!uses_uring()) GTEST_SKIP() << "epoll";
  std::atomic<bool> out{false};
  Kernel kernel([&](Call call, bool) { return call == Call::enter && out ? Fault::failing(ENOMEM) : Fault(); });
  on_executor([&]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    auto reader = spawn(read_some, pair.b);
    co_await until_parked(1);
    const auto begin = Clock::now();
    out = true;
    static_cast<void>((co_await pair.a.write("x")).value());  // by send(2)
    do co_await sleep(100ms);
    while (kernel.faults(Call::enter) == 0);
    const long asked = kernel.faults(Call::enter);
    const auto length = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    EXPECT_LT(asked, 15 * length.count()) << "now and then in " << length.count() << " ms, by a few Ms";
    out = false;
    const Outcome r = co_await reader;
    EXPECT_EQ(r.get<0>(), 1u) << r.message();
  });
}

TEST(UringFault, LosesNothingWhenTheKernelTakesOneEntryAtATime) {
  if (!uses_uring()) GTEST_SKIP() << "epoll";
  Kernel kernel([](Call call, bool) { return call == Call::enter ? Fault::cutting(1) : Fault(); });
  run_flow({6, 20'000}, true);
}

TEST(UringFault, LosesNothingWhenTheKernelCancelsByItself) {
  if (!uses_uring()) GTEST_SKIP() << "epoll";
  for (const int error : {ECANCELED, EAGAIN}) {
    Kernel kernel([error, asked = std::array<int, test::calls>{}](Call call, bool in_ring) mutable {
      if (!in_ring || (call != Call::recv && call != Call::send && call != Call::accept)) return Fault();
      return ++asked[static_cast<std::size_t>(call)] % 2 != 0 ? Fault::failing(error) : Fault();
    });
    run_flow({3, 20'000});
    on_executor(read_that_waits);
    EXPECT_GT(kernel.faults(Call::recv), 0);
  }
}

// A bell's poll that ends after one ring, as the kernel does when it cannot post (F_MORE is missing): it is armed anew.
TEST(UringFault, LosesNoWakeUpWhenABellsPollEnds) {
  if (!uses_uring()) GTEST_SKIP() << "epoll";
  Kernel kernel([](Call call, bool) { return call == Call::bell ? Fault::cutting() : Fault(); });
  const Options options{.procs = 2};
  Executor one(options);
  Executor other(options);
  auto far = one.spawn([&]() -> Task<> {
    for (std::int64_t i = test::scaled(400, 40); i > 0; --i) {
      const int answer = co_await other.spawn([] { return 7; });
      EXPECT_EQ(answer, 7);
    }
    while (kernel.faults(Call::bell) <= 2) {  // nobody has slept so far
      co_await sleep(1ms);
      const int answer = co_await other.spawn([] { return 7; });
      EXPECT_EQ(answer, 7);
    }
  });
  far.get();
  EXPECT_GT(kernel.faults(Call::bell), 2);
}

// Many more completions at once than there is room for.
TEST(UringFault, LosesNothingWhenCompletionsOverflow) {
  if (!uses_uring()) GTEST_SKIP() << "epoll";
  Kernel kernel([](Call, bool) { return Fault(); }, {.cq_entries = 2});
  Executor ex({.procs = 1});
  ex.run([&]() -> Task<> {
    constexpr int n = 32;
    std::vector<ConnPair> pairs;
    std::vector<JoinHandle<char>> readers;
    const auto read_one = [](net::Conn conn) -> Task<char> {
      char byte[1] = {0};
      const auto r = co_await conn.read(byte);
      EXPECT_TRUE(r) << r.message();
      co_return byte[0];
    };
    for (int i = 0; i < n; ++i) pairs.push_back(co_await conn_pair());
    for (int round = 0; round < 5; ++round) {
      for (const ConnPair& pair : pairs) readers.push_back(spawn(read_one, pair.b));
      co_await until_parked(n);
      for (int i = 0; i < n; ++i) {
        const char byte = static_cast<char>('A' + i);
        EXPECT_EQ(::write(pairs[static_cast<std::size_t>(i)].a.native_handle(), &byte, 1), 1);
      }
      for (int i = 0; i < n; ++i) {
        const char byte = co_await readers[static_cast<std::size_t>(i)];
        EXPECT_EQ(byte, 'A' + i);
      }
      readers.clear();
    }
  });
  EXPECT_GT(kernel.overflows(), 0);
  run_flow({8, 20'000}, true);
}

// All of it by turns, with deadlines that come and go.
TEST(FlowFault, LosesNothingWhateverComesTogether) {
  Dice dice(test::case_seed());
  const auto often = [&dice](unsigned n) { return dice() % n == 0; };
  const auto decide = [&](Call call, bool in_ring) {
    switch (call) {
      case Call::recv:
      case Call::send:
        if (often(8)) return Fault::cutting(1 + dice() % 300);
        if (often(12)) return Fault::failing(EINTR);
        if (in_ring && often(12)) return Fault::failing(ECANCELED);
        if (in_ring && often(12)) return Fault::failing(EAGAIN);
        if (in_ring && often(8)) return Fault::deferring();
        break;
      case Call::accept:
        if (often(4)) return Fault::failing(ECONNABORTED);
        if (in_ring && often(4)) return Fault::deferring();
        break;
      case Call::poll:
        if (often(8)) return Fault::deferring();
        break;
      case Call::bell:
        if (often(2)) return Fault::cutting();
        break;
      case Call::cancel:
        if (often(4)) return Fault::failing(ENOENT);  // on its way from one wait to the next
        if (often(4)) return Fault::deferring();
        break;
      case Call::enter:
        if (often(16)) return Fault::failing(often(2) ? EBUSY : often(2) ? EAGAIN : often(2) ? ENOMEM : EINTR);
        if (often(8)) return Fault::cutting(1 + dice() % 3);
        break;
      case Call::epoll_wait:
        if (often(8)) return Fault::failing(EINTR);
        if (often(4)) return Fault::cutting(1 + dice() % 2);
        break;
      default:
        break;
    }
    return Fault();
  };
  for (const unsigned cq_entries : {0u, 4u}) {
    Kernel kernel(decide, {.cq_entries = cq_entries, .reverses = true});
    run_flow({static_cast<int>(test::scaled(12, 3)), 40'000}, true);
  }
}

// ---- peers that reset, stop half-way, die, dawdle

void reset(const net::Conn& conn) {
  EXPECT_FALSE(conn.set_linger(0s));
  EXPECT_FALSE(conn.close());
}

bool is_of_a_reset(const std::error_code& err) { return err == std::errc::connection_reset || err == std::errc::broken_pipe; }

TEST(PeerFault, AResetAtEachStageIsAnErrorThere) {
  const std::string much(32 << 20, 'm');  // more than the system keeps for a reader
  test::leaving_no_fds([&]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    for (std::int64_t round = test::scaled(40, 8); round > 0; --round) {
      for (const char* stage :
           {"before accept", "before a read", "while reading", "between two reads", "with data unread", "while writing", "while closing"}) {
        const std::string_view when = stage;
        const net::Conn client = (co_await net::dial("tcp", ln.addr().to_string())).value();
        if (when == "before accept") reset(client);
        const net::Conn conn = (co_await ln.accept()).value();
        if (when == "while writing") {
          auto writer = spawn(write_all, conn, std::string_view(much));
          co_await until_parked(1);
          reset(client);
          const Outcome r = co_await writer;
          EXPECT_TRUE(is_of_a_reset(r.err)) << r.message();
          EXPECT_LT(r.get<0>(), much.size());
          continue;
        }
        if (when == "while reading") {
          auto reader = spawn(read_some, conn);
          co_await until_parked(1);
          reset(client);
          const Outcome r = co_await reader;
          EXPECT_EQ(r.err, std::errc::connection_reset) << r.message();
          continue;
        }
        if (when == "while closing") {
          auto reader = spawn(read_some, conn);
          auto writer = spawn(write_all, conn, std::string_view(much));
          co_await until_parked(2);
          std::jthread resetter([&client] { reset(client); });
          EXPECT_FALSE(conn.close());
          const Outcome read = co_await reader;
          const Outcome wrote = co_await writer;
          // Of a reset the system tells one of the two; the other one sees an end.
          const bool other_was_told = read.err == errc::eof && is_of_a_reset(wrote.err);
          EXPECT_TRUE(read.err == errc::closed || is_of_a_reset(read.err) || other_was_told) << read.message();
          EXPECT_TRUE(wrote.err == errc::closed || is_of_a_reset(wrote.err)) << wrote.message();
          co_await conn.closed();
          continue;
        }
        if (when == "between two reads") {
          static_cast<void>((co_await client.write("abc")).value());
          const Outcome first = co_await read_some(conn);
          EXPECT_EQ(first.get<0>(), 3u) << first.message();
        }
        if (when == "with data unread") {  // closing alone resets then
          static_cast<void>((co_await conn.write("for nobody")).value());
          client.close();
        } else if (when != "before accept") {
          reset(client);
        }
        const Outcome r = co_await read_some(conn);
        if (when == "with data unread" && r.err == errc::eof) continue;  // close() says the end first
        EXPECT_EQ(r.err, std::errc::connection_reset) << stage << ": " << r.message();
        const Outcome w = co_await conn.write("x");
        EXPECT_EQ(w.err, std::errc::broken_pipe) << stage << ": " << w.message();
      }
    }
  });
}

TEST(PeerFault, WhatFollowsAHalfCloseArrivesWholeThoughItFallsShort) {
  Kernel kernel([n = 0](Call call, bool) mutable { return call == Call::send && ++n % 2 == 0 ? Fault::cutting(30'000) : Fault(); });
  on_executor([&]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const std::string much = test::pattern(16 << 20, test::case_seed());
    EXPECT_FALSE(pair.b.close_write());
    char byte[1];
    const auto end = co_await pair.a.read(byte);
    EXPECT_EQ(end.err, errc::eof);
    auto writer = spawn(write_all, pair.a, std::string_view(much));
    co_await until_parked(1);
    const auto failed = co_await pair.b.write("x");
    EXPECT_EQ(failed.err, std::errc::broken_pipe) << failed.message();
    std::string got(much.size(), '\0');
    const auto all = co_await io::read_full(pair.b, got);
    EXPECT_TRUE(all) << all.message();
    EXPECT_TRUE(got == much);
    const Outcome wrote = co_await writer;
    EXPECT_EQ(wrote.get<0>(), much.size()) << wrote.message();
  });
}

/// In a process of its own: says who it is, then writes for ever.
void write_until_killed() {
  const char* port = std::getenv("FAULT_TEST_PORT");
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) std::abort();
  const std::string hello = std::to_string(::getpid()) + "\n";
  const std::string bytes(100'000, 'b');
  if (::write(fd, hello.data(), hello.size()) < 0) std::abort();
  for (;;) {
    if (::write(fd, bytes.data(), bytes.size()) < 0) std::abort();
  }
}

TEST(PeerFault, AClientKilledWhileItWritesIsAnEndOrAReset) {
  test::leaving_no_fds([&]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const int clients = static_cast<int>(test::scaled(8, 2));
    const auto run_client = [&ln]() -> Task<> {
      const auto died = co_await blocking(
          [&ln] { return test::child::run(write_until_killed, {.environment = {"FAULT_TEST_PORT=" + std::to_string(ln.addr().port())}}); });
      EXPECT_EQ(died.signal, SIGKILL) << died;
    };
    const auto serve = [](net::Conn conn) -> Task<> {
      auto talker = spawn(
          [](net::Conn to) -> Task<Outcome> {
            const std::string words(100'000, 'w');
            for (;;) {
              const auto r = co_await to.write(words);
              if (!r) co_return r;
            }
          },
          conn);
      io::BufReader reader(conn);
      const std::string hello((co_await reader.read_line()).value());
      std::string buffer(64'000, '\0');
      std::size_t got = 0;
      bool killed = false;
      for (;;) {
        const auto r = co_await reader.read(buffer);
        got += r.get<0>();
        EXPECT_EQ(std::string_view(buffer).substr(0, r.get<0>()).find_first_not_of('b'), std::string_view::npos);
        if (!r) {
          EXPECT_TRUE(killed && (r.err == errc::eof || r.err == std::errc::connection_reset)) << r.message();
          break;
        }
        if (got > 1'000'000 && !std::exchange(killed, true)) ::kill(std::atoi(hello.c_str()), SIGKILL);
      }
      const Outcome said = co_await talker;
      EXPECT_TRUE(is_of_a_reset(said.err)) << said.message();
    };
    std::vector<JoinHandle<void>> gs;
    for (int i = 0; i < clients; ++i) gs.push_back(spawn(run_client));
    for (int i = 0; i < clients; ++i) gs.push_back(spawn(serve, (co_await ln.accept()).value()));
    for (auto& g : gs) co_await g;
  });
}

/// What this process has made its own: pages of files are not in it.
std::int64_t anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == "RssAnon:" && status >> kib) return kib << 10;
  }
  return 0;
}

/// `size` bytes of address space, in which one MiB comes again and again.
class Repeated {
 public:
  static constexpr std::size_t period = 1 << 20;
  Repeated(const std::string& once, std::size_t size) : size_(size / period * period) {
    const int file = ::memfd_create("repeated", MFD_CLOEXEC);
    EXPECT_EQ(::write(file, once.data(), period), static_cast<ssize_t>(period));
    void* room = ::mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(room, MAP_FAILED);
    data_ = static_cast<char*>(room);
    for (std::size_t at = 0; at < size_; at += period) {
      EXPECT_NE(::mmap(data_ + at, period, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0), MAP_FAILED);
    }
    ::close(file);
  }
  ~Repeated() { ::munmap(data_, size_); }
  Repeated(const Repeated&) = delete;
  Repeated& operator=(const Repeated&) = delete;
  std::string_view view() const { return {data_, size_}; }

 private:
  std::size_t size_;
  char* data_ = nullptr;
};

// One write of a GiB, of which the reader takes its time at the beginning: it arrives whole, and nobody keeps a copy of it.
TEST(PeerFault, AGibibyteToASlowReaderIsWrittenWithoutACopy) {
  const std::string once = test::pattern(Repeated::period, test::case_seed());
  const Repeated sent(once, static_cast<std::size_t>(std::min<std::int64_t>(test::scaled(1 << 30, 32 << 20), 1 << 30)));
  on_executor([&]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    std::string buffer(256'000, '\0');
    const std::int64_t before = anonymous_bytes();
    std::int64_t most = before;
    auto writer = spawn(
        [&](net::Conn conn) -> Task<Outcome> {
          Outcome r = co_await conn.write(sent.view());
          conn.close_write();
          co_return r;
        },
        pair.a);
    co_await until_parked(1);
    std::size_t at = 0;
    bool whole = true;
    for (int reads = 0;; ++reads) {
      if (reads < 20) co_await sleep(1ms);
      if (reads % 256 == 0) most = std::max(most, anonymous_bytes());
      auto [n, err] = co_await pair.b.read(buffer);
      if (err) {
        EXPECT_EQ(err, errc::eof);
        break;
      }
      for (std::size_t done = 0; done < n;) {
        const std::size_t from = (at + done) % Repeated::period;
        const std::size_t size = std::min(n - done, Repeated::period - from);
        whole = whole && std::memcmp(buffer.data() + done, once.data() + from, size) == 0;
        done += size;
      }
      at += n;
    }
    EXPECT_TRUE(whole);
    EXPECT_EQ(at, sent.view().size());
    const Outcome wrote = co_await writer;
    EXPECT_EQ(wrote.get<0>(), sent.view().size()) << wrote.message();
#ifdef GMPCORO_TEST_MEMORY_FIGURES
    EXPECT_LT(most - before, 16 << 20);
#endif
  });
}

// Many who send a byte now and then, beside a few who want something: those have it, and then the others' time comes.
TEST(PeerFault, DawdlersMeetTheirDeadlineAndHoldUpNobody) {
  on_executor([]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    constexpr int slow = 60;
    constexpr int fast = 4;
    std::atomic<int> timed_out{0}, served{0};
    std::atomic<time_point> deadline{time_point::max()};  // of a client's first line
    std::atomic<bool> over{false};
    const auto serve = [&](net::Conn conn) -> Task<> {
      io::BufReader reader(conn);
      for (bool first = true;; first = false) {
        const auto line = co_await reader.read_line();
        if (!line) {
          if (line.err == errc::timeout) {
            EXPECT_GE(Clock::now(), deadline.load());
            EXPECT_TRUE(first);
            ++timed_out;
          } else {
            EXPECT_EQ(line.err, errc::eof) << line.message();
          }
          co_return;
        }
        const auto r = co_await conn.write("well\n");
        EXPECT_TRUE(r) << r.message();
        if (first) ++served;
        conn.set_read_deadline(time_point{});
      }
    };
    std::vector<JoinHandle<void>> gs;
    std::vector<net::Conn> slow_ones, served_slowly;
    for (int i = 0; i < slow; ++i) {
      slow_ones.push_back((co_await net::dial("tcp", ln.addr().to_string())).value());
      served_slowly.push_back((co_await ln.accept()).value());
      gs.push_back(spawn(serve, served_slowly.back()));
    }
    const auto want = [&](net::Conn conn) -> Task<> {
      io::BufReader reader(conn);
      while (!over) {
        static_cast<void>((co_await conn.write("how are you\n")).value());
        const std::string answer((co_await reader.read_line()).value());
        EXPECT_EQ(answer, "well");
      }
      conn.close();
    };
    for (int i = 0; i < fast; ++i) {
      gs.push_back(spawn(want, (co_await net::dial("tcp", ln.addr().to_string())).value()));
      net::Conn conn = (co_await ln.accept()).value();
      conn.set_read_deadline(Clock::now() + 1h);
      gs.push_back(spawn(serve, std::move(conn)));
    }
    const auto dawdle_until = [&](auto enough) -> Task<> {
      while (!enough()) {
        for (const net::Conn& conn : slow_ones) static_cast<void>(co_await conn.write("."));  // a reset, once it was given up
        co_await sleep(10ms);
      }
    };
    co_await dawdle_until([&] { return served == fast; });
    EXPECT_EQ(timed_out, 0);
    deadline = Clock::now() + 120ms;
    for (const net::Conn& conn : served_slowly) EXPECT_FALSE(conn.set_read_deadline(deadline));
    served_slowly.clear();
    co_await dawdle_until([&] { return timed_out == slow; });
    over = true;
    for (auto& g : gs) co_await g;
  });
}

// ---- signals all the time

std::atomic<long> signals{0};

/// Interrupts every thread of the process each 100 us, in whatever call it is.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action = {};
    action.sa_handler = [](int) { signals.fetch_add(1, std::memory_order_relaxed); };
    ::sigaction(SIGUSR1, &action, nullptr);  // no SA_RESTART; it stays, as one may be on its way when we end
    thread_ = std::jthread([](std::stop_token stop) {
      while (!stop.stop_requested()) {
        std::error_code gone;
        for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
          const int tid = std::atoi(task.path().filename().c_str());
          if (tid != ::gettid()) ::syscall(SYS_tgkill, ::getpid(), tid, SIGUSR1);
        }
        std::this_thread::sleep_for(100us);
      }
    });
  }

 private:
  std::jthread thread_;
};

TEST(SignalFault, AStormOfSignalsInterruptsNothing) {
  const long before = signals;
  const SignalStorm storm;
  do {
    on_executor([] { return flow({4, 100'000}, test::case_seed(), true); });
  } while (signals - before < 200);
  on_executor([]() -> Task<> {
    const time_point begin = Clock::now();
    co_await sleep(10ms);
    EXPECT_GE(Clock::now() - begin, 10ms);
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    auto parked = spawn(
        [](net::Listener from) -> Task<std::error_code> {
          const auto r = co_await from.accept();
          co_return r.err;
        },
        ln);
    co_await until_parked(1);
    ln.set_deadline(Clock::now() + 10ms);
    const std::error_code err = co_await parked;
    EXPECT_EQ(err, errc::timeout);
    const int slept = co_await blocking([] { return 5; });
    EXPECT_EQ(slept, 5);
    const auto hosts = co_await net::lookup_host("localhost");
    EXPECT_TRUE(hosts) << hosts.message();
  });
}

// ---- what the system forbids

std::string why_none() {
  try {
    Executor ex;
    return "there is one";
  } catch (const std::system_error& error) {
    return error.what();
  }
}

TEST(Refused, BothPollersAreAnErrorThatNamesThem) {
  const auto outcome = test::child::run(
      [] {
        const Kernel kernel([](Call call, bool) {
          return call == Call::uring_setup ? Fault::failing(EPERM) : call == Call::epoll_create ? Fault::failing(EMFILE) : Fault();
        });
        std::puts(why_none().c_str());
      },
      {.environment = {"GMPPOLLER=automatic"}});
  EXPECT_EQ(outcome.status, 0) << outcome;
  EXPECT_EQ(outcome.out, "epoll_create1: Too many open files\n") << outcome;
  EXPECT_TRUE(outcome.err.starts_with("gmpcoro: using epoll: io_uring_setup: Operation not permitted: a seccomp filter")) << outcome;
}

TEST(Refused, IoUringWhereItIsAskedForSaysWhatToChange) {
  const test::child::Options options{.environment = {"GMPPOLLER=uring"}};
  const auto setup = test::child::run(
      [] {
        const Kernel kernel(test::nth(Call::uring_setup, 1, Fault::failing(ENOSYS)));
        std::puts(why_none().c_str());
      },
      options);
  EXPECT_EQ(setup.out, "io_uring_setup (this kernel or sandbox (gVisor) has no io_uring; use Linux 5.19 or later, or set GMPPOLLER=epoll): "
                       "Function not implemented\n")
      << setup;
  const auto enter = test::child::run(
      [] {  // some sandboxes allow the one and refuse the other
        const Kernel kernel([](Call call, bool) { return call == Call::enter ? Fault::failing(EPERM) : Fault(); });
        std::puts(why_none().c_str());
      },
      options);
  EXPECT_TRUE(enter.out.starts_with("io_uring_enter (a seccomp filter")) << enter;
  EXPECT_TRUE(enter.out.ends_with("set GMPPOLLER=epoll): Operation not permitted\n")) << enter;
}

TEST(Refused, IoUringAfterTheStartIsFatalAndNoHang) {
  if (!uses_uring()) GTEST_SKIP() << "epoll";
  const auto outcome = test::child::run([] {
    std::atomic<bool> forbidden{false};
    const Kernel kernel([&](Call call, bool) { return call == Call::enter && forbidden ? Fault::failing(EPERM) : Fault(); });
    on_executor([&]() -> Task<> {
      const ConnPair pair = co_await conn_pair();
      forbidden = true;
      static_cast<void>(co_await read_some(pair.a));
    });
  });
  EXPECT_EQ(outcome.status, 2) << outcome;
  EXPECT_TRUE(outcome.err.starts_with("fatal error: io_uring_enter failed: was the ring closed, or forbidden after the start?"))
      << outcome;
}

// The first P has its ring, the others get none: they stand on epoll, and nothing is missing.
TEST(Refused, ARingForALaterPMakesItUseEpoll) {
  if (!uses_uring()) GTEST_SKIP() << "epoll";
  const auto outcome = test::child::run([] {
    Kernel kernel([n = 0](Call call, bool) mutable {
      return call == Call::uring_setup && ++n > 2 ? Fault::failing(ENOMEM) : Fault();
    });  // 1: the probe
    Executor ex({.procs = 3});
    ex.run([&kernel]() -> Task<> {
      while (kernel.faults(Call::uring_setup) == 0) {  // another P begins when there is more to do than one can
        auto one = spawn([] { std::this_thread::sleep_for(100us); });
        auto other = spawn([] { std::this_thread::sleep_for(100us); });
        co_await one;
        co_await other;
      }
      co_await flow({6, 50'000}, 1);
    });
    std::puts(kernel.faults(Call::uring_setup) > 0 ? "refused" : "not even asked");
  });
  EXPECT_EQ(outcome.status, 0) << outcome;
  EXPECT_EQ(outcome.out, "refused\n") << outcome;
  EXPECT_NE(outcome.err.find("gmpcoro: io_uring_setup (no memory for the ring; "), std::string::npos) << outcome;
  EXPECT_NE(outcome.err.find("one P uses epoll instead"), std::string::npos) << outcome;
}

// Which thread it is, sysmon's, an M's, one more for a blocking call: the process ends with words, as Go's does, and never hangs.
TEST(Refused, AThreadIsFatalAndNoHang) {
  int ends = 0;
  for (long nth = 1;; ++nth) {
    const auto run = [] {
      Kernel kernel([n = 0L, nth = std::atol(std::getenv("FAULT_TEST_NTH"))](Call call, bool) mutable { return call == Call::thread && ++n >= nth ? Fault::failing(EAGAIN) : Fault(); });
      Executor ex({.procs = 2});
      ex.run([]() -> Task<> {
        std::vector<JoinHandle<void>> gs;
        for (int i = 0; i < 4; ++i) {
          gs.push_back(spawn([]() -> Task<> { co_await blocking([] { std::this_thread::sleep_for(50ms); }); }));
        }
        for (auto& g : gs) co_await g;
      });
    };
    const auto outcome = test::child::run(run, {.environment = {"FAULT_TEST_NTH=" + std::to_string(nth)}});
    EXPECT_EQ(outcome.signal, 0) << outcome;
    if (outcome.status == 0) break;  // it needs no more threads than these
    ++ends;
    EXPECT_EQ(outcome.status, 2) << outcome;
    EXPECT_TRUE(outcome.err.starts_with("fatal error: failed to create a new OS thread")) << outcome;
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GE(ends, 3);
}

TEST(Refused, AThreadForSignalsIsAnErrorAndTheNextTryGoes) {
  const auto outcome = test::child::run([] {
    std::string said;
    {
      const Kernel kernel(test::nth(Call::thread, 1, Fault::failing(EAGAIN)));
      try {
        static_cast<void>(os::notify({SIGUSR2}));
      } catch (const std::system_error& error) {
        said = error.code() == std::errc::resource_unavailable_try_again ? "EAGAIN" : error.what();
      }
    }
    on_executor([&said]() -> Task<> {
      const auto signals = os::notify({SIGUSR2});
      ::kill(::getpid(), SIGUSR2);
      const auto number = co_await signals.recv();
      std::printf("%s, then %s\n", said.c_str(), number == SIGUSR2 ? "it came" : "nothing");
    });
  });
  EXPECT_EQ(outcome.status, 0) << outcome;
  EXPECT_EQ(outcome.out, "EAGAIN, then it came\n") << outcome;
}

}  // namespace
}  // namespace gmp::net_fault_test
