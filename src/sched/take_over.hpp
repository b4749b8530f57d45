// src/sched/take_over.hpp — sysmon takes a P from an M that computes or blocks: what it saw, what must still hold, who is counted.
// Go: runtime/proc.go (retake, handoffp, exitsyscall).  Room: sched (floor 2).
//
// claim.hpp says who may touch a P.  Here is what is taken, and from whom.  sysmon looks at a P twice, a slice apart, or some microseconds
// of blocking(f); if nothing has moved it asks for the P, waits for the barrier of that round, and looks a third time.
//
//   TO1  what is taken is the P that was looked at, from the M that had it, in the same slice and in the same call of blocking(f): an M that
//        has given its P away (lock_os_thread) and computes on with another one keeps it.  After the barrier outside() has acquired the M's last
//        exit, so all that it did inside is seen by plain loads; and it is in user code still, or take() fails.
//   TO2  an M is counted before it can find out, and counts itself off when its g has suspended: so all_idle() never misses one, and the
//        number of hogs is never too small for their limit.  Whether it is a hog is written before take() and read after `robbed` (H7).
//   TO3  who has taken a P says so in P::m_ before it hands the P on: for nobody else is to look for the P at that M.
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

/// How many Ms run a g without a P: calls of blocking(f), and hogs.
class OffP : Immovable {
 public:
  bool any() const noexcept { return all_.load(relaxed) > 0; }
  int hogs() const noexcept { return hogs_.load(relaxed); }
  void left(bool hog) noexcept {  // sysmon
    if (hog) hogs_.fetch_add(1, relaxed);
    all_.fetch_add(1, relaxed);  // [OFF-P] before the M can come back and take it off
  }
  void hog_is_back() noexcept { hogs_.fetch_sub(1, relaxed); }
  void back() noexcept { all_.fetch_sub(1, relaxed); }  // [OFF-P] the taker counted it

 private:
  Atomic<int> all_{0};
  Atomic<int> hogs_{0};  // sysmon counts up, so no limit of its is overrun
};

/// What sysmon saw of a P and its M.
template <class P, class M>
struct Sight {
  P* pp;
  M* mp;
  std::uint32_t tick, sysc;

  bool in_blocking() const noexcept { return sysc % 2 != 0; }
  bool operator==(const Sight&) const noexcept = default;
};

/// sysmon: what there is to be seen; no M: the P is nobody's.
template <class M, class P>
Sight<P, M> look_at(P* pp) noexcept {
  M* mp = pp->m_.load(acquire);  // [P-OWNER] what the M is
  if (mp == nullptr) return {pp, nullptr, 0, 0};
  return {pp, mp, pp->tick_.load(relaxed), mp->sysc_.load(relaxed)};  // [SYSC]
}

/// After ask() and the barrier. True: the P is the caller's, who hands it on; the M is off the P. False: the claim is withdrawn.
template <class P, class M>
bool take_over(const Sight<P, M>& seen, std::uint32_t asker, OffP& off) noexcept {
  P* pp = seen.pp;
  M* mp = seen.mp;
  const bool same = mp->claim_.outside() && pp->m_.load(relaxed) == mp && pp->tick_.load(relaxed) == seen.tick &&
                    mp->sysc_.load(relaxed) == seen.sysc;  // TO1  [P-OWNER] [SYSC]
  if (!same) {
    mp->claim_.withdraw(asker);
    return false;
  }
  const bool hog = !seen.in_blocking();
  mp->hog_.store(hog, relaxed);  // TO2: H7 carries it
  off.left(hog);
  if (!mp->claim_.take(asker)) {
    mp->hog_.store(false, relaxed);
    if (hog) off.hog_is_back();
    off.back();
    return false;
  }
  pp->m_.store(nullptr, relaxed);  // [P-OWNER] TO3; null leads to nothing
  return true;
}

/// The M, which was robbed: its g has suspended. fewer_hogs() makes known what follows from there being one less, before all_idle() may be true.
template <class M, class FewerHogs>
void come_back(M* mp, OffP& off, FewerHogs fewer_hogs) noexcept {
  if (mp->hog_.load(relaxed)) {  // TO2
    mp->hog_.store(false, relaxed);
    off.hog_is_back();
    fewer_hogs();
  }
  off.back();
}

/// The M's, round a call that may block. [SYSC] release: who sees the call over, in the deadlock report, sees what it did.
inline void count_call(Atomic<std::uint32_t>& sysc) noexcept { sysc.store(sysc.load(relaxed) + 1, release); }  // one writer

}  // namespace gmp::detail
