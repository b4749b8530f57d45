// tests/unit/chan/tracer.hpp — elements that tell what happens to them: how many live, and a move that throws when it is told to.
// Go: none.  Room: tests/unit/chan.
#pragma once

#include <atomic>
#include <stdexcept>
#include <utility>

namespace gmp::test {

/// Move-only; its moves cannot fail. Counts the values that are alive: those that hold one.
class Token {
 public:
  explicit Token(int value = 0) noexcept : value_(value), full_(true) { ++alive; }
  Token(Token&& other) noexcept : value_(other.value_), full_(std::exchange(other.full_, false)) {}
  Token& operator=(Token&& other) noexcept {
    if (this != &other) {
      drop();
      value_ = other.value_;
      full_ = std::exchange(other.full_, false);
    }
    return *this;
  }
  ~Token() { drop(); }
  int value() const noexcept { return full_ ? value_ : -1; }
  static inline std::atomic<int> alive{0};

 private:
  void drop() noexcept {
    if (std::exchange(full_, false)) --alive;
  }
  int value_;
  bool full_;
};

struct MoveFailed : std::runtime_error {
  MoveFailed() : std::runtime_error("this move failed") {}
};

/// Its moves throw while fail_next counts down to 0: the n-th from now. A move that threw has changed nothing.
class Fragile {
 public:
  explicit Fragile(int value = 0) : token_(value) {}
  Fragile(Fragile&& other) : token_((may_fail(), std::move(other.token_))) {}
  Fragile& operator=(Fragile&& other) {
    may_fail();
    token_ = std::move(other.token_);
    return *this;
  }
  int value() const noexcept { return token_.value(); }
  static inline std::atomic<int> fail_next{0};  // 0: none
  static inline std::atomic<int> failed{0};

 private:
  static void may_fail() {
    if (fail_next > 0 && --fail_next == 0) {
      ++failed;
      throw MoveFailed();
    }
  }
  Token token_;
};

struct Nothing {};

}  // namespace gmp::test
