// src/debug/dump_text.cpp — the dump's text: one entry for each g, or for many that are alike.
// Go: runtime/traceback.go (goroutineheader, printcreatedby); maruel/panicparse.  Room: debug (floor 6).
//
// Alike are those of one name, state and chain of awaits that were started at one place; what each waits on, for how long, and who started it may
// differ.  The first g is never among them: under run() it is the main one, and a program's reader looks for it there.
#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "debug/dump.hpp"

namespace gmp::detail {

namespace {

constexpr std::size_t alike_min = 5;     // fewer are shown one by one
constexpr std::size_t numbers_max = 10;  // of those that an entry is for
constexpr std::size_t objects_max = 3;   // that they wait on
constexpr std::int64_t minute_ns = 60'000'000'000;

std::string minutes(std::int64_t least_ns, std::int64_t most_ns) {
  const std::int64_t least = least_ns / minute_ns, most = most_ns / minute_ns;
  if (most < 1) return "";
  return ", " + (least != most ? std::to_string(least) + " to " : "") + std::to_string(most) + " minutes";
}

std::string header_end(const GInfo& info, std::int64_t least_ns, std::int64_t most_ns) {
  return " [" + (info.wait_reason.empty() ? info.state : info.wait_reason) + minutes(least_ns, most_ns) + "]:\n";
}

std::string frames(const GInfo& info) {
  std::string text;
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
  return text;
}

std::string waits(const std::string& on) { return on.empty() ? on : "waits on " + on + "\n"; }


void append(std::string& key, const std::source_location& site) {
  const char* const texts[] = {site.function_name(), site.file_name()};  // the compiler has one of each for a place
  const std::uint_least32_t numbers[] = {site.line(), site.column()};
  key.append(reinterpret_cast<const char*>(texts), sizeof texts);
  key.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
}

// Equal for those that are alike.
std::string key_of(const Seen& g) {
  std::string key;
  key.reserve(32 + 24 * (g.sites.size() + 1) + g.name.size());
  key += static_cast<char>(g.status);
  key += static_cast<char>(g.reason);
  append(key, g.created_at);
  for (const std::source_location& site : g.sites) append(key, site);
  return key + g.name;
}

using Alike = std::vector<const Seen*>;

// "0x10, 0x20 and 0x30", at most so many of them, without repetitions; of times the first and the last.
std::string all_waits(const Alike& gs) {
  const WaitReason reason = gs.front()->reason;
  if (reason == WaitReason::sleep) {
    const auto [first, last] = std::minmax_element(gs.begin(), gs.end(), [](const Seen* a, const Seen* b) { return a->on.due_ns < b->on.due_ns; });
    const std::string from = to_string(reason, (*first)->on), to = to_string(reason, (*last)->on);
    return from == to ? from : from + " to " + to;
  }
  std::vector<std::string> texts;
  for (const Seen* g : gs) {
    std::string text = to_string(reason, g->on);
    if (text.empty() || std::find(texts.begin(), texts.end(), text) != texts.end()) continue;
    if (texts.size() == objects_max) {
      texts.emplace_back("others");
      break;
    }
    texts.push_back(std::move(text));
  }
  std::string list;
  for (std::size_t i = 0; i < texts.size(); ++i) list += (i == 0 ? "" : i + 1 == texts.size() ? " and " : "; ") + texts[i];
  return list;
}

std::string entry(const Alike& gs) {
  const GInfo first = to_info(*gs.front());
  std::string text = "goroutines ";
  for (std::size_t i = 0; i < std::min(gs.size(), numbers_max); ++i) text += (i == 0 ? "" : ", ") + std::to_string(gs[i]->id);
  if (gs.size() > numbers_max) text += ", ...";
  text += " (" + std::to_string(gs.size()) + " in all)";
  if (!first.name.empty()) text += " \"" + first.name + "\"";
  const auto [least, most] = std::minmax_element(gs.begin(), gs.end(), [](const Seen* a, const Seen* b) { return a->waiting_ns < b->waiting_ns; });
  text += header_end(first, (*least)->waiting_ns, (*most)->waiting_ns) + frames(first) + waits(all_waits(gs));
  const bool one = std::all_of(gs.begin(), gs.end(), [&](const Seen* g) { return g->parent_id == first.parent_id; });
  return text + "created by " + (one ? creator_of(first.parent_id) : std::string("several goroutines")) + " at " + place_of(first.created_at) + "\n";
}

}  // namespace

std::string title_of(std::uint64_t id, const std::string& name) {
  const std::string text = "goroutine " + std::to_string(id);
  return name.empty() ? text : text + " \"" + name + "\"";
}

std::string creator_of(std::uint64_t parent) { return parent != 0 ? title_of(parent, {}) : std::string("a thread"); }

std::string place_of(const std::source_location& site) { return std::string(site.file_name()) + ":" + std::to_string(site.line()); }

std::string format(const GInfo& info) {
  return title_of(info.id, info.name) + header_end(info, info.waiting.count(), info.waiting.count()) + frames(info) + waits(info.waits_on) + "created by " +
         creator_of(info.parent_id) + " at " + place_of(info.created_at) + "\n";
}

std::string format(const std::vector<Seen>& all) {
  std::unordered_map<std::string, Alike> groups;
  std::vector<Alike*> group_of(all.size(), nullptr);
  for (std::size_t i = 1; i < all.size(); ++i) {
    Alike& group = groups[key_of(all[i])];
    group.push_back(&all[i]);
    group_of[i] = &group;  // its address stays
  }
  std::string text;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool folded = i != 0 && group_of[i]->size() >= alike_min;
    if (folded && group_of[i]->front() != &all[i]) continue;
    if (!text.empty()) text += "\n";
    text += folded ? entry(*group_of[i]) : format(to_info(all[i]));
  }
  return text;
}

}  // namespace gmp::detail
