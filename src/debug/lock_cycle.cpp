// src/debug/lock_cycle.cpp — gs that wait for one another's Mutexes in a circle: GMPDEBUG=lockcycle=1 tells of them at once.
// Go: none (there a deadlock is seen when all goroutines sleep).  Room: debug (floor 6).
//
// Two tables under one lock: who holds a mutex, by its address, and which mutex a g is about to lock, by the g's id.  A g that is about to lock
// follows mutex, owner, mutex that the owner wants, its owner, and so on.  If that comes back to the g, the circle is closed, and by it: the last one
// to note its want sees all the others.  So a cycle is told once, and who joins its tail later tells nothing.
//
// A wait that can be given up (until(), timeout()) is not noted, and neither is the one for a mutex that Cond::wait() takes back: no cycle goes
// through them.
// Invariants:
//   LC1  held[m] = g is noted after g has locked m and erased before m is freed: it is never said of a g that does not hold m.
//   LC2  wanted[g] is noted before g tries, and erased with the note that it holds: a g whose want is found holds what it held, until it goes on.
//   LC3  ids are never used again: what a g that has ended leaves in the tables is not taken for another's.
// What is not a cycle but said to be one: a lock in it that a g outside of it would have unlocked for the owner.
#include <cstdint>
#include <source_location>
#include <string>
#include <unordered_map>
#include <vector>

#include "debug/dump.hpp"
#include "sync/lock_cycle.hpp"
#include "sys/os.hpp"
#include "sys/patience.hpp"

namespace gmp::detail {

namespace {

struct Hold {
  std::uint64_t g_;
  std::source_location at_;
  bool awaited_;
};

struct Want {
  G* gp_;  // it does not go on, and so is not ended, while its note is here
  const void* lock_;
  std::source_location at_;
};

struct Tables {
  std::unordered_map<const void*, Hold> held_;
  std::unordered_map<std::uint64_t, Want> wanted_;
};

constinit Lock tables_lock;

// Never destroyed: gs may lock until the process has ended.
Tables& tables() {
  static Tables& all = *new Tables;
  return all;
}

std::string place(const std::source_location& site) {
  return site.line() != 0 ? place_of(site) : std::string("an unknown place");
}

struct Step {
  std::uint64_t g_;
  Want wants_;
  Hold hold_;          // the g's, of what the step before wants
  const void* lock_;   // what that is
  std::string name_{};
};

// Under tables_lock, from a g that wants `want`: the circle that it closes, or nothing.
std::vector<Step> cycle_from(const Tables& all, std::uint64_t first, const Want& want) {
  std::vector<Step> steps;
  const Want* wants = &want;
  while (steps.size() <= all.wanted_.size()) {  // a circle further on, which has been told, is not walked for ever
    const auto held = all.held_.find(wants->lock_);
    if (held == all.held_.end()) return {};
    const void* lock = wants->lock_;
    const auto next = all.wanted_.find(held->second.g_);
    if (next == all.wanted_.end()) return {};
    wants = &next->second;
    steps.push_back(Step{held->second.g_, *wants, held->second, lock});
    if (held->second.g_ != first) continue;
    for (Step& step : steps) step.name_ = name_of(step.wants_.gp_);
    return steps;
  }
  return {};
}

std::string text_of(const std::vector<Step>& steps) {
  std::string text = "gmp: lock cycle of " + std::to_string(steps.size()) + (steps.size() == 1 ? " goroutine" : " goroutines") +
                     ", which wait for one another's Mutexes for ever:\n";
  for (const Step& step : steps) {
    text += "  " + title_of(step.g_, step.name_) + " holds " + address_of(step.lock_) + ", locked " + (step.hold_.awaited_ ? "at " : "by try_lock() after ") + place(step.hold_.at_);
    text += ", and waits for " + address_of(step.wants_.lock_) + " at " + place(step.wants_.at_) + "\n";
  }
  return text;
}

// awaited: by the g's last co_await; else by a try_lock() after it.
void note_held(G* gp, const void* lock, bool awaited) noexcept {
  with_memory([&] {
    LockGuard guard(tables_lock);
    Tables& all = tables();
    if (gp == nullptr) {
      all.held_.erase(lock);  // it may be there: of another mutex at this address, destroyed locked
      return;
    }
    all.held_.insert_or_assign(lock, Hold{gp->id_, gp->last_await_.load(relaxed), awaited});  // gp waits, or is the caller
    if (awaited) all.wanted_.erase(gp->id_);
  });
}

}  // namespace

std::string holder_of(const void* lock) {
  if (!follows_locks()) return "";
  LockGuard guard(tables_lock);
  const auto held = tables().held_.find(lock);
  return held != tables().held_.end() ? ", held by " + title_of(held->second.g_, {}) : std::string();
}

void note_lock_wanted(G* gp, const void* lock) noexcept {
  const std::uint64_t id = gp->id_;
  const Want want{gp, lock, gp->last_await_.load(relaxed)};  // its own
  const std::vector<Step> steps = with_memory([&] {
    LockGuard guard(tables_lock);
    Tables& all = tables();
    all.wanted_.insert_or_assign(id, want);
    return cycle_from(all, id, want);
  });
  if (!steps.empty()) with_memory([&] { sys::write_stderr(text_of(steps)); });
}

void note_lock_held(G* gp, const void* lock) noexcept { note_held(gp, lock, true); }

void note_lock_tried(const void* lock) noexcept { note_held(current_g(), lock, false); }

void note_lock_given_up(G* gp) noexcept {
  LockGuard guard(tables_lock);
  tables().wanted_.erase(gp->id_);
}

void note_lock_free(const void* lock) noexcept {
  LockGuard guard(tables_lock);
  tables().held_.erase(lock);
}

}  // namespace gmp::detail
