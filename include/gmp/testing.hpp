// include/gmp/testing.hpp — tests of concurrent code: in virtual time, and under many schedules.
// Go: testing/synctest.  Room: testing (floor 6).
#pragma once

#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "gmp/detail/task/spawn.hpp"
#include "gmp/task.hpp"
#include "gmp/time.hpp"

namespace gmp::testing {

/// What a test was found to do wrong: what() says it in full, with a dump of the gs that were left.
class GMPCORO_EXPORT Failure : public std::runtime_error {
 public:
  explicit Failure(const std::string& text) : std::runtime_error(text) {}
};

/// How explore() goes about it.
struct Exploration {
  std::uint64_t schedules = 10'000;  // how many are played
  std::uint64_t seed = 1;            // from which they are drawn
  /// The net in memory has faults: now and then a dial is refused, an accept finds no descriptor left, a connection is reset, bytes come seconds late, a
  /// write stops in the middle for seconds, a datagram is lost, comes twice or overtakes others; how often is drawn for each schedule, and for some it is never.
  bool faults = false;
};

}  // namespace gmp::testing

namespace gmp::detail {

using TestFunction = std::function<Task<>()>;

GMPCORO_EXPORT void run_test(const TestFunction& make, std::source_location where);
GMPCORO_EXPORT void explore_test(const testing::Exploration& how, const TestFunction& make, std::source_location where);
GMPCORO_EXPORT void replay_test(std::uint64_t seed, const TestFunction& make, std::source_location where);

/// f is the caller's, and outlives each of its frames.
template <class F>
TestFunction test_function(F& f) {
  static_assert(std::is_invocable_v<F&>, "testing: f is called without arguments");
  require_callable(f);
  if constexpr (std::is_same_v<std::invoke_result_t<F&>, Task<>>)
    return [&f] { return f(); };
  else
    return [&f] { return call_frame<std::reference_wrapper<F>>(std::ref(f)); };
}

}  // namespace gmp::detail

namespace gmp::testing {

/// Runs f, a coroutine function or a plain one, as the main g of an executor of its own, on the calling thread alone, in virtual time: `sleep(1h)` takes
/// none.
///
/// Time stands still while some g can run. When all are blocked, it jumps to the next timer: sleeps, deadlines of contexts and connections, Timer, Ticker,
/// after. Rethrows what leaves f. Failure: all gs wait and nothing can wake them; gs are left when f has ended, and wait; an exception left a g that nobody
/// joins. net::listen, listen_packet and dial of tcp, udp and unix streams stay in memory, each test its own net, empty at first: buffers of 64 KiB, ends and
/// resets as the system has them, datagrams that nobody hears of again; of names there is localhost. What waits for the system (another descriptor, a file, a process), is waited for, and takes no virtual
/// time. blocking(f) runs f at once: it must not wait for a g. A Waker or a signal from outside is waited for only when there is no timer left. gomaxprocs() is 1.
/// The time is now(); a test that reads std::chrono::steady_clock reads the machine's. They are the same when the test begins.
/// On a g, or inside another run(): std::logic_error.      Go: synctest.Test.
template <class F>
void run(F&& f, std::source_location where = std::source_location::current()) {
  detail::run_test(detail::test_function(f), where);
}

/// Runs f again and again as run() does, each time under another schedule: at each co_await of an operation, ready or not, it is drawn which g goes on, and
/// of what happens at one instant of virtual time anything may come first. A read from a connection in memory gives some of what is there, or all.
///
/// Failure if f throws, or for what run() says: what() names the seed of that schedule, for replay(), and the steps that led there. By turns a random
/// walk, and priorities with 0 to 3 changes (PCT: a bug that takes d turns among n gs in k steps shows in one of n * k^(d-1) schedules at worst). f must do the
/// same under the same schedule; if it does not, what() says so. f is called anew for each schedule, so what it shares should be its own.
/// $GMPSEED, if set: the seed that a Failure has named, and each explore() with, or without, faults as that one plays this schedule alone, so choose the
/// test, too; or a small number, in place of how.seed. Else std::invalid_argument.
///
///     testing::explore({.schedules = 10'000, .seed = 1}, []() -> Task<> { … });
template <class F>
void explore(const Exploration& how, F&& f, std::source_location where = std::source_location::current()) {
  detail::explore_test(how, detail::test_function(f), where);
}

/// Runs f once, under the schedule that a Failure of explore() has named. Failure as there; returns if there was none.
template <class F>
void replay(std::uint64_t seed, F&& f, std::source_location where = std::source_location::current()) {
  detail::replay_test(seed, detail::test_function(f), where);
}

/// The time that the calling g's sleeps and deadlines go by: virtual in run(), explore() and replay(), steady_clock's elsewhere.    Go: time.Now.
inline time_point now() noexcept { return time_point(std::chrono::nanoseconds(detail::now_ns())); }

}  // namespace gmp::testing
