// tests/model/fd_operation_model.cpp — models of net/fd_operation.cpp on descriptor.cpp, fd_mutex.hpp and netpoll/poller.cpp: an operation is granted,
// given up, closed, too late, or stopped, at any time of its way.
// Go: internal/poll/fd_unix.go.  Room: tests/model.
//
// Reads and writes go straight to the poller here: a read that left nothing behind, a write beside others.  The number is none, so a system call on
// it would fail, and the model with it.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <system_error>
#include <vector>

#include "model/gs.hpp"
#include "model/model.hpp"
#include "model/net.hpp"
#include "net/device.hpp"

namespace gmp::model {
namespace {

using Kind = ModelOperation::Kind;

constexpr std::int64_t past = 1, soon = 1'000'000, later = 2'000'000;
constexpr std::size_t room = 8;  // more than a packet, so nothing is left behind

void start_anew(int packets) {
  reset_world();
  kernel = Kernel{};
  kernel.arrived = packets;
}

/// One who reads, once.
struct Reader : ModelOperation {
  explicit Reader(ModelFd& fd, bool withdrawable = true) : ModelOperation(fd, Kind::recv, &buffer, room, withdrawable) {}

  void read() {
    buffer.set(0);
    run();
    check_whole();
  }
  /// The whole, or nothing of it. The buffer is its own again.
  void check_whole() {
    check(buffer.get() == static_cast<int>(bytes), "bytes that it was not told of, or was and has not got");
    check((bytes != 0) != static_cast<bool>(error), "neither a result nor an error, or both");
    buffer.set(2);
  }

