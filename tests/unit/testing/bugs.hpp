// tests/unit/testing/bugs.hpp — small concurrent programs, each with a bug that few schedules show, and without it.
// Go: none.  Room: tests/unit/testing.
//
// Each is a template: <true> has the bug.  All of them end, leave no g, and throw nothing, unless the bug shows.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <vector>

#include "gmp/gmp.hpp"

namespace gmp::test::bugs {

using namespace std::chrono_literals;

inline void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

/// Read and write with a suspension between.
template <bool buggy>
Task<> lost_update() {
  int n = 0;
  Mutex mutex;
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([&]() -> Task<> {
      if (!buggy) co_await mutex.lock();
      const int seen = n;
      co_await yield();
      n = seen + 1;
      if (!buggy) mutex.unlock();
    });
  }
  co_await wg.wait();
  require(n == 3, "an update was lost");
}

/// The same round a sleep that others use for more.
template <bool buggy>
Task<> counter_round_a_sleep() {
  int n = 0;
  WaitGroup wg;
  for (int i = 1; i <= 3; ++i) {
    wg.go([&n, i]() -> Task<> {
      co_await sleep(i * 1ms);
      const int before = n;
      if (buggy) co_await sleep(1ms);
      n = (buggy ? before : n) + 1;
    });
  }
  co_await wg.wait();
  require(n == 3, "a sleeper overwrote another's count");
}

/// The condition is looked at without the lock: the signal comes between look and wait.
template <bool buggy>
Task<> missed_signal() {
  bool set = false;
  Mutex mutex;
  Cond cond(mutex);
  WaitGroup wg;
  wg.go([&]() -> Task<> {
    if (buggy) {
      if (set) co_return;
      co_await mutex.lock();
      co_await cond.wait();
    } else {
      co_await mutex.lock();
      while (!set) co_await cond.wait();
    }
    mutex.unlock();
  });
  wg.go([&]() -> Task<> {
    co_await mutex.lock();
    set = true;
    cond.signal();
    mutex.unlock();
  });
  co_await wg.wait();
}

/// Two find it open and close it.
template <bool buggy>
Task<> double_close() {
  auto ch = make_chan<int>();
  bool closed = false;
  Mutex mutex;
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&]() -> Task<> {
      if (!buggy) co_await mutex.lock();
      if (!closed) {
        co_await yield();  // whatever else is to be put in order
        closed = true;
        ch.close();
      }
      if (!buggy) mutex.unlock();
    });
  }
  co_await wg.wait();
}

/// Two locks in two orders.
template <bool buggy>
Task<> ab_ba() {
  Mutex a, b;
  WaitGroup wg;
  wg.go([&]() -> Task<> {
    co_await a.lock();
    co_await b.lock();
    b.unlock();
    a.unlock();
  });
  wg.go([&]() -> Task<> {
    Mutex& first = buggy ? b : a;
    Mutex& second = buggy ? a : b;
    co_await first.lock();
    co_await second.lock();
    second.unlock();
    first.unlock();
  });
  co_await wg.wait();
}

/// `otherwise` is taken for "there will be nothing".
template <bool buggy>
Task<> select_with_the_wrong_default() {
  auto ch = make_chan<int>(1);
  WaitGroup wg;
  wg.go([&]() -> Task<> { co_await ch.send(7); });
  co_await yield();
  std::optional<int> v;
  if (buggy)
    static_cast<void>(co_await select(recv(ch, v), otherwise));
  else
    static_cast<void>(co_await select(recv(ch, v)));
  co_await wg.wait();
  require(v.has_value(), "a value was overlooked");
}

/// On one way out the workers are not told.
template <bool buggy>
Task<> forgotten_cancel() {
  auto [ctx, cancel] = with_cancel(background());
  auto results = make_chan<int>(2);
  for (int i = 0; i < 2; ++i) {
    go([](Context context, Chan<int> out, int mine) -> Task<> {
      co_await yield();
      co_await out.send(mine);
      co_await context.done().recv();
    }, ctx, results, i);
  }
  const std::optional<int> first = co_await results.recv();
  if (*first == 0 || !buggy) cancel();
}

/// add() by the g that is to be waited for.
template <bool buggy>
Task<> wait_group_add_after_wait() {
  int finished = 0;
  WaitGroup wg;
  auto all = make_chan<int>(2);
  for (int i = 0; i < 2; ++i) {
    if (!buggy) wg.add();
    go([&]() -> Task<> {
      if (buggy) wg.add();
      co_await yield();
      ++finished;
      wg.done();
      co_await all.send(1);
    });
  }
  co_await yield();
  co_await wg.wait();
  const int seen = finished;
  for (int i = 0; i < 2; ++i) co_await all.recv();
  require(seen == 2, "wait() came before add()");
}

