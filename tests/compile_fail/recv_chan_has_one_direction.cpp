// tests/compile_fail/recv_chan_has_one_direction.cpp — a RecvChan does not know the other direction.
// expect: (has no member named|no member named) '?‘?try_send
#include <gmp/chan.hpp>

void use(const gmp::RecvChan<int>& ch) {
#ifdef GMPCORO_FIXED
  static_cast<void>(ch.try_recv());
#else
  static_cast<void>(ch.try_send(1));
#endif
}
