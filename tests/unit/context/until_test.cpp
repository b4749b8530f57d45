// tests/unit/context/until_test.cpp — until and timeout: each operation that parks is given up whole, or done.
// Go: none.  Room: context (floor 5).
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/debug.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "gmp/os.hpp"
#include "gmp/select.hpp"
#include "gmp/sync.hpp"
#include "support/burn.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/waiting.hpp"

namespace gmp::until_test {
namespace {

using namespace std::chrono_literals;
using detail::WaitReason;
using test::Clock;
using test::on_executor;

/// Cancels a context as soon as somebody sleeps for that reason.
void cancel_when(WaitReason reason, CancelFunc cancel) {
  go([reason, cancel = std::move(cancel)]() -> Task<> {
    co_await test::until_waiting(reason, 1);
    cancel();
  });
}
/// A context that ends so.
Context given_up_when(WaitReason reason) {
  auto [ctx, cancel] = with_cancel(background());
  cancel_when(reason, cancel);
  return ctx;
}
/// A context that has ended.
Context over() {
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  return ctx;
}

static_assert(std::is_same_v<decltype(std::declval<detail::OperationResult<decltype(until(Context(), std::declval<Mutex&>().lock()))>>()), std::error_code&&>);

TEST(Until, GivesAnErrorCodeForNothingAndAResultForAValue) {
  on_executor([]() -> Task<> {
    Mutex mu;
    auto ch = make_chan<std::string>(1);
    const std::error_code locked = co_await until(background(), mu.lock());
    EXPECT_FALSE(locked);
    const std::error_code sent = co_await until(background(), ch.send("x"));
    EXPECT_FALSE(sent);
    const Result<std::optional<std::string>> received = co_await until(background(), ch.recv());
    EXPECT_EQ(received.value(), "x");
    const Result<int> chosen = co_await until(background(), select(recv(after(0s))));
    EXPECT_EQ(chosen.value(), 0);
    auto h = spawn([] { return 7; });
    const Result<int> joined = co_await until(background(), h.join());
    EXPECT_EQ(joined.value(), 7);
    OnceValue value([] { return std::string("made"); });
    const Result<std::string> got = co_await until(background(), value.get());
    EXPECT_EQ(got.value(), "made");
    OnceValue unique([] { return std::make_unique<int>(5); });
    auto [reference, err] = co_await until(background(), unique.get());
    EXPECT_EQ(*reference.get(), 5);
    mu.unlock();
    auto [guard, no] = co_await until(background(), mu.scoped_lock());
    EXPECT_TRUE(guard);
  });
}

TEST(Until, AContextThatIsOverBeginsNothing) {
  on_executor([]() -> Task<> {
    Mutex mu;
    EXPECT_EQ(co_await until(over(), mu.lock()), errc::canceled);
    EXPECT_TRUE(mu.try_lock());
    auto ch = make_chan<int>(1);
    EXPECT_EQ(co_await until(over(), ch.send(1)), errc::canceled);
    EXPECT_EQ(ch.size(), 0u);
    EXPECT_TRUE(ch.try_send(1));
    EXPECT_EQ((co_await until(over(), ch.recv())).err, errc::canceled);
    EXPECT_EQ(ch.size(), 1u);
    bool called = false;
    auto callback = [&](Waker<int>) { called = true; };
    EXPECT_EQ((co_await until(over(), suspend<int>(callback))).err, errc::canceled);
    EXPECT_FALSE(called);
    Once once;
    EXPECT_EQ(co_await until(over(), once.call([&] { called = true; })), errc::canceled);
    EXPECT_FALSE(called || once.done());
    EXPECT_EQ(co_await timeout(0s, gmp::sleep(1h)), errc::deadline_exceeded);
    EXPECT_EQ(co_await timeout(-1s, gmp::sleep(1h)), errc::deadline_exceeded);
    Cond cond(mu);
    EXPECT_EQ(co_await until(over(), cond.wait()), errc::canceled);
    EXPECT_FALSE(mu.try_lock());
    mu.unlock();
  });
}

TEST(Until, ALockThatIsGivenUpIsTheNextOnes) {
  on_executor([]() -> Task<> {
    Mutex mu;
    co_await mu.lock();
    EXPECT_EQ(co_await until(given_up_when(WaitReason::mutex_lock), mu.lock()), errc::canceled);
    auto second = spawn([&]() -> Task<> { co_await mu.lock(); });
    co_await test::until_waiting(WaitReason::mutex_lock, 1);
    EXPECT_EQ((co_await until(given_up_when(WaitReason::sleep), gmp::sleep(1h))), errc::canceled);
    mu.unlock();
    co_await second;
    EXPECT_FALSE(mu.try_lock());
    mu.unlock();
  });
}

TEST(Until, AWriterThatGivesUpLetsTheReadersIn) {
  on_executor([]() -> Task<> {
    RWMutex rw;
    co_await rw.rlock();
    auto [ctx, cancel] = with_cancel(background());
    auto writer = spawn([&rw](Context c) -> Task<std::error_code> { co_return co_await until(c, rw.lock()); }, ctx);
    co_await test::until_waiting(WaitReason::rwmutex_lock, 1);
    auto reader = spawn([&rw]() -> Task<> { co_await rw.rlock(); });
    co_await test::until_waiting(WaitReason::rwmutex_rlock, 1);
    cancel();
    EXPECT_EQ(co_await writer, errc::canceled);
    co_await reader;
    EXPECT_EQ(co_await timeout(1ms, rw.lock()), errc::deadline_exceeded);
    rw.runlock();
    rw.runlock();
    EXPECT_TRUE(rw.try_lock());
    EXPECT_EQ(co_await until(given_up_when(WaitReason::rwmutex_rlock), rw.rlock()), errc::canceled);
    rw.unlock();
  });
}

TEST(Until, AnAcquireThatIsGivenUpMakesWay) {
  on_executor([]() -> Task<> {
    Semaphore s(2);
    co_await s.acquire(1);
    auto [ctx, cancel] = with_cancel(background());
    auto large = spawn([&s](Context c) -> Task<std::error_code> { co_return co_await until(c, s.acquire(2)); }, ctx);
    co_await test::until_waiting(WaitReason::semacquire, 1);
    while (s.try_acquire()) {  // seen to wait a moment before it is in the queue
      s.release();
      co_await yield();
    }
    auto small = spawn([&s]() -> Task<> { co_await s.acquire(1); });  // behind it
    co_await test::until_waiting(WaitReason::semacquire, 2);
    cancel();
    EXPECT_EQ(co_await large, errc::canceled);
    co_await small;
    EXPECT_EQ(co_await timeout(1ms, s.acquire(3)), errc::deadline_exceeded);  // more than there is at all
    s.release(2);
  });
}

TEST(Until, AfterAWithdrawnWaitTheMutexIsHeld) {
  on_executor([]() -> Task<> {
    Mutex mu;
    Cond cond(mu);
    co_await mu.lock();
    // Others hold it when the wait is given up: it comes back for it.
    auto [ctx, cancel] = with_cancel(background());
    go([&mu, cancel = cancel]() -> Task<> {
      co_await test::until_waiting(WaitReason::cond_wait, 1);
      co_await mu.lock();
      cancel();
      co_await gmp::sleep(2ms);
      mu.unlock();
    });
    EXPECT_EQ(co_await until(ctx, cond.wait()), errc::canceled);
    EXPECT_FALSE(mu.try_lock());
    cond.signal();  // nobody waits: it is lost, not kept
    EXPECT_EQ(co_await timeout(2ms, cond.wait()), errc::deadline_exceeded);
    mu.unlock();
  });
}

TEST(Until, WaitsOfGroupsAndOnces) {
  on_executor([]() -> Task<> {
    WaitGroup wg;
    wg.add();
    EXPECT_EQ(co_await until(given_up_when(WaitReason::waitgroup_wait), wg.wait()), errc::canceled);
    wg.done();
    EXPECT_FALSE(co_await timeout(1h, wg.wait()));

    Once once;
    auto finish = make_chan<int>();
    auto f = [finish]() -> Task<> { co_await finish.recv(); };
    auto [ctx, cancel] = with_cancel(background());
    auto runner = spawn([&](Context c) -> Task<std::error_code> { co_return co_await until(c, once.call(f)); }, ctx);
    co_await test::until_waiting(WaitReason::chan_receive, 1);
    EXPECT_EQ(co_await until(given_up_when(WaitReason::once), once.call(f)), errc::canceled);
    cancel();  // who runs f goes on
    EXPECT_FALSE(once.done());
    co_await finish.send(1);
    EXPECT_FALSE(co_await runner);
    EXPECT_TRUE(once.done());
  });
}

TEST(Until, AValueThatIsNotSentIsStillTheSenders) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<std::unique_ptr<int>>();
    auto p = std::make_unique<int>(1);
    EXPECT_EQ(co_await until(given_up_when(WaitReason::chan_send), ch.send(std::move(p))), errc::canceled);
    EXPECT_TRUE(p);
    EXPECT_EQ(ch.try_recv(), std::nullopt);
    auto [v, err] = co_await until(given_up_when(WaitReason::chan_receive), ch.recv());
    EXPECT_EQ(err, errc::canceled);
    EXPECT_FALSE(ch.try_send(std::move(p)));
    // On the nil channel, too, and on none at all.
    const Chan<int> nil;
    EXPECT_EQ((co_await timeout(1ms, nil.recv())).err, errc::deadline_exceeded);
    EXPECT_EQ(co_await timeout(1ms, nil.send(1)), errc::deadline_exceeded);
    EXPECT_EQ((co_await timeout(1ms, select())).err, errc::deadline_exceeded);
    EXPECT_EQ((co_await timeout(1ms, select(recv(nil)))).err, errc::deadline_exceeded);
    EXPECT_EQ((co_await timeout(1ms, select(recv(ch), send(ch, p)))).err, errc::deadline_exceeded);
    EXPECT_TRUE(p);
  });
}

