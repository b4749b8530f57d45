// src/net/pipe.cpp — net::pipe: a connection in memory. Nothing is kept between: each read takes from a write that waits, or waits for one.
// Go: net/pipe.go.  Room: net (floor 5).
//
// A wire is one direction: a place for the g that reads, a place for the g that writes (FdMutex lets one at a time come here), and how it
// ended.  Whoever comes second moves the bytes from frame to frame, and wakes the first when that one has all it wanted.
//   PI1  reader_, writer_: an operation that sleeps, under lock_; never both with something left to move.
//   PI2  who takes one off wakes it, after lock_ is free. It looks at what it got, and at the wire, when it goes on.
//   PI3  what was moved counts, whatever comes meanwhile (FO2).
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "gmp/detail/sys/lock.hpp"
#include "gmp/net.hpp"
#include "net/descriptor.hpp"
#include "net/memory_device.hpp"

namespace gmp::detail {

namespace {

struct Wire {
  FdOperation* reader_ = nullptr;
  FdOperation* writer_ = nullptr;
  bool ended_ = false;    // nobody will write
  bool refused_ = false;  // nobody will read
};

/// What the two ends share.
struct Pipe : Immovable {
  Lock lock_;
  Wire wires_[2];
};

class PipeEnd final : public MemoryDevice {
 public:
  PipeEnd(std::shared_ptr<Pipe> pipe, unsigned index) noexcept
      : MemoryDevice(pipe->lock_), pipe_(std::move(pipe)), in_(pipe_->wires_[index]), out_(pipe_->wires_[1 - index]) {}

  std::error_code shut_down(int how) noexcept override {
    end(how != SHUT_WR, how != SHUT_RD);
    return {};
  }
  void close() noexcept override { end(true, true); }

 private:
  FdOperation*& sleeper(FdSide side) noexcept override { return side == FdSide::read ? in_.reader_ : out_.writer_; }
  Next look(FdOperation& op, std::int64_t, WakeList& woken) noexcept override { return op.side() == FdSide::read ? read(op, woken) : write(op, woken); }

  // Both under lock_.
  Next read(FdOperation& op, WakeList& woken) noexcept {
    if (op.bytes() != 0) return Next::over;  // PI3
    if (op.fails_now()) return Next::over;
    if (FdOperation* writer = in_.writer_; writer != nullptr && !in_.refused_) {
      move(*writer, op);
      if (writer->left() == 0) woken.push(std::exchange(in_.writer_, nullptr));
      return Next::over;
    }
    if (!in_.ended_ && !in_.refused_) return Next::sleep;
    op.fail(errc::eof);
    return Next::over;
  }
  Next write(FdOperation& op, WakeList& woken) noexcept {
    if (op.left() == 0) return Next::over;  // PI3
    if (op.fails_now()) return Next::over;
    if (out_.ended_ || out_.refused_) {
      op.fail(errc::closed_pipe);
      return Next::over;
    }
    if (out_.reader_ == nullptr) return Next::sleep;
    move(op, *out_.reader_);
    woken.push(std::exchange(out_.reader_, nullptr));
    return op.left() == 0 ? Next::over : Next::sleep;
  }
  static void move(FdOperation& from, FdOperation& to) noexcept {
    const std::size_t n = std::min(from.left(), to.left());
    std::memcpy(to.rest(), from.rest(), n);
    from.transferred(n);
    to.transferred(n);
  }

  void end(bool reading, bool writing) noexcept {
    WakeList woken;
    {
      LockGuard guard(pipe_->lock_);
      const auto stop = [&](Wire& wire) {
        if (wire.reader_ != nullptr) woken.push(std::exchange(wire.reader_, nullptr));
        if (wire.writer_ != nullptr) woken.push(std::exchange(wire.writer_, nullptr));
      };
      if (reading) {
        in_.refused_ = true;
        stop(in_);
      }
      if (writing) {
        out_.ended_ = true;
        stop(out_);
      }
    }
    woken.wake_all();
  }

  const std::shared_ptr<Pipe> pipe_;
  Wire& in_;
  Wire& out_;
};

}  // namespace
}  // namespace gmp::detail

namespace gmp::net {

std::pair<Conn, Conn> pipe() {
  const auto shared = std::make_shared<detail::Pipe>();
  const auto end = [&shared](unsigned index) {
    detail::Descriptor* fd = detail::Descriptor::make(std::make_unique<detail::PipeEnd>(shared, index), "pipe", {}, {});
    if (fd == nullptr) throw std::bad_alloc();
    return Conn(detail::DescriptorRef(fd));
  };
  Conn first = end(0);
  return {std::move(first), end(1)};
}

}  // namespace gmp::net
