// tests/unit/debug/dump_test.cpp — the dump shows every goroutine: what it waits for, where, and who started it; also while they run.
// Go: runtime/traceback_test.go, runtime/crash_test.go.  Room: debug (floor 6).
#include "debug/dump.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
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
    EXPECT_EQ(test::count(dump, " (" + std::to_string(gs) + " in all) [chan receive"), 1) << dump;
#if !GMPCORO_ASAN && !GMPCORO_TSAN
    EXPECT_LT(took, 1.0);
#endif
    ch.close();
    co_await wg.wait();
  });
}

// Frames are read while their gs are woken, run, end and are made anew: whatever is read is of one g, whole.
TEST(Dump, OfAProgramAtFullLoad) {
  Executor ex;  // $GMPMAXPROCS
  std::atomic<bool> over{false};
  std::atomic<long> rounds{0};
  WaitGroup wg;
  auto ch = make_chan<int>(4);
  Mutex mu;
  const int gs = static_cast<int>(test::scaled(1'000, 100));
  ex.run([&]() -> Task<> {
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
    co_return;
  });
  const std::regex head(R"((goroutine \d+|goroutines [\d, .]+ \(\d+ in all\)) \[[a-zA-Z0-9 .()]+(, \d+ minutes)?\]:)");
  const int dumps = static_cast<int>(test::scaled(30, 5));
  for (int i = 0; i < dumps; ++i) {
    const std::string dump = debug::goroutines(&ex);
    for (std::size_t at = 0; (at = dump.find("goroutine", at)) != std::string::npos; ++at) {
      if (at != 0 && (dump[at - 1] != '\n' || dump[at - 2] != '\n')) continue;  // "created by goroutine"
      const std::string line = dump.substr(at, dump.find('\n', at) - at);
      EXPECT_TRUE(std::regex_match(line, head)) << line;
    }
    std::set<std::uint64_t> seen;
    for (const GInfo& g : debug::goroutine_infos(&ex)) EXPECT_TRUE(seen.insert(g.id).second) << "twice: " << g.id;
    EXPECT_GT(seen.size(), static_cast<std::size_t>(gs) / 2);
    const long before = rounds;
    while (rounds < before + gs) std::this_thread::yield();  // nobody is lost: they go on
  }
  over = true;
  ex.run([&]() -> Task<> {
    while (auto v = ch.try_recv()) {
    }
    co_await wg.wait();
  });
}

std::string hex(const void* object) { return detail::address_of(object); }

TEST(Dump, NamesTheDescriptorAndTheGoroutineThatAreWaitedFor) {
  on_executor([]() -> Task<> {
    test::ConnPair pair = co_await test::conn_pair();
    const int number = pair.a.native_handle();
    std::uint64_t reader = 0;
    auto read = spawn([&]() -> Task<> {
      reader = this_g::id();
      std::array<char, 1> byte;
      static_cast<void>(co_await pair.a.read(byte));
    });
    auto joins = spawn([&]() -> Task<> { co_await read; });
    co_await until_waiting(detail::WaitReason::join, 1);
    co_await until_waiting(detail::WaitReason::io_wait, 1);
    std::string of_reader, of_joiner;
    while (of_reader.empty()) {  // who has lost his P tries again
      co_await yield();
      for (const GInfo& g : debug::goroutine_infos(Executor::current())) {
        if (g.id == reader) of_reader = g.waits_on;
        if (g.wait_reason == "join") of_joiner = g.waits_on;
      }
    }
    EXPECT_EQ(of_reader, "descriptor " + std::to_string(number));
    EXPECT_EQ(of_joiner, "goroutine " + std::to_string(reader));
    pair.b.close();
    co_await joins;
  });
}

TEST(Dump, SaysWhatEachWaitsOn) {
  on_executor([]() -> Task<> {
    Mutex mu;
    RWMutex rw;
    Cond cond(mu);
    WaitGroup wg, all;
    Semaphore sem(1);
    Once once;
    auto ch = make_chan<int>(), full = make_chan<int>(), other = make_chan<int>();
    wg.add(1);
    co_await rw.lock();
    co_await sem.acquire();
    co_await mu.lock();
    const auto waits = [&all](const char* name, auto f) {
      all.go([name, f]() -> Task<> {
        this_g::set_name(name);
        co_await f();
      });
    };
    auto lock = [&]() -> Task<> { const auto guard = co_await mu.scoped_lock(); };
    auto write = [&]() -> Task<> { const auto guard = co_await rw.scoped_lock(); };
    auto read = [&]() -> Task<> { const auto guard = co_await rw.scoped_rlock(); };
    auto group = [&]() -> Task<> { co_await wg.wait(); };
    auto acquire = [&]() -> Task<> {
      co_await sem.acquire();
      sem.release();
    };
    auto receive = [&]() -> Task<> { co_await ch.recv(); };
    auto give_up = [&]() -> Task<> { static_cast<void>(co_await timeout(1h, ch.recv())); };
    auto choose = [&]() -> Task<> { co_await select(recv(ch), recv(other)); };
    auto doze = [&]() -> Task<> { static_cast<void>(co_await timeout(2h, gmp::sleep(1h))); };
    auto first = [&]() -> Task<> { co_await full.recv(); };
    auto call = [&]() -> Task<> { co_await once.call(first); };
    waits("lock", lock);
    waits("write", write);
    waits("read", read);
    waits("group", group);
    waits("acquire", acquire);
    waits("receive", receive);
    waits("give up", give_up);
    waits("choose", choose);
    waits("first", call);
    co_await until_waiting(detail::WaitReason::chan_receive, 3);
    waits("once", call);
    auto sleeper = spawn([&]() -> Task<> {
      this_g::set_name("doze");
      co_await doze();
    });
    while (true) {
      const auto infos = debug::goroutine_infos(Executor::current());
      if (std::count_if(infos.begin(), infos.end(), [](const GInfo& g) { return !g.waits_on.empty(); }) >= 11) break;
      co_await gmp::sleep(1ms);
    }
    const auto on = [&](const std::string& name) {
      for (const GInfo& g : debug::goroutine_infos(Executor::current())) {
        if (g.name == name) return g.waits_on;
      }
      return std::string("nobody");
    };
    EXPECT_EQ(on("lock"), "gmp::Mutex " + hex(&mu));
    EXPECT_EQ(on("write"), "gmp::RWMutex " + hex(&rw));
    EXPECT_EQ(on("read"), "gmp::RWMutex " + hex(&rw));
    EXPECT_EQ(on("group"), "gmp::WaitGroup " + hex(&wg));
    EXPECT_EQ(on("acquire"), "gmp::Semaphore " + hex(&sem));
    EXPECT_TRUE(on("receive").starts_with("chan 0x")) << on("receive");
    EXPECT_EQ(on("give up"), on("receive"));
    const std::string one = on("receive").substr(5);
    EXPECT_TRUE(on("choose").starts_with("chan 0x")) << on("choose");
    EXPECT_NE(on("choose").find(one), std::string::npos) << on("choose");
    EXPECT_NE(on("choose").find(", 0x"), std::string::npos) << on("choose");
    EXPECT_TRUE(on("once").starts_with("gmp::Once 0x")) << on("once");
    EXPECT_TRUE(std::regex_match(on("doze"), std::regex("a timer due in (3600|35[0-9]{2})s"))) << on("doze");
    const std::string dump = debug::goroutines(Executor::current());
    EXPECT_NE(block_of(dump, "\"lock\"").find("\nwaits on gmp::Mutex " + hex(&mu) + "\ncreated by "), std::string::npos) << dump;
    ch.close();
    full.close();
    other.close();
    rw.unlock();
    sem.release();
    wg.done();
    bool told = false;
    all.go([&]() -> Task<> {
      const auto guard = co_await mu.scoped_lock();
      this_g::set_name("cond");
      while (!told) co_await cond.wait();
    });
    mu.unlock();
    co_await until_waiting(detail::WaitReason::cond_wait, 1);
    EXPECT_EQ(on("cond"), "gmp::Cond " + hex(&cond));
    {
      const auto guard = co_await mu.scoped_lock();
      told = true;
      cond.signal();
    }
    co_await all.wait();
  });
}

TEST(Dump, ShowsThoseThatAreAlikeOnce) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>(), other = make_chan<int>();
    WaitGroup wg;
    const Chan<int> both[] = {ch, other};
    for (int i = 0; i < 20; ++i) wg.go([&, i]() -> Task<> { co_await inner_wait(both[i % 2]); });
    for (int i = 0; i < 4; ++i) wg.go([&]() -> Task<> { co_await inner_wait(ch); });  // too few
    for (int i = 0; i < 6; ++i) {                                                        // too different
      wg.go([&, i]() -> Task<> {
        this_g::set_name(std::to_string(i));
        co_await inner_wait(ch);
      });
    }
    for (int i = 0; i < 5; ++i) wg.go([&, i]() -> Task<> { static_cast<void>(co_await timeout(std::chrono::hours(i + 1), ch.recv())); });
    co_await until_waiting(detail::WaitReason::chan_receive, 35);
    const std::string dump = debug::goroutines(Executor::current());
    EXPECT_TRUE(dump.starts_with("goroutine ")) << dump;  // the first one
    EXPECT_EQ(test::count(dump, " in all)"), 2) << dump;
    const std::string many = block_of(dump, "(20 in all)");
    EXPECT_TRUE(std::regex_search(many, std::regex(R"(^goroutines (\d+, ){10}\.\.\. \(20 in all\) \[chan receive\]:\n)"))) << dump;
    EXPECT_EQ(test::count(many, "inner_wait"), 1) << many;
    EXPECT_TRUE(std::regex_search(many, std::regex(R"(\nwaits on chan 0x[0-9a-f]+ and chan 0x[0-9a-f]+\ncreated by goroutine \d+ at )"))) << many;
    EXPECT_TRUE(std::regex_search(block_of(dump, "(5 in all)"), std::regex(R"(^goroutines \d+, \d+, \d+, \d+, \d+ \(5 in all\) \[)"))) << dump;
    EXPECT_EQ(test::count(dump, "\ngoroutine "), 4 + 6) << dump;
    ch.close();
    other.close();
    co_await wg.wait();
  });
}

