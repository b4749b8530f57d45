// src/sched/sysmon.cpp — sysmon: ends time slices, takes the P from an M that blocks or computes, and notices a deadlock.
// Go: runtime/proc.go (sysmon, retake, checkdead).  Room: sched (floor 2).
//
// It runs without a P.  Rounds come every 20 us while an M is inside blocking(f), else at growing distances, 5 ms at most while some P runs,
// 10 ms when all are idle; after a second without work it sleeps until a P is taken off the idle list.
//
// GMPDEBUG=schedtrace has it wake for each line, also from the deep sleep.
//
// What a P may lose its M for:
//   - blocking(f) of one and the same call for 20 us, if the P has something to do; for 10 ms, if not (work may come from outside, and the
//     ring needs an M that sleeps in it).
//   - a g that computes, a hog: after a slice of 10 ms the M is asked to give way at its next co_await; the round after, if it is still the same
//     slice, and the thread used its CPU for 10 ms (or 20 ms went by: it may sleep in the kernel without having said so), and the P has something
//     to do, the P is taken.  A g that suspends now and then is never robbed: the flag, a round earlier, has made it give way.
// One membarrier serves all claims of a round (claim.hpp), and take_over.hpp says what must still hold after it.
//
// How many hogs there are at a time follows from these rules:
//   - as long as there are any, fresh gs are begun on trial, by as many Ps at a time as hogs have left; where they have left none, one after a slice of
//     each (lanes.hpp).  So 20,000 posts of 20 ms are not all begun at once, to share the CPUs and not to end.
//   - Options::max_hogs of them have a thread and no P; one more keeps its P.
//
// With GMPDEBUG=hog=1 a g that computes, or sleeps in the kernel, for 100 ms without a co_await is named on stderr, once in its life as long as no
// thousand others are; whether it has a P still, or lost it, or nobody else wanted it.
#include "sched/sysmon.hpp"

#include <algorithm>
#include <vector>

#include "gmp/detail/sys/futex.hpp"
#include "sched/environment.hpp"
#include "sched/sched.hpp"
#include "sched/settings.hpp"
#include "sys/os.hpp"
#include "sys/patience.hpp"

