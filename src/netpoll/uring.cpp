// src/netpoll/uring.cpp — the poller that stands on io_uring: one ring for each P.
// Go: none (runtime/netpoll_epoll.go is its place).  Room: netpoll (floor 2).
//
// Flags: COOP_TASKRUN | TASKRUN_FLAG | SUBMIT_ALL, and not SINGLE_ISSUER, since the ring moves with its P from M to M: of a DEFER_TASKRUN ring
// nobody but the one issuer may collect anything (EEXIST), so a blocked or spinning M would hold up all its connections; it is not faster
// either (2 %).  Without COOP_TASKRUN each completion interrupts its submitter: half as much CPU again.  The ring fd is not registered: a
// registered one belongs to one thread.
//
// The way of an op:  submit() puts it into queue_, user space only.  poll() writes SQEs, as many as fit, from cancels and queue_, and enters
// the kernel once to send them, to collect, and to sleep; again while something is left over.  So a full ring drops nothing and needs no
// case of its own, and an op that is cancelled before it was sent is just taken out of queue_.
//
// Invariants:
//   UR1  missing_ counts what still leads to the op: its own CQE, and its cancel, whether that is on a list here, sent, or to be collected.
//        It ends at 0, so an address cannot be cancelled in its next life.
//   UR2  a cancel that finds nothing (ENOENT) while its op's own CQE is not in is sent again, once a ms: the op may be on its way from one
//        wait to the next, where the kernel does not look for it.  A read under way to a disk is not found either, and just ends.
//   UR3  completion work belongs to the thread that submitted, whoever waits.  A sleeper therefore arms a poll of its own bell by itself:
//        one armed by another thread would wait for that thread, up to 4 ms if it computes.  At most one bell is armed here, the last
//        sleeper's; else each ring of an M would wake the sleepers of all rings in which it ever slept.
//   UR4  IORING_SQ_TASKRUN stays set until the submitter enters the kernel, so it is a reason to enter only for a thread with ops of its own
//        in flight here: submitters_ counts them by thread. The first of them counts for all threads that found no memory for one of
//        their own.
//   UR5  the kernel's half of a hand-over between threads is invisible to TSan: who sends an op releases it, who gets its CQE acquires it.
//   UR6  EAGAIN is no answer: kernels before 6.4 give it for pipes and others that are non-blocking, instead of waiting.  A poll waits in the
//        op's place, then it is sent again.  A read or write only once: of a file without poll it might say EAGAIN for ever.
//   UR7  what cannot be done at once and is no socket, an open for one, waits in a thread of the kernel's.  Of these a thread of ours has a few, four for
//        each CPU unless more are asked for, and an open of a FIFO may keep one for ever.  So more are asked for, and of opens no more are sent than
//        leave some free (uring_opens_max).
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <new>
#include <system_error>
#include <vector>

#include "gmp/detail/base/assert.hpp"
#include "netpoll/bell.hpp"
#include "netpoll/poller.hpp"
#include "sys/os.hpp"

#if GMPCORO_TSAN
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
#endif
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define GMPCORO_MSAN 1
#endif
#endif

