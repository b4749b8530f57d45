// src/wait/sleeper.hpp — how an operation sleeps on a Sema: as a g, or as a plain thread; once, or until it wins.
// Go: runtime/sema.go (semacquire1), and the loops round it in sync.  Room: wait (floor 3).
//
// W derives from SemaWaiter and has
//   bool advance() noexcept;      true: the operation is over (done, or withdrawn). False: it has counted itself as one who sleeps on
//   sema().
//                                 Called first when nothing has happened, and after each sleep: then granted_, or withdrawn_, or both not
//                                 (it was woken from another queue)
//   Sema& sema() noexcept;  bool in_front() const noexcept;
//   static bool undo(SemaWaiter& w) noexcept;      Sema::Undo
//   static constexpr bool competes;   after a sleep, advance() may be false: a woken g has to compete
// A g that must sleep again does not go back into its frame for it: advance() runs as its step (park.hpp).
#pragma once

#include "gmp/detail/park.hpp"
#include "gmp/detail/wait/sema.hpp"

namespace gmp::detail {

template <class W>
struct Sleeper {
  /// In await_suspend: false if the operation is over and the g goes on. After true nothing of the frame may be touched.
  static bool suspend(W& w, FrameLink& leaf, WaitReason reason) noexcept {
    G* gp = w.g_;
    while (!w.advance()) {
      w.key_ = w.sema().key();
      park_begin(gp, leaf, reason, &w, W::competes ? &step : nullptr);
      if (!acquire_or_queue(w)) return true;
      park_abort(gp);
    }
    return finish(w, leaf);
  }

  /// The operation is over without a sleep: must the g let go of its M? What it has got meanwhile is taken back by stop() (W5).
  static bool finish(Waiter& w, FrameLink& leaf) noexcept {
    G* gp = w.g_;
    gp->waiter_ = &w;
    if (give_way(gp, leaf)) return true;
    gp->waiter_ = nullptr;
    return false;
  }

  static bool step(G* gp) noexcept {
    W& w = static_cast<W&>(*gp->waiter_);
    while (!w.advance()) {
      w.key_ = w.sema().key();
      repark_begin(gp);
      if (!acquire_or_queue(w)) return false;
      park_abort(gp);
      gp->waiter_ = &w;
      gp->step_ = &step;
    }
    return true;
  }

  /// A plain thread.
  static void block(W& w) noexcept {
    while (!w.advance()) {
      ThreadParker parker;
      w.thread_ = &parker;
      w.key_ = w.sema().key();
      if (!acquire_or_queue(w)) parker.park();
    }
  }

 private:
  static bool acquire_or_queue(W& w) noexcept { return w.sema().acquire_or_queue(w, w.in_front(), &W::undo); }
};

}  // namespace gmp::detail
