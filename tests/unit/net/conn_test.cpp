// tests/unit/net/conn_test.cpp — Conn: bytes each way, whole and in turn; half-close; errors; handles.
// Go: net/net_test.go, net/conn_test.go, net/tcpsock_test.go.  Room: net (floor 5).
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "net/descriptor.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::conn_test {
namespace {

using namespace std::chrono_literals;
using test::Clock;
using test::conn_pair;
using test::ConnPair;
using test::on_executor;
using test::until_parked;

std::string between(const net::Conn& conn) { return conn.local_addr().to_string() + "->" + conn.remote_addr().to_string(); }

/// Reads once; the bytes, or the message.
Task<std::string> read_some(net::Conn conn, std::size_t size = 100) {
  std::string buffer(size, '\0');
  const auto r = co_await conn.read(buffer);
  if (!r) co_return r.message();
  buffer.resize(r.get<0>());
  co_return buffer;
}

/// The peer's end with a reset in place of a FIN.
void reset(const net::Conn& conn) {
  EXPECT_FALSE(conn.set_linger(0s));
  EXPECT_FALSE(conn.close());
}

TEST(Conn, WhateverHoldsBytesCanBeWrittenAndReadInto) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const std::string text = "text";
    const std::string_view view = "view";
    const std::vector<std::byte> vector(3, std::byte{'v'});
    const std::array<unsigned char, 2> array = {'a', 'r'};
    const char* pointer = "pointer";
    char plain[3] = {'p', '\0', 'n'};
    const std::span<const char> span(text.data(), 2);
    std::size_t total = 0;
    const auto sent = [&total](const Result<std::size_t>& r, std::size_t n) {
      EXPECT_TRUE(r) << r.message();
      EXPECT_EQ(r.get<0>(), n);
      total += n;
    };
    sent(co_await pair.a.write(text), 4);
    sent(co_await pair.a.write(view), 4);
    sent(co_await pair.a.write(vector), 3);
    sent(co_await pair.a.write(array), 2);
    sent(co_await pair.a.write(pointer), 7);
    sent(co_await pair.a.write(plain), 3);
    sent(co_await pair.a.write(span), 2);
    sent(co_await pair.a.write("literal"), 7);
    std::string all(total, '\0');
    const auto r = co_await io::read_full(pair.b, all);
    EXPECT_TRUE(r);
    EXPECT_EQ(all, std::string("textviewvvvarpointerp\0nteliteral", 32));

    sent(co_await pair.b.write("0123456789"), 10);
    std::array<std::byte, 2> into_array;
    std::vector<char> into_vector(2);
    char into_plain[2];
    std::string into_string(2, '\0');
    std::array<unsigned char, 2> storage;
    std::size_t got = 0;
    got += (co_await pair.a.read(into_array)).value();
    got += (co_await pair.a.read(into_vector)).value();
    got += (co_await pair.a.read(into_plain)).value();
    got += (co_await pair.a.read(into_string)).value();
    got += (co_await pair.a.read(std::span(storage))).value();
    EXPECT_EQ(got, 10u);
    EXPECT_EQ(into_array[0], std::byte{'0'});
    EXPECT_EQ(into_vector[1], '3');
    EXPECT_EQ(into_plain[0], '4');
    EXPECT_EQ(into_string, "67");
    EXPECT_EQ(storage[1], '9');
  });
}

TEST(Conn, NoBytesAreReadAndWrittenAtOnce) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    for (int i = 0; i < 2; ++i) {
      auto [n, err] = co_await pair.a.read(io::Buffer());  // nothing is there, and it does not wait
      EXPECT_EQ(n, 0u);
      EXPECT_FALSE(err);
      auto [m, error] = co_await pair.a.write("");
      EXPECT_EQ(m, 0u);
      EXPECT_FALSE(error);
      const std::size_t sent = (co_await pair.b.write("x")).value();
      EXPECT_EQ(sent, 1u);
    }
    const std::string both = co_await read_some(pair.a, 1);  // it took nothing
    EXPECT_EQ(both, "x");
    pair.b.close();
    const std::string last = co_await read_some(pair.a);
    EXPECT_EQ(last, "x");
    auto [n, err] = co_await pair.a.read(io::Buffer());  // nor is the end an end for nothing
    EXPECT_FALSE(err);
    pair.a.close();
    auto [n2, closed] = co_await pair.a.read(io::Buffer());
    EXPECT_EQ(closed, errc::closed);
    auto [n3, closed_too] = co_await pair.a.write("");
    EXPECT_EQ(closed_too, errc::closed);
  });
}

