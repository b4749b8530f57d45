// tests/model/explorer.cpp — runs a model again and again: threads, who goes on, how a run ends, what a failure says.
// Go: none.  Room: tests/model.
#include "model/explorer.hpp"

#include <signal.h>

#include <cinttypes>
#include <exception>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace gmp::model {

Explorer& explorer() {
  static Explorer the_only_one;
  return the_only_one;
}

namespace {

constexpr int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

/// $GMPSEED: "seed", or "seed:run" to stop after that run.
struct Seed {
  bool given = false, one = false;
  std::uint64_t seed = 0, run = 0;
};

Seed seed_from_environment() {
  Seed result;
  if (const char* text = std::getenv("GMPSEED"); text != nullptr && *text != 0) {
    char* end = nullptr;
    result.given = true;
    result.seed = std::strtoull(text, &end, 0);
    if (*end == ':') {
      result.one = true;
      result.run = std::strtoull(end + 1, nullptr, 0);
    }
  }
  return result;
}

/// $GMPCORO_TEST_SCALE. Never less than 1: a mutant that has not had its schedules survives.
double test_scale() {
  const char* text = std::getenv("GMPCORO_TEST_SCALE");
  const double scale = text != nullptr ? std::strtod(text, nullptr) : 1;
  return scale > 1 ? scale : 1;
}

/// A signal handler for faults of the modelled code, on a stack of its own, as a fiber may have run out of its.
class FaultHandlers {
 public:
  explicit FaultHandlers(void (*handler)(int)) {
    static char stack[64 * 1024];
    stack_t mine{};
    mine.ss_sp = stack;
    mine.ss_size = sizeof(stack);
    sigaltstack(&mine, &old_stack_);
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;
    for (std::size_t i = 0; i < std::size(faults); ++i) sigaction(faults[i], &action, &old_[i]);
  }
  ~FaultHandlers() {
    for (std::size_t i = 0; i < std::size(faults); ++i) sigaction(faults[i], &old_[i], nullptr);
    sigaltstack(&old_stack_, nullptr);
  }