namespace gmp::detail {
namespace {

// What user_data means, by its lowest three bits: the rest is the op's address, or the number of the bell's poll.
enum Tag : std::uint64_t { tag_op = 0, tag_cancel = 1, tag_bell = 2, tag_ignore = 3, tag_mask = 7 };
static_assert(alignof(IoOp) > tag_mask);

constexpr unsigned ring_flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
constexpr unsigned needed_features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL | IORING_FEAT_SUBMIT_STABLE;
constexpr unsigned cqes_per_sqe = 8;  // ops in flight outnumber those in the queue; what still overflows costs an allocation in the kernel
constexpr std::int64_t cancel_again_ns = 1'000'000;  // UR2
constexpr unsigned workers_max = 512;  // UR7

Atomic<unsigned> opens_max{workers_max / 2};  // UR7

/// What to do about it, for the one line that people see.
const char* advice(int error) noexcept {
  switch (error) {
    case EPERM:
    case EACCES:
      return "a seccomp filter (Docker, Kubernetes RuntimeDefault) or kernel.io_uring_disabled forbids it; allow io_uring_setup, "
             "io_uring_enter and io_uring_register, or set GMPPOLLER=epoll";
    case ENOSYS:
      return "this kernel or sandbox (gVisor) has no io_uring; use Linux 5.19 or later, or set GMPPOLLER=epoll";
    case EINVAL:
    case EOPNOTSUPP:
      return "this kernel's io_uring is too old; use Linux 5.19 or later, or set GMPPOLLER=epoll";
    case ENOMEM:
      return "no memory for the ring; raise the limit of locked memory (ulimit -l) or lower GMPRINGENTRIES, or set GMPPOLLER=epoll";
    case EMFILE:
    case ENFILE:
      return "too many open files; raise the limit (ulimit -n), or set GMPPOLLER=epoll";
    default:
      return "set GMPPOLLER=epoll";
  }
}
[[noreturn]] void throw_refused(const char* call, int error) {
  throw std::system_error(error, std::system_category(), std::string(call) + " (" + advice(error) + ")");
}

// Rings come and go by system calls that TSan does not see, and one may lie where another one lay: those who open one come after all who closed.
void note_ring([[maybe_unused]] bool opened) noexcept {
#if GMPCORO_TSAN
  static char rings;
  if (opened)
    __tsan_acquire(&rings);
  else
    __tsan_release(&rings);
#endif
}

/// The ring's two halves of memory and its descriptor. The kernel opens it close-on-exec.
class Ring : Immovable {
 public:
  Ring() noexcept { ring_.ring_fd = -1; }
  ~Ring() {
    if (ring_.ring_fd < 0) return;
    note_ring(false);
    io_uring_queue_exit(&ring_);
  }

  /// 0, or the errno that io_uring_setup gave.
  int open(unsigned entries) noexcept {
    io_uring_params params{};
    params.flags = ring_flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = entries * cqes_per_sqe;
    const int result = io_uring_queue_init_params(entries, &ring_, &params);
    if (result < 0) {
      ring_.ring_fd = -1;
      return -result;
    }
    note_ring(true);
    if ((ring_.features & needed_features) != needed_features) return EINVAL;
    io_uring_ring_dontfork(&ring_);  // a child that submitted would corrupt its parent's ring
    // SQEs are sent in the order in which they lie: the indirection is filled once.
    for (unsigned i = 0; ring_.sq.array != nullptr && i < ring_.sq.ring_entries; ++i) ring_.sq.array[i] = i;
    tail_ = *ring_.sq.ktail;
    ask_for_workers();
    return 0;
  }

  unsigned unsent() const noexcept { return tail_ - io_uring_smp_load_acquire(ring_.sq.khead); }
  unsigned room() const noexcept { return ring_.sq.ring_entries - unsent(); }
  /// room() must not be 0.
  io_uring_sqe* next_sqe(std::uint64_t user_data) noexcept {
    io_uring_sqe* sqe = &ring_.sq.sqes[tail_++ & ring_.sq.ring_mask];
    *sqe = io_uring_sqe{};
    sqe->user_data = user_data;
    return sqe;
  }

  bool complete() const noexcept { return io_uring_smp_load_acquire(ring_.cq.ktail) != IO_URING_READ_ONCE(*ring_.cq.khead); }
  unsigned flags() const noexcept { return IO_URING_READ_ONCE(*ring_.sq.kflags); }

