// src/tls/tls_device.cpp — how a read and a write go through TLS: OpenSSL on bytes in memory, below it reads and writes of the connection.
// Go: crypto/tls/conn.go.  Room: tls (floor 5).
//
// OpenSSL is never let near a socket: it takes its input from in_ and puts its output into out_, two buffers of a record each, by a BIO of
// ours. An operation above asks it for what it wants (read, encrypt, go on with the handshake).  If that needs input, or room, the g of the
// operation reads or writes below, by an FdOperation that lies in its lane here, and asks again when that is over, in the same step
// (chain.hpp).  So a read that takes three records is one sleep for its frame, and nothing is allocated.
//
// There are two lanes, for the one that reads and the one that writes; and two roles, to fill in_ and to empty out_.  Mostly they coincide,
// but not in a handshake, nor when the peer renews its keys: then a reader writes, or a writer reads.  Whoever needs a role that nobody has
// takes it; who finds it taken sleeps until the other one is through, and looks again.
//   T1  OpenSSL, the buffers, the roles and the lanes are touched under lock_, which is held for one call of OpenSSL's (a record: some µs),
//   and never
//       by a g that sleeps. What lies in a buffer that is being filled or emptied is left alone: in_ is filled when it is empty only, out_
//       is added to behind its end only.
//   T2  lane.below_ is made by the lane's own g, under lock_, before it is begun, and goes under lock_, after its end. So who sees it under
//   lock_ may
//       cancel it (FdOperation::cancel); that sets nudged_, and an end by errc::canceled then means no more than "look again".
//   T3  who gives up a role wakes the sleeper, who can be waiting for nothing else.
//   T4  a write is over when all its records have gone. Ends it in the middle, the peer will not see whole records any more:
//   write_failure_. Of what a
//       handshake or a reader had to send the rest stays in out_, and whoever comes next sends it: that tears nothing.
//   T5  what goes wrong within TLS is for ever (failure_), and told to the peer by an alert, which OpenSSL has put into out_; what goes
//   wrong below is
//       told to the operation that met it.
//
// Deadlines are set above and below. The timer below ends what waits below on its own side; for what sleeps here, or waits below on the
// other side, the timer above is set.
#include "tls/tls_device.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "gmp/context.hpp"
#include "gmp/detail/context/until.hpp"
#include "gmp/go.hpp"
#include "net/op_error.hpp"
#include "net/socket_access.hpp"

namespace gmp::detail {

namespace {

using net::tls_errc;

constexpr std::size_t piece_max = 16384;    // of one record
constexpr std::size_t overhead_max = 1024;  // what a record may take beside it, and an alert or a change of keys ahead of it
constexpr std::size_t buffer_size = piece_max + overhead_max + 512;  // room for that, and for a word of the reader's
constexpr auto linger = std::chrono::seconds(5);                     // as Go's

/// A g can be started, and will run: on the executor of who calls, or, if that is a plain thread, on the default one.
bool may_go() noexcept { return !tearing_down(); }

bool is_address(const std::string& name) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
  ASN1_OCTET_STRING_free(address);
  ERR_clear_error();
  return address != nullptr;
}

/// As a certificate has it: "[::1]" and "example.com." as users write them.
std::string plain_name(std::string name) {
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  while (!name.empty() && name.back() == '.') name.pop_back();
  return name;
}

std::string text_of(const X509_NAME* name) {
  std::string text;
  BIO* out = BIO_new(BIO_s_mem());
  if (out == nullptr) throw std::bad_alloc();
  if (X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB)) >= 0) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    text.assign(data, static_cast<std::size_t>(size));
  }
  BIO_free(out);
  return text;
}

}  // namespace

// ---- what OpenSSL calls, under lock_

struct TlsDevice::Callbacks {
  static TlsDevice& of(BIO* bio) noexcept { return *static_cast<TlsDevice*>(BIO_get_data(bio)); }
  static TlsDevice& of(SSL* ssl) noexcept { return *static_cast<TlsDevice*>(SSL_get_app_data(ssl)); }

  static int read(BIO* bio, char* to, int size) {
    Bytes& in = of(bio).in_;
    BIO_clear_retry_flags(bio);
    const std::size_t n = std::min(in.size(), static_cast<std::size_t>(size));
    if (n == 0) {  // the end, too: what that means is not for OpenSSL to say
      BIO_set_retry_read(bio);
      return -1;
    }
    std::memcpy(to, in.data_.get() + in.begin_, n);
    in.took(n);
    return static_cast<int>(n);
  }

