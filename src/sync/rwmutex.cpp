// src/sync/rwmutex.cpp — RWMutex: how readers and writers let each other in.
// Go: sync/rwmutex.go.  Room: sync (floor 5); stands on wait/sema and Mutex.
//
// As Go's: writers compete for a Mutex; who has it announces itself, which holds off new readers, and waits for those inside; its unlock
// lets in all whom it held off.  A reader costs one RMW to get in and one to get out.
//
// Go counts in two words, all readers in one and those that the writer still waits for in another.  Here one word has separate counts for
// readers inside and held off, so that each step is one RMW, and the last touch of the object:
//   - runlock() knows from its one RMW whether it was the last that a writer waits for.  With two words a writer that withdraws cannot
//     know how many readers are between the one and the other, and one of them may touch the second after the object's destruction.
//   - unlock() lets in the held-off readers by the RMW that frees.  The Mutex must be unlocked before it, not after, or a reader that was
//   let
//     in may destroy the object first; so the next writer may come while the first one is just leaving, and waits for it with `next`.
//
// Invariants:
//   RW1  readers > 0 and writer: a writer with w_ sleeps on writer_sema_, or is about to; the RMW that takes readers to 0 owes it a permit.
//   RW2  readers == 0 and writer, not next: the writer has it, or its permit is on its way.
//   RW3  next: readers == 0, a first writer is in unlock(), after w_.unlock(); its last RMW makes the second `writer`, and owes it a permit
//   if
//        no held-off reader goes before.
//   RW4  who sleeps on reader_sema_ is counted as held off, or has been let in and has a permit on its way. So a queued reader may leave if
//        the held-off count is not 0; if it is 0 the permit is its own.
//   RW5  held off > 0 implies writer.
#include "gmp/sync/rwmutex.hpp"

#include <utility>

#include "gmp/detail/base/assert.hpp"
#include "sync/in_use.hpp"
#include "sync/lock_cycle.hpp"
#include "wait/sleeper.hpp"

