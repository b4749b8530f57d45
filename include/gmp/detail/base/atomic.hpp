// include/gmp/detail/base/atomic.hpp — the one door through which the library reaches atomics.
// Go: internal/runtime/atomic.  Room: base (floor 0).
//
// Every lock-free file of the library says Atomic<T>, never std::atomic<T>.  With GMPCORO_MODEL defined (tests/model only) the same
// file is compiled against an atomic whose every access is a scheduling point of an explorer that also plays the weak memory model; with GMPCORO_CHAOS
// (a build of its own, for the stress tests) against one that holds threads up at random.
// Every access names its order, and its partner by a [LABEL] that stands on both sides (tests/tidy looks for both).
// No standalone fences anywhere: TSan does not see them.
#pragma once

#include <atomic>
#include <type_traits>

#if defined(GMPCORO_MODEL)
#include "model/atomic.hpp"
#elif defined(GMPCORO_CHAOS)
#include "gmp/detail/base/chaos.hpp"
#endif

namespace gmp::detail {

#if defined(GMPCORO_MODEL)
template <class T>
using Atomic = ::gmp::model::Atomic<T>;
#elif defined(GMPCORO_CHAOS)
template <class T>
using Atomic = ChaosAtomic<T>;
#else
template <class T>
using Atomic = std::atomic<T>;
#endif

inline constexpr std::memory_order relaxed = std::memory_order_relaxed;
inline constexpr std::memory_order acquire = std::memory_order_acquire;
inline constexpr std::memory_order release = std::memory_order_release;
inline constexpr std::memory_order acq_rel = std::memory_order_acq_rel;
inline constexpr std::memory_order seq_cst = std::memory_order_seq_cst;

/// A plain field that its owner changes while others may look at it, for what it says and for nothing that it leads to: relaxed.
template <class T>
T load_shared(const T& field) noexcept {
  return std::atomic_ref<T>(const_cast<T&>(field)).load(relaxed);
}
template <class T>
void store_shared(T& field, std::type_identity_t<T> value) noexcept {
  std::atomic_ref<T>(field).store(value, relaxed);
}

/// One spin-wait step.
inline void cpu_pause() noexcept {
#if defined(GMPCORO_MODEL)
  ::gmp::model::pause();
#elif defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace gmp::detail
