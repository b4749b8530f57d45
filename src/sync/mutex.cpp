// src/sync/mutex.cpp — Mutex: how gs compete for it, and how the late ones get it.
// Go: sync/mutex.go.  Room: sync (floor 5); stands on wait/sema.
//
// Go's two modes.  Normal: unlock() frees the mutex and wakes the first sleeper, which then competes with newcomers.  They are many, run
// already, and mostly win: that is what makes a contended mutex fast, since no lock is ever held by a g that does not run.  Starvation: a
// sleeper that lost and has waited 1 ms sets `starving`; then unlock() leaves the mutex as it is and hands it to the first sleeper,
// newcomers go to the end of the queue, and it goes back to normal with the first owner that was in time, or is the last.
//
// Where this differs from Go.
//   - unlock() is one RMW in all cases: it frees the mutex, counts the sleeper off and sets `woken` at once, or hands over.  Go clears
//     `locked` first and looks for sleepers after that, in an object which by then may be destroyed.  After the RMW only the Sema is
//     touched, for a sleeper that cannot go on before (sema.cpp): so it lives.
//   - a sleeper may withdraw (W4), and a permit on its way must not be lost with it.
//
// Invariants:
//   M1  free, with sleepers counted, implies woken or starving: somebody is on his way who looks after them.
//   M2  woken has one owner: a spinner that set it, or the sleeper for whom a permit is on its way or has come. The owner clears it, with
//       the CAS that locks, or that counts it as a sleeper while the mutex is locked (then its holder looks after all: M1).
//   M3  normal mode: those who sleep are the counted ones, and one more for each permit on its way (at most one, by M2). So a queued waiter
//       may leave if the count is not 0: a permit on its way finds another. Count 0: the permit is its own, it must stay.
//   M4  starving implies sleepers counted, the one that is given the mutex included: it counts itself off when it takes it. Starving and
//   free:
//       a hand-over is under way; nobody but its receiver may lock. A queued waiter may leave, unless it is the last, and so the receiver.
//       The last one that leaves while the mutex is locked takes `starving` with it.
//   M5  starving and woken are never set together: the one who sets starving clears its own woken, and nobody sets woken while starving.
#include "gmp/sync/mutex.hpp"

#include <utility>

#include "gmp/detail/base/assert.hpp"
#include "sync/in_use.hpp"
#include "sync/lock_cycle.hpp"
#include "wait/sleeper.hpp"

