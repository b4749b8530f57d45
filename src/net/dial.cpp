// src/net/dial.cpp — net::dial: a name becomes addresses, one of which becomes a connection.
// Go: net/dial.go (DialContext, dialSerial), net/tcpsock_posix.go (doDialTCP).  Room: net (floor 5).
//
// A state machine and no coroutine, so that until() can withdraw it like any other operation.  The g sleeps on the lookup, then on one connect
// after another, and goes through them in steps.  What is not needed is not done: a numeric address needs no lookup, no other g.
//
// DI1  one of lookup_ (while it waits) and connect_ is what the g sleeps on.
// DI2  the first address's failure is the one reported: the others are fallbacks.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>

#include "gmp/detail/park.hpp"
#include "gmp/net.hpp"
#include "net/descriptor.hpp"
#include "net/lookup.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"
#include "net/socket.hpp"

namespace gmp::detail {

class Dial : Immovable {
 public:
  Dial(G* gp, std::string&& network, std::string&& address) noexcept
      : gp_(gp), network_(std::move(network)), address_(std::move(address)), waiter_(gp, *this) {}

  /// True: the g sleeps. Throws what go() throws.
  bool begin(FrameLink& leaf);
  Result<net::Conn> result();

 private:
  struct LookupWaiter : Waiter {
    LookupWaiter(G* gp, Dial& dial) noexcept : Waiter(gp, &LookupWaiter::withdraw), dial_(dial) {}
    static bool withdraw(Waiter* w) noexcept {
      return static_cast<LookupWaiter*>(w)->dial_.lookup_->withdraw(*w);
    }
    Dial& dial_;
  };

  static bool lookup_step(G* gp) noexcept;
  static bool connect_step(void* self) noexcept;
  bool looked_up(FrameLink* leaf) noexcept;
  bool connect_next(FrameLink* leaf) noexcept;
  bool connected() noexcept;
  bool open(const net::Addr& remote) noexcept;
  void fail(const net::Addr& remote, Failure why) noexcept;
  void fail_errno(const net::Addr& remote, const char* call, int error) noexcept;

  static constexpr int self_connects_max = 2;