TEST(Until, AClosedChannelThrowsAsEver) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>();
    go([ch]() -> Task<> {
      co_await test::until_waiting(WaitReason::chan_send, 1);
      ch.close();
    });
    std::string what;
    try {
      static_cast<void>(co_await timeout(1h, ch.send(1)));
    } catch (const ClosedChannel& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "send on closed channel");
    auto [v, err] = co_await timeout(1h, ch.recv());
    EXPECT_FALSE(err || v);
  });
}

TEST(Until, AJoinThatIsGivenUpCanBeTriedAgain) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>();
    auto h = spawn([ch]() -> Task<int> { co_return *co_await ch.recv(); });
    EXPECT_EQ((co_await until(given_up_when(WaitReason::join), h.join())).err, errc::canceled);
    co_await ch.send(4);
    EXPECT_EQ((co_await timeout(1h, h.join())).value(), 4);
    auto thrower = spawn([]() -> Task<int> {
      co_await yield();
      throw std::runtime_error("from the goroutine");
    });
    std::string what;
    try {
      static_cast<void>(co_await timeout(1h, thrower.join()));
    } catch (const std::runtime_error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "from the goroutine");
  });
}

TEST(Until, AWakerLearnsThatNobodyWaits) {
  on_executor([]() -> Task<> {
    Waker<int> waker;
    auto [v, err] = co_await until(given_up_when(WaitReason::suspend), suspend<int>([&](Waker<int> w) { waker = std::move(w); }));
    EXPECT_EQ(err, errc::canceled);
    EXPECT_FALSE(waker.wake(1));
    // All Wakers gone: it sleeps for ever, but for the context.
    EXPECT_EQ(co_await timeout(1ms, suspend<void>([](Waker<void>) {})), errc::deadline_exceeded);
    std::string what;
    try {
      auto refuses = [](Waker<int>) { throw std::runtime_error("not registered"); };
      static_cast<void>(co_await timeout(1h, suspend<int>(refuses)));
    } catch (const std::runtime_error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "not registered");
  });
}

