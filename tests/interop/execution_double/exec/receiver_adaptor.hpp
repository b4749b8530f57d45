// tests/interop/execution_double/exec/receiver_adaptor.hpp — of stdexec's receiver_adaptor what gmp asks it for: the tag of receivers.
// Go: none.  Room: tests/interop.
#pragma once

#include "stdexec/execution.hpp"

namespace experimental::execution {

template <class Derived>
struct receiver_adaptor {
  using receiver_concept = stdexec::receiver_tag;
};

}  // namespace experimental::execution
