// src/os/signal_name.hpp — what a signal is called.
// Go: syscall/zerrors_linux_amd64.go (signals).  Room: os (floor 5).
#pragma once

#include <string>

namespace gmp::detail {

/// As Go says it: "interrupt", "terminated".
std::string signal_name(int signal);

}  // namespace gmp::detail
