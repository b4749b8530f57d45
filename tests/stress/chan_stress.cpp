// tests/stress/chan_stress.cpp — what is sent is received once, whoever sends, receives, selects, tries, or closes meanwhile.
// Go: runtime/chan_test.go (TestSelectFairness, TestSelectStress, TestMultiConsumer).  Room: tests/stress.
//
// Each value carries who sent it and which of his it was. A sender's values may overtake one another only on different channels; on one channel
// they come in their order.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "stress/storm.hpp"

namespace gmp::chan_stress {
namespace {

using namespace std::chrono_literals;
using test::Dice;

struct Value {
  Value() = default;
  Value(int from, int n) : sender(from), number(n), weight(std::make_unique<int>(from ^ n)) {}
  int sender = -1;
  int number = -1;
  std::unique_ptr<int> weight;  // found broken if a value is taken twice, or half-way
};
using Channel = Chan<Value>;

/// What became of the values: each number of each sender at most once, and in order on each channel.
class Ledger {
 public:
  Ledger(int senders, int channels) : taken_(static_cast<std::size_t>(senders)), last_(static_cast<std::size_t>(channels)) {}
  void take(int channel, Value v) {
    ASSERT_TRUE(v.weight != nullptr && *v.weight == (v.sender ^ v.number)) << "a broken value";
    const std::lock_guard guard(mutex_);
    EXPECT_TRUE(taken_[static_cast<std::size_t>(v.sender)].insert({v.number, channel}).second) << "a value came twice";
    ++total_;
  }
  /// By one who alone receives from that channel.
  void in_order(int channel, const Value& v) {
    const std::lock_guard guard(mutex_);
    int& last = last_[static_cast<std::size_t>(channel)].try_emplace(v.sender, -1).first->second;
    EXPECT_GT(v.number, last) << "values overtook one another on a channel";
    last = v.number;
  }
  std::int64_t total() {
    const std::lock_guard guard(mutex_);
    return total_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::map<int, int>> taken_;
  std::vector<std::map<int, int>> last_;
  std::int64_t total_ = 0;
};

struct Storm {
  static constexpr int channels = 4, senders = 8;
  Storm() {
    for (int i = 0; i < channels; ++i) chans.push_back(make_chan<Value>(static_cast<std::size_t>(i == 3 ? 17 : i)));
  }
  std::vector<Channel> chans;
  Ledger ledger{senders, channels};
  std::atomic<std::int64_t> sent{0};
  std::atomic<std::int64_t> refused{0};  // their channel was closed
};

/// One send, in one of four ways. False: it did not go.
Task<bool> give(Storm& storm, Dice& dice, Value& v) {
  const int a = dice.below(Storm::channels), b = dice.below(Storm::channels);
  Channel &first = storm.chans[static_cast<std::size_t>(a)], &second = storm.chans[static_cast<std::size_t>(b)];
  switch (dice.below(4)) {
    case 0: co_await first.send(std::move(v)); co_return true;
    case 1: co_return first.try_send(std::move(v));
    case 2: {
      std::optional<Value> got;  // two directions at once
      const int which = co_await select(send(first, v), recv(second, got));
      if (got) storm.ledger.take(b, std::move(*got));
      co_return which == 0;
    }
    default: co_return co_await select(send(first, v), send(second, v), otherwise_if(dice.one_in(2))) < 2;
  }
}

Task<> sender(Storm& storm, int me, int count) {
  Dice dice(static_cast<std::uint64_t>(me));
  for (int i = 0; i < count; ++i) {
    Value v(me, i);
    for (bool gone = false; !gone;) {
      try {
        gone = co_await give(storm, dice, v);
      } catch (const ClosedChannel&) {
        EXPECT_TRUE(v.weight != nullptr) << "a value that did not go was taken";
        ++storm.refused;
        break;
      }
      if (gone)
        ++storm.sent;
      else
        co_await yield();
    }
    if (dice.one_in(20)) co_await test::act(dice);
  }
}

Task<> receiver(Storm& storm, int me) {
  Dice dice(static_cast<std::uint64_t>(100 + me));
  for (;;) {
    const int a = dice.below(Storm::channels);
    Channel& ch = storm.chans[static_cast<std::size_t>(a)];
    switch (me == 0 ? 0 : dice.below(3)) {  // one of them listens to all: the others may sleep on one channel, and the senders on another
      case 0: {
        std::array<std::optional<Value>, Storm::channels> got;
        const int which = co_await select(recv(storm.chans[0], got[0]), recv(storm.chans[1], got[1]), recv(storm.chans[2], got[2]), recv(storm.chans[3], got[3]));
        if (auto& v = got[static_cast<std::size_t>(which)]) storm.ledger.take(which, std::move(*v));
        break;
      }
      case 1:
        if (auto v = ch.try_recv()) storm.ledger.take(a, std::move(*v));
        break;
      default:
        if (ch.drained()) break;
        if (auto v = co_await ch.recv()) storm.ledger.take(a, std::move(*v));
    }
    bool over = true;
    for (const Channel& each : storm.chans) over = over && each.drained();
    if (over) co_return;
    if (dice.one_in(20)) co_await test::act(dice);
  }
}

/// Everything at once until the senders are through; then the channels are closed, and what is in them is received.
void conserved(bool close_in_the_middle) {
  Executor ex;
  Storm storm;
  const int count = static_cast<int>(test::scaled(3'000, 200));
  ex.run([&]() -> Task<> {
    WaitGroup senders, receivers;
    for (int i = 0; i < Storm::senders; ++i) senders.go(sender, std::ref(storm), i, count);
    for (int i = 0; i < 6; ++i) receivers.go(receiver, std::ref(storm), i);
    std::thread outsider([&] {  // a plain thread takes part
      for (;;) {
        auto v = storm.chans[2].recv_blocking();
        if (!v) return;
        storm.ledger.take(2, std::move(*v));
      }
    });
    if (close_in_the_middle) {
      co_await gmp::sleep(std::chrono::milliseconds(test::scaled(40, 3)));
      for (const Channel& ch : storm.chans) ch.close();
    }
    co_await senders.wait();
    if (!close_in_the_middle) {
      for (const Channel& ch : storm.chans) ch.close();
    }
    co_await receivers.wait();
    co_await blocking([&] { outsider.join(); });
  });
  EXPECT_EQ(storm.ledger.total(), storm.sent);
  if (!close_in_the_middle) {
    EXPECT_EQ(storm.sent, std::int64_t{count} * Storm::senders);
  }
}

TEST(ChanStress, ValuesAreConserved) { conserved(false); }

TEST(ChanStress, AlsoIfTheChannelsAreClosedInTheMiddle) {
  for (int round = 0; round < 5; ++round) conserved(true);
}

TEST(ChanStress, OneReceiverSeesEachSendersOrder) {
  Executor ex;
  const int count = static_cast<int>(test::scaled(20'000, 1'000));
  ex.run([&]() -> Task<> {
    for (const std::size_t capacity : {0, 1, 64}) {
      auto ch = make_chan<Value>(capacity);
      Ledger mine(4, 1);
      WaitGroup senders;
      for (int i = 0; i < 4; ++i) {
        senders.go([=]() -> Task<> {
          Dice dice(static_cast<std::uint64_t>(i));
          for (int n = 0; n < count; ++n) {
            Value v(i, n);
            if (dice.one_in(2))
              co_await ch.send(std::move(v));
            else
              co_await select(send(ch, v), recv(Chan<int>()));
          }
        });
      }
      go([=, &senders]() -> Task<> {
        co_await senders.wait();
        ch.close();
      });
      int got = 0;
      while (auto v = co_await ch.recv()) {
        mine.in_order(0, *v);
        ++got;
      }
      EXPECT_EQ(got, 4 * count);
      co_await senders.wait();
    }
  });
}

/// Executors stop while their gs are in the middle of everything; a channel outlives them all, and is whole.
TEST(ChanStress, ExecutorsStopInTheMiddle) {
  auto ch = make_chan<Value>(3);
  const auto other = make_chan<Value>();
  const int rounds = static_cast<int>(test::scaled(60, 6));
  for (int round = 0; round < rounds; ++round) {
    Executor ex;
    for (int i = 0; i < 10; ++i) {
      ex.go([=]() -> Task<> {
        Dice dice(static_cast<std::uint64_t>(round * 10 + i));
        for (;;) {
          Value v(0, 0);
          std::optional<Value> got;
          switch (dice.below(4)) {
            case 0: co_await ch.send(std::move(v)); break;
            case 1: co_await ch.recv(); break;
            case 2: co_await select(send(ch, v), recv(other, got)); break;
            default: co_await select(recv(ch, got), send(other, v)); break;
          }
        }
      });
    }
    std::this_thread::sleep_for(Dice(static_cast<std::uint64_t>(round)).up_to(2000us));
  }
  while (ch.try_recv()) {
  }
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.try_send(Value(0, i)));
  EXPECT_FALSE(ch.try_send(Value(0, 3)));  // no receiver of a stopped executor is left to take it
  EXPECT_FALSE(other.try_send(Value(0, 0)));
  EXPECT_FALSE(other.try_recv());
}

}  // namespace
}  // namespace gmp::chan_stress
