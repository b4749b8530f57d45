// src/chan/chan.cpp — the errors of channels.
// Go: runtime/chan.go (the panics).  Room: chan (floor 4).
#include "gmp/chan.hpp"

namespace gmp {

ClosedChannel::ClosedChannel() : std::logic_error("send on closed channel") {}

namespace detail {

void throw_closed_channel() { throw ClosedChannel(); }
void throw_close_of_nil() { throw std::logic_error("close of nil channel"); }

}  // namespace detail
}  // namespace gmp
