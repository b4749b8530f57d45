// tests/unit/net/deadline_test.cpp — deadlines: on what is begun and on what is parked, moved, cleared, a side's own.
// Go: net/timeout_test.go.  Room: net (floor 5).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::deadline_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::conn_pair;
using test::ConnPair;
using test::on_executor;
using test::read_once;
using test::until_parked;

std::string between(const net::Conn& conn) { return conn.local_addr().to_string() + "->" + conn.remote_addr().to_string(); }

constexpr auto soon = 5s;  // what takes longer was not ended by the deadline

Task<Result<std::size_t>> write_much(net::Conn conn) {
  const std::string much(16 << 20, 'm');
  co_return co_await conn.write(much);
}
Task<std::error_code> accept_once(net::Listener ln) {
  const auto r = co_await ln.accept();
  co_return r.err;
}

TEST(Deadline, APastOneEndsReadsWritesAndAccepts) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    for (const time_point past : {Clock::now() - 1h, Clock::now(), time_point{} + 1ns, time_point{} - 1h, time_point::min()}) {
      EXPECT_FALSE(pair.a.set_deadline(past));
      EXPECT_FALSE(ln.set_deadline(past));
      const auto start = Clock::now();
      for (int i = 0; i < 2; ++i) {
        const auto read = co_await read_once(pair.a);
        EXPECT_EQ(read.err, errc::timeout);
        EXPECT_EQ(read.err, std::errc::timed_out);
        EXPECT_EQ(read.err.message(), "i/o timeout");
        EXPECT_EQ(read.message(), "read tcp " + between(pair.a) + ": i/o timeout");
        const auto wrote = co_await pair.a.write("x");
        EXPECT_EQ(wrote.err, errc::timeout);
        EXPECT_EQ(wrote.get<0>(), 0u);
        EXPECT_EQ(wrote.message(), "write tcp " + between(pair.a) + ": i/o timeout");
        const auto accepted = co_await ln.accept();
        EXPECT_EQ(accepted.err, errc::timeout);
        EXPECT_EQ(accepted.message(), "accept tcp " + ln.addr().to_string() + ": i/o timeout");
      }
      EXPECT_LT(Clock::now() - start, soon);
    }
  });
}

TEST(Deadline, APastOneEndsAReadThoughThereIsData) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    static_cast<void>((co_await pair.b.write("data")).value());
    pair.a.set_read_deadline(Clock::now());
    const auto late = co_await read_once(pair.a);
    EXPECT_EQ(late.err, errc::timeout);
    pair.a.set_read_deadline(time_point{});
    const auto read = co_await read_once(pair.a);  // and the data waits
    EXPECT_EQ(read.get<0>(), 4u);
  });
}

TEST(Deadline, AFutureOneEndsWhatIsBegunAfterAndNotTooEarly) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const auto when = Clock::now() + 30ms;
    pair.a.set_deadline(when);
    ln.set_deadline(when);
    auto reader = spawn(read_once(pair.a));
    auto writer = spawn(write_much(pair.a));
    auto acceptor = spawn(accept_once(ln));
    const auto read = co_await reader;
    EXPECT_GE(Clock::now(), when);
    const auto wrote = co_await writer;
    const auto accepted = co_await acceptor;
    EXPECT_EQ(read.err, errc::timeout);
    EXPECT_EQ(wrote.err, errc::timeout);
    EXPECT_EQ(accepted, errc::timeout);
    EXPECT_LT(Clock::now() - when, soon);
  });
}

TEST(Deadline, SetWhileParkedFromAGAndFromAThread) {
  on_executor([]() -> Task<> {
    for (const bool by_thread : {false, true}) {
      const ConnPair pair = co_await conn_pair();
      const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
      auto reader = spawn(read_once(pair.a));
      auto writer = spawn(write_much(pair.a));
      auto acceptor = spawn(accept_once(ln));
      co_await until_parked(3);
      const auto when = Clock::now() + 10ms;
      const auto set = [&] {
        EXPECT_FALSE(pair.a.set_read_deadline(when));
        EXPECT_FALSE(pair.a.set_write_deadline(Clock::now() - 1s));
        EXPECT_FALSE(ln.set_deadline(when));
      };
      if (by_thread)
        std::thread(set).join();
      else
        set();
      const auto wrote = co_await writer;
      EXPECT_EQ(wrote.err, errc::timeout);
      const auto read = co_await reader;
      EXPECT_EQ(read.err, errc::timeout);
      EXPECT_GE(Clock::now(), when);
      const auto accepted = co_await acceptor;
      EXPECT_EQ(accepted, errc::timeout);
      EXPECT_LT(Clock::now() - when, soon);
    }
  });
}

