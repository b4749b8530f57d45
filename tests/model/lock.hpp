// tests/model/lock.hpp — gmp::detail::Lock as the explorer plays it: a thread that finds it held is blocked, and a cycle is a deadlock.
// Go: none.  Room: tests/model.
//
// One step to lock and one to unlock, instead of the futex protocol, keeps models of what stands on the lock small.
#pragma once

#include <cstdint>
#include <type_traits>

#include "model/atomic.hpp"

namespace gmp::model {

namespace engine {

void lock(void* place, const Where& where) noexcept;
bool try_lock(void* place, const Where& where) noexcept;
void unlock(void* place, const Where& where) noexcept;

}  // namespace engine

class Lock {
 public:
  constexpr Lock() noexcept {
    if (!std::is_constant_evaluated()) engine::construct(&state_, sizeof(state_));
  }
  constexpr ~Lock() {
    if (!std::is_constant_evaluated()) engine::destroy(&state_);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock(const Where& where = Where::current()) noexcept { engine::lock(&state_, where); }
  bool try_lock(const Where& where = Where::current()) noexcept { return engine::try_lock(&state_, where); }
  void unlock(const Where& where = Where::current()) noexcept { engine::unlock(&state_, where); }

 private:
  std::uint32_t state_ = 0;
};

}  // namespace gmp::model
