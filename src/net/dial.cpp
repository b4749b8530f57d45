// src/net/dial.cpp — net::dial: a name becomes addresses, one of which becomes a connection.
// Go: net/dial.go (DialContext).  Room: net (floor 5).
//
// A state machine and no coroutine, so that until() can withdraw it like any other operation.  The g sleeps on the lookup, then on one connect, or
// on a race of several, and goes from one to the next in steps.  What is not needed is not done: a numeric address needs no lookup, no other g.
//
// DI1  one of lookup_, connect_ and race_ is what the g sleeps on.
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>

#include "gmp/detail/park.hpp"
#include "gmp/net.hpp"
#include "net/connect.hpp"
#include "net/lookup.hpp"
#include "net/op_error.hpp"
#include "net/race.hpp"
#include "net/socket.hpp"

namespace gmp::detail {

class Dial : Immovable {
 public:
  Dial(G* gp, std::string&& network, std::string&& address, const net::DialOptions& options) noexcept
      : gp_(gp), network_(std::move(network)), address_(std::move(address)), options_(options), waiter_(gp, *this) {}

  /// True: the g sleeps. Throws what go() throws.
  bool begin(FrameLink& leaf);
  Result<net::Conn> result();

 private:
  struct DialWaiter : ErrandWaiter {
    DialWaiter(G* gp, Dial& dial) noexcept : ErrandWaiter(gp), dial_(dial) {}
    Dial& dial_;
  };

  static bool errand_step(G* gp) noexcept;
  bool wait_for(Errand& errand, FrameLink* leaf) noexcept;
  bool looked_up(FrameLink* leaf);
  bool go_on(FrameLink* leaf) noexcept;
  void fail(Failure why);

  G* const gp_;
  const std::string network_, address_;
  const net::DialOptions options_;
  Destination destination_;
  std::shared_ptr<Lookup> lookup_;
  std::shared_ptr<Race> race_;
  DialWaiter waiter_;
  std::optional<Connect> connect_;
  Result<net::Conn> result_;
};

bool Dial::begin(FrameLink& leaf) {
  Failure why = parse_network(network_, destination_.network);
  if (!why) why = address_.empty() ? Failure(errc::missing_address) : parse_destination(network_, address_, Purpose::dial, destination_);
  if (why) {
    fail(std::move(why));
    return false;
  }
  if (!destination_.needs_resolver) return looked_up(&leaf);
  lookup_ = std::make_shared<Lookup>(std::move(destination_));
  Lookup::start(lookup_);
  return wait_for(*lookup_, &leaf) || go_on(&leaf);
}

// True: sleeps. False: it is over, or was given up.
bool Dial::wait_for(Errand& errand, FrameLink* leaf) noexcept {
  waiter_.errand_ = &errand;
  const auto before = [&] {
    if (leaf != nullptr) {
      park_begin(gp_, *leaf, WaitReason::io_wait, &waiter_, &Dial::errand_step);
    } else {
      gp_->waiter_ = &waiter_;
      gp_->step_ = &Dial::errand_step;
      repark_begin(gp_);
    }
  };
  if (errand.wait(waiter_, before)) return true;
  if (waiter_.withdrawn_) park_abort(gp_);
  return false;
}

bool Dial::errand_step(G* gp) noexcept {
  Dial& self = static_cast<DialWaiter*>(gp->waiter_)->dial_;
  if (self.go_on(nullptr)) return false;
  gp->waiter_ = nullptr;
  return true;
}

// An errand has ended, or was given up. True: sleeps.
bool Dial::go_on(FrameLink* leaf) noexcept {
  try {
    if (waiter_.withdrawn_) {
      if (race_ != nullptr) race_->give_up();
      fail(errc::canceled);
      return false;
    }
    if (race_ != nullptr) {
      result_ = std::move(race_->result());
      return false;
    }
    destination_ = std::move(lookup_->destination());
    if (!lookup_->failure()) return looked_up(leaf);
    fail(std::move(lookup_->failure()));
  } catch (const std::exception&) {  // no memory
    result_ = Result<net::Conn>(std::error_code(ENOMEM, errno_category()));
  }
  return false;
}

// True: sleeps.
bool Dial::looked_up(FrameLink* leaf) {
  constexpr std::array<std::uint8_t, 4> loopback4 = {127, 0, 0, 1};
  constexpr std::array<std::uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const Network& network = destination_.network;
  auto& addresses = destination_.addresses;
  if (addresses.empty()) {
    const bool six = network.family == Network::Family::ipv6_only || !ip_support().ipv4;
    addresses.push_back(six ? net::Addr::ipv6(network.kind, loopback6, destination_.port)
                            : net::Addr::ipv4(network.kind, loopback4, destination_.port));
  }
  for (net::Addr& addr : addresses) {  // Linux takes an unspecified address for this machine; others, and error messages, do not
    if (addr.is_unspecified())
      addr = addr.is_ipv6() ? net::Addr::ipv6(addr.kind(), loopback6, addr.port()) : net::Addr::ipv4(addr.kind(), loopback4, addr.port());
  }
  if (addresses.size() == 1) {
    connect_.emplace(gp_, addresses.front(), network_literal(network));
    return connect_->begin(leaf);
  }
  race_ = std::make_shared<Race>(std::move(addresses), network_literal(network), options_.fallback_delay);
  Race::start(gp_->sched_, race_);
  return wait_for(*race_, leaf) || go_on(leaf);
}

void Dial::fail(Failure why) { result_ = op_error<net::Conn>("dial", network_, {}, {}, std::move(why)); }

Result<net::Conn> Dial::result() {
  if (connect_) return connect_->result();
  return std::move(result_);
}

// ---- the operation

void DeleteDial::operator()(Dial* dial) const noexcept { delete dial; }

DialOp::Awaiter::Awaiter(G* gp, DialOp&& op) : OperationAwaiter(gp), dial_(new Dial(gp, std::move(op.network_), std::move(op.address_), op.options_)) {}

bool DialOp::Awaiter::suspend(FrameLink& leaf) { return dial_->begin(leaf) || give_way(g_, leaf); }

Result<net::Conn> DialOp::Awaiter::await_resume() { return dial_->result(); }

}  // namespace gmp::detail