  static int write(BIO* bio, const char* from, int size) {
    TlsDevice& device = of(bio);
    Bytes& out = device.out_;
    BIO_clear_retry_flags(bio);
    const std::size_t n = std::min(buffer_size - out.end_, static_cast<std::size_t>(size));
    if (n == 0) {
      BIO_set_retry_write(bio);
      return -1;
    }
    std::memcpy(out.data_.get() + out.end_, from, n);
    out.end_ += n;
    return static_cast<int>(n);
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO* make_bio(TlsDevice* device) noexcept {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gmpcoro");
      if (made != nullptr) {
        BIO_meth_set_read(made, &read);
        BIO_meth_set_write(made, &write);
        BIO_meth_set_ctrl(made, &control);
      }
      return made;
    }();
    BIO* bio = method != nullptr ? BIO_new(method) : nullptr;
    if (bio == nullptr) return nullptr;
    BIO_set_data(bio, device);
    BIO_set_init(bio, 1);
    return bio;
  }

  static int verify(int good, X509_STORE_CTX* store) {
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsDevice& device = of(ssl);
    if (good == 1 || (device.server_ && device.client_auth_ < net::ClientAuth::verify_client_cert_if_given)) return 1;
    device.verify_failure_ = verify_failure(store, device.server_name_);
    return 0;
  }
};

int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* theirs, unsigned size, void*) {
  const std::string& ours = TlsDevice::Callbacks::of(ssl).protos_;
  if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* out = nullptr;
  const int found = SSL_select_next_proto(&out, chosen_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                          static_cast<unsigned>(ours.size()), theirs, size);
  *chosen = out;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// ---- how it comes and goes

TlsDevice::TlsDevice(net::Conn below, const net::TlsConfig& config, bool server)
    : below_(std::move(below)),
      below_fd_(SocketAccess::descriptor(below_)),
      server_(server),
      server_name_(plain_name(config.server_name)),
      client_auth_(config.client_auth),
      context_(TlsContext::of(config, server)) {
  failure_ = context_->failure();
  try {
    if (!failure_) make_ssl(config);
  } catch (...) {
    SSL_free(ssl_);  // no destructor will
    throw;
  }
  ERR_clear_error();
}

void TlsDevice::make_ssl(const net::TlsConfig& config) {
  const auto bad = [this](std::string message) { failure_ = tls_failure(make_error_code(tls_errc::bad_config), std::move(message)); };
  if (!server_ && server_name_.empty() && !config.insecure_skip_verify)
    return bad("tls: either ServerName or InsecureSkipVerify must be specified in the tls.Config");
  for (const std::string& proto : config.next_protos) {
    if (proto.empty() || proto.size() > 255) return bad("tls: invalid NextProtos value");
    protos_ += static_cast<char>(proto.size());
    protos_ += proto;
  }
  BIO* bio = Callbacks::make_bio(this);
  ssl_ = bio != nullptr ? SSL_new(context_->get()) : nullptr;
  if (ssl_ == nullptr) {
    BIO_free(bio);
    throw std::bad_alloc();
  }
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  bool done = true;
  if (server_) {
    SSL_set_accept_state(ssl_);
    int mode = SSL_VERIFY_NONE;
    if (client_auth_ != net::ClientAuth::no_client_cert) mode = SSL_VERIFY_PEER;
    if (client_auth_ == net::ClientAuth::require_any_client_cert || client_auth_ == net::ClientAuth::require_and_verify_client_cert)
      mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_set_verify(ssl_, mode, &Callbacks::verify);
    // Of what has no buffer the peer must read them before we can go on; and it may be about to write.
    if (below_.native_handle() < 0) SSL_set_num_tickets(ssl_, 0);
  } else {
    SSL_set_connect_state(ssl_);
    const bool by_ip = is_address(server_name_);
    if (!config.insecure_skip_verify) {
      SSL_set_hostflags(ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
      done = (by_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), server_name_.c_str())
                    : SSL_set1_host(ssl_, server_name_.c_str())) == 1;
      SSL_set_verify(ssl_, SSL_VERIFY_PEER, &Callbacks::verify);
    }
    if (!by_ip && !server_name_.empty()) done = done && SSL_set_tlsext_host_name(ssl_, server_name_.c_str()) == 1;
    if (!protos_.empty())
      done = done &&
             SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protos_.data()), static_cast<unsigned>(protos_.size())) == 0;
  }
  if (!done) bad("tls: invalid ServerName or NextProtos value");
}

