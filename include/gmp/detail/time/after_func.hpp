// include/gmp/detail/time/after_func.hpp — AfterFuncState: a goroutine that is made, and starts when something has come: a time, a context's end.
// Go: time/sleep.go (AfterFunc, goFunc), context/context.go (afterFuncCtx).  Room: time (floor 5).
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/base/ref.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {

class Sched;

class AfterFuncState : Immovable {
 public:
  void ref() noexcept { refs_.fetch_add(1, relaxed); }  // [AFTER-REFS] by who has one
  void unref() noexcept {
    if (refs_.fetch_sub(1, acq_rel) == 1) delete this;  // [AFTER-REFS]
  }
  /// True: it will not start.
  virtual bool stop() noexcept = 0;

 protected:
  AfterFuncState(Task<> frame, std::source_location where) noexcept : frame_(std::move(frame)), where_(where) {}
  virtual ~AfterFuncState() = default;

  // By who has taken it out of what would start it. Not if that executor stops: then it is to be dropped.
  void start_frame(Sched* sched) noexcept;
  void drop_frame() noexcept { frame_.reset(); }

 private:
  std::optional<Task<>> frame_;
  const std::source_location where_;
  Atomic<std::uint32_t> refs_{1};
};

/// A reference to one, or none.
class AfterFuncRef : public Ref<AfterFuncState> {
 public:
  using Ref::Ref;
  bool stop() noexcept { return get() != nullptr && get()->stop(); }
};

/// Starts frame after that long.
GMPCORO_EXPORT AfterFuncRef after_duration(Task<> frame, std::int64_t duration_ns, std::source_location where);

}  // namespace gmp::detail
