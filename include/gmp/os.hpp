// include/gmp/os.hpp — os::open, File, pipe; Command, start, run; notify: signals as values, or as the end of a context; raise_file_limit; wait_readable.
// Go: os, os/exec, os/signal.  Room: os (floor 5).
#pragma once

#include <csignal>
#include <cstddef>
#include <initializer_list>
#include <span>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/detail/os/readiness.hpp"
#include "gmp/os/exec.hpp"
#include "gmp/os/file.hpp"
#include "gmp/result.hpp"

namespace gmp::os {

/// A channel of the signals of that set that come from now on; their old dispositions (often: to end the process) are out of force. A signal that
/// nobody waits for yet is kept, once of each. stop(), or the end of the last handle on the channel, restores the dispositions, unless another
/// channel or context still wants the signal. Who waits on one is no deadlock. From any thread.
/// An empty set, SIGKILL, SIGSTOP, what is no signal, or one that a thread brings on itself (SIGSEGV, SIGFPE, SIGILL, SIGBUS):
/// std::invalid_argument.      Go: signal.Notify.
///
///     auto sig = os::notify({SIGINT, SIGTERM});
///     int number = *co_await sig.recv();
GMPCORO_EXPORT RecvChan<int> notify(std::span<const int> signals);
inline RecvChan<int> notify(std::initializer_list<int> signals) { return notify(std::span<const int>(signals.begin(), signals.size())); }

/// No more signals come on that channel of notify(); it is not closed. Of any other channel: nothing.      Go: signal.Stop.
GMPCORO_EXPORT void stop(const RecvChan<int>& channel) noexcept;

/// A context below ctx that is cancelled by the first of these signals, which its cause() names. Once it is done, for whatever reason, or gone, the
/// dispositions are restored: a second SIGINT ends a program that does not end by itself.      Go: signal.NotifyContext.
GMPCORO_EXPORT Context notify_context(const Context& ctx, std::span<const int> signals);
inline Context notify_context(const Context& ctx, std::initializer_list<int> signals) {
  return notify_context(ctx, std::span<const int>(signals.begin(), signals.size()));
}

/// Lets this process have as many descriptors as the system permits it (`ulimit -Hn`), and says how many: `auto [n, err] = os::raise_file_limit();`. Often it
/// has 1024 (`ulimit -n`), which is few for a server. The library does not do so by itself, as the process is yours: code in it that calls select(2) may
/// not see numbers beyond 1023. Programs that os::start and run start have the limit of before. From any thread.      Go: at the start of each program.
GMPCORO_EXPORT Result<std::size_t> raise_file_limit();

/// `std::error_code err = co_await os::wait_readable(fd);` parks until a descriptor of somebody else's has something to read, has come to its end or has
/// an error: for libraries that do their own I/O and say what they wait for (libcurl, libpq). The descriptor stays theirs: its flags are not touched, and it
/// must stay open until this returns or is given up. Always ready: regular files. Any number of gs may wait for one; when it is ready all of them go on, on their own
/// executors. Under until() or timeout(): errc::canceled or deadline_exceeded. What is no open descriptor: EBADF.      Go: none.
[[nodiscard("co_await it")]] inline detail::ReadinessOp wait_readable(int fd) noexcept { return detail::ReadinessOp(fd, detail::IoKind::poll_in); }
/// The same, until it takes something.
[[nodiscard("co_await it")]] inline detail::ReadinessOp wait_writable(int fd) noexcept { return detail::ReadinessOp(fd, detail::IoKind::poll_out); }

}  // namespace gmp::os