/// What initializes asks for what it initializes, if the settings say so by then.
template <bool buggy>
Task<> once_reentry() {
  Once once;
  bool logging = false;
  int value = 0;
  WaitGroup wg;
  wg.go([&]() -> Task<> {
    co_await yield();
    logging = true;
  });
  wg.go([&]() -> Task<> {
    co_await once.call([&]() -> Task<> {
      co_await yield();
      if (logging && buggy) co_await once.call([] {});
      value = 1;
    });
  });
  co_await wg.wait();
  require(value == 1, "not initialized");
}

/// An early return keeps its permit.
template <bool buggy>
Task<> leaked_permit() {
  Semaphore permits(1);
  bool stopping = false;
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([&]() -> Task<> {
      co_await permits.acquire();
      if (stopping) {
        if (!buggy) permits.release();
        co_return;
      }
      co_await yield();
      permits.release();
    });
  }
  wg.go([&]() -> Task<> {
    co_await yield();
    co_await yield();
    stopping = true;
  });
  co_await wg.wait();
}

/// An exception goes past the unlock.
template <bool buggy>
Task<> unlock_skipped_by_an_exception() {
  Mutex mutex;
  bool broken = false;
  WaitGroup wg;
  for (int i = 0; i < 3; ++i) {
    wg.go([&]() -> Task<> {
      bool locked = false;
      try {
        co_await mutex.lock();
        locked = true;
        co_await yield();
        if (broken) throw std::runtime_error("the line is down");
        mutex.unlock();
        locked = false;
      } catch (const std::runtime_error&) {
      }
      if (!buggy && locked) mutex.unlock();
    });
  }
  wg.go([&]() -> Task<> {
    for (int i = 0; i < 3; ++i) co_await yield();
    broken = true;
  });
  co_await wg.wait();
}

/// The first of two senders that is through closes the channel.
template <bool buggy>
Task<> send_after_close() {
  auto ch = make_chan<int>(4);
  int running = 2;
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&]() -> Task<> {
      co_await ch.send(1);
      co_await ch.send(2);
      if (--running == (buggy ? 1 : 0)) ch.close();
    });
  }
  co_await wg.wait();
  if (!ch.drained()) static_cast<void>(ch.try_recv());
}

/// The flag is set before what it stands for.
template <bool buggy>
Task<> double_checked_init() {
  bool ready = false;
  int value = 0;
  Mutex mutex;
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&]() -> Task<> {
      if (!ready) {
        co_await mutex.lock();
        if (!ready) {
          if (buggy) ready = true;
          co_await yield();
          value = 42;
          ready = true;
        }
        mutex.unlock();
      }
      require(value == 42, "used before it was there");
    });
  }
  co_await wg.wait();
}

/// Woken is not the same as "it holds".
template <bool buggy>
Task<> cond_without_a_loop() {
  std::vector<int> queue;
  Mutex mutex;
  Cond cond(mutex);
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&]() -> Task<> {
      co_await mutex.lock();
      if (buggy) {
        if (queue.empty()) co_await cond.wait();
      } else {
        while (queue.empty()) co_await cond.wait();
      }
      require(!queue.empty(), "took from an empty queue");
      queue.pop_back();
      mutex.unlock();
    });
  }
  wg.go([&]() -> Task<> {
    for (int i = 0; i < 2; ++i) {
      co_await mutex.lock();
      queue.push_back(i);
      cond.broadcast();
      mutex.unlock();
    }
  });
  co_await wg.wait();
}

/// Two sorts wait on one Cond: the signal goes to the wrong one.
template <bool buggy>
Task<> signal_instead_of_broadcast() {
  int turn = 0;
  Mutex mutex;
  Cond cond(mutex);
  WaitGroup wg;
  for (const int mine : {1, 2}) {
    wg.go([&, mine]() -> Task<> {
      co_await mutex.lock();
      while (turn != mine) co_await cond.wait();
      turn = 2;
      if (buggy)
        cond.signal();
      else
        cond.broadcast();
      mutex.unlock();
    });
  }
  wg.go([&]() -> Task<> {
    co_await mutex.lock();
    turn = 1;
    if (buggy)
      cond.signal();
    else
      cond.broadcast();
    mutex.unlock();
  });
  co_await wg.wait();
}

/// Who timed out receives no more, and the answer has no room.
template <bool buggy>
Task<> leaked_sender() {
  auto answer = make_chan<int>(buggy ? 0 : 1);
  go([](Chan<int> out) -> Task<> {
    co_await sleep(10ms);
    co_await out.send(1);
  }, answer);
  static_cast<void>(co_await select(recv(answer), recv(after(10ms))));
  co_await sleep(1ms);
}

/// A lock is held over a hand-over, and the other side wants it first.
template <bool buggy>
Task<> lock_and_channel() {
  Mutex mutex;
  auto ch = make_chan<int>();
  WaitGroup wg;
  wg.go([&]() -> Task<> {
    co_await mutex.lock();
    if (!buggy) mutex.unlock();
    co_await ch.send(1);
    if (buggy) mutex.unlock();
  });
  wg.go([&]() -> Task<> {
    co_await mutex.lock();
    mutex.unlock();
    co_await ch.recv();
  });
  co_await wg.wait();
}

