// tests/unit/executor/descriptors_test.cpp — an executor in a process that is out of descriptors: it goes on, or says why it cannot begin.
// Go: none.  Room: executor (floor 4).
//
// Not under sanitizers: UBSan's look at a vtable opens a pipe, and takes its refusal for a wild pointer.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

#ifndef GMPCORO_TEST_SANITIZED

namespace gmp::descriptors_test {
namespace {

using namespace std::chrono_literals;
namespace child = test::child;

/// Takes all descriptors there are.
std::vector<int> take_all() {
  rlimit limit{64, 64};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::vector<int> taken;
  for (int fd = ::open("/dev/null", O_RDONLY); fd >= 0; fd = ::open("/dev/null", O_RDONLY)) taken.push_back(fd);
  return taken;
}

// Ps that start for the first time, and Ms that are needed for blocking calls and hogs, have none to be had.
TEST(Descriptors, AnExecutorGoesOnWithoutThem) {
  const auto outcome = child::run([] {
    Executor ex({.procs = 4});
    std::vector<int> taken;
    ex.run([&]() -> Task<> {
      taken = take_all();
      std::atomic<int> done{0};
      WaitGroup wg;
      for (int i = 0; i < 1'000; ++i) {
        wg.go([&]() -> Task<> {
          co_await yield();
          ++done;
        });
      }
      for (int i = 0; i < 8; ++i) {
        wg.go([&]() -> Task<> {
          co_await blocking([] { std::this_thread::sleep_for(30ms); });
          ++done;
        });
        wg.go([&]() -> Task<> {
          test::burn(20ms);
          co_await gmp::sleep(1ms);
          ++done;
        });
      }
      co_await wg.wait();
      std::printf("%d done\n", done.load());
    });
    for (int i = 0; i < 100; ++i) {  // from outside, with everybody asleep
      std::this_thread::sleep_for(1ms);
      ex.submit([] { return 1; }).get();
    }
    for (const int fd : taken) ::close(fd);
    ex.run([]() -> Task<> { co_await gmp::sleep(20ms); });
    std::puts("and afterwards");
  });
  EXPECT_EQ(outcome.status, 0) << outcome;
  EXPECT_EQ(outcome.out, "1016 done\nand afterwards\n") << outcome;
}

TEST(Descriptors, AnExecutorThatCannotBeginSaysSo) {
  const auto outcome = child::run([] {
    const auto taken = take_all();
    try {
      Executor ex({.procs = 2});
      std::puts("made");
    } catch (const std::system_error& error) {
      std::puts(error.what());
    }
  });
  EXPECT_EQ(outcome.status, 0) << outcome;
  EXPECT_NE(outcome.out.find("Too many open files"), std::string::npos) << outcome;
}

}  // namespace
}  // namespace gmp::descriptors_test

#endif
