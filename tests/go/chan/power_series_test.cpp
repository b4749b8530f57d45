// tests/go/chan/power_series_test.cpp — power series as gs that are asked for coefficients, up to series that are made of themselves.
// Go: test/chan/powser1.go.  Room: chan (floor 4).
//
// Series without feedback are in programs_test.cpp.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "support/net.hpp"

namespace gmp::power_series_test {
namespace {

using test::on_executor;

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
TEST(PowerSeries, SeriesOfFiniteLength) {
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
TEST(PowerSeries, SeriesWithoutEnd) {
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
TEST(PowerSeries, SeriesThatAreMadeOfThemselves) {
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

}  // namespace
}  // namespace gmp::power_series_test
