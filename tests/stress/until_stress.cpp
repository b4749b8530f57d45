// tests/stress/until_stress.cpp — operations are given up while what they wait for comes: nothing is lost, nothing doubled.
// Go: none.  Room: tests/stress.
//
// For each kind of operation some goroutines wait under until(), each with a context of its own, and grant each other what they wait for; two
// threads cancel the contexts, at random, or, every other time, when a grant begins; so do those who grant.  Under timeout() a timer does.  In the end the books must
// balance: permits, owners, values, bytes, datagrams, descriptors.
//
// What makes a storm of it is that grant and withdrawal are in flight at once.  So a cancel counts as such only if what that operation waits for was
// being granted by somebody else between the cancel's begin and its end, or the other way round: a grant is an unlock, a send, or the moments in
// which bytes went, a connection was made.  A tenth of all that were cancelled must have met one.
#include <gtest/gtest.h>

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/context/group.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "gmp/os.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "stress/storm.hpp"
#include "support/files.hpp"
#include "support/net.hpp"

namespace gmp::until_stress {
namespace {

using namespace std::chrono_literals;
using test::Dice;

using Clock = std::chrono::steady_clock;

/// Who waits, who grants, who cancels.
class Storm {
 public:
  static constexpr int waiters = 6;
  static constexpr int all = waiters;  // of a grant: any of them may be waiting for it

