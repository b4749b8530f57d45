// src/sched/latency.hpp — how long gs are runnable before they run: who is timed, and the histogram of one P.
// Go: runtime/proc.go (casgstatus, gTrackingPeriod), runtime/histogram.go.  Room: sched (floor 2).
//
// Go times each eighth transition of every g, by fields of the g.  Here the G is full, and two looks at the clock, 25 ns each, are more than all the rest
// of a yield: even of one in 61 they were 3 % of a channel's hand-over.  So about one round in 500 of a P's loop is timed, drawn at random: whatever
// becomes runnable during it gets the time stamped on, and who runs a g that bears a stamp counts it.  All others pay two loads and a branch to be made
// ready, a load and a branch to be run.  From threads that are none of the executor's Ms it is one in 61 calls of a thread, which take longer.
//   LH1  the stamp lies in schedlink_, which is free while a g is runnable: it is written by who made the g runnable, before it is queued, and read by
//        the M that took it off.  A global queue without memory (GQ2) links gs by that field, and leaves null: their stamps are lost.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sched/g.hpp"
#include "gmp/detail/sched/stats.hpp"

namespace gmp::detail {

inline constexpr std::uint32_t latency_gap_max = 1000;  // rounds from one that is timed to the next
inline constexpr std::uint32_t latency_calls = 61;      // of a foreign thread

static_assert(sizeof(G*) >= sizeof(std::int64_t), "LH1");

inline bool has_stamp(const G* gp) noexcept { return gp->schedlink_ != nullptr; }
inline void put_stamp(G* gp, std::int64_t now) noexcept { gp->schedlink_ = reinterpret_cast<G*>(now); }
inline std::int64_t take_stamp(G* gp) noexcept {
  const auto when = reinterpret_cast<std::int64_t>(gp->schedlink_);
  gp->schedlink_ = nullptr;
  return when;
}

class LatencyHistogram : Immovable {
 public:
  /// By the P's owner.
  void note(std::int64_t ns) noexcept {
    Atomic<std::uint64_t>& count = counts_[bucket(ns)];
    count.store(count.load(relaxed) + 1, relaxed);
  }
  /// By anybody.
  void add_to(debug::Latencies& sum) const noexcept {
    for (std::size_t i = 0; i < debug::Latencies::buckets; ++i) sum.counts[i] += counts_[i].load(relaxed);
  }
  static std::size_t bucket(std::int64_t ns) noexcept {
    const auto bits = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0))));
    return std::min(bits, debug::Latencies::buckets - 1);
  }

 private:
  Atomic<std::uint64_t> counts_[debug::Latencies::buckets] = {};
};

}  // namespace gmp::detail
