// tests/go/chan/queues.hpp — waits until gs stand in the queue of a channel.
// Go: none.  Room: tests/go.
#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "gmp/chan.hpp"
#include "gmp/select.hpp"
#include "support/waiting.hpp"

namespace gmp::test {

/// n gs wait to receive, those of c in its queue. A g is seen to wait a moment before it is there, while it holds the lock of its channel; a try
/// does without that if it sees nobody. A select takes it before it says that nothing can go.
template <class T>
Task<> until_receivers(Chan<T> c, int n) {
  co_await until_waiting(detail::WaitReason::chan_receive, n);
  EXPECT_EQ(co_await select(recv(c), otherwise), 1);
}
/// The same of senders; value is what is not sent.
template <class T>
Task<> until_senders(Chan<T> c, int n, T value) {
  co_await until_waiting(detail::WaitReason::chan_send, n);
  EXPECT_EQ(co_await select(send(c, value), otherwise), 1);
}

}  // namespace gmp::test
