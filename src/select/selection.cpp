// src/select/selection.cpp — select: one of many, chosen at random among those that are ready, and no trace of the others.
// Go: runtime/select.go.  Room: select (floor 4).
//
//   1  looks at all channels without a lock, picks one of those that seem ready at random, and tries that one under its lock
//   2  nothing seemed ready: locks all channels, in the order of their addresses, and looks again.  So "nothing is ready" is true of one
//      instant, and `otherwise` may be taken, or the g may go to sleep
//   3  queues a waiter on every channel and parks; from the first unlock on a channel may claim the g (claim.hpp)
//   4  when it runs again, takes the waiters of all that lost off their channels.  A channel that comes upon one of them before drops it, so a
//      loser is nobody's partner in between.
// Go shuffles the cases and takes the first that is ready; a draw among the ready ones is as uniform and needs no memory.
//
// Invariants:
//   SE1  a g that was claimed by a channel while 3 still unlocks the others must not be gone before it is through: 4 takes the lock of every
//        channel but the winner's, and that one was free when the winner claimed. So what 3 reads of the frame is there while it holds one lock.
//   SE2  the outcome (done_ of the winner's waiter, winner_) is written before the g is made ready, and read after it runs.
//   SE3  until 3 has queued all waiters, the g cannot be claimed, and must not be withdrawn: 3 is still at them. Hence the anchor, the first of
//        the channels (a nil one, if there is none): its lock is held from before the g waits until they are queued.
#include "gmp/detail/select/selection.hpp"

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "chan/claim.hpp"
#include "chan/verbs.hpp"

namespace gmp::detail {

namespace {

constexpr int hasty_tries = 4;  // of step 1: whoever is beaten to it so often looks under all locks
constexpr std::uint32_t cases_max = 65'536;
constexpr std::uint32_t insertions_max = 16;  // more are sorted after

}  // namespace

void Selection::check() const {
  if (count_ > cases_max) throw std::invalid_argument("select: too many cases (max 65536)");
  const auto is_otherwise = [](const CaseRecord& c) { return c.kind_ == CaseRecord::Kind::otherwise; };
  if (std::count_if(cases_, cases_ + count_, is_otherwise) > 1) throw std::invalid_argument("select: more than one otherwise");
}

bool Selection::is_ready(const CaseRecord& c) const noexcept {
  switch (c.kind_) {
    case CaseRecord::Kind::recv:
      return c.chan_->can_recv();
    case CaseRecord::Kind::send:
      return c.chan_->can_send();
    case CaseRecord::Kind::otherwise:
    case CaseRecord::Kind::off:
      break;
  }
  return false;
}

// Under its channel's lock. False: it would have to wait.
bool Selection::complete(std::uint32_t i, ChanWaiter*& woken) {
  CaseRecord& c = cases_[i];
  const HChan::Outcome outcome =
      c.kind_ == CaseRecord::Kind::send ? c.chan_->send_locked(c.element_, woken) : c.chan_->recv_locked(c.element_, woken);
  if (outcome == HChan::Outcome::would_wait) return false;
  c.done_ = outcome == HChan::Outcome::done;
  index_ = static_cast<int>(i);
  return true;
}

// True: one case has gone through. Takes one lock.
bool Selection::try_one() {
  for (int tries = 0; tries < hasty_tries; ++tries) {
    std::uint32_t ready = 0, chosen = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      // The n-th that is ready takes the place of the one before with a chance of 1 in n: each is as likely in the end.
      if (is_ready(cases_[i]) && (++ready == 1 || cheap_random() % ready == 0)) chosen = i;
    }
    if (ready == 0) return false;
    ChanWaiter* woken = nullptr;
    bool through = false;
    {
      LockGuard guard(cases_[chosen].chan_->lock_);
      through = complete(chosen, woken);
    }
    if (woken != nullptr) wake(woken);
    if (through) return true;
  }
  return false;
}

// The same under all locks, where a channel that looks ready may have none but lost selects waiting: then another is tried.
bool Selection::complete_one_of_all(ChanWaiter*& woken) {
  for (;;) {
    std::uint32_t ready = 0, chosen = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      if (is_ready(cases_[i]) && (++ready == 1 || cheap_random() % ready == 0)) chosen = i;
    }
    if (ready == 0) return false;
    if (complete(chosen, woken)) return true;  // else the lost ones are off it now: it does not look ready any more
  }
}

