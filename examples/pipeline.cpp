// examples/pipeline.cpp — stages joined by channels: one reads, four work, one collects; whoever comes first to the results is served.
// Go: "Go Concurrency Patterns: Pipelines and cancellation".
#include <gmp/gmp.hpp>

#include <cstdio>
#include <string>

using namespace gmp;

Task<> read_lines(SendChan<std::string> lines) {
  for (int i = 0; i < 100; ++i) co_await lines.send("line " + std::to_string(i));
  lines.close();
}

Task<> measure(RecvChan<std::string> lines, SendChan<std::size_t> lengths) {
  while (auto line = co_await lines.recv()) co_await lengths.send(line->size());
}

Task<> program() {
  auto lines = make_chan<std::string>(8);  // room for eight: the reader may be that much ahead
  auto lengths = make_chan<std::size_t>();
  go(read_lines, lines);
  go([=]() -> Task<> {
    WaitGroup workers;
    for (int i = 0; i < 4; ++i) workers.go(measure, lines, lengths);
    co_await workers.wait();
    lengths.close();
  });
  std::size_t total = 0;
  while (auto length = co_await lengths.recv()) total += *length;
  std::printf("%zu characters\n", total);
}

int main() { gmp::run(program); }
// Prints:
//   690 characters
