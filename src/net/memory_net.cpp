// src/net/memory_net.cpp — a net in memory: how a connection comes to be, what its bytes do, and what may go wrong with it.
// Go: none.  Room: net (floor 5).
//
// Under gmp::testing net::listen and net::dial of streams make these devices in place of sockets.  They behave as the system's do: a stream of bytes without
// borders, in a buffer that fills; half-closed, reset, refused; all in the thread, and by the clock, of the test.
//   MN1  of each direction there is kept what was sent and not yet received, who sleeps for it on either side (device.hpp: DV1, DV2), and how it ended.
//   MN2  what was sent before an end is received before it; a reset by a peer that did not read, too. A reset that is a fault takes what is under way with it.
//   MN3  an accept that succeeds has one connection of the backlog reserved, which its g takes when it goes on.
//   MN4  who dials, and finds the backlog full, knocks again after 1 s, 2 s, 4 s … as TCP does, and gives up after 127 s.  It is a write of the end that is
//        to be: nobody else has that yet.
// Where schedules are drawn so is how much one read gives of what is there.  And of faults, if the test wants them: a dial is refused, an accept finds no
// descriptor left, a connection is reset, what is sent is late, a write stops in the middle for a while.
#include "net/memory_net.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <new>
#include <utility>

#include "gmp/detail/park.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "net/descriptor.hpp"
#include "net/memory_device.hpp"
#include "net/op_error.hpp"

namespace gmp::detail {

namespace {

constexpr std::size_t buffer_size = 64 * 1024;
constexpr std::int64_t late_max_ns = 10'000'000'000;

struct Direction {
  std::deque<std::byte> bytes_;
  FdOperation* reader_ = nullptr;
  FdOperation* writer_ = nullptr;
  bool ended_ = false;    // nothing more is sent
  bool refused_ = false;  // who receives has shut that: what is there, and what comes, may be read, and there is no waiting for it
  bool gone_ = false;     // nobody is there to receive
  bool reset_ = false;
  std::int64_t late_until_ = 0;  // nothing comes before
};

}  // namespace

/// What the two ends share.
class MemoryNet::Link : Immovable {
 public:
  Lock lock_;
  Direction directions_[2];
};

/// The connections that nobody has accepted yet.
class MemoryNet::Backlog : Immovable {
 public:
  Backlog(const net::Addr& addr, bool both, const net::ListenOptions& options) noexcept
      : addr_(addr), both_(both), shares_port_(options.reuse_port), most_(options.backlog > 0 ? static_cast<std::size_t>(options.backlog) : 4096) {}

  enum class Answer : std::uint8_t { in, full, closed };
  /// conn is moved from if it is in. Throws std::bad_alloc.
  Answer let_in(net::Conn& conn, WakeList& woken) {
    LockGuard guard(lock_);
    if (closed_) return Answer::closed;
    if (waiting_.size() >= most_) return Answer::full;
    waiting_.push_back(std::move(conn));
    if (accepter_ != nullptr) woken.push(std::exchange(accepter_, nullptr));
    return Answer::in;
  }

  const net::Addr addr_;
  const bool both_;  // families, if addr_ is a wildcard
  const bool shares_port_;
  const std::size_t most_;
  Lock lock_;
  std::deque<net::Conn> waiting_;
  std::size_t reserved_ = 0;  // MN3
  FdOperation* accepter_ = nullptr;
  bool closed_ = false;
};

class MemoryNet::Stream final : public MemoryDevice {
 public:
  Stream(Chance& chance, std::shared_ptr<Link> link, unsigned index, bool local) noexcept
      : MemoryDevice(link->lock_),
        chance_(chance),
        link_(std::move(link)),
        in_(link_->directions_[index]),
        out_(link_->directions_[1 - index]),
        local_(local) {}

  std::error_code shut_down(int how) noexcept override {
    end(how != SHUT_WR, how != SHUT_RD, false);
    return {};
  }
  void close() noexcept override { end(true, true, false); }
  void drop() noexcept override { end(true, true, true); }
  bool takes_options() const noexcept override { return true; }

  /// MN4. Before it is anybody's: where it asks to be let in, and its other end.
  void knock_at(std::shared_ptr<Backlog> backlog, net::Conn there) noexcept {
    knocks_at_ = std::move(backlog);
    there_ = std::move(there);
  }

