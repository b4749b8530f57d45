// include/gmp/detail/chan/hchan.hpp — HChan: a channel, whatever it carries: a lock, a ring, and who waits on either side.
// Go: runtime/chan.go (hchan, waitq, sudog).  Room: chan (floor 4).
//
// The algorithm is compiled once, in src/chan/hchan.cpp, over what an Element says of the type.  What is inline here is the one case that a
// buffered channel is made for: there is room, or there is a value, and nobody waits.
// Invariants (all under lock_):
//   CH1  a receiver waits only if the ring is empty, a sender only if it is full; not both: so a value that is sent is older than those sent later,
//        whether it lies in the ring or in a sleeping sender's frame.
//   CH2  a value is moved while both sides are in place: its giver is still queued, or has not returned; its taker likewise.  A move that throws
//        changes nothing, and the exception goes to whoever called.
//   CH3  who takes a waiter off its queue has its outcome written before it wakes it, and wakes it when the lock is free.
//   CH4  a select's waiter is on several queues. Who moves the select's winner_ from 0 has it; the others drop it from theirs.
//   CH5  closed_ is never taken back, and nobody begins to wait after it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "gmp/detail/base/list.hpp"
#include "gmp/detail/chan/element.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

class HChan;

/// Who sleeps on one side of a channel.
struct ChanWaiter : Waiter {
  enum class Side : std::uint8_t { recv, send };
  ChanWaiter(G* gp, HChan& chan, Side side, void* element) noexcept
      : Waiter(gp, &ChanWaiter::withdraw_wait), chan_(&chan), element_(element), side_(side) {}
  GMPCORO_EXPORT static bool withdraw_wait(Waiter* w) noexcept;

  HChan* chan_;
  void* element_;                            // a sender: the value it gives. A receiver: room for what is stored of one
  Atomic<std::uint32_t>* winner_ = nullptr;  // the select's that it belongs to, or null (CH4)
  std::uint32_t case_ = 0;                   // in a select: which one, from 1
  const Side side_;
  bool done_ = false;                        // the value went, or came. False when it is woken: the channel was closed
};

/// Who feeds a channel by himself: told when the last handle on it has gone. Such a channel looks like one without a buffer.
struct ChanSource {
  void (*gone)(ChanSource*) noexcept;
};

class HChan : Immovable {
 public:
  /// Throws std::length_error("makechan: size out of range"), std::bad_alloc. One handle is the caller's.
  /// behind: so many bytes, aligned for anything, for who feeds it.
  GMPCORO_EXPORT static HChan* make(const Element& element, std::size_t capacity, std::size_t behind = 0);
  void* room_behind() const noexcept { return slots_ + behind(capacity_ * element_.size); }
  void ref() noexcept { handles_.fetch_add(1, relaxed); }  // [CHAN-REFS] a copy of a handle that we hold
  /// True: the caller has the only handle.
  bool alone() const noexcept { return handles_.load(acquire) == 1; }  // [CHAN-REFS]
  void unref() noexcept {
    if (alone() || handles_.fetch_sub(1, acq_rel) == 1) destroy();  // [CHAN-REFS] the last one sees what the others did
  }

  /// The channels that a nil handle stands for: never ready, never closed. Two, for a sender and a receiver must not meet there.
  GMPCORO_EXPORT static HChan& nil(ChanWaiter::Side side) noexcept;
  bool is_nil() const noexcept;

  std::size_t size() const noexcept { return source_ != nullptr ? 0 : count_.load(relaxed) + returned_count_.load(relaxed); }
  std::size_t capacity() const noexcept { return source_ != nullptr ? 0 : capacity_; }
  /// Before there is a second handle.
  void set_source(ChanSource* source) noexcept { source_ = source; }
  ChanSource* source() const noexcept { return source_; }
  bool closed() const noexcept { return closed_.load(acquire); }  // [CHAN-CLOSED]
  bool drained() const noexcept { return closed() && size() == 0; }
  GMPCORO_EXPORT void close();  // throws std::logic_error("close of closed channel")

  /// Whether it looks as if it would not wait; another may be faster. Under lock_ it is the truth, but for selects that are lost.
  bool can_send() const noexcept { return count_.load(relaxed) < capacity_ || receivers_.length.load(relaxed) != 0 || closed_.load(relaxed); }
  bool can_recv() const noexcept {
    return count_.load(relaxed) != 0 || senders_.length.load(relaxed) != 0 || closed_.load(relaxed) || returned_count_.load(relaxed) != 0;
  }

