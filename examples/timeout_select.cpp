// examples/timeout_select.cpp — whatever comes first: an answer, a tick, or the end of our patience.
// Go: select with time.After and time.NewTicker.
#include <gmp/gmp.hpp>

#include <cstdio>
#include <string>

using namespace gmp;
using namespace std::chrono_literals;

Task<> slow_service(SendChan<std::string> answers) {
  co_await gmp::sleep(1s);
  co_await answers.send("forty-two");
}

Task<> ask(Chan<std::string> answers, std::chrono::milliseconds patience) {
  Ticker tick(10ms);
  const RecvChan<time_point> enough = after(patience);
  for (int ticks = 0;;) {
    std::optional<std::string> answer;
    switch (co_await select(recv(answers, answer), recv(tick.chan()), recv(enough))) {
      case 0: std::printf("the answer is %s; it took %s\n", answer->c_str(), ticks >= 2 ? "some ticks" : "no time"); co_return;
      case 1: ++ticks; break;
      case 2: std::printf("no answer\n"); co_return;
    }
  }
}

Task<> program() {
  auto answers = make_chan<std::string>(1);  // room for an answer that nobody waits for any more
  go(slow_service, answers);
  co_await ask(answers, 5ms);
  co_await ask(answers, 1min);
}

int main() { gmp::run(program); }
// Prints:
//   no answer
//   the answer is forty-two; it took some ticks
