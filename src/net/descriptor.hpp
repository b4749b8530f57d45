// src/net/descriptor.hpp — Descriptor: what all handles of one socket share, from its opening to the end of its last user.
// Go: internal/poll/fd_unix.go (FD), net/fd_posix.go (netFD).  Room: net (floor 5).
//
// The IoOps, one a side, lie here and not in the frames: FdMutex lets one g use a side at a time, and whoever wants to end an operation
// (close, a deadline, until) need not know whether there is one just now.
// A cancel that comes when nothing is in flight sticks to the op (op.hpp: `cancelling`); the next one that is submitted ends at once, finds
// no reason for it, and is submitted again.  So a cancel is never lost, and one too many costs a round through the poller.
//
// Who may go when:
//   DE1  the record lives while a handle, the open number, or a `closed()` in progress needs it: refs_. The number needs it until FdMutex says that the
//        last user has left (FM2); users therefore hold no share of refs_ of their own.
//   DE2  the last handle that goes closes.
//   DE3  release() runs once: it gives the number back, and wakes those in closed().
//
// Who may touch what:
//   sides_[s].op_, drained_, the timer   who holds side s; a cancel, at any time (op.hpp)
//   deadline_                            written under lock(); read by who holds the side
//   closers_, released_                  under lock()
// A closer or setter cancels under lock().  Whoever finds its op cancelled takes lock() once before it goes on: then the canceller is through
// with the poller, which may go with the executor when its gs are gone.                                                    [FD-CANCEL]
//
// Deadlines.  set_deadline writes the time down; the g that waits has the timer, in a heap of its own executor and for no longer than it
// waits, since the executor may be gone before the connection is.  A timer that fires only cancels; the g looks at the clock and at what
// the deadline is now, and ends, or goes on waiting.  So a deadline that is moved on costs nothing until the old one has come.
//   DE4  a g that waits has its timer at the deadline or before, or a cancel on its way: who makes the deadline earlier cancels. (A g writes
//        its cancel flag off, then does an RMW on the word, then reads deadline_: FM3.)
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/net/addr.hpp"
#include "gmp/detail/net/descriptor_ref.hpp"
#include "gmp/detail/netpoll/op.hpp"
#include "gmp/detail/timer/heap.hpp"
#include "net/fd_mutex.hpp"
#include "net/kept_addr.hpp"

namespace gmp::detail {

constexpr std::size_t call_size_max = 1 << 30;  // of one read or write, as Go's: some systems and filesystems err above

class Device;

class Descriptor : Immovable {
 public:
  struct Side : Timer {
    Side() noexcept : Timer(&Side::fire) {}
    static void fire(Timer* timer, std::int64_t now) noexcept;

    void cancel(FdSide s) noexcept;

    FdSide side_ = FdSide::read;
    enum class Input : std::uint8_t { unknown, drained, more };
    Input input_ = Input::unknown;  // of the read side: what the last read left behind
    Device* device_ = nullptr;      // the descriptor's
    IoOp op_;
    Atomic<std::int64_t> deadline_{never};
  };

  enum class Nature : std::uint8_t {
    stream,
    datagrams,  // each read takes one, each write sends one; an empty one is no end
    listener,
    pollable,  // a file by whose readiness the poller knows when: a pipe, a terminal
    regular,   // a file that is always ready, and may take its time: on a disk, a directory
  };

  /// Takes over a non-blocking descriptor; null: no memory, and the descriptor is the caller's still. network: a literal.
  static Descriptor* make(int fd, const char* network, Nature nature, const net::Addr& local, const net::Addr& remote) noexcept;
  /// The same for a file: pollable or regular.
  static Descriptor* make_file(int fd, std::string_view name, Nature nature) noexcept;
  /// One without a number, or null: no memory.
  GMPCORO_EXPORT static Descriptor* make(std::unique_ptr<Device> device, const char* network, const net::Addr& local, const net::Addr& remote,
                          Nature nature = Nature::stream) noexcept;

  // ---- the handles'
  void ref_handle() noexcept { handles_.fetch_add(1, relaxed); }  // [FD-REFS] a copy of a handle that we hold
  void unref_handle() noexcept;

