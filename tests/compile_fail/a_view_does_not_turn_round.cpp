// tests/compile_fail/a_view_does_not_turn_round.cpp — a RecvChan becomes neither a SendChan nor a Chan again.
// expect: (could not convert|conversion from|no viable conversion)
#include <gmp/chan.hpp>

gmp::RecvChan<int> receive_only();
#ifdef GMPCORO_FIXED
gmp::RecvChan<int> ch = receive_only();
#else
gmp::Chan<int> ch = receive_only();
#endif
