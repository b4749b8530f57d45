// tests/unit/base/result_test.cpp — errors compare as promised and read as Go's; Result unpacks as (value, err).
// Go: syscall/syscall_unix_test.go, net/error_test.go in part.  Room: base (floor 0).
#include "gmp/result.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <cerrno>
#include <coroutine>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gmp::result_test {
namespace {

std::error_code sys(int number) { return {number, errno_category()}; }

// ---- errc

TEST(Errc, TextsAreGos) {
  const std::pair<errc, const char*> table[] = {
      {errc::eof, "EOF"},
      {errc::closed, "use of closed network connection"},
      {errc::file_closed, "file already closed"},
      {errc::timeout, "i/o timeout"},
      {errc::canceled, "context canceled"},
      {errc::deadline_exceeded, "context deadline exceeded"},
      {errc::unexpected_eof, "unexpected EOF"},
      {errc::missing_port, "missing port in address"},
      {errc::too_many_colons, "too many colons in address"},
      {errc::missing_bracket, "missing ']' in address"},
      {errc::unexpected_left_bracket, "unexpected '[' in address"},
      {errc::unexpected_right_bracket, "unexpected ']' in address"},
      {errc::invalid_port, "invalid port"},
      {errc::no_such_host, "no such host"},
  };
  for (const auto& [code, text] : table) EXPECT_EQ(make_error_code(code).message(), text);
}

TEST(Errc, EveryCodeHasAText) {
  for (int value = 1; value <= static_cast<int>(errc::server_misbehaving); ++value) {
    EXPECT_EQ(make_error_code(static_cast<errc>(value)).message().find("gmp error"), std::string::npos) << value;
  }
  EXPECT_EQ(make_error_code(static_cast<errc>(12345)).message(), "gmp error 12345");
}

TEST(Errc, TimeoutAndDeadlineExceededAreTimedOutButNotEachOther) {
  const std::error_code timeout = errc::timeout, deadline = errc::deadline_exceeded;
  EXPECT_EQ(timeout, std::errc::timed_out);
  EXPECT_EQ(deadline, std::errc::timed_out);
  EXPECT_NE(timeout, errc::deadline_exceeded);
  EXPECT_NE(deadline, errc::timeout);
  EXPECT_NE(timeout, std::errc::operation_canceled);
}

TEST(Errc, CanceledIsOperationCanceled) {
  const std::error_code canceled = errc::canceled;
  EXPECT_EQ(canceled, std::errc::operation_canceled);
  EXPECT_EQ(canceled, errc::canceled);
  EXPECT_NE(canceled, std::errc::timed_out);
}

TEST(Errc, AClosedFileIsClosedInItsOwnWords) {
  const std::error_code conn = errc::closed, file = errc::file_closed;
  EXPECT_TRUE(file == errc::closed);
  EXPECT_TRUE(errc::closed == file);
  EXPECT_FALSE(file != errc::closed);
  EXPECT_TRUE(conn == errc::file_closed);
  EXPECT_EQ(file.message(), "file already closed");
  EXPECT_EQ(conn.message(), "use of closed network connection");
  EXPECT_NE(file, errc::eof);
  EXPECT_EQ(file.default_error_condition(), conn.default_error_condition());
}

TEST(Errc, IsNoSystemError) {
  EXPECT_NE(std::error_code(errc::eof), std::error_code(1, std::system_category()));
  EXPECT_FALSE(sys(1) == errc::eof);
  EXPECT_FALSE(std::error_code() == errc::eof);
  EXPECT_NE(std::error_code(errc::closed), std::errc::bad_file_descriptor);
}

// ---- errno_category

TEST(ErrnoCategory, TextsAreGos) {
  const std::pair<int, const char*> table[] = {
      {EPERM, "operation not permitted"},
      {ENOENT, "no such file or directory"},
      {EINTR, "interrupted system call"},
      {EIO, "input/output error"},
      {EBADF, "bad file descriptor"},
      {EAGAIN, "resource temporarily unavailable"},
      {EACCES, "permission denied"},
      {EEXIST, "file exists"},
      {EINVAL, "invalid argument"},
      {EMFILE, "too many open files"},
      {EPIPE, "broken pipe"},
      {ENOSYS, "function not implemented"},
      {ENOCSI, "no CSI structure available"},
      {EDOTDOT, "RFS specific error"},
      {ELIBSCN, ".lib section in a.out corrupted"},
      {EOPNOTSUPP, "operation not supported"},
      {EADDRINUSE, "address already in use"},
      {EADDRNOTAVAIL, "cannot assign requested address"},
      {ENETUNREACH, "network is unreachable"},
      {ECONNABORTED, "software caused connection abort"},
      {ECONNRESET, "connection reset by peer"},
      {ENOTCONN, "transport endpoint is not connected"},
      {ETIMEDOUT, "connection timed out"},
      {ECONNREFUSED, "connection refused"},
      {EHOSTUNREACH, "no route to host"},
      {EINPROGRESS, "operation now in progress"},
      {ESTALE, "stale NFS file handle"},
      {ECANCELED, "operation canceled"},
      {ERFKILL, "operation not possible due to RF-kill"},
      {41, "errno 41"},
      {EHWPOISON, "errno 133"},
      {9999, "errno 9999"},
  };
  for (const auto& [number, text] : table) EXPECT_EQ(sys(number).message(), text) << number;
}

TEST(ErrnoCategory, TextsAreTheCLibrarysWithASmallFirstLetter) {
  for (int number = 1; number <= 132; ++number) {
    if (number == ESTALE) continue;
    std::string expected = std::strerror(number);
    if (expected.starts_with("Unknown error")) {
      expected = "errno " + std::to_string(number);
    } else if (std::isupper(expected[0]) && std::islower(expected[1])) {
      expected[0] = static_cast<char>(std::tolower(expected[0]));
    }
    EXPECT_EQ(sys(number).message(), expected) << number;
  }
}

TEST(ErrnoCategory, EqualsStdErrc) {
  EXPECT_EQ(sys(ECONNREFUSED), std::errc::connection_refused);
  EXPECT_EQ(sys(ENOENT), std::errc::no_such_file_or_directory);
  EXPECT_EQ(sys(EADDRINUSE), std::errc::address_in_use);
  EXPECT_EQ(sys(EWOULDBLOCK), std::errc::operation_would_block);
  EXPECT_EQ(sys(ETIMEDOUT), std::errc::timed_out);
  EXPECT_EQ(sys(ECANCELED), std::errc::operation_canceled);
  EXPECT_NE(sys(ECONNREFUSED), std::errc::connection_reset);
  EXPECT_NE(sys(ETIMEDOUT), errc::timeout);
}

TEST(ErrnoCategory, EqualsTheSameNumberOfTheSystemCategoryBothWays) {
  for (const int number : {1, ECONNREFUSED, EHWPOISON, 4000}) {
    EXPECT_TRUE(sys(number) == std::error_condition(number, std::system_category()));
    EXPECT_TRUE(std::error_code(number, std::system_category()) == std::error_condition(number, errno_category()));
    EXPECT_TRUE(std::error_code(number, std::generic_category()) == std::error_condition(number, errno_category()));
    EXPECT_FALSE(sys(number) == std::error_condition(number + 1, std::system_category()));
    EXPECT_FALSE(std::error_code(number, errc_category()) == std::error_condition(number, errno_category()));
  }
  EXPECT_EQ(sys(ECONNREFUSED).default_error_condition(), std::error_code(ECONNREFUSED, std::system_category()).default_error_condition());
}

// ---- Result

struct NoDefault {
  explicit NoDefault(int v) : value(std::make_unique<int>(v)) {}
  std::unique_ptr<int> value;  // move-only; a double destruction or a leak shows under ASan
};
struct Datagram {
  std::size_t n = 0;
  std::string from;
};

static_assert(std::is_copy_constructible_v<Result<int>>);
static_assert(std::is_nothrow_move_constructible_v<Result<int>>);
static_assert(!std::is_copy_constructible_v<Result<NoDefault>>);
static_assert(std::is_move_constructible_v<Result<NoDefault>> && std::is_move_assignable_v<Result<NoDefault>>);
static_assert(!std::is_default_constructible_v<Result<NoDefault>>);
static_assert(!std::is_convertible_v<Result<int>, bool>, "explicit: a Result must not be added up by accident");
static_assert(sizeof(Result<std::size_t>) == 40);
static_assert(sizeof(Result<void>) == 32);

Result<std::size_t> read_some(bool fail) {
  if (fail) return {3, errc::closed};
  return 7;
}

TEST(Result, UnpacksAsValueAndError) {
  auto [n, err] = read_some(false);
  EXPECT_EQ(n, 7U);
  EXPECT_FALSE(err);
  auto [m, why] = read_some(true);
  EXPECT_EQ(m, 3U) << "a failed write says how much went";
  EXPECT_EQ(why, errc::closed);
  static_assert(std::is_same_v<decltype(m), std::size_t> && std::is_same_v<decltype(why), std::error_code>);
}

TEST(Result, UnpacksByReferenceToo) {
  Result<std::string> r(std::string("abc"));
  auto& [value, err] = r;
  value += "d";
  err = errc::eof;
  EXPECT_EQ(r.err, errc::eof);
  const auto& [same, why] = r;
  EXPECT_EQ(same, "abcd");
  EXPECT_EQ(why, errc::eof);
}

TEST(Result, UnpacksMoveOnlyValues) {
  auto [p, err] = Result<std::unique_ptr<int>>(std::make_unique<int>(5));
  ASSERT_TRUE(p);
  std::unique_ptr<int> mine = std::move(p);
  EXPECT_EQ(*mine, 5);
  auto [none, why] = Result<std::unique_ptr<int>>(errc::eof);
  EXPECT_EQ(none, nullptr) << "the zero value";
  EXPECT_EQ(why, errc::eof);
}

TEST(Result, ValueIsZeroWhenThereIsNone) {
  alignas(Result<int>) unsigned char dirt[sizeof(Result<int>)];
  std::memset(dirt, 0xFF, sizeof dirt);
  auto* r = new (dirt) Result<int>(errc::timeout);
  EXPECT_EQ(r->get<0>(), 0);
  r->~Result<int>();
}

TEST(Result, HoldsTypesWithoutADefault) {
  Result<NoDefault> good(NoDefault(1));
  EXPECT_EQ(*good.value().value, 1);
  Result<NoDefault> bad(errc::canceled);
  EXPECT_THROW(bad.value(), std::system_error);
  bad = std::move(good);
  EXPECT_EQ(*bad.value().value, 1);
  Result<NoDefault> again(std::move(bad));
  again = Result<NoDefault>(errc::eof);
  EXPECT_EQ(again.err, errc::eof);
  again = Result<NoDefault>(NoDefault(2));
  const NoDefault taken = std::move(again).value();
  EXPECT_EQ(*taken.value, 2);
  auto [v, err] = Result<NoDefault>(NoDefault(3));
  EXPECT_EQ(*v.value, 3);
}

TEST(Result, CopiesKeepTheContext) {
  const Result<int> a(std::error_code(errc::eof), detail::text_before("reading x: "));
  std::vector<Result<int>> copies(10, a);
  Result<int> moved = std::move(copies[0]);
  copies.clear();
  EXPECT_EQ(moved.message(), "reading x: EOF");
  moved = a;
  EXPECT_EQ(moved.message(), "reading x: EOF");
}

TEST(Result, BoolMeansNoError) {
  EXPECT_TRUE(read_some(false));
  EXPECT_FALSE(read_some(true));
  EXPECT_TRUE(Result<void>());
  EXPECT_FALSE(Result<void>(errc::eof));
}

TEST(Result, ValueThrowsASystemErrorThatReadsAsTheMessage) {
  const Result<int> r(sys(ECONNREFUSED), detail::text_before("dial tcp 127.0.0.1:1: connect: "));
  EXPECT_EQ(r.message(), "dial tcp 127.0.0.1:1: connect: connection refused");
  EXPECT_EQ(r.err.message(), "connection refused");
  try {
    (void)r.value();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::connection_refused);
    EXPECT_STREQ(e.what(), "dial tcp 127.0.0.1:1: connect: connection refused");
    EXPECT_NE(dynamic_cast<const OpError*>(&e), nullptr);
  }
}