namespace gmp::detail {

constinit Atomic<int> library_threads{0};
constinit Atomic<int> outside_hopes{0};

namespace {

constinit Atomic<std::int64_t> coarse_now{0};

constexpr std::uint32_t asker = 0;  // of claims; Ms are the others
constexpr std::int64_t us = 1'000;
constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t slice_ns = 10 * ms;
constexpr std::int64_t hog_named_ns = 100 * ms;
constexpr std::size_t named_max = 1024;
constexpr std::int64_t blocked_ns = 20 * us;
constexpr std::int64_t blocked_idle_ns = 10 * ms;
constexpr std::int64_t nap_min_ns = 20 * us;
constexpr std::int64_t nap_running_max_ns = 5 * ms;
constexpr std::int64_t nap_idle_ns = 10 * ms;
constexpr std::int64_t deep_after_ns = 1'000 * ms;
constexpr std::int64_t long_nap_ns = 500 * us;  // from here on blocking(f) wakes sysmon

[[gnu::tls_model("initial-exec")]] constinit thread_local const std::int64_t* tls_clock = nullptr;  // use_clock()

}  // namespace

GMPCORO_NOINLINE void use_clock(const std::int64_t* now_ns) noexcept { tls_clock = now_ns; }
GMPCORO_NOINLINE std::int64_t now_ns() noexcept {
  if (tls_clock != nullptr) [[unlikely]] return *tls_clock;
  return sys::monotonic_ns();
}
std::int64_t coarse_now_ns() noexcept { return coarse_now.load(relaxed); }  // any recent value
void coarse_clock_tick(std::int64_t now) noexcept { coarse_now.store(now, relaxed); }

Sysmon::Sysmon(Sched& sched) : sched_(sched), names_hogs_(debug_settings().hog) {}

Sysmon* Sysmon::start(Sched& sched) {
  auto* self = new Sysmon(sched);
  coarse_clock_tick(now_ns());
  if (::pthread_create(&self->thread_, nullptr, &Sysmon::thread, self) != 0) fatal("failed to create a new OS thread for sysmon");
  return self;
}

void* Sysmon::thread(void* self) {
  library_threads.fetch_add(1, relaxed);
  static_cast<Sysmon*>(self)->run();
  library_threads.fetch_sub(1, relaxed);
  return nullptr;
}

void Sysmon::stop() noexcept {
  stopping_.store(true, release);  // [SYSMON-STOP]
  wake();
  ::pthread_join(thread_, nullptr);
}

void Sysmon::wake() noexcept {
  const std::uint32_t was = depth_.exchange(shallow, acq_rel);  // [SYSMON-NAP]
  if (was == shallow) return;
  if (was == deep) coarse_clock_tick(now_ns());  // it stood still, and somebody may begin to wait before sysmon has its CPU
  futex_wake(&depth_, 1);
}

void Sysmon::nap(std::int64_t duration_ns, Depth depth) noexcept {
  depth_.store(depth, seq_cst);  // [SYSMON-NAP]
  if (depth == deep && !sched_.all_idle()) duration_ns = nap_min_ns;  // somebody came off the idle list before he could see us
  if (next_trace_ns_ != never) {
    const std::int64_t left = std::max(next_trace_ns_ - now_ns(), nap_min_ns);
    duration_ns = duration_ns < 0 ? left : std::min(duration_ns, left);
  }
  if (depth == shallow) {
    sys::sleep_ns(duration_ns);
  } else {
    if (!stopping_.load(acquire)) futex_wait(&depth_, depth, duration_ns);  // [SYSMON-STOP]
    depth_.store(shallow, relaxed);
  }
}

// A line that is late moves no other one: they come at whole intervals from the start.
void Sysmon::trace(std::int64_t now) noexcept {
  const std::int64_t every = debug_settings().schedtrace_ms * ms;
  print_schedtrace(&sched_, now - started_ns_, debug_settings().scheddetail);
  next_trace_ns_ = now + every - (now - started_ns_) % every;
}

void Sysmon::run() noexcept {
  sys::set_thread_name(sched_.options().name, "/sysmon");
  std::int64_t delay = nap_min_ns;
  std::int64_t idle_since = 0;
  started_ns_ = now_ns();
  if (debug_settings().schedtrace_ms != 0) next_trace_ns_ = started_ns_;
  while (!stopping_.load(acquire)) {  // [SYSMON-STOP]
    const std::int64_t now = now_ns();
    coarse_clock_tick(now);
    if (now >= next_trace_ns_) trace(now);
    if (sched_.all_idle()) {
      if (idle_since == 0) idle_since = now;
      // main_ last: all_hopeless() has seen its M's idle bit, which that set after main_.
      if (sched_.detect_deadlock_ && Sched::all_hopeless() && sys::process_threads() == library_threads.load(relaxed) + 1 &&
          Sched::all_hopeless() && sched_.main_.load(relaxed) != nullptr && !sched_.stopping())
        report_deadlock(&sched_);
      if (now - idle_since > deep_after_ns)
        nap(-1, deep);
      else
        nap(nap_idle_ns, long_nap);
      delay = nap_min_ns;
      continue;
    }
    idle_since = 0;
    if (round(now))
      delay = nap_min_ns;
    else
      delay = std::min(delay * 2, nap_running_max_ns);
    nap(delay, delay >= long_nap_ns ? long_nap : shallow);
  }
}

bool Sysmon::has_work(P* pp, std::int64_t now) const noexcept {
  return !pp->runq_.empty() || !pp->forks_.empty() || sched_.global_size_.load(relaxed) != 0 || pp->timers_.next_when() <= now ||
         (pp->poller_ != nullptr && pp->poller_->in_flight() != 0);
}

// Whether mp's g has used its CPU for so long since then; or has been away for twice as long: it sleeps in the kernel, or waits for a CPU.
bool Sysmon::overdue(const M* mp, std::int64_t cpu_before, std::int64_t elapsed, std::int64_t cpu_enough) const noexcept {
  return elapsed >= 2 * cpu_enough || sys::thread_cpu_ns(mp->cpu_clock_) - cpu_before >= cpu_enough;
}

// How long a g would wait for its turn, could hogs be preempted.
std::int64_t Sysmon::turn_ns() const noexcept { return slice_ns * sched_.off_p_.hogs() / sched_.procs(); }

// True: an M is inside blocking(f), or was robbed: look again soon.
bool Sysmon::round(std::int64_t now) noexcept {
  std::vector<Sight<P, M>> candidates;
  bool lively = false;
  int hogs = sched_.off_p_.hogs();
  if (hogs != 0 && now >= grant_at_) {
    sched_.grant_trial(true);
    grant_at_ = now + turn_ns();
  }
  const int made = sched_.ps_made_.load(acquire);  // [P-MADE]
  for (int i = 0; i < made; ++i) {
    P* pp = sched_.ps_[i].get();
    const Sight<P, M> seen = look_at<M>(pp);
    if (seen.mp == nullptr || sched_.idle_.contains(i)) {
      pp->seen_.mp = nullptr;
      continue;
    }
    if (seen.in_blocking()) lively = true;
    if (pp->seen_ != seen) {
      pp->seen_ = seen;
      pp->seen_since_ = now_ns();  // not `now`: held up since then, we would count that as the g's
      pp->seen_cpu_ = -1;
      pp->warned_ = pp->named_ = false;
      continue;
    }
    const std::int64_t elapsed = now - pp->seen_since_;
    if (seen.in_blocking()) {
      if (elapsed >= blocked_ns && (elapsed >= blocked_idle_ns || has_work(pp, now))) with_memory([&] { candidates.push_back(seen); });
      continue;
    }
    if (pp->seen_cpu_ < 0) pp->seen_cpu_ = sys::thread_cpu_ns(seen.mp->cpu_clock_);
    if (elapsed < slice_ns) continue;
    if (!pp->warned_) {
      pp->warned_ = true;
      sched_.note_attention(seen.mp, attend_preempt);
      continue;
    }
    if (names_hogs_ && !pp->named_ && elapsed >= hog_named_ns && overdue(seen.mp, pp->seen_cpu_, elapsed, hog_named_ns))
      pp->named_ = name_hog(seen.mp, elapsed, pp->seen_cpu_, [&] { return look_at<M>(pp) == seen; });
    if (hogs < sched_.options().max_hogs && has_work(pp, now) && overdue(seen.mp, pp->seen_cpu_, elapsed, slice_ns)) {
      ++hogs;
      with_memory([&] { candidates.push_back(seen); });
    }
  }
  if (names_hogs_) name_robbed(now);
  if (candidates.empty()) return lively;

  std::erase_if(candidates, [](const Sight<P, M>& c) { return c.mp->claim_.inside() || !c.mp->claim_.ask(asker); });
  if (candidates.empty()) return lively;
  sys::membarrier();  // H2: each M now sees the claim at its next enter, or its in_rt == 1 is seen here
  for (const Sight<P, M>& c : candidates) {
    if (!take_over(c, asker, sched_.off_p_)) continue;
    sched_.note_attention(c.mp, attend_no_p);
    if (!c.in_blocking()) {
      if (names_hogs_) with_memory([&] { robbed_.push_back({c.mp, c.sysc, c.pp->named_, c.pp->seen_since_, c.pp->seen_cpu_}); });
      sched_.put_in_order(c.pp);
      if (c.pp->on_trial_) {
        sched_.grant_trial(false);
        grant_at_ = now + turn_ns();
      } else {
        sched_.limit_fresh(false);  // LN3
      }
    }
    if (c.pp->on_trial_) sched_.end_trial(c.pp);
    c.pp->seen_.mp = nullptr;
    // It goes to an M at once: its ring may have operations in flight, whose completions nobody else would see (PA4).
    sched_.start_m(c.pp, false);
    lively = true;
  }
  return lively;
}

// ---- GMPDEBUG=hog=1

// Those that compute on without their Ps.
void Sysmon::name_robbed(std::int64_t now) noexcept {
  std::erase_if(robbed_, [&](Robbed& hog) {
    const auto computes_on = [&] { return hog.mp->hog_.load(relaxed) && hog.mp->sysc_.load(relaxed) == hog.sysc; };  // [SYSC] a hint
    if (hog.named || !computes_on()) return true;
    const std::int64_t elapsed = now - hog.since;
    if (elapsed < hog_named_ns || !overdue(hog.mp, hog.cpu, elapsed, hog_named_ns)) return false;
    return name_hog(hog.mp, elapsed, hog.cpu, computes_on);
  });
}

// True: it was named, now or before. False: it is not to be told what the M runs just now; perhaps at the next look.
template <class ComputesOn>
bool Sysmon::name_hog(M* mp, std::int64_t elapsed, std::int64_t cpu_before, ComputesOn computes_on) noexcept {
  G* gp = mp->shown_.load(relaxed);  // a G is memory for ever: what is read of one that has ended meanwhile is thrown away below
  if (gp == nullptr || mp->claim_.inside()) return false;
  const std::uint64_t id = load_shared(gp->id_);
  if (std::find(named_.begin(), named_.end(), id) != named_.end()) return true;
  return with_memory([&] {
    const std::string text = describe_hog(gp, elapsed, sys::thread_cpu_ns(mp->cpu_clock_) - cpu_before);
    if (mp->shown_.load(relaxed) != gp || load_shared(gp->id_) != id || !computes_on()) return false;
    if (named_.size() == named_max) named_.erase(named_.begin());
    named_.push_back(id);
    sys::write_stderr(text);
    return true;
  });
}

}  // namespace gmp::detail
