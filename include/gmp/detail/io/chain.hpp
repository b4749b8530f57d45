// include/gmp/detail/io/chain.hpp — Chainable: an awaiter on which another one is built, without a coroutine between them.
// Go: none (a call there).  Room: io (floor 5).
//
// BufReader::read_line() may need several reads of its stream.  Were it a coroutine, each call would cost a frame, and until() could not
// withdraw it.  So it is an awaiter that holds the stream's awaiter and goes through the reads one after another: the first begins in
// suspend(), the next ones in the M's loop, as a step of the same g (park.hpp), which stays asleep meanwhile.
//
// A chainable awaiter has, beside what operation.hpp asks for,
//   bool begin(FrameLink* leaf) noexcept;   true: the g sleeps now, and nothing of the frame may be touched. False: over.
//                                           leaf is null in a step: the g has slept before, and its frame is known
//   void then(bool (*f)(void*) noexcept, void* self) noexcept;
//                                           instead of going on when this operation has ended in a step, the g asks f(self): may it go on?
// The latter comes from Chainable, whose over() is called when the operation has ended in a step.
//   CH1  who is told by then() may destroy the awaiter that tells, and begin another one in its place: nothing of it is touched after.
//   CH2  what is said in the step is final: true: the g goes on in its frame, and its awaiter's await_resume() is called. False: it sleeps again.
#pragma once

#include <concepts>
#include <type_traits>

#include "gmp/detail/sched/g.hpp"
#include "gmp/detail/task/operation.hpp"

namespace gmp::detail {

class Chainable {
 public:
  /// Before begin().
  void then(bool (*f)(void*) noexcept, void* self) noexcept {
    then_ = f;
    self_ = self;
  }

 protected:
  Chainable() noexcept = default;

  /// In a step, last of all (CH1).
  bool over() const noexcept { return then_ == nullptr || then_(self_); }

 private:
  bool (*then_)(void*) noexcept = nullptr;
  void* self_ = nullptr;
};

template <class Op>
concept ChainableOperation =
    Operation<Op> && requires(typename std::remove_cvref_t<Op>::Awaiter& awaiter, FrameLink* leaf, bool (*f)(void*) noexcept, void* self) {
      { awaiter.begin(leaf) } noexcept -> std::same_as<bool>;
      awaiter.then(f, self);
    };

}  // namespace gmp::detail
