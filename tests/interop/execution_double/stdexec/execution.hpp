// tests/interop/execution_double/stdexec/execution.hpp — senders and receivers as far as tests/interop needs them, where stdexec is not found.
// Go: none.  Room: tests/interop.
//
// The concepts, the customization points and the names are those of [exec] in the working draft of C++26, so that what satisfies them here satisfies
// them there; of the algorithms there is what the tests use, each for senders with at most one way to give values. As strict as the real ones: members
// that complete or start must be noexcept and return nothing, a completion is of a declared signature, operation states are not moved.
#pragma once

#include <atomic>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace stdexec {

// ---- stop tokens

class never_stop_token {
  struct Callback {
    template <class F>
    explicit Callback(never_stop_token, F&&) noexcept {}
  };

 public:
  template <class>
  using callback_type = Callback;
  static constexpr bool stop_requested() noexcept { return false; }
  static constexpr bool stop_possible() noexcept { return false; }
  bool operator==(const never_stop_token&) const = default;
};

class inplace_stop_source;
template <class F>
class inplace_stop_callback;

namespace detail {

struct StopLink {
  virtual void called() noexcept = 0;
  StopLink* next_ = nullptr;
  StopLink* prev_ = nullptr;
  bool linked_ = false;

 protected:
  ~StopLink() = default;
};

}  // namespace detail

class inplace_stop_token {
 public:
  template <class F>
  using callback_type = inplace_stop_callback<F>;
  inplace_stop_token() noexcept = default;
  bool stop_requested() const noexcept;
  bool stop_possible() const noexcept { return source_ != nullptr; }
  bool operator==(const inplace_stop_token&) const = default;

 private:
  friend inplace_stop_source;
  template <class>
  friend class inplace_stop_callback;
  explicit inplace_stop_token(const inplace_stop_source* source) noexcept : source_(source) {}
  const inplace_stop_source* source_ = nullptr;
};

class inplace_stop_source {
 public:
  inplace_stop_source() = default;
  inplace_stop_source(inplace_stop_source&&) = delete;
  inplace_stop_token get_token() const noexcept { return inplace_stop_token(this); }
  bool stop_requested() const noexcept { return requested_.load(); }

  bool request_stop() noexcept {
    std::unique_lock lock(mu_);
    if (requested_.exchange(true)) return false;
    caller_ = std::this_thread::get_id();
    while (detail::StopLink* link = first_) {
      unlink(*link);
      running_ = link;
      bool gone = false;
      gone_ = &gone;
      lock.unlock();
      link->called();
      lock.lock();
      if (!gone) gone_ = nullptr;
      running_ = nullptr;
      over_.notify_all();
    }
    return true;
  }

 private:
  template <class>
  friend class inplace_stop_callback;

  // False: a stop was requested already.
  bool add(detail::StopLink& link) const noexcept {
    std::lock_guard lock(mu_);
    if (requested_.load()) return false;
    link.next_ = first_;
    if (first_ != nullptr) first_->prev_ = &link;
    first_ = &link;
    link.linked_ = true;
    return true;
  }
  // Waits for a call that another thread makes.
  void remove(detail::StopLink& link) const noexcept {
    std::unique_lock lock(mu_);
    if (link.linked_) return unlink(link);
    if (running_ != &link) return;
    if (caller_ == std::this_thread::get_id()) {
      *gone_ = true;
      return;
    }
    over_.wait(lock, [&] { return running_ != &link; });
  }
  void unlink(detail::StopLink& link) const noexcept {
    (link.prev_ != nullptr ? link.prev_->next_ : first_) = link.next_;
    if (link.next_ != nullptr) link.next_->prev_ = link.prev_;
    link.next_ = link.prev_ = nullptr;
    link.linked_ = false;
  }

  mutable std::mutex mu_;
  mutable std::condition_variable over_;
  std::atomic<bool> requested_{false};
  std::thread::id caller_;
  mutable detail::StopLink* first_ = nullptr;
  detail::StopLink* running_ = nullptr;
  mutable bool* gone_ = nullptr;
};

inline bool inplace_stop_token::stop_requested() const noexcept { return source_ != nullptr && source_->stop_requested(); }

