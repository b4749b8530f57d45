// include/gmp/detail/select/selection.hpp — Selection: a select over any number of cases, whatever their types.
// Go: runtime/select.go (selectgo, scase).  Room: select (floor 4).  The essay is in src/select/selection.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gmp/detail/chan/hchan.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/wait/waiter.hpp"

namespace gmp::detail {

/// One case, as the algorithm sees it.
struct CaseRecord {
  enum class Kind : std::uint8_t { recv, send, otherwise, off };  // off: a nil channel, an otherwise that is switched off
  CaseRecord() noexcept = default;
  CaseRecord(Kind kind, HChan* chan, void* element) noexcept : chan_(chan), element_(element), kind_(kind) {}

  HChan* chan_ = nullptr;
  void* element_ = nullptr;  // see ChanWaiter
  Kind kind_ = Kind::off;
  bool done_ = false;        // of the case that went through: a value came, or went. False: its channel is closed
  bool waits_ = false;       // waiter_ is there, and may be queued
  std::uint16_t turn_ = 0;   // of the array: which case queues at this turn
  Late<ChanWaiter> waiter_;
};

class GMPCORO_EXPORT Selection : Waiter {
 public:
  /// locks: room for as many pointers.
  Selection(CaseRecord* cases, std::size_t count, HChan** locks) noexcept
      : Waiter(nullptr, &Selection::withdraw_select), cases_(cases), locks_(locks), count_(static_cast<std::uint32_t>(count)) {}
  ~Selection() { leave(); }

  /// The cases are described. Throws std::invalid_argument.
  void check() const;
  /// True: the g sleeps in leaf, and nothing may be touched. Else it is over. What a move threw goes through; nothing has happened then (CH2).
  bool begin(G* gp, FrameLink& leaf);
  /// After it: takes the cases that lost off their channels.
  void leave() noexcept;

  /// The case that went through; -1: none, it was withdrawn.
  int index() const noexcept { return index_; }
  bool withdrawn() const noexcept { return withdrawn_; }
  /// Those of the select that has this waiter, and sleeps.
  static std::span<HChan* const> channels(const Waiter& w) noexcept {
    const auto& self = static_cast<const Selection&>(w);
    return {self.locks_, self.locked_};
  }

 private:
  static bool withdraw_select(Waiter* w) noexcept;
  bool is_ready(const CaseRecord& c) const noexcept;
  bool complete(std::uint32_t i, ChanWaiter*& woken);
  bool try_one();
  bool complete_one_of_all(ChanWaiter*& woken);
  void lock_all() noexcept;
  void shuffle() noexcept;
  void enqueue_all() noexcept;
  HChan& anchor() const noexcept { return locked_ != 0 ? *locks_[0] : HChan::nil(ChanWaiter::Side::recv); }
  void unlock_all() noexcept;

  CaseRecord* const cases_;
  HChan** const locks_;  // the channels, each once, in the order in which they are locked
  const std::uint32_t count_;
  std::uint32_t locked_ = 0;
  int index_ = -1;
  bool parked_ = false;
  bool queued_ = false;             // under anchor()'s lock: all of its waiters are
  Atomic<std::uint32_t> winner_{0};  // claim.hpp
};

}  // namespace gmp::detail
