// tests/interop/execution_test.cpp — senders on our Ms, Tasks as senders, senders that a g awaits; against stdexec, or where that is absent its double.
// Go: none.  Room: tests/interop.
#include "gmp/interop/execution.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <deque>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/memory.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"
#include "support/thrown.hpp"
#include "support/waiting.hpp"
#ifndef GMPCORO_TEST_SANITIZED
#include "support/replaced_new.hpp"

namespace gmp::execution_test {
namespace {

constinit std::atomic<long> allocations{0};       // of the threads that are counted
constinit thread_local bool counted = false;
constinit thread_local int succeed_before_one = -1;  // of this thread's allocations so many succeed before one that fails; -1: all do

}  // namespace
}  // namespace gmp::execution_test

void* gmp::test::allocate(std::size_t size, std::size_t alignment) noexcept {
  if (execution_test::counted) execution_test::allocations.fetch_add(1, std::memory_order_relaxed);
  if (execution_test::succeed_before_one >= 0 && execution_test::succeed_before_one-- == 0) return nullptr;
  return take_memory(size, alignment);
}
void gmp::test::release(void* memory) noexcept { std::free(memory); }
#endif

namespace gmp::execution_test {
namespace {

using namespace std::chrono_literals;
namespace ex = ::stdexec;
namespace tags = gmp::execution_detail;
using detail::WaitReason;

// How many Ps an executor has here: what $GMPMAXPROCS says.
constexpr int procs_of_environment = 0;

/// How an operation came out.
struct Outcome {
  std::string what;  // "value", "error", "stopped"
  std::thread::id thread;
  Executor* executor = nullptr;
};

template <class Token = ex::never_stop_token>
class Recorder {
 public:
  using receiver_concept = tags::ReceiverTag;
  struct Env {
    Token token_;
    Token query(const ex::get_stop_token_t&) const noexcept { return token_; }
  };
  explicit Recorder(std::promise<Outcome>& told, Token token = {}) noexcept : told_(&told), token_(token) {}
  template <class... V>
  void set_value(V&&...) noexcept {
    tell("value");
  }
  void set_error(const std::exception_ptr&) noexcept { tell("error"); }
  void set_stopped() noexcept { tell("stopped"); }
  Env get_env() const noexcept { return {token_}; }

 private:
  void tell(const char* what) noexcept { told_->set_value(Outcome{what, std::this_thread::get_id(), Executor::current()}); }  // a second time would throw
  std::promise<Outcome>* told_;
  Token token_;
};

template <class S, class Token = ex::never_stop_token>
Outcome outcome_of(S sender, Token token = {}) {
  std::promise<Outcome> told;
  auto operation = ex::connect(std::move(sender), Recorder<Token>(told, token));
  ex::start(operation);
  return told.get_future().get();
}

template <class S, class R>
struct Operation {
  Operation(S sender, R receiver) : state_(ex::connect(std::move(sender), std::move(receiver))) {}
  void start() noexcept { ex::start(state_); }
  ex::connect_result_t<S, R> state_;
};

/// Where operations lie until somebody completes them, or asks them to stop.
class Desk {
 public:
  class Item {
   public:
    virtual void complete(int value) noexcept = 0;

   protected:
    ~Item() = default;
  };
  /// Lays it down; then says so, before anybody can take it.
  template <class F>
  void put(Item* item, F&& laid) {
    std::lock_guard lock(mu_);
    items_.push_back(item);
    laid();
  }
  /// False: it is not there any more.
  bool take(Item* item) {
    std::lock_guard lock(mu_);
    return std::erase(items_, item) != 0;
  }
  /// Completes the oldest one. False: there is none.
  bool complete_one(int value) {
    Item* item = nullptr;
    {
      std::lock_guard lock(mu_);
      if (items_.empty()) return false;
      item = items_.front();
      items_.erase(items_.begin());
    }
    item->complete(value);
    return true;
  }

 private:
  std::recursive_mutex mu_;
  std::vector<Item*> items_;
};

/// Gives the number that somebody brings to the desk; a stop request completes it with set_stopped.
class FromDesk {
  template <class R>
  class Operation final : Desk::Item {
    struct Stop {
      Operation* op_;
      void operator()() noexcept {
        if (!op_->desk_->take(op_)) return;
        if (op_->laying_)
          op_->stopped_ = true;  // start() goes on from there
        else
          op_->stop();
      }
    };
    using Token = std::remove_cvref_t<decltype(ex::get_stop_token(ex::get_env(std::declval<const R&>())))>;

