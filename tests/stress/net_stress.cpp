// tests/stress/net_stress.cpp — bytes are conserved, whoever closes, times out, connects or goes away meanwhile.
// Go: net/conn_test.go, net/timeout_test.go (races).  Room: tests/stress.
//
// A byte's value is a function of its stream and its place, so a reader sees at once whether one was lost, doubled or mixed up.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::net_stress {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::conn_pair;
using test::ConnPair;
using Dice = std::mt19937_64;

char byte_at(std::uint64_t stream, std::uint64_t place) {
  const std::uint64_t x = (place ^ stream << 20) * 0x9E37'79B9'7F4A'7C15u;
  return static_cast<char>(x >> 56);
}

/// One direction of one connection: what went in, what came out.
struct Flow {
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<bool> whole{false};  // the reader saw the end
};

bool is_end_of(const std::error_code& err) {
  return err == errc::closed || err == errc::eof || err == std::errc::broken_pipe || err == std::errc::connection_reset;
}

/// Writes `total` bytes in pieces of all sizes; a timeout is no end: it goes on behind what went.
Task<> send(net::Conn conn, std::uint64_t stream, std::uint64_t total, std::uint64_t seed, Flow& flow) {
  Dice dice(seed);
  std::string piece;
  std::uint64_t at = 0;
  while (at < total) {
    const std::uint64_t most = dice() % 16 == 0 ? 300'000 : 3000;
    piece.resize(std::min<std::uint64_t>(1 + dice() % most, total - at));
    for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = byte_at(stream, at + i);
    const auto r = co_await conn.write(piece);
    at += r.get<0>();
    flow.sent = at;
    if (r) {
      EXPECT_EQ(r.get<0>(), piece.size());
    } else if (r.err != errc::timeout) {
      EXPECT_TRUE(is_end_of(r.err)) << r.message();
      co_return;
    } else {
      co_await yield();
    }
  }
  conn.close_write();
}

