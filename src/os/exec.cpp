// src/os/exec.cpp — how a program is started, waited for, and never left behind as a zombie.
// Go: os/exec/exec.go, os/exec/lp_unix.go, os/exec_posix.go, os/pidfd_linux.go.  Room: os (floor 5).
//
// posix_spawn(3) shares memory with the child until it has become the program, so the size of this process does not matter, and an error of exec is known
// at once; but it blocks meanwhile, so it has a thread that may.  From then on the child is known by its pidfd: the poller says when it has ended, signals
// sent to it hit nobody else, and no SIGCHLD is needed: the program may do with that one what it likes, except ignore it, or reap what it
// does not know.  Of limits posix_spawn() knows nothing: a child that is to have another one than we (raise_file_limit()) is started by a vfork(2) of our own.
//
//   EX1  a child is reaped once, under lock_, by who first finds that it has ended; its status is for all.
//   EX2  whoever loses sight of a child that runs (its handles gone, its g stopped) kills and reaps it, or leaves it to a g that does nothing else;
//        where no executor runs, to the next start().
//   EX3  a child has three descriptors, blocking ones. O_NONBLOCK belongs to what is shared with us, so a pipe is opened a second time for the child;
//        what cannot be (a socket) is made blocking for both, as Go does it.
#include "gmp/os/exec.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>

#include "gmp/detail/sys/lock.hpp"
#include "gmp/executor.hpp"
#include "gmp/go.hpp"
#include "gmp/io.hpp"
#include "net/descriptor.hpp"
#include "net/op_error.hpp"
#include "net/socket.hpp"
#include "os/file_limit.hpp"
#include "os/signal_name.hpp"

extern "C" char** environ;  // POSIX wants it declared by who uses it

namespace gmp {

namespace os {

std::string ExitStatus::to_string() const {
  if (signal_ == 0) return "exit status " + std::to_string(code_);
  return "signal: " + detail::signal_name(signal_) + (dumped_ ? " (core dumped)" : "");
}

}  // namespace os

namespace detail {

namespace {

using os::Command;
using os::ExitStatus;
using os::Process;
using os::Stdio;

/// Room for what waitid(2) says of a pidfd, which older libraries have no name for.
constexpr auto by_pidfd = static_cast<idtype_t>(3);

/// True: it has ended, and is reaped, or somebody else's doing (then error).
bool reap(int pidfd, bool wait, ExitStatus& status, int& error) noexcept {
  siginfo_t info = {};
  int result = 0;
  do {
    result = ::waitid(by_pidfd, static_cast<id_t>(pidfd), &info, wait ? WEXITED : WEXITED | WNOHANG);
  } while (result != 0 && errno == EINTR);
  error = result == 0 ? 0 : errno;
  if (error != 0) return true;
  if (info.si_pid == 0) return false;
  status = info.si_code == CLD_EXITED ? ExitStatus(info.si_status, 0, false) : ExitStatus(-1, info.si_status, info.si_code == CLD_DUMPED);
  return true;
}

std::error_code send_signal(int pidfd, int number) noexcept {
  if (::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0) return {};
  if (errno == ESRCH) return make_error_code(errc::process_done);
  return {errno, errno_category()};
}

void kill_and_reap(int pidfd) noexcept {
  ExitStatus ignored;
  int error = 0;
  static_cast<void>(send_signal(pidfd, SIGKILL));
  reap(pidfd, true, ignored, error);
}

// ---- EX2: children that nobody waits for

struct Orphan {
  FdGuard pidfd;
  std::unique_ptr<Orphan> next;
};
constinit Lock orphans_lock;
constinit Orphan* orphans = nullptr;  // orphans_lock

void add_orphan(FdGuard pidfd) noexcept {
  std::unique_ptr<Orphan> orphan(new (std::nothrow) Orphan{std::move(pidfd), nullptr});
  if (orphan == nullptr) return;
  LockGuard guard(orphans_lock);
  orphan->next.reset(orphans);
  orphans = orphan.release();
}

void reap_orphans() noexcept {
  std::unique_ptr<Orphan> ended;
  LockGuard guard(orphans_lock);
  std::unique_ptr<Orphan> all(std::exchange(orphans, nullptr));
  while (all != nullptr) {
    std::unique_ptr<Orphan> next = std::move(all->next);
    ExitStatus ignored;
    int error = 0;
    if (!reap(all->pidfd.get(), false, ignored, error)) {
      all->next.reset(orphans);
      orphans = all.release();
    }
    all = std::move(next);
  }
}

}  // namespace

/// What the handles of one process share.
class Child : Immovable {
 public:
  Child(pid_t pid, DescriptorRef pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}
  ~Child();

