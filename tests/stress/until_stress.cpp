// tests/stress/until_stress.cpp — operations are given up while what they wait for comes: nothing is lost, nothing doubled.
// Go: none.  Room: tests/stress.
//
// For each kind of operation some goroutines wait under until(), each with a context of its own, and grant each other what they wait for; two
// threads cancel the contexts, at random.  A cancel is counted as "in flight at once" with a grant if one was under way when it began or ended,
// or came in between.  In the end the books must balance: permits, owners, values, bytes, descriptors.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "stress/storm.hpp"
#include "support/net.hpp"

namespace gmp::until_stress {
namespace {

using namespace std::chrono_literals;
using test::Dice;

/// Who waits, who grants, who cancels.
class Storm {
 public:
  static constexpr int waiters = 6;

  Storm() : cancels_wanted_(test::scaled(100'000, 300)) {}

  /// The round goes on until enough has been cancelled, and a tenth of enough at once with a grant: on a busy machine they meet less often. But not
  /// for ever.
  bool goes_on() const noexcept {
    const std::int64_t cancels = cancels_.load(std::memory_order_relaxed);
    return cancels < cancels_wanted_ || (at_once_.load(std::memory_order_relaxed) * 10 < cancels_wanted_ && cancels < 4 * cancels_wanted_);
  }

  /// A context for the next operation of waiter i, which somebody will cancel.
  Context next_context(int i) {
    auto [ctx, cancel] = with_cancel(background());
    const std::lock_guard guard(slots_[static_cast<std::size_t>(i)].mutex);
    slots_[static_cast<std::size_t>(i)].cancel = cancel;
    return ctx;
  }
  /// A grant of something that others may wait for.
  template <class F>
  void grant(F f) {
    granting_.fetch_add(1);
    f();
    grants_.fetch_add(1);
    granting_.fetch_sub(1);
  }
  /// While it lives a grant is under way: what another one's operation waits for is being done by one of ours.
  class Granting {
   public:
    explicit Granting(Storm& storm) : storm_(storm) { storm_.granting_.fetch_add(1); }
    ~Granting() {
      storm_.grants_.fetch_add(1);
      storm_.granting_.fetch_sub(1);
    }
    Granting(const Granting&) = delete;
    Granting& operator=(const Granting&) = delete;

   private:
    Storm& storm_;
  };
  /// A grant that comes by itself, at that time.
  void expect_grant(int i, std::chrono::steady_clock::time_point when) { slots_[static_cast<std::size_t>(i)].due = when; }
  /// What became of an operation.
  void note(std::error_code err) {
    EXPECT_TRUE(!err || err == errc::canceled) << err.message();
    ++(err ? withdrawn_ : done_);
  }

  /// Runs make_waiter(i) for each i, on gs, with two threads that cancel; then prints, and checks, how it went.
  template <class F>
  void run(F make_waiter) {
    Executor ex;
    std::vector<std::thread> cancellers;
    std::atomic<bool> over{false};
    for (int n = 0; n < 2; ++n) {
      cancellers.emplace_back([this, n, &over] {
        Dice dice(1000 + static_cast<std::uint64_t>(n));
        while (!over) {
          cancel_one(dice.below(waiters));
          for (int i = dice.below(50); i > 0; --i) detail::cpu_pause();
        }
      });
    }
    ex.run([&]() -> Task<> {
      WaitGroup wg;
      for (int i = 0; i < waiters; ++i) wg.go([&, i]() -> Task<> { co_await make_waiter(i); });
      co_await wg.wait();
    });
    over = true;
    for (std::thread& thread : cancellers) thread.join();
    std::printf("cancels %lld, at once with a grant %lld, withdrawn %lld, done %lld\n", static_cast<long long>(cancels_), static_cast<long long>(at_once_),
                static_cast<long long>(withdrawn_), static_cast<long long>(done_));
    EXPECT_GE(at_once_ * 10, cancels_wanted_) << "too few met";
    EXPECT_GT(withdrawn_, 0);
    EXPECT_GT(done_, 0);
  }

  std::int64_t done() const { return done_; }

 private:
  void cancel_one(int i) {
    CancelFunc cancel;
    {
      const std::lock_guard guard(slots_[static_cast<std::size_t>(i)].mutex);
      cancel = std::exchange(slots_[static_cast<std::size_t>(i)].cancel, CancelFunc());
      if (!cancel) return;
    }
    const auto begin = std::chrono::steady_clock::now();
    const std::int64_t grants = grants_.load();
    const bool before = granting_.load() > 0;
    cancel();
    const bool after = granting_.load() > 0 || grants_.load() != grants;
    const auto due = slots_[static_cast<std::size_t>(i)].due.load();
    const bool timely = due >= begin - 5us && due <= std::chrono::steady_clock::now() + 5us;  // a timer's fire takes about that long
    if (before || after || timely) ++at_once_;
    ++cancels_;
  }

  struct Slot {
    std::mutex mutex;
    CancelFunc cancel;
    std::atomic<std::chrono::steady_clock::time_point> due{};
  };
  const std::int64_t cancels_wanted_;
  std::array<Slot, waiters> slots_;
  std::atomic<int> granting_{0};
  std::atomic<std::int64_t> grants_{0}, cancels_{0}, at_once_{0}, withdrawn_{0}, done_{0};
};

TEST(UntilStress, AMutexHasOneOwnerAndIsFreeInTheEnd) {
  Storm storm;
  Mutex mutex;
  int inside = 0;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      const auto err = co_await until(storm.next_context(i), mutex.lock());
      storm.note(err);
      if (err) continue;
      EXPECT_EQ(++inside, 1);
      if (dice.one_in(3)) co_await yield();
      EXPECT_EQ(--inside, 0);
      storm.grant([&] { mutex.unlock(); });
    }
  });
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(UntilStress, AnRWMutexHasOneWriterOrReaders) {
  Storm storm;
  RWMutex rw;
  std::atomic<int> readers{0}, writers{0};
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      if (dice.one_in(3)) {
        auto [guard, err] = co_await until(storm.next_context(i), rw.scoped_lock());
        storm.note(err);
        EXPECT_EQ(static_cast<bool>(guard), !err);
        if (err) continue;
        EXPECT_EQ(++writers, 1);
        EXPECT_EQ(readers, 0);
        if (dice.one_in(3)) co_await yield();
        --writers;
        storm.grant([&guard = guard] { guard.unlock(); });
      } else {
        auto [guard, err] = co_await until(storm.next_context(i), rw.scoped_rlock());
        storm.note(err);
        if (err) continue;
        ++readers;
        EXPECT_EQ(writers, 0);
        if (dice.one_in(3)) co_await yield();
        --readers;
        storm.grant([&guard = guard] { guard.unlock(); });
      }
    }
  });
  EXPECT_TRUE(rw.try_lock());
  rw.unlock();
}