// The system refuses more than SSIZE_MAX, and moves less than 2 GiB in one call.
TEST(Conn, ABufferBeyondAllSizesIsReadInto) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const net::PacketConn pc = net::listen_packet("udp", "127.0.0.1:0").value();
    char room[16];
    for (const std::size_t size : {std::size_t{1} << 31, SIZE_MAX / 2 + 1, SIZE_MAX}) {
      static_cast<void>((co_await pair.b.write("hello")).value());
      const auto read = co_await pair.a.read(io::Buffer(room, size));
      EXPECT_EQ(read.message(), "");
      EXPECT_EQ(read.get<0>(), 5u);
      static_cast<void>((co_await pc.write_to("datagram", pc.local_addr())).value());
      const auto received = co_await pc.read_from(io::Buffer(room, size));
      EXPECT_EQ(received.message(), "");
      EXPECT_EQ(received.get<0>().n, 8u);
    }
  });
}

TEST(Conn, ANullBufferWithASizeIsRefused) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    void* const null = nullptr;
    EXPECT_THROW(static_cast<void>(pair.a.read(io::Buffer(null, 1))), std::invalid_argument);
    EXPECT_THROW(static_cast<void>(pair.a.write(io::ConstBuffer(null, 1))), std::invalid_argument);
    co_return;
  });
}

TEST(Conn, TheEndIsEofAgainAndAgain) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    EXPECT_FALSE(pair.b.close());
    char buffer[8];
    for (int i = 0; i < 3; ++i) {
      const auto r = co_await pair.a.read(buffer);
      EXPECT_EQ(r.get<0>(), 0u);
      EXPECT_EQ(r.err, errc::eof);
      EXPECT_EQ(r.message(), "EOF");
    }
  });
}

TEST(Conn, HalfCloseBothWays) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    static_cast<void>((co_await pair.a.write("last words")).value());
    EXPECT_FALSE(pair.a.close_write());
    const std::string words = co_await read_some(pair.b);
    const std::string end = co_await read_some(pair.b);
    EXPECT_EQ(words, "last words");
    EXPECT_EQ(end, "EOF");
    const auto refused = co_await pair.a.write("more");
    EXPECT_EQ(refused.err, std::errc::broken_pipe);
    EXPECT_EQ(refused.message(), "write tcp " + between(pair.a) + ": write: broken pipe");

    static_cast<void>((co_await pair.b.write("answer")).value());  // the other way still goes
    const std::string answer = co_await read_some(pair.a);
    EXPECT_EQ(answer, "answer");
    EXPECT_FALSE(pair.b.close_write());
    const std::string other_end = co_await read_some(pair.a);
    EXPECT_EQ(other_end, "EOF");
  });
}

TEST(Conn, CloseReadEndsAReadThatIsParked) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    auto reader = spawn(read_some(pair.a));
    co_await until_parked(1);
    EXPECT_FALSE(pair.a.close_read());
    const std::string end = co_await reader;
    EXPECT_EQ(end, "EOF");
    static_cast<void>((co_await pair.a.write("out")).value());
    const std::string out = co_await read_some(pair.b);
    EXPECT_EQ(out, "out");
  });
}

TEST(Conn, WritersDataIsNotMixed) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    constexpr int writers = 6;
    constexpr int each = 3;
    const auto size = static_cast<std::size_t>(test::scaled(1 << 20, 1 << 18));
    const auto write_blocks = [size](net::Conn conn, char letter) -> Task<> {
      const std::string block(size, letter);
      for (int i = 0; i < each; ++i) {
        const auto r = co_await conn.write(block);
        EXPECT_TRUE(r) << r.message();
        EXPECT_EQ(r.get<0>(), size);
      }
    };
    std::vector<JoinHandle<void>> gs;
    for (int i = 0; i < writers; ++i) gs.push_back(spawn(write_blocks, pair.a, static_cast<char>('a' + i)));
    std::array<int, writers> blocks{};
    std::string block(size, '\0');
    for (int i = 0; i < writers * each; ++i) {
      const auto r = co_await io::read_full(pair.b, block);
      EXPECT_TRUE(r) << r.message();
      EXPECT_EQ(block.find_first_not_of(block[0]), std::string::npos) << "two writers' bytes in one block";
      ++blocks[static_cast<std::size_t>(block[0] - 'a')];
    }
    for (const int n : blocks) EXPECT_EQ(n, each);
    for (auto& g : gs) co_await g;
  });
}

TEST(Conn, ReadersGetTheirTurnsInOrder) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    std::vector<JoinHandle<std::string>> readers;
    for (int i = 0; i < 5; ++i) {
      readers.push_back(spawn(read_some(pair.a, 1)));
      co_await until_parked(i + 1);
    }
    for (const char* letter : {"a", "b", "c", "d", "e"}) {
      static_cast<void>((co_await pair.b.write(letter)).value());
      const std::string got = co_await readers[static_cast<std::size_t>(letter[0] - 'a')];
      EXPECT_EQ(got, letter);
    }
  });
}

