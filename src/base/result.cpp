// src/base/result.cpp — the two error categories and their texts; a failure put into words, or thrown.
// Go: syscall/zerrors_linux_amd64.go (the texts), io, os, context, net (OpError).  Room: base (floor 0).
//
// The categories are made in static storage on first use and never destroyed: error codes may be looked at by other static objects'
// destructors, and a program that only links the library gets no global constructor and no atexit entry from it.
#include "gmp/result.hpp"

#include <cerrno>
#include <new>

namespace gmp {
namespace {

template <class Number>
struct Text {
  Number number;
  const char* text;
};

template <class Number, std::size_t N>
const char* text_of(const Text<Number> (&texts)[N], Number number) noexcept {
  for (const Text<Number>& row : texts) {
    if (row.number == number) return row.text;
  }
  return nullptr;
}

constexpr Text<errc> errc_texts[] = {
    {errc::eof, "EOF"},
    {errc::closed, "use of closed network connection"},
    {errc::file_closed, "file already closed"},
    {errc::timeout, "i/o timeout"},
    {errc::canceled, "context canceled"},
    {errc::deadline_exceeded, "context deadline exceeded"},
    {errc::exception, "exception"},
    {errc::unexpected_eof, "unexpected EOF"},
    {errc::short_write, "short write"},
    {errc::no_progress, "multiple Read calls return no data or error"},
    {errc::buffer_full, "bufio: buffer full"},
    {errc::closed_pipe, "io: read/write on closed pipe"},
    {errc::no_deadline, "file type does not support deadline"},
    {errc::process_done, "os: process already finished"},
    {errc::not_executable, "executable file not found in $PATH"},
    {errc::exit_status, "exit status"},
    {errc::unknown_network, "unknown network"},
    {errc::missing_address, "missing address"},
    {errc::missing_port, "missing port in address"},
    {errc::too_many_colons, "too many colons in address"},
    {errc::missing_bracket, "missing ']' in address"},
    {errc::unexpected_left_bracket, "unexpected '[' in address"},
    {errc::unexpected_right_bracket, "unexpected ']' in address"},
    {errc::invalid_port, "invalid port"},
    {errc::unknown_port, "unknown port"},
    {errc::invalid_ip, "unable to parse IP"},
    {errc::unexpected_address_type, "unexpected address type"},
    {errc::no_suitable_address, "no suitable address"},
    {errc::no_such_host, "no such host"},
    {errc::temporary_failure, "Temporary failure in name resolution"},
    {errc::server_misbehaving, "server misbehaving"},
};

/// Codes with one meaning and two texts: the one that stands for both.
errc plain(errc e) noexcept { return e == errc::file_closed ? errc::closed : e; }

class ErrcCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "gmp"; }

  std::string message(int value) const override {
    const char* text = text_of(errc_texts, static_cast<errc>(value));
    return text ? text : "gmp error " + std::to_string(value);
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<errc>(value)) {
      case errc::timeout:
      case errc::deadline_exceeded:
        return std::errc::timed_out;
      case errc::canceled:
        return std::errc::operation_canceled;
      default:
        return {static_cast<int>(plain(static_cast<errc>(value))), *this};
    }
  }
};

