// tests/model/fiber.hpp — a stack of its own for each modelled thread, and the switch between them.
// Go: none.  Room: tests/model.
//
// All modelled threads live on one thread of the system: the explorer decides who runs, and a switch costs some ten nanoseconds.
// A fiber may be abandoned at any time (a failed run ends where it stands): start() then makes a new one on the same stack.
#pragma once

#include <cstddef>

#include "gmp/detail/base/config.hpp"

#if defined(__x86_64__) && !defined(GMPCORO_MODEL_UCONTEXT)
#define GMPCORO_MODEL_ASM_SWITCH 1
#else
#define GMPCORO_MODEL_ASM_SWITCH 0
#include <ucontext.h>  // two system calls a switch
#endif

namespace gmp::model {

class Fiber {
 public:
  using Entry = void (*)();

  Fiber() = default;  // the thread's own stack, until make_stack()
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Maps a stack with a guard page below it, once.
  void make_stack();

  /// The next switch to this fiber calls entry, the same for all fibers, which must never return.
  void start(Entry entry);

  /// Leaves `from`, whose code is running, and goes on where `to` was left.
  static void switch_to(Fiber& from, Fiber& to);

  /// Tells the sanitizers that a long jump has brought the thread back to this fiber.
  void landed();

 private:
  static constexpr std::size_t size = 256 * 1024;
  static constexpr std::size_t guard = 4096;

  char* stack_ = nullptr;  // null for the thread's own
#if GMPCORO_MODEL_ASM_SWITCH
  void* sp_ = nullptr;
#else
  ucontext_t context_{};
#endif
#if GMPCORO_ASAN
  void* fake_stack_ = nullptr;
  const void* bottom_ = nullptr;  // of the thread's own stack
  std::size_t bottom_size_ = 0;
#endif
#if GMPCORO_TSAN
  void* tsan_fiber_ = nullptr;
#endif
};

}  // namespace gmp::model