template <class F>
class inplace_stop_callback final : detail::StopLink {
 public:
  template <class G>
  explicit inplace_stop_callback(inplace_stop_token token, G&& f) : source_(token.source_), f_(std::forward<G>(f)) {
    if (source_ == nullptr || source_->add(*this)) return;
    source_ = nullptr;
    std::move(f_)();
  }
  inplace_stop_callback(inplace_stop_callback&&) = delete;
  ~inplace_stop_callback() {
    if (source_ != nullptr) source_->remove(*this);
  }

 private:
  void called() noexcept override { std::move(f_)(); }
  const inplace_stop_source* source_;
  F f_;
};

template <class T>
concept stoppable_token = std::copyable<T> && std::equality_comparable<T> && requires(const T& t) {
  { t.stop_requested() } noexcept -> std::same_as<bool>;
  { t.stop_possible() } noexcept -> std::same_as<bool>;
};

// ---- environments and queries

template <class...>
struct env {};

struct get_env_t {
  template <class T>
  auto operator()(const T& of) const noexcept {
    if constexpr (requires { of.get_env(); }) {
      static_assert(noexcept(of.get_env()));
      return of.get_env();
    } else {
      return env<>();
    }
  }
};
inline constexpr get_env_t get_env{};
template <class T>
using env_of_t = std::invoke_result_t<get_env_t, T>;

namespace detail {

template <class Env, class Query>
concept Answers = requires(const Env& of, Query query) {
  { of.query(query) } noexcept;
};

}  // namespace detail

struct get_stop_token_t {
  template <class Env>
  auto operator()(const Env& of) const noexcept {
    if constexpr (detail::Answers<Env, get_stop_token_t>) {
      static_assert(stoppable_token<decltype(of.query(*this))>);
      return of.query(*this);
    } else {
      return never_stop_token();
    }
  }
};
inline constexpr get_stop_token_t get_stop_token{};

struct get_scheduler_t {
  template <detail::Answers<get_scheduler_t> Env>
  auto operator()(const Env& of) const noexcept {
    return of.query(*this);
  }
};
inline constexpr get_scheduler_t get_scheduler{};

template <class Tag>
struct get_completion_scheduler_t {
  template <detail::Answers<get_completion_scheduler_t> Env>
  auto operator()(const Env& of) const noexcept {
    return of.query(*this);
  }
};
template <class Tag>
inline constexpr get_completion_scheduler_t<Tag> get_completion_scheduler{};

enum class forward_progress_guarantee { concurrent, parallel, weakly_parallel };
struct get_forward_progress_guarantee_t {
  template <class Of>
  forward_progress_guarantee operator()(const Of& of) const noexcept {
    if constexpr (detail::Answers<Of, get_forward_progress_guarantee_t>)
      return of.query(*this);
    else
      return forward_progress_guarantee::weakly_parallel;
  }
};
inline constexpr get_forward_progress_guarantee_t get_forward_progress_guarantee{};

// ---- receivers

struct receiver_tag {};
struct sender_tag {};
struct operation_state_tag {};
struct scheduler_tag {};

struct set_value_t {
  template <class R, class... V>
    requires(!std::is_lvalue_reference_v<R>) && requires(R&& r, V&&... v) { std::move(r).set_value(std::forward<V>(v)...); }
  void operator()(R&& r, V&&... v) const noexcept {
    static_assert(noexcept(std::move(r).set_value(std::forward<V>(v)...)));
    static_assert(std::is_void_v<decltype(std::move(r).set_value(std::forward<V>(v)...))>);
    std::move(r).set_value(std::forward<V>(v)...);
  }
};
struct set_error_t {
  template <class R, class E>
    requires(!std::is_lvalue_reference_v<R>) && requires(R&& r, E&& e) { std::move(r).set_error(std::forward<E>(e)); }
  void operator()(R&& r, E&& e) const noexcept {
    static_assert(noexcept(std::move(r).set_error(std::forward<E>(e))));
    static_assert(std::is_void_v<decltype(std::move(r).set_error(std::forward<E>(e)))>);
    std::move(r).set_error(std::forward<E>(e));
  }
};
struct set_stopped_t {
  template <class R>
    requires(!std::is_lvalue_reference_v<R>) && requires(R&& r) { std::move(r).set_stopped(); }
  void operator()(R&& r) const noexcept {
    static_assert(noexcept(std::move(r).set_stopped()));
    static_assert(std::is_void_v<decltype(std::move(r).set_stopped())>);
    std::move(r).set_stopped();
  }
};
inline constexpr set_value_t set_value{};
inline constexpr set_error_t set_error{};
inline constexpr set_stopped_t set_stopped{};

