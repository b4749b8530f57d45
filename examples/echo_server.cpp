// examples/echo_server.cpp — sends back what it is sent, to any number of clients at once: one goroutine each.
// Go: net.Listen, Accept, go io.Copy(conn, conn).
//
// Try it:  echo_server --port=7000 &  then  nc 127.0.0.1 7000
#include <gmp/gmp.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <string_view>

using namespace gmp;
using namespace std::chrono_literals;

Task<> echo(net::Conn conn) {
  auto [bytes, err] = co_await io::copy(conn, conn);  // until the client has ended its side
  if (err) std::cerr << conn.remote_addr() << " left after " << bytes << " bytes: " << err.message() << "\n";
}  // the last handle on the connection goes, and closes it

Task<> serve(std::string_view port) {
  net::Listener listener = net::listen("tcp", "127.0.0.1:" + std::string(port)).value();  // or an exception that says why not
  std::cout << "listening on " << listener.addr() << std::endl;
  auto pause = 5ms;
  while (true) {
    auto [conn, err] = co_await listener.accept();
    if (!err) go(echo, conn);             // costs some hundred bytes, and no thread
    if (err) co_await gmp::sleep(pause);  // too many open files: who comes waits until some are closed
    pause = err ? std::min(2 * pause, 1000ms) : 5ms;
  }
}

int main(int argc, char** argv) {
  static_cast<void>(os::raise_file_limit());  // to as many as the system permits; that is Go's first act, too
  const std::string_view argument = argc > 1 ? argv[1] : "--port=7000";  // 0 picks one
  gmp::run(serve, argument.substr(argument.find('=') + 1));
}
