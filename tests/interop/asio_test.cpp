// tests/interop/asio_test.cpp — Asio on our Ms, its operations on our gs, and Tasks in its handlers; compiled once for each Asio.
// Go: none.  Room: tests/interop.
#include "gmp/interop/asio.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"

#ifdef GMPCORO_ASIO_BOOST
namespace asio = boost::asio;
#define GMPCORO_TEST_SUITE BoostAsio
#else
#define GMPCORO_TEST_SUITE Asio
#endif

namespace gmp::asio_test {
namespace {

using namespace std::chrono_literals;
using tcp = asio::ip::tcp;

/// An io_context that a thread of the executor runs until the end of the scope.
class Running {
 public:
  explicit Running(Executor& ex) : work_(asio::make_work_guard(io_)) {
    done_ = ex.submit([this] { io_.run(); });
  }
  ~Running() {
    work_.reset();
    done_.get();
  }
  asio::io_context& io() { return io_; }

 private:
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::future<void> done_;
};

TEST(GMPCORO_TEST_SUITE, WhatIsPostedRunsOnAnM) {
  Executor ex({.procs = 2});
  const gmp::asio_executor on(ex);
  const asio::any_io_executor any = on;
  EXPECT_TRUE(any == asio::any_io_executor(gmp::asio_executor(ex)));
  std::promise<std::pair<std::thread::id, Executor*>> where;
  asio::post(any, [&] { where.set_value({std::this_thread::get_id(), Executor::current()}); });
  const auto [thread, executor] = where.get_future().get();
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(executor, &ex);

  std::promise<int> moved;
  asio::post(on, [only = std::make_unique<int>(7), &moved] { moved.set_value(*only); });  // a handler that cannot be copied
  EXPECT_EQ(moved.get_future().get(), 7);
}

TEST(GMPCORO_TEST_SUITE, AStrandKeepsTheOrder) {
  Executor ex({.procs = 4});
  auto strand = asio::make_strand(gmp::asio_executor(ex));
  std::vector<int> order;
  std::promise<void> over;
  for (int i = 0; i < 1'000; ++i) asio::post(strand, [&order, i] { order.push_back(i); });
  asio::post(strand, [&] { over.set_value(); });
  over.get_future().get();
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(GMPCORO_TEST_SUITE, AGAwaitsWhatAsioDoes) {
  Executor ex({.procs = 2});
  Running server(ex);
  ex.run([&ex, &io = server.io()]() -> Task<> {
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    auto echo = spawn([](tcp::acceptor& from) -> Task<> {
      tcp::socket socket = co_await from.async_accept(use_g);
      std::array<char, 64> buffer;
      for (;;) {
        asio_error_code error;
        const std::size_t n = co_await socket.async_read_some(asio::buffer(buffer), asio::redirect_error(use_g, error));
        if (error == asio::error::eof) break;
        co_await asio::async_write(socket, asio::buffer(buffer, n), use_g);
      }
    }, std::ref(acceptor));
    tcp::socket socket(io);
    co_await socket.async_connect(acceptor.local_endpoint(), use_g);
    EXPECT_EQ(Executor::current(), &ex);
    const std::string word = "through asio";
    for (int i = 0; i < 100; ++i) {
      co_await asio::async_write(socket, asio::buffer(word), use_g);
      std::string back(word.size(), '\0');
      const std::size_t n = co_await asio::async_read(socket, asio::buffer(back), use_g);
      EXPECT_EQ(n, word.size());
      EXPECT_EQ(back, word);
    }
    socket.close();
    co_await echo;
  });
}

TEST(GMPCORO_TEST_SUITE, ErrorsAreThrownAsAsios) {
  Executor ex({.procs = 1});
  Running server(ex);
  ex.run([&io = server.io()]() -> Task<> {
    tcp::socket socket(io);
    asio_error_code why;
    try {
      co_await socket.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), 1), use_g);
    } catch (const asio_system_error& error) {
      why = error.code();
    }
    EXPECT_TRUE(why == asio::error::connection_refused) << why.message();
  });
}

TEST(GMPCORO_TEST_SUITE, CancelledByTheSocketItEndsWithOperationAborted) {
  Executor ex({.procs = 2});
  Running server(ex);
  ex.run([&io = server.io()]() -> Task<> {
    asio::steady_timer timer(io, 1h);
    auto waits = spawn([](asio::steady_timer& on) -> Task<bool> {
      asio_error_code error;
      co_await on.async_wait(asio::redirect_error(use_g, error));
      co_return error == asio::error::operation_aborted;
    }, std::ref(timer));
    co_await gmp::sleep(1ms);
    asio::post(io, [&timer] { timer.cancel(); });
    const bool aborted = co_await waits;
    EXPECT_TRUE(aborted);
  });
}

#if defined(ASIO_HAS_CO_AWAIT) || defined(BOOST_ASIO_HAS_CO_AWAIT)
TEST(GMPCORO_TEST_SUITE, AnAwaitableUsesAChannelAndAMutex) {
  Executor ex({.procs = 2});
  Running server(ex);
  auto numbers = make_chan<int>();
  Mutex mu;
  int sum = 0;
  const auto receive = [](Chan<int> from) -> Task<std::optional<int>> { co_return co_await from.recv(); };
  const auto add = [](Mutex& lock, int& to, int n) -> Task<> {
    auto guard = co_await lock.scoped_lock();
    to += n;
  };
  std::promise<int> received;
  asio::co_spawn(
      server.io(),
      [&]() -> asio::awaitable<void> {
        int count = 0;
        for (;;) {
          const std::optional<int> n = co_await asio_spawn(ex, receive(numbers), asio::use_awaitable);
          if (!n) break;
          co_await asio_spawn(ex, add(mu, sum, *n), asio::use_awaitable);
          ++count;
        }
        received.set_value(count);
      },
      asio::detached);
  ex.run([&]() -> Task<> {
    for (int i = 1; i <= 100; ++i) co_await numbers.send(i);
    numbers.close();
  });
  EXPECT_EQ(received.get_future().get(), 100);
  EXPECT_EQ(sum, 5050);
}

#endif

TEST(GMPCORO_TEST_SUITE, ATasksExceptionIsItsOutcome) {
  Executor ex({.procs = 1});
  Running server(ex);
  std::promise<std::string> told;
  auto fails = []() -> Task<int> {
    co_await yield();
    throw std::runtime_error("failed");
  };
  asio_spawn(ex, fails(), asio::bind_executor(server.io().get_executor(), [&](std::exception_ptr thrown, int) {
               try {
                 std::rethrow_exception(thrown);
               } catch (const std::runtime_error& error) {
                 told.set_value(error.what());
               }
             }));
  EXPECT_EQ(told.get_future().get(), "failed");
}

TEST(GMPCORO_TEST_SUITE, AHandlerWithoutAnExecutorRunsOnTheGs) {
  Executor ex({.procs = 1});
  std::promise<Executor*> where;
  auto nothing = []() -> Task<> { co_return; };
  asio_spawn(ex, nothing(), [&](std::exception_ptr) { where.set_value(Executor::current()); });
  EXPECT_EQ(where.get_future().get(), &ex);
}

/// Counts its ends on other threads than the one that it belongs to.
class Homely {
 public:
  Homely(std::thread::id home, std::atomic<int>& strays) noexcept : home_(home), strays_(&strays) {}
  Homely(Homely&& other) noexcept : home_(other.home_), strays_(std::exchange(other.strays_, nullptr)) {}
  Homely& operator=(Homely&&) = delete;
  ~Homely() {
    if (strays_ != nullptr && std::this_thread::get_id() != home_) ++*strays_;
  }