  /// Sends what is unsent, runs the calling thread's completion work, and sleeps until one completion is there if wait is 1. False: the
  /// kernel took nothing, for want of memory or of room for completions.
  bool enter(unsigned wait, std::int64_t timeout_ns) noexcept {
    io_uring_smp_store_release(ring_.sq.ktail, tail_);
    const unsigned sending = unsent();
    unsigned flags = IORING_ENTER_GETEVENTS;
    __kernel_timespec limit{};
    io_uring_getevents_arg arg{};
    const bool limited = wait != 0 && timeout_ns >= 0;
    if (limited) {
      limit.tv_sec = timeout_ns / 1'000'000'000;
      limit.tv_nsec = timeout_ns % 1'000'000'000;
      arg.ts = reinterpret_cast<std::uint64_t>(&limit);
      flags |= IORING_ENTER_EXT_ARG;
    }
    const int result = io_uring_enter2(static_cast<unsigned>(ring_.ring_fd), sending, wait, flags,
                                       limited ? reinterpret_cast<sigset_t*>(&arg) : nullptr, limited ? sizeof arg : 0);
    switch (-result) {
      case EINTR:
      case ETIME:
        return true;
      case EAGAIN:
      case EBUSY:
      case ENOMEM:
        return false;
      case EBADR:
        fatal("io_uring lost a completion: the kernel had no memory for it");
      default:
        if (result < 0) fatal("io_uring_enter failed: was the ring closed, or forbidden after the start?");
        return result > 0 || sending == 0;
    }
  }

  /// Calls f for each completion that is there. False: there was none.
  template <class F>
  bool collect(F f) noexcept {
    const unsigned begin = *ring_.cq.khead;
    const unsigned end = io_uring_smp_load_acquire(ring_.cq.ktail);
    for (unsigned i = begin; i != end; ++i) f(ring_.cq.cqes[i & ring_.cq.ring_mask]);
    io_uring_smp_store_release(ring_.cq.khead, end);
    return begin != end;
  }

 private:
  // UR7, and what has come of it: the limit of processes may be lower, and a sandbox may forbid it.
  void ask_for_workers() noexcept {
    unsigned workers[2] = {workers_max, 0};  // for files, and for others: those are not limited
    unsigned now[2] = {};
    if (io_uring_register_iowq_max_workers(&ring_, workers) != 0 || io_uring_register_iowq_max_workers(&ring_, now) != 0) now[0] = 0;
    const unsigned most = std::clamp(now[0] / 2, 1u, workers_max / 2);
    if (most < opens_max.load(relaxed)) opens_max.store(most, relaxed);  // relaxed, and no RMW: of all rings the same comes
  }

