// include/gmp/interop/execution.hpp — senders and goroutines: a scheduler over an executor's Ms, Tasks as senders, senders that a g awaits.
// Go: none.  Room: interop (floor 6); stands on <stdexec/execution.hpp> or on C++26's <execution> (P2300).
//
// stdexec is taken where it is found; GMPCORO_EXECUTION_STD, defined before this is included, asks for the standard library's. What is here has another
// name with the one than with the other, so a program may have both.
//
//   - scheduler(ex): `schedule(scheduler(ex)) | then(f)` runs f on an M of ex.
//   - as_sender(ex, task): a Task as a sender, run by a g of ex: what sync_wait, when_all or another coroutine type can wait for.
//   - `co_await sender`, on a g: it parks, and goes on on its own executor with what the sender has given.
//   - `co_await until(ctx, sender)`: the same, and the sender is asked to stop when ctx is done.
//
// How the two worlds say that something was given up: a sender that is stopped is errc::canceled to a g, and errc::canceled out of a Task is a sender
// that is stopped.
#pragma once

#if !defined(GMPCORO_EXECUTION_STD) && __has_include(<stdexec/execution.hpp>)
#include <stdexec/execution.hpp>
#if __has_include(<exec/receiver_adaptor.hpp>)
#include <exec/receiver_adaptor.hpp>  // it was stdexec's own until 2026
#define GMPCORO_EXECUTION_ADAPTOR ::experimental::execution::receiver_adaptor
#else
#define GMPCORO_EXECUTION_ADAPTOR ::stdexec::receiver_adaptor
#endif
#define GMPCORO_EXECUTION ::stdexec
#define GMPCORO_EXECUTION_STOP ::stdexec
#define GMPCORO_EXECUTION_WHICH execution_of_stdexec
#else
#include <version>
#ifdef __cpp_lib_senders
#include <execution>
#include <stop_token>
#define GMPCORO_EXECUTION ::std::execution
#define GMPCORO_EXECUTION_STOP ::std
#define GMPCORO_EXECUTION_WHICH execution_of_std
#else
#error "gmp/interop/execution.hpp needs senders: <stdexec/execution.hpp> in the include path, or C++26 and a standard library whose <execution> has them"
#endif
#endif
#ifdef GMPCORO_EXECUTION  // else that error is all there is to say

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "gmp/context.hpp"
#include "gmp/detail/task/foreign_wait.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/result.hpp"
#include "gmp/task.hpp"

