// tests/support/waiting.hpp — a look at who is parked, and for what.
// Go: none.  Room: tests/support.
#pragma once

#include <chrono>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/task.hpp"
#include "gmp/time.hpp"

namespace gmp::test {

/// Gs of the executor that sleep for that reason. Nothing is read of gs that run; linked with a shared library (waiting_outside.cpp), more than that.
int waiting_for(Executor* ex, detail::WaitReason reason);

/// Parks until n gs of this executor sleep for that reason.
inline Task<> until_waiting(detail::WaitReason reason, int n) {
  while (waiting_for(Executor::current(), reason) < n) co_await gmp::sleep(std::chrono::microseconds(50));
}

}  // namespace gmp::test
