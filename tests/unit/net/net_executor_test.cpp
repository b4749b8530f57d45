// tests/unit/net/net_executor_test.cpp — sockets and executors: stop with gs in every operation, conns shared and outliving, Ps that come and go.
// Go: none; one runtime a process there.  Room: net (floor 5).
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"
#include "unit/task/probe.hpp"

namespace gmp::net_executor_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::conn_pair;
using test::ConnPair;
using test::on_executor;
using test::Probe;
using test::until_parked;

/// Sends it all back until the end.
Task<> echo(net::Conn conn) {
  std::string buffer(4096, '\0');
  for (;;) {
    auto [n, err] = co_await conn.read(buffer);
    if (err) co_return;
    auto [m, failed] = co_await conn.write(std::string_view(buffer).substr(0, n));
    if (failed) co_return;
  }
}

/// Sends n bytes and compares what comes back, in messages of at most `most`.
Task<> ping(net::Conn conn, std::size_t n, std::size_t most, std::uint64_t seed) {
  const std::string bytes = test::pattern(n, seed);
  std::string got(most, '\0');
  for (std::size_t at = 0; at < n;) {
    const std::size_t size = std::min(most, n - at);
    const auto wrote = co_await conn.write(std::string_view(bytes).substr(at, size));
    EXPECT_TRUE(wrote) << wrote.message();
    const auto read = co_await io::read_full(conn, io::Buffer(got.data(), size));
    EXPECT_TRUE(read) << read.message();
    if (!wrote || !read) co_return;
    EXPECT_TRUE(bytes.compare(at, size, got, 0, size) == 0);
    at += size;
  }
}

TEST(NetStop, EndsGsParkedInEveryOperation) {
  static_cast<void>(on_executor([] { return net::listen("tcp", "127.0.0.1:0").value().addr(); }));
  for (std::int64_t round = test::scaled(30, 5); round > 0; --round) {
    const int before = test::open_fds();
    std::atomic<int> alive{0};
    {
      std::optional<ConnPair> kept;  // outlives the executor, with gs that were parked on it
      Executor ex;
      ex.run([&]() -> Task<> {
        kept.emplace(co_await conn_pair());
        const ConnPair pair = co_await conn_pair();
        const ConnPair silent = co_await conn_pair();
        const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
        const net::Listener full = net::listen("tcp", "127.0.0.1:0", {.backlog = 1}).value();
        const auto read_it = [&alive](net::Conn conn) -> Task<> {
          const Probe probe(alive);
          char buffer[16];
          static_cast<void>(co_await conn.read(buffer));
          ADD_FAILURE() << "went on";
        };
        const auto read_line = [&alive](net::Conn conn) -> Task<> {
          const Probe probe(alive);
          io::BufReader reader{conn};
          static_cast<void>(co_await reader.read_line());
          ADD_FAILURE() << "went on";
        };
        const auto read_with_deadline = [&alive](net::Conn conn) -> Task<> {
          const Probe probe(alive);
          char buffer[16];
          conn.set_read_deadline(Clock::now() + 1h);
          static_cast<void>(co_await conn.read(buffer));
          ADD_FAILURE() << "went on";
        };
        const auto write_it = [&alive](net::Conn conn) -> Task<> {
          const Probe probe(alive);
          const std::string much(8 << 20, 'x');
          static_cast<void>(co_await conn.write(much));
          ADD_FAILURE() << "went on";
        };
        const auto flush_it = [&alive](net::Conn conn) -> Task<> {
          const Probe probe(alive);
          io::BufWriter writer{conn};
          const std::string some(1000, 'y');
          for (;;) static_cast<void>(co_await writer.write(some));
        };
        const auto accept_it = [&alive](net::Listener from) -> Task<> {
          const Probe probe(alive);
          static_cast<void>(co_await from.accept());
          ADD_FAILURE() << "went on";
        };
        const auto wait_closed = [&alive](net::Conn conn) -> Task<> {
          const Probe probe(alive);
          co_await conn.closed();
          ADD_FAILURE() << "went on";
        };
        const auto dial_it = [&alive](std::string address) -> Task<> {
          const Probe probe(alive);
          auto [conn, err] = co_await net::dial("tcp", address);  // the first two get through
          co_await conn.closed();
        };
        for (int i = 0; i < 2; ++i) {  // the second of each waits for its turn
          go(read_it, kept->a);
          go(read_with_deadline, silent.a);
          go(read_line, silent.b);
          go(write_it, pair.a);
          go(flush_it, pair.b);
          go(accept_it, ln);
          go(wait_closed, pair.a);
        }
        for (int i = 0; i < 6; ++i) go(dial_it, full.addr().to_string());
        co_await until_parked(20);
        EXPECT_EQ(alive, 20);
      });
      ex.stop();
      EXPECT_EQ(alive, 0);
      // Nobody is left in it: another executor may use it.
      on_executor([&]() -> Task<> {
        static_cast<void>((co_await kept->b.write("after all")).value());
        char buffer[16];
        const auto r = co_await kept->a.read(buffer);
        EXPECT_EQ(r.get<0>(), 9u) << r.message();
      });
    }
    ASSERT_EQ(test::open_fds(), before);
  }
}

