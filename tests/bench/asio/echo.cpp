// tests/bench/asio/echo.cpp — Asio's echo server by callbacks, on one thread: the twin of examples/echo_server.
// Go: none.
//
// With GMPCORO_BENCH_ON_GMP that thread is an M: the server as it is, in a program of gs.
//
//   echo      prints "listening on 127.0.0.1:N"
#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <iostream>
#include <memory>
#include <utility>

#ifdef GMPCORO_BENCH_ON_GMP
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#endif

using asio::ip::tcp;

namespace {

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) { socket_.set_option(tcp::no_delay(true)); }

  void read() {
    socket_.async_read_some(asio::buffer(data_), [self = shared_from_this()](std::error_code err, std::size_t n) {
      if (!err) self->write(n);
    });
  }

 private:
  void write(std::size_t n) {
    asio::async_write(socket_, asio::buffer(data_, n), [self = shared_from_this()](std::error_code err, std::size_t) {
      if (!err) self->read();
    });
  }

  tcp::socket socket_;
  std::array<char, 16384> data_;
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&](std::error_code err, tcp::socket socket) {
    if (!err) std::make_shared<Session>(std::move(socket))->read();
    accept(acceptor);
  });
}

}  // namespace

int main() {
  asio::io_context io(1);
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
  accept(acceptor);
#ifdef GMPCORO_BENCH_ON_GMP
  gmp::run([&]() -> gmp::Task<> { co_await gmp::blocking([&] { io.run(); }); });
#else
  io.run();
#endif
}
