// tests/go/runtime/crash_test.cpp — Go's tests of programs that must die: what they say, and with which status.
// Go: runtime/crash_test.go, runtime/crash_unix_test.go, and their programs in runtime/testdata.  Room: debug (floor 6).
//
// Left out: what a C++ program has no counterpart for (Goexit, the collector, faults turned into panics, maps).
#include <gmp/gmp.hpp>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "gmp/detail/base/config.hpp"
#include "go/gdump.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

namespace gmp::crash_test {
namespace {

using namespace std::chrono_literals;
namespace child = test::child;

// Go: select {}.
Task<> sleep_for_ever() {
  co_await suspend<void>([](Waker<void>) {});
}

// Tells stderr at once, as Go's print does.
void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stderr);
  std::fflush(stderr);
}

const std::string deadlock = "fatal error: all goroutines are asleep - deadlock!\n\n";

void expect_deadlock(child::Scenario scenario, std::size_t gs) {
  const auto outcome = child::run(scenario);
  EXPECT_EQ(outcome.status, 2) << outcome;
  // Where io_uring is refused, the line that says so comes first.
  const std::size_t begin = outcome.err.starts_with("gmpcoro: using epoll") ? outcome.err.find('\n') + 1 : 0;
  EXPECT_EQ(outcome.err.substr(begin, deadlock.size()), deadlock) << outcome;
  EXPECT_EQ(test::gs_dumped(outcome.err), gs) << outcome;
  EXPECT_EQ(outcome.out, "") << outcome;
}

void expect_panic(child::Scenario scenario, const std::string& before_the_dump) {
  const auto outcome = child::run(scenario);
  EXPECT_EQ(outcome.status, 2) << outcome;
  EXPECT_EQ(outcome.err.substr(0, before_the_dump.size() + 12), before_the_dump + "\n\ngoroutine ") << outcome;
  EXPECT_EQ(test::gs_dumped(outcome.err), 1u) << outcome;  // of the one that panicked
  EXPECT_EQ(outcome.out, "") << outcome;
}

class GoDeadlock : public ::testing::Test {
 protected:
  void SetUp() override {
    if (GMPCORO_TSAN) GTEST_SKIP() << "TSan has a thread of its own, which might wake somebody, for all the library knows";
  }
};

// TestSimpleDeadlock, and what a main g may wait for besides.
TEST_F(GoDeadlock, OneThatWaitsForNobodyIsReported) {
  expect_deadlock([] { run(sleep_for_ever); }, 1);
  expect_deadlock(
      [] {
        run([]() -> Task<> {
          Mutex mu;
          co_await mu.lock();
          co_await mu.lock();
          std::puts("got it twice");
        });
      },
      1);
  expect_deadlock(
      [] {
        run([]() -> Task<> {
          WaitGroup wg;
          wg.add(2);
          go([&wg] { wg.done(); });
          co_await wg.wait();
          std::puts("one was enough");
        });
      },
      1);
}

// TestInitDeadlock: what is being made waits for itself to be made.
TEST_F(GoDeadlock, AnInitialisationThatWaitsForItselfIsReported) {
  expect_deadlock(
      [] {
        static Once once;
        static Task<> (*initialise)() = []() -> Task<> { co_await once.call(initialise); };
        run([]() -> Task<> {
          co_await once.call(initialise);
          std::puts("initialised");
        });
      },
      1);
}

// TestLockedDeadlock, TestLockedDeadlock2: a thread that belongs to one g hopes for nothing either.
TEST_F(GoDeadlock, OnesLockedToTheirThreadsAreReportedToo) {
  expect_deadlock(
      [] {
        run([]() -> Task<> {
          co_await this_g::lock_os_thread();
          co_await sleep_for_ever();
        });
      },
      1);
  expect_deadlock(
      [] {
        run([]() -> Task<> {
          go([]() -> Task<> {
            co_await this_g::lock_os_thread();
            co_await sleep_for_ever();
          });
          co_await sleep(1ms);
          co_await sleep_for_ever();
        });
      },
      2);
}

// TestGoexitDeadlock: main waits, and those who could have woken it are gone.
TEST_F(GoDeadlock, MainThatWaitsWhenAllOthersHaveEndedIsReported) {
  expect_deadlock(
      [] {
        run([]() -> Task<> {
          for (int g = 0; g < 2; ++g) {
            go([]() -> Task<> {
              for (int i = 0; i < 10; ++i) co_await yield();
            });
          }
          co_await sleep_for_ever();
        });
      },
      1);
}

