// src/sys/lock.cpp — the contended side of the runtime's short lock.
// Go: runtime/lock_futex.go (lock2).  Room: sys (floor 1).
#include "gmp/detail/sys/lock.hpp"

#include <algorithm>

#include "sys/os.hpp"

namespace gmp::detail {

namespace {

constexpr int pauses_first = 32;  // half a microsecond
constexpr int rounds = 3;         // each twice as long: a holder that runs is done within these
constexpr int yields_max = 16;  // one that waits for this CPU gets it
constexpr std::int64_t shortest_nap_ns = 10'000;
constexpr std::int64_t longest_nap_ns = 200'000;

}  // namespace

// Who finds it held stays away for a while.  Looking at once, and again and again, takes the line from the holder, who is about to take it back:
// four gs that send and four that receive on one channel, on two CPUs, 146 ns a value.  So the holder does some dozens of them in its own cache
// first: 33 ns.
void Lock::lock_slow() noexcept {
  const auto taken = [this] { return state_.load(relaxed) == 0 && try_lock(); };  // looks first: a failed RMW takes the holder's line away
  for (int round = 0, pauses = pauses_first; round < rounds; ++round, pauses *= 2) {
    for (int i = 0; i < pauses; ++i) cpu_pause();
    if (taken()) return;
  }
  for (int yield = 0; yield < yields_max; ++yield) {
    if (taken()) return;
    sys::yield_thread();
  }
  for (std::int64_t nap = shortest_nap_ns; !taken(); nap = std::min(2 * nap, longest_nap_ns)) sys::sleep_ns(nap);
}

}  // namespace gmp::detail