/// Parks until the g is parked itself, or, on a busy machine, has been too late for that.
Task<> until_parked_or_done(const JoinHandle<Result<std::size_t>>& g) {
  while (!g.done() && test::parked_in_io(Executor::current()) == 0) co_await yield();
}

TEST(Deadline, MovedOnWhileParkedItEndsLater) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    for (int i = 0; i < 3; ++i) {
      const auto first = Clock::now() + 40ms;
      pair.a.set_read_deadline(first);
      auto reader = spawn(read_once(pair.a));
      co_await until_parked_or_done(reader);
      const auto second = Clock::now() + 80ms;
      pair.a.set_read_deadline(second);
      const bool in_time = Clock::now() < first;  // else a busy machine was too slow to tell
      const auto read = co_await reader;
      EXPECT_EQ(read.err, errc::timeout);
      EXPECT_TRUE(!in_time || Clock::now() >= second);
    }
  });
}

TEST(Deadline, MovedForwardWhileParkedItEndsSooner) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    pair.a.set_read_deadline(Clock::now() + 1h);
    auto reader = spawn(read_once(pair.a));
    co_await until_parked(1);
    const auto when = Clock::now() + 10ms;
    pair.a.set_read_deadline(when);
    const auto read = co_await reader;
    EXPECT_EQ(read.err, errc::timeout);
    EXPECT_GE(Clock::now(), when);
    EXPECT_LT(Clock::now() - when, soon);
  });
}

TEST(Deadline, ClearedWhileParkedItDoesNotEnd) {
  on_executor([]() -> Task<> {
    for (const time_point none : {time_point{}, time_point::max()}) {
      const ConnPair pair = co_await conn_pair();
      const auto when = Clock::now() + 50ms;
      pair.a.set_read_deadline(when);
      auto reader = spawn(read_once(pair.a));
      co_await until_parked_or_done(reader);
      pair.a.set_read_deadline(none);
      if (Clock::now() >= when) continue;  // too slow a machine to tell
      co_await sleep_until(when + 20ms);
      EXPECT_FALSE(reader.done());
      static_cast<void>((co_await pair.b.write("x")).value());
      const auto read = co_await reader;
      EXPECT_TRUE(read) << read.message();
    }
  });
}

// It has passed, and is taken back before the g runs: Go does not report it.
TEST(Deadline, APastOneThatIsTakenBackAtOnceIsAsIfItHadNotBeen) {
  Executor ex(Options{.procs = 1});  // so the reader does not run between the two
  ex.run([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    for (int round = 0; round < 100; ++round) {
      auto reader = spawn(read_once(pair.a));
      co_await until_parked_or_done(reader);
      const auto begin = Clock::now();
      co_await yield();  // a time slice begins
      pair.a.set_deadline(Clock::now());
      pair.a.set_deadline(time_point{});
      const bool in_time = Clock::now() - begin < 10ms;  // else the P may have gone to another thread, and the reader have run there
      static_cast<void>((co_await pair.b.write("x")).value());
      auto read = co_await reader;
      if (!in_time && read.err == errc::timeout) read = co_await read_once(pair.a);
      EXPECT_EQ(read.message(), "");
      EXPECT_EQ(read.get<0>(), 1u);
    }
  });
}

TEST(Deadline, TheSidesAreApart) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    pair.a.set_read_deadline(Clock::now());
    const auto wrote = co_await pair.a.write("x");
    EXPECT_TRUE(wrote) << wrote.message();
    const auto read = co_await read_once(pair.a);
    EXPECT_EQ(read.err, errc::timeout);
    pair.a.set_read_deadline(time_point{});
    pair.a.set_write_deadline(Clock::now());
    static_cast<void>((co_await pair.b.write("y")).value());
    const auto read_now = co_await read_once(pair.a);
    EXPECT_TRUE(read_now) << read_now.message();
    const auto late = co_await pair.a.write("x");
    EXPECT_EQ(late.err, errc::timeout);
  });
}

