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
#include "gmp/context.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/scale.hpp"
#include "support/waiting.hpp"

#ifdef GMPCORO_ASIO_BOOST
namespace asio = boost::asio;
#define GMPCORO_TEST_SUITE BoostAsio
#else
#define GMPCORO_TEST_SUITE Asio
#endif

namespace gmp::asio_test {
namespace {

using namespace std::chrono_literals;
using detail::WaitReason;
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
    const tcp::socket taken(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));  // bound, and not listening
    asio_error_code why;
    try {
      co_await socket.async_connect(taken.local_endpoint(), use_g);
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
    co_await test::until_waiting(WaitReason::foreign, 1);
    asio::post(io, [&timer] { timer.cancel(); });
    const bool aborted = co_await waits;
    EXPECT_TRUE(aborted);
  });
}

struct Pair {
  explicit Pair(asio::io_context& io) : near(io), far(io) {
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    far.connect(acceptor.local_endpoint());
    near = acceptor.accept();
  }
  tcp::socket near, far;
};

TEST(GMPCORO_TEST_SUITE, AnOperationThatItsContextDropsEndsAsAborted) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    auto io = std::make_unique<asio::io_context>();
    auto waits = spawn([](asio::io_context& never_run) -> Task<bool> {
      try {
        co_await asio::post(never_run, use_g);
      } catch (const asio_system_error& error) {
        co_return error.code() == asio::error::operation_aborted;
      }
      co_return false;
    }, std::ref(*io));
    co_await test::until_waiting(WaitReason::foreign, 1);
    io.reset();
    EXPECT_TRUE(co_await waits);
  });
}

TEST(GMPCORO_TEST_SUITE, WhatThrowsInBeginningIsThrownAndNothingWaits) {
  Executor ex({.procs = 1});
  ex.run([]() -> Task<> {
    for (const bool keeps : {false, true}) {
      std::function<void()> kept;
      std::string text;
      const auto begin = [&](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        if (keeps) kept = [shared] { (*shared)(7); };
        throw std::runtime_error("not begun");
      };
      auto waits = spawn([&]() -> Task<int> {
        try {
          co_return co_await asio::async_initiate<const use_g_t, void(int)>(begin, use_g);
        } catch (const std::runtime_error& error) {
          text = error.what();
        }
        co_return 0;
      });
      if (keeps) {  // somebody has the handler, so the g waits for it
        co_await test::until_waiting(WaitReason::foreign, 1);
        std::exchange(kept, nullptr)();
      }
      const int got = co_await waits;
      EXPECT_EQ(got, keeps ? 7 : 0);
      EXPECT_EQ(text, keeps ? "" : "not begun");
    }
  });
}

// Asio has the buffer, in the frame of a g that a stop has left: what it writes there, and tells, later, harms nobody.
TEST(GMPCORO_TEST_SUITE, AStopLeavesAGWhoseBufferAsioHas) {
  asio::io_context io;
  auto pair = std::make_shared<Pair>(io);
  std::atomic<bool> gone{false};
  ::testing::internal::CaptureStderr();
  {
    Executor ex({.procs = 1, .stop_grace = 0s});
    ex.go([](std::shared_ptr<Pair> on, std::atomic<bool>& went_on) -> Task<> {
      char buffer[16];
      co_await on->near.async_read_some(asio::buffer(buffer), use_g);
      went_on = true;
    }, pair, std::ref(gone));
    while (test::waiting_for(&ex, WaitReason::foreign) == 0) std::this_thread::sleep_for(1ms);
  }
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("left in a foreign await"), std::string::npos);
  asio::write(pair->far, asio::buffer("late", 4));
  while (io.run_one() == 0) io.restart();
  EXPECT_FALSE(gone);
  pair->near.close();
}

TEST(GMPCORO_TEST_SUITE, AsDefaultItNeedsNoToken) {
  Executor ex({.procs = 2});
  Running server(ex);
  ex.run([&io = server.io()]() -> Task<> {
    Pair pair(io);
    auto near = use_g_t::as_default_on(std::move(pair.near));
    auto far = use_g_t::as_default_on_t<tcp::socket>(std::move(pair.far));
    co_await near.async_write_some(asio::buffer("four", 4));
    char back[8];
    EXPECT_EQ(co_await far.async_read_some(asio::buffer(back)), 4U);
  });
}

