// include/gmp/result.hpp — Result<T>, what Go writes (value, err); and the errors themselves: errc, errno_category().
// Go: errors, io (EOF), os (ErrDeadlineExceeded, ErrClosed), net (OpError), syscall (Errno).  Room: base (floor 0).
//
// An error is a std::error_code: two words, compared by ==, never allocated. What it was about (`dial tcp 127.0.0.1:1: connect: …`) is the
// context, made only when something failed and put into words only when somebody asks for message(): success pays for one null pointer.
//
// What an operation may report comes from two categories: errc for what this library says itself, errno_category() for what the system
// says, in Go's words.  Both take part in the standard's comparisons: `err == std::errc::connection_refused`, `err ==
// std::errc::timed_out`.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/atomic.hpp"

namespace gmp {

/// What this library reports itself. Texts are Go's.
enum class errc {
  eof = 1,            // "EOF"                                   nothing more will come; no failure
  closed,             // "use of closed network connection"
  file_closed,        // "file already closed"                   compares equal to closed
  timeout,            // "i/o timeout"                           a deadline of a connection; == std::errc::timed_out
  canceled,           // "context canceled"                      == std::errc::operation_canceled
  deadline_exceeded,  // "context deadline exceeded"             == std::errc::timed_out
  exception,          // "exception"                             attempt() caught one that is no std::system_error: see Result::exception

  unexpected_eof,  // "unexpected EOF"                           it ended in the middle: io::read_full
  short_write,     // "short write"
  no_progress,     // "multiple Read calls return no data or error"
  buffer_full,     // "bufio: buffer full"
  closed_pipe,     // "io: read/write on closed pipe"         nobody will read: net::pipe()

  no_deadline,     // "file type does not support deadline"
  process_done,    // "os: process already finished"
  not_executable,  // "executable file not found in $PATH"
  exit_status,     // "exit status"                              of a process that failed; the message says which

  unknown_network,           // "unknown network"
  missing_address,           // "missing address"
  missing_port,              // "missing port in address"
  too_many_colons,           // "too many colons in address"
  missing_bracket,           // "missing ']' in address"
  unexpected_left_bracket,   // "unexpected '[' in address"
  unexpected_right_bracket,  // "unexpected ']' in address"
  invalid_port,              // "invalid port"
  unknown_port,              // "unknown port"                    a service name that nobody knows
  invalid_ip,                // "unable to parse IP"
  unexpected_address_type,   // "unexpected address type"
  no_suitable_address,       // "no suitable address"             none of the wanted family
  no_such_host,              // "no such host"
  temporary_failure,         // "Temporary failure in name resolution"
  server_misbehaving,        // "server misbehaving"              of a name server
};

/// The category of errc.
GMPCORO_EXPORT const std::error_category& errc_category() noexcept;

/// The system's error numbers, with Go's texts ("connection refused"). Equal to std::errc::…, and as a condition to the same number of
/// std::system_category().
GMPCORO_EXPORT const std::error_category& errno_category() noexcept;

/// What makes std::error_code of an errc: `std::error_code err = errc::eof;`.
inline std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), errc_category()}; }

/// Also true for the other word of the same thing: `err == errc::closed` holds for a closed file.
GMPCORO_EXPORT bool operator==(const std::error_code& code, errc e) noexcept;

/// What Result::value() throws: a std::system_error whose what() reads as Go's message, "dial tcp 127.0.0.1:1: connect: connection
/// refused".
class GMPCORO_EXPORT OpError : public std::system_error {
 public:
  OpError(const std::error_code& code, std::string message);
  const char* what() const noexcept override { return message_->c_str(); }

 private:
  std::shared_ptr<const std::string> message_;  // shared: copying an exception must not throw
};

namespace detail {

/// What a message says round its last part. Never changes once made; shared by the copies of a Result.
class ErrorContext {
 public:
  ErrorContext() noexcept = default;
  ErrorContext(const ErrorContext&) = delete;
  ErrorContext& operator=(const ErrorContext&) = delete;