  pid_t pid() const noexcept { return pid_; }
  Descriptor* descriptor() const noexcept { return pidfd_.get(); }

  void kill_when_done(const Context& ctx) {
    kill_ = after_func(ctx, [pidfd = pidfd_] {
      const Descriptor::Use use(pidfd.get());
      if (use) static_cast<void>(send_signal(use.number(), SIGKILL));  // reaped: then it hits nobody
    });
  }
  std::error_code signal(int number) noexcept {
    LockGuard guard(lock_);
    if (ended_) return make_error_code(errc::process_done);
    return send_signal(pidfd_.get()->fd_, number);
  }
  /// Whether it has ended by now; waits for it only if told to. EX1
  bool collect(bool wait = false) noexcept {
    {
      LockGuard guard(lock_);
      if (!ended_ && !reap(pidfd_.get()->fd_, wait, status_, error_)) return false;
      ended_ = true;
    }
    kill_.stop();
    return true;
  }
  Result<ExitStatus> result() {
    if (!collect()) error_ = EAGAIN;  // its pidfd said it had ended
    if (error_ == 0) return Result<ExitStatus>(status_);
    return failed<ExitStatus>(system_failure("waitid", error_));
  }

 private:
  const pid_t pid_;
  const DescriptorRef pidfd_;
  Lock lock_;
  bool ended_ = false;  // lock_
  ExitStatus status_;   // written once, under lock_, before ended_
  int error_ = 0;
  AfterFunc kill_;
};

namespace {

/// Until a child has ended, or was killed.
class ChildWaitOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit ChildWaitOp(Descriptor* pidfd) noexcept : pidfd_(pidfd) {}

 private:
  Descriptor* pidfd_;
};
class ChildWaitOp::Awaiter : public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, ChildWaitOp&& op) noexcept : FdAwaiter(gp, op.pidfd_, FdOperation::Kind::wait, nullptr, 1) {}
  Result<std::size_t> await_resume() { return operation_.result(); }
};

/// A child without handles. What is not reaped when this goes, also with a g that was stopped before it began, is left to the next start().
class Deserted {
 public:
  Deserted(DescriptorRef pidfd, AfterFunc kill) noexcept : pidfd_(std::move(pidfd)), kill_(std::move(kill)) {}
  Deserted(Deserted&&) noexcept = default;
  Deserted& operator=(Deserted&&) = delete;
  ~Deserted() {
    if (pidfd_.get() == nullptr) return;
    ExitStatus ignored;
    int error = 0;
    if (reap(pidfd_.get()->fd_, false, ignored, error))
      kill_.stop();
    else
      add_orphan(FdGuard(::fcntl(pidfd_.get()->fd_, F_DUPFD_CLOEXEC, 3)));
  }
  Descriptor* pidfd() const noexcept { return pidfd_.get(); }

 private:
  DescriptorRef pidfd_;
  AfterFunc kill_;
};

Task<> wait_for(Deserted child) { static_cast<void>(co_await ChildWaitOp(child.pidfd())); }

}  // namespace

Child::~Child() {
  if (collect()) return;
  try {
    Deserted deserted(pidfd_, kill_);
    if (Executor* executor = Executor::current()) executor->go(&wait_for, std::move(deserted));
  } catch (const std::exception&) {  // it stops
  }
}