  io_uring ring_{};
  unsigned tail_ = 0;  // behind the last SQE written; the kernel learns it at enter()
};

/// An address that no other living thread has.
GMPCORO_NOINLINE const void* this_thread() noexcept {
  static thread_local char here;
  return &here;
}

bool readable_first(IoKind kind) noexcept {
  return kind == IoKind::recv || kind == IoKind::recv_msg || kind == IoKind::accept || kind == IoKind::read || kind == IoKind::poll_in;
}
/// UR6. A poll never would have blocked, for a connect EAGAIN is an answer.
bool waits_by_poll(const IoOp* op) noexcept {
  switch (op->kind_) {
    case IoKind::recv:
    case IoKind::recv_msg:
    case IoKind::send:
    case IoKind::send_msg:
    case IoKind::accept:
      return true;
    case IoKind::read:
    case IoKind::write:
      return op->step_ == 0;
    default:
      return false;
  }
}

void fill(io_uring_sqe* sqe, IoOp* op) noexcept {
  const auto call = [&](std::uint8_t opcode, const void* address, std::size_t size, std::uint64_t offset) {
    sqe->opcode = opcode;
    sqe->fd = op->fd_;
    sqe->addr = reinterpret_cast<std::uint64_t>(address);
    sqe->len = static_cast<std::uint32_t>(std::min(size, io_size_max));
    sqe->off = offset;
  };
  const auto poll_for = [&](short events) {
    call(IORING_OP_POLL_ADD, nullptr, 0, 0);
    sqe->poll32_events = std::endian::native == std::endian::big ? static_cast<unsigned>(events) << 16 : static_cast<unsigned>(events);
  };
  if (op->step_ == 1) return poll_for(readable_first(op->kind_) ? POLLIN : POLLOUT);
  switch (op->kind_) {
    case IoKind::nop:
      sqe->opcode = IORING_OP_NOP;
      break;
    case IoKind::recv:
      call(IORING_OP_RECV, op->data_, op->size_, 0);
      if (op->poll_first_) sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
      break;
    case IoKind::recv_msg:
      call(IORING_OP_RECVMSG, op->data_, 1, 0);
      if (op->poll_first_) sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
      break;
    case IoKind::send:
      call(IORING_OP_SEND, op->data_, op->size_, 0);
      sqe->msg_flags = MSG_NOSIGNAL;
      break;
    case IoKind::send_msg:
      call(IORING_OP_SENDMSG, op->data_, 1, 0);
      sqe->msg_flags = MSG_NOSIGNAL;
      break;
    case IoKind::accept:
      call(IORING_OP_ACCEPT, op->data_, 0, op->data_ != nullptr ? reinterpret_cast<std::uint64_t>(&op->address_size_) : 0);
      sqe->accept_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
      break;
    case IoKind::connect:
      call(IORING_OP_CONNECT, op->data_, 0, op->size_);
      break;
    case IoKind::poll_in:
      poll_for(POLLIN);
      break;
    case IoKind::poll_out:
      poll_for(POLLOUT);
      break;
    case IoKind::poll_error:
      poll_for(0);
      break;
    case IoKind::read:
      call(IORING_OP_READ, op->data_, op->size_, static_cast<std::uint64_t>(op->offset_));
      break;
    case IoKind::write:
      call(IORING_OP_WRITE, op->data_, op->size_, static_cast<std::uint64_t>(op->offset_));
      break;
    case IoKind::open:
      call(IORING_OP_OPENAT, op->data_, op->size_, 0);
      sqe->fd = AT_FDCWD;
      sqe->flags = IOSQE_ASYNC;  // else it is tried with O_NONBLOCK first, and a FIFO opened before there is another end
      sqe->open_flags = static_cast<std::uint32_t>(op->offset_);
      break;
    case IoKind::fsync:
      call(IORING_OP_FSYNC, nullptr, 0, 0);
      break;
  }
}

class UringPoller final : public Poller {
 public:
  explicit UringPoller(unsigned entries) : submitters_(nobodys + 1) {
    if (const int error = ring_.open(entries)) throw_refused("io_uring_setup", error);
  }
  ~UringPoller() override { GMPCORO_ASSERT(in_flight() == 0); }

  void submit(IoOp* op) noexcept override {
    if (!begin(op)) return;
    enqueue(op);
    ++queued_;
  }

  IoOp* poll(std::int64_t timeout_ns, Bell* bell) noexcept override {
    GMPCORO_ASSERT(timeout_ns == 0 || bell != nullptr);
    begin_turn();
    bool wants_sleep = timeout_ns != 0;
    if (wants_sleep) timeout_ns = bell->longest(timeout_ns);
    for (;;) {
      const bool all_written = write_cancels() && write_queue();
      bool taken = true;
      if (wants_sleep && all_written && !something_ended() && !ring_.complete() && arm(bell)) {
        wants_sleep = false;
        if (!fall_asleep(bell)) continue;  // what is written goes out without sleeping
        if (cancels_again_ != nullptr) {   // UR2
          const std::int64_t rest = std::max<std::int64_t>(cancel_again_at_ - sys::monotonic_ns(), 0);
          timeout_ns = timeout_ns < 0 ? rest : std::min(timeout_ns, rest);
        }
        taken = enter(1, timeout_ns);
        wake_up(bell);
      } else if (ring_.unsent() != 0 || overflown() || completion_work()) {
        taken = enter(0, 0);
      }
      const bool collected = collect();
      if (!taken && !collected) {  // no memory in the kernel: what is left stays queued
        if (timeout_ns != 0 && !something_ended()) sys::sleep_ns(timeout_ns < 0 ? Bell::nap_ns : std::min(timeout_ns, Bell::nap_ns));
        break;
      }
      if (collected || overflown() || !queue_.empty() || cancels_ != nullptr || ring_.unsent() != 0) continue;
      if (!wants_sleep || something_ended()) break;
    }
    return end_turn();
  }