   public:
    using operation_state_concept = tags::OperationTag;
    Operation(Desk* desk, R receiver) : desk_(desk), receiver_(std::move(receiver)) {}
    Operation(Operation&&) = delete;
    void start() & noexcept {
      bool stopped = false;
      desk_->put(this, [&] {
        callback_.emplace(ex::get_stop_token(ex::get_env(receiver_)), Stop{this});
        laying_ = false;
        stopped = stopped_;
      });
      if (stopped) stop();
    }

   private:
    void complete(int value) noexcept override {
      callback_.reset();
      ex::set_value(std::move(receiver_), int{value});
    }
    void stop() noexcept {
      callback_.reset();
      ex::set_stopped(std::move(receiver_));
    }
    Desk* desk_;
    R receiver_;
    bool laying_ = true;    // under the desk's lock, both
    bool stopped_ = false;
    std::optional<typename Token::template callback_type<Stop>> callback_;
  };

 public:
  using sender_concept = tags::SenderTag;
  using completion_signatures = ex::completion_signatures<ex::set_value_t(int), ex::set_stopped_t()>;
  template <class Self, class... Env>
  static consteval completion_signatures get_completion_signatures() noexcept {
    return {};
  }
  explicit FromDesk(Desk& desk) noexcept : desk_(&desk) {}
  template <class R>
  Operation<R> connect(R receiver) const {
    return Operation<R>(desk_, std::move(receiver));
  }

 private:
  Desk* desk_;
};

/// Brings numbers to a desk from a thread of its own, until the end of the scope.
class Clerk {
 public:
  explicit Clerk(Desk& desk, int first = 0) : thread_([this, &desk, first] {
    for (int n = first; !over_;) {
      if (desk.complete_one(n))
        ++n;
      else
        std::this_thread::yield();
    }
  }) {}
  ~Clerk() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

/// Completes before start() returns, and counts how often it was started.
class AtOnce {
  template <class R>
  class Operation {
   public:
    using operation_state_concept = tags::OperationTag;
    Operation(int* starts, R receiver) : starts_(starts), receiver_(std::move(receiver)) {}
    Operation(Operation&&) = delete;
    void start() & noexcept {
      ++*starts_;
      ex::set_value(std::move(receiver_));
    }

   private:
    int* starts_;
    R receiver_;
  };

 public:
  using sender_concept = tags::SenderTag;
  using completion_signatures = ex::completion_signatures<ex::set_value_t()>;
  template <class Self, class... Env>
  static consteval completion_signatures get_completion_signatures() noexcept {
    return {};
  }
  explicit AtOnce(int& starts) noexcept : starts_(&starts) {}
  template <class R>
  Operation<R> connect(R receiver) const {
    return Operation<R>(starts_, std::move(receiver));
  }

