// tests/model/fiber.cpp — see fiber.hpp.
// Go: none.  Room: tests/model.
#include "model/fiber.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#if GMPCORO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if GMPCORO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// Without detect_stack_use_after_return, which keeps locals on the heap: those of fibers that were abandoned would fill it.
extern "C" const char* __asan_default_options() { return "detect_stack_use_after_return=0:detect_leaks=1:strict_string_checks=1"; }

namespace gmp::model {

#if GMPCORO_MODEL_ASM_SWITCH
// Pushes what a callee must keep, changes the stacks, pops. The floating-point control words are the same on all fibers.
extern "C" void gmpcoro_model_switch(void** save_sp, void* load_sp);
asm(R"(
  .text
  .p2align 4
  .globl gmpcoro_model_switch
  .hidden gmpcoro_model_switch
  .type gmpcoro_model_switch, @function
gmpcoro_model_switch:
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size gmpcoro_model_switch, . - gmpcoro_model_switch
)");
#endif

void Fiber::make_stack() {
  if (stack_ != nullptr) return;
  // At the same place in every process, if it is free: what code does with addresses is then the same in a replay.
  static std::uintptr_t place = 0x6d0000000000;
  void* map = mmap(reinterpret_cast<void*>(place), size + guard, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED || mprotect(map, guard, PROT_NONE) != 0) std::abort();
  place += 2 * (size + guard);
  stack_ = static_cast<char*>(map) + guard;
}

namespace {

Fiber::Entry starting;  // one for all fibers
#if GMPCORO_ASAN
void* arriving_fake_stack;
#endif

[[noreturn]] void arrive_first() {
#if GMPCORO_ASAN
  const void* bottom;
  std::size_t size;
  __sanitizer_finish_switch_fiber(arriving_fake_stack, &bottom, &size);
#endif
  starting();
  std::abort();
}

}  // namespace

void Fiber::start(Entry entry) {
  starting = entry;
#if GMPCORO_ASAN
  __asan_unpoison_memory_region(stack_, size);  // what a fiber that was abandoned here had poisoned; its fake stack is used again
#endif
#if GMPCORO_TSAN
  if (tsan_fiber_ != nullptr) __tsan_destroy_fiber(tsan_fiber_);
  tsan_fiber_ = __tsan_create_fiber(0);
#endif
#if GMPCORO_MODEL_ASM_SWITCH
  auto* top = reinterpret_cast<void**>(stack_ + size);
  *--top = nullptr;  // where unwinders stop, and what aligns the frame of arrive_first
  *--top = reinterpret_cast<void*>(&arrive_first);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  sp_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = size;
  context_.uc_link = nullptr;
  makecontext(&context_, reinterpret_cast<void (*)()>(&arrive_first), 0);
#endif
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
#if GMPCORO_ASAN
  if (from.stack_ == nullptr && from.bottom_ == nullptr) {
    pthread_attr_t attr;
    void* low = nullptr;
    std::size_t extent = 0;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &low, &extent);
    pthread_attr_destroy(&attr);
    from.bottom_ = low;
    from.bottom_size_ = extent;
  }
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_ != nullptr ? to.stack_ : to.bottom_,
                                 to.stack_ != nullptr ? size : to.bottom_size_);
  arriving_fake_stack = to.fake_stack_;
#endif
#if GMPCORO_TSAN
  if (from.tsan_fiber_ == nullptr) from.tsan_fiber_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.tsan_fiber_, 0);
#endif
#if GMPCORO_MODEL_ASM_SWITCH
  gmpcoro_model_switch(&from.sp_, to.sp_);
#else
  swapcontext(&from.context_, &to.context_);
#endif
#if GMPCORO_ASAN
  const void* bottom;
  std::size_t extent;
  __sanitizer_finish_switch_fiber(from.fake_stack_, &bottom, &extent);
#endif
}

void Fiber::landed() {
#if GMPCORO_ASAN
  const void* bottom;
  std::size_t extent;
  __sanitizer_start_switch_fiber(nullptr, bottom_, bottom_size_);
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &extent);
#endif
#if GMPCORO_TSAN
  __tsan_switch_to_fiber(tsan_fiber_, 0);
#endif
}

}  // namespace gmp::model
