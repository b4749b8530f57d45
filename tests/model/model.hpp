// tests/model/model.hpp — a model checker for the lock-free code: how to write a model, and what it finds.
// Go: none (what Relacy and loom are to others).  Room: tests/model.
//
// A model is a function that makes some shared state, a few threads that use it, and checks at the end:
//
//     void body(model::Run& run) {
//       Queue queue;                                              // the production type, from its production header
//       model::Var<int> data;                                     // plain memory: two accesses without order between them are a failure
//       run.thread([&] { data.set(1); queue.push(&data); });
//       run.thread([&] { if (auto* p = queue.pop()) model::check(p->get() == 1, "the item came empty"); });
//       run.join();                                               // before the locals die; then the last checks
//       model::check(queue.empty(), "something was lost");
//     }
//     TEST(QueueModel, EveryItemComesOnce) {
//       const auto result = model::explore({.schedules = 20'000}, body);         // or explore_all({{"name", {…}, body}, …})
//       EXPECT_TRUE(result.failure.empty()) << result.failure;
//     }
//
// explore() runs it many times on one real thread, each run another interleaving, with another choice of what weak memory allows.  Every
// Atomic access, Lock step and pause is a point where another thread may go on.  A failure names what, where, thread, step, strategy, the
// last events with their source lines, and a seed: GMPSEED=7:1234 replays up to that run, GMPSEED=8 explores another set.
//
// What fails a run: check(); a GMPCORO_ASSERT, fatal() or misuse() of the production code; a data race on a Var; an Atomic or Lock used
// after its destruction or before its construction is visible; all threads blocked (a lost wake-up shows as this); all threads spinning;
// a memory fault; free of what was freed.
//
// The memory model is C++20's: a load may return any store that coherence and happens-before do not hide; stores to one place may enter the
// modification order late; seq_cst accesses agree on one order S, where a seq_cst store may come into S later than into memory (as on
// AArch64); RMWs read the last value and continue release sequences.  With Options::future_reads a relaxed load may also return a value that
// another thread stores only later, if that thread was not forced to wait for it: load buffering, which AArch64 and POWER show.  Not played:
// consume, standalone fences (the library has none), tearing.  A run is accepted only if what it guessed came true.
//
// Strategies, in rotation: random walk, PCT with d = 2..5, depth first with at most two preemptions.  Small is strong: 2 or 3 threads, 1 to 3
// operations each, capacity 2, indices that start just before the wrap.  Oracles at the end: counts in are counts out, each item once.
//
// Blocking: block_until(condition, "why") on plain data of the model; futex_wait and futex_wake (sys.cpp) work on Atomics; heavy_barrier() is
// the kernel's membarrier.  Randomness of the model's own: run.choose(n).  Never gtest, clocks, real threads, or real randomness inside a run:
// all memory that a run allocates is gone when it ends, and a run must do the same when it is replayed.  For the same reason a model holds
// no state that outlives the run; Atomics and Locks of static storage are as new in each.
//
// Mutation: mutants() finds every access of a production file that asks for more than relaxed, weakens one after the other, and explores again.
// A weakening that no model notices is either useless strength in the production file, or a gap in the models; unexcused() lists those that the
// test does not name with a reason.  So the test of a file is: each model finds nothing, and unexcused(mutants(...), {...}) == "".
//
// To add models for a file: write tests/model/<name>_model.cpp, and if the file is a .cpp, add it to the sources of gmpcoro_model_tests: all
// that this binary links is compiled with GMPCORO_MODEL.  fatal(), futex and other floor 0 and 1 functions come from tests/model/sys.cpp.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <ostream>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/atomic.hpp"
#include "model/clock.hpp"
#include "model/lock.hpp"

namespace gmp::model {

struct Options {
  std::uint64_t schedules = 20'000;  // times $GMPCORO_TEST_SCALE, if that is more than 1
  std::uint64_t seed = 1;            // unless $GMPSEED says otherwise
  unsigned max_steps = 20'000;       // of one run; more is taken for a livelock
  unsigned preemptions = 2;          // in the depth first part
  unsigned stale_loads = 2;          // there, too: loads that return something older than the last store
  bool future_reads = false;
};

struct Result {
  std::string failure;          // empty if nothing was found
  std::uint64_t schedules = 0;  // runs made
  std::uint64_t steps = 0;      // in all of them
  std::uint64_t hash = 0;       // of all events: equal for equal seeds
  bool exhausted = false;       // the depth first part has seen all there is within its bounds
};

/// One run of a model, as its body sees it.
class Run {
 public:
  /// Starts a modelled thread; at most seven.
  template <class F>
  void thread(F body) {
    start(new F(std::move(body)), [](void* f) { (*static_cast<F*>(f))(); });
  }
  /// Waits for all threads. What they did happens before what follows.
  void join(const Where& where = Where::current());
  /// Any number below n.
  unsigned choose(unsigned n);