  /// longest: that many pauses an operation, and what grants it, may take. Cancels are spread over these.
  explicit Storm(int longest = 3) : longest_(longest), cancels_wanted_(test::scaled(100'000, 300)) {}

  /// The round goes on until enough has been cancelled, and enough of that at once with a grant: on a busy machine they meet less often. But not for
  /// ever; and where loops are shortened, not for long.
  bool goes_on() const noexcept {
    const std::int64_t cancels = cancels_.load(std::memory_order_relaxed);
    if (cancels >= 300 && Clock::now() > ends_) return false;
    return cancels < cancels_wanted_ || (at_once_.load(std::memory_order_relaxed) * 9 < cancels && cancels < 2 * cancels_wanted_);
  }

  /// A context for the next operation of waiter i, which somebody will cancel.
  Context next_context(int i) {
    auto [ctx, cancel] = with_cancel(background());
    const std::lock_guard guard(slot(i).mutex);
    slot(i).cancel = cancel;
    return ctx;
  }
  /// What became of an operation, which is over: from here on nobody cancels it.
  void note(int i, std::error_code err) {
    EXPECT_TRUE(!err || err == errc::canceled) << err.message();
    ++(err ? withdrawn_ : done_);
    const std::lock_guard guard(slot(i).mutex);
    slot(i).cancel = CancelFunc();
    ++slot(i).operation;
  }

  /// The same for timeout().
  std::chrono::microseconds next_timeout(int i, Dice& dice) {
    const auto length = std::chrono::microseconds(dice.between(1, 30));
    slot(i).due = Clock::now() + length;
    return length;
  }
  void note_timeout(int i, std::error_code err) {
    EXPECT_TRUE(!err || err == errc::deadline_exceeded) << err.message();
    ++(err ? withdrawn_ : done_);
    const auto due = slot(i).due.load();
    if (!err && Clock::now() < due) return;  // it was not given up
    ++cancels_;
    at_once_ += granted_last_.load() >= due - moment;
  }

  /// A grant of something that one of them may wait for, or all.
  template <class F>
  void grant(F f, int to = all) {
    const Granting granting(*this, to);
    f();
  }
  /// While it lives a grant is under way.
  class Granting {
   public:
    explicit Granting(Storm& storm, int to = all) : storm_(storm), to_(static_cast<std::size_t>(to)) {
      storm_.grants_[to_].under_way.fetch_add(1);
      storm_.cancel_beside(to);
    }
    ~Granting() {
      storm_.cancel_beside(static_cast<int>(to_));
      storm_.granted_last_ = Clock::now();
      storm_.grants_[to_].made.fetch_add(1);
      storm_.grants_[to_].under_way.fetch_sub(1);
    }
    Granting(const Granting&) = delete;
    Granting& operator=(const Granting&) = delete;

   private:
    Storm& storm_;
    const std::size_t to_;
  };
  /// An operation of one that is, when it is done, a grant to waiter i: in its last moment, as nobody can tell more exactly. While it lives those
  /// who wait for a grant to cancel beside it do so.
  class Deed {
   public:
    Deed(Storm& storm, int to, bool to_itself = false) : storm_(storm), to_(to) {
      ++storm_.slot(to_).deeds;
      if (!to_itself) storm_.cancel_beside(to_);
    }
    ~Deed() { --storm_.slot(to_).deeds; }
    Deed(const Deed&) = delete;
    Deed& operator=(const Deed&) = delete;
    void done() {
      storm_.cancel_beside(to_);
      storm_.granted(to_, begin_);
    }

   private:
    Storm& storm_;
    const int to_;
    const Clock::time_point begin_ = Clock::now();
  };
  /// A grant that comes by itself, at that time.
  void expect_grant(int i, Clock::time_point when) { slot(i).due = when; }

  /// Runs make_waiter(i) for each i, on gs, with so many threads that cancel; then prints, and checks, how it went.
  template <class F>
  void run(F make_waiter, int cancellers_wanted = 2) {
    Executor ex;
    std::vector<std::thread> cancellers;
    std::atomic<bool> over{false};
    cancelled_by_threads_ = cancellers_wanted > 0;
    for (int n = 0; n < cancellers_wanted; ++n) {
      cancellers.emplace_back([this, n, &over] {
        Dice dice(1000 + static_cast<std::uint64_t>(n));
        while (!over) {
          cancel_one(dice.below(waiters), dice);
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
    std::printf("cancels %lld, by grantors %lld, at once with a grant %lld, withdrawn %lld, done %lld\n", static_cast<long long>(cancels_),
                static_cast<long long>(cancels_beside_), static_cast<long long>(at_once_), static_cast<long long>(withdrawn_), static_cast<long long>(done_));
    if (test::scale() >= 1) {
      EXPECT_GE(at_once_ * 10, cancels_) << "too few met";
    } else {
      EXPECT_GT(at_once_, 0);  // of 300 in two seconds: on a busy machine fewer meet
    }
    EXPECT_GT(withdrawn_, 0);
    EXPECT_GT(done_, 0);
  }

  std::int64_t done() const { return done_; }

 private:
  static constexpr auto moment = 5us;        // a timer's fire
  static constexpr auto long_moment = 15us;  // a system call, and the wake that follows from it

  struct Period {
    Clock::time_point begin, end;
  };
  struct Grants {
    std::atomic<int> under_way{0};
    std::atomic<std::int64_t> made{0};
  };
  struct Slot {
    std::mutex mutex;
    CancelFunc cancel;                       // mutex; of the operation in progress
    Period grant, cancelled;                 // mutex; the last ones
    bool counts = false;                     // mutex; that cancel, which has met no grant so far
    std::atomic<std::int64_t> operation{0};  // written under the mutex; how many are over
    std::atomic<Clock::time_point> due{};
    std::atomic<int> deeds{0};
  };
  Slot& slot(int i) { return slots_[static_cast<std::size_t>(i)]; }

  std::int64_t grants_made(int i) const { return grants_[static_cast<std::size_t>(i)].made + grants_[all].made; }
  bool grant_under_way(int i) const { return grants_[static_cast<std::size_t>(i)].under_way > 0 || grants_[all].under_way > 0; }

  void granted(int i, Clock::time_point begin) {
    const auto end = Clock::now();
    const std::lock_guard guard(slot(i).mutex);
    slot(i).grant = {std::max(begin, end - long_moment), end};
    meet(slot(i));
  }
  void meet(Slot& slot) {
    if (!slot.counts || slot.grant.begin > slot.cancelled.end || slot.cancelled.begin > slot.grant.end) return;
    slot.counts = false;
    ++at_once_;
  }

  void cancel_one(int i, Dice& dice) {
    const std::int64_t operation = slot(i).operation;
    const auto is_over = [&] { return slot(i).operation != operation; };
    if (dice.one_in(2)) {
      for (int n = 1; n < 100 * longest_ && !grant_under_way(i) && slot(i).deeds == 0 && !is_over(); ++n) {
        detail::cpu_pause();
        if (n % 200 == 0) std::this_thread::yield();
      }
    }
    if (dice.one_in(2)) {
      for (int n = dice.below(longest_); n > 0; --n) detail::cpu_pause();
    }
    if (!is_over()) cancel_now(i);
  }

  /// By one who grants, just before or after, up to three of four: threads that cancel meet few grants where they must share the CPUs with those.
  void cancel_beside(int to) {
    const int n = grants_beside_.fetch_add(1, std::memory_order_relaxed);
    if (!cancelled_by_threads_ || n % 17 != 0 || cancels_beside_ * 4 > cancels_ * 3) return;
    cancels_beside_ += cancel_now(to == all ? n / 17 % waiters : to);
  }

  /// False: there was nothing to be cancelled.
  bool cancel_now(int i) {
    CancelFunc cancel;
    {
      const std::unique_lock lock(slot(i).mutex, std::try_to_lock);  // its g has it more often than not: no use in sleeping for it
      if (!lock) return false;
      cancel = std::exchange(slot(i).cancel, CancelFunc());
      if (!cancel) return false;
    }
    const auto begin = Clock::now();
    const std::int64_t made = grants_made(i);
    const bool before = grant_under_way(i);
    cancel();
    const bool after = grant_under_way(i) || grants_made(i) != made;
    const auto end = Clock::now();
    const auto due = slot(i).due.load();
    const bool timely = due != Clock::time_point() && due <= end + moment;  // the operation is not over: on a busy machine its timer fires late
    const bool met = before || after || timely;
    ++cancels_;
    at_once_ += met;
    const std::lock_guard guard(slot(i).mutex);
    slot(i).cancelled = {begin, end};
    slot(i).counts = !met;
    meet(slot(i));
    return true;
  }

  const int longest_;
  const std::int64_t cancels_wanted_;
  const Clock::time_point ends_ = test::scale() < 1 ? Clock::now() + 1s : Clock::time_point::max();
  std::array<Slot, waiters> slots_;
  std::array<Grants, waiters + 1> grants_;  // the last one: to all
  std::atomic<Clock::time_point> granted_last_{};
  bool cancelled_by_threads_ = true;  // set before the gs run
  std::atomic<int> grants_beside_{0};
  std::atomic<std::int64_t> cancels_{0}, cancels_beside_{0}, at_once_{0}, withdrawn_{0}, done_{0};
};

TEST(UntilStress, AMutexHasOneOwnerAndIsFreeInTheEnd) {
  Storm storm;
  Mutex mutex;
  int inside = 0;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      const auto err = co_await until(storm.next_context(i), mutex.lock());
      storm.note(i, err);
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
        storm.note(i, err);
        EXPECT_EQ(static_cast<bool>(guard), !err);
        if (err) continue;
        EXPECT_EQ(++writers, 1);
        EXPECT_EQ(readers, 0);
        if (dice.one_in(3)) co_await yield();
        --writers;
        storm.grant([&guard = guard] { guard.unlock(); });
      } else {
        auto [guard, err] = co_await until(storm.next_context(i), rw.scoped_rlock());
        storm.note(i, err);
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

TEST(UntilStress, AnRWMutexLockedWithoutGuardsHasOneWriterOrReaders) {
  Storm storm;
  RWMutex rw;
  std::atomic<int> readers{0}, writers{0};
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      const bool writes = dice.one_in(2);
      std::error_code err;
      if (writes)
        err = co_await until(storm.next_context(i), rw.lock());
      else
        err = co_await until(storm.next_context(i), rw.rlock());
      storm.note(i, err);
      if (err) continue;
      EXPECT_EQ(writers.load(), 0);
      ++(writes ? writers : readers);
      EXPECT_EQ(writes ? readers : writers, 0);
      if (dice.one_in(3)) co_await yield();
      --(writes ? writers : readers);
      storm.grant([&] { writes ? rw.unlock() : rw.runlock(); });
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
      storm.note(i, err);
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

TEST(UntilStress, ASemaphoreWhoseAcquiresTimeOutHasAllItsUnitsInTheEnd) {
  Storm storm;
  constexpr int units = 3;
  Semaphore semaphore(units);
  Mutex mutex;
  std::atomic<int> taken{0}, inside{0};
  const auto waiter = [&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      const int n = dice.between(1, units);
      const auto late = co_await timeout(storm.next_timeout(i, dice), semaphore.acquire(n));
      storm.note_timeout(i, late);
      if (!late) {
        EXPECT_LE(taken += n, units);
        for (int yields = dice.below(4); yields > 0; --yields) co_await yield();
        taken -= n;
        storm.grant([&] { semaphore.release(n); });
      }
      const auto locked_late = co_await timeout(storm.next_timeout(i, dice), mutex.lock());
      storm.note_timeout(i, locked_late);
      if (locked_late) continue;
      EXPECT_EQ(++inside, 1);
      for (int yields = dice.below(4); yields > 0; --yields) co_await yield();
      --inside;
      storm.grant([&] { mutex.unlock(); });
    }
  };
  storm.run(waiter, 0);
  EXPECT_TRUE(semaphore.try_acquire(units));
  semaphore.release(units);
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
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
        storm.note(i, err);
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
      go([&storm, &wg, &done, i, yields = dice.below(3)]() -> Task<> {
        for (int n = 0; n < yields; ++n) co_await yield();
        done = true;
        storm.grant([&] { wg.done(); }, i);
      });
      const auto err = co_await until(storm.next_context(i), wg.wait());
      storm.note(i, err);
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
      auto f = [&calls, &storm, i, yields]() -> Task<> {
        for (int n = 0; n < yields; ++n) co_await yield();
        const Storm::Granting granting(storm, i);  // until the frame goes, just before the others are told
        ++calls;
      };
      auto first = spawn([&once, &f]() -> Task<> { co_await once.call(f); });
      co_await yield();
      storm.note(i, co_await until(storm.next_context(i), once.call(f)));
      co_await first;
      EXPECT_EQ(calls, 1);
    }
  });
}

TEST(UntilStress, AOnceValueIsMadeOnceAndGivenToWhoMay) {
  Storm storm;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      std::atomic<int> calls{0};
      const int yields = dice.below(3);
      OnceValue value([&calls, &storm, i, yields]() -> Task<std::shared_ptr<int>> {
        for (int n = 0; n < yields; ++n) co_await yield();
        const Storm::Granting granting(storm, i);
        ++calls;
        co_return std::make_shared<int>(yields);
      });
      auto first = spawn([&value]() -> Task<std::shared_ptr<int>> { co_return co_await value.get(); });
      co_await yield();
      auto [given, err] = co_await until(storm.next_context(i), value.get());
      storm.note(i, err);
      const std::shared_ptr<int> made = co_await first;
      EXPECT_TRUE(made != nullptr && *made == yields);
      EXPECT_EQ(given, err ? nullptr : made);
      EXPECT_EQ(calls, 1);
    }
  });
}

TEST(UntilStress, AGroupIsWaitedForOnceMore) {
  Storm storm;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      Group group;
      if (dice.one_in(2)) group.set_limit(1);
      const int parts = dice.between(1, 3);
      std::atomic<int> ended{0};
      for (int part = 0; part < parts; ++part) {
        group.go([&storm, &ended, i, yields = dice.below(3)]() -> Task<> {
          for (int n = 0; n < yields; ++n) co_await yield();
          const Storm::Granting granting(storm, i);  // until the frame goes, just before its place does
          ++ended;
        });
      }
      const auto err = co_await until(storm.next_context(i), group.wait());
      storm.note(i, err);
      if (err) {
        EXPECT_FALSE(group.context().err()) << "a wait that was given up has ended the group";
        co_await group.wait();
      }
      EXPECT_EQ(ended, parts);
      EXPECT_EQ(group.context().err(), errc::canceled);
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
        storm.note(i, err);
        EXPECT_EQ(parcel.weight != nullptr, static_cast<bool>(err)) << "a value that did not go is the sender's still";
        if (!err) books.note_sent(n);
      } else {
        auto [p, err] = co_await until(ctx, ch.recv());
        storm.note(i, err);
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
        storm.note(i, err);
        EXPECT_EQ(first.weight == nullptr, !err && chosen == 0);
        EXPECT_EQ(second.weight == nullptr, !err && chosen == 1);
        if (!err) books.note_sent(chosen == 0 ? a : b);
      } else {
        std::optional<Parcel> p;
        auto [chosen, err] = co_await until(ctx, select(recv(ch[0], p), recv(ch[1], p)));
        storm.note(i, err);
        EXPECT_EQ(p.has_value(), !err);
        if (p) books.note_received(*p);
      }
    }
  });
  while (auto p = ch[1].try_recv()) books.note_received(*p);
  books.drain(ch[0]);
}

