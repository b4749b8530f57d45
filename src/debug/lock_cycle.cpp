// src/debug/lock_cycle.cpp — gs that wait for one another's locks in a circle: GMPDEBUG=lockcycle=1 tells of them at once.
// Go: none (there a deadlock is seen when all goroutines sleep).  Room: debug (floor 6).
//
// Two tables under one lock: who holds a lock, by its address, and which lock a g is about to take, by the g's id.  A g that is about to lock
// follows lock, those who keep it from it, the locks that these want, those who keep them, and so on.  If that comes back to the g, the circle is
// closed, and by it: the last one to note its want sees all the others.  So a cycle is told once, and who joins its tail later tells nothing.
//
// A g that wants a lock for itself waits for all who have it, be they many readers, and for the writer that came before; a reader waits for the
// writer that has it, or that has announced itself.  So a reader that asks again behind a waiting writer is a circle of two.
//
// A wait that can be given up (until(), timeout()) is not noted, and neither is the one for a mutex that Cond::wait() takes back: no cycle goes
// through them.
// Invariants:
//   LC1  a hold is noted after g has locked and erased before the lock is freed: it is never said of a g that does not hold it.
//   LC2  a want is noted before g tries (a reader's, when it has been held off), and erased with the note that it holds: a g whose want is found holds
//        what it held, until it goes on.  A writer that frees takes the wants of the readers with it: it lets them in.
//   LC3  ids are never used again: what a g that has ended leaves in the tables is not taken for another's.
// What is not a cycle but said to be one: a lock in it that a g outside of it would have unlocked for the owner.  One who gives back for another what he
// has not read himself takes all notes of readers with him.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <source_location>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
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
  LockUse use_;
};

struct Holders {
  Hold owner_{};               // g 0: none
  std::vector<Hold> readers_;  // one for each lock
  std::uint64_t announced_ = 0;
  bool nobody() const noexcept { return owner_.g_ == 0 && readers_.empty() && announced_ == 0; }
};

struct Tables {
  std::unordered_map<const void*, Holders> held_;
  std::unordered_map<std::uint64_t, Want> wanted_;
  std::unordered_set<std::uint64_t> told_;  // gs that have closed a circle: when they announce themselves they say nothing more
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

// One who keeps the one before from its lock.
struct Step {
  Want wants_;         // its own
  const void* lock_;   // what the one before wants
  Hold hold_;          // of that; g 0: it has but announced itself
  LockUse held_as_;
  std::string name_{};
  std::uint64_t g_ = 0;
};

// Under tables_lock: those who keep g from what it wants, and want something themselves.
std::vector<Step> keepers(const Tables& all, std::uint64_t g, const Want& want) {
  std::vector<Step> found;
  const auto at = all.held_.find(want.lock_);
  if (at == all.held_.end()) return found;
  const Holders& holders = at->second;
  const auto add = [&](std::uint64_t id, const Hold& hold, LockUse as) {
    const auto next = all.wanted_.find(id);
    if (next == all.wanted_.end()) return;
    found.push_back(Step{next->second, want.lock_, hold, as});
    found.back().g_ = id;
  };
  if (holders.owner_.g_ != 0) add(holders.owner_.g_, holders.owner_, want.use_ == LockUse::alone ? LockUse::alone : LockUse::write);
  if (holders.announced_ != 0 && holders.announced_ != g) add(holders.announced_, Hold{}, LockUse::write);
  if (want.use_ == LockUse::write) {
    for (const Hold& reader : holders.readers_) add(reader.g_, reader, LockUse::read);
  }
  return found;
}

// Under tables_lock, from a g that wants `want`: the circle that it closes, or nothing. The way back is looked for in breadth: the shortest.
std::vector<Step> cycle_from(const Tables& all, std::uint64_t first, const Want& want) {
  struct Reached {
    Step step;
    std::size_t by;  // place in `reached` + 1; 0: the first
  };
  std::vector<Reached> reached;
  std::unordered_set<std::uint64_t> seen;
  for (std::size_t i = 0; i <= reached.size(); ++i) {
    for (Step& step : i == 0 ? keepers(all, first, want) : keepers(all, reached[i - 1].step.g_, reached[i - 1].step.wants_)) {
      const std::uint64_t id = step.g_;
      if (!seen.insert(id).second) continue;
      reached.push_back(Reached{std::move(step), i});
      if (id != first) continue;
      std::vector<Step> steps;
      for (std::size_t at = reached.size(); at != 0; at = reached[at - 1].by) steps.push_back(std::move(reached[at - 1].step));
      std::reverse(steps.begin(), steps.end());
      for (Step& s : steps) s.name_ = name_of(s.wants_.gp_);
      return steps;
    }
  }
  return {};
}

const char* use_of(LockUse use) { return use == LockUse::alone ? "" : use == LockUse::write ? " for writing" : " for reading"; }

std::string text_of(const std::vector<Step>& steps) {
  const bool mutexes = std::all_of(steps.begin(), steps.end(), [](const Step& s) { return s.wants_.use_ == LockUse::alone; });
  std::string text = "gmpcoro: lock cycle of " + std::to_string(steps.size()) + (steps.size() == 1 ? " goroutine" : " goroutines") +
                     ", which wait for one another's " + (mutexes ? "Mutexes" : "locks") + " for ever:\n";
  for (const Step& step : steps) {
    text += "  " + title_of(step.g_, step.name_);
    if (step.hold_.g_ != 0) {
      text += " holds " + address_of(step.lock_) + use_of(step.held_as_) + ", locked " + (step.hold_.awaited_ ? "at " : "by try_lock() after ") + place(step.hold_.at_) + ", and";
    }
    text += " waits for " + address_of(step.wants_.lock_) + use_of(step.wants_.use_) + " at " + place(step.wants_.at_);
    if (step.hold_.g_ == 0) text += ", and so holds off new readers";
    text += "\n";
    if (step.held_as_ == LockUse::read && step.wants_.lock_ == step.lock_) {
      text += step.wants_.use_ == LockUse::read ? "    it reads already: who asks again behind a writer that waits deadlocks with it\n"
                                                : "    it reads already: there is no upgrading\n";
    }
  }
  return text;
}

void report_cycle_of(std::uint64_t id, const Want& want, bool announces) noexcept {
  const std::vector<Step> steps = with_memory([&] {
    LockGuard guard(tables_lock);
    Tables& all = tables();
    all.wanted_.insert_or_assign(id, want);
    if (announces) all.held_[want.lock_].announced_ = id;
    if (announces && all.told_.count(id) != 0) return std::vector<Step>();
    std::vector<Step> found = cycle_from(all, id, want);
    if (found.empty())
      all.told_.erase(id);
    else
      all.told_.insert(id);
    return found;
  });
  if (!steps.empty()) with_memory([&] { sys::write_stderr(text_of(steps)); });
}

void drop_if_empty(Tables& all, const void* lock) {
  const auto at = all.held_.find(lock);
  if (at != all.held_.end() && at->second.nobody()) all.held_.erase(at);
}

// awaited: by the g's last co_await; else by a try after it.
void note_held(G* gp, const void* lock, LockUse use, bool awaited) noexcept {
  with_memory([&] {
    LockGuard guard(tables_lock);
    Tables& all = tables();
    Holders& holders = all.held_[lock];
    if (use == LockUse::read) {
      if (gp != nullptr) holders.readers_.push_back(Hold{gp->id_, gp->last_await_.load(relaxed), awaited});  // gp waits, or is the caller
    } else {  // there may be notes: of another lock at this address, destroyed locked
      if (use == LockUse::alone) holders.readers_.clear();
      holders.owner_ = gp != nullptr ? Hold{gp->id_, gp->last_await_.load(relaxed), awaited} : Hold{};
      if (gp != nullptr && holders.announced_ == gp->id_) holders.announced_ = 0;
    }
    if (gp != nullptr && awaited) all.wanted_.erase(gp->id_);
    drop_if_empty(all, lock);
  });
}

}  // namespace