  /// The whole message for err, which need not be the code that the context was made for: until() replaces codes.
  virtual std::string text(const std::error_code& err) const = 0;

 protected:
  virtual ~ErrorContext() = default;

 private:
  friend class ErrorContextRef;
  mutable Atomic<std::uint32_t> refs_{1};
};

/// A counted reference to a context, or none.
class ErrorContextRef {
 public:
  ErrorContextRef() noexcept = default;
  explicit ErrorContextRef(const ErrorContext* adopted) noexcept : context_(adopted) {}
  ErrorContextRef(const ErrorContextRef& other) noexcept : context_(other.context_) {
    if (context_) context_->refs_.fetch_add(1, relaxed);  // [CONTEXT] a copy of a reference that we hold: it cannot go meanwhile
  }
  ErrorContextRef(ErrorContextRef&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
  ErrorContextRef& operator=(ErrorContextRef other) noexcept {
    std::swap(context_, other.context_);
    return *this;
  }
  ~ErrorContextRef() {
    if (context_) release();
  }
  const ErrorContext* get() const noexcept { return context_; }

 private:
  GMPCORO_EXPORT void release() noexcept;
  const ErrorContext* context_ = nullptr;
};

/// Makes a context; without memory there is none: an error is not worth a second one.
template <class Context, class... Args>
ErrorContextRef make_error_context(Args&&... args) noexcept {
  try {
    return ErrorContextRef(new Context(std::forward<Args>(args)...));
  } catch (...) {
    return {};
  }
}

/// The simplest one: BEFORE + err.message(), e.g. before = "open /etc/nope: ".      Go: fs.PathError
GMPCORO_EXPORT ErrorContextRef text_before(std::string before) noexcept;

/// What every Result has, whatever its T. Also a failure on its way from one Result type to another.
class GMPCORO_EXPORT ResultBase {
 public:
  std::error_code err;           // empty: success
  std::exception_ptr exception;  // what attempt() caught; err says the same in short

  /// True: no error.
  explicit operator bool() const noexcept { return !err && !exception; }

  /// The whole message, as Go's error prints: "read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout". Empty: no error.
  std::string message() const;

 protected:
  ResultBase() noexcept = default;
  ResultBase(std::error_code e, ErrorContextRef context) noexcept : err(e), context_(std::move(context)) {}
  explicit ResultBase(std::exception_ptr caught) noexcept;

  void throw_if_failed() const {
    if (!*this) throw_failure();
  }

 private:
  [[noreturn]] void throw_failure() const;
  ErrorContextRef context_;  // null unless err is set, and often then
};

/// A T that is there from the start: value-initialised if there is none to hold, as Go's zero value.
template <class T, bool HasDefault = std::is_default_constructible_v<T>>
struct ResultValue {
  ResultValue() = default;
  template <class U>
  ResultValue(std::in_place_t, U&& v) : value_(std::forward<U>(v)) {}
  T value_{};
};

/// A T that has no default: there only if it was given. A reference to it may be formed without it, but not used.
template <class T>
struct ResultValue<T, false> {
  ResultValue() noexcept {}
  template <class U>
  ResultValue(std::in_place_t, U&& v) : value_(std::forward<U>(v)), there_(true) {}
  ResultValue(const ResultValue& other) requires std::copy_constructible<T> {
    if (other.there_) construct(other.value_);
  }
  ResultValue(ResultValue&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    if (other.there_) construct(std::move(other.value_));
  }
  ResultValue& operator=(const ResultValue& other) requires std::copy_constructible<T> {
    if (this != &other) {
      reset();
      if (other.there_) construct(other.value_);
    }
    return *this;
  }
  ResultValue& operator=(ResultValue&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    if (this != &other) {
      reset();
      if (other.there_) construct(std::move(other.value_));
    }
    return *this;
  }
  ~ResultValue() { reset(); }

  union {
    T value_;
  };

