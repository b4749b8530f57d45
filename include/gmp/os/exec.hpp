// include/gmp/os/exec.hpp — os::Command, start, run: programs that run beside this one, waited for without a thread.
// Go: os/exec, os (Process, ProcessState).  Room: os (floor 5).
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/detail/net/fd_operation.hpp"
#include "gmp/detail/net/operations.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/os/file.hpp"
#include "gmp/result.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {
class Child;
}

namespace gmp::os {

/// How a process ended.      Go: os.ProcessState.
class GMPCORO_EXPORT ExitStatus {
 public:
  constexpr ExitStatus() noexcept = default;
  constexpr ExitStatus(int code, int signal, bool dumped) noexcept : code_(code), signal_(signal), dumped_(dumped) {}

  /// It ended by itself, with 0.
  constexpr bool success() const noexcept { return code_ == 0; }
  /// What it ended with, or -1: a signal killed it.
  constexpr int code() const noexcept { return code_; }
  /// The signal that killed it, or 0.
  constexpr int signal() const noexcept { return signal_; }
  /// "exit status 1", "signal: killed", "signal: aborted (core dumped)".
  std::string to_string() const;

  friend constexpr bool operator==(const ExitStatus&, const ExitStatus&) noexcept = default;

 private:
  int code_ = 0;
  int signal_ = 0;
  bool dumped_ = false;
};

}  // namespace gmp::os

namespace gmp::detail {

class [[nodiscard("co_await it")]] GMPCORO_EXPORT WaitProcessOp {
 public:
  class Awaiter;
  using operation_tag = void;
  explicit WaitProcessOp(std::shared_ptr<Child> child) noexcept : child_(std::move(child)) {}

 private:
  std::shared_ptr<Child> child_;
};

/// What is kept of a WaitProcessOp while it lasts.
struct WaitedChild {
  std::shared_ptr<Child> child_;
};
class WaitProcessOp::Awaiter : private WaitedChild, public FdAwaiter<Awaiter> {
 public:
  Awaiter(G* gp, WaitProcessOp&& op) noexcept;
  Result<os::ExitStatus> await_resume();
};

}  // namespace gmp::detail

namespace gmp::os {

/// Where a program's input comes from, or its output goes to: nowhere (/dev/null; the default), to where this program's goes, or a File.
class Stdio {
 public:
  /// Which of the three it is.
  enum class Kind : unsigned char { null, inherited, file };
  Stdio() noexcept = default;
  Stdio(File file) noexcept : kind_(Kind::file), file_(std::move(file)) {}
  /// To where this program's own goes.
  static Stdio inherited() noexcept {
    Stdio io;
    io.kind_ = Kind::inherited;
    return io;
  }
  /// What it is; and the File, if it is one.
  Kind kind() const noexcept { return kind_; }
  const File& file() const noexcept { return file_; }

 private:
  Kind kind_ = Kind::null;
  File file_;
};

/// A program to be run, and with what.
///
///     os::Command list("ls", "-l", "/etc");
///     auto [text, err] = co_await list.output();
///     if (err) …                                        // "exec: "ls": executable file not found in $PATH", "exit status 2", "signal: killed"
///
/// Of it nothing is shared: it may be changed, and started again.      Go: exec.Cmd.
struct GMPCORO_EXPORT Command {
  Command() noexcept {}
  /// The program, and its arguments.
  template <class Program, class... Arguments>
    requires(std::convertible_to<Program, std::string> && (std::convertible_to<Arguments, std::string> && ...))
  Command(Program&& program, Arguments&&... arguments) {  // no initializer_list: g++ 12 has no place for one in a co_await expression
    argv.reserve(1 + sizeof...(Arguments));
    argv.emplace_back(std::forward<Program>(program));
    (argv.emplace_back(std::forward<Arguments>(arguments)), ...);
  }
  explicit Command(std::vector<std::string> program_and_arguments) : argv(std::move(program_and_arguments)) {}

  std::vector<std::string> argv;                // the first one: its name
  std::string path;                             // the file; empty: as argv[0] says, looked up in $PATH if that has no slash
  std::string dir;                              // where it runs; empty: here
  std::optional<std::vector<std::string>> env;  // "NAME=value"; none: as here
  Stdio in, out, err;                           // standard input, output and error

  /// Runs it: what it writes to its output, and the error as of run(). `out` is not used.      Go: Output.
  Task<Result<std::string>> output(Context ctx = {}) const;
  /// The same of output and errors together, as they come.      Go: CombinedOutput.
  Task<Result<std::string>> combined_output(Context ctx = {}) const;
};

/// A program that was started: a shared handle. Its end is waited for by wait(); if all handles go before, the library does that, so that no zombie is
/// left. From any thread.      Go: os.Process.
class GMPCORO_EXPORT Process {
 public:
  Process() noexcept = default;
  explicit Process(std::shared_ptr<detail::Child> child) noexcept : child_(std::move(child)) {}

  /// Its number; -1 for a default-constructed one. Once it was waited for the number may be another one's.
  int pid() const noexcept;
  /// `auto [status, err] = co_await p.wait();` parks until it has ended, and says how; any number of times. Whatever its status, that is no error. until()
  /// gives the wait up, not the process.      Go: Process.Wait.
  detail::WaitProcessOp wait() const noexcept { return detail::WaitProcessOp(child_); }
  /// Sends a signal; errc::process_done if it has ended. Never hits another process.      Go: Signal, Kill.
  std::error_code signal(int number) const noexcept;
  std::error_code kill() const noexcept;

  /// False for a default-constructed one.
  explicit operator bool() const noexcept { return child_ != nullptr; }

 private:
  std::shared_ptr<detail::Child> child_;
};

/// Starts it: `auto [p, err] = co_await os::start(cmd);`. Holds up no other g. When ctx is done the process is killed (SIGKILL); done already: it is not
/// started. Errors read `exec: "nosuch": executable file not found in $PATH`, `fork/exec /x: permission denied`, `chdir /y: no such file or directory`.
/// The program has no descriptors of this one but those of cmd, which it gets as blocking ones.      Go: exec.CommandContext, Cmd.Start.
GMPCORO_EXPORT Task<Result<Process>> start(Command command, Context ctx = {});

/// Starts it and waits: `auto [status, err] = co_await os::run(cmd);`. A status that is no success is an error, too: errc::exit_status, and the message says
/// which. When ctx is done it is killed, and so is one that is left behind because the executor stops.      Go: Cmd.Run.
GMPCORO_EXPORT Task<Result<ExitStatus>> run(Command command, Context ctx = {});

}  // namespace gmp::os
