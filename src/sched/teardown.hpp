// src/sched/teardown.hpp — Teardown: the scope in which the frames of a stopped executor are destroyed.
// Go: none (a Go program that ends destroys nothing).  Room: sched (floor 2).
#pragma once

#include <vector>

#include "gmp/detail/base/config.hpp"
#include "gmp/detail/sched/g.hpp"

namespace gmp::detail {

class Teardown : Immovable {
 public:
  explicit Teardown(const Sched* sched) noexcept;
  ~Teardown();

  /// Destroys a g's frames from the innermost outwards: locals of a callee may refer to locals of its caller. Iterative: chains are deep.
  void destroy_chain(G* gp) noexcept;

  /// The calling thread's, or null.
  static Teardown* current() noexcept;
  /// Whether the calling thread destroys frames of sched, be it within the destruction of another one's.
  static bool is_of(const Sched* sched) noexcept;

  void* dead_child_ = nullptr;              // the frame destroyed last: its parent's awaiter still names it
  std::vector<const void*> phantoms_;       // locks that a withdrawn Cond waiter does not hold, though its frame will unlock them
  const Sched* const sched_;

 private:
  Teardown* const outer_;
};

}  // namespace gmp::detail
