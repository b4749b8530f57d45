// examples/wait_group.cpp — start several goroutines, wait for all of them.
// Go: sync.WaitGroup.
#include <gmp/gmp.hpp>

#include <array>
#include <cstdio>

using namespace gmp;
using namespace std::chrono_literals;

Task<> program() {
  WaitGroup wg;
  std::array<int, 5> squares{};
  for (int i = 0; i < 5; ++i) {
    // A capturing lambda is safe here: it lives in the goroutine until that ends.
    wg.go([&squares, i]() -> Task<> {
      co_await gmp::sleep(std::chrono::milliseconds(5 - i));
      squares[static_cast<std::size_t>(i)] = i * i;
    });
  }
  co_await wg.wait();
  for (int square : squares) std::printf("%d ", square);
  std::puts("");
}

int main() { gmp::run(program); }
