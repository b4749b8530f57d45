// tests/support/child.cpp — see child.hpp.
// Go: runtime/crash_test.go.  Room: tests/support.
#include "support/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <string_view>
#include <system_error>

extern "C" char** environ;

namespace gmp::test::child {
namespace {

constexpr std::string_view flag = "--scenario=";

void anchor() {}

std::intptr_t distance(Scenario scenario) { return reinterpret_cast<std::intptr_t>(scenario) - reinterpret_cast<std::intptr_t>(&anchor); }

[[noreturn]] void give_up(const char* what, int error) { throw std::system_error(error, std::generic_category(), what); }

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) give_up("pipe2", errno);
    read_end = ends[0];
    write_end = ends[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(read_end);
    close(write_end);
  }
  static void close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
};

std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  std::vector<std::string> result;
  const auto name_of = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    bool kept = true;
    for (const std::string& change : changes) kept = kept && name_of(change) != name_of(*entry);
    if (kept) result.emplace_back(*entry);
  }
  for (const std::string& change : changes) {
    if (change.find('=') != std::string::npos) result.push_back(change);
  }
  return result;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Reads both pipes to their ends; false if that took longer than `limit`.
bool collect(Pipe& out, Pipe& err, Outcome& outcome, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (out.read_end >= 0 || err.read_end >= 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd fds[2] = {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
    if (::poll(fds, 2, static_cast<int>(left.count())) < 0 && errno != EINTR) give_up("poll", errno);
    const auto take = [](const pollfd& ready, int& fd, std::string& text) {
      if (fd < 0 || ready.revents == 0) return;
      char buffer[4096];
      const ssize_t size = ::read(fd, buffer, sizeof buffer);
      if (size > 0) text.append(buffer, static_cast<std::size_t>(size));
      if (size == 0 || (size < 0 && errno != EINTR)) Pipe::close(fd);
    };
    take(fds[0], out.read_end, outcome.out);
    take(fds[1], err.read_end, outcome.err);
  }
  return true;
}

std::string own_path() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size < 0) give_up("/proc/self/exe", errno);
  return std::string(path, static_cast<std::size_t>(size));
}

}  // namespace

Outcome run_program(const std::vector<std::string>& command, const Options& options) {
  Pipe out;
  Pipe err;
  std::vector<std::string> arguments = command;
  std::vector<std::string> environment = environment_with(options.environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);
  // A child starts as from a shell: no signal blocked, each with its default action. A group of its own: one kill ends its children too.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, arguments[0].c_str(), &actions, &attributes, pointers_to(arguments).data(), pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) give_up(arguments[0].c_str(), error);
  Pipe::close(out.write_end);
  Pipe::close(err.write_end);

  Outcome outcome;
  if (!collect(out, err, outcome, options.limit)) {
    outcome.timed_out = true;
    ::kill(-pid, SIGKILL);
    collect(out, err, outcome, std::chrono::seconds(5));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) give_up("waitpid", errno);
  }
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  return outcome;
}

Outcome run(Scenario scenario, const Options& options) {
  return run_program({own_path(), std::string(flag) + std::to_string(distance(scenario))}, options);
}

void run_if_child(int argc, char** argv) {
  if (argc != 2 || std::strncmp(argv[1], flag.data(), flag.size()) != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a parent that its watchdog ended leaves nobody behind
  const std::intptr_t away = std::strtoll(argv[1] + flag.size(), nullptr, 10);
  const auto scenario = reinterpret_cast<Scenario>(reinterpret_cast<std::intptr_t>(&anchor) + away);
  scenario();
  std::exit(0);
}

std::ostream& operator<<(std::ostream& stream, const Outcome& outcome) {
  if (outcome.timed_out) stream << "killed, as it took too long";
  else if (outcome.signal != 0) stream << "ended by signal " << outcome.signal << " (" << ::strsignal(outcome.signal) << ")";
  else stream << "exit status " << outcome.status;
  return stream << "\n-- stdout\n" << outcome.out << "-- stderr\n" << outcome.err << "--";
}

}  // namespace gmp::test::child