TEST(UntilStress, ValuesAreConservedWhenSendsAndReceivesTimeOut) {
  Storm storm;
  const std::array<Chan<Parcel>, 2> ch{make_chan<Parcel>(), make_chan<Parcel>(2)};
  Books books;
  std::atomic<std::int64_t> numbers{0};
  const auto waiter = [&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (i < 2 && storm.goes_on()) {  // these two do not wait, or nobody would be late
      storm.grant([&] {
        Parcel parcel(0);
        if (dice.one_in(2)) {
          if (ch[static_cast<std::size_t>(i)].try_send(std::move(parcel))) books.note_sent(0);
        } else {
          books.note_received_if(ch[static_cast<std::size_t>(i)].try_recv());
        }
      });
      co_await yield();
    }
    while (storm.goes_on()) {
      const Chan<Parcel>& mine = ch[static_cast<std::size_t>(dice.below(2))];
      if (dice.one_in(2)) {
        const std::int64_t n = ++numbers;
        Parcel parcel(n);
        const auto late = co_await timeout(storm.next_timeout(i, dice), mine.send(std::move(parcel)));
        storm.note_timeout(i, late);
        EXPECT_EQ(parcel.weight != nullptr, static_cast<bool>(late)) << "a value that did not go is the sender's still";
        if (!late) books.note_sent(n);
      } else {
        auto [p, late] = co_await timeout(storm.next_timeout(i, dice), mine.recv());
        storm.note_timeout(i, late);
        if (!late) books.note_received(*p);
      }
    }
  };
  storm.run(waiter, 0);
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
      storm.note(i, err);
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
      JoinHandle<std::unique_ptr<int>> h = spawn([&storm, i, yields]() -> Task<std::unique_ptr<int>> {
        for (int n = 0; n < yields; ++n) co_await yield();
        const Storm::Granting granting(storm, i);  // until the frame goes, just before the joiner is told
        co_return std::make_unique<int>(yields);
      });
      auto [value, err] = co_await until(storm.next_context(i), h.join());
      storm.note(i, err);
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
      auto [value, err] = co_await until(storm.next_context(i), suspend<int>([&, i, yields](Waker<int> w) {
                                           go([&storm, &woken, i, yields](Waker<int> mine) -> Task<> {
                                             for (int n = 0; n < yields; ++n) co_await yield();
                                             storm.grant([&] { woken += mine.wake(7); }, i);
                                           }, std::move(w));
                                         }));
      storm.note(i, err);
      if (!err) {
        EXPECT_EQ(value, 7);
        ++got;
      }
    }
  });
  EXPECT_EQ(woken, got);
}