 private:
  template <class U>
  void construct(U&& v) {
    std::construct_at(std::addressof(value_), std::forward<U>(v));
    there_ = true;
  }
  void reset() noexcept {
    if (std::exchange(there_, false)) std::destroy_at(std::addressof(value_));
  }
  bool there_ = false;
};

}  // namespace detail

/// A value and an error, as Go returns them: `auto [n, err] = co_await conn.read(buf);`. Both may count: a write that failed says how much
/// went. Where there is no value, it is T{}; for a T without a default it is not there, and must not be used.
///
///   if (err) …                      a std::error_code
///   r.value()                       the value, or throws gmp::OpError (a std::system_error), or rethrows r.exception
///   r.message()                     the whole story, as Go's error prints
///   if (r) …                        no error
template <class T>
class [[nodiscard("the error is in it")]] Result : public detail::ResultBase {
  static_assert(!std::is_reference_v<T>, "Result holds values: use a pointer or std::reference_wrapper");

 public:
  using value_type = T;

  Result() requires std::is_default_constructible_v<T> {}
  Result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::in_place, std::move(value)) {}
  Result(std::error_code e, detail::ErrorContextRef context = {}) requires(!std::same_as<T, std::error_code>)
      : ResultBase(e, std::move(context)) {}
  Result(errc e, detail::ErrorContextRef context = {}) requires(!std::same_as<T, std::error_code>)
      : ResultBase(make_error_code(e), std::move(context)) {}
  Result(T value, std::error_code e, detail::ErrorContextRef context = {})
      : ResultBase(e, std::move(context)), value_(std::in_place, std::move(value)) {}
  /// A failure of another Result, with its context; no value.
  explicit Result(const detail::ResultBase& failure) : ResultBase(failure) { GMPCORO_ASSERT(!*this); }

  /// A failure by that exception, which value() rethrows.
  static Result from_exception(std::exception_ptr caught) { return Result(detail::ResultBase(Caught(std::move(caught)))); }

  /// The value; of a failure it throws OpError, or rethrows the exception.
  T& value()& {
    throw_if_failed();
    return value_.value_;
  }
  const T& value() const& {
    throw_if_failed();
    return value_.value_;
  }
  T value()&& {
    throw_if_failed();
    return std::move(value_.value_);
  }

  /// The tuple protocol. Unlike value(), get<0>() does not look at the error.
  template <std::size_t I>
  auto& get()& noexcept {
    if constexpr (I == 0) {
      return value_.value_;
    } else {
      return err;
    }
  }
  template <std::size_t I>
  const auto& get() const& noexcept {
    if constexpr (I == 0) {
      return value_.value_;
    } else {
      return err;
    }
  }
  template <std::size_t I>
  auto&& get()&& noexcept {
    return std::move(this->template get<I>());
  }

 private:
  struct Caught : detail::ResultBase {
    explicit Caught(std::exception_ptr caught) noexcept : ResultBase(std::move(caught)) {}
  };
  detail::ResultValue<T> value_;
};

/// Success, or what went wrong.
template <>
class [[nodiscard("the error is in it")]] Result<void> : public detail::ResultBase {
 public:
  using value_type = void;

  Result() noexcept = default;
  Result(std::error_code e, detail::ErrorContextRef context = {}) noexcept : ResultBase(e, std::move(context)) {}
  Result(errc e, detail::ErrorContextRef context = {}) noexcept : ResultBase(make_error_code(e), std::move(context)) {}
  explicit Result(const detail::ResultBase& failure) : ResultBase(failure) {}

  static Result from_exception(std::exception_ptr caught) noexcept { return Result(std::move(caught)); }

  void value() const { throw_if_failed(); }

 private:
  explicit Result(std::exception_ptr caught) noexcept : ResultBase(std::move(caught)) {}
};

}  // namespace gmp

template <>
struct std::is_error_code_enum<gmp::errc> : std::true_type {};

template <class T>
requires(!std::is_void_v<T>) struct std::tuple_size<gmp::Result<T>> : std::integral_constant<std::size_t, 2> {
};
template <class T>
struct std::tuple_element<0, gmp::Result<T>> {
  using type = T;
};
template <class T>
struct std::tuple_element<1, gmp::Result<T>> {
  using type = std::error_code;
};
