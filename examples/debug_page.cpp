// examples/debug_page.cpp — a live page about this very program: its goroutines by state, its Ps, how long goroutines wait to run, where they stand.
// Go: net/http/pprof, which is imported for such a page.
//
// Try it:  debug_page --port=8080 &  then open http://127.0.0.1:8080/ (it loads itself anew each second), or  curl http://127.0.0.1:8080/
#include <gmp/gmp.hpp>

#include <iostream>
#include <string>

#include "debug_page.hpp"

using namespace gmp;
using namespace std::chrono_literals;
using std::string;

Task<> answer(net::Conn conn) {
  io::BufReader in{conn};
  while (true) {  // whatever is asked for
    auto [line, err] = co_await in.read_line();
    if (err) co_return;
    if (line.empty()) break;
  }
  const string body = debug_page();
  const string head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: " + text(body.size()) + "\r\n\r\n";
  static_cast<void>(co_await conn.write(head + body));
}

// Something to look at: 20 that wait for work, one that gives it to them, and some that sleep.
Task<> worker(Chan<int> jobs) {
  while (auto job = co_await jobs.recv()) co_await yield();
}
Task<> boss(Chan<int> jobs) {
  for (int i = 0;; ++i) {
    co_await jobs.send(i);
    if (i % 10 == 0) co_await gmp::sleep(1ms);
  }
}
Task<> sleeper() { co_await gmp::sleep(24h); }

Task<> listen(string port) {
  auto jobs = make_chan<int>();
  for (int i = 0; i < 20; ++i) go(worker, jobs);
  for (int i = 0; i < 5; ++i) go(sleeper);
  go(boss, jobs);
  net::Listener listener = net::listen("tcp", "127.0.0.1:" + port).value();
  std::cout << "listening on " << listener.addr() << std::endl;
  while (true) {
    auto [conn, err] = co_await listener.accept();
    if (!err) go(answer, conn);
    if (err) co_await gmp::sleep(10ms);  // too many open files, until clients leave
  }
}

int main(int argc, char** argv) {
  const string argument = argc > 1 ? argv[1] : "--port=8080";  // 0 picks one
  gmp::run(listen, argument.substr(argument.find('=') + 1));
}
