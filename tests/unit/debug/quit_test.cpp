// tests/unit/debug/quit_test.cpp — SIGQUIT shows every goroutine, whatever the program does, and leaves alone who has his own use for it; $GMPTRACEBACK.
// Go: os/signal/signal_test.go (TestSIGQUIT), runtime/crash_unix_test.go (TestCrashDumpsAllThreads, TestSignalDuringExec).  Room: debug (floor 6).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "gmp/chan.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/os.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
#include "support/child.hpp"
#include "support/text.hpp"
#include "support/waiting.hpp"

namespace gmp::quit_test {
namespace {

using namespace std::chrono_literals;
using test::count;
using test::until_waiting;
namespace child = test::child;

const std::string words = "SIGQUIT: quit\n";

// The end comes by itself.
[[noreturn]] void quit() {
  ::raise(SIGQUIT);
  for (;;) ::pause();
}

bool begins_with(const std::string& text, const std::string& beginning) { return text.rfind(beginning, 0) == 0; }

auto disposition() {
  struct sigaction action = {};
  ::sigaction(SIGQUIT, nullptr, &action);
  return action.sa_handler;
}

void no_core() {
  const rlimit none = {0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

Task<> parked(Chan<int> ch) { co_await ch.recv(); }

TEST(Quit, ShowsAllGoroutinesOfAllExecutorsAndEndsTheProcess) {
  const auto died = child::run([] {
    static Executor other({.procs = 1});
    static auto ch = make_chan<int>();
    other.go(parked, ch);
    run([]() -> Task<> {
      go(parked, ch);
      co_await until_waiting(detail::WaitReason::chan_receive, 1);
      std::printf("said before\n");
      quit();
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_TRUE(begins_with(died.err, words + "\ngoroutine ")) << died;
  EXPECT_GE(count(died.err, " [chan receive]:\n"), 1) << died;
  EXPECT_GE(count(died.err, " [running]:\n"), 1) << died;
  EXPECT_EQ(count(died.err, "created by "), 3) << died;
  EXPECT_EQ(died.out, "said before\n");
}

TEST(Quit, WhenEachPComputes) {
  const auto died = child::run([] {
    run([]() -> Task<> {
      static std::atomic<int> hogs = 0;
      const int procs = gomaxprocs();
      for (int i = 0; i < procs; ++i) {
        go([]() -> Task<> {
          ++hogs;
          for (;;) test::burn(1s);
          co_return;
        });
      }
      while (hogs < procs) co_await yield();
      ::raise(SIGQUIT);
      for (;;) test::burn(1s);
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_TRUE(begins_with(died.err, words + "\ngoroutine 1 [running]:\n")) << died;
}

TEST(Quit, WhenEachThreadWaitsForAPlainMutex) {
  const auto died = child::run([] {
    run([]() -> Task<> {
      static std::mutex mutex;
      mutex.lock();
      static std::atomic<int> stuck = 0;
      const int procs = gomaxprocs();
      for (int i = 0; i < procs; ++i) {
        go([]() -> Task<> {
          if (++stuck == gomaxprocs()) ::raise(SIGQUIT);
          mutex.lock();
          co_return;
        });
      }
      co_await gmp::sleep(1h);
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_TRUE(begins_with(died.err, words + "\ngoroutine 1 [")) << died;
}

TEST(Quit, InTheDestructorOfAFrameThatRunsEndDestroys) {
  const auto died = child::run([] {
    struct Hangs {
      Hangs() {}
      ~Hangs() { quit(); }
    };
    run([]() -> Task<> {
      go([](Chan<int> ch) -> Task<> {
        Hangs hangs;
        co_await ch.recv();
      }, make_chan<int>());
      co_await until_waiting(detail::WaitReason::chan_receive, 1);
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_TRUE(begins_with(died.err, words)) << died;
}

TEST(Quit, DispositionIsBackWhenTheLastRunIsOver) {
  const auto died = child::run([] {
    const auto ours = [] { return disposition() != SIG_DFL; };
    std::atomic<int> inside = 0;
    const auto two = [&] {
      run([&]() -> Task<> {
        ++inside;
        while (inside < 2) co_await yield();
        if (!ours()) ::_exit(10);
      });
    };
    std::thread thread(two);
    two();
    thread.join();
    if (ours()) ::_exit(11);
    Executor().run([&] {
      if (ours()) ::_exit(12);
    });
    run([&] {
      if (!ours()) ::_exit(13);
    });
    if (ours()) ::_exit(14);
  });
  EXPECT_EQ(died.status, 0) << died;
}

TEST(Quit, LeavesTheProgramsHandlerAlone) {
  const auto died = child::run([] {
    static std::atomic<int> came = 0;
    const auto mine = +[](int) { ++came; };
    ::signal(SIGQUIT, mine);
    run([] { ::raise(SIGQUIT); });
    if (came != 1 || disposition() != mine) ::_exit(10);
    ::signal(SIGQUIT, SIG_IGN);
    run([] { ::raise(SIGQUIT); });
    if (disposition() != SIG_IGN) ::_exit(11);
    ::signal(SIGQUIT, SIG_DFL);
    run([=] { ::signal(SIGQUIT, mine); });  // one that comes later stays, too
    if (disposition() != mine) ::_exit(12);
  });
  EXPECT_EQ(died.status, 0) << died;
  EXPECT_EQ(died.err, "");
}

TEST(Quit, GoesToWhoIsNotifiedOfIt) {
  const auto died = child::run([] {
    run([]() -> Task<> {
      {
        const auto sig = os::notify({SIGQUIT});
        ::raise(SIGQUIT);
        const auto number = co_await sig.recv();
        std::printf("%d\n", *number == SIGQUIT);
      }
      quit();  // nobody is, any more
    });
  });
  EXPECT_EQ(died.out, "1\n") << died;
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_TRUE(begins_with(died.err, words)) << died;
}

// os::stop() puts back what was there when it began: ours. By then nobody wants it.
TEST(Quit, AHandlerThatIsPutBackTooLateDoesWhatTheDefaultDoes) {
  const auto died = child::run([] {
    no_core();
    RecvChan<int> sig;
    run([&] { sig = os::notify({SIGQUIT}); });
    os::stop(sig);
    quit();
  });
  EXPECT_EQ(died.signal, SIGQUIT) << died;
  EXPECT_EQ(died.err, "");
}

TEST(Quit, EndsAForkedChildAsEver) {
  if (GMPCORO_TSAN) GTEST_SKIP() << "TSan delivers no signal in a forked child of a process with threads";
  const auto died = child::run([] {
    no_core();
    run([] {
      const pid_t pid = ::fork();
      if (pid == 0) quit();
      int status = 0;
      if (::waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGQUIT) ::_exit(10);
    });
  });
  EXPECT_EQ(died.status, 0) << died;
}

void two_gs_and_a_panic() {
  run([]() -> Task<> {
    go(parked, make_chan<int>());
    co_await until_waiting(detail::WaitReason::chan_receive, 1);
    go([]() -> Task<> {
      throw std::runtime_error("oops");
      co_return;
    });
    co_await gmp::sleep(1h);
  });
}

TEST(Traceback, SaysHowMuchAPanicShows) {
  const std::string first = "panic: oops\n";
  struct Case {
    const char* setting;
    int shown;
    int signal;
  };
  for (const Case& c : {Case{"GMPTRACEBACK", 1, 0}, Case{"GMPTRACEBACK=single", 1, 0}, Case{"GMPTRACEBACK=none", 0, 0}, Case{"GMPTRACEBACK=0", 0, 0},
                        Case{"GMPTRACEBACK=all", 3, 0}, Case{"GMPTRACEBACK=1", 3, 0}, Case{"GMPTRACEBACK=system", 3, 0}, Case{"GMPTRACEBACK=crash", 3, SIGABRT}}) {
    SCOPED_TRACE(c.setting);
    const auto died = child::run(
        [] {
          no_core();
          two_gs_and_a_panic();
        },
        {.environment = {c.setting}});
    EXPECT_EQ(died.signal, c.signal) << died;
    if (c.signal == 0) {
      EXPECT_EQ(died.status, 2) << died;
    }
    EXPECT_EQ(count(died.err, "created by "), c.shown) << died;
    if (c.shown == 0) {
      EXPECT_EQ(died.err, first);
    } else {
      EXPECT_TRUE(begins_with(died.err, first + "\ngoroutine ")) << died;
    }
    EXPECT_EQ(count(died.err, " [chan receive]:\n"), c.shown == 3 ? 1 : 0) << died;
  }
}

TEST(Traceback, NoneLeavesADeadlockOneLine) {
  if (GMPCORO_TSAN) GTEST_SKIP() << "TSan has a thread of its own, which might wake somebody, for all the library knows";
  const auto asleep = child::run([] { run([]() -> Task<> { co_await make_chan<int>().recv(); }); }, {.environment = {"GMPTRACEBACK=none"}});
  EXPECT_EQ(asleep.status, 2) << asleep;
  EXPECT_EQ(asleep.err, "fatal error: all goroutines are asleep - deadlock!\n");
}

TEST(Traceback, NoneLeavesSigquitOneLine) {
  const auto asked = child::run([] { run([] { quit(); }); }, {.environment = {"GMPTRACEBACK=none"}});
  EXPECT_EQ(asked.status, 2) << asked;
  EXPECT_EQ(asked.err, words);
}

}  // namespace
}  // namespace gmp::quit_test
