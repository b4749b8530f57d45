// src/chan/claim.hpp — who wins a select's g: the steps of Selection::winner_, each in one place.
// Go: runtime/select.go (selectDone), runtime/chan.go (waitq.dequeue).  Room: chan (floor 4).
//
//   who             | step                          |
//   the select      | -> none, before it queues     | store: nobody can know its waiters yet
//   a channel       | none -> case                  | CAS, under that channel's lock: it has the g, and completes that case
//   a channel whose | none -> busy -> case, or none | the same, while a move that may throw is under way; others wait for the outcome
//   values may throw|                               |
//   a withdrawal    | none -> withdrawn             | CAS
//   SC1  all of them but the first come from who holds the lock of a channel in which the select is queued, or from the select's withdrawal:
//        so it is there.
//   SC2  the word decides, and carries nothing: what is done to a waiter is ordered by its channel's lock, and the outcome by the wake-up.
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"

namespace gmp::detail {

inline constexpr std::uint32_t claim_none = 0;
inline constexpr std::uint32_t claim_busy = 0xffff'ffff;
inline constexpr std::uint32_t claim_withdrawn = 0xffff'fffe;

/// True: the caller has it. as: the case, counted from 1, or busy, or withdrawn.
inline bool claim(Atomic<std::uint32_t>& winner, std::uint32_t as) noexcept {
  for (;;) {
    std::uint32_t was = claim_none;
    if (winner.compare_exchange_strong(was, as, relaxed, relaxed)) return true;  // SC2: one of all
    if (was != claim_busy) return false;
    cpu_pause();
  }
}
/// Of who has it busy.
inline void settle_claim(Atomic<std::uint32_t>& winner, std::uint32_t as) noexcept { winner.store(as, relaxed); }  // SC2

}  // namespace gmp::detail
