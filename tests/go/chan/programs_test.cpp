// tests/go/chan/programs_test.cpp — what Go's small programs claim of channels and select.
// Go: test/chan/{doubleselect,powser1,powser2,select4,select5,select6,select7,select8,sieve2}.go.  Room: chan (floor 4).
//
// The others of that folder are in tests/go/runtime/chan_test.cpp; perm is in tests/compile_fail.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <queue>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::programs_test {
namespace {

using test::on_executor;

// ---- doubleselect: a value that is sent by a select of many cases on four channels is sent once.

TEST(ChanPrograms, ASelectOfManyCasesSendsEachValueOnce) {
  on_executor([]() -> Task<> {
    const int iterations = static_cast<int>(test::scaled(20'000, 1'000));
    const std::array<Chan<int>, 4> ch{make_chan<int>(), make_chan<int>(), make_chan<int>(), make_chan<int>()};
    auto all = make_chan<int>();
    WaitGroup senders, muxes;
    senders.go([&, iterations]() -> Task<> {
      for (int i = 0; i < iterations; ++i) {
        int value = i;
        co_await select(send(ch[0], value), send(ch[1], value), send(ch[2], value), send(ch[3], value), send(ch[0], value), send(ch[1], value));
      }
    });
    for (const Chan<int>& from : ch) {
      muxes.go([&all, from]() -> Task<> {
        while (auto v = co_await from.recv()) co_await all.send(*v);
      });
    }
    go([&]() -> Task<> {
      co_await senders.wait();
      for (const Chan<int>& each : ch) each.close();
      co_await muxes.wait();
      all.close();
    });
    std::vector<int> seen(static_cast<std::size_t>(iterations));
    while (auto v = co_await all.recv()) EXPECT_EQ(++seen[static_cast<std::size_t>(*v)], 1) << *v << " came twice";
    EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), 0), iterations);
  });
}

// ---- powser: power series as channels of rationals that are asked for, coefficient by coefficient.

struct Rational {
  Rational() = default;
  explicit Rational(std::int64_t n, std::int64_t d = 1) : num(n), den(d) {
    if (den < 0) num = -num, den = -den;
    const std::int64_t divisor = std::gcd(num, den);
    if (divisor > 1) num /= divisor, den /= divisor;
  }
  friend Rational operator+(const Rational& a, const Rational& b) { return Rational(a.num * b.den + b.num * a.den, a.den * b.den); }
  friend Rational operator*(const Rational& a, const Rational& b) { return Rational(a.num * b.num, a.den * b.den); }
  friend bool operator==(const Rational&, const Rational&) = default;
  std::int64_t num = 0, den = 1;
};
std::ostream& operator<<(std::ostream& out, const Rational& r) { return out << r.num << "/" << r.den; }

/// Value: how a coefficient travels; powser2 sends pointers.
template <class Value>
struct Series {
  Chan<int> ask = make_chan<int>();
  Chan<Value> answer = make_chan<Value>();

  Series() {}
  Task<Rational> next() const {
    co_await ask.send(0);
    std::optional<Value> v = co_await answer.recv();
    if constexpr (std::is_same_v<Value, Rational>)
      co_return *v;
    else
      co_return **v;
  }
  /// False: nobody will ask any more.
  Task<bool> give(Rational value) const {
    const std::optional<int> asked = co_await ask.recv();
    if (!asked) co_return false;
    if constexpr (std::is_same_v<Value, Rational>) {
      co_await answer.send(value);
    } else {
      auto boxed = std::make_unique<Rational>(value);
      co_await answer.send(std::move(boxed));
    }
    co_return true;
  }
  void end() const { ask.close(); }
};