namespace gmp {

namespace detail {

namespace {

constexpr std::int64_t starvation_threshold_ns = 1'000'000;

}  // namespace

Sema& MutexWaiter::sema() noexcept { return mutex_->sema_; }

// The mutex is ours: for who follows owners.
bool MutexWaiter::has_it() noexcept {
  if (follows_locks()) [[unlikely]] note_lock_held(g_, mutex_);
  return holds_ = true;
}

bool MutexWaiter::advance() noexcept {
  if (withdrawn_) return true;
  if (granted_) {
    granted_ = false;
    starving_ = starving_ || now_ns() - since_ns_ > starvation_threshold_ns;
    const std::uint32_t state = mutex_->state_.load(relaxed);  // while a permit is on its way to us nobody enters or leaves starvation
    if ((state & Mutex::starving) != 0) return accept_handoff(state);
    woken_ = true;  // M2: unlock() set it for us
  }
  return compete();
}

// The mutex was handed over: it is free, and ours alone (M4).
bool MutexWaiter::accept_handoff(std::uint32_t old) noexcept {
  for (;;) {
    GMPCORO_ASSERT((old & (Mutex::locked | Mutex::woken)) == 0);
    GMPCORO_ASSERT((old >> Mutex::waiters_shift) != 0);
    std::uint32_t next = (old - Mutex::one_waiter) | Mutex::locked;
    // Back to normal as soon as possible: two gs that hand over in lock step are slow, and would go on for ever.
    if (!starving_ || (next >> Mutex::waiters_shift) == 0) next &= ~Mutex::starving;
    if (mutex_->state_.compare_exchange_weak(old, next, relaxed, relaxed)) return has_it();  // ordered by the permit
  }
}

// From its holder, who lets go of it; unless somebody else wants it.
bool MutexWaiter::take_over() noexcept {
  return mutex_->state_.load(relaxed) == Mutex::locked && has_it();  // who comes later is counted, and finds it locked: M1
}

// True: has the mutex, or has left. False: counted as a sleeper.
bool MutexWaiter::compete() noexcept {
  Atomic<std::uint32_t>& state = mutex_->state_;
  std::uint32_t old = state.load(relaxed);  // a guess: the CAS decides
  for (int spins = 0;;) {
    const bool free = (old & (Mutex::locked | Mutex::starving)) == 0;
    if ((old & (Mutex::locked | Mutex::starving)) == Mutex::locked && g_ != nullptr && can_spin(g_, spins)) {
      // Tell unlock() that it need not wake anybody.
      if (!woken_ && (old & Mutex::woken) == 0 && (old >> Mutex::waiters_shift) != 0)
        woken_ = state.compare_exchange_strong(old, old | Mutex::woken, relaxed, relaxed);  // it carries nothing but itself
      spin(spins++);
      old = state.load(relaxed);
      continue;
    }
    const bool leaving = !free && gives_up(*this);  // W4: instead of a further sleep
    std::uint32_t next = old;
    if (free)
      next |= Mutex::locked;
    else if (!leaving)
      next += Mutex::one_waiter;
    if (starving_ && !leaving && (old & Mutex::locked) != 0) next |= Mutex::starving;
    if (woken_) {
      GMPCORO_ASSERT((old & Mutex::woken) != 0);
      next &= ~Mutex::woken;
    }
    if (!state.compare_exchange_weak(old, next, acquire, relaxed)) continue;  // [MUTEX]
    woken_ = false;
    if (leaving) {
      if (follows_locks() && g_ != nullptr) note_lock_given_up(g_);
      return withdrawn_ = true;
    }
    if (free) return has_it();
    slept_ = since_ns_ != 0;
    if (!slept_) since_ns_ = now_ns();
    return false;
  }
}

// Under the root's lock, w counted, with no permit: takes it off the count, or refuses because the next permit is its own (M3, M4).
bool MutexWaiter::undo(SemaWaiter& w) noexcept {
  Atomic<std::uint32_t>& state = static_cast<MutexWaiter&>(w).mutex_->state_;
  std::uint32_t old = state.load(relaxed);  // a guess: the CAS decides
  for (;;) {
    const std::uint32_t sleepers = old >> Mutex::waiters_shift;
    const bool handing_over = (old & (Mutex::starving | Mutex::locked)) == Mutex::starving;
    if (sleepers == 0 || (sleepers == 1 && handing_over)) return false;
    std::uint32_t next = old - Mutex::one_waiter;
    if (sleepers == 1) next &= ~Mutex::starving;
    if (state.compare_exchange_weak(old, next, relaxed, relaxed)) return true;  // a number: it carries nothing else
  }
}

bool MutexWaiter::withdraw_lock(Waiter* waiter) noexcept {
  auto& w = static_cast<MutexWaiter&>(*waiter);
  const bool queued = Sema::withdraw(w, &undo);
  if (!queued && (!tearing_down() || not_yet_woken(w))) return false;
  if (follows_locks() && w.g_ != nullptr) note_lock_given_up(w.g_);
  if (queued) return true;
  w.take_back();
  return w.withdrawn_ = true;
}

// The g will not go on. What it has, or has been promised, goes to others.
void MutexWaiter::take_back() noexcept {
  if (std::exchange(holds_, false)) return mutex_->hand_on();
  if (!std::exchange(granted_, false)) return;
  Atomic<std::uint32_t>& state = mutex_->state_;
  std::uint32_t old = state.load(relaxed);  // a guess: the CAS decides
  for (;;) {
    std::uint32_t next;
    bool pass_on;
    const bool handed_over = (old & Mutex::starving) != 0;
    if (handed_over) {
      next = old - Mutex::one_waiter;
      pass_on = (next >> Mutex::waiters_shift) != 0;
      if (!pass_on) next &= ~Mutex::starving;
    } else {  // we own woken: it goes to the next sleeper, unless there is none, or a holder to look after them
      pass_on = (old & Mutex::locked) == 0 && (old >> Mutex::waiters_shift) != 0;
      next = pass_on ? old - Mutex::one_waiter : old & ~Mutex::woken;
    }
    if (!state.compare_exchange_weak(old, next, relaxed, relaxed)) continue;  // we held nothing: it carries nothing
    if (pass_on) mutex_->sema_.release(1, handed_over);
    return;
  }
}

bool MutexLockAwaiter::suspend(FrameLink& leaf) noexcept {
  if (follows_locks()) [[unlikely]] note_lock_wanted(g_, &mutex_);
  return suspend_in(g_, leaf);
}

bool MutexLockAwaiter::suspend_in(G* gp, FrameLink& leaf) noexcept {
  g_ = gp;
  return Sleeper<MutexWaiter>::suspend(waiter_.emplace(mutex_, g_), leaf, WaitReason::mutex_lock);
}

}  // namespace detail

void Mutex::lock_blocking() {
  detail::require_plain_thread("lock_blocking()", "co_await lock()");
  lock_on_thread();
}

bool Mutex::try_lock_slow() noexcept {
  if (!lock_fast()) return false;
  if (detail::follows_locks()) detail::note_lock_tried(this);
  return true;
}

void Mutex::lock_on_thread() noexcept {
  if (lock_fast()) {
    if (detail::follows_locks()) detail::note_lock_held(nullptr, this);
    return;
  }
  detail::MutexWaiter w(*this, nullptr);
  detail::Sleeper<detail::MutexWaiter>::block(w);
}

void Mutex::unlock_slow() noexcept {
  if (detail::tearing_down() && detail::take_phantom(this)) return;
  hand_on();
}

// Frees the mutex, or hands it over, by one RMW.
void Mutex::hand_on() noexcept {
  if (detail::follows_locks()) [[unlikely]] detail::note_lock_free(this);  // before the RMW: after it another may have it
  std::uint32_t old = state_.load(detail::relaxed);  // a guess: the CAS decides
  for (;;) {
    if ((old & locked) == 0) return detail::misuse("sync: unlock of unlocked mutex");
    const bool handoff = (old & starving) != 0;
    const bool wake = !handoff && (old & woken) == 0 && (old >> waiters_shift) != 0;
    std::uint32_t next = old & ~locked;
    if (wake) next = (next - one_waiter) | woken;
    if (!state_.compare_exchange_weak(old, next, detail::release, detail::relaxed)) continue;  // [MUTEX] from here on it may be destroyed
    if (wake || handoff) sema_.release(1, handoff);                                            // unless somebody sleeps
    return;
  }
}

void Mutex::destroyed_in_use() const noexcept {
  const std::uint32_t state = state_.load(detail::relaxed);  // for the text
  detail::destroyed_in_use("Mutex", (state >> waiters_shift) + ((state & woken) != 0 ? 1 : 0));
}

}  // namespace gmp
