// tests/compile_fail/send_chan_has_one_direction.cpp — a SendChan does not know the other direction.
// expect: (has no member named|no member named) '?‘?try_recv
#include <gmp/chan.hpp>

void use(const gmp::SendChan<int>& ch) {
#ifdef GMPCORO_FIXED
  static_cast<void>(ch.try_send(1));
#else
  static_cast<void>(ch.try_recv());
#endif
}