// The bytes of a stream are numbered: those that were read are those that were written, without a hole, whatever was given up.
// For the most part one writes when the other one has read all and waits; now and then so much that it must wait itself.
constexpr std::size_t pairs = Storm::waiters / 2;
constexpr int longest_on_the_way = 600;  // an operation by way of the kernel takes some ten us
unsigned char byte_at(std::uint64_t place) { return static_cast<unsigned char>(place * 31); }

struct Stream {
  std::array<std::atomic<std::uint64_t>, pairs> written{}, read{};

  /// The next to be written, if the reader has come so far.
  std::span<const unsigned char> next(std::size_t pair, Dice& dice, std::vector<unsigned char>& room) const {
    if (written[pair] != read[pair]) return {};
    const std::span bytes(room.data(), static_cast<std::size_t>(dice.one_in(50) ? dice.between(1, static_cast<int>(room.size())) : dice.between(1, 500)));
    for (std::size_t k = 0; k < bytes.size(); ++k) bytes[k] = byte_at(written[pair] + k);
    return bytes;
  }
  bool arrived(std::size_t pair, std::span<const unsigned char> bytes) {
    for (std::size_t k = 0; k < bytes.size(); ++k) {
      if (bytes[k] == byte_at(read[pair] + k)) continue;
      ADD_FAILURE() << "byte " << read[pair] + k;
      return false;
    }
    read[pair] += bytes.size();
    return true;
  }
  void check() const {
    for (std::size_t pair = 0; pair < pairs; ++pair) EXPECT_EQ(written[pair], read[pair]);
  }
};

