// src/sched/global_queue.hpp — the gs that no P has: overflow of rings, and what was made runnable off the Ms.
// Go: runtime/proc.go (globrunqput, globrunqget), runtime/runtime2.go (schedt.runq).  Room: sched (floor 2).
//
// First in, first out, in chunks of pointers.  A list through the gs would do without memory of its own, but taking a g out of it means to wait
// for that g's cache line, one after the other: of a million gs that were started at once that was a fifth of the time.  With the pointers
// side by side the lines come together.
//
//   GQ1  chunks from first_ to last_ hold the gs, oldest first; only the first begins behind 0, only the last ends before its capacity.
//   GQ2  without memory for another chunk gs are listed through schedlink_, behind all chunks: they go last, and no chunk is begun before they
//        are gone.
// Guarded by the scheduler's lock, all of it.
#pragma once

#include <cstdint>
#include <new>
#include <utility>

#include "gmp/detail/base/config.hpp"
#include "gmp/detail/base/list.hpp"
#include "gmp/detail/sched/g.hpp"

namespace gmp::detail {

class GlobalQueue : Immovable {
 public:
  GlobalQueue() = default;
  ~GlobalQueue() {
    clear();
    delete std::exchange(spare_, nullptr);
  }

  int size() const noexcept { return size_; }

  void push(G* gp) noexcept {
    ++size_;
    if (listed_.empty() && (last_ != nullptr ? last_->end_ < Chunk::capacity || grow() : grow())) {
      last_->gs_[last_->end_++] = gp;
    } else {
      gp->schedlink_ = nullptr;  // LH1: its stamp is lost
      listed_.push_back(gp);
    }
  }

  /// Null if empty.
  G* pop() noexcept {
    if (size_ == 0) return nullptr;
    --size_;
    if (first_ == nullptr) return listed_.pop_front();
    G* gp = first_->gs_[first_->begin_++];
    if (first_->begin_ == first_->end_) drop_first();
    return gp;
  }

  /// Forgets all of them.
  void clear() noexcept {
    while (pop() != nullptr) {
    }
  }

 private:
  struct Chunk {
    static constexpr std::uint32_t capacity = 254;
    Chunk* next_ = nullptr;
    std::uint32_t begin_ = 0, end_ = 0;
    G* gs_[capacity];
  };
  static_assert(sizeof(Chunk) == 2048);

  bool grow() noexcept {
    Chunk* chunk = spare_ != nullptr ? ::new (static_cast<void*>(std::exchange(spare_, nullptr))) Chunk : new (std::nothrow) Chunk;
    if (chunk == nullptr) return false;
    (last_ != nullptr ? last_->next_ : first_) = chunk;
    last_ = chunk;
    return true;
  }
  void drop_first() noexcept {
    Chunk* empty = std::exchange(first_, first_->next_);
    if (first_ == nullptr) last_ = nullptr;
    delete std::exchange(spare_, empty);
  }

  int size_ = 0;
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  Chunk* spare_ = nullptr;  // one is kept: a queue that is filled and emptied by turns allocates nothing
  Queue<G, &G::schedlink_> listed_;
};

}  // namespace gmp::detail
