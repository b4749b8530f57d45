// tests/unit/sched/settings_test.cpp — $GMPDEBUG: what is read of it, and what is said of the rest.
// Go: runtime/runtime1.go (parsedebugvars).  Room: sched (floor 2).
#include "sched/settings.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gmp::detail::settings_test {
namespace {

std::string said;

DebugSettings parsed(const char* text) {
  said.clear();
  return parse_debug(text, [](const std::string& line) { said += line; });
}

TEST(Settings, DebugReadsWhatThereIs) {
  const DebugSettings all = parsed("hog=1,lockcycle=1,,schedtrace=1000,scheddetail=1");
  EXPECT_TRUE(all.hog);
  EXPECT_TRUE(all.lockcycle);
  EXPECT_TRUE(all.scheddetail);
  EXPECT_EQ(all.schedtrace_ms, 1000);
  EXPECT_EQ(said, "");
  for (const char* nothing : {static_cast<const char*>(nullptr), "", ",", "hog=0,lockcycle=0,schedtrace=0,scheddetail=0"}) {
    const DebugSettings none = parsed(nothing);
    EXPECT_FALSE(none.hog || none.lockcycle || none.scheddetail);
    EXPECT_EQ(none.schedtrace_ms, 0);
    EXPECT_EQ(said, "");
  }
  EXPECT_FALSE(parsed("hog=1,hog=0").hog);  // the last one counts
}

TEST(Settings, DebugNamesWhatItDoesNotUnderstand) {
  const DebugSettings some = parsed("hog=2,gctrace=1,schedtrace=-1,lockcycle,scheddetail=1");
  EXPECT_FALSE(some.hog);
  EXPECT_FALSE(some.lockcycle);
  EXPECT_TRUE(some.scheddetail);
  EXPECT_EQ(some.schedtrace_ms, 0);
  EXPECT_EQ(said,
            "gmpcoro: GMPDEBUG: hog=2: must be 0 or 1: ignored\n"
            "gmpcoro: GMPDEBUG: gctrace=1: there are hog, lockcycle, schedtrace and scheddetail: ignored\n"
            "gmpcoro: GMPDEBUG: schedtrace=-1: must be milliseconds, 0 to 3600000: ignored\n"
            "gmpcoro: GMPDEBUG: lockcycle: must be 0 or 1: ignored\n");
  EXPECT_EQ(parsed("schedtrace=3600001").schedtrace_ms, 0);
  EXPECT_EQ(parsed("schedtrace=99999999999999999999").schedtrace_ms, 0);
}

}  // namespace
}  // namespace gmp::detail::settings_test