template <class End>
void bytes_are_conserved(const std::array<End, pairs>& writing, const std::array<End, pairs>& reading) {
  Storm storm(longest_on_the_way);
  Stream stream;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    const auto pair = static_cast<std::size_t>(i / 2);
    std::vector<unsigned char> bytes(i % 2 == 0 ? 4 << 20 : 256 * 1024);
    if (i % 2 == 0) {
      while (storm.goes_on()) {
        const auto some = stream.next(pair, dice, bytes);
        if (some.empty()) {
          co_await yield();
          continue;
        }
        Storm::Deed write(storm, i + 1);
        auto [n, err] = co_await until(storm.next_context(i), writing[pair].write(some));
        storm.note(i, err);
        EXPECT_TRUE(err || n == some.size());
        if (n > 0) write.done();
        stream.written[pair] += n;
      }
      static_cast<void>(writing[pair].close());
      co_return;
    }
    for (;;) {
      const Context ctx = storm.goes_on() ? storm.next_context(i) : background();
      Storm::Deed read(storm, i - 1);
      auto [n, err] = co_await until(ctx, reading[pair].read(std::span(bytes.data(), static_cast<std::size_t>(dice.between(1, 256 * 1024)))));
      if (err == errc::eof) break;
      storm.note(i, err);
      if (!stream.arrived(pair, std::span(bytes.data(), n))) co_return;
      if (n > 0) read.done();
      EXPECT_TRUE(!err || n == 0) << "what came was given, and an error";
    }
  });
  stream.check();
}

