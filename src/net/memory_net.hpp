// src/net/memory_net.hpp — MemoryNet: the network of a test that runs alone: listeners, streams and datagrams, and no system below.
// Go: none (net/http has one of its own for tests; testing/synctest wants net.Pipe).  Room: net (floor 5).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "gmp/detail/park.hpp"
#include "gmp/net.hpp"
#include "net/op_error.hpp"

namespace gmp::detail {

class Device;

class MemoryNet : Immovable {
 public:
  explicit MemoryNet(Chance& chance);  // throws std::bad_alloc

  /// Of the executor that gp is of, if that runs alone; null: the net is the system's. Throws std::bad_alloc.
  static MemoryNet* of(G* gp);
  static MemoryNet* here();

  /// Streams only. network: a literal. Throws std::bad_alloc.
  Result<net::Listener> listen(const net::Addr& addr, const char* network, const net::ListenOptions& options);
  /// knocks: there is no room for it yet; a connect of its, which may sleep, says what becomes of it.
  Result<net::Conn> dial(const net::Addr& remote, const char* network, bool& knocks);
  /// UDP only. The same.
  Result<net::PacketConn> listen_packet(const net::Addr& addr, const char* network, const net::ListenOptions& options);
  Result<net::Conn> dial_packet(const net::Addr& remote, const char* network);

  /// What a listener with such a device has accepted; once for each accept that succeeded.
  static net::Conn take_accepted(Device& listener);

 private:
  class Link;
  class Stream;
  class Backlog;
  class Acceptor;
  class Post;
  class PacketSocket;

  std::shared_ptr<Backlog> find(const net::Addr& remote) noexcept;
  /// Where a socket comes to be that was told to be there: at a port that is free, and of both families if it may.
  net::Addr place(const net::Addr& wanted, const char* network) noexcept;
  /// One socket would get what is for the other.
  static bool collide(const net::Addr& one, const net::Addr& other) noexcept;
  /// Of the end that dials.
  net::Addr local_for(const net::Addr& remote) noexcept;
  std::uint16_t free_port() noexcept;
  bool has_mailbox(std::uint16_t port) const noexcept;
  template <class Handle>
  Result<Handle> make_packet_socket(const net::Addr& own, const net::Addr& peer, const char* network, bool shares_port);

  Chance& chance_;
  std::vector<std::shared_ptr<Backlog>> listeners_;
  const std::shared_ptr<Post> post_;
  std::uint16_t next_port_ = 0;  // the last one given
};

}  // namespace gmp::detail