template <class R>
concept receiver = std::derived_from<typename std::remove_cvref_t<R>::receiver_concept, receiver_tag> &&
                   std::is_nothrow_move_constructible_v<std::remove_cvref_t<R>> && std::constructible_from<std::remove_cvref_t<R>, R>;

// ---- completion signatures

template <class... Signatures>
struct completion_signatures {};

namespace detail {

template <class T>
inline constexpr bool is_signatures = false;
template <class... S>
inline constexpr bool is_signatures<completion_signatures<S...>> = true;

template <class Tag, template <class...> class Tuple, class Signatures>
struct Gather;
template <class...>
struct List {};
template <class A, class B>
struct Join;
template <class... A, class... B>
struct Join<List<A...>, List<B...>> {
  using type = List<A..., B...>;
};
template <class Tag, template <class...> class Tuple, class Signature>
struct One {
  using type = List<>;
};
template <class Tag, template <class...> class Tuple, class... V>
struct One<Tag, Tuple, Tag(V...)> {
  using type = List<Tuple<V...>>;
};
template <class Tag, template <class...> class Tuple>
struct Gather<Tag, Tuple, completion_signatures<>> {
  using type = List<>;
};
template <class Tag, template <class...> class Tuple, class S, class... More>
struct Gather<Tag, Tuple, completion_signatures<S, More...>> {
  using type = typename Join<typename One<Tag, Tuple, S>::type, typename Gather<Tag, Tuple, completion_signatures<More...>>::type>::type;
};
template <template <class...> class To, class L>
struct Apply;
template <template <class...> class To, class... V>
struct Apply<To, List<V...>> {
  using type = To<V...>;
};

template <class Signatures, class S>
struct With;
template <class... Had, class S>
struct With<completion_signatures<Had...>, S> {
  using type = std::conditional_t<(std::same_as<Had, S> || ...), completion_signatures<Had...>, completion_signatures<Had..., S>>;
};
template <class Signatures, class... S>
struct WithAll {
  using type = Signatures;
};
template <class Signatures, class S, class... More>
struct WithAll<Signatures, S, More...> {
  using type = typename WithAll<typename With<Signatures, S>::type, More...>::type;
};
template <class A, class B>
struct Union;
template <class A, class... S>
struct Union<A, completion_signatures<S...>> {
  using type = typename WithAll<A, S...>::type;
};
// The same but for what is of set_value.
template <class Signatures>
struct Failures {
  using type = completion_signatures<>;
};
template <class Tag, class... V, class... More>
struct Failures<completion_signatures<Tag(V...), More...>> {
  using rest = typename Failures<completion_signatures<More...>>::type;
  using type = std::conditional_t<std::same_as<Tag, set_value_t>, rest, typename Union<completion_signatures<Tag(V...)>, rest>::type>;
};

template <class S, class Env>
consteval auto signatures_of() {
  using Plain = std::remove_cvref_t<S>;
  if constexpr (requires { Plain::template get_completion_signatures<S, Env>(); })
    return Plain::template get_completion_signatures<S, Env>();
  else
    return typename Plain::completion_signatures();
}

template <class R, class Signature>
inline constexpr bool takes = false;
template <class R, class Tag, class... V>
inline constexpr bool takes<R, Tag(V...)> = std::invocable<Tag, R, V...>;
template <class R, class Signatures>
inline constexpr bool takes_all = false;
template <class R, class... S>
inline constexpr bool takes_all<R, completion_signatures<S...>> = (takes<R, S> && ...);

}  // namespace detail

