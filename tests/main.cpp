// tests/main.cpp — main() of every test binary: selection, a watchdog, and children that die on purpose.
// Go: testing (-run, -timeout).  Room: tests.
//
// The watchdog is a timer of the kernel's, not a thread: with a thread of the test's alive the library may not call a process deadlocked,
// and some tests want it to.  Its signal is a real-time one, as the others belong to the tests of signals.
// In the handler nothing but write(2), then the dump of the goroutines, if the binary has one: that is not async-signal-safe, so a
// second timer ends the process if the dump hangs as well.
//
//   --select=REGEX        only tests whose "tests/room/file.cpp Suite.Name" matches
//   $GMPCORO_TEST_TIMEOUT seconds a test case may take; 20 if unset
// Exit status 77 (ctest: skipped) if no test was selected.
#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <regex>
#include <string>
#include <string_view>

#include "support/child.hpp"
#include "support/seed.hpp"

/// Writes all that is known of the goroutines to stderr. Defined by binaries that link the library.
extern "C" [[gnu::weak]] void gmp_test_dump();

// What every run under a sanitizer has in common, so that a binary started by hand behaves as under ctest. The models have their own.
extern "C" [[gnu::weak]] const char* __asan_default_options() { return "detect_stack_use_after_return=1:detect_leaks=1:strict_string_checks=1"; }
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }
extern "C" const char* __tsan_default_options() { return "halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=0"; }  // children end often

namespace gmp::test {
namespace {

constexpr int limit_default_s = 20;
constexpr int dump_limit_s = 5;
constexpr int nothing_selected = 77;

// Written between cases, read by the handler: no allocation there.
char running_case[512];
int running_limit_s = 0;
timer_t watchdog_timer;

int watchdog_signal() { return SIGRTMAX - 3; }

void write_all(const char* text) {
  const ssize_t size = ::write(STDERR_FILENO, text, std::strlen(text));
  static_cast<void>(size);  // there is nobody left to tell
}

void arm(int seconds) {
  const itimerspec when = {{0, 0}, {seconds, 0}};
  ::timer_settime(watchdog_timer, 0, &when, nullptr);
}

void on_expiry(int) {
  static volatile sig_atomic_t again = 0;
  if (again != 0) {
    write_all("watchdog: the dump hangs too\n");
    std::abort();
  }
  again = 1;
  arm(dump_limit_s);
  char line[700];
  std::snprintf(line, sizeof line, "\nwatchdog: %s did not end within %d s\n", running_case, running_limit_s);
  write_all(line);
  if (gmp_test_dump != nullptr) gmp_test_dump();
  std::abort();
}

class Watchdog : public ::testing::EmptyTestEventListener {
 public:
  explicit Watchdog(int limit_s) : limit_s_(limit_s) {
    sigevent event = {};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = watchdog_signal();
    if (::timer_create(CLOCK_MONOTONIC, &event, &watchdog_timer) != 0) {
      std::perror("watchdog: timer_create");
      std::abort();
    }
    struct sigaction action = {};
    action.sa_handler = on_expiry;
    action.sa_flags = SA_NODEFER | SA_RESTART;
    ::sigaction(watchdog_signal(), &action, nullptr);
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, watchdog_signal());
    ::pthread_sigmask(SIG_UNBLOCK, &own, nullptr);
  }

  void OnTestStart(const ::testing::TestInfo& test) override {
    std::snprintf(running_case, sizeof running_case, "%s.%s (%s:%d)", test.test_suite_name(), test.name(), test.file(), test.line());
    running_limit_s = limit_s_;
    arm(limit_s_);
  }
  void OnTestEnd(const ::testing::TestInfo&) override { arm(0); }

 private:
  int limit_s_;
};

int time_limit_s() {
  const char* text = std::getenv("GMPCORO_TEST_TIMEOUT");
  const int given = text == nullptr ? 0 : std::atoi(text);
  return given > 0 ? given : limit_default_s;
}

// The tests whose file and name match, as a filter that gtest understands.
std::string filter_for(const char* expression) {
  const std::regex wanted(expression);
  std::string filter;
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const ::testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const ::testing::TestInfo& test = *suite.GetTestInfo(j);
      const std::string name = std::string(test.test_suite_name()) + "." + test.name();
      std::string_view file = test.file();
      if (const auto tests = file.rfind("tests/"); tests != std::string_view::npos) file.remove_prefix(tests);
      if (std::regex_search(std::string(file) + " " + name, wanted)) filter += (filter.empty() ? "" : ":") + name;
    }
  }
  return filter.empty() ? "-*" : filter;
}

}  // namespace

std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* text = std::getenv("GMPSEED");
    const std::uint64_t chosen = text != nullptr ? std::strtoull(text, nullptr, 0) : std::random_device()();
    std::fprintf(stderr, "GMPSEED=%llu\n", static_cast<unsigned long long>(chosen));
    return chosen;
  }();
  return value;
}

std::uint64_t case_seed() {
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a over the case's name
  const auto add = [&hash](const char* text) {
    for (; *text != '\0'; ++text) hash = (hash ^ static_cast<unsigned char>(*text)) * 0x100000001b3;
  };
  if (test != nullptr) {
    add(test->test_suite_name());
    add(".");
    add(test->name());
  }
  return seed() ^ hash;
}

}  // namespace gmp::test

int main(int argc, char** argv) {
  gmp::test::child::run_if_child(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    constexpr std::string_view select = "--select=";
    if (std::strncmp(argv[i], select.data(), select.size()) != 0) {
      std::fprintf(stderr, "%s: unknown argument %s\n", argv[0], argv[i]);
      return 1;
    }
    ::testing::GTEST_FLAG(filter) = gmp::test::filter_for(argv[i] + select.size());
  }
  ::testing::UnitTest::GetInstance()->listeners().Append(new gmp::test::Watchdog(gmp::test::time_limit_s()));
  const int status = RUN_ALL_TESTS();
  if (status == 0 && ::testing::UnitTest::GetInstance()->test_to_run_count() == 0 && !::testing::GTEST_FLAG(list_tests)) {
    std::puts("no test was selected");
    return gmp::test::nothing_selected;
  }
  return status;
}