TEST(Result, WithoutContextTheMessageIsTheCodes) {
  EXPECT_EQ(Result<int>(errc::eof).message(), "EOF");
  EXPECT_EQ(Result<int>(5).message(), "");
  EXPECT_EQ(Result<void>().message(), "");
  try {
    (void)Result<int>(errc::eof).value();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_STREQ(e.what(), "EOF");
  }
}

TEST(Result, AReplacedCodeIsWhatTheMessageEndsWith) {
  Result<int> r(sys(ECANCELED), detail::text_before("read tcp A->B: "));
  r.err = errc::canceled;
  EXPECT_EQ(r.message(), "read tcp A->B: context canceled");
}

TEST(Result, AFailureCanBeHandedOnAsAnotherType) {
  const Result<int> from(sys(EADDRINUSE), detail::text_before("listen tcp 127.0.0.1:80: bind: "));
  const Result<std::string> to(from);
  EXPECT_EQ(to.message(), "listen tcp 127.0.0.1:80: bind: address already in use");
  const Result<void> nothing(from);
  EXPECT_EQ(nothing.message(), to.message());
}

TEST(ResultDeathTest, ASuccessCannotBeHandedOnAsAFailure) {
  const Result<int> success(1);
  EXPECT_DEATH((void)Result<std::string>(success), "broken invariant");
}

