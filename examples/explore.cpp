// examples/explore.cpp — a test that finds a bug which hardly ever shows: two transfers, each of which looks before it takes.
// Go: testing/synctest; the exploring has no counterpart there.
// Prints:
//   found: overdrawn
//   mended: 10000 schedules, nothing found
#include <gmp/gmp.hpp>
#include <gmp/testing.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string_view>

using namespace gmp;
using namespace std::chrono_literals;

// [explore]
struct Account {
  Mutex mutex;
  int balance = 100;
};

Task<> withdraw_in_haste(Account& account, int amount) {
  if (account.balance < amount) co_return;  // looks here …
  auto guard = co_await account.mutex.scoped_lock();
  account.balance -= amount;  // … and takes there: meanwhile others may have
}

Task<> two_withdrawals(Task<> (*withdraw)(Account&, int)) {
  Account account;
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) wg.go(withdraw, std::ref(account), 60);
  co_await wg.wait();
  if (account.balance < 0) throw std::runtime_error("overdrawn");
}
// [/explore]

Task<> withdraw_rightly(Account& account, int amount) {
  auto guard = co_await account.mutex.scoped_lock();
  if (account.balance >= amount) account.balance -= amount;
}

int main() {
  // [virtual]
  testing::run([]() -> Task<> {
    const time_point start = testing::now();
    co_await sleep(24h);  // takes no time
    if (testing::now() - start != 24h) throw std::logic_error("time went by");
  });
  // [/virtual]
  try {
    testing::explore({.schedules = 10'000, .seed = 1}, [] { return two_withdrawals(withdraw_in_haste); });
    std::puts("not found");
    return 1;
  } catch (const testing::Failure& failure) {
    const std::string_view text = failure.what();  // with the seed, and the steps that led there
    if (text.find("exception: overdrawn") == text.npos) return 1;
    std::puts("found: overdrawn");
  }
  testing::explore({.schedules = 10'000, .seed = 1}, [] { return two_withdrawals(withdraw_rightly); });
  std::puts("mended: 10000 schedules, nothing found");
}
