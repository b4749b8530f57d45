// tests/unit/chan/chan_test.cpp — Chan: what goes in comes out, once, in order; and what happens when it is closed, nil, or its values break.
// Go: runtime/chan_test.go.  Room: chan (floor 4).
#include "gmp/chan.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "gmp/testing.hpp"
#include "support/child.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/waiting.hpp"
#include "unit/chan/tracer.hpp"

namespace gmp::chan_test {
namespace {

using namespace std::chrono_literals;
using test::Fragile;
using test::MoveFailed;
using test::Nothing;
using test::on_executor;
using test::Token;
using test::until_waiting;

constexpr auto sending = detail::WaitReason::chan_send;
constexpr auto receiving = detail::WaitReason::chan_receive;

template <class F>
std::string what_of(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "nothing thrown";
}

// ---- the handle

TEST(ChanHandle, CopiesAreTheSameChannel) {
  const auto a = make_chan<int>(2);
  const Chan<int> b = a;
  const RecvChan<int> r = a;
  const SendChan<int> s = b;
  EXPECT_EQ(a, b);
  EXPECT_EQ(static_cast<const detail::ChanHandle&>(r), a);
  EXPECT_TRUE(s.try_send(7));
  EXPECT_EQ(a.size(), 1u);
  EXPECT_EQ(r.try_recv(), 7);
  EXPECT_FALSE(a == make_chan<int>(2));
  EXPECT_TRUE(a);
  EXPECT_FALSE(Chan<int>());
  EXPECT_EQ(Chan<int>(), Chan<int>());
}

/// Incomplete where it names the channels, as Go's type request struct { reply chan request }.
struct Request {
  Request() noexcept {}
  explicit Request(int x, Chan<Request> to) noexcept : value(x), reply(std::move(to)) {}
  int value = 0;
  Chan<Request> reply;
  SendChan<Request> out;
  RecvChan<Request> in;
};

TEST(ChanHandle, AStructMayHoldChannelsOfItself) {
  on_executor([]() -> Task<> {
    const auto requests = make_chan<Request>();
    auto server = spawn([requests]() -> Task<> {
      auto r = co_await requests.recv();
      co_await r->reply.send(Request(r->value + 1, {}));
    });
    const auto answers = make_chan<Request>(1);
    co_await requests.send(Request(1, answers));
    EXPECT_EQ((co_await answers.recv())->value, 2);
    co_await server;
  });
}

TEST(ChanHandle, TheLastOneTakesTheValuesWithIt) {
  {
    auto ch = make_chan<Token>(5);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.try_send(Token(i)));
    EXPECT_EQ(Token::alive, 3);
    Chan<Token> moved = std::move(ch);
    EXPECT_FALSE(ch);  // NOLINT(bugprone-use-after-move): that it is nil now is the claim
    EXPECT_EQ(moved.size(), 3u);
  }
  EXPECT_EQ(Token::alive, 0);
}

TEST(ChanHandle, SizeAndCapacity) {
  EXPECT_EQ(make_chan<int>().capacity(), 0u);
  const auto ch = make_chan<int>(3);
  EXPECT_EQ(ch.capacity(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(ch.size(), i);
    EXPECT_TRUE(ch.try_send(1));
  }
  EXPECT_FALSE(ch.try_send(1));
  EXPECT_EQ(ch.size(), 3u);
  EXPECT_EQ(Chan<int>().size(), 0u);
  EXPECT_EQ(Chan<int>().capacity(), 0u);
}

TEST(ChanHandle, AbsurdCapacitiesAreRefused) {
  for (const std::size_t capacity : {static_cast<std::size_t>(-1), std::size_t{1} << 63, std::size_t{1} << 60, std::size_t{1} << 46}) {
    EXPECT_EQ(what_of([&] { static_cast<void>(make_chan<std::array<char, 64>>(capacity)); }), "makechan: size out of range") << capacity;
  }
  EXPECT_THROW(static_cast<void>(make_chan<int>(static_cast<std::size_t>(-1))), std::length_error);
  EXPECT_THROW(static_cast<void>(make_chan<Nothing>(static_cast<std::size_t>(-1))), std::length_error);
  const auto counted = make_chan<Nothing>(std::size_t{1} << 62);  // they are counted, not kept
  EXPECT_TRUE(counted.try_send(Nothing()));
  EXPECT_EQ(counted.size(), 1u);
}

TEST(ChanHandle, TheLastOneIsNotDroppedWhileSomebodyWaits) {
  const auto died = test::child::run([] {
    Executor ex({.procs = 1});
    ex.run([]() -> Task<> {
      auto ch = std::make_unique<Chan<int>>(make_chan<int>());
      go([lent = ch.get()]() -> Task<> { co_await lent->recv(); });
      co_await until_waiting(receiving, 1);
      co_await select(recv(*ch), otherwise);  // by the channel's lock: who is seen to wait has come to the end of its queueing
      ch.reset();
    });
  });
  EXPECT_EQ(died.status, 2) << died;
  EXPECT_EQ(died.err, "fatal error: a channel was destroyed while a goroutine waits on it: who waits must hold a handle of its own\n");
}

// ---- values

template <class T>
Task<> in_order(std::size_t capacity, int n, T (*make)(int), int (*read)(const T&)) {
  auto ch = make_chan<T>(capacity);
  go([](Chan<T> out, int count, T (*maker)(int)) -> Task<> {
    for (int i = 0; i < count; ++i) co_await out.send(maker(i));
    out.close();
  }, ch, n, make);
  int next = 0;
  while (auto v = co_await ch.recv()) EXPECT_EQ(read(*v), next++);
  EXPECT_EQ(next, n);
  EXPECT_TRUE(ch.drained());
}

class ChanOrder : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Capacity, ChanOrder, ::testing::Values(0, 1, 2, 3, 10, 100, 1000));

TEST_P(ChanOrder, FirstInFirstOut) {
  on_executor([]() -> Task<> {
    const int n = static_cast<int>(test::scaled(20'000, 2'000));
    co_await in_order<int>(GetParam(), n, [](int i) { return i; }, [](const int& v) { return v; });
    co_await in_order<std::string>(GetParam(), n, [](int i) { return "a string that is on the heap " + std::to_string(i); },
                                   [](const std::string& v) { return std::stoi(v.substr(29)); });
    co_await in_order<std::unique_ptr<int>>(GetParam(), n, [](int i) { return std::make_unique<int>(i); },
                                            [](const std::unique_ptr<int>& v) { return *v; });
    co_await in_order<Token>(GetParam(), n, [](int i) { return Token(i); }, [](const Token& v) { return v.value(); });
    co_await in_order<Fragile>(GetParam(), n, [](int i) { return Fragile(i); }, [](const Fragile& v) { return v.value(); });
  });
  EXPECT_EQ(Token::alive, 0);
}

struct Large {
  explicit Large(int v = 0) { values.fill(v); }
  std::array<int, 100> values;
};

TEST_P(ChanOrder, LargeValues) {
  on_executor([]() -> Task<> {
    co_await in_order<Large>(GetParam(), 1000, [](int i) { return Large(i); }, [](const Large& v) {
      EXPECT_EQ(v.values.front(), v.values.back());
      return v.values[50];
    });
  });
}

// On a thread's stack: g++ 12 does not align what lies in a coroutine's frame beyond 16 bytes.
TEST(Chan, OverAlignedValues) {
  struct alignas(64) Aligned {
    explicit Aligned(int v) : value(v) { EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 64, 0u); }
    Aligned(Aligned&& other) noexcept : value(other.value) { EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 64, 0u); }
    int value;
  };
  const auto ch = make_chan<Aligned>(5);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(ch.try_send(Aligned(i)));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ch.try_recv()->value, i);
}

