// tests/unit/debug/profile_test.cpp — block and mutex profiles: each wait is there once, with its chain of awaits and its time; pprof reads them.
// Go: runtime/pprof/pprof_test.go (TestBlockProfile, TestBlockProfileBias, TestMutexProfile), runtime/pprof/proto_test.go.  Room: debug (floor 6).
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
#include "support/child.hpp"
#include "support/text.hpp"
#include "support/waiting.hpp"
#include "unit/sync/parked.hpp"

namespace gmp::profile_test {
namespace {

using namespace std::chrono_literals;
namespace child = test::child;
using test::until_waiting;

std::string path_of(const char* name) {
  return ::testing::TempDir() + "gmpcoro_profile_" + name + "_" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()) + ".pb";
}

// ---- profile.proto, read

struct Fields {
  std::multimap<unsigned, std::uint64_t> numbers;
  std::multimap<unsigned, std::string_view> bytes;
};

std::uint64_t varint(std::string_view& in) {
  std::uint64_t value = 0;
  for (int shift = 0; !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in[0]);
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  ADD_FAILURE() << "a varint without an end";
  return 0;
}

std::vector<std::uint64_t> packed(std::string_view in) {
  std::vector<std::uint64_t> values;
  while (!in.empty()) values.push_back(varint(in));
  return values;
}

Fields fields_of(std::string_view in) {
  Fields found;
  while (!in.empty()) {
    const std::uint64_t key = varint(in);
    if (key % 8 == 0) {
      found.numbers.emplace(static_cast<unsigned>(key / 8), varint(in));
    } else {
      EXPECT_EQ(key % 8, 2u);
      const std::uint64_t size = varint(in);
      EXPECT_LE(size, in.size());
      found.bytes.emplace(static_cast<unsigned>(key / 8), in.substr(0, size));
      in.remove_prefix(std::min<std::size_t>(size, in.size()));
    }
  }
  return found;
}

std::uint64_t number(const Fields& f, unsigned key) {
  const auto at = f.numbers.find(key);
  return at != f.numbers.end() ? at->second : 0;
}

struct Sample {
  std::vector<std::string> stack;  // function:line, innermost first
  std::uint64_t contentions = 0, delay_ns = 0;
};

std::vector<Sample> samples_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  const std::string bytes = text.str();
  const Fields profile = fields_of(bytes);
  std::vector<std::string> table;
  for (auto [at, end] = profile.bytes.equal_range(6); at != end; ++at) table.emplace_back(at->second);
  EXPECT_EQ(table.at(0), "");
  std::vector<std::string> units;
  for (auto [at, end] = profile.bytes.equal_range(1); at != end; ++at) {
    const Fields type = fields_of(at->second);
    units.push_back(table.at(number(type, 1)) + "/" + table.at(number(type, 2)));
  }
  EXPECT_EQ(units, (std::vector<std::string>{"contentions/count", "delay/nanoseconds"}));
  std::map<std::uint64_t, std::string> functions, locations;
  for (auto [at, end] = profile.bytes.equal_range(5); at != end; ++at) {
    const Fields f = fields_of(at->second);
    functions[number(f, 1)] = table.at(number(f, 2));
    EXPECT_NE(table.at(number(f, 4)), "");
  }
  for (auto [at, end] = profile.bytes.equal_range(4); at != end; ++at) {
    const Fields f = fields_of(at->second);
    const Fields line = fields_of(f.bytes.find(4)->second);
    locations[number(f, 1)] = functions.at(number(line, 1)) + ":" + std::to_string(number(line, 2));
  }
  std::vector<Sample> samples;
  for (auto [at, end] = profile.bytes.equal_range(2); at != end; ++at) {
    const Fields f = fields_of(at->second);
    Sample s;
    for (const std::uint64_t id : packed(f.bytes.find(1)->second)) s.stack.push_back(locations.at(id));
    const auto values = packed(f.bytes.find(2)->second);
    s.contentions = values.at(0);
    s.delay_ns = values.at(1);
    samples.push_back(s);
  }
  return samples;
}