  bool peek() const noexcept override {
    if (ring_.complete() || cancels_wait()) return true;
    if (refused_.load(relaxed)) return false;  // else its M would not sleep, and ask for it again and again
    const unsigned flags = ring_.flags();
    if ((flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) == 0) return false;
    if ((flags & IORING_SQ_CQ_OVERFLOW) != 0) return true;
    return mine_.load(relaxed) != 0 && submitter_.load(relaxed) == this_thread();  // UR4
  }

  void drain() noexcept override {
    bool ask = true;
    for (;;) {
      begin_turn();
      while (IoOp* op = queue_.front()) withdraw(op);
      write_cancels();
      collect();
      end_turn();
      if (in_flight() == 0) return;
      if (ask && ring_.room() != 0) {
        io_uring_sqe* sqe = ring_.next_sqe(tag_ignore);
        sqe->opcode = IORING_OP_ASYNC_CANCEL;
        sqe->cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
        ask = false;
      }
      ring_.enter(1, cancel_again_ns);
      if (!ring_.complete()) ask = true;  // UR2, and an op that computes in its submitter's thread
    }
  }

 private:
  struct Submitter {
    const void* thread_ = nullptr;
    std::uint32_t in_flight_ = 0;
  };
  static constexpr std::size_t nobodys = 0;  // UR4

  bool enter(unsigned wait, std::int64_t timeout_ns) noexcept {
    const bool taken = ring_.enter(wait, timeout_ns);
    refused_.store(!taken, relaxed);
    return taken;
  }
  void enqueue(IoOp* op) noexcept {
    op->waiting_ = true;
    queue_.push_back(op);
    ++queue_size_;
  }
  void dequeue(IoOp* op) noexcept {
    op->waiting_ = false;
    queue_.erase(op);
    --queue_size_;
  }
  /// Of an op that was not sent.
  void withdraw(IoOp* op) noexcept {
    dequeue(op);
    end(op, -ECANCELED);
  }

  bool overflown() const noexcept { return (ring_.flags() & IORING_SQ_CQ_OVERFLOW) != 0; }
  /// Completions that only this thread can post: it submitted.
  bool completion_work() const noexcept {
    return (ring_.flags() & IORING_SQ_TASKRUN) != 0 && mine() != 0;  // UR4
  }

  void begin_turn() noexcept {
    const void* thread = this_thread();
    if (submitter_.load(relaxed) != thread) {
      slot_ = slot_of(thread);
      submitter_.store(thread, relaxed);
    }
    if (cancels_again_ != nullptr && sys::monotonic_ns() >= cancel_again_at_) {  // UR2
      while (cancels_again_ != nullptr) push(cancels_, pop(cancels_again_));
    }
  }
  IoOp* end_turn() noexcept {
    mine_.store(mine(), relaxed);
    queued_ = queue_size_ + ring_.unsent();
    return hand_back();
  }
  std::uint32_t mine() const noexcept { return submitters_[slot_].in_flight_ + (slot_ != nobodys ? submitters_[nobodys].in_flight_ : 0); }
  std::size_t slot_of(const void* thread) noexcept {
    std::size_t free = submitters_.size();
    for (std::size_t i = nobodys + 1; i < submitters_.size(); ++i) {
      if (submitters_[i].thread_ == thread) return i;
      if (submitters_[i].in_flight_ == 0) free = i;
    }
    try {
      if (free == submitters_.size()) submitters_.emplace_back();
    } catch (const std::bad_alloc&) {
      return nobodys;
    }
    submitters_[free] = {thread, 0};
    return free;
  }

