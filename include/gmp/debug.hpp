// include/gmp/debug.hpp — seeing inside: every goroutine, as Go prints them, the scheduler in numbers, and what it does when.
// Go: runtime/traceback.go, runtime.Stack, runtime/metrics.  Room: debug (floor 6).
//
// Without a line of code: SIGQUIT under the free run() prints every goroutine and ends the process with status 2.  $GMPTRACEBACK says how much is
// printed when the process ends so, by a panic or by a deadlock (Go: $GOTRACEBACK):
//   none    the first line: what happened
//   single  (as if it were not set) a panic shows its goroutine; a deadlock and SIGQUIT show all
//   all     a panic, too, shows all
//   system  as all: the library has no goroutines of its own to add
//   crash   as system, and the process ends by abort(), for a core file: whatever the library ends it for
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gmp/detail/sched/options.hpp"
#include "gmp/detail/sched/stats.hpp"
#include "gmp/executor.hpp"

namespace gmp::debug {

/// The dump of every g of that executor (null: of all): id, name, state, wait reason, how long, every awaiting frame with file:line, innermost
/// first, what it waits on, and who created it. A running or queued g shows its last await only. Five or more that are alike become one entry,
/// `goroutines 7, 9, 12, ... (1000 in all) [chan receive]:`. From any thread; stops nobody.    Go: the SIGQUIT dump.
GMPCORO_EXPORT std::string goroutines(Executor* executor = nullptr);

/// The same for programs: what is known of every g, by id.
GMPCORO_EXPORT std::vector<GInfo> goroutine_infos(Executor* executor = nullptr);

/// That executor in numbers (null: all of the process, added up): gs by state, Ms, Ps, what the scheduler has done, and how long gs waited to run.
/// Always counted, whether anybody asks or not. From any thread; stops nobody, and takes some microseconds, however many gs there are.
/// `$GMPDEBUG=schedtrace=1000` prints a line of this each second; with `,scheddetail=1` one more for each P, M and g.
///     Go: runtime/metrics, GODEBUG=schedtrace
GMPCORO_EXPORT Stats stats(Executor* executor = nullptr);

/// From now on what the schedulers of all executors do is noted, until trace_stop() writes it to that file: a track for each P, on which a slice is a g
/// from when it runs until it waits, yields or ends; arrows from who made it runnable; calls of blocking(f), what the poller found complete, what
/// was stolen. For https://ui.perfetto.dev and chrome://tracing. From any thread. An event costs some 30 ns, and 32 bytes until the stop; a thread that has
/// noted a million notes no more (`otherData.lost` counts). std::system_error: the file cannot be written; std::logic_error: somebody traces already.
///     Go: trace.Start
GMPCORO_EXPORT void trace_start(const std::string& path);
/// Writes the file. Nothing happens if nobody traces. std::system_error: not all could be written.      Go: trace.Stop
GMPCORO_EXPORT void trace_stop();

/// From now on the block profile has one sample for each so many nanoseconds that gs of all executors wait: for channels, select, all of sync, and
/// joins; not for sleep and I/O. 1: each wait; 0: no more samples, as at first. What was sampled stays.      Go: runtime.SetBlockProfileRate
GMPCORO_EXPORT void set_block_profile_rate(std::int64_t nanoseconds);
/// From now on one wait in n for a Mutex or RWMutex is in the mutex profile; 0: none, as at first. Less than 0 only asks. The one before.
///     Go: runtime.SetMutexProfileFraction
GMPCORO_EXPORT int set_mutex_profile_fraction(int n);
/// Writes what was sampled to that file, for `go tool pprof` and all that read its format: how often and how long gs have waited, by the chain of awaits
/// in which they did, with who started them as its root. Go's mutex profile shows who unlocked; a g has no stack to show then: here it is who waited.
/// std::system_error: the file cannot be written.      Go: pprof.Lookup("block").WriteTo, pprof.Lookup("mutex").WriteTo
GMPCORO_EXPORT void write_block_profile(const std::string& path);
GMPCORO_EXPORT void write_mutex_profile(const std::string& path);

}  // namespace gmp::debug