TEST(Chan, ValuesWithoutSizeAreCounted) {
  on_executor([]() -> Task<> {
    for (const std::size_t capacity : {0, 1, 5}) {
      auto ch = make_chan<Nothing>(capacity);
      go([](Chan<Nothing> out) -> Task<> {
        for (int i = 0; i < 100; ++i) co_await out.send(Nothing());
        out.close();
      }, ch);
      int n = 0;
      while (co_await ch.recv()) ++n;
      EXPECT_EQ(n, 100);
    }
  });
}

TEST(Chan, ReceiversAndSendersAreServedInTheirOrder) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>();
    std::vector<int> got(3);
    WaitGroup wg;
    for (int i = 0; i < 3; ++i) {
      wg.go([ch, &got, i]() -> Task<> { got[static_cast<std::size_t>(i)] = *co_await ch.recv(); });
      co_await until_waiting(receiving, i + 1);
    }
    for (int i = 0; i < 3; ++i) co_await ch.send(10 + i);
    co_await wg.wait();
    EXPECT_EQ(got, (std::vector<int>{10, 11, 12}));

    auto full = make_chan<int>(1);
    co_await full.send(0);
    for (int i = 1; i < 4; ++i) {
      wg.go([full, i]() -> Task<> { co_await full.send(i); });
      co_await until_waiting(sending, i);
    }
    for (int i = 0; i < 4; ++i) EXPECT_EQ(co_await full.recv(), i);
    co_await wg.wait();
  });
}

