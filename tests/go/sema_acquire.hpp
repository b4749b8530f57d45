// tests/go/sema_acquire.hpp — co_await acquire(sema): a g that takes a raw permit, as no public type lets it.
// Go: sync/export_test.go (Runtime_Semacquire), runtime/export_test.go (Semacquire).  Room: tests/go.
#pragma once

#include <cstdint>

#include "gmp/detail/task/operation.hpp"
#include "wait/sleeper.hpp"

namespace gmp::test {

class SemaAcquire {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit SemaAcquire(detail::Sema& sema) noexcept : sema_(&sema) {}

 private:
  friend class Awaiter;
  detail::Sema* sema_;
};

class SemaAcquire::Awaiter : public detail::OperationAwaiter<Awaiter> {
 public:
  Awaiter(detail::G* gp, SemaAcquire op) noexcept : OperationAwaiter(gp), sema_(*op.sema_) {}
  bool await_ready() const noexcept { return false; }
  bool suspend(detail::FrameLink& leaf) noexcept {
    return detail::Sleeper<Acquirer>::suspend(waiter_.emplace(sema_, g_), leaf, detail::WaitReason::semacquire);
  }
  void await_resume() const noexcept {}

 private:
  struct Acquirer : detail::SemaWaiter {
    Acquirer(detail::Sema& sema, detail::G* gp) noexcept : SemaWaiter(gp, &Acquirer::withdraw_acquire), sema_(&sema) {}
    bool advance() const noexcept { return granted_ || withdrawn_; }
    detail::Sema& sema() const noexcept { return *sema_; }
    bool in_front() const noexcept { return false; }
    static bool undo(SemaWaiter&) noexcept { return true; }
    static bool withdraw_acquire(Waiter* w) noexcept { return detail::Sema::withdraw(static_cast<Acquirer&>(*w), &undo); }
    static constexpr bool competes = false;
    detail::Sema* sema_;
  };
  detail::Sema& sema_;
  detail::Late<Acquirer> waiter_;
};

inline SemaAcquire acquire(detail::Sema& sema) noexcept { return SemaAcquire(sema); }

/// How many sleep on a Sema or a Semaphore: exact when nobody else is about. Go: SemNwait.
inline int sleepers(const void* address) noexcept {
  const auto key = reinterpret_cast<std::uintptr_t>(address);
  detail::SemaRoot& root = detail::SemaRoot::of(key);
  const detail::LockGuard guard(root.lock());
  const detail::Waiter* first = root.first(key);
  if (first == nullptr) return 0;
  int count = 1;
  for (const detail::Waiter* w = first->next_; w != first; w = w->next_) ++count;
  return count;
}

}  // namespace gmp::test
