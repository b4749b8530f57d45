// src/netpoll/bell.cpp — the two system calls of a Bell: a write to its eventfd, a futex on its word.
// Go: runtime/netpoll_epoll.go (netpollBreak), runtime/lock_futex.go (notewakeup, notesleep).  Room: netpoll (floor 2).
#include "netpoll/bell.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/sys/futex.hpp"

namespace gmp::detail {

Bell::Bell() noexcept { static_cast<void>(open()); }

Bell::~Bell() {
  if (fd() >= 0) ::close(fd());
}

bool Bell::open() noexcept {
  const int saved = errno;
  fd_.store(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), relaxed);
  errno = saved;
  return fd() >= 0;
}

void Bell::ring_slow(std::uint32_t was) noexcept {
  if (was == on_futex) {
    futex_wake(&state_, 1);
    return;
  }
  if (fd() < 0) return;  // BL4: it wakes by itself
  const int saved = errno;  // wakers are user code's unlock, send, close …
  const std::uint64_t one = 1;
  while (::write(fd(), &one, sizeof one) < 0) {
    if (errno != EINTR) fatal("cannot write to an eventfd of the scheduler: was it closed?");
  }
  errno = saved;
}

void Bell::sleep() noexcept {
  if (!fall_asleep(on_futex)) return;
  while (state_.load(acquire) == on_futex) futex_wait(&state_, on_futex);  // [BELL]
  wake_up();
}

}  // namespace gmp::detail
