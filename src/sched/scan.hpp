// src/sched/scan.hpp — ReadyWindow and ScanPeriod: to make a g runnable costs no read-modify-write while nobody reads frames.
// Go: runtime/proc.go (castogscanstatus); there each step of a status is a CAS.  Room: sched (floor 2).
//
// A dump sets the scan bit of a waiting g to keep it from being queued (status.hpp), so whoever makes it runnable must not overwrite the bit:
// a CAS, for the sake of something that happens once an hour.  Instead, dumps have periods.  Outside of them an M steps its own executor's gs
// from waiting to runnable by a plain store, within its window.  A g under until() says so in its status (may_hold): it takes the CAS always.
//
//   M       open = 1; look at scans; 0: store status; open = 0        (not 0: open = 0, and the CAS of status.hpp)
//   dump    scans = 1; barrier on all threads; wait until no M's window is open; … scan bits …; scans = 0
//   SW1  it is claim.hpp's handshake: after the barrier an M that opens its window sees scans, and one that did not see it is waited for.
//   SW2  a g that is made runnable from a thread that is no M of its executor takes the CAS always.
// Where the kernel refuses membarrier, scans is never 0.
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"
#include "sched/status.hpp"

namespace gmp::detail {

inline constinit Atomic<std::uint32_t> scans{0};

class ReadyWindow : Immovable {
 public:
  /// status::make_runnable(), for an M of the g's executor.
  bool make_runnable(Atomic<std::uint32_t>& status) noexcept {
    open_.store(1, relaxed);                              // [SCAN] ordered before the next line by the dump's barrier (SW1)
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order too
    if (scans.load(acquire) != 0) [[unlikely]] {          // [SCAN] the end of a period: what was done to the status in it comes before us
      open_.store(0, relaxed);  // nothing was done in it
      return status::make_runnable(status);
    }
    if (status.load(relaxed) != status::word(Status::waiting)) [[unlikely]] {
      open_.store(0, relaxed);
      return status::make_runnable(status);
    }
    status.store(status::word(Status::runnable), release);  // [G-STATUS]
    open_.store(0, release);                                // [SCAN] the dump sees the step
    return true;
  }

  bool is_open() const noexcept { return open_.load(acquire) != 0; }  // [SCAN]

 private:
  Atomic<std::uint32_t> open_{0};
};

/// While there is one, scan bits may be set. Nests; from any thread, not within a window. Waits for some instructions of other threads.
class [[nodiscard("scan bits may be set only while it lives")]] ScanPeriod : Immovable {
 public:
  ScanPeriod() noexcept;
  ~ScanPeriod();
};

}  // namespace gmp::detail
