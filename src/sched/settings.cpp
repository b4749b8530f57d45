// src/sched/settings.cpp — reads the environment. A value that makes no sense is named on stderr, and ignored: no program fails for it.
// Go: runtime/runtime1.go (parsedebugvars).  Room: sched (floor 2).
#include "sched/settings.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "netpoll/poller.hpp"
#include "sched/sched.hpp"
#include "sys/os.hpp"

namespace gmp::detail {

namespace {

constexpr std::int64_t schedtrace_max_ms = 3'600'000;

// A decimal number of at most 18 digits; -1: none.
std::int64_t number(std::string_view text) {
  if (text.empty() || text.size() > 18) return -1;
  std::int64_t n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    n = n * 10 + (c - '0');
  }
  return n;
}

// The variable's number; `otherwise` if it is not set, or none of lowest to highest.
long from_environment(const char* name, long lowest, long highest, long otherwise) {
  const char* text = sys::environment(name);
  if (text == nullptr || *text == '\0') return otherwise;
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  if (*end == '\0' && n >= lowest && n <= highest) return n;
  sys::write_stderr(std::string("gmpcoro: ") + name + " must be " + std::to_string(lowest) + ".." + std::to_string(highest) + ", got \"" + text + "\": ignored\n");
  return otherwise;
}

}  // namespace

int procs_from_environment() {
  return static_cast<int>(from_environment("GMPMAXPROCS", 1, procs_max, 0));
}

gmp::Poller poller_choice(gmp::Poller wanted) {
  if (const char* text = sys::environment("GMPPOLLER"); text != nullptr && *text != '\0') {
    if (std::strcmp(text, "uring") == 0)
      wanted = gmp::Poller::uring;
    else if (std::strcmp(text, "epoll") == 0)
      wanted = gmp::Poller::epoll;
    else if (std::strcmp(text, "automatic") != 0)
      sys::write_stderr("gmpcoro: GMPPOLLER must be automatic, uring or epoll, got \"" + std::string(text) + "\": ignored\n");
    else
      wanted = gmp::Poller::automatic;
  }
  if (wanted == gmp::Poller::epoll) return wanted;
  const std::string& refused = uring_refused();
  if (refused.empty()) return gmp::Poller::uring;
  if (wanted == gmp::Poller::uring) throw_uring_refused();
  static const bool said = (sys::write_stderr("gmpcoro: using epoll: " + refused + "\n"), true);
  static_cast<void>(said);
  return gmp::Poller::epoll;
}

unsigned ring_entries() {
  return std::bit_ceil(static_cast<unsigned>(from_environment("GMPRINGENTRIES", 2, 32768, 256)));
}

DebugSettings parse_debug(const char* text, void (*complain)(const std::string&)) {
  DebugSettings found;
  std::string_view rest = text != nullptr ? text : "";
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    const std::string_view name = item.substr(0, equals);
    const std::int64_t value = equals == std::string_view::npos ? -1 : number(item.substr(equals + 1));
    const auto said = [&](const char* why) { complain("gmpcoro: GMPDEBUG: " + std::string(item) + ": " + why + ": ignored\n"); };
    const auto flag = [&](bool& into) {
      if (value == 0 || value == 1) {
        into = value == 1;
      } else {
        said("must be 0 or 1");
      }
    };
    if (name == "hog") {
      flag(found.hog);
    } else if (name == "lockcycle") {
      flag(found.lockcycle);
    } else if (name == "scheddetail") {
      flag(found.scheddetail);
    } else if (name == "schedtrace") {
      if (value >= 0 && value <= schedtrace_max_ms) {
        found.schedtrace_ms = value;
      } else {
        said("must be milliseconds, 0 to 3600000");
      }
    } else {
      said("there are hog, lockcycle, schedtrace and scheddetail");
    }
  }
  return found;
}

const DebugSettings& debug_settings() {
  static const DebugSettings read = parse_debug(sys::environment("GMPDEBUG"), [](const std::string& text) { sys::write_stderr(text); });
  return read;
}

}  // namespace gmp::detail