// The connection is there and the g has not gone on to take it when its executor stops: nobody will, so it is closed.
TEST(NetStop, AnAcceptedConnectionThatNobodyTookIsClosed) {
  static_cast<void>(on_executor([] { return net::listen("tcp", "127.0.0.1:0").value().addr(); }));
  const int before = test::open_fds();
  for (std::int64_t round = test::scaled(20, 3); round > 0; --round) {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(ln.addr().port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(client, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    {
      std::atomic<bool> computed{false};
      std::atomic<bool> stopping{false};
      Executor ex({.procs = 1});
      ex.go([&]() -> Task<> {
        test::burn(40ms);  // its slice is used up, its P is with the other g: whatever it awaits, it lets go
        computed = true;
        static_cast<void>(co_await ln.accept());
      });
      ex.go([&]() -> Task<> {
        while (!computed) co_await yield();
        while (!stopping) {  // the one P is kept until it is too late for the first g
        }
        test::burn(1ms);
      });
      while (!computed) std::this_thread::yield();
      std::this_thread::sleep_for(1ms);
      stopping = true;
    }
    // The peer's end comes, as nobody holds the other.
    if (ln.close()) ADD_FAILURE();
    timeval limit{5, 0};
    ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char byte = 0;
    const auto n = ::recv(client, &byte, 1, 0);
    EXPECT_TRUE(n == 0 || (n < 0 && errno == ECONNRESET)) << n;
    ::close(client);
  }
  EXPECT_EQ(test::open_fds(), before);
}

TEST(NetExecutors, OneReadsWhereAnotherWrites) {
  Executor a;
  Executor b;
  ConnPair pair = a.run(conn_pair());
  const std::string bytes = test::pattern(static_cast<std::size_t>(test::scaled(8 << 20, 1 << 20)), test::case_seed());
  auto writer = a.spawn([&]() -> Task<> {
    const auto r = co_await pair.a.write(bytes);
    EXPECT_TRUE(r) << r.message();
    pair.a.close_write();
  });
  auto echoer = a.spawn(echo(pair.b));
  auto got = b.spawn([&]() -> Task<std::string> { co_return (co_await io::read_all(pair.a)).get<0>(); });
  writer.get();
  echoer.get();
  pair.b.close();
  EXPECT_TRUE(got.get() == bytes);
}

TEST(NetExecutors, ReadersOfTwoTakeTurnsOnOneConn) {
  Executor a;
  Executor b;
  ConnPair pair = a.run(conn_pair());
  const int n = static_cast<int>(test::scaled(2000, 200));
  std::atomic<int> got{0};
  std::atomic<std::uint64_t> sum{0};
  const auto read_all = [&](net::Conn conn) -> Task<> {
    for (;;) {
      unsigned char byte[1];
      auto [size, err] = co_await conn.read(byte);
      if (err) co_return;
      ++got;
      sum += byte[0];
    }
  };
  std::vector<JoinHandle<void>> readers;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(a.spawn(read_all, pair.a));
    readers.push_back(b.spawn(read_all, pair.a));
  }
  std::uint64_t sent = 0;
  b.run([&]() -> Task<> {
    for (int i = 0; i < n; ++i) {
      const unsigned char byte[1] = {static_cast<unsigned char>(i)};
      sent += byte[0];
      static_cast<void>((co_await pair.b.write(std::span(byte))).value());
    }
    pair.b.close_write();
  });
  for (auto& reader : readers) reader.get();
  EXPECT_EQ(got, n);
  EXPECT_EQ(sum, sent);
}

TEST(NetExecutors, AnotherClosesAndSetsDeadlines) {
  Executor a;
  Executor b;
  const auto read_it = [](net::Conn conn) -> Task<std::error_code> {
    char buffer[4];
    const auto r = co_await conn.read(buffer);
    co_return r.err;
  };
  for (int i = 0; i < 20; ++i) {
    ConnPair pair = a.run(conn_pair());
    auto reader = a.spawn(read_it, pair.a);
    test::wait_parked(a, 1);
    b.run([&] { pair.a.set_read_deadline(Clock::now()); });
    EXPECT_EQ(reader.get(), errc::timeout);
    pair.a.set_read_deadline(time_point{});
    auto again = a.spawn(read_it, pair.a);
    test::wait_parked(a, 1);
    b.run([&] { pair.a.close(); });
    EXPECT_EQ(again.get(), errc::closed);
  }
}

// One stops while gs of the other wait for their turn behind one of its gs: the turn passes on.
TEST(NetExecutors, TheTurnPassesFromAStoppedOne) {
  for (std::int64_t round = test::scaled(50, 10); round > 0; --round) {
    Executor b;
    ConnPair pair = b.run(conn_pair());
    JoinHandle<std::size_t> reader;
    {
      Executor a;
      a.go(echo(pair.a));
      test::wait_parked(a, 1);
      reader = b.spawn([&pair]() -> Task<std::size_t> {
        char buffer[16];
        co_return (co_await pair.a.read(buffer)).get<0>();
      });
      test::wait_parked(b, 1);
    }
    b.run([&]() -> Task<> { static_cast<void>(co_await pair.b.write("mine")); });
    EXPECT_EQ(reader.get(), 4u);
  }
}

TEST(NetExecutors, StopAgainstCloseAndDeadlinesOfAnother) {
  std::mt19937_64 random(test::case_seed());
  Executor other;
  for (std::int64_t round = test::scaled(100, 20); round > 0; --round) {
    auto ex = std::make_unique<Executor>();
    std::vector<ConnPair> pairs;
    for (int i = 0; i < 4; ++i) pairs.push_back(ex->run(conn_pair()));
    for (const ConnPair& pair : pairs) {
      pair.a.set_read_deadline(Clock::now() + std::chrono::microseconds(random() % 2000));
      ex->go(echo(pair.a));
      ex->go(echo(pair.b));
    }
    const bool closes = random() % 2 != 0;
    auto disturber = other.spawn([&pairs, closes]() -> Task<> {
      for (const ConnPair& pair : pairs) {
        pair.b.set_deadline(Clock::now());
        co_await yield();
        if (closes) pair.a.close();
        pair.a.set_deadline(time_point{});
      }
    });
    if (random() % 2 != 0) std::this_thread::yield();
    ex.reset();
    disturber.get();
    for (const ConnPair& pair : pairs) pair.a.close();
    other.run([&]() -> Task<> {
      for (const ConnPair& pair : pairs) co_await pair.a.closed();
    });
  }
}

TEST(NetExecutors, AConnOutlivesItsExecutors) {
  ConnPair pair;
  {
    Executor ex;
    pair = ex.run(conn_pair());
    ex.run([&]() -> Task<> { static_cast<void>((co_await pair.a.write("from the first")).value()); });
  }
  EXPECT_TRUE(pair.a);
  {
    Executor ex;
    ex.run([&]() -> Task<> {
      char buffer[32];
      const auto r = co_await pair.b.read(buffer);
      EXPECT_EQ(r.get<0>(), 14u);
    });
    ex.go(echo(pair.b));  // parked when it ends
    test::wait_parked(ex, 1);
  }
  on_executor([&]() -> Task<> {
    auto echoer = spawn(echo(pair.b));
    co_await ping(pair.a, 1000, 100, 7);
    pair.a.close();
    co_await echoer;
  });
  pair.b.close();
  EXPECT_EQ(pair.b.close(), errc::closed);
}

// The child has a copy of all descriptors, the pollers' among them, and none of our threads. It allocates, and becomes another program, or ends.
TEST(NetExecutors, AForkDisturbsNothingThatIsInProgress) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    auto echoer = spawn(echo(pair.b));
    for (const bool becomes_another : {true, false, true}) {
      auto reader = spawn(test::read_once(pair.a));
      co_await until_parked(2);
      const pid_t pid = ::fork();
      if (pid == 0) {
        const std::string memory(100'000, 'm');
        if (becomes_another) ::execl("/bin/sh", "sh", "-c", "exit 3", nullptr);
        ::_exit(memory.size() == 100'000 ? 3 : 4);
      }
      int status = 0;
      co_await blocking([&] { ::waitpid(pid, &status, 0); });
      EXPECT_EQ(WEXITSTATUS(status), 3);
      EXPECT_FALSE(reader.done());
      static_cast<void>((co_await pair.a.write("x")).value());
      const auto read = co_await reader;
      EXPECT_EQ(read.value(), 1u);
      co_await ping(pair.a, 10'000, 1'000, 8);
    }
    pair.a.close();
    co_await echoer;
  });
}

