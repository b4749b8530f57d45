// tests/support/replaced_new.hpp — this binary's operator new and delete, by way of two functions of whoever includes this: one file a binary.
// Go: none.  Room: tests/support.
//
// Not for builds under a sanitizer that has an operator new of its own.  malloc and free are not inlined into who calls new and delete: the compiler
// takes them for a pair that does not match.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace gmp::test {

/// For the including file to define, by take_memory(). null: there is none.
[[gnu::noinline]] void* allocate(std::size_t size, std::size_t alignment) noexcept;
/// For the including file to define, by std::free(). memory may be null.
[[gnu::noinline]] void release(void* memory) noexcept;

inline void* take_memory(std::size_t size, std::size_t alignment) noexcept {
  if (size == 0) size = 1;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

inline void* allocate_or_throw(std::size_t size, std::align_val_t alignment = {}) {
  if (void* memory = allocate(size, static_cast<std::size_t>(alignment))) return memory;
  throw std::bad_alloc();
}
inline void* allocate_or_null(std::size_t size, std::align_val_t alignment = {}) noexcept {
  return allocate(size, static_cast<std::size_t>(alignment));
}

}  // namespace gmp::test

void* operator new(std::size_t size) { return gmp::test::allocate_or_throw(size); }
void* operator new[](std::size_t size) { return gmp::test::allocate_or_throw(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return gmp::test::allocate_or_throw(size, alignment); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return gmp::test::allocate_or_throw(size, alignment); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return gmp::test::allocate_or_null(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return gmp::test::allocate_or_null(size); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return gmp::test::allocate_or_null(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return gmp::test::allocate_or_null(size, alignment);
}
void operator delete(void* memory) noexcept { gmp::test::release(memory); }
void operator delete[](void* memory) noexcept { gmp::test::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { gmp::test::release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { gmp::test::release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { gmp::test::release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { gmp::test::release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { gmp::test::release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { gmp::test::release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { gmp::test::release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { gmp::test::release(memory); }
