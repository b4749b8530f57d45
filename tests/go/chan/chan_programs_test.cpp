// tests/go/chan/chan_programs_test.cpp — what Go's small programs claim of channels and select: the rest.
// Go: test/{chancap,makechan}.go, test/chan/{doubleselect,fifo,goroutines,nonblock,powser1,select…8,sieve2,zerosize}.go.  Room: chan (floor 4).
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
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <ostream>
#include <queue>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/waiting.hpp"

namespace gmp {
namespace {

using detail::WaitReason;
using test::on_executor;
using test::until_waiting;
using test::waiting_for;

int scaled(int n, int least) { return static_cast<int>(test::scaled(n, least)); }

/// n gs wait to receive, those of c in its queue. A g is seen to wait a moment before it is there, while it holds the lock of its channel; a try
/// does without that if it sees nobody. A select takes it before it says that nothing can go.
template <class T>
Task<> until_receivers(Chan<T> c, int n) {
  co_await until_waiting(WaitReason::chan_receive, n);
  EXPECT_EQ(co_await select(recv(c), otherwise), 1);
}
/// The same of senders; value is what is not sent.
template <class T>
Task<> until_senders(Chan<T> c, int n, T value) {
  co_await until_waiting(WaitReason::chan_send, n);
  EXPECT_EQ(co_await select(send(c, value), otherwise), 1);
}

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

// ---- powser1: power series as demands for coefficients, and what is made of them, up to series that are made of themselves.

/// A coefficient, or the end of a series, after which all are zero.
class Rat {
 public:
  Rat() noexcept : num_(0), den_(1) {}
  explicit Rat(std::int64_t num, std::int64_t den = 1) : num_(num), den_(den) {
    if (den_ < 0) num_ = -num_, den_ = -den_;
    if (const std::int64_t divisor = std::gcd(num_, den_); divisor > 1) num_ /= divisor, den_ /= divisor;
  }
  static Rat end() { return Rat(1, 0); }
  bool is_end() const { return den_ == 0; }
  friend Rat operator+(const Rat& a, const Rat& b) {
    const std::int64_t common = std::gcd(a.den_, b.den_);
    return Rat(a.num_ * (b.den_ / common) + b.num_ * (a.den_ / common), a.den_ / common * b.den_);
  }
  friend Rat operator*(const Rat& a, const Rat& b) {
    const Rat x(a.num_, b.den_), y(b.num_, a.den_);  // shortened crosswise, so that all stays small
    return Rat(x.num_ * y.num_, x.den_ * y.den_);
  }
  friend Rat operator-(const Rat& a) { return Rat(-a.num_, a.den_); }
  Rat inverse() const { return Rat(den_, num_); }
  friend bool operator==(const Rat&, const Rat&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Rat& r) { return out << r.num_ << "/" << r.den_; }

