// src/sched/sched.hpp — M, P and the scheduler of one executor: their fields, each with its guard, and the verbs of this room.
// Go: runtime/runtime2.go (m, p, schedt).  Room: sched (floor 2).
//
// G is in gmp/detail/sched/g.hpp.  What upper floors may call is in gmp/detail/park.hpp and, for those who start and stop executors, spawn
// gs and submit I/O, below.  The algorithm is in sched.cpp; sysmon, blocking, stop, gtable have a file each.
#pragma once

#include <pthread.h>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmp/detail/base/random.hpp"
#include "gmp/detail/netpoll/op.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/sched/fork.hpp"
#include "gmp/detail/sched/g.hpp"
#include "gmp/detail/sched/options.hpp"
#include "gmp/detail/sched/stats.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "gmp/detail/timer/heap.hpp"
#include "netpoll/poller.hpp"
#include "sched/bell.hpp"
#include "sched/claim.hpp"
#include "sched/frames.hpp"
#include "sched/gate.hpp"
#include "sched/idle.hpp"
#include "sched/latency.hpp"
#include "sched/lanes.hpp"
#include "sched/run_queue.hpp"
#include "sched/scan.hpp"
#include "sched/take_over.hpp"
#include "sched/trace.hpp"

namespace gmp::detail {

/// A list of gs through schedlink_, first in, first out.
class GList {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  G* front() const noexcept { return head_; }
  G* back() const noexcept { return tail_; }
  int size() const noexcept { return size_; }
  void push_back(G* gp) noexcept {
    gp->schedlink_ = nullptr;
    (tail_ != nullptr ? tail_->schedlink_ : head_) = gp;
    tail_ = gp;
    ++size_;
  }
  void push_front(G* gp) noexcept {
    gp->schedlink_ = head_;
    head_ = gp;
    if (tail_ == nullptr) tail_ = gp;
    ++size_;
  }
  G* pop_front() noexcept {
    G* gp = head_;
    if (gp == nullptr) return nullptr;
    head_ = gp->schedlink_;
    if (head_ == nullptr) tail_ = nullptr;
    gp->schedlink_ = nullptr;
    --size_;
    return gp;
  }
  void append(GList& other) noexcept {
    if (other.head_ == nullptr) return;
    (tail_ != nullptr ? tail_->schedlink_ : head_) = other.head_;
    tail_ = other.tail_;
    size_ += other.size_;
    other = GList{};
  }

 private:
  G* head_ = nullptr;
  G* tail_ = nullptr;
  int size_ = 0;
};

/// What few gs need (G::extra_).
struct GExtra {
  std::string name_;                 // set_name() writes, name_of() reads
  M* locked_m_ = nullptr;            // lock_os_thread: the only M that may run it
  int lock_count_ = 0;
  const void* unwinding_ = nullptr;  // the exception object whose way up `trail_` is
  std::vector<std::source_location> trail_;
};
GExtra& extra_of(G* gp);                   // by the g itself, as the next three
void drop_extra(G* gp) noexcept;
GExtra* swap_extra(G* gp, GExtra* extra) noexcept;
void set_name(G* gp, std::string name);
std::string name_of(G* gp);                // by anybody

/// Reasons for an M to look up from its g.
///   bit      | set by                          | cleared by                      | may be missed
///   preempt  | sysmon (slice used up)          | the M, when it switches gs      | yes: the next slice
///   no_p     | who took its P                  | the M, when it has a P again    | no
///   stopping | stop()                          | never                           | no
///   handoff  | its g, for the one it woke      | the M, when it switches gs      | yes: the woken one runs a slice later
///   testing  | begin_alone()                   | end_alone()                     | no: each co_await is a choice
enum Attention : std::uint32_t { attend_preempt = 1, attend_no_p = 2, attend_stopping = 4, attend_handoff = 8, attend_testing = 16 };

inline constexpr std::uint32_t global_every = 61;  // turns between looks at the global queue; prime, as Go's
// How many such a look takes, to the ring's tail. Go takes one: then what overflowed there waits 61 turns for each that is before it, and of a server's
// answers the last in a hundred came after 14 ms instead of 2.
inline constexpr int global_batch = 32;
inline constexpr std::uint32_t poll_every = 61;    // rounds between looks at the poller

struct M : Immovable {
  explicit M(Sched* sched, int id) : sched_(sched), id_(id) {}