TEST(Dump, ShowsTheFirstAlone) {
  Executor ex({.procs = 1});
  auto ch = make_chan<int>();
  for (int i = 0; i < 8; ++i) ex.go(inner_wait, ch);
  ex.run([]() -> Task<> { co_await until_waiting(detail::WaitReason::chan_receive, 8); });
  const std::string dump = debug::goroutines(&ex);
  EXPECT_TRUE(std::regex_search(dump, std::regex(R"(^goroutine \d+ \[chan receive\]:\n)"))) << dump;
  EXPECT_EQ(test::count(dump, "(7 in all)"), 1) << dump;
  ch.close();
}

// While 10^5 gs are dumped, over and over, others wake each other at full load. A g that is woken while its frames are read is queued by the
// dump: it may be late by that, and by nothing that lasts as long as a dump. The machine makes gs late, too, when it takes a CPU away: so much as with
// a thread in the dump's place that computes. They take turns, so that both have their share of what else the machine does.
TEST(Dump, HoldsNobodyUp) {
  Executor ex({.procs = 2});
  const int parked = static_cast<int>(test::scaled(100'000, 2'000));
  constexpr int pairs = 100;
  constexpr auto late = std::chrono::milliseconds(1);
  auto ch = make_chan<int>();
  std::atomic<long> woken{0}, lates{0};
  std::atomic<bool> over{false};
  for (int i = 0; i < parked; ++i) ex.go([&]() -> Task<> { co_await inner_wait(ch); });
  for (int i = 0; i < pairs; ++i) {
    auto to = make_chan<std::chrono::steady_clock::time_point>();
    ex.go([&, to]() -> Task<> {
      while (!over) co_await to.send(std::chrono::steady_clock::now());
      to.close();
    });
    ex.go([&, to]() -> Task<> {
      while (const auto sent = co_await to.recv()) {
        if (std::chrono::steady_clock::now() - *sent > late) lates.fetch_add(1, std::memory_order_relaxed);
        woken.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  ex.run([&]() -> Task<> { co_await until_waiting(detail::WaitReason::chan_receive, parked); });
  // The wake-ups while something went on, and which part of them came late.
  struct Share {
    long woken = 0, lates = 0;
    std::chrono::steady_clock::duration took{};
    double late() const { return static_cast<double>(lates) / static_cast<double>(woken); }
  };
  const auto note = [&](Share& share, auto step) {
    const long before = woken, late_before = lates;
    const auto begin = std::chrono::steady_clock::now();
    step();
    share.took += std::chrono::steady_clock::now() - begin;
    share.lates += lates - late_before;
    share.woken += woken - before;
  };
  Share burner, dumper;
  const auto each = std::chrono::milliseconds(test::scaled(700, 100));
  do {
    note(dumper, [&] { EXPECT_FALSE(debug::goroutines(&ex).empty()); });
    do {
      note(burner, [] { test::burn(5ms); });
    } while (burner.took < dumper.took);
  } while (dumper.took < each || std::min(burner.woken, dumper.woken) < 1'000);
  RecordProperty("late_with_burner", std::to_string(burner.late()));
  RecordProperty("late_with_dump", std::to_string(dumper.late()));
  EXPECT_LT(dumper.late(), 2 * burner.late() + 0.01);
  over = true;
  ch.close();
  ex.stop();  // before what its gs use is gone
}

// The same for one below a hundred thousand frames, of whom the dump reads a hundred: it is looked at nearly all the time, so most of its wake-ups
// find the dump at it.
TEST(Dump, HoldsUpNobodyBelowALongChain) {
  using Clock = std::chrono::steady_clock;
  Executor ex({.procs = 1});
  auto to = make_chan<Clock::time_point>();
  std::vector<Clock::duration> delays;
  struct Deep {
    static Task<> down(int n, Chan<Clock::time_point> from, std::vector<Clock::duration>& delays) {
      if (n > 0) {
        co_await down(n - 1, from, delays);
      } else {
        while (const auto sent = co_await from.recv()) delays.push_back(Clock::now() - *sent);
      }
    }
  };
  auto deep = ex.spawn(Deep::down, 100'000, to, std::ref(delays));
  std::atomic<bool> over{false};
  auto sender = ex.spawn([&]() -> Task<> {
    co_await until_waiting(detail::WaitReason::chan_receive, 1);
    for (std::int64_t i = test::scaled(2'000, 300); i > 0; --i) {
      co_await to.send(Clock::now());
      co_await gmp::sleep(50us);
    }
    to.close();
    over = true;
  });
  while (!over) static_cast<void>(debug::goroutines(&ex));
  sender.get();
  deep.get();
  std::sort(delays.begin(), delays.end());
  RecordProperty("median_ns", std::to_string(std::chrono::nanoseconds(delays[delays.size() / 2]).count()));
  EXPECT_LT(delays[delays.size() / 2], 1ms);
#if !GMPCORO_ASAN && !GMPCORO_TSAN
  EXPECT_LT(delays[delays.size() / 2], 50us) << "to read all takes more than 100 us";
#endif
}

}  // namespace
}  // namespace gmp::dump_test