void Selection::lock_all() noexcept {
  locked_ = 0;
  const bool few = count_ <= insertions_max;
  for (std::uint32_t i = 0; i < count_; ++i) {
    HChan* chan = cases_[i].chan_;
    if (chan == nullptr) continue;
    std::uint32_t at = locked_;
    while (few && at > 0 && std::less<>()(chan, locks_[at - 1])) --at;
    if (few && at > 0 && locks_[at - 1] == chan) continue;
    for (std::uint32_t k = locked_; k > at; --k) locks_[k] = locks_[k - 1];
    locks_[at] = chan;
    ++locked_;
  }
  if (!few) {
    std::sort(locks_, locks_ + locked_, std::less<>());
    locked_ = static_cast<std::uint32_t>(std::unique(locks_, locks_ + locked_) - locks_);
  }
  if (locked_ == 0) anchor().lock_.lock();
  for (std::uint32_t i = 0; i < locked_; ++i) locks_[i]->lock_.lock();
}

// After the last unlock the frame may be gone (SE1): what is needed then is kept here.
void Selection::unlock_all() noexcept {
  HChan** const locks = locks_;
  if (locked_ == 0) return anchor().lock_.unlock();
  for (std::uint32_t i = locked_; i > 0;) {
    HChan* chan = locks[--i];
    chan->lock_.unlock();
  }
}

// In which order the cases queue. On one channel the first is served first: so that of two cases on one neither is preferred, they are shuffled.
void Selection::shuffle() noexcept {
  const auto chans = std::count_if(cases_, cases_ + count_, [](const CaseRecord& c) { return c.chan_ != nullptr; });
  const bool each_alone = static_cast<std::uint32_t>(chans) == locked_;
  for (std::uint32_t i = 0; i < count_; ++i) {
    const std::uint32_t other = each_alone ? i : cheap_random() % (i + 1);
    cases_[i].turn_ = cases_[other].turn_;
    cases_[other].turn_ = static_cast<std::uint16_t>(i);
  }
}

bool Selection::begin(G* gp, FrameLink& leaf) {
  g_ = gp;
  if (try_one()) return give_way(gp, leaf);
  lock_all();
  ChanWaiter* woken = nullptr;
  bool through = false;
  try {
    through = complete_one_of_all(woken);
  } catch (...) {
    unlock_all();
    throw;
  }
  if (!through) {
    for (std::uint32_t i = 0; i < count_ && !through; ++i) {
      if (cases_[i].kind_ != CaseRecord::Kind::otherwise) continue;
      index_ = static_cast<int>(i);
      through = true;
    }
  }
  if (through) {
    unlock_all();
    if (woken != nullptr) wake(woken);
    return give_way(gp, leaf);
  }
  park_begin(gp, leaf, count_ == 0 ? WaitReason::select_no_cases : WaitReason::select, this);
  if (gives_up(*this)) {
    withdrawn_ = true;
    unlock_all();
    park_abort(gp);
    return give_way(gp, leaf);
  }
  parked_ = queued_ = true;
  enqueue_all();
  unlock_all();
  return true;
}

void Selection::enqueue_all() noexcept {
  shuffle();
  for (std::uint32_t n = 0; n < count_; ++n) {
    const std::uint32_t i = cases_[n].turn_;
    CaseRecord& c = cases_[i];
    if (c.chan_ == nullptr) continue;
    const auto side = c.kind_ == CaseRecord::Kind::send ? ChanWaiter::Side::send : ChanWaiter::Side::recv;
    ChanWaiter& w = c.waiter_.emplace(g_, *c.chan_, side, c.element_);
    w.case_ = i + 1;
    w.winner_ = &winner_;
    c.waits_ = true;
    c.chan_->enqueue(c.chan_->waiting(w), w);
  }
}

void Selection::leave() noexcept {
  if (!parked_) return;
  parked_ = false;
  const std::uint32_t winner = winner_.load(relaxed);  // SE2
  if (winner != claim_none && winner < claim_withdrawn) {
    index_ = static_cast<int>(winner) - 1;
    cases_[index_].done_ = cases_[index_].waiter_.get().done_;
  }
  for (std::uint32_t i = 0; i < count_; ++i) {
    CaseRecord& c = cases_[i];
    if (!c.waits_ || static_cast<int>(i) == index_) continue;
    ChanWaiter& w = c.waiter_.get();
    LockGuard guard(c.chan_->lock_);
    if (decltype(HChan::Waiting::queue)::linked(&w)) c.chan_->dequeue(c.chan_->waiting(w), w);
  }
}

// Off a stopping executor's g they come at once: the channels may be in frames that are destroyed before its own.
bool Selection::withdraw_select(Waiter* waiter) noexcept {
  auto& self = static_cast<Selection&>(*waiter);
  {
    LockGuard guard(self.anchor().lock_);
    if (!self.queued_) {  // SE3
      self.give_up_.store(true, relaxed);
      return false;
    }
  }
  if (claim(self.winner_, claim_withdrawn))
    self.withdrawn_ = true;  // channels that come upon its waiters drop them; the rest goes with leave()
  else if (!tearing_down() || not_yet_woken(self))
    return false;
  if (tearing_down()) self.leave();
  return true;
}

}  // namespace gmp::detail