TlsDevice::~TlsDevice() { SSL_free(ssl_); }

TlsDevice* TlsDevice::of(const net::Conn& conn) noexcept {
  Descriptor* fd = SocketAccess::descriptor(conn);
  return fd != nullptr ? dynamic_cast<TlsDevice*>(fd->device()) : nullptr;
}

// ---- an operation's way

bool TlsDevice::advance(FdOperation& op, FrameLink* leaf) noexcept {
  Lane& lane = this->lane(op.side());
  for (bool alarmed = false;;) {
    const std::int64_t when = op.deadline();
    if (alarmed) static_cast<void>(op.set_alarm(when));  // no memory: decide() sees that it has failed
    WakeList woken;
    Next next;
    {
      LockGuard guard(lock_);
      if (lane.below_) {
        take_result(op, lane);
        if (FdOperation* sleeper = std::exchange(other(lane).sleeper_, nullptr)) woken.push(sleeper);  // T3
      }
      next = decide(op, lane);
      if (next != Next::over) {
        const bool watched = next == (op.side() == FdSide::read ? Next::recv : Next::send);  // by the timer below
        if (when != op.deadline() || (when != never && !watched && !alarmed)) {
          alarmed = true;
          next = Next::again;
        } else if (next != Next::sleep) {
          begin_below(op, lane, next);
        } else if (op.sleep(leaf)) {  // DV1
          lane.sleeper_ = &op;
        } else {
          next = Next::give_up;
        }
      }
    }
    woken.wake_all();  // if op sleeps nothing of it may be touched, nor of this: it may run again already
    if (next == Next::give_up) {
      op.stay_awake();  // DV1
      LockGuard guard(lock_);
      next = failed(op, lane);
    }
    if (next == Next::over) return false;
    if (next == Next::sleep) return true;
    if (next != Next::again && lane.below_->begin(leaf)) return true;
  }
}

// In a step of the operation below, when it is over.
bool TlsDevice::go_on(void* lane) noexcept { return static_cast<Lane*>(lane)->op_->go_on(); }

void TlsDevice::begin_below(FdOperation& op, Lane& lane, Next next) noexcept {
  lane.op_ = &op;
  lane.nudged_ = false;
  if (next == Next::recv) {
    GMPCORO_ASSERT(!receiving_);
    GMPCORO_ASSERT(in_.size() == 0);  // OpenSSL has taken all before it asked for more
    receiving_ = true;
    lane.below_.emplace(op.g(), below_fd_, FdOperation::Kind::recv, in_.data_.get(), buffer_size);
  } else {
    GMPCORO_ASSERT(!sending_);
    sending_ = true;
    lane.below_.emplace(op.g(), below_fd_, FdOperation::Kind::send, out_.data_.get() + out_.begin_, out_.size());
  }
  lane.below_->then(&go_on, &lane);
}

void TlsDevice::take_result(FdOperation& op, Lane& lane) noexcept {
  FdOperation& below = *lane.below_;
  const bool received = below.side() == FdSide::read;
  const std::size_t n = below.bytes();
  const bool all = n != 0 && (received || !below.error());
  std::error_code error = below.error();
  if (n == 0 && !error) error = make_error_code(errc::no_progress);  // too many operations below
  if (received) {
    receiving_ = false;
    in_.end_ = n;
    if (n != 0 && !input_begun_) look_at_first_record();
  } else {
    sending_ = false;
    out_.took(n);
  }
  if (all || (lane.nudged_ && error == errc::canceled)) {  // T2
  } else if (received && error == errc::eof) {
    input_ended_ = true;
  } else if (!received && failure_) {
    out_.took(out_.size());  // the alert does not matter that much
  } else {
    const bool passes = error == errc::timeout || error == errc::canceled;
    if (!received && !passes && !write_failure_) write_failure_ = {error, below.context()};
    // Of what a reader has to say once the handshake is over nothing depends, and there may be more to be read.
    if (received || passes || !handshaken_ || op.side() != FdSide::read) op.fail(error, below.take_context());
  }
  lane.nudged_ = false;
  lane.below_.reset();
}

