// examples/asio_server.cpp — a server of Asio's, as it was, on our threads; and goroutines that talk to it by Asio's own operations.
// Go: none.
//
// Prints:
//   20 clients, 200 answers, 200 counted
#include <gmp/gmp.hpp>
#include <gmp/interop/asio.hpp>

#include <array>
#include <cstdio>
#include <string>

#ifdef GMPCORO_ASIO_BOOST
namespace asio = boost::asio;
#endif
using tcp = asio::ip::tcp;

// Written for Asio alone, but for one line: what it has read goes to a goroutine by way of a channel.
asio::awaitable<void> serve(tcp::socket socket, gmp::Executor& executor, gmp::Chan<std::size_t> sizes) {
  auto tell = [](gmp::Chan<std::size_t> to, std::size_t n) -> gmp::Task<> { co_await to.send(n); };
  std::array<char, 256> data;
  try {
    for (;;) {
      const std::size_t n = co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
      co_await gmp::asio_spawn(executor, tell(sizes, n), asio::use_awaitable);  // parks if nobody receives; the thread goes on
      co_await asio::async_write(socket, asio::buffer(data, n), asio::use_awaitable);
    }
  } catch (const std::exception&) {  // the client has gone
  }
}

asio::awaitable<void> listen(tcp::acceptor& acceptor, gmp::Executor& executor, gmp::Chan<std::size_t> sizes) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), executor, sizes), asio::detached);
  }
}

// [client]
gmp::Task<int> client(asio::io_context& io, tcp::endpoint to) {
  tcp::socket socket(io);
  co_await socket.async_connect(to, gmp::use_g);  // parks this goroutine
  const std::string word = "hello";
  std::string answer(word.size(), '\0');
  int answers = 0;
  for (int i = 0; i < 10; ++i) {
    co_await asio::async_write(socket, asio::buffer(word), gmp::use_g);
    co_await asio::async_read(socket, asio::buffer(answer), gmp::use_g);
    if (answer == word) ++answers;
  }
  co_return answers;
}
// [/client]

int main() {
  gmp::Executor executor;
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  auto ran = executor.submit([&] { io.run(); });  // Asio's loop on one of our threads; its P goes to another while it sleeps
  auto sizes = gmp::make_chan<std::size_t>();
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  asio::co_spawn(io, listen(acceptor, executor, sizes), asio::detached);

  executor.run([&]() -> gmp::Task<> {
    auto counter = gmp::spawn([](gmp::Chan<std::size_t> from) -> gmp::Task<std::size_t> {
      std::size_t total = 0;
      while (total < 20 * 10 * 5) total += *co_await from.recv();
      co_return total / 5;
    }, sizes);
    std::vector<gmp::Task<int>> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(client(io, acceptor.local_endpoint()));
    int answers = 0;
    for (const int n : co_await gmp::all(std::move(clients))) answers += n;
    const std::size_t counted = co_await counter;
    std::printf("20 clients, %d answers, %zu counted\n", answers, counted);
  });
  work.reset();
  io.stop();
  ran.get();
}