std::string holder_of(const void* lock) {
  if (!follows_locks()) return "";
  LockGuard guard(tables_lock);
  const auto at = tables().held_.find(lock);
  if (at == tables().held_.end()) return "";
  const Holders& holders = at->second;
  if (holders.owner_.g_ != 0) return ", held by " + title_of(holders.owner_.g_, {});
  if (holders.readers_.empty()) return "";
  const std::string more = holders.readers_.size() > 1 ? " and " + std::to_string(holders.readers_.size() - 1) + " more" : "";
  return ", read by " + title_of(holders.readers_.front().g_, {}) + more;
}

void note_lock_wanted(G* gp, const void* lock, LockUse use) noexcept {
  report_cycle_of(gp->id_, Want{gp, lock, gp->last_await_.load(relaxed), use}, false);  // its own
}

void note_lock_announced(G* gp, const void* lock) noexcept {
  report_cycle_of(gp->id_, Want{gp, lock, gp->last_await_.load(relaxed), LockUse::write}, true);  // its own
}

void note_lock_held(G* gp, const void* lock, LockUse use) noexcept { note_held(gp, lock, use, true); }

void note_lock_tried(const void* lock, LockUse use) noexcept { note_held(current_g(), lock, use, false); }

void note_lock_given_up(G* gp, const void* lock) noexcept {
  LockGuard guard(tables_lock);
  Tables& all = tables();
  all.wanted_.erase(gp->id_);
  const auto at = all.held_.find(lock);
  if (at == all.held_.end()) return;
  if (at->second.announced_ == gp->id_) at->second.announced_ = 0;
  drop_if_empty(all, lock);
}

void note_lock_free(const void* lock, LockUse use) noexcept {
  const G* gp = current_g();
  LockGuard guard(tables_lock);
  Tables& all = tables();
  const auto at = all.held_.find(lock);
  if (at == all.held_.end()) return;
  Holders& holders = at->second;
  if (use == LockUse::read) {
    const auto own = std::find_if(holders.readers_.rbegin(), holders.readers_.rend(), [&](const Hold& h) { return gp != nullptr && h.g_ == gp->id_; });
    if (own != holders.readers_.rend())
      holders.readers_.erase(std::next(own).base());
    else
      holders.readers_.clear();
  } else {
    holders.owner_ = Hold{};
    if (use == LockUse::write) std::erase_if(all.wanted_, [&](const auto& w) { return w.second.lock_ == lock && w.second.use_ == LockUse::read; });
  }
  drop_if_empty(all, lock);
}

}  // namespace gmp::detail