using Conns = std::array<net::Conn, pairs>;
void connect(Conns& writing, Conns& reading) {
  run([&]() -> Task<> {
    for (std::size_t i = 0; i < pairs; ++i) {
      test::ConnPair pair = co_await test::conn_pair();
      writing[i] = std::move(pair.a);
      reading[i] = std::move(pair.b);
    }
  });
}

TEST(UntilStress, BytesOfANetConnectionAreConserved) {
  Conns writing, reading;
  connect(writing, reading);
  bytes_are_conserved(writing, reading);
}

TEST(UntilStress, BytesOfANetPipeAreConserved) {
  Conns writing, reading;
  for (std::size_t i = 0; i < pairs; ++i) std::tie(writing[i], reading[i]) = net::pipe();
  bytes_are_conserved(writing, reading);
}

TEST(UntilStress, BytesOfAnOsPipeOnThePollerAreConserved) {
  std::array<os::File, pairs> writing, reading;
  for (std::size_t i = 0; i < pairs; ++i) {
    auto [reader, writer, err] = os::pipe();
    ASSERT_FALSE(err);
    writing[i] = writer;
    reading[i] = reader;
  }
  bytes_are_conserved(writing, reading);
}

// Through buffers on both ends of a connection: what is in them when an operation is given up is neither lost nor doubled.
TEST(UntilStress, BytesInNetBuffersAreConserved) {
  Conns writing, reading;
  connect(writing, reading);
  Storm storm(longest_on_the_way);
  Stream stream;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    const auto pair = static_cast<std::size_t>(i / 2);
    std::vector<unsigned char> bytes(i % 2 == 0 ? 64 * 1024 : 8 * 1024);
    if (i % 2 == 0) {
      io::BufWriter w{writing[pair], 4096};
      while (storm.goes_on()) {
        const auto some = stream.next(pair, dice, bytes);
        Storm::Deed write(storm, i + 1);
        if (some.empty()) {
          storm.note(i, co_await until(storm.next_context(i), w.flush()));
          co_await yield();
        } else {
          auto [n, err] = co_await until(storm.next_context(i), w.write(some));
          storm.note(i, err);
          EXPECT_TRUE(err || n == some.size());
          stream.written[pair] += n;
        }
        write.done();
      }
      EXPECT_FALSE(co_await w.flush());
      static_cast<void>(writing[pair].close());
      co_return;
    }
    io::BufReader r{reading[pair], 1024};
    for (;;) {
      const Context ctx = storm.goes_on() ? storm.next_context(i) : background();
      const auto size = static_cast<std::size_t>(dice.between(1, 8 * 1024));
      Storm::Deed read(storm, i - 1);
      if (dice.one_in(3)) {  // looked at first
        auto [seen, err] = co_await until(ctx, r.peek(size % 512 + 1));
        if (err != errc::eof) storm.note(i, err);
        EXPECT_TRUE(seen.empty() || static_cast<unsigned char>(seen[0]) == byte_at(stream.read[pair]));
        continue;
      }
      auto [n, err] = co_await until(ctx, r.read(std::span(bytes.data(), size)));
      if (err == errc::eof) break;
      storm.note(i, err);
      if (!stream.arrived(pair, std::span(bytes.data(), n))) co_return;
      if (n > 0) read.done();
      EXPECT_TRUE(!err || n == 0);
    }
  });
  stream.check();
}

