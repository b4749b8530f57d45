// tests/model/heap.cpp — see heap.hpp: operator new and delete of this binary.
// Go: none.  Room: tests/model.
#include "model/heap.hpp"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "gmp/detail/base/config.hpp"
#include "model/explorer.hpp"

#if GMPCORO_ASAN
#include <sanitizer/asan_interface.h>
#define GMPCORO_MODEL_POISON(at, size) __asan_poison_memory_region(at, size)
#define GMPCORO_MODEL_UNPOISON(at, size) __asan_unpoison_memory_region(at, size)
#else
#define GMPCORO_MODEL_POISON(at, size) static_cast<void>(0)
#define GMPCORO_MODEL_UNPOISON(at, size) static_cast<void>(0)
#endif

namespace gmp::model::heap {
namespace {

constexpr std::size_t arena_size = std::size_t{8} << 20;

struct Header {
  std::size_t size;
  std::size_t freed;
};

char* arena;
std::size_t used;
bool on_now;

#if !GMPCORO_TSAN
constexpr std::size_t least_alignment = 16;

bool in_arena(const void* at) noexcept { return arena != nullptr && at >= arena && at < arena + arena_size; }

[[noreturn]] void give_up(const char* what) {
  Inside inside;
  explorer().fail(what, Where::current());
}

void* allocate(std::size_t size, std::size_t alignment) {
  if (!on_now) {
    void* at = alignment <= least_alignment ? std::malloc(size) : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (at == nullptr) throw std::bad_alloc();
    return at;
  }
  if (alignment < least_alignment) alignment = least_alignment;
  const std::size_t start = (used + sizeof(Header) + alignment - 1) / alignment * alignment;
  const std::size_t end = (start + size + least_alignment - 1) / least_alignment * least_alignment;
  if (end > arena_size) give_up("the run allocates without end");
  used = end;
  void* at = arena + start;
  GMPCORO_MODEL_UNPOISON(arena + start - sizeof(Header), sizeof(Header) + size);
  new (arena + start - sizeof(Header)) Header{size, 0};
  return at;
}

void release(void* at) noexcept {
  if (at == nullptr) return;
  if (!in_arena(at)) {
    std::free(at);
    return;
  }
  auto* header = reinterpret_cast<Header*>(static_cast<char*>(at) - sizeof(Header));
  if (header->freed != 0) give_up("freed twice");
  header->freed = 1;
  std::memset(at, 0xdf, header->size);
  GMPCORO_MODEL_POISON(at, header->size);
}
#endif

}  // namespace

bool use(bool on) noexcept {
  const bool was = on_now;
  on_now = on;
  return was;
}

void reset() noexcept {
  if (arena == nullptr) {
    void* map = mmap(reinterpret_cast<void*>(0x6c0000000000), arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) std::abort();
    arena = static_cast<char*>(map);
    used = arena_size;
  }
  GMPCORO_MODEL_POISON(arena, used);
  used = 0;
}

}  // namespace gmp::model::heap

// Under TSan, whose library cannot be overridden, a run allocates where all others do; an abandoned one then leaks.
#if !GMPCORO_TSAN
void* operator new(std::size_t size) { return gmp::model::heap::allocate(size, 1); }
void* operator new[](std::size_t size) { return gmp::model::heap::allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) { return gmp::model::heap::allocate(size, static_cast<std::size_t>(alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return gmp::model::heap::allocate(size, static_cast<std::size_t>(alignment)); }
// These, too: ASan's own would hand out what the operator delete below then gives to free().
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return gmp::model::heap::allocate(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return gmp::model::heap::allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return gmp::model::heap::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return gmp::model::heap::allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* at, const std::nothrow_t&) noexcept { gmp::model::heap::release(at); }
void operator delete[](void* at, const std::nothrow_t&) noexcept { gmp::model::heap::release(at); }
void operator delete(void* at, std::align_val_t, const std::nothrow_t&) noexcept { gmp::model::heap::release(at); }
void operator delete[](void* at, std::align_val_t, const std::nothrow_t&) noexcept { gmp::model::heap::release(at); }
void operator delete(void* at) noexcept { gmp::model::heap::release(at); }
void operator delete[](void* at) noexcept { gmp::model::heap::release(at); }
void operator delete(void* at, std::size_t) noexcept { gmp::model::heap::release(at); }
void operator delete[](void* at, std::size_t) noexcept { gmp::model::heap::release(at); }
void operator delete(void* at, std::align_val_t) noexcept { gmp::model::heap::release(at); }
void operator delete[](void* at, std::align_val_t) noexcept { gmp::model::heap::release(at); }
void operator delete(void* at, std::size_t, std::align_val_t) noexcept { gmp::model::heap::release(at); }
void operator delete[](void* at, std::size_t, std::align_val_t) noexcept { gmp::model::heap::release(at); }
#endif