  Claim claim_;                           // with p_: see claim.hpp
  P* p_ = nullptr;                        // this M, inside only
  G* cur_ = nullptr;                      // the g it runs; this M only
  Sched* const sched_;
  std::coroutine_handle<> next_;          // the trampoline's slot: resumed by the loop
  G* ended_ = nullptr;                    // set during resume(): its root frame has ended
  G* yielded_ = nullptr;                  // set during resume(): suspended but runnable
  bool parked_ = false;                   // set during resume(): suspended, and not ours any more
  bool yield_local_ = false;              // to the tail of the local ring, else to the global queue
  bool spinning_ = false;                 // counted in IdleSet::spinners_; this M only
  bool called_ = false;                   // a waker handed its P to it, and it has found nothing yet
  int scout_rounds_ = 0;                  // as the scout, since it last found something
  bool plain_thread_ = false;             // in blocking(f): f counts as a plain thread
  std::exception_ptr thrown_;             // what left the root frame of ended_
  Atomic<std::uint32_t> sysc_{0};         // odd: in blocking(f); this M writes, sysmon reads
  Atomic<bool> hog_{false};               // computes on without the P that sysmon took from it, which says so; this M takes it back
  Atomic<std::uint32_t> attend_{0};       // Attention bits; counted in `attention` while not 0
  Atomic<G*> shown_{nullptr};             // = cur_, for dumps and stop's report
  ReadyWindow ready_window_;
  M *all_next_ = nullptr, *all_prev_ = nullptr;  // scan.cpp
  Bell bell_;
  P* handed_p_ = nullptr;                 // under Sched::lock_, while it sleeps without a P
  bool handed_spinning_ = false;          // under Sched::lock_: with a spinner's place
  M* spare_next_ = nullptr;               // under Sched::lock_
  G* locked_g_ = nullptr;                 // lock_os_thread: the only g that it may run; this M
  G* turn_ = nullptr;                     // under Sched::lock_: locked_g_, runnable
  bool waiting_p_ = false;                // under Sched::lock_: bound to a g, and asleep without a P
  GList free_gs_;                         // dead Gs to be used again; this M only
  std::uint64_t next_id_ = 0, end_id_ = 0;  // goroutine ids taken in a batch
  Atomic<std::uint64_t> spawned_{0}, finished_{0};  // gs of its executor; this M writes
  FrameCache frames_;                     // this thread only
  Random random_{1};
  int cpu_clock_ = 0;
  TraceBuffer* trace_ = nullptr;          // this thread's; null until it first notes something
  const int id_;
  pthread_t thread_{};
};

struct alignas(cache_line) P : Immovable {
  explicit P(int id) : id_(id), random_(static_cast<std::uint64_t>(id) * 0x9e3779b97f4a7c15u + 1) {}

  // the owner's, on every switch
  RunQueue runq_;                       // owner pushes and pops, any M steals
  Atomic<std::uint32_t> tick_{0};       // switches that began a slice; owner writes, sysmon reads
  std::uint32_t loops_ = 0;             // rounds of the loop
  std::uint32_t timed_loop_ = 1;        // the one in which what becomes runnable is stamped: latency.hpp
  ForkList forks_;                      // children of all()s that nobody has begun; owner, takers and visitors (H1)
  bool on_trial_ = false;               // it runs a fresh g beside hogs (Lanes), or has just run it; owner or taker
  Atomic<M*> m_{nullptr};               // its owner, or the M that watches it while idle; null: never started. Owner or taker writes
  std::unique_ptr<Poller> poller_;      // made by its first M
  TimerHeap timers_;
  Atomic<std::uint64_t> steals_{0}, parks_{0}, polls_{0};  // owner writes
  Atomic<std::int64_t> io_waiting_{0};  // gs parked on operations of this P's poller
  int spin_credit_ = 4;                 // spinning before sleeping has paid lately
  std::uint32_t spin_skipped_ = 0;
  const int id_;
  Random random_;
  RandomOrder victims_;
  LatencyHistogram latency_;            // owner writes