 private:
  FdOperation*& sleeper(FdSide side) noexcept override { return side == FdSide::read ? in_.reader_ : out_.writer_; }
  std::int64_t late_until(FdSide side) noexcept override {
    if (side == FdSide::write) return stalled_until_;
    LockGuard guard(link_->lock_);
    return in_.late_until_;
  }
  Next look(FdOperation& op, std::int64_t late, WakeList& woken) noexcept override {
    if (op.side() == FdSide::write) return write(op, woken);
    return late != in_.late_until_ ? Next::again : read(op, woken);
  }

  // Both under the lock.
  Next read(FdOperation& op, WakeList& woken) noexcept {
    if (op.fails_now() || op.bytes() != 0) return Next::over;
    if (chance_.fault("a connection is reset")) reset(woken, true);
    const bool late = in_.late_until_ > now_ns();
    if (!in_.bytes_.empty() && !late) {
      std::size_t n = std::min(op.left(), in_.bytes_.size());
      if (n > 1 && chance_.draw(2) != 0) n = 1 + chance_.draw(static_cast<std::uint32_t>(n));
      std::copy_n(in_.bytes_.begin(), n, op.rest());
      in_.bytes_.erase(in_.bytes_.begin(), in_.bytes_.begin() + static_cast<std::ptrdiff_t>(n));
      op.transferred(n);
      if (in_.writer_ != nullptr) woken.push(std::exchange(in_.writer_, nullptr));
      return Next::over;
    }
    if (in_.reset_ && !std::exchange(told_, true)) {
      op.fail(system_failure("read", ECONNRESET));
    } else if (in_.reset_) {
      op.fail(errc::eof);
    } else if (in_.refused_ || (in_.ended_ && !late)) {
      op.fail(errc::eof);
    } else {
      return Next::sleep;
    }
    return Next::over;
  }
  Next write(FdOperation& op, WakeList& woken) noexcept {
    if (knocks_at_ != nullptr) return knock(op, woken);
    if (op.left() == 0 || op.fails_now()) return Next::over;
    if (chance_.fault("a connection is reset")) reset(woken, true);
    if (out_.reset_ || out_.ended_) {
      op.fail(system_failure("write", out_.ended_ || std::exchange(told_, true) ? EPIPE : ECONNRESET));
      return Next::over;
    }
    if (local_ && (out_.refused_ || out_.gone_)) {
      op.fail(system_failure("write", EPIPE));
      return Next::over;
    }
    if (out_.gone_) {  // it goes out, and what comes back is a reset
      op.transferred(op.left());
      reset(woken, true);
      return Next::over;
    }
    std::size_t n = std::min(op.left(), buffer_size - out_.bytes_.size());
    if (n == 0 || stalled_until_ > now_ns()) return Next::sleep;
    const bool stalls = n > 1 && chance_.fault("a write stalls in the middle");
    if (stalls) n = 1 + chance_.draw(static_cast<std::uint32_t>(n - 1));
    try {
      out_.bytes_.insert(out_.bytes_.end(), op.rest(), op.rest() + n);
    } catch (const std::bad_alloc&) {
      op.fail(system_failure("write", ENOMEM));
      return Next::over;
    }
    op.transferred(n);
    if (chance_.fault("bytes are late")) out_.late_until_ = some_time_later();
    if (stalls) stalled_until_ = some_time_later();
    if (out_.reader_ != nullptr) woken.push(std::exchange(out_.reader_, nullptr));
    if (stalls) return Next::again;  // with another alarm
    return op.left() == 0 ? Next::over : Next::sleep;
  }

  Next knock(FdOperation& op, WakeList& woken) noexcept {
    constexpr int most = 7;
    constexpr std::int64_t first_pause = 1'000'000'000;
    if (op.fails_now()) return Next::over;
    if (stalled_until_ > now_ns()) return Next::sleep;
    Backlog::Answer answer = Backlog::Answer::full;
    try {
      answer = knocks_at_->let_in(there_, woken);
    } catch (const std::bad_alloc&) {  // then it is as if there were no room
    }
    if (answer == Backlog::Answer::full && knocks_ != most) {
      stalled_until_ = now_ns() + (first_pause << knocks_++);
      return Next::again;  // with another alarm
    }
    if (answer != Backlog::Answer::in) op.fail(system_failure("connect", answer == Backlog::Answer::full ? ETIMEDOUT : ECONNREFUSED));
    knocks_at_ = nullptr;
    return Next::over;
  }

