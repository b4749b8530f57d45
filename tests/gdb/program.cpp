// tests/gdb/program.cpp — a program to be looked into: gs that wait, one below others; and one that runs, and ends it all.
// Go: runtime/runtime-gdb_test.go.  Room: tests/gdb.
#include <gmp/debug.hpp>
#include <gmp/gmp.hpp>

#include <algorithm>
#include <cstdlib>

namespace {

using namespace std::chrono_literals;

gmp::Task<> innermost(gmp::Chan<int> ch) { co_await ch.recv(); }
gmp::Task<> outermost(gmp::Chan<int> ch) { co_await innermost(ch); }

[[gnu::noinline]] void the_end() { std::abort(); }

// When all others wait.
gmp::Task<> last(std::size_t others) {
  const auto waiting = [] {
    const auto all = gmp::debug::goroutine_infos();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const gmp::GInfo& g) { return g.state == "waiting"; }));
  };
  while (waiting() < others) co_await gmp::yield();
  the_end();
}

}  // namespace

int main() {
  gmp::run([]() -> gmp::Task<> {
    gmp::Mutex mu;
    auto ch = gmp::make_chan<int>();
    co_await mu.lock();
    gmp::go(outermost, ch);
    gmp::go([&]() -> gmp::Task<> { co_await mu.lock(); });
    gmp::go(last, std::size_t{3});
    co_await gmp::sleep(1h);
  });
}
