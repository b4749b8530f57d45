// src/debug/dump.cpp — walking the frames of a g, and printing them as Go does.
// Go: runtime/traceback.go (goroutineheader, traceback, printcreatedby).  Room: debug (floor 6).
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
};

// False: the g does not wait, or its executor is just destroying it; nothing was read.
bool walk(G* gp, Walk& seen) noexcept {
  const ScanPeriod period;
  LockGuard guard(dump_lock);
  if (!status::begin_scan(gp->status_)) return false;
  Sched* sched = gp->sched_;
  sched->enter_user();  // it stays until the g, if it must be, is queued (ST2)
  seen.reason_ = gp->reason_;
  seen.since_ns_ = gp->since_ns_;
  const FrameLink* link = gp->leaf_;
  for (; link != nullptr && seen.count_ < frames_max; link = link->parent_) seen.sites_[seen.count_++] = link->site_;
  seen.cut_ = link != nullptr;
  if (status::end_scan(gp->status_)) sched->queue_held(gp);
  sched->leave_user();
  return true;
}

bool known(const std::source_location& site) { return site.line() != 0; }

Frame to_frame(const std::source_location& site) { return Frame{pretty_function(site.function_name()), site.file_name(), site.line()}; }

std::string minutes(std::chrono::nanoseconds waiting) {
  const auto whole = std::chrono::duration_cast<std::chrono::minutes>(waiting).count();
  return whole >= 1 ? ", " + std::to_string(whole) + " minutes" : "";
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

GInfo snapshot(G* gp) {
  GInfo info;
  info.id = load_shared(gp->id_);  // new_g() may be making another g of it
  info.parent_id = load_shared(gp->parent_id_);
  info.created_at = load_shared(gp->created_at_);
  Walk seen;
  if (walk(gp, seen)) {
    info.state = "waiting";
    info.wait_reason = to_string(seen.reason_);
    info.waiting = std::chrono::nanoseconds(std::max<std::int64_t>(now_ns() - seen.since_ns_, 0));
    for (int i = 0; i < seen.count_; ++i) {
      if (known(seen.sites_[i])) info.stack.push_back(to_frame(seen.sites_[i]));
    }
    if (seen.cut_) info.stack.push_back(Frame{"...additional frames elided...", "", 0});
  } else {
    const Status status = status_in(gp->status_.load(relaxed));  // any recent one
    info.state = status == Status::running ? "running" : status == Status::waiting ? "waiting" : "runnable";
    const std::source_location last = gp->last_await_.load(relaxed);
    if (known(last)) info.stack.push_back(to_frame(last));
  }
  info.name = name_of(gp);
  if (load_shared(gp->id_) != info.id) info.id = 0;  // it has ended meanwhile: what was read is of two
  return info;
}

std::vector<GInfo> infos_of(const Sched* sched) {
  const std::vector<G*> gs = gs_of(sched);
  std::vector<GInfo> infos;
  infos.reserve(gs.size());
  const ScanPeriod period;  // one for all of them
  for (G* gp : gs) {
    GInfo info = snapshot(gp);
    if (info.id != 0) infos.push_back(std::move(info));
  }
  std::sort(infos.begin(), infos.end(), [](const GInfo& a, const GInfo& b) { return a.id < b.id; });
  return infos;
}

std::string title_of(std::uint64_t id, const std::string& name) {
  const std::string text = "goroutine " + std::to_string(id);
  return name.empty() ? text : text + " \"" + name + "\"";
}

std::string place_of(const std::source_location& site) { return std::string(site.file_name()) + ":" + std::to_string(site.line()); }

std::string format(const GInfo& info) {
  std::string text = title_of(info.id, info.name) + " [" + (info.wait_reason.empty() ? info.state : info.wait_reason) + minutes(info.waiting) + "]:\n";
  std::size_t width = 0;
  for (const Frame& frame : info.stack) width = std::max(width, std::min<std::size_t>(frame.function.size(), 60));
  for (const Frame& frame : info.stack) {
    text += "  " + frame.function;
    if (frame.line != 0) {
      text.append(frame.function.size() < width ? width - frame.function.size() : 0, ' ');
      text += "  " + frame.file + ":" + std::to_string(frame.line);
    }
    text += "\n";
  }
  text += "created by ";
  text += info.parent_id != 0 ? title_of(info.parent_id, {}) : std::string("a thread");
  return text + " at " + place_of(info.created_at) + "\n";
}

std::string format(const std::vector<GInfo>& infos) {
  std::string text;
  for (const GInfo& info : infos) {
    if (!text.empty()) text += "\n";
    text += format(info);
  }
  return text;
}

}  // namespace gmp::detail

namespace gmp::debug {

std::vector<GInfo> goroutine_infos(Executor* executor) {
  return detail::infos_of(executor != nullptr ? detail::sched_of(*executor) : nullptr);
}

std::string goroutines(Executor* executor) { return detail::format(goroutine_infos(executor)); }

}  // namespace gmp::debug