// TestNetpollDeadlock: the poller was used, and nothing is in flight any more.
TEST_F(GoDeadlock, IsReportedAlsoAfterTheNetpollerWasUsed) {
  expect_deadlock(
      [] {
        run([]() -> Task<> {
          {
            auto [listener, err] = net::listen("tcp", "127.0.0.1:0");
            auto dialled = spawn([](std::string address) -> Task<> { static_cast<void>(co_await net::dial("tcp", address)); },
                                 listener.addr().to_string());
            static_cast<void>(co_await listener.accept());
            co_await dialled;
          }
          co_await sleep_for_ever();
        });
      },
      1);
}

// TestMainGoroutineID, TestNoHelperGoroutines.
TEST(GoCrash, TheMainGoroutineIsNumberOneAndThereIsNoOther) {
  const auto outcome = child::run([] { run([] { say(debug::goroutines()); }); });
  EXPECT_EQ(outcome.status, 0) << outcome;
  EXPECT_EQ(outcome.err.substr(0, 23), "goroutine 1 [running]:\n") << outcome;
  EXPECT_EQ(test::gs_dumped(outcome.err), 1u) << outcome;
}

// TestPanicAfterGoexit: who started it has ended, and main waits for nobody; yet it is a panic, not a deadlock.
TEST(GoCrash, APanicOfOneWhoseCreatorHasEndedIsReported) {
  expect_panic(
      [] {
        run([]() -> Task<> {
          go([] {
            go([]() -> Task<> {
              co_await sleep(5ms);
              throw std::runtime_error("hello");
            });
          });
          co_await sleep_for_ever();
        });
      },
      "panic: hello");
}

// TestPanicRace: on its way out the panic lets main go on, which returns. Go loses this race at times.
TEST(GoCrash, APanicIsReportedThoughMainReturnsMeanwhile) {
  for (std::int64_t i = 0; i < test::scaled(20, 5); ++i) {
    expect_panic(
        [] {
          run([]() -> Task<> {
            WaitGroup wg;
            wg.add(1);
            go([&wg] {
              const auto done = defer([&wg] { wg.done(); });
              throw std::runtime_error("crash");
            });
            co_await wg.wait();
          });
        },
        "panic: crash");
  }
}

