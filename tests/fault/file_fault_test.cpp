// tests/fault/file_fault_test.cpp — files, pipes, datagrams and what the kernel moves by itself: calls that fail, are interrupted, fall short.
// Go: os/file_test.go, internal/poll/splice_linux_test.go, sendfile_test.go.  Room: tests/fault.
//
// Where a call goes depends on the poller: into the ring, or to a thread that may block.  What a program sees of a fault does not.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fault/kernel.hpp"
#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/net.hpp"
#include "gmp/os.hpp"
#include "net/splice.hpp"
#include "support/files.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"

namespace gmp::file_fault_test {
namespace {

using namespace std::chrono_literals;
using test::Call;
using test::conn_pair;
using test::ConnPair;
using test::Fault;
using test::Kernel;
using test::leaving_no_fds;
using test::TempDir;
using Outcome = Result<std::size_t>;

/// What may happen to a call that is simply made again: every third one is interrupted, the others fall short.
Kernel::Decide hindering(std::initializer_list<Call> calls, std::size_t most) {
  return [these = std::vector<Call>(calls), most, n = 0](Call call, bool) mutable {
    if (std::find(these.begin(), these.end(), call) == these.end()) return Fault();
    ++n;
    return n % 3 == 0 ? Fault::failing(EINTR) : Fault::cutting(most);
  };
}

long faults(const Kernel& kernel, std::initializer_list<Call> calls) {
  long sum = 0;
  for (const Call call : calls) sum += kernel.faults(call);
  return sum;
}

// ---- regular files

TEST(FileFault, AReadThatFailsSaysSoAndTheNextOneReadsOn) {
  const TempDir dir;
  const std::string path = dir.with("f", "abcdef");
  for (const bool at : {false, true}) {
    Kernel kernel([failed = false](Call call, bool) mutable {
      if (call == Call::try_read) return Fault::failing(EAGAIN);  // it is not in memory
      return call == Call::read && !std::exchange(failed, true) ? Fault::failing(EIO) : Fault();
    });
    leaving_no_fds([&]() -> Task<> {
      const os::File file = (co_await os::open(path, O_RDONLY)).value();
      std::string buffer(10, '\0');
      const auto read = [&]() -> Task<Outcome> {
        if (at) co_return co_await file.pread(buffer, 0);
        co_return co_await file.read(buffer);
      };
      const Outcome failed = co_await read();
      EXPECT_EQ(failed.get<0>(), 0u);
      EXPECT_EQ(failed.message(), "read " + path + ": input/output error");
      const Outcome good = co_await read();
      EXPECT_TRUE(good) << good.message();
      EXPECT_EQ(buffer.substr(0, good.get<0>()), "abcdef");
    });
    EXPECT_EQ(kernel.faults(Call::read), 1);
  }
}

TEST(FileFault, AWriteToAFullDiskTellsHowMuchWent) {
  const TempDir dir;
  const std::string path = dir.path("f");
  for (const bool at : {false, true}) {
    for (const auto& [error, text] : {std::pair(ENOSPC, "no space left on device"), std::pair(EIO, "input/output error"),
                                      std::pair(EDQUOT, "disk quota exceeded"), std::pair(EFBIG, "file too large")}) {
      Kernel kernel([n = 0, error = error](Call call, bool) mutable {
        if (call != Call::write) return Fault();
        return ++n < 3 ? Fault::cutting(2) : n == 3 ? Fault::failing(error) : Fault();
      });
      leaving_no_fds([&, text = text]() -> Task<> {
        const os::File file = (co_await os::open(path, O_RDWR | O_CREAT | O_TRUNC)).value();
        const auto write = [&](std::string_view data, std::int64_t offset) -> Task<Outcome> {
          if (at) co_return co_await file.pwrite(data, offset);
          co_return co_await file.write(data);
        };
        const Outcome failed = co_await write("abcdefgh", 0);
        EXPECT_EQ(failed.get<0>(), 4u);
        EXPECT_EQ(failed.message(), "write " + path + ": " + text);
        const Outcome rest = co_await write("efgh", 4);
        EXPECT_EQ(rest.get<0>(), 4u) << rest.message();
        std::string all(8, '\0');
        const auto read = co_await file.pread(all, 0);
        EXPECT_EQ(all, "abcdefgh") << read.message();
      });
    }
  }
}

TEST(FileFault, OpenAndSyncSaySo) {
  const TempDir dir;
  const std::string path = dir.with("f", "abc");
  Kernel kernel([opened = 0, synced = 0](Call call, bool) mutable {
    if (call == Call::open && ++opened <= 2) return Fault::failing(opened == 1 ? EMFILE : EINTR);
    if (call == Call::fsync && ++synced <= 2) return Fault::failing(synced == 1 ? EIO : EINTR);
    return Fault();
  });
  leaving_no_fds([&]() -> Task<> {
    const auto none = co_await os::open(path, O_RDWR);
    EXPECT_EQ(none.message(), "open " + path + ": too many open files");
    const os::File file = (co_await os::open(path, O_RDWR)).value();  // interrupted, and done again
    const auto failed = co_await file.fsync();
    EXPECT_EQ(failed, std::errc::io_error);
    const auto good = co_await file.fsync();  // interrupted
    EXPECT_FALSE(good) << good.message();
  });
  EXPECT_EQ(kernel.faults(Call::open), 2);
  EXPECT_EQ(kernel.faults(Call::fsync), 2);
}

TEST(FileFault, NothingIsLostWhenCallsAreInterruptedAndFallShort) {
  const TempDir dir;
  const std::string path = dir.path("f");
  const std::string all = test::pattern(40'000, test::case_seed());
  Kernel kernel(hindering({Call::read, Call::try_read, Call::write}, 700));
  leaving_no_fds([&]() -> Task<> {
    const os::File file = (co_await os::open(path, O_RDWR | O_CREAT | O_TRUNC)).value();
    const auto wrote = co_await file.write(std::string_view(all).substr(0, 25'000));
    EXPECT_EQ(wrote.get<0>(), 25'000u) << wrote.message();
    const auto placed = co_await file.pwrite(std::string_view(all).substr(25'000), 25'000);
    EXPECT_EQ(placed.get<0>(), 15'000u) << placed.message();
    const os::File again = (co_await os::open(path, O_RDONLY)).value();
    const auto read = co_await io::read_all(again);
    EXPECT_TRUE(read) << read.message();
    EXPECT_TRUE(read.get<0>() == all);
    std::string got(all.size(), '\0');
    for (std::size_t at = 0; at < got.size();) {
      auto [n, err] = co_await again.pread(io::Buffer(got).from(at), static_cast<std::int64_t>(at));
      EXPECT_FALSE(err);
      if (err) co_return;
      at += n;
    }
    EXPECT_TRUE(got == all);
  });
  EXPECT_GT(faults(kernel, {Call::read, Call::try_read}), 3);
  EXPECT_GT(kernel.faults(Call::write), 3);
}

// ---- pipes

Task<Outcome> write_all(os::File to, std::string_view data) {
  Outcome r = co_await to.write(data);
  to.close();
  co_return r;
}

TEST(PipeFault, NothingIsLostWhateverComesTogether) {
  const std::string all = test::pattern(300'000, test::case_seed());
  Kernel kernel([reads = 0, writes = 0](Call call, bool in_ring) mutable {
    if (call != Call::read && call != Call::write) return Fault();
    const int n = call == Call::read ? ++reads : ++writes;
    switch (n % 5) {
      case 1:
        return Fault::failing(EINTR);
      case 2:
        return Fault::cutting(1 + static_cast<std::size_t>(n) % 3000);
      case 3:  // a write that finds no room asks when there is
        return call == Call::write && !in_ring ? Fault::failing(EAGAIN) : Fault();
      default:
        return Fault();
    }
  });
  leaving_no_fds([&]() -> Task<> {
    const os::Pipe ends = os::pipe();
    auto writer = spawn(write_all, ends.writer, std::string_view(all));
    const auto got = co_await io::read_all(ends.reader);
    EXPECT_TRUE(got) << got.message();
    EXPECT_TRUE(got.get<0>() == all);
    const Outcome wrote = co_await writer;
    EXPECT_EQ(wrote.get<0>(), all.size()) << wrote.message();
  });
  EXPECT_GT(kernel.faults(Call::read), 2);
  EXPECT_GT(kernel.faults(Call::write), 2);
}

TEST(PipeFault, AFailureIsToldAndTheNextCallGoesOn) {
  for (const Call call : {Call::read, Call::write}) {
    Kernel kernel(test::nth(call, 1, Fault::failing(EIO)));
    leaving_no_fds([&]() -> Task<> {
      const os::Pipe ends = os::pipe();
      auto wrote = co_await ends.writer.write("abc");
      EXPECT_EQ(wrote.err == std::errc::io_error, call == Call::write) << wrote.message();
      if (wrote.err) wrote = co_await ends.writer.write("abc");
      EXPECT_EQ(wrote.get<0>(), 3u) << wrote.message();
      std::string got(3, '\0');
      auto read = co_await ends.reader.read(got);
      EXPECT_EQ(read.err == std::errc::io_error, call == Call::read) << read.message();
      if (read.err) read = co_await ends.reader.read(got);
      EXPECT_EQ(got, "abc") << read.message();
    });
    EXPECT_EQ(kernel.faults(call), 1);
  }
}

// ---- io::copy by splice(2) and sendfile(2)

/// Copies `all` from one connection to another by way of io::copy, which splices once there is much; `got` is what arrives.
Task<Outcome> copy_through(std::string_view all, std::string& got) {
  const ConnPair in = co_await conn_pair();
  const ConnPair out = co_await conn_pair();
  const auto feed = [](net::Conn to, std::string_view data) -> Task<> {
    static_cast<void>(co_await to.write(data));  // an error, if the copy has failed
    to.close_write();
  };
  const auto take = [](net::Conn from) -> Task<std::string> {
    const auto r = co_await io::read_all(from);
    co_return r.get<0>();
  };
  auto feeding = spawn(feed, in.a, all);
  auto taking = spawn(take, out.b);
  Outcome copied = co_await io::copy(out.a, in.b);
  in.b.close();
  out.a.close();
  co_await feeding;
  got = co_await taking;
  co_return copied;
}

TEST(SpliceFault, NothingIsLostWhenCallsAreInterruptedFallShortAndFindNothing) {
  const std::string all = test::pattern(4 << 20, test::case_seed());
  Kernel kernel([n = 0](Call call, bool) mutable {
    if (call != Call::splice) return Fault();
    switch (++n % 4) {
      case 0:
        return Fault::failing(EINTR);
      case 1:
        return Fault::cutting(50'000);
      case 2:
        return Fault::failing(EAGAIN);
      default:
        return Fault();
    }
  });
  const std::uint64_t moved = detail::moved_in_kernel.load(detail::relaxed);
  leaving_no_fds([&]() -> Task<> {
    std::string got;
    const Outcome copied = co_await copy_through(all, got);
    EXPECT_EQ(copied.get<0>(), all.size()) << copied.message();
    EXPECT_TRUE(got == all);
  });
  EXPECT_GT(kernel.faults(Call::splice), 5);
  EXPECT_GT(detail::moved_in_kernel.load(detail::relaxed), moved);
}

// What a system refuses to splice, in the middle of it too, is read and written instead.
TEST(SpliceFault, ARefusalLosesNothing) {
  const std::string all = test::pattern(2 << 20, test::case_seed());
  for (const int error : {EINVAL, EPERM, ENOSYS}) {
    for (long nth = 1; nth <= 6; ++nth) {
      Kernel kernel([n = 0L, reads = 0, nth, error](Call call, bool) mutable {
        if (call == Call::read) return ++reads % 2 != 0 ? Fault::failing(EINTR) : Fault();  // of what is in the pipe then
        return call == Call::splice && ++n >= nth ? Fault::failing(error) : Fault();
      });
      leaving_no_fds([&]() -> Task<> {
        std::string got;
        const Outcome copied = co_await copy_through(all, got);
        EXPECT_EQ(copied.get<0>(), all.size()) << copied.message();
        EXPECT_TRUE(got == all) << "refused from the " << nth << ". on";
      });
      EXPECT_GE(kernel.faults(Call::splice), 1);
    }
  }
}

// A splice that took less than it was asked for says nothing about what is left: a read after it must look, and not wait for more to come.
TEST(SpliceFault, WhatAShortOneLeavesIsRead) {
  const std::string all = test::pattern(150'000, test::case_seed());
  Kernel kernel([n = 0](Call call, bool) mutable {
    if (call != Call::splice) return Fault();
    ++n;
    return n == 1 ? Fault::cutting(20'000) : n == 2 ? Fault() : Fault::failing(EINVAL);  // in, out, and no more of that
  });
  Executor ex({.procs = 1, .max_hogs = 0});  // so that all has come before the reader is told of any
  ex.run([&]() -> Task<> {
    const ConnPair in = co_await conn_pair();
    const ConnPair out = co_await conn_pair();
    const int size = 1 << 20;
    EXPECT_EQ(::setsockopt(in.b.native_handle(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    const auto copy = [](net::Conn to, net::Conn from) -> Task<Outcome> { co_return co_await io::copy(to, from); };
    auto copying = spawn(copy, out.a, in.b);
    co_await test::until_parked(1);
    for (std::size_t at = 0; at < all.size();) {  // without a co_await, at which the reader might have its turn
      const ssize_t n = ::write(in.a.native_handle(), all.data() + at, all.size() - at);
      if (n > 0) at += static_cast<std::size_t>(n);
    }
    for (int there = 0; there < static_cast<int>(all.size());) EXPECT_EQ(::ioctl(in.b.native_handle(), FIONREAD, &there), 0);
    std::string got(all.size(), '\0');
    const auto read = co_await io::read_full(out.b, got);
    EXPECT_TRUE(read) << read.message();
    EXPECT_TRUE(got == all);
    in.a.close();
    const Outcome copied = co_await copying;
    EXPECT_EQ(copied.get<0>(), all.size()) << copied.message();
  });
  EXPECT_GE(kernel.faults(Call::splice), 2);
}

// SP1: what was counted has gone, in order; what was read but could not be written is lost with the connection.
TEST(SpliceFault, AFailureIsToldWithHowMuchWent) {
  const std::string all = test::pattern(8 << 20, test::case_seed());
  for (const int error : {ECONNRESET, ENOMEM, EIO}) {
    for (long nth = 1; nth <= 6; ++nth) {
      Kernel kernel(test::nth(Call::splice, nth, Fault::failing(error)));
      leaving_no_fds([&]() -> Task<> {
        std::string got;
        const Outcome copied = co_await copy_through(all, got);
        EXPECT_EQ(copied.err.value(), error) << copied.message();
        EXPECT_EQ(copied.get<0>(), got.size());
        EXPECT_TRUE(std::string_view(all).starts_with(got));
      });
      EXPECT_EQ(kernel.faults(Call::splice), 1);
    }
  }
}

Task<Outcome> send_file(const std::string& path, std::string& got) {
  const ConnPair pair = co_await conn_pair();
  const os::File file = (co_await os::open(path, O_RDONLY)).value();
  const auto take = [](net::Conn from) -> Task<std::string> {
    const auto r = co_await io::read_all(from);
    co_return r.get<0>();
  };
  auto taking = spawn(take, pair.b);
  Outcome copied = co_await io::copy(pair.a, file);
  pair.a.close();
  got = co_await taking;
  co_return copied;
}

TEST(SendfileFault, NothingIsLostWhenCallsAreInterruptedFallShortFindNoRoomOrAreRefused) {
  const TempDir dir;
  const std::string all = test::pattern(3 << 20, test::case_seed());
  const std::string path = dir.with("f", all);
  const Kernel::Decide decisions[] = {
      hindering({Call::sendfile}, 70'000),
      [n = 0](Call call, bool) mutable { return call == Call::sendfile && ++n % 2 != 0 ? Fault::failing(EAGAIN) : Fault(); },
      [](Call call, bool) { return call == Call::sendfile ? Fault::failing(EINVAL) : Fault(); },
  };
  for (const Kernel::Decide& decide : decisions) {
    Kernel kernel([decide, cut = 0](Call call, bool in_ring) mutable {
      const Fault fault = decide(call, in_ring);
      return call == Call::sendfile && fault.does == Fault::Does::nothing && ++cut > 0 ? Fault::cutting(300'000) : fault;
    });
    leaving_no_fds([&]() -> Task<> {
      std::string got;
      const Outcome copied = co_await send_file(path, got);
      EXPECT_EQ(copied.get<0>(), all.size()) << copied.message();
      EXPECT_TRUE(got == all);
    });
    EXPECT_GT(kernel.faults(Call::sendfile), 0);
  }
}

TEST(SendfileFault, AFailureIsToldWithHowMuchWent) {
  const TempDir dir;
  const std::string all = test::pattern(3 << 20, test::case_seed());
  const std::string path = dir.with("f", all);
  for (long nth = 1; nth <= 3; ++nth) {
    Kernel kernel([n = 0L, nth](Call call, bool) mutable {
      if (call != Call::sendfile) return Fault();
      return ++n == nth ? Fault::failing(EIO) : Fault::cutting(300'000);
    });
    leaving_no_fds([&]() -> Task<> {
      std::string got;
      const Outcome copied = co_await send_file(path, got);
      EXPECT_EQ(copied.err, std::errc::io_error) << copied.message();
      EXPECT_EQ(copied.get<0>(), got.size());
      EXPECT_TRUE(std::string_view(all).starts_with(got));
    });
  }
}

/// As the system does when the other end goes in the middle of a call that goes piece by piece: it tells how much went, and raises the signal all the same.
Kernel::Decide raising_sigpipe(Call by, std::size_t most) {
  return [by, most](Call call, bool) {
    sigset_t held_back;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &held_back);
    if (call != by || sigismember(&held_back, SIGPIPE) == 0) return Fault();
    ::raise(SIGPIPE);
    return Fault::cutting(most);
  };
}

TEST(SpliceFault, ASignalBesideWhatWentEndsNothing) {
  const std::string all = test::pattern(2 << 20, test::case_seed());
  Kernel kernel(raising_sigpipe(Call::splice, 50'000));
  leaving_no_fds([&]() -> Task<> {
    std::string got;
    const Outcome copied = co_await copy_through(all, got);
    EXPECT_EQ(copied.get<0>(), all.size()) << copied.message();
    EXPECT_TRUE(got == all);
  });
  EXPECT_GT(kernel.faults(Call::splice), 1);
}

TEST(SendfileFault, ASignalBesideWhatWentEndsNothing) {
  const TempDir dir;
  const std::string all = test::pattern(1 << 20, test::case_seed());
  const std::string path = dir.with("f", all);
  Kernel kernel(raising_sigpipe(Call::sendfile, 300'000));
  leaving_no_fds([&]() -> Task<> {
    std::string got;
    const Outcome copied = co_await send_file(path, got);
    EXPECT_EQ(copied.get<0>(), all.size()) << copied.message();
    EXPECT_TRUE(got == all);
  });
  EXPECT_GT(kernel.faults(Call::sendfile), 1);
}

// Into a file: a splice that may block, on a disk that is full in the middle.
TEST(SpliceFault, IntoAFileAFullDiskIsTold) {
  const TempDir dir;
  const std::string all = test::pattern(3 << 20, test::case_seed());
  Kernel kernel([n = 0](Call call, bool) mutable {
    return (call == Call::splice || call == Call::write) && ++n > 12 ? Fault::failing(ENOSPC) : Fault();
  });
  leaving_no_fds([&]() -> Task<> {
    const ConnPair pair = co_await conn_pair();
    const os::File file = (co_await os::open(dir.path("f"), O_RDWR | O_CREAT)).value();
    const auto feed = [](net::Conn to, std::string_view data) -> Task<> {
      static_cast<void>(co_await to.write(data));
      to.close();
    };
    auto feeding = spawn(feed, pair.a, std::string_view(all));
    const Outcome copied = co_await io::copy(file, pair.b);
    EXPECT_EQ(copied.err, std::errc::no_space_on_device) << copied.message();
    pair.b.close();
    co_await feeding;
    std::string got(all.size(), '\0');
    std::size_t at = 0;
    for (;;) {
      auto [n, err] = co_await file.pread(io::Buffer(got).from(at), static_cast<std::int64_t>(at));
      if (err) break;
      at += n;
    }
    EXPECT_EQ(copied.get<0>(), at);
    EXPECT_TRUE(std::string_view(all).starts_with(std::string_view(got).substr(0, at)));
  });
}

// ---- datagrams

TEST(DatagramFault, EachGoesOnceAndWholeWhateverItsCallsAreTold) {
  Kernel kernel([n = 0](Call call, bool in_ring) mutable {
    if (call != Call::sendmsg && call != Call::recvmsg) return Fault();
    switch (++n % 3) {
      case 0:
        return Fault::failing(EINTR);
      case 1:  // then it is told when there is room
        return call == Call::sendmsg && !in_ring ? Fault::failing(EAGAIN) : Fault();
      default:
        return Fault();
    }
  });
  leaving_no_fds([&]() -> Task<> {
    const net::PacketConn a = net::listen_packet("udp", "127.0.0.1:0").value();
    const net::PacketConn b = net::listen_packet("udp", "127.0.0.1:0").value();
    std::string buffer(100, '\0');
    for (int i = 0; i < 30; ++i) {
      const std::string text = "datagram " + std::to_string(i);
      auto [sent, err] = co_await a.write_to(text, b.local_addr());
      EXPECT_EQ(sent, text.size()) << err.message();
      auto [r, failed] = co_await b.read_from(buffer);
      EXPECT_EQ(buffer.substr(0, r.n), text) << failed.message();
      EXPECT_EQ(r.addr, a.local_addr());
    }
    const auto more = co_await timeout(5ms, b.read_from(buffer));
    EXPECT_EQ(more.err, errc::deadline_exceeded);
  });
  EXPECT_GT(kernel.faults(Call::sendmsg), 0);
  EXPECT_GT(kernel.faults(Call::recvmsg), 0);
}

TEST(DatagramFault, AFailureIsToldAndTheNextOneGoes) {
  for (const auto& [call, error, text] : {std::tuple(Call::sendmsg, ENOBUFS, "sendto: no buffer space available"),
                                          std::tuple(Call::sendmsg, EMSGSIZE, "sendto: message too long"),
                                          std::tuple(Call::recvmsg, ECONNREFUSED, "recvfrom: connection refused")}) {
    Kernel kernel(test::nth(call, 1, Fault::failing(error)));
    leaving_no_fds([&, call = call, text = text]() -> Task<> {
      const net::PacketConn pc = net::listen_packet("udp", "127.0.0.1:0").value();
      auto sent = co_await pc.write_to("x", pc.local_addr());
      if (call == Call::sendmsg) {
        EXPECT_TRUE(sent.message().ends_with(text)) << sent.message();
        sent = co_await pc.write_to("x", pc.local_addr());
      }
      EXPECT_TRUE(sent) << sent.message();
      char byte[1];
      auto got = co_await pc.read_from(byte);
      if (call == Call::recvmsg) {
        EXPECT_TRUE(got.message().ends_with(text)) << got.message();
        got = co_await pc.read_from(byte);
      }
      EXPECT_TRUE(got) << got.message();
      EXPECT_EQ(got.get<0>().n, 1u);
    });
    EXPECT_EQ(kernel.faults(call), 1);
  }
}

}  // namespace
}  // namespace gmp::file_fault_test
