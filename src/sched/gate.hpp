// src/sched/gate.hpp — Gate: running, stopping, stopped; and who from outside is still inside.
// Go: none (a Go program is never torn down).  Room: sched (floor 2).
//
// A g of this executor may be woken by a thread that is none of its Ms: a g of another executor unlocks, a callback wakes.  That thread has
// unlinked the g's waiter, under its queue's lock, and then comes here to queue the g, while stop() may be under way.
//   ST2  whoever comes calls enter() before he takes the g out of `waiting`.  stop() waits for each g whose waiter it could not withdraw until
//        it has left `waiting`, and then until nobody is inside: so nobody touches an executor that is gone.                        [USERS]
//   ST3  who comes in while it stops queues nothing: the g is destroyed where it is.
//   ST4  a thread that starts a new g counts itself first and then looks; stop() says so first and then waits for the count. One of them sees
//        the other: no g is started that the stop does not find.                                                                     [STOP]
#pragma once

#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

class Gate : Immovable {
 public:
  enum State : std::uint32_t { running, stopping, stopped };

  /// A hint; an M that must not miss a stop has its bell rung after it began.
  bool is_running() const noexcept { return state_.load(relaxed) == running; }
  bool is_stopped() const noexcept { return state_.load(acquire) == stopped; }  // [STOPPED]

  void begin_stop() noexcept { state_.store(stopping, seq_cst); }  // [STOP] then every bell is rung
  void end_stop() noexcept { state_.store(stopped, release); }     // [STOPPED] all that the stop did

  /// ST4. False: it stops, or has stopped; the caller is not inside.
  bool enter_if_running() noexcept {
    users_.fetch_add(1, seq_cst);                        // [STOP]
    if (state_.load(seq_cst) == running) return true;  // [STOP]
    leave();
    return false;
  }
  /// ST2. Made visible by the g's leaving `waiting`, which is a release.
  void enter() noexcept { users_.fetch_add(1, relaxed); }
  void leave() noexcept { users_.fetch_sub(1, release); }             // [USERS]
  bool empty() const noexcept { return users_.load(seq_cst) == 0; }  // [USERS] [STOP]

 private:
  Atomic<std::uint32_t> state_{running};              // each M's, in each round of its loop
  alignas(cache_line) Atomic<std::int64_t> users_{0};  // foreign threads', at each wake-up
};

}  // namespace gmp::detail