namespace gmp {
inline namespace GMPCORO_EXECUTION_WHICH {

namespace execution_detail {

template <class Token>
class Env;

namespace ex = GMPCORO_EXECUTION;
namespace st = GMPCORO_EXECUTION_STOP;

// The tags by which the concepts know their models have been renamed on their way into the standard (receiver_t is receiver_tag now), and some were
// not asked for at first. So they are taken from types that have them.
struct NoTag {};
template <class T>
struct SchedulerTagOf {
  using type = NoTag;
};
template <class T>
  requires requires { typename T::scheduler_concept; }
struct SchedulerTagOf<T> {
  using type = typename T::scheduler_concept;
};
template <class T>
struct OperationTagOf {
  using type = NoTag;
};
template <class T>
  requires requires { typename T::operation_state_concept; }
struct OperationTagOf<T> {
  using type = typename T::operation_state_concept;
};
#ifdef GMPCORO_EXECUTION_ADAPTOR
using ReceiverTag = typename GMPCORO_EXECUTION_ADAPTOR<NoTag>::receiver_concept;
#else
using ReceiverTag = ex::receiver_tag;
#endif
struct NoEnv {};
struct Sink {
  using receiver_concept = ReceiverTag;
  void set_value() noexcept {}
  NoEnv get_env() const noexcept { return {}; }
};
using SenderTag = typename decltype(ex::just())::sender_concept;
using SchedulerTag = typename SchedulerTagOf<decltype(std::declval<ex::run_loop&>().get_scheduler())>::type;
using OperationTag = typename OperationTagOf<ex::connect_result_t<decltype(ex::just()), Sink>>::type;

template <class Receiver>
bool stop_requested(const Receiver& receiver) noexcept {
  return st::get_stop_token(ex::get_env(receiver)).stop_requested();
}

// An operation that a g carries out. Op has `static Task<> body(Turn<Op>)`, which takes the turn when it is about to complete, and
// stopped() and failed(exception_ptr), which complete.
//   EX1  the frame of that g has the turn. Destroyed with it not taken, it completes the operation: the g was stopped, or never begun.
//   EX2  begun_ is written before the g is queued, and taken back only when it could not be: then start() completes.
//   EX3  whoever completes touches nothing of the operation after.
template <class Op>
class Turn {
 public:
  explicit Turn(Op* op) noexcept : op_(op) {}
  Turn(Turn&& other) noexcept : op_(std::exchange(other.op_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (op_ != nullptr && op_->begun_) op_->stopped();  // EX1
  }
  Op& operation() const noexcept { return *op_; }
  Op& take() noexcept { return *std::exchange(op_, nullptr); }

 private:
  Op* op_;
};

/// sched null: nothing is started any more on this thread.
template <class Op>
void begin(Op& op, detail::Sched* sched, std::source_location where) noexcept {
  if (sched == nullptr) return op.stopped();
  Task<> frame;
  std::exception_ptr failed;
  try {
    frame = Op::body(Turn<Op>(&op));
    op.begun_ = true;  // EX2
    detail::launch(sched, detail::TaskAccess::peek(frame).promise(), where, nullptr);
    static_cast<void>(detail::TaskAccess::release(frame));  // the g's from here on; op may be gone
    return;
  } catch (const std::system_error&) {  // which is a std::runtime_error, too
    failed = std::current_exception();
  } catch (const std::runtime_error&) {  // executor stopped
  } catch (...) {
    failed = std::current_exception();
  }
  op.begun_ = false;
  frame = Task<>();
  failed ? op.failed(std::move(failed)) : op.stopped();
}

inline detail::Sched* sched_for(Executor* executor) noexcept {
  if (executor == nullptr) return detail::sched_here();
  return detail::tearing_down() ? nullptr : detail::sched_of(*executor);
}

/// What such an operation keeps; begin() and its Turn use it.
template <class Receiver>
struct Errand : detail::Immovable {
  using operation_state_concept = OperationTag;
  Errand(Executor* executor, std::source_location where, Receiver&& receiver) : executor_(executor), where_(where), receiver_(std::move(receiver)) {}
  void failed(std::exception_ptr thrown) noexcept { ex::set_error(std::move(receiver_), std::move(thrown)); }

  Executor* executor_;  // null: of who starts it
  std::source_location where_;
  Receiver receiver_;
  bool begun_ = false;  // EX2
};

template <class Receiver>
struct ScheduleOperation : Errand<Receiver> {
  ScheduleOperation(Executor* executor, std::source_location where, Receiver receiver) : Errand<Receiver>(executor, where, std::move(receiver)) {}
  void start() & noexcept { begin(*this, sched_for(this->executor_), this->where_); }
  void stopped() noexcept { ex::set_stopped(std::move(this->receiver_)); }

  static Task<> body(Turn<ScheduleOperation> turn) {
    ScheduleOperation& self = turn.take();
    if (stop_requested(self.receiver_))
      self.stopped();
    else
      ex::set_value(std::move(self.receiver_));
    co_return;
  }
};

}  // namespace execution_detail

/// A scheduler over an Executor: what `schedule(scheduler(ex))` completes runs on an M of ex, as by Executor::post: as a g of its own, in any order,
/// several at a time, never on the stack of who starts it. So it may start gs, and send, unlock, wake: whatever does not suspend; a call that blocks
/// keeps its thread and no other g.
///
/// Completes with set_stopped if its receiver's token says so when its turn comes, or ex stops first: then on the thread that stops it; with set_error
/// if there is no memory. Progress: parallel. Copies, and all of one Executor, are equal. The Executor outlives what is scheduled.
class scheduler {
 public:
  using scheduler_concept = execution_detail::SchedulerTag;

  explicit scheduler(Executor& executor, std::source_location where = std::source_location::current()) noexcept : executor_(&executor), where_(where) {}

  class Sender;
  /// What a Sender says of itself: where it completes.
  class Attributes {
   public:
    template <class... Env>
    scheduler query(const execution_detail::ex::get_completion_scheduler_t<execution_detail::ex::set_value_t>&, const Env&...) const noexcept {
      return scheduler(executor_, where_);
    }

   private:
    friend class Sender;
    Attributes(Executor* executor, std::source_location where) noexcept : executor_(executor), where_(where) {}
    Executor* executor_;
    std::source_location where_;
  };
  /// What schedule() gives: a sender of nothing.
  class Sender {
   public:
    using sender_concept = execution_detail::SenderTag;
    using completion_signatures =
        execution_detail::ex::completion_signatures<execution_detail::ex::set_value_t(), execution_detail::ex::set_error_t(std::exception_ptr),
                                                    execution_detail::ex::set_stopped_t()>;
    template <class Self, class... Env>
    static consteval completion_signatures get_completion_signatures() noexcept {
      return {};
    }
    template <class Receiver>
    execution_detail::ScheduleOperation<Receiver> connect(Receiver receiver) const {
      return execution_detail::ScheduleOperation<Receiver>(executor_, where_, std::move(receiver));
    }
    Attributes get_env() const noexcept { return Attributes(executor_, where_); }

   private:
    friend class scheduler;
    Sender(Executor* executor, std::source_location where) noexcept : executor_(executor), where_(where) {}
    Executor* executor_;
    std::source_location where_;
  };

  /// A sender that completes on an M of the executor.
  Sender schedule() const noexcept { return Sender(executor_, where_); }
  execution_detail::ex::forward_progress_guarantee query(const execution_detail::ex::get_forward_progress_guarantee_t&) const noexcept {
    return execution_detail::ex::forward_progress_guarantee::parallel;
  }
  /// Where what it schedules goes.
  Executor& executor() const noexcept { return *executor_; }

  friend bool operator==(const scheduler& a, const scheduler& b) noexcept { return a.executor_ == b.executor_; }

 private:
  template <class Token>
  friend class execution_detail::Env;
  scheduler(Executor* executor, std::source_location where) noexcept : executor_(executor), where_(where) {}
  Executor* executor_;          // null in what a g sees that runs alone, in a test: of who starts it
  std::source_location where_;  // of its making: the gs are said to be created there
};

namespace execution_detail {

template <class T>
struct ValueSignature {
  using type = ex::set_value_t(T);
};
template <>
struct ValueSignature<void> {
  using type = ex::set_value_t();
};

template <class T>
class FromTask {
 public:
  using Value = T;
  explicit FromTask(Task<T>&& task) noexcept : task_(std::move(task)) {}

  template <class Token>
  class Work {
   public:
    explicit Work(FromTask&& from) noexcept : task_(std::move(from.task_)) {}
    Task<T>& begin(const Token&) noexcept { return task_; }
    void end() noexcept {}

   private:
    Task<T> task_;
  };

 private:
  Task<T> task_;
};

template <class F>
class FromFunction {
 public:
  using Value = typename std::invoke_result_t<F&, Context>::value_type;
  template <class G>
  explicit FromFunction(std::in_place_t, G&& f) : f_(std::forward<G>(f)) {}

  template <class Token>
  class Work {
    struct Cancel {
      CancelFunc cancel_;
      explicit Cancel(CancelFunc cancel) noexcept : cancel_(std::move(cancel)) {}
      void operator()() noexcept { cancel_(); }
    };

   public:
    explicit Work(FromFunction&& from) : f_(std::move(from.f_)) {}
    Task<Value>& begin(const Token& token) {
      auto [ctx, cancel] = with_cancel(background());
      callback_.emplace(token, Cancel(std::move(cancel)));
      task_ = std::invoke(f_, std::move(ctx));
      return task_;
    }
    /// No cancel() is under way after this.
    void end() noexcept { callback_.reset(); }

   private:
    F f_;  // outlives the coroutine that it makes
    Task<Value> task_;
    std::optional<typename Token::template callback_type<Cancel>> callback_;
  };

 private:
  F f_;
};

template <class From, class Receiver>
class TaskOperation : public Errand<Receiver> {
  using T = typename From::Value;
  using Token = std::remove_cvref_t<decltype(st::get_stop_token(ex::get_env(std::declval<const Receiver&>())))>;
  using Given = std::conditional_t<std::is_void_v<T>, std::monostate, std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;

 public:
  TaskOperation(Executor* executor, std::source_location where, From&& from, Receiver receiver)
      : Errand<Receiver>(executor, where, std::move(receiver)), work_(std::move(from)) {}
  void start() & noexcept { begin(*this, sched_for(this->executor_), this->where_); }
  void stopped() noexcept {
    work_.end();
    ex::set_stopped(std::move(this->receiver_));
  }

  // What the Task's frame held is gone when the receiver hears of its end; only this frame is left, which has nothing.
  static Task<> body(Turn<TaskOperation> turn) {
    TaskOperation& self = turn.operation();
    std::optional<Given> given;
    std::exception_ptr thrown;
    if (!stop_requested(self.receiver_)) {
      try {
        Task<T>& task = self.work_.begin(st::get_stop_token(ex::get_env(self.receiver_)));
        if constexpr (std::is_void_v<T>) {
          co_await task;
          given.emplace();
        } else if constexpr (std::is_reference_v<T>) {
          given.emplace(std::addressof(co_await task));
        } else {
          given.emplace(co_await task);
        }
      } catch (const std::system_error& error) {
        if (error.code() != make_error_code(errc::canceled)) thrown = std::current_exception();
      } catch (...) {
        thrown = std::current_exception();
      }
    }
    turn.take();
    self.work_.end();
    if (thrown)
      self.failed(std::move(thrown));
    else if (!given.has_value())
      self.stopped();
    else if constexpr (std::is_void_v<T>)
      ex::set_value(std::move(self.receiver_));
    else if constexpr (std::is_reference_v<T>)
      ex::set_value(std::move(self.receiver_), static_cast<T>(**given));
    else
      ex::set_value(std::move(self.receiver_), std::move(*given));
  }

 private:
  typename From::template Work<Token> work_;
};

class NoAttributes {};

template <class From>
class [[nodiscard("a sender does nothing until it is started")]] TaskSender {
 public:
  using sender_concept = SenderTag;
  using completion_signatures =
      ex::completion_signatures<typename ValueSignature<typename From::Value>::type, ex::set_error_t(std::exception_ptr), ex::set_stopped_t()>;
  template <class Self, class... Env>
  static consteval completion_signatures get_completion_signatures() noexcept {
    return {};
  }

  TaskSender(Executor* executor, std::source_location where, From from) : executor_(executor), where_(where), from_(std::move(from)) {}

  template <class Receiver>
  TaskOperation<From, Receiver> connect(Receiver receiver) && {
    return TaskOperation<From, Receiver>(executor_, where_, std::move(from_), std::move(receiver));
  }
  NoAttributes get_env() const noexcept { return {}; }

 private:
  Executor* executor_;
  std::source_location where_;
  From from_;
};

template <class F>
concept TaskOfContext = std::invocable<std::decay_t<F>&, Context> && detail::is_task<std::remove_cvref_t<std::invoke_result_t<std::decay_t<F>&, Context>>>;

}  // namespace execution_detail

/// A Task as a sender: started, it makes a g of `executor` for it, or, without that, one of the executor whose g starts it, else of default_executor().
/// It completes on an M, on that g, when the Task's frame is gone: with what it returned; with set_error(std::exception_ptr) of what it threw; with
/// set_stopped if that was std::system_error of errc::canceled, if a stop was requested before it began, or if its executor stops before its end: then
/// on the thread that stops it, once what the Task held is destroyed. Moved into connect(), and started once.
///
///     auto [sum] = stdexec::sync_wait(stdexec::when_all(gmp::as_sender(ex, count(a)), gmp::as_sender(ex, count(b))) | stdexec::then(std::plus<>())).value();
///
/// A Task that runs is not interrupted by its receiver's stop token. For that give, in its place, a function that takes a Context and returns
/// a Task: as_sender(ex, f) calls f on the g, with a Context that is cancelled when a stop is requested.
template <class T>
auto as_sender(Executor& executor, Task<T> task, std::source_location where = std::source_location::current()) {
  if (!task) detail::throw_empty_task();
  return execution_detail::TaskSender<execution_detail::FromTask<T>>(&executor, where, execution_detail::FromTask<T>(std::move(task)));
}
template <class T>
auto as_sender(Task<T> task, std::source_location where = std::source_location::current()) {
  if (!task) detail::throw_empty_task();
  return execution_detail::TaskSender<execution_detail::FromTask<T>>(nullptr, where, execution_detail::FromTask<T>(std::move(task)));
}
template <execution_detail::TaskOfContext F>
auto as_sender(Executor& executor, F&& f, std::source_location where = std::source_location::current()) {
  using From = execution_detail::FromFunction<std::decay_t<F>>;
  return execution_detail::TaskSender<From>(&executor, where, From(std::in_place, std::forward<F>(f)));
}
template <execution_detail::TaskOfContext F>
auto as_sender(F&& f, std::source_location where = std::source_location::current()) {
  using From = execution_detail::FromFunction<std::decay_t<F>>;
  return execution_detail::TaskSender<From>(nullptr, where, From(std::in_place, std::forward<F>(f)));
}

namespace execution_detail {

/// Where a g and the operation that it awaits meet. The operation lies in the awaiter, so the g goes on when all who may touch it are through.
//   EX4  open_ counts those: the operation, until it completes; who may ask it to stop, while he may. The last one resumes the g.      [SENDER]
class Meeting : detail::Immovable {
 public:
  void join() noexcept { open_.fetch_add(1, detail::relaxed); }  // by the g, before the operation starts
  /// By any but the g, as its last touch of the awaiter.
  void leave() noexcept {
    if (open_.fetch_sub(1, detail::acq_rel) == 1) wait_.resume();  // [SENDER]
  }
  void expect(detail::G* gp) noexcept { wait_.g_ = gp; }  // before the operation starts
  /// By the g. False: the others are through. True: it is parked, and nothing may be touched.
  bool park(detail::FrameLink& leaf) noexcept { return wait_.park(leaf); }

 private:
  detail::ForeignWait wait_;
  detail::Atomic<std::uint32_t> open_{1};
};

/// Who may ask an awaited operation to stop: nobody.
class Unasked {
 public:
  using Token = st::never_stop_token;
  Token token() const noexcept { return {}; }
  void over() noexcept {}
};

/// The same: the end of a context, by a g of its own, since what a stop request calls may take its time; and the stop of this executor, which destroys
/// that g unbegun.
class AskedByContext {
  class Request {
   public:
    Request(AskedByContext* asked, Meeting* meeting) noexcept : asked_(asked), meeting_(meeting) { meeting->join(); }
    Request(Request&& other) noexcept : asked_(other.asked_), meeting_(std::exchange(other.meeting_, nullptr)) {}
    Request& operator=(Request&&) = delete;
    ~Request() {
      if (meeting_ == nullptr) return;
      asked_->source_.request_stop();  // it has been, or its g will not run; of what is over it stops nothing
      meeting_->leave();
    }
    void operator()() const { asked_->source_.request_stop(); }

   private:
    AskedByContext* asked_;
    Meeting* meeting_;
  };

 public:
  using Token = st::inplace_stop_token;
  explicit AskedByContext(Context context) noexcept : context_(std::move(context)) {}
  Token token() const noexcept { return source_.get_token(); }
  const Context& context() const noexcept { return context_; }
  /// By the g, before the operation starts.
  void follow(Meeting& meeting) {
    if (detail::ContextAccess::ref(context_).cancel_node() != nullptr) after_ = after_func(context_, Request(this, &meeting));
  }
  /// The operation has completed, and not left yet.
  void over() noexcept { after_.stop(); }

 private:
  Context context_;
  st::inplace_stop_source source_;
  AfterFunc after_;
};

template <class Token>
class Env {
 public:
  Env(Executor* executor, Token token) noexcept : executor_(executor), token_(token) {}
  Token query(const st::get_stop_token_t&) const noexcept { return token_; }
  scheduler query(const ex::get_scheduler_t&) const noexcept { return scheduler(executor_, std::source_location::current()); }

 private:
  Executor* executor_;
  Token token_;
};

template <class... V>
struct Values {
  using Tuple = std::tuple<std::decay_t<V>...>;
};
template <class... Ways>
struct OnlyWay {
  static_assert(sizeof...(Ways) < 2, "co_await sender: it may give values in more than one way; see into_variant()");
  using Tuple = std::tuple<>;
};
template <class Way>
struct OnlyWay<Way> {
  using Tuple = typename Way::Tuple;
};
template <class Tuple>
struct GivenBy {
  using type = Tuple;
};
template <>
struct GivenBy<std::tuple<>> {
  using type = void;
};
template <class V>
struct GivenBy<std::tuple<V>> {
  using type = V;
};

/// What an awaiter and its receiver share.
template <class Tuple, class Asked>
class Awaited : public Meeting {
 public:
  class Receiver {
   public:
    using receiver_concept = ReceiverTag;
    explicit Receiver(Awaited* awaited) noexcept : awaited_(awaited) {}
    template <class... V>
      requires std::constructible_from<Tuple, V...>
    void set_value(V&&... values) noexcept {
      try {
        awaited_->outcome_.template emplace<Tuple>(std::forward<V>(values)...);
      } catch (...) {
        awaited_->outcome_.template emplace<std::exception_ptr>(std::current_exception());
      }
      awaited_->complete();
    }
    template <class E>
    void set_error(E&& error) noexcept {
      awaited_->outcome_.template emplace<std::exception_ptr>(detail::pointer_to(std::forward<E>(error)));
      awaited_->complete();
    }
    void set_stopped() noexcept { awaited_->complete(); }
    Env<typename Asked::Token> get_env() const noexcept { return {awaited_->executor_, awaited_->asked_.token()}; }

   private:
    Awaited* awaited_;
  };

 protected:
  template <class... A>
  explicit Awaited(A&&... asked) : asked_(std::forward<A>(asked)...), executor_(Executor::current()) {}

  using Given = typename GivenBy<Tuple>::type;
  bool was_stopped() const noexcept { return std::holds_alternative<std::monostate>(outcome_); }
  /// Not after a stop.
  Given give() {
    if (auto* failed = std::get_if<std::exception_ptr>(&outcome_)) std::rethrow_exception(std::move(*failed));
    if constexpr (std::is_void_v<Given>)
      return;
    else if constexpr (std::tuple_size_v<Tuple> == 1)
      return std::get<0>(std::move(std::get<Tuple>(outcome_)));
    else
      return std::get<Tuple>(std::move(outcome_));
  }

  Asked asked_;

 private:
  void complete() noexcept {
    asked_.over();
    leave();
  }
  Executor* executor_;
  std::variant<std::monostate, Tuple, std::exception_ptr> outcome_;  // nothing: stopped. Written by who completes, read after EX4
};

template <class A, class Asked>
using AwaitedFor = Awaited<typename ex::value_types_of_t<A, Env<typename Asked::Token>, Values, OnlyWay>::Tuple, Asked>;

/// g++ before 13 destroys such a temporary twice inside a co_await expression.
template <class A>
inline constexpr bool survives_co_await =
    !GMPCORO_GCC12_TEMPORARIES || std::is_lvalue_reference_v<A> || !std::is_aggregate_v<std::remove_cvref_t<A>> ||
    std::is_trivially_destructible_v<std::remove_cvref_t<A>>;

// A: as it was awaited, a reference or not. The operation state lies here, in the g's frame; nothing is allocated.
template <class A>
class SenderAwaiter : public AwaitedFor<A, Unasked>, public detail::OperationAwaiter<SenderAwaiter<A>> {
  using Base = AwaitedFor<A, Unasked>;
  using Receiver = typename Base::Receiver;
  static_assert(survives_co_await<A>, "g++ before 13 destroys temporary aggregates twice inside co_await: name the sender first, and await std::move(it)");

 public:
  SenderAwaiter(detail::G* gp, A&& sender)
      : detail::OperationAwaiter<SenderAwaiter>(gp), operation_(ex::connect(std::forward<A>(sender), Receiver(this))) {}
  bool await_ready() const noexcept { return false; }
  bool suspend(detail::FrameLink& leaf) {
    detail::G* gp = this->g_;
    this->expect(gp);
    ex::start(operation_);
    return this->park(leaf) || detail::give_way(gp, leaf);
  }
  typename Base::Given await_resume() {
    if (this->was_stopped()) throw std::system_error(make_error_code(errc::canceled));
    return this->give();
  }

 private:
  ex::connect_result_t<A, Receiver> operation_;
};

template <class S>
class [[nodiscard("co_await it")]] UntilSender {
 public:
  class Awaiter;
  using operation_tag = void;
  template <class A>
  UntilSender(Context context, A&& sender) : context_(std::move(context)), sender_(std::forward<A>(sender)) {}

 private:
  Context context_;
  S sender_;
};

template <class S>
class UntilSender<S>::Awaiter : public AwaitedFor<S, AskedByContext>, public detail::OperationAwaiter<Awaiter> {
  using Base = AwaitedFor<S, AskedByContext>;
  using Receiver = typename Base::Receiver;
  using R = typename detail::GivenUp<typename Base::Given>::type;

 public:
  Awaiter(detail::G* gp, UntilSender&& op)
      : Base(std::move(op.context_)), detail::OperationAwaiter<Awaiter>(gp), operation_(ex::connect(std::move(op.sender_), Receiver(this))) {}
  bool await_ready() const noexcept { return false; }
  bool suspend(detail::FrameLink& leaf) {
    detail::G* gp = this->g_;
    if (this->asked_.context().err()) return detail::give_way(gp, leaf);  // not begun, which is as good as stopped
    this->expect(gp);
    this->asked_.follow(*this);
    ex::start(operation_);
    return this->park(leaf) || detail::give_way(gp, leaf);
  }
  R await_resume() {
    if (this->was_stopped()) {
      const std::error_code why = this->asked_.context().err();
      return R(why ? why : make_error_code(errc::canceled));
    }
    if constexpr (std::is_void_v<typename Base::Given>) {
      this->give();
      return {};
    } else {
      return R(this->give());
    }
  }

 private:
  ex::connect_result_t<S, Receiver> operation_;
};

/// What a coroutine can await by itself; such senders are awaited so.
template <class T>
concept PlainlyAwaitable = requires(T&& t) { std::forward<T>(t).operator co_await(); } || requires(T&& t) { operator co_await(std::forward<T>(t)); } ||
                           requires(T&& t) { t.await_ready(); };

template <class T>
concept AwaitedSender = !PlainlyAwaitable<T> && ex::sender<T>;

}  // namespace execution_detail

/// `auto [v, err] = co_await until(ctx, sender);` awaits it as `co_await sender` does, and requests it to stop when ctx is done; or when the executor of
/// this g stops, unless ctx is one that never is. It ends when the sender has completed, whatever that takes: with its values, or its error, thrown; if
/// it stopped, err is ctx.err(), or errc::canceled if that is empty. What gives nothing gives std::error_code. A ctx that is done already: the sender is
/// not started. The request is made by a g of its own, whose frame is allocated when the sender starts.
template <class S>
  requires(!detail::Operation<S> && execution_detail::AwaitedSender<std::remove_cvref_t<S>>)
auto until(Context ctx, S&& sender) {
  return execution_detail::UntilSender<std::remove_cvref_t<S>>(std::move(ctx), std::forward<S>(sender));
}

}  // namespace GMPCORO_EXECUTION_WHICH

namespace detail {

/// `T value = co_await sender;`, on a g, starts it, parks until it has completed, and gives what it gave: nothing, a value, or a std::tuple of several. An
/// error is thrown: an exception_ptr rethrown, a std::error_code as std::system_error, another as itself; if it was stopped: std::system_error of
/// errc::canceled. The g goes on on its own executor, whatever thread completes the sender; a sender that completes at once does not park it. Nothing is
/// allocated. The sender sees, by get_scheduler, a scheduler of the g's executor; and a stop token only under until(ctx, sender).
///
/// The operation lies in the g's frame, which cannot be destroyed before it ends: a stop of the executor gives it Options::stop_grace, then leaves the
/// g, and names it; what ends after that finds nobody. So see to it that it ends; an operation that is another g's of the same executor does.
template <class A>
  requires GMPCORO_EXECUTION_WHICH::execution_detail::AwaitedSender<std::remove_cvref_t<A>>
struct AwaitedAs<A> {
  using Awaiter = GMPCORO_EXECUTION_WHICH::execution_detail::SenderAwaiter<A>;
};

}  // namespace detail
}  // namespace gmp

#undef GMPCORO_EXECUTION
#undef GMPCORO_EXECUTION_STOP
#undef GMPCORO_EXECUTION_WHICH
#undef GMPCORO_EXECUTION_ADAPTOR
#endif  // GMPCORO_EXECUTION