 private:
  stack_t old_stack_{};
  struct sigaction old_[std::size(faults)] {};
};

std::string text_of(Bits value) {
  char text[32];
  std::snprintf(text, sizeof(text), value < 100'000 ? "%" PRIu64 : "0x%" PRIx64, value);
  return text;
}

}  // namespace

// ---- explorations ----

Result Explorer::explore(const Options& options, const std::function<void(Run&)>& body) {
  if (running_) fail("explore() inside of a run", Where::current());
  options_ = options;
  const Seed given = seed_from_environment();
  const std::uint64_t seed = given.given ? given.seed : options.seed;
  std::uint64_t count = static_cast<std::uint64_t>(static_cast<double>(options.schedules) * test_scale());
  if (given.one) count = given.run + 1;

  rotation_.clear();
  for (int i = 0; i < strategies; ++i) {
    if (i == 0 || i == 4) {
      rotation_.push_back(std::make_unique<RandomWalk>());
    } else if (i == 3 || i == 7) {
      rotation_.push_back(i == 3 ? std::make_unique<DepthFirst>(options.preemptions, options.stale_loads) : nullptr);  // one for both turns
    } else {
      rotation_.push_back(std::make_unique<Pct>(i < 3 ? 1 + i : i - 1));  // 2, 3, 4, 5
    }
  }
  stored_.clear();
  hash_ = 0;

  Result result;
  FaultHandlers handlers(&Explorer::on_fault);
  run_all_guarded(body, seed, count, result);
  result.hash = hash_;
  if (failed_) result.failure = report(strategy_->name(), result.schedules - 1, seed);
  failed_ = false;
  return result;
}

/// A function of its own, without locals that a fault's long jump could spoil.
void Explorer::run_all_guarded(const std::function<void(Run&)>& body, std::uint64_t seed, std::uint64_t count, Result& result) {
  if (sigsetjmp(fault_, 1) == 0) {
    run_all(body, seed, count, result);
  } else {
    host_.landed();
  }
}

void Explorer::run_all(const std::function<void(Run&)>& body, std::uint64_t seed, std::uint64_t count, Result& result) {
  steps_ = 0;
  for (std::uint64_t index = 0; index < count && !failed_; ++index) {
    const std::size_t turn = index % strategies == 7 ? 3 : index % strategies;
    strategy_ = rotation_[turn].get();
    const std::uint64_t run_seed = Random(seed * 0x9e3779b97f4a7c15 + index).next();
    if (!strategy_->begin(run_seed, steps_)) {
      result.exhausted = true;
      strategy_ = rotation_[0].get();
      strategy_->begin(run_seed, steps_);
    }
    ++result.schedules;
    run_once(body);
    result.steps += steps_;
  }
}

void Explorer::run_once(const std::function<void(Run&)>& body) {
  ++run_;
  steps_ = 0;
  streak_ = 0;
  writes_ = 0;
  idle_pauses_ = 0;
  traced_ = 0;
  thread_count_ = 0;
  current_ = 0;
  body_ = &body;
  doubtful_ = false;
  heap::reset();
  begin_memory();
  running_ = true;
  start(nullptr, [](void*) {
    Run run;
    (*explorer().body_)(run);
  });
  Fiber::switch_to(host_, threads_[0].fiber);
  running_ = false;
  heap::use(false);
  end_memory();
}

void Explorer::on_fault(int signal) {
  Explorer& e = explorer();
  if (!e.running_) {
    // Not the model's: die of it as if this handler were not there.
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  heap::use(false);
  e.failed_ = true;
  e.failure_ = signal == SIGSEGV || signal == SIGBUS ? "memory fault" : "arithmetic or instruction fault";
  e.failed_at_ = Where();
  e.running_ = false;
  siglongjmp(e.fault_, 1);
}

void Explorer::leave() {
  Fiber::switch_to(me().fiber, host_);
  std::abort();  // nobody comes back to a run that has ended
}

void Explorer::abandon() { leave(); }

void Explorer::fail(std::string what, const Where& where) {
  if (!running_) {
    std::fprintf(stderr, "model: %s (%s:%u), outside of a run\n", what.c_str(), where.file_name(), static_cast<unsigned>(where.line()));
    std::abort();
  }
  heap::use(false);
  std::string(std::move(what)).swap(failure_);  // nothing on this stack will be destroyed: no memory may stay with `what`
  if (guess_.open) {
    // It counts only if what was guessed comes true: see what the others do.
    if (doubtful_) abandon();
    doubtful_ = true;
    block([](void* guess) -> bool { return !static_cast<Guess*>(guess)->open; }, &guess_, "a guess", false, where);
  }
  failed_ = true;
  failed_at_ = where;
  leave();
}

// ---- threads ----

void Explorer::start(void* body, void (*call)(void*)) {
  if (thread_count_ == max_threads) fail("too many threads", Where::current());
  Thread& t = threads_[thread_count_];
  t.fiber.make_stack();
  t.fiber.start(&Explorer::thread_main);
  t.state = Thread::running;
  t.fresh = false;
  t.time_outs = early_time_outs;
  t.body = body;
  t.call = call;
  t.late_place = nullptr;
  t.clock = thread_count_ == 0 ? Clock() : me().clock;  // what its maker did happens before it
  t.clock.at[thread_count_] = 1;
  ++thread_count_;
  tick();
}

void Explorer::thread_main() {
  Explorer& e = explorer();
  Thread& t = e.me();
  heap::use(true);
  std::string thrown;
  try {
    t.call(t.body);
  } catch (const std::exception& error) {
    heap::use(false);
    thrown = std::string("an exception left the thread: ") + error.what();
  }
  heap::use(false);
  if (!thrown.empty()) e.fail(std::move(thrown), Where::current());  // outside of the handler: no exception may stay caught on this stack
  e.finish_thread();
}

void Explorer::finish_thread() {
  me().state = Thread::done;
  ++writes_;
  idle_pauses_ = 0;
  if (current_ == 0) {
    for (int t = 1; t < thread_count_; ++t) {
      if (threads_[t].state != Thread::done) fail("the body returned before run.join()", Where::current());
    }
    leave();
  }
  go_on_as(choose_thread(Where::current()));
  std::abort();
}

void Explorer::join(const Where& where) {
  // One loop over all threads in the condition, as the number of them may still grow.
  block(
      [](void* e) -> bool {
        auto* self = static_cast<Explorer*>(e);
        for (int t = 1; t < self->thread_count_; ++t) {
          if (self->threads_[t].state != Thread::done) return false;
        }
        return true;
      },
      this, "run.join()", false, where);
  if (guess_.open) abandon();  // nobody is left who could make it true
  for (int t = 1; t < thread_count_; ++t) me().clock.join(threads_[t].clock);
}

/// The point before each access at which another thread may come first.
void Explorer::reschedule(const Where& where) {
  if (++steps_ > options_.max_steps) fail("more steps than Options::max_steps: a livelock?", where);
  me().where = where;
  const int next = choose_thread(where);
  if (next != current_) go_on_as(next);
}

/// Who can go on, and of those whom the strategy wants.
int Explorer::choose_thread(const Where& where) {
  unsigned ready = 0, spinning = 0, timed = 0;
  for (int t = 0; t < thread_count_; ++t) {
    Thread& thread = threads_[t];
    const unsigned bit = 1u << t;
    switch (thread.state) {
      case Thread::running: ready |= bit; break;
      case Thread::paused: (thread.paused_at != writes_ ? ready : spinning) |= bit; break;
      case Thread::blocked:
        if (thread.ready(thread.ready_argument)) {
          ready |= bit;
        } else if (thread.timed) {
          timed |= bit;
          if (thread.time_outs > 0 && strategy_->rarely()) ready |= bit;
        }
        break;
      case Thread::none:
      case Thread::done: break;
    }
  }
  // Those who spin look again when all others are stuck, and then see what is newest: all that was stored is seen in the end.
  if (ready == 0 && spinning != 0) {
    const bool last_look = ++idle_pauses_ <= 20u * static_cast<unsigned>(thread_count_);
    if (!last_look && timed == 0) fail("livelock: all threads spin or are blocked", where);
    if (last_look) ready = spinning;
  }
  if (ready == 0 && timed != 0) {
    ready = timed;
    idle_pauses_ = 0;
  }
  if (ready == 0) {
    std::string text = "deadlock: all threads are blocked";
    for (int t = 0; t < thread_count_; ++t) {
      if (threads_[t].state != Thread::blocked) continue;
      text += std::string(t == 0 ? ": T" : ", T") + std::to_string(t) + " on " + threads_[t].why;
    }
    fail(std::move(text), where);
  }

  const unsigned others = (ready | spinning) & ~(1u << current_);
  if (++streak_ > longest_streak && others != 0) {
    strategy_->paused(current_);
    ready = others;
  }
  const int next = strategy_->thread(ready, current_);
  if (next != current_) streak_ = 0;
  Thread& chosen = threads_[next];
  if ((spinning >> next & 1) != 0) chosen.fresh = true;
  if (chosen.state == Thread::blocked && !chosen.ready(chosen.ready_argument)) {
    chosen.timed_out = true;
    --chosen.time_outs;
  }
  chosen.state = Thread::running;
  return next;
}

void Explorer::go_on_as(int next) {
  Thread& from = me();
  current_ = next;
  Fiber::switch_to(from.fiber, me().fiber);
}

void Explorer::pause(const Where& where) {
  if (++steps_ > options_.max_steps) fail("more steps than Options::max_steps: a livelock?", where);
  strategy_->paused(current_);
  me().where = where;
  me().state = Thread::paused;
  me().fresh = false;
  me().paused_at = writes_;
  record(Event::other, 0, 0, 0, std::memory_order_relaxed, 0, where, "spins");
  give_way(where);
}

void Explorer::give_way(const Where& where) {
  const int next = choose_thread(where);
  if (next != current_) go_on_as(next);
}

bool Explorer::block(bool (*ready)(void*), void* argument, const char* why, bool may_time_out, const Where& where) {
  Thread& t = me();
  ++steps_;
  t.where = where;
  t.why = why;
  t.ready = ready;
  t.ready_argument = argument;
  t.timed = may_time_out;
  t.timed_out = false;
  t.state = Thread::blocked;
  if (!ready(argument)) record(Event::other, 0, 0, 0, std::memory_order_relaxed, 0, where, "blocks");
  give_way(where);
  if (t.timed_out) record(Event::other, 0, 0, 0, std::memory_order_relaxed, 0, where, "gives up waiting");
  return !t.timed_out;
}

void Explorer::heavy_barrier(const Where& where) {
  // Each thread passes its barrier at a time of its own within the call.
  const Clock before = me().clock;
  Clock seen;
  tick();
  commit_late(me());
  for (int t = 0; t < thread_count_; ++t) {
    if (t == current_) continue;
    reschedule(where);
    seen.join(threads_[t].clock);
    threads_[t].clock.join(before);
    ++threads_[t].clock.at[t];
    commit_late(threads_[t]);
  }
  me().clock.join(seen);
  record(Event::other, 0, 0, 0, std::memory_order_seq_cst, 0, where, "heavy barrier");
  tick();
}

// ---- traces ----

void Explorer::record(Event::Kind kind, unsigned place, Bits before, Bits after, std::memory_order order, unsigned back, const Where& where,
                      const char* note) noexcept {
  trace_[traced_++ % trace_size] = {steps_,      static_cast<std::uint8_t>(current_), kind, order, static_cast<std::uint16_t>(back), place, before,
                                    after, where, note};
  // No addresses: they differ between processes.
  const std::uint64_t event = static_cast<std::uint64_t>(current_) | static_cast<std::uint64_t>(kind) << 4 | std::uint64_t{place} << 8 |
                              std::uint64_t{back} << 24 | std::uint64_t{where.line()} << 40;
  hash_ = (hash_ ^ event) * 0x100000001b3;
}

std::string Explorer::report(const std::string& strategy, std::uint64_t index, std::uint64_t seed) {
  std::string text = failure_;
  if (failed_at_.line() != 0) text += std::string(" (") + failed_at_.file_name() + ":" + std::to_string(failed_at_.line()) + ")";
  text += "\n  in T" + std::to_string(current_) + " at step " + std::to_string(steps_) + ", strategy=" + strategy + ", replay with GMPSEED=" +
          std::to_string(seed) + ":" + std::to_string(index) + "\n";
  const std::uint64_t first = traced_ > 40 ? traced_ - 40 : 0;
  for (std::uint64_t i = first; i < traced_; ++i) {
    const Event& e = trace_[i % trace_size];
    const std::string at = "#" + std::to_string(e.place);
    std::string what;
    switch (e.kind) {
      case Event::load: what = "load " + at + " = " + text_of(e.after); break;
      case Event::future_load: what = "load " + at + " = " + text_of(e.after) + ", not yet stored"; break;
      case Event::store: what = "store " + at + " " + text_of(e.before) + " -> " + text_of(e.after); break;
      case Event::change: what = "change " + at + " " + text_of(e.before) + " -> " + text_of(e.after); break;
      case Event::exchanged: what = "compare " + at + " " + text_of(e.before) + " -> " + text_of(e.after); break;
      case Event::not_exchanged: what = "compare " + at + " = " + text_of(e.before) + " fails"; break;
      case Event::lock: what = "lock " + at; break;
      case Event::unlock: what = "unlock " + at; break;
      case Event::var_read: what = "get"; break;
      case Event::var_write: what = "set"; break;
      case Event::other: what = e.note; break;
    }
    const bool ordered = e.kind <= Event::not_exchanged;
    if (ordered) what += std::string(" ") + name(e.order);
    if (e.back != 0) what += " (" + std::to_string(e.back) + " newer)";
    const char* file = e.where.file_name();
    if (const char* slash = std::strrchr(file, '/')) file = slash + 1;
    char head[160];
    std::snprintf(head, sizeof(head), "  %5u T%d  %-52s %s:%u  ", e.step, e.thread, what.c_str(), file, static_cast<unsigned>(e.where.line()));
    text += head + source_line(e.where.file_name(), e.where.line()) + "\n";
  }
  return text;
}

// ---- what models and production code call ----

Result explore(const Options& options, const std::function<void(Run&)>& body) { return explorer().explore(options, body); }

void Run::start(void* f, void (*call)(void*)) {
  Inside inside;
  explorer().start(f, call);
}
void Run::join(const Where& where) {
  Inside inside;
  explorer().join(where);
}
void step(const Where& where) {
  Inside inside;
  explorer().step(where);
}

unsigned Run::choose(unsigned n) {
  Inside inside;
  return explorer().choose(n);
}

void check(bool condition, const char* text, const Where& where) {
  if (condition) return;
  Inside inside;
  explorer().fail(text, where);
}

int self() { return explorer().self(); }

void pause(const Where& where) noexcept {
  if (!explorer().inside_run()) return;
  Inside inside;
  explorer().pause(where);
}

void heavy_barrier(const Where& where) {
  Inside inside;
  explorer().heavy_barrier(where);
}

namespace engine {

bool block(bool (*ready)(void*), void* argument, const char* why, bool may_time_out, const Where& where) {
  Inside inside;
  return explorer().block(ready, argument, why, may_time_out, where);
}

void var_access(Race& race, bool write, const Where& where) {
  if (!explorer().inside_run()) return;
  Inside inside;
  explorer().var_access(race, write, where);
}

void construct(void* place, unsigned size) noexcept {
  if (!explorer().inside_run()) return;
  Inside inside;
  explorer().construct(place, size);
}

void destroy(void* place) noexcept {
  if (!explorer().inside_run()) return;
  Inside inside;
  explorer().destroy(place);
}

namespace {

/// Outside of a run an Atomic is a plain value.
Bits plain_load(const void* place, unsigned size) noexcept {
  Bits bits = 0;
  std::memcpy(&bits, place, size);
  return bits;
}

}  // namespace

Bits load(const void* place, unsigned size, std::memory_order order, const Where& where) noexcept {
  if (!explorer().inside_run()) return plain_load(place, size);
  Inside inside;
  return explorer().load(place, size, order, where);
}

void store(void* place, unsigned size, Bits value, std::memory_order order, const Where& where) noexcept {
  if (!explorer().inside_run()) {
    std::memcpy(place, &value, size);
    return;
  }
  Inside inside;
  explorer().store(place, size, value, order, where);
}

Bits change(void* place, unsigned size, Change how, Bits operand, std::memory_order order, const Where& where) noexcept {
  if (!explorer().inside_run()) {
    const Bits before = plain_load(place, size);
    const Bits after = applied(how, before, operand, size);
    std::memcpy(place, &after, size);
    return before;
  }
  Inside inside;
  return explorer().change(place, size, how, operand, order, where);
}

bool compare_exchange(void* place, unsigned size, Bits& expected, Bits desired, std::memory_order success, std::memory_order failure,
                      bool weak, const Where& where) noexcept {
  if (!explorer().inside_run()) {
    const Bits before = plain_load(place, size);
    if (before == expected) {
      std::memcpy(place, &desired, size);
      return true;
    }
    expected = before;
    return false;
  }
  Inside inside;
  return explorer().compare_exchange(place, size, expected, desired, success, failure, weak, where);
}

void lock(void* place, const Where& where) noexcept {
  if (!explorer().inside_run()) return;
  Inside inside;
  explorer().lock(place, where);
}

bool try_lock(void* place, const Where& where) noexcept {
  if (!explorer().inside_run()) return true;
  Inside inside;
  return explorer().try_lock(place, where);
}

void unlock(void* place, const Where& where) noexcept {
  if (!explorer().inside_run()) return;
  Inside inside;
  explorer().unlock(place, where);
}

}  // namespace engine
}  // namespace gmp::model