  Var<int> buffer;
};

/// What comes meanwhile.
struct Plan {
  int packets = 0;
  bool gives_up = false;
  bool closes = false;
  std::vector<std::int64_t> deadlines = {};  // set one after the other
  bool time_passes = false;                  // until `soon`
  int refusals = 0;
  int without_p = 0;
  int arrives_late = 0;  // after the deadlines
};

/// One reads.
void reads(model::Run& run, const Plan& plan) {
  start_anew(plan.packets);
  kernel.refusals = plan.refusals;
  kernel.without_p = plan.without_p;
  ModelTimers timers;
  timers.moves_clock = true;  // deadlines are looked at
  ModelFd fd;
  Reader reader(fd);
  int over = 0;
  run.thread([&] {
    reader.read();
    ++over;
  });
  run.thread([&, poller = std::make_unique<ModelPoller>()]() mutable { ModelPoller::serve_until(std::move(poller), run, over, 1); });
  if (plan.gives_up) run.thread([&] { reader.g.cancel(); });
  if (plan.closes) {
    run.thread([&] {
      kernel.shut = fd.fd;
      fd.close();
      fd.wait_released();
    });
    run.thread([&] {
      const detail::Descriptor::Use use(fd.fd);
      if (use) static_cast<void>(fd.number.get());
    });
  }
  if (!plan.deadlines.empty()) {
    run.thread([&] {
      for (const std::int64_t when : plan.deadlines) static_cast<void>(fd.fd->set_deadline(when, true, false));
      kernel.arrived += plan.arrives_late;
    });
  }
  if (plan.time_passes) run.thread([&] { timers.fire_until(soon, over, 1); });
  run.join();
  check(reader.bytes + static_cast<unsigned>(kernel.arrived) == static_cast<unsigned>(plan.packets + plan.arrives_late), "a packet is lost, or doubled");
  check(!reader.error || (plan.gives_up && reader.ended_by(errc::canceled)) || (plan.closes && reader.ended_by(errc::closed)) ||
            (!plan.deadlines.empty() && reader.ended_by(errc::timeout)),
        "an error that nobody has made");
  check(timers.heap.size() == 0, "a timer is left");
}

/// Three read one after the other; the second gives up.
void queue_gives_up(model::Run& run) {
  start_anew(3);
  ModelFd fd;
  std::array<Reader, 3> readers{Reader(fd, false), Reader(fd), Reader(fd, false)};
  int over = 0;
  for (Reader& r : readers) {
    run.thread([&] {
      r.read();
      ++over;
    });
  }
  run.thread([&, poller = std::make_unique<ModelPoller>()]() mutable { ModelPoller::serve_until(std::move(poller), run, over, 3); });
  run.thread([&] { readers[1].g.cancel(); });
  run.join();
  check(readers[0].bytes == 1 && readers[2].bytes == 1, "who did not give up has nothing");
  check(readers[1].bytes == 1 || readers[1].ended_by(errc::canceled), "an error that nobody has made");
  check(readers[1].bytes + static_cast<unsigned>(kernel.arrived) == 1, "a packet is lost, or doubled");
}

/// Two read, and nothing comes; it is closed, and the second gives up.
void queue_is_closed(model::Run& run) {
  start_anew(0);
  ModelFd fd;
  std::array<Reader, 2> readers{Reader(fd, false), Reader(fd)};
  int over = 0;
  for (Reader& r : readers) {
    run.thread([&] {
      r.read();
      ++over;
    });
  }
  run.thread([&, poller = std::make_unique<ModelPoller>()]() mutable { ModelPoller::serve_until(std::move(poller), run, over, 2); });
  run.thread([&] { readers[1].g.cancel(); });
  run.thread([&] {
    fd.close();
    fd.wait_released();
  });
  run.join();
  check(readers[0].ended_by(errc::closed), "an error that nobody has made");
  check(readers[1].ended_by(errc::closed) || readers[1].ended_by(errc::canceled), "an error that nobody has made");
}

/// The operation of a layer above, which gives it up, by whatever thread; alone, or behind another one.
template <bool queued>
void given_up_from_above(model::Run& run) {
  start_anew(queued ? 2 : 0);
  ModelFd fd;
  Reader below(fd, false), other(fd, false);
  int over = 0;
  below.buffer.set(0);
  run.thread([&] {
    if (below.operation->begin(&below.g.leaf)) below.g.sleep();
    ++over;
  });
  if (queued) {
    run.thread([&] {
      other.read();
      ++over;
    });
  }
  run.thread([&, poller = std::make_unique<ModelPoller>()]() mutable { ModelPoller::serve_until(std::move(poller), run, over, queued ? 2 : 1); });
  run.thread([&] { below.operation->cancel(); });
  run.join();
  below.finish();
  below.check_whole();
  check(!below.error || below.ended_by(errc::canceled), "an error that nobody has made");
  check(queued || below.error, "it was not given up");
  check(!queued || (other.bytes == 1 && below.bytes + static_cast<unsigned>(kernel.arrived) == 1), "a packet is lost, or doubled");
}

/// A write of two pieces.
void write_gives_up(model::Run& run) {
  start_anew(0);
  ModelFd fd;
  std::array<std::byte, 2> data{};
  kernel.to_send = data.size();
  ModelOperation writer(fd, Kind::send, data.data(), data.size());
  int over = 0;
  run.thread([&] {
    writer.run();
    ++over;
  });
  run.thread([&, poller = std::make_unique<ModelPoller>()]() mutable { ModelPoller::serve_until(std::move(poller), run, over, 1); });
  run.thread([&] { writer.g.cancel(); });
  run.join();
  check(static_cast<int>(writer.bytes) == kernel.sent, "bytes are lost, or doubled");
  check(writer.error ? writer.ended_by(errc::canceled) && writer.bytes < 2 : writer.bytes == 2, "neither written nor given up");
}

/// The deadline that ended the first read, and whatever it asked the poller for, is nothing to the second.
void reads_again(model::Run& run) {
  start_anew(1);
  ModelFd fd;
  Reader first(fd), second(fd);
  int over = 0;
  bool moved_on = false;
  run.thread([&] {
    first.read();
    block_until([&] { return moved_on; }, "the deadline");
    if (first.error) second.read();
    ++over;
  });
  run.thread([&, poller = std::make_unique<ModelPoller>()]() mutable { ModelPoller::serve_until(std::move(poller), run, over, 1); });
  run.thread([&] {
    static_cast<void>(fd.fd->set_deadline(past, true, true));
    static_cast<void>(fd.fd->set_deadline(detail::never, true, true));
    moved_on = true;
  });
  run.join();
  check(first.bytes + second.bytes == 1, "a packet is lost, or doubled");
}

/// Its executor stops, and another one closes: the operation goes where it stands.
void stopped(model::Run& run) {
  start_anew(0);
  ModelFd fd;
  Reader reader(fd, false);
  reader.buffer.set(0);
  run.thread([&] {
    auto poller = std::make_unique<ModelPoller>();
    if (reader.operation->begin(&reader.g.leaf)) {
      poller->drain();
      reader.g.stop(*reader.operation);
    }
    reader.operation.reset();
    const std::uint32_t state = fd.fd->side(detail::FdSide::read).op_.state_.load(detail::relaxed);
    check(state == detail::IoOp::idle || state == detail::IoOp::cancelling, "FO1");
  });
  run.thread([&] { fd.close(); });
  run.join();
}

/// What lies under a descriptor goes when nobody can come to it any more.
class Below final : public detail::Device {
 public:
  explicit Below(Var<int>& used) : used_(used) {}
  ~Below() override { used_.set(1); }
  bool advance(detail::FdOperation&, detail::FrameLink*) noexcept override { return false; }
  void cancel(detail::FdSide) noexcept override {}
  bool withdraw(detail::FdSide) noexcept override { return true; }
  std::error_code shut_down(int) noexcept override { return {}; }
  void close() noexcept override { used_.set(2); }

