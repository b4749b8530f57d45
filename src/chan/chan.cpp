// src/chan/chan.cpp — the errors of channels.
// Go: runtime/chan.go (the panics).  Room: chan (floor 4).
#include "gmp/chan.hpp"

#include "gmp/detail/park.hpp"

namespace gmp {

ClosedChannel::ClosedChannel() : std::logic_error("send on closed channel") {}

namespace detail {

void throw_closed_channel() { throw ClosedChannel(); }
void report_close_of_nil() {
  if (!tearing_down()) throw std::logic_error("close of nil channel");
}
void report_send_on_closed() {
  if (!tearing_down()) throw_closed_channel();
}

}  // namespace detail
}  // namespace gmp
