// tests/model/explorer.hpp — the state of a run: threads, memory, trace. Private to tests/model; models include model.hpp.
// Go: none.  Room: tests/model.
//
// One explorer a process.  The host is the test's own stack; all else runs on fibers.  Whoever accesses an Atomic enters the engine by an
// Inside, comes to reschedule(), which may let others go first, and then does its access as one step.
//
// Memory: a place has its stores in modification order.  A store knows for each thread since when that thread has seen it; a load may
// return any store with no newer one that the loader has seen, directly or because whoever saw it happens before the load.  That one rule
// gives all four kinds of coherence.  A release attaches the thread's clock to the store, an acquire joins the clock it finds.
//
// seq_cst: in order S come all seq_cst accesses as they are executed, except that a seq_cst store or RMW may stay `late`, out of S, until its
// thread's next seq_cst access, or until a seq_cst access that it happens before.  A seq_cst load returns nothing older than what in S came
// before it.  (C++20 asks of S no more than to agree with coherence and with "strongly happens before".)
//
// Future reads: a relaxed load guesses, from what earlier runs stored in this place, a value that nobody has stored yet.  A later store of
// that value, by a thread that the load does not happen before, makes the guess true.  A run that ends before is thrown away; so is one in
// which a thread that knows of the load looks at the place meanwhile: the coherence of that would have to be guessed as well.
#pragma once

#include <csetjmp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/fiber.hpp"
#include "model/heap.hpp"
#include "model/model.hpp"
#include "model/site.hpp"
#include "model/strategy.hpp"

namespace gmp::model {

struct Store {
  Bits value = 0;
  Clock seen;      // seen.at[t]: t's time when it saw this first; Clock::never before
  Clock released;  // what an acquire joins
  bool rmw = false;   // nothing comes between it and the one before
  bool in_s = false;  // a seq_cst load returns nothing older
  std::uint32_t id = 0;
};

struct Place {
  const void* address = nullptr;
  unsigned size = 0;
  unsigned number = 0;  // in order of construction
  bool alive = true;
  bool from_outside = false;  // older than the run: gets its first value back at the end
  Bits first = 0;
  std::vector<Store> stores;  // modification order
  std::uint32_t next_id = 0;

  bool held = false;  // of a Lock
  int holder = 0;
  Clock unlocked;
};

struct Thread {
  enum State : std::uint8_t { none, running, blocked, paused, done };

  State state = none;
  bool fresh = false;      // spun while nobody else could run: loads return the newest
  bool timed = false;      // blocked, and may give up
  bool timed_out = false;  //
  int time_outs = 0;       // how often it may give up although others could go on
  std::uint64_t paused_at = 0;
  Clock clock;
  Fiber fiber;
  void* body = nullptr;
  void (*call)(void*) = nullptr;

  bool (*ready)(void*) = nullptr;
  void* ready_argument = nullptr;
  const char* why = "";
  Where where;

  Place* late_place = nullptr;  // a seq_cst store that is not in S yet
  std::uint32_t late_id = 0;
  std::uint32_t late_time = 0;
};

struct Event {
  enum Kind : std::uint8_t { load, future_load, store, change, exchanged, not_exchanged, lock, unlock, var_read, var_write, other };

  std::uint32_t step;
  std::uint8_t thread;
  Kind kind;
  std::memory_order order;
  std::uint16_t back;  // newer stores that the load did not see, or that the store came before
  unsigned place;
  Bits before, after;
  Where where;
  const char* note;
};

class Explorer {
 public:
  Result explore(const Options& options, const std::function<void(Run&)>& body);
  bool inside_run() const noexcept { return running_; }

  // ---- threads (explorer.cpp) ----
  void start(void* body, void (*call)(void*));
  bool block(bool (*ready)(void*), void* argument, const char* why, bool may_time_out, const Where& where);
  void join(const Where& where);
  void pause(const Where& where);
  void heavy_barrier(const Where& where);
  unsigned choose(unsigned n) { return strategy_->choose(n); }
  int self() const noexcept { return current_; }
  void step(const Where& where) { reschedule(where); }
  [[noreturn]] void fail(std::string what, const Where& where);
  std::uint64_t run() const noexcept { return run_; }

