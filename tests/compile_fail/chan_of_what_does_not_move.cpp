// tests/compile_fail/chan_of_what_does_not_move.cpp — what cannot be moved cannot go through a channel.
// expect: what goes through a channel must be movable
#include <gmp/chan.hpp>

struct Fixed {
  Fixed() noexcept {}
#ifndef GMPCORO_FIXED
  Fixed(Fixed&&) = delete;
#endif
};

void make() { static_cast<void>(gmp::make_chan<Fixed>()); }
