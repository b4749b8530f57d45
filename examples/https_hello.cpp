// examples/https_hello.cpp — says hello over TLS: a net::Conn is a net::Conn, whatever lies below it.
// Go: http.ListenAndServeTLS with a handler that says hello.
//
// Try it:
//   openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout both.pem -out cert.pem
//   cat cert.pem >>both.pem;  https_hello --port=8443 both.pem &  then  curl --cacert cert.pem https://localhost:8443/
#include <gmp/gmp.hpp>
#include <gmp/tls.hpp>

#include <iostream>
#include <string>
#include <string_view>

using namespace gmp;
using namespace std::chrono_literals;

Task<> serve(net::Conn conn) {
  conn.set_deadline(std::chrono::steady_clock::now() + 10s);  // also of the handshake, which the first read does
  io::BufReader in{conn};
  while (true) {
    auto [line, err] = co_await in.read_line();
    if (err) {
      std::cerr << conn.remote_addr() << ": " << err.message() << "\n";
      co_return;
    }
    if (line.empty()) break;  // the end of the request's head
  }
  static_cast<void>(co_await conn.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"));
  conn.close();  // tells the client that it was all
}

Task<> listen(std::string_view port, std::string_view pem) {
  // [tls]
  net::TlsConfig config{.certificate_file = std::string(pem), .next_protos = {"http/1.1"}};
  config.load_for_server().value();  // or an exception that says what is wrong with it
  net::Listener listener = net::listen("tcp", "127.0.0.1:" + std::string(port)).value();
  std::cout << "listening on " << listener.addr() << std::endl;
  while (true) {
    auto [conn, err] = co_await listener.accept();
    if (!err) go(serve, net::tls_server(conn, config));
    if (err) co_await gmp::sleep(10ms);  // too many open files, until clients leave
  }
  // [/tls]
}

int main(int argc, char** argv) {
  const std::string_view argument = argc > 1 ? argv[1] : "--port=8443";  // 0 picks one
  gmp::run(listen, argument.substr(argument.find('=') + 1), argc > 2 ? argv[2] : "both.pem");
}