 private:
  std::thread::id home_;
  std::atomic<int>* strays_;
};

TEST(GMPCORO_TEST_SUITE, AHandlerIsDestroyedWhereItRuns) {
  Executor ex({.procs = 1});
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  std::thread home([&] { io.run(); });
  std::atomic<int> strays{0};
  for (int i = 0; i < 2'000; ++i) {
    std::promise<void> ran;
    auto nothing = []() -> Task<> { co_return; };
    asio_spawn(ex, nothing(), asio::bind_executor(io.get_executor(), [&ran, homely = Homely(home.get_id(), strays)](std::exception_ptr) { ran.set_value(); }));
    ran.get_future().get();
  }
  ex.stop();
  work.reset();
  home.join();
  EXPECT_EQ(strays, 0);
}

// The server of Asio's own tutorial, as it may stand in somebody's program, on our Ms and beside gs.
class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}
  void read() {
    auto self = shared_from_this();
    socket_.async_read_some(asio::buffer(data_), [this, self](asio_error_code error, std::size_t n) {
      if (!error) write(n);
    });
  }

 private:
  void write(std::size_t n) {
    auto self = shared_from_this();
    asio::async_write(socket_, asio::buffer(data_, n), [this, self](asio_error_code error, std::size_t) {
      if (!error) read();
    });
  }
  tcp::socket socket_;
  std::array<char, 1024> data_;
};

TEST(GMPCORO_TEST_SUITE, AServerOfCallbacksRunsUnchanged) {
  Executor ex({.procs = 2});
  Running running(ex);
  tcp::acceptor acceptor(running.io(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  std::function<void()> accept = [&] {
    acceptor.async_accept([&](asio_error_code error, tcp::socket socket) {
      if (error) return;
      std::make_shared<Session>(std::move(socket))->read();
      accept();
    });
  };
  accept();
  ex.run([&]() -> Task<> {
    WaitGroup wg;
    for (int i = 0; i < 20; ++i) {
      wg.go([](asio::io_context& io, tcp::endpoint to, int number) -> Task<> {
        tcp::socket socket(io);
        co_await socket.async_connect(to, use_g);
        const std::string word = "client " + std::to_string(number);
        for (int round = 0; round < 20; ++round) {
          co_await asio::async_write(socket, asio::buffer(word), use_g);
          std::string back(word.size(), '\0');
          co_await asio::async_read(socket, asio::buffer(back), use_g);
          EXPECT_EQ(back, word);
        }
      }, std::ref(running.io()), acceptor.local_endpoint(), i);
    }
    co_await wg.wait();
  });
  std::promise<void> closed;
  asio::post(running.io(), [&] {
    acceptor.close();
    asio::post(running.io(), [&] { closed.set_value(); });  // after the accept that was aborted
  });
  closed.get_future().get();
}

}  // namespace
}  // namespace gmp::asio_test
