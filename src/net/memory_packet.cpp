// src/net/memory_packet.cpp — datagrams of the net in memory: who gets them, and what becomes of those that nobody gets.
// Go: none.  Room: net (floor 5).
//
// Each UDP socket has a mailbox.  What is sent lies in the receiver's at once, with the sender's address; as on a system's net nobody says that it has arrived,
// and what does not fit, or finds nobody, is gone.  A socket that was dialed takes from its peer only, and is told by its next operation if there is none.
//   MP1  all mailboxes and who reads from them are under one lock, the post's. It is held by no g that sleeps.
//   MP2  a reader that sleeps is in its mailbox (device.hpp: DV1, DV2); a writer never sleeps.
// Of faults, if the test wants them: a datagram is lost, comes twice, overtakes others.
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "gmp/detail/sys/lock.hpp"
#include "net/descriptor.hpp"
#include "net/memory_device.hpp"
#include "net/memory_net.hpp"
#include "net/sockaddr.hpp"

namespace gmp::detail {

namespace {

constexpr std::size_t largest = 65'507;       // of IPv4
constexpr std::size_t mailbox_size = 212'992;  // net.core.rmem_default

struct Datagram {
  net::Addr from_;
  std::vector<std::byte> bytes_;
};

struct Mailbox : Immovable {
  Mailbox(const net::Addr& own, const net::Addr& peer, bool both, bool shares_port) noexcept
      : addr_(own), peer_(peer), both_(both), shares_port_(shares_port) {}

  const net::Addr addr_;
  const net::Addr peer_;  // of one that was dialed
  const bool both_;       // families, if addr_ is a wildcard
  const bool shares_port_;
  std::deque<Datagram> datagrams_;
  std::size_t size_ = 0;  // of all
  FdOperation* reader_ = nullptr;
  bool refused_ = false;  // what was sent last has found nobody
  bool closed_ = false;
  bool reading_ended_ = false, writing_ended_ = false;
};

/// The sender's address, as who gets it sees it.
net::Addr sender(const net::Addr& own, const net::Addr& to) noexcept {
  if (!own.is_unspecified()) return own;
  if (!to.is_loopback()) return to.with_port(own.port());
  return to.is_ipv4() ? net::Addr::ipv4(to.kind(), {127, 0, 0, 1}, own.port()) : to.with_port(own.port());
}

/// Linux takes an unspecified address for this machine.
net::Addr receiver(const net::Addr& to) noexcept {
  constexpr std::array<std::uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (!to.is_unspecified()) return to;
  return to.is_ipv4() ? net::Addr::ipv4(to.kind(), {127, 0, 0, 1}, to.port()) : net::Addr::ipv6(to.kind(), loopback6, to.port());
}

}  // namespace

/// All mailboxes of a net; sockets may outlive that.
class MemoryNet::Post : Immovable {
 public:
  bool is_taken(std::uint16_t port) const noexcept {
    return std::any_of(mailboxes_.begin(), mailboxes_.end(), [port](const auto& other) { return !other->closed_ && other->addr_.port() == port; });
  }
  /// Whose it is: a socket that was dialed from there, else one of that very address, else one of all addresses. Of several that share the port always
  /// the same one for a sender.
  Mailbox* find(const net::Addr& from, const net::Addr& to) const noexcept {
    Mailbox* found = nullptr;
    int found_rank = 0;
    std::size_t found_hash = 0;
    for (std::size_t i = 0; i < mailboxes_.size(); ++i) {
      Mailbox& box = *mailboxes_[i];
      const int rank = rank_of(box, from, to);
      const std::size_t hash = (from.hash() + i) * 0x9E3779B97F4A7C15u;
      if (rank < std::max(found_rank, 1) || (rank == found_rank && hash < found_hash)) continue;
      found = &box;
      found_rank = rank;
      found_hash = hash;
    }
    return found;
  }

  mutable Lock lock_;
  std::vector<std::shared_ptr<Mailbox>> mailboxes_;

 private:
  /// 0: not for it.
  static int rank_of(const Mailbox& box, const net::Addr& from, const net::Addr& to) noexcept {
    if (box.closed_ || box.addr_.port() != to.port() || (box.peer_ && box.peer_ != from)) return 0;
    if (box.addr_ == to) return box.peer_ ? 3 : 2;
    return box.addr_.is_unspecified() && (box.both_ || box.addr_.is_ipv4() == to.is_ipv4()) ? 1 : 0;
  }
};

class MemoryNet::PacketSocket final : public MemoryDevice {
 public:
  PacketSocket(Chance& chance, std::shared_ptr<Post> post, std::shared_ptr<Mailbox> own) noexcept
      : MemoryDevice(post->lock_), chance_(chance), post_(std::move(post)), own_(std::move(own)) {}

  std::error_code shut_down(int how) noexcept override {
    if (!own_->peer_) return {ENOTCONN, errno_category()};
    {
      LockGuard guard(post_->lock_);
      if (how != SHUT_WR) own_->reading_ended_ = true;
      if (how != SHUT_RD) own_->writing_ended_ = true;
    }
    cancel(FdSide::read);
    return {};
  }
  void close() noexcept override {
    LockGuard guard(post_->lock_);
    own_->closed_ = true;
    own_->datagrams_.clear();
  }
  bool takes_options() const noexcept override { return true; }

 private:
  FdOperation*& sleeper(FdSide side) noexcept override { return side == FdSide::read ? own_->reader_ : no_writer_; }
  Next look(FdOperation& op, std::int64_t, WakeList& woken) noexcept override { return op.side() == FdSide::read ? receive(op) : send(op, woken); }

