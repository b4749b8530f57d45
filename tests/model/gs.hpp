// tests/model/gs.hpp — modelled gs: what of park.hpp the sleepers of wait and sync need, without a scheduler.
// Go: none.  Room: tests/model.
//
// A modelled thread stands for a g and for the M that runs it: it parks by really blocking, and runs the step when it was made ready, as an
// M's loop does.  The steps of the status word, and the withdrawal that leans on them, are the production ones.
//
//     ModelG g;
//     MutexWaiter w(mutex, &g.gp);
//     g.await<MutexWaiter>(w);            // co_await mutex.lock()
//     if (!w.withdrawn_) mutex.unlock();
#pragma once

#include <array>

#include "gmp/detail/park.hpp"
#include "gmp/detail/timer/heap.hpp"
#include "gmp/detail/wait/waiter.hpp"
#include "gmp/detail/wait/withdrawal.hpp"
#include "model/model.hpp"
#include "wait/sleeper.hpp"

namespace gmp::model {

/// How the modelled world is. A body resets it first, then changes it before its threads start.
struct World {
  std::int64_t clock_step_ns = 1;  // by which each look at the clock moves it: 2 ms makes every sleeper a late one
  int spins = 0;                   // can_spin() allows so many
  unsigned tearing_down = 0;       // a bit for each modelled thread that destroys the frames of a stopped executor
  const void* phantom = nullptr;
  std::uint32_t random = 0;
  detail::TimerHeap* timers = nullptr;  // of all gs
  detail::Atomic<int>* timers_added = nullptr;
  std::int64_t clock_ns = 0;
  detail::Atomic<int>* next_handed = nullptr;  // if there is one, what a thread has made ready last is its run_next, until somebody runs it
  std::array<detail::G*, 8> next{};            // by thread
  detail::G* offered = nullptr;                // it is being spoken to: nobody runs it
};
extern World world;

/// The world as it is by default, and nobody asleep anywhere: a run that was given up left its sleepers in the table.
void reset_world();

struct ModelG {
  detail::G gp;
  detail::FrameLink leaf;

  /// withdrawable: its operation is under until().
  explicit ModelG(bool withdrawable = true) {
    gp.status_.store(static_cast<std::uint32_t>(detail::Status::running), detail::relaxed);
    if (withdrawable) withdrawable_.begin(&gp);
  }

  /// Blocks until it is made ready, and runs its step; until the operation is over.
  void sleep();

  /// co_await, with all that follows.
  template <class W>
  void await(W& w) {
    if (detail::Sleeper<W>::suspend(w, leaf, detail::WaitReason::none)) sleep();
  }

  /// It was made ready, and nobody has run it yet.
  bool woken() const;
  /// What an M's loop does before it goes on in the frame of a woken g; false: it sleeps again.
  bool step();

  /// What a canceller does, once. True: the g waited, and was held meanwhile.
  bool cancel();

  /// What stop() does, on a thread that is tearing_down: nobody will run the g any more, whatever it waits for or has got.
  void stop(detail::Waiter& w);

 private:
  detail::Withdrawable withdrawable_;
};

/// The timers of all gs.
struct ModelTimers {
  ModelTimers();
  /// What an M's loop does until so many gs are over: whenever a timer was added, fires those until `now`.
  void fire_until(std::int64_t now, const int& over, int all);

  detail::TimerHeap heap;
  detail::Atomic<int> added{0};
  bool moves_clock = false;  // it is `now` then for who looks at the clock
};

}  // namespace gmp::model
