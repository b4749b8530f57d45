// src/net/op_error.hpp — what went wrong with which operation between which ends, in Go's words.
// Go: net/net.go (OpError, AddrError, UnknownNetworkError), net/dnsclient (DNSError), os (SyscallError).  Room: net (floor 5).
//
//   op network source->addr: BEFORE message AFTER
//   read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout
//   dial tcp 127.0.0.1:1: connect: connection refused          before: "connect: "
//   dial tcp: address host: missing port in address            before: "address host: "
//   dial nope: unknown network nope                            after: " nope"
// errc::eof gets none of this: the end of a stream is no failure, and Go hands io.EOF through bare.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "gmp/detail/net/addr.hpp"
#include "gmp/result.hpp"

namespace gmp::detail {

/// A code, and what belongs to its text. False: nothing failed.
struct Failure {
  Failure() noexcept = default;
  Failure(std::error_code c, std::string b = {}, std::string a = {}) noexcept : code(c), before(std::move(b)), after(std::move(a)) {}
  Failure(errc e, std::string b = {}, std::string a = {}) noexcept : Failure(make_error_code(e), std::move(b), std::move(a)) {}

  explicit operator bool() const noexcept { return static_cast<bool>(code); }
  /// The last part of a message, with what belongs to it.
  std::string text() const { return before + code.message() + after; }

  std::error_code code;
  std::string before, after;
};

/// Go's AddrError: "address ADDR: …"; nothing is said of an empty one.
Failure address_failure(std::string_view address, errc e);
/// A system call that failed: "bind: address already in use".      Go: os.NewSyscallError
Failure system_failure(std::string_view call, int error_number);
/// A name that could not be looked up: "lookup NAME: no such host".      Go: DNSError
Failure lookup_failure(std::string_view name, errc e);

/// The context of a Result that is about no operation: the failure alone.
ErrorContextRef failure_context(Failure why) noexcept;
/// The context of a Result. op: a literal. Ends that are none are left out.
ErrorContextRef op_context(const char* op, std::string_view network, const net::Addr& source, const net::Addr& addr, Failure why) noexcept;

/// The context of a Result that is about a file: "read PATH: is a directory".      Go: fs.PathError
ErrorContextRef path_context(const char* op, std::string_view path) noexcept;

/// A failure that is about no operation, ready to be returned.
template <class T>
Result<T> failed(Failure why) {
  const std::error_code code = why.code;
  return Result<T>(code, failure_context(std::move(why)));
}

/// A failed operation, ready to be returned.
template <class T>
Result<T> op_error(const char* op, std::string_view network, const net::Addr& source, const net::Addr& addr, Failure why) {
  const std::error_code code = why.code;
  return Result<T>(code, op_context(op, network, source, addr, std::move(why)));
}

}  // namespace gmp::detail