Task<> receive(net::Conn conn, std::uint64_t stream, std::uint64_t seed, Flow& flow) {
  Dice dice(seed);
  std::string buffer(70'000, '\0');
  std::uint64_t at = 0;
  for (;;) {
    const std::size_t size = 1 + dice() % (dice() % 8 == 0 ? buffer.size() : 500);
    const auto r = co_await conn.read(io::Buffer(buffer.data(), size));
    for (std::size_t i = 0; i < r.get<0>(); ++i, ++at) {
      if (buffer[i] == byte_at(stream, at)) continue;
      ADD_FAILURE() << "stream " << stream << ", byte " << at << " is another one's";
      co_return;
    }
    flow.received = at;
    if (r) continue;
    if (r.err == errc::timeout) {
      co_await yield();
      continue;
    }
    EXPECT_TRUE(is_end_of(r.err)) << r.message();
    flow.whole = r.err == errc::eof;
    co_return;
  }
}

time_point some_time(Dice& dice) {
  switch (dice() % 4) {
    case 0:
      return Clock::now() - 1ms;
    case 1:
      return Clock::now() + std::chrono::microseconds(dice() % 3000);
    case 2:
      return time_point::max();
    default:
      return time_point{};
  }
}

void disturb(const net::Conn& conn, Dice& dice) {
  const time_point when = some_time(dice);
  switch (dice() % 3) {
    case 0:
      conn.set_deadline(when);
      break;
    case 1:
      conn.set_read_deadline(when);
      break;
    default:
      conn.set_write_deadline(when);
  }
}

// Both directions of many connections, of which some are left to their end and some are closed by others somewhere in between.
TEST(NetStress, NoByteIsLostDoubledOrMixedUp) {
  Dice dice(test::case_seed());
  test::leaving_no_fds([&]() -> Task<> {
    const int conns = static_cast<int>(test::scaled(80, 20));
    const std::uint64_t total = 200'000;
    struct Link {
      ConnPair pair;
      Flow forth, back;
      bool is_cut = false;
    };
    std::vector<std::unique_ptr<Link>> links;
    std::vector<JoinHandle<void>> gs;
    for (int i = 0; i < conns; ++i) {
      auto link = std::make_unique<Link>();
      link->pair = co_await conn_pair();
      link->is_cut = dice() % 3 == 0;
      links.push_back(std::move(link));
    }
    for (int i = 0; i < conns; ++i) {
      Link& link = *links[static_cast<std::size_t>(i)];
      const auto stream = static_cast<std::uint64_t>(2 * i);
      gs.push_back(spawn(send(link.pair.a, stream, dice() % total, dice(), link.forth)));
      gs.push_back(spawn(receive(link.pair.b, stream, dice(), link.forth)));
      gs.push_back(spawn(send(link.pair.b, stream + 1, dice() % total, dice(), link.back)));
      gs.push_back(spawn(receive(link.pair.a, stream + 1, dice(), link.back)));
    }
    std::atomic<bool> over{false};
    const auto disturb_all = [&](std::uint64_t seed) {
      Dice own(seed);
      Link& link = *links[own() % links.size()];
      const net::Conn& conn = own() % 2 != 0 ? link.pair.a : link.pair.b;
      disturb(conn, own);
      if (link.is_cut && own() % 4 == 0) conn.close();
      return own();
    };
    const auto disturber = [&](std::uint64_t seed) -> Task<> {
      while (!over) {
        for (int i = 0; i < 5; ++i) seed = disturb_all(seed);
        co_await sleep(std::chrono::microseconds(seed % 500));
      }
    };
    std::vector<JoinHandle<void>> disturbers;
    for (int i = 0; i < 2; ++i) disturbers.push_back(spawn(disturber, dice()));
    std::jthread thread([&, seed = dice()]() mutable {
      while (!over) {
        seed = disturb_all(seed);
        std::this_thread::sleep_for(std::chrono::microseconds(seed % 500));
      }
    });
    // A disturber may leave a deadline that has passed; every now and then all are taken back, so that there is an end.
    const auto undo = [&]() -> Task<> {
      while (!over) {
        for (const auto& link : links) {
          link->pair.a.set_deadline(time_point{});
          link->pair.b.set_deadline(time_point{});
        }
        co_await sleep(2ms);
      }
    };
    disturbers.push_back(spawn(undo));
    for (auto& g : gs) co_await g;
    over = true;
    for (auto& d : disturbers) co_await d;
    thread.join();
    for (const auto& link : links) {
      for (const Flow* flow : {&link->forth, &link->back}) {
        EXPECT_LE(flow->received, flow->sent);
        if (link->is_cut) continue;
        EXPECT_TRUE(flow->whole);
        EXPECT_EQ(flow->received, flow->sent);
      }
      link->pair.a.close();
      link->pair.b.close();
      co_await link->pair.a.closed();
      co_await link->pair.b.closed();
    }
  });
}

// Connections come and go, several dialling gs and accepting gs of two executors at one listener; each connection's few bytes arrive.
TEST(NetStress, ConnectionsComeAndGo) {
  Dice dice(test::case_seed());
  static_cast<void>(test::on_executor([] { return net::listen("tcp", "127.0.0.1:0").value().addr(); }));
  const int before = test::open_fds();
  {
    Executor server;
    Executor client;
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    std::atomic<std::uint64_t> sum_sent{0};
    std::atomic<std::uint64_t> sum_received{0};
    std::atomic<int> served{0};
    const auto serve = [&](net::Conn conn) -> Task<> {
      const auto r = co_await io::read_all(conn);
      EXPECT_TRUE(r) << r.message();
      for (const char c : r.get<0>()) sum_received += static_cast<unsigned char>(c);
      ++served;
      const auto bye = co_await conn.write("bye");
      EXPECT_TRUE(bye) << bye.message();
    };
    const auto accept_all = [&](net::Listener from) -> Task<> {
      for (;;) {
        auto [conn, err] = co_await from.accept();
        if (err == errc::timeout) continue;  // the disturber's
        if (err) co_return;
        go(serve, std::move(conn));
      }
    };
    std::vector<JoinHandle<void>> acceptors;
    for (int i = 0; i < 2; ++i) {
      acceptors.push_back(server.spawn(accept_all, ln));
      acceptors.push_back(client.spawn(accept_all, ln));
    }
    const int clients = 16;
    const int each = static_cast<int>(test::scaled(100, 20));
    const auto dial_many = [&](std::uint64_t seed) -> Task<> {
      Dice own(seed);
      for (int i = 0; i < each; ++i) {
        const net::Conn conn = (co_await net::dial("tcp", ln.addr().to_string())).value();
        const std::string bytes = test::pattern(own() % 3000, own());
        for (const char c : bytes) sum_sent += static_cast<unsigned char>(c);
        static_cast<void>((co_await conn.write(bytes)).value());
        conn.close_write();
        const auto bye = co_await io::read_all(conn);
        EXPECT_EQ(bye.get<0>(), "bye") << bye.message();
      }
    };
    std::vector<JoinHandle<void>> dialling;
    for (int i = 0; i < clients; ++i) dialling.push_back((i % 2 != 0 ? server : client).spawn(dial_many, dice()));
    std::atomic<bool> over{false};
    std::jthread disturber([&, seed = dice()] {
      Dice own(seed);
      while (!over) {
        ln.set_deadline(some_time(own));
        std::this_thread::sleep_for(std::chrono::microseconds(own() % 500));
      }
    });
    for (auto& d : dialling) d.get();
    over = true;
    disturber.join();
    ln.close();
    for (auto& acceptor : acceptors) acceptor.get();
    EXPECT_EQ(served, clients * each);
    EXPECT_EQ(sum_received, sum_sent);
  }
  EXPECT_EQ(test::open_fds(), before);
}

// An executor stops in the middle of all this, again and again; the other one's connections to it end, and every descriptor comes back.
TEST(NetStress, ExecutorsStopInTheMiddle) {
  Dice dice(test::case_seed());
  static_cast<void>(test::on_executor([] { return net::listen("tcp", "127.0.0.1:0").value().addr(); }));
  const int before = test::open_fds();
  {
    Executor stays;
    for (std::int64_t round = test::scaled(100, 15); round > 0; --round) {
      auto goes = std::make_unique<Executor>();
      const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
      goes->go([&ln]() -> Task<> {
        for (;;) {
          auto [conn, err] = co_await ln.accept();
          if (err) co_return;
          const auto serve = [c = std::move(conn)]() -> Task<> {
            std::string buffer(1000, '\0');
            for (;;) {
              auto [n, failed] = co_await c.read(buffer);
              if (failed) co_return;
              static_cast<void>(co_await c.write(std::string_view(buffer).substr(0, n)));
            }
          };
          try {
            go(serve);
          } catch (const std::runtime_error&) {  // it stops just now
            co_return;
          }
        }
      });
      std::vector<JoinHandle<void>> clients;
      const auto client = [&ln](std::uint64_t seed) -> Task<> {
        Dice own(seed);
        const auto r = co_await net::dial("tcp", ln.addr().to_string());
        if (!r) co_return;
        const net::Conn conn = r.get<0>();
        std::string got;
        for (;;) {
          const std::string sent = test::pattern(1 + own() % 5000, own());
          const auto wrote = co_await conn.write(sent);
          if (!wrote) co_return;
          got.resize(sent.size());
          const auto read = co_await io::read_full(conn, got);
          if (!read) co_return;
          EXPECT_TRUE(got == sent);
        }
      };
      for (int i = 0; i < 6; ++i) clients.push_back(stays.spawn(client, dice()));
      std::this_thread::sleep_for(std::chrono::microseconds(dice() % 3000));
      goes.reset();
      ln.close();  // those still in its backlog see the end, too
      for (auto& c : clients) c.get();
    }
  }
  EXPECT_EQ(test::open_fds(), before);
}

}  // namespace
}  // namespace gmp::net_stress
