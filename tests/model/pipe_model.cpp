// tests/model/pipe_model.cpp — models of net/pipe.cpp under net/fd_operation.cpp: who sleeps at one end gives up, while the other end reads, writes,
// or closes.
// Go: net/pipe_test.go.  Room: tests/model.
//
// What was written is what was read, whatever came meanwhile; and a buffer is its g's own again as soon as that goes on.
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "gmp/net.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"
#include "model/net.hpp"
#include "net/socket_access.hpp"

namespace gmp::model {
namespace {

constexpr std::int64_t past = 1, soon = 1'000'000, later = 2'000'000;
constexpr char not_ours = '!';

/// Two ends: what the first writes, the second reads.
struct Pipe {
  static detail::Descriptor* handle_of(const net::Conn& conn) {
    detail::Descriptor* const fd = detail::SocketAccess::descriptor(conn);
    fd->ref_handle();
    return fd;
  }
  std::pair<net::Conn, net::Conn> ends = net::pipe();
  ModelFd first{handle_of(ends.first)}, second{handle_of(ends.second)};
};

struct Writer : ModelOperation {
  Writer(ModelFd& fd, std::size_t size, bool withdrawable) : ModelOperation(fd, Kind::send, &data, size, withdrawable) {}
  void write() {
    run();
    data.fill(not_ours);
  }
  std::array<char, 2> data{'a', 'b'};
};

struct Reader : ModelOperation {
  Reader(ModelFd& fd, std::size_t size, bool withdrawable) : ModelOperation(fd, Kind::recv, &buffer, size, withdrawable) {}
  void read() {
    run();
    buffer_is_ours();
  }
  void buffer_is_ours() {
    check((bytes != 0) != static_cast<bool>(error), "neither a result nor an error, or both");
    for (std::size_t i = 0; i < buffer.size(); ++i) check((buffer[i] != 0) == (i < bytes), "bytes that it was not told of, or was and has not got");
    got = std::exchange(buffer, {});
  }
  /// After the run: nobody has touched the buffer again.
  unsigned count(const char* from) const {
    for (const char byte : buffer) check(byte == 0, "bytes came after the end");
    for (std::size_t i = 0; i < bytes; ++i) check(got[i] == from[i], "another byte than was written");
    return static_cast<unsigned>(bytes);
  }
  std::array<char, 2> buffer{}, got{};
};

void start_anew() {
  reset_world();
  kernel = Kernel{};
}

/// A write of two bytes, read one by one.
void piece_by_piece(model::Run& run) {
  start_anew();
  Pipe pipe;
  Writer writer(pipe.first, 2, false);
  Reader a(pipe.second, 1, false), b(pipe.second, 1, false);
  run.thread([&] { writer.write(); });
  run.thread([&] {
    a.read();
    b.read();
  });
  run.join();
  check(writer.bytes == 2 && !writer.error && a.count("a") == 1 && b.count("b") == 1, "bytes are lost");
}

/// Two write, in turn; one reads.
void two_write(model::Run& run) {
  start_anew();
  Pipe pipe;
  std::array<Writer, 2> writers{Writer(pipe.first, 1, false), Writer(pipe.first, 1, false)};
  std::array<Reader, 2> readers{Reader(pipe.second, 2, false), Reader(pipe.second, 2, false)};
  for (Writer& w : writers) run.thread([&] { w.write(); });
  run.thread([&] {
    for (Reader& r : readers) r.read();
  });
  run.join();
  for (Writer& w : writers) check(w.bytes == 1 && !w.error, "not written");
  for (Reader& r : readers) check(r.count("a") == 1, "not read");
}

/// What comes meanwhile; at the first end somebody writes two bytes, at the second somebody reads one.
struct Plan {
  bool writer_gives_up = false;
  bool reader_gives_up = false;
  bool writer_closes = false;         // another g of that end
  bool reader_closes = false;
  bool writer_ends = false;           // close_write()
  std::int64_t deadline = 0;          // of both ends
  bool time_passes = false;           // until `soon`
};

/// The one who is through, or has given up, closes.
void meets(model::Run& run, const Plan& plan) {
  start_anew();
  ModelTimers timers;
  timers.moves_clock = true;  // deadlines are looked at
  Pipe pipe;
  Writer writer(pipe.first, 2, plan.writer_gives_up);
  Reader reader(pipe.second, 1, plan.reader_gives_up);
  int over = 0;
  run.thread([&] {
    writer.write();
    static_cast<void>(pipe.first.fd->close());
    ++over;
  });
  run.thread([&] {
    reader.read();
    static_cast<void>(pipe.second.fd->close());
    ++over;
  });
  if (plan.writer_gives_up) run.thread([&] { writer.g.cancel(); });
  if (plan.reader_gives_up) run.thread([&] { reader.g.cancel(); });
  if (plan.writer_closes) run.thread([&] { static_cast<void>(pipe.first.fd->close()); });
  if (plan.reader_closes) run.thread([&] { static_cast<void>(pipe.second.fd->close()); });
  if (plan.writer_ends) run.thread([&] { static_cast<void>(pipe.first.fd->shut_down(SHUT_WR)); });
  if (plan.deadline != 0) {
    run.thread([&] {
      static_cast<void>(pipe.first.fd->set_deadline(plan.deadline, true, true));
      static_cast<void>(pipe.second.fd->set_deadline(plan.deadline, true, true));
    });
  }
  if (plan.time_passes) run.thread([&] { timers.fire_until(soon, over, 2); });
  run.join();
  check(writer.bytes == reader.count("a"), "a byte is lost, or doubled");
  check(static_cast<bool>(writer.error), "nobody has read the second byte");
  const bool late = plan.deadline != 0;
  check(writer.ended_by(errc::closed_pipe) || (plan.writer_gives_up && writer.ended_by(errc::canceled)) ||
            (plan.writer_closes && writer.ended_by(errc::closed)) || (plan.writer_ends && writer.ended_by(errc::closed_pipe)) ||
            (late && writer.ended_by(errc::timeout)),
        "an error of the writer's that nobody has made");
  check(!reader.error || reader.ended_by(errc::eof) || (plan.reader_gives_up && reader.ended_by(errc::canceled)) ||
            (plan.reader_closes && reader.ended_by(errc::closed)) || (late && reader.ended_by(errc::timeout)),
        "an error of the reader's that nobody has made");
  check(timers.heap.size() == 0, "a timer is left");
}

/// Two read, in turn; the first or the second gives up, and the other one goes on.
void queue_gives_up(model::Run& run) {
  start_anew();
  Pipe pipe;
  Writer writer(pipe.first, 2, false);
  Reader leaves(pipe.second, 1, true), stays(pipe.second, 1, false);
  int over = 0;
  run.thread([&] { writer.write(); });
  for (Reader* r : {&leaves, &stays}) {
    run.thread([&, r] {
      r->read();
      if (++over == 2) pipe.second.close();
    });
  }
  run.thread([&] { leaves.g.cancel(); });
  run.join();
  check(stays.bytes == 1, "who did not give up has nothing");
  check(leaves.bytes == 1 || leaves.ended_by(errc::canceled), "an error that nobody has made");
  check(writer.bytes == leaves.bytes + stays.bytes, "a byte is lost, or doubled");
  check((writer.bytes == 2) != static_cast<bool>(writer.error), "neither a result nor an error, or both");
}

/// How the wait of one ends who has nobody at the other end.
enum class End : std::uint8_t { given_up, closed, too_late, deadline };

template <bool writes>
void alone(model::Run& run, End how) {
  start_anew();
  ModelTimers timers;
  timers.moves_clock = true;  // deadlines are looked at
  Pipe pipe;
  Writer writer(pipe.first, 2, true);
  Reader reader(pipe.second, 1, true);
  ModelOperation& one = writes ? static_cast<ModelOperation&>(writer) : reader;
  detail::Descriptor* const fd = (writes ? pipe.first : pipe.second).fd;
  int over = 0;
  run.thread([&] {
    one.run();
    ++over;
  });
  run.thread([&] {
    switch (how) {
      case End::given_up:
        one.g.cancel();
        break;
      case End::closed:
        static_cast<void>(fd->close());
        break;
      case End::too_late:
        static_cast<void>(fd->set_deadline(past, true, true));
        break;
      case End::deadline:
        static_cast<void>(fd->set_deadline(later, true, true));
        static_cast<void>(fd->set_deadline(soon, true, true));
        break;
    }
  });
  if (how == End::deadline) run.thread([&] { timers.fire_until(soon, over, 1); });
  run.join();
  const errc why = how == End::given_up ? errc::canceled : how == End::closed ? errc::closed : errc::timeout;
  check(one.bytes == 0 && one.ended_by(why), "not ended, or by something else");
  check(timers.heap.size() == 0, "a timer is left");
}

/// The reader's executor stops, and the writer is another's: the operation goes where it stands.
void stopped(model::Run& run) {
  start_anew();
  Pipe pipe;
  Writer writer(pipe.first, 2, false);
  Reader reader(pipe.second, 1, false);
  run.thread([&] { writer.write(); });
  run.thread([&] {
    if (reader.operation->begin(&reader.g.leaf)) reader.g.stop(*reader.operation);
    reader.finish();
    reader.operation.reset();
    reader.got = std::exchange(reader.buffer, {});
    pipe.second.close();
  });
  run.join();
  check(writer.bytes == reader.count("a") && writer.ended_by(errc::closed_pipe), "a byte is lost, or doubled");
}

Model meeting(const char* name, const Plan& plan) {
  return {name, {.schedules = 2'000}, [plan](model::Run& run) { meets(run, plan); }};
}

template <bool writes>
Model ending(const char* name, End how) {
  return {name, {.schedules = 2'000}, [how](model::Run& run) { alone<writes>(run, how); }};
}

const std::vector<Model> models{
    {"piece by piece", {.schedules = 2'000}, piece_by_piece},
    {"two write", {.schedules = 2'000}, two_write},
    meeting("meets", {}),
    meeting("the reader gives up", {.reader_gives_up = true}),
    meeting("the writer gives up", {.writer_gives_up = true}),
    meeting("both give up", {.writer_gives_up = true, .reader_gives_up = true}),
    meeting("gives up, the writer closes", {.reader_gives_up = true, .writer_closes = true}),
    meeting("gives up, the reader closes", {.writer_gives_up = true, .reader_closes = true}),
    meeting("gives up, the writer ends", {.reader_gives_up = true, .writer_ends = true}),
    meeting("too late, gives up", {.reader_gives_up = true, .deadline = past}),
    meeting("a deadline comes", {.deadline = soon, .time_passes = true}),
    {"two in the queue, one gives up", {.schedules = 2'000}, queue_gives_up},
    ending<false>("a reader alone gives up", End::given_up),
    ending<false>("a reader alone, closed", End::closed),
    ending<false>("a reader alone, too late", End::too_late),
    ending<false>("a reader alone, a deadline", End::deadline),
    ending<true>("a writer alone gives up", End::given_up),
    ending<true>("a writer alone, closed", End::closed),
    ending<true>("a writer alone, too late", End::too_late),
    ending<true>("a writer alone, a deadline", End::deadline),
    {"stopped", {.schedules = 2'000}, stopped},
};

TEST(PipeModel, WhatIsWrittenIsReadOrWithdrawn) { explore_all(models); }

TEST(PipeModel, EveryOrderIsNeeded) {
  const auto all = mutants("net/pipe.cpp", models);
  EXPECT_EQ("", unexcused(all, {{"", "never reached", "it has none: all that two look at lies under its lock, or is the operation's"}}));
}

}  // namespace
}  // namespace gmp::model
