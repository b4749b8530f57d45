// tests/model/sys.cpp — floors 0 and 1 as the models play them: how the library dies, the futex, and who gives way.
// Go: none.  Room: tests/model; stands in for src/base/assert.cpp and src/sys/futex.cpp.
#include <cstdlib>
#include <string>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sys/futex.hpp"
#include "model/explorer.hpp"
#include "model/model.hpp"
#include "sys/os.hpp"

namespace gmp::detail {
namespace {

[[noreturn]] void fail(const char* kind, const char* text) noexcept {
  model::Inside inside;
  model::explorer().fail(std::string(kind) + text, model::Where());
}

// The kernel's queue of sleepers, which is its own business: it orders its accesses by a lock. Nodes lie on the sleepers' stacks.
struct Sleeper {
  const void* word;
  bool woken = false;
  Sleeper* next = nullptr;
};
Sleeper* sleepers;
std::uint64_t sleepers_of_run;

Sleeper*& first_sleeper() noexcept {
  if (sleepers_of_run != model::explorer().run()) sleepers = nullptr;
  sleepers_of_run = model::explorer().run();
  return sleepers;
}

}  // namespace

void fatal(const char* text) noexcept { fail("fatal error: ", text); }
void misuse(const char* text) noexcept { fail("misuse: ", text); }
void assert_failed(const char* expression, const char* file, int line) noexcept {
  fail("assertion failed: ", (std::string(expression) + " at " + file + ":" + std::to_string(line)).c_str());
}

const void* this_thread_mark() noexcept {
  static const char marks[64] = {};
  return &marks[model::self()];
}

void futex_wait(const Atomic<std::uint32_t>* word, std::uint32_t expected, std::int64_t timeout_ns) noexcept {
  model::step();
  if (model::peek(*word) != expected) return;
  Sleeper me{word};
  Sleeper** end = &first_sleeper();
  while (*end != nullptr) end = &(*end)->next;
  *end = &me;
  if (model::block_until([&] { return me.woken; }, "a futex", timeout_ns >= 0)) return;
  for (Sleeper** p = &first_sleeper(); *p != nullptr; p = &(*p)->next) {
    if (*p == &me) {
      *p = me.next;
      return;
    }
  }
}

void futex_wake(const Atomic<std::uint32_t>* word, int count) noexcept {
  model::step();
  for (Sleeper** p = &first_sleeper(); *p != nullptr && count > 0;) {
    if ((*p)->word != word) {
      p = &(*p)->next;
      continue;
    }
    (*p)->woken = true;
    *p = (*p)->next;
    --count;
  }
}

void sys::yield_thread() noexcept { model::pause(); }

}  // namespace gmp::detail
