// src/net/memory_device.hpp — MemoryDevice: a device that is all memory, in which operations sleep.
// Go: none.  Room: net (floor 5).
//
// What a pipe, a stream, a listener and a mailbox share: the order of device.hpp (DV1, DV2), a deadline that is made earlier in the middle, and who is
// woken when the lock is free.  What an operation finds there, and whom it wakes, each says for itself.
#pragma once

#include <cstdint>

#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "net/device.hpp"

namespace gmp::detail {

class MemoryDevice : public Device {
 public:
  bool advance(FdOperation& op, FrameLink* leaf) noexcept final;
  void cancel(FdSide side) noexcept final;
  bool withdraw(FdSide side) noexcept final;

 protected:
  enum class Next : std::uint8_t { over, sleep, again };

  /// lock: of what its ends share. It is there as long as the device.
  explicit MemoryDevice(Lock& lock) noexcept : lock_(lock) {}

  /// Under the lock: what op can do now. again: its alarm must be set anew. late: what late_until() said.
  virtual Next look(FdOperation& op, std::int64_t late, WakeList& woken) noexcept = 0;
  /// Under the lock: who sleeps on that side.
  virtual FdOperation*& sleeper(FdSide side) noexcept = 0;
  /// Until then there is nothing to be had on that side, so an operation that sleeps looks again by then. 0: nothing is known.
  virtual std::int64_t late_until(FdSide) noexcept { return 0; }

 private:
  Lock& lock_;
};

}  // namespace gmp::detail
