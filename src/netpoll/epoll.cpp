// src/netpoll/epoll.cpp — the poller for where io_uring is refused: system calls that are tried again when epoll says so.
// Go: runtime/netpoll_epoll.go.  Room: netpoll (floor 2).
//
// One epoll instance for each P.  submit() tries the call; if it would block the op waits in its descriptor's entry until an event, then the
// call is tried again.  So an op is nothing that the kernel knows of: a cancel takes it off its list, and whatever it did is complete.
//
// A descriptor is registered once, edge-triggered for both directions, and stays so.  Two things make that delicate:
// - Its number comes back.  Closing unregisters, without a word to us; the next descriptor of that number is not registered, and its ops
//   would wait for ever.  Each op therefore brings fd_serial_, the number of that descriptor's life: another serial in the entry, or 0 on
//   either side, means that nothing is known, and epoll_ctl is asked again.  (Rejected: telling every poller at each close, P locks a
//   close; EPOLLONESHOT, a system call a wait.)
// - Its ops move: gs migrate, so one descriptor is registered in the instances of several Ps, and each edge would wake the sleepers of all.
//   The second event in a row that finds nobody waiting here unregisters it here.  The first may just have been early.
//
// Invariants:
//   EP1  a registered entry has missed no edge: each one either had the waiting ops tried again, or left its mark in readable_.
//   EP2  an op waits only when a try of that direction would have blocked after the entry was registered, or an edge is yet to come: the
//        registration itself reports what is there already, so trying before it is as good.
//   EP3  readable_ says what is known since the last edge: `fresh` data may be there; `read` a read succeeded since, so if the caller says
//        that it drained the stream (poll_first_), nothing is there; `drained` a try would have blocked. Not after the other side ended
//        (ended_): its end is not announced again.
//   EP4  an event is a hint to try again, never an answer: it may be of an older file of that number, which a child just forked holds open.
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <memory>
#include <new>
#include <system_error>
#include <vector>

#include "gmp/detail/base/assert.hpp"
#include "netpoll/bell.hpp"
#include "netpoll/poller.hpp"

