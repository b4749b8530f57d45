// src/net/device.hpp — Device: what lies under a descriptor that is no number of the system's: a pipe in memory, or a layer on another one.
// Go: none (net.Conn is an interface there).  Room: net (floor 5).
//
// A Conn is the same type whatever it stands on, so what is written for one kind of connection works with all.  Turns (FdMutex), closing, and
// who has given up are the descriptor's; a device moves the bytes, and knows who sleeps for them.
// A device that lets a g sleep itself, and not in another descriptor's operation, keeps this order:
//   DV1  under its own lock: asks op.fails_now(), then op.sleep(), then publishes op. Who closes, gives up, or makes a deadline earlier says so
//        first, then calls cancel(), which takes that lock: so either the operation sees it, or cancel() finds it sleeping. Who gives up is told to
//        stay_awake() after the lock is free, as that may wait for such a cancel().
//   DV2  takes an operation that sleeps off under that lock, and wakes it after. It then goes on by advance().
#pragma once

#include <system_error>

#include "gmp/detail/base/config.hpp"
#include "gmp/detail/net/fd_operation.hpp"

namespace gmp::detail {

class Device : Immovable {
 public:
  virtual ~Device() = default;

  /// op, a read or a write, has its side. True: its g sleeps. False: it is over, or has failed. leaf: as in chain.hpp.
  virtual bool advance(FdOperation& op, FrameLink* leaf) noexcept = 0;
  /// Wakes whatever sleeps on that side, so that it looks again. Any thread, under the descriptor's lock or in a timer.
  virtual void cancel(FdSide side) noexcept = 0;
  /// The frame of what sleeps there goes, unwoken. False: somebody is about to wake it.
  virtual bool withdraw(FdSide side) noexcept = 0;

  /// After that: what the device keeps of the operation goes too.
  virtual void abandon(FdSide) noexcept {}

  virtual std::error_code shut_down(int how) noexcept = 0;
  /// Once; operations may still be in progress, and are cancelled after.
  virtual void close() noexcept = 0;
  /// Before close(): what was not sent is dropped, and the peer sees a reset.
  virtual void drop() noexcept {}
  /// True: options of sockets are taken, and mean nothing.
  virtual bool takes_options() const noexcept { return false; }
  /// The system's number below, or -1.
  virtual int number() const noexcept { return -1; }
  /// True: the layer below has the deadlines.
  virtual bool set_deadline(std::int64_t, bool /*read*/, bool /*write*/) noexcept { return false; }
};

}  // namespace gmp::detail
