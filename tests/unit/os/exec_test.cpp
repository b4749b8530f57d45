// tests/unit/os/exec_test.cpp — programs: how they are started and end, what they are given and give, what is left of them: nothing.
// Go: os/exec/exec_test.go, os/exec/lp_unix_test.go, os/exec_unix_test.go.  Room: os (floor 5).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/executor.hpp"
#include "gmp/io.hpp"
#include "gmp/os.hpp"
#include "gmp/sync.hpp"
#include "support/child.hpp"
#include "support/files.hpp"
#include "support/net.hpp"
#include "support/scale.hpp"

namespace gmp::exec_test {
namespace {

using namespace std::chrono_literals;
using os::Command;
using test::on_executor;
using test::TempDir;
using test::until_parked;

void expect_no_child() {
  siginfo_t info = {};
  EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
  EXPECT_EQ(errno, ECHILD);
}
/// Runs f, and neither a child, running or dead, nor a descriptor is left of it.
template <class F>
void leaving_nothing(F f) {
  test::leaving_no_fds(std::move(f));
  expect_no_child();
}

Command shell(std::string script) { return Command("sh", "-c", std::move(script)); }

TEST(Exec, RunTellsHowItEnded) {
  leaving_nothing([]() -> Task<> {
    const auto good = co_await os::run(shell("exit 0"));
    EXPECT_TRUE(good) << good.message();
    EXPECT_TRUE(good.get<0>().success());
    EXPECT_EQ(good.get<0>().to_string(), "exit status 0");
    const auto bad = co_await os::run(shell("exit 3"));
    EXPECT_EQ(bad.err, errc::exit_status);
    EXPECT_EQ(bad.message(), "exit status 3");
    EXPECT_EQ(bad.get<0>().code(), 3);
    const auto killed = co_await os::run(shell("kill -9 $$"));
    EXPECT_EQ(killed.message(), "signal: killed");
    EXPECT_EQ(killed.get<0>().signal(), SIGKILL);
    EXPECT_EQ(killed.get<0>().code(), -1);
  });
}

TEST(Exec, OutputIsWhatItWrites) {
  leaving_nothing([]() -> Task<> {
    const Command both = shell("echo out; echo err >&2; exit 1");
    const auto out = co_await both.output();
    EXPECT_EQ(out.get<0>(), "out\n");
    EXPECT_EQ(out.message(), "exit status 1");
    const auto combined = co_await both.combined_output();
    EXPECT_EQ(combined.get<0>(), "out\nerr\n");
    EXPECT_EQ(combined.err, errc::exit_status);
    const auto much = co_await shell("head -c 300000 /dev/zero").output();
    EXPECT_EQ(much.value().size(), 300'000u);
  });
}

TEST(Exec, ErrorsOfStartReadAsGos) {
  const TempDir dir;
  leaving_nothing([&]() -> Task<> {
    const auto not_found = co_await os::start(Command("nosuch-program"));
    EXPECT_EQ(not_found.err, errc::not_executable);
    EXPECT_EQ(not_found.message(), "exec: \"nosuch-program\": executable file not found in $PATH");
    const std::string plain = dir.with("plain", "no program");
    const auto refused = co_await os::run(plain);
    EXPECT_EQ(refused.err, std::errc::permission_denied);
    EXPECT_EQ(refused.message(), "fork/exec " + plain + ": permission denied");
    const std::vector<std::string> nowhere{dir.path("nowhere")};
    const auto nothing = co_await Command(nowhere).output();
    const auto listed = co_await Command("echo", "a rather long argument, so that", "it is allocated").output();
    EXPECT_EQ(listed.value(), "a rather long argument, so that it is allocated\n");
    EXPECT_EQ(nothing.message(), "fork/exec " + dir.path("nowhere") + ": no such file or directory");
    Command elsewhere = shell("true");
    elsewhere.dir = dir.path("gone");
    const auto no_dir = co_await os::run(elsewhere);
    EXPECT_EQ(no_dir.message(), "chdir " + dir.path("gone") + ": no such file or directory");
    const std::string cut("echo\0x", 6);
    for (const Command& command : {Command(cut), Command("/bin/echo", cut)}) {
      const auto not_run = co_await os::run(command);
      EXPECT_EQ(not_run.err, std::errc::invalid_argument) << not_run.message();
    }
    Command cut_off("/bin/echo");
    cut_off.env = std::vector<std::string>{"A=" + cut};
    const auto no_env = co_await os::run(cut_off);
    EXPECT_EQ(no_env.message(), "fork/exec /bin/echo: invalid argument");
    const auto none = co_await os::run(Command());
    EXPECT_EQ(none.message(), "exec: no command: invalid argument");
  });
}

TEST(Exec, DirEnvironmentAndPathAreItsOwn) {
  const TempDir dir;
  leaving_nothing([&]() -> Task<> {
    Command command = shell("pwd; echo $GREETING; echo $0 ${HOME-unset}");
    command.dir = dir.path();
    command.env = std::vector<std::string>{"GREETING=hello"};
    command.path = "/bin/sh";
    command.argv[0] = "another name";
    const auto text = co_await command.output();
    EXPECT_EQ(text.value(), dir.path() + "\nhello\nanother name unset\n");
  });
}

TEST(Exec, InputAndOutputAreFiles) {
  const TempDir dir;
  leaving_nothing([&]() -> Task<> {
    Command upper = shell("tr a-z A-Z");
    upper.in = (co_await os::open(dir.with("in", "from a file"))).value();
    const auto text = co_await upper.output();
    EXPECT_EQ(text.value(), "FROM A FILE");

    auto [r, w, err] = os::pipe();
    upper.in = r;
    upper.out = (co_await os::open(dir.path("out"), O_WRONLY | O_CREAT)).value();
    const os::Process process = (co_await os::start(upper)).value();
    static_cast<void>((co_await w.write("through a pipe")).value());
    w.close();
    const auto status = co_await process.wait();
    EXPECT_TRUE(status.value().success());
    const os::File out = (co_await os::open(dir.path("out"))).value();
    const auto written = co_await io::read_all(out);
    EXPECT_EQ(written.value(), "THROUGH A PIPE");
    EXPECT_TRUE(test::is_nonblocking(r.native_handle()));  // the child's was another one

    Command closed = shell("true");
    closed.in = os::File();
    const auto refused = co_await os::run(closed);
    EXPECT_EQ(refused.err, std::errc::bad_file_descriptor);
  });
}

// A program that writes more than its pipe holds must not be told EAGAIN; nor has it any descriptor but its three.
TEST(Exec, ItsDescriptorsAreThreeAndBlocking) {
  leaving_nothing([]() -> Task<> {
    const int ours = ::open("/dev/null", O_RDONLY);
    const auto list = co_await shell("ls /proc/self/fd | wc -l; grep flags /proc/self/fdinfo/1").output();
    ::close(ours);
    const std::string text = list.value();
    EXPECT_TRUE(text.starts_with("4\n")) << text;  // and the directory that ls reads
    const auto flags = std::stoul(text.substr(text.find_last_of(" \t") + 1), nullptr, 8);
    EXPECT_EQ(flags & O_NONBLOCK, 0u) << text;
  });
}

TEST(Exec, SignalsReachItUntilItHasEnded) {
  leaving_nothing([]() -> Task<> {
    const os::Process process = (co_await os::start(shell("exec sleep 1000"))).value();
    EXPECT_GT(process.pid(), 0);
    const auto running = co_await timeout(5ms, process.wait());
    EXPECT_EQ(running.err, errc::deadline_exceeded);
    EXPECT_FALSE(process.signal(SIGTERM));
    for (int i = 0; i < 2; ++i) {  // any number of times
      const auto ended = co_await process.wait();
      EXPECT_TRUE(ended) << ended.message();
      EXPECT_EQ(ended.get<0>().to_string(), "signal: terminated");
    }
    EXPECT_EQ(process.kill(), errc::process_done);
    EXPECT_EQ(process.kill().message(), "os: process already finished");
    const os::Process none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.pid(), -1);
    EXPECT_TRUE(none.kill());
    const auto never = co_await none.wait();
    EXPECT_TRUE(never.err);
  });
}

TEST(Exec, ManyWaitForOneAndOneForMany) {
  leaving_nothing([]() -> Task<> {
    const int count = test::scaled(20, 6);
    WaitGroup done;
    const os::Process process = (co_await os::start(shell("exec sleep 1000"))).value();
    for (int i = 0; i < count; ++i) {
      done.go([process]() -> Task<> {
        const auto ended = co_await process.wait();
        EXPECT_EQ(ended.value().signal(), SIGKILL);
      });
    }
    co_await until_parked(count);
    process.kill();
    co_await done.wait();
    for (int i = 0; i < count; ++i) {
      done.go([i]() -> Task<> {
        const auto ended = co_await os::run(shell("exit " + std::to_string(i)));
        EXPECT_EQ(ended.get<0>().code(), i);
      });
    }
    co_await done.wait();
  });
}

TEST(Exec, AContextKillsIt) {
  leaving_nothing([]() -> Task<> {
    auto [ctx, cancel] = with_cancel(background());
    auto runner = spawn([ctx]() -> Task<Result<os::ExitStatus>> { co_return co_await os::run(shell("exec sleep 1000"), ctx); });
    auto reader = spawn([ctx]() -> Task<Result<std::string>> { co_return co_await shell("echo so far; exec sleep 1000").output(ctx); });
    // One that leaves the pipe to a grandchild, which nobody kills. It goes on, however late we are.
    auto leaver = spawn([ctx]() -> Task<Result<std::string>> { co_return co_await shell("sleep 0.2 & exec sleep 1000").output(ctx); });
    const os::Process watched = (co_await os::start(shell("exec sleep 1000"), ctx)).value();
    co_await until_parked(3);
    cancel();
    const auto ran = co_await runner;
    EXPECT_EQ(ran.message(), "signal: killed");
    const auto read = co_await reader;
    EXPECT_EQ(read.message(), "signal: killed");
    EXPECT_TRUE(read.get<0>() == "so far\n" || read.get<0>().empty());
    const auto left = co_await leaver;
    EXPECT_EQ(left.message(), "signal: killed");
    const auto ended = co_await watched.wait();
    EXPECT_EQ(ended.value().signal(), SIGKILL);
    const auto late = co_await os::run(shell("exit 0"), ctx);
    EXPECT_EQ(late.err, errc::canceled);
  });
}

TEST(Exec, OneThatNobodyWaitsForLeavesNoZombie) {
  leaving_nothing([]() -> Task<> {
    auto [r, w, err] = os::pipe();
    pid_t pid = 0;
    {
      Command command = shell("read line");
      command.in = r;
      const os::Process process = (co_await os::start(command)).value();
      pid = process.pid();
    }
    r.close();
    co_await until_parked(1);  // who waits for it in our stead
    w.close();                 // it reads the end
    while (::kill(pid, 0) == 0) co_await yield();
    EXPECT_EQ(errno, ESRCH);  // a zombie would be there
  });
}

// The executor stops while one runs: it is killed, and reaped.
TEST(Exec, RunThatIsStoppedLeavesNothing) {
  const int before = test::open_fds();
  {
    Executor ex;
    ex.go([]() -> Task<> { static_cast<void>(co_await os::run(shell("exec sleep 1000"))); });
    ex.go([]() -> Task<> { static_cast<void>(co_await shell("exec sleep 1000").output()); });
    test::wait_parked(ex, 2);
  }
  expect_no_child();
  EXPECT_EQ(test::open_fds(), before);
}

TEST(Exec, AProcessThatOutlivesItsExecutorIsReapedByTheNextStart) {
  const int before = test::open_fds();
  pid_t pid = 0;
  on_executor([&pid]() -> Task<> {
    const os::Process process = (co_await os::start(shell("exec sleep 1000"))).value();
    pid = process.pid();
  });
  EXPECT_EQ(::kill(pid, SIGKILL), 0);
  siginfo_t info = {};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);  // it is a zombie now
  on_executor([]() -> Task<> { static_cast<void>(co_await os::run(shell("exit 0"))); });
  expect_no_child();
  EXPECT_EQ(test::open_fds(), before);
}

// In a process of its own, as it is the process's. Whatever else a program is given it is given so, too.
TEST(Exec, ProgramsHaveTheLimitOfBeforeItWasRaised) {
  const auto outcome = test::child::run([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t most = limit.rlim_max;
    limit.rlim_cur = 123;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    EXPECT_EQ(os::raise_file_limit().value(), most);
    EXPECT_EQ(os::raise_file_limit().value(), most);  // nothing to do
    ::getrlimit(RLIMIT_NOFILE, &limit);
    EXPECT_EQ(limit.rlim_cur, most);
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGUSR1, [](int) {});
    leaving_nothing([&]() -> Task<> {
      const auto said = co_await shell("ulimit -Sn; ulimit -Hn").output();
      EXPECT_EQ(said.get<0>(), "123\n" + std::to_string(most) + "\n") << said.message();
      const auto none = co_await os::run(Command("/nosuch"));
      if (!GMPCORO_TSAN) {  // which makes a fork() of a vfork()
        EXPECT_EQ(none.message(), "fork/exec /nosuch: no such file or directory");
      }
      const auto piped = co_await shell("kill -PIPE $$").output();
      EXPECT_EQ(piped.message(), "signal: broken pipe");
      const auto handled = co_await shell("kill -USR1 $$").output();
      EXPECT_EQ(handled.message(), "signal: user defined signal 1");
      Command cat("sh", "-c", "cat; pwd; echo $GIVEN; echo error >&2; ls /proc/self/fd | wc -l");
      const os::Pipe ends = os::pipe();
      static_cast<void>((co_await ends.writer.write("input ")).value());
      ends.writer.close();
      cat.in = ends.reader;
      cat.dir = "/";
      cat.env = {"GIVEN=environment", "PATH=" + std::string(std::getenv("PATH"))};
      const auto all = co_await cat.combined_output();
      EXPECT_EQ(all.get<0>(), "input /\nenvironment\nerror\n4\n") << all.message();
      auto parked = os::Command("sleep", "1000");
      auto [ctx, cancel] = with_cancel(background());
      const os::Process process = (co_await os::start(parked, ctx)).value();
      cancel();
      const auto ended = co_await process.wait();
      EXPECT_EQ(ended.value().signal(), SIGKILL);
      limit.rlim_cur = 200;  // whoever sets it later has the last word
      ::setrlimit(RLIMIT_NOFILE, &limit);
      const auto later = co_await shell("ulimit -Sn").output();
      EXPECT_EQ(later.get<0>(), "200\n");
    });
    std::puts(::testing::Test::HasFailure() ? "" : "good");
  });
  EXPECT_EQ(outcome.out, "good\n") << outcome;
}

}  // namespace
}  // namespace gmp::exec_test
