// src/sched/idle.hpp — which Ps are idle, how many Ms spin, and the rule that no wake-up is lost between the two.
// Go: runtime/proc.go (pidleput, wakep, resetspinning, the "worker thread parking/unparking" essay).  Room: sched (floor 2).
//
// A waker has put a g into some queue and asks: does anybody have to be woken?  A parker has found nothing and goes to sleep.
//   waker    enqueue (an RMW, or under a lock);  then look at idle count and spinners        need_wake()
//   parker   idle (an RMW);  stop spinning (an RMW);  then look at ALL queues, timers, pollers: put(), stop_spinning(), look
//   W   enqueue before look, idle before look, all of them seq_cst or RMW: either the waker sees an idle P, or the parker sees the g.   [WAKE]
//   W'  a waker that finds a spinner does nothing: a spinner that finds work wakes a successor (found_work), one that finds none parks by the
//       rule above, and a waker that had reserved the spinner's place but found no idle P looks once more after giving it back: else a g
//       that was queued under its eyes, beside a P that parked under its eyes, would wait for the next event.
//   Ws  a g in run_next is about to be run by who put it there, most often: two that wake each other would call another M each time, for 12 us,
//       and in vain.  So an M that was called in vain sleeps as the scout: for a moment only, and then it looks.  While there is a scout, who
//       pushes to run_next calls nobody, and a parker does not look at run_next: the scout will, after it has stepped down (an RMW).
//   W"  an idle P has an M that watches it, or none yet; which it is, is known by the bit that is taken and by nothing else. A waker that looked at
//       the P's m_ after the take could find that the watcher had come back by itself, worked, and lost the P to a third: and take it for a P
//       that nobody has.
// What was dropped: Go's needspinning word (W' does its work), and a lock on the idle list: a bit for each P does.
#pragma once

#include <bit>
#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

inline constexpr int procs_max = 1024;

class IdleSet : Immovable {
 public:
  /// The P's own M, about to sleep: it watches the P (W").
  void put(int p) noexcept { put_into(watched_, p); }
  /// Who brings the P into use: no M has it.
  void put_unwatched(int p) noexcept { put_into(unwatched_, p); }
  /// Anybody: true if p was idle, and watched, and is the caller's now. The watcher finds that out, and goes on with it: PA2, sched.cpp.
  bool take(int p) noexcept { return take_from(watched_, p); }
  /// Anybody: true if p was idle without an M, and is the caller's now.
  bool take_unwatched(int p) noexcept { return take_from(unwatched_, p); }
  bool watched(int p) const noexcept { return (watched_[p / 64].load(seq_cst) & bit(p)) != 0; }  // [TIMER-WAKE] after the timer
  bool contains(int p) const noexcept { return watched(p) || (unwatched_[p / 64].load(relaxed) & bit(p)) != 0; }  // a hint
  int count() const noexcept { return count_.load(acquire); }  // [IDLE-COUNT] and what those Ms did before
  int spinners() const noexcept { return spinners_.load(relaxed); }
  /// A hint: somebody looks for work, or sleeps and is no scout.
  bool hungry() const noexcept { return spinners_.load(relaxed) != 0 || (count_.load(relaxed) > 0 && scouts_.load(relaxed) == 0); }

  /// The waker, after it enqueued: takes an idle P off and hands it, with a spinner's place, to its watcher, or to an M that has none:
  /// hand(p, watched). Two loads when no P is idle.
  template <class Hand>
  void wake_one(Hand hand) noexcept {
    while (need_wake()) {
      if (take_any(hand)) return;
      if (!give_up_place()) return;
    }
  }

  /// The same for a g that was put into run_next.
  template <class Hand>
  void wake_one_for_next(Hand hand) noexcept {
    if (!scouted()) wake_one(hand);
  }

  /// An M that is about to sleep. True: it is the scout, and sleeps for a moment only; there is one.
  bool begin_scouting() noexcept {
    int none = 0;
    return scouts_.compare_exchange_strong(none, 1, relaxed, relaxed);  // what counts is the step down
  }
  void end_scouting() noexcept { scouts_.fetch_sub(1, seq_cst); }  // Ws [WAKE] before its look at the queues
  /// Of a parker's look, and a pusher's.
  bool scouted() const noexcept { return scouts_.load(seq_cst) != 0; }  // Ws [WAKE] enqueue before this look

