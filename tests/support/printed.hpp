// tests/support/printed.hpp — what a program prints to stderr, for itself to wait for: a line is late when the thread that prints it has no CPU.
// Go: none.  Room: tests/support.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

namespace gmp::test {

/// In a child: all that it prints comes by here on its way to the parent. Outlives the executors.
class Printed {
 public:
  Printed() : stderr_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    int ends[2] = {-1, -1};
    if (stderr_ < 0 || ::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
    reader_ = std::thread([this, from = ends[0]] { hand_on(from); });
  }
  Printed(const Printed&) = delete;
  Printed& operator=(const Printed&) = delete;
  ~Printed() {
    ::dup2(stderr_, STDERR_FILENO);
    reader_.join();
    ::close(stderr_);
  }

  int lines() const {
    const std::lock_guard guard(mutex_);
    return lines_of(text_);
  }
  /// Until what has been printed is enough. If it never is, the parent ends us.
  template <class F>
  void wait_until(F enough) {
    std::unique_lock lock(mutex_);
    more_.wait(lock, [&] { return enough(text_); });
  }
  /// The same for that many lines.
  void wait_for_lines(int n) {
    wait_until([n](const std::string& text) { return lines_of(text) >= n; });
  }

 private:
  static int lines_of(const std::string& text) { return static_cast<int>(std::count(text.begin(), text.end(), '\n')); }

  void hand_on(int from) {
    char some[4096];
    for (ssize_t n; (n = ::read(from, some, sizeof some)) > 0;) {
      if (::write(stderr_, some, static_cast<std::size_t>(n)) != n) std::abort();
      const std::lock_guard guard(mutex_);
      text_.append(some, static_cast<std::size_t>(n));
      more_.notify_all();
    }
    ::close(from);
  }

  const int stderr_;
  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::string text_;
  std::thread reader_;
};

}  // namespace gmp::test
