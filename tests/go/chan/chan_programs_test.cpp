// tests/go/chan/chan_programs_test.cpp — what Go's small programs claim of channels: the rest.
// Go: test/{chancap,makechan}.go, test/chan/{doubleselect,fifo,goroutines,nonblock,sieve2,zerosize}.go.  Room: chan (floor 4).
//
// Left out, since others have it:
//   tests/go/runtime/chan_test.cpp       a chain that one value walks through (fifo, goroutines), most of select3, sieve1
//   tests/go/chan/programs_test.cpp      doubleselect with four channels, series without feedback (powser1), select4, sieve2 without feedback
//   tests/unit/chan/chan_test.cpp        order for each capacity (fifo), size() and capacity() (chancap), most of makechan
//   tests/unit/select/select_test.cpp    select2 with cases that are known to the compiler, the targets of the cases that lost (select4)
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "go/chan/queues.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/waiting.hpp"

namespace gmp::chan_programs_test {
namespace {

using detail::WaitReason;
using test::on_executor;
using test::until_receivers;
using test::until_senders;
using test::until_waiting;

int scaled(int n, int least) { return static_cast<int>(test::scaled(n, least)); }

// ---- doubleselect: however often two channels stand in a select, on either side, a value goes once.

TEST(ChanProgram, CasesThatRepeatTwoChannelsDeliverEachValueOnce) {
  for (const std::size_t capacity : {0, 1, 3}) {
    on_executor([capacity]() -> Task<> {
      constexpr int senders = 2;
      const int each = scaled(4'000, 400);
      const auto a = make_chan<std::unique_ptr<int>>(capacity), b = make_chan<std::unique_ptr<int>>();
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(senders * each));
      WaitGroup wg;
      for (int sender = 0; sender < senders; ++sender) {
        wg.go([=]() -> Task<> {
          for (int i = 0; i < each; ++i) {
            auto v = std::make_unique<int>(sender * each + i);
            co_await select(send(a, v), send(b, v), send(a, v), send(b, v), send(b, v), send(a, v), send(a, v), send(b, v), send(a, v));
            EXPECT_EQ(v, nullptr);
          }
        });
      }
      const auto take = [&seen](const auto& got, int which) {
        for (int k = 0; k < static_cast<int>(got.size()); ++k) EXPECT_EQ(got[static_cast<std::size_t>(k)].has_value(), k == which);
        const auto& value = got[static_cast<std::size_t>(which)];
        const bool whole = value && *value != nullptr;
        EXPECT_TRUE(whole) << "a value that is somebody else's too";
        if (whole) ++seen[static_cast<std::size_t>(**value)];
      };
      wg.go([=]() -> Task<> {
        for (int i = 0; i < each; ++i) {
          std::array<std::optional<std::unique_ptr<int>>, 6> got;
          const int which = co_await select(recv(a, got[0]), recv(a, got[1]), recv(b, got[2]), recv(a, got[3]), recv(b, got[4]), recv(b, got[5]));
          take(got, which);
        }
      });
      wg.go([=]() -> Task<> {  // a set so large that it needs memory of its own
        std::array<std::optional<std::unique_ptr<int>>, 20> got;
        std::vector<SelectCase> cases;
        for (std::size_t k = 0; k < got.size(); ++k) {
          const auto& from = k % 3 == 0 ? b : a;
          cases.push_back(recv(from, got[k]));
        }
        for (int i = 0; i < each; ++i) {
          for (auto& slot : got) slot.reset();
          const int which = co_await select(cases);
          take(got, which);
        }
      });
      co_await wg.wait();
      for (const auto& times : seen) EXPECT_EQ(times, 1);
      EXPECT_EQ(a.try_recv(), std::nullopt);
      EXPECT_EQ(b.try_recv(), std::nullopt);
    });
  }
}

// ---- fifo

Task<> take_in_turn(RecvChan<int> values, int mine, RecvChan<int> turn, SendChan<int> next_turn) {
  co_await turn.recv();
  EXPECT_EQ(co_await values.recv(), mine);
  co_await next_turn.send(1);
}
TEST(ChanProgram, WhoReceiveInTurnGetTheValuesInTheirOrder) {
  on_executor([]() -> Task<> {
    constexpr int n = 100;
    for (const std::size_t capacity : {0, 1, 10}) {
      auto values = make_chan<int>(capacity), start = make_chan<int>();
      Chan<int> turn = start;
      for (int i = 0; i < n; ++i) {
        auto next = make_chan<int>();
        go(take_in_turn, values, i, turn, next);
        turn = next;
      }
      auto last = spawn([turn]() -> Task<std::optional<int>> { co_return co_await turn.recv(); });
      co_await start.send(1);
      for (int i = 0; i < n; ++i) co_await values.send(i);
      EXPECT_EQ(co_await last, 1);
    }
  });
}

Task<> relay(RecvChan<int> in, SendChan<int> out) {
  while (auto v = co_await in.recv()) co_await out.send(*v);
  out.close();
}
TEST(ChanProgram, AStreamThroughADaisyChainKeepsItsOrder) {
  on_executor([]() -> Task<> {
    const int n = scaled(1'000, 100);
    for (const std::size_t capacity : {0, 1, 7}) {
      auto first = make_chan<int>(capacity);
      Chan<int> end = first;
      for (int i = 0; i < 30; ++i) {
        auto next = make_chan<int>(capacity);
        go(relay, end, next);
        end = next;
      }
      go([first, n]() -> Task<> {
        for (int i = 0; i < n; ++i) co_await first.send(i);
        first.close();
      });
      int next = 0;
      while (auto v = co_await end.recv()) EXPECT_EQ(*v, next++);
      EXPECT_EQ(next, n);
    }
  });
}

// ---- goroutines

TEST(ChanProgram, AChainOfTenThousandIsTornDownByAClose) {
  on_executor([]() -> Task<> {
    const int n = scaled(10'000, 1'000);
    for (int round = 0; round < 2; ++round) {
      const auto leftmost = make_chan<int>();
      Chan<int> rightmost = leftmost;
      for (int i = 0; i < n; ++i) {
        auto next = make_chan<int>();
        go(relay, next, rightmost);
        rightmost = next;
      }
      go([rightmost]() -> Task<> {
        for (int i = 0; i < 3; ++i) co_await rightmost.send(i);
        rightmost.close();
      });
      for (int i = 0; i < 3; ++i) EXPECT_EQ(co_await leftmost.recv(), i);
      EXPECT_EQ(co_await leftmost.recv(), std::nullopt);
      EXPECT_TRUE(leftmost.drained());
      while (num_goroutine() > 1) co_await yield();  // none of them stays
    }
  });
}

TEST(ChanProgram, AChainThatIsAbandonedGoesWithItsExecutor) {
  const auto held = std::make_shared<int>(7);
  on_executor([held]() -> Task<> {
    const int n = scaled(10'000, 1'000);
    Chan<int> left = make_chan<int>();
    for (int i = 0; i < n; ++i) {
      auto right = make_chan<int>();
      go([left, right, held]() -> Task<> {
        while (auto v = co_await right.recv()) co_await left.send(*v + *held);
      });
      left = right;
    }
    co_await until_waiting(WaitReason::chan_receive, n);
    EXPECT_GT(held.use_count(), n);
  });
  EXPECT_EQ(held.use_count(), 1);
}

// ---- nonblock: what does not wait finds who waits, for values of several kinds.

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (requires { *a; })
    return a != nullptr && b != nullptr && *a == *b;
  else
    return a == b;
}
template <class T>
Task<> tries(std::size_t capacity, T (*make)(int)) {
  auto c = make_chan<T>(capacity);
  EXPECT_FALSE(c.try_recv());
  for (int round = 0; round < 3; ++round) {
    auto receiver = spawn([c]() -> Task<T> {
      std::optional<T> v = co_await c.recv();
      co_return std::move(*v);
    });
    co_await until_receivers(c, 1);
    T first = make(round);
    EXPECT_TRUE(c.try_send(std::move(first)));
    EXPECT_EQ(c.size(), 0u);  // it went past the buffer
    const T received = co_await receiver;
    EXPECT_TRUE(same(received, make(round)));

    const int full = static_cast<int>(capacity);
    auto sender = spawn([c, full, make]() -> Task<> {
      for (int i = 0; i <= full; ++i) {
        T value = make(i);
        co_await c.send(std::move(value));
      }
    });
    T too_much = make(98), refused = make(99);
    co_await until_senders(c, 1, std::move(too_much));
    EXPECT_EQ(c.size(), capacity);  // who waits is not counted
    EXPECT_FALSE(c.try_send(std::move(refused)));
    EXPECT_TRUE(same(refused, make(99)));  // NOLINT(bugprone-use-after-move): that it is there is the claim
    for (int i = 0; i <= full; ++i) {
      const std::optional<T> v = c.try_recv();
      EXPECT_TRUE(v && same(*v, make(i))) << i;
    }
    EXPECT_FALSE(c.try_recv());
    co_await sender;
  }
}
struct Wide {
  std::array<int, 50> values{};
  explicit Wide(int v) { values.fill(v); }
  friend bool operator==(const Wide&, const Wide&) = default;
};
TEST(ChanProgram, ATryFindsWhoWaitsWhateverTheType) {
  on_executor([]() -> Task<> {
    for (const std::size_t capacity : {0, 1, 2}) {
      co_await tries<std::int8_t>(capacity, [](int i) { return static_cast<std::int8_t>(-i); });
      co_await tries<std::int32_t>(capacity, [](int i) { return 123 + i; });
      co_await tries<std::int64_t>(capacity, [](int i) { return (std::int64_t{1} << 40) + i; });
      co_await tries<bool>(capacity, [](int i) { return i % 2 == 0; });
      co_await tries<double>(capacity, [](int i) { return i / 8.0; });
      co_await tries<std::string>(capacity, [](int i) { return "hello, and once more hello: " + std::to_string(i); });
      co_await tries<Wide>(capacity, [](int i) { return Wide(i); });
      co_await tries<std::unique_ptr<int>>(capacity, [](int i) { return std::make_unique<int>(i); });
    }
  });
}

// ---- zerosize

template <class T>
void without_size() {
  on_executor([]() -> Task<> {
    const int n = scaled(20'000, 1'000);
    const auto unbuffered = make_chan<T>(), all = make_chan<T>(static_cast<std::size_t>(n));
    const T nothing{};
    for (int i = 0; i < n; ++i) EXPECT_EQ(co_await select(send(all, nothing), otherwise), 0);
    EXPECT_EQ(co_await select(send(all, nothing), otherwise), 1);
    EXPECT_EQ(all.size(), static_cast<std::size_t>(n));
    go([=]() -> Task<> {
      while (co_await all.recv()) co_await select(send(unbuffered, nothing));
      unbuffered.close();
    });
    all.close();
    int came = 0;
    for (;;) {
      std::optional<T> v;
      co_await select(recv(unbuffered, v));
      if (!v) break;
      ++came;
    }
    EXPECT_EQ(came, n);
  });
}
TEST(ChanProgram, ValuesWithoutSizeGoThroughSelects) {
  without_size<std::monostate>();
  without_size<std::array<char, 0>>();
}

// ---- chancap, makechan

template <class T>
void refuses(std::size_t capacity) {
  std::string said = "nothing thrown";
  try {
    static_cast<void>(make_chan<T>(capacity));
  } catch (const std::length_error& e) {
    said = e.what();
  }
  EXPECT_EQ(said, "makechan: size out of range") << capacity << " of " << sizeof(T);
}
template <class T>
void bad_sizes() {
  const std::size_t all = static_cast<std::size_t>(-1);
  for (const std::size_t capacity : {all, all - 1, all / 2 + 1, all / 2}) refuses<T>(capacity);  // -1, -2, the least and the greatest integer
  if constexpr (sizeof(T) > 1) {
    // the number of their bytes is beyond what a word holds, and looks like a small one
    for (const std::size_t more : {0, 1, 2, 10}) refuses<T>(all / sizeof(T) + 1 + more);
  }
  const auto fits = make_chan<T>(10);
  EXPECT_EQ(fits.capacity(), 10u);
  EXPECT_EQ(fits.size(), 0u);
}
TEST(ChanProgram, SizesOutOfRangeAreRefusedForEachElement) {
  bad_sizes<char>();
  bad_sizes<std::int16_t>();
  bad_sizes<int>();
  bad_sizes<std::int64_t>();
  bad_sizes<std::array<char, 3>>();
  bad_sizes<std::string>();
  bad_sizes<std::unique_ptr<int>>();
  bad_sizes<std::array<char, 4096>>();
  bad_sizes<std::array<char, 1 << 20>>();
}

// ---- sieve2: odd numbers, less the merged multiples of the primes that come out of it, by way of a queue without a bound.

/// Passes on what comes, in its order, however much lies there: no sender waits for the receiver.
Task<> unbounded(RecvChan<int> in, SendChan<int> out) {
  std::deque<int> queue;
  for (;;) {
    SendChan<int> to;  // nil while there is nothing to be sent
    int head = 0;
    if (!queue.empty()) to = out, head = queue.front();
    std::optional<int> v;
    if (co_await select(recv(in, v), send(to, head)) == 0)
      queue.push_back(*v);
    else
      queue.pop_front();
  }
}
Task<> every(SendChan<int> out, int from, int step) {
  for (int n = from;; n += step) co_await out.send(n);
}
/// The odd composites in their order: of each prime its odd multiples from its square on, as soon as they may be the next.
Task<> merge_multiples(RecvChan<int> primes, SendChan<int> composites) {
  struct Stream {
    int head;
    Chan<int> from;
    bool operator>(const Stream& other) const { return head > other.head; }
  };
  std::priority_queue<Stream, std::vector<Stream>, std::greater<>> streams;
  int last = 0;
  for (;;) {
    const std::optional<int> prime = co_await primes.recv();
    const int square = *prime * *prime;
    const auto multiples = make_chan<int>(10);
    go(every, multiples, square, 2 * *prime);
    while (last < square) {
      Stream least;
      if (streams.empty() || streams.top().head > square) {
        least.from = multiples;
        least.head = square;
        co_await multiples.recv();
      } else {
        least = streams.top();
        streams.pop();
      }
      if (least.head != last) co_await composites.send(least.head);
      last = least.head;
      const std::optional<int> next = co_await least.from.recv();
      least.head = *next;
      streams.push(least);
    }
  }
}
TEST(ChanProgram, ASieveThatIsFedItsOwnPrimes) {
  on_executor([]() -> Task<> {
    const auto candidates = make_chan<int>(50), composites = make_chan<int>(50), out = make_chan<int>(10);
    const auto found = make_chan<int>(10), back = make_chan<int>(10);
    go(every, candidates, 5, 2);
    go(unbounded, found, back);
    go(merge_multiples, back, composites);
    go([=]() -> Task<> {
      co_await found.send(3);
      std::optional<int> candidate = co_await candidates.recv();
      while (auto composite = co_await composites.recv()) {
        for (; *candidate < *composite; candidate = co_await candidates.recv()) {
          co_await found.send(*candidate);
          co_await out.send(*candidate);
        }
        if (*candidate == *composite) candidate = co_await candidates.recv();
      }
    });
    std::vector<int> primes{2, 3};
    for (int i = scaled(1'500, 200); i > 0; --i) {
      const std::optional<int> prime = co_await out.recv();
      for (int n = primes.back() + 2; n <= *prime; n += 2) {
        bool divided = false;
        for (std::size_t k = 0; primes[k] * primes[k] <= n && !divided; ++k) divided = n % primes[k] == 0;
        EXPECT_EQ(!divided, n == *prime) << n;
      }
      primes.push_back(*prime);
    }
  });
}

}  // namespace
}  // namespace gmp::chan_programs_test
