// include/gmp/detail/base/config.hpp — what every file of the library may lean on: layout constants and compiler switches.
// Go: internal/cpu (CacheLinePad).  Room: base (floor 0).
#pragma once

#include <cstddef>

namespace gmp::detail {

/// Two gs that write to one line of this size slow each other down.
inline constexpr std::size_t cache_line = 64;

/// Base of everything that gs park on or that is linked by address: neither copied nor moved.
struct Immovable {
  Immovable() = default;
  Immovable(const Immovable&) = delete;
  Immovable& operator=(const Immovable&) = delete;
};

}  // namespace gmp::detail

// What a program may call in the shared library, directly or by what is inline in a header. On a class: all of it that is not inline. All else is hidden,
// and tests/guest/symbols.txt lists what is not.
#define GMPCORO_EXPORT [[gnu::visibility("default")]]

#define GMPCORO_NOINLINE [[gnu::noinline]]
#define GMPCORO_COLD [[gnu::noinline, gnu::cold]]

// Under which sanitizer this is compiled: 1 or 0.
#if defined(__SANITIZE_ADDRESS__)
#define GMPCORO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GMPCORO_ASAN 1
#endif
#endif

#if !defined(GMPCORO_ASAN)
#define GMPCORO_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define GMPCORO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GMPCORO_TSAN 1
#endif
#endif

#if !defined(GMPCORO_TSAN)
#define GMPCORO_TSAN 0
#endif

/// g++ before 13 destroys captured temporaries inside a co_await expression twice (GCC PR 99576 and its family).
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#define GMPCORO_GCC12_TEMPORARIES 1
#else
#define GMPCORO_GCC12_TEMPORARIES 0
#endif