 private:
  int* starts_;
};

// ---- the scheduler

static_assert(ex::scheduler<gmp::scheduler>);
static_assert(ex::sender<decltype(ex::schedule(std::declval<gmp::scheduler&>()))>);
static_assert(ex::sender_to<decltype(ex::schedule(std::declval<gmp::scheduler&>())), Recorder<>>);
static_assert(std::is_nothrow_copy_constructible_v<gmp::scheduler>);
using SenderOfTask = decltype(gmp::as_sender(std::declval<Executor&>(), std::declval<Task<std::unique_ptr<int>>>()));
static_assert(ex::sender<SenderOfTask> && !std::copy_constructible<SenderOfTask>);
static_assert(ex::sender_to<SenderOfTask, Recorder<ex::inplace_stop_token>>);

TEST(Execution, WhatIsScheduledRunsOnAnM) {
  Executor on({.procs = procs_of_environment});
  const Outcome outcome = outcome_of(ex::schedule(gmp::scheduler(on)));
  EXPECT_EQ(outcome.what, "value");
  EXPECT_NE(outcome.thread, std::this_thread::get_id());
  EXPECT_EQ(outcome.executor, &on);

  const auto [name] = ex::sync_wait(ex::then(ex::schedule(gmp::scheduler(on)), [] { return std::string("ran"); })).value();
  EXPECT_EQ(name, "ran");
}

TEST(Execution, SchedulersOfOneExecutorAreEqual) {
  Executor a({.procs = 1});
  Executor b({.procs = 1});
  const gmp::scheduler of_a(a);
  EXPECT_TRUE(of_a == gmp::scheduler(a));
  EXPECT_FALSE(of_a == gmp::scheduler(b));
  EXPECT_EQ(&of_a.executor(), &a);
  EXPECT_TRUE(ex::get_completion_scheduler<ex::set_value_t>(ex::get_env(ex::schedule(of_a))) == of_a);
  EXPECT_TRUE(ex::get_forward_progress_guarantee(of_a) == ex::forward_progress_guarantee::parallel);
}

TEST(Execution, ValuesAreCarriedOverToAnM) {
  Executor on({.procs = procs_of_environment});
  auto there = ex::then(ex::continues_on(ex::just(20, std::string("and one")), gmp::scheduler(on)),
                        [](int value, const std::string& word) { return std::to_string(value) + " " + word + (Executor::current() != nullptr ? " on a g" : ""); });
  const auto [text] = ex::sync_wait(std::move(there)).value();
  EXPECT_EQ(text, "20 and one on a g");
}

TEST(Execution, AStopThatWasRequestedIsSeenWhenItsTurnComes) {
  Executor on({.procs = procs_of_environment});
  ex::inplace_stop_source source;
  source.request_stop();
  const Outcome outcome = outcome_of(ex::schedule(gmp::scheduler(on)), source.get_token());
  EXPECT_EQ(outcome.what, "stopped");
  EXPECT_EQ(outcome.executor, &on);
}

TEST(Execution, AStoppedExecutorStops) {
  Executor on({.procs = procs_of_environment});
  on.stop();
  const Outcome scheduled = outcome_of(ex::schedule(gmp::scheduler(on)));
  EXPECT_EQ(scheduled.what, "stopped");
  EXPECT_EQ(scheduled.thread, std::this_thread::get_id());
  bool ran = false;
  auto runs = [&]() -> Task<> {
    ran = true;
    co_return;
  };
  EXPECT_EQ(outcome_of(as_sender(on, runs())).what, "stopped");
  EXPECT_FALSE(ran);
}

#ifndef GMPCORO_TEST_SANITIZED
TEST(Execution, WithoutMemoryThereIsAnError) {
  Executor on({.procs = procs_of_environment});
  // Each P has an M, so nobody has to start one, which would wait for memory, and get it.
  std::atomic<int> running{0};
  on.run([&]() -> Task<> {
    const auto meet = [&] {
      ++running;
      while (running < on.procs()) std::this_thread::yield();
    };
    std::vector<JoinHandle<void>> others;
    for (int i = 1; i < on.procs(); ++i) others.push_back(spawn(meet));
    meet();
    for (auto& other : others) co_await other;
  });
  EXPECT_EQ(outcome_of(ex::schedule(gmp::scheduler(on))).what, "value");
  int ran = 0;
  const auto runs = [](int& times) -> Task<> {
    ++times;
    co_return;
  };
  const auto start_without = [](auto& operation, int before) {
    succeed_before_one = before;
    operation.start();
    return std::exchange(succeed_before_one, -1) < 0;
  };
  bool failed = true;
  for (int before = 0; failed; ++before) {
    std::promise<Outcome> scheduled;
    Operation turn(ex::schedule(gmp::scheduler(on)), Recorder<>(scheduled));
    failed = start_without(turn, before);
    EXPECT_EQ(scheduled.get_future().get().what, failed ? "error" : "value");
    std::promise<Outcome> of_task;
    const int ran_before = ran;
    Operation task(as_sender(on, runs(ran)), Recorder<>(of_task));
    const bool task_failed = start_without(task, before);
    EXPECT_EQ(of_task.get_future().get().what, task_failed ? "error" : "value");
    EXPECT_EQ(ran, ran_before + !task_failed);
  }
}
#endif

// Each operation completes, once, while its executor stops beside those who start it.
TEST(Execution, WhatIsScheduledAroundAStopCompletesOnce) {
  for (std::int64_t round = test::scaled(200, 10); round > 0; --round) {
    Executor on({.procs = procs_of_environment});
    constexpr std::size_t each = 20;
    std::array<std::promise<Outcome>, 3 * each> told;
    using Scheduled = Operation<decltype(ex::schedule(gmp::scheduler(on))), Recorder<>>;
    std::deque<Scheduled> operations;
    for (auto& to : told) operations.emplace_back(ex::schedule(gmp::scheduler(on)), Recorder<>(to));
    std::promise<void> begun;
    std::thread other([&] {
      begun.set_value();
      for (std::size_t i = 0; i < each; ++i) operations[i].start();
    });
    begun.get_future().get();
    std::promise<void> begun_on_g;
    on.go([&] {
      begun_on_g.set_value();
      for (std::size_t i = each; i < 2 * each; ++i) operations[i].start();
    });
    begun_on_g.get_future().get();
    for (std::size_t i = 2 * each; i < 3 * each; ++i) operations[i].start();
    on.stop();
    other.join();
    for (auto& to : told) {
      const Outcome outcome = to.get_future().get();
      EXPECT_TRUE(outcome.what == "value" || outcome.what == "stopped") << outcome.what;
      EXPECT_EQ(outcome.what == "value", outcome.executor == &on);
    }
  }
}

// ---- Tasks as senders

/// Says when it is gone.
class Local {
 public:
  explicit Local(std::atomic<bool>& gone) noexcept : gone_(&gone) {}
  ~Local() { *gone_ = true; }
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;

