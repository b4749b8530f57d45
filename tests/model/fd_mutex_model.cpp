// tests/model/fd_mutex_model.cpp — models of net/fd_mutex.hpp: turns, a close, and who gives up; the number is released once, by the last one.
// Go: internal/poll/fd_mutex_test.go.  Room: tests/model.
//
// FM3, operations in flight, and deadlines are fd_operation_model's, and so are the orders of the word.
#include <gtest/gtest.h>

#include <vector>

#include "model/gs.hpp"
#include "model/model.hpp"
#include "net/fd_mutex.hpp"

namespace gmp::model {
namespace {

using detail::FdMutex;
using detail::FdSide;
using detail::FdWaiter;

/// What FdMutex guards: one side's state, and the number.
struct Fd {
  FdMutex mutex;
  Var<int> side{0};         // of who holds it
  Var<int> open{1};         // read by who has a reference, written by who releases
  int released = 0;         // the model's own

  void release() {
    check(++released == 1, "released twice");
    open.set(0);
  }
  void unref() {
    if (mutex.unref()) release();
  }
  void close() {
    if (!mutex.close_and_ref()) return;
    detail::WakeList woken;
    {
      detail::LockGuard guard(mutex.lock());
      mutex.take_waiters(woken);
    }
    woken.wake_all();
    unref();
  }
};

/// One who reads: as FdOperation goes about it.
struct Reader {
  struct Turn : FdWaiter {
    Turn(Fd& f, detail::G* gp) : FdWaiter(gp, &Turn::withdraw), fd(f) {}
    static bool withdraw(detail::Waiter* waiter) noexcept {
      auto& w = static_cast<Turn&>(*waiter);
      return w.withdrawn_ = w.fd.mutex.withdraw(FdSide::read, w);
    }
    Fd& fd;
  };

  explicit Reader(Fd& f) : fd(f), turn(f, &g.gp) {}

  /// True: it had its turn.
  bool read() {
    FdMutex::Got got = fd.mutex.try_lock(FdSide::read);
    if (got == FdMutex::Got::queued) {
      got = fd.mutex.lock_or_queue(FdSide::read, turn, [this] { detail::park_begin(&g.gp, g.leaf, detail::WaitReason::none, &turn); });
      if (got == FdMutex::Got::given_up) detail::park_abort(&g.gp);
      if (got == FdMutex::Got::queued) {
        g.sleep();
        if (turn.granted_) got = FdMutex::Got::it;
      }
      if (got == FdMutex::Got::queued || got == FdMutex::Got::given_up) fd.unref();
    }
    if (got != FdMutex::Got::it) return false;
    check(fd.open.get() == 1, "the number is used after its release");
    fd.side.set(fd.side.get() + 1);
    if (fd.mutex.unlock(FdSide::read)) fd.release();
    return true;
  }

  Fd& fd;
  ModelG g;
  Turn turn;
};

/// Three take turns.
void turns(model::Run& run) {
  reset_world();
  Fd fd;
  Reader readers[3] = {Reader(fd), Reader(fd), Reader(fd)};
  for (Reader& r : readers) {
    run.thread([&] { check(r.read(), "nobody has closed it"); });
  }
  run.join();
  check(fd.side.get() == 3 && !fd.mutex.is_held(FdSide::read), "a turn is lost");
}

/// It is closed meanwhile: it is released, once, when all have left.
void closed_meanwhile(model::Run& run) {
  reset_world();
  Fd fd;
  Reader readers[2] = {Reader(fd), Reader(fd)};
  for (Reader& r : readers) {
    run.thread([&] { r.read(); });
  }
  run.thread([&] { fd.close(); });
  run.join();
  check(fd.released == 1, "never released");
}

/// One gives up while it waits for its turn, or does not; closed or not.
template <bool closes>
void gives_up(model::Run& run) {
  reset_world();
  Fd fd;
  Reader readers[2] = {Reader(fd), Reader(fd)};
  int read = 0;
  run.thread([&] { read += readers[0].read(); });
  run.thread([&] { readers[1].read(); });
  run.thread([&] { readers[1].g.cancel(); });
  if (closes) run.thread([&] { fd.close(); });
  run.join();
  check(closes || read == 1, "who did not give up had no turn");
  check(!fd.mutex.is_held(FdSide::read), "a turn is lost");
  if (!closes) fd.close();
  check(fd.released == 1, "a reference is lost");
}

const Options options{.schedules = 20'000, .future_reads = true};
const std::vector<Model> models{
    {"turns", options, turns},
    {"closed meanwhile", options, closed_meanwhile},
    {"gives up", options, gives_up<false>},
    {"gives up, closed", options, gives_up<true>},
};

TEST(FdMutexModel, TurnsReferencesAndTheEnd) { explore_all(models); }

}  // namespace
}  // namespace gmp::model
