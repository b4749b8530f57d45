// src/sched/frames.hpp — FrameCache: an M's own free lists of coroutine frames.
// Go: runtime/stack.go (stackcache), runtime/mcache.go.  Room: sched (floor 2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

class FrameCache : Immovable {
 public:
  /// Of the calling thread, from now on until close().
  void open() noexcept;
  void close() noexcept;

  void* get(std::size_t size_class);
  void put(std::size_t size_class, void* frame) noexcept;

  static constexpr std::size_t least = 24;
  static constexpr std::size_t grain = 16;
  static constexpr std::size_t classes = 128;  // frames beyond 2 KiB go to the heap

 private:
  struct Free {
    Free* next_;
  };
  struct alignas(4 * sizeof(void*)) Bin {  // so that the one of a class is found by a shift
    Free* active_ = nullptr;
    Free* full_ = nullptr;  // a whole batch, or empty
    std::uint32_t active_count_ = 0;
  };
  struct First;
  struct Shared;
  static Shared& shared() noexcept;
  void* get_slow(std::size_t size_class);
  void put_slow(std::size_t size_class, void* frame) noexcept;
  static constexpr std::uint32_t batch = 32;

  Bin bins_[classes];
};

}  // namespace gmp::detail
