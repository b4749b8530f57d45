// tests/support/text.hpp — what is in a text.
// Go: strings.Contains, strings.Count.  Room: tests/support.
#pragma once

#include <string_view>

namespace gmp::test {

inline bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// How often, without overlaps. part is not empty.
inline int count(std::string_view text, std::string_view part) {
  int n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++n;
  return n;
}

}  // namespace gmp::test
