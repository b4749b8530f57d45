// src/debug/waits_on.cpp — the object that a g waits on, from its waiter.
// Go: none.  Room: debug (floor 6).
//
// Whoever parks a g gives park_begin() a reason and a waiter, and for each reason that is named here there is one type of waiter.  What is read of it was
// written before the g waited, and does not change.
#include <charconv>
#include <chrono>
#include <iterator>

#include "debug/dump.hpp"
#include "gmp/detail/chan/hchan.hpp"
#include "gmp/detail/net/fd_operation.hpp"
#include "gmp/detail/select/selection.hpp"
#include "gmp/detail/task/join.hpp"
#include "gmp/sync/cond.hpp"
#include "gmp/sync/mutex.hpp"
#include "gmp/sync/once.hpp"
#include "gmp/sync/rwmutex.hpp"
#include "gmp/sync/semaphore.hpp"
#include "gmp/sync/waitgroup.hpp"
#include "gmp/time.hpp"

namespace gmp::detail {

namespace {

WaitsOn one(const void* object) noexcept {
  WaitsOn on;
  on.objects[0] = object;
  on.count = 1;
  return on;
}

const char* type_of(WaitReason reason) noexcept {
  switch (reason) {
    case WaitReason::mutex_lock: return "gmp::Mutex ";
    case WaitReason::rwmutex_lock:
    case WaitReason::rwmutex_rlock: return "gmp::RWMutex ";
    case WaitReason::waitgroup_wait: return "gmp::WaitGroup ";
    case WaitReason::cond_wait: return "gmp::Cond ";
    case WaitReason::semacquire: return "gmp::Semaphore ";
    case WaitReason::once: return "gmp::Once ";
    default: return "chan ";
  }
}

// Rounded: a dump is read by people.
std::string duration(std::int64_t ns) {
  if (ns <= 0) return "now";
  if (ns < 10'000'000) return "in " + std::to_string(ns / 1000) + "us";
  if (ns < 10'000'000'000) return "in " + std::to_string(ns / 1'000'000) + "ms";
  return "in " + std::to_string(ns / 1'000'000'000) + "s";
}

}  // namespace

WaitsOn waits_on(const G* gp) noexcept {
  const Waiter* w = gp->waiter_;
  if (w == nullptr) return {};
  switch (gp->reason_) {
    case WaitReason::chan_receive:
    case WaitReason::chan_send: return one(static_cast<const ChanWaiter*>(w)->chan_);
    case WaitReason::mutex_lock: return one(static_cast<const MutexWaiter*>(w)->mutex_);
    case WaitReason::rwmutex_lock: return one(static_cast<const RWMutexWriter*>(w)->rw_);
    case WaitReason::rwmutex_rlock: return one(static_cast<const RWMutexReader*>(w)->rw_);
    case WaitReason::waitgroup_wait: return one(static_cast<const WaitGroupWaiter*>(w)->group_);
    case WaitReason::cond_wait: return one(static_cast<const CondWaiter*>(w)->cond_);
    case WaitReason::semacquire: return one(static_cast<const SemaphoreWaiter*>(w)->semaphore_);
    case WaitReason::once: return one(static_cast<const OnceWaiter*>(w)->once_);
    case WaitReason::sleep: {
      WaitsOn on;
      on.due_ns = SleepOp::Awaiter::due_ns(*w);
      return on;
    }
    case WaitReason::select: {
      WaitsOn on;
      for (const HChan* chan : Selection::channels(*w)) {
        if (on.count < WaitsOn::most) on.objects[on.count] = chan;
        ++on.count;
      }
      return on;
    }
    case WaitReason::join: {
      WaitsOn on;
      on.g = static_cast<const JoinWaiter*>(w)->block_->id();
      return on;
    }
    case WaitReason::io_wait: {
      WaitsOn on;
      if (const FdOperation* op = FdOperation::of(gp)) on.fd = op->number();
      return on;
    }
    default: return {};
  }
}

std::string address_of(const void* object) {
  char digits[2 * sizeof object];
  const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), reinterpret_cast<std::uintptr_t>(object), 16);
  return "0x" + std::string(digits, end);
}

std::string to_string(WaitReason reason, const WaitsOn& on) {
  if (on.due_ns != never) return "a timer due " + duration(on.due_ns - now_ns());
  if (on.fd >= 0) return "descriptor " + std::to_string(on.fd);
  if (on.g != 0) return "goroutine " + std::to_string(on.g);
  if (on.count == 0) return "";
  std::string text = type_of(reason) + address_of(on.objects[0]);
  for (std::size_t i = 1; i < std::min(on.count, WaitsOn::most); ++i) text += ", " + address_of(on.objects[i]);
  if (on.count > WaitsOn::most) text += " and " + std::to_string(on.count - WaitsOn::most) + " more";
  if (reason == WaitReason::mutex_lock || reason == WaitReason::rwmutex_lock || reason == WaitReason::rwmutex_rlock) text += holder_of(on.objects[0]);
  return text;
}

}  // namespace gmp::detail
