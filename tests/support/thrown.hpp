// tests/support/thrown.hpp — what an exception says.
// Go: error.Error.  Room: tests/support.
#pragma once

#include <exception>
#include <string>

namespace gmp::test {

/// Its what(); of none: "".
inline std::string text_of(const std::exception_ptr& exception) {
  if (!exception) return "";
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace gmp::test