WaitProcessOp::Awaiter::Awaiter(G* gp, WaitProcessOp&& op) noexcept
    : WaitedChild{std::move(op.child_)},
      FdAwaiter(gp, child_ != nullptr ? child_->descriptor() : nullptr, FdOperation::Kind::wait, nullptr, 1) {}

Result<ExitStatus> WaitProcessOp::Awaiter::await_resume() {
  if (child_ == nullptr) return Result<ExitStatus>(std::error_code(EINVAL, errno_category()));
  const auto waited = operation_.result();
  if (waited.err) return Result<ExitStatus>(waited.err);
  return child_->result();
}

// ---- starting

namespace {

/// A program that was started, until somebody takes it over.
struct Spawned {
  Spawned() noexcept {}
  Spawned(const Spawned&) = delete;
  Spawned& operator=(const Spawned&) = delete;
  ~Spawned() {
    if (pidfd) kill_and_reap(pidfd.get());
  }
  pid_t pid = -1;
  FdGuard pidfd;
  Failure failure;
};

bool is_executable(const std::string& path) noexcept {
  struct stat about = {};
  return ::stat(path.c_str(), &about) == 0 && !S_ISDIR(about.st_mode) && ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0;
}

/// As a shell looks for it, but never in the current directory.
std::string look_up(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* const all = std::getenv("PATH");
  std::string_view rest = all != nullptr ? all : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    std::string path(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!path.starts_with('/')) continue;
    path.append("/").append(name);
    if (is_executable(path)) return path;
  }
  return {};
}

/// A number of its own for the child, three or more: none of those that it is to have.  EX3
FdGuard for_child(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return FdGuard();
  FdGuard shared;
  if ((flags & O_NONBLOCK) != 0) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    shared = FdGuard(::open(path.c_str(), (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    ::fcntl(shared ? shared.get() : fd, F_SETFL, flags & ~O_NONBLOCK);
    if (shared.get() > 2) return shared;
  }
  return FdGuard(::fcntl(shared ? shared.get() : fd, F_DUPFD_CLOEXEC, 3));
}

/// What posix_spawn() is told.
class Plan : Immovable {
 public:
  Plan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);  // the one that libraries like to ignore, and programs rely on
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &pipe);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Plan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// False: errno says why.
  bool set(int number, const Stdio& io) {
    int error = 0;
    kinds_[static_cast<std::size_t>(number)] = io.kind();
    if (io.kind() == Stdio::Kind::null) {
      error = ::posix_spawn_file_actions_addopen(&actions_, number, "/dev/null", number == 0 ? O_RDONLY : O_WRONLY, 0);
    } else if (io.kind() == Stdio::Kind::file) {
      const Descriptor::Use use(io.file().copy_end().get());
      FdGuard& own = numbers_[static_cast<std::size_t>(number)];
      if (use) own = for_child(use.number());
      if (!use) errno = EBADF;
      if (!own) return false;
      error = ::posix_spawn_file_actions_adddup2(&actions_, own.get(), number);
    }
    errno = error;
    return error == 0;
  }
  bool set_dir(const std::string& dir) {
    dir_ = dir.c_str();
    errno = ::posix_spawn_file_actions_addchdir_np(&actions_, dir.c_str());
    return errno == 0;
  }
  /// After all set(): what else is open stays ours, also if it was opened without O_CLOEXEC.
  bool close_others() {
#if __GLIBC_PREREQ(2, 34)
    errno = ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    return errno == 0;
#else
    return true;
#endif
  }
  int spawn(const std::string& path, char* const* argv, char* const* env, pid_t& pid) noexcept {
    if (const auto limit = file_limit_of_children()) return spawn_limited(path.c_str(), argv, env, *limit, pid);
    return ::posix_spawn(&pid, path.c_str(), &actions_, &attributes_, argv, env);
  }

 private:
  int spawn_limited(const char* path, char* const* argv, char* const* env, const rlimit& limit, pid_t& pid) noexcept;
  void become(const char* path, char* const* argv, char* const* env, const rlimit& limit) const noexcept;

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  std::array<FdGuard, 3> numbers_;
  // The same again, for spawn_limited().
  std::array<Stdio::Kind, 3> kinds_ = {};
  const char* dir_ = nullptr;
};