/// Go's texts. They are the C library's with a small first letter, but for one ("stale NFS file handle"); a table, since strerror's depend
/// on the locale and on the C library.
constexpr Text<int> errno_texts[] = {
    {EPERM, "operation not permitted"},
    {ENOENT, "no such file or directory"},
    {ESRCH, "no such process"},
    {EINTR, "interrupted system call"},
    {EIO, "input/output error"},
    {ENXIO, "no such device or address"},
    {E2BIG, "argument list too long"},
    {ENOEXEC, "exec format error"},
    {EBADF, "bad file descriptor"},
    {ECHILD, "no child processes"},
    {EAGAIN, "resource temporarily unavailable"},
    {ENOMEM, "cannot allocate memory"},
    {EACCES, "permission denied"},
    {EFAULT, "bad address"},
    {ENOTBLK, "block device required"},
    {EBUSY, "device or resource busy"},
    {EEXIST, "file exists"},
    {EXDEV, "invalid cross-device link"},
    {ENODEV, "no such device"},
    {ENOTDIR, "not a directory"},
    {EISDIR, "is a directory"},
    {EINVAL, "invalid argument"},
    {ENFILE, "too many open files in system"},
    {EMFILE, "too many open files"},
    {ENOTTY, "inappropriate ioctl for device"},
    {ETXTBSY, "text file busy"},
    {EFBIG, "file too large"},
    {ENOSPC, "no space left on device"},
    {ESPIPE, "illegal seek"},
    {EROFS, "read-only file system"},
    {EMLINK, "too many links"},
    {EPIPE, "broken pipe"},
    {EDOM, "numerical argument out of domain"},
    {ERANGE, "numerical result out of range"},
    {EDEADLK, "resource deadlock avoided"},
    {ENAMETOOLONG, "file name too long"},
    {ENOLCK, "no locks available"},
    {ENOSYS, "function not implemented"},
    {ENOTEMPTY, "directory not empty"},
    {ELOOP, "too many levels of symbolic links"},
    {ENOMSG, "no message of desired type"},
    {EIDRM, "identifier removed"},
    {ECHRNG, "channel number out of range"},
    {EL2NSYNC, "level 2 not synchronized"},
    {EL3HLT, "level 3 halted"},
    {EL3RST, "level 3 reset"},
    {ELNRNG, "link number out of range"},
    {EUNATCH, "protocol driver not attached"},
    {ENOCSI, "no CSI structure available"},
    {EL2HLT, "level 2 halted"},
    {EBADE, "invalid exchange"},
    {EBADR, "invalid request descriptor"},
    {EXFULL, "exchange full"},
    {ENOANO, "no anode"},
    {EBADRQC, "invalid request code"},
    {EBADSLT, "invalid slot"},
    {EBFONT, "bad font file format"},
    {ENOSTR, "device not a stream"},
    {ENODATA, "no data available"},
    {ETIME, "timer expired"},
    {ENOSR, "out of streams resources"},
    {ENONET, "machine is not on the network"},
    {ENOPKG, "package not installed"},
    {EREMOTE, "object is remote"},
    {ENOLINK, "link has been severed"},
    {EADV, "advertise error"},
    {ESRMNT, "srmount error"},
    {ECOMM, "communication error on send"},
    {EPROTO, "protocol error"},
    {EMULTIHOP, "multihop attempted"},
    {EDOTDOT, "RFS specific error"},
    {EBADMSG, "bad message"},
    {EOVERFLOW, "value too large for defined data type"},
    {ENOTUNIQ, "name not unique on network"},
    {EBADFD, "file descriptor in bad state"},
    {EREMCHG, "remote address changed"},
    {ELIBACC, "can not access a needed shared library"},
    {ELIBBAD, "accessing a corrupted shared library"},
    {ELIBSCN, ".lib section in a.out corrupted"},
    {ELIBMAX, "attempting to link in too many shared libraries"},
    {ELIBEXEC, "cannot exec a shared library directly"},
    {EILSEQ, "invalid or incomplete multibyte or wide character"},
    {ERESTART, "interrupted system call should be restarted"},
    {ESTRPIPE, "streams pipe error"},
    {EUSERS, "too many users"},
    {ENOTSOCK, "socket operation on non-socket"},
    {EDESTADDRREQ, "destination address required"},
    {EMSGSIZE, "message too long"},
    {EPROTOTYPE, "protocol wrong type for socket"},
    {ENOPROTOOPT, "protocol not available"},
    {EPROTONOSUPPORT, "protocol not supported"},
    {ESOCKTNOSUPPORT, "socket type not supported"},
    {EOPNOTSUPP, "operation not supported"},
    {EPFNOSUPPORT, "protocol family not supported"},
    {EAFNOSUPPORT, "address family not supported by protocol"},
    {EADDRINUSE, "address already in use"},
    {EADDRNOTAVAIL, "cannot assign requested address"},
    {ENETDOWN, "network is down"},
    {ENETUNREACH, "network is unreachable"},
    {ENETRESET, "network dropped connection on reset"},
    {ECONNABORTED, "software caused connection abort"},
    {ECONNRESET, "connection reset by peer"},
    {ENOBUFS, "no buffer space available"},
    {EISCONN, "transport endpoint is already connected"},
    {ENOTCONN, "transport endpoint is not connected"},
    {ESHUTDOWN, "cannot send after transport endpoint shutdown"},
    {ETOOMANYREFS, "too many references: cannot splice"},
    {ETIMEDOUT, "connection timed out"},
    {ECONNREFUSED, "connection refused"},
    {EHOSTDOWN, "host is down"},
    {EHOSTUNREACH, "no route to host"},
    {EALREADY, "operation already in progress"},
    {EINPROGRESS, "operation now in progress"},
    {ESTALE, "stale NFS file handle"},
    {EUCLEAN, "structure needs cleaning"},
    {ENOTNAM, "not a XENIX named type file"},
    {ENAVAIL, "no XENIX semaphores available"},
    {EISNAM, "is a named type file"},
    {EREMOTEIO, "remote I/O error"},
    {EDQUOT, "disk quota exceeded"},
    {ENOMEDIUM, "no medium found"},
    {EMEDIUMTYPE, "wrong medium type"},
    {ECANCELED, "operation canceled"},
    {ENOKEY, "required key not available"},
    {EKEYEXPIRED, "key has expired"},
    {EKEYREVOKED, "key has been revoked"},
    {EKEYREJECTED, "key was rejected by service"},
    {EOWNERDEAD, "owner died"},
    {ENOTRECOVERABLE, "state not recoverable"},
    {ERFKILL, "operation not possible due to RF-kill"},
};

class ErrnoCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "errno"; }

  std::string message(int value) const override {
    const char* text = text_of(errno_texts, value);
    return text ? text : "errno " + std::to_string(value);
  }

  std::error_condition default_error_condition(int value) const noexcept override { return {value, std::generic_category()}; }

  // A code of ours against a condition …
  bool equivalent(int value, const std::error_condition& condition) const noexcept override {
    return condition.value() == value && is_errno(condition.category());
  }
  // … and a code of somebody else's against a condition of ours.
  bool equivalent(const std::error_code& code, int value) const noexcept override {
    return code.value() == value && is_errno(code.category());
  }

 private:
  bool is_errno(const std::error_category& other) const noexcept {
    return other == *this || other == std::generic_category() || other == std::system_category();
  }
};

template <class Category>
const Category& immortal() noexcept {
  alignas(Category) static unsigned char storage[sizeof(Category)];
  static const Category* const category = ::new (storage) Category;
  return *category;
}

/// What a caught exception says.
std::string what_of(const std::exception_ptr& caught) {
  try {
    std::rethrow_exception(caught);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "exception of unknown type";
  }
}

std::error_code code_of(const std::exception_ptr& caught) noexcept {
  try {
    std::rethrow_exception(caught);
  } catch (const std::system_error& e) {
    if (e.code()) return e.code();
  } catch (...) {
  }
  return make_error_code(errc::exception);
}

class TextBefore final : public detail::ErrorContext {
 public:
  explicit TextBefore(std::string before) noexcept : before_(std::move(before)) {}
  std::string text(const std::error_code& err) const override { return before_ + err.message(); }

 private:
  std::string before_;
};

}  // namespace

const std::error_category& errc_category() noexcept { return immortal<ErrcCategory>(); }
const std::error_category& errno_category() noexcept { return immortal<ErrnoCategory>(); }

bool operator==(const std::error_code& code, errc e) noexcept {
  return code.category() == errc_category() && plain(static_cast<errc>(code.value())) == plain(e);
}

OpError::OpError(const std::error_code& code, std::string message)
    : std::system_error(code), message_(std::make_shared<const std::string>(std::move(message))) {}

namespace detail {

void ErrorContextRef::release() noexcept {
  if (context_->refs_.fetch_sub(1, acq_rel) == 1) delete context_;  // [CONTEXT] the last one sees all that others did with it
}

ErrorContextRef text_before(std::string before) noexcept { return make_error_context<TextBefore>(std::move(before)); }

ResultBase::ResultBase(std::exception_ptr caught) noexcept : err(code_of(caught)), exception(std::move(caught)) {}

std::string ResultBase::message() const {
  if (exception) return what_of(exception);
  if (!err) return {};
  return context_.get() ? context_.get()->text(err) : err.message();
}

void ResultBase::throw_failure() const {
  if (exception) std::rethrow_exception(exception);
  throw OpError(err, message());
}

}  // namespace detail
}  // namespace gmp
