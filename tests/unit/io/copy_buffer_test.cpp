// tests/unit/io/copy_buffer_test.cpp — CopyBuffer: as large as what comes, and what an idle connection costs.
// Go: none (32 KiB for each io.Copy).  Room: io (floor 5).
#include "gmp/detail/io/copy_buffer.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"

namespace gmp::copy_buffer_test {
namespace {

using detail::CopyBuffer;
using test::on_executor;

TEST(CopyBuffer, GrowsWithReadsThatFillIt) {
  CopyBuffer buffer;
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 5; ++i) {
    sizes.push_back(buffer.space().size());
    buffer.arrived(sizes.back());
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{256, 2048, 16384, 32768, 32768}));
}

TEST(CopyBuffer, ShrinksAfterARowOfSmallReads) {
  CopyBuffer buffer;
  for (int i = 0; i < 4; ++i) buffer.arrived(buffer.space().size());
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(buffer.space().size(), 32768u);
    buffer.arrived(10);
  }
  buffer.arrived(20'000);  // one that is not small begins the row anew
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(buffer.space().size(), 32768u);
    buffer.arrived(10);
  }
  EXPECT_EQ(buffer.space().size(), 4096u);
  for (int i = 0; i < 100; ++i) buffer.arrived(buffer.space().size() / 100);
  EXPECT_EQ(buffer.space().size(), 256u);
}

TEST(CopyBuffer, GivesTheBytesThatCame) {
  CopyBuffer buffer;
  const io::Buffer space = buffer.space();
  const io::ConstBuffer came = buffer.arrived(7);
  EXPECT_EQ(came.data(), space.data());
  EXPECT_EQ(came.size(), 7u);
}

#ifdef GMPCORO_TEST_MEMORY_FIGURES
Task<> echo(net::Conn conn) { static_cast<void>(co_await io::copy(conn, conn)); }

// The clients are bare descriptors, so all that is allocated meanwhile is the server's.
TEST(IdleConnection, CostsLessThanTwoKibibytes) {
  rlimit files = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlim_t before = std::exchange(files.rlim_cur, std::min<rlim_t>(files.rlim_max, 8400));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  on_executor([n = (files.rlim_cur - 200) / 2]() -> Task<> {
    const net::Listener ln = net::listen("tcp4", "127.0.0.1:0").value();
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = ::htons(ln.addr().port());
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    std::vector<int> clients(n, -1);
    const std::int64_t at_first = test::allocated_bytes();
    for (int& client : clients) {
      client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      EXPECT_EQ(::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
      go(echo, (co_await ln.accept()).value());
    }
    co_await test::until_parked(static_cast<int>(n));
    const double each = static_cast<double>(test::allocated_bytes() - at_first) / static_cast<double>(n) + sizeof(detail::G);
    RecordProperty("bytes", static_cast<int>(each));
    EXPECT_LT(each, 2048.0);
    for (const int client : clients) ::close(client);
  });
  files.rlim_cur = before;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
}
#endif

}  // namespace
}  // namespace gmp::copy_buffer_test