  static void push(IoOp*& cancels, IoOp* op) noexcept {
    op->cancel_next_ = cancels;
    cancels = op;
  }
  static IoOp* pop(IoOp*& cancels) noexcept {
    IoOp* op = cancels;
    cancels = op->cancel_next_;
    return op;
  }

  /// False: no room for all.
  bool write_cancels() noexcept {
    for (IoOp* op = take_cancels(); op != nullptr;) {
      IoOp* next = op->cancel_next_;
      if (begin_cancel(op)) {
        if (op->waiting_) {
          withdraw(op);
        } else {
          ++op->missing_;  // UR1
          push(cancels_, op);
        }
      }
      op = next;
    }
    while (cancels_ != nullptr) {
      if (cancels_->missing_ == 1) {  // its own CQE came while it waited here
        IoOp* op = pop(cancels_);
        end(op, op->result_);
        continue;
      }
      if (ring_.room() == 0) return false;
      IoOp* op = pop(cancels_);
      io_uring_sqe* sqe = ring_.next_sqe(reinterpret_cast<std::uint64_t>(op) | tag_cancel);
      sqe->opcode = IORING_OP_ASYNC_CANCEL;
      sqe->addr = reinterpret_cast<std::uint64_t>(op) | tag_op;
    }
    return true;
  }

  bool write_queue() noexcept {
    while (IoOp* op = queue_.front()) {
      if (ring_.room() == 0) return false;
      dequeue(op);
#if GMPCORO_TSAN
      __tsan_release(op);  // UR5
#endif
      fill(ring_.next_sqe(reinterpret_cast<std::uint64_t>(op) | tag_op), op);
      ++op->missing_;  // UR1
      op->submitter_ = static_cast<std::uint32_t>(slot_);
      ++submitters_[slot_].in_flight_;
    }
    return true;
  }

  /// UR3. False: no room.
  bool arm(Bell* bell) noexcept {
    if (armed_fd_ == bell->fd() || bell->fd() < 0) return true;
    if (ring_.room() < 2) return false;
    if (armed_fd_ >= 0) {
      io_uring_sqe* sqe = ring_.next_sqe(tag_ignore);
      sqe->opcode = IORING_OP_ASYNC_CANCEL;
      sqe->addr = armed_ << 3 | tag_bell;
    }
    ++armed_;
    armed_fd_ = bell->fd();
    io_uring_sqe* sqe = ring_.next_sqe(armed_ << 3 | tag_bell);
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = armed_fd_;
    sqe->len = IORING_POLL_ADD_MULTI;
    sqe->poll32_events = std::endian::native == std::endian::big ? POLLIN << 16 : POLLIN;
    return true;
  }

  bool collect() noexcept {
    return ring_.collect([this](const io_uring_cqe& cqe) {
      IoOp* op = reinterpret_cast<IoOp*>(cqe.user_data & ~std::uint64_t{tag_mask});
      switch (cqe.user_data & tag_mask) {
        case tag_op:
          op_completed(op, cqe.res);
          break;
        case tag_cancel:
          cancel_completed(op, cqe.res);
          break;
        case tag_bell:
          if (cqe.user_data >> 3 == armed_ && (cqe.flags & IORING_CQE_F_MORE) == 0) armed_fd_ = -1;
          break;
        default:
          break;
      }
    });
  }

  void op_completed(IoOp* op, std::int32_t result) noexcept {
#if GMPCORO_TSAN
    __tsan_acquire(op);  // UR5
#endif
#ifdef GMPCORO_INJECT
    result = GMPCORO_INJECT(op, result);  // tests: what this kernel does not answer
#endif
    --submitters_[op->submitter_].in_flight_;
    --op->missing_;
    if (op->step_ == 1 ? result >= 0 : result == -EAGAIN && waits_by_poll(op)) {  // UR6
      if (!op->cancel_seen_) {
        op->step_ = op->step_ == 1 ? 2 : 1;
        return enqueue(op);
      }
      result = -ECANCELED;
    }
#ifdef GMPCORO_MSAN
    unpoison(op, result);
#endif
    op->result_ = result;
    if (op->missing_ == 0) end(op, result);
  }

