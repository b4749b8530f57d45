// include/gmp/detail/park.hpp — the one staircase from the scheduler up: all that wait, task, chan, sync, net may ask of it.
// Go: sync/runtime.go, runtime/proc.go (gopark, goready).  Room: sched (floor 2).
//
// How an operation parks its g (PK1 to PK4 hold for every primitive):
//   PK1  park_begin() comes first: it writes status, reason, leaf frame and waiter while nobody else can know the g.
//   PK2  then the waiter is published under its queue's lock.  From that instant another M may wake and run the g: after publishing,
//        await_suspend touches neither the frame nor the awaiter, nor the G.
//   PK3  whoever takes the waiter off its queue, and nobody else, calls ready() once.  If the operation turns out to be done before it
//        was published, park_abort() takes PK1 back.
//   PK4  ready() never runs the g on the caller's stack: it goes to a run queue, and an M's loop resumes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "gmp/detail/sched/g.hpp"

namespace gmp::detail {

struct Timer;

/// The g that the calling thread runs, or null. Never inlined: a thread_local address must not live across a suspension.
GMPCORO_NOINLINE GMPCORO_EXPORT G* current_g() noexcept;

/// True where a plain-thread (`…_blocking`) call is legal: off every g, or inside blocking(f) on one.
bool on_plain_thread() noexcept;

/// Throws std::logic_error("lock_blocking() called on a goroutine: use co_await lock()") unless on_plain_thread().
GMPCORO_EXPORT void require_plain_thread(const char* called, const char* instead);
[[noreturn]] void throw_off_g();  // std::logic_error: co_await outside a goroutine

/// Number of Ms that have a reason to look up from their g: a used-up slice, a lost P, a stopping executor. Inline fast paths load it;
/// non-zero sends them to the compiled path, which asks give_way().
GMPCORO_EXPORT extern Atomic<std::uint32_t> attention;

/// $GMPDEBUG has lockcycle=1, and an executor was started: from then on `attention` is never 0, so that no lock is taken or freed inline.
extern Atomic<bool> locks_followed;

/// The g is about to sleep in `leaf`. w: its waiter, for withdrawal (or null). step: run before it is resumed (or null).
GMPCORO_EXPORT void park_begin(G* gp, FrameLink& leaf, WaitReason reason, Waiter* w, bool (*step)(G*) = nullptr) noexcept;
GMPCORO_EXPORT void park_abort(G* gp) noexcept;

/// As park_begin, from within a step: the g competes again and lost; leaf and reason are as before.
void repark_begin(G* gp) noexcept;

/// The g stays runnable and goes to the tail of its P's queue (Go: goyield). Its await_suspend returns true at once.
GMPCORO_EXPORT void yield_now(G* gp, FrameLink& leaf) noexcept;

/// Before an operation begins: under gmp::testing others may come first. True: suspend(awaiter, leaf) is called when gp is chosen, and says then
/// whether it has suspended; the caller returns "suspended" and touches nothing.
GMPCORO_EXPORT bool put_off(G* gp, FrameLink& leaf, void* awaiter, bool (*suspend)(void*, FrameLink&)) noexcept;

/// For an operation that is done without having parked. True: this M must let go of the g now (its slice is used up, its P was taken,
/// its executor stops): the caller returns "suspended" and the g, which goes on in `leaf`, is queued by the M's loop.
GMPCORO_EXPORT bool give_way(G* gp, FrameLink& leaf) noexcept;

/// Makes a waiting g runnable: it is the next to run on the caller's P, or goes to its executor's global queue when the caller is no M of
/// that executor. From any thread.
void ready(G* gp) noexcept;

/// ready(), and the caller's slice ends: it gives way at its next co_await, so that gp runs next (Go: goyield in semrelease).
void ready_handoff(G* gp) noexcept;

/// By a g that parks, and so leaves its M to the one that this M has made ready last. If there is such a g: accept(it, what), while nobody can run
/// it; its answer.
bool offer_to_next(bool (*accept)(G* next, void* what), void* what) noexcept;

/// Parks gp in `leaf` until op is complete (WaitReason::io_wait), then runs step before gp goes on. An M without a P cannot submit: then step
/// runs first with op->state_ not done, and submits by io_repark(). w: for withdrawal, and for step to find its op by. Nothing is touched
/// after.
void io_park(G* gp, FrameLink& leaf, IoOp* op, Waiter* w, bool (*step)(G*)) noexcept;
/// From within a step: gp sleeps on for op; waiter and step are as G says. The step touches nothing after, and returns false.
void io_repark(G* gp, IoOp* op) noexcept;
/// Asks for the end of an op that is or will be submitted; whoever calls holds what keeps its memory, and its executor. Any thread.
void io_cancel(IoOp* op) noexcept;
/// True if what gp submits now goes to the kernel together with others: its poller batches, and more gs of its P are ready.
bool io_batches(G* gp) noexcept;
/// True if the executor's pollers take operations on what knows no readiness: regular files, open.
bool io_takes_files(G* gp) noexcept;

/// Adds a timer: to the heap of the caller's P, or of some P of gp's executor. Any thread. Throws std::bad_alloc.
void timer_add(G* gp, Timer* timer, std::int64_t when_ns);

/// The same for who is no g. False: the executor stops, or has stopped, and the timer is in no heap.
bool timer_add(Sched* sched, Timer* timer, std::int64_t when_ns);
/// The executor whose M the calling thread is, also where it runs no g: in a timer's fire. Or null.
Sched* sched_of_this_thread() noexcept;

/// blocking(f), round f: f may block; sysmon gives the P to another M meanwhile. blocking_end is false if the g must let go: then
/// blocking_let_go() queues it.
GMPCORO_EXPORT void blocking_begin(G* gp) noexcept;
GMPCORO_EXPORT bool blocking_end(G* gp) noexcept;
GMPCORO_EXPORT void blocking_let_go(G* gp, FrameLink& leaf) noexcept;

/// What keeps hope that a parked g will be woken from outside (a live Waker, a foreign await): counted, for the deadlock report.
void hope_begin(G* gp) noexcept;
void hope_end(G* gp) noexcept;
/// The end of a hope by who makes gp ready, which may be its last act: hope_keep() comes before ready(gp), and keeps the executor until
/// hope_end_kept().
Sched* hope_keep(G* gp) noexcept;
void hope_end_kept(Sched* sched) noexcept;
/// The same from outside all executors: as long as signals or a stop_token may come.
void outside_hope_begins() noexcept;
void outside_hope_ends() noexcept;
/// By a thread that the library has started for itself, as its first act: the deadlock report does not take it for somebody who may wake a g.
void library_thread_begins() noexcept;

/// Nanoseconds of CLOCK_MONOTONIC; and the same as sysmon or a poller saw it last (up to some ms old, costs one load).
GMPCORO_EXPORT std::int64_t now_ns() noexcept;
std::int64_t coarse_now_ns() noexcept;

/// A thread-local random number, for choices that need no seed to be kept.
std::uint32_t cheap_random() noexcept;

/// What an upper room draws from the seed of a test that runs alone (gmp::testing), and keeps for it.
class Chance {
 public:
  /// A number below n; always 0 where nothing is drawn.
  virtual std::uint32_t draw(std::uint32_t n) noexcept = 0;
  /// Something may go wrong: whether it does. what: a literal.
  virtual bool fault(const char* what) noexcept = 0;

