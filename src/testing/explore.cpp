// src/testing/explore.cpp — testing::explore and testing::replay.
// Go: none.  Room: testing (floor 6).
//
// A schedule that fails is played once more, on a fresh stage, with its steps recorded: they need not be while nothing has happened, and whether a test does the
// same under the same schedule is known only so.
#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "debug/dump.hpp"
#include "gmp/testing.hpp"
#include "testing/stage.hpp"

namespace gmp::detail {

namespace {

std::string in_words(const Stage::End& end) {
  return end.thrown != nullptr ? "exception: " + what_of(end.thrown) + "\n" : end.trouble;
}

std::string account(std::uint64_t seed, const Stage::End& end, const Stage& stage) {
  const std::string number = std::to_string(seed) + "u";
  return "seed " + std::to_string(seed) + ": testing::replay(" + number + ", f) does it again, and so does GMPSEED=" + std::to_string(seed) + "\n" + in_words(end) + "\nwho went on, and from where:\n" + stage.steps();
}

// Of $GMPSEED. 0: it says nothing.
std::uint64_t seed_of_environment() {
  const char* text = std::getenv("GMPSEED");
  if (text == nullptr || *text == '\0') return 0;
  const std::string_view digits = text;
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seed);
  if (error != std::errc() || end != digits.data() + digits.size()) throw std::invalid_argument("GMPSEED=" + std::string(text) + " is no seed");
  return seed;
}

}  // namespace

void explore_test(const testing::Exploration& said, const TestFunction& make, std::source_location where) {
  testing::Exploration how = said;
  const std::uint64_t given = seed_of_environment();
  if (Strategy::is_schedule(given)) {
    if (Strategy::has_faults(given) == how.faults) return replay_test(given, make, where);  // else it is another explore()'s
  } else if (given != 0) {
    how.seed = given;
  }
  Stage::End end;
  std::uint64_t seed = 0, n = 0, trace = 0;
  {
    Stage stage("testing::explore()", true);
    std::uint32_t steps = 1;
    for (; n < how.schedules; ++n) {
      seed = Strategy::seed_of(how.seed, n, steps, how.faults);
      end = stage.play(make, where, seed);
      if (!end.well()) break;
      if (stage.strategy().walks()) steps = stage.strategy().steps();
    }
    trace = stage.trace();
  }
  if (n == how.schedules) return;
  std::string text = "gmp::testing: schedule " + std::to_string(n + 1) + " of " + std::to_string(how.schedules) + " fails; ";
  Stage again("testing::explore()", true);
  const Stage::End second = again.play(make, where, seed, true);
  if (again.trace() != trace || second.well())
    text += "the test is not deterministic: played again, the same schedule went another way. At first it was:\n" + in_words(end) + "\nand then, ";
  throw testing::Failure(text + (second.well() ? "it ended well\n" + again.steps() : account(seed, second, again)));
}

void replay_test(std::uint64_t seed, const TestFunction& make, std::source_location where) {
  Stage stage("testing::replay()", true);
  const Stage::End end = stage.play(make, where, seed, true);
  if (!end.well()) throw testing::Failure("gmp::testing: " + account(seed, end, stage));
}

}  // namespace gmp::detail