  // ---- from anywhere
  /// errc::closed if it was closed already.
  std::error_code close() noexcept;
  bool is_closed() const noexcept { return mutex_.is_closed(); }
  std::error_code closed_error() const noexcept { return make_error_code(is_file() ? errc::file_closed : errc::closed); }
  /// close() shall drop what was not sent, and the peer see a reset: then it must not see an end first.
  void set_drops(bool drops) noexcept { drops_.store(drops, relaxed); }  // it and close() are the user's to put in order
  std::error_code shut_down(int how) noexcept;
  /// Of datagrams, by shut_down(). Asked by who has the side, after what acquires the word.
  bool reading_has_ended() const noexcept { return reading_ended_.load(relaxed); }  // [FD-WORD]
  /// How much of it the system takes at once. Nothing if a device lies below. By who has, or keeps from others, the writing side.
  GMPCORO_EXPORT std::size_t send_now(const void* data, std::size_t size) noexcept;
  std::error_code set_option(int level, int option, const void* value, unsigned size) noexcept;
  /// As users say it: a default-constructed or the greatest time_point is none.
  std::error_code set_deadline(std::chrono::steady_clock::time_point when, bool read, bool write) noexcept {
    const bool none = when == decltype(when){} || when == decltype(when)::max();
    return set_deadline(none ? never : saturated_ns(when.time_since_epoch()), read, write);
  }
  /// `never`: none.
  GMPCORO_EXPORT std::error_code set_deadline(std::int64_t when_ns, bool read, bool write) noexcept;
  int native_handle() const noexcept { return mutex_.is_closed() ? -1 : number(); }
  net::Addr local() const noexcept { return local_.get(); }
  net::Addr remote() const noexcept { return remote_.get(); }
  bool set_local(const net::Addr& local) noexcept { return local_.set(local); }  // before there is a second handle. False: no memory
  /// Of a file: its name.
  const char* network() const noexcept { return network_; }
  bool is_file() const noexcept { return is_file(nature_); }
  bool is_standard_output() const noexcept { return is_file() && (fd_ == 1 || fd_ == 2); }
  bool is_regular() const noexcept { return nature_ == Nature::regular; }
  bool listens() const noexcept { return nature_ == Nature::listener; }
  bool keeps_bounds() const noexcept { return nature_ == Nature::datagrams; }
  /// A path that bind() has made, to be removed by close().
  void set_unlinks() noexcept { unlinks_ = true; }  // before there is a second handle
  Device* device() const noexcept { return device_.get(); }

  /// A reference for code that uses the number.
  class Use;

  // ---- FdOperation's
  Side& side(FdSide s) noexcept { return sides_[static_cast<unsigned>(s)]; }
  void cancel(FdSide s) noexcept;
  /// After mutex_ said so (FM2).
  void release() noexcept;

  // ---- ClosedOp's
  void ref() noexcept { refs_.fetch_add(1, relaxed); }  // [FD-REFS]
  GMPCORO_EXPORT void unref() noexcept;
  /// Queues w until release(). False: it is over, or w is withdrawn_, and before() was called then: under the lock, just before w is published.
  template <class F>
  bool wait_released(Waiter& w, F before) noexcept {
    LockGuard guard(mutex_.lock());
    if (released_) return false;
    before();
    if (gives_up(w)) {
      w.withdrawn_ = true;
      return false;
    }
    closers_.push_back(&w);
    return true;
  }
  bool withdraw_closer(Waiter& w) noexcept;

  FdMutex mutex_;
  const int fd_;
  const std::uint64_t serial_;

 private:
  Descriptor(int fd, const char* network, Nature nature, std::unique_ptr<Device> device) noexcept;
  ~Descriptor();
  static bool is_file(Nature nature) noexcept { return nature == Nature::pollable || nature == Nature::regular; }
  static Descriptor* with_ends(Descriptor* made, const net::Addr& local, const net::Addr& remote) noexcept;
  int number() const noexcept;
  void end_reading() noexcept;

  Atomic<std::uint32_t> handles_{1};
  Atomic<std::uint32_t> refs_{2};  // DE1: the handles', the number's, one for each closed()
  Atomic<bool> drops_{false};
  Atomic<bool> reading_ended_{false};  // of datagrams
  const Nature nature_;
  bool unlinks_ = false;
  bool released_ = false;          // lock()
  FdMutex::Waiters closers_;       // lock()
  Side sides_[2];
  const char* const network_;             // a literal; of a file: ours
  const std::unique_ptr<Device> device_;  // null: fd_ is what it stands on
  KeptAddr local_, remote_;
};

constexpr Descriptor::Nature nature_of(net::Addr::Kind kind) noexcept {
  const bool datagrams = kind == net::Addr::Kind::udp || kind == net::Addr::Kind::unix_datagram;
  return datagrams ? Descriptor::Nature::datagrams : Descriptor::Nature::stream;
}

class Descriptor::Use : Immovable {
 public:
  /// fd may be null.
  explicit Use(Descriptor* fd) noexcept : fd_(fd != nullptr && fd->mutex_.ref() == FdMutex::Got::it ? fd : nullptr) {}
  ~Use() {
    if (fd_ != nullptr && fd_->mutex_.unref()) fd_->release();
  }
  explicit operator bool() const noexcept { return fd_ != nullptr; }
  int number() const noexcept { return fd_->number(); }
  /// The reference is the caller's now, to be given back by mutex_.unref().
  void keep() noexcept { fd_ = nullptr; }

 private:
  Descriptor* fd_;
};

}  // namespace gmp::detail
