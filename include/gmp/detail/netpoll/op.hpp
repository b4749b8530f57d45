// include/gmp/detail/netpoll/op.hpp — IoOp: one operation on a descriptor, from submission to its last completion.
// Go: runtime/netpoll.go (pollDesc) waits for readiness; here operations complete.  Room: netpoll (floor 2).
//
// An operation lives in the awaiter until its last completion, cancelled or not: the g goes on only then, so a user's buffer need live
// no longer than the await.
//
// state_    | from      | by                       | then
// pending   | idle      | submit()                 | it is the poller's
// cancelling| idle      | cancel() before submit() | submit() ends it with -ECANCELED
// cancelling| pending   | cancel()                 | it is on the poller's list of cancels too, and ends when it is off that list again
// done      | pending,  | the poller               | it is in the list that poll() returns; cancel() leaves it alone
//           | cancelling|                          |
// The first two are CASes, so a cancel comes either before or after the end.  A done op may be submitted again after state_ = idle.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

struct G;
class Poller;

enum class IoKind : std::uint8_t {
  nop,
  recv,      // data_, size_: at most one recv(2) into the user's buffer
  send,      // data_, size_: at most one send(2), MSG_NOSIGNAL
  recv_msg,  // data_: a msghdr; recvmsg(2)
  send_msg,  // data_: a msghdr; sendmsg(2), MSG_NOSIGNAL
  accept,    // result: the new descriptor, non-blocking and CLOEXEC; data_, address_size_: room for the peer's sockaddr, or null
  connect,   // data_, size_: the sockaddr. EAGAIN is an answer (a unix socket whose listener is full)
  poll_in,   // result: the poll(2) mask
  poll_out,
  poll_error,  // an error or a hang-up; else it waits until it is cancelled
  read,      // data_, size_, offset_ (-1: the file's own position)
  write,
  open,      // data_: the path; offset_: the flags; size_: the mode. Result: the new descriptor. It may wait: not for epoll
  fsync,     // not for epoll
};

struct alignas(8) IoOp : Immovable {
  enum State : std::uint32_t { idle, pending, cancelling, done };

  // The caller's, before submit. Whatever can block must be a non-blocking descriptor: epoll tries the call itself.
  IoKind kind_ = IoKind::nop;
  bool poll_first_ = false;         // the caller's last read of this stream was short or would have blocked: wait before the first try
  int fd_ = -1;
  std::uint64_t fd_serial_ = 0;     // one number for each life of a descriptor, since numbers come back; 0: not known (a call more in epoll)
  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t offset_ = -1;
  std::uint32_t address_size_ = 0;  // accept: in and out, the length of the sockaddr at data_
  std::int32_t result_ = 0;         // bytes, descriptor or mask; or -errno. Valid when state_ is done
  G* g_ = nullptr;                  // for who gets it back from poll()
  IoOp* next_ = nullptr;            // in the list that poll() returns; before that the poller's

  Atomic<std::uint32_t> state_{idle};

  // the poller's
  Atomic<Poller*> poller_{nullptr};  // where it was submitted; valid from pending on  [OP-STATE]; atomic for the models' sake
  IoOp* prev_ = nullptr;
  IoOp* cancel_next_ = nullptr;     // cancels that the owner has not looked at yet
  std::uint32_t submitter_ = 0;     // uring: the thread whose task work completes it
  std::uint8_t missing_ = 0;        // uring: completions still to come, the cancel's included
  bool waiting_ = false;            // in a list of ours; the kernel does not know it (uring), or knows its descriptor only (epoll)
  bool ended_ = false;              // result_ is final
  bool cancel_seen_ = false;        // taken off the list of cancels
  std::uint8_t step_ = 0;           // epoll: 1 a connect is under way; uring: 1 a poll is sent in its place, 2 it was tried again after that
};

}  // namespace gmp::detail
