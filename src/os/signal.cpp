// src/os/signal.cpp — from a signal handler to channels and contexts.
// Go: os/signal/signal.go, runtime/sigqueue.go.  Room: os (floor 5).
//
// A handler may do next to nothing.  Ours notes the number and writes to an eventfd; a thread of its own, started when it is first needed and never
// ended, reads that, and hands each noted signal to whoever wants it.
//
//   OS1  those who want signals are in a list under wanting_lock, and a signal's handler is ours as long as one of them wants it; the disposition
//        that it had before comes back with the last one.
//   OS2  a channel in the list is not counted, or it would never go; its end takes it out (ChanSource), under the lock, before it is destroyed. A context
//        likewise; and it is cancelled without the lock, by a reference (try_ref).
//   OS3  a child made by fork() shares the eventfd: what it writes wakes our thread, which finds nothing noted.
#include "gmp/os.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include "gmp/detail/base/list.hpp"
#include "gmp/detail/park.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "os/signal_name.hpp"
#include "sys/os.hpp"

namespace gmp {

namespace detail {

std::string signal_name(int signal) {
  const char* description = ::sigdescr_np(signal);
  std::string name = description != nullptr ? description : "signal " + std::to_string(signal);
  name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  return name;
}

namespace {

constexpr int signals_max = 65;  // 1 to 64

/// Somebody who wants signals.
class Wanting : Immovable {
 public:
  explicit Wanting(std::uint64_t set) noexcept : set_(set) {}
  bool wants(int signal) const noexcept { return (set_ >> (signal - 1) & 1) != 0; }

  // Under wanting_lock:
  /// again: it has been asked for this one before. True: told() follows, without the lock.
  virtual bool note(int signal, bool again) noexcept = 0;
  virtual void told(int signal) noexcept = 0;

  Wanting* next_ = nullptr;
  Wanting* prev_ = nullptr;
  const std::uint64_t set_;

