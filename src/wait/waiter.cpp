// src/wait/waiter.cpp — waking a waiter, be it a g or a plain thread, and a plain thread's sleep.
// Go: runtime/proc.go (goready), runtime/lock_futex.go (notesleep, notewakeup).  Room: wait (floor 3).
#include "gmp/detail/wait/waiter.hpp"

#include "gmp/detail/park.hpp"
#include "gmp/detail/sys/futex.hpp"

namespace gmp::detail {

void ThreadParker::park() noexcept {
  while (word_.load(acquire) == 0) futex_wait(&word_, 0);  // [PARKER] sees what the waker wrote
}

void ThreadParker::unpark() noexcept {
  const Atomic<std::uint32_t>* word = &word_;
  word_.store(1, release);  // [PARKER] from here on the sleeper's stack may be gone
  futex_wake(word, 1);      // an address, not memory: at worst somebody else's futex_wait returns early, which all allow
}

void wake(Waiter* w) noexcept {
  if (G* gp = w->g_)
    ready(gp);
  else
    w->thread_->unpark();
}

void wake_handoff(Waiter* w) noexcept {
  if (G* gp = w->g_)
    ready_handoff(gp);
  else
    w->thread_->unpark();
}

}  // namespace gmp::detail
