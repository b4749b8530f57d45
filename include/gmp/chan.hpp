// include/gmp/chan.hpp — Chan<T>: typed values from goroutine to goroutine, and the two views of it that have one direction.
// Go: chan T, <-chan T, chan<- T.  Room: chan (floor 4).
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "gmp/detail/base/ref.hpp"
#include "gmp/detail/chan/operations.hpp"

namespace gmp {

template <class T>
class Chan;
template <class T>
class SendChan;
template <class T>
class RecvChan;

/// What send() throws if the channel is closed, or is closed while it waits: "send on closed channel". The value is still the caller's.
class GMPCORO_EXPORT ClosedChannel : public std::logic_error {
 public:
  ClosedChannel();
};

namespace detail {

// While the frames of a stopped executor are destroyed these two return.
GMPCORO_EXPORT void report_close_of_nil();    // std::logic_error("close of nil channel")
GMPCORO_EXPORT void report_send_on_closed();  // ClosedChannel

/// A reference to a channel, or none (nil).
class ChanRef : public Ref<HChan> {
 public:
  using Ref::Ref;
  HChan* get_or_nil(ChanWaiter::Side side) const noexcept { return get() != nullptr ? get() : &HChan::nil(side); }
};

/// The way into a handle for the rest of this library.
struct ChanAccess {
  template <class C>
  static const ChanRef& ref(const C& chan) noexcept {
    return chan.ref_;
  }
  /// Of an lvalue to look at; an rvalue's own, to be moved on.
  template <class C>
  static decltype(auto) forward_ref(std::remove_reference_t<C>& chan) noexcept {
    if constexpr (std::is_lvalue_reference_v<C> || std::is_const_v<C>)
      return static_cast<const ChanRef&>(chan.ref_);
    else
      return static_cast<ChanRef&&>(chan.ref_);
  }
  template <class C>
  static C from(ChanRef ref) noexcept {
    return C(std::move(ref));
  }
};

/// What all three handles have.
class ChanHandle {
 public:
  constexpr ChanHandle() noexcept = default;
  /// How many values lie in the channel, at this moment.      Go: len.
  std::size_t size() const noexcept { return ref_.get() != nullptr ? ref_.get()->size() : 0; }
  /// How many can lie there; 0: none, a sender waits for its receiver.      Go: cap.
  std::size_t capacity() const noexcept { return ref_.get() != nullptr ? ref_.get()->capacity() : 0; }
  /// Closed, and empty: recv() gives nothing any more.
  bool drained() const noexcept { return ref_.get() != nullptr && ref_.get()->drained(); }
  /// False for the nil channel.
  explicit operator bool() const noexcept { return ref_.get() != nullptr; }
  /// Whether both are the same channel.
  friend bool operator==(const ChanHandle& a, const ChanHandle& b) noexcept { return a.ref_.get() == b.ref_.get(); }

 protected:
  friend ChanAccess;
  explicit ChanHandle(ChanRef ref) noexcept : ref_(std::move(ref)) {}
  ~ChanHandle() = default;
  ChanHandle(const ChanHandle&) = default;
  ChanHandle(ChanHandle&&) noexcept = default;
  ChanHandle& operator=(const ChanHandle&) = default;
  ChanHandle& operator=(ChanHandle&&) noexcept = default;

  ChanRef ref_;
};

/// The receiving half.
template <class Self, class T>
class RecvSide {
 public:
  /// `std::optional<T> v = co_await ch.recv();` takes the oldest value. Parks the g while there is none; a sender wakes it, the one that has
  /// waited longest. nullopt: the channel is closed, and drained. From a nil channel: for ever.
  ///
  ///     while (auto v = co_await ch.recv()) use(*v);      Go: for v := range ch
  ///
  /// What a sender did before is seen after.      Go: v, ok := <-ch.
  RecvOp<T> recv() const noexcept { return RecvOp<T>(ref().get_or_nil(ChanWaiter::Side::recv)); }

  /// Takes a value if one is there. nullopt: none, or closed (see drained()). From any thread.      Go: select with a default.
  std::optional<T> try_recv() const {
    ReceivedValue<T> value;
    HChan* chan = ref().get();
    if (chan != nullptr && chan->try_recv(value.room()) == HChan::Outcome::done) value.set_full();
    return value.take(chan);
  }

  /// recv() for a plain thread, which sleeps. On a g: std::logic_error.
  std::optional<T> recv_blocking() const {
    require_plain_thread("recv_blocking()", "co_await recv()");
    HChan* chan = ref().get_or_nil(ChanWaiter::Side::recv);
    ReceivedValue<T> value;
    ChanWaiter w(nullptr, *chan, ChanWaiter::Side::recv, value.room());
    chan->block(w);
    if (w.done_) value.set_full();
    return value.take(chan);
  }

 private:
  const ChanRef& ref() const noexcept { return ChanAccess::ref(static_cast<const Self&>(*this)); }
};

/// The sending half.
template <class Self, class T>
class SendSide {
 public:
  /// `co_await ch.send(v);` Parks the g until there is room for it, or, without a buffer, a receiver takes it; in order of their coming.
  /// A closed channel: ClosedChannel, also if it is closed meanwhile. To a nil channel: for ever.
  ///
  /// An rvalue is moved from only when it goes, so it must live until then (a temporary does, in a co_await expression); if it does not go,
  /// because the channel is closed or until() gave up, the caller still has it.      Go: ch <- v.
  SendOp<T> send(T&& value) const noexcept {
    GMPCORO_CHECK_SENT(T);
    return SendOp<T>(ref().get_or_nil(ChanWaiter::Side::send), value);
  }
  SendOp<T> send(Moved<T> value) const noexcept { return SendOp<T>(ref().get_or_nil(ChanWaiter::Side::send), value.value()); }
  /// Sends a copy.
  SendCopyOp<T> send(const T& value) const
    requires std::copy_constructible<T>
  {
    return SendCopyOp<T>(ref().get_or_nil(ChanWaiter::Side::send), value);
  }

