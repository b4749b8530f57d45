// include/gmp/net.hpp — net::listen, net::dial, Listener, Conn and PacketConn: TCP, UDP, and unix sockets, as Go has them.
// Go: net.  Room: net (floor 5).
//
// Conn and Listener are handles: copies name the same socket, which is closed by close(), or when the last copy goes.  Their functions may be
// called from any g and any thread; what is awaited, from a g.  One g may read while another writes; several that read, or write, get their
// turns, each whole.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

#include "gmp/detail/io/buffer.hpp"
#include "gmp/detail/net/addr.hpp"
#include "gmp/detail/net/copy_end.hpp"
#include "gmp/detail/net/descriptor_ref.hpp"
#include "gmp/detail/net/operations.hpp"
#include "gmp/result.hpp"
#include "gmp/time.hpp"

namespace gmp::detail {
struct SocketAccess;
}

namespace gmp::net {

/// What Conn and Listener have in common: a shared handle on a socket. A default-constructed one is closed.
class GMPCORO_EXPORT Socket {
 public:
  using shared_handle = void;  // io's readers and writers keep a copy of it, where they would keep a reference

  Socket() noexcept = default;

  /// Marks the socket as closed, shuts it down (the peer sees the end, a listener's port is free), ends what is in progress on it, which then
  /// gives errc::closed, and returns. Its number is released with the last operation in progress, which closed() waits for. A second
  /// time: errc::closed. Never suspends; from any thread.      Go: Close, which waits.
  std::error_code close() const noexcept;
  /// `co_await conn.closed();` parks until the number has been released: close() was called, and the last operation has ended. Who is the
  /// last one to use the socket waits for ever if nobody calls close().
  detail::ClosedOp closed() const noexcept { return detail::ClosedOp(fd_.get()); }

  /// When what is in progress, and what will be begun, ends with errc::timeout ("i/o timeout"; == std::errc::timed_out), even if there is data;
  /// until it is set anew. A time that has passed: at once. time_point{} or max(): never. The connection stays usable: bytes that were
  /// read or written count. From any thread; errc::closed if closed.      Go: SetDeadline.
  std::error_code set_deadline(time_point when) const noexcept;

  /// The system's number of it, or -1 if it is closed. It stays the library's: non-blocking, and not to be closed.
  int native_handle() const noexcept;
  /// False for a default-constructed one, and after close().
  explicit operator bool() const noexcept { return is_open(); }

  /// The same socket?
  friend bool operator==(const Socket& a, const Socket& b) noexcept { return a.fd_.get() == b.fd_.get(); }

 protected:
  friend struct detail::SocketAccess;
  explicit Socket(detail::DescriptorRef fd) noexcept : fd_(std::move(fd)) {}
  bool is_open() const noexcept;
  std::error_code set_deadlines(time_point when, bool read, bool write) const noexcept;
  Addr local() const noexcept;
  Addr remote() const noexcept;
  detail::DescriptorRef fd_;
};

/// A connection: a stream of bytes each way.
///
///     auto [conn, err] = co_await net::dial("tcp", "localhost:8080");
///     auto [n, err] = co_await conn.read(buf);
class GMPCORO_EXPORT Conn : public Socket {
 public:
  Conn() noexcept = default;
  explicit Conn(detail::DescriptorRef fd) noexcept : Socket(std::move(fd)) {}

  /// `auto [n, err] = co_await conn.read(buf);` reads what is there, 1 to buf.size() bytes, and parks until something is. {0, errc::eof} when
  /// the peer has ended its side and all was read. An empty buffer: {0, no error} at once. The buffer must live until it returns, and no longer,
  /// also if it ended by a deadline, close() or until().      Go: Conn.Read.
  detail::ReadOp read(io::Buffer buffer) const noexcept { return detail::ReadOp(fd_.get(), buffer); }

  /// `auto [n, err] = co_await conn.write(data);` writes all of it, or gives an error and how much went. Other writers' data does not come
  /// between. Never raises SIGPIPE: EPIPE is an error as any.      Go: Conn.Write.
  detail::WriteOp write(io::ConstBuffer data) const noexcept { return detail::WriteOp(fd_.get(), data); }

  /// Ends one direction: the peer reads the end after what was written; reads here give errc::eof.      Go: CloseWrite, CloseRead.
  std::error_code close_write() const noexcept;
  std::error_code close_read() const noexcept;

