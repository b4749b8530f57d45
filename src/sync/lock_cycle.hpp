// src/sync/lock_cycle.hpp — who wants, holds and frees a Mutex, told to who looks for cycles (GMPDEBUG=lockcycle=1).
// Go: none.  Room: sync (floor 5); defined in debug/lock_cycle.cpp.
#pragma once

#include "gmp/detail/park.hpp"

namespace gmp::detail {

#ifdef GMPCORO_MODEL
constexpr bool follows_locks() noexcept { return false; }
inline void note_lock_wanted(G*, const void*) noexcept {}
inline void note_lock_held(G*, const void*) noexcept {}
inline void note_lock_tried(const void*) noexcept {}
inline void note_lock_given_up(G*) noexcept {}
inline void note_lock_free(const void*) noexcept {}
#else
/// Whether the notes below are wanted. They have no effect on the lock.
inline bool follows_locks() noexcept { return locks_followed.load(relaxed); }  // set before the first g runs

/// gp is about to lock, and cannot give up. Reports the cycle that this closes, if any.
void note_lock_wanted(G* gp, const void* lock) noexcept;

/// gp has locked, by its last co_await; null: a plain thread has. Called by who gave it the lock, before gp goes on.
void note_lock_held(G* gp, const void* lock) noexcept;

/// The caller has locked, without waiting.
void note_lock_tried(const void* lock) noexcept;

/// gp, which may have wanted a lock, does not want it any more.
void note_lock_given_up(G* gp) noexcept;

/// The lock is about to be freed, by anybody.
void note_lock_free(const void* lock) noexcept;
#endif

}  // namespace gmp::detail
