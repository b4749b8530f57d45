// tests/unit/task/probe.hpp — a value that knows how many of it live, and a shared note of what happened in which order.
// Go: none.  Room: tests/unit/task.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

namespace gmp::test {

/// Counts its living objects in *alive. Used after its end, it is caught by value(): the count is not enough for a double destruction that
/// a construction balances.
class Probe {
 public:
  explicit Probe(std::atomic<int>& alive, int value = 0) : alive_(&alive), value_(value) { alive_->fetch_add(1); }
  Probe(const Probe& other) : alive_(other.alive_), value_(other.value()) { alive_->fetch_add(1); }
  Probe(Probe&& other) noexcept : alive_(other.alive_), value_(std::exchange(other.value_, moved)) { alive_->fetch_add(1); }
  Probe& operator=(const Probe&) = delete;
  ~Probe() {
    if (value_ == dead) std::terminate();
    value_ = dead;
    alive_->fetch_sub(1);
  }
  int value() const {
    if (value_ == dead) std::terminate();
    return value_;
  }

  static constexpr int moved = -1;

 private:
  static constexpr int dead = -77;
  std::atomic<int>* alive_;
  int value_;
};

/// As Probe, and cannot be copied.
class MoveOnly {
 public:
  explicit MoveOnly(std::atomic<int>& alive, int value = 0) : probe_(alive, value) {}
  MoveOnly(MoveOnly&&) noexcept = default;
  MoveOnly(const MoveOnly&) = delete;
  ~MoveOnly() = default;  // declared, so that it is no aggregate anywhere
  int value() const { return probe_.value(); }

 private:
  Probe probe_;
};

/// What happened, in order; from any thread.
class Journal {
 public:
  void note(int what) {
    std::lock_guard guard(mutex_);
    entries_.push_back(what);
  }
  std::vector<int> entries() const {
    std::lock_guard guard(mutex_);
    return entries_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<int> entries_;
};

/// Calls f, which makes an executor and says when its gs had ended, until that took less than a slice. The order of gs on one P is the queue's as long as
/// no slice is used up, and a thread that had no CPU for 10 ms has used up its own.
template <class F>
void within_a_slice(F f) {
  for (;;) {
    const auto begin = std::chrono::steady_clock::now();
    if (f() - begin < std::chrono::milliseconds(10)) return;
  }
}

/// Notes its own end.
class Ender {
 public:
  Ender(Journal& journal, int what) : journal_(&journal), what_(what) {}
  Ender(const Ender&) = delete;
  Ender& operator=(const Ender&) = delete;
  ~Ender() { journal_->note(what_); }

 private:
  Journal* journal_;
  int what_;
};

}  // namespace gmp::test