TEST(Deadline, TheConnectionStaysUsable) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    for (int i = 0; i < 20; ++i) {
      pair.a.set_deadline(Clock::now() + (i % 2 != 0 ? 1ms : 0ms));
      const auto read = co_await read_once(pair.a);
      EXPECT_EQ(read.err, errc::timeout);
      pair.a.set_deadline(time_point{});
      static_cast<void>((co_await pair.a.write("ping")).value());
      const auto ping = co_await read_once(pair.b);
      EXPECT_EQ(ping.get<0>(), 4u);
      static_cast<void>((co_await pair.b.write("pong!")).value());
      const auto pong = co_await read_once(pair.a);
      EXPECT_EQ(pong.get<0>(), 5u);
    }
  });
}

TEST(Deadline, WhoWaitsForATurnEndsToo) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    std::vector<JoinHandle<Result<std::size_t>>> readers;
    for (int i = 0; i < 4; ++i) readers.push_back(spawn(read_once(pair.a)));
    co_await until_parked(4);
    const auto when = Clock::now() + 10ms;
    pair.a.set_read_deadline(when);
    for (auto& reader : readers) {
      const auto read = co_await reader;
      EXPECT_EQ(read.err, errc::timeout);
    }
    EXPECT_GE(Clock::now(), when);
    EXPECT_LT(Clock::now() - when, soon);
  });
}

// More operations time out at once than a small ring has room for cancels.
TEST(Deadline, ManyAtOnceAllEnd) {
  on_executor([]() -> Task<> {
    const int n = static_cast<int>(test::scaled(300, 100));
    std::vector<ConnPair> pairs;
    std::vector<JoinHandle<Result<std::size_t>>> readers;
    for (int i = 0; i < n; ++i) pairs.push_back(co_await conn_pair());
    for (const bool parked : {false, true}) {
      const auto when = Clock::now() + 50ms;
      if (!parked) {
        for (const ConnPair& pair : pairs) pair.a.set_read_deadline(when);
      }
      for (const ConnPair& pair : pairs) readers.push_back(spawn(read_once(pair.a)));
      if (parked) {
        co_await until_parked(n);
        for (const ConnPair& pair : pairs) pair.a.set_read_deadline(when);
      }
      for (auto& reader : readers) {
        const auto read = co_await reader;
        EXPECT_EQ(read.err, errc::timeout) << read.message();
      }
      EXPECT_GE(Clock::now(), when);
      EXPECT_LT(Clock::now() - when, soon);
      readers.clear();
      for (const ConnPair& pair : pairs) pair.a.set_read_deadline(time_point{});
    }
  });
}

// A deadline meets the data: either the bytes are delivered, or they wait for the next read. None is lost, none comes twice.
TEST(Deadline, NoByteIsLostAtTheBorder) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const int n = static_cast<int>(test::scaled(1000, 100));
    std::atomic<int> sent{0}, timeouts{0};
    const auto write_all = [&, n](net::Conn conn) -> Task<> {
      for (; sent < n || timeouts == 0; ++sent) {  // a reader that was held up finds them all there: then it goes on
        const char byte = static_cast<char>(sent);
        static_cast<void>((co_await conn.write(std::string_view(&byte, 1))).value());
        co_await sleep(50us);
      }
      conn.close_write();
    };
    auto writer = spawn(write_all, pair.b);
    int got = 0;
    bool in_order = true;
    char buffer[64];
    for (;;) {
      pair.a.set_read_deadline(Clock::now() + 50us);
      auto [size, err] = co_await pair.a.read(buffer);
      for (std::size_t i = 0; i < size; ++i) in_order = in_order && buffer[i] == static_cast<char>(got++);
      if (err == errc::timeout) ++timeouts;
      if (err == errc::eof) break;
      if (err && err != errc::timeout) {
        ADD_FAILURE() << err.message();
        break;
      }
    }
    co_await writer;
    EXPECT_EQ(got, sent);
    EXPECT_TRUE(in_order);
  });
}

}  // namespace
}  // namespace gmp::deadline_test
