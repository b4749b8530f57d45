// tests/support/net.hpp — what tests of net and io need: connected pairs, a look at who is parked, bytes to send, a count of descriptors.
// Go: net/mockserver_test.go, net/main_test.go.  Room: tests/support.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/net.hpp"
#include "gmp/task.hpp"
#include "gmp/time.hpp"
#include "support/burn.hpp"
#include "support/waiting.hpp"

namespace gmp::test {

using Clock = std::chrono::steady_clock;

/// Descriptors that this process has open.
inline int open_fds() {
  DIR* dir = ::opendir("/proc/self/fd");
  if (dir == nullptr) return -1;
  int n = 0;
  while (const dirent* entry = ::readdir(dir)) n += entry->d_name[0] != '.';
  ::closedir(dir);
  return n - 1;  // without the directory's own
}

inline bool is_cloexec(int fd) { return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }
inline bool is_nonblocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }
/// Which file the number stands for; 0: none. A number that was given back may be another file's at once: a thread's that starts. By its path,
/// since to use a number that is not ours is a race.
inline std::uint64_t file_of(int fd) {
  struct stat about = {};
  return ::stat(("/proc/self/fd/" + std::to_string(fd)).c_str(), &about) == 0 ? static_cast<std::uint64_t>(about.st_ino) : 0;
}

/// Gs of the executor that sleep in an operation on a descriptor.
inline int parked_in_io(Executor* ex) { return waiting_for(ex, detail::WaitReason::io_wait); }

/// Parks until n gs of this executor are in such an operation: then what they wait for can be made to happen.
inline Task<> until_parked(int n) {
  while (parked_in_io(Executor::current()) < n) co_await yield();
}
/// The same for a plain thread that watches an executor.
inline void wait_parked(Executor& ex, int n) {
  while (parked_in_io(&ex) < n) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// The result of one read, whose bytes do not matter.
inline Task<Result<std::size_t>> read_once(net::Conn conn) {
  char buffer[64];
  co_return co_await conn.read(buffer);
}

struct ConnPair {
  ConnPair() noexcept {}
  ConnPair(net::Conn dialled, net::Conn accepted) noexcept : a(std::move(dialled)), b(std::move(accepted)) {}
  net::Conn a;  // who dialled
  net::Conn b;  // who was dialled
};

/// Two ends of one connection. Throws where that fails.
inline Task<ConnPair> conn_pair(std::string network = "tcp", std::string address = "127.0.0.1:0") {
  const net::Listener ln = net::listen(network, address).value();
  net::Conn a = (co_await net::dial(network, ln.addr().to_string())).value();
  net::Conn b = (co_await ln.accept()).value();
  co_return ConnPair(std::move(a), std::move(b));
}

/// n bytes that depend on the seed and on their place.
inline std::string pattern(std::size_t n, std::uint64_t seed) {
  std::string bytes(n, '\0');
  std::uint64_t x = seed * 2 + 1;
  for (char& byte : bytes) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    byte = static_cast<char>(x);
  }
  return bytes;
}

/// Runs f as the main g of an executor of its own, with $GMPMAXPROCS Ps.
template <class F>
decltype(auto) on_executor(F f) {
  Executor ex;
  return ex.run(std::move(f));
}

/// The same, and no descriptor is left open by it.
template <class F>
void leaving_no_fds(F f) {
  on_executor([] { static_cast<void>(net::listen("tcp", "127.0.0.1:0")); });  // whatever is opened once a process
  const int before = open_fds();
  on_executor(std::move(f));
  EXPECT_EQ(open_fds(), before);
}

}  // namespace gmp::test
