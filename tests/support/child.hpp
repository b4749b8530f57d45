// tests/support/child.hpp — runs code that must die, in a fresh process, and says how it died.
// Go: runtime/crash_test.go (runTestProg).  Room: tests/support.
//
// The library forbids use after fork, and a death test that forks a process with threads tests little.  So the child is this binary again,
// told by --scenario which function to run.  A lambda that captures nothing is found by its distance from a function of this
// binary, which is the same in the child wherever the loader puts it.
//
//   auto died = child::run([] { gmp::Mutex mu; mu.unlock(); });
//   EXPECT_EQ(died.status, 2);
//   EXPECT_EQ(died.err, "fatal error: sync: unlock of unlocked mutex\n");
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <type_traits>
#include <vector>

namespace gmp::test::child {

struct Outcome {
  int status = -1;         // exit status, or -1 if a signal ended it
  int signal = 0;          // the signal that ended it, or 0
  bool timed_out = false;  // it had to be killed
  std::string out;         // all of stdout
  std::string err;         // all of stderr
};

/// For a failed EXPECT: what happened, with all it printed.
std::ostream& operator<<(std::ostream& stream, const Outcome& outcome);

struct Options {
  std::vector<std::string> environment;                  // "NAME=value": added, or replaced; "NAME" alone: removed
  std::chrono::milliseconds limit = std::chrono::seconds(15);  // then it is killed; below the watchdog's limit, so that the failure is told here
};

using Scenario = void (*)();

/// Runs `scenario` in a child process and waits for its end. The child exits with 0 if the scenario returns.
Outcome run(Scenario scenario, const Options& options = {});

/// Runs another program: its path, then its arguments.
Outcome run_program(const std::vector<std::string>& command, const Options& options = {});

/// For main(): if this process is such a child, runs its scenario and exits; else returns.
void run_if_child(int argc, char** argv);

}  // namespace gmp::test::child
