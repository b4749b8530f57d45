// tests/unit/debug/schedtrace_test.cpp — GMPDEBUG=schedtrace: Go's lines, at the interval that was asked for, and no work in between.
// Go: runtime/runtime-gdb_test.go has none; the lines are those of GODEBUG=schedtrace=…,scheddetail=1.  Room: debug (floor 6).
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
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
#include "support/cpu.hpp"
#include "support/printed.hpp"
#include "support/text.hpp"

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

Task<> sleep_on() { co_await gmp::sleep(1h); }

template <int lines>
void idle_until_it_has_printed() {
  test::Printed printed;
  Executor ex({.procs = 2});
  ex.go(sleep_on);
  printed.wait_for_lines(lines);
}

// Those that came whole.
std::vector<std::string> whole_lines_of(const child::Outcome& died) { return lines_of(died.err.substr(0, died.err.rfind('\n') + 1)); }

TEST(Schedtrace, PrintsALineAtEachInterval) {
  const auto died = child::run(&idle_until_it_has_printed<5>, {.environment = {"GMPDEBUG=schedtrace=20"}});
  ASSERT_EQ(died.status, 0) << died;
  const auto lines = whole_lines_of(died);
  ASSERT_GE(lines.size(), 5u) << died;
  EXPECT_LE(lines.size(), 1000u) << died;
  long last = -1;
  for (const std::string& line : lines) {
    EXPECT_TRUE(std::regex_match(line, summary())) << line;
    if (last >= 0) {
      EXPECT_GT(stamp_of(line) / 20, last / 20) << died;  // one to an interval
    }
    last = stamp_of(line);
  }
}

// Not only after the first one.
TEST(Schedtrace, TheFirstLineComesAtOnce) {
  const auto died = child::run(&idle_until_it_has_printed<1>, {.environment = {"GMPDEBUG=schedtrace=3600000"}});
  EXPECT_EQ(died.status, 0) << died;
}

// In the deep sleep.
bool is_idle_line(const std::string& line) { return stamp_of(line) >= 1400 && test::has(line, " idleprocs=2 "); }

// sysmon sleeps without limit once all has been idle for a second: not past the next line. And the process does nothing else meanwhile: its CPU's time is
// measured against that on the wall, as lines may be late.
TEST(Schedtrace, AnIdleProgramGoesOnToPrintAndSleepsInBetween) {
  const auto died = child::run(
      [] {
        test::Printed printed;
        const auto begin = std::chrono::steady_clock::now();
        const double used = test::cpu_seconds();
        Executor ex({.procs = 2});
        ex.go(sleep_on);
        printed.wait_until([](const std::string& text) {
          const auto lines = lines_of(text.substr(0, text.rfind('\n') + 1));
          return std::any_of(lines.begin(), lines.end(), is_idle_line);
        });
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        std::printf("%f\n", (test::cpu_seconds() - used) / took.count());
      },
      {.environment = {"GMPDEBUG=schedtrace=100"}});
  ASSERT_EQ(died.status, 0) << died;
  const auto lines = whole_lines_of(died);
  ASSERT_GE(lines.size(), 1u) << died;
  EXPECT_LE(lines.size(), 1000u) << died;
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), is_idle_line)) << died;
  EXPECT_LT(std::strtod(died.out.c_str(), nullptr), 0.27) << died;
}

// All gs sleep, and there is a line for each of them, and for each P and M.
bool shows_all_asleep(const std::string& block) {
  for (const char* form :
       {R"(\n  P0: status=[012] schedtick=\d+ m=(\d+|nil) runqsize=\d+ runnext=[01] timerslen=\d+ io=\d+\n)",
        R"(\n  P1: status=[012] schedtick=\d+ m=(\d+|nil) runqsize=\d+ runnext=[01] timerslen=\d+ io=\d+\n)",
        R"(\n  M0: p=(\d+|nil) curg=(\d+|nil) blocked=(true|false)\n)", R"(\n  G1: status=4\(sleep\) m=nil\n)",
        R"(\n  G\d+: status=4\(chan receive\) m=nil\n  G\d+: status=4\(chan receive\) m=nil\n  G\d+: status=4\(chan receive\) m=nil\n)"}) {
    if (!std::regex_search(block, std::regex(form))) return false;
  }
  return true;
}
bool has_block_of_all_asleep(const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find("SCHED ", begin + 1), text.size());
    if (shows_all_asleep(text.substr(begin, end - begin))) return true;
    begin = end;
  }
  return false;
}

TEST(Schedtrace, DetailHasALineForEachPAndMAndG) {
  const auto died = child::run(
      [] {
        test::Printed printed;
        Executor ex({.procs = 2});
        ex.go([]() -> Task<> {
          auto ch = make_chan<int>();
          for (int i = 0; i < 3; ++i) go([ch]() -> Task<> { co_await ch.recv(); });
          co_await gmp::sleep(1h);
        });
        printed.wait_until(has_block_of_all_asleep);  // of the moments that are shown one, at least
      },
      {.environment = {"GMPDEBUG=schedtrace=30,scheddetail=1"}});
  EXPECT_EQ(died.status, 0) << died;
  EXPECT_TRUE(has_block_of_all_asleep(died.err)) << died;
}

TEST(Schedtrace, SeveralExecutorsAreNamed) {
  const auto died = child::run(
      [] {
        test::Printed printed;
        Executor one({.procs = 1, .name = "front"}), two({.procs = 1, .name = "back"});
        one.go(sleep_on);
        two.go(sleep_on);
        printed.wait_until([](const std::string& text) {
          return std::regex_search(text, std::regex(R"(SCHED \d+ms: executor=front gomaxprocs=1 )")) &&
                 std::regex_search(text, std::regex(R"(SCHED \d+ms: executor=back gomaxprocs=1 )"));
        });
      },
      {.environment = {"GMPDEBUG=schedtrace=20"}});
  EXPECT_EQ(died.status, 0) << died;
}

TEST(Schedtrace, IsSilentUnlessAskedFor) {
  const auto died = child::run([] { gmp::run([]() -> Task<> { co_await gmp::sleep(30ms); }); }, {.environment = {"GMPDEBUG=scheddetail=1"}});
  EXPECT_EQ(died.status, 0) << died;
  EXPECT_EQ(died.err, "");
}

}  // namespace
}  // namespace gmp::schedtrace_test