TEST(UntilStress, ASemaphoreHasAllItsUnitsInTheEnd) {
  Storm storm;
  constexpr int units = 5;
  Semaphore semaphore(units);
  std::atomic<int> taken{0};
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      const int n = dice.between(1, units);
      const auto err = co_await until(storm.next_context(i), semaphore.acquire(n));
      storm.note(err);
      if (err) continue;
      EXPECT_LE(taken += n, units);
      if (dice.one_in(3)) co_await yield();
      taken -= n;
      storm.grant([&] { semaphore.release(n); });
    }
  });
  EXPECT_TRUE(semaphore.try_acquire(units));
  semaphore.release(units);
}

TEST(UntilStress, ASignalThatMeetsAWithdrawnWaiterGoesToTheNext) {
  Storm storm;
  Mutex mutex;
  Cond cond(mutex);
  std::int64_t items = 0, made = 0, eaten = 0;  // mutex
  int producers = 3;                            // mutex
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    if (i % 2 == 0) {
      while (storm.goes_on()) {
        co_await mutex.lock();
        ++items;
        ++made;
        mutex.unlock();
        storm.grant([&] { cond.signal(); });
        if (dice.one_in(4)) co_await yield();
      }
      auto guard = co_await mutex.scoped_lock();
      if (--producers == 0) cond.broadcast();
      co_return;
    }
    for (;;) {
      auto guard = co_await mutex.scoped_lock();
      while (items == 0 && producers > 0) {
        if (!storm.goes_on()) {  // nobody cancels any more: a signal that was lost is one too few now
          co_await cond.wait();
          continue;
        }
        const auto err = co_await until(storm.next_context(i), cond.wait());
        storm.note(err);
        EXPECT_FALSE(mutex.try_lock()) << "the mutex is not held after the wait";
      }
      if (items == 0) break;
      --items;
      ++eaten;
    }
  });
  EXPECT_EQ(made, eaten);
}

