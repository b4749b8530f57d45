// src/sync/waitgroup.cpp — WaitGroup: the counter reaches zero, and all who wait go on.
// Go: sync/waitgroup.go.  Room: sync (floor 5); stands on wait/sema.
//
// Counter and sleepers are in one word, so that the add() that makes the counter zero knows, by the same RMW, for how many that is news; it
// alone looks after them.  Nobody else changes the word then, or it is misuse, which is reported as far as it can be seen.
// Invariants:
//   WG1  who sleeps is counted, or the counter has been zero since and a permit is on its way to it.
//   WG2  the add() that finds counter 0 and sleepers > 0 takes the word to 0, and owes each sleeper a permit. After its RMW it may touch
//   the
//        object: the sleepers keep it. With no sleepers it must not.
//   WG3  a queued waiter may leave while the counter is not zero, by the RMW that takes it off the count. At zero the permit is coming.
#include "gmp/sync/waitgroup.hpp"

#include <stdexcept>
#include <utility>

#include "sync/in_use.hpp"
#include "wait/sleeper.hpp"

namespace gmp {

namespace detail {

Sema& WaitGroupWaiter::sema() noexcept { return group_->sema_; }

bool WaitGroupWaiter::advance() noexcept {
  if (withdrawn_ || granted_) return true;
  std::uint64_t old = group_->state_.load(acquire);  // [WAITGROUP]
  for (;;) {
    if ((old >> 32) == 0) return true;
    if (group_->state_.compare_exchange_weak(old, old + 1, relaxed, acquire)) return false;  // [WAITGROUP] it may find the counter at zero
  }
}

// Under the root's lock, w counted, with no permit (WG3).
bool WaitGroupWaiter::undo(SemaWaiter& w) noexcept {
  Atomic<std::uint64_t>& state = static_cast<WaitGroupWaiter&>(w).group_->state_;
  std::uint64_t old = state.load(relaxed);  // a guess: the CAS decides
  do {
    // No sleepers counted: the counter was zero, and was raised again before we came out.
    if ((old >> 32) == 0 || static_cast<std::uint32_t>(old) == 0) return false;
  } while (!state.compare_exchange_weak(old, old - 1, relaxed, relaxed));  // a number: it carries nothing else
  return true;
}

bool WaitGroupWaiter::withdraw_wait(Waiter* waiter) noexcept {
  auto& w = static_cast<WaitGroupWaiter&>(*waiter);
  if (Sema::withdraw(w, &undo)) return true;
  return tearing_down() && !not_yet_woken(w);  // a permit is nothing to anybody else
}

bool WaitGroupAwaiter::suspend(FrameLink& leaf) noexcept {
  tried_ = true;
  return Sleeper<WaitGroupWaiter>::suspend(waiter_.emplace(group_, g_), leaf, WaitReason::waitgroup_wait);
}

}  // namespace detail

void WaitGroup::wait_blocking() {
  detail::require_plain_thread("wait_blocking()", "co_await wait()");
  if (finished()) return;
  detail::WaitGroupWaiter w(*this, nullptr);
  detail::Sleeper<detail::WaitGroupWaiter>::block(w);
  if (w.granted_) check_not_reused();
}

void WaitGroup::add_slow(int n, std::uint64_t state) {
  const auto counter = static_cast<std::int32_t>(state >> 32);
  const auto sleepers = static_cast<std::uint32_t>(state);
  if (counter < 0) {
    state_.fetch_sub(static_cast<std::uint64_t>(n) << 32, detail::relaxed);  // as it was
    if (detail::tearing_down()) return;
    throw std::logic_error("sync: negative WaitGroup counter");
  }
  if (counter > 0) {
    state_.fetch_sub(static_cast<std::uint64_t>(n) << 32, detail::relaxed);  // as it was
    throw std::logic_error("sync: WaitGroup misuse: Add called concurrently with Wait");
  }
  // acquire: the sleepers are woken by us, and must see what every done() did, not only the last one.
  if (!state_.compare_exchange_strong(state, 0, detail::acquire, detail::relaxed))  // [WAITGROUP]
    throw std::logic_error("sync: WaitGroup misuse: Add called concurrently with Wait");
  sema_.release(sleepers);
}

void WaitGroup::check_not_reused() const {
  if (state_.load(detail::relaxed) == 0) return;  // it is what the permit says it was, or newer
  if (!detail::tearing_down()) throw std::logic_error("sync: WaitGroup is reused before previous Wait has returned");
}

void WaitGroup::destroyed_in_use() const noexcept {
  detail::destroyed_in_use("WaitGroup", static_cast<std::uint32_t>(state_.load(detail::relaxed)));  // for the text
}

}  // namespace gmp
