// src/net/descriptor.cpp — closing, deadlines, and the end of a descriptor.
// Go: internal/poll/fd_unix.go (FD.Close, destroy), internal/poll/fd_poll_runtime.go.  Room: net (floor 5).
#include "net/descriptor.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "gmp/detail/park.hpp"
#include "net/device.hpp"
#include "net/op_error.hpp"
#include "net/socket.hpp"

namespace gmp::detail {

namespace {

std::error_code last_error() noexcept { return {errno, errno_category()}; }

/// Numbers the lives of descriptors, since the system's numbers come back.
std::uint64_t next_serial() noexcept {
  static Atomic<std::uint64_t> serials{1};
  return serials.fetch_add(1, relaxed);
}

}  // namespace

void ref_handle(Descriptor* fd) noexcept { fd->ref_handle(); }
void unref_handle(Descriptor* fd) noexcept { fd->unref_handle(); }

Descriptor::Descriptor(int fd, const char* network, Nature nature, std::unique_ptr<Device> device) noexcept
    : fd_(fd), serial_(next_serial()), nature_(nature), network_(network), device_(std::move(device)) {
  for (const FdSide s : {FdSide::read, FdSide::write}) {
    side(s).side_ = s;
    side(s).device_ = device_.get();
  }
}

Descriptor::~Descriptor() {
  if (is_file()) delete[] network_;
}

Descriptor* Descriptor::make(int fd, const char* network, Nature nature, const net::Addr& local, const net::Addr& remote) noexcept {
  return with_ends(new (std::nothrow) Descriptor(fd, network, nature, nullptr), local, remote);
}

Descriptor* Descriptor::make_file(int fd, std::string_view name, Nature nature) noexcept {
  char* const kept = new (std::nothrow) char[name.size() + 1];
  if (kept == nullptr) return nullptr;
  name.copy(kept, name.size());
  kept[name.size()] = '\0';
  Descriptor* made = new (std::nothrow) Descriptor(fd, kept, nature, nullptr);
  if (made == nullptr) delete[] kept;
  return made;
}

Descriptor* Descriptor::make(std::unique_ptr<Device> device, const char* network, const net::Addr& local, const net::Addr& remote,
                             Nature nature) noexcept {
  return with_ends(new (std::nothrow) Descriptor(-1, network, nature, std::move(device)), local, remote);
}

Descriptor* Descriptor::with_ends(Descriptor* made, const net::Addr& local, const net::Addr& remote) noexcept {
  if (made == nullptr || (made->local_.set(local) && made->remote_.set(remote))) return made;
  delete made;
  return nullptr;
}

int Descriptor::number() const noexcept { return device_ != nullptr ? device_->number() : fd_; }

void Descriptor::unref_handle() noexcept {
  if (handles_.fetch_sub(1, acq_rel) != 1) return;  // [FD-REFS] the last one sees what the others did
  static_cast<void>(close());                       // closed before: so be it
  unref();
}

void Descriptor::unref() noexcept {
  if (refs_.fetch_sub(1, acq_rel) == 1) delete this;  // [FD-REFS]
}

// The socket is shut down because closing the number is not enough: an operation in flight keeps the file alive in the kernel, its peer
// without a FIN, a listener's port in use.  A socket of datagrams has nobody to tell, and must not be shut down: it says that there is something to be read
// from then on, and that there is nothing when it is read, and a ring that asks for both tries a hundred times before it gives up.
std::error_code Descriptor::close() noexcept {
  if (!mutex_.close_and_ref()) return closed_error();
  if (unlinks_) remove_path(local());
  // ENOTCONN and the like: then there is nobody to tell. If it is to be reset, that comes with the number's release, soon enough.
  if (device_ != nullptr) {
    if (drops_.load(relaxed)) device_->drop();
    device_->close();
  } else if (!is_file() && !keeps_bounds() && !drops_.load(relaxed)) {
    ::shutdown(fd_, SHUT_RDWR);
  }
  WakeList woken;
  {
    LockGuard guard(mutex_.lock());
    mutex_.take_waiters(woken);
    cancel(FdSide::read);
    cancel(FdSide::write);
  }
  woken.wake_all();
  if (mutex_.unref()) release();
  return {};
}

void Descriptor::release() noexcept {
  if (device_ == nullptr) ::close(fd_);  // EINTR: it is closed all the same
  WakeList woken;
  {
    LockGuard guard(mutex_.lock());
    released_ = true;
    while (Waiter* w = closers_.pop_front()) woken.push(w);
  }
  woken.wake_all();
  unref();
}

bool Descriptor::withdraw_closer(Waiter& w) noexcept {
  LockGuard guard(mutex_.lock());
  if (!FdMutex::Waiters::linked(&w)) {
    w.give_up_.store(true, relaxed);
    return false;
  }
  closers_.erase(&w);
  return w.withdrawn_ = true;
}

// Under lock(). A side that nobody has needs no cancel: who takes it sees what there is to see (FM3).
void Descriptor::cancel(FdSide s) noexcept {
  if (mutex_.is_held(s)) side(s).cancel(s);
}

void Descriptor::Side::cancel(FdSide s) noexcept {
  if (device_ != nullptr)
    device_->cancel(s);
  else
    io_cancel(&op_);
}

void Descriptor::Side::fire(Timer* timer, std::int64_t) noexcept {
  Side* side = static_cast<Side*>(timer);
  side->cancel(side->side_);
}

std::error_code Descriptor::set_deadline(std::int64_t when_ns, bool read, bool write) noexcept {
  Use use(this);
  if (!use) return closed_error();
  if (device_ != nullptr && device_->set_deadline(when_ns, read, write)) return {};
  if (is_regular()) return make_error_code(errc::no_deadline);
  LockGuard guard(mutex_.lock());
  for (const FdSide s : {FdSide::read, FdSide::write}) {
    if (!(s == FdSide::read ? read : write)) continue;
    Side& side = this->side(s);
    const std::int64_t was = side.deadline_.load(relaxed);  // written under this lock
    side.deadline_.store(when_ns, relaxed);                 // [FD-WORD] published by the RMW that follows
    mutex_.set_deadline_bit(s, when_ns != never);
    if (when_ns < was) cancel(s);  // DE4
  }
  return {};
}

std::error_code Descriptor::shut_down(int how) noexcept {
  Use use(this);
  if (!use) return closed_error();
  if (device_ != nullptr) return device_->shut_down(how);
  if (keeps_bounds() && how != SHUT_WR) {
    if (!remote()) return {ENOTCONN, errno_category()};
    end_reading();
    if (how == SHUT_RD) return {};
    how = SHUT_WR;
  }
  if (::shutdown(fd_, how) != 0) return last_error();
  return {};
}

// Of datagrams the system knows no such end: it would say that there is something to be read, and give nothing.
void Descriptor::end_reading() noexcept {
  reading_ended_.store(true, relaxed);  // [FD-WORD] published by the RMW that follows
  LockGuard guard(mutex_.lock());
  mutex_.look_again();
  cancel(FdSide::read);
}

std::size_t Descriptor::send_now(const void* data, std::size_t size) noexcept {
  Use use(this);
  if (!use || device_ != nullptr) return 0;
  ssize_t n = -1;
  do {
    n = ::send(fd_, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

std::error_code Descriptor::set_option(int level, int option, const void* value, unsigned size) noexcept {
  Use use(this);
  if (!use) return closed_error();
  if (device_ != nullptr && device_->takes_options()) return {};
  if (number() < 0) return {EOPNOTSUPP, errno_category()};  // nothing of the system's below
  if (::setsockopt(number(), level, option, value, size) != 0) return last_error();
  return {};
}

}  // namespace gmp::detail