TEST(Chan, ASendIsACopyOrAMove) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<std::string>(4);
    std::string kept = "a string that is kept, and long enough", moved = kept;
    const std::string constant = kept;
    co_await ch.send(kept);
    co_await ch.send(std::move(moved));
    co_await ch.send(constant);
    co_await ch.send("a literal");
    EXPECT_EQ(kept, constant);
    EXPECT_EQ(moved, "");  // NOLINT(bugprone-use-after-move): that it went is the claim
    for (int i = 0; i < 3; ++i) EXPECT_EQ(co_await ch.recv(), constant);
    EXPECT_EQ(co_await ch.recv(), "a literal");
  });
}

// An operation is a description that may be awaited later: what it was made of may be gone then.
TEST(Chan, ASendHasTheNumberItWasMadeWith) {
  on_executor([]() -> Task<> {
    const auto ch = make_chan<int>(3);
    const auto make = [&ch](int n) {
      int local = n;
      return std::pair(ch.send(n + 1), ch.send(std::move(local)));
    };
    auto [by_temporary, by_rvalue] = make(7);
    const auto unmake = [](int n) { return n * n; };
    EXPECT_EQ(unmake(3), 9);  // where the others lay
    co_await std::move(by_temporary);
    const std::error_code err = co_await timeout(1h, std::move(by_rvalue));
    EXPECT_FALSE(err);
    EXPECT_EQ(co_await ch.recv(), 8);
    EXPECT_EQ(co_await ch.recv(), 7);
  });
}

TEST(Chan, WhatDoesNotGoStaysTheSenders) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<std::unique_ptr<int>>();
    auto mine = std::make_unique<int>(7);
    EXPECT_FALSE(ch.try_send(std::move(mine)));
    EXPECT_NE(mine, nullptr);  // NOLINT(bugprone-use-after-move): as the next ones
    auto parked = spawn([ch, &mine]() -> Task<> { co_await ch.send(std::move(mine)); });
    co_await until_waiting(sending, 1);
    ch.close();
    bool thrown = false;
    try {
      co_await parked;
    } catch (const ClosedChannel& e) {
      thrown = true;
      EXPECT_STREQ(e.what(), "send on closed channel");
    }
    EXPECT_TRUE(thrown);
    EXPECT_NE(mine, nullptr);
    EXPECT_THROW(static_cast<void>(ch.try_send(std::move(mine))), ClosedChannel);
    EXPECT_NE(mine, nullptr);
    bool again = false;
    try {
      co_await ch.send(std::move(mine));
    } catch (const std::logic_error&) {
      again = true;
    }
    EXPECT_TRUE(again && mine != nullptr);
  });
}

// ---- closing

TEST(ChanClose, WhatIsThereIsReceivedFirst) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>(3);
    co_await ch.send(1);
    co_await ch.send(2);
    ch.close();
    EXPECT_FALSE(ch.drained());
    EXPECT_EQ(co_await ch.recv(), 1);
    EXPECT_EQ(ch.try_recv(), 2);
    EXPECT_TRUE(ch.drained());
    for (int i = 0; i < 3; ++i) EXPECT_EQ(co_await ch.recv(), std::nullopt);
    EXPECT_EQ(ch.try_recv(), std::nullopt);
  });
}

TEST(ChanClose, WakesAllWhoWait) {
  on_executor([]() -> Task<> {
    auto empty = make_chan<int>();
    auto full = make_chan<int>();
    std::atomic<int> ended{0}, refused{0};
    WaitGroup wg;
    for (int i = 0; i < 50; ++i) {
      wg.go([&, empty]() -> Task<> { ended += !(co_await empty.recv()).has_value(); });
      wg.go([&, full]() -> Task<> {
        try {
          co_await full.send(1);
        } catch (const ClosedChannel&) {
          ++refused;
        }
      });
    }
    co_await until_waiting(receiving, 50);
    co_await until_waiting(sending, 50);
    empty.close();
    full.close();
    co_await wg.wait();
    EXPECT_EQ(ended, 50);
    EXPECT_EQ(refused, 50);
    EXPECT_EQ(co_await full.recv(), std::nullopt);
  });
}

