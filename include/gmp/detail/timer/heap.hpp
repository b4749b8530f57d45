// include/gmp/detail/timer/heap.hpp — TimerHeap: the timers of one P, earliest first, and the Timer they are made of.
// Go: runtime/time.go (timers, timer).  Room: timer (floor 2), beside the scheduler; stands on sys/lock.hpp and sys/futex.hpp.
//
// A 4-ary heap: half the levels of a binary one, and the four children of an entry lie in one or two cache lines. Entries carry `when`, so
// that sifting touches no Timer but the ones it moves.
//
// Why removal is real.  Go marks a stopped timer a zombie and drops it when it comes to the top; the garbage collector keeps it alive until
// then.  Here a Timer lives in the frame of the g that sleeps, or in a connection's descriptor, and is gone when stop returns. So each
// Timer knows its index, and leaves from the middle in O(log4 n).
//
// Why fire runs without the lock.  A fire makes a g ready, sends on a channel, cancels a context (which removes other timers), starts a g,
// or adds its own timer again (a ticker). Under the heap's lock each of these would order that lock before a channel's or a scheduler's,
// while their holders add and remove timers; so no lock of this file is held while foreign code runs, and it is a leaf in the lock order.
// The price: a timer may be taken out of the heap, its fire about to begin, while somebody removes it.  `firing_` names it then, and
// remove_sync() waits for the end of exactly that call.
//
// Why one runner at a time.  Thieves run the timers of other Ps, so two Ms may come at once. The second one leaves: the first goes on until
// nothing is due. That keeps the order of equal deadlines, and lets one word say what is firing. The second one loses nothing: next_when()
// stays in the past until the first has taken the timer out, so it does not fall asleep over it.
//
// Invariants:
//   TH1  lock_ guards entries_, firing_, running_, and index and seq of every timer whose heap is this. It is a leaf: nothing is called under it.
//   TH2  entries_[i].timer->index == i; a timer in no heap has index npos. heap stays what it was when the timer left: that heap knows whether it fires.
//   TH3  entries_[i] is not before its parent (i - 1) / 4, by (when, seq). seq grows with each add: equal deadlines fire in the order added.
//   TH4  next_when() is entries_[0].when, or `never`; written under lock_, read by anybody.
//   TH5  after its fire has begun, this file does not touch a Timer: it may be gone. firing_ is compared, never followed.
//   TH6  heaps outlive all timers that were ever in them (they live in the Ps, which stay until the executor is gone).
//   TH7  heap changes only under the lock of the heap it leaves and the lock of the one it enters, or while the timer is in none.
//   TH8  a timer is added by its owner when no fire of it runs (it is fresh, or remove_sync returned, or its fire told the owner that it is done with it),
//        or by its own fire, to the heap that fires it. So one heap alone knows of a timer, and its fires never overlap.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>
#include <vector>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/detail/sys/lock.hpp"

namespace gmp::detail {

class TimerHeap;

/// A deadline that does not come.
inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
/// One that does not either, of a timer that is there only to be told of its executor's stop: nobody may hope for it.
inline constexpr std::int64_t in_ages = never - 1;
/// The last one that does come, for a timer whose duration is beyond all: it waits as others do, can be stopped, and is hoped for.     Go: maxWhen
inline constexpr std::int64_t at_the_end = in_ages - 1;

/// A duration in ns; what does not fit is the nearest that does, NaN is 0.
template <class Rep, class Period>
constexpr std::int64_t saturated_ns(std::chrono::duration<Rep, Period> d) noexcept {
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  using Factor = std::ratio_divide<Period, std::nano>;
  if constexpr (std::is_integral_v<Rep> && Factor::den == 1) {
    std::int64_t ns = 0;
    if (__builtin_mul_overflow(d.count(), Factor::num, &ns)) return d.count() > 0 ? never : lowest;
    return ns;
  } else {
    const long double ns = std::chrono::duration_cast<std::chrono::duration<long double, std::nano>>(d).count();
    if (ns != ns) return 0;
    if (ns >= 0x1p63L) return never;
    if (ns < -0x1p63L) return lowest;
    return static_cast<std::int64_t>(ns);
  }
}

/// now + d, at most `never` (a sleep of 300 years must not end in the past).      Go: time.when
constexpr std::int64_t deadline_after(std::int64_t now, std::int64_t d_ns) noexcept {
  std::int64_t when = 0;
  if (__builtin_add_overflow(now, d_ns, &when)) return d_ns > 0 ? never : std::numeric_limits<std::int64_t>::min();
  return when;
}
template <class Rep, class Period>
constexpr std::int64_t deadline_after(std::int64_t now, std::chrono::duration<Rep, Period> d) noexcept {
  return deadline_after(now, saturated_ns(d));
}

/// One deadline. Lives where its owner puts it, and must not move or go while it is in a heap or its fire may be running (see remove_sync).
/// Its owner sees to it that add, remove and remove_sync do not run at once; its fire may run, and may add it again, beside the latter two.
struct Timer : Immovable {
  using Fire = void (*)(Timer* timer, std::int64_t now) noexcept;
  static constexpr std::uint32_t npos = ~std::uint32_t{0};