TEST(UntilStress, AWaitGroupLetsEverybodyGo) {
  Storm storm;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      WaitGroup wg;
      wg.add(1);
      bool done = false;
      go([&storm, &wg, &done, yields = dice.below(3)]() -> Task<> {
        for (int n = 0; n < yields; ++n) co_await yield();
        done = true;
        storm.grant([&] { wg.done(); });
      });
      const auto err = co_await until(storm.next_context(i), wg.wait());
      storm.note(err);
      if (err) co_await wg.wait();
      EXPECT_TRUE(done);
    }
  });
}

TEST(UntilStress, OnceRunsOnceAndIsWaitedForByWhoMay) {
  Storm storm;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      Once once;
      int calls = 0;
      const int yields = dice.below(3);
      auto f = [&calls, &storm, yields]() -> Task<> {
        for (int n = 0; n < yields; ++n) co_await yield();
        storm.grant([&] { ++calls; });
      };
      auto first = spawn([&once, &f]() -> Task<> { co_await once.call(f); });
      co_await yield();
      storm.note(co_await until(storm.next_context(i), once.call(f)));
      co_await first;
      EXPECT_EQ(calls, 1);
    }
  });
}

struct Parcel {
  Parcel() = default;
  explicit Parcel(std::int64_t n) : number(n), weight(std::make_unique<std::int64_t>(n)) {}
  std::int64_t number = -1;
  std::unique_ptr<std::int64_t> weight;
};

/// Sums and counts of what was sent, and of what was received.
struct Books {
  std::atomic<std::int64_t> sent{0}, sent_sum{0}, received{0}, received_sum{0};
  void note_sent(std::int64_t n) { ++sent, sent_sum += n; }
  void note_received(const Parcel& p) {
    ASSERT_TRUE(p.weight && *p.weight == p.number) << "a broken value";
    ++received, received_sum += p.number;
  }
  void note_received_if(const std::optional<Parcel>& p) {
    if (p) note_received(*p);
  }
  void drain(const Chan<Parcel>& ch) {
    while (auto p = ch.try_recv()) note_received(*p);
    EXPECT_EQ(sent, received);
    EXPECT_EQ(sent_sum, received_sum);
  }
};