  G* const gp_;
  const std::string network_, address_;
  Destination destination_;
  std::shared_ptr<Lookup> lookup_;
  LookupWaiter waiter_;
  std::size_t tried_ = 0;          // addresses that were given up
  int self_connects_ = 0;
  sockaddr_storage name_;
  DescriptorRef fd_;               // of the current try; at last the connection
  std::optional<FdOperation> connect_;
  Result<net::Conn> result_;       // the first failure, or success
  bool failed_ = false;
};

bool Dial::begin(FrameLink& leaf) {
  Failure why = parse_network(network_, destination_.network);
  if (!why) why = address_.empty() ? Failure(errc::missing_address) : parse_destination(network_, address_, Purpose::dial, destination_);
  if (why) {
    fail({}, std::move(why));
    return false;
  }
  if (!destination_.needs_resolver) return looked_up(&leaf);
  lookup_ = std::make_shared<Lookup>(std::move(destination_));
  Lookup::start(lookup_);
  const auto before = [&] { park_begin(gp_, leaf, WaitReason::io_wait, &waiter_, &Dial::lookup_step); };
  if (lookup_->wait(waiter_, before)) return true;
  if (waiter_.withdrawn_) {
    park_abort(gp_);
    fail({}, errc::canceled);
    return false;
  }
  destination_ = std::move(lookup_->destination());
  return looked_up(&leaf);
}

bool Dial::lookup_step(G* gp) noexcept {
  Dial& self = static_cast<LookupWaiter*>(gp->waiter_)->dial_;
  if (self.waiter_.withdrawn_) {
    self.fail({}, errc::canceled);
  } else {
    self.destination_ = std::move(self.lookup_->destination());
    if (self.looked_up(nullptr)) return false;
  }
  gp->waiter_ = nullptr;
  return true;
}

// True: sleeps.
bool Dial::looked_up(FrameLink* leaf) noexcept {
  if (lookup_ != nullptr && lookup_->failure()) {
    fail({}, std::move(lookup_->failure()));
    return false;
  }
  constexpr std::array<std::uint8_t, 4> loopback4 = {127, 0, 0, 1};
  constexpr std::array<std::uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const Network& network = destination_.network;
  try {
    if (destination_.addresses.empty()) {
      const bool six = network.family == Network::Family::ipv6_only || !ip_support().ipv4;
      destination_.addresses.push_back(six ? net::Addr::ipv6(network.kind, loopback6, destination_.port)
                                           : net::Addr::ipv4(network.kind, loopback4, destination_.port));
    }
  } catch (const std::bad_alloc&) {
    fail_errno({}, "socket", ENOMEM);
    return false;
  }
  for (net::Addr& addr : destination_.addresses) {  // Linux takes an unspecified address for this machine; others, and error messages, do not
    if (addr.is_unspecified())
      addr = addr.is_ipv6() ? net::Addr::ipv6(addr.kind(), loopback6, addr.port()) : net::Addr::ipv4(addr.kind(), loopback4, addr.port());
  }
  return connect_next(leaf);
}

// True: sleeps. False: there is a result.
bool Dial::connect_next(FrameLink* leaf) noexcept {
  while (tried_ < destination_.addresses.size()) {
    const net::Addr& remote = destination_.addresses[tried_];
    if (!open(remote)) {
      ++tried_;
      continue;
    }
    const socklen_t length = addr_to_sockaddr(remote, AF_UNSPEC, name_);
    connect_.emplace(gp_, fd_.get(), FdOperation::Kind::connect, &name_, length);
    connect_->then(&Dial::connect_step, this);
    if (connect_->begin(leaf)) return true;
    if (connected()) return false;
  }
  return false;
}

bool Dial::connect_step(void* dial) noexcept {
  Dial& self = *static_cast<Dial*>(dial);
  return self.connected() || !self.connect_next(nullptr);
}

// After a connect. True: there is a result. False: connect_next() goes on, with the next address, or the same one again.
bool Dial::connected() noexcept {
  const net::Addr remote = destination_.addresses[tried_];
  const bool canceled = connect_->withdrawn_;
  const std::error_code error = connect_->error();
  ErrorContextRef context = connect_->take_context();
  connect_.reset();
  const int number = fd_.get()->fd_;
  // The system may give a connect to one of its own free ports that very port: then both ends are one.  It also says EADDRNOTAVAIL when it
  // has looked for a free port at an unlucky moment.      Go: selfConnect, spuriousENOTAVAIL
  const net::Addr local = error ? net::Addr() : local_end(number, remote.kind());
  const bool to_itself = !error && local == remote;
  if ((to_itself || error == std::errc::address_not_available) && self_connects_ < self_connects_max) {
    ++self_connects_;
    return false;
  }
  if (!error) {
    if (remote.kind() == net::Addr::Kind::tcp) set_tcp_defaults(number);
    static_cast<void>(fd_.get()->set_local(local));  // needs no memory: the end that dials has no path
    result_ = Result<net::Conn>(net::Conn(std::move(fd_)));
    return true;
  }
  fd_ = {};
  if (!failed_) result_ = Result<net::Conn>(error, std::move(context));
  failed_ = true;
  ++tried_;
  return canceled || tried_ == destination_.addresses.size();
}

bool Dial::open(const net::Addr& remote) noexcept {
  FdGuard number = open_socket(family_of(remote), remote.kind());
  if (!number) {
    fail_errno(remote, "socket", errno);
    return false;
  }
  Descriptor* fd = Descriptor::make(number.get(), network_literal(destination_.network), nature_of(remote.kind()), {}, remote);
  if (fd == nullptr) {
    fail_errno(remote, "socket", ENOMEM);
    return false;
  }
  number.release();
  fd_ = DescriptorRef(fd);
  return true;
}

void Dial::fail(const net::Addr& remote, Failure why) noexcept {
  if (!failed_) result_ = op_error<net::Conn>("dial", network_, {}, remote, std::move(why));
  failed_ = true;
}

void Dial::fail_errno(const net::Addr& remote, const char* call, int error) noexcept {
  try {
    fail(remote, system_failure(call, error));
  } catch (const std::bad_alloc&) {
    if (!failed_) result_ = Result<net::Conn>(std::error_code(error, errno_category()));
    failed_ = true;
  }
}

Result<net::Conn> Dial::result() {
  if (connect_) connect_->check_overflow();
  return std::move(result_);
}

// ---- the operation

void DeleteDial::operator()(Dial* dial) const noexcept { delete dial; }

DialOp::Awaiter::Awaiter(G* gp, DialOp&& op) : OperationAwaiter(gp), dial_(new Dial(gp, std::move(op.network_), std::move(op.address_))) {}

bool DialOp::Awaiter::suspend(FrameLink& leaf) { return dial_->begin(leaf) || give_way(g_, leaf); }

Result<net::Conn> DialOp::Awaiter::await_resume() { return dial_->result(); }

}  // namespace gmp::detail
