// tests/compile_fail/awaited_temporary_closure.cpp — g++ before 13 would destroy what it captures twice; each function that is awaited says so.
// only: gcc<13
// expect: name the closure first and pass that name \(it is used in place\), or capture by reference
// expect: In instantiation of .*gmp::blocking\(
// expect: In instantiation of .*gmp::suspend\(
// expect: In instantiation of .*gmp::Once::call\(
#include <gmp/go.hpp>
#include <gmp/sync.hpp>

#include <memory>

gmp::Task<> awaits(gmp::Once& once, std::shared_ptr<int> p, int n) {
#ifdef GMPCORO_FIXED
  auto reads = [p] { return *p; };
  auto wakes = [p](gmp::Waker<int> w) { w.wake(*p); };
  co_await gmp::blocking(reads);
  static_cast<void>(co_await gmp::suspend<int>(wakes));
  co_await once.call(reads);
  co_await gmp::blocking([&p, n] { return *p + n; });
#else
  co_await gmp::blocking([p] { return *p; });
  static_cast<void>(co_await gmp::suspend<int>([p](gmp::Waker<int> w) { w.wake(*p); }));
  co_await once.call([p] { return *p; });
#endif
  static_cast<void>(n);
}