  std::int64_t some_time_later() noexcept { return now_ns() + 1 + chance_.draw(late_max_ns / 1'000'000) * std::int64_t{1'000'000}; }

  static void stop(Direction& direction, WakeList& woken) noexcept {
    if (direction.reader_ != nullptr) woken.push(std::exchange(direction.reader_, nullptr));
    if (direction.writer_ != nullptr) woken.push(std::exchange(direction.writer_, nullptr));
  }
  void reset(WakeList& woken, bool drops) noexcept {
    for (Direction* direction : {&in_, &out_}) {
      direction->reset_ = true;
      direction->late_until_ = 0;
      if (drops) direction->bytes_.clear();
      stop(*direction, woken);
    }
  }
  void end(bool reading, bool writing, bool dropping) noexcept {
    WakeList woken;
    {
      LockGuard guard(link_->lock_);
      const bool closing = reading && writing;
      if (dropping || (closing && !in_.bytes_.empty())) reset(woken, dropping);  // MN2: what was not read is answered by a reset
      if (closing) {
        in_.gone_ = true;
        in_.bytes_.clear();
      }
      if (reading) {
        in_.refused_ = true;
        stop(in_, woken);
      }
      if (writing) {
        out_.ended_ = true;
        stop(out_, woken);
      }
    }
    woken.wake_all();
  }

  Chance& chance_;
  const std::shared_ptr<Link> link_;
  Direction& in_;
  Direction& out_;
  const bool local_;   // of a unix socket, which knows at once
  bool told_ = false;  // of the reset; after that it reads an end, and its pipe is broken
  std::int64_t stalled_until_ = 0;  // who writes sends no more before, who knocks waits: the writing side's
  std::shared_ptr<Backlog> knocks_at_;  // MN4
  net::Conn there_;
  int knocks_ = 0;
};

class MemoryNet::Acceptor final : public MemoryDevice {
 public:
  Acceptor(Chance& chance, std::shared_ptr<Backlog> backlog) noexcept : MemoryDevice(backlog->lock_), chance_(chance), backlog_(std::move(backlog)) {}

  std::error_code shut_down(int) noexcept override { return {}; }
  void close() noexcept override {
    std::deque<net::Conn> refused;
    {
      LockGuard guard(backlog_->lock_);
      backlog_->closed_ = true;
      while (backlog_->waiting_.size() > backlog_->reserved_) {
        refused.push_back(std::move(backlog_->waiting_.back()));
        backlog_->waiting_.pop_back();
      }
    }
    for (const net::Conn& conn : refused) static_cast<void>(conn.set_linger(std::chrono::seconds(0)));  // they go as the system's do: reset
  }
  bool takes_options() const noexcept override { return true; }

  net::Conn take() {
    LockGuard guard(backlog_->lock_);
    --backlog_->reserved_;
    net::Conn conn = std::move(backlog_->waiting_.front());
    backlog_->waiting_.pop_front();
    return conn;
  }

 private:
  FdOperation*& sleeper(FdSide) noexcept override { return backlog_->accepter_; }
  Next look(FdOperation& op, std::int64_t, WakeList&) noexcept override {
    if (op.fails_now()) return Next::over;
    if (backlog_->waiting_.size() <= backlog_->reserved_) return Next::sleep;
    if (chance_.fault("an accept finds no descriptor left"))
      op.fail(system_failure("accept4", EMFILE));
    else
      ++backlog_->reserved_;
    return Next::over;
  }

