// tests/unit/os/file_test.cpp — files: read and written at their position and elsewhere, their errors in words, what ends an operation, and pipes.
// Go: os/os_test.go, os/timeout_test.go, os/fifo_test.go.  Room: os (floor 5).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/context.hpp"
#include "gmp/detail/base/config.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/os.hpp"
#include "gmp/sync.hpp"
#include "support/child.hpp"
#include "support/files.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::file_test {
namespace {

using namespace std::chrono_literals;
namespace child = test::child;
using test::Clock;
using test::leaving_no_fds;
using test::on_executor;
using test::pattern;
using test::TempDir;
using test::until_parked;

std::error_code errno_code(int number) { return {number, errno_category()}; }

TEST(File, IsWrittenAndReadAtItsPosition) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    const std::string path = dir.path("f");
    auto [f, err] = co_await os::open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT_FALSE(err);
    EXPECT_EQ(f.name(), path);
    EXPECT_TRUE(test::is_cloexec(f.native_handle()));
    EXPECT_FALSE(test::is_nonblocking(f.native_handle()));
    for (const std::string_view piece : {"one\n", "", "two\n", "three"}) {
      const auto wrote = co_await f.write(piece);
      EXPECT_EQ(wrote.value(), piece.size());
    }
    auto [size, size_err] = co_await f.size();
    EXPECT_EQ(size, 13);
    EXPECT_FALSE(size_err);
    EXPECT_EQ(f.size().value(), 13);
    const std::error_code synced = co_await f.fsync();
    EXPECT_FALSE(synced);
    char buffer[4];
    const auto end = co_await f.read(buffer);
    EXPECT_EQ(end.err, errc::eof);
    EXPECT_EQ(end.message(), "EOF");
    const auto none = co_await f.read(io::Buffer());
    EXPECT_TRUE(none);

    const os::File again = (co_await os::open(path)).value();
    io::BufReader lines{again};
    for (const std::string_view line : {"one", "two", "three"}) {
      const auto r = co_await lines.read_line();
      EXPECT_EQ(r.get<0>(), line);
      EXPECT_FALSE(r.err);
    }
    const auto over = co_await lines.read_line();
    EXPECT_EQ(over.err, errc::eof);
    struct stat about = {};
    EXPECT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777u, 0600u);
  });
}

TEST(File, ALargeOneComesAndGoesWhole) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    const std::string bytes = pattern(static_cast<std::size_t>(test::scaled(4 << 20, 1 << 20)) + 17, test::case_seed());
    const os::File f = (co_await os::open(dir.path("f"), O_RDWR | O_CREAT)).value();
    const auto wrote = co_await f.write(bytes);
    EXPECT_EQ(wrote.value(), bytes.size());
    const os::File in = (co_await os::open(dir.path("f"))).value();
    const auto all = co_await io::read_all(in);
    EXPECT_TRUE(all.value() == bytes);
  });
}

TEST(File, MoreThanOneCallTakesIsWrittenWhole) {
  bool in_the_ring = false;
  on_executor([&in_the_ring]() -> Task<> {
    in_the_ring = detail::io_takes_files(detail::current_g());
    co_return;
  });
  if (GMPCORO_TSAN && !in_the_ring) GTEST_SKIP() << "TSan has memory for each byte that a call reads, and takes 20 s for it";
  static constexpr std::size_t size = std::size_t{5} << 30;  // of zeros, which take no memory
  void* const zeros = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(zeros, MAP_FAILED);
  on_executor([zeros]() -> Task<> {
    const os::File null = (co_await os::open("/dev/null", O_WRONLY)).value();
    const auto wrote = co_await null.write(io::ConstBuffer(zeros, size));
    EXPECT_EQ(wrote.message(), "");
    EXPECT_EQ(wrote.get<0>(), size);
    const auto at = co_await null.pwrite(io::ConstBuffer(zeros, size), 0);
    EXPECT_EQ(at.message(), "");
    EXPECT_EQ(at.get<0>(), size);
  });
  ::munmap(zeros, size);
}