namespace gmp::detail {
namespace {

constexpr int would_block = INT_MIN;  // of attempt(): no errno is it, while EAGAIN can be an answer
constexpr std::uint32_t input = EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t output = EPOLLOUT | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t end_of_input = EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;  // PRI: a read stops short at urgent data
constexpr int vain_max = 2;
constexpr int a_bell = -1;  // in place of a descriptor

bool reads(IoKind kind) noexcept {
  return kind == IoKind::recv || kind == IoKind::recv_msg || kind == IoKind::accept || kind == IoKind::read || kind == IoKind::poll_in;
}

int poll_now(int fd, short events) noexcept {
  pollfd look{fd, events, 0};
  const int n = ::poll(&look, 1, 0);
  if (n > 0 && (look.revents & POLLNVAL) != 0) return errno = EBADF, -1;
  if (n > 0) return look.revents;
  if (n == 0) errno = EAGAIN;
  return -1;
}

/// EAGAIN is for the caller to see, so what would block is EINPROGRESS.
int connect_now(IoOp* op) noexcept {
  if (op->step_ == 0) {
    if (::connect(op->fd_, static_cast<const sockaddr*>(op->data_), static_cast<socklen_t>(op->size_)) == 0) return 0;
    if (errno == EINPROGRESS || errno == EINTR) {
      op->step_ = 1;
      errno = EINPROGRESS;
    }
    return -1;
  }
  if (poll_now(op->fd_, POLLOUT) < 0) {
    if (errno == EAGAIN) errno = EINPROGRESS;
    return -1;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(op->fd_, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -1;
  errno = error;
  return error == 0 ? 0 : -1;
}

std::int64_t call(IoOp* op) noexcept {
  const std::size_t size = std::min(op->size_, io_size_max);
  switch (op->kind_) {
    case IoKind::nop:
      return 0;
    case IoKind::recv:
      return ::recv(op->fd_, op->data_, size, MSG_DONTWAIT);
    case IoKind::send:
      return ::send(op->fd_, op->data_, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    case IoKind::recv_msg:
      return ::recvmsg(op->fd_, static_cast<msghdr*>(op->data_), MSG_DONTWAIT);
    case IoKind::send_msg:
      return ::sendmsg(op->fd_, static_cast<msghdr*>(op->data_), MSG_DONTWAIT | MSG_NOSIGNAL);
    case IoKind::accept:
      return ::accept4(op->fd_, static_cast<sockaddr*>(op->data_), op->data_ != nullptr ? &op->address_size_ : nullptr,
                       SOCK_CLOEXEC | SOCK_NONBLOCK);
    case IoKind::connect:
      return connect_now(op);
    case IoKind::poll_in:
      return poll_now(op->fd_, POLLIN);
    case IoKind::poll_out:
      return poll_now(op->fd_, POLLOUT);
    case IoKind::poll_error:
      return poll_now(op->fd_, 0);
    case IoKind::read:
      return op->offset_ < 0 ? ::read(op->fd_, op->data_, size) : ::pread(op->fd_, op->data_, size, op->offset_);
    case IoKind::write:
      return op->offset_ < 0 ? ::write(op->fd_, op->data_, size) : ::pwrite(op->fd_, op->data_, size, op->offset_);
    case IoKind::open:
    case IoKind::fsync:
      break;  // submit() refuses them: the thread would be held up
  }
  return 0;
}

/// The result, -errno, or would_block.
std::int32_t attempt(IoOp* op) noexcept {
  for (;;) {
    const std::int64_t result = call(op);
    if (result >= 0) return static_cast<std::int32_t>(result);
    if (errno == EINTR) continue;
    if (errno == (op->kind_ == IoKind::connect ? EINPROGRESS : EAGAIN)) return would_block;
    return -errno;
  }
}

class EpollPoller final : public Poller {
 public:
  EpollPoller() : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_fd_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
  }
  ~EpollPoller() override {
    GMPCORO_ASSERT(in_flight() == 0);
    ::close(epoll_fd_);
  }

  void submit(IoOp* op) noexcept override {
    if (!begin(op)) return;
    if (op->kind_ == IoKind::nop) return end(op, 0);
    if (op->kind_ == IoKind::open || op->kind_ == IoKind::fsync) return end(op, -EOPNOTSUPP);
    if (op->fd_ < 0) return end(op, -EBADF);
    Entry* entry = entry_of(op->fd_);
    if (entry == nullptr) return end(op, -ENOMEM);
    entry->vain_ = 0;
    Waiting& waiting = reads(op->kind_) ? entry->readers_ : entry->writers_;
    const bool known = entry->knows(op);
    // In turn: the first one blocked, and will be told. Unless that one was given up, its file closed, and the number is another file's.
    if (known && !waiting.empty()) return wait(waiting, op);
    // EP2, EP3: what is not there need not be tried; registering reports what is.
    const bool skip = op->poll_first_ && reads(op->kind_) && (!known || (entry->readable_ != Entry::fresh && !entry->ended_));
    if (!skip && try_now(*entry, op)) return;
    if (!known) {
      const int error = watch(*entry, op);
      if (error == EPERM && skip) return end(op, attempt(op));  // a regular file: it never would have blocked
      if (error != 0) return end(op, error == EPERM ? -EAGAIN : -error);
    }
    wait(waiting, op);
  }

  IoOp* poll(std::int64_t timeout_ns, Bell* bell) noexcept override {
    GMPCORO_ASSERT(timeout_ns == 0 || bell != nullptr);
    end_cancelled();
    if (timeout_ns != 0 && !something_ended()) {
      timeout_ns = bell->longest(timeout_ns);
      arm(bell);
      if (fall_asleep(bell)) {
        const int n = wait_for_events(timeout_ns);
        wake_up(bell);
        serve_all(n);
        return hand_back();
      }
    }
    if (waiting_ != 0) serve_all(wait_for_events(0));
    return hand_back();
  }

  bool peek() const noexcept override { return something_ended() || cancels_wait(); }

  void drain() noexcept override {
    for (;;) {
      for (const auto& chunk : chunks_) {
        if (chunk == nullptr) continue;
        for (Entry& entry : *chunk) {
          while (IoOp* op = entry.readers_.front()) withdraw(op);
          while (IoOp* op = entry.writers_.front()) withdraw(op);
        }
      }
      end_cancelled();
      hand_back();
      if (in_flight() == 0) return;
      ::sched_yield();  // a cancel of another thread is between its two steps
    }
  }

 private:
  using Waiting = List<IoOp, &IoOp::next_, &IoOp::prev_>;

  struct Entry {
    enum Readable : std::uint8_t { fresh, read, drained };  // EP3

    bool knows(const IoOp* op) const noexcept { return registered_ && serial_ != 0 && serial_ == op->fd_serial_; }

    Waiting readers_, writers_;
    std::uint64_t serial_ = 0;
    bool registered_ = false;         // as far as we know
    Readable readable_ = fresh;
    bool ended_ = false;
    std::uint8_t vain_ = 0;           // events in a row that found nobody
  };
  static constexpr std::size_t chunk_size = 64;
  using Chunk = std::array<Entry, chunk_size>;

  /// Null: no memory.
  Entry* entry_of(int fd) noexcept {
    const std::size_t chunk = static_cast<std::size_t>(fd) / chunk_size;
    try {
      if (chunk >= chunks_.size()) chunks_.resize(chunk + 1);
      if (chunks_[chunk] == nullptr) chunks_[chunk] = std::make_unique<Chunk>();
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    return &(*chunks_[chunk])[static_cast<std::size_t>(fd) % chunk_size];
  }

  /// A descriptor that is not ours may be closed as soon as the op has been given up, which may be now; then some other file of that number is watched
  /// for nobody. TSan takes that for a race, hence the bare system call.
  int control(int what, const IoOp* op, epoll_event* event) noexcept {
    if (op->fd_serial_ == 0) return static_cast<int>(::syscall(SYS_epoll_ctl, epoll_fd_, what, op->fd_, event));
    return ::epoll_ctl(epoll_fd_, what, op->fd_, event);
  }

  /// Registers the op's descriptor, or makes epoll look at it again. 0 or an errno.
  int watch(Entry& entry, const IoOp* op) noexcept {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    event.data.fd = op->fd_;
    if (control(EPOLL_CTL_ADD, op, &event) != 0) {
      if (errno != EEXIST) return errno;
      if (control(EPOLL_CTL_MOD, op, &event) != 0) return errno;
    }
    entry.registered_ = true;
    entry.serial_ = op->fd_serial_;
    entry.readable_ = Entry::drained;  // what is there comes as an event
    entry.ended_ = false;
    return 0;
  }

  void wait(Waiting& waiting, IoOp* op) noexcept {
    op->waiting_ = true;
    waiting.push_back(op);
    ++waiting_;
  }
  void withdraw(IoOp* op) noexcept {
    stop_waiting(op);
    end(op, -ECANCELED);
  }
  void stop_waiting(IoOp* op) noexcept {
    Entry& entry = *entry_of(op->fd_);
    (reads(op->kind_) ? entry.readers_ : entry.writers_).erase(op);
    op->waiting_ = false;
    --waiting_;
  }

  /// False: it would block.
  bool try_now(Entry& entry, IoOp* op) noexcept {
    const std::int32_t result = attempt(op);
    if (reads(op->kind_)) {
      if (result == would_block) {
        entry.readable_ = Entry::drained;
      } else if (entry.readable_ == Entry::fresh) {
        entry.readable_ = Entry::read;
      }
    }
    if (result == would_block) return false;
    if (op->waiting_) stop_waiting(op);
    end(op, result);
    return true;
  }

  void end_cancelled() noexcept {
    for (IoOp* op = take_cancels(); op != nullptr;) {
      IoOp* next = op->cancel_next_;
      if (begin_cancel(op)) withdraw(op);
      op = next;
    }
  }

  /// The bell of who is about to sleep here, and no other: see uring.cpp, UR3.
  void arm(Bell* bell) noexcept {
    if (armed_fd_ == bell->fd() || bell->fd() < 0) return;
    if (armed_fd_ >= 0) ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, armed_fd_, nullptr);
    armed_fd_ = bell->fd();
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.fd = a_bell;
    if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, armed_fd_, &event) != 0 && errno != EEXIST) {
      fatal("epoll_ctl refused to watch an eventfd of the scheduler (fs.epoll.max_user_watches?)");
    }
  }

  /// Number of events; 0 too if it was interrupted. More than fit stay for the next poll.
  int wait_for_events(std::int64_t timeout_ns) noexcept {
    const int events_max = static_cast<int>(events_.size());
    int n = -1;
    if (timeout_ns > 0 && has_pwait2_) {
      timespec limit{};
      limit.tv_sec = static_cast<time_t>(timeout_ns / 1'000'000'000);
      limit.tv_nsec = static_cast<long>(timeout_ns % 1'000'000'000);
      n = static_cast<int>(::syscall(SYS_epoll_pwait2, epoll_fd_, events_.data(), events_max, &limit, nullptr, std::size_t{0}));
      has_pwait2_ = n >= 0 || (errno != ENOSYS && errno != EPERM);  // before Linux 5.11; filters older than the call
    }
    if (timeout_ns <= 0 || !has_pwait2_) {
      const std::int64_t milliseconds = timeout_ns <= 0 ? timeout_ns : (timeout_ns - 1) / 1'000'000 + 1;  // never early
      n = ::epoll_wait(epoll_fd_, events_.data(), events_max, static_cast<int>(std::clamp<std::int64_t>(milliseconds, -1, INT_MAX)));
    }
    if (n < 0 && errno != EINTR) fatal("epoll_wait failed: was the scheduler's descriptor closed?");
    return std::max(n, 0);
  }

  void serve_all(int n) noexcept {
    for (int i = 0; i < n; ++i) {
      const int fd = events_[i].data.fd;
      if (fd != a_bell) serve(*entry_of(fd), fd, events_[i].events);
    }
  }

  void serve(Entry& entry, int fd, std::uint32_t events) noexcept {
    if (entry.readers_.empty() && entry.writers_.empty()) {
      if (++entry.vain_ >= vain_max) {
        // Whose number it is we do not know: it may be being closed, and be a newer file's by now, whose next op registers it again. As a bare
        // system call, since TSan takes such a use beside a close for a race.
        ::syscall(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
        entry.registered_ = false;
        return;
      }
    }
    if ((events & input) != 0) {
      entry.readable_ = Entry::fresh;
      if ((events & end_of_input) != 0) entry.ended_ = true;
      while (IoOp* op = entry.readers_.front()) {
        if (!try_now(entry, op)) break;
      }
    }
    if ((events & output) != 0) {
      while (IoOp* op = entry.writers_.front()) {
        if (!try_now(entry, op)) break;
      }
    }
  }

  const int epoll_fd_;
  int armed_fd_ = -1;                // the bell that wakes who sleeps here; -1: none
  bool has_pwait2_ = true;           // ns, and not ms
  std::uint32_t waiting_ = 0;        // ops in entries
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::array<epoll_event, 128> events_;
};

}  // namespace

std::unique_ptr<Poller> make_epoll_poller() { return std::make_unique<EpollPoller>(); }

}  // namespace gmp::detail