// As Go: not to wait for the rest of something that is no TLS.
void TlsDevice::look_at_first_record() noexcept {
  input_begun_ = true;
  const auto byte = [this](std::size_t i) { return std::to_integer<unsigned>(in_.data_[i]); };
  constexpr unsigned alert = 21, handshake = 22, strange_version = 0x10;
  if ((byte(0) != alert && byte(0) != handshake) || (in_.size() > 1 && byte(1) >= strange_version))
    failure_ = tls_failure(tls_errc::not_tls);
}

// What the operation needs next. It may have been woken for nothing.
TlsDevice::Next TlsDevice::decide(FdOperation& op, Lane& lane) noexcept {
  if (op.error() || op.fails_now()) return failed(op, lane);
  if (failure_) return can_send() ? Next::send : fail(op, lane, failure_);  // T5
  if (!make_room()) return fail(op, lane, {std::error_code(ENOMEM, errno_category()), {}});
  if (!handshaken_) {
    if (const Next next = handshake(op, lane); !handshaken_) return next;
  }
  if (op.rest() == nullptr) return can_send() ? Next::send : Next::over;  // all that was asked for
  return op.side() == FdSide::read ? read(op, lane) : write(op, lane);
}

TlsDevice::Next TlsDevice::handshake(FdOperation& op, Lane& lane) noexcept {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  if (done != 1) return want(op, lane, SSL_get_error(ssl_, done));
  handshaken_ = true;
  return Next::over;
}

TlsDevice::Next TlsDevice::read(FdOperation& op, Lane& lane) noexcept {
  while (!read_ended_) {
    std::size_t n = 0;
    ERR_clear_error();
    const int done = SSL_read_ex(ssl_, op.rest(), op.left(), &n);
    if (done == 1) {
      op.transferred(n);
      if (op.left() == 0) return Next::over;
      continue;
    }
    const int what = SSL_get_error(ssl_, done);
    if (what == SSL_ERROR_ZERO_RETURN) {
      read_ended_ = true;
    } else if (op.bytes() == 0) {
      return want(op, lane, what);
    } else {
      if (what != SSL_ERROR_WANT_READ && what != SSL_ERROR_WANT_WRITE) failure_ = openssl_failure();  // for the next one
      return Next::over;
    }
  }
  if (op.bytes() == 0) op.fail(errc::eof);
  return Next::over;
}

TlsDevice::Next TlsDevice::write(FdOperation& op, Lane& lane) noexcept {
  for (;;) {
    if (write_failure_) return fail(op, lane, write_failure_);
    if (!sending_ && out_.begin_ != 0) {
      std::memmove(out_.data_.get(), out_.data_.get() + out_.begin_, out_.size());
      out_.end_ -= out_.begin_;
      out_.begin_ = 0;
    }
    while (lane.made_ != op.left()) {
      const std::size_t piece = std::min(op.left() - lane.made_, piece_max);
      if (buffer_size - out_.end_ < piece + overhead_max) break;
      if ((SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) != 0) return fail(op, lane, tls_failure(tls_errc::shut_down));
      std::size_t n = 0;
      ERR_clear_error();
      const int done = SSL_write_ex(ssl_, op.rest() + lane.made_, piece, &n);
      if (done != 1) {
        const int what = SSL_get_error(ssl_, done);
        lane.torn_ = lane.torn_ || what == SSL_ERROR_WANT_WRITE;
        return want(op, lane, what);
      }
      lane.torn_ = true;
      lane.made_ += n;
    }
    if (out_.size() != 0) return sending_ ? Next::sleep : Next::send;
    op.transferred(std::exchange(lane.made_, 0));
    lane.torn_ = false;
    if (op.left() == 0) return Next::over;
  }
}

// OpenSSL could not: what of ours is it about?
TlsDevice::Next TlsDevice::want(FdOperation& op, Lane& lane, int what) noexcept {
  if (what == SSL_ERROR_WANT_READ) return want_input(op, lane);
  if (what == SSL_ERROR_WANT_WRITE) return want_room(op, lane);
  if (what == SSL_ERROR_ZERO_RETURN)
    failure_ = {make_error_code(errc::unexpected_eof), {}};  // good-bye in the middle of a handshake
  else
    failure_ = verify_failure_ ? verify_failure_ : openssl_failure();
  return can_send() ? Next::send : fail(op, lane, failure_);
}