/// The coefficients that f gives.
template <class V, class F>
Series<V> series_of(F f) {
  Series<V> s;
  go([s, f]() -> Task<> {
    for (std::int64_t i = 0;; ++i) {
      const Rational c = f(i);
      const bool more = co_await s.give(c);
      if (!more) break;
    }
  });
  return s;
}
/// Each coefficient goes to both, whichever asks first.
template <class V>
std::pair<Series<V>, Series<V>> split(Series<V> from) {
  Series<V> a, b;
  go([from, a, b]() -> Task<> {
    std::queue<Rational> kept[2];  // what the other one has not asked for
    bool open[2] = {true, true};
    const Series<V> to[2] = {a, b};
    while (open[0] || open[1]) {
      std::optional<int> asked[2];
      const Chan<int> none;
      const Chan<int> first = open[0] ? a.ask : none, second = open[1] ? b.ask : none;
      const auto who = static_cast<std::size_t>(co_await select(recv(first, asked[0]), recv(second, asked[1])));
      if (!asked[who]) {
        open[who] = false;
        continue;
      }
      if (kept[who].empty()) {
        const Rational value = co_await from.next();
        for (auto& queue : kept) queue.push(value);
      }
      const Rational value = kept[who].front();
      kept[who].pop();
      if constexpr (std::is_same_v<V, Rational>) {
        co_await to[who].answer.send(value);
      } else {
        auto boxed = std::make_unique<Rational>(value);
        co_await to[who].answer.send(std::move(boxed));
      }
    }
    from.end();
  });
  return {a, b};
}
template <class V>
Series<V> sum(Series<V> a, Series<V> b) {
  Series<V> s;
  go([s, a, b]() -> Task<> {
    for (;;) {
      const Rational x = co_await a.next(), y = co_await b.next();
      if (!co_await s.give(x + y)) break;
    }
    a.end();
    b.end();
  });
  return s;
}
template <class V>
Series<V> times(Rational c, Series<V> a) {
  Series<V> s;
  go([s, a, c]() -> Task<> {
    for (;;) {
      const Rational x = co_await a.next();
      if (!co_await s.give(c * x)) break;
    }
    a.end();
  });
  return s;
}
/// x times it.
template <class V>
Series<V> shifted(Series<V> a) {
  Series<V> s;
  go([s, a]() -> Task<> {
    for (bool more = co_await s.give(Rational(0)); more;) {
      const Rational x = co_await a.next();
      more = co_await s.give(x);
    }
    a.end();
  });
  return s;
}
template <class V>
Series<V> product(Series<V> a, Series<V> b) {
  Series<V> s;
  go([s, a, b]() -> Task<> {
    // (f + x F)(g + x G) = fg + x (f G + g F + x F G), and F and G are asked for as far as the product is.
    std::vector<Rational> as, bs;
    for (;;) {
      as.push_back(co_await a.next());
      bs.push_back(co_await b.next());
      Rational c(0);
      for (std::size_t i = 0; i < as.size(); ++i) c = c + as[i] * bs[as.size() - 1 - i];
      if (!co_await s.give(c)) break;
    }
    a.end();
    b.end();
  });
  return s;
}
template <class V>
Series<V> derivative(Series<V> a) {
  Series<V> s;
  go([s, a]() -> Task<> {
    static_cast<void>(co_await a.next());
    for (std::int64_t i = 1;; ++i) {
      const Rational x = co_await a.next();
      if (!co_await s.give(Rational(i) * x)) break;
    }
    a.end();
  });
  return s;
}
template <class V>
Series<V> integral(Rational constant, Series<V> a) {
  Series<V> s;
  go([s, a, constant]() -> Task<> {
    bool more = co_await s.give(constant);
    for (std::int64_t i = 1; more; ++i) {
      const Rational x = co_await a.next();
      more = co_await s.give(Rational(1, i) * x);
    }
    a.end();
  });
  return s;
}

/// coefficients: "1 0 -1/2".
template <class V>
Task<> expect(Series<V> s, std::string_view coefficients) {
  std::istringstream in{std::string(coefficients)};
  for (std::int64_t num = 0; in >> num;) {
    std::int64_t den = 1;
    if (in.peek() == '/') in.get(), in >> den;
    EXPECT_EQ(co_await s.next(), Rational(num, den)) << coefficients;
  }
  s.end();
}

