// src/tls/tls_device.hpp — TlsDevice: TLS as a layer between two descriptors.
// Go: crypto/tls/conn.go.  Room: tls (floor 5).
//
// How it goes is told in tls_device.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmp/detail/sys/lock.hpp"
#include "gmp/task.hpp"
#include "gmp/tls.hpp"
#include "net/descriptor.hpp"
#include "net/device.hpp"
#include "tls/context.hpp"

namespace gmp::detail {

class TlsDevice final : public Device {
 public:
  TlsDevice(net::Conn below, const net::TlsConfig& config, bool server);
  ~TlsDevice() override;
  /// The descriptor that it lies under, which owns it.
  void set_above(Descriptor* above) noexcept { above_ = above; }
  /// Null: the descriptor has none, or another device.
  static TlsDevice* of(const net::Conn& conn) noexcept;

  bool advance(FdOperation& op, FrameLink* leaf) noexcept override;
  void cancel(FdSide side) noexcept override;
  bool withdraw(FdSide side) noexcept override;
  void abandon(FdSide side) noexcept override;
  std::error_code shut_down(int how) noexcept override;
  void close() noexcept override;
  int number() const noexcept override { return below_.native_handle(); }
  bool set_deadline(std::int64_t when_ns, bool read, bool write) noexcept override;

  net::TlsState state();
  /// The handshake is over, and all that belongs to it is on its way.
  bool is_through() noexcept;

 private:
  enum class Next : std::uint8_t { over, recv, send, sleep, give_up, again };

  /// One side of the descriptor above: the operation that has it, and what it does below.
  struct Lane {
    FdOperation* op_ = nullptr;         // whose operation below_ is
    std::optional<FdOperation> below_;  // T2
    FdOperation* sleeper_ = nullptr;    // op_, asleep until the other side has given up a role
    bool nudged_ = false;               // cancel() came while below_ was in flight
    bool torn_ = false;                 // records of the write were made, and have not all gone
    std::size_t made_ = 0;              // bytes of the write that are in them
  };
  /// Bytes between OpenSSL and the connection below.
  struct Bytes {
    std::size_t size() const noexcept { return end_ - begin_; }
    void took(std::size_t n) noexcept {
      begin_ += n;
      if (begin_ == end_) begin_ = end_ = 0;
    }
    std::unique_ptr<std::byte[]> data_;
    std::size_t begin_ = 0, end_ = 0;
  };

  Lane& lane(FdSide side) noexcept { return lanes_[static_cast<unsigned>(side)]; }
  Lane& other(const Lane& one) noexcept { return lanes_[&one == &lanes_[0] ? 1 : 0]; }
  void make_ssl(const net::TlsConfig& config);
  static bool go_on(void* lane) noexcept;

  // All under lock_.
  Next decide(FdOperation& op, Lane& lane) noexcept;
  Next handshake(FdOperation& op, Lane& lane) noexcept;
  Next read(FdOperation& op, Lane& lane) noexcept;
  Next write(FdOperation& op, Lane& lane) noexcept;
  Next want(FdOperation& op, Lane& lane, int what) noexcept;
  Next want_input(FdOperation& op, Lane& lane) noexcept;
  Next want_room(FdOperation& op, Lane& lane) noexcept;
  Next fail(FdOperation& op, Lane& lane, const TlsFailure& why) noexcept;
  Next failed(FdOperation& op, Lane& lane) noexcept;
  bool can_send() const noexcept { return out_.size() != 0 && !sending_ && !write_failure_; }
  void begin_below(FdOperation& op, Lane& lane, Next next) noexcept;
  void take_result(FdOperation& op, Lane& lane) noexcept;
  void look_at_first_record() noexcept;
  void say_the_end() noexcept;
  void send_now() noexcept;
  bool make_room() noexcept;

  friend int choose_protocol(ssl_st*, const unsigned char**, unsigned char*, const unsigned char*, unsigned, void*);
  struct Callbacks;  // OpenSSL's
  class Flush;
  static Task<> flush(std::unique_ptr<Flush> rest);
  bool flush_later() noexcept;

  const net::Conn below_;
  Descriptor* const below_fd_;
  const bool server_;
  const std::string server_name_;  // whom the client expects
  std::string protos_;             // ALPN, as it is sent
  const net::ClientAuth client_auth_;
  std::shared_ptr<const TlsContext> context_;
  Descriptor* above_ = nullptr;

  Lock lock_;
  ssl_st* ssl_ = nullptr;      // null: failure_
  TlsFailure failure_;         // of both directions, for ever
  TlsFailure write_failure_;   // the stream was torn
  TlsFailure verify_failure_;  // from within a handshake
  bool receiving_ = false;     // T3
  bool sending_ = false;       // T3
  bool flushing_ = false;      // sending_, by a g of our own
  bool closes_below_ = false;  // when that one is through
  bool handshaken_ = false;
  bool input_begun_ = false;  // the first record has been looked at
  bool input_ended_ = false;  // the connection below has
  bool read_ended_ = false;   // the peer has said so, or close_read()
  Bytes in_, out_;
  Lane lanes_[2];
};

}  // namespace gmp::detail
