// tests/unit/debug/dump_test.cpp — the dump shows every goroutine: what it waits for, where, and who started it; also while they run.
// Go: runtime/traceback_test.go, runtime/crash_test.go.  Room: debug (floor 6).
#include "debug/dump.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/cpu.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/text.hpp"
#include "support/waiting.hpp"

namespace gmp::dump_test {
namespace {

using namespace std::chrono_literals;
using test::on_executor;
using test::until_waiting;

TEST(PrettyFunction, IsWhatTheUserWrote) {
  const std::pair<const char*, const char*> table[] = {
      // g++ 12: the actor of a coroutine
      {"void worker(worker(gmp::Chan<int>)::_Z6workerN3gmp4ChanIiEE.Frame*)", "worker(gmp::Chan<int>)"},
      {"void pool::run(pool::run(Pool&, int)::_ZN4pool3runER4Pooli.Frame*)", "pool::run(Pool&, int)"},
      {"void f(f(std::vector<std::pair<int, long int> >)::_Z1fSt6vectorISt4pairIilESaIS1_EE.Frame*)", "f(std::vector<std::pair<int, long int> >)"},
      // a plain function, and clang
      {"int main(int, char**)", "int main(int, char**)"},
      {"Task<int> twice(int)", "Task<int> twice(int)"},
      {"", ""},
  };
  for (const auto& [raw, pretty] : table) EXPECT_EQ(detail::pretty_function(raw), pretty);
}

Task<> inner_wait(Chan<int> ch) { co_await ch.recv(); }
Task<> middle(Chan<int> ch) { co_await inner_wait(ch); }
Task<> outer(Chan<int> ch) { co_await middle(ch); }

/// The text of that g in a dump; empty: it is not there.
std::string block_of(const std::string& dump, const std::string& containing) {
  std::size_t begin = 0;
  while (begin < dump.size()) {
    const std::size_t end = std::min(dump.find("\n\n", begin), dump.size());
    const std::string block = dump.substr(begin, end - begin);
    if (block.find(containing) != std::string::npos) return block;
    begin = end + 2;
  }
  return {};
}

TEST(Dump, ShowsTheChainOfAwaitsAndTheCreator) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>();
    go(outer, ch);
    const int line = __LINE__ - 1;
    co_await until_waiting(detail::WaitReason::chan_receive, 1);
    const std::string block = block_of(debug::goroutines(Executor::current()), "inner_wait");
    EXPECT_TRUE(std::regex_search(block, std::regex(R"(^goroutine \d+ \[chan receive\]:\n)"))) << block;
    const std::size_t inner = block.find("inner_wait"), mid = block.find("middle"), out = block.find("outer");
    EXPECT_TRUE(inner < mid && mid < out && out != std::string::npos) << block;  // innermost first
    EXPECT_NE(block.find("dump_test.cpp:"), std::string::npos) << block;
    EXPECT_NE(block.find("dump_test.cpp:" + std::to_string(line) + "\n"), std::string::npos) << block;
    EXPECT_NE(block.find("created by goroutine "), std::string::npos) << block;
    ch.close();
  });
}

TEST(Dump, NamesEachReason) {
  on_executor([]() -> Task<> {
    Mutex mu;
    RWMutex rw;
    Cond cond(mu);
    WaitGroup wg, all;
    Semaphore sem(1);
    auto ch = make_chan<int>();
    auto full = make_chan<int>();
    wg.add(1);
    co_await rw.lock();
    co_await sem.acquire();
    co_await mu.lock();
    all.go([&]() -> Task<> {
      co_await mu.lock();
      mu.unlock();
    });
    all.go([&]() -> Task<> {
      co_await rw.lock();
      rw.unlock();
    });
    all.go([&]() -> Task<> {
      co_await rw.rlock();
      rw.runlock();
    });
    all.go([&]() -> Task<> { co_await wg.wait(); });
    all.go([&]() -> Task<> {
      co_await sem.acquire();
      sem.release();
    });
    all.go([&]() -> Task<> { co_await ch.recv(); });
    all.go([&]() -> Task<> {
      try {
        co_await full.send(1);
      } catch (const ClosedChannel&) {
      }
    });
    all.go([&]() -> Task<> { co_await select(recv(ch), recv(make_chan<int>())); });
    std::atomic<bool> over{false};
    all.go([&]() -> Task<> {
      while (!over) co_await gmp::sleep(50ms);
    });
    const char* const reasons[] = {"sync.Mutex.Lock", "sync.RWMutex.Lock", "sync.RWMutex.RLock", "sync.WaitGroup.Wait", "semacquire",
                                   "chan receive",    "chan send",         "select",             "sleep"};
    std::set<std::string> missing;
    do {  // until all of them sleep
      co_await gmp::sleep(1ms);
      const std::string dump = debug::goroutines(Executor::current());
      missing.clear();
      for (const char* reason : reasons) {
        if (dump.find(std::string("[") + reason + "]") == std::string::npos) missing.insert(reason);
      }
    } while (!missing.empty());
    over = true;
    ch.close();
    full.close();
    mu.unlock();
    rw.unlock();
    sem.release();
    wg.done();
    co_await all.wait();
  });
}

