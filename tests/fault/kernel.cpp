// tests/fault/kernel.cpp — the wrapped calls.
// Go: none.  Room: tests/fault.
#include "fault/kernel.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <linux/magic.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <map>
#include <mutex>

namespace gmp::test {
namespace {

std::mutex mutex;  // of the one Kernel, and of the rings
Kernel* kernel = nullptr;
std::atomic<bool> active{false};

/// A ring that the library opened, and what its NOPs shall say instead.
struct RingNotes {
  io_uring* ring = nullptr;
  unsigned looked_at = 0;  // entries before this one were decided on
  std::map<std::uint64_t, int> answers;
};
std::array<RingNotes, 1024> rings;  // by descriptor. An array, as the library may be short of memory just now

std::atomic<const Names*> names{nullptr};

Fault ask(Call call, bool in_ring = false, const sockaddr* address = nullptr) {
  if (!active.load(std::memory_order_acquire)) return {};
  const std::lock_guard guard(mutex);
  return kernel != nullptr ? kernel->ask(call, in_ring, address) : Fault();
}

/// A system call: true if it fails, with errno set. Cuts `size`.
bool fails(Call call, std::size_t* size = nullptr, const sockaddr* address = nullptr) {
  const Fault fault = ask(call, false, address);
  if (fault.does == Fault::Does::cut && size != nullptr) *size = std::min(*size, fault.most);
  if (fault.does != Fault::Does::fail) return false;
  errno = fault.error;
  return true;
}

/// A pipe or a regular file; but none that the tests talk to, and none of /proc, which the library reads for itself.
bool is_of_files(int fd) {
  struct stat about = {};
  struct statfs system = {};
  return fd > 2 && active.load(std::memory_order_acquire) && ::fstat(fd, &about) == 0 && ::fstatfs(fd, &system) == 0 &&
         system.f_type != PROC_SUPER_MAGIC && (S_ISFIFO(about.st_mode) || S_ISREG(about.st_mode));
}
bool fails_on_files(Call call, int fd, std::size_t* size = nullptr) { return is_of_files(fd) && fails(call, size); }

Call call_of(const io_uring_sqe& sqe) {
  switch (sqe.opcode) {
    case IORING_OP_RECV:
      return Call::recv;
    case IORING_OP_SEND:
      return Call::send;
    case IORING_OP_RECVMSG:
      return Call::recvmsg;
    case IORING_OP_SENDMSG:
      return Call::sendmsg;
    case IORING_OP_READ:
      return Call::read;
    case IORING_OP_WRITE:
      return Call::write;
    case IORING_OP_OPENAT:
      return Call::open;
    case IORING_OP_FSYNC:
      return Call::fsync;
    case IORING_OP_ACCEPT:
      return Call::accept;
    case IORING_OP_CONNECT:
      return Call::connect;
    case IORING_OP_POLL_ADD:
      return (sqe.len & IORING_POLL_ADD_MULTI) != 0 ? Call::bell : Call::poll;
    case IORING_OP_ASYNC_CANCEL:
      return Call::cancel;
    default:
      return Call::count_;
  }
}

void change(RingNotes& notes, io_uring_sqe& sqe) {
  const Call call = call_of(sqe);
  if (call == Call::count_) return;
  const Fault fault = kernel->ask(call, true, call == Call::connect ? reinterpret_cast<const sockaddr*>(sqe.addr) : nullptr);
  switch (fault.does) {
    case Fault::Does::nothing:
      break;
    case Fault::Does::fail: {
      const std::uint64_t user_data = sqe.user_data;
      sqe = io_uring_sqe{};
      sqe.opcode = IORING_OP_NOP;
      sqe.user_data = user_data;
      notes.answers[user_data] = -fault.error;
      break;
    }
    case Fault::Does::cut:
      if (call == Call::bell)
        sqe.len = 0;  // once, and not again and again
      else if (call == Call::recv || call == Call::send || call == Call::read || call == Call::write)
        sqe.len = std::min(sqe.len, static_cast<unsigned>(fault.most));
      break;
    case Fault::Does::defer:
      sqe.flags |= IOSQE_ASYNC;
      break;
  }
}

/// Before an enter that sends `sending` entries.
void look_at_entries(RingNotes& notes, unsigned sending) {
  io_uring_sq& sq = notes.ring->sq;
  const unsigned end = *sq.ktail;
  const unsigned begin = end - sending;
  for (unsigned i = static_cast<int>(notes.looked_at - begin) > 0 ? notes.looked_at : begin; i != end; ++i)
    change(notes, sq.sqes[i & *sq.kring_mask]);
  notes.looked_at = end;
}

void look_at_completions(RingNotes& notes) {
  io_uring_cq& cq = notes.ring->cq;
  const unsigned begin = *cq.khead;
  const unsigned end = io_uring_smp_load_acquire(cq.ktail);
  const unsigned mask = *cq.kring_mask;
  bool rings_a_bell = false;
  for (unsigned i = begin; i != end; ++i) {
    io_uring_cqe& cqe = cq.cqes[i & mask];
    rings_a_bell = rings_a_bell || (cqe.user_data & 7) == 2;  // whose last completion must stay the last
    const auto answer = notes.answers.find(cqe.user_data);
    if (answer == notes.answers.end()) continue;
    cqe.res = answer->second;
    notes.answers.erase(answer);
  }
  if (kernel->options_.reverses && !rings_a_bell && end - begin > 1) {
    kernel->reversed_.fetch_add(1, std::memory_order_relaxed);
    for (unsigned i = begin, j = end - 1; static_cast<int>(j - i) > 0; ++i, --j) std::swap(cq.cqes[i & mask], cq.cqes[j & mask]);
  }
  if ((IO_URING_READ_ONCE(*notes.ring->sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0) kernel->overflows_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Kernel::Kernel(Decide decide) : Kernel(std::move(decide), Options()) {}

Kernel::Kernel(Decide decide, Options options) : options_(options), decide_(std::move(decide)) {
  const std::lock_guard guard(mutex);
  kernel = this;
  active.store(true, std::memory_order_release);
}

Kernel::~Kernel() {
  const std::lock_guard guard(mutex);
  kernel = nullptr;
  active.store(false, std::memory_order_release);
}

Fault Kernel::ask(Call call, bool in_ring, const sockaddr* address) {
  const std::size_t i = static_cast<std::size_t>(call);
  seen_[i].fetch_add(1, std::memory_order_relaxed);
  const Fault fault = address != nullptr && options_.connect ? options_.connect(address) : decide_(call, in_ring);
  if (fault.does != Fault::Does::nothing) faults_[i].fetch_add(1, std::memory_order_relaxed);
  return fault;
}

Names::Names(Find find) : find_(std::move(find)) { names.store(this, std::memory_order_release); }
Names::~Names() { names.store(nullptr, std::memory_order_release); }

Kernel::Decide nth(Call call, long n, Fault fault) {
  return [call, left = n, fault](Call asked, bool) mutable { return asked == call && --left == 0 ? fault : Fault(); };
}

}  // namespace gmp::test

using gmp::test::ask;
using gmp::test::Call;
using gmp::test::fails;
using gmp::test::fails_on_files;
using gmp::test::Fault;

// The names that the linker makes of --wrap.
#define REAL(name) __real_##name
#define WRAP(name) __wrap_##name

extern "C" {

ssize_t REAL(recv)(int fd, void* data, std::size_t size, int flags);
ssize_t WRAP(recv)(int fd, void* data, std::size_t size, int flags);
ssize_t WRAP(recv)(int fd, void* data, std::size_t size, int flags) {
  return fails(Call::recv, &size) ? -1 : REAL(recv)(fd, data, size, flags);
}

ssize_t REAL(send)(int fd, const void* data, std::size_t size, int flags);
ssize_t WRAP(send)(int fd, const void* data, std::size_t size, int flags);
ssize_t WRAP(send)(int fd, const void* data, std::size_t size, int flags) {
  return fails(Call::send, &size) ? -1 : REAL(send)(fd, data, size, flags);
}

int REAL(accept4)(int fd, sockaddr* address, socklen_t* size, int flags);
int WRAP(accept4)(int fd, sockaddr* address, socklen_t* size, int flags);
int WRAP(accept4)(int fd, sockaddr* address, socklen_t* size, int flags) {
  return fails(Call::accept) ? -1 : REAL(accept4)(fd, address, size, flags);
}

int REAL(connect)(int fd, const sockaddr* address, socklen_t size);
int WRAP(connect)(int fd, const sockaddr* address, socklen_t size);
int WRAP(connect)(int fd, const sockaddr* address, socklen_t size) {
  return fails(Call::connect, nullptr, address) ? -1 : REAL(connect)(fd, address, size);
}

ssize_t REAL(recvmsg)(int fd, msghdr* message, int flags);
ssize_t WRAP(recvmsg)(int fd, msghdr* message, int flags);
ssize_t WRAP(recvmsg)(int fd, msghdr* message, int flags) { return fails(Call::recvmsg) ? -1 : REAL(recvmsg)(fd, message, flags); }

ssize_t REAL(sendmsg)(int fd, const msghdr* message, int flags);
ssize_t WRAP(sendmsg)(int fd, const msghdr* message, int flags);
ssize_t WRAP(sendmsg)(int fd, const msghdr* message, int flags) { return fails(Call::sendmsg) ? -1 : REAL(sendmsg)(fd, message, flags); }

int REAL(open)(const char* path, int flags, ...);
int WRAP(open)(const char* path, int flags, ...);
int WRAP(open)(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return fails(Call::open) ? -1 : REAL(open)(path, flags, mode);
}

ssize_t REAL(read)(int fd, void* data, std::size_t size);
ssize_t WRAP(read)(int fd, void* data, std::size_t size);
ssize_t WRAP(read)(int fd, void* data, std::size_t size) {
  return fails_on_files(Call::read, fd, &size) ? -1 : REAL(read)(fd, data, size);
}

ssize_t REAL(pread)(int fd, void* data, std::size_t size, off_t offset);
ssize_t WRAP(pread)(int fd, void* data, std::size_t size, off_t offset);
ssize_t WRAP(pread)(int fd, void* data, std::size_t size, off_t offset) {
  return fails_on_files(Call::read, fd, &size) ? -1 : REAL(pread)(fd, data, size, offset);
}

ssize_t REAL(preadv2)(int fd, const iovec* pieces, int count, off_t offset, int flags);
ssize_t WRAP(preadv2)(int fd, const iovec* pieces, int count, off_t offset, int flags);
ssize_t WRAP(preadv2)(int fd, const iovec* pieces, int count, off_t offset, int flags) {
  iovec piece = pieces[0];  // there is no more than one
  return fails_on_files(Call::try_read, fd, &piece.iov_len) ? -1 : REAL(preadv2)(fd, &piece, count, offset, flags);
}

ssize_t REAL(write)(int fd, const void* data, std::size_t size);
ssize_t WRAP(write)(int fd, const void* data, std::size_t size);
ssize_t WRAP(write)(int fd, const void* data, std::size_t size) {
  return fails_on_files(Call::write, fd, &size) ? -1 : REAL(write)(fd, data, size);
}

ssize_t REAL(pwrite)(int fd, const void* data, std::size_t size, off_t offset);
ssize_t WRAP(pwrite)(int fd, const void* data, std::size_t size, off_t offset);
ssize_t WRAP(pwrite)(int fd, const void* data, std::size_t size, off_t offset) {
  return fails_on_files(Call::write, fd, &size) ? -1 : REAL(pwrite)(fd, data, size, offset);
}

int REAL(fsync)(int fd);
int WRAP(fsync)(int fd);
int WRAP(fsync)(int fd) { return fails(Call::fsync) ? -1 : REAL(fsync)(fd); }

ssize_t REAL(splice)(int from, off_t* from_offset, int to, off_t* to_offset, std::size_t size, unsigned flags);
ssize_t WRAP(splice)(int from, off_t* from_offset, int to, off_t* to_offset, std::size_t size, unsigned flags);
ssize_t WRAP(splice)(int from, off_t* from_offset, int to, off_t* to_offset, std::size_t size, unsigned flags) {
  return fails(Call::splice, &size) ? -1 : REAL(splice)(from, from_offset, to, to_offset, size, flags);
}

ssize_t REAL(sendfile)(int to, int from, off_t* offset, std::size_t size);
ssize_t WRAP(sendfile)(int to, int from, off_t* offset, std::size_t size);
ssize_t WRAP(sendfile)(int to, int from, off_t* offset, std::size_t size) {
  return fails(Call::sendfile, &size) ? -1 : REAL(sendfile)(to, from, offset, size);
}

int REAL(pthread_create)(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument);
int WRAP(pthread_create)(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument);
int WRAP(pthread_create)(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  const Fault fault = ask(Call::thread);
  return fault.does == Fault::Does::fail ? fault.error : REAL(pthread_create)(thread, attributes, start, argument);
}

// glibc frees a list entry by entry, so several lists may be put together.
int REAL(getaddrinfo)(const char* host, const char* service, const addrinfo* hints, addrinfo** list);
int WRAP(getaddrinfo)(const char* host, const char* service, const addrinfo* hints, addrinfo** list);
int WRAP(getaddrinfo)(const char* host, const char* service, const addrinfo* hints, addrinfo** list) {
  const gmp::test::Names* names = gmp::test::names.load(std::memory_order_acquire);
  if (names == nullptr) return REAL(getaddrinfo)(host, service, hints, list);
  *list = nullptr;
  addrinfo** end = list;
  addrinfo numeric = *hints;
  numeric.ai_flags |= AI_NUMERICHOST;
  for (const std::string& address : names->find_(host)) {
    if (REAL(getaddrinfo)(address.c_str(), service, &numeric, end) != 0) continue;  // of the other family
    while (*end != nullptr) end = &(*end)->ai_next;
  }
  return *list == nullptr ? EAI_NONAME : 0;
}

int REAL(epoll_create1)(int flags);
int WRAP(epoll_create1)(int flags);
int WRAP(epoll_create1)(int flags) { return fails(Call::epoll_create) ? -1 : REAL(epoll_create1)(flags); }

int REAL(epoll_wait)(int fd, epoll_event* events, int most, int timeout);
int WRAP(epoll_wait)(int fd, epoll_event* events, int most, int timeout);
int WRAP(epoll_wait)(int fd, epoll_event* events, int most, int timeout) {
  auto size = static_cast<std::size_t>(most);
  return fails(Call::epoll_wait, &size) ? -1 : REAL(epoll_wait)(fd, events, static_cast<int>(size), timeout);
}

long REAL(syscall)(long number, ...);
long WRAP(syscall)(long number, ...);
long WRAP(syscall)(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_epoll_pwait2) {
    auto size = static_cast<std::size_t>(a[2]);
    if (fails(Call::epoll_wait, &size)) return -1;
    a[2] = static_cast<long>(size);
  }
  return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int REAL(io_uring_queue_init_params)(unsigned entries, io_uring* ring, io_uring_params* params);
int WRAP(io_uring_queue_init_params)(unsigned entries, io_uring* ring, io_uring_params* params);
int WRAP(io_uring_queue_init_params)(unsigned entries, io_uring* ring, io_uring_params* params) {
  const Fault fault = ask(Call::uring_setup);
  if (fault.does == Fault::Does::fail) return -fault.error;
  {
    const std::lock_guard guard(gmp::test::mutex);
    if (gmp::test::kernel != nullptr && gmp::test::kernel->options_.cq_entries != 0 && (params->flags & IORING_SETUP_CQSIZE) != 0) {
      params->cq_entries = gmp::test::kernel->options_.cq_entries;
      entries = std::min(entries, params->cq_entries);  // the system wants no fewer
    }
  }
  const int result = REAL(io_uring_queue_init_params)(entries, ring, params);
  if (result >= 0) {
    const std::lock_guard guard(gmp::test::mutex);
    gmp::test::rings.at(static_cast<std::size_t>(ring->ring_fd)) = {ring, *ring->sq.ktail, {}};
  }
  return result;
}

void REAL(io_uring_queue_exit)(io_uring* ring);
void WRAP(io_uring_queue_exit)(io_uring* ring);
void WRAP(io_uring_queue_exit)(io_uring* ring) {
  {
    const std::lock_guard guard(gmp::test::mutex);
    gmp::test::rings.at(static_cast<std::size_t>(ring->ring_fd)) = {};
  }
  REAL(io_uring_queue_exit)(ring);
}

int REAL(io_uring_enter2)(unsigned fd, unsigned sending, unsigned wait, unsigned flags, sigset_t* set, std::size_t size);
int WRAP(io_uring_enter2)(unsigned fd, unsigned sending, unsigned wait, unsigned flags, sigset_t* set, std::size_t size);
int WRAP(io_uring_enter2)(unsigned fd, unsigned sending, unsigned wait, unsigned flags, sigset_t* set, std::size_t size) {
  gmp::test::RingNotes* notes = nullptr;
  if (gmp::test::active.load(std::memory_order_acquire)) {
    const std::lock_guard guard(gmp::test::mutex);
    gmp::test::RingNotes& found = gmp::test::rings.at(fd);
    if (gmp::test::kernel != nullptr && found.ring != nullptr) {
      const Fault fault = gmp::test::kernel->ask(Call::enter, true);
      if (fault.does == Fault::Does::fail) return -fault.error;
      notes = &found;  // it stays: who enters a ring owns it
      gmp::test::look_at_entries(*notes, sending);
      if (fault.does == Fault::Does::cut && sending > fault.most) {
        sending = static_cast<unsigned>(fault.most);
        wait = 0;  // a system that took fewer than it was given does not wait
      }
    }
  }
  const int result = REAL(io_uring_enter2)(fd, sending, wait, flags, set, size);
  if (notes != nullptr) {
    const std::lock_guard guard(gmp::test::mutex);
    if (gmp::test::kernel != nullptr) gmp::test::look_at_completions(*notes);
  }
  return result;
}

// Of the probe alone.
int REAL(io_uring_submit_and_wait)(io_uring* ring, unsigned wait);
int WRAP(io_uring_submit_and_wait)(io_uring* ring, unsigned wait);
int WRAP(io_uring_submit_and_wait)(io_uring* ring, unsigned wait) {
  const Fault fault = ask(Call::enter, true);
  return fault.does == Fault::Does::fail ? -fault.error : REAL(io_uring_submit_and_wait)(ring, wait);
}

}  // extern "C"
