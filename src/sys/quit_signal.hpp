// src/sys/quit_signal.hpp — SIGQUIT, while somebody wants to say something before the end.
// Go: runtime/signal_unix.go (sighandler).  Room: sys (floor 1).
#pragma once

namespace gmp::detail::sys {

/// From now on SIGQUIT calls report(), which is to end the process, on a thread of its own, whatever all others do; if the signal's disposition is the
/// default, else nothing. That thread is started once a process, and calls begins() first. Without it all stays as it was. Nests.
void quit_signal_begin(void (*begins)() noexcept, void (*report)() noexcept) noexcept;
/// The last end restores the disposition, unless another handler has come meanwhile.
void quit_signal_end() noexcept;

}  // namespace gmp::detail::sys