TEST(Conn, OneReadsWhileAnotherWrites) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const std::string sent = test::pattern(static_cast<std::size_t>(test::scaled(4 << 20, 1 << 20)), test::case_seed());
    const auto write_it = [&sent](net::Conn conn) -> Task<> {
      const auto r = co_await conn.write(sent);
      EXPECT_TRUE(r) << r.message();
    };
    const auto read_it = [&sent](net::Conn conn) -> Task<> {
      std::string got(sent.size(), '\0');
      const auto r = co_await io::read_full(conn, got);
      EXPECT_TRUE(r) << r.message();
      EXPECT_TRUE(got == sent);
    };
    std::vector<JoinHandle<void>> gs;
    for (const net::Conn& conn : {pair.a, pair.b}) {
      gs.push_back(spawn(write_it, conn));
      gs.push_back(spawn(read_it, conn));
    }
    for (auto& g : gs) co_await g;
  });
}

TEST(Conn, AHugeWriteToASlowReaderArrivesWhole) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const std::string sent = test::pattern(static_cast<std::size_t>(test::scaled(64 << 20, 8 << 20)), test::case_seed());
    const auto write_it = [&sent](net::Conn conn) -> Task<std::size_t> {
      const auto r = co_await conn.write(sent);
      EXPECT_TRUE(r) << r.message();
      conn.close_write();
      co_return r.get<0>();
    };
    auto writer = spawn(write_it, pair.a);
    co_await until_parked(1);  // it has filled what there is room for
    std::string got;
    std::string buffer(300'000, '\0');
    bool whole = true;
    std::size_t at = 0;
    for (int reads = 0;; ++reads) {
      if (reads < 20) co_await sleep(1ms);
      auto [n, err] = co_await pair.b.read(buffer);
      if (err) {
        EXPECT_EQ(err, errc::eof);
        break;
      }
      whole = whole && at + n <= sent.size() && std::memcmp(sent.data() + at, buffer.data(), n) == 0;
      at += n;
    }
    EXPECT_TRUE(whole);
    EXPECT_EQ(at, sent.size());
    const std::size_t n = co_await writer;
    EXPECT_EQ(n, sent.size());
  });
}

TEST(Conn, AWriteThatHadToStopTellsHowMuchWent) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const std::string sent = test::pattern(16 << 20, test::case_seed());
    const auto write_it = [&sent](net::Conn conn) -> Task<Result<std::size_t>> { co_return co_await conn.write(sent); };
    auto writer = spawn(write_it, pair.a);
    char first[1];
    static_cast<void>((co_await pair.b.read(first)).value());  // it is under way
    co_await until_parked(1);
    pair.a.set_write_deadline(Clock::now());
    const auto r = co_await writer;
    EXPECT_EQ(r.err, errc::timeout);
    EXPECT_GT(r.get<0>(), 0u);
    EXPECT_LT(r.get<0>(), sent.size());
    EXPECT_EQ(r.message(), "write tcp " + between(pair.a) + ": i/o timeout");
    pair.a.close_write();
    const auto all = co_await io::read_all(pair.b);
    EXPECT_TRUE(all) << all.message();
    EXPECT_EQ(1 + all.get<0>().size(), r.get<0>());
    EXPECT_TRUE(std::string_view(sent).substr(1).starts_with(all.get<0>()));
  });
}

// SIGPIPE has its default action here: it would end the test.
TEST(Conn, WritesToAPeerThatResetFailAndRaiseNoSignal) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    reset(pair.b);
    std::error_code last;
    std::string message;
    while (last != std::errc::broken_pipe) {  // until the reset has come, and been told of
      const auto r = co_await pair.a.write("x");
      last = r.err;
      message = r.message();
      if (last && last != std::errc::connection_reset) break;
      co_await sleep(1ms);
    }
    EXPECT_EQ(last, std::errc::broken_pipe) << message;
    EXPECT_EQ(message, "write tcp " + between(pair.a) + ": write: broken pipe");
  });
}

TEST(Conn, AParkedWriterOfAPeerThatResetFails) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const std::string much(16 << 20, 'x');
    const auto write_it = [&much](net::Conn conn) -> Task<Result<std::size_t>> { co_return co_await conn.write(much); };
    auto writer = spawn(write_it, pair.a);
    char first[1];
    static_cast<void>((co_await pair.b.read(first)).value());  // it is under way
    co_await until_parked(1);
    reset(pair.b);
    const auto r = co_await writer;
    EXPECT_TRUE(r.err == std::errc::broken_pipe || r.err == std::errc::connection_reset) << r.message();
    EXPECT_GT(r.get<0>(), 0u);
    EXPECT_LT(r.get<0>(), much.size());
  });
}

TEST(Conn, AReaderOfAPeerThatResetFails) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    auto reader = spawn(read_some(pair.a));
    co_await until_parked(1);
    reset(pair.b);
    const std::string message = co_await reader;
    EXPECT_EQ(message, "read tcp " + between(pair.a) + ": read: connection reset by peer");
  });
}

