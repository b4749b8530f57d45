// src/sync/in_use.cpp — the end of those who destroy what others wait for.
// Go: none.  Room: sync (floor 5).
#include "sync/in_use.hpp"

#include <string>

#include "gmp/detail/base/assert.hpp"

namespace gmp::detail {

void destroyed_in_use(const char* type, std::uint64_t sleepers) noexcept {
  const std::string who = sleepers == 1 ? "1 goroutine waits" : std::to_string(sleepers) + " goroutines wait";
  misuse(("sync: " + std::string(type) + " destroyed while " + who + " for it").c_str());
}

}  // namespace gmp::detail