/// "stop() was too late, so take the value out": somebody else may have.
template <bool buggy>
Task<> timer_stop_race() {
  Timer timer(10ms);
  auto quit = make_chan<int>();
  WaitGroup wg;
  wg.go([&]() -> Task<> { static_cast<void>(co_await select(recv(timer.chan()), recv(quit))); });
  co_await sleep(10ms);
  if (!timer.stop() && buggy) co_await timer.chan().recv();
  quit.close();
  co_await wg.wait();
}

/// Work that ends with its deadline is reported as given up, and has been done.
template <bool buggy>
Task<> deadline_race() {
  auto [ctx, cancel] = with_timeout(background(), 10ms);
  bool done = false, given_up = false;
  auto finished = make_chan<int>(1);
  WaitGroup wg;
  wg.go([&]() -> Task<> {
    co_await sleep(10ms);
    if (buggy || !given_up) done = true;
    co_await finished.send(1);
  });
  const auto [answer, err] = co_await until(ctx, finished.recv());
  if (err) given_up = buggy || !done;
  co_await wg.wait();
  cancel();
  require(!(done && given_up), "given up, and done all the same");
}

/// Two readers want to write, and keep each other off.
template <bool buggy>
Task<> rwmutex_upgrade() {
  RWMutex rw;
  int value = 0;
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&]() -> Task<> {
      co_await rw.rlock();
      const bool missing = value == 0;
      if (!missing || !buggy) rw.runlock();
      if (!missing) co_return;
      if (buggy) {
        const std::error_code err = co_await timeout(1h, rw.lock());
        require(!err, "who reads cannot lock");
        rw.runlock();
      } else {
        co_await rw.lock();
      }
      value = 1;
      rw.unlock();
    });
  }
  co_await wg.wait();
}

/// How many are left is looked at before the wait, and counted after.
template <bool buggy>
Task<> consumers_that_do_not_end() {
  auto ch = make_chan<int>();
  int left = 3;
  WaitGroup wg;
  wg.go([&]() -> Task<> {
    for (int i = 0; i < 3; ++i) co_await ch.send(i);
  });
  for (int i = 0; i < 2; ++i) {
    wg.go([&]() -> Task<> {
      while (left > 0) {
        if (!buggy) --left;
        co_await ch.recv();
        if (buggy) --left;
      }
    });
  }
  co_await wg.wait();
}

/// Enough is there, says a look before the wait.
template <bool buggy>
Task<> check_then_act() {
  int balance = 100;
  Mutex mutex;
  WaitGroup wg;
  for (int i = 0; i < 2; ++i) {
    wg.go([&]() -> Task<> {
      if (balance < 60) co_return;
      co_await mutex.lock();
      if (buggy || balance >= 60) balance -= 60;
      mutex.unlock();
    });
  }
  co_await wg.wait();
  require(balance >= 0, "overdrawn");
}

/// Three steps in one order only: a stale generation is written back.
template <bool buggy>
Task<> stale_write_back() {
  int generation = 0, cached = -1;
  WaitGroup wg;
  wg.go([&]() -> Task<> {
    const int seen = generation;
    co_await yield();
    co_await yield();
    if (buggy || seen == generation) cached = seen;
  });
  wg.go([&]() -> Task<> {
    for (int i = 0; i < 4; ++i) co_await yield();
    generation = 1;
    cached = -1;
    for (int i = 0; i < 4; ++i) co_await yield();
    require(cached != 0, "an old value came back");
  });
  co_await wg.wait();
}

struct Bug {
  const char* name;
  std::function<Task<>()> wrong, right;
};

inline const std::vector<Bug>& all() {
#define GMPCORO_BUG(f) Bug{#f, &f<true>, &f<false>}
  static const std::vector<Bug> bugs = {
      GMPCORO_BUG(lost_update),
      GMPCORO_BUG(counter_round_a_sleep),
      GMPCORO_BUG(missed_signal),
      GMPCORO_BUG(double_close),
      GMPCORO_BUG(ab_ba),
      GMPCORO_BUG(select_with_the_wrong_default),
      GMPCORO_BUG(forgotten_cancel),
      GMPCORO_BUG(wait_group_add_after_wait),
      GMPCORO_BUG(once_reentry),
      GMPCORO_BUG(leaked_permit),
      GMPCORO_BUG(unlock_skipped_by_an_exception),
      GMPCORO_BUG(send_after_close),
      GMPCORO_BUG(double_checked_init),
      GMPCORO_BUG(cond_without_a_loop),
      GMPCORO_BUG(signal_instead_of_broadcast),
      GMPCORO_BUG(leaked_sender),
      GMPCORO_BUG(lock_and_channel),
      GMPCORO_BUG(timer_stop_race),
      GMPCORO_BUG(deadline_race),
      GMPCORO_BUG(rwmutex_upgrade),
      GMPCORO_BUG(consumers_that_do_not_end),
      GMPCORO_BUG(check_then_act),
      GMPCORO_BUG(stale_write_back),
  };
#undef GMPCORO_BUG
  return bugs;
}

}  // namespace gmp::test::bugs