// A g whose P was taken while it computed begins its operations without one.
TEST(NetHogs, ReadAndWriteAfterTheirPWasTaken) {
  for (const int procs : {1, 2}) {
    Executor ex({.procs = procs});
    ex.run([]() -> Task<> {
      const ConnPair pair = co_await conn_pair();
      auto echoer = spawn(echo(pair.b));
      std::atomic<bool> done{false};
      auto others = spawn([&done]() -> Task<> {
        while (!done) co_await yield();
      });
      std::string got(100, '\0');
      for (std::int64_t i = test::scaled(4); i > 0; --i) {
        test::burn(30ms);
        const auto wrote = co_await pair.a.write(std::string_view("0123456789"));
        EXPECT_EQ(wrote.get<0>(), 10u) << wrote.message();
        test::burn(30ms);
        pair.a.set_read_deadline(Clock::now() + 10s);
        const auto read = co_await io::read_full(pair.a, io::Buffer(got.data(), 10));
        EXPECT_EQ(read.get<0>(), 10u) << read.message();
        test::burn(30ms);
        const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
        const auto dialled = co_await net::dial("tcp", ln.addr().to_string());
        EXPECT_TRUE(dialled) << dialled.message();
        test::burn(30ms);
        const auto accepted = co_await ln.accept();
        EXPECT_TRUE(accepted) << accepted.message();
        test::burn(30ms);
        ln.set_deadline(Clock::now() + 1ms);
        const auto late = co_await ln.accept();
        EXPECT_EQ(late.err, errc::timeout);
        test::burn(30ms);
        EXPECT_FALSE(ln.close());
        co_await ln.closed();
      }
      pair.a.close();
      co_await echoer;
      done = true;
      co_await others;
    });
  }
}