  std::shared_ptr<void> net_;  // the room net's; gone when another test begins

 protected:
  Chance() noexcept = default;
  ~Chance() = default;
};
/// Of gp's executor; null: in production.
Chance* chance_of(const G* gp) noexcept;

/// Spinning on a lock whose owner runs pays only if there is another CPU and another running P, and this P has nothing else to do.
bool can_spin(G* gp, int iteration) noexcept;
/// The spin itself: some hundred ns the first time, and each time twice as long as before.
void spin(int iteration) noexcept;

/// The calls down the stairs. The room wait takes w off its queue (Waiter W4), for a stopping executor.
bool withdraw(Waiter* w) noexcept;
/// The g of w is about to sleep, and has been asked to give up: w's operation shall end rather than be queued.
void give_up(Waiter* w) noexcept;

/// For who withdraws gp from what it waits on, while its operation cannot end (withdrawal.hpp). True: gp waits, and does not go on before
/// hold_end(), which also makes it ready if `wakes`.
bool hold_begin(G* gp) noexcept;
void hold_end(G* gp, bool wakes) noexcept;

/// While the frames of a stopped executor are destroyed on this thread: primitives check and wake nothing of that executor.
GMPCORO_EXPORT bool tearing_down() noexcept;
/// The same, and gp is of that executor: a destructor there may cancel what a g of another one waits on.
bool torn_down(const G* gp) noexcept;
/// A g that was withdrawn from Cond::wait does not hold the Mutex that its frame's guard will unlock: note_phantom remembers one such
/// hold, take_phantom consumes it (true: the unlock is not real). Both only while tearing_down().
void note_phantom(const void* lock) noexcept;
bool take_phantom(const void* lock) noexcept;

}  // namespace gmp::detail