 private:
  std::int64_t num_, den_;
};

/// Whoever wants a coefficient asks first, and only then is it thought about.
struct Series {
  Chan<int> ask = make_chan<int>();
  Chan<Rat> answer = make_chan<Rat>();
  Series() {}
};

/// A series that f serves: `Task<> f(Series)`.
template <class F>
Series served(F f) {
  Series z;
  go(std::move(f), z);
  return z;
}
Task<Rat> get(Series u) {
  co_await u.ask.send(0);
  const std::optional<Rat> c = co_await u.answer.recv();
  co_return *c;
}
/// One of each, whichever is ready to be asked, and to answer, first.
Task<std::array<Rat, 2>> get_both(Series u, Series v) {
  std::array<Chan<int>, 2> ask{u.ask, v.ask};
  std::array<Chan<Rat>, 2> answer;  // nil: not to be expected yet
  std::array<std::optional<Rat>, 2> got;
  while (!got[0] || !got[1]) {
    switch (co_await select(send(ask[0], 0), send(ask[1], 0), recv(answer[0], got[0]), recv(answer[1], got[1]))) {
      case 0: ask[0] = {}, answer[0] = u.answer; break;
      case 1: ask[1] = {}, answer[1] = v.answer; break;
      case 2: answer[0] = {}; break;
      default: answer[1] = {}; break;
    }
  }
  std::array<Rat, 2> both{*got[0], *got[1]};
  co_return both;
}
Task<> put(Rat c, Series z) {
  co_await z.ask.recv();
  co_await z.answer.send(c);
}
Task<> put_rest(Series u, Series z) {
  for (;;) {
    co_await z.ask.recv();
    const Rat c = co_await get(u);
    co_await z.answer.send(c);
  }
}
Task<> put_ends(Series z) {
  for (;;) co_await put(Rat::end(), z);
}

/// Both have what u has, each at its own pace, also when one asks while the other's coefficient is being made, perhaps from the one's.
std::array<Series, 2> split(Series u) {
  std::array<Series, 2> out;
  go([u, out]() -> Task<> {
    std::vector<Rat> had;
    std::array<std::size_t, 2> next{};
    std::array<bool, 2> wants{};
    bool asked = false;
    for (;;) {
      for (std::size_t k = 0; k < 2; ++k) {
        if (!wants[k] || next[k] == had.size()) continue;
        co_await out[k].answer.send(had[next[k]++]);
        wants[k] = false;
      }
      const bool hungry = wants[0] || wants[1];
      std::array<Chan<int>, 3> open;
      for (std::size_t k = 0; k < 2; ++k) {
        if (!wants[k]) open[k] = out[k].ask;
      }
      if (hungry && !asked) open[2] = u.ask;
      Chan<Rat> answer;
      if (asked) answer = u.answer;
      std::optional<Rat> got;
      switch (co_await select(recv(open[0]), recv(open[1]), send(open[2], 0), recv(answer, got))) {
        case 0: wants[0] = true; break;
        case 1: wants[1] = true; break;
        case 2: asked = true; break;
        default:
          had.push_back(*got);
          asked = false;
      }
    }
  });
  return out;
}

Series constant_terms(Rat c) {
  return served([c](Series z) -> Task<> {
    for (;;) co_await put(c, z);
  });
}
template <class... Coefficients>
Series polynomial(Coefficients... each) {
  return served([coefficients = std::vector<std::int64_t>{each...}](Series z) -> Task<> {
    for (const std::int64_t c : coefficients) co_await put(Rat(c), z);
    co_await put_ends(z);
  });
}
Series add(Series u, Series v) {
  return served([u, v](Series z) -> Task<> {
    for (;;) {
      co_await z.ask.recv();
      const std::array<Rat, 2> c = co_await get_both(u, v);
      Rat sum = c[0];
      if (c[0].is_end())
        sum = c[1];
      else if (!c[1].is_end())
        sum = c[0] + c[1];
      co_await z.answer.send(sum);
      if (c[0].is_end()) co_await put_rest(v, z);
      if (c[1].is_end()) co_await put_rest(u, z);
    }
  });
}
/// Coefficient i becomes f(i, it).
template <class F>
Series mapped(Series u, F f) {
  return served([u, f](Series z) -> Task<> {
    for (std::int64_t i = 0;; ++i) {
      co_await z.ask.recv();
      Rat c = co_await get(u);
      if (!c.is_end()) c = f(i, c);
      co_await z.answer.send(c);
    }
  });
}
Series scale(Rat factor, Series u) {
  return mapped(u, [factor](std::int64_t, Rat c) { return factor * c; });
}
Series subtract(Series u, Series v) { return add(u, scale(Rat(-1), v)); }
/// c + x U.
Series shift(Rat c, Series u) {
  return served([c, u](Series z) -> Task<> {
    co_await put(c, z);
    co_await put_rest(u, z);
  });
}
/// U without its first coefficient, divided by x.
Series rest(Series u) {
  return served([u](Series z) -> Task<> {
    co_await z.ask.recv();
    Rat c = co_await get(u);
    if (!c.is_end()) c = co_await get(u);
    co_await z.answer.send(c);
    co_await put_rest(u, z);
  });
}
Series derivative(Series u) {
  return mapped(rest(u), [](std::int64_t i, Rat c) { return Rat(i + 1) * c; });
}
Series integral(Rat c, Series u) {
  return shift(c, mapped(u, [](std::int64_t i, Rat d) { return d * Rat(1, i + 1); }));
}
/// With U = u + x U' and V = v + x V': UV = uv + x (u V' + U' V).
Series product(Series u, Series v) {
  return served([u, v](Series z) -> Task<> {
    co_await z.ask.recv();
    const std::array<Series, 2> vs = split(v);
    const std::array<Rat, 2> c = co_await get_both(u, vs[0]);
    if (c[0].is_end() || c[1].is_end()) {
      co_await z.answer.send(Rat::end());
      co_await put_ends(z);
    }
    co_await z.answer.send(c[0] * c[1]);
    const Series later = add(scale(c[0], vs[0]), product(u, vs[1]));
    co_await put_rest(later, z);
  });
}
/// Z = 1/U: z = 1/u, and u Z' + U' Z = 0, so that Z is made of itself.
Series reciprocal(Series u) {
  return served([u](Series z) -> Task<> {
    co_await z.ask.recv();
    const Rat c = co_await get(u), first = c.inverse();
    Series itself;
    const std::array<Series, 2> zs = split(itself);
    const Series later = scale(-first, product(u, zs[0]));
    const Series all = shift(first, later);
    go(put_rest, all, itself);
    const Rat same_again = co_await get(zs[1]);
    co_await z.answer.send(same_again);
    co_await put_rest(zs[1], z);
  });
}
/// Z = exp(U), where U has no constant coefficient: the derivative of Z is Z times that of U.
Series exponential(Series u) {
  Series itself;
  const std::array<Series, 2> zs = split(itself);
  go(put_rest, integral(Rat(1), product(zs[0], derivative(u))), itself);
  return zs[1];
}
/// U(V) = u + V U'(V), where V has no constant coefficient.
Series substitute(Series u, Series v) {
  return served([u, v](Series z) -> Task<> {
    co_await z.ask.recv();
    const Rat c = co_await get(u);
    co_await z.answer.send(c);
    if (c.is_end()) co_await put_ends(z);
    const std::array<Series, 2> vs = split(v);
    const Series later = product(rest(vs[0]), substitute(u, vs[1]));
    co_await put_rest(later, z);
  });
}
/// U(c x^n).
Series monomial_substitute(Series u, Rat c, int n) {
  return served([u, c, n](Series z) -> Task<> {
    Rat power(1);
    for (;;) {
      co_await z.ask.recv();
      const Rat d = co_await get(u);
      if (d.is_end()) {
        co_await z.answer.send(d);
        co_await put_ends(z);
      }
      co_await z.answer.send(d * power);
      power = power * c;
      for (int i = 1; i < n; ++i) co_await put(Rat(0), z);
    }
  });
}
/// (1 + x)^c.
Series binomial(Rat c) {
  return served([c](Series z) -> Task<> {
    Rat factor = c, term(1);
    for (std::int64_t n = 1; !(term == Rat(0)); ++n) {
      co_await put(term, z);
      term = term * factor * Rat(1, n);
      factor = factor + Rat(-1);
    }
    co_await put_ends(z);
  });
}
/// R with U(R) = x, where U = x V: R = x / V(R).
Series reversion(Series u) {
  Series itself;
  const std::array<Series, 2> rs = split(itself);
  go(put_rest, shift(Rat(0), reciprocal(substitute(rest(u), rs[0]))), itself);
  return rs[1];
}

/// text: "1 0 -1/2", and "." for the end.
Task<> expect_series(Series u, std::string text) {
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    Rat expected = Rat::end();
    if (word != ".") {
      const std::size_t slash = word.find('/');
      std::int64_t den = 1;
      if (slash != std::string::npos) den = std::stoll(word.substr(slash + 1));
      expected = Rat(std::stoll(word), den);
    }
    const Rat c = co_await get(u);
    EXPECT_EQ(c, expected) << "in " << text;
  }
}
Series ones() { return constant_terms(Rat(1)); }
Series arctangent() { return integral(Rat(0), monomial_substitute(ones(), Rat(-1), 2)); }
Series tangent_by_its_derivative() {  // T' = 1 + T T
  Series itself;
  const std::array<Series, 2> ts = split(itself);
  const std::array<Series, 2> factors = split(ts[0]);
  go(put_rest, integral(Rat(0), add(polynomial(1), product(factors[0], factors[1]))), itself);
  return ts[1];
}

// What serves a series goes on for ever: it is destroyed with its executor.
TEST(ChanProgram, SeriesOfFiniteLength) {
  on_executor([]() -> Task<> {
    co_await expect_series(polynomial(1, 2, 3), "1 2 3 . .");
    co_await expect_series(add(polynomial(1, 2, 3), polynomial(1)), "2 2 3 . .");
    co_await expect_series(add(polynomial(1), polynomial(1, 2, 3)), "2 2 3 . .");
    co_await expect_series(add(polynomial(5), ones()), "6 1 1 1 1");
    co_await expect_series(subtract(ones(), constant_terms(Rat(2))), "-1 -1 -1 -1 -1");
    co_await expect_series(derivative(polynomial(7, 1, 3, 0, 1)), "1 6 0 4 . .");
    co_await expect_series(derivative(polynomial(7)), ". .");
    co_await expect_series(integral(Rat(7), polynomial(1, 6)), "7 1 3 . .");
    co_await expect_series(product(polynomial(1, 1), polynomial(1, -1)), "1 0 -1 . .");
    co_await expect_series(product(polynomial(1, -1), ones()), "1 0 0 0 0 0");
    co_await expect_series(product(polynomial(), ones()), ". .");
    co_await expect_series(binomial(Rat(3)), "1 3 3 1 . .");
    co_await expect_series(substitute(polynomial(1, 2, 1), polynomial(0, 3)), "1 6 9 . .");
    co_await expect_series(monomial_substitute(polynomial(1, 1), Rat(2), 3), "1 0 0 2 0 0 . .");
  });
}
TEST(ChanProgram, SeriesWithoutEnd) {
  on_executor([]() -> Task<> {
    co_await expect_series(product(ones(), ones()), "1 2 3 4 5 6 7 8 9 10");
    co_await expect_series(integral(Rat(0), ones()), "0 1 1/2 1/3 1/4 1/5 1/6 1/7 1/8 1/9");
    co_await expect_series(arctangent(), "0 1 0 -1/3 0 1/5 0 -1/7 0 1/9");
    co_await expect_series(binomial(Rat(1, 2)), "1 1/2 -1/8 1/16 -5/128 7/256");
    co_await expect_series(product(binomial(Rat(1, 2)), binomial(Rat(1, 2))), "1 1 0 0 0 0 0 0");
    const std::array<Series, 2> same_series = split(arctangent());
    co_await expect_series(same_series[0], "0 1 0 -1/3 0 1/5");  // far ahead of the other
    co_await expect_series(subtract(same_series[1], arctangent()), "0 0 0 0 0 0 0 0 0 0");
  });
}
TEST(ChanProgram, SeriesThatAreMadeOfThemselves) {
  on_executor([]() -> Task<> {
    co_await expect_series(exponential(polynomial(0, 1)), "1 1 1/2 1/6 1/24 1/120 1/720 1/5040");
    // Go's test asks for exp(1 + x + …), and takes no notice of the 1.
    co_await expect_series(exponential(ones()), "1 1 3/2 13/6 73/24 167/40 4051/720 37633/5040 43817/4480 4596553/362880");
    co_await expect_series(reciprocal(ones()), "1 -1 0 0 0 0 0 0");
    co_await expect_series(reciprocal(reciprocal(exponential(polynomial(0, 1)))), "1 1 1/2 1/6 1/24 1/120");
    co_await expect_series(integral(Rat(0), reciprocal(polynomial(1, 1))), "0 1 -1/2 1/3 -1/4 1/5");  // log(1 + x)
    const Series exp = exponential(polynomial(0, 1)), log = integral(Rat(0), reciprocal(polynomial(1, 1)));
    co_await expect_series(substitute(exp, log), "1 1 0 0 0 0 0 0");
    co_await expect_series(tangent_by_its_derivative(), "0 1 0 1/3 0 2/15 0 17/315 0 62/2835");
    co_await expect_series(reversion(arctangent()), "0 1 0 1/3 0 2/15 0 17/315 0 62/2835");
    co_await expect_series(substitute(arctangent(), tangent_by_its_derivative()), "0 1 0 0 0 0 0 0");
  });
}

// ---- select: who has been served sets its channel to nil, and the select goes on with what is left.

TEST(ChanProgram, ACaseIsSwitchedOffByANilChannel) {
  on_executor([]() -> Task<> {
    int counter = 0;
    const auto send_to_each = [&counter](Chan<int> a, Chan<int> b) -> Task<int> {
      int rounds = 0;
      for (; a || b; ++rounds) {
        const int first = counter++, second = counter++;  // both, whichever goes
        if (co_await select(send(a, first), send(b, second)) == 0)
          a = {};
        else
          b = {};
      }
      co_return rounds;
    };
    const auto receive_from_each = [](Chan<int> a, Chan<int> b) -> Task<std::vector<int>> {
      std::vector<int> got;
      while (a || b) {
        std::optional<int> v;
        if (co_await select(recv(a, v), recv(b, v)) == 0)
          a = {};
        else
          b = {};
        got.push_back(*v);
      }
      co_return got;
    };
    const Chan<int> nil;
    for (const std::size_t capacity : {0, 1}) {
      const auto a = make_chan<int>(capacity), b = make_chan<int>(capacity);
      struct Pair {
        Chan<int> first, second;
        int channels;
      };
      const std::vector<Pair> pairs{{a, b, 2}, {b, a, 2}, {a, nil, 1}, {nil, b, 1}, {nil, nil, 0}};
      for (const Pair& each : pairs) {
        counter = 100;
        auto sender = spawn(send_to_each, each.first, each.second);
        const std::vector<int> got = co_await receive_from_each(each.first, each.second);
        EXPECT_EQ(co_await sender, each.channels);
        EXPECT_EQ(counter, 100 + 2 * each.channels);
        EXPECT_EQ(static_cast<int>(got.size()), each.channels);
        for (const int v : got) EXPECT_TRUE(v >= 100 && v < counter) << v;
        if (got.size() == 2) {
          EXPECT_NE((got[0] - 100) / 2, (got[1] - 100) / 2) << "both in one round";
        }
        EXPECT_EQ(a.size() + b.size(), 0u);
      }
    }
  });
}

// ---- select2: what a select of a set leaves behind, the set being too large for the frame.

#ifdef GMPCORO_TEST_MEMORY_FIGURES
TEST(ChanProgram, SelectsOfASetKeepTheMemoryLevel) {
  on_executor([]() -> Task<> {
    const auto ch = make_chan<int>(), never = make_chan<int>(), stop = make_chan<int>();
    auto sender = spawn([=]() -> Task<> {
      while (co_await select(send(ch, 1), recv(stop)) == 0) {
      }
    });
    const auto many = [=](int n) -> Task<> {
      std::optional<int> v;
      std::vector<SelectCase> cases;
      for (int i = 0; i < 10; ++i) cases.push_back(recv(never));
      cases.push_back(recv(ch, v));
      for (int i = 0; i < n; ++i) EXPECT_EQ(co_await select(cases), 10);
    };
    const int n = scaled(100'000, 10'000);
    co_await many(n);
    const std::int64_t before = test::allocated_bytes();
    co_await many(n);
    EXPECT_LT(test::allocated_bytes() - before, 20'000);  // a waiter that stays were 100,000 times its size
    stop.close();
    co_await sender;
  });
}
#endif

// ---- select3: each operation on each kind of channel, in each of its forms.

Task<bool> operates(Chan<int> c, bool receives, int form) {  // false: it threw, for the channel is closed
  const Chan<int> nil;
  std::optional<int> v;
  int value = 7;
  std::vector<SelectCase> cases;
  cases.push_back(send(nil, 1));
  if (receives)
    cases.push_back(recv(c, v));
  else
    cases.push_back(send(c, value));
  try {
    if (form == 0 && receives) v = co_await c.recv();
    if (form == 0 && !receives) co_await c.send(value);
    if (form == 1 && receives) co_await select(recv(c, v));
    if (form == 1 && !receives) co_await select(send(c, value));
    if (form == 2 && receives) co_await select(send(nil, 1), recv(c, v));
    if (form == 2 && !receives) co_await select(recv(nil), send(c, value));
    if (form == 3) co_await select(cases);
  } catch (const ClosedChannel&) {
    co_return false;
  }
  co_return true;
}
Task<Chan<int>> buffered(int values) {
  auto c = make_chan<int>(10);
  for (int i = 0; i < values; ++i) co_await c.send(i);
  co_return c;
}
TEST(ChanProgram, WhatBlocksInEachOfItsForms) {
  struct Kind {
    const char* name;
    Task<Chan<int>> (*make)();
    bool recv_blocks, send_blocks, closed;
  };
  static const std::vector<Kind> kinds{
      {"nil", []() -> Task<Chan<int>> { co_return Chan<int>(); }, true, true, false},
      {"nobody there", []() -> Task<Chan<int>> { co_return make_chan<int>(); }, true, true, false},
      {"a sender waits",
       []() -> Task<Chan<int>> {
         auto c = make_chan<int>();
         const int before = waiting_for(Executor::current(), WaitReason::chan_send);
         go([c]() -> Task<> { co_await c.send(1); });
         co_await until_senders(c, before + 1, 1);
         co_return c;
       },
       false, true, false},
      {"a receiver waits",
       []() -> Task<Chan<int>> {
         auto c = make_chan<int>();
         const int before = waiting_for(Executor::current(), WaitReason::chan_receive);
         go([c]() -> Task<> { co_await c.recv(); });
         co_await until_receivers(c, before + 1);
         co_return c;
       },
       true, false, false},
      {"empty", []() -> Task<Chan<int>> { return buffered(0); }, true, false, false},
      {"half full", []() -> Task<Chan<int>> { return buffered(5); }, false, false, false},
      {"full", []() -> Task<Chan<int>> { return buffered(10); }, false, true, false},
      {"closed",
       []() -> Task<Chan<int>> {
         auto c = make_chan<int>();
         c.close();
         co_return c;
       },
       false, false, true},
      {"closed and full",
       []() -> Task<Chan<int>> {
         auto c = co_await buffered(10);
         c.close();
         co_return c;
       },
       false, false, true},
  };
  on_executor([]() -> Task<> {
    Executor* here = Executor::current();
    for (const Kind& kind : kinds) {
      for (const bool receives : {true, false}) {
        bool blocks = kind.send_blocks;
        if (receives) blocks = kind.recv_blocks;
        for (int form = 0; form < 4; ++form) {
          const std::string operation = receives ? ", receive in form " : ", send in form ";
          const std::string about = kind.name + operation + std::to_string(form);
          const Chan<int> c = co_await kind.make();
          WaitReason reason = WaitReason::select;
          if (form == 0 && receives) reason = !c ? WaitReason::chan_receive_nil : WaitReason::chan_receive;
          if (form == 0 && !receives) reason = !c ? WaitReason::chan_send_nil : WaitReason::chan_send;
          const int before = waiting_for(here, reason);
          auto h = spawn(operates, c, receives, form);
          while (!h.done() && waiting_for(here, reason) == before) co_await yield();
          EXPECT_EQ(!h.done(), blocks) << about;
          if (h.done())
            EXPECT_EQ(co_await h, receives || !kind.closed) << about;
          else
            h.detach();  // it waits for ever, and goes with its executor
        }
        // What does not wait says the same of them.
        const Chan<int> c = co_await kind.make(), d = co_await kind.make();
        bool by_try = false, by_select = false;
        try {
          if (receives) {
            by_try = c.try_recv() || c.drained();
            by_select = co_await select(recv(d), otherwise) == 0;
          } else {
            by_try = c.try_send(7);
            by_select = co_await select(send(d, 7), otherwise) == 0;
          }
          EXPECT_FALSE(kind.closed && !receives) << kind.name;
        } catch (const ClosedChannel&) {
          EXPECT_TRUE(kind.closed && !receives) << kind.name;
          by_try = by_select = true;
        }
        EXPECT_EQ(by_try, !blocks) << kind.name;
        EXPECT_EQ(by_select, !blocks) << kind.name;
      }
    }
  });
}

// ---- select5: one operation that goes, in all the company that it may have.

/// Notes what is evaluated, and when.
class Order {
 public:
  Chan<int> chan(const Chan<int>& c) { return note(), c; }
  int value(int v) { return note(), v; }
  std::optional<int>& place(std::optional<int>& where) { return note(), where; }
  int count() const { return count_; }

 private:
  void note() { ++count_; }
  int count_ = 0;
};

enum class Default { none, first, last };

/// company: bit 0: a send for which nobody waits, 1: a receive, 2: a send to nil, 3: a receive from nil.
std::vector<SelectCase> company(int members, Order& order, std::optional<int>& untouched) {
  static const Chan<int> nil, lonely = make_chan<int>();
  static int one = 1;
  std::vector<SelectCase> cases;
  if (members & 1) cases.push_back(send(order.chan(lonely), one));
  if (members & 2) cases.push_back(recv(order.chan(lonely), order.place(untouched)));
  if (members & 4) cases.push_back(send(order.chan(nil), one));
  if (members & 8) cases.push_back(recv(order.chan(nil), order.place(untouched)));
  return cases;
}

TEST(ChanProgram, TheOneThatIsReadyIsTakenInAnyCompany) {
  on_executor([]() -> Task<> {
    const auto c = make_chan<int>(1);
    int n = 0;
    for (int members = 0; members < 16; ++members) {
      for (const Default otherwise_at : {Default::none, Default::first, Default::last}) {
        for (std::size_t before = 0; before <= 4; ++before) {  // how many of the company stand before it
          for (int way = 0; way < 5; ++way) {
            ++n;
            Order order;
            std::optional<int> untouched = -1, x;
            std::map<int, std::optional<int>> m;
            std::vector<SelectCase> others = company(members, order, untouched), cases;
            if (before > others.size()) continue;
            const int evaluated = order.count();
            if (otherwise_at == Default::first) cases.push_back(otherwise);
            for (std::size_t i = 0; i < before; ++i) cases.push_back(std::move(others[i]));
            const int own = static_cast<int>(cases.size());
            int value = n;
            if (way < 2) co_await c.send(n);
            if (way == 0) cases.push_back(recv(order.chan(c), order.place(x)));
            if (way == 1) cases.push_back(recv(order.chan(c), order.place(m[13])));
            if (way == 2) cases.push_back(send(order.chan(c), value));
            if (way == 3) cases.push_back(send(order.chan(c), std::as_const(value)));
            if (way == 4) {
              co_await c.send(n);
              cases.push_back(recv(order.chan(c)));  // dropped
            }
            for (std::size_t i = before; i < others.size(); ++i) cases.push_back(std::move(others[i]));
            if (otherwise_at == Default::last) cases.push_back(otherwise);
            const int in_all = evaluated + (way < 2 ? 2 : 1);
            EXPECT_EQ(order.count(), in_all);
            EXPECT_EQ(co_await select(cases), own);
            EXPECT_EQ(order.count(), in_all);  // nothing again
            EXPECT_EQ(untouched, -1);
            if (way == 1) x = m[13];
            if (way == 2 || way == 3) x = c.try_recv();
            if (way != 4) {
              EXPECT_EQ(x, n);
            }
            EXPECT_EQ(c.size(), 0u);
          }
        }
      }
    }
  });
}

TEST(ChanProgram, TheDefaultIsTakenInAnyCompanyThatIsNotReady) {
  on_executor([]() -> Task<> {
    for (int members = 0; members < 16; ++members) {
      for (std::size_t at = 0; at <= 4; ++at) {
        Order order;
        std::optional<int> untouched = 5;
        std::vector<SelectCase> cases = company(members, order, untouched);
        if (at > cases.size()) continue;
        SelectCase last = otherwise;
        cases.insert(cases.begin() + static_cast<std::ptrdiff_t>(at), std::move(last));
        EXPECT_EQ(co_await select(cases), static_cast<int>(at));
        EXPECT_EQ(untouched, 5);
      }
    }
  });
}

/// The same for cases that the compiler knows: a select of as many cases as are wanted.
template <bool Wanted, class Case>
auto only_if(Case a_case) {
  if constexpr (Wanted)
    return std::tuple<Case>(std::move(a_case));
  else
    return std::tuple<>();
}
template <int Members, bool First, bool Last>
Task<> known_company() {
  const Chan<int> nil, lonely = make_chan<int>(), c = make_chan<int>(1);
  std::optional<int> untouched = -1, x;
  int one = 1, value = 7;
  const auto selection = [&](auto own) {
    auto cases = std::tuple_cat(only_if<First>(otherwise), only_if<(Members & 1) != 0>(send(lonely, one)),
                                only_if<(Members & 2) != 0>(recv(nil, untouched)), std::tuple<decltype(own)>(std::move(own)),
                                only_if<(Members & 4) != 0>(recv(lonely, untouched)), only_if<(Members & 8) != 0>(send(nil, one)),
                                only_if<Last>(otherwise));
    return std::apply([](auto&... each) { return select(std::move(each)...); }, cases);
  };
  constexpr int own = (First ? 1 : 0) + (Members & 1) + (Members >> 1 & 1);
  auto sends = selection(send(c, value));
  EXPECT_EQ(co_await std::move(sends), own);
  EXPECT_EQ(c.size(), 1u);
  auto receives = selection(recv(c, x));
  EXPECT_EQ(co_await std::move(receives), own);
  EXPECT_EQ(x, 7);
  EXPECT_EQ(untouched, -1);
  if constexpr (First || Last) {
    auto finds_nothing = selection(recv(c, untouched));
    constexpr int at = First ? 0 : own + 1 + (Members >> 2 & 1) + (Members >> 3 & 1);
    EXPECT_EQ(co_await std::move(finds_nothing), at);
    EXPECT_EQ(untouched, -1);
  }
}
template <int... Members>
Task<> known_companies(std::integer_sequence<int, Members...>) {
  (co_await known_company<Members * 5, false, false>(), ...);  // none, two of them, the other two, all
  (co_await known_company<Members * 5, true, false>(), ...);
  (co_await known_company<Members * 5, false, true>(), ...);
  (co_await known_company<(1 << Members), true, false>(), ...);  // each alone
  (co_await known_company<(1 << Members), false, false>(), ...);
}
TEST(ChanProgram, TheSameInTwentySelectsThatTheCompilerKnows) {
  on_executor([]() -> Task<> { co_await known_companies(std::make_integer_sequence<int, 4>()); });
}

// ---- select6: a waiter whose select has gone another way is off the queue, wherever it stood, and who comes later is found.

TEST(ChanProgram, WhoComesAfterALostWaiterIsServed) {
  on_executor([]() -> Task<> {
    Executor* here = Executor::current();
    for (const bool receive : {true, false}) {
      for (int ahead = 0; ahead < 3; ++ahead) {
        for (int behind = 0; behind < 3; ++behind) {
          const auto shared = make_chan<int>(), other = make_chan<int>();
          const WaitReason reason = receive ? WaitReason::chan_receive : WaitReason::chan_send;
          std::vector<JoinHandle<int>> waiters;
          const auto one_more = [&, shared]() -> Task<> {
            const int number = static_cast<int>(waiters.size());
            waiters.push_back(spawn([shared, receive, number]() -> Task<int> {
              if (receive) {
                const std::optional<int> v = co_await shared.recv();
                co_return *v;
              }
              co_await shared.send(100 + number);
              co_return 100 + number;
            }));
            if (receive)
              co_await until_receivers(shared, number + 1);
            else
              co_await until_senders(shared, number + 1, 1);
          };
          for (int i = 0; i < ahead; ++i) co_await one_more();
          std::vector<JoinHandle<int>> losers;  // once, and twice in the queue
          losers.push_back(spawn([shared, other, receive]() -> Task<int> {
            int value = 999;
            if (receive) co_return co_await select(recv(shared), recv(other));
            co_return co_await select(send(shared, value), recv(other));
          }));
          losers.push_back(spawn([shared, other, receive]() -> Task<int> {
            int value = 999;
            if (receive) co_return co_await select(recv(shared), recv(other), recv(shared)) + 10;
            co_return co_await select(send(shared, value), recv(other), send(shared, value)) + 10;
          }));
          co_await until_waiting(WaitReason::select, 2);
          for (int i = 0; i < behind; ++i) co_await one_more();
          for (int i = 0; i < 2; ++i) co_await other.send(1);
          EXPECT_EQ(co_await losers[0], 1);
          EXPECT_EQ(co_await losers[1], 11);
          for (int i = 0; i < 2; ++i) co_await one_more();
          EXPECT_EQ(waiting_for(here, reason), ahead + behind + 2);
          for (std::size_t i = 0; i < waiters.size(); ++i) {
            const int expected = 100 + static_cast<int>(i);
            if (receive)
              EXPECT_TRUE(shared.try_send(expected)) << ahead << " " << behind;
            else
              EXPECT_EQ(shared.try_recv(), expected) << ahead << " " << behind;
          }
          for (std::size_t i = 0; i < waiters.size(); ++i) EXPECT_EQ(co_await waiters[i], 100 + static_cast<int>(i));
          EXPECT_FALSE(shared.try_send(1));
          EXPECT_FALSE(shared.try_recv());
        }
      }
    }
  });
}

// ---- select7: a value that nobody wants is received, and then it is gone.

TEST(ChanProgram, AValueThatIsDroppedIsGone) {
  on_executor([]() -> Task<> {
    using Value = std::shared_ptr<int>;
    Executor* here = Executor::current();
    const auto parked = [here] {
      return waiting_for(here, WaitReason::chan_send) + waiting_for(here, WaitReason::chan_receive) + waiting_for(here, WaitReason::select);
    };
    const auto send_it = [](Chan<Value> c, Value value, int way) -> Task<> {
      const auto never = make_chan<Value>();
      if (way == 0) co_await c.send(value);
      if (way == 1) co_await select(send(c, value));
      if (way == 2) co_await select(send(c, value), send(never, value));
    };
    const auto drop_it = [](Chan<Value> c, int way) -> Task<> {
      const auto never = make_chan<Value>();
      if (way == 0) co_await c.recv();
      if (way == 1) co_await select(recv(c));
      if (way == 2) co_await select(recv(c), recv(never));
    };
    for (int sends = 0; sends < 3; ++sends) {
      for (int drops = 0; drops < 3; ++drops) {
        for (const bool sender_first : {true, false}) {
          for (const std::size_t capacity : {0, 1}) {
            const auto value = std::make_shared<int>(1);
            const auto c = make_chan<Value>(capacity);
            JoinHandle<void> sender, receiver;
            if (sender_first) {
              sender = spawn(send_it, c, value, sends);
              while (parked() == 0 && !sender.done()) co_await yield();
              receiver = spawn(drop_it, c, drops);
            } else {
              receiver = spawn(drop_it, c, drops);
              while (parked() == 0) co_await yield();
              sender = spawn(send_it, c, value, sends);
            }
            co_await sender;
            co_await receiver;
            EXPECT_EQ(value.use_count(), 1);
            EXPECT_EQ(c.size(), 0u);
          }
        }
      }
    }
  });
}

// ---- select8: a select of one, two or three cases may be left by any way out, and waits on nothing then.

TEST(ChanProgram, ACaseMayBeLeftByAnyWayOut) {
  on_executor([]() -> Task<> {
    const auto c = make_chan<int>(1), lonely = make_chan<int>();
    const auto choose = [=](int cases) -> Task<int> {
      if (cases == 1) co_return co_await select(recv(c));
      if (cases == 2) co_return co_await select(recv(c), recv(lonely));
      co_return co_await select(recv(c), send(lonely, 1), recv(lonely));
    };
    const auto leave = [=](int cases, int way, std::vector<int>& passed) -> Task<int> {
      for (int i = 0; i < 2; ++i) {
        co_await c.send(i);
        switch (co_await choose(cases)) {
          case 0:
            if (way == 0) break;
            if (way == 1) continue;
            if (way == 2) goto out;
            if (way == 3) throw std::runtime_error("a way out");
            co_return 4;
          default: ADD_FAILURE() << "nothing else was ready";
        }
        passed.push_back(i);  // only after a break
      }
      co_return way;
    out:
      co_return 2;
    };
    for (int cases = 1; cases <= 3; ++cases) {
      for (int way = 0; way < 5; ++way) {
        std::vector<int> passed, expected;
        if (way == 0) expected = {0, 1};
        int came = -1;
        try {
          came = co_await leave(cases, way, passed);
        } catch (const std::runtime_error&) {
          came = 3;
        }
        EXPECT_EQ(came, way);
        EXPECT_EQ(passed, expected);
        EXPECT_EQ(c.size(), 0u);
        EXPECT_FALSE(lonely.try_send(1));
        EXPECT_FALSE(lonely.try_recv());
      }
    }
  });
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
}  // namespace gmp