  /// set_deadline() for one direction.      Go: SetReadDeadline, SetWriteDeadline.
  std::error_code set_read_deadline(time_point when) const noexcept { return set_deadlines(when, true, false); }
  std::error_code set_write_deadline(time_point when) const noexcept { return set_deadlines(when, false, true); }

  /// For io::copy.
  detail::CopyEnd copy_end() const noexcept { return detail::CopyEnd(fd_.get()); }

  /// Of this end, and the other. They stay after close(); none for a default-constructed one.
  Addr local_addr() const noexcept { return local(); }
  Addr remote_addr() const noexcept { return remote(); }

  /// True (the default): small writes go out at once; false: Nagle's algorithm collects them.      Go: SetNoDelay.
  std::error_code set_no_delay(bool on) const noexcept;
  /// Probes an idle connection, so that a peer that vanished is found out; the default is every 15 s. Zero or less: off.      Go:
  /// SetKeepAlive, SetKeepAlivePeriod.
  std::error_code set_keep_alive(std::chrono::seconds period) const noexcept;
  /// What close() does with data not sent yet: negative (the default): the system goes on sending; 0: it is dropped, and the peer sees a
  /// reset; more: so after that many seconds.      Go: SetLinger.
  std::error_code set_linger(std::chrono::seconds period) const noexcept;
};

/// Where connections come in.
///
///     auto [ln, err] = net::listen("tcp", ":8080");
///     while (true) {
///       auto [conn, err] = co_await ln.accept();
///       if (err) break;
///       go(serve, conn);
///     }
class Listener : public Socket {
 public:
  Listener() noexcept = default;
  explicit Listener(detail::DescriptorRef fd) noexcept : Socket(std::move(fd)) {}

  /// `auto [conn, err] = co_await ln.accept();` parks until a connection has come. It has TCP_NODELAY and a keep-alive of 15 s, as Go's.
  /// Connections that were aborted meanwhile are passed over.
  /// Too many open files (EMFILE, ENFILE), no memory (ENOBUFS, ENOMEM): the error at once, the connection waits, and the next accept() works as soon as there
  /// is a descriptor again. So a server does not end on an error but that of its own close() (errc::closed), and does not turn round either: it sleeps, as Go's
  /// net/http does, for 5 ms, and twice as long each time in a row, up to 1 s.
  ///
  ///     if (err) co_await gmp::sleep(pause);
  ///     pause = err ? std::min(2 * pause, 1000ms) : 5ms;
  ///
  /// Go: Accept.
  detail::AcceptOp accept() const noexcept { return detail::AcceptOp(fd_.get()); }

  /// Where it listens; with the port that was picked for port 0. It stays after close().      Go: Addr.
  Addr addr() const noexcept { return local(); }
};

/// A socket for datagrams: each read takes one, each write sends one, to whoever is named.
///
///     auto [pc, err] = net::listen_packet("udp", "127.0.0.1:0");
///     auto [r, err2] = co_await pc.read_from(buf);
///     co_await pc.write_to(std::string_view("pong"), r.addr);
class PacketConn : public Socket {
 public:
  PacketConn() noexcept = default;
  explicit PacketConn(detail::DescriptorRef fd) noexcept : Socket(std::move(fd)) {}

  /// `auto [r, err] = co_await pc.read_from(buf);` parks until a datagram has come: r.n bytes, from r.addr (none for a unix socket without a
  /// name). What does not fit into the buffer is lost. An empty one is r.n == 0, and no end.      Go: ReadFrom.
  detail::ReadFromOp read_from(io::Buffer buffer) const noexcept { return detail::ReadFromOp(fd_.get(), buffer); }

  /// `auto [n, err] = co_await pc.write_to(data, addr);` sends one datagram, whole or not at all. That it arrives nobody says.      Go: WriteTo.
  detail::WriteToOp write_to(io::ConstBuffer data, const Addr& addr) const noexcept { return detail::WriteToOp(fd_.get(), data, addr); }

  /// set_deadline() for one direction.      Go: SetReadDeadline, SetWriteDeadline.
  std::error_code set_read_deadline(time_point when) const noexcept { return set_deadlines(when, true, false); }
  std::error_code set_write_deadline(time_point when) const noexcept { return set_deadlines(when, false, true); }

