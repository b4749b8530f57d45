// tests/support/threads.hpp — the threads of this process.
// Go: none.  Room: tests/support.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <system_error>

namespace gmp::test {

/// Their ids, not their number: of one that was joined the system may still be about to forget it.
inline std::set<std::string> thread_ids() {
  std::set<std::string> ids;
  std::error_code ignored;
  for (const auto& one : std::filesystem::directory_iterator("/proc/self/task", ignored)) ids.insert(one.path().filename());
  return ids;
}

}  // namespace gmp::test
