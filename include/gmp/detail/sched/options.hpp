// include/gmp/detail/sched/options.hpp — what a user may set on an executor, and how a g is described to him.
// Go: runtime/debug (SetMaxThreads), runtime.GOMAXPROCS; debug.Stack.  Room: sched (floor 2).
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

namespace gmp {

/// One awaiting frame of a g.
struct Frame {
  std::string function;    // its signature
  std::string file;        // of the co_await at which it stands
  std::uint32_t line = 0;  // there
};

/// What is known of one g at some instant.
struct GInfo {
  std::uint64_t id = 0;         // as this_g::id() gives it
  std::uint64_t parent_id = 0;  // of the g that started it; 0: none did
  std::string name;         // as this_g::set_name() has set it
  std::string state;        // "running", "runnable", "waiting", "blocking"
  std::string wait_reason;  // Go's words, empty unless waiting
  std::chrono::nanoseconds waiting{0};  // for how long
  std::source_location created_at;      // where go() or spawn() was called
  std::vector<Frame> stack;  // innermost first
  std::string waits_on;      // "gmp::Mutex 0x7f…, held by goroutine 3", "chan 0x55…", "a timer due in 2s"; empty: nothing is known. The holder: by GMPDEBUG=lockcycle=1
};

/// How gs wait for descriptors.
enum class Poller : std::uint8_t { automatic, uring, epoll };

/// What an Executor is made with.
struct Options {
  /// Ps: how many gs run at a time, beside those whose P was taken from them (max_hogs): what two gs share wants a lock with one P, too. 1 to 1024,
  /// else std::invalid_argument. 0: $GMPMAXPROCS, else the CPUs that this process may use (affinity mask and cgroup quota).      Go: GOMAXPROCS.
  int procs = 0;
  /// Thread names: gmp/0, gmp/1 …
  std::string name = "gmp";
  /// automatic takes io_uring, and epoll where that is refused, with one line on stderr that says why. uring where it is refused:
  /// std::system_error that says what to change. $GMPPOLLER overrides.
  Poller poller = Poller::automatic;
  /// Ms. One more: `fatal error: thread exhaustion`.      Go: debug.SetMaxThreads.
  int max_threads = 10'000;
  /// Gs that compute on their threads after their P was taken from them, for the sake of others: so many at a time. One more keeps its P until its
  /// next co_await, and who waits there waits so long. 0: no P is taken from a g that computes. Negative: std::invalid_argument.
  int max_hogs = 64;
  /// Replaces the end of the process when an exception leaves a g that nobody joins. Runs on the M, after the g's frames are gone.
  std::function<void(std::exception_ptr, const GInfo&)> on_panic = {};  // initialized, as the others: `{.procs = 2}` must not warn
  /// On each M, when its thread begins and before it ends: the host's thread-locals, priorities, names.
  std::function<void()> on_thread_start = {};
  std::function<void()> on_thread_stop = {};
  /// How long stop() waits for gs that are parked in foreign awaits.
  std::chrono::nanoseconds stop_grace = std::chrono::seconds(1);
};

}  // namespace gmp
