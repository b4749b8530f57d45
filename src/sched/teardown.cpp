// src/sched/teardown.cpp — destroying chains of parked frames, and what destructors may do meanwhile.
// Go: none.  Room: sched (floor 2).
//
// A parent's frame owns its child by the awaiter it is suspended in, whose destructor would destroy the child.  Leaf first, the child is gone
// by then: the awaiter asks destroy_abandoned(), which knows the frame that went last.  The awaiter of the current suspension is the
// first thing that the destruction of a frame destroys, so one word is enough, and frames carry nothing for it.
#include "sched/teardown.hpp"

#include <algorithm>
#include <coroutine>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/sched/abandon.hpp"
#include "sys/patience.hpp"

namespace gmp::detail {

namespace {
constinit thread_local Teardown* tls_teardown = nullptr;
}

GMPCORO_NOINLINE Teardown* Teardown::current() noexcept { return tls_teardown; }
// attention: the inline fast paths must not act, since an unlock may not be real (note_phantom), and its lock may be gone.
Teardown::Teardown(const Sched* sched) noexcept : sched_(sched), outer_(tls_teardown) {
  tls_teardown = this;
  attention.fetch_add(1, relaxed);  // its readers that matter are on this thread
}
Teardown::~Teardown() {
  attention.fetch_sub(1, relaxed);
  tls_teardown = outer_;
}

void Teardown::destroy_chain(G* gp) noexcept {
  dead_child_ = nullptr;
  for (FrameLink* link = gp->leaf_; link != nullptr;) {
    FrameLink* up = link->parent_;
    const std::coroutine_handle<> frame = link->handle();
    frame.destroy();
    dead_child_ = frame.address();
    link = up;
  }
  dead_child_ = nullptr;
}

void destroy_abandoned(std::coroutine_handle<> child) noexcept {
  Teardown* teardown = Teardown::current();
  if (teardown != nullptr && teardown->dead_child_ == child.address()) {
    teardown->dead_child_ = nullptr;
    return;
  }
  child.destroy();
}

bool Teardown::is_of(const Sched* sched) noexcept {
  const Teardown* teardown = current();
  while (teardown != nullptr && teardown->sched_ != sched) teardown = teardown->outer_;
  return teardown != nullptr;
}

bool tearing_down() noexcept { return Teardown::current() != nullptr; }
bool torn_down(const G* gp) noexcept { return Teardown::is_of(gp->sched_); }

void note_phantom(const void* lock) noexcept {
  if (Teardown* teardown = Teardown::current()) with_memory([&] { teardown->phantoms_.push_back(lock); });
}

bool take_phantom(const void* lock) noexcept {
  Teardown* teardown = Teardown::current();
  if (teardown == nullptr) return false;
  auto& all = teardown->phantoms_;
  const auto found = std::find(all.begin(), all.end(), lock);
  if (found == all.end()) return false;
  all.erase(found);
  return true;
}

void misuse(const char* text) noexcept {
  if (!tearing_down()) fatal(text);
}

}  // namespace gmp::detail
