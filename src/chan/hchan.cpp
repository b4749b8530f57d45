// src/chan/hchan.cpp — HChan: sending, receiving and closing, with all that waits.
// Go: runtime/chan.go.  Room: chan (floor 4).
//
// A value goes straight from the sender into a sleeping receiver's frame, or out of a sleeping sender's frame, and the sleeper is made
// ready with the outcome in its waiter: it never looks at the channel again.
//
// The g is parked under lock_ (PK1, PK2 of park.hpp): from the unlock on it may be woken, run and be gone.  A withdrawal takes lock_ too,
// so it finds the waiter queued, or taken.
#include "gmp/detail/chan/hchan.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "chan/verbs.hpp"
#include "gmp/detail/park.hpp"

namespace gmp::detail {

namespace {

constexpr std::size_t ring_bytes_max = std::size_t{1} << 47;  // what the machine can address
constexpr Element nothing = element_of<char>;                  // by which the nil channels are known

void* allocate(std::size_t size, std::size_t align) {
  if (align <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator new(size);
  return ::operator new(size, std::align_val_t(align));
}
void deallocate(void* block, std::size_t align) noexcept {
  if (align <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator delete(block);
  ::operator delete(block, std::align_val_t(align));
}

}  // namespace

// ---- coming and going

HChan::HChan(const Element& element, std::size_t capacity, std::byte* slots) noexcept : capacity_(capacity), slots_(slots), element_(element) {}

// One block: the channel, behind it the ring, and room for its source.
HChan* HChan::make(const Element& element, std::size_t capacity, std::size_t behind_bytes) {
  constexpr auto size_max = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max());
  if (capacity > size_max || (element.size != 0 && capacity > (ring_bytes_max - sizeof(HChan)) / element.size))
    throw std::length_error("makechan: size out of range");
  const std::size_t ring_align = std::max(element.align, behind_bytes != 0 ? alignof(std::max_align_t) : 1);
  const std::size_t head = (sizeof(HChan) + ring_align - 1) / ring_align * ring_align;
  const std::size_t ring = capacity * element.size;
  auto* block = static_cast<std::byte*>(allocate(behind_bytes != 0 ? head + behind(ring) + behind_bytes : head + ring, element.align));
  return ::new (static_cast<void*>(block)) HChan(element, capacity, block + head);
}

void HChan::destroy() noexcept {
  if (!receivers_.queue.empty() || !senders_.queue.empty())
    fatal("a channel was destroyed while a goroutine waits on it: who waits must hold a handle of its own");
  if (source_ != nullptr) source_->gone(source_);
  for (std::size_t n = element_.size != 0 ? count_.load(relaxed) : 0; n > 0; --n) {
    element_.destroy(slot(0, element_.size));
    drop_first(n);
  }
  while (BoxLink* box = returned_) {
    returned_ = box->next_;
    element_.destroy(&box);
  }
  const std::size_t align = element_.align;
  this->~HChan();
  deallocate(this, align);
}

HChan& HChan::nil(ChanWaiter::Side side) noexcept {
  static HChan for_send(nothing, 0, nullptr), for_recv(nothing, 0, nullptr);
  return side == ChanWaiter::Side::send ? for_send : for_recv;
}

inline bool HChan::is_nil() const noexcept { return &element_ == &nothing; }

// ---- the two verbs

HChan::Outcome HChan::try_send(void* value) {
  if (!can_send()) return Outcome::would_wait;
  ChanWaiter* woken = nullptr;
  Outcome outcome;
  {
    LockGuard guard(lock_);
    outcome = send_locked(value, woken);
  }
  if (woken != nullptr) wake(woken);
  return outcome;
}

HChan::Outcome HChan::try_send_distinct(void* value) {
  ChanWaiter* woken = nullptr;
  Outcome outcome;
  {
    LockGuard guard(lock_);
    for (std::size_t n = count_.load(relaxed); n > 0; --n) {
      if (std::memcmp(slot(n - 1, element_.size), value, element_.size) == 0) return Outcome::would_wait;
    }
    outcome = send_locked(value, woken);
  }
  if (woken != nullptr) wake(woken);
  return outcome;
}

HChan::Outcome HChan::try_recv(void* room) {
  if (!can_recv()) return Outcome::would_wait;
  ChanWaiter* woken = nullptr;
  Outcome outcome;
  {
    LockGuard guard(lock_);
    outcome = recv_locked(room, woken);
  }
  if (woken != nullptr) wake(woken);
  return outcome;
}

// One function for each side, all of it inlined: with a g on the other side this is most of what a hand-over costs.
template <ChanWaiter::Side Side>
[[gnu::flatten]] bool HChan::begin_on(ChanWaiter& w, FrameLink& leaf) {
  constexpr bool sends = Side == ChanWaiter::Side::send;
  G* gp = w.g_;
  ChanWaiter* woken = nullptr;
  {
    LockGuard guard(lock_);
    if (proceed(Side, w, woken) == Outcome::would_wait) {
      WaitReason reason = sends ? WaitReason::chan_send : WaitReason::chan_receive;
      if (is_nil()) [[unlikely]] reason = sends ? WaitReason::chan_send_nil : WaitReason::chan_receive_nil;
      park_begin(gp, leaf, reason, &w);
      if (!gives_up(w)) [[likely]] {
        enqueue(sends ? senders_ : receivers_, w);
        return true;
      }
      w.withdrawn_ = true;
    }
  }
  if (w.withdrawn_) [[unlikely]] park_abort(gp);  // not under lock_: whoever holds the g may be waiting for that
  if (woken != nullptr) wake(woken);
  return give_way(gp, leaf);
}

bool HChan::begin(ChanWaiter& w, FrameLink& leaf) {
  return w.side_ == ChanWaiter::Side::send ? begin_on<ChanWaiter::Side::send>(w, leaf) : begin_on<ChanWaiter::Side::recv>(w, leaf);
}

void HChan::block(ChanWaiter& w) {
  ThreadParker parker;
  w.thread_ = &parker;
  ChanWaiter* woken = nullptr;
  bool sleeps = false;
  {
    LockGuard guard(lock_);
    sleeps = proceed(w.side_, w, woken) == Outcome::would_wait;
    if (sleeps) enqueue(waiting(w), w);
  }
  if (woken != nullptr) wake(woken);
  if (sleeps) parker.park();
}

// Receivers first, then senders, each in their order, and when the lock is free: each of them may take it first thing.
void HChan::close() {
  WakeList woken;
  {
    LockGuard guard(lock_);
    if (closed_.load(relaxed)) {
      if (tearing_down()) return;
      throw std::logic_error("close of closed channel");
    }
    closed_.store(true, release);  // [CHAN-CLOSED] who sees it sees what happened before
    for (Waiting* side : {&receivers_, &senders_}) {
      while (ChanWaiter* w = claim_first(*side)) {
        settle(*side, *w, false);
        woken.push(w);
      }
    }
  }
  woken.wake_all();
}

void HChan::give_back(BoxLink* box) noexcept {
  ChanWaiter* receiver = nullptr;
  {
    LockGuard guard(lock_);
    receiver = claim_first(receivers_);
    if (receiver != nullptr) {
      ::new (receiver->element_) BoxLink*(box);
      settle(receivers_, *receiver, true);
    } else {
      box->next_ = returned_;
      returned_ = box;
      returned_count_.store(returned_count_.load(relaxed) + 1, relaxed);
    }
  }
  if (receiver != nullptr) wake(receiver);
}

// ---- withdrawal

bool ChanWaiter::withdraw_wait(Waiter* waiter) noexcept {
  auto& w = static_cast<ChanWaiter&>(*waiter);
  if (w.chan_->leave(w)) return w.withdrawn_ = true;
  // A value that came is destroyed with the frame; one that went is its receiver's.
  return tearing_down() && !not_yet_woken(w);
}

bool HChan::leave(ChanWaiter& w) noexcept {
  LockGuard guard(lock_);
  if (!decltype(receivers_.queue)::linked(&w)) {
    w.give_up_.store(true, relaxed);
    return false;
  }
  dequeue(waiting(w), w);
  return true;
}

}  // namespace gmp::detail
