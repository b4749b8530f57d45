// src/sys/patience.hpp — with_memory(): for what must be done and has nobody to tell that there is no memory.
// Go: runtime.throw("out of memory").  Room: sys (floor 1).
//
// A wake-up needs a thread, a stop needs the list of its gs; neither can fail half-way.  So they wait for a second, in which others may give memory
// back, and then the process ends with words.  Whatever can tell a g (std::bad_alloc, ENOMEM) does that instead.
#pragma once

#include <cstdint>
#include <new>

#include "gmp/detail/base/assert.hpp"
#include "sys/os.hpp"

namespace gmp::detail {

/// f(), again and again while it throws std::bad_alloc. Not under a lock that others need to give memory back.
template <class F>
decltype(auto) with_memory(F f) noexcept {
  constexpr std::int64_t again_ns = 1'000'000;
  constexpr int tries_max = 1000;
  for (int tries = 0;; ++tries) {
    try {
      return f();
    } catch (const std::bad_alloc&) {
      if (tries == tries_max) fatal("out of memory");
      sys::sleep_ns(again_ns);
    }
  }
}

}  // namespace gmp::detail
