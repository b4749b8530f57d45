// include/gmp/detail/base/chaos.hpp — an atomic at which threads are held up at random: for stress tests, with GMPCORO_CHAOS.
// Go: runtime/proc.go (randomizeScheduler, of -race builds).  Room: base (floor 0).
//
// Most races need a thread to stop between two certain instructions, which it does once in a million times of itself.  Here it does at each access of
// an atomic once in some hundred times: it spins for a moment, gives its CPU away, or sleeps.  Nothing else is other than in production.
#pragma once

#include <atomic>

namespace gmp::detail {

/// Perhaps holds the calling thread up. In the room sys.
void chaos() noexcept;

template <class T>
class ChaosAtomic : public std::atomic<T> {
  using Base = std::atomic<T>;
  using Order = std::memory_order;

 public:
  constexpr ChaosAtomic() noexcept = default;
  constexpr ChaosAtomic(T value) noexcept : Base(value) {}  // NOLINT: as std::atomic

  T load(Order order) const noexcept { return (chaos(), Base::load(order)); }
  void store(T value, Order order) noexcept {
    chaos();
    Base::store(value, order);
    chaos();
  }
  T exchange(T value, Order order) noexcept { return (chaos(), Base::exchange(value, order)); }
  bool compare_exchange_strong(T& was, T value, Order done, Order failed) noexcept { return (chaos(), Base::compare_exchange_strong(was, value, done, failed)); }
  bool compare_exchange_weak(T& was, T value, Order done, Order failed) noexcept { return (chaos(), Base::compare_exchange_weak(was, value, done, failed)); }
  template <class N>
  T fetch_add(N n, Order order) noexcept {
    return (chaos(), Base::fetch_add(n, order));
  }
  template <class N>
  T fetch_sub(N n, Order order) noexcept {
    return (chaos(), Base::fetch_sub(n, order));
  }
  template <class N>
  T fetch_or(N n, Order order) noexcept {
    return (chaos(), Base::fetch_or(n, order));
  }
  template <class N>
  T fetch_and(N n, Order order) noexcept {
    return (chaos(), Base::fetch_and(n, order));
  }
};

}  // namespace gmp::detail