  /// Where datagrams come in. It stays after close().      Go: LocalAddr.
  Addr local_addr() const noexcept { return local(); }
};

/// How listen() and listen_packet() go about it.      Go: ListenConfig.
struct ListenOptions {
  bool reuse_port = false;  // SO_REUSEPORT: several listeners share the port, and the system spreads the connections
  int backlog = 0;          // connections that may wait for accept(); 0: what the system allows (net.core.somaxconn)
};

/// Listens on "host:port", or at a path: `auto [ln, err] = net::listen("tcp", "127.0.0.1:8080");`.
///
/// network: "tcp", "tcp4" or "tcp6"; or "unix" or "unixpacket", with a path, which must not exist yet and is removed by close(), or "@name", Linux's
/// name without a file. Port 0 picks one (see addr()). No host, or 0.0.0.0, or [::]: all addresses, by IPv6 and IPv4 with "tcp". A
/// host's name stands for its first address, IPv4 preferred; but for localhost the calling thread asks the system for it, and blocks meanwhile.
/// From any thread, g or not.      Go: net.Listen.
GMPCORO_EXPORT Result<Listener> listen(std::string_view network, std::string_view address, ListenOptions options = {});

/// Takes datagrams at "host:port", or at a path: `auto [pc, err] = net::listen_packet("udp", "127.0.0.1:0");`.
///
/// network: "udp", "udp4", "udp6" or "unixgram"; addresses as for listen(). reuse_port is the one option that matters.      Go: net.ListenPacket.
GMPCORO_EXPORT Result<PacketConn> listen_packet(std::string_view network, std::string_view address, ListenOptions options = {});

/// Connects: `auto [conn, err] = co_await net::dial("tcp", "localhost:8080");`.
///
/// network: "tcp", "tcp4", "tcp6" with "host:port"; "unix", "unixpacket" with a path; or of datagrams "udp", "udp4", "udp6", "unixgram": then read()
/// and write() of the Conn take and send one each, from and to that address only.
/// A name is looked up without holding up a thread that runs gs. Of its addresses, both families in turn, one is tried after the other, the next
/// one soon (see DialOptions), and the first that answers wins; if none does the error is that of the first one (RFC 8305). No host, or an
/// unspecified one, stands for this machine.      Go: net.Dial.
[[nodiscard("co_await it")]] inline detail::DialOp dial(std::string_view network, std::string_view address, const DialOptions& options = {}) {
  return detail::DialOp(network, address, options);
}

/// `auto [addrs, err] = co_await net::lookup_host("localhost");` the IP addresses of a name, in the order in which dial() would try them; of a
/// numeric one itself. They have no port: `addr.with_kind(Addr::Kind::tcp).with_port(80)`. Asks the system's resolver, without holding up a
/// thread that runs gs. Errors read "lookup nope: no such host".      Go: net.LookupHost.
[[nodiscard("co_await it")]] inline detail::LookupHostOp lookup_host(std::string_view host) { return detail::LookupHostOp(host); }

/// A socket that the program has already, connected: `auto [conn, err] = net::from_fd(fd);`. From here on it is the Conn's: non-blocking (also for
/// whoever shares it by dup(2) or fork(2)), close-on-exec, closed with the Conn. On an error it stays the caller's: EBADF, ENOTSOCK ("socket
/// operation on non-socket"), ENOTCONN; a socket that listens: EINVAL.      Go: net.FileConn, which duplicates it.
GMPCORO_EXPORT Result<Conn> from_fd(int fd);
/// The same for a socket that listens, as a supervisor hands it over, and for one of datagrams.      Go: net.FileListener, net.FilePacketConn.
GMPCORO_EXPORT Result<Listener> listener_from_fd(int fd);
GMPCORO_EXPORT Result<PacketConn> packet_conn_from_fd(int fd);

/// Two ends of a connection in memory: `auto [a, b] = net::pipe();`. What one writes the other reads, without a buffer between: a write ends when
/// all of it was read. Deadlines, close(), close_write() as of any Conn; reads give errc::eof when the other end was closed, writes errc::closed_pipe.
/// Addresses there are none. Throws std::bad_alloc.      Go: net.Pipe.
GMPCORO_EXPORT std::pair<Conn, Conn> pipe();

}  // namespace gmp::net