TEST(NetHogs, CloseWhileTheReadHasNotReachedThePoller) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    std::atomic<int> stage{0};
    const auto read_it = [&]() -> Task<std::error_code> {
      test::burn(40ms);
      stage = 1;
      char buffer[4];
      const auto r = co_await pair.a.read(buffer);
      co_return r.err;
    };
    auto reader = spawn(read_it);
    while (stage == 0) co_await yield();
    pair.a.close();
    const std::error_code err = co_await reader;
    EXPECT_EQ(err, errc::closed);
    co_await pair.a.closed();
  });
}

TEST(NetGomaxprocs, ChangesWhileBytesFlow) {
  std::mt19937_64 random(test::case_seed());
  Executor ex({.procs = 2});
  ex.run([&]() -> Task<> {
    std::vector<ConnPair> pairs;
    std::vector<JoinHandle<void>> gs;
    std::atomic<int> left{0};
    const auto bytes = static_cast<std::size_t>(test::scaled(1 << 20, 1 << 18));
    for (int i = 0; i < 8; ++i) {
      pairs.push_back(co_await conn_pair());
      const ConnPair& pair = pairs.back();
      gs.push_back(spawn(echo(pair.b)));
      ++left;
      gs.push_back(spawn([&left, conn = pair.a, bytes, i]() -> Task<> {
        co_await ping(conn, bytes, 1000, static_cast<std::uint64_t>(i));
        conn.close();
        --left;
      }));
    }
    while (left > 0) {
      gomaxprocs(static_cast<int>(1 + random() % 4));
      co_await sleep(std::chrono::microseconds(random() % 2000));
    }
    for (auto& g : gs) co_await g;
  });
}

TEST(NetGomaxprocs, GsParkedOnASurplusPAreWokenAllTheSame) {
  Executor ex({.procs = 4});
  ex.run([]() -> Task<> {
    for (int round = 0; round < 5; ++round) {
      gomaxprocs(4);
      std::vector<ConnPair> pairs;
      std::vector<JoinHandle<std::size_t>> readers;
      for (int i = 0; i < 16; ++i) pairs.push_back(co_await conn_pair());
      const auto read_it = [](net::Conn conn) -> Task<std::size_t> {
        char buffer[4];
        conn.set_read_deadline(Clock::now() + 10s);
        co_return (co_await conn.read(buffer)).get<0>();
      };
      for (const ConnPair& pair : pairs) readers.push_back(spawn(read_it, pair.a));
      co_await until_parked(16);
      gomaxprocs(1);
      for (const ConnPair& pair : pairs) static_cast<void>((co_await pair.b.write("x")).value());
      for (auto& reader : readers) {
        const std::size_t n = co_await reader;
        EXPECT_EQ(n, 1u);
      }
    }
  });
}

}  // namespace
}  // namespace gmp::net_executor_test
