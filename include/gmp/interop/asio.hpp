// include/gmp/interop/asio.hpp — Asio and goroutines: handlers that run on an executor's Ms, and Asio's operations as something that a g awaits.
// Go: none.  Room: interop (floor 6); stands on asio.hpp, standalone or Boost's.
//
// Standalone Asio is taken where it is found; GMPCORO_ASIO_BOOST, defined before this is included, asks for Boost's.  What is here has another name with
// the one than with the other, so a program may have both.
//
//   - An existing server keeps its io_context, and a thread of ours runs it: `co_await gmp::blocking([&] { io.run(); });`. Its handlers may start gs,
//     and send, unlock, wake: whatever does not suspend.
//   - asio_executor(ex) is an executor as Asio has them: post, dispatch, co_spawn, bind_executor, strand.
//   - `co_await socket.async_read_some(buffer, gmp::use_g)`, on a g: it parks, and goes on on its own executor.
//   - asio_spawn(ex, task, token): a Task as one of Asio's asynchronous operations: what a handler, or an asio::awaitable, can wait for.
#pragma once

#if !defined(GMPCORO_ASIO_BOOST) && __has_include(<asio.hpp>)
#include <asio.hpp>
#define GMPCORO_ASIO ::asio
#define GMPCORO_ASIO_SPACE asio
#define GMPCORO_ASIO_WHICH asio_standalone
#else
#include <utility>  // Boost 1.74 forgets it
#include <boost/asio.hpp>
#define GMPCORO_ASIO ::boost::asio
#define GMPCORO_ASIO_SPACE boost::asio
#define GMPCORO_ASIO_WHICH asio_of_boost
#endif

#if defined(GMPCORO_ASIO_BOOST) || !__has_include(<asio.hpp>)
#define GMPCORO_ASIO_SLOTS (BOOST_ASIO_VERSION >= 101900)
#else
#define GMPCORO_ASIO_SLOTS (ASIO_VERSION >= 101900)
#endif

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/task/foreign_wait.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/task.hpp"

