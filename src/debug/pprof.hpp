// src/debug/pprof.hpp — a profile in pprof's format.
// Go: runtime/pprof (protobuf.go, proto.go).  Room: debug (floor 6).
#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <unordered_map>
#include <vector>

namespace gmp::detail {

/// profile.proto, of two values to a sample: contentions (count) and delay (nanoseconds), as Go's. Uncompressed, which pprof reads, too.
class PprofWriter {
 public:
  PprofWriter();
  /// stack: innermost first.
  void add(const std::vector<std::source_location>& stack, std::int64_t contentions, std::int64_t delay_ns);
  std::string finish(std::int64_t time_ns, std::int64_t duration_ns);

 private:
  std::uint64_t string(const std::string& text);
  std::uint64_t location(const std::source_location& site);

  std::unordered_map<std::string, std::uint64_t> strings_;  // their places in the table
  std::unordered_map<std::string, std::uint64_t> functions_, locations_;
  std::string table_, samples_, function_list_, location_list_;
};

}  // namespace gmp::detail
