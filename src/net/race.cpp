// src/net/race.cpp — how the race is run: a g for each address, one that starts them and takes in what became of them.
// Go: net/dial.go (dialParallel); RFC 8305.  Room: net (floor 5).
//
// One address after another would mean the system's own patience, minutes, for each that a firewall swallows.  So the next is tried when the last
// has failed, or has not answered within `delay`, and all go on until one wins.  The families alternate: when one of them is broken here, it
// costs one delay and not as many as it has addresses.
#include "net/race.hpp"

#include <cerrno>
#include <exception>
#include <optional>
#include <source_location>
#include <utility>

#include "gmp/chan.hpp"
#include "gmp/go.hpp"
#include "gmp/select.hpp"
#include "gmp/time.hpp"
#include "net/connect.hpp"

namespace gmp::detail {

namespace {

/// The first one's family first, then in turn, each in its own order.
std::vector<net::Addr> in_turn(std::vector<net::Addr> addresses) {
  std::vector<net::Addr> ordered;
  ordered.reserve(addresses.size());
  std::size_t next[2] = {0, 0};  // of the first one's family; of the other
  const bool four = addresses.front().is_ipv4();
  for (bool first = true; ordered.size() < addresses.size(); first = !first) {
    std::size_t& i = next[first ? 0 : 1];
    while (i < addresses.size() && (addresses[i].is_ipv4() == four) != first) ++i;
    if (i < addresses.size()) ordered.push_back(addresses[i++]);
  }
  return ordered;
}

Result<net::Conn> no_memory() { return Result<net::Conn>(std::error_code(ENOMEM, errno_category())); }

}  // namespace

Race::Race(std::vector<net::Addr> addresses, const char* network, std::chrono::nanoseconds delay)
    : addresses_(in_turn(std::move(addresses))), network_(network), delay_(delay) {
  Cancellable cancellable = with_cancel(background());
  context_ = std::move(cancellable.context);
  cancel_ = std::move(cancellable.cancel);
}

void Race::start(Sched* sched, const std::shared_ptr<Race>& self) { start_go(sched, std::source_location::current(), &Race::run, self); }

Task<> Race::attempt(std::shared_ptr<Race> self, std::size_t index, Chan<std::unique_ptr<Outcome>> outcomes) {
  std::unique_ptr<Outcome> outcome;
  try {
    outcome = std::make_unique<Outcome>();
    outcome->index_ = index;
    outcome->conn_ = co_await until(self->context_, ConnectOp(self->addresses_[index], self->network_));
  } catch (const std::exception&) {  // no memory: the race must hear of its end all the same
    outcome.reset();
  }
  static_cast<void>(outcomes.try_send(std::move(outcome)));  // there is room for all; one that comes too late goes with the channel, and is closed
}

Task<> Race::race(const std::shared_ptr<Race>& self) {
  const std::size_t count = addresses_.size();
  auto outcomes = make_chan<std::unique_ptr<Outcome>>(count);
  gmp::Timer patience{delay_};
  std::size_t started = 0, ended = 0;
  bool starved = false;  // one of them found no memory: whether it would have won nobody knows
  while (ended < count && !context_.err()) {
    if (started < count) {
      go(&Race::attempt, self, started++, outcomes);
      if (delay_.count() >= 0) patience.reset(delay_);
    }
    std::optional<std::unique_ptr<Outcome>> outcome;
    RecvChan<time_point> lost_patience;  // nil, if there is no further address to be tried
    if (started < count && delay_.count() >= 0) lost_patience = patience.chan();
    if (co_await select(recv(outcomes, outcome), recv(lost_patience)) == 1) continue;
    ++ended;
    if (*outcome == nullptr) {
      starved = true;
      result_ = no_memory();
    } else if (Outcome& of = **outcome; of.conn_ || (of.index_ == 0 && !starved)) {
      result_ = std::move(of.conn_);
    }
    if (result_) break;
  }
  cancel_();
}

Task<> Race::run(std::shared_ptr<Race> self) {
  try {
    co_await self->race(self);
  } catch (const std::exception&) {  // no memory, or the executor stops
    self->result_ = no_memory();
    self->cancel_();
  }
  self->finish();
}

}  // namespace gmp::detail