// Datagrams are numbered; few are on their way at a time, so the system drops none.
TEST(UntilStress, NetPacketsAreSentAndReceivedWholeOrNotAtAll) {
  constexpr std::uint64_t the_end = ~std::uint64_t{0};
  std::array<net::PacketConn, pairs> writing, reading;
  for (std::size_t i = 0; i < pairs; ++i) {
    writing[i] = net::listen_packet("udp", "127.0.0.1:0").value();
    reading[i] = net::listen_packet("udp", "127.0.0.1:0").value();
  }
  Storm storm(longest_on_the_way);
  std::array<std::atomic<std::uint64_t>, pairs> sent{}, received{};
  storm.run([&](int i) -> Task<> {
    const auto pair = static_cast<std::size_t>(i / 2);
    std::array<std::uint64_t, 8> datagram{};
    const std::span bytes(reinterpret_cast<unsigned char*>(datagram.data()), sizeof datagram);
    const net::Addr to = reading[pair].local_addr();
    while (i % 2 == 0 && storm.goes_on()) {
      if (sent[pair] - received[pair] >= 2) {
        co_await yield();
        continue;
      }
      datagram.fill(sent[pair]);
      Storm::Deed write(storm, i + 1);
      auto [n, err] = co_await until(storm.next_context(i), writing[pair].write_to(bytes, to));
      storm.note(i, err);
      EXPECT_EQ(n, err ? 0 : bytes.size());
      sent[pair] += !err;
      if (!err) write.done();
    }
    if (i % 2 == 0) {
      datagram.fill(the_end);
      static_cast<void>(co_await writing[pair].write_to(bytes, to));
      co_return;
    }
    for (;;) {
      const Context ctx = storm.goes_on() ? storm.next_context(i) : background();
      auto [r, err] = co_await until(ctx, reading[pair].read_from(bytes));
      if (!err && datagram[0] == the_end) break;
      storm.note(i, err);
      if (err) continue;
      EXPECT_EQ(r.n, bytes.size());
      EXPECT_EQ(datagram[0], received[pair]);
      EXPECT_EQ(datagram[7], received[pair]);
      ++received[pair];
    }
  });
  for (std::size_t pair = 0; pair < pairs; ++pair) EXPECT_EQ(sent[pair], received[pair]);
}