  /// Sends if that needs no waiting; false: nothing has happened, the value is the caller's. Closed: ClosedChannel. From any thread.
  ///      Go: select with a default.
  [[nodiscard("false: it was not sent")]] bool try_send(T&& value) const {
    HChan* chan = ref().get();
    return chan != nullptr && sent(chan->try_send(&value));
  }
  [[nodiscard("false: it was not sent")]] bool try_send(const T& value) const
    requires std::copy_constructible<T>
  {
    T copy(value);
    return try_send(std::move(copy));
  }

  /// send() for a plain thread, which sleeps. On a g: std::logic_error.
  void send_blocking(T&& value) const {
    require_plain_thread("send_blocking()", "co_await send()");
    HChan* chan = ref().get_or_nil(ChanWaiter::Side::send);
    ChanWaiter w(nullptr, *chan, ChanWaiter::Side::send, &value);
    chan->block(w);
    if (!w.done_) report_send_on_closed();
  }
  void send_blocking(const T& value) const
    requires std::copy_constructible<T>
  {
    T copy(value);
    send_blocking(std::move(copy));
  }

  /// No more is sent. Who waits to receive gets nullopt once the values that are there are taken, who waits to send ClosedChannel: all of
  /// them are woken, receivers first. Never suspends; from any thread. Closed already: std::logic_error("close of closed channel"); nil:
  /// std::logic_error("close of nil channel").      Go: close.
  void close() const {
    HChan* chan = ref().get();
    if (chan == nullptr) return report_close_of_nil();
    chan->close();
  }

 private:
  static bool sent(HChan::Outcome outcome) {
    if (outcome == HChan::Outcome::closed) report_send_on_closed();
    return outcome == HChan::Outcome::done;
  }
  const ChanRef& ref() const noexcept { return ChanAccess::ref(static_cast<const Self&>(*this)); }
};

}  // namespace detail

/// `co_await ch.send(gmp::moved(job));` sends job itself, moved from when it goes: as std::move(job), and for every type with every compiler. (g++
/// before 13 destroys a temporary aggregate twice inside co_await; so there send() refuses an rvalue of an aggregate with a destructor.)
template <class T>
  requires(!std::is_const_v<T>)
detail::Moved<T> moved(T& value) noexcept {
  return detail::Moved<T>(value);
}

/// The receiving end of a channel: a Chan that can only be received from.      Go: <-chan T.
template <class T>
class RecvChan : public detail::ChanHandle, public detail::RecvSide<RecvChan<T>, T> {
 public:
  using value_type = T;
  constexpr RecvChan() noexcept = default;

 private:
  friend detail::ChanAccess;
  friend Chan<T>;
  explicit RecvChan(detail::ChanRef ref) noexcept : ChanHandle(std::move(ref)) {}
};

/// The sending end of a channel: a Chan that can only be sent to, and closed.      Go: chan<- T.
template <class T>
class SendChan : public detail::ChanHandle, public detail::SendSide<SendChan<T>, T> {
 public:
  using value_type = T;
  constexpr SendChan() noexcept = default;

 private:
  friend detail::ChanAccess;
  friend Chan<T>;
  explicit SendChan(detail::ChanRef ref) noexcept : ChanHandle(std::move(ref)) {}
};

/// A channel: values of type T go from those that send to those that receive, first in, first out. A shared handle: copies name the same
/// channel, which lives as long as the last of them. Default-constructed it is the nil channel, on which one waits for ever. From any g;
/// try_… and …_blocking from any thread.      Go: chan T.
///
///     auto ch = make_chan<int>();
///     go([ch]() -> Task<> { co_await ch.send(7); });
///     std::optional<int> v = co_await ch.recv();
template <class T>
class Chan : public detail::ChanHandle, public detail::RecvSide<Chan<T>, T>, public detail::SendSide<Chan<T>, T> {
  static_assert(!std::is_const_v<T>, "what goes through a channel must be movable");  // T may be incomplete: a struct may hold a Chan of itself

 public:
  using value_type = T;
  constexpr Chan() noexcept = default;
  operator RecvChan<T>() const& noexcept { return RecvChan<T>(ref_); }
  operator RecvChan<T>() && noexcept { return RecvChan<T>(std::move(ref_)); }
  operator SendChan<T>() const& noexcept { return SendChan<T>(ref_); }
  operator SendChan<T>() && noexcept { return SendChan<T>(std::move(ref_)); }

 private:
  friend detail::ChanAccess;
  explicit Chan(detail::ChanRef ref) noexcept : ChanHandle(std::move(ref)) {}
};

/// Makes a channel with room for `capacity` values; with none, a sender waits for its receiver. More than fit into memory:
/// std::length_error("makechan: size out of range").      Go: make(chan T, capacity).
template <class T>
Chan<T> make_chan(std::size_t capacity = 0) {
  static_assert(std::move_constructible<T>, "what goes through a channel must be movable");
  return detail::ChanAccess::from<Chan<T>>(detail::ChanRef(detail::HChan::make(detail::element_of<T>, capacity)));
}

}  // namespace gmp
