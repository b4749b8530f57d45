// include/gmp/detail/task/foreign.hpp — a g awaits something that is not this library's.
// Go: none (cgo callbacks come nearest).  Room: task (floor 4).
//
// The foreign side gets the handle of a bridge: a small coroutine of its own allocation, whose resumption, on whatever thread, makes the g
// ready on its own executor.  It never gets the g's frame: that would run the g on the foreign thread.
//   F1  the g is published as waiting before the foreign await_suspend runs; that call may come back after the g has gone on elsewhere, so
//       nothing of the frame is touched after it, except when it says "did not suspend" (false), which nobody else can have acted on.
//   F2  the bridge is owned by both sides: the foreign one resumes it at most once; the g drops it when it goes on, and for the foreign one,
//       too, if that did not suspend.
//   F3  the wait itself is a ForeignWait, which tells what becomes of a g that still waits when its executor stops.
#pragma once

#include <coroutine>
#include <memory>
#include <type_traits>
#include <utility>

#include "gmp/detail/park.hpp"
#include "gmp/detail/task/foreign_wait.hpp"

namespace gmp::detail {

/// The bridge's frame. It suspends at its start; resumed, it makes its g ready, and its frame goes when both sides have let go.
class GMPCORO_EXPORT Bridge {
 public:
  class promise_type;
  static std::coroutine_handle<> open(G* gp);           // throws std::bad_alloc
  static void close(std::coroutine_handle<>) noexcept;  // the g's side lets go
  static ForeignWait& wait(std::coroutine_handle<>) noexcept;
};

template <class A>
decltype(auto) foreign_awaiter(A&& awaitable) {
  if constexpr (requires { std::forward<A>(awaitable).operator co_await(); })
    return std::forward<A>(awaitable).operator co_await();
  else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); })
    return operator co_await(std::forward<A>(awaitable));
  else
    return static_cast<A&&>(awaitable);
}

template <class A>
class ForeignAwaiter : Immovable {
  using Inner = decltype(foreign_awaiter(std::declval<A>()));

 public:
  ForeignAwaiter(G* gp, A awaitable) : g_(gp), inner_(foreign_awaiter(std::forward<A>(awaitable))) {}
  ~ForeignAwaiter() {
    if (bridge_) Bridge::close(bridge_);
  }
  bool await_ready() { return static_cast<bool>(inner_.await_ready()); }

  template <class Promise>
  GMPCORO_NOINLINE bool await_suspend(std::coroutine_handle<Promise> frame) {
    G* gp = g_;
    bridge_ = Bridge::open(gp);
    std::coroutine_handle<> bridge = bridge_;
    Bridge::wait(bridge).park_first(frame.promise());
    using Returned = decltype(inner_.await_suspend(bridge));
    try {
      if constexpr (std::is_void_v<Returned>) {
        inner_.await_suspend(bridge);  // F1: from here on the frame may be gone
        return true;
      } else if constexpr (std::is_convertible_v<Returned, std::coroutine_handle<>>) {
        std::coroutine_handle<> next = inner_.await_suspend(bridge);
        next.resume();  // a foreign coroutine goes on here, until it suspends
        return true;
      } else {
        if (inner_.await_suspend(bridge)) return true;
      }
    } catch (...) {  // it did not suspend: the coroutine goes on with the exception
      not_suspended();
      throw;
    }
    not_suspended();
    return false;
  }
  decltype(auto) await_resume() { return inner_.await_resume(); }

 private:
  void not_suspended() noexcept {
    Bridge::wait(bridge_).park_abort();
    Bridge::close(bridge_);  // for the foreign side, which will never resume it (F2)
  }
  G* g_;
  std::coroutine_handle<> bridge_;
  Inner inner_;
};

}  // namespace gmp::detail