void values_are_conserved(std::size_t capacity) {
  Storm storm;
  const auto ch = make_chan<Parcel>(capacity);
  Books books;
  std::atomic<std::int64_t> numbers{0};
  storm.run([&](int i) -> Task<> {
    while (i < 2 && storm.goes_on()) {  // one gives, one takes, without waiting
      storm.grant([&] {
        Parcel parcel(0);
        if (i == 0 && ch.try_send(std::move(parcel))) books.note_sent(0);
        if (i == 1) books.note_received_if(ch.try_recv());
      });
      co_await yield();
    }
    while (storm.goes_on()) {
      const Context ctx = storm.next_context(i);
      if (i % 2 == 0) {
        const std::int64_t n = ++numbers;
        Parcel parcel(n);
        const auto err = co_await until(ctx, ch.send(std::move(parcel)));
        storm.note(err);
        EXPECT_EQ(parcel.weight != nullptr, static_cast<bool>(err)) << "a value that did not go is the sender's still";
        if (!err) books.note_sent(n);
      } else {
        auto [p, err] = co_await until(ctx, ch.recv());
        storm.note(err);
        if (!err) books.note_received(*p);
      }
    }
  });
  books.drain(ch);
}
TEST(UntilStress, ValuesOfAChannelAreConserved) { values_are_conserved(0); }
TEST(UntilStress, ValuesOfABufferedChannelAreConserved) { values_are_conserved(3); }

TEST(UntilStress, ValuesOfSelectsAreConserved) {
  Storm storm;
  const std::array<Chan<Parcel>, 2> ch{make_chan<Parcel>(), make_chan<Parcel>(1)};
  Books books;
  std::atomic<std::int64_t> numbers{0};
  storm.run([&](int i) -> Task<> {
    while (i < 2 && storm.goes_on()) {
      storm.grant([&] {
        Parcel parcel(0);
        if (ch[static_cast<std::size_t>(i)].try_send(std::move(parcel)))
          books.note_sent(0);
        else
          books.note_received_if(ch[static_cast<std::size_t>(i)].try_recv());
      });
      co_await yield();
    }
    while (storm.goes_on()) {
      const Context ctx = storm.next_context(i);
      if (i % 2 == 0) {
        const std::int64_t a = ++numbers, b = ++numbers;
        Parcel first(a), second(b);
        auto [chosen, err] = co_await until(ctx, select(send(ch[0], first), send(ch[1], second)));
        storm.note(err);
        EXPECT_EQ(first.weight == nullptr, !err && chosen == 0);
        EXPECT_EQ(second.weight == nullptr, !err && chosen == 1);
        if (!err) books.note_sent(chosen == 0 ? a : b);
      } else {
        std::optional<Parcel> p;
        auto [chosen, err] = co_await until(ctx, select(recv(ch[0], p), recv(ch[1], p)));
        storm.note(err);
        EXPECT_EQ(p.has_value(), !err);
        if (p) books.note_received(*p);
      }
    }
  });
  while (auto p = ch[1].try_recv()) books.note_received(*p);
  books.drain(ch[0]);
}

TEST(UntilStress, ASleepIsWholeOrGivenUp) {
  Storm storm;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      const auto length = dice.up_to(60us);
      const auto begin = std::chrono::steady_clock::now();
      storm.expect_grant(i, begin + length);
      const auto err = co_await until(storm.next_context(i), sleep(length));
      storm.note(err);
      if (err) continue;
      EXPECT_GE(std::chrono::steady_clock::now() - begin, length);
    }
  });
}

TEST(UntilStress, AJoinCanBeTriedAgain) {
  Storm storm;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      const int yields = dice.below(3);
      JoinHandle<std::unique_ptr<int>> h = spawn([&storm, yields]() -> Task<std::unique_ptr<int>> {
        const Storm::Granting granting(storm);  // until the frame goes, just before the joiner is told
        for (int n = 0; n < yields; ++n) co_await yield();
        co_return std::make_unique<int>(yields);
      });
      auto [value, err] = co_await until(storm.next_context(i), h.join());
      storm.note(err);
      if (err) value = co_await h;
      EXPECT_EQ(*value, yields);
    }
  });
}

TEST(UntilStress, AWakerKnowsWhetherItWoke) {
  Storm storm;
  std::atomic<std::int64_t> woken{0}, got{0};
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      const int yields = dice.below(3);
      auto [value, err] = co_await until(storm.next_context(i), suspend<int>([&, yields](Waker<int> w) {
                                           go([&storm, &woken, yields](Waker<int> mine) -> Task<> {
                                             for (int n = 0; n < yields; ++n) co_await yield();
                                             storm.grant([&] { woken += mine.wake(7); });
                                           }, std::move(w));
                                         }));
      storm.note(err);
      if (!err) {
        EXPECT_EQ(value, 7);
        ++got;
      }
    }
  });
  EXPECT_EQ(woken, got);
}