TlsDevice::Next TlsDevice::want_input(FdOperation& op, Lane& lane) noexcept {
  if (can_send()) return Next::send;  // what the peer may be waiting for
  if (input_ended_) return fail(op, lane, {make_error_code(errc::unexpected_eof), {}});
  return receiving_ ? Next::sleep : Next::recv;
}

TlsDevice::Next TlsDevice::want_room(FdOperation& op, Lane& lane) noexcept {
  if (write_failure_) return fail(op, lane, write_failure_);
  return sending_ ? Next::sleep : Next::send;
}

TlsDevice::Next TlsDevice::fail(FdOperation& op, Lane& lane, const TlsFailure& why) noexcept {
  op.fail(why.code, why.words);
  return failed(op, lane);
}

TlsDevice::Next TlsDevice::failed(FdOperation& op, Lane& lane) noexcept {
  if (lane.torn_ && !write_failure_) write_failure_ = {op.error(), op.context()};  // T4
  lane.torn_ = false;
  lane.made_ = 0;
  return Next::over;
}

// When it is needed: many connections may be there before their first word.
bool TlsDevice::make_room() noexcept {
  for (Bytes* bytes : {&in_, &out_}) {
    if (!bytes->data_) bytes->data_.reset(new (std::nothrow) std::byte[buffer_size]);
    if (!bytes->data_) return false;
  }
  return true;
}

// ---- from outside

void TlsDevice::cancel(FdSide side) noexcept {
  FdOperation* sleeper = nullptr;
  {
    LockGuard guard(lock_);
    Lane& lane = this->lane(side);
    sleeper = std::exchange(lane.sleeper_, nullptr);
    if (lane.below_) {  // T2
      lane.nudged_ = true;
      lane.below_->cancel();
    }
  }
  if (sleeper != nullptr) wake(sleeper);  // DV2
}

bool TlsDevice::withdraw(FdSide side) noexcept {
  LockGuard guard(lock_);
  return std::exchange(lane(side).sleeper_, nullptr) != nullptr;
}

void TlsDevice::abandon(FdSide side) noexcept {
  FdOperation* sleeper = nullptr;
  {
    LockGuard guard(lock_);
    Lane& lane = this->lane(side);
    if (lane.below_) {
      const bool received = lane.below_->side() == FdSide::read;
      (received ? receiving_ : sending_) = false;
      // How much of it went, or came, nobody knows.
      const TlsFailure why{make_error_code(errc::canceled), {}};
      TlsFailure& failure = received ? failure_ : write_failure_;
      if (!failure) failure = why;
      lane.below_.reset();
      sleeper = std::exchange(other(lane).sleeper_, nullptr);  // T3
    }
    if (lane.torn_ && !write_failure_) write_failure_ = {make_error_code(errc::canceled), {}};
    lane.torn_ = false;
    lane.made_ = 0;
  }
  if (sleeper != nullptr) wake(sleeper);
}

bool TlsDevice::set_deadline(std::int64_t when_ns, bool read, bool write) noexcept {
  if (below_fd_ != nullptr) static_cast<void>(below_fd_->set_deadline(when_ns, read, write));
  return false;  // the descriptor above keeps them, too
}

// As far as the connection below takes it at once.
void TlsDevice::send_now() noexcept {
  if (!can_send() || below_fd_ == nullptr) return;
  out_.took(below_fd_->send_now(out_.data_.get() + out_.begin_, out_.size()));
}