template <class S>
concept sender = std::derived_from<typename std::remove_cvref_t<S>::sender_concept, sender_tag> && std::move_constructible<std::remove_cvref_t<S>> &&
                 std::constructible_from<std::remove_cvref_t<S>, S>;
template <class S, class Env = env<>>
concept sender_in = sender<S> && detail::is_signatures<decltype(detail::signatures_of<S, Env>())>;
template <class S, class Env = env<>>
  requires sender_in<S, Env>
using completion_signatures_of_t = decltype(detail::signatures_of<S, Env>());
template <class R, class Signatures>
concept receiver_of = receiver<R> && detail::takes_all<std::remove_cvref_t<R>, Signatures>;

template <class S, class Env, template <class...> class Tuple, template <class...> class Variant>
using value_types_of_t = typename detail::Apply<Variant, typename detail::Gather<set_value_t, Tuple, completion_signatures_of_t<S, Env>>::type>::type;

// ---- operations

struct start_t {
  template <class O>
  void operator()(O& o) const noexcept {
    static_assert(noexcept(o.start()));
    static_assert(std::is_void_v<decltype(o.start())>);
    o.start();
  }
};
inline constexpr start_t start{};
template <class O>
concept operation_state =
    std::derived_from<typename O::operation_state_concept, operation_state_tag> && std::is_object_v<O> && std::destructible<O> && requires(O& o) { start(o); };

struct connect_t {
  template <class S, class R>
    requires requires(S&& s, R&& r) { std::forward<S>(s).connect(std::forward<R>(r)); }
  auto operator()(S&& s, R&& r) const {
    static_assert(sender_in<S, env_of_t<R>>);
    static_assert(receiver_of<R, completion_signatures_of_t<S, env_of_t<R>>>);
    static_assert(operation_state<decltype(std::forward<S>(s).connect(std::forward<R>(r)))>);
    return std::forward<S>(s).connect(std::forward<R>(r));
  }
};
inline constexpr connect_t connect{};
template <class S, class R>
using connect_result_t = std::invoke_result_t<connect_t, S, R>;
template <class S, class R>
concept sender_to = sender_in<S, env_of_t<R>> && receiver_of<R, completion_signatures_of_t<S, env_of_t<R>>> && requires { typename connect_result_t<S, R>; };

struct schedule_t {
  template <class Sch>
    requires requires(Sch&& s) { std::forward<Sch>(s).schedule(); }
  auto operator()(Sch&& s) const noexcept {
    static_assert(sender<decltype(std::forward<Sch>(s).schedule())>);
    return std::forward<Sch>(s).schedule();
  }
};
inline constexpr schedule_t schedule{};
template <class Sch>
concept scheduler = std::derived_from<typename std::remove_cvref_t<Sch>::scheduler_concept, scheduler_tag> && requires(const Sch& s) {
  { schedule(s) } -> sender;
  { get_completion_scheduler<set_value_t>(get_env(schedule(s))) } -> std::same_as<std::remove_cvref_t<Sch>>;
} && std::equality_comparable<std::remove_cvref_t<Sch>> && std::copyable<std::remove_cvref_t<Sch>>;

// ---- run_loop

class run_loop {
  struct Item {
    Item* next_ = nullptr;
    virtual void run() noexcept = 0;

   protected:
    ~Item() = default;
  };
  template <class R>
  struct Operation final : Item {
    using operation_state_concept = operation_state_tag;
    Operation(run_loop* loop, R r) : loop_(loop), receiver_(std::move(r)) {}
    Operation(Operation&&) = delete;
    void start() & noexcept { loop_->push(this); }
    void run() noexcept override {
      if (get_stop_token(stdexec::get_env(receiver_)).stop_requested())
        stdexec::set_stopped(std::move(receiver_));
      else
        stdexec::set_value(std::move(receiver_));
    }
    run_loop* loop_;
    R receiver_;
  };