#ifndef GMPCORO_ASIO_BOOST  // Debian's Boost is older than cancellation slots
TEST(GMPCORO_TEST_SUITE, GivenUpByUntil) {
  Executor ex({.procs = 2});
  Running server(ex);
  ex.run([&io = server.io()]() -> Task<> {
    Pair pair(io);
    char byte[1];
    auto [n, err] = co_await timeout(1ms, pair.near.async_read_some(asio::buffer(byte), use_g));
    EXPECT_EQ(err, errc::deadline_exceeded);
    EXPECT_EQ((co_await timeout(1ms, asio::async_read(pair.near, asio::buffer(byte), use_g))).err, errc::deadline_exceeded);  // composed
    asio::steady_timer timer(io, 1h);
    EXPECT_EQ(co_await timeout(1ms, timer.async_wait(use_g)), errc::deadline_exceeded);
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    EXPECT_EQ((co_await timeout(1ms, acceptor.async_accept(use_g))).err, errc::deadline_exceeded);

    auto [ctx, cancel] = with_cancel(background());
    co_await pair.far.async_write_some(asio::buffer("1", 1), use_g);
    EXPECT_EQ((co_await until(ctx, pair.near.async_read_some(asio::buffer(byte), use_g))).value(), 1U);
    cancel();
    co_await pair.far.async_write_some(asio::buffer("2", 1), use_g);
    EXPECT_EQ((co_await until(ctx, pair.near.async_read_some(asio::buffer(byte), use_g))).err, errc::canceled) << "not begun";
    EXPECT_EQ(co_await pair.near.async_read_some(asio::buffer(byte), use_g), 1U) << "so nothing was taken";

    std::atomic<bool> thrown{false};
    auto cancels = spawn([&]() -> Task<> {
      while (!thrown) {  // the read may not have begun
        asio::post(io, [&] { pair.near.cancel(); });
        co_await gmp::sleep(1ms);
      }
    });
    try {
      static_cast<void>(co_await timeout(1h, pair.near.async_read_some(asio::buffer(byte), use_g)));
    } catch (const asio_system_error& aborted) {
      thrown = aborted.code() == asio::error::operation_aborted;
    }
    EXPECT_TRUE(thrown) << "aborted, but not by us";
    thrown = true;
    co_await cancels;
    co_await asio::post(io, use_g);  // what was posted before it has run
  });
}

// Whole or not at all: each byte that was sent is read once, whatever cancels came beside it.
TEST(GMPCORO_TEST_SUITE, NoByteIsLostToCancellations) {
  Executor ex({.procs = 2});
  Running server(ex);
  ex.run([&io = server.io()]() -> Task<> {
    const int rounds = static_cast<int>(test::scaled(10'000, 2'000));
    Pair pair(io);
    std::atomic<int> given_up{0}, beside{0};
    unsigned char next = 0;
    for (int i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = with_cancel(background());
      auto reads = spawn([](tcp::socket& from, Context until_then) -> Task<int> {
        unsigned char byte;
        const auto result = co_await until(until_then, from.async_read_some(asio::buffer(&byte, 1), use_g));
        co_return result.err ? -1 : byte;
      }, std::ref(pair.near), ctx);
      if (i % 3 == 0) co_await yield();
      const unsigned char sent = static_cast<unsigned char>(i);
      asio::post(io, [&] { asio::write(pair.far, asio::buffer(&sent, 1)); });
      if (i % 2 == 0) co_await yield();
      cancel();
      int got = co_await reads;
      if (got < 0) {
        ++given_up;
        unsigned char byte;
        EXPECT_EQ(co_await pair.near.async_read_some(asio::buffer(&byte, 1), use_g), 1U);
        got = byte;
      } else {
        ++beside;
      }
      EXPECT_EQ(got, next++);
    }
    EXPECT_GT(given_up, 0);
    EXPECT_GT(beside, 0);
  });
}
#endif

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
