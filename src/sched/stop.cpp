// src/sched/stop.cpp — how an executor begins and ends.
// Go: runtime/proc.go (schedinit); it has no end there.  Room: sched (floor 2).
//
// stop():
//   1  no new gs from outside (ST4), no new Ms.  A g that runs may still start others: it cannot know; they are destroyed with it, unbegun.
//   2  every M leaves its loop at its g's next suspension, says so (quiesced_), and waits; none exits yet, since completions of what it
//      submitted are its own work.  A blocking call or a hog is waited for; after 1 s a line names it.
//   3  all I/O is cancelled and drained.
//   4  the Ms exit and are joined; sysmon, too.
//   5  every waiter of this executor's gs is taken off whatever it is queued on, while every frame still exists: a g may be parked on a Cond in
//      the frame of another, older or newer one.  A g that was woken, and has not gone on, has been given something: a lock, units, a hand-off.
//      That is taken back, and goes to who is next, be it another executor's g or a plain thread (W5).
//   6  the chains of frames are destroyed: newest g first, leaf frame first, iteratively.
//   ST1  nobody but the stopper touches a P from the end of step 2 on.
//   ST2  a thread that has unlinked a waiter, but not readied its g yet, keeps the executor alive, and so does a dump of one of its gs: see
//        gate.hpp.
//   ST3  from step 5 on the stopper has the scan bit of each g that waits, as a dump does: no dump walks frames that are being destroyed. And
//        the hold bit of those under until(): nobody withdraws one beside the stopper.
//   ST5  a g in a foreign await cannot be destroyed: somebody else may write to its frame (foreign_wait.hpp). All of them together are given
//        stop_grace, each until its turn comes in step 6; one that has not gone on by then is left, with its joiner, and named. Who ends its
//        await later finds that, and touches nothing of the executor: G and frames stay.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "gmp/detail/sys/futex.hpp"
#include "sched/sched.hpp"
#include "sched/settings.hpp"
#include "sched/status.hpp"
#include "sched/sysmon.hpp"
#include "sched/teardown.hpp"
#include "sys/os.hpp"
#include "sys/patience.hpp"

