// src/os/file_limit.cpp — raise_file_limit, and what is remembered for children.
// Go: os/rlimit.go, syscall/rlimit.go.  Room: os (floor 5).
//
// The soft limit is 1024 on most systems for the sake of select(2), which cannot go beyond; who does not call that may have more.  Go raises it at
// the start of each program, since the program is Go's.  Here it is somebody else's, so it says the word.
#include "os/file_limit.hpp"

#include <cerrno>

#include "gmp/detail/sys/lock.hpp"
#include "gmp/os.hpp"
#include "net/op_error.hpp"

namespace gmp {

namespace detail {

namespace {

constinit Lock limit_lock;
constinit std::optional<rlimit> before_raise;  // limit_lock
constinit rlim_t raised_to = 0;                // limit_lock

}  // namespace

std::optional<rlimit> file_limit_of_children() noexcept {
  LockGuard guard(limit_lock);
  rlimit now{};
  if (!before_raise || ::getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur != raised_to || before_raise->rlim_cur > now.rlim_max) return {};
  now.rlim_cur = before_raise->rlim_cur;
  return now;
}

}  // namespace detail

namespace os {

Result<std::size_t> raise_file_limit() {
  const auto failed = [](const char* call) { return detail::failed<std::size_t>(detail::system_failure(call, errno)); };
  detail::LockGuard guard(detail::limit_lock);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return failed("getrlimit");
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit before = limit;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return failed("setrlimit");
    detail::before_raise = before;
    detail::raised_to = limit.rlim_cur;
  }
  return Result<std::size_t>(static_cast<std::size_t>(limit.rlim_cur));
}

}  // namespace os
}  // namespace gmp
