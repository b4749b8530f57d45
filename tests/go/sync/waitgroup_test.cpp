// tests/go/sync/waitgroup_test.cpp — Go's tests of WaitGroup.
// Go: sync/waitgroup_test.go.  Room: sync (floor 5).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "go/mailbox.hpp"
#include "support/scale.hpp"

namespace gmp::waitgroup_test {
namespace {

Task<> two_barriers(WaitGroup& first, WaitGroup& second) {
  constexpr int n = 16;
  test::Mailbox<bool> passed;
  WaitGroup all_done;
  first.add(n);
  second.add(n);
  for (int i = 0; i < n; ++i) {
    all_done.go([&]() -> Task<> {
      first.done();
      co_await second.wait();
      passed.send(true);
    });
  }
  co_await first.wait();
  for (int i = 0; i < n; ++i) {
    EXPECT_FALSE(passed.try_recv()) << "let through with " << n - i << " to come";
    second.done();
  }
  for (int i = 0; i < n; ++i) co_await passed.recv();  // for ever, if one of them is not let through
  co_await all_done.wait();
}

// TestWaitGroup: again and again with the same two, to see that each is as new when it is through.
TEST(GoWaitGroup, LetsAllThroughWithTheLastDoneAndNotBefore) {
  WaitGroup first, second;
  run([&]() -> Task<> {
    for (int i = 0; i < test::scaled(200, 8); ++i) co_await two_barriers(first, second);
  });
}

// TestWaitGroupMisuse.
TEST(GoWaitGroup, MoreDoneThanAddedIsALogicError) {
  WaitGroup wg;
  wg.add(1);
  wg.done();
  std::string text = "nothing was thrown";
  try {
    wg.done();
  } catch (const std::logic_error& error) {
    text = error.what();
  }
  EXPECT_EQ(text, "sync: negative WaitGroup counter");
}

// TestWaitGroupRace: the done() of two race with each other and with wait().
TEST(GoWaitGroup, WaitReturnsOnceBothAreDoneAndSeesWhatTheyDid) {
  const auto rounds = test::scaled(20'000, 1000);
  std::int64_t spurious = 0;
  run([&]() -> Task<> {
    for (std::int64_t i = 0; i < rounds; ++i) {
      WaitGroup wg;
      std::atomic<int> atomic{0};
      int plain[2] = {0, 0};  // ordered by done() and wait()
      for (int g = 0; g < 2; ++g) {
        wg.add(1);
        go([&, g] {
          atomic.fetch_add(1, std::memory_order_relaxed);
          plain[g] = 1;
          wg.done();
        });
      }
      co_await wg.wait();
      if (atomic.load(std::memory_order_relaxed) != 2 || plain[0] + plain[1] != 2) ++spurious;
    }
  });
  EXPECT_EQ(spurious, 0);
}

// TestWaitGroupAlign: an atomic of 8 bytes behind a single one.
TEST(GoWaitGroup, WorksBehindAByteInAStruct) {
  struct Uneven {
    char byte = 'x';
    WaitGroup wg;
  };
  Uneven uneven;
  run([&]() -> Task<> {
    uneven.wg.add(1);
    go([&] { uneven.wg.done(); });
    co_await uneven.wg.wait();
  });
  EXPECT_EQ(uneven.byte, 'x');
}

}  // namespace
}  // namespace gmp::waitgroup_test
