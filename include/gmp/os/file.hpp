// include/gmp/os/file.hpp — os::open, os::File, os::pipe: files, pipes and terminals, as streams that hold up no thread.
// Go: os (File, OpenFile, Pipe, NewFile).  Room: os (floor 5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "gmp/detail/io/buffer.hpp"
#include "gmp/detail/net/copy_end.hpp"
#include "gmp/detail/net/descriptor_ref.hpp"
#include "gmp/detail/net/operations.hpp"
#include "gmp/detail/os/operations.hpp"
#include "gmp/result.hpp"
#include "gmp/time.hpp"

namespace gmp::os {

/// An open file: a shared handle, of which copies name the same file; it is closed by close(), or when the last copy goes. A default-constructed one is
/// closed. Of pipes, terminals and sockets an operation parks until they are ready; of others (files on disks, directories) until it is done: by io_uring,
/// or else on a thread that may block. One g may read while another writes; several that read, or write, get their turns, each whole.
///
///     auto [f, err] = co_await os::open("/etc/hosts", O_RDONLY);
///     auto [text, err2] = co_await io::read_all(f);
///
/// Errors read as Go's: "read /etc: is a directory", "write |1: broken pipe", "read f: file already closed".      Go: os.File.
class GMPCORO_EXPORT File {
 public:
  using shared_handle = void;  // io's readers and writers keep a copy of it, where they would keep a reference

  File() noexcept = default;
  explicit File(detail::DescriptorRef fd) noexcept : fd_(std::move(fd)) {}

  /// `auto [n, err] = co_await f.read(buf);` reads what is there at the file's position, at most buf.size() bytes; {0, errc::eof} at the end. The buffer must
  /// live until it returns, and no longer, also if it ended by a deadline, close() or until(): what the system cannot stop is waited for.      Go: Read.
  detail::FileReadOp read(io::Buffer buffer) const noexcept { return detail::FileReadOp(fd_.get(), buffer); }
  /// `auto [n, err] = co_await f.write(data);` writes all of it, or gives an error and how much went. A pipe that nobody reads any more: EPIPE, and
  /// no SIGPIPE; but of 1 and 2 (see from_fd) that, too, by which a program in a shell's pipeline ends, unless it ignores it.      Go: Write.
  detail::FileWriteOp write(io::ConstBuffer data) const noexcept { return detail::FileWriteOp(fd_.get(), data); }

  /// The same at an offset; the position stays as it is. Any number of these go on at once. pread() may give less than was asked for, and {0, errc::eof} at
  /// the end. What has no positions: ESPIPE. Linux appends what is written to a file opened with O_APPEND, whatever the offset.      Go: ReadAt, WriteAt.
  detail::FileAtOp pread(io::Buffer buffer, std::int64_t offset) const noexcept {
    return detail::FileAtOp(fd_.get(), detail::FileCall::Kind::pread, buffer.data(), buffer.size(), offset);
  }
  detail::FileAtOp pwrite(io::ConstBuffer data, std::int64_t offset) const noexcept {
    return detail::FileAtOp(fd_.get(), detail::FileCall::Kind::pwrite, data.data(), data.size(), offset);
  }

  /// `std::error_code err = co_await f.fsync();` returns when what was written is on the disk.      Go: Sync.
  detail::SyncOp fsync() const noexcept { return detail::SyncOp(fd_.get()); }
  /// Bytes of the file, now. Does not wait; to await it is allowed.      Go: Stat().Size().
  detail::ReadyResult<std::int64_t> size() const;

  /// Marks the file as closed, ends what is in progress on a pipe or terminal, which then gives errc::closed ("file already closed"), and returns.
  /// The number is released with the last operation in progress, which closed() waits for. A second time: errc::closed. From any thread.      Go: Close.
  std::error_code close() const noexcept;
  /// `co_await f.closed();` parks until the number has been released.
  detail::ClosedOp closed() const noexcept { return detail::ClosedOp(fd_.get()); }

  /// As net::Conn's, of pipes, terminals and sockets; others: errc::no_deadline.      Go: SetDeadline.
  std::error_code set_deadline(time_point when) const noexcept { return set_deadlines(when, true, true); }
  std::error_code set_read_deadline(time_point when) const noexcept { return set_deadlines(when, true, false); }
  std::error_code set_write_deadline(time_point when) const noexcept { return set_deadlines(when, false, true); }

  /// For io::copy.
  detail::CopyEnd copy_end() const noexcept { return detail::CopyEnd(fd_.get()); }

  /// The system's number of it, or -1 if it is closed. It stays the library's.      Go: Fd.
  int native_handle() const noexcept;
  /// As it was opened: the path, or "|0", "|1" for a pipe's ends. Stays after close(); empty for a default-constructed one.
  std::string name() const;

  /// False for a default-constructed one, and after close().
  explicit operator bool() const noexcept { return native_handle() >= 0; }
  /// The same open file?
  friend bool operator==(const File& a, const File& b) noexcept { return a.fd_.get() == b.fd_.get(); }

 private:
  std::error_code set_deadlines(time_point when, bool read, bool write) const noexcept;
  detail::DescriptorRef fd_;
};

/// `auto [f, err] = co_await os::open(path, O_RDWR | O_CREAT);` opens a file, close-on-exec. flags: of <fcntl.h>; mode: of one that is made, less the umask.
/// A FIFO parks until its other end is opened, and until() gives that up under io_uring, unless hundreds wait already; then, and under epoll, it is waited
/// for. "open /nowhere: no such file or directory".      Go: os.OpenFile.
[[nodiscard("co_await it")]] inline detail::OpenOp open(std::string_view path, int flags = 0, unsigned mode = 0644) {
  return detail::OpenOp(path, flags, mode);
}

/// Two ends of a pipe, or an error.
struct Pipe {
  Pipe() noexcept {}
  File reader, writer;  // both, or none
  std::error_code err;  // why there is none
};
/// `auto [r, w, err] = os::pipe();` what is written to w is read from r. A read gives errc::eof when all writers are closed, a write EPIPE when all readers
/// are.      Go: os.Pipe.
GMPCORO_EXPORT Pipe pipe() noexcept;

/// A descriptor that the program has already: `auto [f, err] = os::from_fd(0, "stdin");`. From here on it is the File's, and closed with it. A pipe, terminal
/// or socket is made non-blocking, also for whoever shares it by dup(2) or fork(2); all but 0, 1, 2 close-on-exec. What is no open descriptor: EBADF, and nothing
/// was taken.      Go: os.NewFile.
GMPCORO_EXPORT Result<File> from_fd(int fd, std::string_view name = {});

}  // namespace gmp::os