template <class E>
std::exception_ptr caught(E e) {
  return std::make_exception_ptr(std::move(e));
}

TEST(Result, HoldsAnExceptionAndRethrowsIt) {
  const auto r = Result<int>::from_exception(caught(std::runtime_error("boom")));
  EXPECT_FALSE(r);
  EXPECT_TRUE(r.exception);
  EXPECT_EQ(r.err, errc::exception) << "auto [v, err] must not look like success";
  EXPECT_EQ(r.message(), "boom");
  EXPECT_THROW((void)r.value(), std::runtime_error);

  const auto v = Result<void>::from_exception(caught(std::logic_error("bang")));
  EXPECT_FALSE(v);
  EXPECT_THROW(v.value(), std::logic_error);

  EXPECT_EQ(Result<int>::from_exception(caught(42)).message(), "exception of unknown type");
}

TEST(Result, ASystemErrorThatWasCaughtKeepsItsCode) {
  const auto r = Result<int>::from_exception(caught(OpError(errc::timeout, "read tcp: i/o timeout")));
  EXPECT_EQ(r.err, errc::timeout);
  EXPECT_EQ(r.message(), "read tcp: i/o timeout");
  EXPECT_THROW((void)r.value(), OpError);
}

TEST(Result, MayHoldErrorCodesAndExceptions) {
  const Result<std::error_code> code(make_error_code(errc::eof));
  EXPECT_TRUE(code) << "the code is the value";
  EXPECT_EQ(code.value(), errc::eof);
  const Result<std::error_code> failed({}, errc::timeout);
  EXPECT_FALSE(failed);
  const Result<std::exception_ptr> exception(caught(1));
  EXPECT_TRUE(exception);
}

