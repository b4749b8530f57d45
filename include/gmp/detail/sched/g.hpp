// include/gmp/detail/sched/g.hpp — G: the record of one goroutine, and the link each of its frames carries.
// Go: runtime/runtime2.go (g, waitReason).  Room: sched (floor 2).
//
// A g is not its frame.  The frames come and go; the record lives in type-stable slab memory of the process, is reused by later gs and
// later executors, and is never unmapped: a dump may look at any G at any time, and a resume of a g that is not waiting is a fatal error
// instead of corruption.
//
// Who may write what:
//   - while running: only the M that runs it (m_).
//   - while waiting: nothing but status_ is written, except by who took its waiter off a queue (that is the one who calls ready()).
//   - status_: running -> waiting by its own M, BEFORE the waiter is published; waiting -> runnable by ready(), a CAS; runnable -> running
//     by the M that took it off a queue.  scan_bit is set on a waiting g only, by a dump that walks its frames; hold_bit likewise, by who
//     withdraws it from what it waits on.  ready() then leaves them set, and who clears the last one queues the g.
//   - a dump reads more of a g that does not wait: id_, parent_id_, created_at_, sched_.  new_g() stores them atomically, and nobody else.
#pragma once

#include <coroutine>
#include <cstdint>
#include <source_location>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

struct G;
struct M;
struct P;
struct Waiter;
struct IoOp;
class Withdrawal;
class Sched;

/// What every coroutine frame of a g carries, at the start of its promise: enough to run it, to return from it, and to show it.
struct FrameLink {
  G* g_ = nullptr;              // the g that runs this frame; set when it is awaited or started
  FrameLink* parent_ = nullptr;  // the frame that awaits this one; null for a root
  std::source_location site_{};  // where it awaits while it is suspended; of one that runs: where it was suspended last

  /// It may be suspended now, by an operation that is not done at once. Whose g it is.
  G* suspends() noexcept;

  /// The handle of the frame. Sound because FrameLink is the first base of every promise and no promise is aligned beyond 16.
  std::coroutine_handle<> handle() noexcept { return std::coroutine_handle<FrameLink>::from_promise(*this); }
};

enum class Status : std::uint32_t { idle = 0, runnable = 1, running = 2, blocking = 3, waiting = 4, dead = 6 };
inline constexpr std::uint32_t scan_bit = 0x1000;      // a dump walks its frames
inline constexpr std::uint32_t hold_bit = 0x2000;      // somebody withdraws it
inline constexpr std::uint32_t may_hold_bit = 0x4000;  // it waits under until(): hold_bit may come

/// The Status in a word.
constexpr Status status_in(std::uint32_t word) noexcept { return static_cast<Status>(word & 0xff); }

/// Why a g sleeps; the texts are Go's.
enum class WaitReason : std::uint8_t {
  none,
  io_wait,
  chan_receive,
  chan_send,
  chan_receive_nil,
  chan_send_nil,
  select,
  select_no_cases,
  semacquire,
  sleep,
  cond_wait,
  mutex_lock,
  rwmutex_rlock,
  rwmutex_lock,
  waitgroup_wait,
  once,
  join,
  suspend,
  foreign,
  all,
};
const char* to_string(WaitReason) noexcept;

/// Told when a g has ended, after its frames are gone. `thrown` is what left the root frame (null: nothing).
struct GEnd {
  void (*ended)(GEnd*, G*, void* thrown_exception_ptr) noexcept;
};

/// An operation under until(): what is asked of it, from outside. It lies in the frame of the g that awaits; see wait/withdrawal.hpp.
class Withdrawal : Immovable {
 public:
  bool asked() const noexcept { return asked_.load(seq_cst); }  // [WITHDRAW] after the g said that it waits

 protected:
  Withdrawal() noexcept = default;
  ~Withdrawal() = default;
  Atomic<bool> asked_{false};
};

/// What few gs need, allocated on first use: its name, its thread lock, the trail of an exception on its way up.
struct GExtra;

struct alignas(cache_line) G {
  // what every switch touches
  FrameLink* leaf_ = nullptr;             // the innermost frame: where it goes on
  Atomic<std::uint32_t> status_{0};       // Status, and the bits
  std::uint8_t depth_ = 0;                // transfers since the M's loop resumed it; bounded, since g++ has no tail calls in every mode
  bool locked_ : 1 = false;               // lock_os_thread: runs on extra_->locked_m_ only
  bool started_ : 1 = false;              // has run before
  bool lent_ : 1 = false;                 // to a child of an all(), whose root_ and end_ it has: fork.hpp
  WaitReason reason_ = WaitReason::none;
  M* m_ = nullptr;                        // the M that runs it; valid while running
  G* schedlink_ = nullptr;                // in a batch, or the free list; while runnable: when it became so, or null (latency.hpp)
  Sched* sched_ = nullptr;                // its executor
  bool (*step_)(G*) = nullptr;            // run by the M's loop before the frame is resumed; false: parked again (a lock competes anew)
  union {
    Waiter* waiter_ = nullptr;            // what it sleeps on, until its frame goes on; null: its wait cannot be withdrawn
    IoOp* submitting_;                    // runnable, with step_: an operation that was begun on an M without a P
  };
  Atomic<std::source_location> last_await_{};  // the last that it came to, for dumps while it runs: its frames must not be read then

  // what a switch seldom touches
  FrameLink* root_ = nullptr;
  std::uint64_t id_ = 0;
  std::uint64_t parent_id_ = 0;
  std::source_location created_at_{};
  std::int64_t since_ns_ = 0;             // when it began to wait, by the coarse clock
  GEnd* end_ = nullptr;                   // who joins it; null: an exception is a panic
  GExtra* extra_ = nullptr;
  Withdrawal* withdrawal_ = nullptr;      // its operation is under until(): what may be asked of it there. Its own
};
static_assert(sizeof(G) == 2 * cache_line, "a million gs: each line of this record is 64 MB");

inline G* FrameLink::suspends() noexcept {
  site_ = g_->last_await_.load(relaxed);  // its own
  return g_;
}

}  // namespace gmp::detail