// The child shares our memory until it has become the program, so it does nothing but ask the system; with all signals blocked, as a handler of ours may
// not run in it.
GMPCORO_NOINLINE int Plan::spawn_limited(const char* path, char* const* argv, char* const* env, const rlimit& limit, pid_t& pid) noexcept {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  volatile int error = 0;
  const pid_t child = ::vfork();
  if (child == 0) {
    become(path, argv, env, limit);
    error = errno;
    ::_exit(127);
  }
  if (child < 0) error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child > 0 && error != 0) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid = child;
  return error;
}

// Returns if it could not; errno says why.
void Plan::become(const char* path, char* const* argv, char* const* env, const rlimit& limit) const noexcept {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action = {};
    if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_DFL || (action.sa_handler == SIG_IGN && signal != SIGPIPE)) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
  for (int number = 0; number < 3; ++number) {
    const auto i = static_cast<std::size_t>(number);
    int from = numbers_[i].get();
    if (kinds_[i] == Stdio::Kind::inherited) continue;
    if (kinds_[i] == Stdio::Kind::null) from = ::open("/dev/null", number == 0 ? O_RDONLY : O_WRONLY);
    if (from < 0 || (from != number && ::dup2(from, number) < 0)) return;
    if (kinds_[i] == Stdio::Kind::null && from != number) ::close(from);
  }
#ifdef SYS_close_range
  ::syscall(SYS_close_range, 3u, ~0u, 0u);  // refused: ours are closed by exec