  constexpr explicit Timer(Fire f, bool told = false) noexcept : fire(f), told_of_stop(told) {}
  ~Timer() { GMPCORO_ASSERT(index == npos); }

  std::int64_t when_ns = never;      // written by add; the owner and its fire may read it
  Fire fire;                         // once for each add that was not removed; on a scheduler's thread, no lock held; must not block
  std::uint32_t index = npos;        // TH1
  const bool told_of_stop;           // its executor stops with it in a heap: fire(timer, never) is called, on the stopping thread
  std::uint64_t seq = 0;             // TH1
  Atomic<TimerHeap*> heap{nullptr};  // the heap it is in, or was last in; TH7
};

/// When a timer of that duration is due: at once if there is none, and at_the_end at the latest.
inline std::int64_t due_after(std::int64_t now, std::int64_t d_ns) noexcept { return d_ns <= 0 ? now : std::min(deadline_after(now, d_ns), at_the_end); }

class TimerHeap : Immovable {
 public:
  TimerHeap() noexcept = default;
  ~TimerHeap() { GMPCORO_ASSERT(entries_.empty()); }

  /// Puts a timer that is in no heap into this one (TH8: a fire that adds its timer again says timer->heap). True: it is now the earliest,
  /// so whoever sleeps until next_when() must be woken. Throws std::bad_alloc, and then nothing has changed. Any thread.
  /// awake: the caller is the one who sleeps until then, and looks here before.
  bool add(Timer* timer, std::int64_t when_ns, bool awake = false);

  /// Takes a timer out of the heap it is in, whichever that is. True: it was in, and will not fire. False: it was never added, has fired,
  /// or its fire has begun and may be running now. Any thread.
  static bool remove(Timer* timer) noexcept;

  /// As remove; and when it returns, no fire of this timer runs and it is in no heap, even if its fire had added it again: what fire uses
  /// may be destroyed. Waits for a fire that another thread is in the middle of: a matter of microseconds, as fires do not block; hold no
  /// lock that the fire takes. Called from this very fire it does not wait.
  static bool remove_sync(Timer* timer) noexcept;

  /// Fires all timers that are due, in order, also those that become due by an add meanwhile. Gives how many; 0 at once if another thread
  /// is at it. Any thread, though usually the owner of the P, or a thief.
  int run_due(std::int64_t now, int most = std::numeric_limits<int>::max()) noexcept;

  /// Moves all timers of other into this heap; they fire in the same order. Throws std::bad_alloc, and then nothing has changed.
  /// True: next_when() of this heap is earlier than before. For a P that is taken out of use.
  bool take_all_from(TimerHeap& other);

  /// Takes out the earliest timer, due or not, without firing it; null if there is none. For stop().
  Timer* take_first() noexcept;

  /// The earliest deadline, or `never`. A thread that is about to sleep says so first, and then looks here; add() writes here first, and
  /// then its caller looks who sleeps. Both by seq_cst accesses, or each could miss the other.
  std::int64_t next_when() const noexcept { return next_when_.load(seq_cst); }  // [TIMER-WAKE]

  /// How many timers are in the heap. A hint while other threads are at work.
  std::size_t size() const noexcept { return size_.load(relaxed); }  // [TIMER-SIZE] a count for statistics: orders nothing

 private:
  struct Entry {
    std::int64_t when;
    Timer* timer;
  };
  static constexpr std::uint32_t arity = 4;

  static TimerHeap* lock_home(Timer* timer) noexcept;
  static bool before(const Entry& a, const Entry& b) noexcept {
    return a.when != b.when ? a.when < b.when : a.timer->seq < b.timer->seq;  // TH3
  }
  void place(std::uint32_t i, const Entry& entry) noexcept {
    entries_[i] = entry;
    entry.timer->index = i;
  }
  void sift_up(std::uint32_t i, const Entry& entry) noexcept;
  void sift_down(std::uint32_t i, const Entry& entry) noexcept;
  void push(Timer* timer, std::int64_t when_ns) noexcept;  // capacity was reserved
  void erase(std::uint32_t i) noexcept;
  void publish(bool awake = false) noexcept;

  // Read by Ms that look for work, written when the earliest timer changes: on a line of its own.
  alignas(cache_line) Atomic<std::int64_t> next_when_{never};  // TH4
  Atomic<std::uint32_t> size_{0};
  alignas(cache_line) Lock lock_;
  bool running_ = false;            // lock_; somebody is in run_due
  std::uint32_t sync_waiters_ = 0;  // lock_; threads in remove_sync that wait for the end of firing_
  const void* runner_ = nullptr;    // lock_; names the thread in run_due
  const Timer* firing_ = nullptr;   // lock_; TH5
  Atomic<std::uint32_t> fires_{0};  // written under lock_: changes at the end of each fire; remove_sync sleeps on it
  std::uint64_t next_seq_ = 0;      // lock_
  std::vector<Entry> entries_;      // lock_; TH2, TH3
};
static_assert(sizeof(Timer) <= 48, "it lies in the frame of every g that sleeps");

}  // namespace gmp::detail
