// src/sched/park.cpp — the small questions of park.hpp: where am I, may I block, a random number, a hope.
// Go: runtime/stubs.go, runtime/rand.go.  Room: sched (floor 2).
#include "gmp/detail/park.hpp"

#include <stdexcept>
#include <string>

#include "sched/sched.hpp"
#include "sched/sysmon.hpp"

namespace gmp::detail {

bool on_plain_thread() noexcept {
  M* mp = this_m();
  return mp == nullptr || mp->cur_ == nullptr || mp->plain_thread_;
}

void require_plain_thread(const char* called, const char* instead) {
  if (!on_plain_thread()) throw std::logic_error(std::string(called) + " called on a goroutine: use " + instead);
}

void throw_off_g() { throw std::logic_error("co_await outside a goroutine"); }

std::uint32_t cheap_random() noexcept {
  if (M* mp = this_m()) return static_cast<std::uint32_t>(mp->random_.next());
  constinit static thread_local Random random{0};
  static Atomic<std::uint64_t> threads{1};
  constinit static thread_local bool seeded = false;
  if (!seeded) {
    seeded = true;
    random = Random(threads.fetch_add(0x9e3779b97f4a7c15u, relaxed));
  }
  return static_cast<std::uint32_t>(random.next());
}

void hope_begin(G* gp) noexcept { gp->sched_->hopes_.fetch_add(1, seq_cst); }  // [HOPE] before the g parks
void hope_end(G* gp) noexcept { gp->sched_->hopes_.fetch_sub(1, seq_cst); }    // [HOPE] after it was queued

Sched* hope_keep(G* gp) noexcept {
  Sched* sched = gp->sched_;
  sched->enter_user();
  return sched;
}
void hope_end_kept(Sched* sched) noexcept {
  sched->hopes_.fetch_sub(1, seq_cst);  // [HOPE] after the g was queued
  sched->leave_user();
}

void outside_hope_begins() noexcept { outside_hopes.fetch_add(1, seq_cst); }  // [HOPE]
void outside_hope_ends() noexcept { outside_hopes.fetch_sub(1, seq_cst); }    // [HOPE]

void library_thread_begins() noexcept { library_threads.fetch_add(1, relaxed); }

}  // namespace gmp::detail
