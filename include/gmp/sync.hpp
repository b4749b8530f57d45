// include/gmp/sync.hpp — all of Go's package sync that this library has, and golang.org/x/sync's Group, which has a context.
// Go: sync, golang.org/x/sync.  Room: gmp (floor 6).
#pragma once

#include "gmp/context/group.hpp"
#include "gmp/sync/cond.hpp"
#include "gmp/sync/mutex.hpp"
#include "gmp/sync/once.hpp"
#include "gmp/sync/rwmutex.hpp"
#include "gmp/sync/semaphore.hpp"
#include "gmp/sync/waitgroup.hpp"