TEST(File, ErrorsReadAsGos) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    char buffer[8];
    const auto nowhere = co_await os::open("/nowhere/at/all");
    EXPECT_EQ(nowhere.err, std::errc::no_such_file_or_directory);
    EXPECT_EQ(nowhere.message(), "open /nowhere/at/all: no such file or directory");
    const std::string_view with_zero("/dev\0/null", 10);
    const auto zero = co_await os::open(with_zero);
    EXPECT_EQ(zero.err, errno_code(EINVAL));

    const os::File folder = (co_await os::open(dir.path())).value();
    const auto read_dir = co_await folder.read(buffer);
    EXPECT_EQ(read_dir.err, errno_code(EISDIR));
    EXPECT_EQ(read_dir.message(), "read " + dir.path() + ": is a directory");

    const std::string path = dir.with("f", "x");
    const os::File f = (co_await os::open(path)).value();
    const auto wrote = co_await f.write("y");
    EXPECT_EQ(wrote.message(), "write " + path + ": bad file descriptor");
    const auto nowhere_in_it = co_await f.pread(buffer, -1);
    EXPECT_EQ(nowhere_in_it.message(), "read " + path + ": invalid argument");
    EXPECT_EQ(f.set_deadline(Clock::now()), errc::no_deadline);
    EXPECT_FALSE(f.close());
    EXPECT_FALSE(f);
    EXPECT_EQ(f.native_handle(), -1);
    EXPECT_EQ(f.close(), errc::closed);
    EXPECT_EQ(f.close().message(), "file already closed");
    const auto after = co_await f.read(buffer);
    EXPECT_EQ(after.err, errc::closed);
    EXPECT_EQ(after.message(), "read " + path + ": file already closed");
    const auto at = co_await f.pwrite("z", 0);
    EXPECT_EQ(at.message(), "write " + path + ": file already closed");
    EXPECT_EQ(f.size().message(), "stat " + path + ": file already closed");
    EXPECT_EQ(f.name(), path);
  });
}

TEST(File, ADefaultConstructedOneIsClosed) {
  on_executor([]() -> Task<> {
    const os::File f;
    char buffer[1];
    EXPECT_FALSE(f);
    EXPECT_EQ(f.native_handle(), -1);
    EXPECT_EQ(f.name(), "");
    EXPECT_EQ(f.close(), errc::file_closed);
    EXPECT_EQ(f.set_read_deadline(Clock::now()), errc::file_closed);
    const auto read = co_await f.read(buffer);
    EXPECT_EQ(read.message(), "file already closed");
    const auto wrote = co_await f.write("x");
    EXPECT_EQ(wrote.message(), "file already closed");
    const auto at = co_await f.pread(buffer, 0);
    EXPECT_EQ(at.message(), "file already closed");
    const std::error_code synced = co_await f.fsync();
    EXPECT_EQ(synced, errc::closed);
    EXPECT_EQ(f.size().err, errc::closed);
    co_await f.closed();
  });
}

// The position stays, and none waits for another's turn.
TEST(File, ManyReadAndWriteAtOffsets) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    static constexpr std::size_t piece = 1000;
    const auto pieces = static_cast<std::size_t>(test::scaled(64, 16));
    const std::string bytes = pattern(piece * pieces, test::case_seed());
    const os::File f = (co_await os::open(dir.path("f"), O_RDWR | O_CREAT)).value();
    WaitGroup done;
    for (std::size_t i = 0; i < pieces; ++i) {
      done.go([f, &bytes, i]() -> Task<> {
        const auto wrote = co_await f.pwrite(std::string_view(bytes).substr(i * piece, piece), static_cast<std::int64_t>(i * piece));
        EXPECT_EQ(wrote.value(), piece);
        std::string back(piece, '\0');
        const auto read = co_await f.pread(back, static_cast<std::int64_t>(i * piece));
        EXPECT_EQ(read.value(), piece);
        EXPECT_TRUE(back == bytes.substr(i * piece, piece));
      });
    }
    co_await done.wait();
    std::string first(piece, '\0');
    const auto read = co_await f.read(first);
    EXPECT_EQ(read.value(), piece);
    EXPECT_TRUE(first == bytes.substr(0, piece));
    const auto beyond = co_await f.pread(first, static_cast<std::int64_t>(bytes.size()));
    EXPECT_EQ(beyond.err, errc::eof);
    const auto part = co_await f.pread(first, static_cast<std::int64_t>(bytes.size() - 10));
    EXPECT_EQ(part.value(), 10u);
  });
}