 private:
  Var<int>& used_;
};

/// Two handles go; a third g waits for the end.
void handles_go(model::Run& run) {
  start_anew(0);
  Var<int> used;
  detail::Descriptor* const fd = detail::Descriptor::make(std::make_unique<Below>(used), "model", {}, {});
  fd->ref_handle();
  fd->ref();
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      static_cast<void>(used.get());
      fd->unref_handle();
    });
  }
  run.thread([&] {
    ModelG g;
    detail::Waiter w(&g.gp);
    if (fd->wait_released(w, [&] { detail::park_begin(&g.gp, g.leaf, detail::WaitReason::io_wait, &w); })) g.sleep();
    check(used.get() == 2, "released, and not closed");
    fd->unref();
  });
  run.join();
  check(used.get() == 1, "never destroyed");
}

/// Who leaves a closed one last sees what all others did with the number: one who reads; one who asks for something, or waits for his turn.
template <bool queued>
void leaves_last(model::Run& run) {
  using detail::FdMutex;
  start_anew(0);
  ModelFd fd;
  FdMutex& mutex = fd.fd->mutex_;
  bool closed = false;
  const auto leave = [&](auto give_back) {
    static_cast<void>(fd.number.get());
    if (!queued) block_until([&] { return closed; }, "the close");
    if (give_back()) fd.fd->release();
  };
  check(mutex.try_lock(detail::FdSide::read) == FdMutex::Got::it, "nobody has it");
  run.thread([&] { leave([&] { return mutex.unlock(detail::FdSide::read); }); });
  run.thread([&] {
    if (!queued) {
      if (mutex.ref() == FdMutex::Got::it) leave([&] { return mutex.unref(); });
      return;
    }
    ModelG g;
    detail::FdWaiter w(&g.gp);
    FdMutex::Got got = mutex.lock_or_queue(detail::FdSide::read, w, [&] { detail::park_begin(&g.gp, g.leaf, detail::WaitReason::io_wait, &w); });
    if (got == FdMutex::Got::closed) return;
    if (got == FdMutex::Got::queued) {
      g.sleep();
      if (w.granted_) got = FdMutex::Got::it;
    }
    leave([&] { return got == FdMutex::Got::it ? mutex.unlock(detail::FdSide::read) : mutex.unref(); });
  });
  run.thread([&] {
    fd.close();
    closed = true;
    fd.wait_released();
  });
  run.join();
}

/// One queues and leaves the queue again, while the other hands over: who then finds the side free sees what was done with it.
void gives_up_its_turn(model::Run& run) {
  using detail::FdMutex;
  start_anew(0);
  ModelFd fd;
  FdMutex& mutex = fd.fd->mutex_;
  const auto leave = [&] {
    fd.side.set(1);
    check(!mutex.unlock(detail::FdSide::read), "nobody has closed it");
  };
  check(mutex.try_lock(detail::FdSide::read) == FdMutex::Got::it, "nobody has it");
  run.thread(leave);
  run.thread([&] {
    ModelG g;
    detail::FdWaiter w(&g.gp);
    FdMutex::Got got = mutex.lock_or_queue(detail::FdSide::read, w, [&] { detail::park_begin(&g.gp, g.leaf, detail::WaitReason::io_wait, &w); });
    if (got == FdMutex::Got::queued) {
      if (mutex.withdraw(detail::FdSide::read, w)) {
        detail::park_abort(&g.gp);
        check(!mutex.unref(), "nobody has closed it");
        got = mutex.try_lock(detail::FdSide::read);
      } else {
        g.sleep();
        got = FdMutex::Got::it;
      }
    }
    if (got == FdMutex::Got::it) leave();
  });
  run.join();
}

