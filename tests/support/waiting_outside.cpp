// tests/support/waiting_outside.cpp — who is parked, as any program may ask: for what is linked with a shared library.
// Go: none.  Room: tests/support.
#include "support/waiting.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "gmp/debug.hpp"

namespace gmp::test {

namespace {

std::string_view words(detail::WaitReason reason) {
  switch (reason) {
    case detail::WaitReason::chan_receive: return "chan receive";
    case detail::WaitReason::chan_send: return "chan send";
    case detail::WaitReason::chan_receive_nil: return "chan receive (nil chan)";
    case detail::WaitReason::chan_send_nil: return "chan send (nil chan)";
    case detail::WaitReason::select: return "select";
    case detail::WaitReason::select_no_cases: return "select (no cases)";
    case detail::WaitReason::io_wait: return "IO wait";
    case detail::WaitReason::foreign: return "foreign await";
    default: throw std::logic_error("waiting_for: add the words of this reason");
  }
}

}  // namespace

int waiting_for(Executor* ex, detail::WaitReason reason) {
  const auto infos = debug::goroutine_infos(ex);
  return static_cast<int>(std::count_if(infos.begin(), infos.end(), [reason](const GInfo& g) { return g.wait_reason == words(reason); }));
}

}  // namespace gmp::test
