// include/gmp/debug.hpp — seeing inside: every goroutine, as Go prints them.
// Go: runtime/traceback.go, runtime.Stack.  Room: debug (floor 6).
#pragma once

#include <string>

#include "gmp/executor.hpp"

namespace gmp::debug {

/// The dump of every g of that executor (null: of all): id, name, state, wait reason, how long, every awaiting frame with file:line, innermost
/// first, and who created it. A running or queued g shows its last await only. From any thread; stops nobody.    Go: the SIGQUIT dump.
std::string goroutines(Executor* executor = nullptr);

}  // namespace gmp::debug
