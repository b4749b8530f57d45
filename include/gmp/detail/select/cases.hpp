// include/gmp/detail/select/cases.hpp — the cases of a select, with their types: what to send, where to put what is received.
// Go: the case clauses of select; reflect.SelectCase.  Room: select (floor 4).
//
// A case has
//   void describe(CaseRecord& record) noexcept;   before the selection: which channel, and where the value is, or shall go
//   void finish(const CaseRecord& record);        after it, of the one that went through
//   void keep() noexcept;                         holds its channel from now on
// and moves only before.  The constructors are user-provided on purpose: g++ 12 destroys temporary aggregates twice in a co_await expression.
#pragma once

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include "gmp/chan.hpp"
#include "gmp/detail/select/selection.hpp"

namespace gmp::detail {

/// The channel of a case: lent by a handle that lives on, or its own.
class CaseChan {
 public:
  explicit CaseChan(const ChanRef& lent) noexcept : chan_(lent.get()) {}
  explicit CaseChan(ChanRef&& own) noexcept : chan_(own.get()), own_(std::move(own)) {}
  HChan* get() const noexcept { return chan_; }
  void keep() noexcept {
    if (chan_ == nullptr || own_.get() != nullptr) return;
    chan_->ref();
    own_ = ChanRef(chan_);
  }

 private:
  HChan* chan_;
  ChanRef own_;
};

template <class T>
class RecvCase {
 public:
  template <class Ref>
  RecvCase(Ref&& chan, std::optional<T>* into) noexcept : chan_(std::forward<Ref>(chan)), into_(into) {}

  void describe(CaseRecord& record) noexcept {
    record.kind_ = chan_.get() != nullptr ? CaseRecord::Kind::recv : CaseRecord::Kind::off;
    record.chan_ = chan_.get();
    record.element_ = value_.room();
  }
  void finish(const CaseRecord& record) {
    if (record.done_) value_.set_full();
    if (into_ != nullptr)
      value_.take_to(*into_, chan_.get());
    else
      value_.drop();  // at once: the case may be used again
  }
  /// Its g is destroyed before it went on: what came goes with it.
  void drop(const CaseRecord& record) noexcept {
    if (record.done_) value_.set_full();
    value_.drop();
  }
  void keep() noexcept { chan_.keep(); }

 private:
  CaseChan chan_;
  std::optional<T>* into_;
  ReceivedValue<T> value_;
};

/// Held: T& for a value that is the caller's and moved from if it goes, T&& for one that may be gone after the expression, T for one of its own.
template <class T, class Held>
class SendCase {
 public:
  template <class Ref>
  SendCase(Ref&& chan, T& value) noexcept
    requires std::is_reference_v<Held>
      : chan_(std::forward<Ref>(chan)), value_(static_cast<Held&&>(value)) {}
  template <class Ref>
  SendCase(Ref&& chan, const T& value)
    requires(!std::is_reference_v<Held>)
      : chan_(std::forward<Ref>(chan)), value_(value) {}
  /// To be kept beyond the expression.
  template <std::same_as<SendCase<T, T&&>> Passing>
  explicit SendCase(Passing&& passing)
    requires(!std::is_reference_v<Held>)
      : chan_(std::move(passing.chan_)), value_(std::move(passing.value_)) {}

  void describe(CaseRecord& record) noexcept {
    record.kind_ = chan_.get() != nullptr ? CaseRecord::Kind::send : CaseRecord::Kind::off;
    record.chan_ = chan_.get();
    record.element_ = const_cast<void*>(static_cast<const void*>(std::addressof(value_)));
  }
  void finish(const CaseRecord& record) const {
    if (!record.done_) throw_closed_channel();
  }
  void drop(const CaseRecord&) const noexcept {}
  void keep() noexcept { chan_.keep(); }

 private:
  template <class, class>
  friend class SendCase;
  CaseChan chan_;
  Held value_;
};

/// What a case becomes that is kept.
template <class Case>
struct KeptCase {
  using type = Case;
};
template <class T>
struct KeptCase<SendCase<T, T&&>> {
  using type = SendCase<T, T>;
};

template <class Value>
using HeldToSend = std::conditional_t<sent_as_copy<std::remove_reference_t<Value>>, std::remove_reference_t<Value>, Value>;

class OtherwiseCase {
 public:
  explicit constexpr OtherwiseCase(bool on) noexcept : on_(on) {}
  void describe(CaseRecord& record) const noexcept { record.kind_ = on_ ? CaseRecord::Kind::otherwise : CaseRecord::Kind::off; }
  void finish(const CaseRecord&) const noexcept {}
  void drop(const CaseRecord&) const noexcept {}
  void keep() const noexcept {}

 private:
  bool on_;
};

template <class C>
concept AnyCase = requires(C& c, CaseRecord& record) {
  c.describe(record);
  c.finish(record);
  c.keep();
};

/// A handle whose channel can be received from, or sent to.
template <class C>
concept Receivable = std::derived_from<std::remove_cvref_t<C>, ChanHandle> && requires(const std::remove_cvref_t<C>& c) { c.recv(); };
template <class C>
concept Sendable = std::derived_from<std::remove_cvref_t<C>, ChanHandle> && requires(const std::remove_cvref_t<C>& c) { c.close(); };

template <class C>
using ElementOf = typename std::remove_cvref_t<C>::value_type;

}  // namespace gmp::detail