// What it deferred runs before it is printed; the others' frames are left as they are.
TEST(GoCrash, APanicRunsTheDefersOfItsOwnGoroutineOnly) {
  const auto died = child::run([] {
    run([]() -> Task<> {
      go([]() -> Task<> {
        const auto never = defer([] { say("another's"); });
        co_await sleep_for_ever();
      });
      go([]() -> Task<> {
        const auto second = defer([] { say("its first"); });
        const auto first = defer([] { say("its last"); });
        co_await yield();
        throw std::runtime_error("crash");
      });
      co_await sleep_for_ever();
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_NE(died.err.find("its last\nits first\npanic: crash\n"), std::string::npos) << died;
  EXPECT_EQ(died.err.find("another's"), std::string::npos) << died;
}

// Of two at once, one is reported, whole.
TEST(GoCrash, OfManyPanicsAtOnceOneIsReported) {
  for (std::int64_t i = 0; i < test::scaled(20, 5); ++i) {
    expect_panic(
        [] {
          run([]() -> Task<> {
            gomaxprocs(4);
            for (int g = 0; g < 8; ++g) {
              go([]() -> Task<> {
                co_await sleep(2ms);
                throw std::runtime_error("crash");
              });
            }
            co_await sleep_for_ever();
          });
        },
        "panic: crash");
  }
}

// TestRecursivePanic: caught, and another thrown in its place.
TEST(GoCrash, AnExceptionThrownWhereOneWasCaughtIsThePanic) {
  expect_panic(
      [] {
        run([]() -> Task<> {
          go([] {
            try {
              throw std::runtime_error("bad");
            } catch (const std::runtime_error& error) {
              say(std::string("wrap: ") + error.what());
              throw std::runtime_error("again");
            }
          });
          co_await sleep_for_ever();
        });
      },
      "wrap: bad\npanic: again");
}

Task<> throw_after(int depth, const char* text) {
  if (depth > 0)
    co_await throw_after(depth - 1, text);
  else
    co_await yield();
  throw std::runtime_error(text);
}

// TestRecursivePanic2, TestRecursivePanic5: each caught on the way out, and followed by the next.
TEST(GoCrash, OfThreeInARowTheLastIsThePanic) {
  expect_panic(
      [] {
        run([]() -> Task<> {
          go([]() -> Task<> {
            for (const char* text : {"first panic", "second panic"}) {
              try {
                co_await throw_after(3, text);
              } catch (const std::runtime_error& error) {
                say(error.what());
              }
            }
            co_await throw_after(3, "third panic");
          });
          co_await sleep_for_ever();
        });
      },
      "first panic\nsecond panic\npanic: third panic");
}

// TestRecursivePanic3: what a destructor throws and catches while the first is on its way does not count.
TEST(GoCrash, WhatADestructorThrowsAndCatchesLeavesTheFirstToBeThePanic) {
  expect_panic(
      [] {
        run([]() -> Task<> {
          go([]() -> Task<> {
            const auto last = defer([] {
              try {
                throw std::runtime_error("second panic");
              } catch (const std::runtime_error&) {
              }
            });
            co_await throw_after(3, "first panic");
          });
          co_await sleep_for_ever();
        });
      },
      "panic: first panic");
}

struct ThrowsAtItsEnd {
  ThrowsAtItsEnd() = default;
  ThrowsAtItsEnd(const ThrowsAtItsEnd&) = delete;
  ThrowsAtItsEnd& operator=(const ThrowsAtItsEnd&) = delete;
  ~ThrowsAtItsEnd() noexcept(false) { throw std::runtime_error("from a destructor"); }
};

// TestRecursivePanic4, in so far as C++ allows it.
TEST(GoCrash, ADestructorThatThrowsPanics) {
  expect_panic(
      [] {
        run([]() -> Task<> {
          go([]() -> Task<> {
            co_await yield();
            const ThrowsAtItsEnd local;
          });
          co_await sleep_for_ever();
        });
      },
      "panic: from a destructor");
}

// And where it does not: two exceptions on their way at once end in std::terminate, on a g as anywhere.
TEST(GoCrash, ADestructorThatThrowsWhileAnotherExceptionIsOnItsWayTerminates) {
  const auto outcome = child::run([] {
    run([]() -> Task<> {
      go([]() -> Task<> {
        const ThrowsAtItsEnd local;
        co_await throw_after(1, "the first");
      });
      co_await sleep_for_ever();
    });
  });
  EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
}

// TestPanicDeadlockGosched, TestPanicDeadlockSyscall: between the throw and the end it yields, and calls what may block.
TEST(GoCrash, APanicThatIsHeldUpComesInTheEnd) {
  expect_panic(
      [] {
        run([]() -> Task<> {
          go([]() -> Task<> {
            std::exception_ptr caught;
            try {
              co_await throw_after(0, "1");
            } catch (...) {
              caught = std::current_exception();
            }
            co_await yield();
            co_await blocking([] { std::this_thread::sleep_for(1ms); });
            std::rethrow_exception(caught);
          });
          co_await sleep_for_ever();
        });
      },
      "panic: 1");
}

// TestGoNil.
TEST(GoCrash, GoOfNoFunctionIsAPanicOfWhoSaysIt) {
  expect_panic(
      [] {
        run([]() -> Task<> {
          go([] { go(std::function<void()>()); });
          co_await sleep_for_ever();
        });
      },
      "panic: go of nil func value");
}

// TestThreadExhaustion.
TEST(GoCrash, MoreLockedThreadsThanAllowedEndTheProcess) {
  const auto outcome = child::run([] {
    Executor ex({.max_threads = 10});
    ex.run([]() -> Task<> {
      for (int i = 0; i < 100; ++i) {
        go([]() -> Task<> {
          co_await this_g::lock_os_thread();
          co_await sleep_for_ever();
        });
        co_await yield();
      }
      co_await sleep(10s);
    });
  });
  EXPECT_EQ(outcome.status, 2) << outcome;
  EXPECT_EQ(outcome.err, "fatal error: thread exhaustion\n") << outcome;
}

// TestSignalExitStatus: a signal that nobody asked for does what it does to any process.
TEST(GoCrash, ASignalEndsTheProcessWithItsOwnStatus) {
  const auto outcome = child::run([] {
    run([]() -> Task<> {
      ::kill(::getpid(), SIGTERM);
      co_await sleep(10s);
    });
  });
  EXPECT_EQ(outcome.signal, SIGTERM) << outcome;
  EXPECT_EQ(outcome.err, "") << outcome;
}

}  // namespace
}  // namespace gmp::crash_test