TEST(Conn, AddressesMirrorEachOther) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    EXPECT_EQ(pair.a.local_addr(), pair.b.remote_addr());
    EXPECT_EQ(pair.a.remote_addr(), pair.b.local_addr());
    EXPECT_EQ(pair.a.local_addr().network(), "tcp");
    const net::Addr local = pair.a.local_addr();
    pair.a.close();
    EXPECT_EQ(pair.a.local_addr(), local);  // they stay
    EXPECT_TRUE(pair.a.remote_addr());
  });
}

TEST(Conn, OptionsReachTheSocket) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const auto option = [&](int level, int name) {
      int value = -1;
      socklen_t size = sizeof value;
      EXPECT_EQ(::getsockopt(pair.a.native_handle(), level, name, &value, &size), 0);
      return value;
    };
    EXPECT_NE(option(IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_FALSE(pair.a.set_no_delay(false));
    EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_FALSE(pair.a.set_no_delay(true));
    EXPECT_NE(option(IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_FALSE(pair.a.set_keep_alive(0s));
    EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_FALSE(pair.a.set_keep_alive(100h));  // more than the system takes
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 32767);
    EXPECT_FALSE(pair.a.set_keep_alive(77s));
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 77);
    EXPECT_FALSE(pair.a.set_linger(5s));
    EXPECT_FALSE(pair.a.set_linger(-1s));
  });
}

TEST(Conn, CopiesAreTheSameAndTheLastOneCloses) {
  on_executor([]() -> Task<> {
    ConnPair pair = co_await conn_pair();
    net::Conn copy = pair.a;
    EXPECT_EQ(copy, pair.a);
    EXPECT_FALSE(copy == pair.b);
    EXPECT_FALSE(copy == net::Conn());
    EXPECT_EQ(net::Conn(), net::Conn());
    EXPECT_EQ(copy.native_handle(), pair.a.native_handle());
    pair.a = net::Conn();
    static_cast<void>((co_await copy.write("still open")).value());
    const std::string got = co_await read_some(pair.b);
    EXPECT_EQ(got, "still open");
    const int number = copy.native_handle();
    const std::uint64_t file = test::file_of(number);
    net::Conn moved = std::move(copy);
    EXPECT_FALSE(copy);
    EXPECT_EQ(moved.native_handle(), number);
    moved = net::Conn();
    EXPECT_NE(test::file_of(number), file);
    const std::string end = co_await read_some(pair.b);
    EXPECT_EQ(end, "EOF");
  });
}

TEST(Conn, ADefaultConstructedOneIsClosed) {
  on_executor([]() -> Task<> {
    const net::Conn none;
    char buffer[4];
    EXPECT_FALSE(none);
    EXPECT_EQ(none.native_handle(), -1);
    EXPECT_FALSE(none.local_addr());
    EXPECT_FALSE(none.remote_addr());
    for (const std::error_code err :
         {none.close(), none.close_read(), none.close_write(), none.set_deadline(time_point{}), none.set_read_deadline(time_point{}),
          none.set_write_deadline(time_point{}), none.set_no_delay(true), none.set_keep_alive(1s), none.set_linger(1s)})
      EXPECT_EQ(err, errc::closed);
    const auto read = co_await none.read(buffer);
    const auto wrote = co_await none.write("x");
    const auto empty = co_await none.read(io::Buffer());
    EXPECT_EQ(read.err, errc::closed);
    EXPECT_EQ(read.message(), "use of closed network connection");
    EXPECT_EQ(wrote.err, errc::closed);
    EXPECT_EQ(empty.err, errc::closed);
    co_await none.closed();
  });
}

// Go panics with these words; here they are thrown to who asks for one too many.
TEST(Conn, TooManyOperationsAtOnceAreALogicError) {
  on_executor([]() -> Task<> {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    detail::Descriptor* fd = detail::Descriptor::make(fds[0], "tcp", detail::Descriptor::Nature::stream, {}, {});
    const net::Conn conn{detail::DescriptorRef(fd)};
    for (std::uint64_t i = 0; i < detail::FdMutex::refs_max; ++i) static_cast<void>(fd->mutex_.ref());
    const auto read_it = [](net::Conn c) -> Task<> {
      char buffer[4];
      static_cast<void>(co_await c.read(buffer));
    };
    std::string what;
    try {
      co_await read_it(conn);
    } catch (const std::logic_error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "too many concurrent operations on a single file or socket (max 1048575)");
    for (std::uint64_t i = 0; i < detail::FdMutex::refs_max; ++i) static_cast<void>(fd->mutex_.unref());
    ::close(fds[1]);
  });
}

}  // namespace
}  // namespace gmp::conn_test