  // sysmon's own view
  Sight<P, M> seen_{this, nullptr, 0, 0};
  std::int64_t seen_since_ = 0, seen_cpu_ = 0;
  Atomic<bool> retired_{true};  // not in use, and neither idle, nor an M's, nor on its way to one; written under Sched::lock_
  bool warned_ = false;  // its preempt flag is set: next round it may lose its P
  bool named_ = false;   // GMPDEBUG=hog=1: so was its g
};

class Sysmon;
class Environment;

/// One M, for who looks from outside.
struct ThreadState {
  int id = 0;
  std::uint64_t g = 0;  // the id of the g it runs; 0: none
  bool asleep = false;  // without a P, or on an idle one
};

class Sched : Immovable {
 public:
  explicit Sched(Options options, bool detect_deadlock = false);  // std::invalid_argument, std::system_error
  ~Sched();                              // stop()

  // ---- for the language floor
  G* new_g(FrameLink* root, std::source_location where, GEnd* end);  // throws bad_alloc; off its own Ms under enter_if_running()
  G* new_g(FrameLink* root, std::source_location where, GEnd* end, std::uint64_t parent_id, std::uint64_t id);  // id 0: one above its parent's
  void start(G* gp) noexcept;                                        // queue it for the first time
  void stop();

  // ---- for the room testing; alone.cpp. On the thread that is to be the only M, all of them; one P, and no g yet
  void begin_alone(Environment& environment);
  void run_alone() noexcept;                            // until it is over, or nothing can happen any more
  void begin_again_alone(std::uint64_t seed) noexcept;  // nothing runs, no g is left: as at first
  void end_alone() noexcept;                            // then stop()
  Environment* environment() const noexcept { return environment_; }
  void gave_way() noexcept;  // the g that runs, of itself and not by a yield()
  void put_off(G* gp, FrameLink& leaf, void* awaiter, bool (*suspend)(void*, FrameLink&)) noexcept;

  bool stopping() const noexcept { return !gate_.is_running(); }
  bool stopped() const noexcept { return gate_.is_stopped(); }
  int procs() const noexcept { return procs_.load(relaxed); }
  int set_procs(int n);

  // ---- for park.hpp
  void ready_on(M* mp, G* gp) noexcept;
  void ready_remote(G* gp) noexcept;
  void note_attention(M* mp, std::uint32_t bits) noexcept;
  void entering_blocking(M* mp) noexcept;

  /// A dump has let go of a g that was made ready meanwhile.
  void queue_held(G* gp) noexcept;  // between enter_user() and leave_user()
  /// A stretch in which the executor must not go: begun while one of its gs still waits.
  bool enter_if_running() noexcept { return gate_.enter_if_running(); }
  void enter_user() noexcept { gate_.enter(); }
  void leave_user() noexcept { gate_.leave(); }

  // ---- for timers and I/O
  void add_timer(Timer* timer, std::int64_t when);
  bool submit_io(M* mp, IoOp* op) noexcept;  // op->g_ is parked already; false: this M has no P, nothing was done

  // ---- for everybody who looks
  std::int64_t goroutines() const noexcept;
  const Options& options() const noexcept { return options_; }
  static bool all_hopeless() noexcept;  // no g of any executor can ever run again
  bool busy_others() const noexcept { return procs() > idle_.count() + idle_.spinners() + 1; }
  bool all_idle() const noexcept;
  std::vector<M*> ms();
  int threads() const noexcept { return threads_.load(relaxed); }
  void add_stats(debug::Stats& sum) const;  // census.cpp, as the next
  std::vector<ThreadState> thread_states() const;
  /// fn(each executor that has not been stopped, the newest first); under a lock that makers and stoppers of executors wait for.
  static void each(void (*fn)(Sched&, void*), void* context);
  gmp::Poller poller_in_use() const noexcept { return poller_; }