template <class V>
void power_series() {
  on_executor([]() -> Task<> {
    const auto ones = [] { return series_of<V>([](std::int64_t) { return Rational(1); }); };
    const auto naturals = [] { return series_of<V>([](std::int64_t i) { return Rational(i + 1); }); };
    co_await expect(product(ones(), ones()), "1 2 3 4 5 6");  // 1/(1-x) squared
    co_await expect(derivative(ones()), "1 2 3 4 5 6");
    co_await expect(sum(ones(), times(Rational(-1), naturals())), "0 -1 -2 -3");
    co_await expect(integral(Rational(0), ones()), "0 1 1/2 1/3 1/4");
    co_await expect(shifted(naturals()), "0 1 2 3");
    auto halves = split(naturals());
    co_await expect(sum(halves.first, halves.second), "2 4 6 8");
    Series<V> exp;
    go([exp]() -> Task<> {
      Rational c(1);
      for (std::int64_t i = 1;; ++i) {
        const bool more = co_await exp.give(c);
        if (!more) break;
        c = c * Rational(1, i);
      }
    });
    auto twice = split(exp);
    co_await expect(sum(derivative(twice.first), times(Rational(-1), twice.second)), "0 0 0 0 0 0 0 0");  // exp' = exp
    while (num_goroutine() > 1) co_await yield();  // the end of what is asked for reaches every g
  });
}
TEST(ChanPrograms, PowerSeries) { power_series<Rational>(); }
TEST(ChanPrograms, PowerSeriesOfBoxedValues) { power_series<std::unique_ptr<Rational>>(); }

// ---- select4, select5: what stands in a case is evaluated once, in the order in which it stands there, whichever case is chosen.

TEST(ChanPrograms, CasesAreEvaluatedOnceInTheirOrder) {
  on_executor([]() -> Task<> {
    std::string log;
    auto full = make_chan<int>(1), ready = make_chan<int>(1);
    co_await full.send(0);
    co_await ready.send(7);
    std::optional<int> into;
    const auto chan = [&log](const char* name, const Chan<int>& ch) {
      log += name;
      return ch;
    };
    const auto value = [&log](int v) {
      log += "v";
      return v;
    };
    const auto place = [&log](std::optional<int>& where) -> std::optional<int>& {
      log += "p";
      return where;
    };
    auto never = recv(chan("a", Chan<int>()), place(into));
    int sent = value(1);
    auto blocked = send(chan("b", full), sent);
    auto taken = recv(chan("c", ready), place(into));
    const std::string evaluated = log;  // of the arguments of one call C++ does not say which comes first
    EXPECT_EQ(log.size(), 6u);
    EXPECT_LT(log.find('a'), log.find('b'));
    EXPECT_LT(log.find('b'), log.find('c'));
    EXPECT_EQ(co_await select(std::move(never), std::move(blocked), std::move(taken)), 2);
    EXPECT_EQ(log, evaluated);  // select evaluates nothing again
    EXPECT_EQ(into, 7);
    EXPECT_EQ(full.size(), 1u);
  });
}

TEST(ChanPrograms, AReceivedPointerIsStoredOnce) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<std::unique_ptr<int>>(1);
    int calls = 0;
    std::optional<std::unique_ptr<int>> slot;
    const auto where = [&]() -> std::optional<std::unique_ptr<int>>& {
      ++calls;
      return slot;
    };
    auto p = std::make_unique<int>(42);
    co_await ch.send(std::move(p));
    EXPECT_EQ(co_await select(recv(ch, where())), 0);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(**slot, 42);
  });
}

// ---- select6: a waiter whose select has gone another way must not stand in the way of those behind it.