  enum class Outcome : std::uint8_t { done, closed, would_wait };
  // Without waiting. What the element's load throws goes through, and nothing has happened (CH2).
  GMPCORO_EXPORT Outcome try_send(void* value);
  Outcome try_send_distinct(void* value);  // would_wait also if the same bytes lie in the ring
  GMPCORO_EXPORT Outcome try_recv(void* room);
  /// The g sleeps in leaf if it returns true: nothing may be touched then. Else w.done_ says what happened, or w.withdrawn_.
  GMPCORO_EXPORT bool begin(ChanWaiter& w, FrameLink& leaf);
  /// For plain threads.
  GMPCORO_EXPORT void block(ChanWaiter& w);
  /// What was received could not be moved out: it is the first again.
  void give_back(BoxLink* box) noexcept;

  // For the type that it was made for, if its move cannot throw. False: for whatever reason, take the compiled path.
  template <class T>
  bool push(T& value) noexcept {
    if (count_.load(relaxed) == capacity_ || receivers_.length.load(relaxed) != 0) return false;  // a guess, decided under the lock
    LockGuard guard(lock_);
    const std::size_t count = count_.load(relaxed);
    if (count == capacity_ || receivers_.length.load(relaxed) != 0 || closed_.load(relaxed)) return false;
    if constexpr (!stored_as_nothing<T>) ::new (static_cast<void*>(slot(count, sizeof(T)))) T(std::move(value));
    count_.store(count + 1, relaxed);
    return true;
  }
  template <class T>
  bool pop(void* room) noexcept {
    if (count_.load(relaxed) == 0 || senders_.length.load(relaxed) != 0) return false;  // a guess, decided under the lock
    LockGuard guard(lock_);
    const std::size_t count = count_.load(relaxed);
    if (count == 0 || senders_.length.load(relaxed) != 0) return false;
    if constexpr (!stored_as_nothing<T>) {
      T* first = std::launder(reinterpret_cast<T*>(slot(0, sizeof(T))));
      ::new (room) T(std::move(*first));
      first->~T();
    }
    drop_first(count);
    return true;
  }

 private:
  friend ChanWaiter;
  friend class Selection;

  struct Waiting {
    List<Waiter, &Waiter::next_, &Waiter::prev_> queue;
    Atomic<std::uint32_t> length{0};  // others look at it for a hint
  };

  HChan(const Element& element, std::size_t capacity, std::byte* slots) noexcept;
  static constexpr std::size_t behind(std::size_t bytes) noexcept { return (bytes + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t); }
  ~HChan() = default;
  GMPCORO_EXPORT void destroy() noexcept;

  // All of them under lock_.
  Outcome send_locked(void* value, ChanWaiter*& woken);
  Outcome recv_locked(void* room, ChanWaiter*& woken);
  Outcome proceed(ChanWaiter::Side side, ChanWaiter& w, ChanWaiter*& woken);
  ChanWaiter* claim_first(Waiting& waiting) noexcept;
  void settle(Waiting& side, ChanWaiter& w, bool done) noexcept;
  void load(void* room, void* value, ChanWaiter* claimed);
  void take_first(void* room) noexcept;
  Waiting& waiting(const ChanWaiter& w) noexcept { return w.side_ == ChanWaiter::Side::send ? senders_ : receivers_; }
  void enqueue(Waiting& side, ChanWaiter& w) noexcept;
  void dequeue(Waiting& side, ChanWaiter& w) noexcept;

  template <ChanWaiter::Side Side>
  bool begin_on(ChanWaiter& w, FrameLink& leaf);

  bool leave(ChanWaiter& w) noexcept;

  std::byte* slot(std::size_t i, std::size_t size) noexcept {
    i += first_;
    if (i >= capacity_) i -= capacity_;
    return slots_ + i * size;
  }
  void drop_first(std::size_t count) noexcept {
    if (++first_ == capacity_) first_ = 0;
    count_.store(count - 1, relaxed);
  }

  Lock lock_;
  Atomic<bool> closed_{false};        // changed under lock_, as the lengths and counts; others look at them for a hint
  Waiting receivers_, senders_;
  Atomic<std::size_t> count_{0};      // values in the ring
  std::size_t first_ = 0;             // the slot of the oldest
  const std::size_t capacity_;
  std::byte* const slots_;
  const Element& element_;
  BoxLink* returned_ = nullptr;       // by give_back(): received before all others, the last one first
  Atomic<std::size_t> returned_count_{0};
  ChanSource* source_ = nullptr;
  Atomic<std::size_t> handles_{1};
};

}  // namespace gmp::detail
