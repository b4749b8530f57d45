// src/sched/bell.hpp — Bell, which lives in netpoll: the pollers use it, and they stand left of the scheduler.
// Go: runtime/netpoll_epoll.go (netpollBreak).  Room: sched (floor 2).
#pragma once

#include "netpoll/bell.hpp"
