// tests/unit/support/support_test.cpp — the tools of the tests do what the tests rely on.
// Go: none.  Room: tests/support.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "support/child.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::test::support_test {
namespace {

using namespace std::chrono_literals;

TEST(Child, ReportsExitStatusAndBothStreams) {
  const auto ended = child::run([] {
    std::puts("out");
    std::fputs("err\n", stderr);
    std::exit(7);
  });
  EXPECT_EQ(ended.status, 7) << ended;
  EXPECT_EQ(ended.signal, 0) << ended;
  EXPECT_EQ(ended.out, "out\n");
  EXPECT_EQ(ended.err, "err\n");
  EXPECT_FALSE(ended.timed_out);
}

TEST(Child, ExitsWithZeroWhenTheScenarioReturns) { EXPECT_EQ(child::run([] {}).status, 0); }

TEST(Child, ReportsTheSignalThatEndedIt) {
  const auto ended = child::run([] { ::raise(SIGKILL); });
  EXPECT_EQ(ended.status, -1) << ended;
  EXPECT_EQ(ended.signal, SIGKILL) << ended;
}

TEST(Child, IsKilledAtItsLimit) {
  const auto ended = child::run([] { ::pause(); }, {.environment = {}, .limit = 100ms});
  EXPECT_TRUE(ended.timed_out);
  EXPECT_EQ(ended.signal, SIGKILL);
}

TEST(Child, GetsVariablesAddedReplacedAndRemoved) {
  const auto scenario = [] { std::printf("%s|%s", std::getenv("GMPCORO_A"), std::getenv("HOME") == nullptr ? "none" : "some"); };
  ::setenv("GMPCORO_A", "old", 1);
  EXPECT_EQ(child::run(scenario, {.environment = {"GMPCORO_A=new", "HOME"}}).out, "new|none");
  ::unsetenv("GMPCORO_A");
}

TEST(Child, MayPrintMoreThanAPipeHolds) {
  const auto ended = child::run([] {
    for (int i = 0; i < 100'000; ++i) std::fputs("0123456789", i % 2 == 0 ? stdout : stderr);
  });
  EXPECT_EQ(ended.out.size(), 500'000u);
  EXPECT_EQ(ended.err.size(), 500'000u);
}

// This case runs itself again in a child, where it hangs.
TEST(Watchdog, NamesTheCaseThatHangsAndAborts) {
  if (std::getenv("GMPCORO_HANG") != nullptr) {
    for (;;) ::pause();
  }
  char path[4096] = {};
  ASSERT_GT(::readlink("/proc/self/exe", path, sizeof path - 1), 0);
  const auto ended = child::run_program({path, "--gtest_filter=Watchdog.NamesTheCaseThatHangsAndAborts"},
                                        {.environment = {"GMPCORO_HANG=1", "GMPCORO_TEST_TIMEOUT=1"}});
  EXPECT_EQ(ended.signal, SIGABRT) << ended;
  EXPECT_NE(ended.err.find("watchdog: Watchdog.NamesTheCaseThatHangsAndAborts"), std::string::npos) << ended;
  EXPECT_NE(ended.err.find("did not end within 1 s"), std::string::npos) << ended;
}

TEST(Seed, IsThatOfTheEnvironment) {
  const auto ended = child::run([] { std::printf("%llu", static_cast<unsigned long long>(seed())); }, {.environment = {"GMPSEED=42"}});
  EXPECT_EQ(ended.out, "42");
  EXPECT_EQ(ended.err, "GMPSEED=42\n");
}

TEST(Scale, MultipliesButNeverBelowTheLeastThatMakesSense) {
  const auto ended = child::run([] { std::printf("%d %d", static_cast<int>(scaled(100)), static_cast<int>(scaled(100, 20))); },
                                {.environment = {"GMPCORO_TEST_SCALE=0.1"}});
  EXPECT_EQ(ended.out, "10 20");
}

}  // namespace
}  // namespace gmp::test::support_test
