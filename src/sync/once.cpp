// src/sync/once.cpp — Once: the end of the first call, and those who wait for it.
// Go: sync/once.go.  Room: sync (floor 5); stands on wait/sema.
//
// Go has a flag and a Mutex that the first caller holds while f runs.  Here the callers that wait are counted in the flag's own word and
// sleep on a Sema, which the end of f releases for all of them at once: no lock to pass from one to the next, and eight bytes. The first
// caller does not come by here: it runs or awaits f in its own await (once.hpp), so f's frames are below its own in a dump. Invariants:
//   O1  state_ is 0, then running + sleepers, then finished, and nothing else ever again.
//   O2  who sleeps is counted while it is running; finish() takes the count away and owes each of them a permit.
//   O3  a queued waiter may leave while it is running, by the RMW that takes it off the count.
#include "gmp/sync/once.hpp"

#include "sync/in_use.hpp"
#include "wait/sleeper.hpp"

namespace gmp::detail {

Sema& OnceWaiter::sema() noexcept { return once_->sema_; }

bool OnceWaiter::advance() noexcept {
  if (withdrawn_ || granted_) return true;
  std::uint32_t old = once_->state_.load(acquire);  // [ONCE]
  for (;;) {
    if (old == OnceState::finished) return true;
    if (once_->state_.compare_exchange_weak(old, old + OnceState::one_waiter, relaxed, acquire))
      return false;  // [ONCE] it may find the end
  }
}

// Under the root's lock, w counted, with no permit (O3).
bool OnceWaiter::undo(SemaWaiter& w) noexcept {
  Atomic<std::uint32_t>& state = static_cast<OnceWaiter&>(w).once_->state_;
  std::uint32_t old = state.load(relaxed);  // a guess: the CAS decides
  do {
    if (old == OnceState::finished) return false;
  } while (!state.compare_exchange_weak(old, old - OnceState::one_waiter, relaxed, relaxed));  // a number: it carries nothing else
  return true;
}

bool OnceWaiter::withdraw_call(Waiter* waiter) noexcept {
  auto& w = static_cast<OnceWaiter&>(*waiter);
  if (Sema::withdraw(w, &undo)) return true;
  return tearing_down() && !not_yet_woken(w);  // a permit is nothing to anybody else
}

bool OnceState::park(FrameLink& leaf, G* gp, Late<OnceWaiter>& waiter) noexcept {
  return Sleeper<OnceWaiter>::suspend(waiter.emplace(*this, gp), leaf, WaitReason::once);
}

void OnceState::wait_on_thread() noexcept {
  OnceWaiter w(*this, nullptr);
  Sleeper<OnceWaiter>::block(w);
}

void OnceState::finish() noexcept {
  const std::uint32_t sleepers =
      state_.exchange(finished, release) / one_waiter;  // [ONCE] without sleepers it may be destroyed from here on
  if (sleepers != 0) sema_.release(sleepers);
}

// f runs, or is parked. In a stopped executor the frame of a younger g, with the Once in it, goes before the one that f belongs to.
void OnceState::destroyed_in_use() const noexcept {
  if (tearing_down()) return note_phantom(this);
  const std::uint32_t sleepers = state_.load(relaxed) / one_waiter;  // for the text
  if (sleepers != 0) gmp::detail::destroyed_in_use("Once", sleepers);
}

void OnceRunner::abandon() noexcept {
  if (!tearing_down() || !take_phantom(once_)) finish();
}

}  // namespace gmp::detail