// On one P what is seen is the order in which they are made ready: the last one is the next to run, the others follow. On the calling thread alone, since
// another one is given the P of a thread that loses its CPU in the midst of the close.
TEST(ChanClose, WakesThemInTheOrderOfTheirComing) {
  testing::run([]() -> Task<> {
    constexpr int n = 20;
    for (const bool receivers : {true, false}) {
      const auto reason = receivers ? receiving : sending;
      auto ch = make_chan<int>();
      std::vector<int> woken;
      WaitGroup wg;
      for (int i = 0; i < n; ++i) {
        wg.go([&woken, ch, receivers, i]() -> Task<> {
          try {
            if (receivers) {
              EXPECT_EQ(co_await ch.recv(), std::nullopt);
            } else {
              co_await ch.send(i);
            }
          } catch (const ClosedChannel&) {
            EXPECT_FALSE(receivers);
          }
          woken.push_back(i);
        });
        co_await until_waiting(reason, i + 1);
      }
      ch.close();
      co_await wg.wait();
      std::vector<int> expected{n - 1};
      for (int i = 0; i + 1 < n; ++i) expected.push_back(i);
      EXPECT_EQ(woken, expected) << (receivers ? "receivers" : "senders");
    }
  });
}

TEST(ChanClose, MisuseIsALogicErrorInGosWords) {
  const auto ch = make_chan<int>();
  ch.close();
  EXPECT_EQ(what_of([&] { ch.close(); }), "close of closed channel");
  EXPECT_EQ(what_of([] { Chan<int>().close(); }), "close of nil channel");
  EXPECT_EQ(what_of([] { SendChan<int>().close(); }), "close of nil channel");
  EXPECT_EQ(what_of([&] { static_cast<void>(ch.try_send(1)); }), "send on closed channel");
  EXPECT_THROW(ch.close(), std::logic_error);
}

TEST(ChanNil, IsNeverReady) {
  const Chan<int> nil;
  EXPECT_FALSE(nil.try_send(1));
  EXPECT_EQ(nil.try_recv(), std::nullopt);
  EXPECT_FALSE(nil.drained());
}

#if !GMPCORO_TSAN  // it has a thread of its own, so no deadlock is reported
TEST(ChanNil, WaitsForEver) {
  const auto receiver = test::child::run([] { gmp::run([]() -> Task<> { co_await Chan<int>().recv(); }); });
  EXPECT_EQ(receiver.status, 2);
  EXPECT_NE(receiver.err.find("fatal error: all goroutines are asleep - deadlock!"), std::string::npos) << receiver;
  EXPECT_NE(receiver.err.find("[chan receive (nil chan)]"), std::string::npos) << receiver;
  const auto sender = test::child::run([] { gmp::run([]() -> Task<> { co_await Chan<int>().send(1); }); });
  EXPECT_EQ(sender.status, 2);
  EXPECT_NE(sender.err.find("[chan send (nil chan)]"), std::string::npos) << sender;
}
#endif

// ---- plain threads

TEST(ChanBlocking, ThreadsAndGsMeet) {
  Executor ex;
  auto there = make_chan<int>(), back = make_chan<int>(2);
  auto echo = ex.spawn([](Chan<int> in, Chan<int> out) -> Task<> {
    while (auto v = co_await in.recv()) co_await out.send(*v * 2);
    out.close();
  }, there, back);
  std::thread reader([back] {
    int next = 0;
    while (auto v = back.recv_blocking()) EXPECT_EQ(*v, 2 * next++);
    EXPECT_EQ(next, 1000);
  });
  for (int i = 0; i < 1000; ++i) there.send_blocking(i);
  there.close();
  reader.join();
  echo.get();
  EXPECT_THROW(there.send_blocking(1), ClosedChannel);
  EXPECT_EQ(there.recv_blocking(), std::nullopt);
}

TEST(ChanBlocking, OnAGItIsALogicError) {
  on_executor([] {
    const auto ch = make_chan<int>(1);
    EXPECT_EQ(what_of([&] { ch.send_blocking(1); }), "send_blocking() called on a goroutine: use co_await send()");
    EXPECT_EQ(what_of([&] { static_cast<void>(ch.recv_blocking()); }), "recv_blocking() called on a goroutine: use co_await recv()");
    EXPECT_EQ(ch.size(), 0u);
  });
}