TEST(Dump, CutsALongChain) {
  on_executor([]() -> Task<> {
    struct Deep {
      static Task<> down(int n, Chan<int> ch) {
        if (n == 0)
          co_await ch.recv();
        else
          co_await down(n - 1, ch);
      }
    };
    auto ch = make_chan<int>();
    auto deep = spawn(Deep::down, 100'000, ch);
    co_await until_waiting(detail::WaitReason::chan_receive, 1);
    const std::string block = block_of(debug::goroutines(Executor::current()), "down");
    EXPECT_NE(block.find("...additional frames elided..."), std::string::npos);
    EXPECT_EQ(test::count(block, "dump_test.cpp:"), 100 + 1) << block;  // and the creator's line
    ch.close();
    co_await deep;
  });
}

// The promise is 10^5 gs in a second, here by the processor's time: the machine may be busy with others.
TEST(Dump, ShowsManyWithinASecond) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>();
    WaitGroup wg;
    const int gs = static_cast<int>(test::scaled(100'000, 1'000));
    for (int i = 0; i < gs; ++i) wg.go([&]() -> Task<> { co_await inner_wait(ch); });
    co_await until_waiting(detail::WaitReason::chan_receive, gs);
    const double before = test::cpu_seconds();
    const std::string dump = debug::goroutines(Executor::current());
    [[maybe_unused]] const double took = test::cpu_seconds() - before;
    EXPECT_EQ(test::count(dump, " [chan receive"), gs);
#if !GMPCORO_ASAN && !GMPCORO_TSAN
    EXPECT_LT(took, 1.0);
#endif
    ch.close();
    co_await wg.wait();
  });
}

// Frames are read while their gs are woken, run, end and are made anew: whatever is read is of one g, whole.
TEST(Dump, OfAProgramAtFullLoad) {
  on_executor([]() -> Task<> {
    std::atomic<bool> over{false};
    std::atomic<long> rounds{0};
    WaitGroup wg;
    auto ch = make_chan<int>(4);
    Mutex mu;
    const int gs = static_cast<int>(test::scaled(1'000, 100));
    for (int i = 0; i < gs; ++i) {
      wg.go([&, i]() -> Task<> {
        while (!over) {
          ++rounds;
          switch (i % 4) {
            case 0: co_await yield(); break;
            case 1: co_await select(send(ch, i), recv(ch)); break;
            case 2: {
              const auto guard = co_await mu.scoped_lock();
              co_await yield();
              break;
            }
            default: co_await spawn([]() -> Task<> { co_await yield(); });
          }
        }
      });
    }
    const std::regex head(R"(goroutine \d+( "[^"]*")? \[[a-zA-Z0-9 .()]+(, \d+ minutes)?\]:)");
    const int dumps = static_cast<int>(test::scaled(30, 5));
    for (int i = 0; i < dumps; ++i) {
      const std::string dump = debug::goroutines(Executor::current());
      std::set<std::string> seen;
      int count = 0;
      for (std::size_t at = 0; (at = dump.find("goroutine ", at)) != std::string::npos; ++at) {
        if (at != 0 && (dump[at - 1] != '\n' || dump[at - 2] != '\n')) continue;  // "created by goroutine"
        const std::string line = dump.substr(at, dump.find('\n', at) - at);
        EXPECT_TRUE(std::regex_match(line, head)) << line;
        EXPECT_TRUE(seen.insert(line.substr(0, line.find('['))).second) << "twice: " << line;
        ++count;
      }
      EXPECT_GT(count, gs / 2);
      const long before = rounds;
      while (rounds < before + gs) co_await yield();  // nobody is lost: they go on
    }
    over = true;
    while (auto v = ch.try_recv()) {
    }
    co_await wg.wait();
  });
}

}  // namespace
}  // namespace gmp::dump_test
