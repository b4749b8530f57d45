// include/gmp/select.hpp — select: waits for the first of several channel operations, and does exactly one of them.
// Go: the select statement; reflect.Select.  Room: select (floor 4).
//
//     std::optional<int> v;
//     switch (co_await select(recv(jobs, v), send(results, r), recv(ctx.done()), otherwise)) {
//       case 0: …        // v: the value, or nullopt if jobs is closed
//       case 1: …        // r was sent
//       case 3: …        // nothing was ready
//     }
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "gmp/chan.hpp"
#include "gmp/detail/select/cases.hpp"
#include "gmp/detail/select/selection.hpp"

namespace gmp {

namespace detail {
class SelectSpanAwaiter;
}

// ---- cases

/// A case of select: receives into `into`, which is written only if this case goes through; nullopt if the channel is closed and drained.
///      Go: case v, ok = <-ch.
template <detail::Receivable C>
detail::RecvCase<detail::ElementOf<C>> recv(C&& chan, std::optional<detail::ElementOf<C>>& into) noexcept {
  return {detail::ChanAccess::forward_ref<C>(chan), &into};
}
/// The same; what is received is dropped.      Go: case <-ch.
template <detail::Receivable C>
detail::RecvCase<detail::ElementOf<C>> recv(C&& chan) noexcept {
  return {detail::ChanAccess::forward_ref<C>(chan), nullptr};
}
/// A case of select: sends `value`, which is moved from only if this case goes through, and must live until then; of a type whose moves are copies
/// of its bytes (a number, a pointer) the case has a copy. A closed channel counts as ready, and gives ClosedChannel if it is chosen.
///      Go: case ch <- v.
template <detail::Sendable C>
detail::SendCase<detail::ElementOf<C>, detail::HeldToSend<detail::ElementOf<C>&>> send(C&& chan, std::type_identity_t<detail::ElementOf<C>>& value) noexcept {
  return {detail::ChanAccess::forward_ref<C>(chan), value};
}
template <detail::Sendable C>
detail::SendCase<detail::ElementOf<C>, detail::HeldToSend<detail::ElementOf<C>&&>> send(C&& chan, std::type_identity_t<detail::ElementOf<C>>&& value) noexcept {
  GMPCORO_CHECK_SENT(detail::ElementOf<C>);
  return {detail::ChanAccess::forward_ref<C>(chan), value};
}
template <detail::Sendable C>
detail::SendCase<detail::ElementOf<C>, detail::ElementOf<C>&> send(C&& chan, detail::Moved<std::type_identity_t<detail::ElementOf<C>>> value) noexcept {
  return {detail::ChanAccess::forward_ref<C>(chan), value.value()};
}
/// Sends a copy.
template <detail::Sendable C>
  requires std::copy_constructible<detail::ElementOf<C>>
detail::SendCase<detail::ElementOf<C>, detail::ElementOf<C>> send(C&& chan, const std::type_identity_t<detail::ElementOf<C>>& value) {
  return {detail::ChanAccess::forward_ref<C>(chan), value};
}
/// A case of select: goes through if no other can at once; then select does not wait.      Go: default.
inline constexpr detail::OtherwiseCase otherwise{true};
/// otherwise, if `on`; else a case that never goes through.
constexpr detail::OtherwiseCase otherwise_if(bool on) noexcept { return detail::OtherwiseCase(on); }

/// Any of these cases, for a set that is known only at run time. It holds its channel, and what it sends, if that was an rvalue: it is moved into the
/// case here. An lvalue stays the caller's, and is moved from if its case goes through.      Go: reflect.SelectCase.
class SelectCase {
 public:
  template <detail::AnyCase Passing>
    requires(!std::same_as<std::remove_cvref_t<Passing>, SelectCase>)
  SelectCase(Passing a_case) : ops_(&ops_of<typename detail::KeptCase<Passing>::type>) {
    using Case = typename detail::KeptCase<Passing>::type;
    a_case.keep();
    if constexpr (is_small<Case>)
      ::new (static_cast<void*>(bytes_)) Case(std::move(a_case));
    else
      ::new (static_cast<void*>(bytes_)) Case*(new Case(std::move(a_case)));
  }
  SelectCase(SelectCase&& other) noexcept : ops_(other.ops_) {
    ops_->move(bytes_, other.bytes_);
    other.ops_ = &ops_of<detail::OtherwiseCase>;
    ::new (static_cast<void*>(other.bytes_)) detail::OtherwiseCase(false);
  }
  SelectCase& operator=(SelectCase&& other) noexcept {
    if (this != &other) {
      this->~SelectCase();
      ::new (static_cast<void*>(this)) SelectCase(std::move(other));
    }
    return *this;
  }
  ~SelectCase() { ops_->destroy(bytes_); }

 private:
  friend class detail::SelectSpanAwaiter;
  static constexpr std::size_t small = 56;
  template <class Case>
  static constexpr bool is_small = sizeof(Case) <= small && alignof(Case) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<Case>;

