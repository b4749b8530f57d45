// src/sched/panic.hpp — what becomes of an exception that leaves a g: the scheduler and the joiners know no texts, the room debug defines these.
// Go: runtime/panic.go.  Room: sched (floor 2).
#pragma once

#include <exception>

#include "gmp/detail/sched/g.hpp"

namespace gmp::detail {

class Sched;

void report_panic(Sched* sched, G* gp, std::exception_ptr thrown) noexcept;  // may return if Options::on_panic does

/// An exception has left gp, and its JoinHandle decides what becomes of it: what a panic needs to know, kept beyond the g. Null: no memory.
struct LatePanic;
LatePanic* note_panic(Sched* sched, G* gp) noexcept;
void report_late_panic(const LatePanic* late, std::exception_ptr thrown) noexcept;  // the handle was dropped; may return, as report_panic()
void forget_panic(LatePanic* late) noexcept;

/// SIGQUIT: every g, and the end of the process. Does not return.
void report_quit() noexcept;

}  // namespace gmp::detail
