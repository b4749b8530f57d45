// src/debug/profile.cpp — where gs wait, and how long: the block and the mutex profile.
// Go: runtime/mprof.go (SetBlockProfileRate, blockevent, blocksampled, saveblockevent), runtime/pprof.  Room: debug (floor 6).
//
// An M that is about to run a g again tells how long it has waited; its frames still stand as they did.  Samples of one chain of awaits are added up
// under one lock: this is for programs that are looked into.  A wait shorter than the rate is taken with that probability, and counted as one of
// those that it stands for.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <limits>
#include <new>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "debug/dump.hpp"
#include "debug/pprof.hpp"
#include "gmp/debug.hpp"
#include "sched/trace.hpp"

namespace gmp::detail {

namespace {

constexpr std::size_t stack_depth_max = 32;   // Go's
constexpr std::size_t stacks_max = 1 << 16;   // more are not told apart: they are left out

struct Sum {
  std::vector<std::source_location> stack{};
  double contentions = 0, delay_ns = 0;
};
struct Profile {
  std::unordered_map<std::string, Sum> sums{};
};

constinit Lock profile_lock;
constinit std::int64_t started_ns = 0;  // profile_lock
Profile& block_profile() {  // profile_lock; never destroyed, as the next
  static Profile& all = *new Profile;
  return all;
}
Profile& mutex_profile() {
  static Profile& all = *new Profile;
  return all;
}

constinit Atomic<std::int64_t> block_rate{0};
constinit Atomic<int> mutex_fraction{0};

bool is_lock(WaitReason reason) noexcept {
  return reason == WaitReason::mutex_lock || reason == WaitReason::rwmutex_lock || reason == WaitReason::rwmutex_rlock;
}
bool is_block(WaitReason reason) noexcept {
  switch (reason) {
    case WaitReason::chan_receive:
    case WaitReason::chan_send:
    case WaitReason::select:
    case WaitReason::semacquire:
    case WaitReason::cond_wait:
    case WaitReason::waitgroup_wait:
    case WaitReason::once:
    case WaitReason::join:
    case WaitReason::all: return true;
    default: return is_lock(reason);
  }
}

void add(Profile& profile, const std::vector<std::source_location>& stack, double contentions, double delay_ns) {
  std::string key;
  for (const std::source_location& site : stack) key.append(reinterpret_cast<const char*>(&site), sizeof site);  // the compiler's pointer to the place
  LockGuard guard(profile_lock);
  const auto at = profile.sums.find(key);
  if (at == profile.sums.end() && profile.sums.size() == stacks_max) return;
  Sum& sum = at != profile.sums.end() ? at->second : profile.sums[key];
  if (sum.stack.empty()) sum.stack = stack;
  sum.contentions += contentions;
  sum.delay_ns += delay_ns;
}

// Under profile_lock.
void watch() {
  const bool wanted = block_rate.load(relaxed) > 0 || mutex_fraction.load(relaxed) > 0;
  if (wanted && started_ns == 0) started_ns = now_ns();
  if (wanted)
    watches.fetch_or(watch_blocks, relaxed);
  else
    watches.fetch_and(~std::uint32_t{watch_blocks}, relaxed);
}

void write(Profile& profile, const char* what, const std::string& path) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const auto fail = [&] { throw std::system_error(errno != 0 ? errno : EIO, std::generic_category(), std::string(what) + ": " + path); };
  if (!file) fail();
  std::vector<Sum> sums;
  std::int64_t duration_ns = 0;
  {
    LockGuard guard(profile_lock);
    for (const auto& [key, sum] : profile.sums) sums.push_back(sum);
    if (started_ns != 0) duration_ns = now_ns() - started_ns;
  }
  PprofWriter out;
  for (const Sum& sum : sums) out.add(sum.stack, static_cast<std::int64_t>(sum.contentions + 0.5), static_cast<std::int64_t>(sum.delay_ns + 0.5));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  file << out.finish(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(), duration_ns);
  file.close();
  if (!file) fail();
}

}  // namespace

void note_block(G* gp, std::int64_t waited_ns) noexcept {
  const WaitReason reason = gp->reason_;
  if (!is_block(reason)) return;
  const auto delay = static_cast<double>(std::max<std::int64_t>(waited_ns, 1));
  const auto rate = static_cast<double>(block_rate.load(relaxed));
  const int fraction = mutex_fraction.load(relaxed);
  const bool blocks = rate > 0 && (delay >= rate || cheap_random() < delay / rate * std::numeric_limits<std::uint32_t>::max());
  const bool locks = fraction > 0 && is_lock(reason) && cheap_random() % static_cast<std::uint32_t>(fraction) == 0;
  if (!blocks && !locks) return;
  try {
    std::vector<std::source_location> stack;
    for (const FrameLink* link = gp->leaf_; link != nullptr && stack.size() < stack_depth_max; link = link->parent_) {
      if (link->site_.line() != 0) stack.push_back(link->site_);
    }
    stack.push_back(gp->created_at_);
    if (blocks) add(block_profile(), stack, std::max(rate / delay, 1.0), std::max(rate, delay));
    if (locks) add(mutex_profile(), stack, fraction, delay * fraction);
  } catch (const std::bad_alloc&) {  // then it is not sampled
  }
}

}  // namespace gmp::detail

namespace gmp::debug {

void set_block_profile_rate(std::int64_t nanoseconds) {
  detail::LockGuard guard(detail::profile_lock);
  detail::block_rate.store(std::max<std::int64_t>(nanoseconds, 0), detail::relaxed);
  detail::watch();
}

int set_mutex_profile_fraction(int n) {
  detail::LockGuard guard(detail::profile_lock);
  const int before = detail::mutex_fraction.load(detail::relaxed);
  if (n < 0) return before;
  detail::mutex_fraction.store(n, detail::relaxed);
  detail::watch();
  return before;
}

void write_block_profile(const std::string& path) { detail::write(detail::block_profile(), "write_block_profile", path); }
void write_mutex_profile(const std::string& path) { detail::write(detail::mutex_profile(), "write_mutex_profile", path); }

}  // namespace gmp::debug
