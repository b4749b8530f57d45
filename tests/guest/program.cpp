// tests/guest/program.cpp — a program of a user who has no RTTI, and perhaps another allocator: a bit of everything.
// Go: none.  Room: tests/guest.
#include <gmp/gmp.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

using namespace gmp;
using namespace std::chrono_literals;

namespace {

Task<std::size_t> over_the_net() {
  auto [listener, err] = net::listen("tcp", "127.0.0.1:0");
  if (err) throw std::system_error(err);
  auto server = spawn([](net::Listener from) -> Task<> {
    auto [conn, failed] = co_await from.accept();
    if (!failed) static_cast<void>(co_await io::copy(conn, conn));
  }, listener);
  auto [conn, refused] = co_await net::dial("tcp", listener.addr().to_string());
  if (refused) throw std::system_error(refused);
  const std::string much(100'000, 'x');
  auto writer = spawn([](net::Conn to, const std::string& text) -> Task<> {
    static_cast<void>(co_await to.write(text));
    to.close_write();
  }, conn, std::ref(much));
  const auto back = co_await io::read_all(conn);
  co_await writer;
  co_await server;
  co_return back.get<0>().size();
}

Task<> program() {
  const auto numbers = make_chan<int>(8);
  WaitGroup wg;
  for (int i = 0; i < 1'000; ++i) wg.go([numbers, i]() -> Task<> { co_await numbers.send(i); });
  long sum = 0;
  for (int i = 0; i < 1'000; ++i) {
    const auto v = co_await numbers.recv();
    sum += *v;
  }
  co_await wg.wait();
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 100; ++i) {
    tasks.push_back([](int n) -> Task<int> {
      co_await gmp::sleep(std::chrono::microseconds(n));
      co_return n;
    }(i));
  }
  for (const int n : co_await all(std::move(tasks))) sum += n;
  std::string caught;
  auto throws = []() -> Task<> {
    co_await yield();
    throw std::runtime_error("caught");
  };
  auto thrower = spawn(throws);
  try {
    co_await thrower;
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  const std::size_t bytes = co_await over_the_net();
  std::printf("%ld %s %zu\n", sum, caught.c_str(), bytes);
}

}  // namespace

int main() { gmp::run(program); }
