// examples/debug_page.hpp — an HTML page about the program that it is in: its goroutines by state, its Ps, how long goroutines wait to run, where they
// stand. It refers to nothing that lies elsewhere; a program that has an HTTP server needs no more than this file.
#pragma once

#include <gmp/debug.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <string_view>
#include <utility>
#include <vector>

inline std::string html(std::string_view text) {  // signatures are full of <>
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}
inline std::string text(std::uint64_t n) { return std::to_string(n); }
inline std::string text(const std::string& s) { return s; }
template <class... Cells>
std::string row(const Cells&... cells) {
  std::string out = "<tr>";
  for (const std::string& cell : {text(cells)...}) out += "<td>" + html(cell);
  return out + "\n";
}

/// Of all executors of the process. Loads itself anew each second.
inline std::string debug_page() {
  const gmp::debug::Stats s = gmp::debug::stats();
  std::map<std::string, std::uint64_t> reasons, stacks;
  for (const gmp::GInfo& g : gmp::debug::goroutine_infos()) {
    const std::string why = g.wait_reason.empty() ? g.state : g.wait_reason;
    std::string stack = "[" + why + "]\n";
    for (const gmp::Frame& frame : g.stack) stack += "  " + frame.function + "  " + frame.file + ":" + text(frame.line) + "\n";
    ++reasons[why];
    ++stacks[stack];
  }
  std::string out =
      "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=1><title>gmpcoro</title>\n"
      "<style>body{font:14px sans-serif;margin:2em}td,th{padding:0 1em;text-align:right}</style>\n";
  out += "<h1><span id=goroutines>" + text(s.goroutines) + "</span> goroutines on " + text(s.threads) + " threads</h1>\n<table id=states>";
  out += "<tr><th>runnable<th>running<th>waiting<th>in blocking()<th>spawned<th>timers<th>I/O in flight\n";
  out += row(s.runnable, s.running, s.waiting, s.in_blocking, s.spawned, s.timers, s.io_in_flight);
  out += "</table>\n<h2>What they do</h2>\n<table id=reasons>\n";
  for (const auto& [reason, gs] : reasons) out += row(reason, gs);
  out += "</table>\n<h2>Ps</h2>\n<table id=procs><tr><th>P<th>state<th>queue<th>slices<th>steals<th>parks<th>polls\n";
  for (const gmp::debug::ProcStats& p : s.per_proc) {
    const std::string states[] = {"idle", "running", "blocking", "retired"};  // in ProcState's order
    out += row(p.id, states[static_cast<int>(p.state)], p.runq + p.has_run_next, p.ticks, p.steals, p.parks, p.polls);
  }
  out += "</table>\n<h2>From runnable to running, ns</h2>\n<table id=latency><tr><th>under<th>goroutines, of " + text(s.latency.count()) + " looked at\n";
  for (std::size_t i = 0; i < s.latency.buckets; ++i) {
    if (s.latency.counts[i] != 0) out += row(s.latency.bound(i).count(), s.latency.counts[i]);
  }
  out += "</table>\n<h2>Where they stand</h2>\n<pre id=stacks>\n";
  std::vector<std::pair<std::string, std::uint64_t>> most_first(stacks.begin(), stacks.end());
  std::sort(most_first.begin(), most_first.end(), [](const auto& a, const auto& b) { return std::tie(b.second, a.first) < std::tie(a.second, b.first); });
  for (const auto& [stack, gs] : most_first) out += text(gs) + " " + html(stack) + "\n";
  return out + "</pre>\n";
}