// A profile is of the whole process: what came since the last reading of those samples with a frame in that function.
class Since {
 public:
  Since(void (*write)(const std::string&), std::string function) : write_(write), function_(std::move(function)), before_(sum()) {}
  Sample sum() const;
  std::uint64_t contentions() const { return sum().contentions - before_.contentions; }
  std::uint64_t delay_ns() const { return sum().delay_ns - before_.delay_ns; }
  std::vector<std::string> stack() const { return sum().stack; }

 private:
  void (*write_)(const std::string&);
  std::string function_;
  Sample before_;
};

// Those with a frame in that function.
std::vector<Sample> within(const std::vector<Sample>& all, const std::string& function) {
  std::vector<Sample> found;
  for (const Sample& s : all) {
    for (const std::string& frame : s.stack) {
      if (!test::has(frame, function)) continue;
      found.push_back(s);
      break;
    }
  }
  return found;
}

Sample Since::sum() const {
  const std::string path = path_of("since");
  write_(path);
  Sample all;
  for (const Sample& s : within(samples_of(path), function_)) {
    all.stack = s.stack;
    all.contentions += s.contentions;
    all.delay_ns += s.delay_ns;
  }
  std::remove(path.c_str());
  return all;
}

// ---- what is profiled

constexpr int waiters = 5;
constexpr auto held = 20ms;

Task<> lock_inner(Mutex& mu) {
  co_await mu.lock();
  mu.unlock();
}
Task<> lock_outer(Mutex& mu) { co_await lock_inner(mu); }

// As many gs wait for a lock that is held as long.
Task<> contend() {
  Mutex mu;
  WaitGroup all;
  co_await mu.lock();
  for (int i = 0; i < waiters; ++i) all.go(lock_outer, std::ref(mu));
  co_await test::until_parked(waiters, "sync.Mutex.Lock");  // queued: who says that he waits, and is late to queue, may find it free
  co_await gmp::sleep(held);
  mu.unlock();
  co_await all.wait();
}

Task<> receive_one(Chan<int> ch) { co_await ch.recv(); }
Task<> nap() { co_await gmp::sleep(1ms); }

TEST(Profile, HasEachWaitWithItsChainAndItsTime) {
  const Since locks(debug::write_block_profile, "lock_inner"), receives(debug::write_block_profile, "receive_one"), naps(debug::write_block_profile, "nap");
  Executor ex;  // $GMPMAXPROCS
  debug::set_block_profile_rate(1);
  ex.run(contend);
  ex.run([]() -> Task<> {
    auto ch = make_chan<int>();
    for (int i = 0; i < 3; ++i) {
      auto receiver = spawn(receive_one, ch);
      co_await until_waiting(detail::WaitReason::chan_receive, 1);
      co_await ch.send(1);
      co_await receiver;
    }
    co_await nap();
  });
  debug::set_block_profile_rate(0);
  ex.run(contend);  // is not in it
  EXPECT_EQ(locks.contentions(), std::uint64_t{waiters});
  EXPECT_GE(locks.delay_ns(), static_cast<std::uint64_t>(waiters * std::chrono::nanoseconds(held).count()));
  const auto stack = locks.stack();
  ASSERT_GE(stack.size(), 3u);
  EXPECT_TRUE(test::has(stack[0], "lock_inner")) << stack[0];
  EXPECT_TRUE(test::has(stack[1], "lock_outer")) << stack[1];
  EXPECT_TRUE(test::has(stack.back(), "contend")) << stack.back();
  EXPECT_EQ(receives.contentions(), 3u);
  EXPECT_EQ(naps.contentions(), 0u);
}