TEST(Until, NeverEarlyAndNotLate) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>();
    for (const auto length : {1ms, 3ms, 10ms}) {
      const auto begin = Clock::now();
      auto [v, err] = co_await timeout(length, ch.recv());
      EXPECT_EQ(err, errc::deadline_exceeded);
      EXPECT_GE(Clock::now() - begin, length);
      auto [ctx, cancel] = with_timeout(background(), length);
      EXPECT_EQ(co_await until(ctx, gmp::sleep(1h)), errc::deadline_exceeded);
      EXPECT_GE(Clock::now() - begin, 2 * length);
    }
  });
}

TEST(Until, SaysWhyOfAnAncestorsEnd) {
  on_executor([]() -> Task<> {
    auto [root, cancel] = with_timeout(background(), 2ms);
    auto [child, cancel_child] = with_cancel(root);
    Semaphore s(0);
    EXPECT_EQ(co_await until(child, s.acquire()), errc::deadline_exceeded);
    EXPECT_EQ(child.err(), errc::deadline_exceeded);
  });
}

TEST(Until, CancelledFromAThreadAndFromAnotherExecutor) {
  Executor other;
  on_executor([&other]() -> Task<> {
    Semaphore s(0);
    for (int i = 0; i < 50; ++i) {
      auto [ctx, cancel] = with_cancel(background());
      if (i % 2 == 0)
        other.go([cancel = cancel]() -> Task<> {
          co_await yield();
          cancel();
        });
      else
        std::thread([cancel = cancel] { cancel(); }).detach();
      EXPECT_EQ(co_await until(ctx, s.acquire()), errc::canceled);
    }
  });
}

