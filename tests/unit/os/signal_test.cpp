// tests/unit/os/signal_test.cpp — signals on channels and contexts: kept, once of each, and the dispositions come back.
// Go: os/signal/signal_test.go.  Room: os (floor 5).
#include "gmp/os.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "support/child.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::signal_test {
namespace {

using namespace std::chrono_literals;
namespace child = test::child;
using test::on_executor;

// To the calling thread: TSan holds back what comes to one that sleeps in a system call that it does not know.
void send_signal(int number) { ::raise(number); }

/// What the process would do with the signal now.
auto disposition(int number) {
  struct sigaction action = {};
  ::sigaction(number, nullptr, &action);
  return action.sa_handler;
}

/// Waits until the signal thread has handed out what came before: by a signal of its own, the last one in its order. The first time it may have passed
/// by what came before just when that came.
Task<> all_handed_out() {
  const auto last = os::notify({SIGRTMAX});
  for (int i = 0; i < 2; ++i) {
    send_signal(SIGRTMAX);
    co_await last.recv();
  }
}

TEST(Signal, ComesOnTheChannel) {
  on_executor([]() -> Task<> {
    const auto sig = os::notify({SIGUSR1, SIGUSR2});
    EXPECT_NE(disposition(SIGUSR1), SIG_DFL);
    for (const int number : {SIGUSR1, SIGUSR2, SIGUSR1}) {
      send_signal(number);
      auto [received, err] = co_await timeout(10s, sig.recv());
      EXPECT_FALSE(err);
      EXPECT_EQ(received, number);
    }
    EXPECT_EQ(sig.try_recv(), std::nullopt);
  });
  EXPECT_EQ(disposition(SIGUSR1), SIG_DFL);
  EXPECT_EQ(disposition(SIGUSR2), SIG_DFL);
}

TEST(Signal, IsKeptOnceOfEachUntilSomebodyWaits) {
  on_executor([]() -> Task<> {
    const auto sig = os::notify({SIGUSR1, SIGUSR2});
    for (int i = 0; i < 3; ++i) {  // more of one than there is room for: the other one is not lost by it
      send_signal(SIGUSR1);
      co_await all_handed_out();
    }
    send_signal(SIGUSR2);
    co_await all_handed_out();
    std::vector<int> received;
    while (auto number = sig.try_recv()) received.push_back(*number);
    EXPECT_EQ(received, (std::vector<int>{SIGUSR1, SIGUSR2}));
  });
}

TEST(Signal, GoesToAllWhoWantIt) {
  on_executor([]() -> Task<> {
    const auto a = os::notify({SIGUSR1}), b = os::notify({SIGUSR1, SIGUSR2});
    const Context c = os::notify_context(background(), {SIGUSR1});
    std::vector<Context> many;
    for (int i = 0; i < 40; ++i) many.push_back(os::notify_context(c, {SIGUSR1}));
    send_signal(SIGUSR1);
    EXPECT_EQ(co_await a.recv(), SIGUSR1);
    EXPECT_EQ(co_await b.recv(), SIGUSR1);
    co_await c.done().recv();
    for (const Context& each : many) co_await each.done().recv();
    co_await all_handed_out();
    EXPECT_EQ(a.try_recv(), std::nullopt) << "twice";
    EXPECT_EQ(b.try_recv(), std::nullopt) << "twice";
  });
}

TEST(Signal, StopRestoresWhatWasThere) {
  static std::atomic<int> caught;  // static, as a handler captures nothing
  caught = 0;
  struct sigaction mine = {};
  mine.sa_handler = [](int) { ++caught; };
  struct sigaction before = {};
  ::sigaction(SIGUSR1, &mine, &before);
  on_executor([]() -> Task<> {
    const auto a = os::notify({SIGUSR1});
    {
      const auto b = os::notify({SIGUSR1});
      os::stop(b);
      os::stop(b);
    }
    send_signal(SIGUSR1);
    EXPECT_EQ(co_await a.recv(), SIGUSR1);
    EXPECT_EQ(caught, 0);
    os::stop(a);
    send_signal(SIGUSR1);
    while (caught == 0) co_await gmp::sleep(1ms);
    EXPECT_EQ(a.try_recv(), std::nullopt);
    EXPECT_FALSE(a.drained()) << "stop() does not close";
    os::stop(make_chan<int>());  // none of ours
    os::stop(RecvChan<int>());
  });
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(caught, 1);
}

TEST(Signal, TheLastCopyThatGoesRestoresTheDisposition) {
  on_executor([] {
    auto a = os::notify({SIGUSR1, SIGUSR2});
    auto b = a;
    auto other = os::notify({SIGUSR2});
    a = {};
    EXPECT_NE(disposition(SIGUSR1), SIG_DFL);
    b = {};
    EXPECT_EQ(disposition(SIGUSR1), SIG_DFL);
    EXPECT_NE(disposition(SIGUSR2), SIG_DFL);
    other = {};
    EXPECT_EQ(disposition(SIGUSR2), SIG_DFL);
  });
}

TEST(Signal, EndsAContextAndSaysWhich) {
  on_executor([]() -> Task<> {
    const Context c = os::notify_context(background(), {SIGUSR1, SIGUSR2});
    auto [child_ctx, cancel] = with_cancel(c);
    send_signal(SIGUSR2);
    EXPECT_EQ(co_await until(child_ctx, gmp::sleep(1h)), errc::canceled);
    EXPECT_EQ(c.err(), errc::canceled);
    std::string what;
    try {
      std::rethrow_exception(c.cause());
    } catch (const std::exception& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "user defined signal 2 signal received");
    while (disposition(SIGUSR2) != SIG_DFL) co_await gmp::sleep(1ms);  // it is done: restored, soon after
    EXPECT_EQ(disposition(SIGUSR1), SIG_DFL);

    auto [parent, cancel_parent] = with_cancel(background());
    const Context ended = os::notify_context(parent, {SIGUSR1});
    EXPECT_NE(disposition(SIGUSR1), SIG_DFL);
    cancel_parent();
    EXPECT_EQ(ended.err(), errc::canceled);
    EXPECT_EQ(disposition(SIGUSR1), SIG_DFL);
    EXPECT_EQ(os::notify_context(parent, {SIGUSR1}).err(), errc::canceled);
    EXPECT_EQ(disposition(SIGUSR1), SIG_DFL);
  });
}

TEST(Signal, TheSecondInterruptEndsTheProgram) {
  const auto outcome = child::run([] {
    run([]() -> Task<> {
      const Context c = os::notify_context(background(), {SIGINT});
      send_signal(SIGINT);
      co_await c.done().recv();
      while (disposition(SIGINT) != SIG_DFL) co_await gmp::sleep(1ms);
      send_signal(SIGINT);
      co_await gmp::sleep(1h);
    });
  });
  EXPECT_EQ(outcome.signal, SIGINT) << outcome;
}

#if !GMPCORO_TSAN  // it has a thread of its own, so no deadlock is reported; and it holds the alarm back
TEST(Signal, WhoWaitsForOneIsNoDeadlock) {
  const auto outcome = child::run([] {
    run([]() -> Task<> {
      const auto sig = os::notify({SIGALRM});
      ::alarm(1);  // the deadlock report would come in a few ms
      EXPECT_EQ(co_await sig.recv(), SIGALRM);
      std::puts("woken");
    });
  });
  EXPECT_EQ(outcome.status, 0) << outcome;
  EXPECT_EQ(outcome.out, "woken\n");
  const auto afterwards = child::run([] {
    run([]() -> Task<> {
      os::stop(os::notify({SIGALRM}));
      co_await suspend<void>([](Waker<void>) {});
    });
  });
  EXPECT_EQ(afterwards.status, 2) << "its thread counts as the library's: " << afterwards;
}
#endif

TEST(Signal, BadInput) {
  for (const int number : {0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGFPE, SIGILL, SIGBUS}) {
    EXPECT_THROW(os::notify({number}), std::invalid_argument) << number;
    EXPECT_THROW(os::notify_context(background(), {number}), std::invalid_argument) << number;
  }
  EXPECT_THROW(os::notify(std::initializer_list<int>{}), std::invalid_argument);
  EXPECT_THROW(os::notify_context(Context(), {SIGUSR1}), std::invalid_argument);
  EXPECT_THROW(os::notify({SIGUSR1, 32}), std::system_error);  // the C library's own
  EXPECT_EQ(disposition(SIGUSR1), SIG_DFL);
}

// TestStress: signals, channels that come and go, and gs that run meanwhile.
TEST(Signal, AStormOfThem) {
  on_executor([]() -> Task<> {
    const auto rounds = static_cast<int>(test::scaled(2'000, 100));
    const auto always = os::notify({SIGUSR1});
    std::atomic<bool> over{false};
    std::thread sender([&] {
      while (!over) send_signal(SIGUSR1);
    });
    WaitGroup wg;
    for (int g = 0; g < 4; ++g) {
      wg.go([rounds]() -> Task<> {
        for (int i = 0; i < rounds; ++i) {
          const auto mine = os::notify({SIGUSR1});
          if (i % 3 == 0) co_await mine.recv();
          if (i % 3 == 1) os::stop(mine);
          co_await yield();
        }
      });
    }
    co_await wg.wait();
    EXPECT_EQ(co_await always.recv(), SIGUSR1);
    over = true;
    sender.join();
  });
}

// test/sigchld: a signal that nobody asked for disturbs nobody.
TEST(Signal, ADyingChildDisturbsNobody) {
  on_executor([]() -> Task<> {
    send_signal(SIGCHLD);
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(3);
    int status = 0;
    co_await blocking([&] { ::waitpid(pid, &status, 0); });
    EXPECT_EQ(WEXITSTATUS(status), 3);
  });
}

}  // namespace
}  // namespace gmp::signal_test
