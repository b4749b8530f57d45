// src/sched/frames.cpp — coroutine frames from size-class free lists.
// Go: runtime/stack.go (stackalloc, stackfree), runtime/mcentral.go.  Room: sched (floor 2).
//
// Every `co_await task` and every go() takes a frame and gives it back, so this is as hot as a function call is elsewhere.  Each M keeps two
// batches of 32 a size; what is more goes, a batch at a time, to a list that all Ms share, so that gs that start on one M and end on another do
// not grow memory.  Each frame is a heap block of its own: a thread that is no M takes and returns the same blocks straight from the heap.
// Under AddressSanitizer all of this is off: a use of a dead frame must show.
#include "sched/frames.hpp"

#include <cstdlib>
#include <new>
#include <utility>

#include "gmp/detail/sched/frame_alloc.hpp"
#include "gmp/detail/sys/lock.hpp"

namespace gmp::detail {

namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local FrameCache* tls_frames = nullptr;

// 24, 40, 56 …: what glibc's heap gives without slack, as a block has a word of its own; of a parked g's 400 bytes that is 32.
[[maybe_unused]] constexpr std::size_t class_of(std::size_t size) {
  return size <= FrameCache::least ? 0 : (size - FrameCache::least + FrameCache::grain - 1) / FrameCache::grain;
}
constexpr std::size_t size_of(std::size_t size_class) { return FrameCache::least + size_class * FrameCache::grain; }
static_assert(size_of(class_of(24)) == 24 && size_of(class_of(25)) == 40 && size_of(class_of(232)) == 232);

}  // namespace

/// The first of a batch in the shared list.
struct FrameCache::First : Free {
  First* next_batch_;
};

struct FrameCache::Shared {
  Lock lock_;
  First* batches_[classes] = {};  // under lock_
};

FrameCache::Shared& FrameCache::shared() noexcept {
  static constinit Shared all;
  return all;
}

void FrameCache::open() noexcept { tls_frames = this; }

void FrameCache::close() noexcept {
  tls_frames = nullptr;
  for (Bin& bin : bins_) {
    for (Free* list : {bin.active_, bin.full_}) {
      while (list != nullptr) {
        Free* next = list->next_;
        ::operator delete(static_cast<void*>(list));
        list = next;
      }
    }
    bin = Bin{};
  }
}

inline void* FrameCache::get(std::size_t size_class) {
  Bin& bin = bins_[size_class];
  Free* frame = bin.active_;
  if (frame == nullptr) [[unlikely]] return get_slow(size_class);
  bin.active_ = frame->next_;
  __builtin_prefetch(bin.active_, 1);  // for the next one
  --bin.active_count_;
  return frame;
}

inline void FrameCache::put(std::size_t size_class, void* memory) noexcept {
  Bin& bin = bins_[size_class];
  if (bin.active_count_ == batch) [[unlikely]] return put_slow(size_class, memory);
  bin.active_ = ::new (memory) Free{bin.active_};
  ++bin.active_count_;
}

// Apart, so that the ways without them save no registers.
GMPCORO_NOINLINE void* FrameCache::get_slow(std::size_t size_class) {
  Bin& bin = bins_[size_class];
  if (bin.full_ == nullptr) {
    Shared& all = shared();
    LockGuard guard(all.lock_);
    First* first = all.batches_[size_class];
    if (first != nullptr) all.batches_[size_class] = first->next_batch_;
    bin.full_ = first;
  }
  if (bin.full_ == nullptr) return ::operator new(size_of(size_class));
  bin.active_ = std::exchange(bin.full_, nullptr);
  bin.active_count_ = batch;
  return get(size_class);
}

GMPCORO_NOINLINE void FrameCache::put_slow(std::size_t size_class, void* memory) noexcept {
  static_assert(sizeof(First) <= least);
  Bin& bin = bins_[size_class];
  if (bin.full_ != nullptr) {
    Shared& all = shared();
    LockGuard guard(all.lock_);
    First*& batches = all.batches_[size_class];
    batches = ::new (static_cast<void*>(bin.full_)) First{{bin.full_->next_}, batches};
  }
  bin.full_ = std::exchange(bin.active_, nullptr);
  bin.active_count_ = 0;
  put(size_class, memory);
}

#if GMPCORO_ASAN

void* frame_alloc(std::size_t size) { return ::operator new(size); }
void frame_free(void* frame, std::size_t) noexcept { ::operator delete(frame); }

#else

void* frame_alloc(std::size_t size) {
  const std::size_t size_class = class_of(size);
  if (size_class >= FrameCache::classes) return ::operator new(size);
  if (tls_frames != nullptr) [[likely]] return tls_frames->get(size_class);
  return ::operator new(size_of(size_class));
}

void frame_free(void* frame, std::size_t size) noexcept {
  const std::size_t size_class = class_of(size);
  if (size_class < FrameCache::classes && tls_frames != nullptr) [[likely]]
    tls_frames->put(size_class, frame);
  else
    ::operator delete(frame);
}

#endif

}  // namespace gmp::detail