  // Both under the lock.
  Next receive(FdOperation& op) noexcept {
    if (op.fails_now()) return Next::over;
    if (std::exchange(own_->refused_, false)) {
      op.fail(system_failure("read", ECONNREFUSED));
      return Next::over;
    }
    if (own_->reading_ended_) {
      op.fail(errc::eof);
      return Next::over;
    }
    if (own_->datagrams_.empty()) return Next::sleep;
    const Datagram& datagram = own_->datagrams_.front();
    msghdr* const message = op.message();
    const std::size_t room = message != nullptr ? message->msg_iov->iov_len : op.left();
    const std::size_t n = std::min(room, datagram.bytes_.size());
    if (n != 0) std::memcpy(message != nullptr ? message->msg_iov->iov_base : op.rest(), datagram.bytes_.data(), n);
    if (message != nullptr) {
      sockaddr_storage name{};
      message->msg_namelen = addr_to_sockaddr(datagram.from_, AF_UNSPEC, name);
      std::memcpy(message->msg_name, &name, message->msg_namelen);
    }
    op.transferred(n);
    own_->size_ -= datagram.bytes_.size();
    own_->datagrams_.pop_front();
    return Next::over;
  }

  Next send(FdOperation& op, WakeList& woken) noexcept {
    if (op.fails_now()) return Next::over;
    const msghdr* const message = op.message();
    const char* const call = message != nullptr ? "sendto" : "write";
    const auto fails = [&](int error) {
      op.fail(system_failure(call, error));
      return Next::over;
    };
    if (own_->writing_ended_) return fails(EPIPE);
    if (std::exchange(own_->refused_, false)) return fails(ECONNREFUSED);
    net::Addr to = own_->peer_;
    if (message != nullptr) to = receiver(addr_from_sockaddr(own_->addr_.kind(), static_cast<const sockaddr*>(message->msg_name), message->msg_namelen));
    const std::size_t size = message != nullptr ? message->msg_iov->iov_len : op.left();
    if (size > largest) return fails(EMSGSIZE);
    if (to.port() == 0) return fails(EINVAL);
    const auto* const data = message != nullptr ? static_cast<const std::byte*>(message->msg_iov->iov_base) : op.rest();
    op.transferred(size);
    if (chance_.fault("a datagram is lost")) return Next::over;
    deliver(to, data, size, woken);
    if (chance_.fault("a datagram comes twice")) deliver(to, data, size, woken);
    return Next::over;
  }

  void deliver(const net::Addr& to, const std::byte* data, std::size_t size, WakeList& woken) noexcept {
    const net::Addr from = sender(own_->addr_, to);
    Mailbox* const box = post_->find(from, to);
    if (box == nullptr) {
      own_->refused_ = static_cast<bool>(own_->peer_);  // else nobody says so
      if (own_->refused_ && own_->reader_ != nullptr) woken.push(std::exchange(own_->reader_, nullptr));
      return;
    }
    if (box->size_ + size > mailbox_size) return;
    auto& all = box->datagrams_;
    const bool overtakes = !all.empty() && chance_.fault("a datagram overtakes others");
    const std::size_t behind = overtakes ? chance_.draw(static_cast<std::uint32_t>(all.size())) : all.size();
    try {
      all.insert(all.begin() + static_cast<std::ptrdiff_t>(behind), Datagram{from, {data, data + size}});
    } catch (const std::bad_alloc&) {
      return;  // as the system's, it is lost
    }
    box->size_ += size;
    if (box->reader_ != nullptr) woken.push(std::exchange(box->reader_, nullptr));
  }

  Chance& chance_;
  const std::shared_ptr<Post> post_;
  const std::shared_ptr<Mailbox> own_;
  FdOperation* no_writer_ = nullptr;  // MP2
};

// ---- the net

MemoryNet::MemoryNet(Chance& chance) : chance_(chance), post_(std::make_shared<Post>()) {}

bool MemoryNet::has_mailbox(std::uint16_t port) const noexcept {
  LockGuard guard(post_->lock_);
  return post_->is_taken(port);
}

template <class Handle>
Result<Handle> MemoryNet::make_packet_socket(const net::Addr& own, const net::Addr& peer, const char* network, bool shares_port) {
  const auto box = std::make_shared<Mailbox>(own, peer, std::string_view(network) == "udp", shares_port);
  Descriptor* fd = Descriptor::make(std::make_unique<PacketSocket>(chance_, post_, box), network, own, peer, Descriptor::Nature::datagrams);
  if (fd == nullptr) throw std::bad_alloc();
  Handle handle{DescriptorRef(fd)};
  LockGuard guard(post_->lock_);
  std::erase_if(post_->mailboxes_, [](const std::shared_ptr<Mailbox>& other) { return other->closed_; });
  post_->mailboxes_.push_back(box);
  return Result<Handle>(std::move(handle));
}

Result<net::PacketConn> MemoryNet::listen_packet(const net::Addr& wanted, const char* network, const net::ListenOptions& options) {
  const net::Addr addr = place(wanted, network);
  {
    LockGuard guard(post_->lock_);
    for (const auto& other : post_->mailboxes_) {
      if (!other->closed_ && collide(other->addr_, addr) && !(other->shares_port_ && options.reuse_port))
        return op_error<net::PacketConn>("listen", network, {}, addr, system_failure("bind", EADDRINUSE));
    }
  }
  return make_packet_socket<net::PacketConn>(addr, {}, network, options.reuse_port);
}

Result<net::Conn> MemoryNet::dial_packet(const net::Addr& remote, const char* network) {
  return make_packet_socket<net::Conn>(local_for(remote), remote, network, false);
}

}  // namespace gmp::detail
