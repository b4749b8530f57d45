// src/sched/deadlock.cpp — can any g ever run again?
// Go: runtime/proc.go (checkdead).  Room: sched (floor 2).
//
// Go counts Ms.  Here an idle P keeps its M, and a program may have several executors whose gs wake each other; so the question is put to all of
// them, twice, by the sysmon of the executor that the free run() made.  Nothing but what is counted here can wake an idle P: a g that is queued
// or runs (or lies ready for the one M that may run it: turn_), a timer, an operation in flight, a call in blocking(f), and what gives hope
// from outside (Wakers, foreign awaits: hopes_; signals that are waited for, stop_tokens: outside_hopes).
//   DL1  if all Ps of all executors are idle at two looks, if every count is zero between them, and if no P switched gs from the first to
//        the second, then nothing was under way at the second: who hands a g from one executor to another is himself a running g of one of
//        them, and what he woke is queued, or has switched.
//   DL2  a thread that is not the library's may do anything: the caller of this compares their number.
#include "sched/sched.hpp"
#include "sched/sysmon.hpp"

namespace gmp::detail {

namespace {

constinit Lock registry_lock;
constinit Sched* registry = nullptr;  // registry_lock: executors that have not been stopped, through other_

}  // namespace

void Sched::enrol() noexcept {
  LockGuard guard(registry_lock);
  other_ = registry;
  registry = this;
}

void Sched::strike_off() noexcept {
  LockGuard guard(registry_lock);
  for (Sched** link = &registry; *link != nullptr; link = &(*link)->other_) {
    if (*link != this) continue;
    *link = other_;
    return;
  }
}

void Sched::each(void (*fn)(Sched&, void*), void* context) {
  LockGuard guard(registry_lock);
  for (Sched* sched = registry; sched != nullptr; sched = sched->other_) fn(*sched, context);
}

bool Sched::at_rest(std::uint64_t& switches) noexcept {
  for (int i = 0; i < ps_made_.load(acquire); ++i) switches += ps_[i]->tick_.load(acquire);  // [P-MADE]
  return all_idle() && gate_.empty() && global_size_.load(seq_cst) == 0;                     // [WAKE]
}

bool Sched::has_hope() noexcept {
  if (hopes_.load(seq_cst) != 0) return true;           // [HOPE]
  for (int i = 0; i < ps_made_.load(acquire); ++i) {  // [P-MADE]
    P* pp = ps_[i].get();
    if (!pp->runq_.empty() || pp->timers_.next_when() < in_ages || pp->io_waiting_.load(seq_cst) != 0) return true;  // [HOPE]
  }
  LockGuard guard(lock_);
  for (const auto& mp : ms_) {
    if (mp->turn_ != nullptr || mp->sysc_.load(acquire) % 2 != 0) return true;  // [SYSC]
  }
  return false;
}

bool Sched::all_hopeless() noexcept {
  LockGuard guard(registry_lock);
  if (outside_hopes.load(seq_cst) != 0) return false;  // [HOPE]
  std::uint64_t before = 0, after = 0;
  for (Sched* sched = registry; sched != nullptr; sched = sched->other_) {
    if (!sched->at_rest(before)) return false;
  }
  for (Sched* sched = registry; sched != nullptr; sched = sched->other_) {
    if (sched->has_hope()) return false;
  }
  for (Sched* sched = registry; sched != nullptr; sched = sched->other_) {
    if (!sched->at_rest(after)) return false;
  }
  return before == after;
}

}  // namespace gmp::detail
