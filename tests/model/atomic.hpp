// tests/model/atomic.hpp — std::atomic as the explorer plays it; what gmp::detail::Atomic is when GMPCORO_MODEL is defined.
// Go: none.  Room: tests/model.
//
// As large as the T in it, so that a production type keeps its layout: what the model knows of a place is kept aside, by address.
// Outside of a run (static initialisation, the test around the model) it is a plain value.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

namespace gmp::model {

using Where = std::source_location;
using Bits = std::uint64_t;  // any T of up to eight bytes, the rest zero

enum class Change : std::uint8_t { set, add, sub, bit_or, bit_and, bit_xor };

namespace engine {

void construct(void* place, unsigned size) noexcept;  // the bytes are there already
void destroy(void* place) noexcept;
Bits load(const void* place, unsigned size, std::memory_order order, const Where& where) noexcept;
void store(void* place, unsigned size, Bits value, std::memory_order order, const Where& where) noexcept;
Bits change(void* place, unsigned size, Change change, Bits operand, std::memory_order order, const Where& where) noexcept;
bool compare_exchange(void* place, unsigned size, Bits& expected, Bits desired, std::memory_order success, std::memory_order failure,
                      bool weak, const Where& where) noexcept;

}  // namespace engine

/// One spin-wait step: the thread goes on when another has written something, or when all others wait too.
void pause(const Where& where = Where::current()) noexcept;

template <class T>
class Atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(Bits));

 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = true;

  constexpr Atomic() noexcept : Atomic(T()) {}
  constexpr Atomic(T value) noexcept : value_(value) {  // not explicit: as std::atomic
    if (!std::is_constant_evaluated()) engine::construct(&value_, sizeof(T));
  }
  constexpr ~Atomic() {
    if (!std::is_constant_evaluated()) engine::destroy(&value_);
  }
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order order, const Where& where = Where::current()) const noexcept {
    return from_bits(engine::load(&value_, sizeof(T), order, where));
  }
  void store(T value, std::memory_order order, const Where& where = Where::current()) noexcept {
    engine::store(&value_, sizeof(T), to_bits(value), order, where);
  }
  T exchange(T value, std::memory_order order, const Where& where = Where::current()) noexcept {
    return change(Change::set, value, order, where);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success, std::memory_order failure,
                               const Where& where = Where::current()) noexcept {
    return compare_exchange(expected, desired, success, failure, false, where);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure,
                             const Where& where = Where::current()) noexcept {
    return compare_exchange(expected, desired, success, failure, true, where);
  }
  T fetch_add(T value, std::memory_order order, const Where& where = Where::current()) noexcept
    requires std::is_integral_v<T>
  {
    return change(Change::add, value, order, where);
  }
  T fetch_sub(T value, std::memory_order order, const Where& where = Where::current()) noexcept
    requires std::is_integral_v<T>
  {
    return change(Change::sub, value, order, where);
  }
  T fetch_or(T value, std::memory_order order, const Where& where = Where::current()) noexcept
    requires std::is_integral_v<T>
  {
    return change(Change::bit_or, value, order, where);
  }
  T fetch_and(T value, std::memory_order order, const Where& where = Where::current()) noexcept
    requires std::is_integral_v<T>
  {
    return change(Change::bit_and, value, order, where);
  }
  T fetch_xor(T value, std::memory_order order, const Where& where = Where::current()) noexcept
    requires std::is_integral_v<T>
  {
    return change(Change::bit_xor, value, order, where);
  }

 private:
  static Bits to_bits(const T& value) noexcept {
    Bits bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
  }
  static T from_bits(Bits bits) noexcept {
    T value;
    std::memcpy(static_cast<void*>(&value), &bits, sizeof(T));
    return value;
  }
  T change(Change how, T value, std::memory_order order, const Where& where) noexcept {
    return from_bits(engine::change(&value_, sizeof(T), how, to_bits(value), order, where));
  }
  bool compare_exchange(T& expected, T desired, std::memory_order success, std::memory_order failure, bool weak,
                        const Where& where) noexcept {
    Bits bits = to_bits(expected);
    const bool done = engine::compare_exchange(&value_, sizeof(T), bits, to_bits(desired), success, failure, weak, where);
    expected = from_bits(bits);
    return done;
  }

  static constexpr std::size_t alignment = sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 ? sizeof(T) : alignof(T);

  alignas(alignment) T value_;  // the last value in modification order, for a debugger
};

}  // namespace gmp::model