  void* owner_ = nullptr;  // the public face of it, for Executor::current()
  // what keeps a program alive that has no runnable g: live Wakers, notify channels, foreign awaits
  Atomic<std::int64_t> hopes_{0};

 private:
  friend class Sysmon;
  friend class ForkJoin;
  friend void settle(FrameLink&);

  static void* m_thread(void* mp);
  void m_main(M* mp) noexcept;
  static void take_thread(M* mp) noexcept;   // the calling one is mp's from here on
  static void leave_thread(M* mp) noexcept;
  G* next_at_hand(M* mp, bool& inherit) noexcept;
  G* find_runnable(M* mp, bool& inherit) noexcept;
  void execute(M* mp, G* gp, bool inherit) noexcept;
  void after_resume(M* mp, G* gp) noexcept;
  void finish(M* mp, G* gp) noexcept;
  static void put_away(M* mp, G* gp) noexcept;
  void park_m(M* mp) noexcept;
  void park_without_p(M* mp) noexcept;
  bool spin_before_sleep(M* mp, P* pp) noexcept;
  bool work_anywhere(P* pp) noexcept;
  bool next_anywhere() const noexcept;
  std::int64_t scout_ns(M* mp) noexcept;
  G* steal(M* mp, P* pp) noexcept;
  G* visit(M* mp, P* victim) noexcept;
  int inject(P* pp, IoOp* completed) noexcept;
  void push_next(P* pp, G* gp) noexcept;
  void push_next_and_wake(P* pp, G* gp) noexcept;
  void push_next_and_wake_another(P* pp, G* gp) noexcept;
  void push_tail(P* pp, G* gp) noexcept;
  void push_global(G* gp) noexcept;
  void queue_next(M* mp, G* gp) noexcept;
  void queue_globally(G* gp) noexcept;
  void push_global(G* const* gs, std::uint32_t count) noexcept;
  G* g_of(Fork* fork);  // fork.cpp, as the next ones
  void share_fork(P* pp) noexcept {
    if (idle_.hungry()) [[unlikely]] share_fork_slow(pp);
  }
  void share_fork_slow(P* pp) noexcept;
  G* take_fork(P* pp) noexcept;
  G* begin_fork(Fork* fork) noexcept;
  void put_in_order(P* pp) noexcept;  // hogs.cpp, as the next ones
  void end_trial(P* pp) noexcept;
  void limit_fresh(bool fewer) noexcept;
  void grant_trial(bool yes) noexcept;
  G* pop_global(P* pp, int max) noexcept;
  void wake_one() noexcept;
  void hand_over(P* pp, bool watched) noexcept;
  void start_m(P* pp, bool spinning) noexcept;
  void try_start_m(P* pp, bool spinning);
  void acquire_p(M* mp, P* pp) noexcept;
  void quiesce(M* mp) noexcept;
  void end_spinning(M* mp) noexcept;
  G* take_turn(M* mp) noexcept;
  void run_locked(M* mp, G* gp) noexcept;
  void retire(M* mp, P* pp) noexcept;
  void kick(P* pp) noexcept;
  void make_poller(P* pp);                                           // std::system_error
  bool wait_for_poller(M* mp, P* pp) noexcept;
  void make_p(int id);
  G* next_alone(M* mp, bool& inherit) noexcept;
  bool choose_alone(P* pp, G*& gp) noexcept;
  bool begin_put_off(G* gp) noexcept;
  void teardown();
  void enrol() noexcept;  // among those whom all_hopeless() asks
  void strike_off() noexcept;
  bool at_rest(std::uint64_t& switches) noexcept;
  const G* running_on(const M& m) const noexcept;
  bool has_hope() noexcept;

  static void check_layout();

