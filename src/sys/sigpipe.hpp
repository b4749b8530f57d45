// src/sys/sigpipe.hpp — without_sigpipe: a call that may raise SIGPIPE in its thread, without that.
// Go: os/signal (a program that writes to a broken pipe other than 1 and 2 gets EPIPE).  Room: sys (floor 1).
#pragma once

#include <cerrno>
#include <csignal>
#include <ctime>

namespace gmp::detail {

/// What call() returns, and its errno. The program's handler and the thread's mask are as before. in_pieces: splice(2) and sendfile(2) go piece by piece, and
/// tell how much went though the last piece found nobody at the other end, and the signal was raised. with_it: just call().
template <class F>
auto without_sigpipe(F call, bool in_pieces = false, bool with_it = false) noexcept {
  if (with_it) return call();
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  sigpending(&pending);
  const auto n = call();
  const int error = errno;
  if ((n < 0 ? error == EPIPE : in_pieces) && sigismember(&pending, SIGPIPE) == 0) {  // ours: taken off before it can be delivered
    const timespec now{};
    while (::sigtimedwait(&pipe, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return n;
}

}  // namespace gmp::detail