  // ---- memory (memory.cpp) ----
  void construct(void* address, unsigned size);
  void destroy(void* address);
  Bits load(const void* address, unsigned size, std::memory_order order, const Where& where);
  void store(void* address, unsigned size, Bits value, std::memory_order order, const Where& where);
  Bits change(void* address, unsigned size, Change how, Bits operand, std::memory_order order, const Where& where);
  bool compare_exchange(void* address, unsigned size, Bits& expected, Bits desired, std::memory_order success,
                        std::memory_order failure, bool weak, const Where& where);
  void lock(void* address, const Where& where);
  bool try_lock(void* address, const Where& where);
  void unlock(void* address, const Where& where);
  void var_access(engine::Race& race, bool write, const Where& where);

 private:
  static constexpr std::size_t trace_size = 64;
  static constexpr int strategies = 8;
  static constexpr int early_time_outs = 3;
  static constexpr unsigned longest_streak = 300;  // steps of one thread while others could run: a loop that waits for them

  // ---- runs and threads ----
  [[gnu::noinline]] void run_all_guarded(const std::function<void(Run&)>& body, std::uint64_t seed, std::uint64_t count, Result& result);
  [[gnu::noinline]] void run_all(const std::function<void(Run&)>& body, std::uint64_t seed, std::uint64_t count, Result& result);
  void run_once(const std::function<void(Run&)>& body);
  static void thread_main();
  void finish_thread();
  void reschedule(const Where& where);
  void give_way(const Where& where);
  int choose_thread(const Where& where);
  void go_on_as(int next);
  [[noreturn]] void leave();    // the run ends here
  [[noreturn]] void abandon();  // and proves nothing
  std::string report(const std::string& strategy, std::uint64_t index, std::uint64_t seed);
  static void on_fault(int signal);

  Thread& me() noexcept { return threads_[current_]; }
  std::uint32_t now() noexcept { return me().clock.at[current_]; }
  void tick() noexcept { ++me().clock.at[current_]; }
  void record(Event::Kind kind, unsigned place, Bits before, Bits after, std::memory_order order, unsigned back, const Where& where,
              const char* note = "") noexcept;

  // ---- memory ----
  void begin_memory();
  void end_memory();
  Place& place(const void* address, unsigned size, const Where& where);
  Place& add_place(const void* address, unsigned size);
  Place* find(const void* address) noexcept;
  std::size_t oldest_visible(const Place& place, bool in_s, const Where& where);
  void see(Place& place, Store& store, std::memory_order order);
  Store& append(Place& place, Bits value, std::memory_order order, bool rmw, std::size_t position);
  void enter_s(Place& place, Store& store, bool write);
  void commit_late(Thread& thread);
  void write_through(Place& place) noexcept;
  bool guess(Place& place, Bits& value);
  void check_guess(Place& place);
  void fulfil_guess(Place& place, Store& store);

  Options options_;
  std::vector<std::unique_ptr<Strategy>> rotation_;
  Strategy* strategy_ = nullptr;
  const std::function<void(Run&)>* body_ = nullptr;

  bool running_ = false;
  std::uint64_t run_ = 0;  // counts all runs of the process
  Fiber host_;
  Thread threads_[max_threads];
  int thread_count_ = 0;
  int current_ = 0;
  unsigned steps_ = 0;
  unsigned streak_ = 0;
  std::uint64_t writes_ = 0;    // tells a spinner that something changed
  unsigned idle_pauses_ = 0;    // since the last write
  std::uint64_t hash_ = 0;
  bool failed_ = false;
  bool doubtful_ = false;  // a thread has failed on the strength of a guess
  std::string failure_;
  Where failed_at_;
  sigjmp_buf fault_;

  Event trace_[trace_size];
  std::uint64_t traced_ = 0;

  struct Slot {
    const void* address = nullptr;
    std::uint64_t run = 0;
    Place* place = nullptr;
  };
  std::vector<Slot> table_ = std::vector<Slot>(16384);
  std::vector<std::unique_ptr<Place>> places_;  // used again by later runs
  unsigned place_count_ = 0;

  struct Guess {
    bool made = false, open = false;
    Place* place = nullptr;
    Bits value = 0;
    int thread = 0;
    std::uint32_t time = 0;
  } guess_;
  std::vector<std::vector<Bits>> stored_;  // in earlier runs of this exploration, by the number of the place
};

Explorer& explorer();

/// What an RMW makes of a value of that size.
Bits applied(Change how, Bits value, Bits operand, unsigned size) noexcept;

/// The engine's own code, which a run's memory does not belong to.
class Inside {
 public:
  Inside() noexcept : was_(heap::use(false)) {}
  ~Inside() { heap::use(was_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool was_;
};

}  // namespace gmp::model