namespace gmp::detail {

namespace {

constexpr std::int64_t slow_stop_ns = 1'000'000'000;

void forked() noexcept;
bool was_forked = false;
void forked() noexcept { was_forked = true; }

// Once a process, before any M runs.
void first_start() {
  static const bool done = [] {
    sys::at_fork_child(&forked);
    const bool barrier = sys::membarrier_register();
    Claim::use_exchange(!barrier);
    if (!barrier) scans.store(1, relaxed);  // for ever; before any M runs
    if (debug_settings().lockcycle) {
      attention.fetch_add(1, relaxed);  // for ever: no lock is taken inline; before any M runs
      locks_followed.store(true, relaxed);
    }
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

Sched::Sched(Options options, bool detect_deadlock) : options_(std::move(options)), detect_deadlock_(detect_deadlock) {
  if (options_.procs < 0 || options_.procs > procs_max)
    throw std::invalid_argument("procs must be 1..1024, got " + std::to_string(options_.procs));
  if (options_.max_threads < 1) throw std::invalid_argument("max_threads must be at least 1, got " + std::to_string(options_.max_threads));
  if (options_.max_hogs < 0) throw std::invalid_argument("max_hogs must not be negative, got " + std::to_string(options_.max_hogs));
  first_start();
  int procs = options_.procs;
  if (procs == 0) procs = procs_from_environment();
  if (procs == 0) procs = std::min(sys::usable_cpus(), procs_max);
  poller_ = poller_choice(options_.poller);
  ring_entries_ = ring_entries();
  ps_ = std::make_unique<std::unique_ptr<P>[]>(procs_max);
  for (int i = 0; i < procs; ++i) make_p(i);
  make_poller(ps_[0].get());  // the others' when they first run
  procs_.store(procs, relaxed);  // nobody else knows us
  for (int i = 0; i < procs; ++i) {
    ps_[i]->retired_.store(false, relaxed);
    idle_.put_unwatched(i);
  }
  enrol();
}

void Sched::make_p(int id) {
  ps_[id] = std::make_unique<P>(id);
  ps_made_.store(id + 1, release);  // [P-MADE]
}

Sched::~Sched() { stop(); }

void require_no_fork() noexcept {
  if (was_forked) fatal("gmp used after fork");
}

// An M at the end of its loop.
void Sched::quiesce(M* mp) noexcept {
  mp->shown_.store(nullptr, relaxed);
  mp->cur_ = nullptr;
  quiesced_.fetch_add(1, acq_rel);  // [QUIESCE]
  futex_wake(&quiesced_, 1);
  while (release_ms_.load(acquire) == 0) futex_wait(&release_ms_, 0);  // [RELEASE-MS]
}

void Sched::stop() {
  M* self = this_m();
  if (self != nullptr && self->sched_ == this) throw std::logic_error("stop() called from a goroutine of the same executor");
  if (Teardown::is_of(this)) return;  // from a destructor of its gs: it is at it, and holds the lock
  LockGuard one(stop_lock_);
  if (stopped()) return;

  {
    LockGuard guard(lock_);
    gate_.begin_stop();
  }
  const auto& all = ms_;  // no more come to it
  for (const auto& mp : all) {
    note_attention(mp.get(), attend_stopping);
    mp->bell_.ring();
  }

  const std::int64_t begin = now_ns();
  bool named = false;
  for (;;) {
    const std::uint32_t quiet = quiesced_.load(acquire);  // [QUIESCE]
    if (quiet == all.size()) break;
    futex_wait(&quiesced_, quiet, 100'000'000);
    if (!named && now_ns() - begin >= slow_stop_ns && quiesced_.load(acquire) != all.size()) {  // [QUIESCE]
      with_memory([&] {
        std::vector<G*> busy;
        for (const auto& mp : all) {
          if (G* gp = mp->shown_.load(relaxed)) busy.push_back(gp);
        }
        named = !busy.empty();  // an M may just be between two
        if (named) report_slow_stop(this, busy);
      });
    }
  }
  if (Sysmon* sysmon = sysmon_.load(acquire)) sysmon->stop();  // [SYSMON]
  for (int i = 0; i < ps_made_.load(acquire); ++i) {  // [P-MADE]
    if (ps_[i]->poller_) ps_[i]->poller_->drain();
  }
  release_ms_.store(1, release);  // [RELEASE-MS]
  futex_wake(&release_ms_, 1 << 30);
  for (const auto& mp : all) ::pthread_join(mp->thread_, nullptr);

  teardown();
  delete sysmon_.exchange(nullptr, acq_rel);  // [SYSMON] not before: who came in while we still ran may be about to tell it something
  strike_off();
  gate_.end_stop();
}

void Sched::teardown() {
  while (!gate_.empty()) sys::yield_thread();  // ST4: whoever was starting a g has started it
  std::vector<G*> gs = with_memory([&] { return gs_of(this); });
  std::sort(gs.begin(), gs.end(), [](G* a, G* b) { return a->id_ > b->id_; });
  Teardown scope(this);
  const auto is_waiting = [](G* gp) {
    return status_in(gp->status_.load(acquire)) == Status::waiting;  // [G-STATUS]
  };
  for (G* gp : gs) {  // ST3; no ScanPeriod: our own Ms are gone. A dump that holds the bit already is through soon
    const auto needs_bit = [&] { return (gp->status_.load(acquire) & scan_bit) != 0 || is_waiting(gp); };  // [G-STATUS]
    while (!status::begin_scan(gp->status_) && needs_bit()) sys::yield_thread();
    const auto is_held = [&] { return (gp->status_.load(acquire) & hold_bit) != 0; };  // [G-STATUS]
    while (!status::begin_hold(gp->status_) && is_held()) sys::yield_thread();
  }
  const std::int64_t grace_ends = deadline_after(now_ns(), options_.stop_grace);
  const auto is_foreign = [&](G* gp) { return is_waiting(gp) && gp->reason_ == WaitReason::foreign; };

  for (G* gp : gs) {  // step 5
    if (gp->waiter_ == nullptr || is_foreign(gp)) continue;  // it yielded, or has not begun; ST5
    for (;;) {
      const bool waited = is_waiting(gp);
      if (withdraw(gp->waiter_) || !waited) break;
      while (is_waiting(gp)) sys::yield_thread();  // ST2: a thread has unlinked it and is about to ready it
    }
  }
  while (!gate_.empty()) sys::yield_thread();
  for (int i = 0; i < ps_made_.load(acquire); ++i) {  // [P-MADE]
    while (Timer* timer = ps_[i]->timers_.take_first()) {
      if (timer->told_of_stop) timer->fire(timer, never);
    }
  }

  for (G* gp : gs) {
    if (!gp->lent_) continue;
    ForkJoin* join = ForkJoin::guest_of(gp)->join_;  // FJ4
    join->take_back(gp);
    gp->leaf_ = join->leaf();
  }
  const auto tell_end = [](G* gp) {
    GEnd* end = std::exchange(gp->end_, nullptr);
    if (end == nullptr) return;
    std::exception_ptr stopped = std::make_exception_ptr(std::runtime_error("executor stopped"));
    end->ended(end, gp, &stopped);
  };
  for (G* gp : gs) {  // joiners first: what they are told by may lie in a frame
    if (!is_foreign(gp) || ForkJoin::is_fork(gp->end_)) tell_end(gp);
  }
  for (G* gp : gs) {  // step 6
    // ST5; what it waits for may end by the end of a newer g, which has just come.
    while (is_foreign(gp) && now_ns() < grace_ends) sys::sleep_ns(1'000'000);
    if (is_foreign(gp)) {
      if (withdraw(gp->waiter_)) {  // FW1
        with_memory([&] { sys::write_stderr("gmpcoro: stop: left in a foreign await: " + describe(gp) + "\n"); });
        gp->status_.store(static_cast<std::uint32_t>(Status::dead), release);  // [G-STATUS]
        continue;
      }
      while (is_waiting(gp)) sys::yield_thread();  // FW2
    }
    tell_end(gp);
    scope.destroy_chain(gp);
    drop_extra(gp);
    off_p_finished_.fetch_add(1, relaxed);
    gp->status_.store(static_cast<std::uint32_t>(Status::dead), release);  // [G-STATUS]
    GList one;
    one.push_back(gp);
    gs_to_global(one);
  }
  while (!gate_.empty()) sys::yield_thread();  // ST2, of those that ST5 waited for
  global_.clear();
  global_size_.store(0, relaxed);
}

}  // namespace gmp::detail
