// tests/compile_fail/until_of_a_task.cpp — a Task cannot be given up from outside; it takes a Context itself.
// expect: a Task takes a Context itself
#include <gmp/context.hpp>
#include <gmp/task.hpp>

gmp::Task<> work(gmp::Context ctx);

gmp::Task<> gives_up(gmp::Context ctx) {
#ifdef GMPCORO_FIXED
  co_await work(ctx);
#else
  static_cast<void>(co_await until(ctx, work(ctx)));
#endif
}