// Two append to each file, which is theirs in turn: each record is there, whole, once, or was given up whole.
TEST(UntilStress, RecordsOfAFileOnThePollerAreConserved) {
  struct Record {
    std::uint64_t writer, number, again;
  };
  const test::TempDir dir;
  Storm storm(longest_on_the_way);
  std::array<os::File, pairs> files;
  std::array<std::uint64_t, Storm::waiters> written{};
  run([&]() -> Task<> {
    for (std::size_t i = 0; i < pairs; ++i) files[i] = (co_await os::open(dir.path(std::to_string(i)), O_RDWR | O_CREAT)).value();
  });
  storm.run([&](int i) -> Task<> {
    const auto me = static_cast<std::size_t>(i);
    while (storm.goes_on()) {
      const Record record{me, written[me], written[me]};
      Storm::Deed to_the_other(storm, i ^ 1), to_itself(storm, i, true);
      auto [n, err] = co_await until(storm.next_context(i), files[me / 2].write(std::span(reinterpret_cast<const unsigned char*>(&record), sizeof record)));
      storm.note(i, err);
      EXPECT_EQ(n, err ? 0 : sizeof record);
      if (n == 0) continue;
      ++written[me];
      to_the_other.done();  // whose turn it is
      to_itself.done();     // by the kernel, which does not stop in the middle
    }
  });
  for (std::size_t file = 0; file < pairs; ++file) {
    std::ifstream in(dir.path(std::to_string(file)), std::ios::binary);
    std::array<std::uint64_t, Storm::waiters> seen{};
    for (Record r; in.read(reinterpret_cast<char*>(&r), sizeof r);) {
      ASSERT_EQ(r.writer / 2, file);
      ASSERT_EQ(r.number, seen[r.writer]);
      ASSERT_EQ(r.again, r.number);
      ++seen[r.writer];
    }
    EXPECT_EQ(in.gcount(), 0) << "half a record";
    for (const std::size_t writer : {2 * file, 2 * file + 1}) EXPECT_EQ(seen[writer], written[writer]);
  }
}

TEST(UntilStress, ClosedOfAConnectionIsWaitedForOnceMore) {
  Storm storm;
  storm.run([&](int i) -> Task<> {
    Dice dice(static_cast<std::uint64_t>(i));
    while (storm.goes_on()) {
      auto [mine, other] = net::pipe();
      JoinHandle<std::error_code> reader = spawn([mine = mine]() -> Task<std::error_code> {
        std::array<unsigned char, 1> byte;
        auto [n, err] = co_await mine.read(byte);
        co_return err;
      });
      auto closer = spawn([&storm, i, mine = mine, yields = dice.below(3)]() -> Task<> {
        for (int n = 0; n < yields; ++n) co_await yield();
        storm.grant([&] { EXPECT_FALSE(mine.close()); }, i);
      });
      const auto err = co_await until(storm.next_context(i), mine.closed());
      storm.note(i, err);
      co_await closer;
      if (err) co_await mine.closed();
      EXPECT_EQ(mine.native_handle(), -1);
      EXPECT_EQ(co_await reader, errc::closed);
    }
  });
}

TEST(UntilStress, DescriptorsOfNetAcceptsAndDialsAreConserved) {
  const int before = test::open_fds();
  {
    Storm storm(longest_on_the_way);
    auto ln = net::listen("tcp", "127.0.0.1:0").value();
    const std::string addr = ln.addr().to_string();
    storm.run([&](int i) -> Task<> {
      while (storm.goes_on()) {
        const Context ctx = storm.next_context(i);
        if (i % 2 == 0) {
          std::array to_accepts{Storm::Deed(storm, 1), Storm::Deed(storm, 3), Storm::Deed(storm, 5)};
          Storm::Deed to_itself(storm, i, true);
          auto [conn, err] = co_await until(ctx, net::dial("tcp", addr));
          storm.note(i, err);
          if (err) continue;
          for (Storm::Deed& deed : to_accepts) deed.done();  // one of them
          to_itself.done();     // by the kernel, whose backlog takes it
          conn.set_linger(0s);  // its port is free at once
        } else {
          auto [conn, err] = co_await until(ctx, ln.accept());
          storm.note(i, err);
        }
      }
    });
  }
  EXPECT_EQ(test::open_fds(), before);
}

}  // namespace
}  // namespace gmp::until_stress
