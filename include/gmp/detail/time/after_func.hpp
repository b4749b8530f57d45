// include/gmp/detail/time/after_func.hpp — AfterFuncRef: a goroutine that is made, and starts when its time has come.
// Go: time/sleep.go (AfterFunc, goFunc).  Room: time (floor 5).
#pragma once

#include <cstdint>
#include <source_location>
#include <utility>

#include "gmp/task.hpp"

namespace gmp::detail {

class AfterFuncState;

/// A counted reference to one, or to none.
class AfterFuncRef {
 public:
  constexpr AfterFuncRef() noexcept = default;
  AfterFuncRef(const AfterFuncRef& other) noexcept;
  AfterFuncRef(AfterFuncRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  AfterFuncRef& operator=(AfterFuncRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~AfterFuncRef();

  static AfterFuncRef start(Task<> frame, std::int64_t duration_ns, std::source_location where);
  bool stop() noexcept;

 private:
  explicit AfterFuncRef(AfterFuncState* state) noexcept : state_(state) {}
  AfterFuncState* state_ = nullptr;
};

}  // namespace gmp::detail
