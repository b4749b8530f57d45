// tests/tls/allocation_test.cpp — a connection that has shaken hands allocates nothing more, and OpenSSL below it next to nothing.
// Go: none.  Room: tests/tls.
//
// operator new is replaced here, and so is what OpenSSL allocates by. Not under sanitizers, whose own allocator it would hide.
#include <gtest/gtest.h>

#include "support/memory.hpp"

#ifdef GMPCORO_TEST_MEMORY_FIGURES

#include <openssl/crypto.h>

#include <atomic>
#include <cstdlib>

#include "gmp/io.hpp"
#include "support/counted_new.hpp"
#include "tls/pair.hpp"

namespace {

constinit std::atomic<long> openssls{0};

void* openssl_malloc(std::size_t size, const char*, int) {
  openssls.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}
void* openssl_realloc(void* memory, std::size_t size, const char*, int) {
  openssls.fetch_add(1, std::memory_order_relaxed);
  return std::realloc(memory, size);
}
void openssl_free(void* memory, const char*, int) { std::free(memory); }

// Before OpenSSL has allocated anything; later it refuses.
const bool watched = CRYPTO_set_mem_functions(&openssl_malloc, &openssl_realloc, &openssl_free) == 1;

}  // namespace

namespace gmp::allocation_test {
namespace {

using test::allocations;
using test::ConnPair;
using test::counted;
using test::shaken_pair;

TEST(AllocationOfTls, AReadAndAWriteNeedNone) {
  ASSERT_TRUE(watched);
  for (const std::string network : {"tcp", "pipe"}) {
    Executor ex({.procs = 1, .max_hogs = 0, .on_thread_start = [] { counted = true; }});  // another M would allocate what it needs once
    ex.run([&]() -> Task<> {
      const ConnPair pair = co_await shaken_pair(network);
      auto echo = spawn(
          [](net::Conn conn) -> Task<> {
            char buffer[2000];
            while (true) {
              const auto read = co_await conn.read(buffer);
              if (read.err) co_return;
              static_cast<void>(co_await conn.write(std::string_view(buffer, read.get<0>())));
            }
          },
          pair.b);
      char buffer[1000] = {};
      long before = 0, before_openssl = 0;
      for (int i = 0; i < 120; ++i) {
        if (i == 20) before = allocations, before_openssl = openssls;
        const auto wrote = co_await pair.a.write(buffer);
        EXPECT_FALSE(wrote.err);
        for (std::size_t got = 0; got < sizeof buffer;) {
          const auto read = co_await pair.a.read(io::Buffer(buffer + got, sizeof buffer - got));
          if (read.err) co_return;
          got += read.get<0>();
        }
      }
      EXPECT_EQ(allocations - before, 0) << network;
      // OpenSSL 3.0 takes four scraps for each record that it writes, and none of its buffers.
      EXPECT_LE(openssls - before_openssl, 100 * 2 * 8) << network;
      pair.a.close();
      co_await echo;
    });
  }
}

TEST(AllocationOfTls, AnIdleConnectionTakesWhatIsSaid) {
  test::on_executor([]() -> Task<> {
    const net::TlsConfig client = test::client_config(), server = test::server_config();
    static_cast<void>(co_await shaken_pair("tcp", client, server));
    constexpr int pairs = 20;
    std::vector<ConnPair> kept;
    kept.reserve(pairs);
    const auto before = test::allocated_bytes();
    for (int i = 0; i < pairs; ++i) kept.push_back(co_await shaken_pair("tcp", client, server));
    const auto each = (test::allocated_bytes() - before) / (2 * pairs);
    RecordProperty("bytes", std::to_string(each));
    std::printf("%lld bytes an end\n", static_cast<long long>(each));
    EXPECT_LT(each, 120'000);
  });
}

}  // namespace
}  // namespace gmp::allocation_test

#endif
