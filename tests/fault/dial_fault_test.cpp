// tests/fault/dial_fault_test.cpp — a dial to a name of many addresses, some of which refuse, or say nothing; and one that is given up, wherever it is.
// Go: net/dial_test.go (DialParallel, DialerDualStack, CancelAfterDial, DialCancel), net/lookup_test.go (LookupCancel).  Room: tests/fault.
//
// The resolver is ours, so that a name may have any addresses, and take its time. Addresses of the world are refused before anything is sent to them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "fault/kernel.hpp"
#include "gmp/context.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "net/socket.hpp"
#include "support/black_hole.hpp"
#include "support/net.hpp"
#include "support/quiet.hpp"
#include "support/scale.hpp"

namespace gmp::dial_fault_test {
namespace {

using namespace std::chrono_literals;
using test::Call;
using test::Clock;
using test::Fault;
using test::Kernel;
using test::Names;

/// The number, as dial() and the resolver write it.
std::string host_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
  else
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  return text;
}

/// Sees every connect, and what becomes of it: `fault` says.
class Watch {
 public:
  struct Try {
    std::string host;
    Clock::time_point when;
  };
  explicit Watch(std::function<Fault(const std::string& host)> fault = [](const std::string&) { return Fault(); })
      : kernel_([](Call, bool) { return Fault(); }, {.connect = [this, fault](const sockaddr* address) {
          const std::lock_guard guard(mutex_);
          tries_.push_back({host_of(address), Clock::now()});
          return fault(tries_.back().host);
        }}) {}

  std::vector<Try> take() {
    const std::lock_guard guard(mutex_);
    return std::exchange(tries_, {});
  }
  std::vector<std::string> take_hosts() {
    std::vector<std::string> hosts;
    for (Try& one : take()) hosts.push_back(std::move(one.host));
    return hosts;
  }

 private:
  std::mutex mutex_;
  std::vector<Try> tries_;  // mutex_
  Kernel kernel_;
};

/// Of this process; what its executors open for themselves is none.
int open_sockets() {
  int n = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    n += std::filesystem::read_symlink(entry.path(), gone).native().starts_with("socket:");
  return n;
}
/// Those that were given up are gone soon, and that many are left.
Task<> until_open(int sockets) {
  while (open_sockets() != sockets) co_await yield();
}

/// Somebody has come who was not accepted yet.
bool has_come(const net::Listener& ln) {
  pollfd look{ln.native_handle(), POLLIN, 0};
  return ::poll(&look, 1, 0) == 1;
}

/// What open() opens on one port of several addresses. One that is free at the first may be another process's at the next: then on another port.
template <class F>
auto on_one_port(F open) {
  for (;;) {
    try {
      return open();
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::address_in_use) throw;
    }
  }
}

Names::Find always(std::vector<std::string> addresses) {
  return [addresses = std::move(addresses)](const std::string&) { return addresses; };
}