TEST(ChanPrograms, ALostWaiterHidesNobody) {
  on_executor([]() -> Task<> {
    for (int round = 0; round < 100; ++round) {
      auto never = make_chan<int>(), shared = make_chan<int>(), other = make_chan<int>(), done = make_chan<int>(1);
      auto selects = spawn([&]() -> Task<int> { co_return co_await select(recv(never), recv(shared), recv(other)); });
      co_await test::until_waiting(detail::WaitReason::select, 1);
      auto receives = spawn([shared, done]() -> Task<> {
        co_await shared.recv();
        co_await done.send(1);
      });
      co_await test::until_waiting(detail::WaitReason::chan_receive, 1);
      co_await other.send(1);  // the select goes, its waiter on `shared` was the first there
      co_await shared.send(1);  // for ever, if the receiver behind the lost waiter is not found
      EXPECT_EQ(co_await selects, 2);
      co_await receives;
      EXPECT_EQ(co_await done.recv(), 1);
    }
  });
}

// ---- select7: a receive whose value is dropped is a receive, by whatever sender.

TEST(ChanPrograms, ADroppedValueIsReceivedAllTheSame) {
  on_executor([]() -> Task<> {
    for (int way = 0; way < 6; ++way) {
      auto ch = make_chan<int>();
      auto sender = spawn([ch, way]() -> Task<> {
        const Chan<int> never;
        int v = 1;
        if (way % 2 == 0)
          co_await ch.send(1);
        else
          co_await select(send(ch, v), recv(never));
      });
      co_await yield();
      std::optional<int> kept;
      const Chan<int> never;
      int chosen = 0;
      if (way < 2)
        co_await ch.recv();
      else if (way < 4)
        chosen = co_await select(recv(ch));
      else
        chosen = co_await select(recv(ch, kept), recv(never));
      EXPECT_EQ(chosen, 0);
      EXPECT_EQ(kept.has_value(), way >= 4);
      co_await sender;
    }
  });
}

// ---- select8: a case may leave the switch, or the loop round it, from selects of one, two and three cases.

TEST(ChanPrograms, BreakLeavesTheSwitchAndTheLoopGoesOn) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>(1);
    const Chan<int> never;
    int after = 0;
    for (int cases = 1; cases <= 3; ++cases) {
      co_await ch.send(cases);
      for (;;) {
        std::optional<int> v;
        int chosen = -1;
        if (cases == 1)
          chosen = co_await select(recv(ch, v));
        else if (cases == 2)
          chosen = co_await select(recv(ch, v), otherwise);
        else
          chosen = co_await select(recv(never), recv(ch, v), otherwise);
        switch (chosen) {
          case 0:
          case 1:
            if (v) break;
            [[fallthrough]];
          default: ADD_FAILURE() << "the value was there";
        }
        ++after;
        break;
      }
    }
    EXPECT_EQ(after, 3);
  });
}

// ---- sieve2: primes by merging the streams of multiples, each a g; a heap says whose turn it is.

Task<> multiples(Chan<int> out, int prime) {
  for (int n = prime * prime; n < 10'000'000; n += prime) co_await out.send(n);  // ends by the channel's end
}

TEST(ChanPrograms, PrimesByMergedMultiples) {
  run([]() -> Task<> {  // those that still count are destroyed with it
    struct Head {
      int next;
      Chan<int> from;
      bool operator>(const Head& other) const { return next > other.next; }
    };
    std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
    std::vector<int> primes;
    for (int n = 2; primes.size() < 200; ++n) {
      bool composite = false;
      while (!heads.empty() && heads.top().next <= n) {
        Head head = heads.top();
        heads.pop();
        composite = composite || head.next == n;
        head.next = *co_await head.from.recv();
        heads.push(std::move(head));
      }
      if (composite) continue;
      primes.push_back(n);
      auto from = make_chan<int>(3);
      go(multiples, from, n);
      const int first = *co_await from.recv();
      heads.push(Head{first, from});
    }
    const std::vector<int> first{2, 3, 5, 7, 11, 13, 17, 19, 23, 29};
    EXPECT_EQ(std::vector<int>(primes.begin(), primes.begin() + 10), first);
    EXPECT_EQ(primes.back(), 1223);
  });
}

}  // namespace
}  // namespace gmp::programs_test
