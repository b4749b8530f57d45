// include/gmp/gmp.hpp — the whole library (but for testing.hpp and interop/).
// Go: the language, and packages runtime, sync, time, net, io.  Room: gmp (floor 6).
#pragma once

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "gmp/os.hpp"
#include "gmp/result.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/task.hpp"
#include "gmp/time.hpp"
