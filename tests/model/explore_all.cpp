// tests/model/explore_all.cpp — explore_all(): a test that all models of a file hold.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>

#include "model/model.hpp"

namespace gmp::model {

void explore_all(const std::vector<Model>& models) {
  for (const Model& model : models) {
    const Result result = explore(model.options, model.body);
    EXPECT_EQ("", result.failure) << model.name;
    std::printf("%-36s %llu runs, %llu steps each\n", model.name, static_cast<unsigned long long>(result.schedules),
                static_cast<unsigned long long>(result.steps / result.schedules));
  }
}

}  // namespace gmp::model