  /// An M without work asks to look for some: at most half as many as Ps are busy.
  bool start_spinning(int procs) noexcept {
    if (2 * spinners_.load(relaxed) >= procs - count_.load(relaxed)) return false;
    spinners_.fetch_add(1, relaxed);  // what counts is the step down, in the same word's order
    return true;
  }
  /// The spinner has found something, or stops for another reason.
  template <class Hand>
  void found_work(Hand hand) noexcept {
    stop_spinning();
    wake_one(hand);  // W'
  }
  void stop_spinning() noexcept { spinners_.fetch_sub(1, seq_cst); }  // [WAKE] before the parker's look at the queues
  void add_spinner() noexcept { spinners_.fetch_add(1, relaxed); }

  /// P's M has found nothing. True: it may sleep, and calls unpark() after. False: there is work, or the P was handed back to it; it goes on,
  /// spinning. look(): is there anything in any queue, timer, poller?
  template <class Look>
  bool park(int p, bool& spinning, Look look) noexcept {
    put(p);
    if (spinning) {
      spinning = false;
      stop_spinning();
    }
    if (!look()) return true;  // [WAKE] its loads are seq_cst
    if (take(p)) add_spinner();  // else it was handed to us, with a spinner's place
    spinning = true;
    return false;
  }
  /// The M is awake again, for whatever reason, and has its P: who handed it to it, handed it a spinner's place.
  void unpark(int p, bool& spinning) noexcept {
    if (!take(p)) spinning = true;
  }

 private:
  using Words = Atomic<std::uint64_t>[procs_max / 64];

  void put_into(Words& words, int p) noexcept {
    words[p / 64].fetch_or(bit(p), seq_cst);  // [TIMER-WAKE] before the look at the timers
    count_.fetch_add(1, seq_cst);             // [WAKE] before the look at the queues; [IDLE-COUNT]
  }
  bool take_from(Words& words, int p) noexcept {
    if ((words[p / 64].load(relaxed) & bit(p)) == 0) return false;
    if ((words[p / 64].fetch_and(~bit(p), relaxed) & bit(p)) == 0) return false;  // one of two gets it; a P's contents go to its own M only
    count_.fetch_sub(1, relaxed);  // late is harmless: a waker then looks in vain
    return true;
  }
  // Some idle P, one that has its M first, then the lowest: its caches are the warmest. False: none.
  template <class Hand>
  bool take_any(Hand& hand) noexcept {
    for (const bool watched : {true, false}) {
      Words& words = watched ? watched_ : unwatched_;
      for (int word = 0; word < procs_max / 64; ++word) {
        for (std::uint64_t set = words[word].load(relaxed); set != 0; set &= set - 1) {  // a guess: take_from() decides
          const int p = word * 64 + std::countr_zero(set);
          if (!take_from(words, p)) continue;
          hand(p, watched);
          return true;
        }
        if (count_.load(relaxed) <= 0) return false;
      }
    }
    return false;
  }
  // True: the caller holds a spinner's place and must hand it, with an idle P, to an M, or give it up.
  bool need_wake() noexcept {
    if (count_.load(seq_cst) <= 0) return false;     // [WAKE] enqueue before this look
    if (spinners_.load(seq_cst) != 0) return false;  // [WAKE] a spinner will find it (W')
    int none = 0;
    return spinners_.compare_exchange_strong(none, 1, relaxed, relaxed);  // lost to another waker: its spinner will find it
  }
  // True: look again (W').
  bool give_up_place() noexcept {
    spinners_.fetch_sub(1, seq_cst);  // [WAKE] then look again
    return count_.load(seq_cst) > 0;  // [WAKE]
  }
  static constexpr std::uint64_t bit(int p) noexcept { return std::uint64_t{1} << (p % 64); }

  alignas(cache_line) Atomic<int> count_{0};
  Atomic<int> spinners_{0};
  Atomic<int> scouts_{0};
  alignas(cache_line) Words watched_{};
  Words unwatched_{};
};

}  // namespace gmp::detail
