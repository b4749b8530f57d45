// tests/fault/kernel.hpp — Kernel: stands between the library and the system, and lets chosen calls fail, fall short, or come late.
// Go: none.  Room: tests/fault.
//
// This binary is linked with --wrap for the calls below, so the library in it is the one that users have, without a seam.  With io_uring
// the calls are entries in a ring: what is about to be sent is looked at in io_uring_enter, and
//   - an entry that shall fail is made a NOP, and its completion says the error.  So the call did not happen, and no byte may be missed
//     on account of it.
//   - an entry that shall fall short has its length cut, one that shall come late is handed to another thread of the kernel (IOSQE_ASYNC).
// Each is a thing that a kernel may do at any time; what no kernel does proves nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

struct sockaddr;

namespace gmp::test {

/// What the library asks of the system: by a system call, or by an entry in a ring.
enum class Call : std::uint8_t {
  recv,
  send,
  recvmsg,  // of datagrams
  sendmsg,
  accept,
  connect,
  open,
  read,      // of pipes and regular files, by whichever call
  try_read,  // preadv2: of what the system has in memory
  write,
  fsync,
  splice,
  sendfile,
  poll,    // in a ring: waits for a descriptor
  bell,    // in a ring: the poll that wakes a sleeper, many times
  cancel,  // in a ring
  enter,   // io_uring_enter
  epoll_wait,
  epoll_create,
  uring_setup,
  thread,  // pthread_create
  count_,
};
inline constexpr std::size_t calls = static_cast<std::size_t>(Call::count_);

struct Fault {
  enum class Does : std::uint8_t {
    nothing,
    fail,   // with `error`
    cut,    // at most `most` bytes; an enter takes at most `most` entries; a bell rings once
    defer,  // in a ring: another thread does it, when it comes to it
  };
  Does does = Does::nothing;
  int error = 0;
  std::size_t most = 1;

  static Fault failing(int error) { return {Does::fail, error, 1}; }
  static Fault cutting(std::size_t most = 1) { return {Does::cut, 0, most}; }
  static Fault deferring() { return {Does::defer, 0, 1}; }
};

/// While it lives, every call is decided by it. Make it before the executor whose calls it shall see, and let it go after.
class Kernel {
 public:
  /// decide: what becomes of a call; asked by many threads, one at a time. in_ring: it is an entry of a ring, which never says EAGAIN to
  /// what can wait.
  using Decide = std::function<Fault(Call, bool in_ring)>;
  struct Options {
    unsigned cq_entries = 0;  // of each ring; 0: as the library wants
    bool reverses = false;    // the order of completions that are collected together
    /// What becomes of a connect, by where it goes; in place of decide.
    std::function<Fault(const sockaddr*)> connect = nullptr;
  };
  explicit Kernel(Decide decide);
  Kernel(Decide decide, Options options);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// How often it was asked for, and how often it was not left alone.
  long seen(Call call) const { return seen_[static_cast<std::size_t>(call)].load(std::memory_order_relaxed); }
  long faults(Call call) const { return faults_[static_cast<std::size_t>(call)].load(std::memory_order_relaxed); }
  /// Looks after an enter at a ring whose completions had overflown.
  long overflows() const { return overflows_.load(std::memory_order_relaxed); }
  long reversed() const { return reversed_.load(std::memory_order_relaxed); }

  // for the wrapped calls
  Fault ask(Call call, bool in_ring, const sockaddr* address = nullptr);
  const Options options_;
  std::atomic<long> overflows_{0};
  std::atomic<long> reversed_{0};

 private:
  const Decide decide_;
  std::atomic<long> seen_[calls] = {};
  std::atomic<long> faults_[calls] = {};
};

/// While it lives, the system's resolver knows no names but its.
class Names {
 public:
  /// The addresses of a host, as numbers; none: nobody knows it. Asked by the threads that look up, and may block.
  using Find = std::function<std::vector<std::string>(const std::string& host)>;
  explicit Names(Find find);
  ~Names();
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  // for the wrapped call
  const Find find_;
};

/// The n-th call of a kind (from 1) is given that fault; all others are left alone.
Kernel::Decide nth(Call call, long n, Fault fault);

}  // namespace gmp::test