  void cancel_completed(IoOp* op, std::int32_t result) noexcept {
    if (op->missing_ > 1 && result == -ENOENT) {  // UR2
      if (cancels_again_ == nullptr) cancel_again_at_ = sys::monotonic_ns() + cancel_again_ns;
      return push(cancels_again_, op);
    }
    if (--op->missing_ == 0) end(op, op->result_);
  }

#ifdef GMPCORO_MSAN
  static void unpoison(IoOp* op, std::int32_t result) noexcept {
    if (result < 0 || op->data_ == nullptr) return;
    if (op->kind_ == IoKind::recv || op->kind_ == IoKind::read) __msan_unpoison(op->data_, static_cast<std::size_t>(result));
    if (op->kind_ == IoKind::accept) __msan_unpoison(op->data_, op->address_size_);
    if (op->kind_ == IoKind::recv_msg) {
      auto* message = static_cast<msghdr*>(op->data_);
      if (message->msg_name != nullptr) __msan_unpoison(message->msg_name, message->msg_namelen);
      for (std::size_t i = 0; i < message->msg_iovlen; ++i) __msan_unpoison(message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    }
  }
#endif

  Ring ring_;
  List<IoOp, &IoOp::next_, &IoOp::prev_> queue_;  // submitted, no SQE yet
  std::uint32_t queue_size_ = 0;
  IoOp* cancels_ = nullptr;        // taken, no SQE yet; linked by cancel_next_
  IoOp* cancels_again_ = nullptr;  // UR2
  std::int64_t cancel_again_at_ = 0;
  int armed_fd_ = -1;              // the bell that wakes who sleeps here; -1: none
  std::uint64_t armed_ = 0;        // number of its poll
  std::size_t slot_ = nobodys;     // of the owner
  std::vector<Submitter> submitters_;
  Atomic<const void*> submitter_{nullptr};  // the last owner's thread; for peek() of anyone, as is:
  Atomic<std::uint32_t> mine_{0};           // its ops in flight
  Atomic<bool> refused_{false};             // the last enter took nothing: what only an enter brings is no reason to look
};

/// What the kernel said to whom; error 0: nothing.
struct Refusal {
  const char* call = nullptr;
  int error = 0;
};

Refusal probe() {
  io_uring ring;
  io_uring_params params{};
  params.flags = ring_flags;
  if (const int result = io_uring_queue_init_params(2, &ring, &params); result < 0) return {"io_uring_setup", -result};
  Refusal refused;
  if ((ring.features & needed_features) != needed_features) refused = {"io_uring_setup", EINVAL};
  io_uring_prep_nop(io_uring_get_sqe(&ring));
  if (const int result = io_uring_submit_and_wait(&ring, 1); result < 0) refused = {"io_uring_enter", -result};
  io_uring_queue_exit(&ring);
  return refused;
}

const Refusal& the_refusal() {
  static const Refusal refused = probe();
  return refused;
}

std::string text_of(const Refusal& refused) {
  if (refused.error == 0) return {};
  return std::string(refused.call) + ": " + std::system_category().message(refused.error) + ": " + advice(refused.error);
}

}  // namespace

std::unique_ptr<Poller> make_uring_poller(unsigned entries) {
  return std::make_unique<UringPoller>(std::bit_ceil(std::clamp(entries, 2u, 32768u)));
}

unsigned uring_opens_max() noexcept { return opens_max.load(relaxed); }

const std::string& uring_refused() {
  static const std::string& refused = *new std::string(text_of(the_refusal()));  // never destroyed: nothing of ours runs at exit
  return refused;
}

void throw_uring_refused() { throw_refused(the_refusal().call, the_refusal().error); }

}  // namespace gmp::detail