TEST(File, ReadersAndWritersOfOneFileGetTheirTurns) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    constexpr int gs = 8, lines = 20;
    const os::File f = (co_await os::open(dir.path("f"), O_RDWR | O_CREAT)).value();
    WaitGroup done;
    for (int g = 0; g < gs; ++g) {
      done.go([f, g]() -> Task<> {
        for (int i = 0; i < lines; ++i) static_cast<void>((co_await f.write(std::string(99, static_cast<char>('a' + g)) + "\n")).value());
      });
    }
    co_await done.wait();
    const os::File in = (co_await os::open(dir.path("f"))).value();
    int whole = 0;
    for (int g = 0; g < gs; ++g) {
      done.go([in, &whole]() -> Task<> {
        char line[100];
        while (true) {
          const auto r = co_await in.read(line);
          if (r.err) break;
          EXPECT_EQ(r.get<0>(), 100u);
          EXPECT_EQ(std::string_view(line, 99), std::string(99, line[0]));
          __atomic_fetch_add(&whole, 1, __ATOMIC_RELAXED);
        }
      });
    }
    co_await done.wait();
    EXPECT_EQ(whole, gs * lines);
  });
}

// What until() gives up the file goes on with: each write is there whole, or not begun.
TEST(File, AnOperationThatIsGivenUpIsWaitedFor) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    const os::File f = (co_await os::open(dir.path("f"), O_RDWR | O_CREAT)).value();
    const std::string block = pattern(100'000, 1);
    std::int64_t expected = 0, least = 0;
    const int rounds = test::scaled(60, 15);
    for (int i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = with_cancel(background());
      auto canceller = spawn([cancel, i]() -> Task<> {
        for (int n = 0; n < i % 5; ++n) co_await yield();
        cancel();
      });
      const auto wrote = co_await until(ctx, f.write(block));
      EXPECT_TRUE(wrote.err == std::error_code() || wrote.err == errc::canceled) << wrote.message();
      EXPECT_TRUE(wrote.err || wrote.get<0>() == block.size());
      expected += static_cast<std::int64_t>(wrote.get<0>());
      const auto at = co_await until(ctx, f.pwrite("x", 0));
      EXPECT_TRUE(at.err == std::error_code() || at.err == errc::canceled);
      co_await canceller;
      least = at.err ? least : 1;
      EXPECT_EQ(f.size().value(), std::max(expected, least));
    }
    auto [done, cancel] = with_cancel(background());
    cancel();
    const auto opened = co_await until(done, os::open(dir.path("f")));
    EXPECT_EQ(opened.err, errc::canceled);
  });
}

TEST(File, FifosAreOpenedByBothEnds) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    const std::string path = dir.path("fifo");
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    auto reader = spawn([path]() -> Task<std::string> {
      const os::File f = (co_await os::open(path)).value();
      EXPECT_TRUE(test::is_nonblocking(f.native_handle()));
      co_return (co_await io::read_all(f)).value();
    });
    const os::File f = (co_await os::open(path, O_WRONLY)).value();
    static_cast<void>((co_await f.write("through")).value());
    f.close();
    const std::string got = co_await reader;
    EXPECT_EQ(got, "through");
  });
}

TEST(File, OpenOfAFifoThatNobodyOpensCanBeGivenUpInTheRing) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    if (!detail::io_takes_files(detail::current_g())) co_return;
    const std::string path = dir.path("fifo");
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const auto r = co_await timeout(10ms, os::open(path));
    EXPECT_EQ(r.err, errc::deadline_exceeded);
    EXPECT_EQ(r.message(), "open " + path + ": context deadline exceeded");
  });
}

