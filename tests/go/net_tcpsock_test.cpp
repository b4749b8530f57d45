// tests/go/net_tcpsock_test.cpp — reads and writes allocate nothing.
// Go: net/tcpsock_test.go (TestTCPReadWriteAllocs).  Room: tests/go.
//
// This binary's operator new counts while it is told to.  In a child process, where no other test has left a thread that allocates.  Not under
// a sanitizer, whose own operator new is worth more.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"

#ifndef GMPCORO_TEST_SANITIZED

#include "support/replaced_new.hpp"

namespace {

std::atomic<bool> counting{false};
std::atomic<long> allocations{0};

}  // namespace

void* gmp::test::allocate(std::size_t size, std::size_t alignment) noexcept {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  return take_memory(size, alignment);
}
void gmp::test::release(void* memory) noexcept { std::free(memory); }

namespace gmp::net_tcpsock_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::conn_pair;
using test::ConnPair;

constexpr int rounds = 1000;

/// Round after round: after a few that may allocate it counts, and at the end prints how many a round had.
class Count {
 public:
  explicit Count(const char* what) : what_(what) {}
  bool more() {
    if (round_ == 100) {
      allocations = 0;
      counting = true;
    }
    if (round_++ < 100 + rounds) return true;
    counting = false;
    std::printf("%s %ld\n", what_, allocations.load() / rounds);  // a thread that starts meanwhile allocates, once
    return false;
  }

 private:
  const char* what_;
  int round_ = 0;
};

Task<> echo(net::Conn conn) {
  std::string buffer(64, '\0');
  for (;;) {
    auto [n, err] = co_await conn.read(buffer);
    if (err) co_return;
    auto [m, failed] = co_await conn.write(std::string_view(buffer).substr(0, n));
    if (failed) co_return;
  }
}

TEST(GoNetTcpsock, ReadsAndWritesAllocateNothing) {
  const auto outcome = test::child::run([] {
    Executor ex;
    ex.run([]() -> Task<> {
      const ConnPair pair = co_await conn_pair();
      go(echo, pair.b);
      const std::string message(64, 'm');
      std::string buffer(64, '\0');
      for (const char* what : {"plain", "with deadlines"}) {
        for (Count count(what); count.more();) {
          static_cast<void>(co_await pair.a.write(message));
          for (std::size_t got = 0; got < buffer.size();) {
            auto [n, err] = co_await pair.a.read(buffer);
            if (err) std::abort();
            got += n;
          }
        }
        pair.a.set_deadline(Clock::now() + 1h);
      }
      io::BufReader reader{pair.a};
      io::BufWriter writer{pair.a};
      for (Count count("buffered"); count.more();) {
        static_cast<void>(co_await writer.write("a line of text"));
        static_cast<void>(co_await writer.write("\r\n"));
        static_cast<void>(co_await writer.flush());
        auto [line, err] = co_await reader.read_line();
        if (err || line != "a line of text") std::abort();
      }
      const auto [near, far] = net::pipe();
      go(echo, far);
      for (Count count("pipe"); count.more();) {
        static_cast<void>(co_await near.write(message));
        static_cast<void>(co_await near.read(buffer));
      }
      const net::PacketConn pc = net::listen_packet("udp", "127.0.0.1:0").value();
      for (Count count("datagrams"); count.more();) {
        static_cast<void>(co_await pc.write_to(message, pc.local_addr()));
        static_cast<void>(co_await pc.read_from(buffer));
      }
    });
  });
  EXPECT_EQ(outcome.status, 0) << outcome;
  EXPECT_EQ(outcome.out, "plain 0\nwith deadlines 0\nbuffered 0\npipe 0\ndatagrams 0\n") << outcome;
}

}  // namespace
}  // namespace gmp::net_tcpsock_test

#endif