void TlsDevice::say_the_end() noexcept {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::error_code TlsDevice::shut_down(int how) noexcept {
  if (how != SHUT_WR) {
    {
      LockGuard guard(lock_);
      read_ended_ = true;
    }
    cancel(FdSide::read);
    if (how == SHUT_RD) return {};
  }
  {
    LockGuard guard(lock_);
    if (failure_) return failure_.code;
    if (!handshaken_) return make_error_code(tls_errc::early_close_write);
    if (write_failure_) return write_failure_.code;
    if ((SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) != 0) return {};
    say_the_end();
    send_now();
    if (!can_send()) return {};  // if somebody is sending just now that one goes on with it
    sending_ = flushing_ = true;
  }
  if (!flush_later() && may_go()) return {ENOMEM, errno_category()};
  return {};
}

void TlsDevice::close() noexcept {
  bool rest = false;
  {
    LockGuard guard(lock_);
    if (flushing_) {
      closes_below_ = true;
      return;
    }
    if (handshaken_ && !failure_ && !write_failure_ && !sending_) {  // a write in progress is cut off, as Go does
      if ((SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) == 0) say_the_end();
      send_now();
      rest = sending_ = flushing_ = closes_below_ = can_send() && may_go();
    }
  }
  if (rest) static_cast<void>(below_.close_read());  // nobody will read
  if (!rest || !flush_later()) static_cast<void>(below_.close());
}

/// The role of a g of our own, which sends what the connection below did not take at once. Its end gives the role back, however it comes.
class TlsDevice::Flush : detail::Immovable {
 public:
  explicit Flush(TlsDevice& device) noexcept : device_(device) { device_.above_->ref(); }
  ~Flush() {
    WakeList woken;
    bool closes = false;
    {
      LockGuard guard(device_.lock_);
      device_.sending_ = device_.flushing_ = false;
      if (begun_ && device_.out_.size() != 0 && !device_.write_failure_) device_.write_failure_ = {make_error_code(errc::canceled), {}};
      for (Lane& lane : device_.lanes_) {
        if (FdOperation* sleeper = std::exchange(lane.sleeper_, nullptr)) woken.push(sleeper);  // T3
      }
      closes = device_.closes_below_;
    }
    woken.wake_all();
    if (closes) static_cast<void>(device_.below_.close());
    device_.above_->unref();
  }
  /// Until then what is to be sent stays for whoever comes next.
  void begin() noexcept { begun_ = true; }
  io::ConstBuffer rest() const noexcept {
    LockGuard guard(device_.lock_);
    return io::ConstBuffer(device_.out_.data_.get() + device_.out_.begin_, device_.out_.size());
  }
  void took(std::size_t n) noexcept {
    LockGuard guard(device_.lock_);
    device_.out_.took(n);
  }
  const net::Conn& below() const noexcept { return device_.below_; }

 private:
  TlsDevice& device_;
  bool begun_ = false;
};

// Who wanted it has gone on, and cannot be told that there is no memory: so it is waited for.
Task<> TlsDevice::flush(std::unique_ptr<Flush> rest) {
  constexpr int tries_max = 1000;
  int tries = 0;
  rest->begin();
  for (io::ConstBuffer bytes = rest->rest(); !bytes.empty() && tries != tries_max; bytes = rest->rest()) {
    std::error_code err;
    try {
      const auto sent = co_await timeout(linger, rest->below().write(bytes));
      rest->took(sent.get<0>());
      err = sent.err;
    } catch (const std::bad_alloc&) {
      err = {ENOMEM, errno_category()};
    }
    if (err && err != std::errc::not_enough_memory) break;
    if (err) {
      ++tries;
      co_await yield();
    }
  }
}

// False: it could not be; the role is given back.
bool TlsDevice::flush_later() noexcept {
  std::unique_ptr<Flush> rest(new (std::nothrow) Flush(*this));
  if (!rest) {
    LockGuard guard(lock_);
    sending_ = flushing_ = false;
    return false;
  }
  if (!may_go()) return false;
  try {
    go(&TlsDevice::flush, std::move(rest));
    return true;
  } catch (...) {
    return false;
  }
}

bool TlsDevice::is_through() noexcept {
  LockGuard guard(lock_);
  return handshaken_ && !failure_ && !can_send();
}

net::TlsState TlsDevice::state() {
  net::TlsState state;
  LockGuard guard(lock_);
  if (!handshaken_) return state;
  state.handshake_complete = true;
  state.version = static_cast<net::TlsVersion>(SSL_version(ssl_));
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_)) state.cipher_suite = SSL_CIPHER_standard_name(cipher);
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &protocol, &size);
  if (size != 0) state.negotiated_protocol.assign(reinterpret_cast<const char*>(protocol), size);
  if (!server_)
    state.server_name = server_name_;
  else if (const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name))
    state.server_name = name;
  state.did_resume = SSL_session_reused(ssl_) == 1;
  X509* own = SSL_get0_peer_certificate(ssl_);
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl_);  // a server's is without the peer's own
  if (own != nullptr && server_) state.peer_certificates.push_back(text_of(X509_get_subject_name(own)));
  for (int i = 0; i < sk_X509_num(chain); ++i) state.peer_certificates.push_back(text_of(X509_get_subject_name(sk_X509_value(chain, i))));
  return state;
}

}  // namespace gmp::detail
