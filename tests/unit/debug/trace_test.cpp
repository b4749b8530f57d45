// tests/unit/debug/trace_test.cpp — a trace is JSON that Perfetto reads: slices nest, arrows have two ends, and all that happened is there once.
// Go: runtime/trace/trace_test.go (TestTrace, TestTraceStress).  Room: debug (floor 6).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/net.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
#include "support/scale.hpp"
#include "support/text.hpp"

namespace gmp::trace_test {
namespace {

using namespace std::chrono_literals;

std::string path_of(const char* name) { return ::testing::TempDir() + "gmpcoro_trace_" + name + "_" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()) + ".json"; }

struct Event {
  std::string ph, name, cat, end, track_name;
  std::pair<int, int> track;
  long ts = 0, dur = 0;  // ns
  std::size_t line = 0;
  long id = 0, g = 0;
};

// The value of a key on a line; empty: it is not there. Lines are what this library writes: one event each, keys without blanks.
std::string value(const std::string& line, const std::string& key) {
  const std::size_t at = line.find("\"" + key + "\":");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + key.size() + 3;
  if (line[begin] == '"') return line.substr(begin + 1, line.find('"', begin + 1) - begin - 1);
  return line.substr(begin, line.find_first_of(",}", begin) - begin);
}

long ns(const std::string& us) {
  const std::size_t dot = us.find('.');
  return std::stol(us.substr(0, dot)) * 1000 + (dot != std::string::npos ? std::stol(us.substr(dot + 1)) : 0);
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Braces and brackets close what they open, outside of strings: with what is looked for on each line it will do for JSON.
void expect_balanced(const std::string& text) {
  std::string open;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      open += c;
    } else if (c == '}' || c == ']') {
      ASSERT_FALSE(open.empty()) << i;
      ASSERT_EQ(open.back(), c == '}' ? '{' : '[') << i;
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty() && !in_string);
}

// As Perfetto's importer takes them in: sorted by time, else in the order of the file; an end ends what was begun last on its track; an arrow belongs to
// what is open there. B and E become one X each; an arrow's ends know whose slice they found, as `end`.
std::vector<Event> slices_of(std::vector<Event> events) {
  for (std::size_t i = 0; i < events.size(); ++i) events[i].line = i;
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return std::pair(a.ts, a.line) < std::pair(b.ts, b.line); });
  std::map<std::pair<int, int>, std::vector<std::size_t>> open;
  std::map<int, std::pair<int, int>> named;  // by tid: threads are named by that alone
  std::vector<Event> result;
  for (Event& e : events) {
    std::vector<std::size_t>& stack = open[e.track];
    EXPECT_EQ(named.try_emplace(e.track.second, e.track).first->second, e.track);
    if (e.ph == "M" && e.name != "process_name") {
      EXPECT_NE(e.track.first, e.track.second) << "not a main thread";
    }
    if (e.ph == "E") {
      if (stack.empty()) {
        ADD_FAILURE() << "nothing is open at " << e.ts;
        continue;
      }
      Event& slice = result[stack.back()];
      stack.pop_back();
      EXPECT_EQ(slice.name + slice.cat, e.name + e.cat);
      slice.dur = e.ts - slice.ts;
      slice.end = e.end;
      continue;
    }
    if (e.ph == "B") {
      stack.push_back(result.size());
      e.ph = "X";
    } else if (e.ph == "s" || e.ph == "f") {
      if (stack.empty())
        ADD_FAILURE() << "an arrow from or to nowhere at " << e.ts;
      else
        e.end = result[stack.back()].cat;
    }
    result.push_back(e);
  }
  for (const auto& [track, stack] : open) EXPECT_TRUE(stack.empty()) << track.second;
  return result;
}

std::vector<Event> events_of(const std::string& path) {
  const std::string text = content(path);
  std::remove(path.c_str());
  expect_balanced(text);
  EXPECT_TRUE(text.starts_with("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")) << text.substr(0, 200);
  EXPECT_TRUE(text.ends_with("\n],\"otherData\":{\"lost\":\"0\"}}\n"));
  std::vector<Event> events;
  std::stringstream lines(text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && line[0] == '{') {
    Event e;
    e.ph = value(line, "ph");
    e.name = value(line, "name");
    e.cat = value(line, "cat");
    e.end = value(line, "end");
    e.track = {std::stoi(value(line, "pid")), std::stoi(value(line, "tid"))};
    if (e.ph == "M") {
      e.track_name = line.substr(line.find("\"args\":"));
    } else {
      e.ts = ns(value(line, "ts"));
    }
    EXPECT_EQ(line.find("\\u"), std::string::npos) << line;
    if (e.ph == "s" || e.ph == "f") {
      e.id = std::stol(value(line, "id"));
      e.g = std::stol(value(line, "g"));
    }
    events.push_back(e);
  }
  return slices_of(events);
}