  struct Ops {
    void (*move)(void* to, void* from) noexcept;
    void (*destroy)(void* at) noexcept;
    void (*describe)(void* at, detail::CaseRecord& record) noexcept;
    void (*finish)(void* at, const detail::CaseRecord& record);
    void (*drop)(void* at, const detail::CaseRecord& record) noexcept;
  };
  template <class Case>
  static Case& at(void* bytes) noexcept {
    if constexpr (is_small<Case>)
      return *std::launder(static_cast<Case*>(bytes));
    else
      return **std::launder(static_cast<Case**>(bytes));
  }
  template <class Case>
  static constexpr Ops ops_of{
      [](void* to, void* from) noexcept {
        if constexpr (is_small<Case>) {
          ::new (to) Case(std::move(at<Case>(from)));
          at<Case>(from).~Case();
        } else {
          ::new (to) Case*(&at<Case>(from));
        }
      },
      [](void* bytes) noexcept {
        if constexpr (is_small<Case>)
          at<Case>(bytes).~Case();
        else
          delete &at<Case>(bytes);
      },
      [](void* bytes, detail::CaseRecord& record) noexcept { at<Case>(bytes).describe(record); },
      [](void* bytes, const detail::CaseRecord& record) { at<Case>(bytes).finish(record); },
      [](void* bytes, const detail::CaseRecord& record) noexcept { at<Case>(bytes).drop(record); },
  };

  const Ops* ops_;
  alignas(std::max_align_t) std::byte bytes_[small];
};

// ---- select

namespace detail {

/// `select(…)`, until it is awaited.
template <class... Cases>
class [[nodiscard("co_await it: nothing is selected yet")]] SelectOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit SelectOp(Cases&&... cases) : cases_(std::move(cases)...) {}

 private:
  std::tuple<Cases...> cases_;
};

template <class... Cases>
class SelectOp<Cases...>::Awaiter : public OperationAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, SelectOp&& op) : OperationAwaiter<Awaiter>(gp), cases_(std::move(op.cases_)), selection_(records_.data(), count, locks_.data()) {
    for_all([](auto& a_case, CaseRecord& record) { a_case.describe(record); });
    selection_.check();
  }
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) { return selection_.begin(this->g_, leaf); }
  bool withdrawn() const noexcept { return selection_.withdrawn(); }  // after suspend()
  int await_resume() {
    selection_.leave();
    finished_ = true;
    const int index = selection_.index();
    int i = 0;
    for_all([&](auto& a_case, CaseRecord& record) {
      if (i++ == index) a_case.finish(record);
    });
    return index;
  }
  ~Awaiter() {
    if (finished_) return;
    selection_.leave();
    int i = 0;
    for_all([&](auto& a_case, CaseRecord& record) {
      if (i++ == selection_.index()) a_case.drop(record);
    });
  }

 private:
  static constexpr std::size_t count = sizeof...(Cases);
  template <class F>
  void for_all(F f) {
    std::apply([&](auto&... a_case) { [[maybe_unused]] std::size_t i = 0; (f(a_case, records_[i++]), ...); }, cases_);
  }

  bool finished_ = false;
  std::tuple<Cases...> cases_;
  std::array<CaseRecord, count> records_;
  std::array<HChan*, count> locks_;
  Selection selection_;
};

/// `select(span)`, until it is awaited.
class [[nodiscard("co_await it: nothing is selected yet")]] SelectSpanOp {
 public:
  using Awaiter = SelectSpanAwaiter;
  using operation_tag = void;
  explicit SelectSpanOp(std::span<SelectCase> cases) noexcept : cases_(cases) {}

 private:
  friend SelectSpanAwaiter;
  std::span<SelectCase> cases_;
};

class GMPCORO_EXPORT SelectSpanAwaiter : public OperationAwaiter<SelectSpanAwaiter> {
 public:
  SelectSpanAwaiter(G* gp, SelectSpanOp&& op);
  ~SelectSpanAwaiter();
  bool await_ready() const noexcept { return false; }
  bool suspend(FrameLink& leaf) { return selection_.begin(g_, leaf); }
  bool withdrawn() const noexcept { return selection_.withdrawn(); }  // after suspend()
  int await_resume();

 private:
  static constexpr std::size_t few = 8;  // more need memory of their own
  bool finished_ = false;
  std::span<SelectCase> cases_;
  std::unique_ptr<CaseRecord[]> many_records_;
  std::unique_ptr<HChan*[]> many_locks_;
  std::array<CaseRecord, few> few_records_;
  std::array<HChan*, few> few_locks_;
  CaseRecord* const records_;
  Selection selection_;
};

}  // namespace detail

/// `int i = co_await select(cases…);` waits until one of the operations can be done, does it, and says which, counted from 0. Among several
/// that can it draws one, each as likely. Exactly one is done: what the others would have sent stays, and no other channel loses a value.
/// A nil channel is never ready; without a case that can ever be it waits for ever. With `otherwise` it never waits.
///
/// The channels must live until it is over, also those that lost: hold a handle, or let the case hold it (an rvalue).
/// Parks the g; whoever closes, sends to, or receives from one of the channels wakes it. Nothing is allocated. Two `otherwise`:
/// std::invalid_argument.      Go: select.
template <detail::AnyCase... Cases>
detail::SelectOp<Cases...> select(Cases... cases) {
  return detail::SelectOp<Cases...>(std::move(cases)...);
}
/// The same over a set that is known only at run time, of 65,536 cases at most (std::invalid_argument). The cases must live until it is over;
/// those that receive may be used again. Up to 8 nothing is allocated.      Go: reflect.Select.
inline detail::SelectSpanOp select(std::span<SelectCase> cases) noexcept { return detail::SelectSpanOp(cases); }

}  // namespace gmp
