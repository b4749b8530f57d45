// tests/go/chan/select_programs_test.cpp — what Go's small programs claim of select: the rest.
// Go: test/chan/select{,2,3,5,6,7,8}.go.  Room: chan (floor 4).
//
// What others have is left out; see chan_programs_test.cpp.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "go/chan/queues.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/waiting.hpp"

namespace gmp::select_programs_test {
namespace {

using detail::WaitReason;
using test::on_executor;
using test::until_receivers;
using test::until_senders;
using test::until_waiting;
using test::waiting_for;

// ---- select: who has been served sets its channel to nil, and the select goes on with what is left.

TEST(SelectProgram, ACaseIsSwitchedOffByANilChannel) {
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
TEST(SelectProgram, SelectsOfASetKeepTheMemoryLevel) {
  on_executor([]() -> Task<> {
    const auto ch = make_chan<int>(), never = make_chan<int>(), stop = make_chan<int>();
    auto sender = spawn([=]() -> Task<> {
      while (co_await select(send(ch, 1), recv(stop)) == 0) {
      }
    });
    const auto many = [=](int others, std::int64_t n) -> Task<> {
      std::optional<int> v;
      std::vector<SelectCase> cases;
      for (int i = 0; i < others; ++i) cases.push_back(recv(never));
      cases.push_back(recv(ch, v));
      while (n-- > 0) EXPECT_EQ(co_await select(cases), others);
    };
    const auto keep_the_level = [=](int others, std::int64_t n) -> Task<> {
      co_await many(others, n / 10);
      const std::int64_t allocated = test::allocated_bytes(), resident = test::resident_bytes();
      co_await many(others, n);
      // A waiter that stays were n times its size; a thread more, where one lost its CPU, is 16'000.
      EXPECT_LT(test::allocated_bytes() - allocated, 100'000) << others;
      EXPECT_LT(test::resident_bytes() - resident, 2 << 20) << others;
    };
    co_await keep_the_level(10, test::scaled(1'000'000, 10'000));
    co_await keep_the_level(300, test::scaled(20'000, 2'000));
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
TEST(SelectProgram, WhatBlocksInEachOfItsForms) {
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

TEST(SelectProgram, TheOneThatIsReadyIsTakenInAnyCompany) {
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

TEST(SelectProgram, TheDefaultIsTakenInAnyCompanyThatIsNotReady) {
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
TEST(SelectProgram, TheSameInTwentySelectsThatTheCompilerKnows) {
  on_executor([]() -> Task<> { co_await known_companies(std::make_integer_sequence<int, 4>()); });
}

// ---- select6: a waiter whose select has gone another way is off the queue, wherever it stood, and who comes later is found.

TEST(SelectProgram, WhoComesAfterALostWaiterIsServed) {
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

TEST(SelectProgram, AValueThatIsDroppedIsGone) {
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

TEST(SelectProgram, ACaseMayBeLeftByAnyWayOut) {
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

}  // namespace
}  // namespace gmp::select_programs_test
