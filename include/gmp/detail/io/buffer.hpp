// include/gmp/detail/io/buffer.hpp — io::Buffer and io::ConstBuffer: the bytes that an operation reads into, or writes.
// Go: []byte.  Room: io (floor 5).
//
// One parameter type for all that holds bytes, in place of an overload each.  The constructors are user-provided on purpose: g++ 12 destroys
// temporary aggregates twice in a co_await expression.  There is no begin(): with it, conversion to std::span would be ambiguous.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

template <class T>
concept ByteLike = std::same_as<T, std::byte> || std::same_as<T, char> || std::same_as<T, unsigned char> || std::same_as<T, signed char> ||
                   std::same_as<T, char8_t>;

[[noreturn]] GMPCORO_EXPORT void throw_null_buffer();  // std::invalid_argument

}  // namespace gmp::detail

namespace gmp::io {

/// Bytes to be read into: a std::span of bytes or chars, a std::array, a std::vector, a std::string (as long as it is), a plain array. They
/// must live until the operation returns. Null with a size: std::invalid_argument. A user's own stream may take a std::span in its place.
class Buffer {
 public:
  constexpr Buffer() noexcept : data_(nullptr), size_(0) {}
  Buffer(void* data, std::size_t size) : data_(static_cast<std::byte*>(data)), size_(size) {
    if (data == nullptr && size != 0) detail::throw_null_buffer();
  }
  template <detail::ByteLike T, std::size_t N>
  Buffer(std::span<T, N> bytes) : Buffer(bytes.data(), bytes.size()) {}
  template <detail::ByteLike T, std::size_t N>
  Buffer(std::array<T, N>& bytes) noexcept : Buffer(bytes.data(), N) {}
  template <detail::ByteLike T, class A>
  Buffer(std::vector<T, A>& bytes) noexcept : Buffer(bytes.data(), bytes.size()) {}
  template <class C, class A>
  Buffer(std::basic_string<char, C, A>& text) noexcept : Buffer(text.data(), text.size()) {}
  template <detail::ByteLike T, std::size_t N>
  Buffer(T (&bytes)[N]) noexcept : Buffer(bytes, N) {}

  /// Its first byte, how many there are, and whether there is none.
  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// What is left behind the first n bytes; n <= size().
  Buffer from(std::size_t n) const noexcept { return Buffer(data_ + n, size_ - n); }
  /// The first n bytes; n <= size().
  Buffer first(std::size_t n) const noexcept { return Buffer(data_, n); }

  /// The same bytes, as a span of char, unsigned char, std::byte or the like.
  template <detail::ByteLike T>
  operator std::span<T>() const noexcept {
    return {reinterpret_cast<T*>(data_), size_};
  }

 private:
  std::byte* data_;
  std::size_t size_;
};

/// Bytes to be written: as Buffer, and a std::string_view, std::string, or a string literal (without its terminating zero).
class ConstBuffer {
 public:
  constexpr ConstBuffer() noexcept : data_(nullptr), size_(0) {}
  ConstBuffer(const void* data, std::size_t size) : data_(static_cast<const std::byte*>(data)), size_(size) {
    if (data == nullptr && size != 0) detail::throw_null_buffer();
  }
  template <class T, std::size_t N>
    requires detail::ByteLike<std::remove_const_t<T>>
  ConstBuffer(std::span<T, N> bytes) : ConstBuffer(bytes.data(), bytes.size()) {}
  template <detail::ByteLike T, std::size_t N>
  ConstBuffer(const std::array<T, N>& bytes) noexcept : ConstBuffer(bytes.data(), N) {}
  template <detail::ByteLike T, class A>
  ConstBuffer(const std::vector<T, A>& bytes) noexcept : ConstBuffer(bytes.data(), bytes.size()) {}
  template <class C, class A>
  ConstBuffer(const std::basic_string<char, C, A>& text) noexcept : ConstBuffer(text.data(), text.size()) {}
  ConstBuffer(std::string_view text) noexcept : ConstBuffer(text.data(), text.size()) {}
  /// A literal.
  template <std::size_t N>
  ConstBuffer(const char (&text)[N]) noexcept : ConstBuffer(text, N - (text[N - 1] == '\0' ? 1 : 0)) {}
  template <detail::ByteLike T, std::size_t N>
  ConstBuffer(T (&bytes)[N]) noexcept : ConstBuffer(bytes, N) {}
  /// A string that ends with a zero; not for arrays, which say how long they are.
  template <class P>
    requires(std::same_as<P, const char*> || std::same_as<P, char*>)
  ConstBuffer(P text) noexcept : ConstBuffer(std::string_view(text)) {}
  ConstBuffer(const Buffer& buffer) noexcept : ConstBuffer(buffer.data(), buffer.size()) {}

  /// Its first byte, how many there are, and whether there is none.
  const std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// What is left behind the first n bytes; n <= size().
  ConstBuffer from(std::size_t n) const noexcept { return ConstBuffer(data_ + n, size_ - n); }
  /// The first n bytes; n <= size().
  ConstBuffer first(std::size_t n) const noexcept { return ConstBuffer(data_, n); }
  /// The same bytes, as text.
  std::string_view view() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }

  /// The same bytes, as a span of const char, unsigned char, std::byte or the like.
  template <detail::ByteLike T>
  operator std::span<const T>() const noexcept {
    return {reinterpret_cast<const T*>(data_), size_};
  }
  operator std::string_view() const noexcept { return view(); }

 private:
  const std::byte* data_;
  std::size_t size_;
};

}  // namespace gmp::io
