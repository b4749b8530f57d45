// src/netpoll/bell.hpp — Bell: how one M is woken, wherever it sleeps: in its P's ring, in epoll, or on a futex without a P.
// Go: runtime/netpoll_epoll.go (netpollBreak), runtime/lock_futex.go (note).  Room: netpoll (floor 2).
//
// One word, a token: ring() leaves `rung` whatever the M does, and pays for a system call only if the M sleeps (a wake costs the waker
// 12 us on a virtual machine, by any means; an eventfd write that finds nobody asleep still costs 160 ns).
//   BL1  the M goes awake -> asleep by CAS; if the word is `rung` the CAS fails and it does not sleep.
//   BL2  ring() exchanges `rung` in; the old value says which system call is owed.
//   BL3  the token is consumed by an exchange too, never by a plain store: the store could pass the M's next loads of its queues, and
//        overwrite the ring of somebody who queued work after those loads and, finding `rung`, thought the M knew.
//   BL4  a process that is out of descriptors may need one more M, and that M has no eventfd: it sleeps in its poller by naps, at most nap_ns
//        long, and asks for one before each of them. It is there before the M falls asleep (BL1), so who finds it asleep sees it.
//   So a ring before, during or after falling asleep is never lost; one that finds the M awake costs it one vain round.
// All of it is one word, so acquire and release will do: who consumes a ring sees what was done before it.            [BELL]
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

class Bell : Immovable {
 public:
  enum State : std::uint32_t { awake = 0, in_poller = 1, rung = 2, on_futex = 3 };

  static constexpr std::int64_t nap_ns = 1'000'000;

  Bell() noexcept;  // opens an eventfd, non-blocking and close-on-exec, if it can
  ~Bell();

  /// From any thread: the M comes out of its sleep, or will not fall asleep.
  void ring() noexcept {
    const std::uint32_t was = state_.exchange(rung, acq_rel);  // [BELL] acquires fd_ (BL4)
    if (was == in_poller || was == on_futex) ring_slow(was);
  }

  /// The owner, before it sleeps in its poller. False: it was rung (the token is consumed), do not sleep.
  bool fall_asleep_in_poller() noexcept { return fall_asleep(in_poller); }
  /// The owner, when it came out of its poller for whatever reason: consumes the token.
  void wake_up() noexcept { state_.exchange(awake, acquire); }  // [BELL] BL3
  /// The owner, without a P: sleeps until rung.
  void sleep() noexcept;

  /// Written to when the M is rung in its poller. Nobody reads it: pollers use it edge-triggered, and a late write costs one vain wake.
  int fd() const noexcept { return fd_.load(relaxed); }  // BL4
  /// The owner, before it sleeps in its poller: how long it may, since a ring cannot end a sleep without an eventfd.
  std::int64_t longest(std::int64_t timeout_ns) noexcept {
    if (fd() >= 0 || open()) [[likely]] return timeout_ns;
    return timeout_ns < 0 || timeout_ns > nap_ns ? nap_ns : timeout_ns;
  }

 private:
  bool fall_asleep(std::uint32_t where) noexcept {
    std::uint32_t was = awake;
    if (state_.compare_exchange_strong(was, where, release, relaxed)) return true;  // [BELL] BL1, BL4
    wake_up();
    return false;
  }
  bool open() noexcept;
  void ring_slow(std::uint32_t was) noexcept;

  Atomic<std::uint32_t> state_{awake};
  Atomic<int> fd_{-1};  // written by the owner, awake
};

}  // namespace gmp::detail