 private:
  std::atomic<bool>* gone_;
};

TEST(Execution, ATaskIsASender) {
  Executor on({.procs = procs_of_environment});
  const auto number = [](int n) -> Task<int> {
    co_await yield();
    co_return n;
  };
  const auto [a, b] = ex::sync_wait(ex::when_all(as_sender(on, number(1)), as_sender(on, number(2)))).value();
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, 2);

  const auto nothing = []() -> Task<> { co_await yield(); };
  EXPECT_TRUE(ex::sync_wait(as_sender(on, nothing())).has_value());

  const auto owned = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  auto [pointer] = ex::sync_wait(as_sender(on, owned())).value();
  EXPECT_EQ(*pointer, 3);

  int there = 4;
  const auto reference = [](int& to) -> Task<int&> { co_return to; };
  const auto [same] = ex::sync_wait(ex::then(as_sender(on, reference(there)), [](int& to) { return &to; })).value();
  EXPECT_EQ(same, &there);
}

TEST(Execution, ATaskCompletesOnItsG) {
  Executor on({.procs = procs_of_environment});
  const auto where = []() -> Task<Executor*> { co_return Executor::current(); };
  const auto [task] = ex::sync_wait(as_sender(on, where())).value();
  EXPECT_EQ(task, &on);
  const Outcome outcome = outcome_of(as_sender(on, where()));
  EXPECT_EQ(outcome.what, "value");
  EXPECT_EQ(outcome.executor, &on);
}

TEST(Execution, WithoutAnExecutorATaskRunsWhereItIsStarted) {
  const auto where = []() -> Task<Executor*> { co_return Executor::current(); };
  const auto [off] = ex::sync_wait(as_sender(where())).value();
  EXPECT_EQ(off, &default_executor());
  Executor on({.procs = procs_of_environment});
  Executor* const inner = on.run([&]() -> Task<Executor*> { co_return co_await as_sender(where()); });
  EXPECT_EQ(inner, &on);
}

TEST(Execution, WhatATaskThrowsIsItsError) {
  Executor on({.procs = procs_of_environment});
  const auto fails = []() -> Task<int> {
    co_await yield();
    throw std::runtime_error("failed");
  };
  std::string why;
  try {
    ex::sync_wait(as_sender(on, fails()));
  } catch (const std::runtime_error& error) {
    why = error.what();
  }
  EXPECT_EQ(why, "failed");
}

TEST(Execution, ATaskThatEndsByCanceledIsStopped) {
  Executor on({.procs = procs_of_environment});
  const auto canceled = []() -> Task<> {
    auto [ctx, cancel] = with_cancel(background());
    cancel();
    auto [value, err] = co_await until(ctx, make_chan<int>().recv());
    throw std::system_error(err);
  };
  EXPECT_FALSE(ex::sync_wait(as_sender(on, canceled())).has_value());
}

TEST(Execution, ATaskWhoseStopWasRequestedIsNotBegun) {
  Executor on({.procs = procs_of_environment});
  ex::inplace_stop_source source;
  source.request_stop();
  bool ran = false;
  const auto runs = [&]() -> Task<> {
    ran = true;
    co_return;
  };
  EXPECT_EQ(outcome_of(as_sender(on, runs()), source.get_token()).what, "stopped");
  EXPECT_FALSE(ran);
}

TEST(Execution, AnEmptyTaskIsRefused) {
  Executor on({.procs = 1});
  EXPECT_THROW(static_cast<void>(as_sender(on, Task<int>())), std::invalid_argument);
}

TEST(Execution, TheTasksFrameIsGoneWhenItCompletes) {
  Executor on({.procs = procs_of_environment});
  std::atomic<bool> gone{false};
  const auto holds = [](std::atomic<bool>& when) -> Task<> {
    const Local local(when);
    co_await yield();
  };
  const auto [was_gone] = ex::sync_wait(ex::then(as_sender(on, holds(gone)), [&] { return gone.load(); })).value();
  EXPECT_TRUE(was_gone);
}

TEST(Execution, ATaskOfAStoppedExecutorIsStopped) {
  Executor on({.procs = procs_of_environment});
  std::atomic<bool> gone{false};
  std::promise<void> begun;
  const auto waits = [&]() -> Task<int> {
    const Local local(gone);
    begun.set_value();
    co_return (co_await make_chan<int>().recv()).value();
  };
  std::promise<Outcome> told;
  Operation operation(as_sender(on, waits()), Recorder<>(told));
  operation.start();
  begun.get_future().get();
  on.stop();
  const Outcome outcome = told.get_future().get();
  EXPECT_EQ(outcome.what, "stopped");
  EXPECT_EQ(outcome.thread, std::this_thread::get_id());
  EXPECT_TRUE(gone);
}

TEST(Execution, AStopCancelsTheContextOfATask) {
  Executor on({.procs = procs_of_environment});
  std::promise<void> begun;
  std::error_code why;
  const auto waits = [&](Context ctx) -> Task<int> {
    begun.set_value();
    auto [value, err] = co_await until(ctx, make_chan<int>().recv());
    why = err;
    if (err) throw std::system_error(err);
    co_return *value;
  };
  ex::inplace_stop_source source;
  std::promise<Outcome> told;
  Operation operation(as_sender(on, waits), Recorder<ex::inplace_stop_token>(told, source.get_token()));
  operation.start();
  begun.get_future().get();
  source.request_stop();
  EXPECT_EQ(told.get_future().get().what, "stopped");
  EXPECT_TRUE(why == errc::canceled);
}

TEST(Execution, WhatTheFunctionHoldsOutlivesItsTask) {
  Executor on({.procs = procs_of_environment});
  const std::string word(100, 'w');
  const auto [same] = ex::sync_wait(as_sender(on, [word](Context) -> Task<std::string> {
                        co_await yield();
                        co_return word;
                      })).value();
  EXPECT_EQ(same, word);
}

TEST(Execution, OneTasksFailureCancelsItsSiblings) {
  Executor on({.procs = procs_of_environment});
  const auto waits = [](Context ctx) -> Task<> {
    const std::error_code err = co_await until(ctx, gmp::sleep(1h));
    if (err) throw std::system_error(err);
  };
  const auto fails = []() -> Task<> {
    co_await yield();
    throw std::runtime_error("failed");
  };
  std::string why;
  try {
    ex::sync_wait(ex::when_all(as_sender(on, waits), as_sender(on, fails()), as_sender(on, waits)));
  } catch (const std::runtime_error& error) {
    why = error.what();
  }
  EXPECT_EQ(why, "failed");
}

// ---- senders on a g

TEST(Execution, AGAwaitsWhatASenderGives) {
  Executor on({.procs = procs_of_environment});
  on.run([]() -> Task<> {
    co_await ex::just();
    const int one = co_await ex::just(1);
    EXPECT_EQ(one, 1);
    const auto [number, word] = co_await ex::just(2, std::string("two"));
    EXPECT_EQ(number, 2);
    EXPECT_EQ(word, "two");
    auto owned = ex::just(std::make_unique<int>(3));
    const std::unique_ptr<int> pointer = co_await std::move(owned);
    EXPECT_EQ(*pointer, 3);
    const auto again = ex::just(std::string("four"));
    const std::string first = co_await again;  // an lvalue is copied
    const std::string second = co_await again;
    EXPECT_EQ(first + second, "fourfour");
  });
}

template <class S>
Task<std::exception_ptr> thrown_by(S sender) {
  std::exception_ptr thrown;
  try {
    co_await std::move(sender);
  } catch (...) {
    thrown = std::current_exception();
  }
  co_return thrown;
}

TEST(Execution, ErrorsAreThrown) {
  Executor on({.procs = procs_of_environment});
  on.run([]() -> Task<> {
    const std::exception_ptr rethrown = co_await thrown_by(ex::just_error(std::make_exception_ptr(std::runtime_error("as it was"))));
    EXPECT_EQ(test::text_of(rethrown), "as it was");
    const std::exception_ptr coded = co_await thrown_by(ex::just_error(std::make_error_code(std::errc::broken_pipe)));
    try {
      std::rethrow_exception(coded);
    } catch (const std::system_error& error) {
      EXPECT_TRUE(error.code() == std::errc::broken_pipe);
    }
    const std::exception_ptr other = co_await thrown_by(ex::just_error(7));
    try {
      std::rethrow_exception(other);
    } catch (int number) {
      EXPECT_EQ(number, 7);
    }
    auto throws = ex::then(ex::just(), [] { throw std::logic_error("of then"); });
    const std::exception_ptr of_then = co_await thrown_by(std::move(throws));
    EXPECT_EQ(test::text_of(of_then), "of then");
  });
}

TEST(Execution, AStoppedSenderIsCanceled) {
  Executor on({.procs = procs_of_environment});
  on.run([]() -> Task<> {
    const std::exception_ptr thrown = co_await thrown_by(ex::just_stopped());
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
      EXPECT_TRUE(error.code() == errc::canceled);
    }
  });
}

TEST(Execution, AGGoesOnOnItsOwnExecutor) {
  Executor on({.procs = procs_of_environment});
  Executor other({.procs = 1});
  Desk desk;
  const Clerk clerk(desk);
  on.run([&]() -> Task<> {
    for (int i = 0; i < 100; ++i) {
      auto there = ex::then(ex::schedule(gmp::scheduler(other)), [] { return Executor::current(); });
      Executor* const where = co_await std::move(there);
      EXPECT_EQ(where, &other);
      EXPECT_EQ(Executor::current(), &on);
      co_await FromDesk(desk);
      EXPECT_EQ(Executor::current(), &on);
    }
  });
}

TEST(Execution, ASenderSeesTheExecutorOfItsG) {
  Executor on({.procs = procs_of_environment});
  on.run([&]() -> Task<> {
    const gmp::scheduler here = co_await ex::read_env(ex::get_scheduler);
    EXPECT_TRUE(here == gmp::scheduler(on));
    co_await ex::schedule(here);
  });
}

TEST(Execution, TheChildrenOfAllAwaitSenders) {
  Executor on({.procs = procs_of_environment});
  Desk desk;
  const Clerk clerk(desk, 1);
  on.run([&]() -> Task<> {
    const auto one = [](Desk& from) -> Task<int> { co_return co_await FromDesk(from); };
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 20; ++i) tasks.push_back(one(desk));
    const std::vector<int> numbers = co_await all(std::move(tasks));
    int sum = 0;
    for (const int number : numbers) sum += number;
    EXPECT_EQ(sum, 210);
  });
}

