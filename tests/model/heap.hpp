// tests/model/heap.hpp — memory that a run allocates: found again at the same addresses in a replay, and gone when the run ends.
// Go: none.  Room: tests/model.
//
// A failed run is abandoned where it stands, so nobody would free what it held.  Nothing freed is given out again within the run: a thread
// that still uses it meets an Atomic that knows of its death, or ASan's poison, or a pattern.
#pragma once

namespace gmp::model::heap {

/// Whether operator new takes from the run's memory; returns what it was.
bool use(bool on) noexcept;
/// All that was allocated is gone.
void reset() noexcept;

}  // namespace gmp::model::heap