TEST(DialAddresses, AreTriedFamilyAboutAndTheErrorIsTheFirstOnes) {
  if (!detail::ip_support().ipv6) GTEST_SKIP() << "no IPv6 here";
  Watch watch([](const std::string& host) { return Fault::failing(host == "2001:db8::1" ? EHOSTUNREACH : ECONNREFUSED); });
  struct Row {
    std::vector<std::string> known, tried;
    const char* error;
  };
  const Row rows[] = {
      {{"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"},
       {"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"},
       "dial tcp [2001:db8::1]:80: connect: no route to host"},
      {{"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"},  // the resolver's first is of the family to begin with
       {"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"},
       "dial tcp 192.0.2.1:80: connect: connection refused"},
      {{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, {"192.0.2.1", "192.0.2.2", "192.0.2.3"}, "dial tcp 192.0.2.1:80: connect: connection refused"},
  };
  test::leaving_no_fds([&]() -> Task<> {
    for (const Row& row : rows) {
      const Names names(always(row.known));
      const auto r = co_await net::dial("tcp", "many.test:80", {.fallback_delay = 1h});  // each after the one before has failed
      EXPECT_EQ(r.message(), row.error);
      const std::vector<std::string> tried = watch.take_hosts();
      EXPECT_EQ(tried, row.tried);
    }
    const Names names(always(rows[0].known));
    const auto four = co_await net::dial("tcp4", "many.test:80", {.fallback_delay = 1h});
    EXPECT_EQ(four.message(), "dial tcp4 192.0.2.1:80: connect: connection refused");
    EXPECT_EQ(watch.take_hosts(), (std::vector<std::string>{"192.0.2.1", "192.0.2.2"}));
  });
}

// Two that say nothing, then one that answers: each waits for 250 ms, unless told otherwise, before the next is tried beside it.
TEST(DialAddresses, ThatSayNothingAreLeftBehindOneAfterTheOther) {
  test::leaving_no_fds([]() -> Task<> {
    auto [ln, first, second] = on_one_port([] {
      net::Listener third = net::listen("tcp", "127.0.0.3:0").value();
      const std::string port = std::to_string(third.addr().port());
      return std::tuple(std::move(third), test::BlackHole("127.0.0.1:" + port), test::BlackHole("127.0.0.2:" + port));
    });
    const std::string port = std::to_string(ln.addr().port());
    co_await first.fill();
    co_await second.fill();
    const Names names(always({"127.0.0.1", "127.0.0.2", "127.0.0.3"}));
    Watch watch;
    const test::Quiet quiet;
    for (const auto& [options, delay] : {std::pair(net::DialOptions(), 250ms), std::pair(net::DialOptions{.fallback_delay = 30ms}, 30ms)}) {
      const int sockets = open_sockets();
      const auto start = Clock::now();
      const auto r = co_await net::dial("tcp", "many.test:" + port, options);
      EXPECT_TRUE(r) << r.message();
      EXPECT_EQ(r.get<0>().remote_addr(), ln.addr());
      const auto end = Clock::now();
      const std::vector<Watch::Try> tries = watch.take();
      co_await blocking(test::Quiet::settle);
      // Who had no CPU for so long that the next one's time came is overtaken by him, and by the end.
      const bool overtaken = !quiet.between(start, end);
      EXPECT_TRUE(tries.size() == 3 || (overtaken && !tries.empty())) << tries.size();
      for (std::size_t i = 0; i < tries.size(); ++i) {
        const int nth = tries[i].host.back() - '1';
        EXPECT_EQ(tries[i].host, "127.0.0." + std::to_string(nth + 1));
        EXPECT_TRUE(nth == static_cast<int>(i) || overtaken) << tries[i].host;
        EXPECT_GE(tries[i].when - start, nth * delay);
        EXPECT_LT(tries[i].when - start, nth * delay + 5s);
      }
      co_await until_open(sockets + 1);  // the two have been given up, not the winner
      static_cast<void>((co_await ln.accept()).value());
    }
  });
}

// All answer at once: one is taken, and whoever else accepted sees the end.
TEST(DialAddresses, OneOfManyThatAnswerIsTakenAndTheOthersAreClosed) {
  test::leaving_no_fds([]() -> Task<> {
    const std::vector<net::Listener> listeners = on_one_port([] {
      std::vector<net::Listener> four{net::listen("tcp", "127.0.0.1:0").value()};
      const std::string port = std::to_string(four[0].addr().port());
      for (const char* host : {"127.0.0.2:", "127.0.0.3:", "127.0.0.4:"}) four.push_back(net::listen("tcp", host + port).value());
      return four;
    });
    const std::string port = std::to_string(listeners[0].addr().port());
    const Names names(always({"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}));
    Watch watch;
    for (std::int64_t round = test::scaled(40, 8); round > 0; --round) {
      const int sockets = open_sockets();
      const net::Conn conn = (co_await net::dial("tcp", "many.test:" + port, {.fallback_delay = 0ns})).value();
      co_await until_open(sockets + 1);
      const std::size_t tried = watch.take().size();
      EXPECT_GE(tried, 1u);
      static_cast<void>((co_await conn.write("hello")).value());
      conn.close_write();
      int winners = 0;
      while (winners == 0) {  // the system may take its time to tell a listener
        co_await yield();
        for (const net::Listener& ln : listeners) {
          while (has_come(ln)) {
            const net::Conn in = (co_await ln.accept()).value();
            const auto all = co_await io::read_all(in);
            winners += all.get<0>() == "hello";
            EXPECT_TRUE(all.get<0>() == "hello" || all.get<0>().empty());
          }
        }
      }
      EXPECT_EQ(winners, 1);
    }
  });
}

TEST(DialAddresses, ThatRefuseDelayNobody) {
  if (!detail::ip_support().ipv6) GTEST_SKIP() << "no IPv6 here";
  Watch watch([](const std::string& host) { return host == "127.0.0.1" ? Fault() : Fault::failing(ENETUNREACH); });
  test::leaving_no_fds([&]() -> Task<> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const Names names(always({"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "127.0.0.1"}));
    const auto r = co_await timeout(10s, net::dial("tcp", "many.test:" + std::to_string(ln.addr().port()), {.fallback_delay = 1h}));
    EXPECT_TRUE(r) << r.message();
    EXPECT_EQ(watch.take_hosts(), (std::vector<std::string>{"2001:db8::1", "192.0.2.1", "2001:db8::2", "127.0.0.1"}));
  });
}

// ---- given up: before it begins, while the name is looked up, while it connects

/// A resolver that answers when it may.
class SlowNames {
 public:
  SlowNames() : names_([this](const std::string&) {
    ++asked_;
    may_answer_.acquire();
    return std::vector<std::string>{"127.0.0.1", "127.0.0.2", "127.0.0.3"};
  }) {}
  Task<> until_asked(int times) {
    while (asked_ < times) co_await yield();
  }
  int asked() const { return asked_; }
  void answer(int times) { may_answer_.release(times); }

 private:
  std::atomic<int> asked_{0};
  std::counting_semaphore<> may_answer_{0};
  Names names_;
};

TEST(DialUnderAContext, ThatIsDoneAsksNobody) {
  SlowNames names;
  Watch watch;
  test::leaving_no_fds([&]() -> Task<> {
    auto [ctx, cancel] = with_cancel(background());
    cancel();
    const auto dialled = co_await until(ctx, net::dial("tcp", "slow.test:80"));
    EXPECT_EQ(dialled.err, errc::canceled);
    const auto numeric = co_await until(ctx, net::dial("tcp", "127.0.0.1:80"));
    EXPECT_EQ(numeric.err, errc::canceled);
    const auto found = co_await until(ctx, net::lookup_host("slow.test"));
    EXPECT_EQ(found.err, errc::canceled);
    auto [past, drop] = with_deadline(background(), Clock::now() - 1s);
    const auto late = co_await until(past, net::dial("tcp", "slow.test:80"));
    EXPECT_EQ(late.err, errc::deadline_exceeded);
  });
  EXPECT_EQ(names.asked(), 0);
  EXPECT_TRUE(watch.take().empty());
}

// The resolver cannot be stopped: nobody waits for it any more, and what it says in the end is dropped.
TEST(DialUnderAContext, EndsThoughTheResolverDoesNot) {
  SlowNames names;
  Watch watch;
  test::leaving_no_fds([&]() -> Task<> {
    const auto dial_it = [](Context ctx) -> Task<std::error_code> {
      const auto r = co_await until(ctx, net::dial("tcp", "slow.test:80"));
      co_return r.err;
    };
    const auto look_up = [](Context ctx) -> Task<std::error_code> {
      const auto r = co_await until(ctx, net::lookup_host("slow.test"));
      co_return r.err;
    };
    auto [ctx, cancel] = with_cancel(background());
    auto dialling = spawn(dial_it, ctx);
    auto looking = spawn(look_up, ctx);
    co_await names.until_asked(2);
    cancel();
    const std::error_code of_dial = co_await dialling;
    const std::error_code of_lookup = co_await looking;
    EXPECT_EQ(of_dial, errc::canceled);
    EXPECT_EQ(of_lookup, errc::canceled);
    const auto late = co_await timeout(5ms, net::dial("tcp", "slow.test:80"));
    EXPECT_EQ(late.err, errc::deadline_exceeded);
    const auto later = co_await timeout(5ms, net::lookup_host("slow.test"));
    EXPECT_EQ(later.err, errc::deadline_exceeded);
    names.answer(4);
    while (debug::stats(Executor::current()).in_blocking != 0) co_await yield();
  });
  EXPECT_LE(names.asked(), 4);
  EXPECT_TRUE(watch.take().empty()) << "it went on to connect";
}

TEST(DialUnderAContext, LeavesNoneOfItsConnectsBehind) {
  test::leaving_no_fds([]() -> Task<> {
    auto [one, two, three] = on_one_port([] {
      test::BlackHole first("127.0.0.1:0");
      const std::string port = std::to_string(first.port());
      return std::tuple(std::move(first), test::BlackHole("127.0.0.2:" + port), test::BlackHole("127.0.0.3:" + port));
    });
    const std::string port = std::to_string(one.port());
    co_await one.fill();
    co_await two.fill();
    co_await three.fill();
    const Names names(always({"127.0.0.1", "127.0.0.2", "127.0.0.3"}));
    Watch watch;
    const auto dial_it = [](Context ctx, std::string address) -> Task<std::error_code> {
      const auto r = co_await until(ctx, net::dial("tcp", address, {.fallback_delay = 1ms}));
      co_return r.err;
    };
    const int sockets = open_sockets();
    for (std::size_t tried = 1; tried <= 3; ++tried) {
      auto [ctx, cancel] = with_cancel(background());
      auto dialling = spawn(dial_it, ctx, "many.test:" + port);
      for (std::size_t seen = 0; seen < tried; seen += watch.take().size()) co_await yield();
      cancel();
      const std::error_code err = co_await dialling;
      EXPECT_EQ(err, errc::canceled);
      co_await until_open(sockets);
      static_cast<void>(watch.take());
    }
    const auto r = co_await timeout(20ms, net::dial("tcp", "many.test:" + port, {.fallback_delay = 1ms}));
    EXPECT_EQ(r.err, errc::deadline_exceeded) << r.message();
    co_await until_open(sockets);
  });
}

}  // namespace
}  // namespace gmp::dial_fault_test