Model reading(const char* name, const Plan& plan, std::uint64_t schedules = 2'000) {
  return {name, {.schedules = schedules}, [plan](model::Run& run) { reads(run, plan); }};
}

const std::vector<Model> models{
    reading("granted", {.packets = 1, .refusals = 1, .without_p = 1}),
    reading("given up", {.gives_up = true, .without_p = 1}),
    reading("granted, given up", {.packets = 2, .gives_up = true, .refusals = 1}),
    reading("closed", {.closes = true, .refusals = 1}),
    reading("granted, closed", {.packets = 1, .closes = true}),
    reading("given up, closed", {.gives_up = true, .closes = true}),
    reading("too late", {.deadlines = {past}}),
    reading("granted, too late, given up", {.packets = 1, .gives_up = true, .deadlines = {past}}),
    reading("a deadline comes", {.deadlines = {soon}, .time_passes = true}),
    reading("a deadline comes, closed", {.closes = true, .deadlines = {soon}, .time_passes = true}),
    reading("an earlier deadline", {.deadlines = {later, soon}, .time_passes = true}, 6'000),
    reading("a later deadline", {.deadlines = {soon, later}, .time_passes = true, .arrives_late = 1}),
    {"two in the queue, one gives up", {.schedules = 6'000}, queue_gives_up},
    {"two in the queue, closed", {.schedules = 2'000}, queue_is_closed},
    {"given up from above", {.schedules = 2'000}, given_up_from_above<false>},
    {"given up from above, queued", {.schedules = 2'000}, given_up_from_above<true>},
    {"a write gives up", {.schedules = 2'000}, write_gives_up},
    {"reads again", {.schedules = 2'000}, reads_again},
    {"stopped", {.schedules = 2'000}, stopped},
    {"leaves last", {.schedules = 12'000}, leaves_last<false>},
    {"leaves last, queued", {.schedules = 12'000}, leaves_last<true>},
    {"gives up its turn", {.schedules = 12'000}, gives_up_its_turn},
    {"handles go", {.schedules = 2'000}, handles_go},
};

TEST(FdOperationModel, GrantedOrWithdrawnAndNothingIsLost) { explore_all(models); }

TEST(FdOperationModel, EveryOrderIsNeeded) {
  std::vector<Model> few = models;
  for (Model& model : few) model.options.schedules /= 6;
  const auto all = mutants_of({"net/fd_operation.cpp", "net/descriptor.cpp", "net/fd_mutex"}, few);
  std::printf("%s", describe(all).c_str());
  constexpr const char* idle = "who finds the op idle, a cancel or who has the side next, reads nothing that was written before";
  constexpr const char* rmw = "the look at the word that follows acquires it, too; and what others released goes on through an RMW";
  constexpr const char* look = "the RMW before it has acquired; who is told nothing of what came later will be cancelled for it";
  constexpr const char* lock = "the queue lies under the lock, which orders it; and RMWs go on with what others released";
  EXPECT_EQ("", unexcused(all, {{"IoOp::idle, release)", "", idle},
                                {"load(acquire) != IoOp::done", "", "who ended it has made the g ready: its status orders that, too"},
                                {"state = op.state_.load(acquire)", "", "who destroys it has drained the pollers"},
                                {"old, old + one_ref, acq_rel", "", "a reference alone looks at nothing; what was done with it is told of by unref()"},
                                {"(old | closed) + one_ref", "release", "nothing written before it is looked at by who sees it"},
                                {"(old | closed) + one_ref", "acquire", rmw},
                                {"fetch_and(~(waiting", "", lock},
                                {"fetch_and(~waiting(side)", "", lock},
                                {"fetch_or(deadline(side)", "acq_rel -> release", rmw},
                                {"fetch_and(~deadline(side)", "", "nobody is cancelled for a deadline that goes, and who sees it gone looks no further"},
                                {"held(side)) + one_ref", "", rmw},
                                {": waiting(side))) + one_ref", "", rmw},
                                {"has_deadline(FdSide side) const", "", look},
                                {"is_closed() const", "", look},
                                {"is_held(FdSide side) const", "", look},
                                {"fetch_or(0, acq_rel)", "acq_rel -> release", rmw}}));
}

}  // namespace
}  // namespace gmp::model