#endif
  sigset_t none;
  ::sigemptyset(&none);
  if ((dir_ != nullptr && ::chdir(dir_) != 0) || ::setrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(path, argv, env);
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Failure path_failure(const char* op, const std::string& path, int error) {
  return {std::error_code(error, errno_category()), std::string(op).append(" ").append(path).append(": ")};
}

/// What the system would take for less than it is.
bool has_a_zero_byte(const Command& command) noexcept {
  const auto has = [](const std::string& text) { return text.find('\0') != text.npos; };
  return has(command.path) || has(command.dir) || std::any_of(command.argv.begin(), command.argv.end(), has) ||
         (command.env && std::any_of(command.env->begin(), command.env->end(), has));
}

/// Blocks.
Failure spawn_now(const Command& command, Spawned& out) {
  reap_orphans();
  const std::string name = command.argv.empty() ? command.path : command.argv.front();
  if (name.empty()) return {std::error_code(EINVAL, errno_category()), "exec: no command: "};
  if (has_a_zero_byte(command)) return path_failure("fork/exec", name, EINVAL);
  const std::string path = command.path.empty() ? look_up(name) : command.path;
  if (path.empty()) return {errc::not_executable, "exec: \"" + name + "\": "};
  if (!command.dir.empty()) {
    const FdGuard dir(::open(command.dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!dir) return path_failure("chdir", command.dir, errno);
  }
  Plan plan;
  const bool planned = plan.set(0, command.in) && plan.set(1, command.out) && plan.set(2, command.err) && plan.close_others() &&
                       (command.dir.empty() || plan.set_dir(command.dir));
  if (!planned) return path_failure("fork/exec", path, errno);
  const std::vector<std::string> just_name{name};
  const std::vector<char*> argv = pointers_to(command.argv.empty() ? just_name : command.argv);
  const std::vector<char*> env = command.env ? pointers_to(*command.env) : std::vector<char*>();
  if (const int error = plan.spawn(path, argv.data(), command.env ? env.data() : environ, out.pid)) return path_failure("fork/exec", path, error);
  out.pidfd = FdGuard(static_cast<int>(::syscall(SYS_pidfd_open, out.pid, 0)));
  if (out.pidfd) return {};
  const int error = errno;
  ::kill(out.pid, SIGKILL);
  while (::waitpid(out.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {std::error_code(error, errno_category()), "pidfd_open: "};
}

class StatusContext final : public ErrorContext {
 public:
  explicit StatusContext(const ExitStatus& status) noexcept : status_(status) {}
  std::string text(const std::error_code& err) const override { return err == errc::exit_status ? status_.to_string() : err.message(); }

 private:
  const ExitStatus status_;
};

/// An error unless it is a success.
Result<ExitStatus> judged(const Result<ExitStatus>& ended) {
  if (ended.err || ended.get<0>().success()) return ended;
  return Result<ExitStatus>(ended.get<0>(), make_error_code(errc::exit_status), make_error_context<StatusContext>(ended.get<0>()));
}

/// Kills the process of a g that does not get to its end.
class Leash : Immovable {
 public:
  explicit Leash(std::shared_ptr<Child> child) noexcept : child_(std::move(child)) {}
  ~Leash() {
    if (child_->collect()) return;
    static_cast<void>(child_->signal(SIGKILL));
    child_->collect(true);
  }

 private:
  const std::shared_ptr<Child> child_;
};

Task<Result<std::shared_ptr<Child>>> start_child(Command command, Context ctx) {
  using R = Result<std::shared_ptr<Child>>;
  if (ctx.err()) co_return R(ctx.err());
  Spawned spawned;
  const auto spawn = [&command, &spawned] { spawned.failure = spawn_now(command, spawned); };
  co_await blocking(spawn);
  if (spawned.failure) co_return failed<std::shared_ptr<Child>>(std::move(spawned.failure));
  Descriptor* const pidfd = Descriptor::make_file(spawned.pidfd.get(), "process " + std::to_string(spawned.pid), Descriptor::Nature::pollable);
  if (pidfd == nullptr) co_return R(std::error_code(ENOMEM, errno_category()));
  spawned.pidfd.release();
  const auto child = std::make_shared<Child>(spawned.pid, DescriptorRef(pidfd));
  child->kill_when_done(ctx);
  co_return R(child);
}

Task<Result<std::string>> output_of(Command command, bool errors_too, Context ctx) {
  os::Pipe ends = os::pipe();
  if (ends.err) co_return failed<std::string>(system_failure("pipe2", ends.err.value()));
  command.out = Stdio(ends.writer);
  if (errors_too) command.err = Stdio(ends.writer);
  const auto started = co_await start_child(std::move(command), ctx);
  ends.writer.close();
  if (!started) co_return Result<std::string>(static_cast<const ResultBase&>(started));
  const Leash leash(started.get<0>());
  const Process process(started.get<0>());
  auto text = co_await io::read_all(ends.reader, ctx);
  const auto ended = judged(co_await process.wait());
  if (ended) co_return text;
  Result<std::string> failure(static_cast<const ResultBase&>(ended));
  failure.get<0>() = std::move(text.get<0>());
  co_return failure;
}

}  // namespace

}  // namespace detail

namespace os {

Task<Result<std::string>> Command::output(Context ctx) const { return detail::output_of(*this, false, std::move(ctx)); }
Task<Result<std::string>> Command::combined_output(Context ctx) const { return detail::output_of(*this, true, std::move(ctx)); }

int Process::pid() const noexcept { return child_ != nullptr ? child_->pid() : -1; }
std::error_code Process::signal(int number) const noexcept {
  return child_ != nullptr ? child_->signal(number) : std::error_code(EINVAL, errno_category());
}
std::error_code Process::kill() const noexcept { return signal(SIGKILL); }

Task<Result<Process>> start(Command command, Context ctx) {
  auto started = co_await detail::start_child(std::move(command), std::move(ctx));
  if (!started) co_return Result<Process>(static_cast<const detail::ResultBase&>(started));
  co_return Result<Process>(Process(std::move(started.get<0>())));
}

Task<Result<ExitStatus>> run(Command command, Context ctx) {
  const auto started = co_await detail::start_child(std::move(command), std::move(ctx));
  if (!started) co_return Result<ExitStatus>(static_cast<const detail::ResultBase&>(started));
  const detail::Leash leash(started.get<0>());
  const Process process(started.get<0>());
  co_return detail::judged(co_await process.wait());
}

}  // namespace os
}  // namespace gmp
