// tests/go/runtime/chan_test.cpp — what Go's tests claim of channels and select.
// Go: runtime/chan_test.go; test/chan/{fifo,goroutines,nonblock,select,select3,sieve1,zerosize}.go.  Room: tests/go.
#include "gmp/chan.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/time.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/waiting.hpp"

namespace gmp::chan_test {
namespace {

using namespace std::chrono_literals;
using test::on_executor;
using test::until_waiting;

int scaled(int n, int least) { return static_cast<int>(test::scaled(n, least)); }

// Go: TestChan
TEST(GoChan, AllTheFactsForEachCapacity) {
  on_executor([]() -> Task<> {
    const int most = scaled(200, 20);
    for (int capacity = 0; capacity < most; ++capacity) {
      const auto size = static_cast<std::size_t>(capacity);
      {  // receiving from an empty channel blocks, and the non-blocking form says no
        auto c = make_chan<int>(size);
        std::atomic<bool> first{false}, second{false};
        auto a = spawn([c, &first]() -> Task<> {
          co_await c.recv();
          first = true;
        });
        auto b = spawn([c, &second]() -> Task<> {
          co_await c.recv();
          second = true;
        });
        co_await until_waiting(detail::WaitReason::chan_receive, 2);
        EXPECT_FALSE(first || second);
        EXPECT_FALSE(c.try_recv());
        EXPECT_EQ(co_await select(recv(c), otherwise), 1);
        co_await c.send(0);
        co_await c.send(0);
        co_await a;
        co_await b;
      }
      {  // sending to a full one blocks, and so on
        auto c = make_chan<int>(size);
        for (int i = 0; i < capacity; ++i) co_await c.send(i);
        std::atomic<bool> sent{false};
        auto a = spawn([c, &sent]() -> Task<> {
          co_await c.send(0);
          sent = true;
        });
        co_await until_waiting(detail::WaitReason::chan_send, 1);
        EXPECT_FALSE(sent);
        EXPECT_FALSE(c.try_send(0));
        EXPECT_EQ(co_await select(send(c, 0), otherwise), 1);
        co_await c.recv();
        co_await a;
      }
      {  // what was sent before the close comes, and then zero values for ever
        auto c = make_chan<int>(size);
        for (int i = 0; i < capacity; ++i) co_await c.send(i);
        c.close();
        for (int i = 0; i < capacity; ++i) EXPECT_EQ(co_await c.recv(), i);
        EXPECT_EQ(co_await c.recv(), std::nullopt);
        EXPECT_EQ(c.try_recv(), std::nullopt);
      }
      {  // a close unblocks a receiver
        auto c = make_chan<int>(size);
        auto done = spawn([c]() -> Task<bool> { co_return !(co_await c.recv()); });
        co_await until_waiting(detail::WaitReason::chan_receive, 1);
        c.close();
        EXPECT_TRUE(co_await done);
      }
      {  // a hundred in order, then a hundred from each of four, whose sum is right
        auto c = make_chan<int>(size);
        go([c]() -> Task<> {
          for (int i = 0; i < 100; ++i) co_await c.send(i);
        });
        for (int i = 0; i < 100; ++i) EXPECT_EQ(co_await c.recv(), i);
        constexpr int producers = 4, each = 100;
        for (int p = 0; p < producers; ++p) {
          go([c]() -> Task<> {
            for (int i = 0; i < each; ++i) co_await c.send(i);
          });
        }
        std::vector<JoinHandle<std::array<int, each>>> consumers;
        for (int p = 0; p < producers; ++p) {
          consumers.push_back(spawn([c]() -> Task<std::array<int, each>> {
            std::array<int, each> seen{};
            for (int i = 0; i < each; ++i) ++seen[static_cast<std::size_t>(*co_await c.recv())];
            co_return seen;
          }));
        }
        std::array<int, each> seen{};
        for (auto& h : consumers) {
          const auto part = co_await h;
          for (std::size_t i = 0; i < each; ++i) seen[i] += part[i];
        }
        for (const int times : seen) EXPECT_EQ(times, producers);
        EXPECT_EQ(c.size(), 0u);
        EXPECT_EQ(c.capacity(), size);
      }
    }
  });
}

// Go: TestNonblockRecvRace: a non-blocking receive from a channel that holds a value, or is closed, never says "not ready".
TEST(GoChan, ATryDoesNotMissWhatIsThere) {
  on_executor([]() -> Task<> {
    const int n = scaled(10'000, 500);
    for (int i = 0; i < n; ++i) {
      auto c = make_chan<int>(1);
      co_await c.send(1);
      auto other = spawn([c]() -> Task<bool> { co_return co_await select(recv(c), otherwise) == 0; });
      c.close();
      co_await c.recv();
      EXPECT_TRUE(co_await other) << "chan is not ready";
    }
  });
}

// Go: TestNonblockSelectRace, TestNonblockSelectRace2: of two channels one is always ready.
TEST(GoChan, ASelectWithADefaultDoesNotMissBoth) {
  on_executor([]() -> Task<> {
    const int n = scaled(20'000, 1'000);
    for (int i = 0; i < n; ++i) {
      auto c1 = make_chan<int>(1), c2 = make_chan<int>(1);
      co_await c1.send(1);
      auto other = spawn([c1, c2]() -> Task<bool> { co_return co_await select(recv(c1), recv(c2), otherwise) < 2; });
      if (i % 2 == 0)
        co_await c2.send(1);
      else
        c2.close();
      co_await select(recv(c1), otherwise);
      EXPECT_TRUE(co_await other) << "no chan is ready";
    }
  });
}

// Go: TestSelectFairness
TEST(GoChan, BothOfTwoReadyCasesAreTaken) {
  on_executor([]() -> Task<> {
    const int trials = scaled(10'000, 1'000);
    auto c1 = make_chan<int>(static_cast<std::size_t>(trials) + 1), c2 = make_chan<int>(static_cast<std::size_t>(trials) + 1);
    for (int i = 0; i < trials + 1; ++i) {
      co_await c1.send(1);
      co_await c2.send(2);
    }
    auto c3 = make_chan<int>(), c4 = make_chan<int>(), out = make_chan<int>(), done = make_chan<int>();
    auto relay = spawn([=]() -> Task<> {
      for (;;) {
        std::optional<int> v;
        switch (co_await select(recv(c3, v), recv(c4, v), recv(c1, v), recv(c2, v))) {
          default: break;
        }
        if (co_await select(send(out, *v), recv(done)) == 1) co_return;
      }
    });
    int ones = 0;
    for (int i = 0; i < trials; ++i) ones += *co_await out.recv() == 1;
    done.close();
    co_await relay;
    const double deviation = std::sqrt(trials * 0.25);
    EXPECT_NEAR(ones, trials / 2.0, 6 * deviation);
  });
}

// Go: TestSelectStress: four channels, each with a plain sender and receiver, and two gs that select over all of them.
TEST(GoChan, SelectsAndPlainOperationsMix) {
  on_executor([]() -> Task<> {
    std::array<Chan<int>, 4> c{make_chan<int>(), make_chan<int>(), make_chan<int>(2), make_chan<int>(3)};
    const int n = scaled(20'000, 1'000);
    WaitGroup wg;
    for (const Chan<int>& k : c) {
      wg.go([k, n]() -> Task<> {
        for (int i = 0; i < n; ++i) co_await k.send(0);
      });
      wg.go([k, n]() -> Task<> {
        for (int i = 0; i < n; ++i) co_await k.recv();
      });
    }
    wg.go([c, n]() -> Task<> {
      std::array<Chan<int>, 4> open = c;
      std::array<int, 4> left{n, n, n, n};
      for (int i = 0; i < 4 * n; ++i) {
        const auto which = static_cast<std::size_t>(co_await select(send(open[3], 0), send(open[2], 0), send(open[0], 0), send(open[1], 0)));
        const std::size_t k = std::array<std::size_t, 4>{3, 2, 0, 1}[which];
        if (--left[k] == 0) open[k] = {};  // a nil channel is never chosen again
      }
    });
    wg.go([c, n]() -> Task<> {
      std::array<Chan<int>, 4> open = c;
      std::array<int, 4> left{n, n, n, n};
      for (int i = 0; i < 4 * n; ++i) {
        const auto k = static_cast<std::size_t>(co_await select(recv(open[0]), recv(open[1]), recv(open[2]), recv(open[3])));
        if (--left[k] == 0) open[k] = {};
      }
    });
    co_await wg.wait();
  });
}

// Go: TestPseudoRandomSend
TEST(GoChan, TwoSendsOnOneChannelBothHappen) {
  on_executor([]() -> Task<> {
    constexpr int n = 100;
    for (const std::size_t capacity : {0, n}) {
      auto c = make_chan<int>(capacity);
      auto reader = spawn([c]() -> Task<int> {
        int ones = 0;
        for (int i = 0; i < n; ++i) {
          co_await yield();
          ones += *co_await c.recv();
        }
        co_return ones;
      });
      for (int i = 0; i < n; ++i) co_await select(send(c, 1), send(c, 0));
      const int ones = co_await reader;
      EXPECT_GT(ones, n / 10);
      EXPECT_LT(ones, n - n / 10);
    }
  });
}

// Go: TestMultiConsumer
TEST(GoChan, ManyConsumersOfOneStream) {
  on_executor([]() -> Task<> {
    constexpr int workers = 23;
    const int tasks = scaled(10'000, 500);
    constexpr std::array primes{2, 3, 7, 11, 13, 17, 19, 23, 27, 31};
    auto q = make_chan<int>(workers * 3), r = make_chan<int>(workers * 3);
    WaitGroup wg;
    for (int i = 0; i < workers; ++i) {
      wg.go([=]() -> Task<> {
        while (auto v = co_await q.recv()) {
          if (primes[static_cast<std::size_t>(i) % primes.size()] == *v) co_await yield();  // mixes it up
          co_await r.send(*v);
        }
      });
    }
    auto expected = spawn([=, &wg]() -> Task<int> {
      int sum = 0;
      for (int i = 0; i < tasks; ++i) {
        sum += primes[static_cast<std::size_t>(i) % primes.size()];
        co_await q.send(primes[static_cast<std::size_t>(i) % primes.size()]);
      }
      q.close();
      co_await wg.wait();
      r.close();
      co_return sum;
    });
    int n = 0, sum = 0;
    while (auto v = co_await r.recv()) {
      ++n;
      sum += *v;
    }
    EXPECT_EQ(n, tasks);
    EXPECT_EQ(sum, co_await expected);
  });
}

// Go: TestSelectDuplicateChannel: a waiter that lost on a channel must not hide one behind it.
TEST(GoChan, TheSameChannelTwiceInASelect) {
  on_executor([]() -> Task<> {
    auto c = make_chan<int>(), d = make_chan<int>(), e = make_chan<int>();
    auto first = spawn([=]() -> Task<> {
      co_await select(recv(c), recv(c), recv(d));
      co_await e.send(9);
    });
    co_await until_waiting(detail::WaitReason::select, 1);
    auto second = spawn([=]() -> Task<> { co_await c.recv(); });
    co_await until_waiting(detail::WaitReason::chan_receive, 1);
    co_await d.send(7);  // wakes the select, whose two waiters on c are still in front
    co_await e.recv();
    co_await c.send(8);
    co_await second;
    co_await first;
  });
}

// Go: TestChanSendInterface
struct Shape {
  virtual ~Shape() = default;
  virtual int corners() const = 0;
};
template <int N>
struct Polygon : Shape {
  int corners() const override { return N; }
};
TEST(GoChan, ValuesOfAnInterfaceThroughSelect) {
  on_executor([]() -> Task<> {
    auto c = make_chan<std::unique_ptr<Shape>>(1);
    co_await c.send(std::make_unique<Polygon<3>>());
    EXPECT_EQ(co_await select(send(c, std::make_unique<Polygon<4>>()), otherwise), 1);
    EXPECT_EQ((*co_await c.recv())->corners(), 3);
    EXPECT_EQ(co_await select(send(c, std::make_unique<Polygon<4>>()), otherwise), 0);
    EXPECT_EQ((*co_await c.recv())->corners(), 4);
  });
}

// Go: test/chan/fifo.go
Task<> link(RecvChan<int> in, SendChan<int> out, int value) {
  EXPECT_EQ(co_await in.recv(), value);  // each waits for the one before it
  co_await out.send(value + 1);
}
TEST(GoChan, ADaisyChainKeepsTheOrder) {
  on_executor([]() -> Task<> {
    auto first = make_chan<int>();
    Chan<int> in = first;
    constexpr int n = 10;
    for (int i = 0; i < n; ++i) {
      auto out = make_chan<int>();
      go(link, in, out, i);
      in = out;
    }
    co_await first.send(0);
    EXPECT_EQ(co_await in.recv(), n);
  });
}

// Go: test/chan/goroutines.go
TEST(GoChan, AChainOfTenThousand) {
  on_executor([]() -> Task<> {
    const int n = scaled(10'000, 1'000);
    auto leftmost = make_chan<int>();
    Chan<int> right = leftmost, left = leftmost;
    for (int i = 0; i < n; ++i) {
      right = make_chan<int>();
      go([](Chan<int> l, Chan<int> r) -> Task<> { co_await l.send(*co_await r.recv()); }, left, right);
      left = right;
    }
    go([](Chan<int> c) -> Task<> { co_await c.send(1); }, right);
    EXPECT_EQ(co_await leftmost.recv(), 1);
  });
}

// Go: test/chan/sieve1.go
Task<> numbers(SendChan<int> out, RecvChan<int> stop) {
  for (int i = 2;; ++i) {
    if (co_await select(send(out, i), recv(stop)) == 1) break;
  }
  out.close();
}
Task<> sift(RecvChan<int> in, SendChan<int> out, int prime) {
  while (auto v = co_await in.recv()) {
    if (*v % prime != 0) co_await out.send(*v);
  }
  out.close();
}
TEST(GoChan, APrimeSieve) {
  on_executor([]() -> Task<> {
    auto stop = make_chan<int>();
    Chan<int> in = make_chan<int>();
    go(numbers, in, stop);
    for (const int prime : {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97}) {
      EXPECT_EQ(co_await in.recv(), prime);
      auto out = make_chan<int>();
      go(sift, in, out, prime);
      in = out;
    }
    stop.close();
    while (co_await in.recv()) {
    }
  });
}

// Go: test/chan/select3.go: what blocks, and what does not.
template <class F>
Task<> blocks(bool expected, detail::WaitReason reason, F f) {
  auto over = make_chan<int>(1);
  auto h = spawn([over](F g) -> Task<> {
    try {
      co_await g();
    } catch (const ClosedChannel&) {
    }
    co_await over.send(1);
  }, std::move(f));
  if (expected) {
    co_await until_waiting(reason, 1);
    EXPECT_EQ(over.size(), 0u);
    h.detach();
  } else {
    co_await h;
  }
}
TEST(GoChan, WhatBlocksAndWhatDoesNot) {
  using detail::WaitReason;
  const auto alone = [](bool expected, WaitReason reason, auto f) {
    on_executor([=]() -> Task<> { co_await blocks(expected, reason, f); });  // what blocks for ever goes with its executor
  };
  alone(true, WaitReason::chan_receive_nil, []() -> Task<> { co_await Chan<int>().recv(); });
  alone(true, WaitReason::chan_send_nil, []() -> Task<> { co_await Chan<int>().send(7); });
  const auto closed = [] {
    auto c = make_chan<int>();
    c.close();
    return c;
  };
  alone(false, WaitReason::none, [=]() -> Task<> { co_await closed().recv(); });
  alone(false, WaitReason::none, [=]() -> Task<> { co_await closed().send(7); });
  alone(true, WaitReason::chan_receive, []() -> Task<> {
    auto c = make_chan<int>();
    co_await c.recv();
  });
  alone(true, WaitReason::chan_send, []() -> Task<> {
    auto c = make_chan<int>(10);
    for (int i = 0; i < 11; ++i) co_await c.send(i);
  });
  alone(false, WaitReason::none, []() -> Task<> {
    auto c = make_chan<int>(10);
    for (int i = 0; i < 10; ++i) co_await c.send(i);
    for (int i = 0; i < 10; ++i) co_await c.recv();
  });
  alone(true, WaitReason::select_no_cases, []() -> Task<> { co_await select(); });
  alone(false, WaitReason::none, []() -> Task<> { co_await select(otherwise); });
  alone(false, WaitReason::none, []() -> Task<> { co_await select(recv(Chan<int>()), otherwise); });
  alone(true, WaitReason::select, []() -> Task<> { co_await select(recv(Chan<int>()), send(Chan<int>(), 7)); });
  alone(true, WaitReason::select, []() -> Task<> { co_await select(recv(make_chan<int>()), send(make_chan<int>(), 7)); });
  alone(false, WaitReason::none, [=]() -> Task<> { co_await select(recv(closed())); });
  alone(false, WaitReason::none, [=]() -> Task<> { co_await select(send(closed(), 7)); });
}

}  // namespace
}  // namespace gmp::chan_test