 private:
  void start(void* f, void (*call)(void*));
};

/// Runs the body under many schedules, until one fails.
Result explore(const Options& options, const std::function<void(Run&)>& body);

/// Ends the run as failed unless the condition holds.
void check(bool condition, const char* text, const Where& where = Where::current());

/// A point where other threads may come first: before each thing that a model plays in one step, as a system call.
void step(const Where& where = Where::current());

/// The number of the modelled thread that runs: 0 is the body.
int self();

namespace engine {

bool block(bool (*ready)(void*), void* argument, const char* why, bool may_time_out, const Where& where);

/// What a Var knows of the accesses to it.
struct Race {
  std::uint64_t run = 0;
  Clock written, read;  // the last of each thread
  Where written_at, read_at;
};
void var_access(Race& race, bool write, const Where& where);

}  // namespace engine

/// Blocks the thread until the condition holds, which looks at plain data of the model only. With may_time_out it may also
/// return false at any time, and does when nobody else can go on. Not a synchronisation by itself.
template <class Condition>
bool block_until(Condition condition, const char* why, bool may_time_out = false, const Where& where = Where::current()) {
  return engine::block([](void* c) -> bool { return (*static_cast<Condition*>(c))(); }, &condition, why, may_time_out, where);
}

/// A full barrier on all modelled threads: membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED).
void heavy_barrier(const Where& where = Where::current());

/// The last value of an Atomic in modification order, as the kernel sees it: for a futex's comparison.
template <class T>
T peek(const Atomic<T>& atomic) {
  T value;
  std::memcpy(&value, &atomic, sizeof(T));
  return value;
}

/// Plain memory. Two accesses of different threads, one of them a set(), with no happens-before between them fail the run.
template <class T>
class Var {
 public:
  Var() : Var(T()) {}
  explicit Var(T value, const Where& where = Where::current()) : value_(std::move(value)) { engine::var_access(race_, true, where); }
  Var(const Var&) = delete;
  Var& operator=(const Var&) = delete;

  const T& get(const Where& where = Where::current()) const {
    engine::var_access(race_, false, where);
    return value_;
  }
  void set(T value, const Where& where = Where::current()) {
    engine::var_access(race_, true, where);
    value_ = std::move(value);
  }

 private:
  T value_;
  mutable engine::Race race_;
};

/// One of the models that together test a file.
struct Model {
  const char* name;
  Options options;
  std::function<void(Run&)> body;
};

/// For gtest's messages.
inline std::ostream& operator<<(std::ostream& out, const Model& model) { return out << model.name; }

/// Explores each, and prints how often. What it finds is a failure of the test that calls.
void explore_all(const std::vector<Model>& models);

struct Mutant {
  std::string file, text;  // text: the source line
  unsigned line = 0, column = 0;
  std::string weakened;      // "seq_cst -> relaxed", "acquire -> relaxed on failure", or "never reached"
  std::string killed_by;     // the model, empty for a survivor
  std::string how;           // the failure's first line
  std::uint64_t schedules = 0;  // that it took
};

/// Weakens each access in files whose name contains `file` by each step that C++ has between its order and relaxed. Lines of the file that
/// name an order stronger than relaxed, and that no model reached, count as survivors.
std::vector<Mutant> mutants(std::string_view file, const std::vector<Model>& models);
std::vector<Mutant> mutants_of(std::initializer_list<std::string_view> files, const std::vector<Model>& models);

/// A weakening that may survive, and why.
struct Excuse {
  std::string_view line;      // part of the source line
  std::string_view weakened;  // part of Mutant::weakened
  std::string_view why;
};

/// What survived without an excuse, and which excuses nothing needs; empty if all is well.
std::string unexcused(const std::vector<Mutant>& mutants, const std::vector<Excuse>& excuses);

/// A table of all mutants, for the log.
std::string describe(const std::vector<Mutant>& mutants);

}  // namespace gmp::model