TEST(Profile, OfMutexesTakesOneInSoMany) {
  const Since locks(debug::write_mutex_profile, "lock_inner"), receives(debug::write_mutex_profile, "receive_one");
  Executor ex;
  EXPECT_EQ(debug::set_mutex_profile_fraction(-1), 0);
  EXPECT_EQ(debug::set_mutex_profile_fraction(3), 0);
  EXPECT_EQ(debug::set_mutex_profile_fraction(1), 3);
  ex.run(contend);
  ex.run([]() -> Task<> {
    auto ch = make_chan<int>();
    auto receiver = spawn(receive_one, ch);
    co_await ch.send(1);
    co_await receiver;
  });
  EXPECT_EQ(debug::set_mutex_profile_fraction(0), 1);
  ex.run(contend);
  EXPECT_EQ(locks.contentions(), std::uint64_t{waiters});
  EXPECT_EQ(receives.contentions(), 0u);
}

// A rate far above each wait: few are taken, and they stand for all. TestBlockProfileBias.
Task<> wait_briefly(Chan<int> ch) {
  while (true) {
    const auto value = co_await ch.recv();
    if (!value) break;
  }
}

TEST(Profile, ASampleStandsForThoseThatWereNotTaken) {
  constexpr int values = 3'000;
  constexpr auto wait = 20us;
  const Since receives(debug::write_block_profile, "wait_briefly");
  Executor ex({.procs = 1});
  debug::set_block_profile_rate(std::chrono::nanoseconds(wait).count() * 5);
  ex.run([&]() -> Task<> {
    auto ch = make_chan<int>();
    auto receiver = spawn(wait_briefly, ch);
    for (int i = 0; i < values; ++i) {
      co_await yield();
      test::burn(wait);
      co_await ch.send(i);
    }
    ch.close();
    co_await receiver;
  });
  debug::set_block_profile_rate(0);
  EXPECT_GT(receives.contentions(), std::uint64_t{values / 2});
  EXPECT_LT(receives.contentions(), std::uint64_t{values * 2});
  EXPECT_GT(receives.delay_ns(), static_cast<std::uint64_t>(values / 2 * std::chrono::nanoseconds(wait).count()));
}

TEST(Profile, SaysThatAFileCannotBe) {
  EXPECT_THROW(debug::write_block_profile("/no/such/folder/block.pb"), std::system_error);
  EXPECT_THROW(debug::write_mutex_profile("/no/such/folder/mutex.pb"), std::system_error);
}

// Where there is Go: in $PATH, or where Debian puts it.
std::string go_tool() {
  std::vector<std::string> folders;
  std::stringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');) folders.push_back(folder);
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib", none)) {
    if (entry.path().filename().string().starts_with("go-")) folders.push_back(entry.path().string() + "/bin");
  }
  for (const std::string& folder : folders) {
    if (std::filesystem::is_regular_file(folder + "/go", none)) return folder + "/go";
  }
  return {};
}

TEST(Profile, IsReadByGoToolPprof) {
  const std::string go = go_tool();
  if (go.empty()) GTEST_SKIP() << "there is no Go";
  Executor ex;
  debug::set_block_profile_rate(1);
  debug::set_mutex_profile_fraction(1);
  ex.run(contend);
  debug::set_block_profile_rate(0);
  debug::set_mutex_profile_fraction(0);
  for (const auto write : {debug::write_block_profile, debug::write_mutex_profile}) {
    const std::string path = path_of("pprof");
    write(path);
    const auto top = child::run_program({go, "tool", "pprof", "-top", "-sample_index=delay", path}, {.environment = {"HOME=" + ::testing::TempDir(), "PPROF_TMPDIR=" + ::testing::TempDir()}});
    EXPECT_EQ(top.status, 0) << top;
    EXPECT_TRUE(test::has(top.out, "Type: delay")) << top;
    EXPECT_TRUE(test::has(top.out, "lock_inner")) << top;
    EXPECT_TRUE(test::has(top.out, "lock_outer")) << top;
    std::remove(path.c_str());
  }
}

}  // namespace
}  // namespace gmp::profile_test
