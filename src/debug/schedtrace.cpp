// src/debug/schedtrace.cpp — the lines of GMPDEBUG=schedtrace, and those of scheddetail: an upcall of sysmon's.
// Go: runtime/proc.go (schedtrace).  Room: debug (floor 6).
//
// Go's line, with those of its fields that mean something here: no needspinning, no gcwaiting.  The numbers of a P's status are Go's (0 idle, 1 running,
// 2 in blocking(f), 4 retired), those of a g's too (1 runnable, 2 running, 3 in blocking(f), 4 waiting).  An M's own fields are not there to be read by
// others; its line says which P it has, which g it runs, and whether it sleeps.
#include <algorithm>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include "debug/dump.hpp"
#include "gmp/debug.hpp"
#include "sys/os.hpp"

namespace gmp::detail {

namespace {

std::string field(const char* name, std::uint64_t value) { return " " + (name + ("=" + std::to_string(value))); }

// "3", or Go's word for none.
template <class Id>
std::string or_nil(bool known, Id id) {
  return known ? std::to_string(id) : "nil";
}

std::string summary(const Sched& sched, const debug::Stats& all, std::uint64_t asleep, std::int64_t since_start_ns, bool named) {
  std::string text = "SCHED " + std::to_string(since_start_ns / 1'000'000) + "ms:";
  if (named) text += " executor=" + sched.options().name;
  text += field("gomaxprocs", all.procs) + field("idleprocs", all.idle_procs) + field("threads", all.threads) + field("spinningthreads", all.spinning) +
          field("idlethreads", asleep) + field("runqueue", all.global_queue) + " [";
  const char* between = "";
  for (const debug::ProcStats& p : all.per_proc) {
    if (p.state == debug::ProcState::retired) continue;
    text += between + std::to_string(p.runq + (p.has_run_next ? 1 : 0));
    between = " ";
  }
  return text + "]\n";
}

int status_number(debug::ProcState state) {
  switch (state) {
    case debug::ProcState::idle: return 0;
    case debug::ProcState::running: return 1;
    case debug::ProcState::blocking: return 2;
    case debug::ProcState::retired: break;
  }
  return 4;
}

int status_number(const std::string& state) { return state == "runnable" ? 1 : state == "running" ? 2 : state == "blocking" ? 3 : 4; }

std::string detail_of(const Sched& sched, const debug::Stats& all, const std::vector<ThreadState>& ms) {
  std::string text;
  std::unordered_map<int, int> p_of;
  for (const debug::ProcStats& p : all.per_proc) {
    if (p.m >= 0 && p.state != debug::ProcState::idle) p_of[p.m] = p.id;
    text += "  P" + std::to_string(p.id) + ":" + field("status", static_cast<std::uint64_t>(status_number(p.state))) + field("schedtick", p.ticks) +
            " m=" + or_nil(p.m >= 0, p.m) + field("runqsize", p.runq) + field("runnext", p.has_run_next ? 1 : 0) + field("timerslen", p.timers) +
            field("io", p.io_in_flight) + "\n";
  }
  std::unordered_map<std::uint64_t, int> m_of;
  for (const ThreadState& m : ms) {
    const auto p = p_of.find(m.id);
    if (m.g != 0) m_of[m.g] = m.id;
    text += "  M" + std::to_string(m.id) + ": p=" + or_nil(p != p_of.end(), p != p_of.end() ? p->second : 0) + " curg=" + or_nil(m.g != 0, m.g) +
            " blocked=" + (m.asleep ? "true" : "false") + "\n";
  }
  for (const GInfo& g : infos_of(&sched)) {
    const auto m = m_of.find(g.id);
    text += "  G" + std::to_string(g.id) + ":" + field("status", static_cast<std::uint64_t>(status_number(g.state))) + "(" + g.wait_reason + ")" +
            " m=" + or_nil(m != m_of.end(), m != m_of.end() ? m->second : 0) + "\n";
  }
  return text;
}

bool several_executors() {
  int n = 0;
  Sched::each([](Sched&, void* count) { ++*static_cast<int*>(count); }, &n);
  return n > 1;
}

}  // namespace

void print_schedtrace(Sched* sched, std::int64_t since_start_ns, bool in_detail) noexcept {
  try {
    debug::Stats all;
    sched->add_stats(all);
    const std::vector<ThreadState> ms = sched->thread_states();
    const auto asleep = static_cast<std::uint64_t>(std::count_if(ms.begin(), ms.end(), [](const ThreadState& m) { return m.asleep; }));
    std::string text = summary(*sched, all, asleep, since_start_ns, several_executors());
    if (in_detail) text += detail_of(*sched, all, ms);
    sys::write_stderr(text);
  } catch (const std::bad_alloc&) {
    // The next one may fare better.
  }
}

}  // namespace gmp::detail