TEST(Result, OfAnAggregate) {
  auto [datagram, err] = Result<Datagram>(Datagram{3, "x"});
  EXPECT_EQ(datagram.from, "x");
  EXPECT_EQ(Result<Datagram>(errc::closed).get<0>().n, 0U);
}

/// The least coroutine there is: runs at once, to its end.
struct Eager {
  struct promise_type {
    Eager get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() { throw; }
  };
};
template <class T>
struct Ready {
  explicit Ready(Result<T> r) : result(std::move(r)) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  Result<T> await_resume() { return std::move(result); }
  Result<T> result;
};

// g++ 12 destroys some temporaries of a co_await expression twice: a Result must not be one of them.
TEST(Result, UnpacksFromCoAwait) {
  int runs = 0;
  const auto alive = std::make_shared<int>(1);
  [](int& count, std::shared_ptr<int> value) -> Eager {
    auto [a, err] = co_await Ready<std::shared_ptr<int>>(value);
    EXPECT_FALSE(err);
    EXPECT_EQ(value.use_count(), 3) << "ours, the caller's, a";
    auto [b, why] = co_await Ready<std::shared_ptr<int>>(Result<std::shared_ptr<int>>(value, errc::closed, detail::text_before("x: ")));
    EXPECT_EQ(why, errc::closed);
    EXPECT_EQ(value.use_count(), 4);
    EXPECT_EQ((co_await Ready<std::shared_ptr<int>>(value)).value(), value);
    const Result<NoDefault> r = co_await Ready<NoDefault>(NoDefault(4));
    EXPECT_EQ(*r.value().value, 4);
    EXPECT_EQ(value.use_count(), 4);
    ++count;
  }(runs, alive);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(OpError, CopiesShareTheirText) {
  const OpError a(errc::eof, "a long text that would not fit into a short string");
  const OpError b = a;
  EXPECT_EQ(static_cast<const void*>(a.what()), b.what());
  static_assert(std::is_nothrow_copy_constructible_v<OpError>);
}

}  // namespace
}  // namespace gmp::result_test