 public:
  class Scheduler {
   public:
    using scheduler_concept = scheduler_tag;
    struct Attributes {
      run_loop* loop_;
      Scheduler query(get_completion_scheduler_t<set_value_t>) const noexcept { return Scheduler(loop_); }
    };
    struct Sender {
      using sender_concept = sender_tag;
      using completion_signatures = stdexec::completion_signatures<set_value_t(), set_stopped_t()>;
      run_loop* loop_;
      template <class R>
      Operation<R> connect(R r) const {
        return Operation<R>(loop_, std::move(r));
      }
      Attributes get_env() const noexcept { return {loop_}; }
    };
    explicit Scheduler(run_loop* loop) noexcept : loop_(loop) {}
    Sender schedule() const noexcept { return {loop_}; }
    bool operator==(const Scheduler&) const = default;

   private:
    run_loop* loop_;
  };

  run_loop() = default;
  run_loop(run_loop&&) = delete;
  Scheduler get_scheduler() noexcept { return Scheduler(this); }
  void run() {
    for (;;) {
      Item* item = nullptr;
      {
        std::unique_lock lock(mu_);
        more_.wait(lock, [&] { return first_ != nullptr || finished_; });
        if (first_ == nullptr) return;
        item = first_;
        first_ = item->next_;
        if (first_ == nullptr) last_ = nullptr;
      }
      item->run();
    }
  }
  void finish() noexcept {
    std::lock_guard lock(mu_);
    finished_ = true;
    more_.notify_all();
  }

 private:
  void push(Item* item) noexcept {
    std::lock_guard lock(mu_);
    (last_ != nullptr ? last_->next_ : first_) = item;
    last_ = item;
    more_.notify_one();
  }
  std::mutex mu_;
  std::condition_variable more_;
  Item* first_ = nullptr;
  Item* last_ = nullptr;
  bool finished_ = false;
};

// ---- sources

namespace detail {

template <class Tag, class... V>
class Just {
  template <class R>
  struct Operation {
    using operation_state_concept = operation_state_tag;
    Operation(R r, std::tuple<V...> values) : receiver_(std::move(r)), values_(std::move(values)) {}
    Operation(Operation&&) = delete;
    void start() & noexcept {
      std::apply([&](auto&&... each) { Tag()(std::move(receiver_), std::move(each)...); }, std::move(values_));
    }
    R receiver_;
    std::tuple<V...> values_;
  };

 public:
  using sender_concept = sender_tag;
  using completion_signatures = stdexec::completion_signatures<Tag(V...)>;
  template <class... A>
  explicit Just(std::in_place_t, A&&... values) : values_(std::forward<A>(values)...) {}
  template <class R>
  Operation<R> connect(R r) && {
    return Operation<R>(std::move(r), std::move(values_));
  }
  template <class R>
  Operation<R> connect(R r) const& {
    return Operation<R>(std::move(r), values_);
  }

 private:
  std::tuple<V...> values_;
};

template <class Query>
struct ReadEnv {
  template <class R>
  struct Operation {
    using operation_state_concept = operation_state_tag;
    explicit Operation(R r) : receiver_(std::move(r)) {}
    Operation(Operation&&) = delete;
    void start() & noexcept { stdexec::set_value(std::move(receiver_), Query()(stdexec::get_env(receiver_))); }
    R receiver_;
  };
  using sender_concept = sender_tag;
  template <class Self, class Env>
  static consteval auto get_completion_signatures() noexcept {
    return completion_signatures<set_value_t(std::invoke_result_t<Query, const Env&>)>();
  }
  template <class R>
  Operation<R> connect(R r) const {
    return Operation<R>(std::move(r));
  }
};

}  // namespace detail

template <class... V>
auto just(V&&... values) {
  return detail::Just<set_value_t, std::decay_t<V>...>(std::in_place, std::forward<V>(values)...);
}
template <class E>
auto just_error(E&& error) {
  return detail::Just<set_error_t, std::decay_t<E>>(std::in_place, std::forward<E>(error));
}
inline auto just_stopped() { return detail::Just<set_stopped_t>(std::in_place); }
template <class Query>
auto read_env(Query) {
  return detail::ReadEnv<Query>();
}

// ---- adaptors

