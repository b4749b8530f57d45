// include/gmp/detail/chan/operations.hpp — what ch.send() and ch.recv() return: operations, until they are awaited.
// Go: runtime/chan.go (chansend1, chanrecv2).  Room: chan (floor 4).
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/detail/chan/hchan.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/task/operation.hpp"

namespace gmp::detail {

[[noreturn]] GMPCORO_EXPORT void throw_closed_channel();  // ClosedChannel

/// False: g++ before 13 would destroy a temporary T in a co_await expression twice.
template <class T>
inline constexpr bool sent_as_rvalue = !GMPCORO_GCC12_TEMPORARIES || !std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>;

/// To move it is to copy its bytes, so what sends it holds a copy: nobody can tell, and a temporary may be gone when it goes.
template <class T>
inline constexpr bool sent_as_copy = std::is_trivially_copyable_v<T> && std::is_copy_constructible_v<T>;

/// What moved() gives.
template <class T>
class Moved {
 public:
  explicit Moved(T& value) noexcept : value_(&value) {}
  T& value() const noexcept { return *value_; }

 private:
  T* value_;
};

/// A value that was taken out of a channel, as it was stored there, until it is given on.
template <class T>
class ReceivedValue {
 public:
  ReceivedValue() noexcept {}
  ReceivedValue(ReceivedValue&& other) noexcept { GMPCORO_ASSERT(!other.full_); }  // there is none yet
  ~ReceivedValue() { drop(); }
  void* room() noexcept { return room_; }
  void set_full() noexcept { full_ = true; }
  void drop() noexcept {
    if (std::exchange(full_, false)) element_of<T>.destroy(room_);
  }

  /// The value, or nullopt if there is none. One that cannot be moved out goes back to the channel, and the exception goes on.
  std::optional<T> take([[maybe_unused]] HChan* chan) {
    if (!full_) return std::nullopt;
    full_ = false;
    if constexpr (stored_boxed<T>) {
      std::unique_ptr<Boxed<T>> box(unbox());
      try {
        return std::optional<T>(std::in_place, std::move(box->value_));
      } catch (...) {
        chan->give_back(box.release());
        throw;
      }
    } else {
      T* stored = std::launder(reinterpret_cast<T*>(room_));
      const Destroyed after(stored);
      return std::optional<T>(std::in_place, std::move(*stored));
    }
  }
  /// The same, straight to where it shall be: each further move could throw, and lose it.
  void take_to(std::optional<T>& into, [[maybe_unused]] HChan* chan) {
    into.reset();
    if (!full_) return;
    full_ = false;
    if constexpr (stored_boxed<T>) {
      std::unique_ptr<Boxed<T>> box(unbox());
      try {
        into.emplace(std::move(box->value_));
      } catch (...) {
        chan->give_back(box.release());
        throw;
      }
    } else {
      T* stored = std::launder(reinterpret_cast<T*>(room_));
      into.emplace(std::move(*stored));
      stored->~T();
    }
  }

 private:
  struct Destroyed {
    explicit Destroyed(T* value) noexcept : value_(value) {}
    ~Destroyed() { value_->~T(); }
    T* value_;
  };
  Boxed<T>* unbox() noexcept { return static_cast<Boxed<T>*>(*std::launder(reinterpret_cast<BoxLink**>(room_))); }

  alignas(Stored<T>) std::byte room_[sizeof(Stored<T>)];
  bool full_ = false;
};

template <class T>
class [[nodiscard("co_await it: nothing is received yet")]] RecvOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit RecvOp(HChan* chan) noexcept : chan_(chan) {}

 private:
  HChan* chan_;
};

template <class T>
class RecvOp<T>::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, RecvOp&& op) noexcept : OperationAwaiter<Awaiter>(gp), chan_(*op.chan_) {}
  bool await_ready() noexcept {
    if constexpr (!stored_boxed<T>) {
      if (this->undisturbed() && chan_.pop<T>(value_.room())) {
        value_.set_full();
        return true;
      }
    }
    return false;
  }
  bool suspend(FrameLink& leaf) {
    slow_ = true;
    return chan_.begin(waiter_.emplace(this->g_, chan_, ChanWaiter::Side::recv, value_.room()), leaf);
  }
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  std::optional<T> await_resume() {
    collect();
    return value_.take(&chan_);
  }
  ~Awaiter() { collect(); }

 private:
  void collect() noexcept {
    if (std::exchange(slow_, false) && waiter_.get().done_) value_.set_full();
  }
  bool slow_ = false;
  HChan& chan_;
  ReceivedValue<T> value_;
  Late<ChanWaiter> waiter_;
};

/// value: to be moved from when it goes, and not before.
template <class T>
class [[nodiscard("co_await it: nothing is sent yet")]] SendOp {
 public:
  class Awaiter;
  using operation_tag = void;
  SendOp(HChan* chan, T& value) noexcept : chan_(chan), value_(&value) {}

 private:
  HChan* chan_;
  T* value_;
};

/// Shared by the two ways to hold a value.
template <class Self, class T>
class SendAwaiter : public OperationAwaiter<Self> {
 public:
  bool await_ready() noexcept {
    if constexpr (!stored_boxed<T>) return this->undisturbed() && chan_.push<T>(self().value());
    return false;
  }
  bool suspend(FrameLink& leaf) {
    slow_ = true;
    return chan_.begin(waiter_.emplace(this->g_, chan_, ChanWaiter::Side::send, &self().value()), leaf);
  }
  bool withdrawn() const noexcept { return waiter_.get().withdrawn_; }  // after suspend()
  void await_resume() const {
    if (slow_ && !waiter_.get().done_ && !waiter_.get().withdrawn_) throw_closed_channel();
  }

 protected:
  SendAwaiter(G* gp, HChan& chan) noexcept : OperationAwaiter<Self>(gp), chan_(chan) {}

 private:
  Self& self() noexcept { return *static_cast<Self*>(this); }
  bool slow_ = false;
  HChan& chan_;
  Late<ChanWaiter> waiter_;
};

template <class T>
class SendOp<T>::Awaiter : public SendAwaiter<Awaiter, T> {
 public:
  Awaiter(G* gp, SendOp&& op) noexcept : SendAwaiter<Awaiter, T>(gp, *op.chan_), value_(*op.value_) {}
  T& value() noexcept { return value_; }

 private:
  T& value_;
};

/// Sends a copy that it holds.
template <class T>
class [[nodiscard("co_await it: nothing is sent yet")]] SendCopyOp {
 public:
  class Awaiter;
  using operation_tag = void;
  SendCopyOp(HChan* chan, const T& value) : chan_(chan), value_(value) {}

 private:
  HChan* chan_;
  T value_;
};

template <class T>
class SendCopyOp<T>::Awaiter : public SendAwaiter<Awaiter, T> {
 public:
  Awaiter(G* gp, SendCopyOp&& op) : SendAwaiter<Awaiter, T>(gp, *op.chan_), value_(std::move(op.value_)) {}
  T& value() noexcept { return value_; }

 private:
  T value_;
};

}  // namespace gmp::detail

/// In what takes an rvalue to be sent.
#define GMPCORO_CHECK_SENT(T)                                                                                                      \
  static_assert(::gmp::detail::sent_as_rvalue<T>,                                                                                  \
                "g++ before 13 destroys a temporary aggregate twice inside co_await: name the value and send gmp::moved(value), or " \
                "give the type a constructor")