// On each track a slice lies within another one or beside it; no g runs on two tracks at once; each arrow that arrives goes forward, from a slice to the
// beginning of a g's.
void expect_sound(const std::vector<Event>& events) {
  std::map<std::pair<int, int>, std::vector<const Event*>> tracks;
  std::map<std::string, std::vector<const Event*>> gs;
  std::map<long, std::pair<const Event*, const Event*>> arrows;
  for (const Event& e : events) {
    if (e.ph == "X") tracks[e.track].push_back(&e);
    if (e.ph == "X" && e.cat == "g") gs[e.name].push_back(&e);
    if (e.ph == "s") {
      EXPECT_EQ(std::exchange(arrows[e.id].first, &e), nullptr) << e.id;
    }
    if (e.ph == "f") {
      EXPECT_EQ(std::exchange(arrows[e.id].second, &e), nullptr) << e.id;
    }
  }
  const auto by_time = [](const Event* a, const Event* b) { return std::pair(a->ts, -a->dur) < std::pair(b->ts, -b->dur); };
  for (auto& [track, slices] : tracks) {
    std::sort(slices.begin(), slices.end(), by_time);
    std::vector<long> ends;
    for (const Event* e : slices) {
      while (!ends.empty() && ends.back() <= e->ts) ends.pop_back();
      if (!ends.empty()) {
        EXPECT_LE(e->ts + e->dur, ends.back()) << e->name << " on track " << track.second << " at " << e->ts;
      }
      ends.push_back(e->ts + e->dur);
    }
  }
  for (auto& [name, slices] : gs) {
    std::sort(slices.begin(), slices.end(), by_time);
    for (std::size_t i = 1; i < slices.size(); ++i) EXPECT_LE(slices[i - 1]->ts + slices[i - 1]->dur, slices[i]->ts) << name;
  }
  for (const auto& [id, arrow] : arrows) {
    ASSERT_NE(arrow.first, nullptr) << id;
    EXPECT_FALSE(arrow.first->end.empty()) << id;
    if (arrow.second == nullptr) {  // the trace was over before its g ran
      const auto& runs = gs["goroutine " + std::to_string(arrow.first->g)];
      EXPECT_TRUE(runs.empty() || runs.back()->ts < arrow.first->ts) << id;
      continue;
    }
    EXPECT_LE(arrow.first->ts, arrow.second->ts) << id;
    EXPECT_EQ(arrow.second->end, "g") << id;
    const auto& slices = tracks[arrow.second->track];
    EXPECT_TRUE(std::any_of(slices.begin(), slices.end(), [&](const Event* s) { return s->cat == "g" && s->ts == arrow.second->ts; })) << id;
  }
}

int count_if(const std::vector<Event>& events, const char* ph, const char* cat, const std::string& end = "") {
  return static_cast<int>(std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.ph == ph && e.cat == cat && (end.empty() || e.end == end); }));
}

TEST(Trace, HasASliceForEachRunAndAnArrowForEachWakeUp) {
  const std::string path = path_of("counts");
  Executor ex({.procs = 1, .name = "say \"hello\"", .max_hogs = 0});  // one M, and all that it notes is there when it stops
  ex.run([&]() -> Task<> {
    debug::trace_start(path);
    auto ch = make_chan<int>();
    auto yields = spawn([]() -> Task<> {
      for (int i = 0; i < 30; ++i) co_await yield();
    });
    auto receives = spawn([ch]() -> Task<> {
      while (co_await ch.recv()) {
      }
    });
    for (int i = 0; i < 5; ++i) {
      co_await ch.send(i);
      co_await yield();  // the receiver waits again
    }
    ch.close();
    co_await yields;
    co_await receives;
    debug::trace_stop();
  });
  const std::vector<Event> events = events_of(path);
  expect_sound(events);
  EXPECT_EQ(count_if(events, "X", "g", "end"), 2);
  EXPECT_EQ(count_if(events, "X", "g", "trace stopped"), 1);
  std::map<std::string, int> slices;
  for (const Event& e : events) slices[e.cat == "g" ? e.name : ""] += 1;
  std::vector<int> numbers;
  for (const auto& [name, n] : slices) {
    if (!name.empty()) numbers.push_back(n);
  }
  EXPECT_GE(*std::max_element(numbers.begin(), numbers.end()), 31);                                            // who yields thirty times, or is made to
  EXPECT_GE(count_if(events, "X", "g", "chan receive") + count_if(events, "X", "g", "chan send"), 5);  // for each value one waits
  const int waits = count_if(events, "X", "g", "chan receive") + count_if(events, "X", "g", "chan send") + count_if(events, "X", "g", "join");
  EXPECT_EQ(count_if(events, "s", "ready"), waits + 2);  // and the two that were started
  EXPECT_EQ(count_if(events, "f", "ready"), count_if(events, "s", "ready"));
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const Event& e) { return test::has(e.track_name, R"("say \"hello\"")"); }));
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const Event& e) { return test::has(e.track_name, "\"P0\""); }));
}

