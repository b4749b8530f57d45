// tests/go/gdump.hpp — what the dump says of the gs of the calling one's executor.
// Go: runtime.Stack(buf, true).  Room: tests/go.
#pragma once

#include <gmp/debug.hpp>
#include <gmp/executor.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace gmp::test {

/// How many gs of the dump are in that state, such as "sync.Mutex.Lock" or "running"; of all states if it is empty.
inline std::size_t gs_dumped(const std::string& dump, std::string_view state = "") {
  std::size_t count = 0;
  for (std::size_t at = 0; at != std::string::npos && at < dump.size();) {
    const std::size_t end = dump.find('\n', at);
    const std::string_view line = std::string_view(dump).substr(at, end == std::string::npos ? end : end - at);
    if (line.starts_with("goroutine") && line.ends_with("]:")) {
      const std::size_t open = line.find(" [");
      const std::string_view inside = line.substr(open + 2);
      const std::size_t many = line.find(" in all)");  // one entry for those that are alike
      const std::size_t number = many == line.npos ? 1 : std::stoul(std::string(line.substr(line.rfind('(', many) + 1)));
      if (state.empty() || (inside.starts_with(state) && (inside[state.size()] == ']' || inside[state.size()] == ','))) count += number;
    }
    at = end == std::string::npos ? end : end + 1;
  }
  return count;
}

inline std::size_t gs_dumped_here(std::string_view state = "") { return gs_dumped(debug::goroutines(Executor::current()), state); }

}  // namespace gmp::test
