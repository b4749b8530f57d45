// include/gmp/detail/task/foreign_wait.hpp — a wait that ends when somebody else's code says so.
// Go: none (a cgo callback comes nearest).  Room: task (floor 4).
//
// What the other side has been given, a handle or a buffer, may lie in the g's frame. So the frame stays until that side resumes: until() can only ask it
// to be quick, and an executor that stops gives it the time of grace, and then leaves the g where it is, frame and all.
//   FW1  one RMW decides which came first, and each comes once: the end (resumed), the g's going to sleep (parked), the stop's going away (left).
//          fate      set by              what the next finds
//          begun     the g               resume(): nothing to ready, the g will not sleep
//          parked    the g, PK1 done     resume(): readies the g
//          resumed   the other side      the g: it has ended; the stop: wait until the g has left `waiting`, then destroy it as any other
//          left      the stop            resume(): the executor may be gone. Nothing of it is touched; the frame is still there
//   FW2  who finds `parked` and readies the g has the executor: the stop, which comes second then, waits for that (gate.hpp, ST2).
#pragma once

#include <cstdint>

#include "gmp/detail/park.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

class GMPCORO_EXPORT ForeignWait : public Waiter {
 public:
  /// ask: under until(), tells the other side that the wait had better end; from any thread, while the g is kept. Null: there is nothing to
  /// tell.
  explicit ForeignWait(G* gp = nullptr, void (*ask)(ForeignWait&) noexcept = nullptr) noexcept;

  /// By the g, before the other side hears of it. park_abort() if that does not suspend after all.
  void park_first(FrameLink& leaf) noexcept;
  void park_abort() noexcept;
  /// By the g, after that. False: it has been resumed, and the g goes on. g_ is set before.
  bool park(FrameLink& leaf) noexcept;

  /// By the other side, once, from any thread: its last act.
  void resume() noexcept;

 private:
  enum Fate : std::uint8_t { begun, parked, resumed, left };
  static bool withdraw_wait(Waiter* w) noexcept;
  void (*ask_)(ForeignWait&) noexcept;
  Atomic<Fate> fate_{begun};
};

}  // namespace gmp::detail
