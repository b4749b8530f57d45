// include/gmp/interop/future.hpp — std::future and std::shared_future as something that a g awaits.
// Go: none (there a result comes through a channel).  Room: interop (floor 6).
//
// A std::future can tell nobody that it is ready: it can only be waited for, by a thread, or asked again and again. So a thread waits: the g's own, by
// blocking(), and its P goes on without it. Nobody is polled; but each future that is awaited keeps a thread for as long. What comes by the thousand
// should come through suspend(), or a channel.
#pragma once

#include <chrono>
#include <future>
#include <type_traits>
#include <utility>

#include "gmp/go.hpp"
#include "gmp/task.hpp"

namespace gmp {
namespace detail {

template <class T>
inline constexpr bool is_std_future = false;
template <class T>
inline constexpr bool is_std_future<std::future<T>> = true;
template <class T>
inline constexpr bool is_std_future<std::shared_future<T>> = true;

}  // namespace detail

/// `T value = co_await std::move(future);`, or of a shared_future `const T& value = co_await shared;`, gives what get() gives, and throws what it throws; what
/// was moved from, or has been used up: std::future_error, no_state. If it is not ready the g waits in a blocking call: its thread keeps it, other gs go
/// on on another, and a dump says "blocking". A deferred one is evaluated there. It cannot be given up by until(); for a deadline there is
/// `co_await blocking([&] { return future.wait_for(1s); })`. A std::future is awaited as an rvalue: that uses it up.
///
/// As of any blocking call its end is waited for when the executor stops.
template <class A>
concept standard_future = detail::is_std_future<std::remove_cvref_t<A>> && std::is_constructible_v<std::remove_cvref_t<A>, A>;

namespace detail {

template <class Future>
class FutureAwaiter : public OperationAwaiter<FutureAwaiter<Future>> {
  struct Wait {
    const Future* future_;
    void operator()() const { future_->wait(); }
  };
  using Op = BlockingOp<Wait>;

 public:
  FutureAwaiter(G* gp, Future future) : OperationAwaiter<FutureAwaiter>(gp), future_(std::move(future)), wait_(gp, Op(std::in_place, Wait{&future_})) {}
  bool await_ready() {
    if (!future_.valid()) throw std::future_error(std::future_errc::no_state);
    if (future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) return true;
    return wait_.await_ready();  // of a deferred one it runs the function
  }
  bool suspend(FrameLink& leaf) { return wait_.suspend_in(this->g_, leaf); }
  decltype(auto) await_resume() { return future_.get(); }

 private:
  Future future_;
  typename Op::Awaiter wait_;
};

template <standard_future A>
struct AwaitedAs<A> {
  using Awaiter = FutureAwaiter<std::remove_cvref_t<A>>;
};

}  // namespace detail
}  // namespace gmp
