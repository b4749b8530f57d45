// src/netpoll/poller.hpp — Poller: the contract that io_uring and epoll both keep; the scheduler and net know nothing else of them.
// Go: runtime/netpoll.go.  Room: netpoll (floor 2), beside the scheduler.
//
// There is one poller for each P, and it moves with its P from M to M, as the run queue and the timers do.
// Who may call:
//   owner   the M that owns the P and is inside the runtime, or the M that watches the poller of its idle P: submit, poll.  What one owner
//           did happens before what the next one does.
//   anyone  peek, in_flight; cancel, while something keeps the op from being reused (its descriptor's lock)
// Invariants:
//   NP1  an op that was submitted ends exactly once, through the list that poll() returns; never before its last completion is in.
//   NP2  a cancel is never lost: it waits in user space when there is no room in the queue, and ends the sleep of whoever sleeps here.
//   NP3  an op that succeeded in spite of its cancel keeps its result.
//   NP4  a poll that sleeps is ended by its bell, whichever M slept there before.
//   NP5  an op is handed back only when no list of the poller, that of the cancels included, leads to it.
// NP2 against sleep: cancel() pushes the op, then looks for a sleeper; who falls asleep says so, then looks for cancels.  Both in the one
// order of seq_cst: with less, each could miss the other.                                                            [CANCEL-SLEEP]
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/detail/base/list.hpp"
#include "gmp/detail/netpoll/op.hpp"

namespace gmp::detail {

class Bell;

constexpr std::size_t io_size_max = 0x7ffff000;  // the most that Linux moves in one call; it fits result_, and the 32 bits of an SQE

class Poller : Immovable {
 public:
  virtual ~Poller() = default;

  /// Takes the operation over. It may complete at once, but is handed back only by poll().
  virtual void submit(IoOp* op) noexcept = 0;

  /// Asks for the end of an op, which then ends with -ECANCELED unless it ends otherwise sooner. Any thread; before submit() too. Wakes the
  /// M that sleeps in the op's poller; one that runs sees it by peek().
  static void cancel(IoOp* op) noexcept;

  /// Sends what was submitted and collects what is complete, linked by next_ in order of completion; null if nothing is. timeout_ns: 0 does
  /// not sleep, negative sleeps without limit. Sleeps only if nothing is complete and the bell was not rung; it may wake for no reason. The
  /// bell's token is consumed if it slept, or would have. The bell may be null when timeout_ns is 0, and outlives the poller.
  virtual IoOp* poll(std::int64_t timeout_ns, Bell* bell) noexcept = 0;

  /// True if poll(0) would find something, as far as plain loads can tell; epoll can't tell what the kernel has. Any thread; completion
  /// work that waits for the thread that submitted is a reason for that thread only.
  virtual bool peek() const noexcept = 0;

  /// Cancels everything in flight and waits for its end. Called once, by stop(), when no M uses the poller; the threads that submitted still
  /// live. The ops are done, nobody is made ready.
  virtual void drain() noexcept = 0;

  /// Operations submitted and not handed back. Exact for the owner.
  std::uint32_t in_flight() const noexcept { return in_flight_.load(relaxed); }  // [IN-FLIGHT] a hint for all others
  /// Those of them that wait in user space for the next poll(). Owner.
  std::uint32_t queued() const noexcept { return queued_; }

 protected:
  /// For submit(): false if it was cancelled before, and waits for take_cancels() already.
  bool begin(IoOp* op) noexcept;
  /// result_ is final and the kernel knows no more of the op: hands it back with the next poll(), or once its cancel was taken.
  void end(IoOp* op, std::int32_t result) noexcept;
  /// All ops whose cancel was asked for, linked by cancel_next_.
  IoOp* take_cancels() noexcept { return cancels_.exchange(nullptr, acquire); }  // [CANCEL]
  /// An op that take_cancels() returned. True: it is still in flight, the poller must end it.
  bool begin_cancel(IoOp* op) noexcept;
  /// What ended, for poll() to return.
  IoOp* hand_back() noexcept;

  bool something_ended() const noexcept { return ended_.load(relaxed) != 0; }  // [ENDED]
  bool cancels_wait() const noexcept { return cancels_.load(relaxed) != nullptr; }
  /// Around the system call that sleeps. False: there is a reason not to.
  bool fall_asleep(Bell* bell) noexcept;
  void wake_up(Bell* bell) noexcept;

  std::uint32_t queued_ = 0;

 private:
  void push_cancel(IoOp* op) noexcept;

  Queue<IoOp, &IoOp::next_> done_;
  Atomic<std::uint32_t> in_flight_{0};
  Atomic<std::uint32_t> ended_{0};        // [ENDED] length of done_; the owner writes, peek() of anyone reads
  Atomic<IoOp*> cancels_{nullptr};        // [CANCEL] a stack that is only ever taken whole: no ABA
  Atomic<Bell*> sleeper_{nullptr};        // [CANCEL-SLEEP] whose M sleeps here
};

/// entries: ring size (rounded up to a power of two, at least 2). Throws std::system_error whose text says what the system refused and what
/// to change.
std::unique_ptr<Poller> make_uring_poller(unsigned entries);
std::unique_ptr<Poller> make_epoll_poller();

/// How many opens may be under way in all rings of the process, so that those that wait for ever (of a FIFO) hold up nothing else.
unsigned uring_opens_max() noexcept;

/// Why io_uring cannot be used here, in words that say what to change; empty: it can. Submits a NOP, since some sandboxes allow the set-up
/// and refuse the rest. Asked once a process.
const std::string& uring_refused();
/// The same as a std::system_error, where it is refused.
[[noreturn]] void throw_uring_refused();

}  // namespace gmp::detail