 protected:
  ~Wanting() = default;
};

constinit Lock wanting_lock;
constinit List<Wanting, &Wanting::next_, &Wanting::prev_> all_wanting;  // wanting_lock
constinit std::array<int, signals_max> wanted_by{};                     // wanting_lock: how many of the list
constinit std::array<struct sigaction, signals_max> dispositions{};     // wanting_lock: what to restore (OS1)
constinit bool thread_runs = false;                                     // wanting_lock

constinit std::array<Atomic<std::uint32_t>, signals_max> noted{};
constinit Atomic<int> bell{-1};

void handle(int signal) noexcept {
  const int error = errno;
  noted[static_cast<std::size_t>(signal)].store(1, release);  // [SIGNAL]
  const std::uint64_t one = 1;
  static_cast<void>(::write(bell.load(relaxed), &one, sizeof one));  // written before any handler was set
  errno = error;
}

void hand_out(int signal) noexcept {
  constexpr std::size_t few = 16;
  for (bool again = false;; again = true) {  // some at a time, as they are told without the lock
    std::array<Wanting*, few> to_tell{};
    std::size_t n = 0;
    {
      LockGuard guard(wanting_lock);
      for (Wanting* w = all_wanting.front(); w != nullptr && n < few; w = all_wanting.next(w)) {
        if (w->wants(signal) && w->note(signal, again)) to_tell[n++] = w;
      }
    }
    for (std::size_t i = 0; i < n; ++i) to_tell[i]->told(signal);
    if (n < few) return;
  }
}

void* listen(void*) {
  sys::set_thread_name("gmp", "/signal");
  library_thread_begins();
  for (;;) {
    std::uint64_t count = 0;
    if (::read(bell.load(relaxed), &count, sizeof count) < 0 && errno != EINTR) return nullptr;
    for (int signal = 1; signal < signals_max; ++signal) {
      if (noted[static_cast<std::size_t>(signal)].exchange(0, acquire) != 0) hand_out(signal);  // [SIGNAL]
    }
  }
}

// Under wanting_lock. It starts with all signals blocked: handlers are for threads that have something to interrupt.
int start_listening() noexcept {
  if (thread_runs) return 0;
  if (bell.load(relaxed) < 0) {
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    if (fd < 0) return errno;
    bell.store(fd, relaxed);
  }
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread = {};
  const int error = ::pthread_create(&thread, nullptr, &listen, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return error;
  ::pthread_detach(thread);
  thread_runs = true;
  return 0;
}

void restore(int signal) noexcept { ::sigaction(signal, &dispositions[static_cast<std::size_t>(signal)], nullptr); }

/// Into the list. Throws std::system_error.
void enlist_wanting(Wanting& w) {
  int error = 0;
  {
    LockGuard guard(wanting_lock);
    error = start_listening();
    for (int signal = 1; signal < signals_max && error == 0; ++signal) {
      if (!w.wants(signal) || wanted_by[static_cast<std::size_t>(signal)]++ != 0) continue;
      struct sigaction ours = {};
      ours.sa_handler = &handle;
      ours.sa_flags = SA_RESTART | SA_ONSTACK;
      ::sigfillset(&ours.sa_mask);
      if (::sigaction(signal, &ours, &dispositions[static_cast<std::size_t>(signal)]) == 0) continue;
      error = errno;  // the C library keeps some for itself
      --wanted_by[static_cast<std::size_t>(signal)];
      for (int earlier = 1; earlier < signal; ++earlier) {
        if (w.wants(earlier) && --wanted_by[static_cast<std::size_t>(earlier)] == 0) restore(earlier);
      }
    }
    if (error == 0) all_wanting.push_back(&w);
  }
  if (error != 0) throw std::system_error(error, errno_category(), "os: notify");
  outside_hope_begins();
}

/// Out of the list, if it is in.
void strike_off_wanting(Wanting& w) noexcept {
  {
    LockGuard guard(wanting_lock);
    if (!decltype(all_wanting)::linked(&w)) return;
    all_wanting.erase(&w);
    for (int signal = 1; signal < signals_max; ++signal) {
      if (w.wants(signal) && --wanted_by[static_cast<std::size_t>(signal)] == 0) restore(signal);
    }
  }
  outside_hope_ends();
}

std::uint64_t set_of(std::span<const int> signals) {
  if (signals.empty()) throw std::invalid_argument("os: notify of no signals");
  std::uint64_t set = 0;
  for (const int signal : signals) {
    const bool own_fault = signal == SIGSEGV || signal == SIGFPE || signal == SIGILL || signal == SIGBUS;
    if (signal < 1 || signal >= signals_max || signal == SIGKILL || signal == SIGSTOP || own_fault)
      throw std::invalid_argument("os: signal " + std::to_string(signal) + " cannot be notified of");
    set |= std::uint64_t{1} << (signal - 1);
  }
  return set;
}

class SignalChan final : public ChanSource, public Wanting {
 public:
  SignalChan(HChan* chan, std::uint64_t set) noexcept : ChanSource{&SignalChan::channel_gone}, Wanting(set), chan_(chan) {}

  /// Null: the channel is none of ours.
  static SignalChan* of(HChan* chan) noexcept {
    ChanSource* source = chan != nullptr ? chan->source() : nullptr;
    return source != nullptr && source->gone == &SignalChan::channel_gone ? static_cast<SignalChan*>(source) : nullptr;
  }

 private:
  bool note(int signal, bool again) noexcept override {
    if (!again) static_cast<void>(chan_->try_send_distinct(&signal));  // there is room for one of each
    return false;
  }
  void told(int) noexcept override {}
  static void channel_gone(ChanSource* source) noexcept {
    auto* self = static_cast<SignalChan*>(source);
    strike_off_wanting(*self);
    delete self;
  }
  HChan* const chan_;  // OS2
};

class SignalNode final : public CancelNode, public Wanting {
 public:
  SignalNode(ContextNode* parent, std::uint64_t set) noexcept : CancelNode(parent, never), Wanting(set) {}

 private:
  ~SignalNode() { strike_off_wanting(*this); }
  void destroy() noexcept override { delete this; }
  void ended() noexcept override { strike_off_wanting(*this); }
  bool note(int, bool) noexcept override { return code() == 0 && try_ref(); }
  void told(int signal) noexcept override {
    std::exception_ptr cause;
    try {
      cause = std::make_exception_ptr(std::runtime_error(signal_name(signal) + " signal received"));
    } catch (const std::bad_alloc&) {  // then without words
    }
    cancel(errc::canceled, cause);
    unref();
  }
};

}  // namespace
}  // namespace detail

namespace os {

RecvChan<int> notify(std::span<const int> signals) {
  const std::uint64_t set = detail::set_of(signals);
  detail::ChanRef chan(detail::HChan::make(detail::element_of<int>, static_cast<std::size_t>(__builtin_popcountll(set))));
  auto* source = new detail::SignalChan(chan.get(), set);
  chan.get()->set_source(source);  // from here on it goes with the channel
  detail::enlist_wanting(*source);
  return detail::ChanAccess::from<RecvChan<int>>(std::move(chan));
}

void stop(const RecvChan<int>& channel) noexcept {
  if (detail::SignalChan* source = detail::SignalChan::of(detail::ChanAccess::ref(channel).get())) detail::strike_off_wanting(*source);
}

Context notify_context(const Context& ctx, std::span<const int> signals) {
  const std::uint64_t set = detail::set_of(signals);
  auto* node = new detail::SignalNode(detail::ContextAccess::parent(ctx), set);
  detail::ContextRef ref(node);
  detail::enlist_wanting(*node);
  node->attach();
  return detail::ContextAccess::from(std::move(ref));
}

}  // namespace os
}  // namespace gmp
