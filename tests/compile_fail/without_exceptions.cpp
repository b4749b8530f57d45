// tests/compile_fail/without_exceptions.cpp — the library needs exceptions; whoever compiles without them is told so at once.
// flags: -fno-exceptions
// expect: exception handling disabled|with exceptions disabled
#include <gmp/go.hpp>

void starts() {
  gmp::go([] {});
}