namespace detail {

template <class F, class... V>
struct ThenValue {
  using Result = std::invoke_result_t<F, V...>;
  using type = std::conditional_t<std::is_void_v<Result>, completion_signatures<set_value_t()>, completion_signatures<set_value_t(std::conditional_t<std::is_void_v<Result>, int, Result>)>>;
};
template <class F>
struct ThenOf {
  template <class... V>
  using Value = typename ThenValue<F, V...>::type;
  template <class... Ways>
  struct All {
    using type = completion_signatures<>;
  };
  template <class Way, class... More>
  struct All<Way, More...> {
    using type = typename Union<Way, typename All<More...>::type>::type;
  };
};

template <class S, class F>
class Then {
  template <class R>
  struct Receiver {
    using receiver_concept = receiver_tag;
    R receiver_;
    F f_;
    template <class... V>
    void set_value(V&&... values) noexcept {
      try {
        if constexpr (std::is_void_v<std::invoke_result_t<F, V...>>) {
          std::invoke(std::move(f_), std::forward<V>(values)...);
          stdexec::set_value(std::move(receiver_));
        } else {
          stdexec::set_value(std::move(receiver_), std::invoke(std::move(f_), std::forward<V>(values)...));
        }
      } catch (...) {
        stdexec::set_error(std::move(receiver_), std::current_exception());
      }
    }
    template <class E>
    void set_error(E&& error) noexcept {
      stdexec::set_error(std::move(receiver_), std::forward<E>(error));
    }
    void set_stopped() noexcept { stdexec::set_stopped(std::move(receiver_)); }
    env_of_t<R> get_env() const noexcept { return stdexec::get_env(receiver_); }
  };

 public:
  using sender_concept = sender_tag;
  Then(S s, F f) : sender_(std::move(s)), f_(std::move(f)) {}
  template <class Self, class Env>
  static consteval auto get_completion_signatures() noexcept {
    using Of = ThenOf<F>;
    using Values = typename value_types_of_t<S, Env, Of::template Value, Of::template All>::type;
    using Rest = typename Failures<completion_signatures_of_t<S, Env>>::type;
    return typename WithAll<typename Union<Values, Rest>::type, set_error_t(std::exception_ptr)>::type();
  }
  template <class R>
  auto connect(R r) && {
    return stdexec::connect(std::move(sender_), Receiver<R>{std::move(r), std::move(f_)});
  }
  env_of_t<S> get_env() const noexcept { return stdexec::get_env(sender_); }

 private:
  S sender_;
  F f_;
};

template <class... V>
using Stored = std::tuple<std::decay_t<V>...>;
template <class... Ways>
struct Only {
  using type = std::tuple<>;
  static_assert(sizeof...(Ways) < 2);
};
template <class Way>
struct Only<Way> {
  using type = Way;
};
template <class S, class Env>
using StoredOf = typename value_types_of_t<S, Env, Stored, Only>::type;
template <class Tuple>
struct ValueOf;
template <class... V>
struct ValueOf<std::tuple<V...>> {
  using type = completion_signatures<set_value_t(V...)>;
};

template <class S, class Sch>
class ContinuesOn {
  template <class R>
  class Operation {
    using Outcome = std::variant<std::monostate, StoredOf<S, env_of_t<R>>, std::exception_ptr>;
    struct There {
      using receiver_concept = receiver_tag;
      Operation* op_;
      void set_value() noexcept { op_->finish(); }
      void set_error(std::exception_ptr thrown) noexcept { stdexec::set_error(std::move(op_->receiver_), std::move(thrown)); }
      void set_stopped() noexcept { stdexec::set_stopped(std::move(op_->receiver_)); }
      env_of_t<R> get_env() const noexcept { return stdexec::get_env(op_->receiver_); }
    };
    struct Here {
      using receiver_concept = receiver_tag;
      Operation* op_;
      template <class... V>
      void set_value(V&&... values) noexcept {
        op_->outcome_.template emplace<1>(std::forward<V>(values)...);
        stdexec::start(op_->there_);
      }
      void set_error(std::exception_ptr thrown) noexcept {
        op_->outcome_.template emplace<2>(std::move(thrown));
        stdexec::start(op_->there_);
      }
      void set_stopped() noexcept { stdexec::start(op_->there_); }
      env_of_t<R> get_env() const noexcept { return stdexec::get_env(op_->receiver_); }
    };