// ---- a move that throws

/// Sends 0 … n-1 and receives them, while each move of a value fails in its turn; every failure is tried again. How it parks depends on the capacity.
Task<> survive(std::size_t capacity, int n, int fail_every) {
  auto ch = make_chan<Fragile>(capacity);
  std::atomic<int> send_failed{0}, recv_failed{0};
  auto sender = spawn([&, ch]() -> Task<> {
    for (int i = 0; i < n; ++i) {
      Fragile value(i);
      for (bool sent = false; !sent;) {
        try {
          co_await ch.send(std::move(value));  // NOLINT(bugprone-use-after-move): it is there as long as it did not go
          sent = true;
        } catch (const MoveFailed&) {
          ++send_failed;
        }
      }
    }
    ch.close();
  });
  int next = 0, armed = -1;
  for (bool ended = false; !ended;) {
    if (next % 3 == 0 && std::exchange(armed, next) != next) Fragile::fail_next = 1 + next / 3 % fail_every;
    try {
      const std::optional<Fragile> v = co_await ch.recv();
      if (v)
        EXPECT_EQ(v->value(), next++);
      else
        ended = true;
    } catch (const MoveFailed&) {
      ++recv_failed;
    }
  }
  Fragile::fail_next = 0;
  co_await sender;
  EXPECT_EQ(next, n);
}

TEST_P(ChanOrder, AMoveThatThrowsLosesAndDoublesNothing) {
  const int before = Fragile::failed;
  on_executor([]() -> Task<> {
    for (const int fail_every : {1, 2, 3, 5}) co_await survive(GetParam(), static_cast<int>(test::scaled(3'000, 300)), fail_every);
  });
  EXPECT_GT(Fragile::failed - before, 100);
  EXPECT_EQ(Token::alive, 0);
}

// ---- a stopped executor

TEST(ChanStop, GsThatWaitAreDestroyedAndTheChannelLivesOn) {
  auto ch = make_chan<Token>(1);
  {
    Executor ex;
    for (int i = 0; i < 10; ++i) ex.go([=]() -> Task<> { co_await ch.send(Token(i)); });
    ex.run([]() -> Task<> { co_await until_waiting(sending, 9); });
  }
  EXPECT_EQ(Token::alive, 1);
  EXPECT_TRUE(ch.try_recv());
  EXPECT_FALSE(ch.try_recv());  // those who waited took theirs with them
  EXPECT_EQ(Token::alive, 0);
}

TEST(ChanStop, ChannelsInFramesOlderAndNewer) {
  Executor ex;
  struct Shared {
    std::atomic<Chan<int>*> older{nullptr}, newer{nullptr};
  };
  auto shared = std::make_shared<Shared>();
  ex.go([](std::shared_ptr<Shared> s) -> Task<> {
    Chan<int> mine = make_chan<int>();
    s->older = &mine;
    while (s->newer == nullptr) co_await yield();
    co_await s->newer.load()->recv();
  }, shared);
  ex.run([](std::shared_ptr<Shared> s) -> Task<> {
    while (s->older == nullptr) co_await yield();
    go([](std::shared_ptr<Shared> t) -> Task<> {
      Chan<int> mine = make_chan<int>();
      t->newer = &mine;
      co_await t->older.load()->recv();
    }, s);
    co_await until_waiting(receiving, 2);
  }, shared);
}

struct Aggregate {
  int number;
  std::unique_ptr<std::string> name;
};

TEST(Chan, AnAggregateIsSentByMoved) {
  run([]() -> Task<> {
    auto ch = make_chan<Aggregate>(1);
    Aggregate job{1, std::make_unique<std::string>("x")};
    co_await ch.send(moved(job));
    EXPECT_FALSE(job.name);
    EXPECT_EQ(*(co_await ch.recv())->name, "x");
    Aggregate other{2, std::make_unique<std::string>("y")};
    EXPECT_EQ(co_await select(send(ch, moved(other)), otherwise), 0);
    EXPECT_FALSE(other.name);
    Aggregate third{3, std::make_unique<std::string>("z")};
    EXPECT_EQ(co_await select(send(ch, moved(third)), otherwise), 1);
    EXPECT_TRUE(third.name);  // it did not go
  });
}

}  // namespace
}  // namespace gmp::chan_test
