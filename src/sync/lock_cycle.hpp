// src/sync/lock_cycle.hpp — who wants, holds and frees a Mutex or RWMutex, told to who looks for cycles (GMPDEBUG=lockcycle=1).
// Go: none.  Room: sync (floor 5); defined in debug/lock_cycle.cpp.
#pragma once

#include <cstdint>

#include "gmp/detail/park.hpp"

namespace gmp::detail {

enum class LockUse : std::uint8_t { alone, write, read };  // a Mutex; an RWMutex

/// gp waits until it gets what it asks for: its operation cannot be given up, and it is no plain thread.
inline bool wants_for_ever(const G* gp) noexcept { return gp != nullptr && gp->withdrawal_ == nullptr; }

#ifdef GMPCORO_MODEL
constexpr bool follows_locks() noexcept { return false; }
inline void note_lock_wanted(G*, const void*, LockUse = LockUse::alone) noexcept {}
inline void note_lock_announced(G*, const void*) noexcept {}
inline void note_lock_held(G*, const void*, LockUse = LockUse::alone) noexcept {}
inline void note_lock_tried(const void*, LockUse = LockUse::alone) noexcept {}
inline void note_lock_given_up(G*, const void* = nullptr) noexcept {}
inline void note_lock_free(const void*, LockUse = LockUse::alone) noexcept {}
#else
/// Whether the notes below are wanted. They have no effect on the lock.
inline bool follows_locks() noexcept { return locks_followed.load(relaxed); }  // set before the first g runs

/// gp, which wants_for_ever(), is about to lock; or, of a reader, has been held off by a writer. Reports the cycle that this closes, if any.
void note_lock_wanted(G* gp, const void* lock, LockUse use = LockUse::alone) noexcept;

/// gp, likewise, wants to write, and from now on holds off who comes after it.
void note_lock_announced(G* gp, const void* lock) noexcept;

/// gp has locked, by its last co_await; null: a plain thread has. Called by who gave it the lock, before gp goes on.
void note_lock_held(G* gp, const void* lock, LockUse use = LockUse::alone) noexcept;

/// The caller has locked, without waiting.
void note_lock_tried(const void* lock, LockUse use = LockUse::alone) noexcept;

/// gp, which may have wanted a lock, and announced itself there, does not want it any more.
void note_lock_given_up(G* gp, const void* lock = nullptr) noexcept;

/// The lock is about to be freed, by anybody.
void note_lock_free(const void* lock, LockUse use = LockUse::alone) noexcept;
#endif

}  // namespace gmp::detail