// More than the kernel has threads for: each waits in one for the other end.
TEST(File, OpensThatWaitHoldUpNoOtherFile) {
  const TempDir dir;
  const std::string file = dir.with("f", "content");
  on_executor([&]() -> Task<> {
    const auto fifo = [&dir](std::int64_t i) { return dir.path("fifo" + std::to_string(i)); };
    const auto open_all = [&fifo](WaitGroup& opened, int flags) {
      for (std::int64_t i = 0; i < 300; ++i) {
        opened.go([path = fifo(i), flags]() -> Task<> {
          const auto f = co_await os::open(path, flags);
          EXPECT_EQ(f.message(), "");
        });
      }
    };
    for (std::int64_t i = 0; i < 300; ++i) EXPECT_EQ(::mkfifo(fifo(i).c_str(), 0600), 0);
    WaitGroup readers, writers;
    open_all(readers, O_RDONLY);
    co_await until_parked(300);
    const os::File f = (co_await os::open(file, O_RDWR)).value();
    const std::string got = (co_await io::read_all(f)).value();
    EXPECT_EQ(got, "content");
    const auto synced = co_await f.fsync();
    EXPECT_FALSE(synced);
    open_all(writers, O_WRONLY);
    co_await writers.wait();
    co_await readers.wait();
  });
}