  Chance& chance_;
  const std::shared_ptr<Backlog> backlog_;
};

// ---- the net

MemoryNet* MemoryNet::of(G* gp) {
  Chance* chance = gp != nullptr ? chance_of(gp) : nullptr;
  if (chance == nullptr) return nullptr;
  if (chance->net_ == nullptr) chance->net_ = std::make_shared<MemoryNet>(*chance);
  return static_cast<MemoryNet*>(chance->net_.get());
}

MemoryNet* MemoryNet::here() { return of(current_g()); }

net::Addr MemoryNet::place(const net::Addr& wanted, const char* network) noexcept {
  if (wanted.is_unix()) return wanted;
  const std::string_view name = network;
  const net::Addr addr = wanted.is_unspecified() && (name == "tcp" || name == "udp") ? net::Addr::ipv6(wanted.kind(), {}, wanted.port()) : wanted;
  return addr.port() != 0 ? addr : addr.with_port(free_port());
}

bool MemoryNet::collide(const net::Addr& one, const net::Addr& other) noexcept {
  if (one.is_unix() != other.is_unix() || one.port() != other.port()) return false;
  return one == other || (!one.is_unix() && (one.is_unspecified() || other.is_unspecified()));
}

net::Addr MemoryNet::local_for(const net::Addr& remote) noexcept {
  if (remote.is_unix()) return {};
  const std::uint16_t port = free_port();
  return remote.is_ipv4() && remote.is_loopback() ? net::Addr::ipv4(remote.kind(), {127, 0, 0, 1}, port) : remote.with_port(port);
}

Result<net::Listener> MemoryNet::listen(const net::Addr& wanted, const char* network, const net::ListenOptions& options) {
  std::erase_if(listeners_, [](const std::shared_ptr<Backlog>& other) { return other->closed_; });
  const net::Addr addr = place(wanted, network);
  for (const auto& other : listeners_) {
    if (!collide(other->addr_, addr) || (other->shares_port_ && options.reuse_port)) continue;
    return op_error<net::Listener>("listen", network, {}, addr, system_failure("bind", EADDRINUSE));
  }
  const auto backlog = std::make_shared<Backlog>(addr, std::string_view(network) == "tcp", options);
  Descriptor* fd = Descriptor::make(std::make_unique<Acceptor>(chance_, backlog), network, addr, {}, Descriptor::Nature::listener);
  if (fd == nullptr) throw std::bad_alloc();
  net::Listener listener{DescriptorRef(fd)};
  listeners_.push_back(backlog);
  return Result<net::Listener>(std::move(listener));
}

// Those that the system takes, round and round, but for those that are taken.
std::uint16_t MemoryNet::free_port() noexcept {
  constexpr std::uint16_t first = 32'768, last = 60'999;
  const auto taken = [this](std::uint16_t port) {
    return std::any_of(listeners_.begin(), listeners_.end(), [port](const auto& other) { return !other->closed_ && other->addr_.port() == port; });
  };
  do {
    next_port_ = next_port_ < first || next_port_ >= last ? first : static_cast<std::uint16_t>(next_port_ + 1);
  } while (taken(next_port_) || has_mailbox(next_port_));
  return next_port_;
}

std::shared_ptr<MemoryNet::Backlog> MemoryNet::find(const net::Addr& remote) noexcept {
  std::shared_ptr<Backlog> wildcard;
  for (const auto& listener : listeners_) {
    if (listener->closed_ || listener->addr_.is_unix() != remote.is_unix() || listener->addr_.port() != remote.port()) continue;
    if (listener->addr_ == remote) return listener;
    const bool same_family = listener->addr_.is_ipv4() == remote.is_ipv4();
    if (!remote.is_unix() && listener->addr_.is_unspecified() && (listener->both_ || same_family)) wildcard = listener;
  }
  return wildcard;
}

Result<net::Conn> MemoryNet::dial(const net::Addr& remote, const char* network, bool& knocks) {
  const auto refused = [&](int error) { return op_error<net::Conn>("dial", network, {}, remote, system_failure("connect", error)); };
  if (chance_.fault("a dial is refused")) return refused(ECONNREFUSED);
  const std::shared_ptr<Backlog> backlog = find(remote);
  if (backlog == nullptr) return refused(remote.is_unix() ? ENOENT : ECONNREFUSED);
  const auto link = std::make_shared<Link>();
  const net::Addr local = local_for(remote);
  const auto end = [&](unsigned index, const net::Addr& own, const net::Addr& other) {
    auto stream = std::make_unique<Stream>(chance_, link, index, remote.is_unix());
    Stream& its = *stream;
    Descriptor* fd = Descriptor::make(std::move(stream), network, own, other);
    if (fd == nullptr) throw std::bad_alloc();
    return std::pair<net::Conn, Stream&>(net::Conn(DescriptorRef(fd)), its);
  };
  auto [here, stream] = end(0, local, remote);
  net::Conn there = end(1, remote, local).first;
  WakeList woken;
  knocks = backlog->let_in(there, woken) == Backlog::Answer::full;
  woken.wake_all();
  if (knocks && remote.is_unix()) {
    knocks = false;
    return refused(EAGAIN);
  }
  if (knocks) stream.knock_at(backlog, std::move(there));
  return Result<net::Conn>(std::move(here));
}

net::Conn MemoryNet::take_accepted(Device& listener) { return static_cast<Acceptor&>(listener).take(); }

}  // namespace gmp::detail
