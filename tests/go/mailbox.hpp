// tests/go/mailbox.hpp — what Go's tests use a buffered channel for: values from any g to whoever asks next.
// Go: make(chan T, n), with n out of reach.  Room: tests/go.
#pragma once

#include <gmp/sync.hpp>
#include <gmp/task.hpp>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace gmp::test {

/// First in, first out; send() never waits.
template <class T>
class Mailbox {
 public:
  Mailbox() {
    if (!items_.try_acquire(room)) std::abort();
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void send(T value) {
    {
      const std::lock_guard guard(lock_);
      values_.push_back(std::move(value));
    }
    items_.release();
  }
  Task<T> recv() {
    co_await items_.acquire();
    co_return take();
  }
  /// Go: select { case v := <-c: default: }
  std::optional<T> try_recv() {
    if (!items_.try_acquire()) return std::nullopt;
    return take();
  }

 private:
  static constexpr std::int64_t room = 1'000'000'000;

  T take() {
    const std::lock_guard guard(lock_);
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

  Semaphore items_{room};  // units: values that are there
  std::mutex lock_;
  std::deque<T> values_;  // lock_
};

}  // namespace gmp::test
