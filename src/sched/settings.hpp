// src/sched/settings.hpp — what the environment asks of executors: GMPMAXPROCS, GMPPOLLER, GMPRINGENTRIES, GMPDEBUG.
// Go: runtime/runtime1.go (parsedebugvars), runtime/proc.go (schedinit).  Room: sched (floor 2).
#pragma once

#include <cstdint>
#include <string>

#include "gmp/detail/sched/options.hpp"

namespace gmp::detail {

/// $GMPMAXPROCS; 0: not set, or no number of Ps.
int procs_from_environment();

/// What an executor takes that wants this one: $GMPPOLLER overrides, automatic becomes one of the others. std::system_error: uring is refused.
gmp::Poller poller_choice(gmp::Poller wanted);

/// $GMPRINGENTRIES, rounded up to a power of two.
unsigned ring_entries();

/// $GMPDEBUG: comma-separated name=number pairs, as Go's GODEBUG. Read once. What is not understood is named on stderr, and ignored.
struct DebugSettings {
  bool hog = false;                 // hog=1: name each g that computed for over 100 ms without a co_await
  bool lockcycle = false;           // lockcycle=1: report gs that wait for one another's locks in a circle
  std::int64_t schedtrace_ms = 0;   // schedtrace=1000: a line about each executor every so often
  bool scheddetail = false;         // scheddetail=1: with schedtrace, a line for each P, M and g, too
};
const DebugSettings& debug_settings();

/// Its parser, for tests: complaints go to `complain`.
DebugSettings parse_debug(const char* text, void (*complain)(const std::string&));

}  // namespace gmp::detail