  const Options options_;
  const bool detect_deadlock_;            // the free run() only
  bool has_main_ = false;
  Atomic<G*> main_{nullptr};              // there: its first g, until that has ended; no deadlock is reported before or after
  gmp::Poller poller_ = gmp::Poller::automatic;  // resolved at construction
  unsigned ring_entries_ = 0;
  Gate gate_;
  Atomic<int> procs_{1};
  std::unique_ptr<std::unique_ptr<P>[]> ps_;  // procs_max slots, filled from the front; never shrinks
  Atomic<int> ps_made_{0};

  alignas(cache_line) IdleSet idle_;

  alignas(cache_line) mutable Lock lock_;  // global queue, Ms, spares
  Lanes global_;                          // under lock_
  Atomic<int> global_size_{0};            // under lock_ for writing
  std::vector<std::unique_ptr<M>> ms_;    // under lock_
  M* spares_ = nullptr;                   // under lock_: Ms that sleep without a P
  Atomic<int> threads_{0};
  OffP off_p_;                            // Ms that run a g without a P
  alignas(cache_line) Atomic<std::int64_t> off_p_spawned_{0}, off_p_finished_{0};  // by threads that are none of its Ms
  Atomic<std::uint32_t> quiesced_{0};     // Ms that have stopped; futex
  Atomic<std::uint32_t> release_ms_{0};   // futex: Ms may exit
  Lock stop_lock_;                        // one stop() at a time
  Sched* other_ = nullptr;                // deadlock.cpp
  Environment* environment_ = nullptr;    // EN1
  std::unique_ptr<M> alone_;              // alone.cpp: the M that was
  Atomic<Sysmon*> sysmon_{nullptr};       // set under lock_ with the first M, before any M runs
};

/// The calling thread's M, or null. Never inlined.
GMPCORO_NOINLINE M* this_m() noexcept;

/// A stretch of code inside the runtime: mp's P, if it still has one, is its own until the end of the scope. Nests.
struct Inside : Immovable {
  explicit Inside(M* mp) noexcept : mp_(mp), was_inside_(mp->claim_.inside()) {
    if (!was_inside_ && mp->claim_.enter() == Claim::Entered::robbed) mp->p_ = nullptr;
  }
  ~Inside() {
    if (!was_inside_) mp_->claim_.exit();
  }
  M* mp_;
  bool was_inside_;
};

/// The id of who runs on gp.
inline std::uint64_t running_id(G* gp) noexcept { return gp->lent_ ? ForkJoin::guest_of(gp)->join_->guest_id() : gp->id_; }

/// The root frame of gp has ended with that exception (or none); its M's loop does the rest.
void g_ended(G* gp, std::exception_ptr&& thrown) noexcept;

// ---- scan.cpp: the Ms of the process, for who waits for their windows
void enlist(M* mp) noexcept;
void delist(M* mp) noexcept;

// ---- gtable.cpp: all Gs of the process
G* g_from_slab();                       // throws std::bad_alloc
void gs_to_global(GList& dead) noexcept;
bool gs_from_global(GList& into) noexcept;  // as many as somebody gave at once
std::uint64_t take_ids(std::uint64_t count) noexcept;
/// Every G that ever was, in slabs: fn(G*). Gs may change under the caller's eyes.
void for_each_g(void (*fn)(G*, void*), void* context);
std::vector<G*> gs_of(const Sched* sched);  // those not dead at some instant

// ---- upcalls: the scheduler knows nothing of texts, frames' types and channels; the room debug defines these
void report_deadlock(Sched* sched) noexcept;                                 // does not return
void report_slow_stop(Sched* sched, const std::vector<G*>& busy);
std::string describe(G* gp);
void print_schedtrace(Sched* sched, std::int64_t since_start_ns, bool in_detail) noexcept;
std::string describe_hog(G* gp, std::int64_t elapsed_ns, std::int64_t cpu_ns);  // running, and it may end meanwhile

/// `fatal error: gmp used after fork` in a forked child.
void require_no_fork() noexcept;

}  // namespace gmp::detail