namespace gmp {

namespace detail {

// ---- writers

RWMutexWriter::RWMutexWriter(RWMutex& rw, G* gp) noexcept : MutexWaiter(rw.w_, gp), rw_(&rw) { withdraw_ = &RWMutexWriter::withdraw_write; }

Sema& RWMutexWriter::sema() noexcept { return holds_ ? rw_->writer_sema_ : MutexWaiter::sema(); }

bool RWMutexWriter::advance() noexcept {
  if (!holds_ && !MutexWaiter::advance()) return false;
  if (withdrawn_) {
    if (holds_) withdraw_for_good();
    return true;
  }
  if (std::exchange(granted_, false)) {
    static_cast<void>(
        rw_->state_.load(acquire));  // [RWMUTEX] the permit came from the last reader: see what the others did before they left
    return has_it();
  }
  return claim();
}

// The RWMutex is ours: for who follows owners.
bool RWMutexWriter::has_it() noexcept {
  if (follows_locks()) [[unlikely]] note_lock_held(g_, rw_, LockUse::write);
  return writes_ = true;
}

// Has w_. True: has the RWMutex, or has left. False: announced, must wait for readers, or for the writer before.
bool RWMutexWriter::claim() noexcept {
  std::uint64_t old = rw_->state_.load(relaxed);  // a guess: the CAS decides
  for (;;) {
    const bool free = (old & (RWMutex::writer | RWMutex::readers)) == 0;
    if (!free && gives_up(*this)) {  // W4
      withdraw_for_good();
      return true;
    }
    const std::uint64_t announced = old | ((old & RWMutex::writer) != 0 ? RWMutex::next : RWMutex::writer);
    if (!rw_->state_.compare_exchange_weak(old, announced, acquire, relaxed)) continue;  // [RWMUTEX]
    if (free) return has_it();
    if (follows_locks() && wants_for_ever(g_)) [[unlikely]] note_lock_announced(g_, rw_);
    return false;
  }
}

// Under the root's lock, announced, with no permit: takes the announcement back, or refuses because the permit is on its way (RW2).
bool RWMutexWriter::unclaim() noexcept {
  std::uint64_t old = rw_->state_.load(relaxed);  // a guess: the CAS decides
  for (;;) {
    std::uint64_t undone = old & ~RWMutex::next;
    freed_ = 0;
    if (undone == old) {
      if ((old & RWMutex::readers) == 0) return false;
      freed_ = static_cast<std::uint32_t>(old >> RWMutex::held_off_shift);
      undone = (old & RWMutex::readers) + freed_;
    }
    // It has written nothing that those it lets in would have to see.
    if (rw_->state_.compare_exchange_weak(old, undone, relaxed, relaxed)) return true;
  }
}

bool RWMutexWriter::undo(SemaWaiter& waiter) noexcept {
  auto& w = static_cast<RWMutexWriter&>(waiter);
  return w.holds_ ? w.unclaim() : MutexWaiter::undo(w);
}

// Has w_, and nothing is announced any more. Not under a root's lock: these are permits for others.
void RWMutexWriter::withdraw_for_good() noexcept {
  withdrawn_ = true;
  if (follows_locks() && g_ != nullptr) [[unlikely]] note_lock_given_up(g_, rw_);
  if (freed_ != 0) rw_->reader_sema_.release(std::exchange(freed_, 0));
  holds_ = false;
  rw_->w_.hand_on();
}

bool RWMutexWriter::withdraw_write(Waiter* waiter) noexcept {
  auto& w = static_cast<RWMutexWriter&>(*waiter);
  if (!w.holds_) return withdraw_lock(waiter);
  if (Sema::withdraw(w, &undo)) {
    w.withdraw_for_good();
    return true;
  }
  if (!tearing_down() || not_yet_woken(w)) return false;
  RWMutex& rw = *w.rw_;
  w.holds_ = false;
  if (follows_locks() && w.g_ != nullptr) [[unlikely]] note_lock_given_up(w.g_, &rw);
  if (w.writes_ || w.granted_)
    rw.unlock();
  else
    rw.w_.hand_on();
  return w.withdrawn_ = true;
}

bool RWMutexLockAwaiter::suspend(FrameLink& leaf) noexcept {
  if (follows_locks() && wants_for_ever(g_)) [[unlikely]] note_lock_wanted(g_, &rw_, LockUse::write);
  return Sleeper<RWMutexWriter>::suspend(waiter_.emplace(rw_, g_), leaf, WaitReason::rwmutex_lock);
}

// ---- readers

Sema& RWMutexReader::sema() noexcept { return rw_->reader_sema_; }

bool RWMutexReader::advance() noexcept {
  if (withdrawn_) return true;
  if (std::exchange(granted_, false)) return has_it();
  std::uint64_t old = rw_->state_.load(relaxed);  // a guess: the CAS decides
  for (;;) {
    const bool held_off = (old & RWMutex::writer) != 0;
    const std::uint64_t one = held_off ? RWMutex::one_held_off : RWMutex::one_reader;
    if (!rw_->state_.compare_exchange_weak(old, old + one, acquire, relaxed)) continue;  // [RWMUTEX]
    if (!held_off) return has_it();
    if (follows_locks() && wants_for_ever(g_)) [[unlikely]] note_lock_wanted(g_, rw_, LockUse::read);
    return false;
  }
}

bool RWMutexReader::has_it() noexcept {
  if (follows_locks()) [[unlikely]] note_lock_held(g_, rw_, LockUse::read);
  return reads_ = true;
}

// Under the root's lock, w counted, with no permit: takes it off the count, or refuses because it has been let in (RW4).
bool RWMutexReader::undo(SemaWaiter& w) noexcept {
  Atomic<std::uint64_t>& state = static_cast<RWMutexReader&>(w).rw_->state_;
  std::uint64_t old = state.load(relaxed);  // a guess: the CAS decides
  do {
    if ((old >> RWMutex::held_off_shift) == 0) return false;
  } while (!state.compare_exchange_weak(old, old - RWMutex::one_held_off, relaxed, relaxed));  // a number: it carries nothing else
  return true;
}

bool RWMutexReader::withdraw_read(Waiter* waiter) noexcept {
  auto& w = static_cast<RWMutexReader&>(*waiter);
  const bool queued = Sema::withdraw(w, &undo);
  if (!queued && (!tearing_down() || not_yet_woken(w))) return false;
  if (follows_locks() && w.g_ != nullptr) [[unlikely]] note_lock_given_up(w.g_);
  if (queued) return true;
  if (w.reads_ || w.granted_) w.rw_->runlock();
  return w.withdrawn_ = true;
}

bool RWMutexRLockAwaiter::suspend(FrameLink& leaf) noexcept {
  return Sleeper<RWMutexReader>::suspend(waiter_.emplace(rw_, g_), leaf, WaitReason::rwmutex_rlock);
}

}  // namespace detail

void RWMutex::lock_blocking() {
  detail::require_plain_thread("lock_blocking()", "co_await lock()");
  if (lock_fast()) return;
  detail::RWMutexWriter w(*this, nullptr);
  detail::Sleeper<detail::RWMutexWriter>::block(w);
}

void RWMutex::rlock_blocking() {
  detail::require_plain_thread("rlock_blocking()", "co_await rlock()");
  if (rlock_fast()) return;
  detail::RWMutexReader w(*this, nullptr);
  detail::Sleeper<detail::RWMutexReader>::block(w);
}

// w_ is unlocked already. The last RMW on the object: lets in who was held off, and leaves it to the next writer if one waits for us.
void RWMutex::unlock_slow() noexcept {
  std::uint64_t old = state_.load(detail::relaxed);  // a guess: the CAS decides
  for (;;) {
    GMPCORO_ASSERT((old & (writer | readers)) == writer);
    const std::uint64_t let_in = old >> held_off_shift;
    const bool succeeded = (old & next) != 0;
    const std::uint64_t left = let_in + (succeeded ? writer : 0);
    if (!state_.compare_exchange_weak(old, left, detail::release, detail::relaxed))
      continue;  // [RWMUTEX] it may be destroyed, unless somebody sleeps
    if (let_in != 0)
      reader_sema_.release(static_cast<std::uint32_t>(let_in));
    else if (succeeded)
      writer_sema_.release();
    return;
  }
}

void RWMutex::runlock_slow(std::uint64_t old) noexcept {
  if ((old & readers) != 0) return writer_sema_.release();  // RW1: the writer sleeps, and keeps the object
  detail::misuse("sync: RUnlock of unlocked RWMutex");
  state_.fetch_add(one_reader, detail::relaxed);  // as it was: a destructor in a stopped executor gave back what its g never got
}

void RWMutex::note_tried() noexcept {
  if (detail::follows_locks()) detail::note_lock_tried(this, detail::LockUse::write);
}
void RWMutex::note_unlock() noexcept {
  if (detail::follows_locks()) detail::note_lock_free(this, detail::LockUse::write);
}
void RWMutex::note_read_tried() noexcept {
  if (detail::follows_locks()) detail::note_lock_tried(this, detail::LockUse::read);
}
void RWMutex::note_runlock() noexcept {
  if (detail::follows_locks()) detail::note_lock_free(this, detail::LockUse::read);
}

void RWMutex::not_locked() noexcept { detail::misuse("sync: Unlock of unlocked RWMutex"); }

void RWMutex::destroyed_in_use() const noexcept {
  const std::uint64_t state = state_.load(detail::relaxed);  // for the text
  detail::destroyed_in_use(
      "RWMutex", (state >> held_off_shift) + ((state & writer) != 0 && (state & readers) != 0 ? 1 : 0) + ((state & next) != 0 ? 1 : 0));
}

}  // namespace gmp
