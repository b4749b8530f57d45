// examples/ping_pong.cpp — two goroutines pass a ball over two channels.
// Go: make(chan int), ch <- v, v, ok := <-ch, close(ch).
#include <gmp/gmp.hpp>

#include <cstdio>

using namespace gmp;

Task<> player(RecvChan<int> in, SendChan<int> out) {
  while (auto ball = co_await in.recv()) co_await out.send(*ball + 1);  // parks until the other one has played
  out.close();                                                         // the channel it came from was closed
}

Task<> program() {
  auto ping = make_chan<int>(), pong = make_chan<int>();
  go(player, ping, pong);
  int ball = 0;
  for (int round = 0; round < 1000; ++round) {
    co_await ping.send(ball);
    ball = *co_await pong.recv();
  }
  ping.close();
  const bool open = (co_await pong.recv()).has_value();
  std::printf("the ball was played %d times, and the table is %s\n", ball, open ? "open" : "closed");
}

int main() { gmp::run(program); }
// Prints:
//   the ball was played 1000 times, and the table is closed
