// src/debug/trace_file.cpp — from the events of a trace to slices and arrows, in the JSON that Perfetto and chrome://tracing read.
// Go: runtime/trace (Start, Stop), internal/trace.  Room: debug (floor 6).
//
// The events of all Ms are merged by time; those of one M keep their order.  A slice is from a g's begin to its end, on the track of the P that its M had.
// When another M turns up with that P, it has been taken: the slice ends there, and the rest of it is shown on a track of the M's own.  So slices on a
// track follow one another, and calls of blocking(f) lie within them.  A g that parks may be woken, and run elsewhere, before the M that it has left comes to
// note its end: its slice there ends where the next one begins.  An arrow goes from who made a g runnable to the slice in which it runs.
//
// What Perfetto's importer makes of it decides about the form (src/trace_processor/importers/json and common/flow_tracker.cc there):
//   TF1  it sorts by time, and leaves what is of one time as it stands in the file.  An arrow's end belongs to the slice that was begun last on the track and
//        has not ended.  So a slice is a B and an E, each written when it happens: of an X it would not know before the arrow that leads to it, and of two
//        such, one in the other, take the inner one for open after its end.
//   TF2  it knows a thread by its tid alone where it names it, and a tid that is the pid for the main thread: no number is used twice.
//   TF3  its older ones know no \u.
#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <new>
#include <queue>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "debug/dump.hpp"
#include "gmp/debug.hpp"
#include "sched/trace.hpp"

namespace gmp::detail {

namespace {

constexpr int process_step = 100'000;  // TF2: of one executor to the next; its Ps come after its own number
constexpr int off_p_track = 50'000;    // and the M's number: beyond any P

// Microseconds, to the nanosecond.
std::string us(std::int64_t ns) {
  std::string fraction = std::to_string(ns % 1000);
  return std::to_string(ns / 1000) + "." + std::string(3 - fraction.size(), '0') + fraction;
}

// TF3: control characters are left out.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

struct Track {
  int pid = 0, tid = 0;
  bool operator<(const Track& other) const { return std::pair(pid, tid) < std::pair(other.pid, other.tid); }
};

std::string words_of(const TraceEvent& end) {
  const auto how = static_cast<TraceEnd>(end.arg_ & 0xff);
  const char* reason = to_string(static_cast<WaitReason>(end.arg_ >> 8));
  return how == TraceEnd::ends ? "end" : how == TraceEnd::yields ? "yield" : *reason != '\0' ? reason : "waits";
}

class TraceWriter {
 public:
  TraceWriter(std::ofstream& file, const TraceSession& session) : file_(file), session_(session) {}
  void write();

 private:
  // What an M is at.
  struct Running {
    bool open = false, blocks = false;
    std::uint64_t g = 0, created = 0;
    Track track{};
    std::int64_t last_ns = 0;  // of what it has written
  };

  void item(const std::string& text) { file_ << (std::exchange(first_, false) ? "\n" : ",\n") << text; }
  std::string where(Track track, std::int64_t ns) const {
    return "\"pid\":" + std::to_string(track.pid) + ",\"tid\":" + std::to_string(track.tid) + ",\"ts\":" + us(std::max<std::int64_t>(ns - session_.begun_ns, 0));
  }
  int pid_of(const TraceBuffer& buffer);
  Track track_of(std::size_t b, int p);
  void edge(char ph, Track track, std::int64_t ns, const char* cat, const std::string& name, const std::string& args = "");
  void begin(Track track, std::int64_t ns, const char* cat, const std::string& name, const std::string& args = "") { edge('B', track, ns, cat, name, args); }
  void end(Track track, std::int64_t ns, const char* cat, const std::string& name, const std::string& args = "") { edge('E', track, ns, cat, name, args); }
  void begin_slice(const Running& r, std::int64_t ns);
  void end_slice(const Running& r, std::int64_t ns, const std::string& how);
  void arrow(char ph, std::uint64_t id, std::uint64_t g, Track track, std::int64_t ns);
  void close(std::size_t b, std::int64_t ns, const std::string& how);
  void take_p(std::size_t b, Track track, std::int64_t ns);
  void event(std::size_t b, const TraceEvent& e);
  void leave(std::uint64_t g, std::int64_t ns);

