// src/sched/environment.hpp — Environment: what decides for an executor that runs alone, on its caller's thread, where production has chance.
// Go: internal/synctest, runtime/synctest.go.  Room: sched (floor 2).
//
// A Sched without one reads the kernel's clock and lets queues, thieves and threads decide who runs next.  With one it has one P and one M, the thread
// that called run_alone(); no sysmon, no other thread.  Its time is now_ns_, which stands still while a g can run.
//   EN1  the environment is set before the first g, and taken away after the loop has returned: only the thread of the loop sees it.
//   EN2  nothing of a g's way to sleep and back is other than in production; what is asked here is only who is next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <vector>

#include "gmp/detail/base/config.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/sched/g.hpp"

namespace gmp::detail {

class Environment : public Chance, Immovable {
 public:
  std::int64_t now_ns_ = 0;  // the time that this thread sees
  /// True: who is next is asked of choose(), at each co_await. False: as in production.
  const bool chooses_;

  /// Asked before each g: the loop returns.
  virtual bool over() noexcept = 0;
  /// True once time does not go on by itself any more: who sleeps then, sleeps for ever.
  virtual bool time_stands() noexcept = 0;
  /// The index of the one to run next. A null among them stands for the timers that are due: the first of them fires.
  virtual std::size_t choose(const std::vector<G*>& runnable) noexcept = 0;
  /// gp has asked for it by a co_await of yield() itself.
  virtual void yielded(G* gp) noexcept = 0;
  /// What it awaits could not begin, for it threw; gp does not go on.
  virtual void threw(G* gp, std::exception_ptr thrown) noexcept = 0;

 protected:
  explicit Environment(bool chooses) noexcept : chooses_(chooses) {}
  ~Environment() = default;

 private:
  friend class Sched;
  struct PutOff {
    void* awaiter_ = nullptr;
    bool (*suspend_)(void*, FrameLink&) = nullptr;
  };
  std::vector<G*> runnable_;      // chooses_: what was taken out of the queues
  std::vector<PutOff> put_off_;  // by the g's id
  bool gave_way_ = false;        // the operation that began
};

/// From now on this is the time of the calling thread; null: the kernel's.
void use_clock(const std::int64_t* now_ns) noexcept;

}  // namespace gmp::detail
