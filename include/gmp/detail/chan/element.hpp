// include/gmp/detail/chan/element.hpp — Element: what a channel must know of the type that it carries.
// Go: internal/abi (Type), runtime/chan.go (typedmemmove).  Room: chan (floor 4).
//
// A channel keeps values in its ring and puts one into a sleeping receiver's frame, under its lock, and neither may fail half-way.  So what is
// stored is the value itself only if its move cannot throw.  Otherwise it is a pointer to the value on the heap (Boxed): to put it there
// may throw, while it is still its sender's; to take it out of there may throw, and then it goes back to the channel's front; in between only
// pointers move.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace gmp::detail {

struct Element {
  std::size_t size;  // of what is stored; 0: nothing is, all values are alike
  std::size_t align;
  bool boxed;
  void (*load)(void* room, void* value);               // stores a sender's value, which stays behind moved-from
  void (*move)(void* room, void* stored) noexcept;     // leaves nothing at stored
  void (*destroy)(void* stored) noexcept;
};

/// A value whose move may throw. The link is for a channel's returned values.
struct BoxLink {
  BoxLink* next_ = nullptr;
};
template <class T>
struct Boxed : BoxLink {
  explicit Boxed(T&& value) : value_(std::move(value)) {}
  T value_;
};

template <class T>
inline constexpr bool stored_boxed = !std::is_nothrow_move_constructible_v<T>;

template <class T>
using Stored = std::conditional_t<stored_boxed<T>, BoxLink*, T>;

/// All its values are alike, and nothing tells one from another: it is counted, not kept.
template <class T>
inline constexpr bool stored_as_nothing = std::is_empty_v<T> && std::is_trivially_copyable_v<T> && std::is_trivially_default_constructible_v<T>;

template <class T>
inline constexpr Element element_of{
    stored_as_nothing<T> ? 0 : sizeof(Stored<T>),
    alignof(Stored<T>),
    stored_boxed<T>,
    [](void* room, void* value) {
      if constexpr (stored_boxed<T>)
        ::new (room) Stored<T>(new Boxed<T>(std::move(*static_cast<T*>(value))));
      else
        ::new (room) T(std::move(*static_cast<T*>(value)));
    },
    [](void* room, void* stored) noexcept {
      if constexpr (std::is_trivially_copyable_v<Stored<T>>) {
        std::memcpy(room, stored, sizeof(Stored<T>));
      } else {
        T* from = std::launder(static_cast<T*>(stored));
        ::new (room) T(std::move(*from));
        from->~T();
      }
    },
    [](void* stored) noexcept {
      if constexpr (stored_boxed<T>)
        delete static_cast<Boxed<T>*>(*std::launder(static_cast<BoxLink**>(stored)));
      else
        std::launder(static_cast<T*>(stored))->~T();
    },
};

}  // namespace gmp::detail