// The bytes of a stream are numbered: those that were read are those that were written, without a hole, whatever was given up.
using Conns = std::array<net::Conn, Storm::waiters / 2>;

void bytes_are_conserved(const Conns& writing, const Conns& reading) {
  Storm storm;
  std::array<std::atomic<std::uint64_t>, Storm::waiters / 2> written{}, read{};
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    const auto pair = static_cast<std::size_t>(i / 2);
    std::vector<unsigned char> bytes(32 * 1024);
    if (i % 2 == 0) {
      while (storm.goes_on()) {
        const auto size = static_cast<std::size_t>(dice.between(1, 32 * 1024));
        for (std::size_t k = 0; k < size; ++k) bytes[k] = static_cast<unsigned char>((written[pair] + k) * 31);
        const Storm::Granting granting(storm);  // to the reader, as each read is to the writer
        auto [n, err] = co_await until(storm.next_context(i), writing[pair].write(std::span(bytes.data(), size)));
        storm.note(err);
        EXPECT_TRUE(err || n == size);
        written[pair] += n;
      }
      writing[pair].close();
      co_return;
    }
    for (;;) {
      const Storm::Granting granting(storm);
      const Context ctx = storm.goes_on() ? storm.next_context(i) : background();
      auto [n, err] = co_await until(ctx, reading[pair].read(std::span(bytes.data(), static_cast<std::size_t>(dice.between(1, 32 * 1024)))));
      if (err == errc::eof) break;
      storm.note(err);
      for (std::size_t k = 0; k < n; ++k) {
        if (bytes[k] != static_cast<unsigned char>((read[pair] + k) * 31)) {
          ADD_FAILURE() << "byte " << read[pair] + k;
          co_return;
        }
      }
      read[pair] += n;
      EXPECT_TRUE(!err || n == 0) << "what came was given, and an error";
    }
  });
  for (std::size_t pair = 0; pair < written.size(); ++pair) EXPECT_EQ(written[pair], read[pair]);
}

TEST(UntilStress, BytesOfAConnectionAreConserved) {
  Conns writing, reading;
  run([&]() -> Task<> {
    for (std::size_t i = 0; i < writing.size(); ++i) {
      test::ConnPair pair = co_await test::conn_pair();
      writing[i] = std::move(pair.a);
      reading[i] = std::move(pair.b);
    }
  });
  bytes_are_conserved(writing, reading);
}

TEST(UntilStress, BytesOfAPipeAreConserved) {
  Conns writing, reading;
  for (std::size_t i = 0; i < writing.size(); ++i) std::tie(writing[i], reading[i]) = net::pipe();
  bytes_are_conserved(writing, reading);
}

TEST(UntilStress, DescriptorsOfAcceptsAndDialsAreConserved) {
  const int before = test::open_fds();
  {
    Storm storm;
    auto ln = net::listen("tcp", "127.0.0.1:0").value();
    const std::string addr = ln.addr().to_string();
    storm.run([&](int i) -> Task<> {
      while (storm.goes_on()) {
        const Context ctx = storm.next_context(i);
        const Storm::Granting granting(storm);  // a dial to the accepts, an accept to the dials
        if (i % 2 == 0) {
          auto [conn, err] = co_await until(ctx, net::dial("tcp", addr));
          storm.note(err);
          if (!err) conn.set_linger(0s);  // its port is free at once
        } else {
          auto [conn, err] = co_await until(ctx, ln.accept());
          storm.note(err);
        }
      }
    });
  }
  EXPECT_EQ(test::open_fds(), before);
}

}  // namespace
}  // namespace gmp::until_stress
