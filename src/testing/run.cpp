// src/testing/run.cpp — testing::run.
// Go: testing/synctest.  Room: testing (floor 6).
#include "gmp/testing.hpp"

#include "testing/stage.hpp"

namespace gmp::detail {

void run_test(const TestFunction& make, std::source_location where) {
  Stage::End end;
  {
    Stage stage("testing::run()", false);
    end = stage.play(make, where);
  }
  if (end.thrown != nullptr) std::rethrow_exception(std::move(end.thrown));
  if (!end.trouble.empty()) throw testing::Failure("gmp::testing: " + end.trouble);
}

}  // namespace gmp::detail
