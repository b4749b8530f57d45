// tests/compile_fail/until_within_until.cpp — an operation is given up for one reason; a context can have two.
// expect: a context has both: until\(with_timeout\(ctx, d\)\.context, op\)
#include <gmp/chan.hpp>
#include <gmp/context.hpp>
#include <gmp/task.hpp>

#include <chrono>

gmp::Task<> receives(gmp::Context ctx, gmp::Chan<int> ch) {
#ifdef GMPCORO_FIXED
  static_cast<void>(co_await until(gmp::with_timeout(ctx, std::chrono::seconds(1)).context, ch.recv()));
#else
  static_cast<void>(co_await until(ctx, gmp::timeout(std::chrono::seconds(1), ch.recv())));
#endif
}
