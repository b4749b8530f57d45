// src/debug/dump.cpp — walking the frames of a g, and printing them as Go does.
// Go: runtime/traceback.go (goroutineheader, traceback, printcreatedby).  Room: debug (floor 6).
//
// Only a waiting g's frames may be read.  The dump CASes waiting to waiting|scan, which keeps ready() from queueing the g; ready() does not
// wait for it, but leaves runnable|scan, and who clears the bit queues the g.  Within the bit only pointers are copied, a bounded number.
#include "debug/dump.hpp"

#include <algorithm>
#include <cstring>

#include "gmp/debug.hpp"
#include "sched/status.hpp"

namespace gmp::detail {

namespace {

constexpr int frames_max = 100;

struct RawFrame {
  std::source_location site;
};

// Why it waits, since when, and the await sites from the innermost frame outwards. False: the g does not wait, nothing was read.
bool walk(G* gp, WaitReason& reason, std::int64_t& since_ns, std::vector<RawFrame>& frames, bool& cut) {
  if (!status::begin_scan(gp->status_)) return false;
  reason = gp->reason_;
  since_ns = gp->since_ns_;
  int n = 0;
  const FrameLink* link = gp->leaf_;
  for (; link != nullptr && n < frames_max; link = link->parent_, ++n) frames[static_cast<std::size_t>(n)].site = link->site_;
  cut = link != nullptr;
  frames.resize(static_cast<std::size_t>(n));
  if (status::end_scan(gp->status_)) gp->sched_->queue_scanned(gp);
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
  info.id = gp->id_;
  info.parent_id = gp->parent_id_;
  info.created_at = gp->created_at_;
  std::vector<RawFrame> frames(frames_max);
  bool cut = false;
  WaitReason reason = WaitReason::none;
  std::int64_t since = 0;
  if (walk(gp, reason, since, frames, cut)) {
    info.state = "waiting";
    info.wait_reason = to_string(reason);
    info.waiting = std::chrono::nanoseconds(std::max<std::int64_t>(now_ns() - since, 0));
    for (const RawFrame& raw : frames) {
      if (known(raw.site)) info.stack.push_back(to_frame(raw.site));
    }
    if (cut) info.stack.push_back(Frame{"...additional frames elided...", "", 0});
  } else {
    const auto status = static_cast<Status>(gp->status_.load(relaxed) & ~scan_bit);
    info.state = status == Status::running ? "running" : "runnable";
    const std::source_location last = gp->last_await_.load(relaxed);
    if (known(last)) info.stack.push_back(to_frame(last));
  }
  if (gp->extra_ != nullptr) info.name = gp->extra_->name_;
  return info;
}

std::string format(const GInfo& info) {
  std::string text = "goroutine " + std::to_string(info.id);
  if (!info.name.empty()) text += " \"" + info.name + "\"";
  text += " [" + (info.wait_reason.empty() ? info.state : info.wait_reason) + minutes(info.waiting) + "]:\n";
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
  text += info.parent_id != 0 ? "goroutine " + std::to_string(info.parent_id) : std::string("a thread");
  text += std::string(" at ") + info.created_at.file_name() + ":" + std::to_string(info.created_at.line()) + "\n";
  return text;
}

}  // namespace gmp::detail

namespace gmp::debug {

std::string goroutines(Executor* executor) {
  std::vector<detail::G*> gs = detail::gs_of(executor != nullptr ? detail::sched_of(*executor) : nullptr);
  std::sort(gs.begin(), gs.end(), [](detail::G* a, detail::G* b) { return a->id_ < b->id_; });
  std::string text;
  for (detail::G* gp : gs) {
    if (!text.empty()) text += "\n";
    text += detail::format(detail::snapshot(gp));
  }
  return text;
}

}  // namespace gmp::debug