  std::ofstream& file_;
  const TraceSession& session_;
  bool first_ = true;
  std::vector<Running> running_;                                      // of each buffer
  std::vector<std::size_t> sizes_, next_;                             // of each buffer: how many events, which comes next
  std::map<std::pair<const void*, std::string>, int> pids_;
  std::map<Track, std::size_t> on_p_;                                 // whose slice is open there
  std::map<Track, bool> named_;
  std::unordered_map<std::uint64_t, std::uint64_t> ready_;            // by g: the arrow that begins where it was made so
  std::uint64_t arrows_ = 0;
};

int TraceWriter::pid_of(const TraceBuffer& buffer) {
  const auto [at, fresh] = pids_.try_emplace({buffer.sched_, buffer.name_}, (static_cast<int>(pids_.size()) + 1) * process_step);
  if (fresh) {
    item("{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":" + std::to_string(at->second) + ",\"tid\":" + std::to_string(at->second) + ",\"args\":{\"name\":" + quoted(buffer.name_) + "}}");
  }
  return at->second;
}

Track TraceWriter::track_of(std::size_t b, int p) {
  const TraceBuffer& buffer = *session_.buffers[b];
  const int pid = pid_of(buffer);
  const Track track{pid, pid + (p >= 0 ? 1 + p : off_p_track + buffer.m_)};
  if (named_.try_emplace(track, true).second) {
    const std::string name = buffer.sched_ == nullptr ? "other threads" : p >= 0 ? "P" + std::to_string(p) : "M" + std::to_string(buffer.m_) + " without a P";
    item("{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":" + std::to_string(track.pid) + ",\"tid\":" + std::to_string(track.tid) + ",\"args\":{\"name\":" + quoted(name) + "}}");
    item("{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":" + std::to_string(track.pid) + ",\"tid\":" + std::to_string(track.tid) + ",\"args\":{\"sort_index\":" +
         std::to_string(track.tid) + "}}");
  }
  return track;
}

void TraceWriter::edge(char ph, Track track, std::int64_t ns, const char* cat, const std::string& name, const std::string& args) {
  item("{\"ph\":\"" + std::string(1, ph) + "\",\"cat\":\"" + cat + "\",\"name\":\"" + name + "\"," + where(track, ns) + (args.empty() ? "}" : ",\"args\":{" + args + "}}"));
}

void TraceWriter::begin_slice(const Running& r, std::int64_t ns) {
  const auto created = std::bit_cast<std::source_location>(r.created);
  begin(r.track, ns, "g", "goroutine " + std::to_string(r.g), "\"g\":" + std::to_string(r.g) + ",\"created\":" + quoted(place_of(created)));
  if (r.blocks) begin(r.track, ns, "blocking", "blocking");
}

void TraceWriter::end_slice(const Running& r, std::int64_t ns, const std::string& how) {
  if (r.blocks) end(r.track, ns, "blocking", "blocking");
  end(r.track, ns, "g", "goroutine " + std::to_string(r.g), "\"end\":" + quoted(how));
}

void TraceWriter::arrow(char ph, std::uint64_t id, std::uint64_t g, Track track, std::int64_t ns) {
  item("{\"ph\":\"" + std::string(1, ph) + (ph == 'f' ? "\",\"bp\":\"e" : "") + "\",\"cat\":\"ready\",\"name\":\"ready\",\"id\":" + std::to_string(id) + "," + where(track, ns) +
       ",\"args\":{\"g\":" + std::to_string(g) + "}}");
}

void TraceWriter::close(std::size_t b, std::int64_t ns, const std::string& how) {
  Running& r = running_[b];
  if (!r.open) return;
  end_slice(r, ns, how);
  if (const auto at = on_p_.find(r.track); at != on_p_.end() && at->second == b) on_p_.erase(at);
  r = Running{};
}

// g begins elsewhere: the M on whose slice it still is has not noted the end yet.
void TraceWriter::leave(std::uint64_t g, std::int64_t ns) {
  const auto at = std::find_if(running_.begin(), running_.end(), [g](const Running& r) { return r.open && r.g == g; });
  if (at == running_.end()) return;
  const auto b = static_cast<std::size_t>(at - running_.begin());
  for (std::size_t i = next_[b]; i < sizes_[b]; ++i) {
    const TraceEvent& e = (*session_.buffers[b])[i];
    if (e.kind_ == TraceKind::end) return close(b, ns, words_of(e));
  }
  close(b, ns, "waits");
}

// M b has that P: whose slice is open there has lost it.
void TraceWriter::take_p(std::size_t b, Track track, std::int64_t ns) {
  const auto at = on_p_.find(track);
  if (at == on_p_.end() || at->second == b) return;
  Running& r = running_[at->second];
  end_slice(r, ns, "lost its P");
  r.track = track_of(at->second, -1);
  r.last_ns = ns;
  begin_slice(r, ns);
  on_p_.erase(at);
}

void TraceWriter::event(std::size_t b, const TraceEvent& e) {
  Running& r = running_[b];
  r.last_ns = e.ns_;
  switch (e.kind_) {
    case TraceKind::begin: {
      close(b, e.ns_, "");
      leave(e.g_, e.ns_);
      const Track track = track_of(b, e.p_);
      take_p(b, track, e.ns_);
      r.open = true;
      r.last_ns = e.ns_;
      r.g = e.g_;
      r.created = e.arg_;
      r.track = track;
      if (e.p_ >= 0) on_p_[track] = b;
      begin_slice(r, e.ns_);
      if (const auto at = ready_.find(e.g_); at != ready_.end()) {
        arrow('f', at->second, e.g_, track, e.ns_);
        ready_.erase(at);
      }
      break;
    }
    case TraceKind::end: close(b, e.ns_, words_of(e)); break;
    case TraceKind::ready: {
      const Track track = r.open ? r.track : track_of(b, e.p_);
      const bool wakes = !r.open;  // by a timer, by what is complete, or from outside: an arrow begins at a slice
      if (wakes) {
        take_p(b, track, e.ns_);
        begin(track, e.ns_, "wake", "wake", "\"g\":" + std::to_string(e.g_));
      }
      arrow('s', ready_[e.g_] = ++arrows_, e.g_, track, e.ns_);
      if (wakes) end(track, e.ns_, "wake", "wake");
      break;
    }
    case TraceKind::blocking_begin:
      if (!r.open) break;
      r.blocks = true;
      begin(r.track, e.ns_, "blocking", "blocking");
      break;
    case TraceKind::blocking_end:
      if (std::exchange(r.blocks, false)) end(r.track, e.ns_, "blocking", "blocking");
      break;
    case TraceKind::steal: {
      const Track track = track_of(b, e.p_);
      take_p(b, track, e.ns_);
      item("{\"ph\":\"i\",\"s\":\"t\",\"cat\":\"steal\",\"name\":\"steal\"," + where(track, e.ns_) + ",\"args\":{\"from\":\"P" + std::to_string(e.arg_) + "\"}}");
      break;
    }
    case TraceKind::poll: {
      const Track track = track_of(b, e.p_);
      take_p(b, track, e.ns_);
      item("{\"ph\":\"i\",\"s\":\"t\",\"cat\":\"netpoll\",\"name\":\"netpoll\"," + where(track, e.ns_) + ",\"args\":{\"complete\":" + std::to_string(e.arg_) + "}}");
      break;
    }
  }
}

void TraceWriter::write() {
  struct Next {
    std::int64_t ns;
    int order;  // at one instant: whoever lets go of something comes first
    std::size_t buffer;
    bool operator<(const Next& other) const { return std::tie(ns, order, buffer) > std::tie(other.ns, other.order, other.buffer); }  // the least is on top
  };
  file_ << "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
  std::uint64_t lost = 0;
  std::priority_queue<Next> heads;
  const auto push = [&](std::size_t b) {
    if (next_[b] >= sizes_[b]) return;
    const TraceEvent& e = (*session_.buffers[b])[next_[b]];
    heads.push({e.ns_, e.kind_ == TraceKind::end ? 0 : e.kind_ == TraceKind::ready ? 1 : 2, b});
  };
  running_.resize(session_.buffers.size());
  next_.resize(session_.buffers.size());
  for (std::size_t b = 0; b < session_.buffers.size(); ++b) {
    sizes_.push_back(session_.buffers[b]->size_.load(acquire));  // [TRACE-SIZE]
    lost += session_.buffers[b]->lost_.load(relaxed);           // for the reader's eyes
    push(b);
  }
  while (!heads.empty()) {
    const std::size_t b = heads.top().buffer;
    heads.pop();
    event(b, (*session_.buffers[b])[next_[b]]);
    ++next_[b];
    push(b);
  }
  for (std::size_t b = 0; b < running_.size(); ++b) close(b, std::max(session_.ended_ns, running_[b].last_ns), "trace stopped");
  file_ << "\n],\"otherData\":{\"lost\":\"" << lost << "\"}}\n";
}

constinit Lock trace_lock;                     // of who starts and stops
constinit std::ofstream* trace_output = nullptr;  // trace_lock; owned, and never destroyed at exit
std::string& trace_path() {                              // trace_lock; never destroyed
  static std::string& path = *new std::string;
  return path;
}

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::system_error(errno != 0 ? errno : EIO, std::generic_category(), what);
}

}  // namespace
}  // namespace gmp::detail

namespace gmp::debug {

void trace_start(const std::string& path) {
  auto file = std::make_unique<std::ofstream>();
  detail::LockGuard guard(detail::trace_lock);
  if (detail::trace_output != nullptr) throw std::logic_error("tracing is already enabled");
  errno = 0;
  file->open(path, std::ios::trunc);
  if (!*file) detail::throw_errno("trace_start: " + path);
  detail::trace_path() = path;
  if (!detail::trace_session_begin()) throw std::logic_error("tracing is already enabled");
  detail::trace_output = file.release();
}

void trace_stop() {
  std::unique_ptr<std::ofstream> file;
  detail::TraceSession session;
  std::string path;
  {
    detail::LockGuard guard(detail::trace_lock);
    if (detail::trace_output == nullptr || !detail::trace_session_end(session)) return;
    file.reset(std::exchange(detail::trace_output, nullptr));
    path = std::move(detail::trace_path());
  }
  auto forget = defer([]() noexcept { detail::trace_session_forget(); });
  errno = 0;
  detail::TraceWriter(*file, session).write();
  file->close();
  if (!*file) detail::throw_errno("trace_stop: " + path);
}

}  // namespace gmp::debug