TEST(Trace, ShowsPollsBlockingCallsAndWhoLostItsP) {
  const std::string path = path_of("blocking");
  std::atomic<bool> over = false;
  Executor ex({.procs = 1}), patient({.procs = 1, .max_hogs = 0});
  debug::trace_start(path);
  patient.run([&]() -> Task<> {  // whose P is taken in the call, and not before it
    go([&]() -> Task<> {  // it runs while the other one blocks, so the P was taken
      over = true;
      over.notify_all();
      co_return;
    });
    auto call = [&] { over.wait(false); };
    co_await blocking(call);
  });
  over = false;
  ex.run([&]() -> Task<> {
    go([&]() -> Task<> {
      over = true;
      co_return;
    });
    while (!over) test::burn(1ms);
    net::Listener listener = net::listen("tcp", "127.0.0.1:0").value();
    auto dialled = spawn([](std::string address) -> Task<> { static_cast<void>(co_await net::dial("tcp", address)); }, listener.addr().to_string());
    static_cast<void>(co_await listener.accept());
    co_await dialled;
  });
  debug::trace_stop();
  const std::vector<Event> events = events_of(path);
  expect_sound(events);
  EXPECT_GE(count_if(events, "X", "blocking"), 2);  // one call, on two tracks
  EXPECT_GE(count_if(events, "X", "g", "lost its P"), 2);
  EXPECT_GE(count_if(events, "i", "netpoll"), 1);
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const Event& e) { return test::has(e.track_name, " without a P\""); }));
}

// Two Ps, and all that is to be done is queued on one of them.
TEST(Trace, ShowsWhoStoleFromWhom) {
  const std::string path = path_of("steals");
  Executor ex({.procs = 2});
  debug::trace_start(path);
  ex.run([&]() -> Task<> {
    const std::uint64_t before = debug::stats(&ex).steals;
    while (debug::stats(&ex).steals == before) {
      WaitGroup wg;
      for (int i = 0; i < 8; ++i) wg.go([] { test::burn(1ms); });
      co_await wg.wait();
    }
  });
  debug::trace_stop();
  static const std::regex stolen(R"re("cat":"steal","name":"steal",.*"args":\{"from":"P[01]"\})re");
  EXPECT_TRUE(std::regex_search(content(path), stolen));
  const std::vector<Event> events = events_of(path);
  expect_sound(events);
  EXPECT_GE(count_if(events, "i", "steal"), 1);
}

// Sessions one after the other, under load, from another thread, with executors that come and go: each is sound by itself.
TEST(Trace, UnderFullLoad) {
  Executor ex({.procs = 4});
  std::atomic<long> rounds{0};
  const int each = static_cast<int>(test::scaled(400, 100));
  std::vector<std::string> paths;
  std::atomic<bool> traced{false};
  std::thread load([&] {
    traced.wait(false);  // it may all be over before this thread has its CPU again
    ex.run([&]() -> Task<> {
      WaitGroup wg;
      for (int i = 0; i < 8; ++i) {
        wg.go([&]() -> Task<> {
          auto ch = make_chan<int>();
          for (int j = 0; j < each; ++j) {
            go([ch]() -> Task<> { co_await ch.send(1); });
            co_await ch.recv();
            ++rounds;
            if (j % 8 == 0) co_await gmp::sleep(20us);
            if (j % 16 == 0) {
              auto nothing = [] {};
              co_await blocking(nothing);
            }
          }
        });
      }
      co_await wg.wait();
    });
  });
  constexpr int sessions = 6;
  for (int i = 0; i < sessions; ++i) {
    paths.push_back(path_of("load"));
    debug::trace_start(paths.back());
    traced = true;
    traced.notify_all();
    Executor({.procs = 1}).run([]() -> Task<> { co_await yield(); });
    const long until = 8L * each * (i + 1) / sessions;
    while (rounds < until) std::this_thread::yield();
    debug::trace_stop();
  }
  load.join();
  int received = 0;
  for (const std::string& path : paths) {
    const std::vector<Event> events = events_of(path);
    expect_sound(events);
    EXPECT_GE(count_if(events, "X", "g", "yield"), 1);
    received += count_if(events, "X", "g", "chan receive");
  }
  EXPECT_GT(received, 0);
}

TEST(Trace, RefusesASecondOneAndAFileThatCannotBe) {
  EXPECT_THROW(debug::trace_start("/no/such/folder/trace.json"), std::system_error);
  debug::trace_stop();  // nobody traces: nothing happens
  const std::string path = path_of("second");
  debug::trace_start(path);
  EXPECT_THROW(debug::trace_start(path + "2"), std::logic_error);
  debug::trace_stop();
  EXPECT_TRUE(events_of(path).empty());
  debug::trace_start(path);
  debug::trace_stop();
  std::remove(path.c_str());
}

TEST(Trace, SaysThatADiskIsFull) {
  if (!std::ofstream("/dev/full")) GTEST_SKIP() << "there is no /dev/full";
  debug::trace_start("/dev/full");
  Executor({.procs = 1}).run([] {});
  EXPECT_THROW(debug::trace_stop(), std::system_error);
}

}  // namespace
}  // namespace gmp::trace_test