   public:
    using operation_state_concept = operation_state_tag;
    Operation(S s, Sch sch, R r)
        : receiver_(std::move(r)), there_(stdexec::connect(schedule(sch), There{this})), here_(stdexec::connect(std::move(s), Here{this})) {}
    Operation(Operation&&) = delete;
    void start() & noexcept { stdexec::start(here_); }

   private:
    void finish() noexcept {
      if (outcome_.index() == 1)
        std::apply([&](auto&&... each) { stdexec::set_value(std::move(receiver_), std::move(each)...); }, std::move(std::get<1>(outcome_)));
      else if (outcome_.index() == 2)
        stdexec::set_error(std::move(receiver_), std::move(std::get<2>(outcome_)));
      else
        stdexec::set_stopped(std::move(receiver_));
    }
    R receiver_;
    Outcome outcome_;
    connect_result_t<decltype(schedule(std::declval<Sch&>())), There> there_;
    connect_result_t<S, Here> here_;
  };
  struct Attributes {
    Sch scheduler_;
    Sch query(get_completion_scheduler_t<set_value_t>) const noexcept { return scheduler_; }
  };

 public:
  using sender_concept = sender_tag;
  ContinuesOn(S s, Sch sch) : sender_(std::move(s)), scheduler_(std::move(sch)) {}
  template <class Self, class Env>
  static consteval auto get_completion_signatures() noexcept {
    return typename WithAll<typename ValueOf<StoredOf<S, Env>>::type, set_error_t(std::exception_ptr), set_stopped_t()>::type();
  }
  template <class R>
  Operation<R> connect(R r) && {
    return Operation<R>(std::move(sender_), std::move(scheduler_), std::move(r));
  }
  Attributes get_env() const noexcept { return {scheduler_}; }

 private:
  S sender_;
  Sch scheduler_;
};

template <class... Tuples>
using Cat = decltype(std::tuple_cat(std::declval<Tuples>()...));

template <class... S>
class WhenAll {
  template <class R>
  class Operation {
    struct Env {
      inplace_stop_token token_;
      env_of_t<R> outer_;
      inplace_stop_token query(get_stop_token_t) const noexcept { return token_; }
      template <class Query>
        requires Answers<env_of_t<R>, Query>
      auto query(Query query) const noexcept {
        return outer_.query(query);
      }
    };
    template <class Child, std::size_t I>
    struct Receiver {
      using receiver_concept = receiver_tag;
      Operation* op_;
      template <class... V>
      void set_value(V&&... values) noexcept {
        std::get<I>(op_->values_).emplace(std::forward<V>(values)...);
        op_->arrive();
      }
      void set_error(std::exception_ptr thrown) noexcept {
        if (!op_->over_.exchange(true)) {
          op_->thrown_ = std::move(thrown);
          op_->source_.request_stop();
        }
        op_->arrive();
      }
      void set_stopped() noexcept {
        if (!op_->over_.exchange(true)) op_->source_.request_stop();
        op_->arrive();
      }
      Env get_env() const noexcept { return {op_->source_.get_token(), stdexec::get_env(op_->receiver_)}; }
    };
    struct Forward {
      Operation* op_;
      void operator()() noexcept { op_->source_.request_stop(); }
    };
    // A child's operation state, made in place.
    template <class Child, std::size_t I>
    struct Slot {
      explicit Slot(Operation* op, Child child) : state_(stdexec::connect(std::move(child), Receiver<Child, I>{op})) {}
      connect_result_t<Child, Receiver<Child, I>> state_;
    };
    template <class Indices>
    struct Slots;
    template <std::size_t... I>
    struct Slots<std::index_sequence<I...>> : Slot<S, I>... {
      Slots(Operation* op, std::tuple<S...> children) : Slot<S, I>(op, std::get<I>(std::move(children)))... {}
      void start() noexcept { (stdexec::start(static_cast<Slot<S, I>*>(this)->state_), ...); }
    };
    using Token = std::remove_cvref_t<std::invoke_result_t<get_stop_token_t, env_of_t<R>>>;

