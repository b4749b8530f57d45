// examples/graceful_shutdown.cpp — an HTTP server that, told to end, takes no new requests, and answers those that have begun.
// Go: signal.NotifyContext, http.Server.Shutdown.
//
// Try it:  graceful_shutdown --port=8080 &  then  curl 127.0.0.1:8080  and  kill %1
#include <gmp/gmp.hpp>

#include <csignal>
#include <iostream>
#include <string>
#include <string_view>

using namespace gmp;
using namespace std::chrono_literals;

Task<> serve(net::Conn conn, Context stopping) {
  io::BufReader in{conn};
  while (!stopping.err() || in.buffered() > 0) {
    if (in.buffered() == 0) {  // between two requests it may be told to go
      auto [first, err] = co_await until(stopping, in.peek(1));
      if (err) break;
    }
    std::size_t size = 0;
    do {  // the head of a request, which may not take for ever
      auto [line, err] = co_await timeout(5s, in.read_line());
      if (err) co_return;
      size = line.size();
    } while (size != 0);
    const std::string last = stopping.err() ? "Connection: close\r\n" : "";
    auto [n, err] = co_await timeout(5s, conn.write("HTTP/1.1 200 OK\r\n" + last + "Content-Length: 6\r\n\r\nhello\n"));
    if (err) break;
  }
}

Task<> program(std::string_view port) {
  const Context stopping = os::notify_context(background(), {SIGINT, SIGTERM});  // a second signal ends the program at once
  net::Listener listener = net::listen("tcp", "127.0.0.1:" + std::string(port)).value();
  std::cout << "listening on " << listener.addr() << std::endl;
  // [drain]
  WaitGroup connections;
  while (true) {
    auto [conn, err] = co_await until(stopping, listener.accept());
    if (!err) connections.go(serve, conn, stopping);
    if (stopping.err()) break;
    if (err) co_await gmp::sleep(10ms);  // too many open files, until clients leave
  }
  listener.close();
  const std::error_code late = co_await timeout(10s, connections.wait());
  // [/drain]
  std::cout << (late ? "some connections did not end" : "drained") << std::endl;
}

int main(int argc, char** argv) {
  const std::string_view argument = argc > 1 ? argv[1] : "--port=8080";  // 0 picks one
  gmp::run(program, argument.substr(argument.find('=') + 1));
}