// The executor stops at any moment of their work: nothing is left open, and nothing is written to memory that is gone.
TEST(File, GsThatAreStoppedLeaveNothing) {
  const TempDir dir;
  const std::string path = dir.with("f", pattern(200'000, 3));
  on_executor([] {});
  const int before = test::open_fds();
  for (int round = 0; round < test::scaled(40, 10); ++round) {
    Executor ex;
    std::atomic<int> turns{0};
    for (int g = 0; g < 6; ++g) {
      ex.go([&, g]() -> Task<> {
        std::string buffer(50'000, '\0');
        while (true) {
          const os::File f = (co_await os::open(path, O_RDWR)).value();
          turns.fetch_add(1);
          if (g % 3 == 0) static_cast<void>((co_await f.read(buffer)).value());
          if (g % 3 == 1) static_cast<void>((co_await f.pwrite(buffer, 1000)).value());
          if (g % 3 == 2) static_cast<void>((co_await f.pread(buffer, 0)).value());
        }
      });
    }
    while (turns.load() < 1 + round) std::this_thread::yield();
    ex.stop();
  }
  EXPECT_EQ(test::open_fds(), before);
}

// ---- pipes

TEST(OsPipe, WhatIsWrittenIsReadAndTheEndSeen) {
  leaving_no_fds([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    EXPECT_FALSE(err);
    EXPECT_EQ(r.name(), "|0");
    EXPECT_EQ(w.name(), "|1");
    EXPECT_TRUE(test::is_cloexec(r.native_handle()) && test::is_cloexec(w.native_handle()));
    const std::string bytes = pattern(300'000, test::case_seed());  // more than a pipe holds
    auto writer = spawn([w = std::move(w), &bytes]() -> Task<> {
      const auto wrote = co_await w.write(bytes);
      EXPECT_EQ(wrote.value(), bytes.size());
    });  // its handle is the last one: it goes with the g
    const auto all = co_await io::read_all(r);
    EXPECT_TRUE(all.value() == bytes);
    co_await writer;
    char buffer[1];
    const auto at = co_await r.pread(buffer, 0);
    EXPECT_EQ(at.err, errno_code(ESPIPE));
    EXPECT_EQ(at.message(), "read |0: illegal seek");
  });
}

TEST(OsPipe, DeadlinesEndReadsAndWrites) {
  leaving_no_fds([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    char buffer[16];
    EXPECT_FALSE(r.set_read_deadline(Clock::now() + 10ms));
    const auto late = co_await r.read(buffer);
    EXPECT_EQ(late.err, errc::timeout);
    EXPECT_EQ(late.message(), "read |0: i/o timeout");
    EXPECT_FALSE(r.set_read_deadline(time_point{}));
    static_cast<void>((co_await w.write(std::string(sizeof buffer, 'f'))).value());  // whatever the deadline lets through after
    EXPECT_FALSE(w.set_deadline(Clock::now() + 10ms));
    const std::string much(1 << 20, 'm');
    const auto stuck = co_await w.write(much);
    EXPECT_EQ(stuck.err, errc::timeout);
    EXPECT_EQ(stuck.message(), "write |1: i/o timeout");
    EXPECT_LT(stuck.get<0>(), much.size());
    const auto read = co_await r.read(buffer);  // it stays usable
    EXPECT_EQ(read.value(), sizeof buffer);
  });
}

TEST(OsPipe, CloseEndsWhatIsParkedAndGivesTheNumberBack) {
  leaving_no_fds([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    auto reader = spawn([r = r]() -> Task<Result<std::size_t>> {
      char buffer[1];
      co_return co_await r.read(buffer);
    });
    auto writer = spawn([w = w]() -> Task<Result<std::size_t>> {
      const std::string much(1 << 20, 'm');
      co_return co_await w.write(much);
    });
    // The pipe empties into the reader's one byte at most, so the writer fills it and parks; the reader goes on.
    const auto one = co_await reader;
    EXPECT_EQ(one.value(), 1u);
    co_await until_parked(1);
    EXPECT_FALSE(w.close());
    const auto stuck = co_await writer;
    EXPECT_EQ(stuck.err, errc::closed);
    EXPECT_EQ(stuck.message(), "write |1: file already closed");
    co_await w.closed();
  });
}

TEST(OsPipe, AReadThatIsGivenUpLeavesTheBytesAndTheBuffer) {
  leaving_no_fds([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    const int rounds = test::scaled(200, 50);
    std::string sent, got;
    for (int i = 0; i < rounds; ++i) {
      char buffer[8] = {};
      auto [ctx, cancel] = with_cancel(background());
      auto other = spawn([w = w, cancel, i]() -> Task<> {
        for (int n = 0; n < i % 3; ++n) co_await yield();
        if (i % 2 == 0) cancel();
        static_cast<void>((co_await w.write(std::string(1, static_cast<char>('a' + i % 26)))).value());
        cancel();
      });
      sent += static_cast<char>('a' + i % 26);
      const auto read = co_await until(ctx, r.read(buffer));
      EXPECT_TRUE(read.get<0>() != 0 || read.err == errc::canceled) << read.message();
      const std::string before(buffer, sizeof buffer);
      got += before.substr(0, read.get<0>());
      co_await other;
      EXPECT_EQ(before, std::string(buffer, sizeof buffer));
    }
    w.close();
    got += (co_await io::read_all(r)).value();
    EXPECT_EQ(got, sent);
  });
}

// ---- from_fd

TEST(FromFd, WhatIsNoDescriptorIsRefused) {
  leaving_no_fds([]() -> Task<> {
    for (const int fd : {-1, 1'000'000}) {
      const auto r = os::from_fd(fd);
      EXPECT_EQ(r.err, errno_code(EBADF));
      EXPECT_EQ(r.message(), "file fd " + std::to_string(fd) + ": bad file descriptor");
    }
    co_return;
  });
}

TEST(FromFd, TakesWhateverItIs) {
  const TempDir dir;
  leaving_no_fds([&]() -> Task<> {
    char buffer[16];
    const std::string path = dir.with("f", "content");
    const os::File regular = os::from_fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK), "f").value();
    EXPECT_FALSE(test::is_nonblocking(regular.native_handle()));
    EXPECT_TRUE(test::is_cloexec(regular.native_handle()));
    const auto content = co_await regular.read(buffer);
    EXPECT_EQ(content.value(), 7u);

    const os::File folder = os::from_fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY), "d").value();
    const auto no = co_await folder.read(buffer);
    EXPECT_EQ(no.message(), "read d: is a directory");

    const os::File zero = os::from_fd(::open("/dev/zero", O_RDWR), "zero").value();
    const auto zeros = co_await zero.read(buffer);
    EXPECT_EQ(zeros.value(), sizeof buffer);

    int both[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
    const os::File left = os::from_fd(both[0], "left").value(), right = os::from_fd(both[1], "right").value();
    auto reader = spawn([left]() -> Task<std::string> { co_return (co_await io::read_all(left)).value(); });
    co_await until_parked(1);
    static_cast<void>((co_await right.write("by socket")).value());
    right.close();
    const std::string got = co_await reader;
    EXPECT_EQ(got, "by socket");
    const auto nobody = co_await left.write("x");
    EXPECT_EQ(nobody.message(), "write left: broken pipe");

    const os::File count = os::from_fd(::eventfd(0, 0), "count").value();
    auto waiter = spawn([count]() -> Task<std::uint64_t> {
      std::uint64_t n = 0;
      static_cast<void>((co_await count.read(io::Buffer(&n, sizeof n))).value());
      co_return n;
    });
    co_await until_parked(1);
    const std::uint64_t three = 3;
    static_cast<void>((co_await count.write(io::ConstBuffer(&three, sizeof three))).value());
    const std::uint64_t n = co_await waiter;
    EXPECT_EQ(n, 3u);
  });
}

/// Status 3: it was told.
void write_where_nobody_reads(int number) {
  auto [reader, writer, err] = os::pipe();
  ::dup2(writer.native_handle(), number);
  reader.close();
  const auto write = [](int number) -> Task<> {
    const os::File out = os::from_fd(number, "out").value();
    const auto wrote = co_await out.write("nobody reads it");
    ::_exit(wrote.message() == "write out: broken pipe" ? 3 : 4);
  };
  run(write, number);
}

// As of any program in a shell's pipeline that nobody reads.
TEST(FromFd, ABrokenStandardOutputEndsTheProgramUnlessItIgnoresThat) {
  for (const child::Scenario scenario : {child::Scenario([] { write_where_nobody_reads(1); }), child::Scenario([] { write_where_nobody_reads(2); })}) {
    const auto ended = child::run(scenario);
    EXPECT_EQ(ended.signal, SIGPIPE) << ended;
  }
  const auto another = child::run([] { write_where_nobody_reads(100); });
  EXPECT_EQ(another.status, 3) << another;
  const auto ignored = child::run([] {
    ::signal(SIGPIPE, SIG_IGN);
    write_where_nobody_reads(1);
  });
  EXPECT_EQ(ignored.status, 3) << ignored;
}

TEST(FromFd, ATerminalIsWaitedForByThePoller) {
  leaving_no_fds([]() -> Task<> {
    const int main_end = ::posix_openpt(O_RDWR | O_NOCTTY);
    if (main_end < 0 || ::grantpt(main_end) != 0 || ::unlockpt(main_end) != 0) {
      if (main_end >= 0) ::close(main_end);
      co_return;  // a container without devpts
    }
    const os::File keyboard = os::from_fd(main_end, "ptmx").value();
    const auto terminal = co_await os::open(::ptsname(main_end), O_RDWR | O_NOCTTY);
    const os::File tty = terminal.value();
    auto line = spawn([tty]() -> Task<std::string> {
      io::BufReader lines{tty};
      const auto r = co_await lines.read_line();
      co_return std::string(r.value());
    });
    co_await until_parked(1);
    static_cast<void>((co_await keyboard.write("typed\n")).value());
    const std::string typed = co_await line;
    EXPECT_EQ(typed, "typed");
    EXPECT_FALSE(tty.set_read_deadline(Clock::now() + 10ms));
    char buffer[1];
    const auto late = co_await tty.read(buffer);
    EXPECT_EQ(late.err, errc::timeout);
  });
}

}  // namespace
}  // namespace gmp::file_test
