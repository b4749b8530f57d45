// src/net/race.hpp — Race: connects to several addresses, one soon after the other; the first to answer wins.
// Go: net/dial.go (dialParallel); RFC 8305.  Room: net (floor 5).
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/detail/net/addr.hpp"
#include "gmp/net.hpp"
#include "net/errand.hpp"

namespace gmp::detail {

class Race : public Errand {
 public:
  /// addresses: in order of preference, at least one. network: a literal.
  Race(std::vector<net::Addr> addresses, const char* network, std::chrono::nanoseconds delay);

  /// Starts the g that runs it. May throw what go() throws. From a step, too.
  static void start(Sched* sched, const std::shared_ptr<Race>& self);
  /// Nobody waits for its outcome any more.
  void give_up() noexcept { cancel_(); }

  /// After the end: the winner, or what became of the first address.
  Result<net::Conn>& result() noexcept { return result_; }

 private:
  struct Outcome {
    std::size_t index_ = 0;
    Result<net::Conn> conn_;
  };
  static Task<> run(std::shared_ptr<Race> self);
  static Task<> attempt(std::shared_ptr<Race> self, std::size_t index, Chan<std::unique_ptr<Outcome>> outcomes);
  Task<> race(const std::shared_ptr<Race>& self);

  const std::vector<net::Addr> addresses_;
  const char* const network_;
  const std::chrono::nanoseconds delay_;
  Context context_;    // of the attempts
  CancelFunc cancel_;
  Result<net::Conn> result_;
};

}  // namespace gmp::detail
