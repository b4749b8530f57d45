// tests/model/site.hpp — the places in the source that access Atomics, and their weakening.
// Go: none.  Room: tests/model.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "model/atomic.hpp"

namespace gmp::model {

enum class Access : std::uint8_t { load, store, change, compare };

/// One call of a member of Atomic. Lives as long as the process.
struct Site {
  std::string file, function;
  unsigned line = 0, column = 0;
  Access access = Access::load;
  std::memory_order order = std::memory_order_relaxed;          // all that was asked for here, together
  std::memory_order failure_order = std::memory_order_relaxed;  // of a compare
  bool reached = false;                                         // since clear_reached()

  // A mutation: the orders asked for count as no more than these.
  std::memory_order at_most = std::memory_order_seq_cst;
  std::memory_order failure_at_most = std::memory_order_seq_cst;
};

/// The weaker of both; of acquire and release, relaxed.
std::memory_order meet(std::memory_order a, std::memory_order b) noexcept;
/// The weakest that is as strong as both.
std::memory_order join(std::memory_order a, std::memory_order b) noexcept;
inline bool acquires(std::memory_order o) noexcept {
  return o == std::memory_order_acquire || o == std::memory_order_acq_rel || o == std::memory_order_seq_cst;
}
inline bool releases(std::memory_order o) noexcept {
  return o == std::memory_order_release || o == std::memory_order_acq_rel || o == std::memory_order_seq_cst;
}
const char* name(std::memory_order order) noexcept;

class Sites {
 public:
  Site& at(const Where& where, Access access);
  std::deque<Site>& all() noexcept { return sites_; }
  void clear_reached() noexcept;

 private:
  struct Slot {
    const char* file = nullptr;  // by address: a text may occur more than once, then two slots name one site
    unsigned line = 0, column = 0;
    Site* site = nullptr;
  };
  Site& find_or_add(const Where& where, Access access);

  std::deque<Site> sites_;  // never moves them
  std::vector<Slot> slots_ = std::vector<Slot>(8192);
  std::size_t used_ = 0;
};

Sites& sites();

/// The text of a source line, without leading blanks; empty if the file cannot be read.
std::string source_line(const std::string& file, unsigned line);
/// All lines of a file.
const std::vector<std::string>& source_lines(const std::string& file);

}  // namespace gmp::model
