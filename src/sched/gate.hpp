// src/sched/gate.hpp — Gate: running, stopping, stopped; and who from outside is still inside.
// Go: none (a Go program is never torn down).  Room: sched (floor 2).
//
// A g of this executor may be woken by a thread that is none of its Ms: a g of another executor unlocks, a callback wakes.  That thread has
// unlinked the g's waiter, under its queue's lock, and then comes here to queue the g, while stop() may be under way.
//   ST2  whoever comes calls enter() before he takes the g out of `waiting`.  stop() waits for each g whose waiter it could not withdraw until
//        it has left `waiting`, and then until nobody is inside: so nobody touches an executor that is gone.                        [USERS]
//   ST3  who comes in while it stops queues nothing: the g is destroyed where it is.                                                [STOP]
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

class Gate : Immovable {
 public:
  enum State : std::uint32_t { running, stopping, stopped };

  bool is_running() const noexcept { return state_.load(acquire) == running; }  // [STOP]
  bool is_stopped() const noexcept { return state_.load(acquire) == stopped; }  // [STOP]
  /// As is_running, for an M that has put its P on the idle list and must not miss the stop.
  bool is_running_seq() const noexcept { return state_.load(seq_cst) == running; }  // [STOP]

  void begin_stop() noexcept { state_.store(stopping, seq_cst); }  // [STOP] then every bell is rung
  void end_stop() noexcept { state_.store(stopped, release); }     // [STOP]

  void enter() noexcept { users_.fetch_add(1, relaxed); }  // [USERS] made visible by the g's leaving `waiting`, which is a release
  void leave() noexcept { users_.fetch_sub(1, release); }  // [USERS]
  bool empty() const noexcept { return users_.load(acquire) == 0; }  // [USERS]

 private:
  Atomic<std::uint32_t> state_{running};
  Atomic<std::int64_t> users_{0};
};

}  // namespace gmp::detail