   public:
    using operation_state_concept = operation_state_tag;
    Operation(std::tuple<S...> children, R r) : receiver_(std::move(r)), slots_(this, std::move(children)) {}
    Operation(Operation&&) = delete;
    void start() & noexcept {
      callback_.emplace(get_stop_token(stdexec::get_env(receiver_)), Forward{this});
      slots_.start();
      arrive();
    }

   private:
    void arrive() noexcept {
      if (open_.fetch_sub(1) != 1) return;
      callback_.reset();
      if (thrown_)
        stdexec::set_error(std::move(receiver_), std::move(thrown_));
      else if (over_.load())
        stdexec::set_stopped(std::move(receiver_));
      else
        std::apply([&](auto&&... each) { give(std::tuple_cat(std::move(*each)...)); }, std::move(values_));
    }
    template <class Tuple>
    void give(Tuple all) noexcept {
      std::apply([&](auto&&... each) { stdexec::set_value(std::move(receiver_), std::move(each)...); }, std::move(all));
    }
    R receiver_;
    inplace_stop_source source_;
    std::optional<typename Token::template callback_type<Forward>> callback_;
    std::tuple<std::optional<StoredOf<S, env<>>>...> values_;
    std::exception_ptr thrown_;
    std::atomic<bool> over_{false};
    std::atomic<std::size_t> open_{sizeof...(S) + 1};
    Slots<std::index_sequence_for<S...>> slots_;
  };

 public:
  using sender_concept = sender_tag;
  explicit WhenAll(S... senders) : children_(std::move(senders)...) {}
  template <class Self, class Env>
  static consteval auto get_completion_signatures() noexcept {
    return typename WithAll<typename ValueOf<Cat<StoredOf<S, Env>...>>::type, set_error_t(std::exception_ptr), set_stopped_t()>::type();
  }
  template <class R>
  Operation<R> connect(R r) && {
    return Operation<R>(std::move(children_), std::move(r));
  }

 private:
  std::tuple<S...> children_;
};

}  // namespace detail

template <sender S, class F>
auto then(S&& s, F&& f) {
  return detail::Then<std::decay_t<S>, std::decay_t<F>>(std::forward<S>(s), std::forward<F>(f));
}
template <sender S, scheduler Sch>
auto continues_on(S&& s, Sch&& sch) {
  return detail::ContinuesOn<std::decay_t<S>, std::decay_t<Sch>>(std::forward<S>(s), std::forward<Sch>(sch));
}
template <sender... S>
auto when_all(S&&... senders) {
  return detail::WhenAll<std::decay_t<S>...>(std::forward<S>(senders)...);
}

// ---- sync_wait

namespace detail {

struct WaitEnv {
  run_loop* loop_;
  run_loop::Scheduler query(get_scheduler_t) const noexcept { return loop_->get_scheduler(); }
};
template <class Tuple>
struct Waiting {
  run_loop loop_;
  std::optional<Tuple> values_;
  std::exception_ptr thrown_;
};
template <class Tuple>
struct WaitReceiver {
  using receiver_concept = receiver_tag;
  Waiting<Tuple>* waiting_;
  template <class... V>
  void set_value(V&&... values) noexcept {
    waiting_->values_.emplace(std::forward<V>(values)...);
    waiting_->loop_.finish();
  }
  template <class E>
  void set_error(E&& error) noexcept {
    if constexpr (std::same_as<std::remove_cvref_t<E>, std::exception_ptr>)
      waiting_->thrown_ = std::forward<E>(error);
    else
      waiting_->thrown_ = std::make_exception_ptr(std::forward<E>(error));
    waiting_->loop_.finish();
  }
  void set_stopped() noexcept { waiting_->loop_.finish(); }
  WaitEnv get_env() const noexcept { return {&waiting_->loop_}; }
};

}  // namespace detail

template <sender_in<detail::WaitEnv> S>
auto sync_wait(S&& s) {
  using Tuple = detail::StoredOf<S, detail::WaitEnv>;
  detail::Waiting<Tuple> waiting;
  auto operation = connect(std::forward<S>(s), detail::WaitReceiver<Tuple>{&waiting});
  start(operation);
  waiting.loop_.run();
  if (waiting.thrown_) std::rethrow_exception(std::move(waiting.thrown_));
  return std::move(waiting.values_);
}

}  // namespace stdexec