TEST(Until, OneContextForMany) {
  on_executor([]() -> Task<> {
    const int waiters = static_cast<int>(test::scaled(20'000, 500));
    auto [ctx, cancel] = with_cancel(background());
    Mutex mu;
    co_await mu.lock();
    auto ch = make_chan<int>();
    std::atomic<int> given_up{0};
    WaitGroup wg;
    for (int i = 0; i < waiters; ++i) {
      wg.go([&, i](Context c) -> Task<> {
        std::error_code err;
        switch (i % 3) {
          case 0: err = co_await until(c, mu.lock()); break;
          case 1: err = (co_await until(c, ch.recv())).err; break;
          default: err = (co_await until(c, select(recv(ch), recv(c.done())))).err;
        }
        given_up += err == errc::canceled || i % 3 == 2;
      }, ctx);
    }
    co_await test::until_waiting(WaitReason::mutex_lock, (waiters + 2) / 3);
    co_await test::until_waiting(WaitReason::select, waiters / 3);
    cancel();
    co_await wg.wait();
    EXPECT_EQ(given_up, waiters);
    mu.unlock();
  });
}

TEST(Until, AnExecutorStopsWithThemParked) {
  auto [ctx, cancel] = with_cancel(background());
  {
    Executor ex;
    Mutex mu;
    ex.run([&]() -> Task<> {
      co_await mu.lock();
      for (int i = 0; i < 100; ++i) {
        go([&mu](Context c) -> Task<> { static_cast<void>(co_await until(c, mu.lock())); }, ctx);
        go([](Context c) -> Task<> { static_cast<void>(co_await until(c, make_chan<int>().recv())); }, ctx);
        go([]() -> Task<> { static_cast<void>(co_await timeout(1h, gmp::sleep(2h))); });
      }
      co_await test::until_waiting(WaitReason::sleep, 100);
    });
    std::thread canceller([cancel = cancel] { cancel(); });  // beside the stop
    ex.stop();
    canceller.join();
    mu.unlock();
  }
  EXPECT_EQ(ctx.err(), errc::canceled);
}

TEST(Until, ItsDumpShowsWhatItWaitsFor) {
  on_executor([]() -> Task<> {
    auto ch = make_chan<int>();
    auto h = spawn([ch]() -> Task<> { static_cast<void>(co_await timeout(1h, ch.recv())); });
    co_await test::until_waiting(WaitReason::chan_receive, 1);
    EXPECT_NE(debug::goroutines(Executor::current()).find("[chan receive]"), std::string::npos);
    ch.close();
    co_await h;
  });
}

// ---- the net

TEST(UntilNet, EveryOperationOfAConnection) {
  on_executor([]() -> Task<> {
    auto ln = net::listen("tcp", "127.0.0.1:0").value();
    auto accepted = co_await until(given_up_when(WaitReason::io_wait), ln.accept());
    EXPECT_EQ(accepted.err, errc::canceled);
    EXPECT_EQ(accepted.message(), "accept tcp " + ln.addr().to_string() + ": context canceled");
    auto [a, dial_err] = co_await timeout(10s, net::dial("tcp", ln.addr().to_string()));
    EXPECT_FALSE(dial_err);
    auto [b, accept_err] = co_await timeout(10s, ln.accept());
    EXPECT_FALSE(accept_err);

    char buf[16] = {};
    auto read = co_await timeout(2ms, a.read(buf));
    EXPECT_EQ(read.err, errc::deadline_exceeded);
    EXPECT_EQ(read.message(),
              "read tcp " + a.local_addr().to_string() + "->" + a.remote_addr().to_string() + ": context deadline exceeded");
    // It is as it was: another read gets what comes.
    EXPECT_EQ((co_await b.write("hello")).value(), 5u);
    EXPECT_EQ((co_await timeout(10s, a.read(buf))).value(), 5u);

    // Two readers: the one that waits for its turn gives up.
    auto first = spawn([a = a]() -> Task<Result<std::size_t>> {
      char c[1];
      co_return co_await a.read(c);
    });
    co_await test::until_parked(1);
    EXPECT_EQ((co_await timeout(2ms, a.read(buf))).err, errc::deadline_exceeded);
    EXPECT_EQ((co_await b.write("x")).value(), 1u);
    EXPECT_EQ((co_await first).value(), 1u);

    // A write that has gone in part says how much. It is given up when something has come, if not all that fits in between.
    std::vector<char> much(16 << 20);
    auto [ctx, cancel] = with_cancel(background());
    auto some = spawn([b = b, cancel = cancel]() -> Task<std::size_t> {
      char c[1];
      const std::size_t came = (co_await b.read(c)).value();
      cancel();
      co_return came;
    });
    auto [n, err] = co_await until(ctx, a.write(much));
    EXPECT_EQ(err, errc::canceled);
    EXPECT_GT(n, 0u);
    EXPECT_LT(n, much.size());
    a.close_write();
    const std::size_t came = co_await some;
    EXPECT_EQ((co_await io::read_all(b)).value().size(), n - came);

    EXPECT_EQ(co_await timeout(2ms, a.closed()), errc::deadline_exceeded);
    a.close();
    EXPECT_FALSE(co_await timeout(10s, a.closed()));
    EXPECT_EQ((co_await timeout(10s, a.read(buf))).err, errc::closed);
  });
}

TEST(UntilNet, ABufferedReaderLosesNothing) {
  on_executor([]() -> Task<> {
    auto ln = net::listen("tcp", "127.0.0.1:0").value();
    auto a = (co_await net::dial("tcp", ln.addr().to_string())).value();
    auto b = (co_await ln.accept()).value();
    io::BufReader r{a};
    EXPECT_EQ((co_await b.write("half a ")).value(), 7u);
    do {  // given up as often as it takes until the bytes are there
      EXPECT_EQ((co_await timeout(5ms, r.read_line())).err, errc::deadline_exceeded);
    } while (r.buffered() == 0);
    EXPECT_EQ(r.buffered(), 7u);
    EXPECT_EQ((co_await timeout(5ms, r.peek(100))).err, errc::deadline_exceeded);
    EXPECT_EQ((co_await b.write("line\nand more")).value(), 13u);
    EXPECT_EQ((co_await timeout(10s, r.read_line())).value(), "half a line");
  });
}

TEST(UntilNet, ABufferedWriterGoesOnAfterwards) {
  on_executor([]() -> Task<> {
    auto ln = net::listen("tcp", "127.0.0.1:0").value();
    auto a = (co_await net::dial("tcp", ln.addr().to_string())).value();
    auto b = (co_await ln.accept()).value();
    io::BufWriter w{a, 64 * 1024};
    std::string all;
    bool given_up = false;
    for (int i = 0; !given_up; ++i) {
      const std::string piece(50'000, static_cast<char>('a' + i % 26));
      auto [n, err] = co_await timeout(10ms, w.write(piece));
      all.append(piece, 0, n);
      given_up = err == errc::deadline_exceeded;
      EXPECT_TRUE(given_up || n == piece.size());
    }
    const std::error_code flushed = co_await timeout(5ms, w.flush());  // the system may have found room meanwhile
    EXPECT_TRUE(!flushed || flushed == errc::deadline_exceeded) << flushed.message();
    EXPECT_FALSE(w.failure().err);
    auto rest = spawn([b]() -> Task<std::string> { co_return (co_await io::read_all(b)).value(); });
    EXPECT_EQ((co_await w.write("the end")).value(), 7u);
    EXPECT_FALSE(co_await timeout(10s, w.flush()));
    a.close_write();
    EXPECT_EQ(co_await rest, all + "the end");
  });
}

// A destructor in a frame of an executor that is torn down cancels what gs of another one wait for: these are given up as ever.
TEST(Until, CancelledByAnotherExecutorsTeardown) {
  struct Canceller {
    explicit Canceller(CancelFunc c) : cancel(std::move(c)) {}
    ~Canceller() { cancel(); }
    Canceller(const Canceller&) = delete;
    Canceller& operator=(const Canceller&) = delete;
    CancelFunc cancel;
  };
  on_executor([]() -> Task<> {
    auto other = std::make_unique<Executor>(Options{.procs = 1});
    auto [ctx, cancel] = with_cancel(background());
    std::atomic<bool> parked{false};
    other->go([](CancelFunc c, std::atomic<bool>& tell) -> Task<> {
      const Canceller local(std::move(c));
      tell = true;
      co_await make_chan<int>().recv();
    }, cancel, std::ref(parked));

    const test::ConnPair tcp = co_await test::conn_pair();
    auto [near, far] = net::pipe();
    Mutex mu;
    const auto hold = co_await mu.scoped_lock();
    auto ch = make_chan<int>();
    std::vector<JoinHandle<std::error_code>> waiting;
    char a[1], b[1];
    const int event = ::eventfd(0, EFD_CLOEXEC);
    waiting.push_back(spawn([&]() -> Task<std::error_code> { co_return (co_await until(ctx, tcp.a.read(a))).err; }));
    waiting.push_back(spawn([&]() -> Task<std::error_code> { co_return (co_await until(ctx, near.read(b))).err; }));
    waiting.push_back(spawn([&]() -> Task<std::error_code> { co_return (co_await until(ctx, os::wait_readable(event))); }));
    waiting.push_back(spawn([&]() -> Task<std::error_code> { co_return (co_await until(ctx, mu.lock())); }));
    waiting.push_back(spawn([&]() -> Task<std::error_code> { co_return (co_await until(ctx, ch.recv())).err; }));
    co_await test::until_waiting(WaitReason::io_wait, 3);
    co_await test::until_waiting(WaitReason::chan_receive, 1);
    co_await test::until_waiting(WaitReason::mutex_lock, 1);
    while (!parked) co_await yield();
    co_await blocking([&] { other.reset(); });
    for (auto& g : waiting) EXPECT_EQ(co_await g, errc::canceled);
    ::close(event);
  });
}

}  // namespace
}  // namespace gmp::until_test
