// include/gmp/sync.hpp — all of Go's package sync that this library has.
// Go: sync, golang.org/x/sync.  Room: sync (floor 5).
#pragma once

#include "gmp/sync/cond.hpp"
#include "gmp/sync/mutex.hpp"
#include "gmp/sync/once.hpp"
#include "gmp/sync/rwmutex.hpp"
#include "gmp/sync/semaphore.hpp"
#include "gmp/sync/waitgroup.hpp"
