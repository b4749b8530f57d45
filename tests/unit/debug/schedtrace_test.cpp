// tests/unit/debug/schedtrace_test.cpp — GMPDEBUG=schedtrace: Go's lines, at the interval that was asked for, and no work in between.
// Go: runtime/runtime-gdb_test.go has none; the lines are those of GODEBUG=schedtrace=…,scheddetail=1.  Room: debug (floor 6).
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/time.hpp"
#include "support/child.hpp"

namespace gmp::schedtrace_test {
namespace {

using namespace std::chrono_literals;
namespace child = test::child;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

long stamp_of(const std::string& line) { return std::strtol(line.c_str() + 6, nullptr, 10); }

const std::regex& summary() {
  static const std::regex form(R"(SCHED \d+ms: gomaxprocs=2 idleprocs=[012] threads=\d+ spinningthreads=\d+ idlethreads=\d+ runqueue=\d+ \[\d+ \d+\])");
  return form;
}

TEST(Schedtrace, PrintsALineAtEachInterval) {
  const auto died = child::run(
      [] {
        Executor ex({.procs = 2});
        ex.run([]() -> Task<> { co_await gmp::sleep(120ms); });
      },
      {.environment = {"GMPDEBUG=schedtrace=20"}});
  ASSERT_EQ(died.status, 0) << died;
  const auto lines = lines_of(died.err);
  ASSERT_GE(lines.size(), 2u) << died;
  EXPECT_LE(lines.size(), 1000u) << died;
  EXPECT_TRUE(lines[0].starts_with("SCHED 0ms: ")) << died;
  long last = -1;
  for (const std::string& line : lines) {
    EXPECT_TRUE(std::regex_match(line, summary())) << line;
    if (last >= 0) {
      EXPECT_GT(stamp_of(line) / 20, last / 20) << died;  // one to an interval
    }
    last = stamp_of(line);
  }
}

// sysmon sleeps without limit once all has been idle for a second: not past the next line. And the process does nothing else meanwhile.
TEST(Schedtrace, AnIdleProgramGoesOnToPrintAndSleepsInBetween) {
  const auto died = child::run(
      [] {
        Executor ex({.procs = 2});
        ex.run([]() -> Task<> { co_await gmp::sleep(1450ms); });  // not at a line's time
        timespec used = {};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        std::printf("%ld\n", static_cast<long>(used.tv_sec) * 1000 + used.tv_nsec / 1'000'000);
      },
      {.environment = {"GMPDEBUG=schedtrace=100"}});
  ASSERT_EQ(died.status, 0) << died;
  const auto lines = lines_of(died.err);
  ASSERT_GE(lines.size(), 3u) << died;
  EXPECT_LE(lines.size(), 1000u) << died;
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
    return stamp_of(line) >= 1100 && line.find(" idleprocs=2 ") != std::string::npos;  // in the deep sleep
  })) << died;
  EXPECT_LT(std::strtol(died.out.c_str(), nullptr, 10), 400) << died;
}

TEST(Schedtrace, DetailHasALineForEachPAndMAndG) {
  const auto died = child::run(
      [] {
        Executor ex({.procs = 2});
        ex.run([]() -> Task<> {
          auto ch = make_chan<int>();
          for (int i = 0; i < 3; ++i) go([ch]() -> Task<> { co_await ch.recv(); });
          co_await gmp::sleep(100ms);
          ch.close();
        });
      },
      {.environment = {"GMPDEBUG=schedtrace=30,scheddetail=1"}});
  ASSERT_EQ(died.status, 0) << died;
  // Of the moments that are shown one, at least, is when all gs sleep.
  const auto is_there = [&](const std::string& block) {
    for (const char* form :
         {R"(\n  P0: status=[012] schedtick=\d+ m=(\d+|nil) runqsize=\d+ runnext=[01] timerslen=\d+ io=\d+\n)",
          R"(\n  P1: status=[012] schedtick=\d+ m=(\d+|nil) runqsize=\d+ runnext=[01] timerslen=\d+ io=\d+\n)",
          R"(\n  M0: p=(\d+|nil) curg=(\d+|nil) blocked=(true|false)\n)", R"(\n  G1: status=4\(sleep\) m=nil\n)",
          R"(\n  G\d+: status=4\(chan receive\) m=nil\n  G\d+: status=4\(chan receive\) m=nil\n  G\d+: status=4\(chan receive\) m=nil\n)"}) {
      if (!std::regex_search(block, std::regex(form))) return false;
    }
    return true;
  };
  bool found = false;
  for (std::size_t begin = 0; begin < died.err.size() && !found;) {
    const std::size_t end = std::min(died.err.find("SCHED ", begin + 1), died.err.size());
    found = is_there(died.err.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_TRUE(found) << died;
}

TEST(Schedtrace, SeveralExecutorsAreNamed) {
  const auto died = child::run(
      [] {
        Executor one({.procs = 1, .name = "front"}), two({.procs = 1, .name = "back"});
        one.spawn([]() -> Task<> { co_await gmp::sleep(60ms); }).detach();
        two.run([]() -> Task<> { co_await gmp::sleep(60ms); });
      },
      {.environment = {"GMPDEBUG=schedtrace=20"}});
  ASSERT_EQ(died.status, 0) << died;
  EXPECT_TRUE(std::regex_search(died.err, std::regex(R"(SCHED \d+ms: executor=front gomaxprocs=1 )"))) << died;
  EXPECT_TRUE(std::regex_search(died.err, std::regex(R"(SCHED \d+ms: executor=back gomaxprocs=1 )"))) << died;
}

TEST(Schedtrace, IsSilentUnlessAskedFor) {
  const auto died = child::run([] { gmp::run([]() -> Task<> { co_await gmp::sleep(30ms); }); }, {.environment = {"GMPDEBUG=scheddetail=1"}});
  EXPECT_EQ(died.status, 0) << died;
  EXPECT_EQ(died.err, "");
}

}  // namespace
}  // namespace gmp::schedtrace_test