TEST(Execution, WhatCompletesAtOnceDoesNotPark) {
  Executor on({.procs = 1});
  on.run([]() -> Task<> {
    int starts = 0;
    std::atomic<bool> others_ran{false};
    constexpr int stretches = 100;
    int alone = 0;
    for (int stretch = 0; stretch < stretches; ++stretch) {
      others_ran = false;
      auto other = spawn([&] { others_ran = true; });
      for (int i = 0; i < 10; ++i) co_await AtOnce(starts);
      alone += !others_ran;  // it would have run, had this g parked
      co_await other;
    }
    EXPECT_GE(alone, stretches - 10);  // in a few this thread may have lost its CPU for a slice, and this g its P
    starts = 0;
    const std::int64_t rounds = test::scaled(1'000'000, 100'000);
    for (std::int64_t i = 0; i < rounds; ++i) co_await AtOnce(starts);
    EXPECT_EQ(starts, rounds);
    others_ran = false;
    auto other = spawn([&] { others_ran = true; });
    while (!others_ran) co_await AtOnce(starts);  // its slice ends
    co_await other;
  });
}

#ifndef GMPCORO_TEST_SANITIZED
TEST(Execution, AwaitingASenderAllocatesNothing) {
  Executor on({.procs = 1, .max_hogs = 0, .on_thread_start = [] { counted = true; }});  // another M would allocate what it needs once
  Desk desk;
  const Clerk clerk(desk);
  on.run([&]() -> Task<> {
    long before = 0;
    for (int i = 0; i < 300; ++i) {
      if (i == 100) before = allocations;
      co_await FromDesk(desk);
      co_await ex::just(i);
    }
    EXPECT_EQ(allocations - before, 0);
  });
}
#endif

// ---- giving up

TEST(Execution, UntilAsksASenderToStop) {
  Executor on({.procs = procs_of_environment});
  Desk desk;
  on.run([&]() -> Task<> {
    auto [ctx, cancel] = with_cancel(background());
    auto waits = spawn([&desk, within = ctx]() -> Task<std::error_code> {
      auto [value, err] = co_await until(within, FromDesk(desk));
      co_return err;
    });
    co_await test::until_waiting(WaitReason::foreign, 1);
    cancel();
    const std::error_code err = co_await waits;
    EXPECT_TRUE(err == errc::canceled);

    auto [late, cancel_late] = with_timeout(background(), 1ms);
    auto [value, why] = co_await until(late, FromDesk(desk));
    EXPECT_TRUE(why == errc::deadline_exceeded);
  });
}

TEST(Execution, UntilGivesWhatCame) {
  Executor on({.procs = procs_of_environment});
  on.run([]() -> Task<> {
    auto [ctx, cancel] = with_cancel(background());
    auto [value, err] = co_await until(ctx, ex::just(1));
    EXPECT_EQ(value, 1);
    EXPECT_FALSE(err);
    const std::error_code nothing = co_await until(ctx, ex::just());
    EXPECT_FALSE(nothing);
    auto [word, never] = co_await until(background(), ex::just(std::string("word")));
    EXPECT_EQ(word, "word");
    const std::error_code by_itself = co_await until(ctx, ex::just_stopped());
    EXPECT_TRUE(by_itself == errc::canceled);
    std::string thrown;
    try {
      static_cast<void>(co_await until(ctx, ex::just_error(std::make_exception_ptr(std::runtime_error("its own")))));
    } catch (const std::runtime_error& error) {
      thrown = error.what();
    }
    EXPECT_EQ(thrown, "its own");
  });
}

TEST(Execution, UntilDoesNotStartWhenItIsTooLate) {
  Executor on({.procs = procs_of_environment});
  on.run([]() -> Task<> {
    auto [ctx, cancel] = with_cancel(background());
    cancel();
    int starts = 0;
    const std::error_code err = co_await until(ctx, AtOnce(starts));
    EXPECT_TRUE(err == errc::canceled);
    EXPECT_EQ(starts, 0);
  });
}

// What is completed and what is given up, by turns and at the same time: nothing is lost, and nothing comes twice.
TEST(Execution, CompletionsAndStopsMeet) {
  Executor on({.procs = procs_of_environment});
  Desk desk;
  std::atomic<std::int64_t> values{0};
  std::atomic<std::int64_t> stops{0};
  const std::int64_t rounds = test::scaled(300, 50);
  constexpr int gs = 16;
  {
    const Clerk clerk(desk);
    on.run([&]() -> Task<> {
      WaitGroup wg;
      for (int i = 0; i < gs; ++i) {
        wg.go([&, seed = test::case_seed() + static_cast<std::uint64_t>(i)]() -> Task<> {
          std::minstd_rand random(static_cast<std::uint32_t>(seed));
          for (std::int64_t round = 0; round < rounds; ++round) {
            auto [ctx, cancel] = with_cancel(background());
            if (random() % 2 == 0) go([until_then = cancel] { until_then(); });
            auto [value, err] = co_await until(ctx, FromDesk(desk));
            err ? ++stops : ++values;
            EXPECT_TRUE(!err || err == errc::canceled);
            cancel();
          }
        });
      }
      co_await wg.wait();
    });
  }
  EXPECT_EQ(values + stops, gs * rounds);
}

// ---- an executor stops

// It ends in the middle of the stop: when a younger g is gone.
TEST(Execution, AStopWaitsForASenderThatEnds) {
  struct Bell {
    explicit Bell(std::promise<void>& rings) noexcept : rings_(rings) {}
    ~Bell() { rings_.set_value(); }
    std::promise<void>& rings_;
  };
  Desk desk;
  std::promise<void> stopping;
  std::atomic<bool> gone{false};
  std::atomic<bool> went_on{false};
  std::thread clerk([&] {
    stopping.get_future().get();
    EXPECT_TRUE(desk.complete_one(1));
  });
  Executor on({.procs = procs_of_environment, .stop_grace = 60s});
  on.run([&]() -> Task<> {
    go([&]() -> Task<> {
      const Local local(gone);
      co_await FromDesk(desk);
      went_on = true;
    });
    co_await test::until_waiting(WaitReason::foreign, 1);
    go([&]() -> Task<> {
      const Bell bell(stopping);
      co_await make_chan<int>().recv();
    });
    co_await test::until_waiting(WaitReason::chan_receive, 1);
  });
  on.stop();
  clerk.join();
  EXPECT_TRUE(gone);
  EXPECT_FALSE(went_on);
}

TEST(Execution, AStopAsksWhatIsUnderUntil) {
  Desk desk;
  std::atomic<bool> gone{false};
  Executor on({.procs = procs_of_environment, .stop_grace = 60s});
  on.run([&]() -> Task<> {
    go([&]() -> Task<> {
      const Local local(gone);
      auto [ctx, cancel] = with_cancel(background());
      static_cast<void>(co_await until(ctx, FromDesk(desk)));
    });
    co_await test::until_waiting(WaitReason::foreign, 1);
  });
  on.stop();
  EXPECT_TRUE(gone);
}

TEST(Execution, ASenderThatEndsAfterTheStopFindsNobody) {
  Desk desk;
  std::atomic<bool> went_on{false};
  ::testing::internal::CaptureStderr();
  {
    Executor on({.procs = procs_of_environment, .stop_grace = 1ms});
    on.run([&]() -> Task<> {
      go([&]() -> Task<> {
        co_await FromDesk(desk);
        went_on = true;
      });
      co_await test::until_waiting(WaitReason::foreign, 1);
    });
  }
  EXPECT_TRUE(::testing::internal::GetCapturedStderr().starts_with("gmpcoro: stop: left in a foreign await: goroutine "));
  EXPECT_TRUE(desk.complete_one(1));
  EXPECT_FALSE(went_on);
}

// A g whose sender is another g of the same executor, a younger one: that is stopped first, which ends the sender.
TEST(Execution, AStopEndsGsThatAwaitEachOther) {
  std::atomic<int> gone{0};
  const auto begin = std::chrono::steady_clock::now();
  JoinHandle<int> handle;
  Executor on({.procs = procs_of_environment, .stop_grace = 60s});
  on.run([&]() -> Task<> {
    struct Counted {
      explicit Counted(std::atomic<int>& count) noexcept : count_(count) {}
      ~Counted() { ++count_; }
      std::atomic<int>& count_;
    };
    const auto inner = [](std::atomic<int>& count) -> Task<int> {
      const Counted counted(count);
      co_return (co_await make_chan<int>().recv()).value();
    };
    const auto middle = [inner](std::atomic<int>& count) -> Task<int> {
      const Counted counted(count);
      co_return co_await as_sender(inner(count));
    };
    handle = spawn([&gone, middle]() -> Task<int> {
      const Counted counted(gone);
      co_return co_await as_sender(middle(gone));
    });
    co_await test::until_waiting(WaitReason::foreign, 2);
    co_await test::until_waiting(WaitReason::chan_receive, 1);
  });
  on.stop();
  EXPECT_EQ(gone, 3);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
  std::string joined;
  try {
    handle.get();
  } catch (const std::runtime_error& error) {
    joined = error.what();
  }
  EXPECT_EQ(joined, "executor stopped");
}

}  // namespace
}  // namespace gmp::execution_test
