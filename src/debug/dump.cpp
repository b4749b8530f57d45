// src/debug/dump.cpp — walking the frames of a g.
// Go: runtime/traceback.go (traceback), runtime/mprof.go (goroutineProfile).  Room: debug (floor 6).
//
// Only a waiting g's frames may be read.  The dump CASes waiting to waiting|scan, which keeps ready() from queueing the g; ready() does not
// wait for it, but leaves runnable|scan, and who clears the bit queues the g.  Within the bit only pointers are copied, a bounded number.
#include "debug/dump.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "gmp/debug.hpp"
#include "sched/status.hpp"

namespace gmp::detail {

namespace {

constexpr int frames_max = 100;

constinit Lock dump_lock;  // one dump walks at a time: who finds the scan bit set has met a stop, not another dump

// What is read of a g that waits, under its scan bit.
struct Walk {
  std::source_location sites_[frames_max];  // from the innermost frame outwards
  int count_ = 0;
  bool cut_ = false;
  WaitReason reason_ = WaitReason::none;
  std::int64_t since_ns_ = 0;
  WaitsOn on_;
};

// False: the g does not wait, or its executor is just destroying it; nothing was read.
bool walk(G* gp, Walk& seen) noexcept {
  LockGuard guard(dump_lock);
  if (!status::begin_scan(gp->status_)) return false;
  Sched* sched = gp->sched_;
  sched->enter_user();  // it stays until the g, if it must be, is queued (ST2)
  seen.reason_ = gp->reason_;
  seen.since_ns_ = gp->since_ns_;
  seen.on_ = waits_on(gp);
  const FrameLink* link = gp->leaf_;
  for (; link != nullptr && seen.count_ < frames_max; link = link->parent_) seen.sites_[seen.count_++] = link->site_;
  seen.cut_ = link != nullptr;
  if (status::end_scan(gp->status_)) sched->queue_held(gp);
  sched->leave_user();
  return true;
}

bool known(const std::source_location& site) { return site.line() != 0; }

Frame to_frame(const std::source_location& site) { return Frame{pretty_function(site.function_name()), site.file_name(), site.line()}; }

// Within a ScanPeriod. Id 0: it has ended.
Seen see(G* gp) {
  Seen g;
  g.id = load_shared(gp->id_);  // new_g() may be making another g of it
  g.parent_id = load_shared(gp->parent_id_);
  g.created_at = load_shared(gp->created_at_);
  Walk seen;
  if (walk(gp, seen)) {
    g.reason = seen.reason_;
    g.waiting_ns = std::max<std::int64_t>(now_ns() - seen.since_ns_, 0);
    g.on = seen.on_;
    g.cut = seen.cut_;
    for (int i = 0; i < seen.count_; ++i) {
      if (known(seen.sites_[i])) g.sites.push_back(seen.sites_[i]);
    }
  } else {
    g.status = status_in(gp->status_.load(relaxed));  // any recent one
    const std::source_location last = gp->last_await_.load(relaxed);
    if (known(last)) g.sites.push_back(last);
  }
  g.name = name_of(gp);
  if (load_shared(gp->id_) != g.id) g.id = 0;  // it has ended meanwhile: what was read is of two
  return g;
}

}  // namespace

// g++ names a coroutine's actor "void f(f(int)::_Z1fi.Frame*)": the inner signature is the user's. clang and a plain function need nothing.
std::string pretty_function(const char* name) {
  std::string text = name;
  const std::size_t frame = text.rfind(".Frame*)");
  if (frame == std::string::npos) return text;
  const std::size_t mangled = text.rfind("::_Z", frame);
  if (mangled == std::string::npos) return text;
  // The inner signature begins after the '(' that opens the actor's only parameter: the first one at depth 0 whose content ends at `mangled`.
  int depth = 0;
  std::size_t open = std::string::npos;
  for (std::size_t i = mangled; i-- > 0;) {
    if (text[i] == ')' || text[i] == '>') ++depth;
    if (text[i] == '<' && depth > 0) --depth;
    if (text[i] == '(') {
      if (depth == 0) {
        open = i;
        break;
      }
      --depth;
    }
  }
  if (open == std::string::npos) return text;
  return text.substr(open + 1, mangled - open - 1);
}

std::vector<Seen> see(const Sched* sched) {
  const std::vector<G*> gs = gs_of(sched);
  std::vector<Seen> all;
  all.reserve(gs.size());
  {
    const ScanPeriod period;  // one for all of them
    for (G* gp : gs) {
      Seen g = see(gp);
      if (g.id != 0) all.push_back(std::move(g));
    }
  }
  std::sort(all.begin(), all.end(), [](const Seen& a, const Seen& b) { return a.id < b.id; });
  return all;
}

GInfo to_info(const Seen& seen) {
  GInfo info;
  info.id = seen.id;
  info.parent_id = seen.parent_id;
  info.name = seen.name;
  info.created_at = seen.created_at;
  if (seen.reason != WaitReason::none) {
    info.state = "waiting";
    info.wait_reason = to_string(seen.reason);
    info.waiting = std::chrono::nanoseconds(seen.waiting_ns);
    info.waits_on = to_string(seen.reason, seen.on);
  } else {
    info.state = seen.status == Status::running ? "running" : seen.status == Status::waiting ? "waiting" : "runnable";
  }
  for (const std::source_location& site : seen.sites) info.stack.push_back(to_frame(site));
  if (seen.cut) info.stack.push_back(Frame{"...additional frames elided...", "", 0});
  return info;
}

GInfo snapshot(G* gp) {
  const ScanPeriod period;
  return to_info(see(gp));
}

std::vector<GInfo> infos_of(const Sched* sched) {
  const std::vector<Seen> all = see(sched);
  std::vector<GInfo> infos;
  infos.reserve(all.size());
  for (const Seen& seen : all) infos.push_back(to_info(seen));
  return infos;
}

}  // namespace gmp::detail

namespace gmp::debug {

std::vector<GInfo> goroutine_infos(Executor* executor) {
  return detail::infos_of(executor != nullptr ? detail::sched_of(*executor) : nullptr);
}

std::string goroutines(Executor* executor) { return detail::format(detail::see(executor != nullptr ? detail::sched_of(*executor) : nullptr)); }

}  // namespace gmp::debug
