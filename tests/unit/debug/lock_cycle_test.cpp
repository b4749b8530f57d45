// tests/unit/debug/lock_cycle_test.cpp — GMPDEBUG=lockcycle=1 tells of a circle of gs and locks once, with all its places, and of nothing else.
// Go: none.  Room: debug (floor 6).
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <initializer_list>
#include <regex>
#include <source_location>
#include <string>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/child.hpp"
#include "support/text.hpp"
#include "support/waiting.hpp"

namespace gmp::lock_cycle_test {
namespace {

using namespace std::chrono_literals;
using test::count;
using test::until_waiting;
namespace child = test::child;

child::Outcome run_watched(child::Scenario scenario) { return child::run(scenario, {.environment = {"GMPDEBUG=lockcycle=1"}}); }

int line_of(std::source_location here = std::source_location::current()) { return static_cast<int>(here.line()); }

// What a scenario's g tells of itself on stdout, for the report to be compared with: "holds ADDRESS LINE waits ADDRESS LINE".
void tell(const void* holds, int held_at, const void* waits, int waits_at) {
  std::printf("holds %p %d waits %p %d\n", holds, held_at, waits, waits_at);
  std::fflush(stdout);
}

// Locks `first`, waits until all have theirs, then locks `second`, for ever.
Task<> grabs(Mutex& first, Mutex& second, WaitGroup& all) {
  const int at = line_of() + 1;
  co_await first.lock();
  all.done();
  co_await all.wait();
  tell(&first, at, &second, line_of() + 1);
  co_await second.lock();
}

// n gs in a circle; a bystander that joins the tail, and one that computes on. The executor is stopped with all of them in their waits.
Task<> circle(int n) {
  static Mutex locks[3];
  static WaitGroup all;
  all.add(n);
  for (int i = 0; i < n; ++i) go(grabs(locks[i], locks[(i + 1) % n], all));
  co_await until_waiting(detail::WaitReason::mutex_lock, n);
  go([]() -> Task<> { co_await locks[0].lock(); });
  co_await until_waiting(detail::WaitReason::mutex_lock, n + 1);
  std::puts("goes on");
}

// One report, and for each line on stdout the g that it is about.
void expect_circle(const child::Outcome& died, int n) {
  ASSERT_EQ(died.status, 0) << died;
  EXPECT_EQ(count(died.out, "goes on\n"), 1) << died;
  EXPECT_EQ(count(died.err, "lock cycle of "), 1) << died;
  EXPECT_EQ(count(died.err, "\n"), n + 1) << died;
  static const std::regex told("holds (0x[0-9a-f]+) ([0-9]+) waits (0x[0-9a-f]+) ([0-9]+)\n");
  int gs = 0;
  for (std::sregex_iterator it(died.out.begin(), died.out.end(), told), end; it != end; ++it, ++gs) {
    const auto& m = *it;
    const std::regex line("  goroutine [0-9]+ holds " + m.str(1) + ", locked at [^ ]*lock_cycle_test.cpp:" + m.str(2) + ", and waits for " + m.str(3) +
                          " at [^ ]*lock_cycle_test.cpp:" + m.str(4) + "\n");
    EXPECT_TRUE(std::regex_search(died.err, line)) << died;
  }
  EXPECT_EQ(gs, n) << died;
}

TEST(LockCycle, OfTwoNamesBothAndAllPlaces) {
  expect_circle(run_watched([] {
                  Executor ex;  // $GMPMAXPROCS
                  ex.run([]() -> Task<> { return circle(2); });
                }),
                2);
}

TEST(LockCycle, OfThree) {
  expect_circle(run_watched([] {
                  Executor ex;
                  ex.run([]() -> Task<> { return circle(3); });
                }),
                3);
}

TEST(LockCycle, OneThatLocksTwice) {
  expect_circle(run_watched([] {
                  Executor ex;
                  ex.run([]() -> Task<> {
                    static Mutex mu;
                    go([]() -> Task<> {
                      const int at = line_of() + 1;
                      co_await mu.lock();
                      tell(&mu, at, &mu, line_of() + 1);
                      co_await mu.lock();
                    });
                    co_await until_waiting(detail::WaitReason::mutex_lock, 1);
                    std::puts("goes on");
                  });
                }),
                1);
}

TEST(LockCycle, AfterTryLock) {
  const auto died = run_watched([] {
    Executor ex;
    ex.run([]() -> Task<> {
      static Mutex mu;
      go([]() -> Task<> {
        co_await gmp::yield();
        if (mu.try_lock()) co_await mu.lock();
      });
      co_await until_waiting(detail::WaitReason::mutex_lock, 1);
    });
  });
  ASSERT_EQ(died.status, 0) << died;
  EXPECT_EQ(count(died.err, "lock cycle of 1 goroutine,"), 1) << died;
  EXPECT_EQ(count(died.err, ", locked by try_lock() after "), 1) << died;
}

void expect_silence(child::Scenario scenario) {
  const auto died = run_watched(scenario);
  EXPECT_EQ(died.status, 0) << died;
  EXPECT_EQ(died.err, "");
}

// a was the main g's and is free: who waits for b, which the other g has, is not waited for.
TEST(LockCycle, NoneWhenAnotherUnlocks) {
  expect_silence([] {
    Executor ex;
    ex.run([]() -> Task<> {
      static Mutex a, b;
      auto has_b = make_chan<int>();
      co_await a.lock();
      WaitGroup all;
      all.go([has_b]() -> Task<> {
        a.unlock();
        co_await b.lock();
        co_await has_b.send(0);
        co_await until_waiting(detail::WaitReason::mutex_lock, 1);
        co_await a.lock();
        a.unlock();
        b.unlock();
      });
      co_await has_b.recv();
      co_await b.lock();
      b.unlock();
      co_await all.wait();
    });
  });
}

// A wait that can be given up ends by itself.
TEST(LockCycle, NoneUnderATimeout) {
  expect_silence([] {
    Executor ex;
    ex.run([]() -> Task<> {
      Mutex mu;
      co_await mu.lock();
      static_cast<void>(co_await timeout(1ms, mu.lock()));
      mu.unlock();
    });
  });
}

TEST(LockCycle, NoneWhereAllLockInOneOrder) {
  expect_silence([] {
    Executor ex;
    ex.run([]() -> Task<> {
      static Mutex a, b;
      static Cond changed(b);
      WaitGroup all;
      for (int i = 0; i < 4; ++i) {
        all.go([i]() -> Task<> {
          for (int round = 0; round < 500; ++round) {
            auto first = co_await a.scoped_lock();
            auto second = co_await b.scoped_lock();
            if (round % 8 == i) co_await gmp::yield();
            if (round % 100 == 0) static_cast<void>(co_await timeout(10us, changed.wait()));
            changed.signal();
          }
        });
      }
      co_await all.wait();
    });
  });
}

// A scenario's end: with all in their waits.
Task<> all_wait(detail::WaitReason reason, int n) {
  co_await until_waiting(reason, n);
  std::puts("goes on");
}

void expect_report(const child::Outcome& died, int gs, std::initializer_list<const char*> parts) {
  ASSERT_EQ(died.status, 0) << died;
  EXPECT_EQ(died.out, "goes on\n") << died;
  EXPECT_EQ(count(died.err, "lock cycle of "), 1) << died;
  EXPECT_TRUE(died.err.starts_with("gmpcoro: lock cycle of " + std::to_string(gs) + " goroutine")) << died;
  for (const char* part : parts) EXPECT_TRUE(std::regex_search(died.err, std::regex(part))) << part << "\n" << died;
}

TEST(LockCycle, OfWriters) {
  expect_report(run_watched([] {
                  Executor ex;
                  ex.run([]() -> Task<> {
                    static RWMutex a, b;
                    static WaitGroup both;
                    both.add(2);
                    const auto grab = [](RWMutex& first, RWMutex& second) -> Task<> {
                      co_await first.lock();
                      both.done();
                      co_await both.wait();
                      co_await second.lock();
                    };
                    go(grab, std::ref(a), std::ref(b));
                    go(grab, std::ref(b), std::ref(a));
                    return all_wait(detail::WaitReason::rwmutex_lock, 2);
                  });
                }),
                2,
                {"another's locks for ever:\n", "holds 0x[0-9a-f]+ for writing, locked at [^ ]*lock_cycle_test.cpp:[0-9]+, and waits for 0x[0-9a-f]+ for writing at "});
}

// The mutex is held by who waits to write, and wanted by one of two who read.
TEST(LockCycle, OfAReaderAndAWriter) {
  expect_report(run_watched([] {
                  Executor ex;
                  ex.run([]() -> Task<> {
                    static RWMutex rw;
                    static Mutex mu;
                    static WaitGroup reads;
                    reads.add(1);
                    co_await rw.rlock();  // and never gives it back; no part of the circle
                    go([]() -> Task<> {
                      co_await mu.lock();
                      co_await reads.wait();  // a reader that comes after the writer would wait for it
                      co_await rw.lock();
                    });
                    go([]() -> Task<> {
                      co_await rw.rlock();
                      reads.done();
                      co_await until_waiting(detail::WaitReason::rwmutex_lock, 1);
                      co_await mu.lock();
                    });
                    co_await all_wait(detail::WaitReason::mutex_lock, 1);
                  });
                }),
                2,
                {"holds 0x[0-9a-f]+ for reading, locked at [^ ]*, and waits for 0x[0-9a-f]+ at ", "holds 0x[0-9a-f]+, locked at [^ ]*, and waits for 0x[0-9a-f]+ for writing at "});
}

TEST(LockCycle, OfOneThatReadsAgainBehindAWriter) {
  expect_report(run_watched([] {
                  Executor ex;
                  ex.run([]() -> Task<> {
                    static RWMutex rw;
                    go([]() -> Task<> {
                      co_await rw.rlock();
                      go([]() -> Task<> { co_await rw.lock(); });
                      co_await until_waiting(detail::WaitReason::rwmutex_lock, 1);
                      co_await rw.rlock();
                    });
                    co_await all_wait(detail::WaitReason::rwmutex_rlock, 1);
                  });
                }),
                2,
                {"holds (0x[0-9a-f]+) for reading, locked at [^ ]*, and waits for \\1 for reading at ", "it reads already: who asks again behind a writer that waits",
                 "waits for 0x[0-9a-f]+ for writing at [^ ]*, and so holds off new readers\n"});
}

TEST(LockCycle, OfOneThatWantsToWriteWhatItReads) {
  expect_report(run_watched([] {
                  Executor ex;
                  ex.run([]() -> Task<> {
                    static RWMutex rw;
                    go([]() -> Task<> {
                      co_await gmp::yield();
                      if (rw.try_rlock()) co_await rw.lock();
                    });
                    co_await all_wait(detail::WaitReason::rwmutex_lock, 1);
                  });
                }),
                1, {"for reading, locked by try_lock\\(\\) after ", "it reads already: there is no upgrading\n"});
}

// Readers and writers in one order, tries, writers that give up, and a lock for reading that another one gives back.
TEST(LockCycle, NoneOfRWMutexesInOneOrder) {
  expect_silence([] {
    Executor ex;
    ex.run([]() -> Task<> {
      static RWMutex a, b;
      WaitGroup all;
      for (int i = 0; i < 6; ++i) {
        all.go([i]() -> Task<> {
          for (int round = 0; round < 300; ++round) {
            auto first = co_await a.scoped_rlock();
            if (i == 0) {
              auto second = co_await b.scoped_lock();
              co_await gmp::yield();
            } else if (i == 1) {
              const auto err = co_await timeout(10us, b.lock());
              if (!err) b.unlock();
            } else if (i == 2) {
              if (b.try_lock()) b.unlock();
            } else {
              auto second = co_await b.scoped_rlock();
              if (round % 8 == i) co_await gmp::yield();
            }
          }
        });
      }
      all.go([]() -> Task<> {
        for (int round = 0; round < 100; ++round) {
          const auto guard = co_await a.scoped_lock();
          co_await gmp::yield();
        }
      });
      co_await all.wait();
      co_await a.rlock();
      co_await spawn([]() -> Task<> {
        a.runlock();
        co_await a.lock();
        a.unlock();
      });
    });
  });
}

}  // namespace
}  // namespace gmp::lock_cycle_test
