// src/net/apart.hpp — calls on descriptors that no poller takes: by a g of their own, in blocking(), while the one that wants them sleeps.
// Go: none (there any system call may block its thread).  Room: net (floor 5).
//
// io_uring takes all there is, and has threads for what blocks.  Under epoll, and for sendfile(2) from a disk, these are ours: the thread that runs
// gs must not be held up, and the g that asks may be in a step (park.hpp), which cannot block.
// The op is `idle` meanwhile (op.hpp), so a cancel sticks to it; one that comes before the call keeps it from being made.
#pragma once

#include <cstdint>

#include "gmp/detail/netpoll/op.hpp"

namespace gmp::detail {

/// The call: its result, or -1 and errno. other: as start_apart() was told.
using ApartCall = std::int64_t (*)(const IoOp& op, int other) noexcept;

/// gp sleeps already, and is woken after op is done and has its result. False: no memory, and nothing begins.
bool start_apart(G* gp, IoOp& op, ApartCall call, int other) noexcept;

}  // namespace gmp::detail