namespace gmp {
inline namespace GMPCORO_ASIO_WHICH {

#if defined(GMPCORO_ASIO_BOOST) || !__has_include(<asio.hpp>)
/// What Asio reports errors by: Boost's with Boost's Asio, else Asio's, which is the standard's.
using asio_error_code = ::boost::system::error_code;
using asio_system_error = ::boost::system::system_error;
#else
/// What Asio reports errors by: Boost's with Boost's Asio, else Asio's, which is the standard's.
using asio_error_code = ::asio::error_code;
using asio_system_error = ::asio::system_error;
#endif

/// An executor for Asio: what is posted to it runs on an M of a gmp::Executor, as by Executor::post, in any order, several at a time; a strand puts them in
/// order. Never on the caller's stack. Copies are the same; the Executor outlives what is posted, and after its stop execute() throws
/// std::runtime_error("executor stopped"). What Asio keeps for a context (a resolver's thread, a reactor) is one for the process.
class asio_executor {
 public:
  explicit asio_executor(Executor& executor) noexcept : executor_(&executor) {}

  /// Executor::post.
  template <class F>
  void execute(F&& f) const {
    executor_->post(std::forward<F>(f));
  }
  /// What Asio asks of an executor.
  GMPCORO_ASIO::execution_context& query(GMPCORO_ASIO::execution::context_t) const noexcept { return context(); }
  static constexpr GMPCORO_ASIO::execution::blocking_t query(GMPCORO_ASIO::execution::blocking_t) noexcept { return GMPCORO_ASIO::execution::blocking.never; }
  asio_executor require(GMPCORO_ASIO::execution::blocking_t::never_t) const noexcept { return *this; }

  /// Where what it runs goes.
  Executor& executor() const noexcept { return *executor_; }

  friend bool operator==(const asio_executor& a, const asio_executor& b) noexcept { return a.executor_ == b.executor_; }
  friend bool operator!=(const asio_executor& a, const asio_executor& b) noexcept { return !(a == b); }

 private:
  struct Context : GMPCORO_ASIO::execution_context {};
  static GMPCORO_ASIO::execution_context& context() {
    static auto& all = *new Context;  // never destroyed: it may have a thread, and sockets that a static object holds
    return all;
  }
  Executor* executor_;
};

/// The completion token that makes an operation of Asio's one that a g awaits.
struct use_g_t {
  constexpr use_g_t() noexcept = default;

  /// An executor of Asio's whose objects take use_g where no token is given: what as_default_on_t makes of a type's own.
  template <class InnerExecutor>
  struct executor_with_default : InnerExecutor {
    /// The name by which Asio asks for it.
    using default_completion_token_type = use_g_t;
    template <class Other>
      requires(!std::same_as<std::decay_t<Other>, executor_with_default> && std::convertible_to<Other, InnerExecutor>)
    executor_with_default(Other&& other) : InnerExecutor(std::forward<Other>(other)) {}  // implicit, as Asio's own
  };
  /// A socket, timer or acceptor type whose operations need no token: `use_g_t::as_default_on_t<asio::ip::tcp::socket>`.
  template <class Object>
  using as_default_on_t = typename Object::template rebind_executor<executor_with_default<typename Object::executor_type>>::other;
  template <class Object>
  static as_default_on_t<std::decay_t<Object>> as_default_on(Object&& object) {
    return as_default_on_t<std::decay_t<Object>>(std::forward<Object>(object));
  }
};
/// `std::size_t n = co_await socket.async_read_some(buffer, use_g);` begins the operation, parks the g until it is complete, and gives what it gave: nothing,
/// a value, or a std::tuple of several. An error is thrown as Asio's system_error, an exception_ptr rethrown; with redirect_error or as_tuple round
/// use_g it is given instead. The g goes on on its own executor, whatever thread completes the operation. Nothing has begun before co_await; it is
/// awaited once. If its io_context goes without completing it, it ends with operation_aborted.
///
/// `co_await until(ctx, socket.async_read_some(buffer, use_g))`, with Asio 1.19 (Boost 1.77) or later, asks Asio to cancel it, by the cancellation slot, on
/// the executor of the socket (so one that several threads serve needs a strand, as Asio says), and goes on when Asio has let go of the buffer:
/// err is errc::canceled, or errc::deadline_exceeded, if it ended as aborted, and what it gave if it was done first. What has no executor of its own, as what
/// redirect_error makes of an operation in Asio 1.22, is not interrupted.
///
/// Asio has the buffer, which may lie in the g's frame: an executor that stops gives the g Options::stop_grace, and then leaves it as it is, as one in any
/// foreign await. So cancel the socket, or stop the io_context and destroy it, before.
inline constexpr use_g_t use_g{};

namespace asio_detail {

// What a completion gives, without an error in front.
template <class... Values>
struct Outcome {
  using Given = std::conditional_t<sizeof...(Values) == 0, void, std::conditional_t<sizeof...(Values) == 1, std::tuple_element_t<0, std::tuple<Values..., void>>, std::tuple<Values...>>>;
  std::exception_ptr failed_;
  std::optional<std::tuple<Values...>> values_;
  bool aborted_ = false;  // failed, with operation_aborted

  Outcome() = default;
  void fail(const asio_error_code& error) {
    aborted_ = error == GMPCORO_ASIO::error::operation_aborted;
    failed_ = std::make_exception_ptr(asio_system_error(error));
  }
  Given give() {
    if (failed_) std::rethrow_exception(std::move(failed_));
    if constexpr (sizeof...(Values) == 1)
      return std::get<0>(std::move(*values_));
    else if constexpr (sizeof...(Values) > 1)
      return std::move(*values_);
  }
};

template <class... Args>
struct Completion {
  using Outcome = asio_detail::Outcome<Args...>;
  template <class... A>
  static Outcome of(A&&... args) {
    Outcome outcome;
    outcome.values_.emplace(std::forward<A>(args)...);
    return outcome;
  }
};
template <class... Args>
struct Completion<asio_error_code, Args...> {
  using Outcome = asio_detail::Outcome<Args...>;
  template <class... A>
  static Outcome of(const asio_error_code& error, A&&... args) {
    if (!error) return Completion<Args...>::of(std::forward<A>(args)...);
    Outcome outcome;
    outcome.fail(error);
    return outcome;
  }
};
template <class... Args>
struct Completion<std::exception_ptr, Args...> {
  using Outcome = asio_detail::Outcome<Args...>;
  template <class... A>
  static Outcome of(std::exception_ptr thrown, A&&... args) {
    if (thrown == nullptr) return Completion<Args...>::of(std::forward<A>(args)...);
    Outcome outcome;
    outcome.failed_ = std::move(thrown);
    return outcome;
  }
};

/// How an operation under until() is asked to end: none is made where Asio has no cancellation slots. Its last owner may be what was posted for that.
class Cancellation {
 public:
  virtual ~Cancellation() = default;
  /// On the executor where Asio wants it.
  virtual void post(std::shared_ptr<Cancellation> self) = 0;
  void over() noexcept { over_.store(true, detail::relaxed); }  // ordered by that executor

#if GMPCORO_ASIO_SLOTS
  GMPCORO_ASIO::cancellation_slot slot() noexcept { return signal_.slot(); }

 protected:
  void emit() {
    if (!over_.load(detail::relaxed)) signal_.emit(GMPCORO_ASIO::cancellation_type::all);
  }
  GMPCORO_ASIO::cancellation_signal signal_;
#endif

 private:
  detail::Atomic<bool> over_{false};
};

#if GMPCORO_ASIO_SLOTS
template <class Where>
class CancellationOn final : public Cancellation {
 public:
  explicit CancellationOn(const Where& where) : where_(where) {}
  void post(std::shared_ptr<Cancellation> self) override {
    GMPCORO_ASIO::post(where_, [kept = std::move(self)] { static_cast<CancellationOn&>(*kept).emit(); });
  }

 private:
  Where where_;
};
#endif

/// What the handler writes to, in the g's frame.
template <class... Args>
struct Wait : detail::ForeignWait {
  explicit Wait(detail::G* gp) noexcept : detail::ForeignWait(gp, &Wait::ask) {}
  static void ask(detail::ForeignWait& wait) noexcept {
    const auto& cancellation = static_cast<Wait&>(wait).cancellation_;
    if (cancellation == nullptr) return;
    try {
      cancellation->post(cancellation);
    } catch (...) {  // no memory: it is not interrupted
    }
  }
  typename Completion<Args...>::Outcome outcome_;
  std::shared_ptr<Cancellation> cancellation_;  // null: not under until(), or nothing can be asked
};

/// The handler: on whatever thread, it wakes the g. Destroyed unasked, it tells so.
template <class... Args>
class Handler {
 public:
  explicit Handler(Wait<Args...>& wait) noexcept : wait_(&wait), cancellation_(wait.cancellation_) {}
  Handler(Handler&& other) noexcept : wait_(std::exchange(other.wait_, nullptr)), cancellation_(std::move(other.cancellation_)) {}
  Handler& operator=(Handler&&) = delete;
  ~Handler() {
    if (wait_ != nullptr) end([](auto& outcome) { outcome.fail(GMPCORO_ASIO::error::operation_aborted); });
  }
  template <class... A>
  void operator()(A&&... args) {
    end([&](auto& outcome) { outcome = Completion<Args...>::of(std::forward<A>(args)...); });
  }

#if GMPCORO_ASIO_SLOTS
  using cancellation_slot_type = GMPCORO_ASIO::cancellation_slot;
  cancellation_slot_type get_cancellation_slot() const noexcept { return cancellation_ != nullptr ? cancellation_->slot() : cancellation_slot_type(); }
#endif

 private:
  template <class F>
  void end(F&& f) noexcept {
    if (cancellation_ != nullptr) cancellation_->over();
    Wait<Args...>* wait = std::exchange(wait_, nullptr);
    try {
      f(wait->outcome_);
    } catch (...) {
      wait->outcome_.failed_ = std::current_exception();
    }
    wait->resume();
  }
  Wait<Args...>* wait_;
  std::shared_ptr<Cancellation> cancellation_;
};

/// What an operation is until it is awaited: how it begins. Of one type for each signature, since Asio's adapters ask for that.
template <class... Args>
struct Begin {
  virtual ~Begin() = default;
  virtual void begin(Handler<std::decay_t<Args>...> handler) = 0;
  virtual std::shared_ptr<Cancellation> cancellation() const = 0;
};

template <class Initiation, class Parameters, class... Args>
class BeginWith final : public Begin<Args...> {
 public:
  BeginWith(Initiation&& initiation, Parameters&& parameters) : initiation_(std::move(initiation)), parameters_(std::move(parameters)) {}
  void begin(Handler<std::decay_t<Args>...> handler) override {
    std::apply([&](auto&&... each) { std::move(initiation_)(std::move(handler), std::move(each)...); }, std::move(parameters_));
  }
  std::shared_ptr<Cancellation> cancellation() const override {
#if GMPCORO_ASIO_SLOTS
    if constexpr (requires { initiation_.get_executor(); })
      return std::make_shared<CancellationOn<std::decay_t<decltype(initiation_.get_executor())>>>(initiation_.get_executor());
#endif
    return nullptr;
  }

 private:
  Initiation initiation_;
  Parameters parameters_;
};

template <class... Args>
class [[nodiscard("co_await it: nothing has begun")]] Operation {
  using Start = Begin<Args...>;
  using Waits = Wait<std::decay_t<Args>...>;
  using Given = typename decltype(Waits::outcome_)::Given;

 public:
  using operation_tag = void;
  class Awaiter : public detail::OperationAwaiter<Awaiter> {
   public:
    Awaiter(detail::G* gp, Operation&& op) : detail::OperationAwaiter<Awaiter>(gp), start_(std::move(op.start_)), wait_(gp) {}
    bool await_ready() const noexcept { return false; }
    bool suspend(detail::FrameLink& leaf) {
      detail::G* gp = this->g_;
      if (gp->withdrawal_ != nullptr) wait_.cancellation_ = start_->cancellation();  // under until()
      try {
        start_->begin(Handler<std::decay_t<Args>...>(wait_));
      } catch (...) {
        if (!wait_.park(leaf)) throw;  // the handler went with it
        return true;                   // it has been kept somewhere
      }
      if (wait_.park(leaf)) return true;
      return detail::give_way(gp, leaf);
    }
#if GMPCORO_ASIO_SLOTS
    bool withdrawn() const noexcept { return wait_.outcome_.aborted_ && detail::gives_up(wait_); }
#endif
    Given await_resume() { return wait_.outcome_.give(); }

   private:
    std::unique_ptr<Start> start_;
    Waits wait_;
  };

  explicit Operation(std::unique_ptr<Start> start) noexcept : start_(std::move(start)) {}

 private:
  std::unique_ptr<Start> start_;
};

}  // namespace asio_detail

/// A Task as an asynchronous operation of Asio's, in the manner of co_spawn: starts a g of `executor` for it, and completes with (std::exception_ptr), or
/// (std::exception_ptr, T), on the executor that is associated with the handler, else on an M of `executor`; the handler is destroyed there, too. So a handler, or an asio::awaitable, may use what parks: a gmp::Mutex, a
/// channel. A cancellation of Asio's does not reach the g; give the Task a Context.
///
///     std::optional<int> v = co_await gmp::asio_spawn(ex, receive(ch), asio::use_awaitable);
template <class T, class Token>
auto asio_spawn(Executor& executor, Task<T> task, Token&& token) {
  using Signature = std::conditional_t<std::is_void_v<T>, void(std::exception_ptr), void(std::exception_ptr, std::conditional_t<std::is_void_v<T>, int, T>)>;
  return GMPCORO_ASIO::async_initiate<Token, Signature>(
      [&executor](auto&& handler, Task<T> begun) {
        using Kept = std::decay_t<decltype(handler)>;
        auto where = GMPCORO_ASIO::get_associated_executor(handler, asio_executor(executor));
        auto work = GMPCORO_ASIO::make_work_guard(where);  // so that its io_context waits for us
        auto kept = std::make_shared<Kept>(std::forward<decltype(handler)>(handler));
        executor.go(
            [](Task<T> child, decltype(where) on, decltype(work), std::shared_ptr<Kept> told) -> Task<> {
              std::exception_ptr thrown;
              if constexpr (std::is_void_v<T>) {
                try {
                  co_await std::move(child);
                } catch (...) {
                  thrown = std::current_exception();
                }
                GMPCORO_ASIO::post(on, [last = std::move(told), thrown] { std::move(*last)(thrown); });  // the handler dies where it has run
              } else {
                std::optional<T> value;
                try {
                  value.emplace(co_await std::move(child));
                } catch (...) {
                  thrown = std::current_exception();
                }
                auto given = std::make_shared<std::optional<T>>(std::move(value));
                GMPCORO_ASIO::post(on, [last = std::move(told), thrown, given] { std::move(*last)(thrown, given->has_value() ? std::move(**given) : T()); });
              }
            },
            std::move(begun), std::move(where), std::move(work), std::move(kept));
      },
      token, std::move(task));
}

}  // namespace GMPCORO_ASIO_WHICH
}  // namespace gmp

namespace GMPCORO_ASIO_SPACE {

template <class R, class... Args>
class async_result<::gmp::GMPCORO_ASIO_WHICH::use_g_t, R(Args...)> {
 public:
  using return_type = ::gmp::GMPCORO_ASIO_WHICH::asio_detail::Operation<Args...>;
  template <class Initiation, class... Parameters>
  static return_type initiate(Initiation&& initiation, ::gmp::GMPCORO_ASIO_WHICH::use_g_t, Parameters&&... parameters) {
    using Kept = std::tuple<std::decay_t<Parameters>...>;
    using Start = ::gmp::GMPCORO_ASIO_WHICH::asio_detail::BeginWith<std::decay_t<Initiation>, Kept, Args...>;
    return return_type(std::make_unique<Start>(std::decay_t<Initiation>(std::forward<Initiation>(initiation)), Kept(std::forward<Parameters>(parameters)...)));
  }
};

}  // namespace GMPCORO_ASIO_SPACE

#undef GMPCORO_ASIO
#undef GMPCORO_ASIO_SPACE
#undef GMPCORO_ASIO_WHICH
#undef GMPCORO_ASIO_SLOTS
