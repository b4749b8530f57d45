// src/sys/quit_signal.cpp — from SIGQUIT's handler to a thread that may do what a handler may not.
// Go: runtime/signal_unix.go (sighandler); there it prints from the handler, on a stack of its own.  Room: sys (floor 1).
//
// The handler counts and wakes; a thread sleeps on the count.  Not sysmon: it comes with an executor's first M, and is gone before its last frames
// are destroyed, in which a program may hang as anywhere else.  Not an eventfd: a program that has run out of descriptors is one to be looked into.
//   QS1  the handler may be there when nobody wants it: in a child made by fork(), which has no such thread, or put back by one who had put his own
//        in its place meanwhile.  Then it does what the default disposition does.
#include "sys/quit_signal.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "gmp/detail/sys/futex.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "sys/os.hpp"

namespace gmp::detail::sys {

namespace {

constinit Lock quit_lock;
constinit bool thread_runs = false;          // quit_lock
constinit bool installed = false;            // quit_lock
constinit struct sigaction before = {};      // quit_lock: what to restore

constinit Atomic<int> wanted{0};             // written under quit_lock
constinit Atomic<pid_t> owner{0};            // the process that has the thread
constinit Atomic<std::uint32_t> came{0};     // futex

using Action = void (*)() noexcept;
constinit Action thread_begins = nullptr, thread_report = nullptr;  // written before the thread is there

void handle(int signal) noexcept {
  const int error = errno;
  if (wanted.load(relaxed) == 0 || owner.load(relaxed) != ::getpid()) {  // QS1
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // comes when we have returned
  } else {
    came.fetch_add(1, relaxed);  // it orders nothing: whoever reports looks at everything anew
    futex_wake(&came, 1);
  }
  errno = error;
}

void* wait_and_report(void*) {
  thread_begins();
  set_thread_name("gmp", "/sigquit");
  while (came.load(relaxed) == 0) futex_wait(&came, 0);
  thread_report();
  return nullptr;
}

// Under quit_lock. With all signals blocked: handlers are for threads that have something to interrupt.
bool start_thread(Action begins, Action report) noexcept {
  if (thread_runs) return owner.load(relaxed) == ::getpid();
  thread_begins = begins;
  thread_report = report;
  sigset_t all, mask;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &mask);
  pthread_t thread = {};
  const bool started = ::pthread_create(&thread, nullptr, &wait_and_report, nullptr) == 0;
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  if (!started) return false;
  ::pthread_detach(thread);
  owner.store(::getpid(), relaxed);
  thread_runs = true;
  return true;
}

}  // namespace

void quit_signal_begin(void (*begins)() noexcept, void (*report)() noexcept) noexcept {
  LockGuard guard(quit_lock);
  wanted.fetch_add(1, relaxed);
  if (installed) return;
  struct sigaction now = {};
  if (::sigaction(SIGQUIT, nullptr, &now) != 0) return;
  const bool ours = (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == &handle;  // QS1: `before` is what it was
  if (!ours && ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL)) return;
  if (!start_thread(begins, report)) return;
  if (!ours) before = now;
  struct sigaction mine = {};
  mine.sa_handler = &handle;
  mine.sa_flags = SA_RESTART | SA_ONSTACK;
  ::sigfillset(&mine.sa_mask);
  installed = ::sigaction(SIGQUIT, &mine, nullptr) == 0;
}

void quit_signal_end() noexcept {
  LockGuard guard(quit_lock);
  if (wanted.fetch_sub(1, relaxed) != 1 || !installed) return;
  installed = false;
  struct sigaction now = {};
  if (::sigaction(SIGQUIT, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == &handle) ::sigaction(SIGQUIT, &before, nullptr);
}

}  // namespace gmp::detail::sys
