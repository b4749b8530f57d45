// examples/http_hello.cpp — an HTTP/1.1 server with keep-alive and pipelining: straight-line code, one goroutine a connection.
// Go: net/http with a handler that says hello.
//
// Try it:  http_hello --port=8080 &  then  curl -i http://127.0.0.1:8080/
#include <gmp/gmp.hpp>

#include <charconv>
#include <iostream>
#include <string>
#include <string_view>

using namespace gmp;
using std::string_view;

constexpr string_view hello = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
constexpr string_view malformed = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

bool same(string_view a, string_view b) {  // small letters and capitals are one
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

// What a request says about itself, as far as it matters here.
struct Request {
  bool valid = true, keep_alive = true;
  std::size_t body = 0;  // bytes

  void first_line(string_view line) {  // GET /path HTTP/1.1
    const auto target = line.find(' '), version = line.rfind(" HTTP/1.");
    valid = target != 0 && version != line.npos && target < version && line.size() == version + 9;
    keep_alive = line.ends_with('1');
  }
  void header(string_view line) {  // Name: value
    const auto colon = line.find(':');
    if (colon == line.npos || colon == 0) return void(valid = false);
    string_view name = line.substr(0, colon), value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (same(name, "Content-Length"))
      valid = std::from_chars(value.begin(), value.end(), body).ptr == value.end() && !value.empty();
    else if (same(name, "Connection"))
      keep_alive = keep_alive ? !same(value, "close") : same(value, "keep-alive");
    else if (same(name, "Transfer-Encoding"))
      valid = false;  // more than a hello should need to know
  }
};

Task<> serve(net::Conn conn) {
  io::BufReader in{conn};
  io::BufWriter out{conn};
  for (Request request; request.valid && request.keep_alive;) {
    auto [first, end] = co_await in.read_line();
    if (end) co_return;  // the client has left
    request.first_line(first);
    while (request.valid) {
      auto [line, err] = co_await in.read_line();
      if (err) co_return;
      if (line.empty()) break;
      request.header(line);
    }
    if (!co_await in.discard(std::exchange(request.body, 0))) co_return;
    const string_view answer = request.valid ? hello : malformed;
    if (!co_await out.write(answer)) co_return;
    if (in.buffered() != 0 && request.valid && request.keep_alive) continue;  // pipelined requests are answered together
    if (std::error_code err = co_await out.flush()) co_return;
  }
}

Task<> listen(string_view port) {
  net::Listener listener = net::listen("tcp", "127.0.0.1:" + std::string(port)).value();
  std::cout << "listening on " << listener.addr() << std::endl;
  while (true) {
    auto [conn, err] = co_await listener.accept();
    if (!err) go(serve, conn);
    if (err) co_await gmp::sleep(std::chrono::milliseconds(10));  // too many open files, until clients leave
  }
}

int main(int argc, char** argv) {
  const string_view argument = argc > 1 ? argv[1] : "--port=8080";  // 0 picks one
  gmp::run(listen, argument.substr(argument.find('=') + 1));
}
